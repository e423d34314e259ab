/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What repeats in a block, each once, numbered in the order of first use. Entries
 * are up to DICTIONARY_WORDS of 8 bytes, aligned, padding zeroed.
 *
 * In the columns of ids, a number is told by how far back it is: 0 is the first use
 * of the next number, n the number that began n ago. So a server that forks for each
 * connection costs nothing but its dictionary.
 */
#ifndef PORTTRACE_RECORDING_DICTIONARY_H
#define PORTTRACE_RECORDING_DICTIONARY_H

#include <linux/types.h>
#include <stdbool.h>
#include <string.h>

#include "user/base/index.h"
#include "user/recording/format.h"

#define DICTIONARY_WORDS 8
#define DICTIONARY_SLOTS (2 * FORMAT_ROWS_MAX)

#define DICTIONARY_RECENT_BITS 10

struct dictionary {
	__u32 count;
	__u64 seed; /* of the hash; what goes into a file is the same for all */
	/* By hint: the number that came with it last, perhaps in a block before. */
	__u16 recent[1 << DICTIONARY_RECENT_BITS];
	__u16 slots[DICTIONARY_SLOTS]; /* number + 1; 0: free */
	__u16 slot_of[FORMAT_ROWS_MAX];
	__u64 entries[FORMAT_ROWS_MAX * DICTIONARY_WORDS];
};

/* Slot by slot, since most blocks have few entries: a quiet host writes one each second. */
static inline void dictionary_clear(struct dictionary *dictionary)
{
	for (__u32 i = 0; i < dictionary->count; i++)
		dictionary->slots[dictionary->slot_of[i]] = 0;
	dictionary->count = 0;
}

/* words is a constant where this is called, here and below: so the loops unroll. */
static inline __attribute__((always_inline)) __u32 dictionary_slot(__u64 seed, const void *key,
								   unsigned int words)
{
	__u64 hash = seed, word;

	for (unsigned int i = 0; i < words; i++) {
		memcpy(&word, (const char *)key + i * sizeof(word), sizeof(word));
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 32;
	}
	return hash & (DICTIONARY_SLOTS - 1);
}

static inline __attribute__((always_inline)) bool dictionary_is(const struct dictionary *dictionary,
								__u32 number, const void *key,
								unsigned int words)
{
	return !memcmp(&dictionary->entries[number * words], key, words * sizeof(__u64));
}

static inline __attribute__((always_inline)) __u32
dictionary_search(struct dictionary *dictionary, const void *key, unsigned int words)
{
	__u32 slot = dictionary_slot(dictionary->seed, key, words);

	for (; dictionary->slots[slot]; slot = (slot + 1) & (DICTIONARY_SLOTS - 1)) {
		__u32 number = dictionary->slots[slot] - 1U;

		if (dictionary_is(dictionary, number, key, words))
			return number;
	}
	memcpy(&dictionary->entries[dictionary->count * words], key, words * sizeof(__u64));
	dictionary->slot_of[dictionary->count] = (__u16)slot;
	dictionary->slots[slot] = (__u16)(dictionary->count + 1);
	return dictionary->count++;
}

/*
 * The number of key, which is words long; a new one if it is not there yet: then
 * count was that before. The caller sees to it that no more than FORMAT_ROWS_MAX are put.
 * hint: what of key mostly tells it from others; a key that came lately costs a comparison.
 */
static inline __attribute__((always_inline)) __u32
dictionary_put(struct dictionary *dictionary, const void *key, unsigned int words, __u64 hint)
{
	__u16 *recent = &dictionary->recent[index_hash_bits(hint, DICTIONARY_RECENT_BITS)];

	if (*recent >= dictionary->count || !dictionary_is(dictionary, *recent, key, words))
		*recent = (__u16)dictionary_search(dictionary, key, words);
	return *recent;
}

#endif /* PORTTRACE_RECORDING_DICTIONARY_H */
