// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>

#include "tests/unit/records.h"
#include "user/stats/reuse.h"

/* ---- single events -------------------------------------------------------------- */

static struct reuse *reuse_of(enum keyed_by by)
{
	const struct reuse_options options = { .by = by, .until = ~0ULL };
	struct reuse *reuse = reuse_new(&options);

	assert_non_null(reuse);
	return reuse;
}

static struct pt_event alloc(enum pt_reuse kind, __u16 port)
{
	return (struct pt_event){
		.type = PT_EV_ALLOC,
		.ts = 1000,
		.space = { .netns_cookie = 1, .netns = 2, .proto = IPPROTO_TCP },
		.port = port,
		.via = PT_VIA_CONNECT,
		.owner = { .known = true, .pid = 7, .comm = "curl" },
		.reuse = kind,
		.reuse_ns = kind == PT_REUSE_CLEAN ? 100 : PT_UNKNOWN,
		.prev_known = true,
		.prev_pid = 7,
		.prev_comm = "curl",
	};
}

static void take(struct reuse *reuse, struct pt_event ev)
{
	assert_int_equal(reuse_event(reuse, &ev, true), 0);
}

static void test_kinds(void **state)
{
	struct reuse *reuse = reuse_of(KEYED_BY_PROTO);
	struct pt_event found = alloc(PT_REUSE_SHARED, 1);

	(void)state;
	for (int kind = PT_REUSE_CLEAN; kind < PT_REUSES; kind++)
		for (int i = 0; i < kind; i++)
			take(reuse, alloc((enum pt_reuse)kind, 1));
	found.via = PT_VIA_SNAPSHOT;
	take(reuse, found);
	found.via = PT_VIA_ACCEPT;
	take(reuse, found);
	for (int kind = 0; kind < PT_REUSES; kind++)
		assert_int_equal(reuse->all.kinds[kind], kind);
	assert_int_equal(reuse->all.allocs, 1 + 2 + 3 + 4 + 5);
	assert_int_equal(reuse->all.clean.count, 1);
	assert_int_equal(histogram_quantile(&reuse->all.clean, 500), 100);
	assert_int_equal(reuse->keyed.count, 1);
	reuse_free(reuse);
}

static void test_takers(void **state)
{
	struct reuse *reuse = reuse_of(KEYED_BY_PROTO);
	struct pt_event ev = alloc(PT_REUSE_CLEAN, 1);

	(void)state;
	take(reuse, ev);
	ev.prev_pid = 8;
	take(reuse, ev);
	ev.prev_pid = 7;
	strcpy(ev.prev_comm, "wget"); /* the pid was used again, or it is what curl became */
	take(reuse, ev);
	ev.prev_known = false;
	take(reuse, ev);
	ev = alloc(PT_REUSE_CLEAN, 1);
	ev.owner.known = false;
	take(reuse, ev);
	take(reuse, alloc(PT_REUSE_SHARED, 1)); /* nobody had it last */
	assert_int_equal(reuse->all.takers[REUSE_SAME], 1);
	assert_int_equal(reuse->all.takers[REUSE_ANOTHER], 2);
	assert_int_equal(reuse->all.takers[REUSE_UNSURE], 2);
	reuse_free(reuse);
}

static void test_span(void **state)
{
	const struct reuse_options options = { .since = 1000, .until = 2000 };
	struct reuse *reuse = reuse_new(&options);
	struct pt_event ev = alloc(PT_REUSE_CLEAN, 1), free = alloc(PT_REUSE_NONE, 1);
	struct pt_event lost = { .type = PT_EV_LOST, .ts = 500, .lost_count = 5 };

	(void)state;
	take(reuse, lost); /* before the span */
	free.type = PT_EV_FREE;
	free.ts = 999;
	ev.rport = free.rport = 443;
	take(reuse, free); /* its end counts: the next of its 4-tuple is inside */
	ev.ts = 999;
	ev.port = 2;
	take(reuse, ev);
	ev.ts = 2000;
	take(reuse, ev);
	assert_int_equal(reuse->all.allocs, 0);
	ev.ts = 1000;
	ev.port = 1;
	take(reuse, ev);
	ev.ts = 1999;
	take(reuse, ev);
	assert_int_equal(reuse->all.allocs, 2);
	assert_int_equal(reuse->tuple.count, 1);
	assert_int_equal(histogram_quantile(&reuse->tuple, 500), 1);
	assert_int_equal(reuse->lost, 0);
	lost.ts = 1999;
	take(reuse, lost);
	assert_int_equal(reuse->lost, 5);
	assert_false(reuse->lost_unknown);
	lost.lost_count = 0;
	take(reuse, lost);
	assert_true(reuse->lost_unknown);
	reuse_free(reuse);
}

/* Nobody wants it, but it used the 4-tuple. */
static void test_unwanted(void **state)
{
	struct reuse *reuse = reuse_of(KEYED_BY_PROTO);
	struct pt_event ev = alloc(PT_REUSE_CLEAN, 1), free = ev;

	(void)state;
	free.type = PT_EV_FREE;
	ev.rport = free.rport = 443;
	take(reuse, free);
	assert_int_equal(reuse_event(reuse, &ev, false), 0);
	take(reuse, ev);
	assert_int_equal(reuse->all.allocs, 1);
	assert_int_equal(reuse->tuple.count, 0);
	take(reuse, free);
	reuse_forget(reuse);
	take(reuse, ev);
	assert_int_equal(reuse->tuple.count + reuse->tuple_unknown, 0);
	reuse_free(reuse);
}

/* Beyond so many rows all others are one. */
static void test_bounded(void **state)
{
	struct reuse *reuse = reuse_of(KEYED_BY_PORT);
	__u64 clean = 0;

	(void)state;
	for (__u32 i = 0; i < KEYED_ROWS_MAX + 10; i++) {
		struct pt_event ev = alloc(PT_REUSE_CLEAN, (__u16)i);

		ev.space.netns += i >> 16;
		take(reuse, ev);
		assert_int_equal(reuse->keyed.has_others, i >= KEYED_ROWS_MAX);
	}
	take(reuse, alloc(PT_REUSE_CLEAN, 5));
	assert_int_equal(reuse->keyed.count, KEYED_ROWS_MAX);
	for (__u32 i = 0; i < reuse->keyed.count; i++)
		clean += reuse_row(reuse, i)->count.clean.count;
	assert_int_equal(clean, KEYED_ROWS_MAX + 1);
	assert_int_equal(reuse->others.allocs, 10);
	assert_int_equal(reuse->others.clean.count, 10);
	assert_int_equal(reuse->all.clean.count, KEYED_ROWS_MAX + 11);
	reuse_free(reuse);
}

/* ---- random records, through the ledger ------------------------------------------- */

enum { PORTS = 4, SOCKS = 10, TWS = 6, STEPS = 2500, ROUNDS = 24, WALK_MAX = 3 * STEPS };

struct walk {
	struct ledger *ledger;
	struct pt_event events[WALK_MAX];
	size_t count;
	unsigned int seed;
	__u64 now;
	__u32 lost;
	unsigned int loss_one_in;
};

static void keep(void *data, const struct pt_event *ev)
{
	struct walk *walk = data;

	assert_true(walk->count < WALK_MAX);
	walk->events[walk->count++] = *ev;
}

static __u32 below(struct walk *walk, __u32 bound)
{
	return (__u32)rand_r(&walk->seed) % bound;
}

/* Any order and any socket: the kernel's are only some of these. */
static struct pt_rec_head any_head(struct walk *walk, enum pt_kind kind, size_t size)
{
	struct pt_rec_head head = rec_head(kind, (__u16)size, walk->now, 1 + below(walk, SOCKS));

	head.port = (__u16)(60609 + below(walk, PORTS));
	head.proto = below(walk, 4) ? IPPROTO_TCP : IPPROTO_UDP;
	head.netns += head.sock % 4 == 0;
	head.vrf = head.proto == IPPROTO_TCP && head.sock % 6 == 5 ? 5 : 0;
	head.lost = walk->lost;
	return head;
}

static void tell_alloc(struct walk *walk)
{
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 0, 0, PT_VIA_CONNECT, 0);

	rec.head = any_head(walk, PT_REC_ALLOC, sizeof(rec));
	if (rec.head.proto == IPPROTO_TCP)
		rec.tuple = rec_tuple_to((__u16)below(walk, 3));
	rec.task.pid = 100 + below(walk, 3);
	rec.task.comm[0] = below(walk, 8) ? 'c' : 'C';
	if (!below(walk, 10)) {
		rec.head.flags |= PT_F_KIN; /* of nobody known */
		memset(&rec.task, 0, sizeof(rec.task));
	}
	tell(walk, rec);
}

static void tell_time_wait(struct walk *walk)
{
	struct pt_rec_tuple rec =
		rec_tw_begin(0, 0, 0x1000 + below(walk, TWS), 1 + (__u16)below(walk, 2));

	rec.head = any_head(walk, PT_REC_TW_BEGIN, sizeof(rec));
	rec.head.vrf = PT_VRF_UNKNOWN;
	rec.head.flags = PT_F_SOCK_GONE;
	tell(walk, rec);
}

static void tell_tw_end(struct walk *walk)
{
	struct pt_rec_tw_end rec = { .tw = 0x1000 + below(walk, TWS) };

	rec.head = any_head(walk, PT_REC_TW_END, sizeof(rec));
	rec.head.flags = below(walk, 2) ? PT_F_EXPIRED : PT_F_REUSED;
	tell(walk, rec);
}

static void tell_release(struct walk *walk)
{
	struct pt_rec_head rec = any_head(walk, PT_REC_RELEASE, sizeof(rec));

	rec.vrf = PT_VRF_UNKNOWN;
	tell(walk, rec);
}

static bool keep_most(void *data, const struct ledger_unit *unit)
{
	const struct walk *walk = data;

	return (unit->sock * 7 + unit->port * 5 + walk->now / MS) % 4;
}

/* A dump, after which the ledger is certain again. */
static void tell_dump(struct walk *walk)
{
	struct pt_rec_head head = any_head(walk, PT_REC_ALLOC, 0);
	struct ledger_unit unit = {
		.space = { head.netns_cookie, head.netns, head.vrf, head.proto },
		.family = AF_INET,
		.port = head.port,
		.tuple = rec_tuple_to((__u16)below(walk, 3)),
		.sock = head.sock,
		.owner = { .known = true, .pid = 99, .comm = "sshd" },
		.accepted = below(walk, 2),
	};

	ledger_doubt(walk->ledger);
	assert_int_equal(ledger_found(walk->ledger, &unit, walk->now), 0);
	ledger_sweep(walk->ledger, keep_most, walk, walk->now);
	ledger_certain(walk->ledger, walk->now);
}

static void step(struct walk *walk)
{
	__u32 what = below(walk, 100);

	walk->now += 1 + below(walk, 5 * MS);
	if (!below(walk, walk->loss_one_in))
		walk->lost += 1 + below(walk, 5);
	if (what < 40)
		tell_alloc(walk);
	else if (what < 65)
		tell_release(walk);
	else if (what < 80)
		tell_time_wait(walk);
	else if (what < 98)
		tell_tw_end(walk);
	else if (!below(walk, 3))
		tell_dump(walk);
}

static struct walk *walk_of(unsigned int seed)
{
	struct walk *walk = calloc(1, sizeof(*walk));

	walk->seed = seed;
	walk->now = MS;
	walk->loss_one_in = seed % 2 ? 100000 : 300;
	walk->ledger = ledger_new(keep, walk);
	for (int i = 0; i < STEPS; i++)
		step(walk);
	return walk;
}

/* ---- by brute force ----------------------------------------------------------------- */

static bool same_space(const struct pt_event *a, const struct pt_event *b)
{
	return a->space.netns_cookie == b->space.netns_cookie && a->space.netns == b->space.netns &&
	       a->space.vrf == b->space.vrf && a->space.proto == b->space.proto &&
	       a->port == b->port;
}

static bool same_tuple(const struct pt_event *a, const struct pt_event *b)
{
	return same_space(a, b) && a->rport == b->rport && !memcmp(a->laddr, b->laddr, 16) &&
	       !memcmp(a->raddr, b->raddr, 16);
}

static bool is_alloc(const struct pt_event *ev)
{
	return ev->type == PT_EV_ALLOC && !pt_via_is_found(ev->via);
}

/* Since its port's becoming free, by nothing but that event. */
static __u64 clean_ns(const struct walk *walk, size_t i)
{
	for (size_t j = i; j--;) {
		const struct pt_event *ev = &walk->events[j];

		if (ev->type == PT_EV_FREE && same_space(ev, &walk->events[i])) {
			assert_int_equal(ev->holders, 0);
			return walk->events[i].ts - ev->ts;
		}
	}
	fail();
	return 0;
}

enum again { NEVER, UNSURE, AGAIN };

/* What is known of the 4-tuple's last connection before event i. */
static enum again tuple_ns(const struct walk *walk, size_t i, __u64 *ns)
{
	const struct pt_event *begin = &walk->events[i];
	bool lost = begin->reuse == PT_REUSE_UNKNOWN;

	if (!begin->rport || begin->reuse == PT_REUSE_TIME_WAIT)
		return NEVER;
	for (size_t j = i; j--;) {
		const struct pt_event *ev = &walk->events[j];

		lost |= ev->type == PT_EV_LOST;
		if (ev->type == PT_EV_LOST || !same_tuple(ev, begin))
			continue;
		if (ev->type == PT_EV_ALLOC)
			return NEVER;
		if (ev->type != PT_EV_FREE)
			continue;
		*ns = begin->ts - ev->ts;
		return lost || ev->end == PT_END_UNKNOWN ? UNSURE : AGAIN;
	}
	return NEVER;
}

static bool in_row(enum keyed_by by, const struct reuse_row *row, const struct pt_event *ev)
{
	switch (by) {
	case KEYED_BY_PROTO:
		return row->key.space.proto == ev->space.proto;
	case KEYED_BY_NETNS:
		return row->key.space.netns == ev->space.netns;
	case KEYED_BY_PROCESS:
		return row->key.owner.known == ev->owner.known &&
		       row->key.owner.pid == ev->owner.pid;
	default:
		return row->key.port == ev->port && row->key.space.proto == ev->space.proto &&
		       row->key.space.netns == ev->space.netns &&
		       row->key.space.vrf == ev->space.vrf;
	}
}

/* row: NULL: all. */
static void check_count(const struct walk *walk, enum keyed_by by, const struct reuse_row *row,
			const struct reuse_count *count)
{
	struct reuse_count wanted = { 0 };
	__u64 powers[HISTOGRAM_POWERS], wanted_powers[HISTOGRAM_POWERS];

	for (size_t i = 0; i < walk->count; i++) {
		const struct pt_event *ev = &walk->events[i];

		if (!is_alloc(ev) || (row && !in_row(by, row, ev)))
			continue;
		wanted.allocs++;
		wanted.kinds[ev->reuse]++;
		if (ev->reuse != PT_REUSE_CLEAN)
			continue;
		assert_int_equal(histogram_add(&wanted.clean, clean_ns(walk, i)), 0);
		if (!ev->owner.known || !ev->prev_known)
			wanted.takers[REUSE_UNSURE]++;
		else
			wanted.takers[ev->owner.pid == ev->prev_pid &&
						      ev->owner.comm[0] == ev->prev_comm[0]
					      ? REUSE_SAME
					      : REUSE_ANOTHER]++;
	}
	assert_int_equal(count->allocs, wanted.allocs);
	assert_memory_equal(count->kinds, wanted.kinds, sizeof(wanted.kinds));
	assert_memory_equal(count->takers, wanted.takers, sizeof(wanted.takers));
	assert_int_equal(count->clean.count, wanted.kinds[PT_REUSE_CLEAN]);
	assert_true(count->clean.sum == wanted.clean.sum);
	histogram_powers(&count->clean, powers);
	histogram_powers(&wanted.clean, wanted_powers);
	assert_memory_equal(powers, wanted_powers, sizeof(powers));
	histogram_free(&wanted.clean);
}

static void check_tuples(const struct walk *walk, const struct reuse *reuse)
{
	__u64 count = 0, unknown = 0, ns;
	histogram_sum sum = 0;

	for (size_t i = 0; i < walk->count; i++) {
		enum again again = is_alloc(&walk->events[i]) ? tuple_ns(walk, i, &ns) : NEVER;

		unknown += again == UNSURE;
		count += again == AGAIN;
		if (again == AGAIN)
			sum += ns;
	}
	assert_int_equal(reuse->tuple.count, count);
	assert_int_equal(reuse->tuple_unknown, unknown);
	assert_true(reuse->tuple.sum == sum);
	assert_true(count > 10);
	assert_int_equal(reuse->tuples.forgotten, 0);
}

static void check_walk(const struct walk *walk, enum keyed_by by, __u64 seen[PT_REUSES])
{
	struct reuse *reuse = reuse_of(by);
	__u64 allocs = 0;

	for (size_t i = 0; i < walk->count; i++)
		assert_int_equal(reuse_event(reuse, &walk->events[i], true), 0);
	for (__u32 i = 0; i < reuse->keyed.count; i++) {
		check_count(walk, by, reuse_row(reuse, i), &reuse_row(reuse, i)->count);
		allocs += reuse_row(reuse, i)->count.allocs;
	}
	check_count(walk, by, NULL, &reuse->all);
	assert_int_equal(allocs, reuse->all.allocs);
	assert_int_equal(reuse->lost, walk->lost);
	check_tuples(walk, reuse);
	for (int kind = 0; kind < PT_REUSES; kind++)
		seen[kind] += reuse->all.kinds[kind];
	reuse_free(reuse);
}

static void test_as_by_brute_force(void **state)
{
	__u64 seen[PT_REUSES] = { 0 };

	(void)state;
	for (unsigned int seed = 1; seed <= ROUNDS; seed++) {
		struct walk *walk = walk_of(seed);

		for (int by = 0; by <= KEYED_BY_PORT; by++)
			check_walk(walk, (enum keyed_by)by, seen);
		ledger_free(walk->ledger);
		free(walk);
	}
	for (int kind = PT_REUSE_CLEAN; kind < PT_REUSES; kind++)
		assert_true(seen[kind] > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),	cmocka_unit_test(test_takers),
		cmocka_unit_test(test_span),	cmocka_unit_test(test_unwanted),
		cmocka_unit_test(test_bounded), cmocka_unit_test(test_as_by_brute_force),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
