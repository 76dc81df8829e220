/*
 * faulty-consumer.c - consumer.c with the calls that write to the disk renamed to
 * those of faulty-disk.c, on a disk where it allocates room ahead of all but the
 * smallest files. Built by consumer.test.ts.
 */
#define _GNU_SOURCE
#include <sys/statfs.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t faulty_pwritev(int fd, const struct iovec *parts, int length, off_t at);
int faulty_ftruncate(int fd, off_t size);
int faulty_fallocate(int fd, int mode, off_t at, off_t size);
int statfs_of_ext4(int fd, struct statfs *disk);

#define pwritev faulty_pwritev
#define ftruncate faulty_ftruncate
#define fallocate faulty_fallocate
#define fstatfs statfs_of_ext4
#define BT_AHEAD_BYTES 8192ull
#include "../../shim/consumer.c"
