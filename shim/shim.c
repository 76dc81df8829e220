/*
 * shim.c - what bun:ffi calls while a session is open, inside the traced process,
 * from any JavaScript thread: attach a thread, declare an event type, commit an
 * event, flush, stop.
 *
 * Numbers returned are >= 0 or a negated errno. Only bt_commit_cycles is hot. Nothing
 * here allocates from the program's heap, installs a signal handler or keeps a
 * descriptor open.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <linux/futex.h>
#include <unistd.h>

#include "shim.h"

/* A payload's largest size, and so the staging area's. Untouched pages of it
 * cost nothing. src/record/fields.ts keeps every tracepoint below it. */
#define BT_STAGING_SIZE (1u << 20)

/* Kernel 5.14's madvise: fault pages in at once. Older headers lack it. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* A thread's side: handed to the next thread when it ends, never freed, since
 * JavaScript may hold a view of the staging area until its heap is gone. */
struct bt_thread {
	struct bt_writer writer; /* first: JavaScript holds its address */
	struct bt_handle *handle;
	uint64_t retry_at_ns;
	bool gave_up; /* block mode: the last wait for room ended by its timeout */
	char name[BT_THREAD_NAME_SIZE];
	struct bt_thread *next_free;
};

pthread_mutex_t bt_lock = PTHREAD_MUTEX_INITIALIZER;
struct bt_handle *_Atomic bt_current;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;
static struct bt_thread *free_threads;

void *bt_map_private(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/*
 * Threads and their rings.
 */

/* A thread ends: its ring goes to the consumer, which drains it and frees it.
 * Not called when the whole process goes; the consumer sees that by itself. */
static void thread_leaves(void *arg)
{
	struct bt_thread *t = arg;

	if (t->writer.ring) {
		atomic_store_explicit(&t->writer.ring->state, BT_LEAVING, memory_order_release);
		bt_signal_consumer(t->handle, SIGUSR2);
	}
	pthread_mutex_lock(&bt_lock);
	t->next_free = free_threads;
	free_threads = t;
	pthread_mutex_unlock(&bt_lock);
}

static void make_key(void)
{
	pthread_key_create(&thread_key, thread_leaves);
}

/* Makes room in the session file: `size` bytes at `at` that have memory, of a file of
 * at least `whole` bytes. Memory now or an error now: a full tmpfs must not be a
 * SIGBUS later. */
static int allocate(const struct bt_handle *h, uint64_t at, uint64_t size, uint64_t whole)
{
	int fd = open(h->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW), error = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)size) != 0 || fstat(fd, &st) != 0 ||
	    ((uint64_t)st.st_size < whole && ftruncate(fd, (off_t)whole) != 0))
		error = -errno;
	close(fd);
	return error;
}

static void *map_ring(struct bt_handle *h, uint32_t index)
{
	uint64_t stride = bt_ring_stride(h->session);
	uint64_t at = bt_ring_at(h->session, index);
	void *ring;
	int fd;

	if (h->rings[index])
		return h->rings[index];
	if (allocate(h, at, BT_PAGE, at + stride) != 0)
		return NULL;
	fd = open(h->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return NULL;
	ring = mmap(NULL, stride, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)at);
	close(fd);
	if (ring == MAP_FAILED)
		return NULL;
	return h->rings[index] = ring;
}

/* A free ring, or a new one. Under bt_lock. */
static struct bt_ring *claim_ring(struct bt_handle *h)
{
	struct bt_session *s = h->session;
	uint32_t count = atomic_load(&s->ring_count);
	struct bt_ring *ring;

	for (uint32_t i = 0; i < count; i++) {
		ring = h->rings[i];
		/* Acquire: the consumer's last words about the ring come first. */
		if (ring && atomic_load_explicit(&ring->state, memory_order_acquire) == BT_FREE) {
			atomic_store_explicit(&ring->state, BT_CLAIMED, memory_order_relaxed);
			return ring;
		}
	}
	if (count == BT_MAX_RINGS)
		return NULL;
	ring = map_ring(h, count);
	if (!ring)
		return NULL;
	atomic_store_explicit(&ring->state, BT_CLAIMED, memory_order_relaxed);
	atomic_store_explicit(&s->ring_count, count + 1, memory_order_release);
	return ring;
}

/* Gives the next sub-buffer of a ring its memory, in the first lap: a thread that
 * emits little takes little. Its pages are mapped all at once: a fault a page would
 * cost an event 1 us each. False: there is no memory now. */
static bool grow(struct bt_thread *t, struct bt_ring *ring)
{
	struct bt_writer *w = &t->writer;
	uint64_t now = bt_kernel_ns(CLOCK_MONOTONIC);
	uint8_t *data = (uint8_t *)ring + BT_PAGE + ring->grown * w->size;
	uint32_t index = 0;

	if (now < t->retry_at_ns)
		return false;
	while (t->handle->rings[index] != ring)
		index++;
	if (allocate(t->handle, bt_ring_at(t->handle->session, index) + BT_PAGE + ring->grown * w->size, w->size,
		     0) != 0) {
		t->retry_at_ns = now + BT_RETRY_NS;
		return false;
	}
	madvise(data, w->size, MADV_POPULATE_WRITE); /* best effort */
	ring->grown++;
	return true;
}

/* The thread's first event. False: no memory for a ring now. */
static bool open_ring(struct bt_thread *t)
{
	struct bt_writer *w = &t->writer;
	struct bt_session *s = t->handle->session;
	uint64_t now = bt_kernel_ns(CLOCK_MONOTONIC);
	struct bt_ring *ring;

	if (now < t->retry_at_ns)
		return false;
	pthread_mutex_lock(&bt_lock);
	ring = claim_ring(t->handle);
	pthread_mutex_unlock(&bt_lock);
	if (!ring) {
		t->retry_at_ns = now + BT_RETRY_NS;
		return false;
	}
	if (ring->grown == 0 && !grow(t, ring)) {
		atomic_store_explicit(&ring->state, BT_FREE, memory_order_release);
		return false;
	}
	w->missing = w->count - ring->grown;
	ring->tid = (uint32_t)syscall(SYS_gettid);
	ring->stream = atomic_fetch_add(&s->next_stream, 1);
	memcpy(ring->thread_name, t->name, sizeof ring->thread_name);
	bt_ring_start(w, ring, (uint8_t *)ring + BT_PAGE, bt_now(w->clock) - w->base);
	/* Release: the consumer sees the ring's fields when it sees ACTIVE. */
	atomic_store_explicit(&ring->state, BT_ACTIVE, memory_order_release);
	return true;
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

/* The calling thread's writer in the process's session; the same one when
 * asked again, also from another global object on the thread. NULL: no memory. */
BT_EXPORT struct bt_writer *bt_attach(void)
{
	struct bt_handle *h = atomic_load(&bt_current);
	struct bt_session *s = h->session;
	struct bt_thread *t;

	pthread_once(&once, make_key);
	t = pthread_getspecific(thread_key);
	if (t && t->handle == h)
		return &t->writer;
	if (t && t->writer.ring) /* of a session before: its consumer is gone or going */
		atomic_store_explicit(&t->writer.ring->state, BT_LEAVING, memory_order_release);
	if (!t) {
		pthread_mutex_lock(&bt_lock);
		t = free_threads;
		if (t)
			free_threads = t->next_free;
		pthread_mutex_unlock(&bt_lock);
	}
	if (!t) {
		t = bt_map_private(sizeof *t + BT_STAGING_SIZE);
		if (!t)
			return NULL;
		t->writer.staging = (uint8_t *)(t + 1);
	}
	t->handle = h;
	t->retry_at_ns = 0;
	t->gave_up = false;
	memset(t->name, 0, sizeof t->name);
	t->writer = (struct bt_writer){
		.staging = t->writer.staging,
		.base = s->base_cycles,
		.size = s->sub_buffer_size,
		.count = s->sub_buffers,
		.mode = s->mode,
		.clock = s->clock,
	};
	pthread_setspecific(thread_key, t);
	return &t->writer;
}

/* Where JavaScript writes the payloads of a thread: BT_STAGING_SIZE bytes. */
BT_EXPORT const void *bt_staging(const struct bt_writer *w)
{
	return w->staging;
}

/* Names the thread; UTF-8, cut to fit by the caller. Seen in packets from now on. */
BT_EXPORT void bt_name_thread(struct bt_writer *w, const char *name)
{
	struct bt_thread *t = (struct bt_thread *)w;

	memset(t->name, 0, sizeof t->name);
	memcpy(t->name, name, strnlen(name, sizeof t->name - 1));
	if (w->ring)
		memcpy(w->ring->thread_name, t->name, sizeof t->name);
}

/*
 * Exported: event types.
 */

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

/*
 * Exported: events.
 */

/* Block mode: sleeps until the consumer has written something, or the timeout
 * is over. One that is over is not waited for again until there is room: a
 * consumer that is stuck must not slow every event. False: it is over. */
static bool wait_for_room(struct bt_thread *t)
{
	struct bt_ring *ring = t->writer.ring;
	struct bt_session *s = t->handle->session;
	uint64_t deadline = bt_kernel_ns(CLOCK_MONOTONIC) + s->block_timeout_ns;
	bool room = false;

	if (t->gave_up)
		return false;
	atomic_store_explicit(&ring->waiting, 1, memory_order_seq_cst);
	while (!room) {
		uint32_t space = atomic_load_explicit(&ring->space, memory_order_seq_cst);
		uint64_t now = bt_kernel_ns(CLOCK_MONOTONIC);
		struct timespec left;

		room = bt_sub_buffer_free(&t->writer, t->writer.sub + 1);
		if (room || now >= deadline || atomic_load(&s->state) != BT_LIVE)
			break;
		bt_signal_consumer(t->handle, SIGUSR1);
		/* At most BT_RETRY_NS at a time: a consumer that died says nothing. */
		left.tv_sec = 0;
		left.tv_nsec = (long)(deadline - now < BT_RETRY_NS ? deadline - now : BT_RETRY_NS - 1);
		syscall(SYS_futex, &ring->space, FUTEX_WAIT, space, &left, NULL, 0);
	}
	atomic_store_explicit(&ring->waiting, 0, memory_order_relaxed);
	t->gave_up = !room;
	return room;
}

static __attribute__((noinline)) void commit_slow(struct bt_writer *w, int32_t id, uint32_t length,
						  uint64_t ts)
{
	struct bt_thread *t = (struct bt_thread *)w;
	struct bt_session *s = t->handle->session;
	enum bt_committed done;

	if (!w->ring && !open_ring(t)) {
		atomic_fetch_add_explicit(&s->ringless_discarded, 1, memory_order_relaxed);
		return;
	}
	/* An id below zero: its declaration could not be written. */
	done = id < 0 ? BT_TOO_LARGE : bt_commit_slow(w, (uint32_t)id, length, ts);
	if (done == BT_FULL && w->missing > 0 && w->sub + 1 == w->count - w->missing && grow(t, w->ring)) {
		w->missing--;
		done = bt_commit_slow(w, (uint32_t)id, length, ts);
	}
	if (done == BT_FULL && w->mode == BT_BLOCK && w->sub + 1 >= w->count && wait_for_room(t))
		done = bt_commit_slow(w, (uint32_t)id, length, bt_now(w->clock) - w->base);
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
