/*
 * trace.h - the trace as a whole: its directories, of which rotation makes one a
 * chunk, and the sums of what is in it.
 *
 * Included by stream.h; runs in the consumer process. All names are relative to the
 * open trace directory, which may be moved while it is written. A chunk's directory
 * is made when its first packet is there, with the metadata of all as a hard link:
 * event types declared later are described in each. Which chunk is written is one
 * store (bt_rotate); all else is repeated by whoever takes over, and does no harm
 * then.
 */
#ifndef BT_TRACE_H
#define BT_TRACE_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "packet.h"

#define BT_CHUNK_NAME_SIZE (sizeof((struct bt_session *)0)->trace_dir + 32)

struct bt_trace {
	struct bt_session *session;
	int dir;              /* the trace directory */
	struct bt_sums sums;  /* of all rings */
	char name[sizeof((struct bt_session *)0)->trace_dir]; /* the trace directory's, without its path */
	int chunk_dir;        /* of chunk `opened`; -1: not open */
	uint64_t opened;
	uint64_t cleared;     /* chunks before this one are gone from the disk */
	bool nowhere;         /* there is no directory any more and will be none */
};

static inline const struct bt_chunks *bt_chunks(const struct bt_session *s)
{
	return &s->chunks[atomic_load_explicit(&s->chunks_current, memory_order_relaxed) & 1];
}

static inline bool bt_rotates(const struct bt_session *s)
{
	return s->rotate_size > 0 || s->rotate_period_ns > 0;
}

/* All that was written and that nobody removed with its directory. */
static inline struct bt_amount bt_written(const struct bt_trace *trace)
{
	const struct bt_chunks *chunks = bt_chunks(trace->session);

	return (struct bt_amount){ trace->sums.records - chunks->removed.records,
				   trace->sums.bytes - chunks->removed.bytes };
}

/*
 * Sums.
 */

/* Adds what came of a ring since it had `before` to the sums. */
static inline void bt_add_sums(struct bt_trace *trace, struct bt_sums before, struct bt_sums after)
{
	trace->sums.records += after.records - before.records;
	trace->sums.discarded += after.discarded - before.discarded;
	trace->sums.bytes += after.bytes - before.bytes;
	trace->sums.dropped += after.dropped - before.dropped;
	trace->sums.streams += after.streams - before.streams;
}

/* Lets everybody see the sums. */
static inline void bt_tell_sums(const struct bt_trace *trace)
{
	struct bt_session *s = trace->session;
	const struct bt_chunks *chunks = bt_chunks(s);
	struct bt_amount written = bt_written(trace);

	atomic_store(&s->bytes_written, written.bytes - chunks->dropped.bytes);
	atomic_store(&s->records_written, written.records - chunks->dropped.records);
	atomic_store(&s->discarded_told, trace->sums.discarded);
	atomic_store(&s->dropped, trace->sums.dropped + chunks->dropped.records + chunks->removed.records);
	/* Files: where nothing is written there are none. */
	atomic_store(&s->streams, s->output == BT_TO_DISK ? (uint32_t)trace->sums.streams : 0);
}

/* Moves a ring's progress and the sums with it. One store moves the progress; who
 * is killed behind it has its successor add up the sums. */
static inline void bt_move_on(struct bt_trace *trace, struct bt_ring *ring, const struct bt_progress *next)
{
	struct bt_sums before = bt_sums_of(&ring->progress[ring->current & 1]);

	bt_put(ring, next);
	bt_add_sums(trace, before, bt_sums_of(next));
	bt_tell_sums(trace);
}

/*
 * Chunks.
 */

static inline void bt_chunk_name(const struct bt_trace *trace, uint64_t number, char name[BT_CHUNK_NAME_SIZE])
{
	if (number == 0 || !bt_rotates(trace->session))
		strcpy(name, ".");
	else
		snprintf(name, BT_CHUNK_NAME_SIZE, "../%s.%llu", trace->name, (unsigned long long)number);
}

static inline int bt_open_chunk(const struct bt_trace *trace, uint64_t number)
{
	char name[BT_CHUNK_NAME_SIZE];

	bt_chunk_name(trace, number, name);
	return openat(trace->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static inline void bt_close_chunk(struct bt_trace *trace)
{
	if (trace->chunk_dir >= 0)
		close(trace->chunk_dir);
	trace->chunk_dir = -1;
}

/* Opens the directory of the chunk that is written, and makes it. Returns 0 or -errno. */
static inline int bt_enter_chunk(struct bt_trace *trace)
{
	uint64_t number = bt_chunks(trace->session)->number;
	char name[BT_CHUNK_NAME_SIZE];

	if (trace->chunk_dir >= 0 && trace->opened == number)
		return 0;
	bt_close_chunk(trace);
	bt_chunk_name(trace, number, name);
	if (name[1] != 0 && mkdirat(trace->dir, name, 0777) != 0 && errno != EEXIST)
		return -errno;
	trace->chunk_dir = bt_open_chunk(trace, number);
	trace->opened = number;
	if (trace->chunk_dir < 0)
		return -errno;
	if (name[1] != 0 && linkat(trace->dir, "metadata", trace->chunk_dir, "metadata", 0) != 0 && errno != EEXIST) {
		int error = errno;

		bt_close_chunk(trace);
		return -error;
	}
	return 0;
}

/* Makes `next` what the session's chunks are. */
static inline void bt_put_chunks(struct bt_trace *trace, const struct bt_chunks *next)
{
	struct bt_session *s = trace->session;
	uint32_t other = 1 - (atomic_load_explicit(&s->chunks_current, memory_order_relaxed) & 1);

	s->chunks[other] = *next;
	/* Release, as in bt_put: who takes over sees the whole of it, or the old. */
	atomic_store_explicit(&s->chunks_current, other, memory_order_release);
	bt_tell_sums(trace);
}

/* Begins another chunk, unless nothing is in this one, and lets go of the oldest. */
static inline void bt_rotate(struct bt_trace *trace)
{
	struct bt_session *s = trace->session;
	struct bt_amount *marks = (struct bt_amount *)((uint8_t *)s + BT_MARKS_AT);
	struct bt_amount written = bt_written(trace);
	struct bt_chunks next = *bt_chunks(s);

	next.began_ns = bt_kernel_ns(CLOCK_MONOTONIC);
	if (written.records > next.began.records) {
		next.number++;
		next.began = marks[next.number % BT_MAX_CHUNKS] = written;
		if (s->max_chunks > 0 && next.number - next.oldest >= s->max_chunks) {
			next.oldest = next.number - s->max_chunks + 1;
			next.dropped = marks[next.oldest % BT_MAX_CHUNKS];
		}
	}
	bt_put_chunks(trace, &next);
}

/* The directory of the chunk that was written has been removed with all that is in
 * it: the next one begins where it began. */
static inline void bt_begin_anew(struct bt_trace *trace)
{
	struct bt_session *s = trace->session;
	struct bt_amount *marks = (struct bt_amount *)((uint8_t *)s + BT_MARKS_AT);
	struct bt_amount written = bt_written(trace);
	struct bt_chunks next = *bt_chunks(s);

	next.removed.records += written.records - next.began.records;
	next.removed.bytes += written.bytes - next.began.bytes;
	next.number++;
	marks[next.number % BT_MAX_CHUNKS] = next.began;
	bt_put_chunks(trace, &next);
}

/* A directory entry of getdents64(2). */
struct bt_entry {
	uint64_t inode;
	int64_t next;
	unsigned short size;
	unsigned char type;
	char name[];
};

/* Cuts a stream's file back to its first packet, which has no records in it, so that
 * readers see that others are missing. Returns 0 or -errno. */
static inline int bt_keep_first_packet(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), error = 0;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (ftruncate(fd, sizeof(struct bt_packet)) != 0)
		error = -errno;
	close(fd);
	return error;
}

/* Removes the streams in a chunk's directory, but keeps their first packets in the
 * trace directory itself; of another directory then the metadata. Returns 0 or -errno. */
static inline int bt_empty_chunk(int dir, bool is_trace)
{
	_Alignas(8) char buffer[2048];
	long length;

	/* Which entries a removal in between hides is the file system's to say: from the
	 * start until nothing was removed. */
	for (bool removed = true; removed;) {
		removed = false;
		if (lseek(dir, 0, SEEK_SET) < 0)
			return -errno;
		while ((length = syscall(SYS_getdents64, dir, buffer, sizeof buffer)) > 0)
			for (long at = 0; at < length;) {
				const struct bt_entry *entry = (const struct bt_entry *)(buffer + at);

				int error = 0;

				at += entry->size;
				if (strncmp(entry->name, "thread-", 7) != 0)
					continue;
				if (is_trace)
					error = bt_keep_first_packet(dir, entry->name);
				else if (unlinkat(dir, entry->name, 0) == 0)
					removed = true;
				else if (errno != ENOENT)
					error = -errno;
				if (error != 0)
					return error;
			}
		if (length < 0)
			return -errno;
	}
	if (!is_trace && unlinkat(dir, "metadata", 0) != 0 && errno != ENOENT)
		return -errno;
	return 0;
}

/* Removes the chunks that the session has let go of. The trace directory itself
 * stays, with the metadata that declarations are appended to. Returns 0 or -errno;
 * then it is tried again. */
static inline int bt_remove_chunks(struct bt_trace *trace)
{
	uint64_t oldest = bt_chunks(trace->session)->oldest;

	/* More are not kept: the file is damaged. */
	if (oldest > trace->cleared && oldest - trace->cleared > BT_MAX_CHUNKS)
		trace->cleared = oldest - BT_MAX_CHUNKS;
	while (trace->cleared < oldest) {
		char name[BT_CHUNK_NAME_SIZE];
		int dir = bt_open_chunk(trace, trace->cleared), error;

		/* ENOTDIR: a link, or what else somebody has put there. It is his. */
		if (dir < 0 && errno != ENOENT && errno != ENOTDIR)
			return -errno;
		bt_chunk_name(trace, trace->cleared, name);
		error = dir < 0 ? 0 : bt_empty_chunk(dir, name[1] == 0);
		if (dir >= 0)
			close(dir);
		if (error != 0)
			return error;
		/* Not empty: somebody keeps something of his own in it. */
		if (dir >= 0 && name[1] != 0 && unlinkat(trace->dir, name, AT_REMOVEDIR) != 0 && errno != ENOTEMPTY &&
		    errno != EEXIST)
			return -errno;
		trace->cleared++;
	}
	return 0;
}

#endif
