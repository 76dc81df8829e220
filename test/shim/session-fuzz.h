/*
 * session-fuzz.h - the system as the fuzzed C sees it (session-fuzz.c): time that
 * passes at once, no signals, no process, one directory to write to. Included before
 * a file of shim/, whose system calls it renames. Runs in the test's program only.
 */
#ifndef SESSION_FUZZ_H
#define SESSION_FUZZ_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

int fuzz_open(const char *path, int flags, ...);
int fuzz_openat(int dir, const char *name, int flags, ...);
int fuzz_mkdirat(int dir, const char *name, mode_t mode);
int fuzz_linkat(int from, const char *name, int to, const char *as, int flags);
int fuzz_unlinkat(int dir, const char *name, int flags);
int fuzz_renameat(int from, const char *name, int to, const char *as);
int fuzz_kill(pid_t pid, int signal);
int fuzz_unlink(const char *path);
int fuzz_poll(struct pollfd *fds, nfds_t count, int timeout);
int fuzz_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask);
int fuzz_signalfd(int fd, const sigset_t *mask, int flags);
int fuzz_sigprocmask(int how, const sigset_t *set, sigset_t *before);
int fuzz_nanosleep(const struct timespec *time, struct timespec *left);
int fuzz_clock_gettime(clockid_t clock, struct timespec *time);
long fuzz_syscall(long number, ...);
void *fuzz_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
int fuzz_munmap(void *at, size_t size);

extern FILE *fuzz_messages; /* what the fuzzed code says */

#ifndef SESSION_FUZZ_SYSTEM
#undef stderr
#define stderr fuzz_messages
#define open fuzz_open
#define openat fuzz_openat
#define mkdirat fuzz_mkdirat
#define linkat fuzz_linkat
#define unlinkat fuzz_unlinkat
#define renameat fuzz_renameat
#define kill fuzz_kill
#define unlink fuzz_unlink
#define poll(fds, count, timeout) fuzz_poll(fds, count, timeout)
#define ppoll fuzz_ppoll
#define signalfd fuzz_signalfd
#define sigprocmask fuzz_sigprocmask
#define nanosleep fuzz_nanosleep
#define clock_gettime fuzz_clock_gettime
#define syscall fuzz_syscall
#define mmap fuzz_mmap
#define munmap fuzz_munmap
#endif

#endif
