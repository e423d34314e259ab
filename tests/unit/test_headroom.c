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

#include "user/stats/headroom.h"

#define SEC 1000000000ULL
#define START (1000 * SEC)
#define NETNS 4026531840U
#define LOW 40000
#define HIGH 40099

/* The model, and what it told. */
struct scene {
	struct headroom *headroom;
	__u64 ts;
	__u64 sock;
	unsigned int warned, exhausted;
	struct headroom_figures last;
};

static void on_mark(void *data, enum headroom_mark mark, const struct headroom_figures *figures,
		    __u64 ts)
{
	struct scene *scene = data;

	assert_int_equal(ts, scene->ts);
	scene->warned += mark == HEADROOM_WARNS;
	scene->exhausted += mark == HEADROOM_EXHAUSTED;
	scene->last = *figures;
}

static void set_range(struct scene *scene, __u16 low, __u16 high, __u16 reserved_to)
{
	struct port_set reserved = { 0 };
	const struct headroom_range range = {
		.netns_cookie = 1, .netns = NETNS, .low = low, .high = high, .reserved = &reserved
	};

	for (__u16 port = low; port < reserved_to; port++)
		port_set_add(&reserved, port);
	assert_int_equal(headroom_range(scene->headroom, &range), 0);
}

static void begin_with(struct scene *scene, bool reopen)
{
	*scene = (struct scene){ .ts = START, .sock = 1000 };
	scene->headroom = headroom_new(&(struct headroom_options){
		.buckets_reopen = reopen, .on_mark = on_mark, .data = scene, .mark = 900 });
	assert_non_null(scene->headroom);
	set_range(scene, LOW, HIGH, 0);
}

static int begin(void **state)
{
	*state = malloc(sizeof(struct scene));
	begin_with(*state, false);
	return 0;
}

static int begin_reopen(void **state)
{
	*state = malloc(sizeof(struct scene));
	begin_with(*state, true);
	return 0;
}

static int end(void **state)
{
	headroom_free(((struct scene *)*state)->headroom);
	free(*state);
	return 0;
}

/* ---- what happens -------------------------------------------------------------- */

static const __u8 local[16] = { [10] = 0xff, 0xff, 10, 0, 0, 5 };
static const __u8 remote[16] = { [10] = 0xff, 0xff, 10, 96, 4, 7 };

/* Of pid: a port, to remote:rport (0: to nowhere). Change it, then tell(). */
static struct pt_event event(struct scene *scene, enum pt_event_type type, enum pt_via via,
			     __u16 port, __u16 rport, __u32 pid)
{
	struct pt_event ev = {
		.type = type,
		.ts = scene->ts,
		.space = { .netns_cookie = 1, .netns = NETNS, .proto = IPPROTO_TCP },
		.family = AF_INET,
		.port = port,
		.rport = rport,
		.owner = { .known = pid, .pid = pid, .start = 7 },
		.via = via,
		.holders = 1,
	};

	memcpy(ev.laddr, local, 16);
	if (rport)
		memcpy(ev.raddr, remote, 16);
	return ev;
}

static void tell(struct scene *scene, const struct pt_event *ev)
{
	assert_int_equal(headroom_event(scene->headroom, ev), 0);
}

/* Returns the allocation, to be changed into what follows. */
static struct pt_event got(struct scene *scene, enum pt_via via, __u16 port, __u16 rport, __u32 pid)
{
	struct pt_event ev = event(scene, PT_EV_ALLOC, via, port, rport, pid);

	ev.hold = ++scene->sock;
	tell(scene, &ev);
	return ev;
}

static void then(struct scene *scene, struct pt_event ev, enum pt_event_type type)
{
	ev.type = type;
	ev.ts = scene->ts;
	tell(scene, &ev);
}

static void refused(struct scene *scene, enum pt_via via, __u16 rport)
{
	struct pt_event ev = event(scene, PT_EV_FAIL, via, 0, rport, 9);

	ev.error = EADDRNOTAVAIL;
	tell(scene, &ev);
}

static struct headroom_figures figures_of(struct scene *scene, __u16 rport)
{
	struct pt_event ev = event(scene, PT_EV_ALLOC, PT_VIA_CONNECT, 0, rport, 0);
	struct headroom_key key = headroom_key_of(&ev);
	struct headroom_figures figures;

	headroom_look(scene->headroom, &key, scene->ts, &figures);
	return figures;
}

static void assert_figures(struct scene *scene, __u16 rport, __u32 held, __u32 time_wait,
			   __u32 blocked, __u32 left)
{
	struct headroom_figures figures = figures_of(scene, rport);

	assert_true(figures.known);
	assert_int_equal(figures.held, held);
	assert_int_equal(figures.time_wait, time_wait);
	assert_int_equal(figures.blocked, blocked);
	assert_int_equal(figures.left, left);
}

/* ---- the model ------------------------------------------------------------------ */

/* One port, three destinations: each lacks one, and bind(0) one in all. */
static void test_connects_share_ports(void **state)
{
	struct scene *scene = *state;
	struct pt_event first = got(scene, PT_VIA_CONNECT, 40000, 80, 7);

	got(scene, PT_VIA_CONNECT, 40000, 81, 7);
	got(scene, PT_VIA_CONNECT, 40000, 82, 7);
	got(scene, PT_VIA_CONNECT, 40001, 80, 7);
	assert_figures(scene, 80, 2, 0, 0, 98);
	assert_figures(scene, 81, 1, 0, 0, 99);
	assert_figures(scene, 99, 0, 0, 0, 100);
	assert_figures(scene, 0, 2, 0, 0, 98);
	then(scene, first, PT_EV_FREE);
	assert_figures(scene, 80, 1, 0, 0, 99);
	assert_figures(scene, 0, 2, 0, 0, 98);
}

static void test_time_wait_is_held(void **state)
{
	struct scene *scene = *state;
	struct pt_event one = got(scene, PT_VIA_CONNECT, 40000, 80, 7);

	then(scene, one, PT_EV_TIME_WAIT);
	got(scene, PT_VIA_CONNECT, 40000, 81, 7);
	assert_figures(scene, 80, 1, 1, 0, 99);
	assert_figures(scene, 0, 1, 0, 0, 99);
	then(scene, one, PT_EV_FREE);
	assert_figures(scene, 80, 0, 0, 0, 100);
}

/* Whatever bind() touched is closed to every connect. */
static void test_bound_ports_block_everyone(void **state)
{
	struct scene *scene = *state;
	struct pt_event bound = got(scene, PT_VIA_BIND, 40000, 0, 7);

	got(scene, PT_VIA_LISTEN, 40001, 0, 7);
	got(scene, PT_VIA_FIXED, 40002, 0, 7);
	got(scene, PT_VIA_ACCEPT, 40003, 5555, 7);
	got(scene, PT_VIA_FIXED, 443, 0, 7); /* outside */
	got(scene, PT_VIA_CONNECT, 40004, 80, 7);
	assert_figures(scene, 80, 1, 0, 4, 95);
	assert_figures(scene, 81, 0, 0, 4, 96);
	assert_figures(scene, 0, 5, 0, 0, 95);
	/* its TIME_WAIT is bind()'s, too */
	bound.rport = 80;
	then(scene, bound, PT_EV_TIME_WAIT);
	assert_figures(scene, 81, 0, 0, 4, 96);
	then(scene, bound, PT_EV_FREE);
	assert_figures(scene, 81, 0, 0, 3, 97);
}

/* bind() with SO_REUSEADDR joins a connect: the port counts once. */
static void test_no_port_counts_twice(void **state)
{
	struct scene *scene = *state;
	struct pt_event connected = got(scene, PT_VIA_CONNECT, 40000, 80, 7), bound;

	then(scene, connected, PT_EV_TIME_WAIT);
	bound = got(scene, PT_VIA_FIXED, 40000, 0, 8);
	assert_figures(scene, 80, 0, 0, 1, 99);
	assert_figures(scene, 81, 0, 0, 1, 99);
	/* through 6.12 it stays closed until nobody has it */
	then(scene, bound, PT_EV_FREE);
	assert_figures(scene, 81, 0, 0, 1, 99);
	then(scene, connected, PT_EV_FREE);
	assert_figures(scene, 81, 0, 0, 0, 100);
	assert_figures(scene, 80, 0, 0, 0, 100);
	assert_int_equal(headroom_counts(scene->headroom).holds, 0);
}

/* From 6.18 it opens when bind()'s last holder leaves. */
static void test_bucket_reopens(void **state)
{
	struct scene *scene = *state;
	struct pt_event connected = got(scene, PT_VIA_CONNECT, 40000, 80, 7);
	struct pt_event one = got(scene, PT_VIA_FIXED, 40000, 0, 8);
	struct pt_event two = got(scene, PT_VIA_FIXED, 40000, 0, 8);

	then(scene, one, PT_EV_FREE);
	assert_figures(scene, 81, 0, 0, 1, 99);
	then(scene, two, PT_EV_FREE);
	assert_figures(scene, 81, 0, 0, 0, 100);
	assert_figures(scene, 80, 1, 0, 0, 99);
	then(scene, connected, PT_EV_FREE);
	assert_figures(scene, 80, 0, 0, 0, 100);
}

static void test_reserved_ports(void **state)
{
	struct scene *scene = *state;
	struct headroom_figures figures;

	got(scene, PT_VIA_FIXED, 40000, 0, 7);
	got(scene, PT_VIA_FIXED, 40050, 0, 7);
	got(scene, PT_VIA_CONNECT, 40051, 80, 7);
	set_range(scene, LOW, HIGH, 40010);
	figures = figures_of(scene, 80);
	assert_int_equal(figures.usable, 90);
	assert_figures(scene, 80, 1, 0, 1, 88);
	/* and the range can become another one */
	set_range(scene, LOW, 40050, LOW);
	assert_figures(scene, 80, 0, 0, 2, 49);
}

/* A socket with a range of its own: what is outside counts for nobody else. */
static void test_own_range(void **state)
{
	struct scene *scene = *state;

	got(scene, PT_VIA_CONNECT, 50000, 80, 7);
	got(scene, PT_VIA_CONNECT, 40000, 80, 7);
	assert_figures(scene, 80, 1, 0, 0, 99);
	refused(scene, PT_VIA_CONNECT, 80);
	assert_int_equal(scene->exhausted, 0);
}

/* UDP: a port is one socket's, wherever it sends to. */
static void test_udp(void **state)
{
	struct scene *scene = *state;
	struct pt_event ev = event(scene, PT_EV_ALLOC, PT_VIA_AUTOBIND, 40000, 0, 7);
	struct headroom_figures figures;
	struct headroom_key key;

	ev.space.proto = IPPROTO_UDP;
	for (int i = 0; i < 30; i++) {
		ev.hold++;
		ev.port++;
		tell(scene, &ev);
	}
	key = headroom_key_of(&ev);
	assert_int_equal(key.rport, 0);
	assert_true(headroom_look(scene->headroom, &key, scene->ts, &figures));
	assert_int_equal(figures.held, 30);
	assert_int_equal(figures.left, 70);
	assert_figures(scene, 80, 0, 0, 0, 100);
}

/* Held before: by bind() if it has no remote; with one nobody knows. */
static void test_found(void **state)
{
	struct scene *scene = *state;
	struct headroom_figures figures;

	got(scene, PT_VIA_SNAPSHOT, 40000, 0, 7);
	got(scene, PT_VIA_SNAPSHOT, 40001, 80, 7);
	got(scene, PT_VIA_SNAPSHOT, 40002, 81, 7);
	assert_figures(scene, 80, 1, 0, 1, 98);
	assert_int_equal(figures_of(scene, 80).unsure, 1);
	assert_int_equal(figures_of(scene, 82).unsure, 2);
	/* a connect that shares it: it is open */
	got(scene, PT_VIA_CONNECT, 40002, 82, 7);
	assert_int_equal(figures_of(scene, 80).unsure, 0);
	assert_int_equal(figures_of(scene, 83).unsure, 1);
	/* what was there before is no change */
	scene->ts += 5 * SEC;
	figures = figures_of(scene, 80);
	assert_int_equal(figures.changes[HEADROOM_10S].ns, 5 * SEC);
	assert_int_equal(figures.changes[HEADROOM_10S].change, 0);
	assert_true(figures.empty_ns == HEADROOM_NEVER);
}

static void settle(struct scene *scene, const struct pt_event *ev, bool bound, bool named)
{
	headroom_settle(scene->headroom, &(struct headroom_bucket){ .key = headroom_key_of(ev),
								    .port = ev->port,
								    .bound = bound,
								    .named = named });
}

/* What the kernel's buckets say of holds that a dump found. */
static void test_settle(void **state)
{
	struct scene *scene = *state;
	struct pt_event bind_zero = got(scene, PT_VIA_SNAPSHOT, 40000, 80, 7);
	struct pt_event named = got(scene, PT_VIA_SNAPSHOT, 40001, 80, 7);
	struct pt_event open = got(scene, PT_VIA_SNAPSHOT, 40002, 80, 7);
	struct pt_event shared = got(scene, PT_VIA_SNAPSHOT, 40002, 81, 7), other = shared;
	struct headroom_holders takers;

	other.port = 40009; /* that nobody holds */
	settle(scene, &other, true, false);
	settle(scene, &bind_zero, true, false);
	settle(scene, &bind_zero, true, false);
	settle(scene, &named, true, true);
	assert_figures(scene, 80, 1, 0, 2, 97);
	assert_int_equal(figures_of(scene, 82).unsure, 1);
	settle(scene, &open, false, false);
	assert_int_equal(figures_of(scene, 82).unsure, 0);
	assert_figures(scene, 81, 1, 0, 2, 97);
	headroom_takers(scene->headroom, &open.space, true, &takers);
	assert_int_equal(takers.held, 1);
	/* it is no change */
	scene->ts += 5 * SEC;
	assert_int_equal(figures_of(scene, 80).changes[HEADROOM_10S].change, 0);
	then(scene, bind_zero, PT_EV_FREE);
	then(scene, named, PT_EV_FREE);
	then(scene, open, PT_EV_FREE);
	then(scene, shared, PT_EV_FREE);
	assert_figures(scene, 80, 0, 0, 0, 100);
	assert_int_equal(headroom_counts(scene->headroom).holds, 0);
}

static void test_held_to_begin_with(void **state)
{
	struct scene *scene = *state;
	struct pt_event ev = event(scene, PT_EV_ALLOC, PT_VIA_BIND, 40000, 80, 7);
	struct headroom_holders takers;

	ev.hold = 1;
	assert_int_equal(headroom_hold(scene->headroom, &(struct headroom_hold){ .ev = &ev }), 0);
	headroom_takers(scene->headroom, &ev.space, true, &takers);
	assert_int_equal(takers.held, 0);
	assert_int_equal(headroom_hold(scene->headroom,
				       &(struct headroom_hold){ .ev = &ev, .connects = true }),
			 0);
	headroom_takers(scene->headroom, &ev.space, true, &takers);
	assert_int_equal(takers.held, 1);
	assert_int_equal(takers.top[0].owner.pid, 7);
	assert_int_equal(headroom_counts(scene->headroom).holds, 1);
}

static void test_unknown(void **state)
{
	struct scene *scene = *state;
	struct pt_event lost = { .type = PT_EV_LOST, .ts = scene->ts };
	struct pt_event ev = event(scene, PT_EV_ALLOC, PT_VIA_CONNECT, 40000, 80, 7);

	ev.space.netns = 5; /* whose range nobody told */
	ev.space.netns_cookie = 5;
	tell(scene, &ev);
	got(scene, PT_VIA_CONNECT, 40001, 80, 7);
	tell(scene, &lost);
	assert_false(figures_of(scene, 80).known);
	ev = event(scene, PT_EV_ALLOC, PT_VIA_CONNECT, 40002, 80, 7);
	ev.hold = 77;
	ev.holders = PT_UNKNOWN;
	tell(scene, &ev);
	assert_false(figures_of(scene, 80).known);
	assert_true(headroom_counts(scene->headroom).uncertain);
	got(scene, PT_VIA_CONNECT, 40003, 80, 7);
	assert_figures(scene, 80, 3, 0, 0, 97);
	assert_int_equal(figures_of(scene, 80).changes[HEADROOM_10S].ns, 0);
}

/* ---- time until it is empty ------------------------------------------------------ */

static void test_prediction(void **state)
{
	struct scene *scene = *state;
	struct headroom_figures figures;

	for (__u16 i = 0; i < 60; i++) {
		scene->ts += SEC / 4;
		got(scene, PT_VIA_CONNECT, LOW + i, 80, 7);
	}
	figures = figures_of(scene, 80);
	assert_int_equal(figures.left, 40);
	assert_true(figures.empty_ns > 9 * SEC && figures.empty_ns < 11 * SEC);
	assert_in_range(headroom_per_second(&figures.changes[HEADROOM_10S]), 3800, 4200);
	assert_int_equal(figures.changes[HEADROOM_600S].ns, 0);
}

/* Ports that bind() takes count, too, for a destination that stands still. */
static void test_prediction_by_others(void **state)
{
	struct scene *scene = *state;
	struct headroom_figures figures;

	got(scene, PT_VIA_CONNECT, HIGH, 80, 7);
	for (__u16 i = 0; i < 49; i++) {
		scene->ts += SEC / 5;
		got(scene, PT_VIA_BIND, LOW + i, 0, 8);
	}
	figures = figures_of(scene, 80);
	assert_int_equal(figures.left, 50);
	assert_true(figures.empty_ns > 9 * SEC && figures.empty_ns < 11 * SEC);
}

/* ---- marks ----------------------------------------------------------------------- */

static void test_marks(void **state)
{
	struct scene *scene = *state;
	struct pt_event evs[100];

	for (__u16 i = 0; i < 89; i++)
		evs[i] = got(scene, PT_VIA_CONNECT, LOW + i, 80, 7);
	assert_int_equal(scene->warned, 0);
	for (__u16 i = 89; i < 100; i++)
		evs[i] = got(scene, PT_VIA_CONNECT, LOW + i, 80, 7);
	assert_int_equal(scene->warned, 1);
	assert_int_equal(scene->exhausted, 1);
	assert_int_equal(scene->last.key.rport, 80);
	assert_int_equal(scene->last.left, 0);
	refused(scene, PT_VIA_CONNECT, 80);
	assert_int_equal(scene->exhausted, 1);
	/* not below far enough */
	for (int i = 86; i < 100; i++)
		then(scene, evs[i], PT_EV_FREE);
	for (int i = 86; i < 90; i++)
		evs[i] = got(scene, PT_VIA_CONNECT, (__u16)(LOW + i), 80, 7);
	assert_int_equal(scene->warned, 1);
	for (int i = 85; i < 90; i++)
		then(scene, evs[i], PT_EV_FREE);
	for (int i = 85; i < 90; i++)
		got(scene, PT_VIA_CONNECT, (__u16)(LOW + i), 80, 7);
	assert_int_equal(scene->warned, 2);
	assert_int_equal(scene->exhausted, 1);
}

/* bind() fills it for destinations that do nothing, and for those that were never seen. */
static void test_marks_of_what_is_shared(void **state)
{
	struct scene *scene = *state;

	got(scene, PT_VIA_CONNECT, HIGH, 80, 7);
	for (__u16 i = 0; i < 99; i++)
		got(scene, PT_VIA_BIND, LOW + i, 0, 8);
	scene->ts += SEC;
	headroom_tick(scene->headroom, scene->ts);
	assert_int_equal(scene->exhausted, 2); /* bind(0)'s own row, too */
	refused(scene, PT_VIA_CONNECT, 81);
	assert_int_equal(scene->exhausted, 3);
	assert_int_equal(scene->last.key.rport, 81);
	assert_int_equal(scene->last.blocked, 99);
}

/* What was held before is told when all of it is known, and not amid it. */
static void test_marks_of_what_was_found(void **state)
{
	struct scene *scene = *state;

	for (__u16 i = 0; i < 95; i++)
		got(scene, PT_VIA_SNAPSHOT, LOW + i, 80, 7);
	assert_int_equal(scene->warned, 0);
	scene->ts += SEC;
	headroom_tick(scene->headroom, scene->ts);
	assert_int_equal(scene->warned, 1);
	assert_int_equal(scene->last.held, 95);
	/* an event that is older than that */
	scene->ts -= SEC / 2;
	got(scene, PT_VIA_BIND, LOW + 95, 0, 7);
	got(scene, PT_VIA_BIND, LOW + 96, 0, 7);
	assert_int_equal(scene->warned, 1);
	scene->ts += SEC;
	headroom_tick(scene->headroom, scene->ts);
	assert_int_equal(scene->warned, 2); /* bind(0)'s row */
}

/* Holders from before may have called bind(): a refusal tells. */
static void test_refusal_of_what_is_unsure(void **state)
{
	struct scene *scene = *state;

	for (__u16 i = 0; i < 60; i++)
		got(scene, PT_VIA_SNAPSHOT, LOW + i, 81, 7);
	for (__u16 i = 60; i < 80; i++)
		got(scene, PT_VIA_CONNECT, LOW + i, 80, 7);
	refused(scene, PT_VIA_CONNECT, 80);
	assert_int_equal(scene->exhausted, 0);
	for (__u16 i = 80; i < 100; i++)
		got(scene, PT_VIA_CONNECT, LOW + i, 80, 7);
	refused(scene, PT_VIA_CONNECT, 80);
	assert_int_equal(scene->exhausted, 1);
	assert_int_equal(scene->last.left, 60);
	assert_int_equal(scene->last.unsure, 60);
}

/* ---- holders --------------------------------------------------------------------- */

static void test_holders(void **state)
{
	struct scene *scene = *state;
	struct headroom_holders holders;
	struct headroom_key key;
	struct pt_event ev;

	for (__u16 i = 0; i < 10; i++) {
		ev = got(scene, PT_VIA_CONNECT, LOW + i, 80, 1 + i % 4);
		if (i < 5)
			then(scene, ev, PT_EV_TIME_WAIT);
	}
	got(scene, PT_VIA_CONNECT, LOW + 10, 80, 2);
	for (__u16 i = 11; i < 20; i++)
		got(scene, PT_VIA_BIND, LOW + i, 0, 30);
	got(scene, PT_VIA_CONNECT, LOW, 81, 50); /* another destination's */
	key = headroom_key_of(&ev);
	headroom_holders(scene->headroom, &key, &holders);
	assert_int_equal(holders.processes, 5);
	assert_int_equal(holders.count, HEADROOM_HOLDERS);
	assert_int_equal(holders.held, 20);
	assert_int_equal(holders.time_wait, 5);
	assert_int_equal(holders.top[0].owner.pid, 30);
	assert_int_equal(holders.top[0].held, 9);
	assert_int_equal(holders.top[1].owner.pid, 2);
	assert_int_equal(holders.top[1].held, 4);
	assert_int_equal(holders.top[1].time_wait, 1);
	assert_int_equal(holders.top[2].owner.pid, 1);
	assert_int_equal(holders.top[2].time_wait, 2);
	headroom_takers(scene->headroom, &key.space, false, &holders);
	assert_int_equal(holders.held, 9);
	key = (struct headroom_key){ .space = key.space };
	headroom_holders(scene->headroom, &key, &holders);
	assert_int_equal(holders.held, 21);
}

/* ---- bounds ---------------------------------------------------------------------- */

static struct pt_event to(struct scene *scene, __u32 address)
{
	struct pt_event ev =
		event(scene, PT_EV_ALLOC, PT_VIA_CONNECT, (__u16)(LOW + address % 90), 443, 7);

	memcpy(ev.raddr + 12, &address, 4);
	ev.hold = address + 1;
	return ev;
}

static void count_row(void *data, const struct headroom_figures *figures)
{
	assert_true(figures->known);
	++*(__u32 *)data;
}

/* A million remotes; one that is used more stays, and what is cut is said. */
static void test_many_destinations(void **state)
{
	struct scene *scene = *state;
	struct headroom_counts counts;
	struct pt_event ev;
	__u32 rows = 0;

	for (__u16 i = 0; i < 80; i++)
		got(scene, PT_VIA_CONNECT, LOW + i, 80, 7);
	for (__u32 i = 0; i < 1000000; i++) {
		ev = to(scene, i);
		tell(scene, &ev);
	}
	counts = headroom_counts(scene->headroom);
	print_message("1,000,080 holds, as many remotes: %zu bytes\n", counts.bytes);
	assert_int_equal(counts.holds, 1000080);
	assert_int_equal(counts.destinations, HEADROOM_DESTINATIONS_MAX);
	assert_int_equal(counts.cut, 1000001 - HEADROOM_DESTINATIONS_MAX);
	assert_int_equal(counts.cut_holds, counts.cut);
	assert_figures(scene, 80, 80, 0, 0, 20);
	assert_false(figures_of(scene, 80).partial);
	headroom_each(scene->headroom, scene->ts, count_row, &rows);
	assert_int_equal(rows, HEADROOM_DESTINATIONS_MAX + 1);
	/* one that comes later may have been cut before */
	got(scene, PT_VIA_CONNECT, HIGH, 82, 7);
	assert_true(figures_of(scene, 82).partial);
	for (__u32 i = 0; i < 1000000; i++) {
		ev = to(scene, i);
		ev.type = PT_EV_FREE;
		tell(scene, &ev);
	}
	counts = headroom_counts(scene->headroom);
	assert_int_equal(counts.holds, 81);
	assert_int_equal(counts.cut_holds, 0);
	assert_false(figures_of(scene, 82).partial);
}

/* Those that hold nothing any more make place first, which is no cut. */
static void test_idle_destinations(void **state)
{
	struct scene *scene = *state;
	struct headroom_counts counts;

	for (__u32 i = 0; i < 100000; i++) {
		struct pt_event ev = to(scene, i);

		tell(scene, &ev);
		then(scene, ev, PT_EV_FREE);
	}
	counts = headroom_counts(scene->headroom);
	assert_int_equal(counts.cut, 0);
	assert_int_equal(counts.destinations, HEADROOM_DESTINATIONS_MAX);
}

static void test_memory_of_holds(void **state)
{
	struct scene *scene = *state;
	struct headroom_counts counts;

	for (__u32 i = 0; i < 100000; i++)
		got(scene, PT_VIA_CONNECT, (__u16)(1024 + i % 60000), (__u16)(1 + i / 60000), 7);
	counts = headroom_counts(scene->headroom);
	print_message("100,000 holds of 60,000 ports: %zu bytes\n", counts.bytes);
	assert_int_equal(counts.holds, 100000);
	assert_true(counts.bytes < 16 << 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_connects_share_ports),
		TEST(test_time_wait_is_held),
		TEST(test_bound_ports_block_everyone),
		TEST(test_no_port_counts_twice),
		cmocka_unit_test_setup_teardown(test_bucket_reopens, begin_reopen, end),
		TEST(test_reserved_ports),
		TEST(test_own_range),
		TEST(test_udp),
		TEST(test_found),
		TEST(test_settle),
		TEST(test_held_to_begin_with),
		TEST(test_unknown),
		TEST(test_prediction),
		TEST(test_prediction_by_others),
		TEST(test_marks),
		TEST(test_marks_of_what_is_shared),
		TEST(test_marks_of_what_was_found),
		TEST(test_refusal_of_what_is_unsure),
		TEST(test_holders),
		TEST(test_many_destinations),
		TEST(test_idle_destinations),
		TEST(test_memory_of_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
