/*
 * create.c - makes a session: its directory, its trace directory and metadata, its
 * file, its consumer, in one call. Called by src/record/session.ts inside the
 * traced process. In C because it is on every traced program's way to its first
 * line: node:fs alone takes Bun longer to load than all of this to run.
 *
 * Errors are one line of text for the user, written where the caller says.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process.h"
#include "shim.h"

#define ERROR_SIZE 512 /* what the caller gives for a message */

/* More traces of one program and pid in one output are somebody's mistake. */
#define MAX_SAME_NAME 1000

static int fail(char *error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, ERROR_SIZE, format, args);
	va_end(args);
	return -1;
}

/* 16 bytes of a random UUID (RFC 9562, version 4). The engine's own generator takes 50 us at first. */
BT_EXPORT void bt_random_uuid(uint8_t *uuid)
{
	syscall(SYS_getrandom, uuid, 16, 0);
	uuid[6] = (uuid[6] & 0x0f) | 0x40;
	uuid[8] = (uuid[8] & 0x3f) | 0x80;
}

/* Makes sure that the session directory is there, is the user's own and closed to
 * others. Returns 0, or -1 with a message. */
BT_EXPORT int32_t bt_check_session_dir(const char *dir, char *error)
{
	struct stat st;

	if (mkdir(dir, 0700) == 0) {
		chmod(dir, 0700); /* whatever the umask */
	} else if (errno != EEXIST) {
		return fail(error, "session directory %s cannot be made: %s; name another with --session-dir",
			    dir, strerror(errno));
	}
	if (lstat(dir, &st) != 0)
		return fail(error, "session directory %s: %s", dir, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return fail(error, "session directory %s is not a directory (a link is refused)", dir);
	if (st.st_uid != geteuid())
		return fail(error, "session directory %s belongs to another user (uid %u)", dir, st.st_uid);
	if (st.st_mode & S_ISVTX) /* /tmp, say: never ask for its mode to be changed */
		return fail(error, "session directory %s is one for all (mode %o); name a directory below it", dir,
			    st.st_mode & 07777);
	if (st.st_mode & 077)
		return fail(error, "session directory %s is open to others (mode %o); run chmod 700 on it", dir,
			    st.st_mode & 0777);
	return 0;
}

/* Whether the kernel itself still trusts the cycle counter: where it found cores
 * that disagree it has gone over to another source. Without sysfs (some
 * containers) the processor's word has to do. */
static bool kernel_trusts_cycles(void)
{
	static const char *const counters[] = { "tsc", "kvm-clock", "hyperv_clocksource_tsc_page", "xen",
						"arch_sys_counter" };
	char text[64];
	int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return true;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return true;
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
		if (strcmp(text, counters[i]) == 0)
			return true;
	return false;
}

/* The session's zero on all clocks. Of several readings of real time the one that
 * took least: the processor may be taken from us between two of them. */
static void start_clock(struct bt_session *s)
{
	struct bt_clock_pair pair;
	uint64_t shortest = UINT64_MAX, realtime_at_zero = 0;

	if (s->clock == BT_CYCLES && !(bt_cycles_invariant() && kernel_trusts_cycles()))
		s->clock = BT_MONOTONIC;
	for (int i = 0; i < 8; i++) {
		uint64_t before = bt_kernel_ns(CLOCK_MONOTONIC);
		uint64_t real = bt_kernel_ns(CLOCK_REALTIME);
		uint64_t after = bt_kernel_ns(CLOCK_MONOTONIC);

		if (after - before < shortest) {
			shortest = after - before;
			realtime_at_zero = real - (before + shortest / 2);
		}
	}
	pair = bt_clock_pair(s->clock);
	s->base_cycles = pair.value;
	s->base_monotonic_ns = pair.monotonic_ns;
	s->base_realtime_ns = realtime_at_zero + pair.monotonic_ns;
}

/* A program that replaced itself (`bun --watch` restarts with execve) keeps its
 * pid: the consumer of its life before waits for a death that does not come. */
static void finish_sessions_before_exec(const char *dir, const struct bt_session *mine)
{
	DIR *entries = opendir(dir);
	struct dirent *entry;
	char prefix[16];
	struct bt_session s;

	if (!entries)
		return;
	snprintf(prefix, sizeof prefix, "%u-", mine->pid);
	while ((entry = readdir(entries))) {
		uint32_t word;
		int fd;

		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
			continue;
		fd = openat(dirfd(entries), entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		if (fd < 0)
			continue;
		if (pread(fd, &s, sizeof s, 0) == (ssize_t)sizeof s &&
		    memcmp(s.magic, BT_MAGIC, sizeof s.magic) == 0 && s.version == BT_VERSION &&
		    s.process_start == mine->process_start) {
			word = atomic_load(&s.consumer_lock);
			if (word != 0 && !(word & BT_OWNER_DIED) && bt_is_consumer(word))
				kill((pid_t)(word & BT_TID_MASK), SIGTERM);
		}
		close(fd);
	}
	closedir(entries);
}

/* `OUTPUT/PROGRAM-PID`, or with a number behind it where that is taken. */
static int make_trace_dir(struct bt_session *s, const char *output, char *error)
{
	for (int n = 1; n <= MAX_SAME_NAME; n++) {
		int length = n == 1 ? snprintf(s->trace_dir, sizeof s->trace_dir, "%s/%s-%u", output,
					       s->program, s->pid) :
				      snprintf(s->trace_dir, sizeof s->trace_dir, "%s/%s-%u-%d", output,
					       s->program, s->pid, n);

		if (length >= (int)sizeof s->trace_dir)
			return fail(error, "output %.100s... is longer than %zu bytes", output,
				    sizeof s->trace_dir - 200);
		if (mkdir(s->trace_dir, 0777) == 0)
			return 0;
		if (errno != EEXIST)
			return fail(error, "trace directory %s cannot be made: %s", s->trace_dir, strerror(errno));
	}
	return fail(error, "trace directory %s and %d before it exist; name another output", s->trace_dir,
		    MAX_SAME_NAME - 1);
}

/* The clock's uuid in the metadata: that of the machine's boot, as LTTng has it.
 * Readers merge traces only if their clocks have one uuid; the offsets then put
 * all of them on the same real time. Empty where procfs does not tell. */
static void clock_uuid(char *text, size_t size)
{
	char boot[36];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

	text[0] = 0;
	if (fd < 0)
		return;
	if (read(fd, boot, sizeof boot) == (ssize_t)sizeof boot)
		snprintf(text, size, "uuid = \"%.36s\";\n\t", boot);
	close(fd);
}

/* The metadata's head: what is known of the clock goes between the two parts. It
 * gets its name when it is whole: whoever finds a trace can read it. */
static int write_metadata(struct bt_session *s, const char *before, const char *after, char *error)
{
	char path[sizeof s->trace_dir + 16], unfinished[sizeof path], uuid[64], clock[BT_CLOCK_TEXT_SIZE];
	const char *const parts[] = { before, uuid, clock, after };
	bool rotates = s->rotate_size > 0 || s->rotate_period_ns > 0;
	int fd;

	clock_uuid(uuid, sizeof uuid);
	bt_clock_text(clock, s, bt_frequency(s, bt_clock_pair(s->clock)));
	s->clock_text_at = strlen(before) + strlen(uuid);
	snprintf(path, sizeof path, "%s/metadata", s->trace_dir);
	snprintf(unfinished, sizeof unfinished, "%s/.metadata", s->trace_dir);
	fd = open(unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return fail(error, "%s cannot be made: %s", path, strerror(errno));
	for (int i = 0; i < 4; i++) {
		size_t length = strlen(parts[i]);
		ssize_t n = write(fd, parts[i], length);

		if (n != (ssize_t)length) {
			fail(error, "%s cannot be written: %s", path, strerror(n < 0 ? errno : ENOSPC));
			close(fd);
			unlink(unfinished);
			return -1;
		}
		s->metadata_size += length;
	}
	close(fd);
	/* Chunks have the metadata as a hard link: where there are none, better now. */
	if (rotates ? link(unfinished, path) != 0 : rename(unfinished, path) != 0) {
		fail(error, "%s cannot be made: %s%s", path, strerror(errno),
		     rotates ? " (rotation needs a file system with hard links)" : "");
		unlink(unfinished);
		return -1;
	}
	if (rotates)
		unlink(unfinished);
	return 0;
}

static int make_session_file(struct bt_handle *h, const char *dir, const struct bt_session *s, char *error)
{
	/* With something random: a program that replaces itself makes a second file
	 * with its pid. */
	int length = snprintf(h->path, sizeof h->path, "%s/%u-%02x%02x%02x%02x.session", dir, s->pid,
			      s->uuid[12], s->uuid[13], s->uuid[14], s->uuid[15]);
	int fd;

	if (length >= (int)sizeof h->path)
		return fail(error, "session directory %.100s... has too long a name", dir);
	fd = open(h->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return fail(error, "session file %s cannot be made: %s", h->path, strerror(errno));
	/* Memory now or an error now: a full tmpfs must not be a SIGBUS later. The
	 * mode: whatever the umask. */
	if (fchmod(fd, 0600) == 0 && fallocate(fd, 0, 0, BT_EVENTS_AT) == 0 && ftruncate(fd, BT_RINGS_AT) == 0 &&
	    pwrite(fd, s, sizeof *s, 0) == (ssize_t)sizeof *s) {
		h->session = mmap(NULL, BT_RINGS_AT, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (h->session != MAP_FAILED) {
			close(fd);
			return 0;
		}
	}
	fail(error, "session file %s cannot be made: %s; name a directory with room with --session-dir", h->path,
	     strerror(errno));
	close(fd);
	unlink(h->path);
	return -1;
}

/* Takes back what a session that failed half-way has made. */
static void remove_trace(const struct bt_session *s)
{
	char path[sizeof s->trace_dir + 16];

	snprintf(path, sizeof path, "%s/metadata", s->trace_dir);
	unlink(path);
	rmdir(s->trace_dir);
}

/* Makes the process's session from a header with all but the clock's fields, the
 * uuid's use in `before` and `after` (the metadata around the clock's numbers) and
 * trace_dir, which becomes a new directory in `output`, unless nothing is written
 * to disk. Returns 0, or -1 with a message in `error` (512 bytes). */
BT_EXPORT int32_t bt_create(const char *session_dir, const char *output, struct bt_session *header,
			    const char *before, const char *after, char *error)
{
	struct bt_handle *h = bt_map_private(sizeof *h);
	bool to_disk = header->output == BT_TO_DISK;
	int started;
	char state;

	if (!h)
		return fail(error, "no memory for a session");
	header->process_start = bt_process_stat("self", &state);
	if (bt_check_session_dir(session_dir, error) != 0)
		goto failed;
	finish_sessions_before_exec(session_dir, header);
	start_clock(header);
	strcpy(header->trace_dir, "/");
	if (to_disk && make_trace_dir(header, output, error) != 0)
		goto failed;
	if ((to_disk && write_metadata(header, before, after, error) != 0) ||
	    make_session_file(h, session_dir, header, error) != 0)
		goto failed_trace;
	pthread_mutex_lock(&bt_lock);
	started = bt_spawn_consumer(h);
	pthread_mutex_unlock(&bt_lock);
	if (started == 0) {
		atomic_store(&bt_current, h);
		return 0;
	}
	fail(error, "the consumer %s cannot be started: %s", header->consumer_path, strerror(-started));
	unlink(h->path);
	munmap(h->session, BT_RINGS_AT);
failed_trace:
	if (to_disk)
		remove_trace(header);
failed:
	munmap(h, sizeof *h);
	return -1;
}
