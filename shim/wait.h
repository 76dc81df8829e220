/*
 * wait.h - what the consumer waits for: signals, the death of the traced process, time.
 * Included by consumer.c.
 */
#ifndef BT_WAIT_H
#define BT_WAIT_H

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "consumer.h"
#include "process.h"

/* Without pidfd (Linux before 5.3, or a filter that forbids it) the traced
 * process is looked up this often. */
#define DEATH_POLL_NS (100 * MS)

/* How the process ended, of PIDFD_GET_INFO. */
#define PIDFD_EXIT (1u << 3)

/* A parent takes microseconds to wait for its child, or more on a busy machine. One that
 * never does holds up no more than our own end: all is written by then. */
#define REAP_MS 1000

/* Whether the process is gone, by /proc: absent, a zombie, or another process
 * that got its id. */
static bool process_gone(const struct bt_session *s)
{
	char pid[16], state = 'X';
	uint64_t start;

	snprintf(pid, sizeof pid, "%u", s->pid);
	start = bt_process_stat(pid, &state);
	return start == 0 || start != s->process_start || state == 'Z' || state == 'X';
}

static int open_process(const struct bt_session *s)
{
#ifdef SYS_pidfd_open
	if (!getenv("BUNTRACE_NO_PIDFD")) /* for the test of the fallback */
		return (int)syscall(SYS_pidfd_open, s->pid, 0);
#endif
	return -1;
}

/* The signal that killed the process, which is gone; 0: none did, or it is not known:
 * Linux tells since 6.15 (PIDFD_GET_INFO of linux/pidfd.h, older headers of which do not
 * have it), and only once its parent has waited for it. */
static uint32_t killed_by(const struct consumer *c)
{
	struct {
		uint64_t mask, cgroup;
		uint32_t ids[11];
		int32_t wait_status;
	} info = { .mask = PIDFD_EXIT };
	struct pollfd reaped = { c->process, 0, 0 }; /* says POLLHUP unasked */

	if (c->process < 0 || poll(&reaped, 1, REAP_MS) <= 0 ||
	    ioctl(c->process, _IOWR(0xff, 11, info), &info) != 0 || (info.mask & PIDFD_EXIT) == 0)
		return 0;
	return (uint32_t)WTERMSIG(info.wait_status); /* 0: it has exited */
}

/* Whether any ring has a closed sub-buffer to write. */
static bool work_left(struct consumer *c)
{
	const struct bt_session *s = c->trace.session;

	if (atomic_load_explicit(&s->ring_count, memory_order_acquire) != c->seen)
		return true;
	for (uint32_t i = 0; i < c->mapped && s->mode != BT_OVERWRITE; i++) {
		struct bt_ring *ring = c->streams[i].ring;
		struct bt_run run;

		if (bt_get(ring, s->sub_buffer_size, s->sub_buffers,
			   &ring->progress[ring->current & 1], false, &run) == BT_RUN)
			return true;
	}
	return false;
}

struct events {
	bool switched, left, finish, died;
};

/* Waits for a signal, the death of the process, or until `until`. */
static struct events wait_events(struct consumer *c, uint64_t until)
{
	struct bt_session *s = c->trace.session;
	struct pollfd fds[2] = { { c->signals, POLLIN, 0 }, { c->process, POLLIN, 0 } };
	struct events got = { 0 };
	struct signalfd_siginfo info;
	uint64_t now;

	bool stuck = atomic_load(&s->write_errno) != 0;

	/* Sequentially consistent on both sides: either we see the sub-buffer
	 * that was just closed, or its owner sees us asleep and sends a signal.
	 * Stuck, we only wait for the time to try again. */
	atomic_store_explicit(&s->asleep, !stuck, memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
	now = now_ns();
	if (c->process < 0 && until > now + DEATH_POLL_NS)
		until = now + DEATH_POLL_NS;
	if (stuck && until > now + RETRY_NS)
		until = now + RETRY_NS;
	if ((stuck || !work_left(c)) && now < until) {
		struct timespec t = { .tv_sec = (time_t)((until - now) / 1000000000u),
				      .tv_nsec = (long)((until - now) % 1000000000u) };

		ppoll(fds, c->process < 0 ? 1 : 2, &t, NULL);
	} else {
		poll(fds, c->process < 0 ? 1 : 2, 0);
	}
	atomic_store_explicit(&s->asleep, 0, memory_order_relaxed);
	while (read(c->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		got.switched |= info.ssi_signo == SIGUSR1;
		got.left |= info.ssi_signo == SIGUSR2;
		got.finish |= info.ssi_signo == SIGTERM;
	}
	got.died = c->process >= 0 ? (fds[1].revents & POLLIN) != 0 : process_gone(s);
	return got;
}

#endif
