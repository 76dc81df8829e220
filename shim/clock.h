/*
 * clock.h - the cycle counter, the kernel's clocks, and pairs of both.
 *
 * Included by shim.c (an event's time, the session's first sample) and by
 * consumer.c (the samples that refine the frequency while the session runs).
 */
#ifndef BT_CLOCK_H
#define BT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "session.h"

/* Not serialising: an event's time may be off by the few instructions that the
 * processor has in flight, and fencing would double the cost of an event. */
static inline uint64_t bt_cycles(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t value;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
	return value;
#else
#error "buntrace runs on x86-64 and arm64"
#endif
}

/* Whether the counter runs at one rate in all power states, on all cores. */
static inline bool bt_cycles_invariant(void)
{
#if defined(__x86_64__)
	unsigned a, b, c, d;

	/* CPUID 8000_0007h, EDX bit 8: "Invariant TSC" (Intel SDM 18.17.1). */
	return __get_cpuid(0x80000007u, &a, &b, &c, &d) && (d >> 8 & 1);
#else
	return true; /* the generic timer is, by the architecture */
#endif
}

static inline uint64_t bt_kernel_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* The session's clock: cycles, or nanoseconds where cycles cannot be trusted. */
static inline uint64_t bt_now(uint32_t clock)
{
	return clock == BT_CYCLES ? bt_cycles() : bt_kernel_ns(CLOCK_MONOTONIC);
}

struct bt_clock_pair {
	uint64_t value;        /* of the session's clock */
	uint64_t monotonic_ns;
};

/* One moment on both clocks: the reading of the kernel's clock that took least
 * time of several, with the middle of the two readings around it. What is left
 * is some 20 ns. */
static inline struct bt_clock_pair bt_clock_pair(uint32_t clock)
{
	struct bt_clock_pair best = { 0, 0 };
	uint64_t shortest = UINT64_MAX;

	for (int i = 0; i < 8; i++) {
		uint64_t before = bt_now(clock);
		uint64_t monotonic = bt_kernel_ns(CLOCK_MONOTONIC);
		uint64_t after = bt_now(clock);

		if (after - before < shortest) {
			shortest = after - before;
			best.value = before + (after - before) / 2;
			best.monotonic_ns = monotonic;
		}
	}
	return best;
}

/* Ticks a second of the session's clock between its start and `now`. The span
 * must be above zero. */
static inline uint64_t bt_frequency(const struct bt_session *s, struct bt_clock_pair now)
{
	__extension__ typedef unsigned __int128 wide;
	uint64_t ns = now.monotonic_ns - s->base_monotonic_ns;

	if (s->clock == BT_MONOTONIC || ns == 0)
		return 1000000000u;
	return (uint64_t)(((wide)(now.value - s->base_cycles) * 1000000000u + ns / 2) / ns);
}

/* Between the clock's numbers and that of the env block. */
#define BT_AFTER_CLOCK "\n};\n\nenv {\n\tcomplete_until = "

/* Room for bt_clock_text. */
#define BT_CLOCK_TEXT_SIZE 192

/* The numbers of the metadata's clock block and the first two of its env block, of fixed
 * width: written when the session opens, and over themselves as the frequency gets to
 * be known better and the trace longer. The offset is that of the session's zero from
 * 1970. Returns the length. */
static inline int bt_clock_text(char *text, const struct bt_session *s, uint64_t frequency)
{
	__extension__ unsigned __int128 fraction = s->base_realtime_ns % 1000000000u;

	return snprintf(text, BT_CLOCK_TEXT_SIZE,
			"freq = %20llu;\n\toffset_s = %20llu;\n\toffset = %20llu;" BT_AFTER_CLOCK "%20llu;\n\tkilled_by = %2u;",
			(unsigned long long)frequency, (unsigned long long)(s->base_realtime_ns / 1000000000u),
			(unsigned long long)(fraction * frequency / 1000000000u),
			(unsigned long long)atomic_load(&s->complete_until), (unsigned)atomic_load(&s->killed_by) & 0x3f);
}

#endif
