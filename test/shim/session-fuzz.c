/*
 * session-fuzz.c - the consumer and steer.c on hostile session files, in one process
 * under the sanitizers: `session-fuzz DIR SEED FIRST COUNT PROGRESS`. Built and run by
 * session-fuzz.test.ts. A case is a session file that was good and is changed:
 * every field of header and ring to extreme values in turn, then at random. The
 * consumer, a snapshot and a flush are run on it as their programs would.
 */
#define _GNU_SOURCE
#include "session-fuzz.h"

#define main consumer_main
#include "../../shim/consumer.c"
#undef main
#undef mmap
#undef open
#undef stderr

#include "session-fuzz-system.h"

int32_t bt_tell_flush(const char *path, char *error);
int32_t bt_tell_finish(const char *path, char *error);
int32_t bt_snapshot(const char *path, const char *dir, double out[6], char *error);

/* The good session: two rings of this geometry. */
#define SIZE 4096u
#define RINGS 2u
#define MAX_COUNT 4u
#define STRIDE(count) (BT_PAGE + (count) * SIZE)

/* What of a ring's control block is worth changing: the sub-buffers in use. */
#define RING_BYTES (offsetof(struct bt_ring, sub) + MAX_COUNT * sizeof(struct bt_sub_buffer))
#define HEADER_BYTES sizeof(struct bt_session)

#define BASES 12u

/* Of one case, which takes a fraction of a millisecond: more is a hang. */
#define MOST_SECONDS 20

struct base {
	_Alignas(64) uint8_t header[BT_PAGE];
	_Alignas(64) uint8_t rings[RINGS * STRIDE(MAX_COUNT)];
	uint32_t count;
};

static struct base bases[BASES], work;
static uint64_t seed, random_state;

static uint64_t next_random(void) /* splitmix64 */
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(next_random() % n);
}

/*
 * Good sessions.
 */

static void emit(struct bt_writer *w, uint32_t events)
{
	static uint8_t staging[4096];

	w->staging = staging;
	for (uint32_t i = 0; i < events; i++) {
		uint32_t id = below(40), length = below(200);
		uint64_t ts = w->last_ts + below(1000);

		if (bt_commit_fast(w, id, length, ts))
			continue;
		if (bt_commit_slow(w, id, length, ts) >= BT_TOO_LARGE)
			bt_discard(w);
	}
}

/* A base with limits: one of the kinds that there are. */
static void limit(struct bt_session *s, uint32_t kind)
{
	s->when_full = kind % 2 == 0 ? BT_DROP_OLDEST : BT_STOP;
	s->max_size = kind < 3 ? 9000 : 0;
	s->rotate_size = kind == 0 ? 0 : 5000;
	s->rotate_period_ns = kind == 2 ? 1 : 0;
	s->max_chunks = kind >= 2 ? 2 : 0;
	s->chunks[0].number = kind;
}

static void make_base(struct base *base, uint32_t mode, bool half_drained)
{
	struct bt_session *s = (struct bt_session *)base->header;

	memcpy(s->magic, BT_MAGIC, sizeof s->magic);
	s->version = BT_VERSION;
	s->pid = (uint32_t)getpid();
	s->process_start = bt_process_stat("self", &(char){ 0 });
	s->mode = mode;
	s->clock = mode == BT_BLOCK ? BT_MONOTONIC : BT_CYCLES;
	s->sub_buffers = base->count = mode == BT_DISCARD ? MAX_COUNT : MAX_COUNT - 1;
	s->sub_buffer_size = SIZE;
	s->flush_period_ns = 1000000;
	s->base_cycles = bt_cycles();
	s->base_monotonic_ns = bt_kernel_ns(CLOCK_MONOTONIC);
	s->clock_text_at = 20;
	s->metadata_size = 400;
	strcpy(s->program, "fuzz");
	strcpy(s->trace_dir, fuzz.output);
	s->ring_count = RINGS;
	for (uint32_t i = 0; i < RINGS; i++) {
		struct bt_ring *ring = (struct bt_ring *)(base->rings + i * STRIDE(base->count));
		struct bt_trace trace = { .session = s, .dir = -1 };
		struct bt_stream stream = { .ring = ring, .data = (uint8_t *)ring + BT_PAGE, .fd = -1 };
		struct bt_writer w = { .size = SIZE, .count = base->count, .mode = mode };

		ring->tid = 100 + i;
		ring->stream = i;
		ring->grown = base->count;
		bt_ring_start(&w, ring, (uint8_t *)ring + BT_PAGE, 1000);
		ring->state = i == 0 ? BT_ACTIVE : BT_LEAVING;
		emit(&w, 60 + below(100));
		if (half_drained && mode != BT_OVERWRITE) {
			s->output = BT_TO_NULL;
			bt_drain(&trace, &stream, below(2) == 0);
			s->output = BT_TO_DISK;
			emit(&w, below(100));
		}
	}
}

/*
 * Changes.
 */

/* Values that arithmetic goes wrong with, and those around what is there. */
static uint64_t extreme(uint32_t which, uint64_t was)
{
	static const uint64_t values[] = {
		0, 1, 2, 3, 5, 64, 255, SIZE - 1, SIZE, SIZE + 1, 65535, 0x3fffffff, 0x40000000, 0x7fffffff,
		0x80000000, 0xffffffff, 0x100000000, 1ull << 33, (1ull << 33) - 1, 1ull << 62,
		0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0xfffffffffffff000,
		0xffffffffffffe001,
	};
	const uint32_t fixed = sizeof values / sizeof *values;

	if (which < fixed)
		return values[which];
	switch (which - fixed) {
	case 0:
		return was + 1;
	case 1:
		return was - 1;
	case 2:
		return was + SIZE;
	case 3:
		return was - SIZE;
	case 4:
		return ~was;
	default:
		return was << 32 | was >> 32;
	}
}

#define EXTREMES 31u

/* The byte at `at` of what is worth changing: header, then rings. */
static uint8_t *byte_at(uint32_t at)
{
	if (at < HEADER_BYTES)
		return work.header + at;
	at -= HEADER_BYTES;
	return work.rings + at / RING_BYTES * STRIDE(work.count) + at % RING_BYTES;
}

#define BYTES (HEADER_BYTES + RINGS * RING_BYTES)

static void change_field(uint32_t at, bool wide, uint32_t which)
{
	uint64_t was = 0;
	size_t size = wide && at % 8 == 0 ? 8 : 4;

	memcpy(&was, byte_at(at), size);
	was = extreme(which, was);
	memcpy(byte_at(at), &was, size);
}

/* Offsets of the fields: all words but those inside the header's texts. */
static uint32_t fields[BYTES / 4], field_count;

static void find_fields(void)
{
	for (uint32_t at = 0; at < BYTES; at += 4)
		if (at <= offsetof(struct bt_session, program) || at >= offsetof(struct bt_session, recorder) - 4 ||
		    at % 256 == 0)
			fields[field_count++] = at;
}

/* Each field, each width, each value in turn, on one of the good sessions. */
static void change_in_turn(uint32_t number)
{
	uint32_t field = number % field_count, rest = number / field_count;

	change_field(fields[field], rest % 2, rest / 2 % EXTREMES);
}

static void change_at_random(void)
{
	uint32_t kind = below(10);

	for (uint32_t i = 1 + below(6); i > 0 && kind < 4; i--)
		change_field(below(BYTES / 4) * 4, below(2), below(EXTREMES));
	/* The counters of a ring, several at a time: they must fit each other. */
	for (uint32_t i = 2 + below(8); i > 0 && kind >= 4 && kind < 8; i--)
		change_field(HEADER_BYTES + below(RINGS * RING_BYTES / 8) * 8, true, below(EXTREMES));
	for (uint32_t i = 1 + below(30); i > 0 && kind == 8; i--)
		*byte_at(below(BYTES)) ^= (uint8_t)(1u << below(8));
	/* Noise in a ring, in the header behind its geometry, or in all of it. */
	if (kind == 9) {
		uint32_t from = below(4) == 0 ? 0 : below(2) ? HEADER_BYTES : offsetof(struct bt_session, define_lock);

		for (uint32_t at = from; at < BYTES; at++)
			*byte_at(at) = (uint8_t)next_random();
	}
}

/* Any geometry that a header may have, and a file as large as it says. */
static uint64_t change_geometry(void)
{
	struct bt_session *s = (struct bt_session *)work.header;

	s->sub_buffers = 2 + below(63);
	s->sub_buffer_size = BT_PAGE * (1 + below(8));
	s->ring_count = below(3) == 0 ? BT_MAX_RINGS : 1;
	return BT_RINGS_AT + bt_ring_stride(s) * (1 + below(3));
}

/*
 * Cases.
 */

/* What lies in the trace directory: the metadata, or something in its place. */
static void furnish_output(uint32_t number)
{
	char path[600], name[32] = "metadata";
	int fd;

	for (int i = 0; i < 2; i++) {
		uint32_t kind = number % 8 < 5 ? 0 : below(6);

		snprintf(path, sizeof path, "%s/%s", fuzz.output, name);
		if (kind == 0 && i == 0) {
			char text[400];

			memset(text, ' ', sizeof text);
			memcpy(text + 20, "freq = ", 7);
			fd = open(path, O_WRONLY | O_CREAT, 0600);
			if (fd < 0 || write(fd, text, sizeof text) != sizeof text)
				fuzz_fail("no room for the metadata");
			close(fd);
		} else if (kind == 1) {
			mkfifo(path, 0600);
		} else if (kind == 2) {
			mkdir(path, 0700);
		} else if (kind == 3 && symlink("/dev/zero", path) != 0) {
			fuzz_fail("no link");
		}
		strcpy(name, "thread-100");
	}
}

static void write_session(uint64_t size)
{
	int fd = open(fuzz.session, O_RDWR | O_CREAT, 0600);
	size_t rings = RINGS * STRIDE(work.count);

	if (fd < 0 || pwrite(fd, work.header, BT_PAGE, 0) != BT_PAGE ||
	    pwrite(fd, work.rings, rings, BT_RINGS_AT) != (ssize_t)rings || ftruncate(fd, (off_t)size) != 0)
		fuzz_fail("the session file cannot be written");
	close(fd);
	fuzz.most_bytes = (off_t)(size + 10000);
}

static void run_case(uint32_t number)
{
	static struct consumer c;
	char error[512];
	double out[6];
	uint64_t size;

	*fuzz.current = number;
	random_state = seed ^ (uint64_t)number << 32;
	work = bases[below(BASES)];
	size = BT_RINGS_AT + RINGS * STRIDE(work.count);
	if (number % 2 == 0) {
		change_in_turn(number / 2);
	} else {
		if (below(10) == 0)
			size = change_geometry();
		else if (below(10) == 0)
			size = below(2) ? below((uint32_t)size) : BT_RINGS_AT + below(4) * BT_PAGE + below(3);
		change_at_random();
	}
	fuzz.pidfd = below(4) != 0;
	furnish_output(number);
	write_session(size);
	fuzz.alive = !process_gone((struct bt_session *)work.header);
	/* What the command does with it. */
	bt_snapshot(fuzz.session, fuzz.output, out, error);
	bt_tell_flush(fuzz.session, error);
	bt_tell_finish(fuzz.session, error);
	fuzz_end_of_case();
	/* What the consumer does, and at times another one after it. */
	furnish_output(number);
	for (int i = below(4) == 0; i >= 0; i--) {
		memset(&c, 0, sizeof c);
		c.path = fuzz.session;
		consume(&c);
	}
	fuzz_end_of_case();
}

int main(int argc, char **argv)
{
	uint32_t first, count;
	int progress;

	if (argc != 6)
		return 2;
	fuzz_start(argv[1]);
	first = (uint32_t)strtoul(argv[3], NULL, 10);
	count = (uint32_t)strtoul(argv[4], NULL, 10);
	progress = open(argv[5], O_RDWR);
	fuzz.current = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, progress, 0);
	seed = strtoull(argv[2], NULL, 10);
	random_state = seed;
	for (uint32_t i = 0; i < BASES; i++)
		make_base(&bases[i], i % 3, i % 6 >= 3);
	for (uint32_t i = BASES / 2; i < BASES; i++)
		limit((struct bt_session *)bases[i].header, i - BASES / 2);
	find_fields();
	for (uint32_t i = first; i < first + count; i++) {
		alarm(MOST_SECONDS);
		run_case(i);
	}
	return 0;
}
