// SPDX-License-Identifier: BSD-2-Clause
#include "user/base/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 64

__u32 index_find(const struct index *index, __u32 hash, index_match match, const void *entries,
		 const void *key)
{
	if (!index->size)
		return INDEX_NONE;
	for (__u32 i = hash & (index->size - 1);; i = (i + 1) & (index->size - 1)) {
		const struct index_slot *slot = &index->slots[i];

		if (slot->entry == INDEX_NONE)
			return INDEX_NONE;
		if (slot->hash == hash && match(entries, slot->entry, key))
			return slot->entry;
	}
}

static void insert(struct index_slot *slots, __u32 size, struct index_slot slot)
{
	__u32 i = slot.hash & (size - 1);

	while (slots[i].entry != INDEX_NONE)
		i = (i + 1) & (size - 1);
	slots[i] = slot;
}

static int grow(struct index *index)
{
	__u32 size = index->size ? index->size * 2 : FIRST_SIZE;
	struct index_slot *slots = malloc(size * sizeof(*slots));

	if (!slots)
		return -ENOMEM;
	memset(slots, 0xff, size * sizeof(*slots)); /* INDEX_NONE */
	for (__u32 i = 0; i < index->size; i++)
		if (index->slots[i].entry != INDEX_NONE)
			insert(slots, size, index->slots[i]);
	free(index->slots);
	index->slots = slots;
	index->size = size;
	return 0;
}

int index_add(struct index *index, __u32 hash, __u32 entry)
{
	/* at most two thirds full */
	if (index->count >= index->size / 3 * 2) {
		int err = grow(index);

		if (err)
			return err;
	}
	insert(index->slots, index->size, (struct index_slot){ hash, entry });
	index->count++;
	return 0;
}

void index_free(struct index *index)
{
	free(index->slots);
	*index = (struct index){ 0 };
}
