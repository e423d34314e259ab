// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "user/stats/search_watch.h"

#define US 1000ULL
#define MS 1000000ULL
#define SEC 1000000000ULL
#define SIGNS_MAX 128

static struct search_watch *watch;
static struct search_watch_sign signs[SIGNS_MAX];
static size_t count;

static void on_sign(void *data, const struct search_watch_sign *sign)
{
	(void)data;
	assert_true(count < SIGNS_MAX);
	signs[count++] = *sign;
}

static int begin(void **state)
{
	(void)state;
	count = 0;
	watch = search_watch_new(on_sign, NULL);
	assert_non_null(watch);
	return 0;
}

static int end(void **state)
{
	(void)state;
	search_watch_free(watch);
	return 0;
}

static struct pt_event event(__u64 ts, __u64 search_ns)
{
	return (struct pt_event){
		.type = PT_EV_ALLOC,
		.ts = ts,
		.space = { .netns_cookie = 1, .netns = 2, .proto = IPPROTO_TCP },
		.port = 40000,
		.via = PT_VIA_CONNECT,
		.search_ns = search_ns,
	};
}

static void tell(struct pt_event ev)
{
	assert_int_equal(search_watch_event(watch, &ev), 0);
}

/* So many, evenly over the time from `from` to `to`. */
static void take(__u64 from, __u64 to, unsigned int allocs, __u64 search_ns)
{
	for (unsigned int i = 0; i < allocs; i++)
		tell(event(from + (to - from) * i / allocs, search_ns));
}

static void tick(__u64 ts)
{
	assert_int_equal(search_watch_tick(watch, ts), 0);
}

static void test_slow(void **state)
{
	(void)state;
	take(10 * SEC, 11 * SEC, 1000, 312 * US);
	assert_int_equal(count, 1);
	assert_false(signs[0].over);
	assert_int_equal(signs[0].median, 312 * US);
	assert_int_equal(signs[0].allocs, 100); /* of the first tenth of a second */
	assert_int_equal(signs[0].ts, 10 * SEC + 100 * MS);
	assert_int_equal(signs[0].since, signs[0].ts);
	assert_int_equal(signs[0].space.netns, 2);
	assert_int_equal(signs[0].space.proto, IPPROTO_TCP);
}

/* "Passes": 100 us itself is not yet slow. */
static void test_mark(void **state)
{
	(void)state;
	take(1 * SEC, 5 * SEC, 4000, 100 * US);
	tick(6 * SEC);
	assert_int_equal(count, 0);
	take(6 * SEC, 7 * SEC, 1000, 100 * US + 1);
	tick(8 * SEC);
	assert_int_equal(count, 1);
}

/* A second that has 100 of them, not a second and a tenth. */
static void test_too_few(void **state)
{
	(void)state;
	take(1 * SEC, 11 * SEC, 990, 1 * MS);
	tick(12 * SEC);
	assert_int_equal(count, 0);
	take(20 * SEC, 21 * SEC, 100, 1 * MS);
	assert_int_equal(count, 0);
	tick(21 * SEC);
	assert_int_equal(count, 1);
	assert_int_equal(signs[0].allocs, 100);
	assert_int_equal(signs[0].ts, 21 * SEC);
}

/* Few slow ones among many are no sign: it is the median. */
static void test_median(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 1000; i++)
		tell(event(SEC + i * MS, i % 5 < 2 ? 10 * MS : 2 * US));
	tick(3 * SEC);
	assert_int_equal(count, 0);
	for (unsigned int i = 0; i < 1000; i++)
		tell(event(3 * SEC + i * MS, i % 5 < 3 ? 10 * MS : 2 * US));
	tick(5 * SEC);
	assert_int_equal(count, 1);
}

/* What is no search of the kernel's, or has no time, does not count; refusals do not. */
static void test_what_counts(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		struct pt_event ev = event(SEC + i * MS, 1 * MS);

		ev.via = PT_VIA_FIXED;
		tell(ev);
		ev.via = PT_VIA_SNAPSHOT;
		tell(ev);
		ev.via = PT_VIA_CONNECT;
		ev.search_ns = PT_UNKNOWN;
		tell(ev);
		ev.search_ns = 1 * MS;
		ev.type = PT_EV_FREE;
		tell(ev);
		ev.type = PT_EV_FAIL;
		ev.port = 0;
		tell(ev);
	}
	tick(3 * SEC);
	assert_int_equal(count, 0);
}

/* Once, while it goes on, though it rises; and its end with the worst there was. */
static void test_episode(void **state)
{
	(void)state;
	take(1 * SEC, 2 * SEC, 1000, 200 * US);
	take(2 * SEC, 3 * SEC, 500, 900 * US);
	take(3 * SEC, 6 * SEC, 3000, 20 * US); /* for three seconds it is not so */
	take(6 * SEC, 7 * SEC, 1000, 200 * US);
	assert_int_equal(count, 1);
	take(7 * SEC, 20 * SEC, 13000, 20 * US);
	assert_int_equal(count, 2);
	assert_true(signs[1].over);
	assert_int_equal(signs[1].median, 900 * US);
	assert_int_equal(signs[1].since, signs[0].ts);
	assert_true(signs[1].ts >= 12 * SEC && signs[1].ts <= 13 * SEC);
	assert_int_equal(signs[1].now, 1000);
	take(20 * SEC, 21 * SEC, 1000, 200 * US);
	assert_int_equal(count, 3);
	assert_false(signs[2].over);
	assert_int_equal(signs[2].median, 200 * US);
}

/* Silence ends it, too; and leaves no old second behind. */
static void test_silence(void **state)
{
	(void)state;
	take(1 * SEC, 2 * SEC, 1000, 200 * US);
	assert_int_equal(count, 1);
	tick(4 * SEC);
	assert_int_equal(count, 1);
	tick(60 * SEC);
	assert_int_equal(count, 2);
	assert_true(signs[1].over);
	assert_int_equal(signs[1].now, 0);
	tick(61 * SEC);
	take(61 * SEC, 61 * SEC + 50 * MS, 99, 200 * US);
	tick(70 * SEC);
	assert_int_equal(count, 2);
}

/* The ports are gone, and few are got: that does not make the search quick. */
static void test_few(void **state)
{
	(void)state;
	take(1 * SEC, 2 * SEC, 1000, 200 * US);
	take(2 * SEC, 10 * SEC, 8 * 50, 900 * US);
	assert_int_equal(count, 2);
	assert_true(signs[1].over);
	assert_int_equal(signs[1].now, 50);
}

/* Without ticks the next allocation tells. */
static void test_no_ticks(void **state)
{
	(void)state;
	take(1 * SEC, 2 * SEC, 1000, 200 * US);
	tell(event(1000 * SEC, 200 * US));
	assert_int_equal(count, 2);
	assert_true(signs[1].over);
}

/* Told after a tick that came from another clock: time does not go back. */
static void test_late(void **state)
{
	(void)state;
	take(1 * SEC, 2 * SEC, 500, 200 * US);
	tick(30 * SEC);
	assert_int_equal(count, 2);
	take(29 * SEC, 29 * SEC + 500 * MS, 200, 200 * US);
	assert_int_equal(count, 2);
	tick(31 * SEC);
	assert_int_equal(count, 3);
	assert_int_equal(signs[2].ts, 30 * SEC + 100 * MS);
	assert_int_equal(signs[2].allocs, 200);
}

static void test_spaces(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		struct pt_event ev = event(SEC + i * MS, 200 * US);

		tell(ev);
		ev.space.proto = IPPROTO_UDP;
		ev.search_ns = 1 * US;
		tell(ev);
		ev.space.proto = IPPROTO_TCP;
		ev.space.netns = 3;
		tell(ev);
	}
	tick(3 * SEC);
	assert_int_equal(count, 1);
	assert_int_equal(signs[0].space.netns, 2);
}

/* A host with very many namespaces: those that are told to be slow stay. */
static void test_bounded(void **state)
{
	struct pt_event ev;

	(void)state;
	take(1 * SEC, 2 * SEC, 1000, 200 * US);
	for (__u32 netns = 100; netns < 10000; netns++) {
		ev = event(2 * SEC + netns * US, 200 * US);
		ev.space.netns = netns;
		for (int i = 0; i < 3; i++)
			tell(ev);
	}
	tick(60 * SEC);
	assert_int_equal(count, 2);
	assert_true(signs[1].over);
	assert_int_equal(signs[1].space.netns, 2);
	/* as many as there is room for can be slow at once, one more is not seen */
	count = 0;
	for (unsigned int i = 0; i < 200; i++)
		for (__u32 netns = 0; netns <= SEARCH_WATCH_SPACES; netns++) {
			ev = event(100 * SEC + i * 5 * MS, 200 * US);
			ev.space.netns = 1000 + netns;
			tell(ev);
		}
	tick(101 * SEC);
	assert_in_range(count, 1, SEARCH_WATCH_SPACES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_slow),	TEST(test_mark),    TEST(test_too_few), TEST(test_median),
		TEST(test_what_counts), TEST(test_episode), TEST(test_silence), TEST(test_few),
		TEST(test_no_ticks),	TEST(test_late),    TEST(test_spaces),	TEST(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
