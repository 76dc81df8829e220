/*
 * process.h - a process by its /proc/PID/stat: when it started, whether it lives.
 *
 * Included by create.c (the traced process about itself) and by consumer.c (about
 * the traced process, where there is no pidfd).
 */
#ifndef BT_PROCESS_H
#define BT_PROCESS_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

#endif
