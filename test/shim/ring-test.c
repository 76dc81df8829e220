/*
 * ring-test.c - ring.h against an oracle: one writer and one reader in a process of
 * their own, taking turns (every count is then exact at every step) or in two
 * threads. Built and run by ring.test.ts: `ring-test SEED ROUNDS`.
 *
 * A record's payload says its number; its length, id and bytes follow from that.
 * The reader decodes records as any CTF reader does, from what get() hands out.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../shim/ring.h"

#define MAX_RECORDS 20000u
#define MAX_PAYLOAD 700u

static uint64_t seed;
static unsigned round_number;

static _Noreturn void fail(const char *what, uint64_t got, uint64_t expected)
{
	printf("round %u: %s: %llu, expected %llu\n", round_number, what, (unsigned long long)got,
	       (unsigned long long)expected);
	exit(1);
}

static void same(const char *what, uint64_t got, uint64_t expected)
{
	if (got != expected)
		fail(what, got, expected);
}

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint64_t below(uint64_t *state, uint64_t n)
{
	return next_random(state) % n;
}

/* What a record is, by its number. */
static uint32_t id_of(uint32_t n)
{
	uint64_t state = n * 7919u + 1;

	return below(&state, 10) == 0 ? 31 + (uint32_t)below(&state, 300) : (uint32_t)below(&state, 31);
}

static uint32_t length_of(uint32_t n, uint32_t most)
{
	uint64_t state = n * 104729u + 2;

	return 4 + (uint32_t)below(&state, below(&state, 8) == 0 ? most - 3 : 30 < most - 3 ? 30 : most - 3);
}

static uint8_t byte_of(uint32_t n, uint32_t i)
{
	return (uint8_t)(n * 31 + i * 7);
}

struct test {
	struct bt_writer writer;
	struct bt_ring *ring;
	uint8_t *data, *staging;
	uint64_t size;
	uint32_t count, longest;
	uint64_t random; /* the writer's */
	uint64_t clock;

	/* The oracle, written by the writer. */
	uint64_t times[MAX_RECORDS];
	uint32_t stored;
	uint64_t discarded;
	uint64_t discarded_at_switch;
	uint64_t emitted;
	bool done_writing; /* joined before it is read */

	/* The reader. */
	struct bt_progress progress;
	uint64_t reader_random;
	uint32_t seen;
	bool takes_turns;
};

/* A clock that mostly steps a little, stands still, leaps, or goes back. */
static uint64_t tick(struct test *t)
{
	switch (below(&t->random, 40)) {
	case 0:
		t->clock += BT_COMPACT_SPAN - 2 + below(&t->random, 4);
		break;
	case 1:
		t->clock += BT_COMPACT_SPAN * (1 + below(&t->random, 5));
		break;
	case 2:
		return t->clock > 1000 ? t->clock - below(&t->random, 1000) : t->clock;
	case 3:
		break;
	default:
		t->clock += below(&t->random, 100);
	}
	return t->clock;
}

/* Emits one event as shim.c does. */
static bool emit(struct test *t)
{
	struct bt_writer *w = &t->writer;
	bool too_large = below(&t->random, 200) == 0;
	uint32_t n = t->stored;
	uint32_t length = too_large ? (uint32_t)t->size : length_of(n, t->longest);
	uint64_t ts = tick(t);
	enum bt_committed done = BT_STORED;
	uint64_t sub = w->sub;

	memcpy(t->staging, &n, 4);
	for (uint32_t i = 4; i < length; i++)
		t->staging[i] = byte_of(n, i);
	/* Before it is published: the reader looks it up. */
	t->times[n] = ts > w->last_ts ? ts : w->last_ts;
	if (!bt_commit_fast(w, id_of(n), length, ts))
		done = bt_commit_slow(w, id_of(n), length, ts);
	t->emitted++;
	if (too_large)
		same("a record larger than a sub-buffer", done, BT_TOO_LARGE);
	if (w->sub != sub)
		t->discarded_at_switch = t->discarded;
	if (done == BT_STORED || done == BT_STORED_SWITCHED) {
		same("switch", done == BT_STORED_SWITCHED, w->sub != sub);
		t->stored++;
		return true;
	}
	bt_discard(w);
	t->discarded++;
	return false;
}

static uint64_t load(const uint8_t *from, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, from, size);
	return value;
}

/* Decodes a run of records: the next ones, each whole. */
static void read_run(struct test *t, const struct bt_run *run)
{
	uint64_t ring_size = t->size * t->count, ts = t->progress.last_ts;
	const uint8_t *at = t->data + run->begin % ring_size, *end = at + (run->end - run->begin);

	same("a run in one sub-buffer", run->begin / t->size, (run->end - 1) / t->size);
	while (at < end) {
		uint32_t word = (uint32_t)load(at, 4), id = word & 31, n, length;

		if (id == BT_EXTENDED_ID) {
			id = (uint32_t)load(at + 1, 4);
			ts = load(at + 5, 8);
			at += BT_EXTENDED_HEADER;
		} else {
			uint64_t low = word >> 5;

			ts += (low - ts) & (BT_COMPACT_SPAN - 1);
			at += BT_COMPACT_HEADER;
		}
		n = (uint32_t)load(at, 4);
		same("number", n, t->seen);
		length = length_of(n, t->longest);
		same("id", id, id_of(n));
		same("time", ts, t->times[n]);
		for (uint32_t i = 4; i < length; i++)
			same("byte", at[i], byte_of(n, i));
		at += length;
		t->seen++;
	}
	same("end of the run", (uint64_t)(end - at), 0);
	same("records of the run", run->records, t->seen);
	if (run->end_ts < ts)
		fail("end of the packet before its last record", run->end_ts, ts);
	if (run->discarded < t->progress.discarded)
		fail("discarded events went back", run->discarded, t->progress.discarded);
}

/* Takes one run if there is one, as drain.h does. */
static bool consume(struct test *t, bool partial)
{
	struct bt_run run;
	enum bt_got got = bt_get(t->ring, t->size, t->count, &t->progress, partial, &run);

	if (got == BT_IMPOSSIBLE)
		fail("an impossible ring at", t->progress.tail, 0);
	if (got == BT_NONE)
		return false;
	if (run.end > run.begin) {
		read_run(t, &run);
		t->progress.last_ts = run.end_ts;
		t->progress.discarded = run.discarded;
		t->progress.records = run.records;
	}
	t->progress.tail = run.next_tail;
	bt_put(t->ring, &t->progress);
	return true;
}

/* What is left, at the end. */
static void finish(struct test *t)
{
	while (consume(t, true))
		;
	same("records read", t->seen, t->stored);
	same("discarded, as the ring says", atomic_load(&t->ring->discarded), t->discarded);
	same("emitted", t->stored + t->discarded, t->emitted);
}

static void take_turns(struct test *t, uint32_t steps)
{
	t->takes_turns = true;
	while (steps-- > 0 && t->stored < MAX_RECORDS) {
		uint64_t burst = below(&t->random, 6) == 0 ? 200 : 6;

		for (uint64_t n = below(&t->random, burst); n > 0 && t->stored < MAX_RECORDS; n--)
			emit(t);
		for (uint64_t n = below(&t->random, 5); n > 0; n--) {
			bool partial = below(&t->random, 2) == 0;
			struct bt_run run = { 0 };
			bool open = bt_get(t->ring, t->size, t->count, &t->progress, true, &run) == BT_RUN &&
				    run.next_tail == t->writer.pos;

			/* Nobody emits between the two: the count is exact. */
			if (open && run.end > run.begin)
				same("discarded so far", run.discarded, t->discarded);
			else if (run.next_tail / t->size == t->writer.sub && run.end > run.begin)
				same("discarded at the switch", run.discarded, t->discarded_at_switch);
			consume(t, partial);
		}
	}
}

static void *reader(void *arg)
{
	struct test *t = arg;

	for (;;) {
		/* Read before the last look: what was emitted till then is seen. */
		bool done = __atomic_load_n(&t->done_writing, __ATOMIC_ACQUIRE);
		bool got = consume(t, below(&t->reader_random, 3) == 0);

		if (done && !got)
			return NULL;
		if (!got && below(&t->reader_random, 2) == 0)
			sched_yield();
	}
}

static void two_threads(struct test *t, bool blocks)
{
	pthread_t thread;

	pthread_create(&thread, NULL, reader, t);
	for (uint32_t n = 0; n < MAX_RECORDS && t->stored < MAX_RECORDS; n++) {
		while (!emit(t) && blocks && t->stored < MAX_RECORDS)
			sched_yield();
		if (below(&t->random, 50) == 0)
			sched_yield();
	}
	__atomic_store_n(&t->done_writing, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
}

/* Starts the ring far from zero: where the published position and count wrap. */
static void start_late(struct test *t)
{
	uint64_t sub = ((1ull << BT_POSITION_BITS) / t->size) - below(&t->random, 4);

	bt_open_sub_buffer(&t->writer, sub);
	atomic_store(&t->ring->published, t->writer.pos & BT_POSITION_MASK);
	atomic_store(&t->ring->tail, t->writer.pos);
	t->progress.tail = t->writer.pos;
}

static void run_round(unsigned number)
{
	static struct test t;
	uint64_t state = seed * 1000003u + number;

	round_number = number;
	memset(&t, 0, sizeof t);
	t.random = next_random(&state);
	t.reader_random = next_random(&state);
	/* From sub-buffers of a few records to real ones; sizes need not be pages here. */
	t.size = below(&state, 2) == 0 ? 64 + 8 * below(&state, 20) : 256 + 8 * below(&state, 480);
	t.count = 2 + (uint32_t)below(&state, 6);
	t.longest = (uint32_t)(t.size - BT_EXTENDED_HEADER);
	if (t.longest > MAX_PAYLOAD)
		t.longest = MAX_PAYLOAD;
	t.ring = aligned_alloc(64, sizeof *t.ring);
	/* No slack: a byte too far is seen by the sanitizer. */
	t.data = malloc(t.size * t.count);
	t.staging = calloc(1, t.size + MAX_PAYLOAD + 8);
	memset(t.ring, 0, sizeof *t.ring);
	t.writer = (struct bt_writer){
		.staging = t.staging, .size = t.size, .count = t.count, .mode = BT_DISCARD,
	};
	t.clock = next_random(&state) >> 20;
	bt_ring_start(&t.writer, t.ring, t.data, t.clock);
	t.progress.last_ts = t.clock;
	if (below(&state, 4) == 0)
		start_late(&t);
	switch (number % 3) {
	case 0:
		take_turns(&t, 3000);
		break;
	case 1:
		two_threads(&t, false);
		break;
	default:
		two_threads(&t, true);
	}
	finish(&t);
	free(t.ring);
	free(t.data);
	free(t.staging);
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 30;
	int only = argc > 3 ? atoi(argv[3]) : -1;

	seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	for (unsigned i = 0; i < rounds; i++)
		if (only < 0 || (unsigned)only == i)
			run_round(i);
	printf("%u rounds\n", rounds);
	return 0;
}
