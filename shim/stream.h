/*
 * stream.h - one stream: the files of one thread, and which of them a packet goes to.
 *
 * Included by drain.h; runs in the consumer process. A packet is written with its file
 * offset, and a ring's progress is moved only after the whole packet is in the file: a
 * failed or interrupted write is simply done again. A stream is one file, or a row of
 * files: one a chunk of the trace, or, where a limit drops the oldest, BT_KEPT_FILES of
 * them. Which one a packet goes to, and which are dropped for it, follows from the
 * progress (bt_place_of), so that whoever takes over does the same.
 */
#ifndef BT_STREAM_H
#define BT_STREAM_H

#include <linux/magic.h>
#include <sys/statfs.h>

#include "trace.h"

/* A file of this size gets its blocks so far ahead of its end: on ext4 a write into
 * blocks that are there costs two thirds. A small file gets none, so that a short
 * trace is no more than its bytes; nor does one where this is more than such a part of
 * the room that is left. Smaller in tests. */
#ifndef BT_AHEAD_BYTES
#define BT_AHEAD_BYTES (32ull << 20)
#endif
#ifndef BT_AHEAD_PART
#define BT_AHEAD_PART 64u
#endif

/* The consumer's private side of a ring. */
struct bt_stream {
	struct bt_ring *ring; /* NULL: not mapped yet */
	const uint8_t *data;
	int fd;               /* -1: not open */
	uint64_t chunk, file; /* that fd is of */
	uint64_t ahead;       /* up to here fd's file was given blocks, or refused; 0: not yet */
};

/* Gives a file blocks for a packet of `size` bytes at `at` and ahead of it. Best effort:
 * if something is wrong with the disk, the write will say so. On ext4 alone: XFS gains
 * nothing by it, and on btrfs and tmpfs it costs. */
static inline void bt_allocate_ahead(const struct bt_session *s, struct bt_stream *stream, uint64_t at, uint64_t size)
{
	uint64_t end = at + size;
	struct statfs disk;

	/* A limit of size is one of the disk's room. */
	if (end < BT_AHEAD_BYTES || end <= stream->ahead || s->max_size > 0)
		return;
	stream->ahead = end + BT_AHEAD_BYTES;
	if (fstatfs(stream->fd, &disk) != 0 || disk.f_type != EXT4_SUPER_MAGIC ||
	    disk.f_bavail * (uint64_t)disk.f_bsize / BT_AHEAD_PART < BT_AHEAD_BYTES)
		return;
	(void)fallocate(stream->fd, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)(size + BT_AHEAD_BYTES));
}

/* Gives back the blocks beyond a stream's end. False: there were none. */
static inline bool bt_give_back(struct bt_stream *stream)
{
	struct stat st;

	if (stream->fd < 0 || stream->ahead == 0)
		return false;
	stream->ahead = 0;
	return fstat(stream->fd, &st) == 0 && ftruncate(stream->fd, st.st_size) == 0;
}

static inline void bt_stream_close(struct bt_stream *stream)
{
	bt_give_back(stream);
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
}

/* Cuts off what a consumer before us wrote of a packet it did not finish, and the blocks
 * that it had ahead. False, with errno: it cannot be, or this is no file that holds
 * `size` bytes. */
static inline bool bt_cut_stream(int fd, uint64_t size)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < size) {
		errno = EBADMSG;
		return false;
	}
	return ((uint64_t)st.st_size == size && size < BT_AHEAD_BYTES) || ftruncate(fd, (off_t)size) == 0;
}

/* Where a packet goes. */
struct bt_place {
	uint64_t chunk;
	uint64_t file;   /* number in the stream; 0 where no limit drops the oldest */
	uint64_t oldest; /* file that is kept beside it: those before are dropped first */
	uint64_t at;     /* bytes */
};

static inline bool bt_drops_oldest(const struct bt_session *s)
{
	return s->max_size > 0 && s->when_full == BT_DROP_OLDEST;
}

/* Whether the stream's file is done with: a file begins with the first packet that
 * begins in its share of the limit, counted in bytes from the start of the stream.
 * Counted in each file, what packets just miss would be missed in all of them. */
static inline bool bt_file_is_full(const struct bt_session *s, const struct bt_progress *done)
{
	const struct bt_amount *began = &done->file_began[done->file % BT_KEPT_FILES];
	/* Never 0, whatever a damaged file says. */
	uint64_t share = (s->max_size - sizeof(struct bt_packet)) / BT_KEPT_FILES + 1;

	return done->records > began->records && done->bytes / share > began->bytes / share;
}

/* Whether the stream with a packet of `size` bytes more is beyond the limit, if file
 * `oldest` is its oldest. With the first packet, which stays of dropped ones. */
static inline bool bt_beyond_limit(const struct bt_session *s, const struct bt_progress *done, uint64_t oldest,
				   uint64_t size)
{
	return done->bytes - done->file_began[oldest % BT_KEPT_FILES].bytes + size + sizeof(struct bt_packet) >
	       s->max_size;
}

/* Where a stream's next packet, of `size` bytes, goes. */
static inline struct bt_place bt_place_of(const struct bt_session *s, const struct bt_progress *done, uint64_t size)
{
	struct bt_place place = { .chunk = bt_chunks(s)->number };

	if (done->packets == 0 || done->chunk != place.chunk)
		return place;
	place.file = done->file;
	place.oldest = done->oldest_file;
	place.at = done->file_size;
	if (!bt_drops_oldest(s))
		return place;
	if (bt_file_is_full(s, done)) {
		place.file++;
		place.at = 0;
	}
	if (place.file - place.oldest >= BT_KEPT_FILES)
		place.oldest = place.file - BT_KEPT_FILES + 1;
	while (place.oldest < done->file && bt_beyond_limit(s, done, place.oldest, size))
		place.oldest++;
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

/* Drops a stream's files before file `oldest`. Returns 0 or -errno; then, and by whoever
 * takes over, it is done again. */
static inline int bt_drop_files(struct bt_trace *trace, const struct bt_ring *ring, uint64_t oldest)
{
	uint64_t file = ring->progress[ring->current & 1].oldest_file;
	int error = file < oldest ? bt_enter_chunk(trace) : 0;

	/* More are not kept: the file is damaged. */
	if (file < oldest && oldest - file > BT_KEPT_FILES)
		file = oldest - BT_KEPT_FILES;
	for (; file < oldest && error == 0; file++) {
		char name[64];

		bt_file_name(ring, file, name);
		if (file == 0)
			error = bt_keep_first_packet(trace->chunk_dir, name);
		else if (unlinkat(trace->chunk_dir, name, 0) != 0 && errno != ENOENT)
			error = -errno;
	}
	return error;
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

	bt_stream_close(stream);
	error = bt_enter_chunk(trace);
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

/* Gives back what a consumer before us had allocated ahead and was killed with. Best
 * effort. */
static inline void bt_give_back_left(const struct bt_trace *trace, const struct bt_ring *ring)
{
	const struct bt_progress *done = &ring->progress[ring->current & 1];
	char name[64];
	int dir, fd;

	if (done->file_size < BT_AHEAD_BYTES)
		return;
	dir = bt_open_chunk(trace, done->chunk);
	if (dir < 0)
		return;
	bt_file_name(ring, done->file, name);
	fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		bt_cut_stream(fd, done->file_size);
		close(fd);
	}
	close(dir);
}

/* Writes a packet into the place where it belongs. Returns 0, or -errno with nothing
 * changed. On success `next` knows of it. */
static inline int bt_write_placed(struct bt_trace *trace, struct bt_stream *stream, struct bt_place place,
				  const struct bt_content *content, struct bt_progress *next)
{
	struct bt_session *s = trace->session;
	const struct bt_progress *done = &stream->ring->progress[stream->ring->current & 1];
	int64_t size;
	int error = bt_drop_files(trace, stream->ring, place.oldest);

	if (error == 0 && (stream->fd < 0 || stream->chunk != place.chunk || stream->file != place.file))
		error = bt_stream_open(trace, stream, place);
	if (error != 0)
		return error;
	bt_allocate_ahead(s, stream, place.at, sizeof(struct bt_packet) + content->length);
	size = bt_write_packet(s, stream->ring, stream->fd, place.at, done->packets, content);
	if (size < 0)
		return (int)size;
	if (place.oldest > done->oldest_file) {
		const struct bt_amount *from = &done->file_began[done->oldest_file % BT_KEPT_FILES];
		const struct bt_amount *to = &done->file_began[place.oldest % BT_KEPT_FILES];

		next->dropped.records += to->records - from->records;
		next->dropped.bytes += to->bytes - from->bytes;
	}
	if (place.at == 0)
		next->file_began[place.file % BT_KEPT_FILES] = (struct bt_amount){ done->records, done->bytes };
	next->oldest_file = place.oldest;
	next->chunk = place.chunk;
	next->file = place.file;
	next->file_size = place.at + (uint64_t)size;
	return 0;
}

#endif
