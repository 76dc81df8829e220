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
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "clock.h"
#include "open.h"
#include "process.h"
#include "snapshot.h"

#define MS 1000000ull /* nanoseconds */

/* Without pidfd (Linux before 5.3, or a filter that forbids it) the traced
 * process is looked up this often. */
#define DEATH_POLL_NS (100 * MS)

/* The first sample that refines the clock, and the factor between samples, up
 * to one a flush period. */
#define FIRST_SAMPLE_NS (2 * MS)
#define SAMPLE_FACTOR 4

/* A write that failed is tried again this often; once the application is dead,
 * for this long, after which the session file is left for `buntrace recover`. */
#define RETRY_NS (100 * MS)
#define GRACE_NS (10000 * MS)

/* After new events are switched off, a thread may still be in the middle of
 * one: microseconds, unless the processor is taken from it. */
#define SETTLE_NS (2 * MS)

/* The longest flush period of settings.ts; what a damaged file says is cut to it. */
#define MOST_PERIOD_NS (86400000 * MS)

struct consumer {
	struct bt_trace trace;
	const char *path;
	int file;    /* the session file: rings are mapped as they appear */
	int signals; /* signalfd */
	int process; /* pidfd, or -1 */
	struct bt_stream streams[BT_MAX_RINGS];
	char trace_dir[sizeof((struct bt_session *)0)->trace_dir]; /* as it was when we started */
	int metadata;       /* open: it can be written again where somebody removes it */
	bool removal_noted; /* of the trace directory that is open */
	uint32_t mapped;
	uint32_t seen; /* rings there were when they were last mapped: not all may be there */
	uint8_t *copy; /* overwrite mode: room for a sub-buffer */
};

static uint64_t now_ns(void)
{
	return bt_kernel_ns(CLOCK_MONOTONIC);
}

static void sleep_ns(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u) };

	nanosleep(&t, NULL);
}

/*
 * The lock.
 */

/* The kernel marks a robust futex's word when its holder dies, however it dies
 * (set_robust_list(2), Documentation/locking/robust-futex-ABI.rst). */
static struct {
	struct robust_list_head head;
	struct robust_list entry;
} robust;

/* Takes the consumer's place in the session. False: another one has it. */
static bool take_lock(struct bt_session *s)
{
	uint32_t word = atomic_load(&s->consumer_lock);
	uint32_t me = (uint32_t)syscall(SYS_gettid);

	robust.entry.next = &robust.head.list;
	robust.head.list.next = &robust.entry;
	robust.head.futex_offset = (long)((char *)&s->consumer_lock - (char *)&robust.entry);
	robust.head.list_op_pending = NULL;
	syscall(SYS_set_robust_list, &robust.head, sizeof robust.head);
	/* After a crash of the whole machine nobody has marked the word. */
	while (word == 0 || (word & BT_OWNER_DIED) || !bt_is_consumer(word))
		if (atomic_compare_exchange_weak(&s->consumer_lock, &word, me))
			return true;
	return false;
}

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
	if (stream->fd >= 0 && stream->chunk != bt_chunks(c->trace.session)->number) {
		close(stream->fd);
		stream->fd = -1;
	}
	if (c->trace.session->mode != BT_OVERWRITE)
		error = bt_drain(&c->trace, stream, extent);
	else if (extent == BT_THE_LAST)
		error = write_overwritten(c, stream);
	if (error != 0 || state != BT_LEAVING)
		return error;
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
	/* Release: whoever claims the ring sees that we are done with it. */
	atomic_store_explicit(&ring->state, BT_FREE, memory_order_release);
	return 0;
}

/*
 * Directories that somebody removes.
 */

static bool is_removed(int dir)
{
	struct stat st;

	return dir >= 0 && fstat(dir, &st) == 0 && st.st_nlink == 0;
}

/* Writes a copy of the metadata, which we have open, as `name` in `dir`. */
static int copy_metadata(const struct consumer *c, int dir, const char *name)
{
	uint64_t left = atomic_load(&c->trace.session->metadata_size);
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
	char text[4096];
	off_t at = 0;
	int error = 0;

	if (fd < 0)
		return -errno;
	while (left > 0 && error == 0) {
		ssize_t n = pread(c->metadata, text, left < sizeof text ? left : sizeof text, at);

		if (n <= 0)
			break;
		if (write(fd, text, (size_t)n) != n)
			error = errno ? -errno : -ENOSPC;
		at += n;
		left -= (uint64_t)n;
	}
	close(fd);
	return error;
}

/* Gives a directory the metadata of the trace: the file itself where a chunk still
 * has it, else a copy, whole at once. Returns 0 or -errno. */
static int put_metadata(struct consumer *c, int dir)
{
	char path[32];
	int error, fd;

	snprintf(path, sizeof path, "/proc/self/fd/%d", c->metadata);
	if (linkat(AT_FDCWD, path, dir, "metadata", AT_SYMLINK_FOLLOW) == 0 || errno == EEXIST)
		return 0;
	error = copy_metadata(c, dir, ".metadata");
	if (error == 0 && renameat(dir, ".metadata", dir, "metadata") != 0)
		error = -errno;
	if (error != 0)
		return error;
	fd = openat(dir, "metadata", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0) {
		close(c->metadata);
		c->metadata = fd;
	}
	return 0;
}

/* Makes the trace directory again, in the output directory, which must be there.
 * Returns 0 or -errno. */
static int make_trace_again(struct consumer *c)
{
	int dir, error;

	if (mkdir(c->trace_dir, 0777) != 0 && errno != EEXIST)
		return -errno;
	dir = open(c->trace_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	error = put_metadata(c, dir);
	if (error != 0) {
		close(dir);
		return error;
	}
	close(c->trace.dir);
	c->trace.dir = dir;
	c->removal_noted = false;
	return 0;
}

/* Where somebody has removed the trace directory or that of the chunk: goes on in a
 * new one. What was in it counts as dropped. Returns 0, or -errno where it cannot be
 * made. */
static int mend_trace(struct consumer *c)
{
	struct bt_trace *trace = &c->trace;
	bool gone = is_removed(trace->dir), in_it;
	int error;

	if (!gone && !is_removed(trace->chunk_dir))
		return 0;
	in_it = bt_chunks(trace->session)->number == 0 || !bt_rotates(trace->session);
	/* Once: until it can be made again, everything stays in the rings. */
	if (in_it ? !c->removal_noted : is_removed(trace->chunk_dir)) {
		bt_begin_anew(trace);
		bt_close_chunk(trace);
		c->removal_noted = gone;
	}
	error = gone ? make_trace_again(c) : 0;
	atomic_store(&trace->session->write_errno, (uint32_t)-error);
	return error;
}

/* Drains all rings. Returns 0, or -errno of the last failure. */
static int drain_all(struct consumer *c, enum bt_extent extent)
{
	int error = c->trace.session->output == BT_TO_DISK && !c->trace.nowhere ? mend_trace(c) : 0;

	if (error != 0)
		return error;
	map_rings(c);
	for (uint32_t i = 0; i < c->mapped; i++) {
		int e = drain_ring(c, &c->streams[i], extent);

		if (e != 0)
			error = e;
	}
	return error;
}

/* Whether any ring has a closed sub-buffer to write. */
static bool work_left(struct consumer *c)
{
	const struct bt_session *s = c->trace.session;

	if (atomic_load_explicit(&s->ring_count, memory_order_acquire) != c->seen)
		return true;
	for (uint32_t i = 0; i < c->mapped && s->mode != BT_OVERWRITE; i++) {
		struct bt_ring *ring = c->streams[i].ring;
		struct bt_run run;

		if (bt_get(ring, s->sub_buffer_size, s->sub_buffers,
			   &ring->progress[ring->current & 1], false, &run) == BT_RUN)
			return true;
	}
	return false;
}

/*
 * The clock.
 */

/* Opens the metadata. -1: it is not there, or no file; a pipe of that name is not
 * waited for. */
static int open_metadata(const struct consumer *c, struct stat *st)
{
	int fd = c->trace.dir < 0 ? -1 : openat(c->trace.dir, "metadata", O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, st) == 0 && S_ISREG(st->st_mode))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Writes frequency and offset, as known now, over their fixed-width places in
 * the metadata. Where the header does not name that place nothing is written. */
static void refine_clock(struct consumer *c)
{
	const struct bt_session *s = c->trace.session;
	struct bt_clock_pair pair = bt_clock_pair(s->clock);
	char text[BT_CLOCK_TEXT_SIZE], there[BT_CLOCK_TEXT_SIZE];
	struct stat st;
	int length, fd;

	if (s->clock != BT_CYCLES)
		return;
	length = bt_clock_text(text, s, bt_frequency(s, pair));
	fd = open_metadata(c, &st);
	if (fd < 0)
		return;
	/* The bytes are there already: this cannot run out of room. */
	if (pread(fd, there, (size_t)length, (off_t)s->clock_text_at) == length &&
	    memcmp(there, text, strlen("freq = ")) == 0 &&
	    pwrite(fd, text, (size_t)length, (off_t)s->clock_text_at) != length)
		atomic_store(&c->trace.session->write_errno, (uint32_t)errno);
	close(fd);
}

/*
 * The traced process.
 */

/* Whether the process is gone, by /proc: absent, a zombie, or another process
 * that got its id. */
static bool process_gone(const struct bt_session *s)
{
	char pid[16], state = 'X';
	uint64_t start;

	snprintf(pid, sizeof pid, "%u", s->pid);
	start = bt_process_stat(pid, &state);
	return start == 0 || start != s->process_start || state == 'Z' || state == 'X';
}

static int open_process(const struct bt_session *s)
{
#ifdef SYS_pidfd_open
	if (!getenv("BUNTRACE_NO_PIDFD")) /* for the test of the fallback */
		return (int)syscall(SYS_pidfd_open, s->pid, 0);
#endif
	return -1;
}

/*
 * The loop.
 */

struct events {
	bool switched, left, finish, died;
};

/* Waits for a signal, the death of the process, or until `until`. */
static struct events wait_events(struct consumer *c, uint64_t until)
{
	struct bt_session *s = c->trace.session;
	struct pollfd fds[2] = { { c->signals, POLLIN, 0 }, { c->process, POLLIN, 0 } };
	struct events got = { 0 };
	struct signalfd_siginfo info;
	uint64_t now;

	bool stuck = atomic_load(&s->write_errno) != 0;

	/* Sequentially consistent on both sides: either we see the sub-buffer
	 * that was just closed, or its owner sees us asleep and sends a signal.
	 * Stuck, we only wait for the time to try again. */
	atomic_store_explicit(&s->asleep, !stuck, memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
	now = now_ns();
	if (c->process < 0 && until > now + DEATH_POLL_NS)
		until = now + DEATH_POLL_NS;
	if (stuck && until > now + RETRY_NS)
		until = now + RETRY_NS;
	if ((stuck || !work_left(c)) && now < until) {
		struct timespec t = { .tv_sec = (time_t)((until - now) / 1000000000u),
				      .tv_nsec = (long)((until - now) % 1000000000u) };

		ppoll(fds, c->process < 0 ? 1 : 2, &t, NULL);
	} else {
		poll(fds, c->process < 0 ? 1 : 2, 0);
	}
	atomic_store_explicit(&s->asleep, 0, memory_order_relaxed);
	while (read(c->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		got.switched |= info.ssi_signo == SIGUSR1;
		got.left |= info.ssi_signo == SIGUSR2;
		got.finish |= info.ssi_signo == SIGTERM;
	}
	got.died = c->process >= 0 ? (fds[1].revents & POLLIN) != 0 : process_gone(s);
	return got;
}

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

/* Serves the session until the process dies or somebody says finish. */
static void serve(struct consumer *c)
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
		uint32_t request;
		bool everything =
			s->mode != BT_OVERWRITE && (now >= next_flush || now >= rotation || flush_asked(s));

		if (got.died || got.finish)
			return;
		request = atomic_load(&s->flush_request);
		if (drain_all(c, everything ? BT_ALL_PUBLISHED : BT_WHOLE_SUB_BUFFERS) == 0) {
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

/* Cuts off what a process that was killed has written of a declaration. */
static void trim_metadata(struct consumer *c)
{
	struct bt_session *s = c->trace.session;
	off_t whole = (off_t)atomic_load(&s->metadata_size);
	struct stat st;
	int fd;

	if (whole <= 0)
		return;
	fd = open_metadata(c, &st);
	if (fd < 0)
		return;
	if (st.st_size > whole && ftruncate(fd, whole) != 0)
		atomic_store(&s->write_errno, (uint32_t)errno);
	close(fd);
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

/* Writes the rest. Returns 0, or -errno when the disk would not take it within
 * the grace period. */
static int finish(struct consumer *c)
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
	refine_clock(c);
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

/* Serves the session file `c->path` to its end. Returns the exit status. */
static int consume(struct consumer *c)
{
	struct bt_session *s;
	const char *wrong, *name;
	sigset_t mine;

	/* Signals stay blocked from before the exec: none can kill us. */
	sigfillset(&mine);
	sigprocmask(SIG_SETMASK, &mine, NULL);
	let_others_go_first();
	wrong = bt_open_session(c->path, &c->file, &s);
	if (wrong)
		return fail(wrong, c->path);
	if (!take_lock(s))
		return fail("has a consumer already", c->path);
	c->trace.session = s;
	c->trace.chunk_dir = -1;
	c->trace.cleared = bt_chunks(s)->oldest > 0 ? bt_chunks(s)->oldest - 1 : 0;
	memcpy(c->trace_dir, s->trace_dir, sizeof c->trace_dir - 1);
	name = strrchr(c->trace_dir, '/');
	strcpy(c->trace.name, name ? name + 1 : c->trace_dir);
	c->trace.dir = s->output == BT_TO_DISK ? open(c->trace_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (s->output == BT_TO_DISK && c->trace.dir < 0)
		return fail(strerror(errno), c->trace_dir);
	c->metadata = c->trace.dir < 0 ? -1 :
					openat(c->trace.dir, "metadata", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	sigemptyset(&mine);
	sigaddset(&mine, SIGUSR1);
	sigaddset(&mine, SIGUSR2);
	sigaddset(&mine, SIGTERM);
	if (s->mode == BT_OVERWRITE) {
		c->copy = mmap(NULL, s->sub_buffer_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (c->copy == MAP_FAILED)
			return fail(strerror(errno), "memory for a sub-buffer");
	}
	c->signals = signalfd(-1, &mine, SFD_NONBLOCK | SFD_CLOEXEC);
	c->process = open_process(s);
	/* Everything else but these three must work as usual: Ctrl+C does not
	 * reach us, SIGTERM finishes. */
	sigaddset(&mine, SIGHUP);
	sigaddset(&mine, SIGINT);
	sigaddset(&mine, SIGQUIT);
	sigaddset(&mine, SIGPIPE);
	sigaddset(&mine, SIGXFSZ); /* a file at its limit is a failed write */
	sigprocmask(SIG_SETMASK, &mine, NULL);
	/* The pidfd is of the traced process only if that is still there after it was
	 * opened: its id may be another's by now. Without procfs there is no telling. */
	if (!process_gone(s) || (c->process >= 0 && access("/proc/self/stat", R_OK) != 0))
		serve(c);
	if (finish(c) != 0)
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
