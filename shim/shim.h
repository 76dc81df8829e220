/*
 * shim.h - what the parts of the shim share: shim.c (events), attach.c (threads and
 * their rings), declare.c (event types), create.c (a session's files) and spawn.c (its
 * consumer). All of it runs inside the traced process.
 */
#ifndef BT_SHIM_H
#define BT_SHIM_H

#include <pthread.h>

#include "clock.h"
#include "ring.h"

#define BT_EXPORT __attribute__((visibility("default")))

/* How long a thread that found no memory for its ring waits before it asks
 * again, and how long a consumer may take to start before another is tried. */
#define BT_RETRY_NS 1000000000u

/* A session as this process has it. Never freed: threads may be inside. */
struct bt_handle {
	struct bt_session *session;
	char path[1024];
	void *rings[BT_MAX_RINGS]; /* this process's mappings, NULL until first used */
};

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

extern pthread_mutex_t bt_lock; /* rings, threads, spawning */
extern struct bt_handle *_Atomic bt_current;

void *bt_map_private(size_t size);

/* attach.c. False: no memory now. */
bool bt_open_ring(struct bt_thread *t);
bool bt_grow(struct bt_thread *t, struct bt_ring *ring);

/* spawn.c. Return 0 or -errno. bt_spawn_consumer: under bt_lock. */
int bt_spawn_consumer(struct bt_handle *h);
int bt_signal_consumer(struct bt_handle *h, int signal);

#endif
