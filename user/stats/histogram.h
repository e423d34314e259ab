/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How values of 64 bits are spread, in little memory: eight buckets for each
 * power of two, of which only the powers that occur have memory: 8 bytes each, until
 * a bucket has more than 255.
 *
 * Count, sum, least and greatest are exact. Every other value is told by the
 * middle of its bucket, so it is off by at most 1/16 (6.25 %); below 16, and
 * where all are equal, it is exact.
 */
#ifndef PORTTRACE_STATS_HISTOGRAM_H
#define PORTTRACE_STATS_HISTOGRAM_H

#include <linux/types.h>
#include <stdbool.h>

/* Eight buckets each. The first octave has 0 to 7, all others one power of two. */
#define HISTOGRAM_OCTAVES 62
#define HISTOGRAM_BUCKETS 8

/* A week of 28,000 ports held is more ns than 64 bits have. */
typedef unsigned __int128 histogram_sum;

/* Zeroed: empty. Read count and sum freely, the rest is private to histogram.{c,h}. */
struct histogram {
	__u64 count;
	__u64 octaves : HISTOGRAM_OCTAVES; /* bit n: octave n has a page */
	__u64 width : 2;		   /* a counter has 1 << width bytes */
	histogram_sum sum;
	__u64 min, max; /* without meaning while count is 0 */
	void *counters; /* a page of HISTOGRAM_BUCKETS an octave, in their order */
};

void histogram_free(struct histogram *histogram);

/* Returns 0 or -ENOMEM (the value is then not counted). */
int histogram_add(struct histogram *histogram, __u64 value);

/* Adds all that from has. Returns 0 or -ENOMEM (*to is then as it was). */
int histogram_merge(struct histogram *to, const struct histogram *from);

/*
 * The least value that permille of 1000 do not exceed: 500 is the median, 0 the
 * least, 1000 the greatest. Never outside of what was added.
 * PT_UNKNOWN if nothing was.
 */
__u64 histogram_quantile(const struct histogram *histogram, unsigned int permille);

struct histogram_bucket {
	__u64 low, high;   /* both within; no bucket lies across a power of two */
	__u64 count;	   /* not 0 */
	unsigned int next; /* private */
};

/*
 * The bucket behind *bucket, which is zeroed for the first one, in ascending order.
 * Returns false if there is none.
 */
bool histogram_next(const struct histogram *histogram, struct histogram_bucket *bucket);

/*
 * Coarser: how many values lie within each power of two, from 2^n to 2^(n+1) - 1 in
 * counts[n]; 0 is in counts[0], with 1. Exact.
 */
#define HISTOGRAM_POWERS 64
void histogram_powers(const struct histogram *histogram, __u64 counts[HISTOGRAM_POWERS]);

#endif /* PORTTRACE_STATS_HISTOGRAM_H */
