/*
 * snapshot.h - what a ring holds now, written as a stream of its own, while its
 * owner runs on: the flight recorder's way out, in every mode.
 *
 * Included by consumer.c (the end of a session in overwrite mode) and by steer.c
 * (`session.snapshot()`, and `buntrace snapshot` from another process). Reads the
 * ring and changes nothing in it. Sub-buffers are copied oldest first, and one that
 * the owner opened anew meanwhile is dropped; its records count as discarded, so
 * that emitted = recorded + discarded holds in the snapshot as well.
 */
#ifndef BT_SNAPSHOT_H
#define BT_SNAPSHOT_H

#include "packet.h"

/* What a snapshot came to. */
struct bt_snapshot {
	uint64_t records;
	uint64_t discarded; /* overwritten before or while copying, or never stored */
	uint64_t bytes;
	uint32_t streams;
	uint32_t dropped;   /* sub-buffers that were lapped while they were copied */
};

/* Copies sub-buffer k of a ring into `copy` (size bytes). `head`: where the ring's
 * records ended when the snapshot began. False: it was lapped, or makes no sense. */
static inline bool bt_copy_sub_buffer(const struct bt_session *s, struct bt_ring *ring, const uint8_t *data,
			       uint64_t k, const struct bt_run *head, uint8_t *copy, struct bt_content *content)
{
	uint64_t size = s->sub_buffer_size;
	uint32_t slot = (uint32_t)(k % s->sub_buffers);
	const struct bt_sub_buffer sub = ring->sub[slot];
	bool last = head->end <= (k + 1) * size;
	uint64_t end = last ? head->end : sub.end;

	if (end < k * size || end > (k + 1) * size)
		return false;
	memcpy(copy, data + slot * size, end - k * size);
	content->data = copy;
	content->length = end - k * size;
	content->begin_ts = sub.begin_ts;
	content->end_ts = last ? head->end_ts : sub.end_ts;
	content->records = (last ? head->records : sub.records) - sub.begin_records;
	/* Of the ring, not yet of the stream; records before the packet's own. */
	content->discarded = (last ? head->discarded : sub.discarded) + sub.begin_records;
	/* Acquire: the copy is done before `opened` is read. The owner stores it
	 * before it writes over the sub-buffer. */
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&ring->opened, memory_order_relaxed) < (k + s->sub_buffers) * size;
}

/* Where the ring's records end now. False: it could not be told, or there are none. */
static inline bool bt_find_head(const struct bt_session *s, struct bt_ring *ring, struct bt_run *head)
{
	for (int i = 0; i < BT_GET_TRIES; i++) {
		/* Acquire, in this order: as in bt_get. */
		uint64_t opened = atomic_load_explicit(&ring->opened, memory_order_acquire);
		uint64_t published = atomic_load_explicit(&ring->published, memory_order_acquire);
		uint64_t last_ts = atomic_load_explicit(&ring->last_ts, memory_order_acquire);
		uint64_t discarded = atomic_load_explicit(&ring->discarded, memory_order_acquire);
		uint64_t begin_records = ring->sub[(opened / s->sub_buffer_size) % s->sub_buffers].begin_records;

		/* Relaxed: the acquiring loads before them come first. */
		if (atomic_load_explicit(&ring->published, memory_order_relaxed) != published ||
		    atomic_load_explicit(&ring->opened, memory_order_relaxed) != opened)
			continue;
		head->discarded = discarded;
		if (((published - opened) & BT_POSITION_MASK) <= s->sub_buffer_size) {
			head->end = opened + ((published - opened) & BT_POSITION_MASK);
			head->end_ts = last_ts;
			head->records = begin_records +
					(((published >> BT_POSITION_BITS) - begin_records) & BT_RECORDS_MASK);
		} else {
			/* The owner is between opening a sub-buffer and its first record
			 * there: the records end where the one before was closed. */
			const struct bt_sub_buffer *sub =
				&ring->sub[(opened / s->sub_buffer_size + s->sub_buffers - 1) % s->sub_buffers];

			head->end = sub->end;
			head->end_ts = sub->end_ts;
			head->records = sub->records;
		}
		return head->records > 0 || head->discarded > 0;
	}
	return false;
}

/* The file that a snapshot of one ring is written to. */
struct bt_snapshot_file {
	const struct bt_session *session;
	const struct bt_ring *ring;
	int fd;
	uint64_t at;     /* bytes written */
	uint64_t number; /* of the next packet */
};

/* Writes the next packet. Returns 0 or -errno. */
static inline int bt_snapshot_packet(struct bt_snapshot_file *file, struct bt_content *content)
{
	int64_t size;

	/* Readers take a stream's first packet as the count's start. */
	if (file->number == 0 && content->discarded > 0) {
		struct bt_content start = { .begin_ts = content->begin_ts, .end_ts = content->begin_ts };
		int error = bt_snapshot_packet(file, &start);

		if (error != 0)
			return error;
	}
	size = bt_write_packet(file->session, file->ring, file->fd, file->at, file->number, content);
	if (size < 0)
		return (int)size;
	file->number++;
	file->at += (uint64_t)size;
	return 0;
}

/* Writes what a ring holds into `fd`, from its start. `copy`: a sub-buffer's size of
 * memory. Returns 0 or -errno. */
static inline int bt_snapshot_ring(const struct bt_session *s, struct bt_ring *ring, const uint8_t *data,
			    const struct bt_run *head, uint8_t *copy, int fd, struct bt_snapshot *done)
{
	uint64_t current = head->end == 0 ? 0 : (head->end - 1) / s->sub_buffer_size;
	uint64_t first = current < s->sub_buffers ? 0 : current - s->sub_buffers + 1;
	uint64_t emitted = head->records + head->discarded;
	uint64_t recorded = 0, discarded = 0;
	struct bt_snapshot_file file = { .session = s, .ring = ring, .fd = fd };
	int error;

	for (uint64_t k = first; k <= current; k++) {
		struct bt_content content = { 0 };

		if (!bt_copy_sub_buffer(s, ring, data, k, head, copy, &content)) {
			done->dropped++;
			continue;
		}
		/* Emitted up to the packet's end, less recorded: what is missing. */
		discarded = content.discarded -= recorded;
		error = bt_snapshot_packet(&file, &content);
		if (error != 0)
			return error;
		recorded += content.records;
	}
	/* What was lapped after the last packet, or all of it. */
	if (emitted - recorded != discarded) {
		struct bt_content count = { .begin_ts = head->end_ts, .end_ts = head->end_ts };

		count.discarded = discarded = emitted - recorded;
		error = bt_snapshot_packet(&file, &count);
		if (error != 0)
			return error;
	}
	done->records += recorded;
	done->discarded += discarded;
	done->bytes += file.at;
	done->streams++;
	return 0;
}

#endif
