/*
 * open.h - opens a session file that somebody else made, and believes nothing in it
 * before it is checked.
 *
 * Included by consumer.c and by steer.c (the command's process).
 */
#ifndef BT_OPEN_H
#define BT_OPEN_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "session.h"

static inline bool bt_text_ends(const char *text, size_t size)
{
	return memchr(text, 0, size) != NULL;
}

/* NULL, or what is wrong with the header. */
static inline const char *bt_check_session(const struct bt_session *s)
{
	if (memcmp(s->magic, BT_MAGIC, sizeof s->magic) != 0)
		return "not a session file";
	if (s->version != BT_VERSION)
		return "a session file of another version";
	if (s->sub_buffers < BT_MIN_SUB_BUFFERS || s->sub_buffers > BT_MAX_SUB_BUFFERS ||
	    s->sub_buffer_size < BT_MIN_SUB_BUFFER_SIZE || s->sub_buffer_size % BT_PAGE != 0 ||
	    s->sub_buffer_size > BT_MAX_RING_SIZE / s->sub_buffers)
		return "a damaged session file: impossible sub-buffers";
	if (s->mode > BT_BLOCK || s->clock > BT_MONOTONIC || s->output > BT_TO_NULL)
		return "a damaged session file: impossible mode";
	if (!bt_text_ends(s->trace_dir, sizeof s->trace_dir) || s->trace_dir[0] != '/')
		return "a damaged session file: no trace directory";
	return NULL;
}

/* Opens and maps a session file: header, flags and event table. Returns NULL, or
 * what is wrong with it. */
static inline const char *bt_open_session(const char *path, int *file, struct bt_session **session)
{
	struct stat st;
	const char *wrong;

	*file = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (*file < 0 || fstat(*file, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)BT_RINGS_AT)
		wrong = "not a session file: too short";
	else if (st.st_nlink > 1)
		wrong = "not a session file: it has a second name";
	else {
		*session = mmap(NULL, BT_RINGS_AT, PROT_READ | PROT_WRITE, MAP_SHARED, *file, 0);
		if (*session == MAP_FAILED)
			wrong = strerror(errno);
		else if (!(wrong = bt_check_session(*session)))
			return NULL;
		else
			munmap(*session, BT_RINGS_AT);
	}
	close(*file);
	return wrong;
}

/* Maps ring `index` of an open session file. NULL: the file does not hold it. */
static inline struct bt_ring *bt_map_ring(const struct bt_session *s, int file, uint32_t index)
{
	uint64_t at = bt_ring_at(s, index);
	uint64_t stride = bt_ring_stride(s);
	struct stat st;
	void *p;

	if (fstat(file, &st) != 0 || (uint64_t)st.st_size < at + stride)
		return NULL;
	p = mmap(NULL, stride, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)at);
	return p == MAP_FAILED ? NULL : p;
}

#endif
