// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "user/stats/fill.h"

#define LOW 40000
#define HIGH 40099

static struct fill *fill;

static const struct pt_space tcp = { .netns_cookie = 1, .netns = 2, .proto = IPPROTO_TCP };

static void set_range(struct fill_range range)
{
	assert_int_equal(fill_set_range(fill, &range), 0);
}

static struct fill_range range_of_tcp(void)
{
	return (struct fill_range){ 1, 2, LOW, HIGH, .whole = true };
}

static int begin(void **state)
{
	(void)state;
	fill = fill_new();
	assert_non_null(fill);
	set_range(range_of_tcp());
	return 0;
}

static int end(void **state)
{
	(void)state;
	fill_free(fill);
	return 0;
}

static void tell(enum pt_event_type type, unsigned int port, __u64 holders)
{
	const struct pt_event ev = {
		.type = type, .space = tcp, .port = (__u16)port, .holders = holders
	};

	assert_int_equal(fill_event(fill, &ev), 0);
}

static void take(unsigned int from, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		tell(PT_EV_ALLOC, from + i, 1);
}

static void give(unsigned int from, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		tell(PT_EV_FREE, from + i, 0);
}

static void check(enum fill_class class)
{
	assert_int_equal(fill_of(fill, &tcp), class);
}

/* Each class begins with its first per cent. */
static void test_classes(void **state)
{
	static const unsigned int first[] = { 0, 50, 80, 90, 95, 99 };

	(void)state;
	for (int class = FILL_0; class < FILL_UNKNOWN; class ++) {
		assert_non_null(fill_class_name((enum fill_class) class));
		if (class > FILL_0) {
			take(LOW + first[class - 1], first[class] - 1 - first[class - 1]);
			check((enum fill_class)(class - 1));
			take(LOW + first[class] - 1, 1);
		}
		check((enum fill_class) class);
	}
	/* 99 of 100 are held by now */
	take(HIGH, 1);
	check(FILL_99);
	give(LOW, 51);
	check(FILL_0);
	assert_null(fill_class_name(FILL_UNKNOWN));
}

/* A port that several hold is one, and one out of the range none. */
static void test_holds(void **state)
{
	(void)state;
	take(LOW, 49);
	take(LOW, 49);
	take(HIGH + 1, 100);
	take(1, 1000);
	check(FILL_0);
	take(HIGH, 1);
	check(FILL_50);
	give(HIGH, 1);
	give(LOW, 49);
	check(FILL_0);
	take(HIGH, 1);
	check(FILL_50);
}

/* TIME_WAIT holds, a refusal does not. */
static void test_other_events(void **state)
{
	(void)state;
	take(LOW, 50);
	tell(PT_EV_TIME_WAIT, LOW, 1);
	tell(PT_EV_FAIL, 0, PT_UNKNOWN);
	check(FILL_50);
}

/* Whoever is in other spaces. */
static void test_spaces(void **state)
{
	struct pt_space udp = tcp, vrf = tcp, other = tcp, again = tcp;

	(void)state;
	take(LOW, 50);
	udp.proto = IPPROTO_UDP;
	assert_int_equal(fill_of(fill, &udp), FILL_0);
	vrf.vrf = 7;
	assert_int_equal(fill_of(fill, &vrf), FILL_0);
	vrf.vrf = PT_VRF_UNKNOWN;
	assert_int_equal(fill_of(fill, &vrf), FILL_UNKNOWN);
	other.netns = 3;
	assert_int_equal(fill_of(fill, &other), FILL_UNKNOWN);
	again.netns_cookie = 9; /* the inode number was used again */
	assert_int_equal(fill_of(fill, &again), FILL_UNKNOWN);
	check(FILL_50);
}

/* Before 5.14 a namespace has no cookie. */
static void test_no_cookie(void **state)
{
	struct fill_range range = range_of_tcp();
	struct pt_space space = { .netns_cookie = 77, .netns = 9, .proto = IPPROTO_TCP };
	__u16 low, high;

	(void)state;
	assert_false(fill_range_of(fill, &space, &low, &high));
	range.cookie = 0;
	range.inode = 9;
	set_range(range);
	assert_true(fill_range_of(fill, &space, &low, &high));
	assert_int_equal(low, LOW);
	assert_int_equal(high, HIGH);
	assert_int_equal(fill_of(fill, &space), FILL_0);
}

static void test_reserved(void **state)
{
	struct fill_range range = range_of_tcp();
	struct port_set set = { 0 };

	(void)state;
	for (unsigned int port = LOW; port < LOW + 90; port++)
		port_set_add(&set, (__u16)port);
	range.reserved_count = 90;
	range.reserved = &set;
	set_range(range);
	take(LOW, 94);
	check(FILL_0); /* 4 of 10 */
	take(LOW + 94, 1);
	check(FILL_50);
	range.reserved = NULL; /* which ones is not known */
	set_range(range);
	check(FILL_UNKNOWN);
	range.reserved_count = 0;
	set_range(range);
	check(FILL_95);
}

static void test_range_changes(void **state)
{
	struct fill_range range = range_of_tcp();

	(void)state;
	take(LOW, 50);
	check(FILL_50);
	range.high = LOW + 54;
	set_range(range);
	check(FILL_90);
	range.high = HIGH;
	range.whole = false;
	set_range(range);
	check(FILL_UNKNOWN);
}

/* Told late: what was counted before counts. */
static void test_range_comes_late(void **state)
{
	struct pt_space space = { .netns_cookie = 5, .netns = 6, .proto = IPPROTO_UDP };
	struct fill_range range = { 5, 6, LOW, LOW + 1, .whole = true };
	struct pt_event ev = { .type = PT_EV_ALLOC, .space = space, .port = LOW, .holders = 1 };

	(void)state;
	assert_int_equal(fill_event(fill, &ev), 0);
	assert_int_equal(fill_of(fill, &space), FILL_UNKNOWN);
	set_range(range);
	assert_int_equal(fill_of(fill, &space), FILL_50);
}

/* Until the ledger is put right, which ends what went unseen. */
static void test_loss(void **state)
{
	(void)state;
	take(LOW, 60);
	tell(PT_EV_LOST, 0, PT_UNKNOWN);
	check(FILL_UNKNOWN);
	tell(PT_EV_ALLOC, HIGH, PT_UNKNOWN);
	tell(PT_EV_FAIL, 0, 0);
	check(FILL_UNKNOWN);
	for (unsigned int i = 0; i < 20; i++)
		tell(PT_EV_FREE, LOW + i, PT_UNKNOWN);
	check(FILL_UNKNOWN);
	tell(PT_EV_ALLOC, HIGH - 1, 1);
	check(FILL_0); /* 42 */
	take(LOW, 8);
	check(FILL_50);
}

static void test_restart(void **state)
{
	const struct ledger_port port = { .space = tcp, .port = LOW, .holders = 3 };

	(void)state;
	take(LOW, 99);
	fill_restart(fill, true);
	check(FILL_0);
	take(LOW + 1, 49);
	assert_int_equal(fill_hold(fill, &port), 0);
	check(FILL_50);
	give(LOW, 1);
	give(LOW, 1);
	check(FILL_50);
	give(LOW, 1);
	check(FILL_0);
	give(LOW, 1); /* of nobody */
	take(LOW, 1);
	check(FILL_50);
	fill_restart(fill, false);
	check(FILL_UNKNOWN);
}

static void test_bounded(void **state)
{
	struct pt_event ev = { .type = PT_EV_ALLOC, .space = tcp, .port = LOW, .holders = 1 };
	struct fill_range range = range_of_tcp();

	(void)state;
	for (__u32 i = 0; i < FILL_MAX + 10; i++) {
		range.inode = ev.space.netns = 1000 + i;
		range.cookie = ev.space.netns_cookie = 1000 + i;
		set_range(range);
		assert_int_equal(fill_event(fill, &ev), 0);
	}
	assert_int_equal(fill_of(fill, &ev.space), FILL_UNKNOWN);
	check(FILL_UNKNOWN); /* the spaces are many as well */
	ev.space.netns = 1000;
	ev.space.netns_cookie = 1000;
	assert_int_equal(fill_of(fill, &ev.space), FILL_0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_classes),	     TEST(test_holds),	   TEST(test_other_events),
		TEST(test_spaces),	     TEST(test_no_cookie), TEST(test_reserved),
		TEST(test_range_changes),    TEST(test_loss),	   TEST(test_restart),
		TEST(test_range_comes_late), TEST(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
