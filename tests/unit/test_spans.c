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
#include <sys/socket.h>

#include "user/sink/spans.h"

#define OFFSET 1700000000000000000ULL
#define MS 1000000ULL
#define S 1000000000ULL

/* What was handed over, in order. */
static struct span done[64];
static unsigned int done_count;
static int answer;

static int take(void *data, const struct span *span)
{
	(void)data;
	assert_true(done_count < 64);
	done[done_count++] = *span;
	return answer;
}

static struct spans *begin(void)
{
	done_count = 0;
	answer = 0;
	return spans_new(take, NULL);
}

static struct pt_event event_of(enum pt_event_type type, __u64 ts, __u64 sock)
{
	return (struct pt_event){
		.type = type,
		.ts = ts,
		.realtime_offset = OFFSET,
		.space = { .netns = 7, .netns_cookie = 1, .proto = IPPROTO_TCP },
		.family = AF_INET,
		.port = 60609,
		.sock = sock,
		.owner = { .pid = 42, .tid = 42, .known = true },
		.via = PT_VIA_CONNECT,
		.search_ns = PT_UNKNOWN,
		.holders = PT_UNKNOWN,
		.reuse_ns = PT_UNKNOWN,
		.blockers_total = PT_UNKNOWN,
		.open_ns = PT_UNKNOWN,
		.held_ns = PT_UNKNOWN,
	};
}

static struct pt_event free_of(__u64 ts, __u64 sock, __u64 held)
{
	struct pt_event ev = event_of(PT_EV_FREE, ts, sock);

	ev.held_ns = held;
	ev.open_ns = held;
	ev.end = PT_END_CLOSE;
	return ev;
}

static void put(struct spans *spans, struct pt_event ev)
{
	assert_int_equal(spans_event(spans, &ev), 0);
}

static void finish(struct spans *spans, unsigned int left)
{
	unsigned int before = done_count;

	assert_int_equal(spans_finish(spans, PT_END_NONE), 0);
	assert_int_equal(done_count - before, left);
	spans_free(spans);
}

static void test_whole_hold(void **state)
{
	struct spans *spans = begin();
	struct pt_event ev = event_of(PT_EV_ALLOC, 10 * S, 5);

	(void)state;
	ev.search_ns = 77;
	ev.reuse = PT_REUSE_CLEAN;
	ev.reuse_ns = 88;
	ev.prev_known = true;
	ev.prev_pid = 3;
	put(spans, ev);
	ev = event_of(PT_EV_TIME_WAIT, 11 * S, 5);
	ev.open_ns = S;
	ev.rport = 443;
	put(spans, ev);
	ev = free_of(71 * S, 5, 61 * S);
	ev.open_ns = S;
	ev.end = PT_END_EXPIRED;
	ev.rport = 443;
	ev.realtime_offset = OFFSET + S; /* somebody set the clock */
	put(spans, ev);
	assert_int_equal(done_count, 1);
	assert_int_equal(done[0].begin, OFFSET + 10 * S);
	assert_int_equal(done[0].closed, OFFSET + 11 * S);
	assert_int_equal(done[0].end, OFFSET + 72 * S);
	assert_int_equal(done[0].ev.end, PT_END_EXPIRED);
	assert_int_equal(done[0].ev.held_ns, 61 * S);
	assert_int_equal(done[0].ev.open_ns, S);
	assert_int_equal(done[0].ev.rport, 443);
	assert_int_equal(done[0].ev.search_ns, 77);
	assert_int_equal(done[0].ev.reuse, PT_REUSE_CLEAN);
	assert_int_equal(done[0].ev.reuse_ns, 88);
	assert_int_equal(done[0].ev.prev_pid, 3);
	finish(spans, 0);
}

static void test_from_before(void **state)
{
	struct spans *spans = begin();
	struct pt_event ev;

	(void)state;
	/* its age is known, so is its beginning */
	put(spans, free_of(100 * S, 5, 99 * S));
	assert_int_equal(done[0].begin, OFFSET + S);
	assert_int_equal(done[0].ev.reuse, PT_REUSE_NONE);
	/* from its TIME_WAIT on */
	ev = event_of(PT_EV_TIME_WAIT, 101 * S, 6);
	ev.open_ns = S;
	put(spans, ev);
	put(spans, free_of(102 * S, 6, 2 * S));
	assert_int_equal(done_count, 2);
	assert_int_equal(done[1].begin, OFFSET + 100 * S);
	assert_int_equal(done[1].closed, OFFSET + 101 * S);
	/* found by a dump */
	ev = event_of(PT_EV_ALLOC, 103 * S, 7);
	ev.via = PT_VIA_SNAPSHOT;
	put(spans, ev);
	ev = free_of(104 * S, 7, PT_UNKNOWN);
	ev.via = PT_VIA_SNAPSHOT;
	put(spans, ev);
	assert_int_equal(done_count, 3);
	assert_int_equal(done[2].begin, PT_UNKNOWN);
	assert_int_equal(done[2].end, OFFSET + 104 * S);
	finish(spans, 0);
}

/* An allocation told late has no time of its own; an end found later takes none away. */
static void test_what_is_not_known(void **state)
{
	struct spans *spans = begin();
	struct pt_event ev;

	(void)state;
	for (__u64 sock = 0; sock < 2; sock++) {
		put(spans, event_of(PT_EV_ALLOC, 10 * S, sock));
		put(spans, free_of(11 * S, sock, PT_UNKNOWN));
		assert_int_equal(done[2 * sock].begin, PT_UNKNOWN);
		put(spans, event_of(PT_EV_ALLOC, 12 * S, sock));
		ev = free_of(13 * S, sock, PT_UNKNOWN);
		ev.end = PT_END_UNKNOWN;
		put(spans, ev);
		assert_int_equal(done[2 * sock + 1].begin, OFFSET + 12 * S);
		assert_int_equal(done_count, 2 * sock + 2);
	}
	finish(spans, 0);
}

/* The same cookie and number in other spaces are other holds. */
static void test_spaces(void **state)
{
	struct spans *spans = begin();
	struct pt_event ev[5];

	(void)state;
	for (unsigned int i = 0; i < 5; i++)
		ev[i] = event_of(PT_EV_ALLOC, (10 + i) * S, 5);
	ev[1].space.proto = IPPROTO_UDP;
	ev[2].space.vrf = 3;
	ev[3].space.netns_cookie = 2;
	ev[4].port = 60610;
	for (unsigned int i = 0; i < 5; i++)
		put(spans, ev[i]);
	for (unsigned int i = 0; i < 5; i++) {
		__u64 began = ev[i].ts;

		ev[i].type = PT_EV_FREE;
		ev[i].ts = 20 * S;
		ev[i].held_ns = 20 * S - began;
		put(spans, ev[i]);
		assert_int_equal(done[i].begin, OFFSET + began);
	}
	finish(spans, 0);
}

/* A socket that left a TIME_WAIT behind and got the same port again. */
static void test_twice_the_same_cookie(void **state)
{
	struct spans *spans = begin();

	(void)state;
	put(spans, event_of(PT_EV_ALLOC, 10 * S, 5));
	put(spans, event_of(PT_EV_ALLOC, 12 * S, 5));
	put(spans, free_of(13 * S, 5, S));
	assert_int_equal(done[0].begin, OFFSET + 12 * S);
	put(spans, free_of(70 * S, 5, 60 * S));
	assert_int_equal(done[1].begin, OFFSET + 10 * S);
	finish(spans, 0);
}

/* 5.10: two holds of one thread on one port, told apart by age, then by addresses. */
static void test_without_cookies(void **state)
{
	struct spans *spans = begin();
	struct pt_event ev, other;

	(void)state;
	put(spans, event_of(PT_EV_ALLOC, 10 * S, 0));
	put(spans, event_of(PT_EV_ALLOC, 10 * S + 50 * MS, 0));
	put(spans, free_of(11 * S, 0, S));
	assert_int_equal(done[0].begin, OFFSET + 10 * S);
	/* another owner, another way, another age: not this one */
	ev = free_of(12 * S, 0, 2 * S - 50 * MS);
	ev.owner.pid = 43;
	put(spans, ev);
	ev = free_of(12 * S, 0, 2 * S - 50 * MS);
	ev.via = PT_VIA_FIXED;
	put(spans, ev);
	put(spans, free_of(12 * S, 0, 11 * S));
	assert_int_equal(done_count, 4);
	put(spans, free_of(12 * S, 0, 2 * S - 50 * MS));
	assert_int_equal(done[4].begin, OFFSET + 10 * S + 50 * MS);
	/* no age: addresses */
	ev = event_of(PT_EV_ALLOC, 20 * S, 0);
	ev.via = PT_VIA_SNAPSHOT;
	ev.rport = 443;
	other = ev;
	other.rport = 80;
	put(spans, ev);
	put(spans, other);
	ev.type = PT_EV_FREE;
	ev.end = PT_END_CLOSE;
	put(spans, ev);
	assert_int_equal(done[5].ev.rport, 443);
	assert_int_equal(spans_finish(spans, PT_END_NONE), 0);
	assert_int_equal(done_count, 7);
	assert_int_equal(done[6].ev.rport, 80);
	spans_free(spans);
}

static void test_not_ended(void **state)
{
	struct spans *spans = begin();
	struct pt_event ev = event_of(PT_EV_TIME_WAIT, 12 * S, 5);

	(void)state;
	put(spans, event_of(PT_EV_ALLOC, 10 * S, 5));
	ev.open_ns = 2 * S;
	put(spans, ev);
	assert_int_equal(spans_finish(spans, PT_END_UNKNOWN), 0);
	assert_int_equal(done[0].ev.end, PT_END_UNKNOWN);
	assert_int_equal(done[0].end, PT_UNKNOWN);
	assert_int_equal(done[0].closed, OFFSET + 12 * S);
	assert_int_equal(done[0].ev.open_ns, 2 * S);
	/* nothing of it is left */
	put(spans, event_of(PT_EV_ALLOC, 20 * S, 5));
	finish(spans, 1);
	assert_int_equal(done[1].ev.end, PT_END_NONE);
	assert_int_equal(done[1].begin, OFFSET + 20 * S);
}

static void test_held_before(void **state)
{
	struct spans *spans = begin();
	struct ledger_unit unit = {
		.space = { .netns = 7, .netns_cookie = 1, .proto = IPPROTO_TCP },
		.port = 60609,
		.sock = 5,
		.via = PT_VIA_CONNECT,
		.since = 3 * S,
		.tuple = { .rport = 443, .raddr = { 1 } }
	};

	(void)state;
	assert_int_equal(spans_held(spans, &unit, OFFSET), 0);
	/* its TIME_WAIT is no second hold */
	unit.time_wait = true;
	unit.tw = 99;
	assert_int_equal(spans_held(spans, &unit, OFFSET), 0);
	put(spans, free_of(10 * S, 5, 7 * S));
	assert_int_equal(done_count, 1);
	assert_int_equal(done[0].begin, OFFSET + 3 * S);
	/* A TIME_WAIT alone, nobody knows since when; an address is no cookie. */
	unit.since = PT_UNKNOWN;
	unit.space.netns_cookie |= PT_NO_COOKIES;
	assert_int_equal(spans_held(spans, &unit, OFFSET), 0);
	finish(spans, 1);
	assert_int_equal(done[1].begin, PT_UNKNOWN);
	assert_int_equal(done[1].ev.sock, 0);
	assert_int_equal(done[1].ev.rport, 443);
}

static void test_many(void **state)
{
	struct spans *spans = begin();

	(void)state;
	for (__u64 sock = 1; sock <= 5000; sock++)
		put(spans, event_of(PT_EV_ALLOC, 10 * S + sock, sock));
	for (__u64 sock = 5000; sock > 20; sock--) {
		done_count = 0;
		put(spans, free_of(20 * S, sock, 10 * S - sock));
		assert_int_equal(done[0].begin, OFFSET + 10 * S + sock);
	}
	finish(spans, 20);
}

static void test_error_reaches_the_caller(void **state)
{
	struct spans *spans = begin();
	struct pt_event ev = free_of(10 * S, 5, S);

	(void)state;
	answer = -ENOSPC;
	assert_int_equal(spans_event(spans, &ev), -ENOSPC);
	put(spans, event_of(PT_EV_ALLOC, 20 * S, 5));
	assert_int_equal(spans_finish(spans, PT_END_NONE), -ENOSPC);
	spans_free(spans);
	spans_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_hold),
		cmocka_unit_test(test_from_before),
		cmocka_unit_test(test_what_is_not_known),
		cmocka_unit_test(test_spaces),
		cmocka_unit_test(test_twice_the_same_cookie),
		cmocka_unit_test(test_without_cookies),
		cmocka_unit_test(test_not_ended),
		cmocka_unit_test(test_held_before),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_error_reaches_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
