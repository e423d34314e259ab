// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "user/cmd/past_ranges.h"

#define NETNS 4026531840U

static struct past_ranges ranges;

static int begin(void **state)
{
	(void)state;
	ranges = (struct past_ranges){ 0 };
	return 0;
}

static int end(void **state)
{
	(void)state;
	past_ranges_free(&ranges);
	return 0;
}

static void describe(const char *about)
{
	const struct reader_segment segment = { .about = about };

	assert_int_equal(past_ranges_begin(&ranges, &segment), 0);
}

static struct ledger_unit unit_of(__u8 proto, __u16 port)
{
	return (struct ledger_unit){
		.space = { .netns = NETNS, .netns_cookie = 1, .proto = proto },
		.port = port,
	};
}

static void hold(__u8 proto, __u16 port, bool time_wait)
{
	struct ledger_unit unit = unit_of(proto, port);

	unit.time_wait = time_wait;
	past_ranges_hold(&ranges, &unit);
}

#define ONE "{\"ranges\":[{\"netns\":4026531840,\"netns_cookie\":\"1\",\"low\":40000,\"high\":40009"

static void test_counts(void **state)
{
	(void)state;
	describe(ONE ",\"reserved\":0,\"name\":\"blue\"}]}");
	hold(IPPROTO_TCP, 40000, true);
	hold(IPPROTO_TCP, 40000, false); /* the same port, and not only in TIME_WAIT */
	hold(IPPROTO_TCP, 40009, true);
	hold(IPPROTO_TCP, 40009, true);
	hold(IPPROTO_UDP, 40009, false);
	hold(IPPROTO_TCP, 39999, false);
	hold(IPPROTO_TCP, 40010, false);
	assert_int_equal(past_ranges_end(&ranges, true), 0);
	assert_int_equal(ranges.count, 1);
	assert_string_equal(ranges.rows[0].name, "blue");
	assert_true(ranges.rows[0].whole);
	assert_int_equal(ranges.rows[0].tcp_held, 1);
	assert_int_equal(ranges.rows[0].tcp_time_wait, 1);
	assert_int_equal(ranges.rows[0].tcp_free, 8);
	assert_int_equal(ranges.rows[0].udp_held, 1);
	assert_int_equal(ranges.rows[0].udp_free, 9);
}

/* Which ones are reserved is not recorded. */
static void test_reserved(void **state)
{
	(void)state;
	describe(ONE ",\"reserved\":2}]}");
	hold(IPPROTO_TCP, 40001, false);
	assert_int_equal(past_ranges_end(&ranges, false), 0);
	assert_false(ranges.rows[0].whole);
	assert_int_equal(ranges.rows[0].reserved, 2);
	assert_int_equal(ranges.rows[0].tcp_held, 1);
	assert_true(ranges.rows[0].tcp_free == PT_UNKNOWN);
	assert_true(ranges.rows[0].udp_free == PT_UNKNOWN);
}

/* An inode number is used again; a namespace without a cookie is known by it all the same. */
static void test_namespaces(void **state)
{
	struct ledger_unit other = unit_of(IPPROTO_TCP, 40001);

	(void)state;
	describe("{\"ranges\":["
		 "{\"netns\":7,\"netns_cookie\":\"0\",\"low\":40000,\"high\":40009,\"reserved\":0},"
		 "{\"netns\":5,\"netns_cookie\":\"2\",\"low\":40000,\"high\":40009,\"reserved\":0},"
		 "{\"netns\":5,\"netns_cookie\":\"3\",\"low\":40000,\"high\":40009,\"reserved\":0}]"
		 "}");
	other.space.netns = 5;
	other.space.netns_cookie = 3;
	past_ranges_hold(&ranges, &other);
	other.space.netns_cookie = 4;
	past_ranges_hold(&ranges, &other);
	other.space.netns = 7;
	past_ranges_hold(&ranges, &other);
	hold(IPPROTO_TCP, 40001, false);
	assert_int_equal(past_ranges_end(&ranges, true), 0);
	assert_int_equal(ranges.count, 3);
	for (size_t i = 0; i < ranges.count; i++)
		assert_int_equal(ranges.rows[i].tcp_held, ranges.rows[i].cookie != 2);
}

/* A recording is anybody's bytes. */
static void test_garbage(void **state)
{
	static const char *const texts[] = {
		"", "[]", "{}", "{\"ranges\":7}", "{\"ranges\":[7,[],{},null]}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		describe(texts[i]);
	describe("{\"ranges\":[{\"netns\":4026531840,\"low\":40009,\"high\":40000},"
		 "{\"netns\":-1,\"low\":-5,\"high\":99999,\"reserved\":-3,\"netns_cookie\":\"x\"}]"
		 "}");
	hold(IPPROTO_TCP, 40001, false);
	assert_int_equal(past_ranges_end(&ranges, true), 0);
	for (size_t i = 0; i < ranges.count; i++)
		assert_false(ranges.rows[i].has_range);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counts, begin, end),
		cmocka_unit_test_setup_teardown(test_reserved, begin, end),
		cmocka_unit_test_setup_teardown(test_namespaces, begin, end),
		cmocka_unit_test_setup_teardown(test_garbage, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
