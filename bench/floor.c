/*
 * floor.c - what an event costs at least: a C loop that reads the cycle counter and
 * stores the same record into a ring of the same size. No limit is checked, nothing
 * is published, no call is made. bench/emit.ts calls one of these through bun:ffi,
 * once for all events.
 */
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
static inline uint64_t cycles(void) { return __builtin_ia32_rdtsc(); }
#else
static inline uint64_t cycles(void)
{
	uint64_t value;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
	return value;
}
#endif

#define LOOP(name, size, stores)                                                   \
	__attribute__((visibility("default"))) void name(uint8_t *ring, uint32_t mask, uint32_t n) \
	{                                                                          \
		uint32_t at = 0;                                                   \
		for (uint32_t i = 0; i < n; i++) {                                 \
			uint8_t *to = ring + at;                                   \
			uint32_t header = 2 | (uint32_t)cycles() << 5;             \
			memcpy(to, &header, 4);                                    \
			stores;                                                    \
			__asm__ volatile("" ::: "memory");                         \
			at = (at + 4 + (size)) & mask;                             \
		}                                                                  \
	}

#define PUT(offset, type, value)                            \
	do {                                                \
		type stored = (type)(value);                \
		memcpy(to + 4 + (offset), &stored, sizeof stored); \
	} while (0)

static const char text[21] = "GET /index/of/page22";

LOOP(floor_none, 0, (void)0)
LOOP(floor_i32, 4, PUT(0, int32_t, i))
LOOP(floor_two_f64, 16, PUT(0, double, i); PUT(8, double, i * 0.5))
LOOP(floor_i32_string, 25, PUT(0, int32_t, i); memcpy(to + 8, text, 21))
LOOP(floor_eight, 32, PUT(0, int32_t, i); PUT(4, double, i * 0.5); PUT(12, uint8_t, i); PUT(13, uint16_t, i);
     PUT(15, int32_t, i); PUT(19, double, i * 0.25); PUT(27, uint8_t, i & 1); PUT(28, uint32_t, i))
