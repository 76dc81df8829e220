/*
 * model.c - see model.h. Compiled without instrumentation; gives the functions that
 * instrumented code calls (the interface of LLVM's and gcc's thread sanitizer).
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "model.h"

#define MAX_LOCATIONS 192 /* a multiple of 64: all of a view are looked at, by vector instructions */
#define SPAN 16384 /* bytes from the first location to the end of the last */
#define MAX_MESSAGES 4096 /* an execution's, of all locations */
#define MAX_HISTORY 48    /* values of one location */
#define MAX_THREADS 4
#define MAX_CHOICES 4096
#define STACK_SIZE 65536
#define SETUP MAX_THREADS /* the thread of the values at the start */

/* What a thread, or the reader of a message, knows. */
struct knowledge {
	uint8_t view[MAX_LOCATIONS];        /* oldest value that may still be read */
	uint16_t clock[MAX_THREADS + 1];    /* of each thread's past */
};

struct message {
	uint64_t value;
	uint16_t clock;
	uint8_t thread;
	bool done; /* a later release store of its thread, or a system call, was done */
	struct knowledge known;
};

struct location {
	uint8_t *at;
	uint8_t size, messages;
	enum model_group writer;
	const char *name;
	uint16_t history[MAX_HISTORY]; /* indices of messages */
	uint16_t read_clock[MAX_THREADS];
};

struct thread {
	const char *name;
	enum model_group group;
	struct model_thread_options options;
	void (*body)(void);
	jmp_buf context;
	bool finished, dead, started, asleep;
	bool (*waits_for)(void); /* NULL: for nothing */
	const uint8_t *loads; /* what it loads next, and how many values that had as it fell asleep */
	size_t loads_size;
	unsigned values;
	struct knowledge now, acquired, released; /* acquired: by loads, for the next acquire fence */
	uint8_t *written; /* a plain store whose value is not there yet */
	size_t written_size;
};

static struct location locations[MAX_LOCATIONS];
static unsigned location_count;
static uint8_t location_at[SPAN]; /* the index of the first location that ends after an address */
static size_t defined;            /* bytes of it */
static struct message messages[MAX_MESSAGES];
static unsigned message_count;
static struct thread threads[MAX_THREADS];
static int thread_count;
static struct thread *current; /* NULL: setup and checks */
static uint8_t sequential[MAX_LOCATIONS]; /* view of the sequentially consistent accesses */
static jmp_buf scheduler;
static bool redundant; /* the execution is like one that was tried */
static char stacks[MAX_THREADS][STACK_SIZE] __attribute__((aligned(64)));

static struct { uint16_t of, picked; } choices[MAX_CHOICES];
static unsigned choice_count, choice_at;
static char failure[512];
static bool explaining;

static struct model_site *sites;
static struct model_site *site_now; /* of the access that comes next */
static const char *weakened;

#define EXPLAIN(...) (explaining ? (void)printf(__VA_ARGS__) : (void)0)

/*
 * Choices.
 */

unsigned model_choose(unsigned n)
{
	if (n <= 1)
		return 0;
	if (choice_at == choice_count) {
		if (choice_count == MAX_CHOICES)
			abort();
		choices[choice_count].of = (uint16_t)n;
		choices[choice_count++].picked = 0;
	}
	if (choices[choice_at].of != n) {
		fprintf(stderr, "the execution is not the same as before\n");
		abort();
	}
	return choices[choice_at++].picked;
}

static bool next_choices(void)
{
	while (choice_count > 0 && choices[choice_count - 1].picked + 1u == choices[choice_count - 1].of)
		choice_count--;
	if (choice_count == 0)
		return false;
	choices[choice_count - 1].picked++;
	return true;
}

uint64_t model_explore(void (*execution)(void), uint64_t most)
{
	uint64_t n = 0;

	failure[0] = 0;
	choice_count = 0;
	do {
		choice_at = 0;
		n++;
		execution();
	} while (failure[0] == 0 && n < most && next_choices());
	return n;
}

const char *model_failure(void)
{
	return failure[0] ? failure : NULL;
}

void model_explain(void (*execution)(void))
{
	failure[0] = 0;
	explaining = true;
	choice_at = 0;
	execution();
	explaining = false;
}

void model_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(failure, sizeof failure, format, args);
	va_end(args);
	EXPLAIN("%s\n", failure);
	if (current)
		_longjmp(scheduler, 1);
}

/*
 * Barriers, by name.
 */

void model_weaken(const char *name)
{
	weakened = name;
}

struct model_site *model_sites(void)
{
	return sites;
}

void model_site_name(const struct model_site *site, char *name, size_t size)
{
	snprintf(name, size, site->number > 1 ? "%s: %s #%u" : "%s: %s", site->function, site->what, site->number);
}

int model_site(struct model_site *site, const char *function, const char *what, int order)
{
	if (current && !site->known && order != __ATOMIC_RELAXED) {
		char name[256];

		*site = (struct model_site){ .function = function, .what = what, .order = order, .number = 1 };
		for (struct model_site *other = sites; other; other = other->next)
			if (strcmp(other->function, function) == 0 && strcmp(other->what, what) == 0)
				site->number++;
		site->known = true;
		site->next = sites;
		sites = site;
		model_site_name(site, name, sizeof name);
		site->weak = weakened && strcmp(weakened, name) == 0;
	}
	site_now = site;
	return site->weak ? __ATOMIC_RELAXED : order;
}

/*
 * Locations and what is known of them.
 */

void model_forget(void)
{
	location_count = 0;
}

void model_define(void *at, size_t size, enum model_group writer, const char *name)
{
	uint8_t *first = location_count > 0 ? locations[0].at : at;
	size_t end = (size_t)((uint8_t *)at + size - first);

	if (location_count == MAX_LOCATIONS || end > SPAN)
		abort();
	/* What lies between the one before and this one, too. */
	for (size_t i = location_count > 0 ? defined : 0; i < end; i++)
		location_at[i] = (uint8_t)location_count;
	defined = end;
	locations[location_count++] =
		(struct location){ .at = at, .size = (uint8_t)size, .writer = writer, .name = name };
	/* After the last: none. */
	memset(location_at + end, (int)location_count, SPAN - end);
}

static void learn(struct knowledge *k, const struct knowledge *more)
{
	for (unsigned i = 0; i < MAX_LOCATIONS; i++)
		k->view[i] = k->view[i] < more->view[i] ? more->view[i] : k->view[i];
	for (int i = 0; i <= MAX_THREADS; i++)
		k->clock[i] = k->clock[i] < more->clock[i] ? more->clock[i] : k->clock[i];
}

/* The first location that ends after `at`. */
static unsigned location_from(const uint8_t *at)
{
	if (location_count == 0 || at < locations[0].at)
		return 0;
	return (size_t)(at - locations[0].at) < SPAN ? location_at[at - locations[0].at] : location_count;
}

/* The next location of a range, or NULL; a location is accessed whole. */
static struct location *in_range(unsigned index, const uint8_t *at, size_t size)
{
	struct location *l = &locations[index];

	if (index >= location_count || l->at >= at + size)
		return NULL;
	if (l->at < at || l->at + l->size > at + size) {
		fprintf(stderr, "an access to a part of %s\n", l->name);
		abort();
	}
	return l;
}

static struct message *message_of(const struct location *l, unsigned n)
{
	return &messages[l->history[n]];
}

static struct message *last_message(const struct location *l)
{
	return message_of(l, l->messages - 1u);
}

static struct message *append(struct location *l, uint64_t value, const struct knowledge *known)
{
	struct message *m = &messages[message_count];
	int thread = current ? (int)(current - threads) : SETUP;

	if (message_count == MAX_MESSAGES || l->messages == MAX_HISTORY)
		abort();
	m->value = value;
	m->thread = (uint8_t)thread;
	m->done = false;
	l->history[l->messages++] = (uint16_t)message_count++;
	if (current) {
		m->clock = ++current->now.clock[thread];
		current->now.view[l - locations] = (uint8_t)(l->messages - 1);
		m->known = *known;
		m->known.view[l - locations] = (uint8_t)(l->messages - 1);
		EXPLAIN("  %-9s %s = %llu\n", current->name, l->name, (unsigned long long)value);
	} else {
		m->clock = 0;
		m->known = (struct knowledge){ 0 };
	}
	return m;
}

static uint64_t value_in_memory(const struct location *l)
{
	uint64_t value = 0;

	memcpy(&value, l->at, l->size);
	return value;
}

uint64_t model_last(const void *at)
{
	return last_message(&locations[location_from(at)])->value;
}

/*
 * Threads.
 */

void model_start(void)
{
	message_count = 0;
	thread_count = 0;
	redundant = false;
	current = NULL;
	memset(sequential, 0, sizeof sequential);
	for (unsigned i = 0; i < location_count; i++) {
		locations[i].messages = 0;
		memset(locations[i].read_clock, 0, sizeof locations[i].read_clock);
		append(&locations[i], value_in_memory(&locations[i]), NULL);
	}
}

static void finish_store(void);
static void give(struct location *l, unsigned n);

static void run_thread(void)
{
	current->body();
	finish_store();
	current->finished = true;
	_longjmp(scheduler, 1);
}

int model_spawn(const char *name, enum model_group group, void (*body)(void), struct model_thread_options options)
{
	struct thread *t = &threads[thread_count];

	*t = (struct thread){ .name = name, .group = group, .options = options, .body = body };
	return thread_count++;
}

static bool may_run(struct thread *t)
{
	if (t->finished || t->dead)
		return false;
	if (t->options.after >= 0 && !t->started) {
		if (!threads[t->options.after].dead)
			return false;
		learn(&t->now, &threads[t->options.after].now);
	}
	return !t->waits_for || t->waits_for();
}

static void resume(struct thread *t)
{
	ucontext_t first;

	current = t;
	if (_setjmp(scheduler) == 0) {
		if (t->started)
			_longjmp(t->context, 1);
		t->started = true;
		getcontext(&first);
		first.uc_stack.ss_sp = stacks[t - threads];
		first.uc_stack.ss_size = STACK_SIZE;
		makecontext(&first, run_thread, 0);
		setcontext(&first);
	}
	current = NULL;
}

/* How many values there are of what a thread loads next. */
static unsigned values_of(const struct thread *t)
{
	unsigned n = 0;
	struct location *l;

	for (unsigned i = location_from(t->loads); t->loads && (l = in_range(i, t->loads, t->loads_size)); i++)
		n += l->messages;
	return n;
}

/* A thread runs on by itself until it loads what others store, since what it stores
 * takes no choice from anybody: a load may still read the value before. Only whose load
 * is next is tried in every order, and of two orders that come to the same one (sleep
 * sets; Godefroid, "Partial-Order Methods", 1996): a thread whose turn was tried sleeps
 * in the other branches until there is another value of what it loads. */
void model_run(void)
{
	for (int i = 0; i < thread_count && !failure[0]; i++)
		if (may_run(&threads[i]))
			resume(&threads[i]);
	while (!failure[0]) {
		struct thread *ready[MAX_THREADS];
		unsigned n = 0, sleeping = 0, pick;

		for (int i = 0; i < thread_count; i++) {
			struct thread *t = &threads[i];

			if (!may_run(t))
				continue;
			t->asleep = t->asleep && values_of(t) == t->values;
			if (t->asleep)
				sleeping++;
			else
				ready[n++] = t;
		}
		redundant = n == 0 && sleeping > 0;
		if (n == 0)
			break;
		pick = model_choose(n);
		for (unsigned i = 0; i < pick; i++) {
			ready[i]->asleep = true;
			ready[i]->values = values_of(ready[i]);
		}
		resume(ready[pick]);
	}
	for (int i = 0; i < thread_count && !failure[0] && !redundant; i++)
		if (threads[i].started && !threads[i].finished && !threads[i].dead)
			model_fail("%s waits for ever", threads[i].name);
}

/* Lets the others run before the thread loads. */
static void before_load(const void *at, size_t size)
{
	current->loads = at;
	current->loads_size = size;
	if (_setjmp(current->context) == 0)
		_longjmp(scheduler, 1);
}

bool model_redundant(void)
{
	return redundant;
}

bool model_died(int thread)
{
	return threads[thread].dead;
}

bool model_ended(int thread)
{
	return threads[thread].finished || threads[thread].dead;
}

void model_wait(bool (*holds)(void))
{
	finish_store();
	current->waits_for = holds;
	before_load(NULL, 0);
	current->waits_for = NULL;
}

void model_see(const void *at)
{
	struct location *l = &locations[location_from(at)];

	give(l, l->messages - 1u);
}

void model_know(int thread)
{
	learn(&current->now, &threads[thread].now);
}

/* Whether somebody else has seen a message. */
static bool seen(const struct location *l, unsigned n)
{
	for (int i = 0; i < thread_count; i++)
		if (&threads[i] != current && threads[i].now.view[l - locations] >= n)
			return true;
	return false;
}

/* Kills the thread if that is chosen: what it has stored is there; but a store that no
 * later barrier has made sure of may be missing, since a compiler may put it later. */
static void may_die(void)
{
	int me = (int)(current - threads);
	struct location *late[MAX_LOCATIONS];
	unsigned n = 0, pick;

	if (!current->options.mortal || model_choose(2) == 0)
		return;
	for (unsigned i = 0; i < location_count; i++) {
		struct message *m = last_message(&locations[i]);

		if (m->thread == me && !m->done && !seen(&locations[i], locations[i].messages - 1u))
			late[n++] = &locations[i];
	}
	pick = model_choose(n + 1);
	EXPLAIN("  %-9s is killed%s%s\n", current->name, pick ? " without " : "", pick ? late[pick - 1]->name : "");
	if (pick > 0) {
		late[pick - 1]->messages--;
		current->now.view[late[pick - 1] - locations]--;
	}
	current->dead = true;
	_longjmp(scheduler, 1);
}

/* All stores of this thread so far are done, wherever a compiler puts them. */
static void all_done(void)
{
	for (unsigned i = 0; i < message_count; i++)
		if (messages[i].thread == current - threads)
			messages[i].done = true;
}

void model_system_call(void)
{
	finish_store();
	all_done();
	may_die();
}

/*
 * Plain accesses.
 */

static void race(const struct location *l, const char *what)
{
	model_fail("race: %s %s %s", current->name, what, l->name);
}

static void check_store(struct location *l)
{
	const struct message *m = last_message(l);

	if (m->thread != SETUP && current->now.clock[m->thread] < m->clock)
		race(l, "writes over a write to");
	for (int i = 0; i < thread_count; i++)
		if (&threads[i] != current && current->now.clock[i] < l->read_clock[i])
			race(l, "writes over what may still be read:");
}

/* A plain store is announced before it is done: its value is there at the thread's
 * next step. */
static void finish_store(void)
{
	uint8_t *at = current->written;
	struct location *l;

	current->written = NULL;
	if (!at)
		return;
	for (unsigned i = location_from(at); (l = in_range(i, at, current->written_size)); i++) {
		check_store(l);
		append(l, value_in_memory(l), &current->released);
	}
}

static bool is_modelled(const void *at, size_t size)
{
	unsigned i;

	if (!current)
		return false;
	i = location_from(at);
	return i < location_count && locations[i].at < (const uint8_t *)at + size;
}

static void plain_store(void *at, size_t size)
{
	if (!is_modelled(at, size))
		return;
	finish_store();
	may_die();
	current->written = at;
	current->written_size = size;
}

static void give(struct location *l, unsigned n)
{
	const struct message *m = message_of(l, n);

	memcpy(l->at, &m->value, l->size);
	current->now.view[l - locations] = (uint8_t)n;
	learn(&current->acquired, &m->known);
	EXPLAIN("  %-9s reads %s: %llu\n", current->name, l->name, (unsigned long long)m->value);
}

/* Reads a range while it may be written: each location may have any value not known to
 * be replaced. All the oldest, all the newest, or one that is newer than the others:
 * every other mixture knows more, and so is not accepted where these are not. */
static void read_racing(const uint8_t *at, size_t size)
{
	unsigned from = location_from(at), mixtures = 0, pick;
	struct location *l;

	before_load(at, size);
	for (unsigned i = from; (l = in_range(i, at, size)); i++)
		mixtures += l->messages - 1u - current->now.view[i];
	pick = model_choose(mixtures > 1 ? mixtures + 2 : mixtures + 1);
	for (unsigned i = from; (l = in_range(i, at, size)); i++) {
		unsigned oldest = current->now.view[i], newer = l->messages - 1u - oldest;

		if (pick == mixtures + 1) {
			give(l, l->messages - 1u);
			continue;
		}
		give(l, pick > 0 && pick <= newer ? oldest + pick : oldest);
		pick = pick > newer ? pick - newer : 0;
	}
}

static void plain_load(const void *at, size_t size)
{
	struct location *l;

	if (!is_modelled(at, size))
		return;
	finish_store();
	if (current->options.races) {
		read_racing(at, size);
		return;
	}
	for (unsigned i = location_from(at); (l = in_range(i, at, size)); i++) {
		const struct message *m = last_message(l);
		int me = (int)(current - threads);

		if (m->thread != SETUP && current->now.clock[m->thread] < m->clock)
			race(l, "reads what may still be written:");
		memcpy(l->at, &m->value, l->size);
		l->read_clock[me] = ++current->now.clock[me];
	}
}

void *model_copy(void *to, const void *from, size_t size)
{
	plain_load(from, size);
	plain_store(to, size);
	return memcpy(to, from, size);
}

/*
 * Atomic accesses.
 */

static bool acquires(int order)
{
	return order == __ATOMIC_ACQUIRE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
	return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

void model_fence(int order)
{
	if (!current)
		return;
	finish_store();
	if (site_now)
		site_now->used = true;
	site_now = NULL;
	if (order == __ATOMIC_SEQ_CST) {
		fprintf(stderr, "a sequentially consistent fence: not in this model\n");
		abort();
	}
	if (acquires(order))
		learn(&current->now, &current->acquired);
	if (releases(order)) {
		current->released = current->now;
		all_done();
	}
}

static void load_message(struct location *l, unsigned n, int order)
{
	give(l, n);
	if (acquires(order))
		learn(&current->now, &message_of(l, n)->known);
}

/* A sequentially consistent load reads no value older than that of the last
 * sequentially consistent store to its location. */
static void load_in_order(struct location *l, int order)
{
	uint8_t *view = &current->now.view[l - locations];

	if (order == __ATOMIC_SEQ_CST && *view < sequential[l - locations])
		*view = sequential[l - locations];
}

static struct message *store_message(struct location *l, uint64_t value, int order)
{
	struct message *m;

	check_store(l);
	may_die();
	if (releases(order))
		all_done();
	m = append(l, value, releases(order) ? &current->now : &current->released);
	if (order == __ATOMIC_SEQ_CST)
		sequential[l - locations] = (uint8_t)(l->messages - 1);
	return m;
}

static uint64_t value_at(const volatile void *at, size_t size)
{
	return size == 8 ? *(const volatile uint64_t *)at :
	       size == 4 ? *(const volatile uint32_t *)at :
			   *(const volatile uint8_t *)at;
}

static void value_to(volatile void *at, size_t size, uint64_t value)
{
	if (size == 8)
		*(volatile uint64_t *)at = value;
	else if (size == 4)
		*(volatile uint32_t *)at = (uint32_t)value;
	else
		*(volatile uint8_t *)at = (uint8_t)value;
}

static struct location *atomic_location(const volatile void *at, size_t size)
{
	const uint8_t *p = (const uint8_t *)(uintptr_t)at;

	if (!is_modelled(p, size)) {
		site_now = NULL;
		return NULL;
	}
	finish_store();
	if (site_now)
		site_now->used = true;
	site_now = NULL;
	return in_range(location_from(p), p, size);
}

uint64_t model_load(const volatile void *at, size_t size, int order)
{
	struct location *l = atomic_location(at, size);
	unsigned oldest;

	if (l) {
		if (l->writer != current->group)
			before_load(l->at, size);
		load_in_order(l, order);
		oldest = current->now.view[l - locations];
		load_message(l, oldest + model_choose(l->messages - oldest), order);
	}
	return value_at(at, size);
}

void model_store(volatile void *at, size_t size, uint64_t value, int order)
{
	struct location *l = atomic_location(at, size);

	if (l)
		store_message(l, value, order);
	value_to(at, size, value);
}

uint64_t model_fetch_add(volatile void *at, size_t size, uint64_t value, int order)
{
	struct location *l = atomic_location(at, size);
	uint64_t before;

	if (l)
		load_message(l, l->messages - 1u, order);
	before = value_at(at, size);
	if (l) {
		const struct knowledge handed_on = last_message(l)->known;
		struct message *m = store_message(l, before + value, order);

		/* A release sequence goes through a read-modify-write. */
		learn(&m->known, &handed_on);
	}
	value_to(at, size, before + value);
	return before;
}

/*
 * What instrumented code calls.
 */

void __tsan_init(void);
void __tsan_func_entry(void *caller);
void __tsan_func_exit(void);
void __tsan_init(void) {}
void __tsan_func_entry(void *caller) { (void)caller; }
void __tsan_func_exit(void) {}

#define ACCESS(name, type, function, size)   \
	void name(type at);                  \
	void name(type at) { function(at, size); }
#define ACCESSES(size)                                               \
	ACCESS(__tsan_read##size, void *, plain_load, size)          \
	ACCESS(__tsan_write##size, void *, plain_store, size)        \
	ACCESS(__tsan_unaligned_read##size, void *, plain_load, size) \
	ACCESS(__tsan_unaligned_write##size, void *, plain_store, size)
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void __tsan_read_range(void *at, size_t size);
void __tsan_write_range(void *at, size_t size);
void __tsan_read_range(void *at, size_t size) { plain_load(at, size); }
void __tsan_write_range(void *at, size_t size) { plain_store(at, size); }

/* Atomics that are not written with an order of their own. */
#define ATOMICS(bits)                                                                        \
	uint##bits##_t __tsan_atomic##bits##_load(const volatile void *at, int order);       \
	uint##bits##_t __tsan_atomic##bits##_load(const volatile void *at, int order)        \
	{                                                                                    \
		return (uint##bits##_t)model_load(at, bits / 8, order);                      \
	}                                                                                    \
	void __tsan_atomic##bits##_store(volatile void *at, uint##bits##_t value, int order); \
	void __tsan_atomic##bits##_store(volatile void *at, uint##bits##_t value, int order) \
	{                                                                                    \
		model_store(at, bits / 8, value, order);                                     \
	}                                                                                    \
	uint##bits##_t __tsan_atomic##bits##_fetch_add(volatile void *at, uint##bits##_t value, int order); \
	uint##bits##_t __tsan_atomic##bits##_fetch_add(volatile void *at, uint##bits##_t value, int order) \
	{                                                                                    \
		return (uint##bits##_t)model_fetch_add(at, bits / 8, value, order);          \
	}
ATOMICS(32)
ATOMICS(64)
