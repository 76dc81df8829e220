/*
 * shim.h - what the parts of the shim share: shim.c (threads, declarations,
 * events), create.c (a session's files) and spawn.c (its consumer). All of it runs
 * inside the traced process.
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

extern pthread_mutex_t bt_lock; /* rings, threads, spawning */
extern struct bt_handle *_Atomic bt_current;

void *bt_map_private(size_t size);

/* spawn.c. Return 0 or -errno. bt_spawn_consumer: under bt_lock. */
int bt_spawn_consumer(struct bt_handle *h);
int bt_signal_consumer(struct bt_handle *h, int signal);

#endif
