/*
 * threads.c - the shim without Bun: threads that come and go, declare the same and
 * their own event types at the same time, and emit. Built with the shim's sources
 * and run by threads.test.ts: `threads DIR THREADS ROUNDS EVENTS`. DIR holds what
 * TypeScript would hand over: header, before, after, event-before, event-after; and
 * the directories sessions and trace.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../shim/shim.h"

int32_t bt_create(const char *session_dir, const char *output, struct bt_session *header, const char *before,
		  const char *after, char *error);
struct bt_writer *bt_attach(void);
const void *bt_staging(const struct bt_writer *w);
void bt_name_thread(struct bt_writer *w, const char *name);
int32_t bt_declare(const char *name, int32_t level, const char *before, const char *after, int32_t enabled);
void bt_commit_cycles(struct bt_writer *w, int32_t id, int32_t length);
int32_t bt_flush(void);

static const char *dir;
static char event_before[4096], event_after[4096];
static uint32_t events;

static void read_file(const char *name, void *to, size_t size)
{
	char path[1024];
	FILE *file;

	snprintf(path, sizeof path, "%s/%s", dir, name);
	file = fopen(path, "r");
	if (!file || fread(to, 1, size, file) == 0) {
		perror(path);
		exit(1);
	}
	fclose(file);
}

/* Emits `events` events {u32 thread, u32 n, string}. */
static void *emit(void *arg)
{
	uint32_t thread = (uint32_t)(uintptr_t)arg;
	struct bt_writer *w = bt_attach();
	uint8_t *staging = (uint8_t *)(uintptr_t)bt_staging(w);
	int32_t shared = bt_declare("test:shared", 6, event_before, event_after, 1);
	char name[32];

	snprintf(name, sizeof name, "thread %u", thread);
	bt_name_thread(w, name);
	for (uint32_t n = 0; n < events; n++) {
		uint32_t length = 9 + (n * 7 + thread) % 100;

		memcpy(staging, &thread, 4);
		memcpy(staging + 4, &n, 4);
		memset(staging + 8, 'a' + (int)(n % 26), length - 9);
		staging[length - 1] = 0;
		bt_commit_cycles(w, shared, (int32_t)length);
		if (n % 1000 == 0)
			bt_flush();
	}
	/* Its end is the end of its ring, by the destructor of a key. */
	return NULL;
}

int main(int argc, char **argv)
{
	static char before[65536], after[65536], error[512];
	static struct bt_session header;
	char sessions[1024], trace[1024];
	uint32_t threads, rounds;

	if (argc != 5)
		return 2;
	dir = argv[1];
	threads = (uint32_t)atoi(argv[2]);
	rounds = (uint32_t)atoi(argv[3]);
	events = (uint32_t)atoi(argv[4]);
	read_file("header", &header, sizeof header);
	read_file("before", before, sizeof before - 1);
	read_file("after", after, sizeof after - 1);
	read_file("event-before", event_before, sizeof event_before - 1);
	read_file("event-after", event_after, sizeof event_after - 1);
	header.pid = (uint32_t)getpid();
	snprintf(sessions, sizeof sessions, "%s/sessions", dir);
	snprintf(trace, sizeof trace, "%s/trace", dir);
	if (bt_create(sessions, trace, &header, before, after, error) != 0) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	for (uint32_t round = 0; round < rounds; round++) {
		pthread_t thread[64];

		for (uint32_t i = 0; i < threads; i++)
			pthread_create(&thread[i], NULL, emit, (void *)(uintptr_t)(round * threads + i));
		for (uint32_t i = 0; i < threads; i++)
			pthread_join(thread[i], NULL);
	}
	printf("%u rings\n", atomic_load(&bt_current->session->ring_count));
	return 0;
}
