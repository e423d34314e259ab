// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "tests/unit/curl.h"
#include "user/stats/tuples.h"

#define MANY (3 * TUPLES_MAX)

static int begin(void **state)
{
	struct tuples *tuples = calloc(1, sizeof(*tuples));

	assert_int_equal(tuples_init(tuples), 0);
	*state = tuples;
	return 0;
}

static int end(void **state)
{
	tuples_free(*state);
	free(*state);
	return 0;
}

static struct pt_event ended(__u64 after)
{
	struct pt_event ev = curl_event(PT_EV_FREE, after);

	ev.end = PT_END_CLOSE;
	return ev;
}

static void check_new(struct tuples *tuples, const struct pt_event *ev)
{
	__u64 ns;

	assert_false(tuples_begin(tuples, ev, &ns));
}

static void check_again(struct tuples *tuples, const struct pt_event *ev, __u64 wanted)
{
	__u64 ns = 1;

	assert_true(tuples_begin(tuples, ev, &ns));
	assert_int_equal(ns, wanted);
}

static void test_again(void **state)
{
	struct tuples *tuples = *state;
	struct pt_event alloc = curl_event(PT_EV_ALLOC, 500), first = ended(100);
	struct pt_event second = ended(200);

	check_new(tuples, &alloc);
	tuples_end(tuples, &first);
	check_again(tuples, &alloc, 400);
	check_new(tuples, &alloc); /* it is in use */
	tuples_end(tuples, &first);
	tuples_end(tuples, &second); /* the end that counts is the last one */
	check_again(tuples, &alloc, 300);
	check_new(tuples, &alloc);
	tuples_end(tuples, &first);
	tuples_clear(tuples);
	check_new(tuples, &alloc);
	assert_int_equal(tuples->forgotten, 0);
}

/* Every member of the key counts. */
static void test_another_tuple(void **state)
{
	struct tuples *tuples = *state;
	struct pt_event alloc = curl_event(PT_EV_ALLOC, 500), others[8], free = ended(100);

	for (size_t i = 0; i < 8; i++)
		others[i] = alloc;
	others[0].port++;
	others[1].rport++;
	others[2].laddr[15]++;
	others[3].raddr[0]++;
	others[4].space.proto = IPPROTO_UDP;
	others[5].space.netns++;
	others[6].space.netns_cookie++;
	others[7].space.vrf++;
	tuples_end(tuples, &free);
	for (size_t i = 0; i < 8; i++)
		check_new(tuples, &others[i]);
	check_again(tuples, &alloc, 400);
}

static void test_without_a_remote(void **state)
{
	struct tuples *tuples = *state;
	struct pt_event alloc = curl_event(PT_EV_ALLOC, 500), free = ended(100);

	alloc.rport = free.rport = 0;
	tuples_end(tuples, &free);
	check_new(tuples, &alloc);
}

static void test_what_is_not_known(void **state)
{
	struct tuples *tuples = *state;
	struct pt_event alloc = curl_event(PT_EV_ALLOC, 500), free = ended(100);

	tuples_end(tuples, &free);
	tuples_lose(tuples);
	check_again(tuples, &alloc, PT_UNKNOWN);
	tuples_end(tuples, &free); /* after the loss */
	check_again(tuples, &alloc, 400);
	free.end = PT_END_UNKNOWN;
	tuples_end(tuples, &free);
	check_again(tuples, &alloc, PT_UNKNOWN);
}

static struct pt_event numbered(struct pt_event ev, __u32 number)
{
	memcpy(ev.raddr + 12, &number, sizeof(number));
	return ev;
}

/* More than there is room for: the newest stay, and who is missing is counted. */
static void test_bounded(void **state)
{
	struct tuples *tuples = *state;
	__u32 known = 0, newest = 0;

	for (__u32 i = 0; i < MANY; i++) {
		struct pt_event free = numbered(ended(i), i);

		tuples_end(tuples, &free);
	}
	for (__u32 i = 0; i < MANY; i++) {
		struct pt_event alloc = numbered(curl_event(PT_EV_ALLOC, MANY), i);
		__u64 ns = 0;

		if (!tuples_begin(tuples, &alloc, &ns))
			continue;
		assert_int_equal(ns, MANY - i);
		known++;
		newest += i >= MANY - TUPLES_MAX / 4;
	}
	assert_int_equal(known + tuples->forgotten, MANY);
	assert_true(known > TUPLES_MAX * 9 / 10);
	assert_true(newest > TUPLES_MAX / 4 * 99 / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_again, begin, end),
		cmocka_unit_test_setup_teardown(test_another_tuple, begin, end),
		cmocka_unit_test_setup_teardown(test_without_a_remote, begin, end),
		cmocka_unit_test_setup_teardown(test_what_is_not_known, begin, end),
		cmocka_unit_test_setup_teardown(test_bounded, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
