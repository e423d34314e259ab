// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/capture.h"
#include "user/sink/spread.h"

static struct histogram histogram;

static int drop(void **state)
{
	(void)state;
	histogram_free(&histogram);
	return 0;
}

static void add(__u64 value, int times)
{
	while (times--)
		assert_int_equal(histogram_add(&histogram, value), 0);
}

static void check(struct out *out, const char *wanted)
{
	char *text = capture_end(out);

	assert_string_equal(text, wanted);
	free(text);
}

/* The ends, and what lies between though nothing is there; one of many has a star. */
static void test_text(void **state)
{
	struct out out;

	(void)state;
	add(0, 1);
	add(9, 100);
	capture_begin(&out);
	spread_write_text(&out, &histogram);
	check(&out, "FROM    TO  COUNT  DISTRIBUTION\n"
		    " 0ns   1ns      1  |*                                       |\n"
		    " 2ns   3ns      0  |                                        |\n"
		    " 4ns   7ns      0  |                                        |\n"
		    " 8ns  15ns    100  |****************************************|\n");
}

static void test_quantiles(void **state)
{
	struct out out;

	(void)state;
	add(1024, 98);
	add(5000, 2);
	capture_begin(&out);
	spread_write_quantiles(&out, &histogram);
	check(&out, "P50 1.09us, P90 1.09us, P99 4.86us, LONGEST 5.00us");
}

static void json(const char *wanted)
{
	struct out out;
	struct json_writer writer = { .out = &out };

	capture_begin(&out);
	spread_json_quantiles(&writer, "x_ns", &histogram);
	spread_json_buckets(&writer, "x", &histogram);
	check(&out, wanted);
}

static void test_json(void **state)
{
	(void)state;
	add(3, 2);
	add(8, 1);
	json(",\"x_ns_p50\":3,\"x_ns_p90\":8,\"x_ns_p99\":8,\"x_ns_max\":8,\"x\":["
	     "{\"from_ns\":2,\"to_ns\":3,\"count\":2},{\"from_ns\":4,\"to_ns\":7,\"count\":0},"
	     "{\"from_ns\":8,\"to_ns\":15,\"count\":1}]");
}

static void test_of_none(void **state)
{
	struct out out;

	(void)state;
	capture_begin(&out);
	spread_write_text(&out, &histogram);
	spread_write_quantiles(&out, &histogram);
	check(&out, "");
	json(",\"x_ns_p50\":null,\"x_ns_p90\":null,\"x_ns_p99\":null,\"x_ns_max\":null,\"x\":[]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_text, drop),
		cmocka_unit_test_teardown(test_quantiles, drop),
		cmocka_unit_test_teardown(test_json, drop),
		cmocka_unit_test_teardown(test_of_none, drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
