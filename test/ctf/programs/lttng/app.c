/*
 * Emits LTTng-UST events of every field type from two threads; compiled and traced by
 * lttng.test.ts.
 */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "app-tp.h"

#include <pthread.h>
#include <stdlib.h>

static void *emit(void *argument)
{
	static const uint16_t numbers[] = { 1, 2, 65535, 4, 5 };
	static const char *const texts[] = { "first", "quote\"d text", "tab\tand \\", "ünïcode" };
	int count = *(const int *) argument;

	for (int index = 0; index < count; index++) {
		lttng_ust_tracepoint(app, small, index - 2);
		if (index % 10 == 0)
			lttng_ust_tracepoint(app, all, index, texts[index / 10 % 4], numbers, index / 10 % 6, index / 7.0);
		if (index % 100 == 0)
			lttng_ust_tracepoint(app, none);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 1000;
	pthread_t other;

	pthread_create(&other, NULL, emit, &count);
	emit(&count);
	pthread_join(other, NULL);
	return 0;
}
