// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>

#include "user/stats/search.h"

#define LOW 40001
#define HIGH 40010

static struct search *search_of(enum keyed_by by)
{
	const struct search_options options = { .by = by, .until = ~0ULL };
	const struct fill_range range = { 1, 2, LOW, HIGH, .whole = true };
	struct search *search = search_new(&options);

	assert_non_null(search);
	assert_int_equal(fill_set_range(search->fill, &range), 0);
	return search;
}

static struct pt_event alloc(enum pt_via via, unsigned int port)
{
	return (struct pt_event){
		.type = PT_EV_ALLOC,
		.ts = 1000,
		.space = { .netns_cookie = 1, .netns = 2, .proto = IPPROTO_TCP },
		.port = (__u16)port,
		.rport = 443,
		.raddr = { [15] = 1 },
		.via = via,
		.owner = { .known = true, .pid = 7, .comm = "curl" },
		.search_ns = 100,
		.holders = 1,
	};
}

static struct pt_event refusal(enum pt_via via)
{
	struct pt_event ev = alloc(via, 0);

	ev.type = PT_EV_FAIL;
	ev.error = EADDRNOTAVAIL;
	ev.search_ns = 5000;
	ev.holders = PT_UNKNOWN;
	return ev;
}

static void take(struct search *search, struct pt_event ev)
{
	assert_int_equal(search_event(search, &ev, true), 0);
}

/* Where the program or the socket had a port nobody searched. */
static void test_what_is_a_search(void **state)
{
	static const bool searches[PT_VIAS] = {
		[PT_VIA_UNKNOWN] = true, [PT_VIA_CONNECT] = true,  [PT_VIA_BIND] = true,
		[PT_VIA_LISTEN] = true,	 [PT_VIA_AUTOBIND] = true,
	};
	struct search *search = search_of(KEYED_BY_PROTO);
	struct pt_event ev;
	__u64 allocs = 0;

	(void)state;
	for (int via = 0; via < PT_VIAS; via++) {
		ev = alloc((enum pt_via)via, LOW);
		assert_int_equal(search_is_of(&ev), searches[via]);
		take(search, ev);
		allocs += searches[via];
	}
	assert_int_equal(search->all.allocs, allocs);
	ev = refusal(PT_VIA_CONNECT);
	take(search, ev);
	ev.port = LOW; /* the 4-tuple was taken, or the named port */
	take(search, ev);
	ev.type = PT_EV_FREE;
	take(search, ev);
	assert_int_equal(search->all.fails, 1);
	assert_int_equal(search->all.allocs, allocs);
	assert_int_equal(search->keyed.count, 1);
	search_free(search);
}

/* Refusals and allocations are apart, and what is not known is counted and has no time. */
static void test_times(void **state)
{
	struct search *search = search_of(KEYED_BY_PROTO);
	struct pt_event ev = alloc(PT_VIA_CONNECT, LOW), refused = refusal(PT_VIA_CONNECT);
	const struct search_count *row;

	(void)state;
	take(search, ev);
	ev.search_ns = 0;
	take(search, ev);
	ev.search_ns = PT_UNKNOWN;
	take(search, ev);
	take(search, refused);
	refused.search_ns = PT_UNKNOWN;
	take(search, refused);
	refused.space.proto = IPPROTO_UDP;
	take(search, refused);
	row = &search_row(search, 0)->count;
	assert_int_equal(search->keyed.count, 2);
	assert_int_equal(row->allocs, 3);
	assert_int_equal(row->found.count, 2);
	assert_int_equal(histogram_quantile(&row->found, 0), 0);
	assert_int_equal(histogram_quantile(&row->found, 1000), 100);
	assert_int_equal(row->fails, 2);
	assert_int_equal(row->refused.count, 1);
	assert_int_equal(histogram_quantile(&row->refused, 500), 5000);
	assert_int_equal(search->all.fails, 3);
	assert_int_equal(search->all.allocs, 3);
	search_free(search);
}

static void check_half(struct pt_event ev, enum search_half half)
{
	struct search *search = search_of(KEYED_BY_PROTO);

	take(search, ev);
	for (int i = 0; i < SEARCH_HALVES; i++) {
		assert_int_equal(search->all.halves[i], i == (int)half);
		assert_int_equal(search->halves[i].count, i == (int)half);
	}
	search_free(search);
}

/* connect() tries ports as odd as the lowest first, bind(0) and listen() the others. */
static void test_halves(void **state)
{
	struct pt_event ev = alloc(PT_VIA_CONNECT, LOW);

	(void)state;
	check_half(alloc(PT_VIA_CONNECT, LOW), SEARCH_FIRST);
	check_half(alloc(PT_VIA_CONNECT, LOW + 1), SEARCH_SECOND);
	check_half(alloc(PT_VIA_CONNECT, HIGH - 1), SEARCH_FIRST);
	check_half(alloc(PT_VIA_CONNECT, HIGH), SEARCH_SECOND);
	check_half(alloc(PT_VIA_BIND, LOW), SEARCH_SECOND);
	check_half(alloc(PT_VIA_BIND, LOW + 1), SEARCH_FIRST);
	check_half(alloc(PT_VIA_LISTEN, HIGH), SEARCH_FIRST);
	check_half(alloc(PT_VIA_LISTEN, HIGH - 1), SEARCH_SECOND);
	check_half(alloc(PT_VIA_UNKNOWN, LOW), SEARCH_HALF_UNKNOWN);
	check_half(alloc(PT_VIA_CONNECT, LOW - 1), SEARCH_HALF_UNKNOWN);
	check_half(alloc(PT_VIA_CONNECT, HIGH + 1), SEARCH_HALF_UNKNOWN);
	ev.space.netns = 3;
	check_half(ev, SEARCH_HALF_UNKNOWN);
	ev = alloc(PT_VIA_AUTOBIND, LOW);
	ev.space.proto = IPPROTO_UDP;
	check_half(ev, SEARCH_NO_HALF);
	ev.via = PT_VIA_BIND;
	check_half(ev, SEARCH_NO_HALF);
}

static void test_a_range_of_one(void **state)
{
	const struct fill_range range = { 1, 2, LOW, LOW, .whole = true };
	struct search *search = search_of(KEYED_BY_PROTO);

	(void)state;
	assert_int_equal(fill_set_range(search->fill, &range), 0);
	take(search, alloc(PT_VIA_BIND, LOW));
	take(search, alloc(PT_VIA_CONNECT, LOW));
	assert_int_equal(search->all.halves[SEARCH_NO_HALF], 2);
	search_free(search);
}

static __u64 allocs_at(const struct search *search, enum fill_class fill)
{
	for (__u32 i = 0; i < search->keyed.count; i++)
		if (search_row(search, i)->key.fill == fill)
			return search_row(search, i)->count.allocs;
	return 0;
}

/* As the search met the range: the first port of ten was found where none was held. */
static void test_by_fill(void **state)
{
	struct search *search = search_of(KEYED_BY_FILL);
	struct pt_event lost = { .type = PT_EV_LOST, .ts = 1000, .lost_count = 1 };
	struct pt_event ev = alloc(PT_VIA_CONNECT, LOW + 4);

	(void)state;
	/* whoever they are, and though nobody wants them */
	for (unsigned int i = 0; i < 4; i++) {
		struct pt_event before = alloc(PT_VIA_FIXED, LOW + i);

		before.ts = i;
		assert_int_equal(search_event(search, &before, false), 0);
	}
	for (unsigned int i = 4; i < 10; i++)
		take(search, alloc(PT_VIA_CONNECT, LOW + i));
	take(search, refusal(PT_VIA_CONNECT));
	assert_int_equal(allocs_at(search, FILL_0), 1);	 /* met 4 */
	assert_int_equal(allocs_at(search, FILL_50), 3); /* 5, 6, 7 */
	assert_int_equal(allocs_at(search, FILL_80), 1);
	assert_int_equal(allocs_at(search, FILL_90), 1);
	assert_int_equal(search->keyed.count, 5);
	assert_int_equal(search_row(search, 4)->key.fill, FILL_99);
	assert_int_equal(search_row(search, 4)->count.fails, 1);
	take(search, lost);
	ev.holders = PT_UNKNOWN;
	take(search, ev);
	assert_int_equal(allocs_at(search, FILL_UNKNOWN), 1);
	search_free(search);
}

static void test_by_remote(void **state)
{
	struct search *search = search_of(KEYED_BY_REMOTE);
	struct pt_event ev = alloc(PT_VIA_CONNECT, LOW);

	(void)state;
	take(search, ev);
	ev.raddr[15] = 2;
	take(search, ev);
	take(search, ev);
	ev = alloc(PT_VIA_BIND, LOW);
	ev.rport = 0;
	take(search, ev);
	assert_int_equal(search->keyed.count, 3);
	assert_int_equal(search_row(search, 1)->key.raddr[15], 2);
	assert_int_equal(search_row(search, 1)->count.allocs, 2);
	assert_int_equal(search_row(search, 2)->key.rport, 0);
	search_free(search);
}

static void test_span(void **state)
{
	const struct search_options options = { .since = 1000, .until = 2000 };
	struct search *search = search_new(&options);
	struct pt_event ev = alloc(PT_VIA_CONNECT, LOW);
	struct pt_event lost = { .type = PT_EV_LOST, .ts = 999, .lost_count = 5 };

	(void)state;
	assert_non_null(search);
	take(search, lost);
	ev.ts = 999;
	take(search, ev);
	ev.ts = 2000;
	take(search, ev);
	assert_int_equal(search->all.allocs, 0);
	ev.ts = 1000;
	take(search, ev);
	assert_int_equal(search_event(search, &ev, false), 0);
	assert_int_equal(search->all.allocs, 1);
	assert_int_equal(search->lost, 0);
	lost.ts = 1500;
	take(search, lost);
	assert_int_equal(search->lost, 5);
	assert_false(search->lost_unknown);
	lost.lost_count = 0;
	take(search, lost);
	assert_true(search->lost_unknown);
	search_set_span(search, 1000, 900);
	assert_int_equal(search->end, 1000);
	search_free(search);
}

/* A million remotes: so many have rows, the others are summed up. */
static void test_bounded(void **state)
{
	struct search *search = search_of(KEYED_BY_REMOTE);
	struct pt_event ev = alloc(PT_VIA_CONNECT, LOW);
	__u64 allocs = 0;

	(void)state;
	for (__u32 i = 0; i < 1000000; i++) {
		memcpy(ev.raddr + 12, &i, sizeof(i));
		take(search, ev);
	}
	assert_int_equal(search->keyed.count, KEYED_ROWS_MAX);
	assert_true(search->keyed.has_others);
	for (__u32 i = 0; i < search->keyed.count; i++)
		allocs += search_row(search, i)->count.found.count;
	assert_int_equal(allocs + search->others.found.count, 1000000);
	assert_int_equal(search->all.allocs, 1000000);
	search_free(search);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_a_search),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_halves),
		cmocka_unit_test(test_a_range_of_one),
		cmocka_unit_test(test_by_fill),
		cmocka_unit_test(test_by_remote),
		cmocka_unit_test(test_span),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
