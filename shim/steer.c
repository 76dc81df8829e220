/*
 * steer.c - a session seen from outside: ask its consumer for a flush or its end,
 * write what its rings hold. Called by the command's process with the path of a
 * session file, and by the traced process with its own. Errors are one line of text.
 */
#define _GNU_SOURCE
#include <signal.h>

#include "clock.h"
#include "open.h"
#include "process.h"
#include "shim.h"
#include "snapshot.h"

#define ERROR_SIZE 512 /* what the caller gives for a message */

static int fail(char *error, const char *path, const char *what)
{
	snprintf(error, ERROR_SIZE, "%s: %s", path, what);
	return -1;
}

/* Tells the consumer of a session file something. Returns what `request` made of
 * the session, or -1 with a message. */
static int tell(const char *path, int signal, bool flush, char *error)
{
	struct bt_session *s;
	uint32_t request = 0, word;
	int file;
	const char *wrong = bt_open_session(path, &file, &s);

	if (wrong)
		return fail(error, path, wrong);
	if (flush)
		request = atomic_fetch_add(&s->flush_request, 1) + 1;
	word = atomic_load(&s->consumer_lock);
	munmap(s, BT_RINGS_AT);
	close(file);
	if (word == 0 || (word & BT_OWNER_DIED) || !bt_is_consumer(word))
		return fail(error, path, "its consumer died; the next full sub-buffer starts another");
	if (kill((pid_t)(word & BT_TID_MASK), signal) != 0)
		return fail(error, path, strerror(errno));
	return (int)(request & 0x7fffffff);
}

/* Asks for a flush. Returns the number (31 bits) that flush_done reaches when it is
 * done, or -1 with a message. */
BT_EXPORT int32_t bt_tell_flush(const char *path, char *error)
{
	return tell(path, SIGUSR1, true, error);
}

/* Ends a session: the program runs on untraced. Returns 0, or -1 with a message. */
BT_EXPORT int32_t bt_tell_finish(const char *path, char *error)
{
	return tell(path, SIGTERM, false, error) < 0 ? -1 : 0;
}

/* The path of this process's own session file, into 1024 bytes. */
BT_EXPORT void bt_session_path(char *path)
{
	struct bt_handle *h = atomic_load(&bt_current);

	strcpy(path, h ? h->path : "");
}

static int snapshot_ring(const struct bt_session *s, int file, uint32_t index, int dir, uint8_t *copy,
			 struct bt_snapshot *done)
{
	struct bt_ring *ring = bt_map_ring(s, file, index);
	struct bt_run head;
	char name[48];
	uint32_t state;
	int fd, error = 0;

	if (!ring)
		return -EBADMSG;
	/* Acquire: the owner's fields. */
	state = atomic_load_explicit(&ring->state, memory_order_acquire);
	if ((state == BT_ACTIVE || state == BT_LEAVING) && bt_find_head(s, ring, &head)) {
		snprintf(name, sizeof name, "thread-%u-%u", ring->tid, ring->stream);
		fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
		error = fd < 0 ? -errno :
				 bt_snapshot_ring(s, ring, (const uint8_t *)ring + BT_PAGE, &head, copy, fd, done);
		if (fd >= 0)
			close(fd);
	}
	munmap(ring, bt_ring_stride(s));
	return error;
}

/* Writes what the rings of a session hold as streams into `dir`, which exists and
 * has the metadata. `out`: records, discarded, bytes, streams, sub-buffers dropped,
 * the trace's time before we looked.
 * Returns 0, or -1 with a message. */
BT_EXPORT int32_t bt_snapshot(const char *path, const char *dir, double out[6], char *error)
{
	struct bt_session *session, geometry;
	struct bt_snapshot done = { 0 };
	const char *wrong;
	uint8_t *copy;
	uint32_t rings;
	int file, into, result = 0;

	wrong = bt_open_session(path, &file, &session);
	if (wrong)
		return fail(error, path, wrong);
	/* The rings' number changes while we work; what was checked must not. */
	memcpy(&geometry, session, sizeof geometry);
	munmap(session, BT_RINGS_AT);
	wrong = bt_check_session(&geometry);
	rings = atomic_load(&geometry.ring_count);
	out[5] = (double)(bt_now(geometry.clock) - geometry.base_cycles);
	into = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	copy = bt_map_private(geometry.sub_buffer_size);
	if (wrong)
		result = fail(error, path, wrong);
	else if (into < 0)
		result = fail(error, dir, strerror(errno));
	else if (!copy)
		result = fail(error, path, "no memory for a sub-buffer");
	for (uint32_t i = 0; i < rings && i < BT_MAX_RINGS && result == 0; i++) {
		int e = snapshot_ring(&geometry, file, i, into, copy, &done);

		if (e != 0)
			result = fail(error, e == -EBADMSG ? path : dir, strerror(-e));
	}
	out[0] = (double)done.records;
	out[1] = (double)done.discarded;
	out[2] = (double)done.bytes;
	out[3] = done.streams;
	out[4] = done.dropped;
	if (copy)
		munmap(copy, geometry.sub_buffer_size);
	if (into >= 0)
		close(into);
	close(file);
	return result;
}
