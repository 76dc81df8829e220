/*
 * attach.c - threads and their rings: who gets which, when, and how it gets its memory.
 * Called by bun:ffi when a thread begins to emit, and by shim.c at its first event, in
 * the traced process, on any JavaScript thread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

/* A payload's largest size, and so the staging area's. Untouched pages of it
 * cost nothing. src/record/fields.ts keeps every tracepoint below it. */
#define BT_STAGING_SIZE (1u << 20)

/* Kernel 5.14's madvise: fault pages in at once. Older headers lack it. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

pthread_mutex_t bt_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_key;
static struct bt_thread *free_threads;

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
bool bt_grow(struct bt_thread *t, struct bt_ring *ring)
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
bool bt_open_ring(struct bt_thread *t)
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
	if (ring->grown == 0 && !bt_grow(t, ring)) {
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
 * Exported.
 */

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

