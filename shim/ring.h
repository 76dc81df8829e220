/*
 * ring.h - one ring: commit and switch for its owner, get and put for the
 * consumer, with the reason at every barrier.
 *
 * Included by shim.c (the traced process, the thread that owns the ring), by
 * consumer.c (its own process) and by the C tests. Both sides share struct
 * bt_ring of session.h and nothing else. Pure C11: no system calls, so that the
 * tests can run it anywhere.
 *
 * A record never crosses the end of a sub-buffer. Position p lies in sub-buffer
 * p / size, in memory at p modulo the ring's size. The owner opens sub-buffer k
 * only when the one that was there before (k - count) lies behind tail.
 */
#ifndef BT_RING_H
#define BT_RING_H

#include <stdbool.h>
#include <string.h>

#include "session.h"

#define bt_likely(x) __builtin_expect(!!(x), 1)
#define bt_unlikely(x) __builtin_expect(!!(x), 0)

/* The fast path copies 16 bytes at once and then words of 8, so it may write up to
 * 16 bytes too many; it stays this far from the sub-buffer's end. */
#define BT_COPY_SLACK 16u

/* Longer payloads are left to the slow path and its memcpy: a call there costs
 * little beside the copy. */
#define BT_COPY_WORDS_MAX 128u

/* How far ahead of its head the owner asks for the ring's memory, bytes. At 64 and 192 some
 * runs of short events in a loop were still slow. */
#define BT_PREFETCH_AHEAD 384u

/* The owner's private side of a ring. JavaScript holds its address and passes
 * it back, and cannot write to it. */
struct bt_writer {
	uint64_t pos;     /* position of the next record */
	uint64_t limit;   /* fast path only below: end of the sub-buffer less the slack; 0 = no ring yet */
	uintptr_t origin; /* origin + pos is the record's address, in this lap */
	uint64_t last_ts; /* of the newest record */
	uint64_t records;
	uint64_t base;    /* subtracted from the clock: time 0 of the trace */
	const uint8_t *staging; /* where JavaScript wrote the payload */
	struct bt_ring *ring;   /* NULL until the first event */
	uint8_t *data;
	uint64_t size;    /* of a sub-buffer, bytes */
	uint64_t sub;     /* number of the sub-buffer being filled */
	uint32_t count;   /* sub-buffers */
	uint32_t missing; /* of them, the last so many have no memory yet */
	uint32_t mode;
	uint32_t clock;
};

static inline void bt_put32(uint8_t *to, uint32_t value)
{
	memcpy(to, &value, sizeof value);
}

static inline void bt_put64(uint8_t *to, uint64_t value)
{
	memcpy(to, &value, sizeof value);
}

static inline void bt_prefetch_for_store(const uint8_t *at)
{
#ifdef __x86_64__
	/* What the compiler makes of __builtin_prefetch without a newer processor's flag asks
	 * to read: the store would then ask once more. Processors that do not have this
	 * instruction pass over it. */
	__asm__ volatile("prefetchw %0" : : "m"(*at));
#else
	__builtin_prefetch(at, 1);
#endif
}

static inline void bt_copy8(uint8_t *to, const uint8_t *from)
{
	uint64_t word;

	memcpy(&word, from, 8);
	memcpy(to, &word, 8);
}

/* Makes the record that ends at `end` visible, with its time. */
static inline void bt_publish(struct bt_writer *w, uint64_t end, uint64_t ts)
{
	struct bt_ring *ring = w->ring;
	uint64_t records = w->records + 1;

	w->pos = end;
	w->last_ts = ts;
	w->records = records;
	/* Release: this last_ts may not be seen before the head that was published
	 * before it. The consumer relies on it: the last_ts it reads belongs to the
	 * record at the head or to the one right after, never to a later one. */
	atomic_store_explicit(&ring->last_ts, ts, memory_order_release);
	/* Release: the record's bytes, the descriptors of closed sub-buffers and
	 * last_ts are visible to whoever sees this head. */
	atomic_store_explicit(&ring->published,
			      (end & BT_POSITION_MASK) | records << BT_POSITION_BITS,
			      memory_order_release);
}

static inline void bt_discard(struct bt_writer *w)
{
	/* One writer: no read-modify-write is needed. */
	uint64_t n = atomic_load_explicit(&w->ring->discarded, memory_order_relaxed);

	/* Release: whoever sees it counted sees the records published before it. */
	atomic_store_explicit(&w->ring->discarded, n + 1, memory_order_release);
}

/* Stores a record whose place is known to be free. `ts` is not below last_ts. */
static inline void bt_store_record(struct bt_writer *w, uint32_t id, uint32_t length, uint64_t ts)
{
	uint8_t *to = (uint8_t *)(w->origin + w->pos);
	bool compact = id < BT_EXTENDED_ID && ts - w->last_ts < BT_COMPACT_SPAN;
	uint32_t header = compact ? BT_COMPACT_HEADER : BT_EXTENDED_HEADER;

	if (compact) {
		bt_put32(to, id | (uint32_t)ts << 5);
	} else {
		to[0] = BT_EXTENDED_ID;
		bt_put32(to + 1, id);
		bt_put64(to + 5, ts);
	}
	memcpy(to + header, w->staging, length);
	bt_publish(w, w->pos + header + length, ts);
}

/* Whether the owner may open sub-buffer k: it has memory, and what was there lies
 * behind tail. */
static inline bool bt_sub_buffer_free(struct bt_writer *w, uint64_t k)
{
	uint64_t tail;

	if (k < w->count)
		return k < w->count - w->missing;
	if (w->mode == BT_OVERWRITE)
		return true;
	/* Acquire: the consumer's reads of the old records are done before the
	 * owner writes over them. */
	tail = atomic_load_explicit(&w->ring->tail, memory_order_acquire);
	return tail >= (k - w->count + 1) * w->size;
}

/* Closes the sub-buffer being filled. Repeating it does no harm: until
 * something is published past the end nobody reads the descriptor. */
static inline void bt_close_sub_buffer(struct bt_writer *w)
{
	struct bt_sub_buffer *sub = &w->ring->sub[w->sub % w->count];

	sub->end = w->pos;
	sub->end_ts = w->last_ts;
	sub->records = w->records;
	sub->discarded = atomic_load_explicit(&w->ring->discarded, memory_order_relaxed);
}

/* Points the owner at sub-buffer k. */
static inline void bt_open_sub_buffer(struct bt_writer *w, uint64_t k)
{
	uint64_t start = k * w->size;

	w->sub = k;
	w->pos = start;
	w->limit = start + w->size - BT_COPY_SLACK;
	w->origin = (uintptr_t)w->data + (k % w->count) * w->size - start;
	/* Release: a snapshot that sees it sees how the sub-buffer before was closed. */
	atomic_store_explicit(&w->ring->opened, start, memory_order_release);
	/* A snapshot may be copying the sub-buffer that was here: it must see
	 * `opened` no later than the first byte written over it. Costs nothing on
	 * x86, and a store barrier a sub-buffer on arm64. */
	atomic_thread_fence(memory_order_release);
	w->ring->sub[k % w->count].begin_ts = w->last_ts;
	w->ring->sub[k % w->count].begin_records = w->records;
}

/* What the slow path of commit did. */
enum bt_committed { BT_STORED, BT_STORED_SWITCHED, BT_TOO_LARGE, BT_FULL };

/* All that the fast path leaves: extended headers, a clock that went back (two
 * cores a few cycles apart), sub-buffer ends. Counts nothing: the caller does. */
static inline enum bt_committed bt_commit_slow(struct bt_writer *w, uint32_t id, uint32_t length,
					       uint64_t ts)
{
	bool compact, switched = false;
	uint32_t size;

	if ((int64_t)(ts - w->last_ts) < 0)
		ts = w->last_ts;
	compact = id < BT_EXTENDED_ID && ts - w->last_ts < BT_COMPACT_SPAN;
	size = (compact ? BT_COMPACT_HEADER : BT_EXTENDED_HEADER) + length;
	if (size > w->size)
		return BT_TOO_LARGE;
	if (w->pos + size > (w->sub + 1) * w->size) {
		bt_close_sub_buffer(w);
		if (!bt_sub_buffer_free(w, w->sub + 1))
			return BT_FULL;
		bt_open_sub_buffer(w, w->sub + 1);
		switched = true;
	}
	bt_store_record(w, id, length, ts);
	return switched ? BT_STORED_SWITCHED : BT_STORED;
}

/* The fast path. False: nothing was done, take the slow path. Calls nothing, so
 * that the compiler keeps all of it in scratch registers. */
static inline bool bt_commit_fast(struct bt_writer *w, uint32_t id, uint32_t length, uint64_t ts)
{
	uint64_t pos = w->pos;
	uint64_t end = pos + BT_COMPACT_HEADER + length;
	uint8_t *to = (uint8_t *)(w->origin + pos);
	const uint8_t *from = w->staging;

	/* A ts below last_ts makes the difference huge: the slow path's too. */
	if (bt_unlikely(end > w->limit || id >= BT_EXTENDED_ID || length > BT_COPY_WORDS_MAX ||
			ts - w->last_ts >= BT_COMPACT_SPAN))
		return false;
	bt_put32(to, id | (uint32_t)ts << 5);
	to += BT_COMPACT_HEADER;
	/* Words of 8, as JavaScript wrote most of them: a wider load over two fresh
	 * stores would wait for both to reach the cache. The first two without asking:
	 * most payloads are that small. */
	bt_copy8(to, from);
	bt_copy8(to + 8, from + 8);
#ifdef __clang__
#pragma clang loop vectorize(disable) unroll(disable) /* or registers are saved at every event */
#endif
	for (uint32_t i = 16; i < length; i += 8)
		bt_copy8(to + i, from + i);
	bt_publish(w, end, ts);
	/* The ring's lines that come next were last read by the consumer, perhaps on another
	 * core, and have left the near caches: stores to them would hold up those behind
	 * them. So they are asked for ahead, to be written. Past the ring's end it is a hint
	 * that nobody takes. */
	bt_prefetch_for_store(to + length + BT_PREFETCH_AHEAD);
	return true;
}

/* What a ring's progress comes to, with the streams that it has carried before. */
static inline struct bt_sums bt_sums_of(const struct bt_progress *p)
{
	return (struct bt_sums){
		.records = p->before.records + p->records - p->dropped.records,
		.discarded = p->before.discarded + p->discarded,
		.bytes = p->before.bytes + p->bytes - p->dropped.bytes,
		.dropped = p->before.dropped + p->dropped.records,
		.streams = p->before.streams + (p->packets > 0),
	};
}

/* Gives a claimed ring to its owner: all counters at their start. The caller
 * then publishes it by storing BT_ACTIVE to state. */
static inline void bt_ring_start(struct bt_writer *w, struct bt_ring *ring, uint8_t *data, uint64_t ts)
{
	uint32_t current = atomic_load_explicit(&ring->current, memory_order_relaxed) & 1;

	ring->start_ts = ts;
	atomic_store_explicit(&ring->published, 0, memory_order_relaxed);
	atomic_store_explicit(&ring->last_ts, ts, memory_order_relaxed);
	atomic_store_explicit(&ring->discarded, 0, memory_order_relaxed);
	atomic_store_explicit(&ring->tail, 0, memory_order_relaxed);
	atomic_store_explicit(&ring->waiting, 0, memory_order_relaxed);
	ring->progress[1 - current] =
		(struct bt_progress){ .last_ts = ts, .before = bt_sums_of(&ring->progress[current]) };
	/* Release, as in bt_put: a process that dies here leaves the old progress or
	 * the new one. */
	atomic_store_explicit(&ring->current, 1 - current, memory_order_release);
	atomic_store_explicit(&ring->making_file, 0, memory_order_relaxed);
	w->ring = ring;
	w->data = data;
	w->last_ts = ts;
	w->records = 0;
	bt_open_sub_buffer(w, 0);
}

/* A run of whole records that the consumer may write as one packet. */
struct bt_run {
	uint64_t begin;     /* positions */
	uint64_t end;
	uint64_t next_tail; /* tail once it is written; beyond `end` when the sub-buffer is done */
	uint64_t end_ts;
	uint64_t discarded;
	uint64_t records; /* in the ring up to `end` */
};

/* How often get() reads again when an event lands in the middle of reading. It
 * needs three loads of one cache line between two events: once is the rule. */
#define BT_GET_TRIES 100

enum bt_got { BT_NONE, BT_RUN, BT_IMPOSSIBLE };

/* The next run after what is done: a closed sub-buffer, or, where `partial`, what
 * is published of the one being filled. BT_IMPOSSIBLE: the counters cannot be those
 * of a ring; the file is damaged. */
static inline enum bt_got bt_get(struct bt_ring *ring, uint64_t size, uint32_t count,
			  const struct bt_progress *done, bool partial, struct bt_run *run)
{
	uint64_t sub_end = (done->tail / size + 1) * size;

	run->begin = done->tail;
	for (int i = 0; i < BT_GET_TRIES; i++) {
		/* In this order, each load before the next (acquire). */
		uint64_t published = atomic_load_explicit(&ring->published, memory_order_acquire);
		uint64_t last_ts = atomic_load_explicit(&ring->last_ts, memory_order_acquire);
		uint64_t discarded = atomic_load_explicit(&ring->discarded, memory_order_acquire);
		uint64_t again = atomic_load_explicit(&ring->published, memory_order_relaxed);
		uint64_t head = done->tail + ((published - done->tail) & BT_POSITION_MASK);
		uint64_t records = published >> BT_POSITION_BITS;

		if (head - done->tail > size * count)
			return BT_IMPOSSIBLE;
		if (head > sub_end) {
			const struct bt_sub_buffer *sub = &ring->sub[(done->tail / size) % count];

			run->end = sub->end;
			run->next_tail = sub_end;
			run->end_ts = sub->end_ts;
			run->discarded = sub->discarded;
			run->records = sub->records;
			return run->end < run->begin || run->end > sub_end ? BT_IMPOSSIBLE : BT_RUN;
		}
		if (!partial || head == done->tail)
			return BT_NONE;
		/* Equal: no event between the loads but perhaps one whose last_ts
		 * is stored and whose head is not. Then end_ts is that event's time:
		 * not before the last record of this run, and not after the first of
		 * the next, which is all that both packets need. And what was
		 * discarded was so before the next record: the sub-buffer's end will
		 * not tell of less. */
		if (again != published)
			continue;
		run->end = head;
		run->next_tail = head;
		run->end_ts = last_ts;
		run->discarded = discarded;
		run->records = done->records + ((records - done->records) & BT_RECORDS_MASK);
		return BT_RUN;
	}
	return BT_NONE;
}

/* Gives the owner the room before `next->tail`, once it is written. */
static inline void bt_put(struct bt_ring *ring, const struct bt_progress *next)
{
	uint32_t other = 1 - (atomic_load_explicit(&ring->current, memory_order_relaxed) & 1);

	ring->progress[other] = *next;
	/* Release: who takes over sees the whole of the new progress, or the old. */
	atomic_store_explicit(&ring->current, other, memory_order_release);
	/* Release: the owner may write over the room after our reads of it. */
	atomic_store_explicit(&ring->tail, next->tail, memory_order_release);
	/* Sequentially consistent, with the owner's store to `waiting` before it
	 * falls asleep on `space`: one of the two sees the other. */
	atomic_fetch_add_explicit(&ring->space, 1, memory_order_seq_cst);
}

#endif
