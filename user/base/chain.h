/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries that are found by a hash and can be taken out again: those of a pool, in
 * chains. An entry begins with struct chain_link, is known by number (0: none) and
 * never moves; its memory is used again for the next one.
 */
#ifndef PORTTRACE_BASE_CHAIN_H
#define PORTTRACE_BASE_CHAIN_H

#include <stdbool.h>

#include "user/base/pool.h"

struct chain_link {
	__u32 next; /* private */
	__u32 hash;
};

/* Set pool.entry_size, zero the rest: empty. Read pool.live and pool.used freely. */
struct chain {
	struct pool pool;
	__u32 *heads;
	__u32 size; /* a power of two */
};

/* Whether entry has the key. */
typedef bool (*chain_match)(const void *entry, const void *key);

static inline void *chain_at(const struct chain *chain, __u32 number)
{
	return number ? pool_at(&chain->pool, number) : NULL;
}

/* Returns the entry's number, or 0. */
__u32 chain_find(const struct chain *chain, __u32 hash, chain_match match, const void *key);

/* A new entry, zeroed but for its link. Returns its number, or 0 if there is no memory. */
__u32 chain_add(struct chain *chain, __u32 hash);

void chain_remove(struct chain *chain, __u32 number);

void chain_free(struct chain *chain);

#endif /* PORTTRACE_BASE_CHAIN_H */
