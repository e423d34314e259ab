// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/recording/clock.h"

#define MS 1000000ULL

struct fake {
	__u64 boot, wall;
	unsigned int slow; /* readings that are interrupted */
};

static __u64 boottime(void *data)
{
	struct fake *fake = data;

	/* between two readings time passes, much of it if one is interrupted */
	if (fake->slow) {
		fake->slow--;
		fake->boot += 50 * MS;
		fake->wall += 50 * MS;
	}
	return fake->boot;
}

static __u64 realtime(void *data)
{
	return ((struct fake *)data)->wall;
}

static void test_jitter_is_no_step(void **state)
{
	struct fake fake = { 1000 * MS, 9000 * MS, 0 };
	struct clock clock = { boottime, realtime, &fake, 0 };

	(void)state;
	assert_int_equal(clock_offset(&clock), 8000 * MS);
	fake.wall += MS - 1;
	assert_int_equal(clock_offset(&clock), 8000 * MS);
	fake.wall -= 2 * MS - 2;
	assert_int_equal(clock_offset(&clock), 8000 * MS);
	fake.wall -= 1;
	assert_int_equal(clock_offset(&clock), 7999 * MS);
	/* before the boot */
	fake.wall = 0;
	assert_true(clock_offset(&clock) == -(1000 * MS));
}

/* A measurement that was interrupted is made again. */
static void test_interrupted(void **state)
{
	struct fake fake = { 1000 * MS, 9000 * MS, 4 };
	struct clock clock = { boottime, realtime, &fake, 0 };

	(void)state;
	assert_int_equal(clock_offset(&clock), 8000 * MS);
}

static void test_the_host(void **state)
{
	struct clock clock = { 0 };
	__u64 before = clock_boottime(&clock);

	(void)state;
	assert_true(before > 0);
	assert_true(clock_boottime(&clock) >= before);
	/* later than 2020 */
	assert_true(clock_offset(&clock) + before > 1577836800000 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jitter_is_no_step),
		cmocka_unit_test(test_interrupted),
		cmocka_unit_test(test_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
