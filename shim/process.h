/*
 * process.h - processes by what /proc says of them: when one started, whether it
 * lives, whether it is a consumer.
 *
 * Included by create.c (the traced process about itself), by consumer.c (about the
 * traced process) and by steer.c (the command, before it signals a consumer).
 */
#ifndef BT_PROCESS_H
#define BT_PROCESS_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "session.h"

/* Field 22 of /proc/PID/stat, the start in clock ticks since boot, and field 3, the
 * state. 0: there is no such process. */
static inline uint64_t bt_process_stat(const char *pid, char *state)
{
	char path[32], text[1024], *at;
	unsigned long long start = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%s/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = 0;
	/* Fields from 3 on follow the last ')': the name before it may hold any. */
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
			  state, &start) != 2)
		return 0;
	return start;
}

/* Whether the process that a consumer_lock names is a consumer: a file from before a
 * crash of the machine, or a damaged one, may name anybody. */
static inline bool bt_is_consumer(uint32_t word)
{
	char path[32], name[16] = "";
	ssize_t n;
	int fd;

	snprintf(path, sizeof path, "/proc/%u/comm", word & BT_TID_MASK);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, name, sizeof name - 1);
	close(fd);
	return n > 0 && strncmp(name, "buntrace-consum", 15) == 0;
}

#endif
