/*
 * The tracepoints of app.c, of every field type that LTTng-UST has. Included several
 * times by LTTng's own headers.
 */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER app

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "./app-tp.h"

#if !defined(APP_TP_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define APP_TP_H

#include <lttng/tracepoint.h>
#include <stdint.h>

LTTNG_UST_TRACEPOINT_ENUM(app, state,
	LTTNG_UST_TP_ENUM_VALUES(
		lttng_ust_field_enum_value("idle", 0)
		lttng_ust_field_enum_range("busy", 1, 5)
		lttng_ust_field_enum_value("half busy", 3)
		lttng_ust_field_enum_auto("done")
	)
)

LTTNG_UST_TRACEPOINT_EVENT(app, small,
	LTTNG_UST_TP_ARGS(int32_t, index),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_integer(int32_t, index, index)
	)
)

LTTNG_UST_TRACEPOINT_EVENT(app, all,
	LTTNG_UST_TP_ARGS(int32_t, index, const char *, text, const uint16_t *, numbers, size_t, count, double, real),
	LTTNG_UST_TP_FIELDS(
		lttng_ust_field_integer(int8_t, tiny, index)
		lttng_ust_field_integer(uint64_t, large, UINT64_MAX - index)
		lttng_ust_field_integer_hex(uint32_t, hex, index * 2654435761u)
		lttng_ust_field_integer_network(uint16_t, network, index)
		lttng_ust_field_float(float, narrow, real)
		lttng_ust_field_float(double, wide, real)
		lttng_ust_field_string(text, text)
		lttng_ust_field_array(uint16_t, fixed, numbers, 3)
		lttng_ust_field_array_text(char, letters, text, 4)
		lttng_ust_field_sequence(uint16_t, numbers, numbers, size_t, count)
		lttng_ust_field_sequence_text(char, part, text, size_t, count + 1)
		lttng_ust_field_enum(app, state, int, state, index % 8)
	)
)

LTTNG_UST_TRACEPOINT_EVENT(app, none, LTTNG_UST_TP_ARGS(), LTTNG_UST_TP_FIELDS())

#endif

#include <lttng/tracepoint-event.h>
