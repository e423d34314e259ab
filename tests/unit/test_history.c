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
#include <stdio.h>
#include <sys/socket.h>

#include "user/stats/history.h"

#define S 1000000000ULL
/* Seconds since the start of a test: CLOCK_BOOTTIME, and CLOCK_REALTIME. */
#define BOOT(s) (1000 * S + (s)*S)
#define OFFSET (1795269730ULL * S - 1000 * S)
#define WALL(s) (BOOT(s) + OFFSET)

#define MANY 100000

struct seen {
	struct history_row rows[64];
	unsigned int count; /* of all rows */
	__u64 last_ts;
	unsigned int backwards; /* rows that began before the one before them */
	unsigned int still_held, unknown;
	int result; /* of the callback */
};

static int keep(void *data, const struct history_row *row)
{
	struct seen *seen = data;

	if (seen->count < 64)
		seen->rows[seen->count] = *row;
	seen->backwards += row->ts < seen->last_ts;
	seen->still_held += row->still_held;
	seen->unknown += row->ev.end == PT_END_UNKNOWN;
	seen->last_ts = row->ts;
	seen->count++;
	if (row->kind == HISTORY_FAIL)
		assert_ptr_equal(row->ev.blockers, row->blockers);
	return seen->result;
}

static struct history *begin(struct seen *seen)
{
	struct history *history;

	memset(seen, 0, sizeof(*seen));
	history = history_new(keep, seen);
	assert_non_null(history);
	return history;
}

static struct pt_event event_of(enum pt_event_type type, __u64 second, __u64 sock)
{
	return (struct pt_event){
		.type = type,
		.ts = BOOT(second),
		.realtime_offset = OFFSET,
		.space = { .netns = 1, .netns_cookie = 1, .proto = IPPROTO_TCP },
		.family = AF_INET,
		.port = 60609,
		.rport = 443,
		.laddr = { [10] = 0xff, 0xff, 10, 0, 0, 5 },
		.raddr = { [10] = 0xff, 0xff, 10, 96, 4, 7 },
		.sock = sock,
		.owner = { .known = true, .pid = 42, .start = 7, .comm = "curl" },
		.via = PT_VIA_CONNECT,
		.search_ns = PT_UNKNOWN,
		.holders = 1,
		.reuse_ns = PT_UNKNOWN,
		.open_ns = PT_UNKNOWN,
		.held_ns = PT_UNKNOWN,
		.blockers_total = PT_UNKNOWN,
	};
}

static void take(struct history *history, const struct pt_event *ev)
{
	assert_int_equal(history_event(history, ev), 0);
}

static void alloc(struct history *history, __u64 second, __u64 sock)
{
	struct pt_event ev = event_of(PT_EV_ALLOC, second, sock);

	take(history, &ev);
}

static void release(struct history *history, __u64 second, __u64 sock, __u64 held)
{
	struct pt_event ev = event_of(PT_EV_FREE, second, sock);

	ev.end = PT_END_CLOSE;
	ev.open_ns = ev.held_ns = held * S;
	take(history, &ev);
}

static void fail_at(struct history *history, __u64 second)
{
	struct pt_event ev = event_of(PT_EV_FAIL, second, 0);

	take(history, &ev);
}

static void check_order(const struct seen *seen, unsigned int count, const __u64 *socks)
{
	assert_int_equal(seen->count, count);
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(seen->rows[i].ev.sock, socks[i]);
}

static void test_hold(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);
	struct pt_event ev = event_of(PT_EV_ALLOC, 1, 5);
	const struct history_row *row = &seen.rows[0];

	(void)state;
	ev.reuse = PT_REUSE_CLEAN;
	ev.reuse_ns = 3 * S;
	ev.prev_known = true;
	ev.prev_pid = 9;
	strcpy(ev.prev_comm, "old");
	ev.rport = 0;
	memset(ev.laddr, 0, 16);
	memset(ev.raddr, 0, 16);
	take(history, &ev);
	assert_int_equal(seen.count, 0);
	ev = event_of(PT_EV_TIME_WAIT, 3, 5);
	ev.open_ns = 2 * S;
	take(history, &ev);
	ev = event_of(PT_EV_FREE, 63, 5);
	ev.end = PT_END_EXPIRED;
	ev.open_ns = 2 * S;
	ev.held_ns = 62 * S;
	take(history, &ev);
	assert_int_equal(seen.count, 1);
	assert_int_equal(row->kind, HISTORY_HOLD);
	assert_int_equal(row->ts, WALL(1));
	assert_int_equal(row->begin, WALL(1));
	assert_int_equal(row->ended, WALL(63));
	assert_false(row->still_held);
	assert_true(row->time_wait);
	assert_int_equal(row->tw_ns, 60 * S);
	assert_int_equal(row->ev.open_ns, 2 * S);
	assert_int_equal(row->ev.held_ns, 62 * S);
	assert_int_equal(row->ev.end, PT_END_EXPIRED);
	assert_int_equal(row->ev.reuse, PT_REUSE_CLEAN);
	assert_int_equal(row->ev.reuse_ns, 3 * S);
	assert_int_equal(row->ev.prev_pid, 9);
	assert_string_equal(row->ev.prev_comm, "old");
	/* bound to any, connected later */
	assert_int_equal(row->ev.rport, 443);
	assert_int_equal(row->ev.raddr[15], 7);
	assert_int_equal(row->ev.laddr[15], 5);
	assert_int_equal(history_end(history, WALL(100)), 0);
	assert_int_equal(seen.count, 1);
	history_free(history);
}

static void test_without_time_wait(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);

	(void)state;
	alloc(history, 1, 5);
	release(history, 4, 5, 3);
	assert_int_equal(seen.count, 1);
	assert_false(seen.rows[0].time_wait);
	assert_true(seen.rows[0].tw_ns == PT_UNKNOWN);
	assert_int_equal(seen.rows[0].ended, WALL(4));
	history_free(history);
}

/* Rows wait for what began before them, whatever ends first. */
static void test_order(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);

	(void)state;
	alloc(history, 1, 1);
	alloc(history, 2, 2);
	fail_at(history, 3);
	alloc(history, 4, 4);
	release(history, 5, 4, 1);
	release(history, 6, 2, 4);
	assert_int_equal(seen.count, 0);
	release(history, 7, 1, 6);
	check_order(&seen, 4, (__u64[]){ 1, 2, 0, 4 });
	assert_int_equal(seen.rows[2].kind, HISTORY_FAIL);
	alloc(history, 8, 8);
	alloc(history, 9, 9);
	release(history, 10, 8, 2);
	assert_int_equal(seen.count, 5);
	assert_int_equal(history_end(history, WALL(11)), 0);
	check_order(&seen, 6, (__u64[]){ 1, 2, 0, 4, 8, 9 });
	assert_int_equal(seen.backwards, 0);
	history_free(history);
}

static void test_still_held(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);
	struct pt_event ev;

	(void)state;
	alloc(history, 1, 1);
	alloc(history, 2, 2);
	ev = event_of(PT_EV_TIME_WAIT, 5, 2);
	ev.open_ns = 3 * S;
	take(history, &ev);
	ev.ts = BOOT(7); /* a second one, of another connection */
	take(history, &ev);
	ev = event_of(PT_EV_ALLOC, 3, 3);
	ev.via = PT_VIA_SNAPSHOT;
	take(history, &ev);
	assert_int_equal(history_end(history, WALL(10)), 0);
	check_order(&seen, 3, (__u64[]){ 1, 2, 3 });
	for (int i = 0; i < 3; i++) {
		assert_true(seen.rows[i].still_held);
		assert_true(seen.rows[i].ended == PT_UNKNOWN);
		assert_int_equal(seen.rows[i].ev.end, PT_END_NONE);
	}
	assert_int_equal(seen.rows[0].ev.held_ns, 9 * S);
	assert_false(seen.rows[0].time_wait);
	assert_int_equal(seen.rows[1].ev.held_ns, 8 * S);
	assert_int_equal(seen.rows[1].ev.open_ns, 3 * S);
	assert_true(seen.rows[1].time_wait);
	assert_int_equal(seen.rows[1].tw_ns, 5 * S);
	/* Since when is not known. */
	assert_true(seen.rows[2].begin == PT_UNKNOWN);
	assert_int_equal(seen.rows[2].ts, WALL(3));
	assert_true(seen.rows[2].ev.held_ns == PT_UNKNOWN);
	history_free(history);
}

/* Its alloc was not among the events: the length of a hold tells its beginning. */
static void test_began_before(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);
	struct pt_event ev;

	(void)state;
	alloc(history, 1, 1);
	release(history, 5, 2, 500);
	ev = event_of(PT_EV_TIME_WAIT, 6, 3);
	ev.open_ns = 2 * S;
	take(history, &ev);
	ev = event_of(PT_EV_FREE, 7, 4);
	ev.end = PT_END_REUSED;
	take(history, &ev);
	assert_int_equal(history_end(history, WALL(10)), 0);
	check_order(&seen, 4, (__u64[]){ 2, 1, 3, 4 });
	assert_int_equal(seen.rows[0].begin, WALL(5) - 500 * S);
	assert_int_equal(seen.rows[0].ev.reuse, PT_REUSE_NONE);
	assert_int_equal(seen.rows[2].begin, WALL(4));
	assert_int_equal(seen.rows[2].tw_ns, 4 * S);
	assert_true(seen.rows[3].begin == PT_UNKNOWN);
	assert_int_equal(seen.rows[3].ts, WALL(7));
	assert_int_equal(seen.rows[3].ended, WALL(7));
	assert_true(seen.rows[3].time_wait);
	assert_true(seen.rows[3].tw_ns == PT_UNKNOWN);
	history_free(history);
}

static void test_held_at_the_start(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);
	struct pt_event ev = event_of(PT_EV_ALLOC, 0, 1);

	(void)state;
	ev.held_ns = 100 * S;
	assert_int_equal(history_held(history, &ev), 0);
	ev = event_of(PT_EV_ALLOC, 0, 2);
	ev.held_ns = 200 * S;
	ev.open_ns = 190 * S;
	assert_int_equal(history_held(history, &ev), 0);
	ev = event_of(PT_EV_ALLOC, 0, 3);
	assert_int_equal(history_held(history, &ev), 0);
	release(history, 5, 3, 0);
	assert_int_equal(seen.count, 0);
	assert_int_equal(history_end(history, WALL(10)), 0);
	check_order(&seen, 3, (__u64[]){ 2, 1, 3 });
	assert_int_equal(seen.rows[0].begin, WALL(0) - 200 * S);
	assert_true(seen.rows[0].time_wait);
	assert_int_equal(seen.rows[0].tw_ns, 20 * S);
	assert_int_equal(seen.rows[0].ev.open_ns, 190 * S);
	assert_int_equal(seen.rows[1].ev.held_ns, 110 * S);
	assert_true(seen.rows[2].begin == PT_UNKNOWN);
	assert_int_equal(seen.rows[2].ended, WALL(5));
	history_free(history);
}

static void test_found_gone(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);
	struct pt_event ev;

	(void)state;
	alloc(history, 1, 1);
	ev = event_of(PT_EV_FREE, 5, 1);
	ev.end = PT_END_UNKNOWN;
	take(history, &ev);
	assert_int_equal(seen.count, 1);
	assert_true(seen.rows[0].ended == PT_UNKNOWN);
	assert_false(seen.rows[0].still_held);
	assert_int_equal(seen.rows[0].ev.end, PT_END_UNKNOWN);
	history_free(history);
}

/* Who lets go without a known age was not seen to begin, whenever that was told. */
static void test_told_late(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);
	struct pt_event ev;

	(void)state;
	alloc(history, 1, 1);
	ev = event_of(PT_EV_FREE, 1, 1);
	ev.end = PT_END_CLOSE;
	take(history, &ev);
	assert_int_equal(seen.count, 1);
	assert_true(seen.rows[0].begin == PT_UNKNOWN);
	assert_int_equal(seen.rows[0].ts, WALL(1));
	assert_int_equal(seen.rows[0].ended, WALL(1));
	history_free(history);
}

static void test_refusal(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);
	struct pt_blocker blockers[PT_BLOCKERS_MAX] = {
		{ .owner = { .known = true, .pid = 1 }, .age_ns = 7 },
		{ .owner = { .known = true, .pid = 2 }, .time_wait = true },
	};
	struct pt_event ev = event_of(PT_EV_FAIL, 2, 0);

	(void)state;
	alloc(history, 1, 1);
	ev.error = EADDRINUSE;
	ev.blockers = blockers;
	ev.blockers_count = 2;
	ev.blockers_total = 5;
	take(history, &ev);
	/* They last as long as the event, and it waits. */
	memset(blockers, 0xee, sizeof(blockers));
	release(history, 3, 1, 2);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.rows[1].kind, HISTORY_FAIL);
	assert_int_equal(seen.rows[1].begin, WALL(2));
	assert_int_equal(seen.rows[1].ev.error, EADDRINUSE);
	assert_int_equal(seen.rows[1].ev.blockers_total, 5);
	assert_int_equal(seen.rows[1].blockers[0].owner.pid, 1);
	assert_int_equal(seen.rows[1].blockers[0].age_ns, 7);
	assert_true(seen.rows[1].blockers[1].time_wait);
	history_free(history);
}

static void test_loss(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);
	struct pt_event ev = { .type = PT_EV_LOST,
			       .ts = BOOT(5),
			       .realtime_offset = OFFSET,
			       .lost_count = 3,
			       .lost_from = BOOT(2),
			       .lost_to = BOOT(4) };

	(void)state;
	take(history, &ev);
	ev.lost_from = 0;
	take(history, &ev);
	assert_int_equal(seen.count, 2);
	assert_int_equal(seen.rows[0].kind, HISTORY_LOST);
	assert_int_equal(seen.rows[0].ts, WALL(5));
	assert_int_equal(seen.rows[0].begin, WALL(2));
	assert_int_equal(seen.rows[0].ended, WALL(4));
	assert_int_equal(seen.rows[0].ev.lost_count, 3);
	assert_true(seen.rows[1].begin == PT_UNKNOWN);
	history_free(history);
}

/* What a gap hides is not known; what is told behind it goes on. */
static void test_gap(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);
	struct pt_event ev;

	(void)state;
	for (__u64 sock = 1; sock <= 5; sock++)
		alloc(history, sock, sock);
	assert_int_equal(history_gap(history, WALL(10), WALL(20), "a crash"), 0);
	assert_int_equal(seen.count, 0);
	release(history, 21, 1, 20);
	ev = event_of(PT_EV_ALLOC, 20, 2);
	assert_int_equal(history_held(history, &ev), 0);
	ev.sock = 3;
	ev.via = PT_VIA_SNAPSHOT;
	take(history, &ev);
	ev = event_of(PT_EV_TIME_WAIT, 22, 4);
	ev.open_ns = 18 * S;
	take(history, &ev);
	assert_int_equal(history_settle(history), 0);
	assert_int_equal(history_end(history, WALL(30)), 0);
	check_order(&seen, 6, (__u64[]){ 1, 2, 3, 4, 5, 0 });
	assert_int_equal(seen.rows[0].ended, WALL(21));
	assert_true(seen.rows[1].still_held);
	assert_int_equal(seen.rows[1].ev.held_ns, 28 * S);
	assert_true(seen.rows[2].still_held);
	assert_int_equal(seen.rows[2].begin, WALL(3));
	assert_true(seen.rows[3].still_held);
	assert_false(seen.rows[4].still_held);
	assert_int_equal(seen.rows[4].ev.end, PT_END_UNKNOWN);
	assert_true(seen.rows[4].ended == PT_UNKNOWN);
	assert_int_equal(seen.rows[5].kind, HISTORY_GAP);
	assert_int_equal(seen.rows[5].begin, WALL(10));
	assert_int_equal(seen.rows[5].ended, WALL(20));
	assert_string_equal(seen.rows[5].why, "a crash");
	history_free(history);
}

/* Nobody settled it: the end does. */
static void test_doubt_at_the_end(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);

	(void)state;
	alloc(history, 1, 1);
	assert_int_equal(history_gap(history, WALL(10), WALL(20), "a boot"), 0);
	alloc(history, 21, 2);
	assert_int_equal(history_end(history, WALL(30)), 0);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.rows[0].ev.end, PT_END_UNKNOWN);
	assert_false(seen.rows[0].still_held);
	assert_true(seen.rows[2].still_held);
	history_free(history);
}

/* Another boot counts cookies anew. */
static void test_settled_at_once(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);
	struct pt_event ev = event_of(PT_EV_ALLOC, 20, 1);

	(void)state;
	alloc(history, 1, 1);
	assert_int_equal(history_gap(history, WALL(10), WALL(20), "a boot"), 0);
	assert_int_equal(history_settle(history), 0);
	assert_int_equal(seen.count, 2);
	ev.held_ns = S;
	assert_int_equal(history_held(history, &ev), 0);
	assert_int_equal(history_end(history, WALL(30)), 0);
	assert_int_equal(seen.count, 3);
	assert_int_equal(seen.rows[2].begin, WALL(19));
	assert_int_equal(seen.rows[2].ev.held_ns, 11 * S);
	history_free(history);
}

/* The same cookie in another port, space or protocol is another hold. */
static void test_identity(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);
	struct pt_event ev;

	(void)state;
	alloc(history, 1, 1);
	for (int i = 0; i < 3; i++) {
		ev = event_of(PT_EV_FREE, 5, 1);
		ev.end = PT_END_CLOSE;
		ev.held_ns = S;
		if (i == 0)
			ev.port = 60610;
		else if (i == 1)
			ev.space.netns_cookie = 2;
		else
			ev.space.proto = IPPROTO_UDP;
		take(history, &ev);
	}
	assert_int_equal(history_end(history, WALL(10)), 0);
	assert_int_equal(seen.count, 4);
	assert_true(seen.rows[0].still_held);
	history_free(history);
}

/* A socket whose TIME_WAIT lasts can take the port again: the remote tells them apart. */
static void test_twice_the_same_socket(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);
	struct pt_event ev = event_of(PT_EV_ALLOC, 2, 1);

	(void)state;
	alloc(history, 1, 1);
	ev.raddr[15] = 9;
	take(history, &ev);
	ev = event_of(PT_EV_FREE, 3, 1);
	ev.end = PT_END_CLOSE;
	ev.raddr[15] = 9;
	ev.held_ns = S;
	take(history, &ev);
	assert_int_equal(history_end(history, WALL(10)), 0);
	assert_int_equal(seen.count, 2);
	assert_true(seen.rows[0].still_held);
	assert_int_equal(seen.rows[1].ended, WALL(3));
	history_free(history);
	/* The remote says more: where it binds to, a socket can learn later. */
	history = begin(&seen);
	alloc(history, 1, 1);
	ev = event_of(PT_EV_ALLOC, 2, 1);
	ev.raddr[15] = 9;
	memset(ev.laddr, 0, 16);
	take(history, &ev);
	ev = event_of(PT_EV_FREE, 3, 1);
	ev.end = PT_END_CLOSE;
	ev.raddr[15] = 9;
	ev.held_ns = S;
	take(history, &ev);
	assert_int_equal(history_end(history, WALL(10)), 0);
	assert_true(seen.rows[0].still_held);
	assert_int_equal(seen.rows[1].ended, WALL(3));
	history_free(history);
	/* Nothing tells them apart: the older one. */
	history = begin(&seen);
	alloc(history, 1, 1);
	alloc(history, 2, 1);
	release(history, 3, 1, 2);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.rows[0].begin, WALL(1));
	history_free(history);
}

/* 5.10 tells no cookies: owner and addresses have to do. */
static void test_without_cookies(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);
	struct pt_event ev = event_of(PT_EV_ALLOC, 1, 0);

	(void)state;
	take(history, &ev); /* to .7 */
	ev.ts = BOOT(2);
	ev.raddr[15] = 9;
	take(history, &ev); /* to .9 */
	ev.ts = BOOT(3);
	ev.owner.pid = 43;
	take(history, &ev); /* another process, to .9 */
	ev.ts = BOOT(4);
	ev.owner.pid = 44;
	ev.rport = 0;
	memset(ev.raddr, 0, 16);
	take(history, &ev); /* a third, not connected yet */
	ev = event_of(PT_EV_FREE, 10, 0);
	ev.end = PT_END_CLOSE;
	ev.held_ns = 8 * S;
	ev.raddr[15] = 9;
	take(history, &ev);
	ev.owner.pid = 44;
	ev.held_ns = 6 * S;
	take(history, &ev);
	/* None of them: to .11, which began unseen */
	ev.raddr[15] = 11;
	ev.owner.pid = 43;
	ev.held_ns = S;
	take(history, &ev);
	assert_int_equal(history_end(history, WALL(20)), 0);
	assert_int_equal(seen.count, 5);
	assert_true(seen.rows[0].still_held);
	assert_int_equal(seen.rows[1].ended, WALL(10));
	assert_true(seen.rows[2].still_held);
	assert_int_equal(seen.rows[3].ended, WALL(10));
	assert_int_equal(seen.rows[3].ev.rport, 443);
	assert_int_equal(seen.rows[4].begin, WALL(9));
	history_free(history);
}

/* Two sockets of one process, each on an address of its own. */
static void test_without_cookies_by_local(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);
	struct pt_event ev = event_of(PT_EV_ALLOC, 1, 0);

	(void)state;
	ev.rport = 0;
	take(history, &ev);
	ev.ts = BOOT(2);
	ev.laddr[15] = 6;
	take(history, &ev);
	ev.ts = BOOT(3);
	ev.type = PT_EV_FREE;
	ev.end = PT_END_CLOSE;
	ev.held_ns = S;
	take(history, &ev);
	assert_int_equal(history_end(history, WALL(10)), 0);
	assert_int_equal(seen.count, 2);
	assert_true(seen.rows[0].still_held);
	assert_int_equal(seen.rows[1].ended, WALL(3));
	history_free(history);
}

/* A server that is never restarted keeps nobody waiting for ever. */
static void test_bounded(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);

	(void)state;
	alloc(history, 1, 1);
	for (__u64 i = 2; i < MANY; i++) {
		alloc(history, i, i);
		release(history, i, i, 0);
		if (i == HISTORY_WAITING_MAX)
			assert_int_equal(seen.count, 0);
		if (i > 2 * HISTORY_WAITING_MAX)
			assert_true(seen.count >= i - HISTORY_WAITING_MAX - 2);
	}
	assert_int_equal(seen.backwards, 0);
	assert_int_equal(seen.rows[0].ev.sock, 2);
	/* It comes when it ends. */
	release(history, MANY, 1, MANY - 1);
	assert_int_equal(seen.backwards, 1);
	assert_int_equal(seen.last_ts, WALL(1));
	assert_int_equal(history_end(history, WALL(MANY)), 0);
	assert_int_equal(seen.count, MANY - 1);
	assert_int_equal(seen.backwards, 1);
	/* Those behind the next one wait again. */
	alloc(history, MANY + 1, 1);
	alloc(history, MANY + 2, 2);
	release(history, MANY + 3, 2, 1);
	assert_int_equal(seen.count, MANY - 1);
	release(history, MANY + 4, 1, 3);
	assert_int_equal(seen.count, MANY + 1);
	assert_int_equal(seen.backwards, 1);
	history_free(history);
}

/* Or at the end, or when a gap puts it in doubt. */
static void test_late_at_the_end(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);

	(void)state;
	alloc(history, 1, 1);
	alloc(history, 2, 2);
	for (__u64 i = 3; i < 3 * HISTORY_WAITING_MAX; i++)
		fail_at(history, i);
	assert_true(seen.count >= 2 * HISTORY_WAITING_MAX - 3);
	alloc(history, 3 * HISTORY_WAITING_MAX, 3);
	assert_int_equal(history_gap(history, WALL(MANY), WALL(MANY), "a boot"), 0);
	alloc(history, MANY, 2);
	assert_int_equal(history_settle(history), 0);
	assert_int_equal(history_end(history, WALL(MANY + 1)), 0);
	assert_int_equal(seen.count, 3 * HISTORY_WAITING_MAX + 2);
	/* 1, 2 and 3; the last is the 2 of another boot. */
	assert_int_equal(seen.unknown, 3);
	assert_int_equal(seen.still_held, 1);
	history_free(history);
}

/* They are not counted among those that wait. */
static void test_many_late(void **state)
{
	const unsigned int many = HISTORY_WAITING_MAX + 2;
	struct seen seen;
	struct history *history = begin(&seen);

	(void)state;
	for (unsigned int i = 1; i <= many; i++)
		alloc(history, 1, i);
	for (unsigned int i = 0; i < many; i++)
		fail_at(history, 2);
	for (unsigned int i = 1; i <= many; i++)
		release(history, 3, i, 2);
	assert_int_equal(seen.count, 2 * many);
	alloc(history, 4, 1);
	fail_at(history, 5);
	assert_int_equal(seen.count, 2 * many);
	history_free(history);
}

static void test_callback_fails(void **state)
{
	struct seen seen;
	struct history *history = begin(&seen);
	struct pt_event ev = event_of(PT_EV_FREE, 2, 1);

	(void)state;
	seen.result = -EPIPE;
	alloc(history, 1, 1);
	alloc(history, 1, 2);
	assert_int_equal(history_event(history, &ev), -EPIPE);
	assert_int_equal(history_end(history, WALL(3)), -EPIPE);
	history_free(history);
	history_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hold),
		cmocka_unit_test(test_without_time_wait),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_still_held),
		cmocka_unit_test(test_began_before),
		cmocka_unit_test(test_held_at_the_start),
		cmocka_unit_test(test_found_gone),
		cmocka_unit_test(test_told_late),
		cmocka_unit_test(test_refusal),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_doubt_at_the_end),
		cmocka_unit_test(test_settled_at_once),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_twice_the_same_socket),
		cmocka_unit_test(test_without_cookies),
		cmocka_unit_test(test_without_cookies_by_local),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_late_at_the_end),
		cmocka_unit_test(test_many_late),
		cmocka_unit_test(test_callback_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
