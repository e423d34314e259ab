/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries of one size, known by number; number 0 is none. Memory grows by
 * chunks, so entries never move, and freed ones are used again first.
 */
#ifndef PORTTRACE_BASE_POOL_H
#define PORTTRACE_BASE_POOL_H

#include <linux/types.h>
#include <stddef.h>
#include <string.h>

#define POOL_CHUNK_BITS 10
#define POOL_CHUNK (1U << POOL_CHUNK_BITS)

/* Set entry_size (at least 4 bytes), zero the rest. Private to pool.{c,h}. */
struct pool {
	size_t entry_size;
	char **chunks;
	__u32 chunks_count;
	__u32 used; /* highest number given out so far */
	__u32 free; /* head of the list of freed entries */
	__u32 live;
};

static inline void *pool_at(const struct pool *pool, __u32 number)
{
	return pool->chunks[number >> POOL_CHUNK_BITS] +
	       (number & (POOL_CHUNK - 1)) * pool->entry_size;
}

/* A zeroed entry. Returns its number, or 0 if there is no memory. */
__u32 pool_take(struct pool *pool);

/* The same of one that was never given out. For pool_take_raw(). */
__u32 pool_take_fresh(struct pool *pool);

/* As pool_take(), but not zeroed: the caller writes all of it. */
static inline __u32 pool_take_raw(struct pool *pool)
{
	__u32 number = pool->free;

	if (!number)
		return pool_take_fresh(pool);
	memcpy(&pool->free, pool_at(pool, number), sizeof(pool->free));
	pool->live++;
	return number;
}

static inline void pool_give(struct pool *pool, __u32 number)
{
	memcpy(pool_at(pool, number), &pool->free, sizeof(pool->free));
	pool->free = number;
	pool->live--;
}

void pool_free(struct pool *pool);

#endif /* PORTTRACE_BASE_POOL_H */
