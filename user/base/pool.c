// SPDX-License-Identifier: BSD-2-Clause
#include "user/base/pool.h"

#include <stdlib.h>
#include <string.h>

static int add_chunk(struct pool *pool)
{
	char **chunks = realloc(pool->chunks, (pool->chunks_count + 1) * sizeof(*chunks));

	if (!chunks)
		return -1;
	pool->chunks = chunks;
	chunks[pool->chunks_count] = malloc(POOL_CHUNK * pool->entry_size);
	if (!chunks[pool->chunks_count])
		return -1;
	pool->chunks_count++;
	return 0;
}

__u32 pool_take(struct pool *pool)
{
	__u32 number = pool->free;

	if (number) {
		memcpy(&pool->free, pool_at(pool, number), sizeof(pool->free));
	} else {
		if ((pool->used + 1) >> POOL_CHUNK_BITS >= pool->chunks_count && add_chunk(pool))
			return 0;
		number = ++pool->used;
	}
	pool->live++;
	memset(pool_at(pool, number), 0, pool->entry_size);
	return number;
}

void pool_give(struct pool *pool, __u32 number)
{
	memcpy(pool_at(pool, number), &pool->free, sizeof(pool->free));
	pool->free = number;
	pool->live--;
}

void pool_free(struct pool *pool)
{
	for (__u32 i = 0; i < pool->chunks_count; i++)
		free(pool->chunks[i]);
	free(pool->chunks);
	*pool = (struct pool){ .entry_size = pool->entry_size };
}
