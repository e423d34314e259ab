// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a ledger's tap gives brings another ledger to the same events: all rows from
 * the beginning, rows behind a keyframe, rows of one port alone.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/records.h"
#include "user/event/decode.h"

enum { PORTS = 5, SOCKS = 14, TWS = 10, STEPS = 3000, ROUNDS = 60 };
#define FIRST_PORT 60609

/* ---- a ledger, and what it told ------------------------------------------------ */

struct told {
	struct pt_event ev;
	struct pt_blocker blockers[PT_BLOCKERS_MAX];
};

struct replica {
	struct ledger *ledger;
	struct told *told;
	size_t count, size;
	__u16 only; /* the port of which rows are taken and events heard; 0: all */
};

static void listen_to(void *data, const struct pt_event *ev)
{
	struct replica *replica = data;
	struct told *told;

	if (replica->only && ev->port != replica->only && ev->type != PT_EV_LOST)
		return;
	if (replica->count == replica->size) {
		replica->size = replica->size * 2 ?: 256;
		replica->told = realloc(replica->told, replica->size * sizeof(*replica->told));
	}
	told = &replica->told[replica->count++];
	memset(told, 0, sizeof(*told));
	told->ev = *ev;
	told->ev.blockers = NULL;
	if (ev->blockers_count)
		memcpy(told->blockers, ev->blockers, ev->blockers_count * sizeof(*ev->blockers));
}

static struct replica replica_of(__u16 only)
{
	return (struct replica){ .only = only };
}

static void replica_begin(struct replica *replica)
{
	replica->ledger = ledger_new(listen_to, replica);
	assert_non_null(replica->ledger);
}

static void replica_end(struct replica *replica)
{
	ledger_free(replica->ledger);
	free(replica->told);
}

static void replica_take(void *data, const struct pt_rec_head *row)
{
	struct replica *replica = data;
	const struct pt_rec_head *sound;

	if (replica->only && row->port && row->port != replica->only)
		return;
	assert_int_equal(decode_row(row, row->size, &sound), 0);
	assert_int_equal(ledger_row(replica->ledger, row), 0);
}

static void assert_same_events(const struct replica *a, size_t from, const struct replica *b)
{
	for (size_t i = 0; i < b->count && from + i < a->count; i++) {
		struct told x = a->told[from + i], y = b->told[i];

		/* raised to that of the event before, which may be another port's */
		if (b->only)
			x.ev.ts = y.ev.ts = 0;
		assert_memory_equal(&x.blockers, &y.blockers, sizeof(x.blockers));
		assert_memory_equal(&x.ev, &y.ev, sizeof(x.ev));
	}
	assert_int_equal(a->count - from, b->count);
}

static void count_one(void *data, const struct ledger_unit *unit)
{
	(void)unit;
	++*(size_t *)data;
}

static size_t units_of(struct ledger *ledger)
{
	size_t count = 0;

	ledger_each(ledger, count_one, &count);
	return count;
}

/* ---- what happens --------------------------------------------------------------- */

struct fixture {
	struct replica live, all, late, one;
	size_t late_from;
	unsigned int seed;
	__u64 now;
	__u32 lost;
	bool cookies;
	bool spaces; /* several */
};

static __u32 below(struct fixture *fixture, __u32 bound)
{
	return (__u32)rand_r(&fixture->seed) % bound;
}

static void on_row(void *data, const struct pt_rec_head *row)
{
	struct fixture *fixture = data;

	replica_take(&fixture->all, row);
	replica_take(&fixture->one, row);
	if (fixture->late.ledger)
		replica_take(&fixture->late, row);
}

/* Any order and any socket: the kernel's are only some of these. */
static struct pt_rec_head any_head(struct fixture *fixture, enum pt_kind kind, size_t size)
{
	struct pt_rec_head head = rec_head(kind, (__u16)size, fixture->now, 0);

	head.sock = 1 + below(fixture, SOCKS);
	head.port = (__u16)(FIRST_PORT + below(fixture, PORTS));
	head.proto = below(fixture, 4) ? IPPROTO_TCP : IPPROTO_UDP;
	if (fixture->spaces) {
		head.netns += below(fixture, 8) == 0;
		/* in two VRFs at once no socket can be */
		head.vrf = head.proto == IPPROTO_TCP && head.sock % 6 == 5 ? 5 : 0;
	} else {
		head.proto = IPPROTO_TCP;
	}
	head.netns_cookie = fixture->cookies ? 1 : PT_NO_COOKIES | 77;
	head.lost = fixture->lost;
	return head;
}

static void tell_port(struct fixture *fixture, enum pt_kind kind)
{
	struct pt_rec_port rec = rec_port(kind, 0, 0, (enum pt_via)below(fixture, PT_VIA_ACCEPT),
					  (__u16)below(fixture, 3));

	rec.head = any_head(fixture, kind, sizeof(rec));
	rec.task.pid = 100 + below(fixture, 5);
	rec.head.flags = below(fixture, 3) ? 0 : PT_F_SECOND;
	if (!below(fixture, 4)) {
		rec.head.flags |= PT_F_SEARCHED;
		rec.search_ns = below(fixture, 1000);
	}
	if (!below(fixture, 10)) {
		rec.head.flags |= PT_F_KIN;
		memset(&rec.task, 0, sizeof(rec.task));
		rec.kin = (struct pt_kin){ .sock = 1 + below(fixture, SOCKS),
					   .port = (__u16)(FIRST_PORT + below(fixture, PORTS)) };
	} else if (kind == PT_REC_ALLOC && !below(fixture, 20)) {
		rec.head.flags |= PT_F_LATE | PT_F_SECOND | PT_F_KIN;
		memset(&rec.task, 0, sizeof(rec.task));
	}
	if (kind == PT_REC_FAIL) {
		rec.error = below(fixture, 5) ? -EADDRINUSE : 0;
		rec.head.flags |= below(fixture, 5) ? 0 : PT_F_ROLLBACK;
		rec.head.port = below(fixture, 5) ? rec.head.port : 0;
	}
	tell(&fixture->live, rec);
}

static void tell_tuple(struct fixture *fixture, enum pt_kind kind)
{
	struct pt_rec_tuple rec =
		rec_tw_begin(0, 0, 0x1000 + below(fixture, TWS), 1 + (__u16)below(fixture, 2));

	rec.head = any_head(fixture, kind, sizeof(rec));
	rec.head.vrf = PT_VRF_UNKNOWN;
	rec.head.flags = kind == PT_REC_TW_BEGIN && below(fixture, 3) ? PT_F_SOCK_GONE : 0;
	if (kind == PT_REC_CONNECT)
		rec.tw = 0;
	tell(&fixture->live, rec);
}

static void tell_tw_end(struct fixture *fixture)
{
	static const __u32 flags[] = { 0, PT_F_EXPIRED, PT_F_REUSED };
	struct pt_rec_tw_end rec = { .tw = 0x1000 + below(fixture, TWS) };

	rec.head = any_head(fixture, PT_REC_TW_END, sizeof(rec));
	rec.head.flags = flags[below(fixture, 3)];
	rec.taker = below(fixture, 3) ? 0 : 1 + below(fixture, SOCKS);
	tell(&fixture->live, rec);
}

static void tell_head(struct fixture *fixture, enum pt_kind kind)
{
	struct pt_rec_head rec = any_head(fixture, kind, sizeof(rec));

	if (kind != PT_REC_EMPTY)
		rec.vrf = PT_VRF_UNKNOWN;
	rec.flags = below(fixture, 4) ? 0 : kind == PT_REC_EMPTY ? PT_F_MISSED : PT_F_LISTENED;
	tell(&fixture->live, rec);
}

static void tell_found(struct fixture *fixture)
{
	struct pt_rec_head head = any_head(fixture, PT_REC_ALLOC, 0);
	struct ledger_unit unit = {
		.space = { head.netns_cookie, head.netns, head.vrf, head.proto },
		.family = AF_INET,
		.port = head.port,
		.tuple = rec_tuple_to((__u16)below(fixture, 3)),
		.sock = head.sock,
		.owner = { .known = below(fixture, 2), .pid = 99, .comm = "sshd" },
		.time_wait = head.proto == IPPROTO_TCP && below(fixture, 2),
	};

	if (!unit.owner.known)
		unit.owner = (struct pt_owner){ .known = false };
	unit.accepted = !unit.time_wait && !below(fixture, 4);
	if (unit.time_wait && below(fixture, 2))
		unit.tw = 0x1000 + below(fixture, TWS);
	if (unit.time_wait && below(fixture, 4))
		unit.tw_until = fixture->now + below(fixture, 1000 * MS);
	if (unit.time_wait && unit.tw && !fixture->cookies)
		unit.sock = 0;
	assert_int_equal(ledger_found(fixture->live.ledger, &unit, fixture->now), 0);
}

/* A dump has a socket, or has it not. */
static bool keep_most(void *data, const struct ledger_unit *unit)
{
	const struct fixture *fixture = data;

	return (unit->sock * 7 + unit->port * 5 + unit->tw + unit->tuple.rport + unit->time_wait +
		fixture->now / MS) %
	       4;
}

static void tell_sweep(struct fixture *fixture)
{
	ledger_doubt(fixture->live.ledger);
	tell_found(fixture);
	ledger_sweep(fixture->live.ledger, keep_most, fixture, fixture->now);
	if (below(fixture, 4))
		ledger_certain(fixture->live.ledger, fixture->now);
}

static void step(struct fixture *fixture)
{
	__u32 what = below(fixture, 100);

	fixture->now += below(fixture, 5 * MS);
	if (!below(fixture, 300))
		fixture->lost += 1 + below(fixture, 5);
	if (what < 35)
		tell_port(fixture, PT_REC_ALLOC);
	else if (what < 45)
		tell_port(fixture, PT_REC_FAIL);
	else if (what < 60)
		tell_head(fixture, PT_REC_RELEASE);
	else if (what < 63)
		tell_head(fixture, PT_REC_CLOSED);
	else if (what < 65)
		tell_head(fixture, PT_REC_EMPTY);
	else if (what < 78)
		tell_tuple(fixture, PT_REC_TW_BEGIN);
	else if (what < 83)
		tell_tuple(fixture, PT_REC_CONNECT);
	else if (what < 95)
		tell_tw_end(fixture);
	else if (what < 98)
		tell_found(fixture);
	else if (what < 99)
		tell_sweep(fixture);
	else
		ledger_lost(fixture->live.ledger,
			    ledger_counts(fixture->live.ledger).lost + below(fixture, 2),
			    fixture->now);
}

/*
 * A sweep goes through the spaces in the order in which the ledger met them, be it by
 * a record that was worth no row: so each is met by one that is.
 */
static void meet_spaces(struct fixture *fixture)
{
	for (unsigned int i = 0; i < 6; i++) {
		struct pt_rec_port rec = rec_port(PT_REC_ALLOC, fixture->now, 1000, PT_VIA_BIND, 0);
		struct pt_rec_head gone;

		rec.head.netns += i / 3;
		rec.head.proto = i % 3 ? IPPROTO_TCP : IPPROTO_UDP;
		rec.head.vrf = i % 3 == 2 ? 5 : 0;
		rec.head.netns_cookie = fixture->cookies ? 1 : PT_NO_COOKIES | 77;
		gone = rec.head;
		gone.kind = PT_REC_RELEASE;
		gone.size = sizeof(gone);
		tell(&fixture->live, rec);
		tell(&fixture->live, gone);
	}
}

/* ---- the tests ------------------------------------------------------------------ */

/* The live ledger, as another one that begins here. */
static void take_keyframe(struct fixture *fixture)
{
	replica_begin(&fixture->late);
	fixture->late_from = fixture->live.count;
	ledger_keyframe(fixture->live.ledger, replica_take, &fixture->late);
	assert_int_equal(fixture->late.count, 0); /* a state, no events */
	assert_int_equal(units_of(fixture->late.ledger), units_of(fixture->live.ledger));
}

static void one_port_of(const struct replica *live, __u16 port, struct replica *out)
{
	for (size_t i = 0; i < live->count; i++) {
		struct pt_event ev = live->told[i].ev;

		ev.blockers = live->told[i].blockers;
		out->only = port;
		listen_to(out, &ev);
	}
}

static void go_round(unsigned int seed)
{
	struct fixture fixture = {
		.seed = seed, .now = MS, .cookies = seed % 4, .spaces = seed % 3
	};
	struct replica wanted = replica_of(FIRST_PORT + 2);

	fixture.one = replica_of(FIRST_PORT + 2);
	replica_begin(&fixture.live);
	replica_begin(&fixture.all);
	replica_begin(&fixture.one);
	ledger_set_tap(fixture.live.ledger, on_row, &fixture);
	if (fixture.spaces)
		meet_spaces(&fixture);
	for (int i = 0; i < STEPS; i++) {
		step(&fixture);
		if (i == STEPS / 3)
			take_keyframe(&fixture);
	}
	assert_true(fixture.live.count > STEPS / 4);
	assert_same_events(&fixture.live, 0, &fixture.all);
	assert_same_events(&fixture.live, fixture.late_from, &fixture.late);
	one_port_of(&fixture.live, FIRST_PORT + 2, &wanted);
	if (!fixture.spaces)
		assert_same_events(&wanted, 0, &fixture.one);
	assert_int_equal(units_of(fixture.live.ledger), units_of(fixture.late.ledger));
	free(wanted.told);
	replica_end(&fixture.live);
	replica_end(&fixture.all);
	replica_end(&fixture.late);
	replica_end(&fixture.one);
}

static void test_rows_repeat_what_happened(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= ROUNDS; seed++)
		go_round(seed);
}

static void count_row(void *data, const struct pt_rec_head *row)
{
	(void)row;
	++*(size_t *)data;
}

/* What changes nothing is not worth a row. */
static void test_what_is_idle_is_not_told(void **state)
{
	struct heard heard = { 0 };
	struct pt_rec_head gone = rec_release(2 * MS, 11);
	struct pt_rec_port again = rec_port(PT_REC_ALLOC, 2 * MS, 11, PT_VIA_BIND, 0);
	struct pt_rec_port first = rec_port(PT_REC_ALLOC, 1 * MS, 11, PT_VIA_BIND, 0);
	size_t count = 0;

	(void)state;
	heard.ledger = ledger_new(hear, &heard);
	ledger_set_tap(heard.ledger, count_row, &count);
	tell(&heard, gone); /* of a socket that holds nothing */
	assert_int_equal(count, 0);
	tell(&heard, first);
	assert_int_equal(count, 1);
	again.head.flags = PT_F_SECOND;
	tell(&heard, again);
	assert_int_equal(count, 1);
	tell(&heard, gone);
	assert_int_equal(count, 2);
	ledger_set_tap(heard.ledger, NULL, NULL);
	tell(&heard, first);
	assert_int_equal(count, 2);
	ledger_free(heard.ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_repeat_what_happened),
		cmocka_unit_test(test_what_is_idle_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
