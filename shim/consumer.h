/*
 * consumer.h - what the parts of the consumer program share. Included by them alone:
 * consumer.c, lock.h, metadata.h, removed.h and wait.h.
 */
#ifndef BT_CONSUMER_H
#define BT_CONSUMER_H

#include "clock.h"
#include "drain.h"

#define MS 1000000ull /* nanoseconds */

/* A write that failed is tried again this often; once the application is dead,
 * for this long, after which the session file is left for `buntrace recover`. */
#define RETRY_NS (100 * MS)
#define GRACE_NS (10000 * MS)

struct consumer {
	struct bt_trace trace;
	const char *path;
	int file;    /* the session file: rings are mapped as they appear */
	int signals; /* signalfd */
	int process; /* pidfd, or -1 */
	struct bt_stream streams[BT_MAX_RINGS];
	char trace_dir[sizeof((struct bt_session *)0)->trace_dir]; /* as it was when we started */
	int metadata;       /* open: it can be written again where somebody removes it */
	bool removal_noted; /* of the trace directory that is open */
	uint32_t mapped;
	uint32_t seen; /* rings there were when they were last mapped: not all may be there */
	uint8_t *copy; /* overwrite mode: room for a sub-buffer */
};

static inline uint64_t now_ns(void)
{
	return bt_kernel_ns(CLOCK_MONOTONIC);
}

static inline void sleep_ns(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };

	nanosleep(&t, NULL);
}

#endif
