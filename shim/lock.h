/*
 * lock.h - one consumer a session. Included by consumer.c.
 */
#ifndef BT_LOCK_H
#define BT_LOCK_H

#include <linux/futex.h>

#include "consumer.h"
#include "process.h"

/* The kernel marks a robust futex's word when its holder dies, however it dies
 * (set_robust_list(2), Documentation/locking/robust-futex-ABI.rst). */
static struct {
	struct robust_list_head head;
	struct robust_list entry;
} robust;

/* Takes the consumer's place in the session. False: another one has it. */
static bool take_lock(struct bt_session *s)
{
	uint32_t word = atomic_load(&s->consumer_lock);
	uint32_t me = (uint32_t)syscall(SYS_gettid);

	robust.entry.next = &robust.head.list;
	robust.head.list.next = &robust.entry;
	robust.head.futex_offset = (long)((char *)&s->consumer_lock - (char *)&robust.entry);
	robust.head.list_op_pending = NULL;
	syscall(SYS_set_robust_list, &robust.head, sizeof robust.head);
	/* After a crash of the whole machine nobody has marked the word. */
	while (word == 0 || (word & BT_OWNER_DIED) || !bt_is_consumer(word))
		if (atomic_compare_exchange_weak(&s->consumer_lock, &word, me))
			return true;
	return false;
}

#endif
