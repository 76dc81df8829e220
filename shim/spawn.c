/*
 * spawn.c - starting the consumer, signalling it, and starting another when it
 * died. Called by create.c, shim.c and attach.c inside the traced process, from any
 * JavaScript thread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shim.h"

extern char **environ;

#define SPAWN_STACK_SIZE 32768

struct spawn {
	char *argv[3];
	char *middle_stack; /* tops */
	int error;
};

/* The consumer before its exec: a grandchild, so that nobody here has to wait
 * for it; its own session, so that the terminal's Ctrl+C does not reach it; no
 * descriptor of ours, so that it keeps no pipe open. The memory is the traced
 * process's own (CLONE_VM): system calls only. */
static int spawn_consumer_exec(void *arg)
{
	struct spawn *spawn = arg;
	int null = open("/dev/null", O_RDWR);

	for (int fd = 0; fd < 3 && null >= 0; fd++)
		dup2(null, fd);
	if (syscall(SYS_close_range, 3u, ~0u, 0u) != 0)
		for (int fd = 3; fd < 1024; fd++)
			close(fd);
	if (chdir("/") == 0)
		execve(spawn->argv[0], spawn->argv, environ);
	spawn->error = errno;
	_exit(127);
}

static int spawn_middle(void *arg)
{
	struct spawn *spawn = arg;

	setsid();
	if (clone(spawn_consumer_exec, spawn->middle_stack, CLONE_VM | CLONE_VFORK, spawn) < 0)
		spawn->error = errno;
	_exit(0);
}

/* Twice clone and once exec, without a copy of the program's memory, and
 * without exit signal: the program sees no SIGCHLD and gets no zombie. */
int bt_spawn_consumer(struct bt_handle *h)
{
	struct spawn spawn = { .argv = { h->session->consumer_path, h->path, NULL } };
	char *stacks = bt_map_private(2 * SPAWN_STACK_SIZE);
	sigset_t all, before;
	int pid, cancel;

	if (!stacks)
		return -ENOMEM;
	atomic_store(&h->session->spawned_at_ns, bt_kernel_ns(CLOCK_MONOTONIC));
	spawn.middle_stack = stacks + SPAWN_STACK_SIZE;
	sigfillset(&all);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	pid = clone(spawn_middle, stacks + 2 * SPAWN_STACK_SIZE, CLONE_VM | CLONE_VFORK, &spawn);
	if (pid < 0)
		spawn.error = errno;
	else
		while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_setcancelstate(cancel, NULL);
	munmap(stacks, 2 * SPAWN_STACK_SIZE);
	return -spawn.error;
}

/* Another consumer for one that died, at most one a second. */
static void replace_consumer(struct bt_handle *h, uint32_t word)
{
	struct bt_session *s = h->session;
	uint64_t now = bt_kernel_ns(CLOCK_MONOTONIC);

	if (atomic_load(&s->state) != BT_LIVE || now - atomic_load(&s->spawned_at_ns) < BT_RETRY_NS)
		return;
	pthread_mutex_lock(&bt_lock);
	if (atomic_load(&s->consumer_lock) == word && now - atomic_load(&s->spawned_at_ns) >= BT_RETRY_NS)
		bt_spawn_consumer(h);
	pthread_mutex_unlock(&bt_lock);
}

/* Signals the consumer if there is one. Its thread id is in the robust futex
 * word, which the kernel marks before the id can be anybody else's. */
int bt_signal_consumer(struct bt_handle *h, int signal)
{
	uint32_t word = atomic_load(&h->session->consumer_lock);

	if (word == 0 || (word & BT_OWNER_DIED)) {
		replace_consumer(h, word);
		return -ESRCH;
	}
	return kill((pid_t)(word & BT_TID_MASK), signal) == 0 ? 0 : -errno;
}
