/*
 * model.h - a memory that is as weak as C11 and arm64 allow, for C code compiled with
 * the thread sanitizer's instrumentation: every access of the code under test to a
 * modelled location comes here instead of to the machine's memory, and every order of
 * things that the memory model allows is tried, one after another.
 *
 * Linked into explore.c, a process of its own. The threads of the code under test are
 * coroutines here.
 *
 * What the model is (the view-based semantics of C11's atomics; Kang et al., "A
 * promising semantics for relaxed-memory concurrency", POPL 2017, without promises): a
 * location keeps all values ever stored to it, in order; a thread knows for each
 * location how old a value it may still read; a release store hands on what its thread
 * knows, an acquire load takes it over, fences do both apart from the access. A load
 * may read any value that its thread does not know to be replaced. So stores seen late
 * or out of order and loads done early are all there. Loads done after later stores of
 * their thread are not: for plain accesses they would be data races, and a plain access
 * that is not ordered after the other thread's last one, by what threads know of each
 * other's clocks, is an error here.
 */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Who stores to a location, and what a thread is. */
enum model_group { MODEL_OWNER, MODEL_CONSUMER, MODEL_OTHER };

/* A barrier in the code under test: an atomic access or a fence above relaxed. */
struct model_site {
	const char *function, *what;
	int order;
	unsigned number; /* of the same name, from 1 */
	bool known, weak;
	bool used; /* on a location of the model, or a fence */
	struct model_site *next;
};

struct model_thread_options {
	bool races;  /* its plain reads may race: it checks afterwards what it read */
	bool mortal; /* may be killed at any of its stores */
	int after;   /* starts when this thread was killed; -1: at once */
};

/* Forgets all locations. */
void model_forget(void);

/* Declares a location: `size` bytes (1, 4 or 8) at `at`, which are stored to by one
 * group only; in the order of their addresses. Before the first execution. */
void model_define(void *at, size_t size, enum model_group writer, const char *name);

/* Runs `execution` once for every sequence of choices, `most` at most. Returns how many
 * there were; stops at the first that called model_fail. */
uint64_t model_explore(void (*execution)(void), uint64_t most);

/* Whether one failed, and in which words. NULL: none. */
const char *model_failure(void);

/* Within an execution: takes the locations' values from memory as everybody's start;
 * adds a thread (its number is returned); runs all threads to their ends.
 * One that waits for ever fails the execution. */
void model_start(void);
int model_spawn(const char *name, enum model_group group, void (*body)(void), struct model_thread_options options);
void model_run(void);
/* Whether the execution was broken off: it would be like one that was tried already. */
bool model_redundant(void);

/* From a thread: one of n, each of which is tried. */
unsigned model_choose(unsigned n);
/* Sleeps in the kernel until a condition holds. */
void model_wait(bool (*holds)(void));
/* Knows all that another thread has done, as the kernel's word about it brings it. */
void model_know(int thread);
bool model_ended(int thread);
/* Has seen the last value of a location, in the kernel. */
void model_see(const void *at);
/* A system call: all stores before it are done, and the thread may be killed before it. */
void model_system_call(void);
/* The last value stored to a location. */
uint64_t model_last(const void *at);
bool model_died(int thread);
/* The execution is wrong. Does not return when called from a thread. */
void model_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Weakens the barrier of this name ("FUNCTION: WHAT") to relaxed. */
void model_weaken(const char *name);
struct model_site *model_sites(void);
void model_site_name(const struct model_site *site, char *name, size_t size);
/* Prints what the failed execution did. */
void model_explain(void (*execution)(void));

/* What the macros of explore.c call. */
int model_site(struct model_site *site, const char *function, const char *what, int order);
uint64_t model_load(const volatile void *at, size_t size, int order);
void model_store(volatile void *at, size_t size, uint64_t value, int order);
uint64_t model_fetch_add(volatile void *at, size_t size, uint64_t value, int order);
void model_fence(int order);
/* memcpy of any length within the code under test. */
void *model_copy(void *to, const void *from, size_t size);

#endif
