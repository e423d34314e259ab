// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/stats/headroom_rate.h"

#define SEC 1000000000ULL
#define START (5000 * SEC + 300000000ULL)

/* From START on it grows by one each step, until there are count. Returns when that is. */
static __u64 grow(struct headroom_rate *rate, __u32 count, __u64 step)
{
	__u64 ts = START;

	headroom_rate_begin(rate, START, 0);
	for (__u32 value = 0; value < count; value++) {
		ts += step;
		headroom_rate_advance(rate, ts, value);
	}
	return ts;
}

static void assert_rate(const struct headroom_rate *rate, enum headroom_window window, __u64 ts,
			__u32 value, double expected)
{
	struct headroom_change change;
	double found;

	assert_true(headroom_rate_over(rate, window, ts, value, &change));
	found = (double)change.change * 1e9 / (double)change.ns;
	assert_true(found > expected * 0.95 && found < expected * 1.05);
	assert_true(change.ns <= headroom_window_ns(window));
}

static void test_even_growth(void **state)
{
	struct headroom_rate rate;
	__u64 ts = grow(&rate, 7000, SEC / 10); /* 700 s, ten a second */

	(void)state;
	for (int w = 0; w < HEADROOM_WINDOWS; w++)
		assert_rate(&rate, w, ts, 7000, 10);
}

/* Each window sees no further back than it is long. */
static void test_windows_differ(void **state)
{
	struct headroom_rate rate;
	__u64 ts = grow(&rate, 400, SEC / 10), end = ts + 40 * SEC; /* then nothing */
	struct headroom_change change;

	(void)state;
	headroom_rate_advance(&rate, end, 400);
	assert_true(headroom_rate_over(&rate, HEADROOM_10S, end, 400, &change));
	assert_int_equal(change.change, 0);
	/* 54 to 60 s of it */
	assert_true(headroom_rate_over(&rate, HEADROOM_60S, end, 400, &change));
	assert_in_range(change.change, 140, 200);
	assert_in_range(change.ns, 54 * SEC, 60 * SEC);
	assert_rate(&rate, HEADROOM_600S, end, 400, 5);
}

static void test_falls(void **state)
{
	struct headroom_rate rate;
	struct headroom_change change;

	(void)state;
	headroom_rate_begin(&rate, START, 100);
	headroom_rate_advance(&rate, START + 4 * SEC, 100);
	assert_true(headroom_rate_over(&rate, HEADROOM_10S, START + 4 * SEC, 60, &change));
	assert_int_equal(change.change, -40);
	assert_int_equal(change.ns, 2300000000ULL);
}

/* A slow beginning: in the first second one, then ten a second. */
static void test_beginning(void **state)
{
	struct headroom_rate rate;
	struct headroom_change change;
	__u64 ts = START + SEC;

	(void)state;
	headroom_rate_begin(&rate, START, 0);
	for (__u32 value = 1; value < 30; value++, ts += SEC / 10)
		headroom_rate_advance(&rate, ts, value);
	assert_rate(&rate, HEADROOM_10S, ts, 30, 10);
	/* too young to have a half */
	headroom_rate_begin(&rate, START, 0);
	headroom_rate_advance(&rate, START + SEC, 1);
	assert_true(headroom_rate_over(&rate, HEADROOM_10S, START + SEC, 1, &change));
	assert_int_equal(change.ns, SEC);
}

/* A tenth of a window has to be seen. */
static void test_too_early(void **state)
{
	struct headroom_rate rate;
	struct headroom_change change;

	(void)state;
	headroom_rate_begin(&rate, START, 0);
	assert_false(headroom_rate_over(&rate, HEADROOM_10S, START, 5, &change));
	assert_false(headroom_rate_over(&rate, HEADROOM_10S, START + SEC - 1, 5, &change));
	assert_true(headroom_rate_over(&rate, HEADROOM_10S, START + SEC, 5, &change));
	assert_false(headroom_rate_over(&rate, HEADROOM_60S, START + 5 * SEC, 5, &change));
	assert_false(headroom_rate_over(&rate, HEADROOM_600S, START + 59 * SEC, 5, &change));
	/* time that goes back a little */
	headroom_rate_advance(&rate, START - SEC, 5);
	assert_false(headroom_rate_over(&rate, HEADROOM_10S, START - 1, 5, &change));
}

/* Soon after the clock began, and after a long silence. */
static void test_edges(void **state)
{
	struct headroom_rate rate;
	struct headroom_change change;

	(void)state;
	headroom_rate_begin(&rate, 0, 0);
	headroom_rate_advance(&rate, 2 * SEC, 20);
	assert_true(headroom_rate_over(&rate, HEADROOM_60S, 6 * SEC, 20, &change));
	assert_int_equal(change.change, 20);
	headroom_rate_advance(&rate, 1000000 * SEC, 20);
	assert_true(headroom_rate_over(&rate, HEADROOM_600S, 1000000 * SEC, 21, &change));
	assert_int_equal(change.change, 1);
}

static void test_shift_is_no_change(void **state)
{
	struct headroom_rate rate;
	__u64 ts = grow(&rate, 300, SEC / 10);
	struct headroom_change change;

	(void)state;
	headroom_rate_shift(&rate, 1000);
	for (int w = 0; w < HEADROOM_600S; w++)
		assert_rate(&rate, w, ts, 1300, 10);
	headroom_rate_shift(&rate, -1000);
	assert_true(headroom_rate_over(&rate, HEADROOM_60S, ts, 300, &change));
	assert_int_equal(change.change, 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_even_growth),
		cmocka_unit_test(test_windows_differ),
		cmocka_unit_test(test_falls),
		cmocka_unit_test(test_beginning),
		cmocka_unit_test(test_too_early),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_shift_is_no_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
