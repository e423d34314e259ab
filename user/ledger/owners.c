// SPDX-License-Identifier: BSD-2-Clause
#include "user/ledger/owners.h"

#include <errno.h>

#include "user/base/index.h"

void owners_init(struct owners *owners)
{
	*owners = (struct owners){ .chain.pool.entry_size = sizeof(struct owners_entry) };
}

void owners_free(struct owners *owners)
{
	chain_free(&owners->chain);
	owners_init(owners);
}

struct pt_owner owners_of_task(const struct pt_task *task, bool kernel)
{
	struct pt_owner owner = {
		.known = true,
		.kernel = kernel,
		.pid = task->pid,
		.tid = task->tid,
		.uid = task->uid,
		.start = task->start,
		.cgroup = task->cgroup,
	};

	memcpy(owner.comm, task->comm, PT_COMM_LEN - 1);
	memcpy(owner.thread, task->thread, PT_COMM_LEN - 1);
	return owner;
}

/* Names too: a process calls itself anew, a thread of the same number is another's. */
static bool owner_is(const void *entry, const void *key)
{
	const struct pt_owner *a = &((const struct owners_entry *)entry)->owner, *b = key;

	return a->pid == b->pid && a->tid == b->tid && a->uid == b->uid && a->start == b->start &&
	       a->cgroup == b->cgroup && a->kernel == b->kernel &&
	       !memcmp(a->comm, b->comm, sizeof(a->comm)) &&
	       !memcmp(a->thread, b->thread, sizeof(a->thread));
}

static __u32 owner_hash(const struct pt_owner *owner)
{
	__u64 words[7] = { owner->pid | (__u64)owner->tid << 32, owner->start,
			   owner->cgroup ^ (__u64)owner->uid << 32 };
	__u32 hash = owner->kernel;

	memcpy(words + 3, owner->comm, sizeof(owner->comm));
	memcpy(words + 5, owner->thread, sizeof(owner->thread));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		hash = index_hash(words[i] ^ hash);
	return hash;
}

int owners_take(struct owners *owners, const struct pt_owner *owner, __u32 *number)
{
	struct owners_entry *entry;
	__u32 hash;

	*number = 0;
	if (!owner->known)
		return 0;
	hash = owner_hash(owner);
	*number = chain_find(&owners->chain, hash, owner_is, owner);
	if (!*number)
		*number = chain_add(&owners->chain, hash);
	entry = chain_at(&owners->chain, *number);
	if (!entry)
		return -ENOMEM;
	if (!entry->users++)
		entry->owner = *owner;
	owners->recent[owner->tid & (OWNERS_RECENT - 1)] = *number;
	return 0;
}

void owners_forget(struct owners *owners, __u32 number)
{
	chain_remove(&owners->chain, number);
}
