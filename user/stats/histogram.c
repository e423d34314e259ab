// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/histogram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/event/event.h"

#define BUCKET_BITS 3

_Static_assert(HISTOGRAM_BUCKETS == 1 << BUCKET_BITS, "buckets of an octave");
_Static_assert(HISTOGRAM_OCTAVES == 64 - BUCKET_BITS + 1, "an octave for every value");

void histogram_free(struct histogram *histogram)
{
	free(histogram->counters);
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

/* Without an instruction for it gcc calls a function, which takes longer than this. */
static inline unsigned int bits_of(__u64 word)
{
	word -= word >> 1 & 0x5555555555555555ULL;
	word = (word & 0x3333333333333333ULL) + (word >> 2 & 0x3333333333333333ULL);
	word = (word + (word >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
	return (unsigned int)(word * 0x0101010101010101ULL >> 56);
}

/* How many pages there are before the octave's. */
static unsigned int place_of(const struct histogram *histogram, unsigned int octave)
{
	return bits_of(histogram->octaves & ((1ULL << octave) - 1));
}

static unsigned int pages_of(const struct histogram *histogram)
{
	return bits_of(histogram->octaves);
}

/* ---- counters ------------------------------------------------------------------ */

static __u64 get(const struct histogram *histogram, unsigned int number)
{
	switch (histogram->width) {
	case 0:
		return ((const __u8 *)histogram->counters)[number];
	case 1:
		return ((const __u16 *)histogram->counters)[number];
	case 2:
		return ((const __u32 *)histogram->counters)[number];
	default:
		return ((const __u64 *)histogram->counters)[number];
	}
}

/* One more. Returns false if the width has no room for it: then nothing changes. */
static bool increment(struct histogram *histogram, unsigned int number)
{
	switch (histogram->width) {
	case 0:
		return ((__u8 *)histogram->counters)[number] != 0xff &&
		       ++((__u8 *)histogram->counters)[number];
	case 1:
		return ((__u16 *)histogram->counters)[number] != 0xffff &&
		       ++((__u16 *)histogram->counters)[number];
	case 2:
		return ((__u32 *)histogram->counters)[number] != ~0U &&
		       ++((__u32 *)histogram->counters)[number];
	default:
		return ++((__u64 *)histogram->counters)[number];
	}
}

/* Of a value that the width has room for. */
static void set(struct histogram *histogram, unsigned int number, __u64 value)
{
	switch (histogram->width) {
	case 0:
		((__u8 *)histogram->counters)[number] = (__u8)value;
		break;
	case 1:
		((__u16 *)histogram->counters)[number] = (__u16)value;
		break;
	case 2:
		((__u32 *)histogram->counters)[number] = (__u32)value;
		break;
	default:
		((__u64 *)histogram->counters)[number] = value;
	}
}

static bool has_room(const struct histogram *histogram, __u64 value)
{
	return histogram->width == 3 || !(value >> (8U << histogram->width));
}

static int widen(struct histogram *histogram)
{
	unsigned int count = pages_of(histogram) * HISTOGRAM_BUCKETS;
	struct histogram wide = { .width = histogram->width + 1 };

	wide.counters = malloc((size_t)count << wide.width);
	if (!wide.counters)
		return -ENOMEM;
	for (unsigned int i = 0; i < count; i++)
		set(&wide, i, get(histogram, i));
	free(histogram->counters);
	histogram->counters = wide.counters;
	histogram->width = wide.width;
	return 0;
}

static int make_room(struct histogram *histogram, __u64 value)
{
	int err = 0;

	while (!err && !has_room(histogram, value))
		err = widen(histogram);
	return err;
}

static int add_octave(struct histogram *histogram, unsigned int octave)
{
	unsigned int pages = pages_of(histogram), place = place_of(histogram, octave);
	size_t size = (size_t)HISTOGRAM_BUCKETS << histogram->width;
	char *grown = realloc(histogram->counters, (pages + 1) * size);

	if (!grown)
		return -ENOMEM;
	histogram->counters = grown;
	grown += place * size;
	memmove(grown + size, grown, (pages - place) * size);
	memset(grown, 0, size);
	histogram->octaves |= 1ULL << octave;
	return 0;
}

/* ---- values -------------------------------------------------------------------- */

static unsigned int number_of(const struct histogram *histogram, unsigned int octave,
			      unsigned int bucket)
{
	return place_of(histogram, octave) * HISTOGRAM_BUCKETS + bucket;
}

int histogram_add(struct histogram *histogram, __u64 value)
{
	unsigned int octave = octave_of(value), number;
	int err = 0;

	if (!(histogram->octaves >> octave & 1))
		err = add_octave(histogram, octave);
	if (err)
		return err;
	number = number_of(histogram, octave, bucket_of(value, octave));
	while (!increment(histogram, number)) {
		err = widen(histogram);
		if (err)
			return err;
	}
	if (!histogram->count || value < histogram->min)
		histogram->min = value;
	if (!histogram->count || value > histogram->max)
		histogram->max = value;
	histogram->count++;
	histogram->sum += value;
	return 0;
}

/* Octaves and width for all that from has. */
static int make_room_for(struct histogram *to, const struct histogram *from)
{
	int err = 0;

	for (unsigned int octave = 0; octave < HISTOGRAM_OCTAVES && !err; octave++)
		if ((from->octaves & ~to->octaves) >> octave & 1)
			err = add_octave(to, octave);
	for (unsigned int octave = 0; octave < HISTOGRAM_OCTAVES && !err; octave++)
		for (unsigned int i = 0; i < HISTOGRAM_BUCKETS && !err; i++)
			if (from->octaves >> octave & 1)
				err = make_room(to, get(to, number_of(to, octave, i)) +
							    get(from, number_of(from, octave, i)));
	return err;
}

int histogram_merge(struct histogram *to, const struct histogram *from)
{
	int err;

	if (!from->count)
		return 0;
	/* all memory first, so that there is no half of it */
	err = make_room_for(to, from);
	if (err)
		return err;
	for (unsigned int octave = 0; octave < HISTOGRAM_OCTAVES; octave++) {
		for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
			unsigned int number = number_of(to, octave, i);

			if (from->octaves >> octave & 1)
				set(to, number,
				    get(to, number) + get(from, number_of(from, octave, i)));
		}
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
		bucket->count = get(histogram, number_of(histogram, octave, number));
		if (!bucket->count)
			continue;
		bucket->low = (__u64)(octave ? HISTOGRAM_BUCKETS + number : number) << shift;
		bucket->high = bucket->low + ((1ULL << shift) - 1);
		bucket->next++;
		return true;
	}
	return false;
}

void histogram_powers(const struct histogram *histogram, __u64 counts[HISTOGRAM_POWERS])
{
	struct histogram_bucket bucket = { 0 };

	memset(counts, 0, HISTOGRAM_POWERS * sizeof(*counts));
	while (histogram_next(histogram, &bucket))
		counts[bucket.low ? 63 - __builtin_clzll(bucket.low) : 0] += bucket.count;
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
