// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/event/event.h"
#include "user/stats/histogram.h"

#define MANY 5000

static __u64 seed = 1;

static __u64 random_u64(void)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return seed ^ seed >> 33;
}

/* Of every magnitude alike. */
static __u64 random_value(void)
{
	return random_u64() >> random_u64() % 64;
}

static void add(struct histogram *histogram, __u64 value)
{
	assert_int_equal(histogram_add(histogram, value), 0);
}

static int by_value(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

/* At most 1/16 off, and never outside of what there is. */
static void check_quantile(const struct histogram *histogram, const __u64 *sorted, size_t count,
			   unsigned int permille)
{
	size_t rank = (count * permille + 999) / 1000;
	__u64 wanted = sorted[rank ? rank - 1 : 0];
	__u64 got = histogram_quantile(histogram, permille);
	__u64 off = got > wanted ? got - wanted : wanted - got;

	assert_true(off <= wanted / 16);
	assert_in_range(got, sorted[0], sorted[count - 1]);
}

static void test_empty(void **state)
{
	struct histogram histogram = { 0 };
	struct histogram_bucket bucket = { 0 };

	(void)state;
	assert_int_equal(histogram_quantile(&histogram, 500), PT_UNKNOWN);
	assert_false(histogram_next(&histogram, &bucket));
	histogram_free(&histogram);
}

static void test_ends(void **state)
{
	struct histogram histogram = { 0 };

	(void)state;
	add(&histogram, 1000003);
	assert_int_equal(histogram_quantile(&histogram, 500), 1000003);
	add(&histogram, ~0ULL);
	add(&histogram, 0);
	assert_int_equal(histogram_quantile(&histogram, 0), 0);
	assert_int_equal(histogram_quantile(&histogram, 1000), ~0ULL);
	assert_int_equal(histogram.count, 3);
	assert_true(histogram.sum == (histogram_sum)1000003 + ~0ULL);
	histogram_free(&histogram);
}

static void test_small_values_are_exact(void **state)
{
	struct histogram histogram = { 0 };

	(void)state;
	for (__u64 value = 1; value <= 15; value++)
		add(&histogram, value);
	for (unsigned int i = 1; i <= 15; i++)
		assert_int_equal(histogram_quantile(&histogram, i * 1000 / 15), i);
	histogram_free(&histogram);
}

/* Every value lies in the bucket that has it, next to the one before. */
static void test_buckets(void **state)
{
	__u64 expected = 0;

	(void)state;
	for (unsigned int i = 0; i < HISTOGRAM_OCTAVES * HISTOGRAM_BUCKETS; i++) {
		struct histogram histogram = { 0 };
		struct histogram_bucket low = { 0 }, high = { 0 };

		add(&histogram, expected);
		assert_true(histogram_next(&histogram, &low));
		assert_int_equal(low.low, expected);
		assert_int_equal(low.count, 1);
		add(&histogram, low.high);
		assert_true(histogram_next(&histogram, &high));
		assert_int_equal(high.low, expected);
		assert_int_equal(high.count, 2);
		assert_false(histogram_next(&histogram, &high));
		/* the power of two below both */
		assert_true(low.low < 8 || __builtin_clzll(low.low) == __builtin_clzll(low.high));
		expected = low.high + 1;
		histogram_free(&histogram);
	}
	assert_int_equal(expected, 0); /* all 64 bits */
}

static void test_random(void **state)
{
	static __u64 values[MANY];

	(void)state;
	for (size_t count = 1; count <= MANY; count += 1 + count / 2) {
		struct histogram histogram = { 0 };

		for (size_t i = 0; i < count; i++) {
			values[i] = random_value();
			add(&histogram, values[i]);
		}
		qsort(values, count, sizeof(*values), by_value);
		for (unsigned int permille = 0; permille <= 1000; permille++)
			check_quantile(&histogram, values, count, permille);
		assert_int_equal(histogram_quantile(&histogram, 0), values[0]);
		assert_int_equal(histogram_quantile(&histogram, 1000), values[count - 1]);
		histogram_free(&histogram);
	}
}

static void check_equal(const struct histogram *a, const struct histogram *b)
{
	struct histogram_bucket of_a = { 0 }, of_b = { 0 };

	assert_int_equal(a->count, b->count);
	assert_true(a->sum == b->sum);
	while (histogram_next(a, &of_a)) {
		assert_true(histogram_next(b, &of_b));
		assert_memory_equal(&of_a, &of_b, sizeof(of_a));
	}
	assert_false(histogram_next(b, &of_b));
	for (unsigned int permille = 0; permille <= 1000; permille += 10)
		assert_int_equal(histogram_quantile(a, permille), histogram_quantile(b, permille));
}

static void test_merge(void **state)
{
	struct histogram parts[3] = { 0 }, all = { 0 }, merged = { 0 };

	(void)state;
	for (size_t i = 0; i < MANY; i++) {
		__u64 value = random_value();

		/* the last part is empty */
		add(&parts[i % 2], value);
		add(&all, value);
	}
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(histogram_merge(&merged, &parts[i]), 0);
	check_equal(&merged, &all);
	for (size_t i = 0; i < 3; i++)
		histogram_free(&parts[i]);
	histogram_free(&all);
	histogram_free(&merged);
}

/* Counters grow as they need to, and a merge may need more than both had. */
static void test_counters_grow(void **state)
{
	struct histogram one = { 0 }, both = { 0 };
	struct histogram_bucket bucket = { 0 };
	__u64 powers[HISTOGRAM_POWERS];

	(void)state;
	for (int i = 0; i < 200; i++)
		assert_int_equal(histogram_add(&one, 5), 0);
	assert_int_equal(histogram_add(&one, 1000), 0);
	for (__u64 count = 200; count < 1ULL << 34; count *= 2) {
		assert_int_equal(histogram_merge(&both, &one), 0);
		assert_int_equal(histogram_merge(&one, &both), 0);
		histogram_free(&both);
	}
	assert_true(histogram_next(&one, &bucket));
	assert_int_equal(bucket.low, 5);
	assert_int_equal(bucket.count, one.count / 201 * 200);
	assert_true(histogram_next(&one, &bucket));
	assert_int_equal(bucket.count, one.count / 201);
	assert_true(one.count > 1ULL << 34);
	histogram_powers(&one, powers);
	assert_int_equal(powers[2], one.count / 201 * 200);
	assert_int_equal(powers[9], one.count / 201);
	for (int i = 0; i < 70000; i++)
		assert_int_equal(histogram_add(&both, 7), 0);
	bucket = (struct histogram_bucket){ 0 };
	assert_true(histogram_next(&both, &bucket));
	assert_int_equal(bucket.count, 70000);
	histogram_free(&one);
	histogram_free(&both);
}

static void check_powers(const struct histogram *histogram, const __u64 *values, size_t count)
{
	__u64 wanted[HISTOGRAM_POWERS] = { 0 }, got[HISTOGRAM_POWERS];

	for (size_t i = 0; i < count; i++) {
		unsigned int power = 0;

		while (values[i] >> power > 1)
			power++;
		wanted[power]++;
	}
	memset(got, 0xff, sizeof(got));
	histogram_powers(histogram, got);
	assert_memory_equal(got, wanted, sizeof(wanted));
}

static void test_powers(void **state)
{
	static __u64 values[MANY + 130];
	struct histogram histogram = { 0 };
	size_t count = 0;

	(void)state;
	check_powers(&histogram, values, 0);
	for (unsigned int power = 0; power < HISTOGRAM_POWERS; power++) {
		values[count++] = 1ULL << power;
		values[count++] = (1ULL << power) - 1;
	}
	values[count++] = ~0ULL;
	while (count < MANY)
		values[count++] = random_value();
	for (size_t i = 0; i < count; i++)
		add(&histogram, values[i]);
	check_powers(&histogram, values, count);
	histogram_free(&histogram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_small_values_are_exact),
		cmocka_unit_test(test_buckets),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_merge),
		cmocka_unit_test(test_counters_grow),
		cmocka_unit_test(test_powers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
