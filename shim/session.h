/*
 * session.h - the session file, byte by byte.
 *
 * One session is one file on tmpfs, made by the traced process and mapped by
 * it, by its consumer and by whoever lists, steers, snapshots or recovers it.
 * This header is the contract of them all: shim.c and ring.h (in the traced
 * process, any JavaScript thread), consumer.c (its own process), and the
 * TypeScript in src/record/session-file.ts, whose offsets a test compares with
 * the assertions below.
 *
 *     0                 struct bt_session                     one page
 *     BT_MARKS_AT       struct bt_amount marks[BT_MAX_CHUNKS] one page
 *     BT_ENABLED_AT     u8 enabled[BT_MAX_EVENTS]             what writers test
 *     BT_EVENTS_AT      struct bt_event events[BT_MAX_EVENTS] sparse
 *     BT_RINGS_AT       ring 0: struct bt_ring (one page), data
 *                       ring 1: ...                           grows with threads
 *
 * All numbers are in the machine's byte order, which is little endian on every
 * platform supported. "position" means bytes since the ring was claimed; it
 * runs freely and never wraps (2^64 bytes at 1 GB/s are 580 years). Only
 * bt_ring.published holds the low bits of one.
 *
 * Who writes a field, and when, stands beside it: "app" is a thread of the
 * traced process, "owner" the one thread that owns the ring, "consumer" the
 * consumer that holds consumer_lock.
 */
#ifndef BT_SESSION_H
#define BT_SESSION_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define BT_MAGIC "BUNTRACE"
#define BT_VERSION 5u

/* Geometry. A page holds 64 descriptors beside the counters; 256 rings bound
 * the address space a hostile file can ask a reader to map. */
#define BT_PAGE 4096u
#define BT_MAX_EVENTS 8192u
#define BT_MAX_RINGS 256u
#define BT_MIN_SUB_BUFFER_SIZE 4096u
#define BT_MAX_RING_SIZE (1u << 30) /* all sub-buffers: what published can tell apart */
#define BT_MIN_SUB_BUFFERS 2u
#define BT_MAX_SUB_BUFFERS 64u
#define BT_MAX_CHUNKS 256u /* kept, where there is a limit: a page of marks */
#define BT_KEPT_FILES 12u  /* of a stream with a limit: dropping one loses a twelfth, or a packet */
#define BT_MARKS_AT 4096u
#define BT_ENABLED_AT 8192u
#define BT_EVENTS_AT (BT_ENABLED_AT + BT_MAX_EVENTS)
#define BT_RINGS_AT (BT_EVENTS_AT + BT_MAX_EVENTS * 256u)
#define BT_THREAD_NAME_SIZE 32u

/* An event record starts with one little-endian word: id in the low 5 bits,
 * the low 27 bits of the timestamp above. Id 31 says that a u32 id and a u64
 * timestamp follow. */
#define BT_COMPACT_HEADER 4u
#define BT_EXTENDED_HEADER 13u
#define BT_EXTENDED_ID 31u
#define BT_COMPACT_SPAN (1ull << 27)

/* bt_ring.published: the head's position modulo 2^33 in the low bits, the number
 * of records modulo 2^31 above, so that one store publishes both and they always
 * agree. The consumer is never a ring behind (2^30 bytes, of records of 4 bytes
 * and more), so it can tell the full numbers. */
#define BT_POSITION_BITS 33
#define BT_POSITION_MASK ((1ull << BT_POSITION_BITS) - 1)
#define BT_RECORDS_MASK ((1ull << (64 - BT_POSITION_BITS)) - 1)

enum bt_mode { BT_DISCARD = 0, BT_OVERWRITE = 1, BT_BLOCK = 2 };
enum bt_clock { BT_CYCLES = 0, BT_MONOTONIC = 1 };
enum bt_output { BT_TO_DISK = 0, BT_TO_NULL = 1 };
enum bt_when_full { BT_DROP_OLDEST = 0, BT_STOP = 1 };

/* A session's life. LIVE until the consumer has been told to finish or has
 * seen the application die; it then writes what is left and unlinks the file. */
enum bt_session_state { BT_LIVE = 0, BT_FINISHED = 1 };

/* A ring's life: FREE -> CLAIMED (app, compare-and-swap) -> ACTIVE (owner, all
 * fields set) -> LEAVING (owner's thread ends) -> FREE (consumer, drained). */
enum bt_ring_state { BT_FREE = 0, BT_CLAIMED = 1, BT_ACTIVE = 2, BT_LEAVING = 3 };

/* consumer_lock is a robust futex word (set_robust_list(2)): the holder's
 * thread id while it lives; the kernel sets this bit when it dies. */
#define BT_OWNER_DIED 0x40000000u
#define BT_TID_MASK 0x3fffffffu

/* So much of a trace. */
struct bt_amount {
	uint64_t records;
	uint64_t bytes;
};

/* Which chunk of the trace is written: a directory. Number 0 is the trace directory
 * itself, N the one with ".N" behind its name. Without rotation all are the trace
 * directory, made again each time that it was removed. Two copies and an index, as
 * a ring's progress has. */
struct bt_chunks {
	uint64_t number;  /* of the chunk that packets go to */
	uint64_t oldest;  /* that is kept */
	uint64_t began_ns; /* CLOCK_MONOTONIC */
	struct bt_amount began;   /* written before it */
	struct bt_amount dropped; /* of it, in chunks before the oldest */
	struct bt_amount removed; /* written, and not counted above: somebody removed the directory */
};

struct bt_session {
	/* Written once by the app before the file is shared. */
	char magic[8];
	uint32_t version;
	uint32_t pid;
	uint64_t process_start;   /* field 22 of /proc/PID/stat: tells a reused pid */
	uint32_t mode;            /* enum bt_mode */
	uint32_t clock;           /* enum bt_clock */
	uint32_t output;          /* enum bt_output */
	uint32_t sub_buffers;
	uint64_t sub_buffer_size; /* bytes, a multiple of BT_PAGE */
	uint64_t flush_period_ns;
	uint64_t block_timeout_ns;
	uint8_t uuid[16];
	uint64_t clock_text_at;   /* offset of the clock's numbers in the metadata file */
	uint64_t base_cycles;     /* time 0 of the trace, in units of the clock */
	uint64_t base_monotonic_ns;
	uint64_t base_realtime_ns;
	char program[160];        /* NUL-terminated UTF-8, as the rest */
	char trace_dir[1024];     /* absolute */
	char consumer_path[1024]; /* absolute: who takes over when the consumer dies */
	char enable[1024];        /* globs, with commas: which event types start enabled; empty: all */
	uint32_t recorder;        /* pid of `buntrace record`, which removes the finished file itself; or 0 */
	uint32_t when_full;       /* enum bt_when_full: what max_size means */
	uint64_t max_size;        /* bytes of a stream; 0: no limit, as in the next three */
	uint64_t rotate_size;     /* bytes of a chunk */
	uint64_t rotate_period_ns;
	uint32_t max_chunks;      /* that are kept */

	/* Shared by the threads of the app. */
	_Alignas(64) _Atomic uint32_t define_lock; /* thread that declares an event */
	_Atomic uint32_t event_count;              /* app, under define_lock */
	_Atomic uint32_t ring_count;               /* app: rings ever made */
	_Atomic uint32_t next_stream;              /* app: stream instance ids handed out */
	_Atomic uint64_t ringless_discarded;       /* app: events of threads with no ring */
	_Atomic uint32_t flush_request;            /* anyone: +1, then SIGUSR1 */
	_Atomic uint32_t altered_values;     /* app: values cut to the limit or not convertible */
	_Atomic uint64_t spawned_at_ns;            /* app: when it last started a consumer */
	_Atomic uint64_t metadata_size;            /* app: bytes of whole declarations */

	/* Written by the consumer. The sums are copies, for whoever looks: the rings'
	 * progress says what they are, and a new consumer adds it up again. */
	_Alignas(64) _Atomic uint32_t consumer_lock;
	_Atomic uint32_t state;       /* enum bt_session_state */
	_Atomic uint32_t asleep;      /* 1 while it waits: a full sub-buffer is worth a signal */
	_Atomic uint32_t flush_done;  /* the flush_request it has carried out */
	_Atomic uint64_t bytes_written;
	_Atomic uint64_t records_written; /* the sum over all streams */
	_Atomic uint64_t discarded_told;  /* the same, as far as packets say it */
	_Atomic uint32_t streams;         /* stream files made */
	_Atomic uint32_t write_errno;     /* of the last failed write, 0 when all is well */
	_Atomic uint64_t dropped;         /* records taken and not in the trace: the limits', or removed */
	_Atomic uint32_t chunks_current;  /* index into chunks */
	struct bt_chunks chunks[2];
	/* What happened before this time of the trace has been written, or is in no ring: a
	 * thread that hangs has no later event, and yet was there. 0: not known. */
	_Atomic uint64_t complete_until;
	_Atomic uint32_t killed_by; /* the signal that ended the app; 0: none did, or it is not known */
};

/* One declared event type. Written by the app with pwrite, not through the
 * mapping: the table is sparse, and a full tmpfs must be an error, no SIGBUS. */
struct bt_event {
	uint64_t hash;   /* of the declaration: the same name with other fields is another type */
	uint8_t level;   /* LTTng's numbers: 0 emergency .. 14 debug */
	uint8_t reserved[7];
	char name[240];  /* provider:tracepoint, NUL-terminated */
};

/* A sub-buffer, written by the owner: the begin_ fields when it opens it, the
 * others when it closes it, before it publishes past it. */
struct bt_sub_buffer {
	uint64_t begin_ts;      /* time of the record before the first: the anchor */
	uint64_t begin_records; /* the ring's records before it */
	uint64_t end;           /* position after the last record */
	uint64_t end_ts;        /* time of the last record */
	uint64_t discarded;     /* the ring's counter when it was closed */
	uint64_t records;       /* the ring's records up to `end` */
};

/* What came of streams that are done with. */
struct bt_sums {
	uint64_t records;
	uint64_t discarded;
	uint64_t bytes;
	uint64_t dropped;
	uint64_t streams;
};

/* What the consumer has safely written of a ring: two copies and an index, so
 * that one store moves from one consistent state to the next, and a consumer
 * killed between write and store is repeated, not doubled (the file is cut
 * back to file_size first). */
struct bt_progress {
	uint64_t tail;       /* position: all before it is on disk */
	uint64_t last_ts;    /* end of the last packet, anchor of the next */
	uint64_t discarded;  /* as last seen; not told where recording has stopped */
	uint64_t records;    /* in all packets so far */
	uint64_t packets;
	uint64_t file_size;  /* bytes */
	uint64_t bytes;      /* of all packets so far, also of those that went nowhere */
	uint64_t chunk;      /* number of the chunk that the file is in */
	uint64_t file;       /* number of the file, where a limit keeps some of the stream's */
	uint64_t oldest_file; /* that is kept of them */
	struct bt_amount dropped;                   /* of records and bytes: by the limit */
	struct bt_amount file_began[BT_KEPT_FILES]; /* what was written before file N, at N modulo their number */
	uint64_t told;       /* the events_discarded of the last packet */
	struct bt_sums before; /* of the streams that this ring has carried before */
};

struct bt_ring {
	/* Written by the owner between CLAIMED and ACTIVE; state by both. */
	_Atomic uint32_t state;
	uint32_t tid;
	uint32_t stream;     /* stream instance id, unique in the session */
	uint32_t grown;      /* owner: sub-buffers that have memory; stays when the ring is freed */
	uint64_t start_ts;
	char thread_name[BT_THREAD_NAME_SIZE]; /* owner, at any time: a label, may be seen half changed */

	/* Written by the owner at every event. */
	_Alignas(64) _Atomic uint64_t published; /* head and records: all before is whole */
	_Atomic uint64_t last_ts;           /* time of the newest record; stored before published */
	_Atomic uint64_t discarded;
	_Atomic uint64_t opened;            /* position where the sub-buffer being filled starts */

	/* Written by the consumer. */
	_Alignas(64) _Atomic uint64_t tail; /* copy of progress[current].tail, for the owner */
	_Atomic uint32_t space;             /* +1 with every tail: the futex that block mode waits on */
	_Atomic uint32_t waiting;           /* owner: 1 while it waits on space, until its event is stored */
	_Atomic uint32_t current;           /* index into progress */
	_Atomic uint64_t making_file;       /* 1 + number of its chunk or file, from before it is made */
	_Alignas(64) struct bt_progress progress[2];

	_Alignas(64) struct bt_sub_buffer sub[BT_MAX_SUB_BUFFERS];
};

_Static_assert(sizeof(struct bt_session) <= BT_PAGE, "the header is one page");
_Static_assert(sizeof(struct bt_chunks) == 72, "bt_chunks");
_Static_assert(BT_MAX_CHUNKS * sizeof(struct bt_amount) == BT_PAGE, "the marks are one page");
_Static_assert(sizeof(struct bt_event) == 256, "event table entry");
_Static_assert(sizeof(struct bt_ring) <= BT_PAGE, "a ring's control block is one page");

/* The offsets that TypeScript knows (src/record/session-file.ts). */
#define BT_OFFSET(type, field, at) \
	_Static_assert(offsetof(struct type, field) == (at), #type "." #field)
BT_OFFSET(bt_session, version, 8);
BT_OFFSET(bt_session, pid, 12);
BT_OFFSET(bt_session, process_start, 16);
BT_OFFSET(bt_session, mode, 24);
BT_OFFSET(bt_session, clock, 28);
BT_OFFSET(bt_session, output, 32);
BT_OFFSET(bt_session, sub_buffers, 36);
BT_OFFSET(bt_session, sub_buffer_size, 40);
BT_OFFSET(bt_session, flush_period_ns, 48);
BT_OFFSET(bt_session, block_timeout_ns, 56);
BT_OFFSET(bt_session, uuid, 64);
BT_OFFSET(bt_session, clock_text_at, 80);
BT_OFFSET(bt_session, base_cycles, 88);
BT_OFFSET(bt_session, base_monotonic_ns, 96);
BT_OFFSET(bt_session, base_realtime_ns, 104);
BT_OFFSET(bt_session, program, 112);
BT_OFFSET(bt_session, trace_dir, 272);
BT_OFFSET(bt_session, consumer_path, 1296);
BT_OFFSET(bt_session, enable, 2320);
BT_OFFSET(bt_session, recorder, 3344);
BT_OFFSET(bt_session, when_full, 3348);
BT_OFFSET(bt_session, max_size, 3352);
BT_OFFSET(bt_session, rotate_size, 3360);
BT_OFFSET(bt_session, rotate_period_ns, 3368);
BT_OFFSET(bt_session, max_chunks, 3376);
BT_OFFSET(bt_session, event_count, 3396);
BT_OFFSET(bt_session, ring_count, 3400);
BT_OFFSET(bt_session, ringless_discarded, 3408);
BT_OFFSET(bt_session, flush_request, 3416);
BT_OFFSET(bt_session, altered_values, 3420);
BT_OFFSET(bt_session, consumer_lock, 3456);
BT_OFFSET(bt_session, state, 3460);
BT_OFFSET(bt_session, flush_done, 3468);
BT_OFFSET(bt_session, bytes_written, 3472);
BT_OFFSET(bt_session, records_written, 3480);
BT_OFFSET(bt_session, discarded_told, 3488);
BT_OFFSET(bt_session, streams, 3496);
BT_OFFSET(bt_session, write_errno, 3500);
BT_OFFSET(bt_session, dropped, 3504);
BT_OFFSET(bt_session, chunks_current, 3512);
BT_OFFSET(bt_session, chunks, 3520);
BT_OFFSET(bt_session, complete_until, 3664);
BT_OFFSET(bt_session, killed_by, 3672);
BT_OFFSET(bt_ring, state, 0);
BT_OFFSET(bt_ring, tid, 4);
BT_OFFSET(bt_ring, published, 64);
BT_OFFSET(bt_ring, discarded, 80);
BT_OFFSET(bt_ring, waiting, 140);
BT_OFFSET(bt_ring, current, 144);
BT_OFFSET(bt_ring, progress, 192);
_Static_assert(sizeof(struct bt_progress) == 336, "bt_progress");

static inline uint64_t bt_ring_stride(const struct bt_session *s)
{
	return BT_PAGE + s->sub_buffer_size * s->sub_buffers;
}

/* Where ring `index` starts in the file. */
static inline uint64_t bt_ring_at(const struct bt_session *s, uint32_t index)
{
	return BT_RINGS_AT + bt_ring_stride(s) * index;
}

#endif
