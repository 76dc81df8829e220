/*
 * drain.h - the way from a ring into its stream: what becomes a packet, what is only
 * counted, and what the owner gets back.
 *
 * Included by consumer.c; runs in the consumer process.
 */
#ifndef BT_DRAIN_H
#define BT_DRAIN_H

#include <linux/futex.h>

#include "stream.h"

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

static inline void bt_wake_owner(struct bt_ring *ring)
{
	if (atomic_load_explicit(&ring->waiting, memory_order_seq_cst))
		syscall(SYS_futex, &ring->space, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Writes the runs of a ring, as many as there can be when it begins: an owner that is as
 * fast as we are must not keep us from the other rings, and from all that we wait for.
 * Returns 0, or -errno with the rest as it was. */
static inline int bt_write_runs(struct bt_trace *trace, struct bt_stream *stream, bool partial)
{
	const struct bt_session *s = trace->session;
	struct bt_ring *ring = stream->ring;
	uint64_t begin = ring->progress[ring->current & 1].tail;

	for (uint32_t written = 1;; written++) {
		const struct bt_progress *done = &ring->progress[ring->current & 1];
		struct bt_progress next = *done;
		struct bt_run run;
		enum bt_got got = bt_get(ring, s->sub_buffer_size, s->sub_buffers, done, partial, &run);
		int error = 0;

		if (got == BT_IMPOSSIBLE)
			return -EBADMSG;
		if (got == BT_NONE || done->tail - begin >= s->sub_buffer_size * s->sub_buffers)
			return 0;
		next.tail = run.next_tail;
		if (run.end == run.begin)
			bt_put(ring, &next);
		else
			error = bt_write_run(trace, stream, &run);
		if (error != 0)
			return error;
		/* An owner that waits gets half of its ring before it is woken: two
		 * switches of processes cost as much as a sub-buffer. It is sure to be:
		 * all but one are before it when it begins to wait. */
		if (written % (s->sub_buffers / 2) == 0)
			bt_wake_owner(ring);
	}
}

/* Writes what a ring holds. Returns 0 or -errno of a write; then the rest stays. */
static inline int bt_drain(struct bt_trace *trace, struct bt_stream *stream, enum bt_extent extent)
{
	struct bt_ring *ring = stream->ring;
	uint64_t discarded;
	int error = bt_write_runs(trace, stream, extent != BT_WHOLE_SUB_BUFFERS);

	if (error != 0 || extent == BT_WHOLE_SUB_BUFFERS)
		return error;
	/* Acquire: records published before the last of them was discarded are seen;
	 * their packet comes first and must not tell of less. */
	discarded = atomic_load_explicit(&ring->discarded, memory_order_acquire);
	if (((atomic_load_explicit(&ring->published, memory_order_relaxed) ^
	      ring->progress[ring->current & 1].tail) & BT_POSITION_MASK) != 0)
		return 0;
	return bt_tell_discarded(trace, stream, discarded, extent == BT_THE_LAST);
}

#endif
