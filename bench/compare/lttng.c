/*
 * lttng.c - LTTng-UST's side of the comparison, built twice: as a program that emits
 * bursts of one payload as bench/compare/peers.ts does, and as a library whose emit_*
 * functions TypeScript calls through bun:ffi, once an event.
 *
 *     lttng PAYLOAD BURSTS WARM-UP BURST PAUSE-US END
 *
 * prints nanoseconds an event, without the pauses. END is "exit" or "kill": SIGKILL,
 * right after the last event.
 */
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "lttng-tp.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const texts[] = { "GET /index/of/page22", "GET /index/of/page23", "GET /index/of/page24",
				     "GET /index/of/page25" };

void emit_none(void) { lttng_ust_tracepoint(bench, none); }
void emit_i32(int32_t a) { lttng_ust_tracepoint(bench, i32, a); }
void emit_two_f64(double a, double b) { lttng_ust_tracepoint(bench, two_f64, a, b); }
void emit_i32_string(int32_t a, const char *s) { lttng_ust_tracepoint(bench, i32_string, a, s); }
void emit_eight(int32_t a, double b, uint8_t c, uint16_t d, int32_t e, double f, uint8_t g, uint32_t h)
{
	lttng_ust_tracepoint(bench, eight, a, b, c, d, e, f, g, h);
}

#ifdef PROGRAM

#define BURST(name, ...)                                            \
	static void burst_##name(int n)                             \
	{                                                           \
		for (int i = 0; i < n; i++)                         \
			lttng_ust_tracepoint(bench, __VA_ARGS__);   \
	}

BURST(none, none)
BURST(i32, i32, i)
BURST(two_f64, two_f64, i, i * 0.5)
BURST(i32_string, i32_string, i, texts[i & 3])
BURST(eight, eight, i, i * 0.5, i & 255, i & 65535, i, i * 0.25, i & 1, (uint32_t)i)

static const struct {
	const char *name;
	void (*burst)(int n);
} payloads[] = { { "none", burst_none },
		 { "i32", burst_i32 },
		 { "two_f64", burst_two_f64 },
		 { "i32_string", burst_i32_string },
		 { "eight", burst_eight } };

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
	int bursts, warm_up, n, pause_us;
	double ns = 0;

	if (argc != 7)
		return 2;
	bursts = atoi(argv[2]);
	warm_up = atoi(argv[3]);
	n = atoi(argv[4]);
	pause_us = atoi(argv[5]);
	for (size_t p = 0; p < sizeof payloads / sizeof *payloads; p++) {
		if (strcmp(payloads[p].name, argv[1]) != 0)
			continue;
		for (int i = 0; i < warm_up + bursts; i++) {
			double start = now_ns();

			payloads[p].burst(n);
			if (i >= warm_up)
				ns += now_ns() - start;
			if (strcmp(argv[6], "kill") == 0 && i == warm_up + bursts - 1)
				raise(SIGKILL);
			if (pause_us > 0)
				usleep((useconds_t)pause_us);
		}
		printf("%f\n", ns / ((double)bursts * n));
		return 0;
	}
	return 2;
}

#endif
