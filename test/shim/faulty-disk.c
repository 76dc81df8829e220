/*
 * faulty-disk.c - a disk that fails by a seeded plan: linked into a consumer whose
 * calls of pwritev, ftruncate and fallocate are renamed to these. Built by consumer.test.ts.
 * The plan's seed is in the variable BUNTRACE_FAULTS; what it has done is counted in
 * the file that BUNTRACE_FAULTS_COUNTED names.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

static uint64_t state;
static unsigned counts[6]; /* EINTR, EIO, ENOSPC, short, truncation, allocation */

static uint64_t next_random(void)
{
	if (state == 0) {
		const char *seed = getenv("BUNTRACE_FAULTS");

		state = seed ? strtoull(seed, NULL, 10) : 1;
	}
	state += 0x9e3779b97f4a7c15u;
	return (state ^ state >> 29) * 0xbf58476d1ce4e5b9u >> 20;
}

static void count(int what)
{
	const char *path = getenv("BUNTRACE_FAULTS_COUNTED");
	int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;

	counts[what]++;
	if (fd >= 0) {
		dprintf(fd, "%u %u %u %u %u %u\n", counts[0], counts[1], counts[2], counts[3], counts[4],
			counts[5]);
		close(fd);
	}
}

ssize_t faulty_pwritev(int fd, const struct iovec *parts, int length, off_t at)
{
	struct iovec some = parts[0].iov_len > 0 ? parts[0] : parts[1];

	switch (next_random() % 12) {
	case 0:
		count(0);
		errno = EINTR;
		return -1;
	case 1:
		count(1);
		errno = EIO;
		return -1;
	case 2:
		/* With some of it written, as a disk does that gets full. */
		count(2);
		if (some.iov_len > 1) {
			some.iov_len = 1 + next_random() % (some.iov_len - 1);
			pwritev(fd, &some, 1, at);
		}
		errno = ENOSPC;
		return -1;
	case 3:
	case 4:
	case 5:
		count(3);
		some.iov_len = some.iov_len > 1 ? 1 + next_random() % some.iov_len : some.iov_len;
		return pwritev(fd, &some, 1, at);
	default:
		return pwritev(fd, parts, length, at);
	}
}

int faulty_ftruncate(int fd, off_t size)
{
	if (next_random() % 3 == 0) {
		count(4);
		errno = EIO;
		return -1;
	}
	return ftruncate(fd, size);
}

int faulty_fallocate(int fd, int mode, off_t at, off_t size)
{
	static const int errors[] = { EINTR, ENOSPC, EOPNOTSUPP };
	uint64_t plan = next_random() % 6;

	if (plan < 3) {
		count(5);
		errno = errors[plan];
		return -1;
	}
	return fallocate(fd, mode, at, size);
}

int statfs_of_ext4(int fd, struct statfs *disk)
{
	int result = fstatfs(fd, disk);

	disk->f_type = EXT4_SUPER_MAGIC;
	return result;
}
