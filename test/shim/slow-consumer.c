/*
 * slow-consumer.c - consumer.c on a disk that takes two milliseconds a write: any
 * writer is faster. Built by consumer.test.ts.
 */
#define _GNU_SOURCE
#include <sys/uio.h>
#include <unistd.h>

static ssize_t slow_pwritev(int fd, const struct iovec *parts, int length, off_t at)
{
	usleep(2000);
	return pwritev(fd, parts, length, at);
}

#define pwritev slow_pwritev
#include "../../shim/consumer.c"
