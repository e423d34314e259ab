/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a key's hash to the number of its entry in an array of the caller's,
 * which grows and never shrinks. Open addressing; the hash is kept beside the
 * number, so that comparing keys is rare.
 */
#ifndef PORTTRACE_BASE_INDEX_H
#define PORTTRACE_BASE_INDEX_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define INDEX_NONE (~0U)

struct index_slot {
	__u32 hash;
	__u32 entry; /* INDEX_NONE: free */
};

/* Zeroed: empty. Private to index.{c,h}. */
struct index {
	struct index_slot *slots;
	__u32 size; /* a power of two */
	__u32 count;
};

/* Whether entry has the key. */
typedef bool (*index_match)(const void *entries, __u32 entry, const void *key);

/* Returns the entry's number, or INDEX_NONE. */
__u32 index_find(const struct index *index, __u32 hash, index_match match, const void *entries,
		 const void *key);

/* The key must not be there yet. Returns 0 or -ENOMEM. */
int index_add(struct index *index, __u32 hash, __u32 entry);

void index_free(struct index *index);

/* A hash of 64 bits that spreads keys that differ in few of them. */
static inline __u32 index_hash(__u64 key)
{
	/* the finalizer of splitmix64 */
	key = (key ^ key >> 30) * 0xbf58476d1ce4e5b9ULL;
	key = (key ^ key >> 27) * 0x94d049bb133111ebULL;
	return (__u32)(key ^ key >> 31);
}

/* One of so many bits by one multiplication, for what may collide: keys in a row do not. */
static inline __u32 index_hash_bits(__u64 key, unsigned int bits)
{
	/* 2^64 by the golden ratio */
	return (__u32)(key * 0x9e3779b97f4a7c15ULL >> (64 - bits));
}

/* index_hash() of a text, FNV-1a's first; NULL is like an empty one. */
static inline __u32 index_hash_text(const char *text)
{
	__u64 hash = 0xcbf29ce484222325ULL;

	for (; text && *text; text++)
		hash = (hash ^ (__u8)*text) * 0x100000001b3ULL;
	return index_hash(hash);
}

#endif /* PORTTRACE_BASE_INDEX_H */
