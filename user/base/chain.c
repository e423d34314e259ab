// SPDX-License-Identifier: BSD-2-Clause
#include "user/base/chain.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_SIZE 64

static __u32 *head_of(const struct chain *chain, __u32 hash)
{
	return &chain->heads[hash & (chain->size - 1)];
}

__u32 chain_find(const struct chain *chain, __u32 hash, chain_match match, const void *key)
{
	const struct chain_link *link;

	if (!chain->size)
		return 0;
	for (__u32 i = *head_of(chain, hash); (link = chain_at(chain, i)); i = link->next)
		if (link->hash == hash && match(link, key))
			return i;
	return 0;
}

static void put(struct chain *chain, __u32 number)
{
	struct chain_link *link = chain_at(chain, number);
	__u32 *head = head_of(chain, link->hash);

	link->next = *head;
	*head = number;
}

static int grow(struct chain *chain)
{
	struct chain old = *chain;
	__u32 size = old.size ? old.size * 2 : FIRST_SIZE;
	__u32 *heads = calloc(size, sizeof(*heads));

	if (!heads)
		return -ENOMEM;
	chain->heads = heads;
	chain->size = size;
	for (__u32 i = 0; i < old.size; i++)
		for (__u32 k = old.heads[i], next; k; k = next) {
			next = ((struct chain_link *)chain_at(chain, k))->next;
			put(chain, k);
		}
	free(old.heads);
	return 0;
}

__u32 chain_add(struct chain *chain, __u32 hash)
{
	__u32 number;

	if (chain->pool.live >= chain->size && grow(chain))
		return 0;
	number = pool_take(&chain->pool);
	if (!number)
		return 0;
	((struct chain_link *)chain_at(chain, number))->hash = hash;
	put(chain, number);
	return number;
}

void chain_remove(struct chain *chain, __u32 number)
{
	const struct chain_link *gone = chain_at(chain, number);
	__u32 *place = head_of(chain, gone->hash);

	while (*place != number)
		place = &((struct chain_link *)chain_at(chain, *place))->next;
	*place = gone->next;
	pool_give(&chain->pool, number);
}

void chain_free(struct chain *chain)
{
	pool_free(&chain->pool);
	free(chain->heads);
	chain->heads = NULL;
	chain->size = 0;
}
