/*
 * stream.h - one stream: the file of one thread, its packets, and the way from a
 * ring into it.
 *
 * Included by consumer.c only; runs in the consumer process. A packet is written
 * with its file offset, and a ring's progress is moved only after the whole
 * packet is in the file: a failed or interrupted write is simply done again.
 */
#ifndef BT_STREAM_H
#define BT_STREAM_H

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ring.h"

/* What one packet starts with: packet.header and packet.context as the metadata
 * declares them (src/ctf/metadata-writer.ts), byte-packed. CTF 1.8.3, 5.1-5.2. */
struct __attribute__((packed)) bt_packet {
	uint32_t magic;
	uint8_t uuid[16];
	uint32_t stream_id;
	uint64_t stream_instance_id;
	uint64_t timestamp_begin;
	uint64_t timestamp_end;
	uint64_t content_size; /* bits */
	uint64_t packet_size;  /* bits */
	uint64_t packet_seq_num;
	uint64_t events_discarded;
	uint32_t event_count;
	uint32_t tid;
	char thread_name[BT_THREAD_NAME_SIZE];
};

#define BT_CTF_MAGIC 0xC1FC1FC1u

/* The consumer's private side of a ring. */
struct bt_stream {
	struct bt_ring *ring; /* NULL: not mapped yet */
	const uint8_t *data;
	int fd;               /* -1: no file yet */
};

struct bt_trace {
	struct bt_session *session;
	int dir;             /* the trace directory */
	struct bt_sums sums; /* of all rings */
};

/* Adds what came of a ring since it had `before` to the sums. */
static inline void bt_add_sums(struct bt_trace *trace, struct bt_sums before, struct bt_sums after)
{
	trace->sums.records += after.records - before.records;
	trace->sums.discarded += after.discarded - before.discarded;
	trace->sums.bytes += after.bytes - before.bytes;
	trace->sums.streams += after.streams - before.streams;
}

/* Lets everybody see the sums. */
static inline void bt_tell_sums(const struct bt_trace *trace)
{
	struct bt_session *s = trace->session;

	atomic_store(&s->bytes_written, trace->sums.bytes);
	atomic_store(&s->records_written, trace->sums.records);
	atomic_store(&s->discarded_told, trace->sums.discarded);
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

/* Opens the stream's file: made when the first packet is there, so that threads
 * that emit nothing leave none. The stream's number makes the name its own, though
 * the system gives a thread's id out again. Never through a link, never an existing
 * file: but one that a consumer before us has made for this very stream. It says so
 * before it makes it, so that one killed right after leaves no file that nobody
 * knows of. */
static inline int bt_stream_open(const struct bt_trace *trace, struct bt_stream *stream)
{
	struct bt_ring *ring = stream->ring;
	const struct bt_progress *done = &ring->progress[ring->current & 1];
	bool ours = atomic_load_explicit(&ring->making_file, memory_order_relaxed) != 0;
	/* Nonblocking: a pipe of that name would be waited for. */
	int flags = O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	char name[48];
	int fd;

	if (!ours)
		flags |= O_EXCL;
	if (done->packets == 0)
		flags |= O_CREAT;
	snprintf(name, sizeof name, "thread-%u-%u", ring->tid, ring->stream);
	/* Release, and not moved below the call: whoever finds the file finds this. */
	atomic_store_explicit(&ring->making_file, 1, memory_order_release);
	fd = openat(trace->dir, name, flags, 0644);
	if (fd < 0) {
		int error = errno;

		if (!ours)
			atomic_store_explicit(&ring->making_file, 0, memory_order_relaxed);
		return -error;
	}
	if (!bt_cut_stream(fd, done->file_size)) {
		int error = errno;

		close(fd);
		return -error;
	}
	stream->fd = fd;
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
	uint64_t number;    /* of the packet in its stream */
};

/* Writes a packet at `at`. Returns its size, or -errno with the file cut back to
 * `at`: readers refuse a packet that is not whole. */
static inline int64_t bt_write_packet(const struct bt_session *s, const struct bt_ring *ring, int fd, uint64_t at,
			       const struct bt_content *content)
{
	uint64_t size = sizeof(struct bt_packet) + content->length;
	struct bt_packet packet = {
		.magic = BT_CTF_MAGIC,
		.stream_instance_id = ring->stream,
		.timestamp_begin = content->begin_ts,
		.timestamp_end = content->end_ts,
		.content_size = size * 8,
		.packet_size = size * 8,
		.packet_seq_num = content->number,
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

/* Writes one run of records as a packet and gives its room back. Returns 0, or
 * -errno with the ring as before. */
static inline int bt_write_run(struct bt_trace *trace, struct bt_stream *stream, const struct bt_run *run)
{
	struct bt_session *s = trace->session;
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
		.number = done->packets,
	};
	int64_t size = (int64_t)(sizeof(struct bt_packet) + content.length);
	int error;

	next.tail = run->next_tail;
	next.last_ts = run->end_ts;
	next.discarded = run->discarded;
	next.records = run->records;
	next.packets++;
	if (s->output == BT_TO_DISK) {
		error = stream->fd < 0 ? bt_stream_open(trace, stream) : 0;
		if (error == 0) {
			size = bt_write_packet(s, ring, stream->fd, done->file_size, &content);
			error = size < 0 ? (int)size : 0;
		}
		atomic_store(&s->write_errno, (uint32_t)-error);
		if (error != 0)
			return error;
		next.file_size += (uint64_t)size;
	}
	next.bytes += (uint64_t)size;
	bt_move_on(trace, ring, &next);
	bt_wake_owner(ring);
	return 0;
}

/* A packet without records: carries the discarded count alone. */
static inline int bt_write_count(struct bt_trace *trace, struct bt_stream *stream, uint64_t discarded)
{
	const struct bt_progress *done = &stream->ring->progress[stream->ring->current & 1];
	struct bt_run run = {
		.begin = done->tail,
		.end = done->tail,
		.next_tail = done->tail,
		.end_ts = done->last_ts,
		.discarded = discarded,
		.records = done->records,
	};

	return bt_write_run(trace, stream, &run);
}

/* Writes what the ring holds: closed sub-buffers, and where `everything` also
 * what is published of the one being filled, and the count of what was
 * discarded since. Returns 0 or -errno of a write; then the rest stays. */
static inline int bt_drain(struct bt_trace *trace, struct bt_stream *stream, bool everything)
{
	struct bt_session *s = trace->session;
	struct bt_ring *ring = stream->ring;
	const struct bt_progress *done;
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
		/* Readers take a stream's first packet as the count's start: events
		 * discarded before it would go unseen. */
		if (done->packets == 0 && run.discarded > 0) {
			error = bt_write_count(trace, stream, 0);
			if (error != 0)
				return error;
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
	if (discarded == done->discarded ||
	    ((atomic_load_explicit(&ring->published, memory_order_relaxed) ^ done->tail) & BT_POSITION_MASK) != 0)
		return 0;
	if (done->packets == 0) {
		error = bt_write_count(trace, stream, 0);
		if (error != 0)
			return error;
	}
	return bt_write_count(trace, stream, discarded);
}

#endif
