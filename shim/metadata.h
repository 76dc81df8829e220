/*
 * metadata.h - what the consumer does to the metadata file, which the traced process
 * writes: the clock's numbers, the end of one who was killed, a copy where it was
 * removed. Included by consumer.c and removed.h.
 */
#ifndef BT_METADATA_H
#define BT_METADATA_H

#include "consumer.h"

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

/* Writes what is known now of the clock and of the trace's end over its fixed-width
 * places in the metadata. Where the header does not name that place nothing is written. */
static void refine_clock(struct consumer *c)
{
	const struct bt_session *s = c->trace.session;
	struct bt_clock_pair pair = bt_clock_pair(s->clock);
	char text[BT_CLOCK_TEXT_SIZE], there[BT_CLOCK_TEXT_SIZE];
	struct stat st;
	const char *after;
	int length, fd;

	length = bt_clock_text(text, s, bt_frequency(s, pair));
	after = strstr(text, BT_AFTER_CLOCK);
	fd = open_metadata(c, &st);
	if (fd < 0)
		return;
	/* The bytes are there already: this cannot run out of room. */
	if (pread(fd, there, (size_t)length, (off_t)s->clock_text_at) == length &&
	    memcmp(there, text, strlen("freq = ")) == 0 &&
	    memcmp(there + (after - text), after, strlen(BT_AFTER_CLOCK)) == 0 &&
	    pwrite(fd, text, (size_t)length, (off_t)s->clock_text_at) != length)
		atomic_store(&c->trace.session->write_errno, (uint32_t)errno);
	close(fd);
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

#endif
