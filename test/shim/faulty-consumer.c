/*
 * faulty-consumer.c - consumer.c with the calls that write to the disk renamed to
 * those of faulty-disk.c. Built by consumer.test.ts.
 */
#define _GNU_SOURCE
#include <sys/uio.h>
#include <unistd.h>

ssize_t faulty_pwritev(int fd, const struct iovec *parts, int length, off_t at);
int faulty_ftruncate(int fd, off_t size);

#define pwritev faulty_pwritev
#define ftruncate faulty_ftruncate
#include "../../shim/consumer.c"
