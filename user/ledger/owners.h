/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The processes that holds belong to, each kept once: a process that has a thousand ports
 * is as good as one. Known by number; 0: not known. Those that nobody uses are forgotten.
 */
#ifndef PORTTRACE_LEDGER_OWNERS_H
#define PORTTRACE_LEDGER_OWNERS_H

#include "user/base/chain.h"
#include "user/base/compare.h"
#include "user/event/event.h"

#define OWNERS_RECENT 1024 /* a power of two */

struct owners_entry {
	struct chain_link link;
	__u32 users; /* 0: gone */
	struct pt_owner owner;
};

/* Zeroed but for chain.pool.entry_size: empty. Read chain.pool.live freely. */
struct owners {
	struct chain chain;
	__u32 recent[OWNERS_RECENT]; /* by tid, or what came in its place, or was there */
};

void owners_init(struct owners *owners);
void owners_free(struct owners *owners);

/* Who that is: to be read as long as somebody uses the number. */
static inline const struct pt_owner *owners_at(const struct owners *owners, __u32 number)
{
	static const struct pt_owner nobody;

	return number ? &((const struct owners_entry *)pool_at(&owners->chain.pool, number))->owner
		      : &nobody;
}

/* The owner as a record tells it; kernel: PT_F_KTHREAD or the like. */
struct pt_owner owners_of_task(const struct pt_task *task, bool kernel);

/*
 * *number is that owner's, with one user more: the caller gives it back by owners_drop().
 * Returns 0 or -ENOMEM.
 */
int owners_take(struct owners *owners, const struct pt_owner *owner, __u32 *number);

/* Whether the bytes of task are those of owner; not of every name that is too long. */
static inline bool owners_is_task(const struct pt_owner *owner, const struct pt_task *task,
				  bool kernel)
{
	return owner->pid == task->pid && owner->tid == task->tid && owner->uid == task->uid &&
	       owner->kernel == kernel && owner->start == task->start &&
	       owner->cgroup == task->cgroup && compare_is_same16(owner->comm, task->comm) &&
	       compare_is_same16(owner->thread, task->thread);
}

/* owners_take() of owners_of_task(); a thread that asked lately costs a comparison. */
static inline int owners_take_task(struct owners *owners, const struct pt_task *task, bool kernel,
				   __u32 *number)
{
	__u32 recent = owners->recent[task->tid & (OWNERS_RECENT - 1)];
	struct owners_entry *entry = chain_at(&owners->chain, recent);
	struct pt_owner owner;

	if (entry && entry->users && owners_is_task(&entry->owner, task, kernel)) {
		entry->users++;
		*number = recent;
		return 0;
	}
	owner = owners_of_task(task, kernel);
	return owners_take(owners, &owner, number);
}

/* Nobody uses it any more. Out of line, since that is rare. */
void owners_forget(struct owners *owners, __u32 number);

/* One user less; of 0 there are none. */
static inline void owners_drop(struct owners *owners, __u32 number)
{
	struct owners_entry *entry = chain_at(&owners->chain, number);

	if (entry && !--entry->users)
		owners_forget(owners, number);
}

#endif /* PORTTRACE_LEDGER_OWNERS_H */
