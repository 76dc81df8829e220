/*
 * session-fuzz-steer.c - shim/steer.c with the system of session-fuzz.h, and the
 * little that it needs of shim.c.
 */
#define _GNU_SOURCE
#include "session-fuzz.h"

#include "../../shim/steer.c"

struct bt_handle *_Atomic bt_current;

void *bt_map_private(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}
