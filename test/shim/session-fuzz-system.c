/*
 * session-fuzz-system.c - the system calls that session-fuzz.h renames. What the
 * fuzzed code does with them is checked: it must come to an end in a bounded number
 * of waits, signal nobody but a consumer, and write nowhere but below one directory.
 */
#define SESSION_FUZZ_SYSTEM
#define _GNU_SOURCE
#include <sanitizer/asan_interface.h>

#include "session-fuzz.h"
#include "session-fuzz-system.h"

struct fuzz_system fuzz;
FILE *fuzz_messages;

/* More waits than any finite session needs: ten seconds of grace in tenths. */
#define MOST_WAITS 1000u

#define MAX_MAPPINGS 600

#define PAGE 4096u

static struct {
	void *at;
	size_t size;
} mappings[MAX_MAPPINGS];

void fuzz_fail(const char *what)
{
	fprintf(stderr, "case %u: %s\n", *fuzz.current, what);
	abort();
}

static void wait_once(void)
{
	if (++fuzz.waits > MOST_WAITS)
		fuzz_fail("does not come to an end");
}

int fuzz_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, mode_t);
	va_end(args);
	/* A damaged name of the trace directory may be that of any directory. */
	if ((flags & O_DIRECTORY) && strcmp(path, fuzz.output) != 0) {
		errno = ENOENT;
		return -1;
	}
	if ((flags & O_CREAT) && !(flags & O_DIRECTORY))
		fuzz_fail("makes a file by its path");
	return open(path, flags, mode);
}

/* A name in a directory of the trace, or the directory of a chunk beside it. */
static void check_name(const char *name)
{
	const char *chunk = "../trace.";

	if (strncmp(name, chunk, strlen(chunk)) == 0 && name[strlen(chunk)] != 0 &&
	    strspn(name + strlen(chunk), "0123456789") == strlen(name + strlen(chunk)))
		return;
	if (strchr(name, '/') || strcmp(name, "..") == 0)
		fuzz_fail("works on a file elsewhere");
}

int fuzz_mkdirat(int dir, const char *name, mode_t mode)
{
	check_name(name);
	return mkdirat(dir, name, mode);
}

int fuzz_linkat(int from, const char *name, int to, const char *as, int flags)
{
	check_name(name);
	check_name(as);
	return linkat(from, name, to, as, flags);
}

int fuzz_unlinkat(int dir, const char *name, int flags)
{
	check_name(name);
	return unlinkat(dir, name, flags);
}

int fuzz_renameat(int from, const char *name, int to, const char *as)
{
	check_name(name);
	check_name(as);
	return renameat(from, name, to, as);
}

int fuzz_openat(int dir, const char *name, int flags, ...)
{
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, mode_t);
	va_end(args);
	check_name(name);
	return openat(dir, name, flags, mode);
}

int fuzz_kill(pid_t pid, int signal)
{
	(void)pid;
	if (signal != 0)
		fuzz_fail("signals a process that is no consumer");
	return 0;
}

int fuzz_unlink(const char *path)
{
	if (strcmp(path, fuzz.session) != 0)
		fuzz_fail("removes a file that is not the session's");
	return 0;
}

/* Signals come one a wait; the last says: finish. */
static int deliver(struct pollfd *fds, nfds_t count)
{
	static const uint32_t signals[] = { SIGUSR1, SIGUSR2, SIGTERM };
	struct signalfd_siginfo info = { .ssi_signo = signals[fuzz.waits % 3] };

	wait_once();
	/* Nobody tells the consumer of a dead process to finish. */
	if (!fuzz.alive && info.ssi_signo == SIGTERM)
		info.ssi_signo = 0;
	for (nfds_t i = 0; i < count; i++)
		fds[i].revents = 0;
	if (info.ssi_signo != 0 && write(fuzz.signals[1], &info, sizeof info) != sizeof info)
		fuzz_fail("the pipe of signals");
	return 1;
}

int fuzz_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	(void)timeout;
	return deliver(fds, count);
}

int fuzz_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
	(void)mask;
	if (timeout->tv_nsec < 0 || timeout->tv_nsec >= 1000000000)
		fuzz_fail("waits for an impossible time");
	return deliver(fds, count);
}

int fuzz_signalfd(int fd, const sigset_t *mask, int flags)
{
	(void)fd;
	(void)mask;
	(void)flags;
	return dup(fuzz.signals[0]);
}

int fuzz_sigprocmask(int how, const sigset_t *set, sigset_t *before)
{
	(void)how;
	(void)set;
	(void)before;
	return 0;
}

int fuzz_nanosleep(const struct timespec *time, struct timespec *left)
{
	(void)left;
	wait_once();
	/* Faster than asked: ten seconds of trying again every tenth are all alike. */
	fuzz.now_ns += 20 * ((uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec);
	return 0;
}

int fuzz_clock_gettime(clockid_t clock, struct timespec *time)
{
	(void)clock;
	fuzz.now_ns += 100;
	time->tv_sec = (time_t)(fuzz.now_ns / 1000000000u);
	time->tv_nsec = (long)(fuzz.now_ns % 1000000000u);
	return 0;
}

/* set_robust_list and futex: done. gettid: us. pidfd_open: this kernel has none. */
long fuzz_syscall(long number, ...)
{
	if (number == SYS_gettid)
		return getpid();
	if (number == SYS_futex || number == SYS_set_robust_list)
		return 0;
	if (number == SYS_pidfd_open && fuzz.pidfd)
		return dup(fuzz.signals[0]);
	errno = ENOSYS;
	return -1;
}

static void *remember(void *at, size_t size)
{
	for (int i = 0; i < MAX_MAPPINGS; i++)
		if (!mappings[i].at) {
			mappings[i].at = at;
			mappings[i].size = size;
			return at;
		}
	fuzz_fail("maps without end");
}

/* Between two pages that nobody may touch: a step beyond is a crash. */
void *fuzz_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
	size_t rounded = (size + PAGE - 1) / PAGE * PAGE;
	uint8_t *whole = mmap(at, rounded + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (whole == MAP_FAILED)
		return MAP_FAILED;
	if (mmap(whole + PAGE, size, protection, flags | MAP_FIXED, fd, offset) == MAP_FAILED) {
		munmap(whole, rounded + 2 * PAGE);
		return MAP_FAILED;
	}
	/* The sanitizer may have had this address for itself. */
	__asan_unpoison_memory_region(whole + PAGE, size);
	return remember(whole + PAGE, size);
}

static void forget(int i)
{
	size_t rounded = (mappings[i].size + PAGE - 1) / PAGE * PAGE;

	munmap((uint8_t *)mappings[i].at - PAGE, rounded + 2 * PAGE);
	mappings[i].at = NULL;
}

int fuzz_munmap(void *at, size_t size)
{
	for (int i = 0; i < MAX_MAPPINGS; i++)
		if (mappings[i].at == at) {
			if (mappings[i].size != size)
				fuzz_fail("unmaps another size than it mapped");
			forget(i);
			return 0;
		}
	fuzz_fail("unmaps what it has not mapped");
}

/* Empties a directory. No file may be larger than all that a session can hold. */
static void clear(const char *path)
{
	DIR *entries = opendir(path);
	struct dirent *entry;
	struct stat st;

	while ((entry = readdir(entries))) {
		if (entry->d_name[0] == '.')
			continue;
		if (fstatat(dirfd(entries), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_size > fuzz.most_bytes)
			fuzz_fail("writes a file larger than all rings");
		if (unlinkat(dirfd(entries), entry->d_name, 0) != 0)
			unlinkat(dirfd(entries), entry->d_name, AT_REMOVEDIR);
	}
	closedir(entries);
}

/* Empties the output, and removes the chunks beside it. */
static void clear_output(void)
{
	char path[sizeof fuzz.output + 256];
	DIR *entries;
	struct dirent *entry;

	clear(fuzz.output);
	snprintf(path, sizeof path, "%s/..", fuzz.output);
	entries = opendir(path);
	while ((entry = readdir(entries))) {
		if (strncmp(entry->d_name, "trace.", 6) != 0)
			continue;
		snprintf(path, sizeof path, "%s/../%s", fuzz.output, entry->d_name);
		clear(path);
		if (rmdir(path) != 0)
			fuzz_fail("leaves something in a chunk that is no file");
	}
	closedir(entries);
}

void fuzz_end_of_case(void)
{
	struct signalfd_siginfo info;

	for (int i = 0; i < MAX_MAPPINGS; i++)
		if (mappings[i].at)
			forget(i);
	close_range((unsigned)fuzz.signals[1] + 1, ~0u, 0);
	while (read(fuzz.signals[0], &info, sizeof info) > 0)
		;
	clear_output();
	fuzz.waits = 0;
}

void fuzz_start(const char *dir)
{
	snprintf(fuzz.session, sizeof fuzz.session, "%s/1.session", dir);
	snprintf(fuzz.output, sizeof fuzz.output, "%s/trace", dir);
	fuzz_messages = fopen("/dev/null", "w");
	if (!fuzz_messages || mkdir(fuzz.output, 0700) != 0 || pipe2(fuzz.signals, O_NONBLOCK) != 0)
		abort();
	fuzz.now_ns = 1000000000u;
}
