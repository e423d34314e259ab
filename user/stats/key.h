/* SPDX-License-Identifier: BSD-2-Clause */
/* What makes two events those of one port, namespace or process: hashes for base/index.h. */
#ifndef PORTTRACE_STATS_KEY_H
#define PORTTRACE_STATS_KEY_H

#include <string.h>

#include "user/base/compare.h"
#include "user/base/index.h"
#include "user/event/event.h"

/* /proc tells a process's start in ticks, the BPF side in ns. */
#define KEY_START_TICK 10000000ULL

static inline __u32 key_port_hash(const struct pt_space *space, __u16 port)
{
	return index_hash(space->netns_cookie ^ (__u64)space->netns << 32 ^
			  (__u64)space->vrf << 24 ^ space->proto << 16 ^ port);
}

static inline bool key_space_is_equal(const struct pt_space *a, const struct pt_space *b)
{
	return a->vrf == b->vrf && pt_space_is_same(a, b);
}

/* One network namespace, whatever the protocol. */
static inline __u32 key_netns_hash(const struct pt_space *space)
{
	return index_hash(space->netns_cookie ^ (__u64)space->netns << 32);
}

static inline bool key_netns_is_equal(const struct pt_space *a, const struct pt_space *b)
{
	return a->netns_cookie == b->netns_cookie && a->netns == b->netns;
}

/* Whatever the address, no remote (rport 0) is one. */
static inline __u32 key_remote_hash(const __u8 raddr[16], __u16 rport)
{
	__u64 words[2];

	if (!rport)
		return 0;
	memcpy(words, raddr, sizeof(words));
	return index_hash(words[0] ^ index_hash(words[1]) ^ (__u64)rport << 48);
}

static inline bool key_remote_is_equal(const __u8 a[16], __u16 a_port, const __u8 b[16],
				       __u16 b_port)
{
	return a_port == b_port && (!a_port || compare_is_same16(a, b));
}

/* All processes that are not known are one. */
static inline __u32 key_process_hash(const struct pt_owner *owner)
{
	if (!owner->known)
		return 0;
	return index_hash(owner->start / KEY_START_TICK ^ (__u64)owner->pid << 32);
}

/* A pid is used again; with its start it is one process. */
static inline bool key_process_is_equal(const struct pt_owner *a, const struct pt_owner *b)
{
	if (!a->known || !b->known)
		return a->known == b->known;
	return a->pid == b->pid && a->start / KEY_START_TICK == b->start / KEY_START_TICK;
}

#endif /* PORTTRACE_STATS_KEY_H */
