/*
 * packet.h - one packet: its header, and how it gets into a file.
 *
 * Included by stream.h (the consumer process) and by snapshot.h (also the process that
 * takes a snapshot).
 */
#ifndef BT_PACKET_H
#define BT_PACKET_H

#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ring.h"

/* What one packet starts with: packet.header and packet.context as the metadata
 * declares them (src/ctf/metadata-writer.ts), byte-packed. CTF 1.8.3, 5.1-5.2. */
struct __attribute__((packed)) bt_packet {
	uint32_t magic;
	uint8_t uuid[16];
	uint32_t stream_id;
	uint64_t stream_instance_id;
	uint64_t timestamp_begin;
	uint64_t timestamp_end;
	uint64_t content_size; /* bits */
	uint64_t packet_size;  /* bits */
	uint64_t packet_seq_num;
	uint64_t events_discarded;
	uint32_t event_count;
	uint32_t tid;
	char thread_name[BT_THREAD_NAME_SIZE];
};

#define BT_CTF_MAGIC 0xC1FC1FC1u

/* What goes into a packet of a ring's records. */
struct bt_content {
	const uint8_t *data;
	uint64_t length;    /* bytes */
	uint64_t begin_ts;
	uint64_t end_ts;
	uint64_t discarded; /* of the stream, up to the packet's end */
	uint64_t records;   /* in the packet */
};

/* Writes all of both parts at `at`. Returns 0 or -errno, with an unknown part
 * of it written. */
static inline int bt_write_all(int fd, struct iovec part[2], off_t at)
{
	while (part[0].iov_len + part[1].iov_len > 0) {
		ssize_t n = pwritev(fd, part, 2, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		at += n;
		for (int i = 0; i < 2; i++) {
			size_t step = (size_t)n < part[i].iov_len ? (size_t)n : part[i].iov_len;

			part[i].iov_base = (uint8_t *)part[i].iov_base + step;
			part[i].iov_len -= step;
			n -= (ssize_t)step;
		}
	}
	return 0;
}

/* Writes packet `number` of a stream at `at`. Returns its size, or -errno with the file cut back to
 * `at`: readers refuse a packet that is not whole. */
static inline int64_t bt_write_packet(const struct bt_session *s, const struct bt_ring *ring, int fd, uint64_t at,
			       uint64_t number, const struct bt_content *content)
{
	uint64_t size = sizeof(struct bt_packet) + content->length;
	struct bt_packet packet = {
		.magic = BT_CTF_MAGIC,
		.stream_instance_id = ring->stream,
		.timestamp_begin = content->begin_ts,
		.timestamp_end = content->end_ts,
		.content_size = size * 8,
		.packet_size = size * 8,
		.packet_seq_num = number,
		.events_discarded = content->discarded,
		.event_count = (uint32_t)content->records,
		.tid = ring->tid,
	};
	struct iovec part[2] = {
		{ &packet, sizeof packet },
		{ (uint8_t *)(uintptr_t)content->data, content->length },
	};
	int error;

	memcpy(packet.uuid, s->uuid, sizeof packet.uuid);
	memcpy(packet.thread_name, ring->thread_name, sizeof packet.thread_name);
	packet.thread_name[sizeof packet.thread_name - 1] = 0;
	error = bt_write_all(fd, part, (off_t)at);
	if (error == 0)
		return (int64_t)size;
	if (ftruncate(fd, (off_t)at) != 0)
		return -errno;
	return error;
}

#endif
