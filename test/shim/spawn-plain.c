/*
 * spawn-plain.c - stands in for spawn.c in programs with sanitizers, which do not
 * survive a child in their own memory. Linked into threads.c by threads.test.ts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <spawn.h>

#include "../../shim/shim.h"

extern char **environ;

int bt_spawn_consumer(struct bt_handle *h)
{
	char *argv[] = { h->session->consumer_path, h->path, NULL };
	pid_t pid;

	return -posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);
}

int bt_signal_consumer(struct bt_handle *h, int signal)
{
	uint32_t word = atomic_load(&h->session->consumer_lock);

	if (word == 0 || (word & BT_OWNER_DIED))
		return -ESRCH;
	return kill((pid_t)(word & BT_TID_MASK), signal) == 0 ? 0 : -errno;
}
