// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/stats/minutes.h"

static struct minute *enter(struct minutes *minutes, __u64 number, __u64 held)
{
	struct minute *minute = minutes_enter(minutes, number * MINUTE_NS + MINUTE_NS - 1, held);

	assert_non_null(minute);
	return minute;
}

static void test_held(void **state)
{
	struct minutes minutes = { 0 };

	(void)state;
	minute_hold(enter(&minutes, 7, 10), 12);
	minute_hold(enter(&minutes, 7, 12), 3);
	assert_int_equal(minutes.count, 1);
	assert_int_equal(minutes.rows[0].held_max, 12);
	assert_int_equal(minutes.rows[0].held_end, 3);
	enter(&minutes, 9, 3);
	assert_int_equal(minutes.count, 2);
	assert_int_equal(minutes.rows[1].number, 9);
	assert_int_equal(minutes.rows[1].held_max, 3);
	minutes_free(&minutes);
}

/* A clock that is set back, and forth again. */
static void test_order(void **state)
{
	static const __u64 numbers[] = { 50, 51, 49, 10, 51, 30, 50 };
	static const __u64 wanted[] = { 10, 30, 49, 50, 51 };
	struct minutes minutes = { 0 };

	(void)state;
	for (size_t i = 0; i < 7; i++)
		enter(&minutes, numbers[i], 0)->allocs++;
	assert_int_equal(minutes.count, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(minutes.rows[i].number, wanted[i]);
		assert_int_equal(minutes.rows[i].allocs, 1 + (wanted[i] >= 50));
	}
	minutes_free(&minutes);
}

static void test_worst(void **state)
{
	struct minutes minutes = { 0 };
	__u32 worst[5];

	(void)state;
	minutes_worst(&minutes, worst);
	enter(&minutes, 1, 5);
	enter(&minutes, 2, 9);
	enter(&minutes, 3, 1)->fails = 2;
	enter(&minutes, 4, 9);
	enter(&minutes, 5, 0)->fails = 8;
	minutes_worst(&minutes, worst);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(minutes.rows[worst[i]].number, ((int[]){ 5, 3, 2, 4, 1 })[i]);
	minutes_free(&minutes);
}

static void test_more_than_there_is_room_for(void **state)
{
	struct minutes minutes = { 0 };

	(void)state;
	for (__u64 i = 0; i < MINUTES_MAX; i++)
		enter(&minutes, i, 0);
	assert_false(minutes.has_others);
	enter(&minutes, MINUTES_MAX, 4)->fails++;
	enter(&minutes, MINUTES_MAX + 1, 3)->fails++;
	enter(&minutes, 5, 1)->fails++;
	assert_true(minutes.has_others);
	assert_int_equal(minutes.count, MINUTES_MAX);
	assert_int_equal(minutes.others.fails, 2);
	assert_int_equal(minutes.others.held_max, 4);
	assert_int_equal(minutes.rows[5].fails, 1);
	minutes_free(&minutes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_held),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_worst),
		cmocka_unit_test(test_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
