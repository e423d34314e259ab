// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/histogram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/event/event.h"

#define BUCKET_BITS 3
#define PAGE_SIZE sizeof(*((struct histogram *)NULL)->pages)

_Static_assert(HISTOGRAM_BUCKETS == 1 << BUCKET_BITS, "buckets of an octave");
_Static_assert(HISTOGRAM_OCTAVES == 64 - BUCKET_BITS + 1, "an octave for every value");

void histogram_free(struct histogram *histogram)
{
	free(histogram->pages);
	*histogram = (struct histogram){ 0 };
}

static unsigned int octave_of(__u64 value)
{
	return value < HISTOGRAM_BUCKETS ? 0 : 64 - BUCKET_BITS - __builtin_clzll(value);
}

static unsigned int bucket_of(__u64 value, unsigned int octave)
{
	return (octave ? value >> (octave - 1) : value) % HISTOGRAM_BUCKETS;
}

/* How many pages there are before the octave's. */
static unsigned int place_of(const struct histogram *histogram, unsigned int octave)
{
	return __builtin_popcountll(histogram->octaves & ((1ULL << octave) - 1));
}

static int add_octave(struct histogram *histogram, unsigned int octave)
{
	unsigned int pages = __builtin_popcountll(histogram->octaves);
	unsigned int place = place_of(histogram, octave);
	void *grown = realloc(histogram->pages, (pages + 1) * PAGE_SIZE);

	if (!grown)
		return -ENOMEM;
	histogram->pages = grown;
	memmove(histogram->pages[place + 1], histogram->pages[place], (pages - place) * PAGE_SIZE);
	memset(histogram->pages[place], 0, PAGE_SIZE);
	histogram->octaves |= 1ULL << octave;
	return 0;
}

int histogram_add(struct histogram *histogram, __u64 value)
{
	unsigned int octave = octave_of(value);

	if (!(histogram->octaves >> octave & 1)) {
		int err = add_octave(histogram, octave);

		if (err)
			return err;
	}
	histogram->pages[place_of(histogram, octave)][bucket_of(value, octave)]++;
	if (!histogram->count || value < histogram->min)
		histogram->min = value;
	if (!histogram->count || value > histogram->max)
		histogram->max = value;
	histogram->count++;
	histogram->sum += value;
	return 0;
}

int histogram_merge(struct histogram *to, const struct histogram *from)
{
	unsigned int octave, page = 0;

	if (!from->count)
		return 0;
	/* all memory first, so that there is no half of it */
	for (octave = 0; octave < HISTOGRAM_OCTAVES; octave++)
		if ((from->octaves & ~to->octaves) >> octave & 1 && add_octave(to, octave))
			return -ENOMEM;
	for (octave = 0; octave < HISTOGRAM_OCTAVES; octave++) {
		__u64 *counts;

		if (!(from->octaves >> octave & 1))
			continue;
		counts = to->pages[place_of(to, octave)];
		for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++)
			counts[i] += from->pages[page][i];
		page++;
	}
	if (!to->count || from->min < to->min)
		to->min = from->min;
	if (!to->count || from->max > to->max)
		to->max = from->max;
	to->count += from->count;
	to->sum += from->sum;
	return 0;
}

bool histogram_next(const struct histogram *histogram, struct histogram_bucket *bucket)
{
	for (; bucket->next < HISTOGRAM_OCTAVES * HISTOGRAM_BUCKETS; bucket->next++) {
		unsigned int octave = bucket->next / HISTOGRAM_BUCKETS;
		unsigned int number = bucket->next % HISTOGRAM_BUCKETS;
		unsigned int shift = octave ? octave - 1 : 0;

		if (!(histogram->octaves >> octave & 1)) {
			bucket->next |= HISTOGRAM_BUCKETS - 1;
			continue;
		}
		bucket->count = histogram->pages[place_of(histogram, octave)][number];
		if (!bucket->count)
			continue;
		bucket->low = (__u64)(octave ? HISTOGRAM_BUCKETS + number : number) << shift;
		bucket->high = bucket->low + ((1ULL << shift) - 1);
		bucket->next++;
		return true;
	}
	return false;
}

static __u64 middle_of(const struct histogram *histogram, const struct histogram_bucket *bucket)
{
	__u64 middle = bucket->low + (bucket->high - bucket->low) / 2;

	if (middle < histogram->min)
		return histogram->min;
	return middle > histogram->max ? histogram->max : middle;
}

__u64 histogram_quantile(const struct histogram *histogram, unsigned int permille)
{
	histogram_sum thousandths = (histogram_sum)histogram->count * permille;
	__u64 rank = (__u64)((thousandths + 999) / 1000);
	struct histogram_bucket bucket = { 0 };

	if (!histogram->count)
		return PT_UNKNOWN;
	if (rank <= 1)
		return histogram->min;
	if (rank >= histogram->count)
		return histogram->max;
	for (__u64 below = 0; histogram_next(histogram, &bucket); below += bucket.count)
		if (below + bucket.count >= rank)
			break;
	return middle_of(histogram, &bucket);
}
