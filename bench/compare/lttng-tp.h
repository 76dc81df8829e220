/*
 * lttng-tp.h - the tracepoints of lttng.c: the payloads of bench/payloads.ts. Included
 * several times by LTTng's own headers.
 */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER bench

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "./lttng-tp.h"

#if !defined(LTTNG_TP_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define LTTNG_TP_H

#include <lttng/tracepoint.h>
#include <stdint.h>

LTTNG_UST_TRACEPOINT_EVENT(bench, none, LTTNG_UST_TP_ARGS(), LTTNG_UST_TP_FIELDS())

LTTNG_UST_TRACEPOINT_EVENT(bench, i32,
	LTTNG_UST_TP_ARGS(int32_t, a),
	LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(int32_t, a, a))
)

LTTNG_UST_TRACEPOINT_EVENT(bench, two_f64,
	LTTNG_UST_TP_ARGS(double, a, double, b),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_float(double, a, a)
		lttng_ust_field_float(double, b, b)
	)
)

LTTNG_UST_TRACEPOINT_EVENT(bench, i32_string,
	LTTNG_UST_TP_ARGS(int32_t, a, const char *, s),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_integer(int32_t, a, a)
		lttng_ust_field_string(s, s)
	)
)

LTTNG_UST_TRACEPOINT_EVENT(bench, eight,
	LTTNG_UST_TP_ARGS(int32_t, a, double, b, uint8_t, c, uint16_t, d, int32_t, e, double, f, uint8_t, g,
			  uint32_t, h),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_integer(int32_t, a, a)
		lttng_ust_field_float(double, b, b)
		lttng_ust_field_integer(uint8_t, c, c)
		lttng_ust_field_integer(uint16_t, d, d)
		lttng_ust_field_integer(int32_t, e, e)
		lttng_ust_field_float(double, f, f)
		lttng_ust_field_integer(uint8_t, g, g)
		lttng_ust_field_integer(uint32_t, h, h)
	)
)

#endif

#include <lttng/tracepoint-event.h>
