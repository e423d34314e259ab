// SPDX-License-Identifier: BSD-2-Clause
#include "user/base/pool.h"

#include <stdlib.h>

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

__u32 pool_take_fresh(struct pool *pool)
{
	if ((pool->used + 1) >> POOL_CHUNK_BITS >= pool->chunks_count && add_chunk(pool))
		return 0;
	pool->live++;
	return ++pool->used;
}

__u32 pool_take(struct pool *pool)
{
	__u32 number = pool_take_raw(pool);

	if (number)
		memset(pool_at(pool, number), 0, pool->entry_size);
	return number;
}

void pool_free(struct pool *pool)
{
	for (__u32 i = 0; i < pool->chunks_count; i++)
		free(pool->chunks[i]);
	free(pool->chunks);
	*pool = (struct pool){ .entry_size = pool->entry_size };
}
