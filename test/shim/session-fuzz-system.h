/*
 * session-fuzz-system.h - between session-fuzz.c and its system.
 */
#ifndef SESSION_FUZZ_SYSTEM_H
#define SESSION_FUZZ_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct fuzz_system {
	char session[512];  /* the session file's path */
	char output[512];   /* the only directory that may be written to */
	uint32_t *current;  /* number of the case, where the test can read it */
	uint32_t waits;
	uint64_t now_ns;
	int signals[2];     /* a pipe in the place of the signalfd */
	bool alive;         /* whether the traced process is there */
	bool pidfd;         /* whether there are pidfds, of a process that does not die */
	off_t most_bytes;   /* of one output file */
};

extern struct fuzz_system fuzz;

_Noreturn void fuzz_fail(const char *what);
void fuzz_start(const char *dir);
void fuzz_end_of_case(void);

#endif
