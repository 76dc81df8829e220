/*
 * mortal-consumer.c - consumer.c that is killed at a chosen step: before and after
 * every call that changes the file system, and before and after every atomic store
 * to the session file. Built by takeover.test.ts and ahead.test.ts. The variable
 * BUNTRACE_DIES_AT is the step's number; at 0, or beyond the last step, it lives on. It
 * allocates room ahead of files of two packets, on any file system and to its last byte.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

static void step(void)
{
	static unsigned long dies_at, steps;
	const char *text = getenv("BUNTRACE_DIES_AT");

	if (steps == 0 && text)
		dies_at = strtoul(text, NULL, 10);
	if (++steps == dies_at)
		kill(getpid(), SIGKILL);
}

static int statfs_of_ext4(int fd, struct statfs *disk)
{
	int result = fstatfs(fd, disk);

	disk->f_type = EXT4_SUPER_MAGIC;
	return result;
}

#define STEPPED(type, call)      \
	({                       \
		step();          \
		type _r = call;  \
		int _e = errno;  \
		step();          \
		errno = _e;      \
		_r;              \
	})

#define openat(...) STEPPED(int, openat(__VA_ARGS__))
#define mkdirat(...) STEPPED(int, mkdirat(__VA_ARGS__))
#define linkat(...) STEPPED(int, linkat(__VA_ARGS__))
#define unlinkat(...) STEPPED(int, unlinkat(__VA_ARGS__))
#define renameat(...) STEPPED(int, renameat(__VA_ARGS__))
#define ftruncate(...) STEPPED(int, ftruncate(__VA_ARGS__))
#define fallocate(...) STEPPED(int, fallocate(__VA_ARGS__))
#define pwritev(...) STEPPED(ssize_t, pwritev(__VA_ARGS__))

#define fstatfs statfs_of_ext4
#define BT_AHEAD_BYTES 8192ull
#define BT_AHEAD_PART 1u

#undef atomic_store
#undef atomic_store_explicit
#define atomic_store_explicit(object, value, order) \
	do {                                        \
		step();                             \
		*(object) = (value);                \
		step();                             \
	} while (0)
#define atomic_store(object, value) atomic_store_explicit(object, value, memory_order_seq_cst)

#include "../../shim/consumer.c"
