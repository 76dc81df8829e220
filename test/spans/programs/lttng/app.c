/*
 * Work inside work in two threads that take turns on any processor; compiled and
 * traced by lttng.test.ts. The first job of each thread never ends.
 */
#define _GNU_SOURCE
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "app-tp.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

static int count;

/* On another processor from time to time, where there is one. */
static void move(int number)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(number % 2, &set);
	sched_setaffinity(0, sizeof set, &set);
}

static void *work(void *unused)
{
	(void) unused;
	lttng_ust_tracepoint(app, job_start, -1);
	for (int number = 0; number < count; number++) {
		lttng_ust_tracepoint(app, work_begin, number);
		lttng_ust_tracepoint(app, read_entry, number);
		if (number % 7 == 0)
			move(number);
		lttng_ust_tracepoint(app, read_exit, number);
		if (number % 3 == 0) {
			lttng_ust_tracepoint(app, job_start, number);
			lttng_ust_tracepoint(app, job_done, number);
		}
		lttng_ust_tracepoint(app, alone_begin, number);
		lttng_ust_tracepoint(app, work_end, number);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t other;

	count = argc > 1 ? atoi(argv[1]) : 100;
	pthread_create(&other, NULL, work, NULL);
	work(NULL);
	pthread_join(other, NULL);
	return 0;
}
