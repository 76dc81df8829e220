/*
 * signals.c - what `buntrace record` needs of signals and JavaScript cannot do:
 * to know whether a signal came from a process or from the terminal (which gives
 * Ctrl+C to the child as well), to end by a signal as the child did, and, as the first
 * process of a container, to wait for other processes' orphans. Runs in the command's
 * process, never in a traced one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BT_EXPORT __attribute__((visibility("default")))
#define SIGNALS 32

static struct sigaction handlers[SIGNALS]; /* Bun's own, called after ours */
static _Atomic uint32_t from_process[SIGNALS];

static void note(int signal, siginfo_t *info, void *context)
{
	/* SI_USER is 0, SI_QUEUE and SI_TKILL are below: kill(2) and its kin. The
	 * terminal's signals come from the kernel. */
	if (info->si_code <= 0)
		atomic_fetch_add(&from_process[signal], 1);
	if (handlers[signal].sa_flags & SA_SIGINFO)
		handlers[signal].sa_sigaction(signal, info, context);
	else if (handlers[signal].sa_handler != SIG_DFL && handlers[signal].sa_handler != SIG_IGN)
		handlers[signal].sa_handler(signal);
}

/* Watches a signal whose JavaScript handler is in place. Returns 0 or -errno. */
BT_EXPORT int32_t bt_watch_signal(int32_t signal)
{
	struct sigaction action = { .sa_sigaction = note };

	if (signal <= 0 || signal >= SIGNALS)
		return -EINVAL;
	if (sigaction(signal, NULL, &handlers[signal]) != 0)
		return -errno;
	action.sa_mask = handlers[signal].sa_mask;
	action.sa_flags = handlers[signal].sa_flags | SA_SIGINFO;
	return sigaction(signal, &action, NULL) == 0 ? 0 : -errno;
}

/* How often a process has sent this watched signal since the last call. */
BT_EXPORT int32_t bt_take_signals(int32_t signal)
{
	return signal <= 0 || signal >= SIGNALS ? 0 : (int32_t)atomic_exchange(&from_process[signal], 0);
}

/* Waits for the orphans that have ended: the kernel gives them all to process 1 and
 * keeps them until then. Not for `child`, which is Bun's own; where it is the first to
 * be waited for, the others' turn comes after Bun's. */
BT_EXPORT void bt_reap_orphans(int32_t child)
{
	for (;;) {
		siginfo_t ended = { 0 };

		if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0 ||
		    ended.si_pid == child || waitpid(ended.si_pid, NULL, WNOHANG) <= 0)
			return;
	}
}

/* Ends this process by a signal, without a core file of its own. */
BT_EXPORT void bt_die_by(int32_t number)
{
	struct rlimit none = { 0, 0 };
	sigset_t one;

	setrlimit(RLIMIT_CORE, &none);
	signal(number, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, number);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	kill(getpid(), number);
	_exit(128 + number);
}
