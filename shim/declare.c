/*
 * declare.c - event types: an id in the session, and the description in the metadata.
 * Called by bun:ffi in the traced process, on any JavaScript thread, when a tracepoint is
 * first used.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "shim.h"

static void lock_definitions(struct bt_session *s)
{
	uint32_t free_word = 0;

	while (!atomic_compare_exchange_weak(&s->define_lock, &free_word, 1)) {
		free_word = 0;
		sched_yield();
	}
}

/* Appends to the metadata file, whole or not at all: what a killed process has
 * written of a declaration lies beyond metadata_size, and the consumer cuts it off. */
static int append_metadata(struct bt_session *s, const char *text, size_t length)
{
	char path[sizeof s->trace_dir + 16];
	size_t dir = strnlen(s->trace_dir, sizeof s->trace_dir - 1);
	ssize_t wrote;
	off_t before;
	int fd, error = 0;

	memcpy(path, s->trace_dir, dir);
	memcpy(path + dir, "/metadata", sizeof "/metadata");
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	before = lseek(fd, 0, SEEK_END);
	wrote = write(fd, text, length);
	if (wrote != (ssize_t)length) {
		error = wrote < 0 ? -errno : -ENOSPC;
		if (wrote > 0 && ftruncate(fd, before) != 0)
			error = -errno;
	} else {
		atomic_store(&s->metadata_size, (uint64_t)before + length);
	}
	close(fd);
	return error;
}

static int store_event(const struct bt_handle *h, uint32_t id, const struct bt_event *event)
{
	int fd = open(h->path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW), error = 0;

	if (fd < 0)
		return -errno;
	if (pwrite(fd, event, sizeof *event, BT_EVENTS_AT + (off_t)id * (off_t)sizeof *event) !=
	    (ssize_t)sizeof *event)
		error = errno ? -errno : -ENOSPC;
	close(fd);
	return error;
}

/* FNV-1a, 64 bits (draft-eastlake-fnv): tells declarations apart that have one name. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 0x100000001b3u;
	return hash;
}

/* Declares an event type: `before` + its id + `after` is appended to the
 * metadata before the id is given out, so that no event can be in the trace
 * without its description. A type already declared, by any thread, keeps its
 * id. Returns the id, or -errno: -ENOSPC also when the table is full. */
BT_EXPORT int32_t bt_declare(const char *name, int32_t level, const char *before, const char *after,
			     int32_t enabled)
{
	struct bt_handle *h = atomic_load(&bt_current);
	struct bt_session *s = h->session;
	const struct bt_event *events = (const struct bt_event *)((uint8_t *)s + BT_EVENTS_AT);
	uint8_t *flags = (uint8_t *)s + BT_ENABLED_AT;
	struct bt_event event = {
		.hash = hash_text(hash_text(0xcbf29ce484222325u, before), after),
		.level = (uint8_t)level,
	};
	char text[65536]; /* a declaration: 64 fields of 64 bytes and their types are half of it */
	uint32_t count;
	int length, error;

	memcpy(event.name, name, strnlen(name, sizeof event.name - 1));
	lock_definitions(s);
	count = atomic_load_explicit(&s->event_count, memory_order_relaxed);
	for (uint32_t i = 0; i < count; i++)
		if (events[i].hash == event.hash && strcmp(events[i].name, event.name) == 0) {
			atomic_store(&s->define_lock, 0);
			return (int32_t)i;
		}
	length = snprintf(text, sizeof text, "%s%u%s", before, count, after);
	if (count == BT_MAX_EVENTS || length >= (int)sizeof text)
		error = -ENOSPC;
	else
		error = store_event(h, count, &event);
	/* After what may fail: an id in the metadata is taken for good. */
	if (error == 0 && s->output == BT_TO_DISK)
		error = append_metadata(s, text, (size_t)length);
	if (error == 0) {
		flags[count] = (uint8_t)enabled;
		atomic_store_explicit(&s->event_count, count + 1, memory_order_release);
	}
	atomic_store(&s->define_lock, 0);
	return error ? error : (int32_t)count;
}

