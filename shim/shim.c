/*
 * shim.c - what bun:ffi calls while a session is open, inside the traced process, from
 * any JavaScript thread: commit an event, flush, stop. (attach.c: a thread begins;
 * declare.c: an event type is new.)
 *
 * Numbers returned are >= 0 or a negated errno. Only bt_commit_cycles is hot. Nothing
 * here, or there, allocates from the program's heap, installs a signal handler or keeps
 * a descriptor open.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

/* A thread that waits for room looks this often whether the consumer lives: one that
 * died says nothing, and the next must have made room before a usual timeout is over. */
#define LOOK_NS 100000000u

struct bt_handle *_Atomic bt_current;

void *bt_map_private(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/*
 * Exported: the session.
 */

/* The process's session as mapped here; NULL when there is none that lives. */
BT_EXPORT void *bt_session(void)
{
	struct bt_handle *h = atomic_load(&bt_current);

	return h && atomic_load(&h->session->state) == BT_LIVE ? h->session : NULL;
}

/*
 * Exported: events.
 */

/* Block mode: sleeps until the consumer has written something, or the timeout
 * is over. False: it is over. The ring counts as waiting until the caller has
 * stored its event. */
static bool wait_for_room(struct bt_thread *t)
{
	struct bt_ring *ring = t->writer.ring;
	struct bt_session *s = t->handle->session;
	uint64_t deadline = bt_kernel_ns(CLOCK_MONOTONIC) + s->block_timeout_ns;
	bool room = false;

	atomic_store_explicit(&ring->waiting, 1, memory_order_seq_cst);
	while (!room) {
		uint32_t space = atomic_load_explicit(&ring->space, memory_order_seq_cst);
		uint64_t now = bt_kernel_ns(CLOCK_MONOTONIC);
		struct timespec left;

		room = bt_sub_buffer_free(&t->writer, t->writer.sub + 1);
		if (room || now >= deadline || atomic_load(&s->state) != BT_LIVE)
			break;
		bt_signal_consumer(t->handle, SIGUSR1);
		left.tv_sec = 0;
		left.tv_nsec = (long)(deadline - now < LOOK_NS ? deadline - now : LOOK_NS);
		syscall(SYS_futex, &ring->space, FUTEX_WAIT, space, &left, NULL, 0);
	}
	t->gave_up = !room;
	return room;
}

static __attribute__((noinline)) void commit_slow(struct bt_writer *w, int32_t id, uint32_t length,
						  uint64_t ts)
{
	struct bt_thread *t = (struct bt_thread *)w;
	struct bt_session *s = t->handle->session;
	enum bt_committed done;

	if (!w->ring && !bt_open_ring(t)) {
		atomic_fetch_add_explicit(&s->ringless_discarded, 1, memory_order_relaxed);
		return;
	}
	/* An id below zero: its declaration could not be written. */
	done = id < 0 ? BT_TOO_LARGE : bt_commit_slow(w, (uint32_t)id, length, ts);
	if (done == BT_FULL && w->missing > 0 && w->sub + 1 == w->count - w->missing && bt_grow(t, w->ring)) {
		w->missing--;
		done = bt_commit_slow(w, (uint32_t)id, length, ts);
	}
	/* A wait that was in vain is not repeated until there is room: a consumer that is
	 * stuck must not slow every event. */
	if (done == BT_FULL && w->mode == BT_BLOCK && w->sub + 1 >= w->count && !t->gave_up) {
		if (wait_for_room(t))
			done = bt_commit_slow(w, (uint32_t)id, length, bt_now(w->clock) - w->base);
		/* Release, after the event: a consumer that finishes and sees nobody wait
		 * any more sees the event. */
		atomic_store_explicit(&w->ring->waiting, 0, memory_order_release);
	}
	if (done == BT_STORED)
		return;
	if (done == BT_STORED_SWITCHED)
		t->gave_up = false;
	else
		bt_discard(w);
	if (done == BT_TOO_LARGE)
		return;
	/* Sequentially consistent on both sides: either we see the consumer
	 * asleep, or it sees this head before it falls asleep. */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&s->asleep, memory_order_relaxed) ||
	    (atomic_load_explicit(&s->consumer_lock, memory_order_relaxed) & BT_OWNER_DIED))
		bt_signal_consumer(t->handle, SIGUSR1);
}

/* Commits the event whose payload, `length` bytes, lies in the staging area, at the
 * time `now` of the session's clock. The one hot call: everything it may have to do
 * beside the fast path is a jump to another function, so that it has no register to
 * save. */
static inline void commit(struct bt_writer *w, int32_t id, int32_t length, uint64_t now)
{
	uint64_t ts = now - w->base;

	if (bt_unlikely(!bt_commit_fast(w, (uint32_t)id, (uint32_t)length, ts)))
		commit_slow(w, id, (uint32_t)length, ts);
}

/* In a session whose clock is BT_CYCLES. */
BT_EXPORT void bt_commit_cycles(struct bt_writer *w, int32_t id, int32_t length)
{
	commit(w, id, length, bt_cycles());
}

/* In a session whose clock is BT_MONOTONIC. */
BT_EXPORT void bt_commit_monotonic(struct bt_writer *w, int32_t id, int32_t length)
{
	commit(w, id, length, bt_now(BT_MONOTONIC));
}

/* Counts a value that was cut to the limit or could not be converted. */
BT_EXPORT void bt_count_altered(void)
{
	struct bt_handle *h = atomic_load(&bt_current);

	atomic_fetch_add_explicit(&h->session->altered_values, 1, memory_order_relaxed);
}

/* Asks the consumer to write all that is published now. Returns the number
 * that flush_done reaches when it has, or -errno. */
BT_EXPORT int32_t bt_flush(void)
{
	struct bt_handle *h = atomic_load(&bt_current);
	uint32_t request = atomic_fetch_add(&h->session->flush_request, 1) + 1;

	bt_signal_consumer(h, SIGUSR1);
	return (int32_t)(request & 0x7fffffff);
}

/* Tells the consumer to write the rest and finish the session. */
BT_EXPORT int32_t bt_stop(void)
{
	struct bt_handle *h = atomic_load(&bt_current);

	return bt_signal_consumer(h, SIGTERM);
}
