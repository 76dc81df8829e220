/*
 * stream.h - one stream: the files of one thread, its packets, and the way from a
 * ring into them.
 *
 * Included by consumer.c and, for its packets, by steer.c; runs in the consumer
 * process. A packet is written with its file offset, and a ring's progress is moved
 * only after the whole packet is in the file: a failed or interrupted write is simply
 * done again. A stream is one file, or a row of files: one a chunk of the trace, or,
 * where a limit drops the oldest, BT_KEPT_FILES of them. Which one a packet goes to
 * follows from the progress (bt_place_of), so that whoever takes over does the same.
 */
#ifndef BT_STREAM_H
#define BT_STREAM_H

#include <linux/futex.h>
#include <sys/uio.h>

#include "trace.h"

/* The consumer's private side of a ring. */
struct bt_stream {
	struct bt_ring *ring; /* NULL: not mapped yet */
	const uint8_t *data;
	int fd;               /* -1: not open */
	uint64_t chunk, file; /* that fd is of */
};

/* Cuts off what a consumer before us wrote of a packet it did not finish. False, with
 * errno: it cannot be, or this is no file that holds `size` bytes. */
static inline bool bt_cut_stream(int fd, uint64_t size)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < size) {
		errno = EBADMSG;
		return false;
	}
	return (uint64_t)st.st_size == size || ftruncate(fd, (off_t)size) == 0;
}

/* Where a packet goes. */
struct bt_place {
	uint64_t chunk;
	uint64_t file; /* number in the stream; 0 where no limit drops the oldest */
	uint64_t at;   /* bytes */
};

static inline bool bt_drops_oldest(const struct bt_session *s)
{
	return s->max_size > 0 && s->when_full == BT_DROP_OLDEST;
}

/* Where a stream's next packet, of `size` bytes, goes. */
static inline struct bt_place bt_place_of(const struct bt_session *s, const struct bt_progress *done, uint64_t size)
{
	struct bt_place place = { bt_chunks(s)->number, done->file, done->file_size };

	if (done->packets == 0 || done->chunk != place.chunk) {
		place.file = 0;
		place.at = 0;
	} else if (bt_drops_oldest(s) && done->records > done->file_began[done->file % BT_KEPT_FILES].records &&
		   place.at + size > (s->max_size - sizeof(struct bt_packet)) / BT_KEPT_FILES) {
		place.file++;
		place.at = 0;
	}
	return place;
}

/* The stream's number makes the name its own, though the system gives a thread's id
 * out again. */
static inline void bt_file_name(const struct bt_ring *ring, uint64_t file, char name[64])
{
	if (file == 0)
		snprintf(name, 64, "thread-%u-%u", ring->tid, ring->stream);
	else
		snprintf(name, 64, "thread-%u-%u.%llu", ring->tid, ring->stream, (unsigned long long)file);
}

/* Drops a file of a stream. Returns 0 or -errno. */
static inline int bt_drop_file(const struct bt_trace *trace, const struct bt_ring *ring, uint64_t file)
{
	char name[64];

	bt_file_name(ring, file, name);
	if (file == 0)
		return bt_keep_first_packet(trace->chunk_dir, name);
	return unlinkat(trace->chunk_dir, name, 0) == 0 || errno == ENOENT ? 0 : -errno;
}

/* Removes the file that a consumer made in a chunk before and had no time to write
 * to. Best effort: readers pass over an empty file. */
static inline void bt_forget_file(const struct bt_trace *trace, const struct bt_ring *ring, uint64_t chunk)
{
	char name[64];
	int dir = bt_open_chunk(trace, chunk);

	if (dir < 0)
		return;
	bt_file_name(ring, 0, name);
	unlinkat(dir, name, 0);
	close(dir);
}

/* Opens the file that `place` is in: made when its first packet is there, so that
 * threads that emit nothing leave none. Never through a link, never an existing file:
 * but one that a consumer before us has made for this very place. It says so before
 * it makes it, so that one killed right after leaves no file that nobody knows of. */
static inline int bt_stream_open(struct bt_trace *trace, struct bt_stream *stream, struct bt_place place)
{
	struct bt_ring *ring = stream->ring;
	const struct bt_progress *done = &ring->progress[ring->current & 1];
	bool rotates = bt_rotates(trace->session);
	uint64_t number = rotates ? place.chunk : place.file;
	uint64_t making = atomic_load_explicit(&ring->making_file, memory_order_relaxed);
	/* Nonblocking: a pipe of that name would be waited for. */
	int flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	char name[64];
	int fd, error;

	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
	error = bt_enter_chunk(trace);
	if (error == 0 && place.at == 0 && place.file >= BT_KEPT_FILES)
		error = bt_drop_file(trace, ring, place.file - BT_KEPT_FILES);
	if (error != 0)
		return error;
	if (rotates && making != 0 && making != number + 1 && (done->packets == 0 || done->chunk != making - 1))
		bt_forget_file(trace, ring, making - 1);
	if (making != number + 1)
		flags |= O_EXCL;
	if (place.at == 0)
		flags |= O_CREAT;
	bt_file_name(ring, place.file, name);
	/* Release, and not moved below the call: whoever finds the file finds this. */
	atomic_store_explicit(&ring->making_file, number + 1, memory_order_release);
	fd = openat(trace->chunk_dir, name, flags, 0644);
	if (fd < 0) {
		error = -errno;
		if (flags & O_EXCL)
			atomic_store_explicit(&ring->making_file, making, memory_order_relaxed);
		return error;
	}
	if (!bt_cut_stream(fd, place.at)) {
		error = -errno;
		close(fd);
		return error;
	}
	stream->fd = fd;
	stream->chunk = place.chunk;
	stream->file = place.file;
	return 0;
}

/* Writes all of both parts at `at`. Returns 0 or -errno, with an unknown part
 * of it written. */
static inline int bt_write_all(int fd, struct iovec part[2], off_t at)
{
	while (part[0].iov_len + part[1].iov_len > 0) {
		ssize_t n = pwritev(fd, part, 2, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		at += n;
		for (int i = 0; i < 2; i++) {
			size_t step = (size_t)n < part[i].iov_len ? (size_t)n : part[i].iov_len;

			part[i].iov_base = (uint8_t *)part[i].iov_base + step;
			part[i].iov_len -= step;
			n -= (ssize_t)step;
		}
	}
	return 0;
}

static inline void bt_wake_owner(struct bt_ring *ring)
{
	if (atomic_load_explicit(&ring->waiting, memory_order_seq_cst))
		syscall(SYS_futex, &ring->space, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* What goes into a packet of a ring's records. */
struct bt_content {
	const uint8_t *data;
	uint64_t length;    /* bytes */
	uint64_t begin_ts;
	uint64_t end_ts;
	uint64_t discarded; /* of the stream, up to the packet's end */
	uint64_t records;   /* in the packet */
};

/* Writes packet `number` of a stream at `at`. Returns its size, or -errno with the file cut back to
 * `at`: readers refuse a packet that is not whole. */
static inline int64_t bt_write_packet(const struct bt_session *s, const struct bt_ring *ring, int fd, uint64_t at,
			       uint64_t number, const struct bt_content *content)
{
	uint64_t size = sizeof(struct bt_packet) + content->length;
	struct bt_packet packet = {
		.magic = BT_CTF_MAGIC,
		.stream_instance_id = ring->stream,
		.timestamp_begin = content->begin_ts,
		.timestamp_end = content->end_ts,
		.content_size = size * 8,
		.packet_size = size * 8,
		.packet_seq_num = number,
		.events_discarded = content->discarded,
		.event_count = (uint32_t)content->records,
		.tid = ring->tid,
	};
	struct iovec part[2] = {
		{ &packet, sizeof packet },
		{ (uint8_t *)(uintptr_t)content->data, content->length },
	};
	int error;

	memcpy(packet.uuid, s->uuid, sizeof packet.uuid);
	memcpy(packet.thread_name, ring->thread_name, sizeof packet.thread_name);
	packet.thread_name[sizeof packet.thread_name - 1] = 0;
	error = bt_write_all(fd, part, (off_t)at);
	if (error == 0)
		return (int64_t)size;
	if (ftruncate(fd, (off_t)at) != 0)
		return -errno;
	return error;
}

/* Writes a packet into the place where it belongs. Returns 0, or -errno with nothing
 * changed. On success `next` knows of it. */
static inline int bt_write_placed(struct bt_trace *trace, struct bt_stream *stream, struct bt_place place,
				  const struct bt_content *content, struct bt_progress *next)
{
	struct bt_session *s = trace->session;
	const struct bt_progress *done = &stream->ring->progress[stream->ring->current & 1];
	int64_t size;
	int error = 0;

	if (stream->fd < 0 || stream->chunk != place.chunk || stream->file != place.file)
		error = bt_stream_open(trace, stream, place);
	if (error != 0)
		return error;
	size = bt_write_packet(s, stream->ring, stream->fd, place.at, done->packets, content);
	if (size < 0)
		return (int)size;
	if (place.at == 0) {
		uint64_t old = place.file - BT_KEPT_FILES;

		if (place.file >= BT_KEPT_FILES) {
			const struct bt_amount *from = &done->file_began[old % BT_KEPT_FILES];
			const struct bt_amount *to = &done->file_began[(old + 1) % BT_KEPT_FILES];

			next->dropped.records += to->records - from->records;
			next->dropped.bytes += to->bytes - from->bytes;
		}
		next->file_began[place.file % BT_KEPT_FILES] = (struct bt_amount){ done->records, done->bytes };
	}
	next->chunk = place.chunk;
	next->file = place.file;
	next->file_size = place.at + (uint64_t)size;
	return 0;
}

/* Of two packets of one begin babeltrace2 takes the later one first where the stream is
 * in several files. So packets begin with their first event there, and those without
 * events lie this much before the stream's first event or behind its last, in units of
 * the clock: nanoseconds. */
#define BT_APART_TICKS 1000u

static inline bool bt_in_files(const struct bt_session *s)
{
	return bt_rotates(s) || bt_drops_oldest(s);
}

/* The time of a record of at least four bytes, after one at `before`. */
static inline uint64_t bt_record_ts(const uint8_t *record, uint64_t length, uint64_t before)
{
	uint32_t word;
	uint64_t whole;

	memcpy(&word, record, sizeof word);
	if ((word & 31) != BT_EXTENDED_ID)
		return before + (((word >> 5) - before) & (BT_COMPACT_SPAN - 1));
	if (length < BT_EXTENDED_HEADER)
		return before;
	memcpy(&whole, record + 5, sizeof whole);
	return whole;
}

/* Writes content as a stream's next packet, or the packet that must come before it,
 * and moves the progress on: to `next` in the first case. Returns 0, or -errno with
 * the ring as before. */
static inline int bt_write_content(struct bt_trace *trace, struct bt_stream *stream,
				   const struct bt_content *content, struct bt_progress *next)
{
	struct bt_session *s = trace->session;
	const struct bt_progress *done = &stream->ring->progress[stream->ring->current & 1];
	uint64_t size = sizeof(struct bt_packet) + content->length;
	struct bt_progress started = *done;
	struct bt_content start = { 0 };

	if (s->output == BT_TO_DISK) {
		struct bt_place place;
		int error;

		if (s->rotate_size > 0 && bt_written(trace).bytes - bt_chunks(s)->began.bytes + size > s->rotate_size)
			bt_rotate(trace);
		place = bt_place_of(s, done, size);
		/* Readers take the first packet of a stream that they see as the count's start:
		 * events discarded before it would go unseen. And where the oldest are
		 * dropped, the first packet is what stays of them. The caller comes again with
		 * what it has. */
		if (place.at == 0 && place.file == 0 && (done->packets == 0 || !bt_rotates(s)) &&
		    (content->discarded != done->told ||
		     (content->length > 0 && (bt_drops_oldest(s) || (s->max_chunks > 0 && place.chunk == 0))))) {
			next = &started;
			start.begin_ts = done->last_ts > BT_APART_TICKS ? done->last_ts - BT_APART_TICKS : 0;
			start.end_ts = done->last_ts;
			start.discarded = done->told;
			content = &start;
			size = sizeof(struct bt_packet);
		}
		error = bt_remove_chunks(trace);
		if (error == 0)
			error = bt_write_placed(trace, stream, place, content, next);
		atomic_store(&s->write_errno, (uint32_t)-error);
		if (error != 0)
			return error;
	}
	next->told = content->discarded;
	next->packets++;
	next->bytes += size;
	bt_move_on(trace, stream->ring, next);
	bt_wake_owner(stream->ring);
	return 0;
}

/* Whether a stream takes no more: its limit is reached, or there is nowhere to write. */
static inline bool bt_stopped(const struct bt_trace *trace, const struct bt_progress *done, uint64_t length)
{
	const struct bt_session *s = trace->session;

	if (trace->nowhere)
		return true;
	if (s->max_size == 0 || s->when_full != BT_STOP)
		return false;
	/* Stopped is stopped, though less might fit. There is room for this packet and
	 * the last one, each with one that must come before it. */
	return done->dropped.records > 0 || done->bytes + length + 4 * sizeof(struct bt_packet) > s->max_size;
}

/* Writes one run of records as a packet, or the count of what was discarded before
 * it, and gives its room back. Returns 0, or -errno with the ring as before. */
static inline int bt_write_run(struct bt_trace *trace, struct bt_stream *stream, const struct bt_run *run)
{
	const struct bt_session *s = trace->session;
	struct bt_ring *ring = stream->ring;
	const struct bt_progress *done = &ring->progress[ring->current & 1];
	struct bt_progress next = *done;
	struct bt_content content = {
		.data = stream->data + run->begin % (s->sub_buffer_size * s->sub_buffers),
		.length = run->end - run->begin,
		.begin_ts = done->last_ts,
		.end_ts = run->end_ts,
		.discarded = run->discarded,
		.records = run->records - done->records,
	};

	if (bt_in_files(s) && content.length >= BT_COMPACT_HEADER)
		content.begin_ts = bt_record_ts(content.data, content.length, done->last_ts);
	next.tail = run->next_tail;
	next.last_ts = run->end_ts;
	next.discarded = run->discarded;
	next.records = run->records;
	if (!bt_stopped(trace, done, content.length))
		return bt_write_content(trace, stream, &content, &next);
	next.dropped.records += content.records;
	bt_move_on(trace, ring, &next);
	bt_wake_owner(ring);
	return 0;
}

/* Tells how many events were discarded, in a packet without records. In a stream of
 * several files only at its end (BT_APART_TICKS says why), and so in one that has
 * stopped, together with what it has not taken. Returns 0 or -errno. */
static inline int bt_tell_discarded(struct bt_trace *trace, struct bt_stream *stream, uint64_t discarded, bool last)
{
	const struct bt_session *s = trace->session;
	struct bt_ring *ring = stream->ring;
	int error = 0;

	while (error == 0) {
		const struct bt_progress *done = &ring->progress[ring->current & 1];
		uint64_t ts = done->last_ts + (bt_in_files(s) ? BT_APART_TICKS : 0);
		struct bt_content content = { .begin_ts = ts, .end_ts = ts, .discarded = discarded };
		struct bt_progress next = *done;

		next.discarded = discarded;
		if (s->when_full == BT_STOP)
			content.discarded += done->dropped.records;
		if (trace->nowhere || content.discarded == done->told ||
		    (!last && (bt_in_files(s) || bt_stopped(trace, done, 0)))) {
			if (done->discarded != discarded)
				bt_move_on(trace, ring, &next);
			return 0;
		}
		error = bt_write_content(trace, stream, &content, &next);
	}
	return error;
}

/* How much of a ring is written. */
enum bt_extent {
	BT_WHOLE_SUB_BUFFERS, /* the closed ones */
	BT_ALL_PUBLISHED,     /* also what is published of the one being filled, and the count of
			       * what was discarded since */
	BT_THE_LAST,          /* all that there will be */
};

/* Writes what a ring holds. Returns 0 or -errno of a write; then the rest stays. */
static inline int bt_drain(struct bt_trace *trace, struct bt_stream *stream, enum bt_extent extent)
{
	struct bt_session *s = trace->session;
	struct bt_ring *ring = stream->ring;
	const struct bt_progress *done;
	bool everything = extent != BT_WHOLE_SUB_BUFFERS;
	enum bt_got got;
	struct bt_run run;
	uint64_t discarded;
	int error;

	for (;;) {
		done = &ring->progress[ring->current & 1];
		got = bt_get(ring, s->sub_buffer_size, s->sub_buffers, done, everything, &run);
		if (got == BT_IMPOSSIBLE)
			return -EBADMSG;
		if (got == BT_NONE)
			break;
		if (run.end == run.begin) {
			struct bt_progress next = *done;

			next.tail = run.next_tail;
			bt_put(ring, &next);
			bt_wake_owner(ring);
			continue;
		}
		error = bt_write_run(trace, stream, &run);
		if (error != 0)
			return error;
	}
	if (!everything)
		return 0;
	/* Acquire: records published before the last of them was discarded are seen;
	 * their packet comes first and must not tell of less. */
	discarded = atomic_load_explicit(&ring->discarded, memory_order_acquire);
	if (((atomic_load_explicit(&ring->published, memory_order_relaxed) ^ done->tail) & BT_POSITION_MASK) != 0)
		return 0;
	return bt_tell_discarded(trace, stream, discarded, extent == BT_THE_LAST);
}

#endif
