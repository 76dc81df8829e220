/*
 * explore.c - the ring's protocol, tried in every order that the memory model allows
 * (model.h): the code of ring.h, drain.h, stream.h and snapshot.h, with a few events, two
 * sub-buffers or four, an owner and a consumer that may be killed at any of their stores,
 * and a consumer that takes over. After each execution the file that was written is read
 * as any CTF reader reads it, beside what was emitted.
 *
 * Built and run by explore.test.ts: `explore` tries everything; `explore --barriers`
 * names the barriers that were met; `explore --weaken NAME` makes one of them relaxed,
 * and something must go wrong.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "model.h"

/* The code under test reaches the model instead of the machine and the system. */
#define BARRIER(what, order)                                          \
	({                                                            \
		static struct model_site site;                        \
		model_site(&site, __func__, what, order);             \
	})
#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_fetch_add_explicit
#undef atomic_thread_fence
#define atomic_load_explicit(at, order) model_load(at, sizeof *(at), BARRIER("load " #at, order))
#define atomic_store_explicit(at, value, order) \
	model_store(at, sizeof *(at), value, BARRIER("store " #at, order))
#define atomic_fetch_add_explicit(at, value, order) \
	model_fetch_add(at, sizeof *(at), value, BARRIER("add to " #at, order))
#define atomic_thread_fence(order) model_fence(BARRIER("fence", order))
#define memcpy model_copy

static long futex_wake(void);
static int file_open(const char *name, int flags);
static int file_size(int fd, struct stat *st);
static int file_cut(int fd, off_t size);
static ssize_t file_write(int fd, const struct iovec *part, off_t at);
#define syscall(...) futex_wake() /* the only one on these paths */
#define openat(dir, name, flags, ...) ((void)(dir), file_open(name, flags))
#define fstat(fd, st) file_size(fd, st)
#define ftruncate(fd, size) file_cut(fd, size)
#define pwritev(fd, part, n, at) file_write(fd, part, at)

#include "../../shim/drain.h"
#include "../../shim/snapshot.h"

#undef memcpy

#define MAX_EVENTS 10

/* With a barrier weakened, in each scenario: what goes wrong does so soon. */
#define EXECUTIONS_TO_FAIL 5000

/* One scenario: a ring's geometry, what is emitted, who takes part. */
struct scenario {
	const char *name;
	enum bt_mode mode;
	uint32_t sub_buffers;
	uint64_t sub_buffer_size;
	unsigned events;
	unsigned payload; /* bytes of an event's payload, at least 4 */
	int extended;     /* the event whose id needs an extended header; -1: none */
	unsigned drains;  /* of the consumer while the owner runs */
	unsigned cell;   /* bytes that data is stored in at least */
	enum { DRAIN, KILLS, SNAPSHOT } what;
};

static const struct scenario scenarios[] = {
	{ "drain, an extended header", BT_DISCARD, 2, 48, 5, 12, 1, 1, 1, DRAIN },
	{ "block", BT_BLOCK, 2, 16, 4, 12, -1, 1, 4, DRAIN },
	{ "block, four sub-buffers", BT_BLOCK, 4, 16, 6, 12, -1, 0, 4, DRAIN },
	{ "snapshot of a full ring", BT_DISCARD, 2, 16, 4, 12, -1, 0, 4, SNAPSHOT },
	{ "snapshot, a record a sub-buffer", BT_OVERWRITE, 2, 16, 3, 12, -1, 0, 4, SNAPSHOT },
	{ "snapshot", BT_OVERWRITE, 2, 32, 5, 12, -1, 0, 4, SNAPSHOT },
	{ "kills", BT_DISCARD, 2, 16, 3, 12, -1, 1, 4, KILLS },
	{ "drain", BT_DISCARD, 2, 32, 6, 12, -1, 1, 4, DRAIN },
};

static const struct scenario *now;
static struct bt_session session;
static struct bt_ring ring __attribute__((aligned(64)));
static uint8_t data[4 * 64] __attribute__((aligned(64)));

/* What the owner emitted. */
static struct {
	uint8_t staging[64];
	struct bt_writer writer;
	uint32_t stored;               /* tried to store; published may be one less when it is killed */
	uint64_t discarded;
	uint64_t discarded_before[MAX_EVENTS + 1]; /* record n */
	uint64_t times[MAX_EVENTS + 1];
} owner;

static int owner_thread;
static struct bt_snapshot snapshot_done;

/*
 * The stream's file: what the system calls of stream.h reach.
 */

static struct { bool made; uint8_t bytes[4096]; size_t size; } file;

static int file_open(const char *name, int flags)
{
	(void)name;
	model_system_call();
	errno = file.made ? EEXIST : ENOENT;
	if (file.made ? (flags & O_EXCL) != 0 && (flags & O_CREAT) != 0 : (flags & O_CREAT) == 0)
		return -1;
	file.made = true;
	model_system_call();
	return 0;
}

static int file_size(int fd, struct stat *st)
{
	(void)fd;
	st->st_mode = S_IFREG;
	st->st_size = (off_t)file.size;
	return 0;
}

static int file_cut(int fd, off_t size)
{
	(void)fd;
	model_system_call();
	file.size = (size_t)size;
	return 0;
}

/* Writes it all; but killed in the middle, half. */
static ssize_t file_write(int fd, const struct iovec *part, off_t at)
{
	size_t size = part[0].iov_len + part[1].iov_len;
	uint8_t *to = file.bytes + at;

	(void)fd;
	model_system_call();
	if ((size_t)at + size > sizeof file.bytes)
		abort();
	memcpy(to, part[0].iov_base, part[0].iov_len);
	file.size = (size_t)at + part[0].iov_len;
	model_system_call();
	model_copy(to + part[0].iov_len, part[1].iov_base, part[1].iov_len);
	file.size = (size_t)at + size;
	model_system_call();
	return (ssize_t)size;
}

/*
 * The threads.
 */

static uint32_t payload_word(uint32_t n, unsigned i)
{
	return i == 0 ? n : (n + 1) * 0x01010101u * i;
}

static uint32_t id_of(uint32_t n)
{
	return (int)n == now->extended ? 40 : n % 30;
}

/*
 * Signals and the futex of block mode.
 */

static bool signalled, woken;

static bool is_signalled(void)
{
	return signalled || model_ended(owner_thread);
}

static bool is_woken(void)
{
	return woken;
}

static long futex_wake(void)
{
	model_system_call();
	woken = true;
	return 0;
}

/* As shim.c's wait_for_room, without the time that ends every sleep there: what would
 * have to wait for that sleeps for ever here. */
static void wait_for_room(struct bt_writer *w)
{
	atomic_store_explicit(&ring.waiting, 1, memory_order_seq_cst);
	for (;;) {
		uint64_t space = atomic_load_explicit(&ring.space, memory_order_seq_cst);

		if (bt_sub_buffer_free(w, w->sub + 1))
			break;
		signalled = true;
		woken = false;
		/* FUTEX_WAIT compares once, and sleeps. */
		if (model_last(&ring.space) == space)
			model_wait(is_woken);
		model_see(&ring.space);
	}
	atomic_store_explicit(&ring.waiting, 0, memory_order_relaxed);
}

/* Emits as shim.c's commit does. */
static void own(void)
{
	struct bt_writer *w = &owner.writer;

	for (unsigned i = 0; i < now->events; i++) {
		uint32_t n = owner.stored;
		uint64_t ts = 100 + 10 * i;
		enum bt_committed done = BT_STORED;

		for (unsigned word = 0; word < now->payload / 4; word++) {
			uint32_t value = payload_word(n, word);

			memcpy(owner.staging + 4 * word, &value, 4);
		}
		owner.times[n] = ts;
		owner.discarded_before[n] = owner.discarded;
		if (!bt_commit_fast(w, id_of(n), now->payload, ts))
			done = bt_commit_slow(w, id_of(n), now->payload, ts);
		if (done == BT_FULL && now->mode == BT_BLOCK) {
			wait_for_room(w);
			done = bt_commit_slow(w, id_of(n), now->payload, ts);
		}
		if (done == BT_FULL) {
			bt_discard(w);
			owner.discarded++;
		} else {
			owner.stored++;
		}
	}
}

/* Drains a few times, and to the end when the owner is gone. */
static void drain(unsigned times)
{
	struct bt_trace trace = { .session = &session, .dir = 0, .chunk_dir = 0 };
	struct bt_stream stream = { .ring = &ring, .data = data, .fd = -1 };

	for (unsigned i = 0; i < times; i++)
		if (bt_drain(&trace, &stream, model_choose(2) ? BT_ALL_PUBLISHED : BT_WHOLE_SUB_BUFFERS) != 0)
			model_fail("a drain found an impossible ring");
	while (model_wait(is_signalled), !model_ended(owner_thread)) {
		signalled = false;
		model_know(owner_thread);
		bt_drain(&trace, &stream, BT_WHOLE_SUB_BUFFERS);
	}
	model_know(owner_thread);
	if (bt_drain(&trace, &stream, BT_THE_LAST) != 0)
		model_fail("the last drain found an impossible ring");
}

static void consume(void)
{
	drain(now->drains);
}

static void take_over(void)
{
	drain(1);
}

static void take_snapshot(void)
{
	uint8_t copy[64];
	struct bt_run head;
	int fd;

	if (!bt_find_head(&session, &ring, &head))
		return;
	fd = file_open("snapshot", O_CREAT);
	if (bt_snapshot_ring(&session, &ring, data, &head, copy, fd, &snapshot_done) != 0)
		model_fail("a snapshot failed");
	if (snapshot_done.records + snapshot_done.discarded != head.records + head.discarded)
		model_fail("a snapshot of %llu events has %llu and says that %llu were discarded",
			   (unsigned long long)(head.records + head.discarded),
			   (unsigned long long)snapshot_done.records, (unsigned long long)snapshot_done.discarded);
}

/*
 * Reading what was written.
 */

struct reading {
	uint32_t next;       /* number of the next record, where none may be missing */
	uint64_t records;    /* read so far */
	uint64_t discarded;
	uint64_t packets;
	uint64_t end_ts;
	uint32_t last;       /* number of the last record */
};

static uint64_t load(const uint8_t *from, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, from, size);
	return value;
}

/* Decodes a packet's records. Returns the time of the last, or `ts`. */
static uint64_t read_records(struct reading *r, const struct bt_packet *p, const uint8_t *at, const uint8_t *end,
			     uint64_t ts)
{
	bool gaps = now->mode == BT_OVERWRITE;

	for (bool first = true; at < end; first = false) {
		uint32_t word = (uint32_t)load(at, 4), id = word & 31, n;

		if (id == BT_EXTENDED_ID) {
			id = (uint32_t)load(at + 1, 4);
			ts = load(at + 5, 8);
			at += BT_EXTENDED_HEADER;
		} else {
			ts += ((word >> 5) - ts) & (BT_COMPACT_SPAN - 1);
			at += BT_COMPACT_HEADER;
		}
		n = (uint32_t)load(at, 4);
		if (n >= now->events || (n != r->next && !(gaps && first && n > r->next)))
			model_fail("record %u follows on %u", n, r->last);
		for (unsigned i = 0; i < now->payload / 4; i++)
			if (load(at + 4 * i, 4) != payload_word(n, i))
				model_fail("record %u is torn", n);
		if (id != id_of(n) || ts != owner.times[n])
			model_fail("record %u has id %u and time %llu", n, id, (unsigned long long)ts);
		if (r->packets == 0 || ts < p->timestamp_begin)
			model_fail("record %u is before the begin of its packet", n);
		at += now->payload;
		r->last = n;
		r->next = n + 1;
		r->records++;
	}
	if (at != end)
		model_fail("a packet ends within a record");
	return ts;
}

static void read_packet(struct reading *r, const uint8_t *at, size_t left)
{
	struct bt_packet p;
	uint64_t before = r->records, last_ts;
	uint64_t least, most;

	memcpy(&p, at, sizeof p);
	if (left < sizeof p || p.packet_size / 8 > left || p.magic != BT_CTF_MAGIC)
		model_fail("packet %llu is not whole", (unsigned long long)r->packets);
	if (p.packet_seq_num != r->packets)
		model_fail("packet %llu says it is %llu", (unsigned long long)r->packets,
			   (unsigned long long)p.packet_seq_num);
	if (r->packets == 0 && p.events_discarded != 0)
		model_fail("the first packet has discarded events already");
	if (r->packets++ > 0 &&
	    (p.timestamp_begin < r->end_ts || (now->what != SNAPSHOT && p.timestamp_begin != r->end_ts)))
		model_fail("a packet begins at %llu, the one before ended at %llu",
			   (unsigned long long)p.timestamp_begin, (unsigned long long)r->end_ts);
	last_ts = read_records(r, &p, at + sizeof p, at + p.packet_size / 8, p.timestamp_begin);
	if (p.event_count != r->records - before)
		model_fail("a packet of %llu records says %u", (unsigned long long)(r->records - before),
			   p.event_count);
	if (p.timestamp_end < last_ts)
		model_fail("a packet ends before its last record");
	if (p.event_count > 0 && r->next < owner.stored && p.timestamp_end > owner.times[r->next])
		model_fail("a packet ends after the record that follows on its last");
	r->end_ts = p.timestamp_end;
	if (p.events_discarded < r->discarded)
		model_fail("the discarded events went back from %llu to %llu", (unsigned long long)r->discarded,
			   (unsigned long long)p.events_discarded);
	r->discarded = p.events_discarded;
	if (now->mode == BT_OVERWRITE) {
		/* Nothing was ever refused: what is missing was overwritten. */
		if (p.event_count > 0 && r->records + r->discarded != r->last + 1u)
			model_fail("up to record %u: %llu recorded, %llu discarded", r->last,
				   (unsigned long long)r->records, (unsigned long long)r->discarded);
		return;
	}
	/* Discarded before the packet's last record at least, before the next at most. */
	least = r->records > 0 ? owner.discarded_before[r->records - 1] : 0;
	most = r->records < owner.stored ? owner.discarded_before[r->records] : owner.discarded;
	if (p.event_count > 0 && (r->discarded < least || r->discarded > most))
		model_fail("up to record %u %llu to %llu were discarded, its packet says %llu", r->last,
			   (unsigned long long)least, (unsigned long long)most, (unsigned long long)r->discarded);
}

static struct reading read_file(void)
{
	struct reading r = { 0 };

	for (size_t at = 0; at < file.size && !model_failure();) {
		read_packet(&r, file.bytes + at, file.size - at);
		at += load(file.bytes + at + offsetof(struct bt_packet, packet_size), 8) / 8;
	}
	return r;
}

/*
 * Executions.
 */

static void start(void)
{
	signalled = woken = false;
	memset(&file, 0, sizeof file);
	memset(&owner, 0, sizeof owner);
	memset(&ring, 0, sizeof ring);
	memset(data, 0, sizeof data);
	memset(&snapshot_done, 0, sizeof snapshot_done);
	session.mode = now->mode;
	session.output = BT_TO_DISK;
	session.sub_buffers = now->sub_buffers;
	session.sub_buffer_size = now->sub_buffer_size;
	owner.writer = (struct bt_writer){
		.staging = owner.staging, .size = now->sub_buffer_size, .count = now->sub_buffers,
		.mode = now->mode,
	};
	bt_ring_start(&owner.writer, &ring, data, 50);
	model_start();
}

static void execute(void)
{
	static const struct model_thread_options plain = { .after = -1 };
	struct model_thread_options mortal = { .after = -1, .mortal = true };
	unsigned killed = now->what == KILLS ? 1 + model_choose(2) : 0;
	struct reading r;
	uint64_t published, discarded;

	start();
	owner_thread = model_spawn("owner", MODEL_OWNER, own, killed == 1 ? mortal : plain);
	if (now->what == SNAPSHOT) {
		model_spawn("snapshot", MODEL_OTHER, take_snapshot,
			    (struct model_thread_options){ .after = -1, .races = true });
	} else {
		int consumer = model_spawn("consumer", MODEL_CONSUMER, consume, killed == 2 ? mortal : plain);

		if (killed == 2)
			model_spawn("successor", MODEL_CONSUMER, take_over,
				    (struct model_thread_options){ .after = consumer });
	}
	model_run();
	if (model_failure() || model_redundant())
		return;
	r = read_file();
	published = model_last(&ring.published) >> BT_POSITION_BITS;
	discarded = model_last(&ring.discarded);
	if (model_failure() || now->what == SNAPSHOT)
		return;
	if (r.records != published || r.discarded != discarded)
		model_fail("%llu records and %llu discarded in the trace; the ring had %llu and %llu",
			   (unsigned long long)r.records, (unsigned long long)r.discarded,
			   (unsigned long long)published, (unsigned long long)discarded);
	if (killed != 1 && published + discarded != now->events)
		model_fail("%llu + %llu of %u events", (unsigned long long)published,
			   (unsigned long long)discarded, now->events);
}

#define DEFINE(field, group) model_define(&ring.field, sizeof ring.field, group, #field)

/* Of the files that a limit keeps only the first: there are no others here. */
static void define_progress(int i)
{
	uint64_t *words = (uint64_t *)&ring.progress[i];

	for (size_t word = 0; word < sizeof ring.progress[i] / sizeof *words; word++) {
		size_t at = word * sizeof *words;

		if (at < offsetof(struct bt_progress, file_began[1]) || at >= offsetof(struct bt_progress, told))
			model_define(&words[word], sizeof *words, MODEL_CONSUMER, "progress");
	}
}

static void define_sub_buffer(int i)
{
	DEFINE(sub[i].begin_ts, MODEL_OWNER);
	DEFINE(sub[i].begin_records, MODEL_OWNER);
	DEFINE(sub[i].end, MODEL_OWNER);
	DEFINE(sub[i].end_ts, MODEL_OWNER);
	DEFINE(sub[i].discarded, MODEL_OWNER);
	DEFINE(sub[i].records, MODEL_OWNER);
}

/* All that both sides share, in the order of addresses. */
static void define_ring(void)
{
	DEFINE(published, MODEL_OWNER);
	DEFINE(last_ts, MODEL_OWNER);
	DEFINE(discarded, MODEL_OWNER);
	DEFINE(opened, MODEL_OWNER);
	DEFINE(tail, MODEL_CONSUMER);
	DEFINE(space, MODEL_CONSUMER);
	DEFINE(waiting, MODEL_OWNER);
	DEFINE(current, MODEL_CONSUMER);
	DEFINE(making_file, MODEL_CONSUMER);
	define_progress(0);
	define_progress(1);
	define_sub_buffer(0);
	define_sub_buffer(1);
}

static void define_data(void)
{
	for (size_t i = 0; i < 2 * now->sub_buffer_size; i += now->cell)
		model_define(data + i, now->cell, MODEL_OWNER, "data");
}

int main(int argc, char **argv)
{
	bool weaken = argc == 3 && strcmp(argv[1], "--weaken") == 0;
	bool barriers = argc == 2 && strcmp(argv[1], "--barriers") == 0;

	if (weaken)
		model_weaken(argv[2]);
	for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
		uint64_t n;

		now = &scenarios[i];
		model_forget();
		if ((uintptr_t)&ring < (uintptr_t)data)
			define_ring();
		define_data();
		if ((uintptr_t)&ring > (uintptr_t)data)
			define_ring();
		n = model_explore(execute, argc == 1 ? UINT64_MAX : EXECUTIONS_TO_FAIL);
		if (model_failure()) {
			printf("%s, execution %llu:\n", now->name, (unsigned long long)n);
			model_explain(execute);
			return 1;
		}
		if (argc == 1)
			printf("%s: %llu executions\n", now->name, (unsigned long long)n);
	}
	for (const struct model_site *site = model_sites(); site && barriers; site = site->next) {
		char name[256];

		model_site_name(site, name, sizeof name);
		if (site->used)
			printf("%s\n", name);
	}
	return 0;
}
