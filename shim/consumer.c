/*
 * consumer.c - the consumer program: `buntrace-consumer SESSION-FILE`.
 *
 * Started by the shim beside the traced process, one a session, in a process of
 * its own that outlives it. It waits for signals (USR1: a sub-buffer is full or
 * a flush is asked for, USR2: a thread leaves, TERM: finish), for the death of
 * the traced process and for the flush timer, and moves records from the rings
 * to the stream files. It never touches the application. Single-threaded; no
 * heap.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>

#include "lock.h"
#include "open.h"
#include "removed.h"
#include "snapshot.h"
#include "wait.h"

/* The first sample that refines the clock, and the factor between samples, up
 * to one a flush period. */
#define FIRST_SAMPLE_NS (2 * MS)
#define SAMPLE_FACTOR 4

/* After new events are switched off, a thread may still be in the middle of
 * one: microseconds, unless the processor is taken from it. */
#define SETTLE_NS (2 * MS)

/* The longest flush period of settings.ts; what a damaged file says is cut to it. */
#define MOST_PERIOD_NS (86400000 * MS)

/* Maps the rings that were made since the last look. */
static void map_rings(struct consumer *c)
{
	const struct bt_session *s = c->trace.session;
	/* Acquire: a ring that is counted has its place in the file. */
	uint32_t count = atomic_load_explicit(&s->ring_count, memory_order_acquire);
	uint32_t before = c->mapped;

	c->seen = count;
	for (; c->mapped < count && count <= BT_MAX_RINGS; c->mapped++) {
		struct bt_stream *stream = &c->streams[c->mapped];
		struct bt_ring *ring = bt_map_ring(s, c->file, c->mapped);

		if (!ring)
			break;
		stream->ring = ring;
		stream->data = (const uint8_t *)ring + BT_PAGE;
		stream->fd = -1;
		bt_add_sums(&c->trace, (struct bt_sums){ 0 }, bt_sums_of(&ring->progress[ring->current & 1]));
		bt_give_back_left(&c->trace, ring);
	}
	if (c->mapped != before)
		bt_tell_sums(&c->trace);
}

/*
 * Draining.
 */

/* Overwrite mode: writes what the ring holds, once nobody writes to it any more. */
static int write_overwritten(struct consumer *c, struct bt_stream *stream)
{
	struct bt_session *s = c->trace.session;
	struct bt_ring *ring = stream->ring;
	struct bt_snapshot done = { 0 };
	struct bt_progress next = ring->progress[ring->current & 1];
	struct bt_run head;
	int error = 0;

	if (next.packets > 0 || !bt_find_head(s, ring, &head))
		return 0;
	next.chunk = bt_chunks(s)->number;
	if (s->output == BT_TO_DISK && stream->fd < 0)
		error = bt_stream_open(&c->trace, stream, bt_place_of(s, &next, 0));
	if (error == 0 && s->output == BT_TO_DISK)
		error = bt_snapshot_ring(s, ring, stream->data, &head, c->copy, stream->fd, &done);
	atomic_store(&s->write_errno, (uint32_t)-error);
	if (error != 0)
		return error;
	next.packets = 1;
	next.tail = head.end;
	next.records = done.records;
	next.discarded = next.told = done.discarded;
	next.bytes = next.file_size = done.bytes;
	bt_move_on(&c->trace, ring, &next);
	return 0;
}

/* Drains one ring. A ring whose owner has left is drained whole, closed, and
 * free for the next thread. In overwrite mode nothing is written before that, or
 * before the end. */
static int drain_ring(struct consumer *c, struct bt_stream *stream, enum bt_extent extent)
{
	struct bt_ring *ring = stream->ring;
	/* Acquire: the owner's fields, and with LEAVING its last event. */
	uint32_t state = atomic_load_explicit(&ring->state, memory_order_acquire);
	int error = 0;

	if (state != BT_ACTIVE && state != BT_LEAVING)
		return 0;
	if (state == BT_LEAVING)
		extent = BT_THE_LAST;
	/* A chunk that is done with, or removed: its room is given back. */
	if (stream->fd >= 0 && stream->chunk != bt_chunks(c->trace.session)->number)
		bt_stream_close(stream);
	if (c->trace.session->mode != BT_OVERWRITE)
		error = bt_drain(&c->trace, stream, extent);
	else if (extent == BT_THE_LAST)
		error = write_overwritten(c, stream);
	if (error != 0 || state != BT_LEAVING)
		return error;
	bt_stream_close(stream);
	/* Release: whoever claims the ring sees that we are done with it. */
	atomic_store_explicit(&ring->state, BT_FREE, memory_order_release);
	return 0;
}

static int drain_rings(struct consumer *c, enum bt_extent extent)
{
	int error = 0;

	for (uint32_t i = 0; i < c->mapped; i++) {
		int e = drain_ring(c, &c->streams[i], extent);

		if (e != 0)
			error = e;
	}
	return error;
}

/* Gives back what all streams have allocated ahead. False: nothing. */
static bool give_back_all(struct consumer *c)
{
	bool given = false;

	for (uint32_t i = 0; i < c->mapped; i++)
		given |= bt_give_back(&c->streams[i]);
	return given;
}

/* Drains all rings. Returns 0, or -errno of the last failure. */
static int drain_all(struct consumer *c, enum bt_extent extent)
{
	int error = c->trace.session->output == BT_TO_DISK && !c->trace.nowhere ? mend_trace(c) : 0;

	if (error != 0)
		return error;
	map_rings(c);
	error = drain_rings(c, extent);
	/* What one stream has ahead may be what another needs. */
	return error != 0 && give_back_all(c) ? drain_rings(c, extent) : error;
}

/*
 * The loop.
 */

static bool flush_asked(const struct bt_session *s)
{
	return atomic_load(&s->flush_request) != atomic_load(&s->flush_done);
}

/* When the chunk's time is over. */
static uint64_t rotation_due(const struct bt_session *s)
{
	const struct bt_chunks *chunks = bt_chunks(s);
	uint64_t period = s->rotate_period_ns;

	if (period == 0 || s->output != BT_TO_DISK || s->mode == BT_OVERWRITE)
		return UINT64_MAX;
	return (chunks->began_ns == 0 ? s->base_monotonic_ns : chunks->began_ns) + (period < MS ? MS : period);
}

static uint64_t trace_time(const struct bt_session *s)
{
	return bt_now(s->clock) - s->base_cycles;
}

/* Serves the session until the process dies or somebody says finish. Returns the time
 * of the trace when that was noticed. */
static uint64_t serve(struct consumer *c)
{
	struct bt_session *s = c->trace.session;
	uint64_t start = now_ns();
	uint64_t period = s->flush_period_ns < MS	     ? MS :
			  s->flush_period_ns > MOST_PERIOD_NS ? MOST_PERIOD_NS :
								s->flush_period_ns;
	uint64_t next_flush = start + period;
	uint64_t sample_after = FIRST_SAMPLE_NS;
	uint64_t next_sample = start + sample_after;

	for (;;) {
		uint64_t until = next_flush < next_sample ? next_flush : next_sample;
		uint64_t rotation = rotation_due(s);
		struct events got = wait_events(c, until < rotation ? until : rotation);
		uint64_t now = now_ns();
		uint64_t time;
		uint32_t request;
		bool everything =
			s->mode != BT_OVERWRITE && (now >= next_flush || now >= rotation || flush_asked(s));

		if (got.died || got.finish)
			return trace_time(s);
		request = atomic_load(&s->flush_request);
		time = trace_time(s);
		if (drain_all(c, everything ? BT_ALL_PUBLISHED : BT_WHOLE_SUB_BUFFERS) == 0) {
			if (everything)
				atomic_store(&s->complete_until, time);
			/* Whoever asked finds in the metadata how far the trace goes. */
			if (everything && request != atomic_load(&s->flush_done))
				refine_clock(c);
			if (everything || s->mode == BT_OVERWRITE)
				atomic_store(&s->flush_done, request);
			if (now >= rotation)
				bt_rotate(&c->trace);
		}
		if (now >= next_flush)
			next_flush = now + period;
		if (now >= next_sample) {
			refine_clock(c);
			sample_after = sample_after * SAMPLE_FACTOR < period ? sample_after * SAMPLE_FACTOR :
									       period;
			next_sample = now + sample_after;
		}
	}
}

/* Whether a thread waits for room in its ring, in block mode. */
static bool writer_waits(struct consumer *c)
{
	map_rings(c);
	for (uint32_t i = 0; i < c->mapped; i++)
		if (atomic_load(&c->streams[i].ring->waiting) != 0)
			return true;
	return false;
}

/* Writes the rest, of a session that ended at a time of the trace, or earlier than
 * we know: 0. Returns 0, or -errno when the disk would not take it within the grace
 * period. */
static int finish(struct consumer *c, uint64_t ended)
{
	struct bt_session *s = c->trace.session;
	uint64_t deadline = now_ns() + GRACE_NS;
	bool gone = process_gone(s), waits;
	int error;

	/* A process that lives on stops emitting: the flags are its own. */
	memset((uint8_t *)s + BT_ENABLED_AT, 0, BT_MAX_EVENTS);
	if (gone)
		trim_metadata(c);
	else
		sleep_ns(SETTLE_NS);
	do {
		waits = !gone && writer_waits(c);
		/* A damaged file does not get better. */
		while ((error = drain_all(c, BT_THE_LAST)) != 0 && error != -EBADMSG && now_ns() < deadline)
			/* Removed with the output directory: nobody wants the trace. */
			if (error == -ENOENT && is_removed(c->trace.dir))
				c->trace.nowhere = true;
			else
				sleep_ns(RETRY_NS);
		/* Who waited has room now, and stores its event. */
		if (waits)
			sleep_ns(SETTLE_NS);
	} while (waits && error == 0 && now_ns() < deadline);
	if (error == 0 && ended > 0)
		atomic_store(&s->complete_until, ended);
	/* Served to its end, it is surely our process's descriptor. */
	if (gone && ended > 0)
		atomic_store(&s->killed_by, killed_by(c));
	refine_clock(c);
	give_back_all(c);
	return error;
}

/* Woken by a full sub-buffer, an ordinary process may be put on the writer's core
 * and run there at once, in its place, for as long as the sub-buffer takes to write
 * (50 us and more). A batch process has the same share of the processor and waits
 * for its turn. By system call: musl's wrapper refuses. Best effort. */
static void let_others_go_first(void)
{
	struct sched_param none = { 0 };

	syscall(SYS_sched_setscheduler, 0, SCHED_BATCH, &none);
}

static int fail(const char *what, const char *path)
{
	fprintf(stderr, "buntrace-consumer: %s: %s\n", path, what);
	return 1;
}

/* Opens the trace that session `s` is recorded into. Returns 0 or -errno. */
static int open_trace(struct consumer *c, struct bt_session *s)
{
	const char *name;

	c->trace.session = s;
	c->trace.chunk_dir = -1;
	c->trace.cleared = bt_chunks(s)->oldest > 0 ? bt_chunks(s)->oldest - 1 : 0;
	memcpy(c->trace_dir, s->trace_dir, sizeof c->trace_dir - 1);
	name = strrchr(c->trace_dir, '/');
	strcpy(c->trace.name, name ? name + 1 : c->trace_dir);
	c->trace.dir = c->metadata = -1;
	if (s->output != BT_TO_DISK)
		return 0;
	c->trace.dir = open(c->trace_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->trace.dir < 0)
		return -errno;
	c->metadata = openat(c->trace.dir, "metadata", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	return 0;
}

/* Signals that are for us come through a descriptor; those that would kill us, and are
 * for the traced process, stay blocked: Ctrl+C does not reach us. */
static void take_signals(struct consumer *c)
{
	sigset_t mine;

	sigemptyset(&mine);
	sigaddset(&mine, SIGUSR1);
	sigaddset(&mine, SIGUSR2);
	sigaddset(&mine, SIGTERM);
	c->signals = signalfd(-1, &mine, SFD_NONBLOCK | SFD_CLOEXEC);
	sigaddset(&mine, SIGHUP);
	sigaddset(&mine, SIGINT);
	sigaddset(&mine, SIGQUIT);
	sigaddset(&mine, SIGPIPE);
	sigaddset(&mine, SIGXFSZ); /* a file at its limit is a failed write */
	sigprocmask(SIG_SETMASK, &mine, NULL);
}

/* Serves the session file `c->path` to its end. Returns the exit status. */
static int consume(struct consumer *c)
{
	struct bt_session *s;
	const char *wrong;
	uint64_t ended = 0;
	sigset_t all;
	int error;

	/* Signals stay blocked from before the exec: none can kill us. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	let_others_go_first();
	wrong = bt_open_session(c->path, &c->file, &s);
	if (wrong)
		return fail(wrong, c->path);
	if (!take_lock(s))
		return fail("has a consumer already", c->path);
	error = open_trace(c, s);
	if (error != 0)
		return fail(strerror(-error), c->trace_dir);
	if (s->mode == BT_OVERWRITE) {
		c->copy = mmap(NULL, s->sub_buffer_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (c->copy == MAP_FAILED)
			return fail(strerror(errno), "memory for a sub-buffer");
	}
	c->process = open_process(s);
	take_signals(c);
	/* The pidfd is of the traced process only if that is still there after it was
	 * opened: its id may be another's by now. Without procfs there is no telling. */
	if (!process_gone(s) || (c->process >= 0 && access("/proc/self/stat", R_OK) != 0))
		ended = serve(c);
	if (finish(c, ended) != 0)
		return fail("the trace could not be written; `buntrace recover` can when there is room", c->path);
	atomic_store(&s->state, BT_FINISHED);
	/* Its recorder still wants to read the totals. */
	if (s->recorder == 0 || kill((pid_t)s->recorder, 0) != 0)
		unlink(c->path);
	return 0;
}

int main(int argc, char **argv)
{
	static struct consumer c;

	if (argc != 2)
		return fail("usage: buntrace-consumer SESSION-FILE", argv[0]);
	c.path = argv[1];
	return consume(&c);
}
