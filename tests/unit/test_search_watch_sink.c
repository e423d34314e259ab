// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "tests/unit/capture.h"
#include "user/sink/search_watch.h"

#define SECOND 1000000000ULL

static void check(struct search_watch_sign sign, const char *wanted)
{
	struct out out;
	char *text;

	capture_begin(&out);
	search_watch_write_text(&out, &sign);
	text = capture_end(&out);
	assert_string_equal(text, wanted);
	free(text);
}

static const struct search_watch_sign slow = {
	.space = { .netns = 4026531840, .netns_cookie = 1, .proto = IPPROTO_TCP },
	.ts = 11 * SECOND,
	.since = 11 * SECOND,
	.median = 312000,
	.allocs = 1204,
};

static void test_slow(void **state)
{
	(void)state;
	check(slow, "searching for a port takes 312us (median of 1204 allocations in the "
		    "last second, tcp, netns 4026531840): a sign that free ones get scarce\n");
}

static void test_over(void **state)
{
	struct search_watch_sign sign = slow;

	(void)state;
	sign.over = true;
	sign.now = 100;
	sign.ts += 20 * SECOND;
	check(sign, "searching for a port is quick again after 20.0s (tcp, netns "
		    "4026531840); it took up to 312us (median of 1204 allocations in a second)\n");
}

/* Fewer are no measure: with the last port gone nobody searches for long. */
static void test_over_unseen(void **state)
{
	struct search_watch_sign sign = slow;

	(void)state;
	sign.over = true;
	sign.now = 99;
	check(sign,
	      "whether searching for a port is quick again cannot be told from 99 allocations "
	      "in the last second (tcp, netns 4026531840); it took up to 312us (median of "
	      "1204 allocations in a second)\n");
}

static void test_vrf(void **state)
{
	struct search_watch_sign sign = slow;

	(void)state;
	sign.space.vrf = 5;
	check(sign, "searching for a port takes 312us (median of 1204 allocations in the "
		    "last second, tcp, netns 4026531840, vrf 5): a sign that free ones get "
		    "scarce\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_over),
		cmocka_unit_test(test_over_unseen),
		cmocka_unit_test(test_vrf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
