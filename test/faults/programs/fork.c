/*
 * fork.c - a bare fork in a program that is not made for it: Bun's own code cannot
 * run in the child. Built by test/faults/consumer.test.ts, loaded by forks.ts.
 */
#include <sys/wait.h>
#include <unistd.h>

/* Forks; the child looks around for a moment and leaves. Returns its status. */
int fork_and_leave(void)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		usleep(1000);
		_exit(7);
	}
	waitpid(child, &status, 0);
	return WEXITSTATUS(status);
}
