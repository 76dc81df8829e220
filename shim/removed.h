/*
 * removed.h - directories of the trace that somebody removes while it is written.
 * Included by consumer.c.
 */
#ifndef BT_REMOVED_H
#define BT_REMOVED_H

#include "metadata.h"

static bool is_removed(int dir)
{
	struct stat st;

	return dir >= 0 && fstat(dir, &st) == 0 && st.st_nlink == 0;
}

/* Makes the trace directory again, in the output directory, which must be there.
 * Returns 0 or -errno. */
static int make_trace_again(struct consumer *c)
{
	int dir, error;

	if (mkdir(c->trace_dir, 0777) != 0 && errno != EEXIST)
		return -errno;
	dir = open(c->trace_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	error = put_metadata(c, dir);
	if (error != 0) {
		close(dir);
		return error;
	}
	close(c->trace.dir);
	c->trace.dir = dir;
	c->removal_noted = false;
	return 0;
}

/* Where somebody has removed the trace directory or that of the chunk: goes on in a
 * new one. What was in it counts as dropped. Returns 0, or -errno where it cannot be
 * made. */
static int mend_trace(struct consumer *c)
{
	struct bt_trace *trace = &c->trace;
	bool gone = is_removed(trace->dir), in_it;
	int error;

	if (!gone && !is_removed(trace->chunk_dir))
		return 0;
	in_it = bt_chunks(trace->session)->number == 0 || !bt_rotates(trace->session);
	/* Once: until it can be made again, everything stays in the rings. */
	if (in_it ? !c->removal_noted : is_removed(trace->chunk_dir)) {
		bt_begin_anew(trace);
		bt_close_chunk(trace);
		c->removal_noted = gone;
	}
	error = gone ? make_trace_again(c) : 0;
	atomic_store(&trace->session->write_errno, (uint32_t)-error);
	return error;
}

#endif
