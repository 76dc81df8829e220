/*
 * Pairs of tracepoints as tracers name them. Included several times by LTTng's own
 * headers.
 */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER app

#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "./app-tp.h"

#if !defined(APP_TP_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define APP_TP_H

#include <lttng/tracepoint.h>

LTTNG_UST_TRACEPOINT_EVENT_CLASS(app, numbered,
	LTTNG_UST_TP_ARGS(int, number),
	LTTNG_UST_TP_FIELDS(lttng_ust_field_integer(int, number, number))
)

#define NUMBERED(name) \
	LTTNG_UST_TRACEPOINT_EVENT_INSTANCE(app, numbered, app, name, LTTNG_UST_TP_ARGS(int, number))

NUMBERED(work_begin)
NUMBERED(work_end)
NUMBERED(read_entry)
NUMBERED(read_exit)
NUMBERED(job_start)
NUMBERED(job_done)
NUMBERED(alone_begin)

#endif

#include <lttng/tracepoint-event.h>
