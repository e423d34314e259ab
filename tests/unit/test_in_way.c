// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>

#include "tests/unit/records.h"

#define S (1000 * MS)

enum { LOW = 32768, HIGH = 33767, WEB = 183, MAILER = 182 };

/* A ledger, and the newest event, which a refusal is. */
struct fixture {
	struct ledger *ledger;
	struct pt_event ev;
	__u64 sock;
};

static void listen_to(void *data, const struct pt_event *ev)
{
	((struct fixture *)data)->ev = *ev;
}

static int begin(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->ledger = ledger_new(listen_to, fixture);
	*state = fixture;
	return 0;
}

static int end(void **state)
{
	struct fixture *fixture = *state;

	ledger_free(fixture->ledger);
	free(fixture);
	return 0;
}

static void set_range(struct fixture *fixture, bool reserved)
{
	const struct ledger_range range = {
		.netns = 4026531840, .low = LOW, .high = HIGH, .reserved = reserved
	};

	assert_int_equal(ledger_set_range(fixture->ledger, &range), 0);
}

static void set_range_of(struct fixture *fixture, __u64 netns_cookie, __u16 low)
{
	const struct ledger_range range = {
		.netns = 4026531840, .netns_cookie = netns_cookie, .low = low, .high = low + 999
	};

	assert_int_equal(ledger_set_range(fixture->ledger, &range), 0);
}

static struct pt_rec_port asked(enum pt_kind kind, __u64 ts, __u16 port, enum pt_via via,
				__u16 rport)
{
	struct pt_rec_port rec = rec_port(kind, ts, 1, via, rport);

	rec.head.port = port;
	return rec;
}

/* Returns the socket. */
static __u64 take(struct fixture *fixture, __u64 ts, __u32 pid, __u16 port, enum pt_via via,
		  __u16 rport)
{
	struct pt_rec_port rec = asked(PT_REC_ALLOC, ts, port, via, rport);

	rec.head.sock = 100 + fixture->sock++;
	rec.task.pid = pid;
	rec.task.start = pid;
	tell(fixture, rec);
	return rec.head.sock;
}

static void wait_for_time(struct fixture *fixture, __u64 ts, __u64 sock, __u16 port, __u16 rport)
{
	struct pt_rec_tuple rec = rec_tw_begin(ts, sock, sock << 8, rport);

	rec.head.port = port;
	tell(fixture, rec);
}

static void let_go(struct fixture *fixture, __u64 ts, __u64 sock, __u16 port)
{
	struct pt_rec_head rec = rec_release(ts, sock);

	rec.port = port;
	tell(fixture, rec);
}

/* Returns the event: who asks for any port, to rport if that is not 0. */
static const struct pt_event *refuse(struct fixture *fixture, __u64 ts, enum pt_via via,
				     __u16 rport)
{
	struct pt_rec_port rec = asked(PT_REC_FAIL, ts, 0, via, rport);

	rec.error = via == PT_VIA_CONNECT ? -EADDRNOTAVAIL : -EADDRINUSE;
	rec.head.sock = 1;
	tell(fixture, rec);
	assert_int_equal(fixture->ev.type, PT_EV_FAIL);
	return &fixture->ev;
}

static void check_share(const struct pt_event *ev, unsigned int at, __u32 pid, __u64 count)
{
	assert_true(ev->blockers_count > at);
	assert_true(ev->blockers[at].sums_up);
	assert_int_equal(ev->blockers[at].owner.pid, pid);
	assert_int_equal(ev->blockers[at].count, count);
}

/* 1000 ports: 993 of one process in TIME_WAIT, 7 of another open. */
static void test_a_full_range(void **state)
{
	struct fixture *fixture = *state;
	const struct pt_event *ev;

	set_range(fixture, false);
	for (__u16 i = 0; i < 1000; i++) {
		__u64 ts = S + i * MS, sock;

		sock = take(fixture, ts, i < 993 ? WEB : MAILER, LOW + i, PT_VIA_CONNECT, 6379);
		/* another destination shares the port, and is not in the way */
		take(fixture, ts, 999, LOW + i, PT_VIA_CONNECT, 80);
		if (i < 993)
			wait_for_time(fixture, ts + S, sock, LOW + i, 6379);
	}
	ev = refuse(fixture, 5 * S, PT_VIA_CONNECT, 6379);
	assert_int_equal(ev->blockers_total, 1000);
	assert_int_equal(ev->blockers_count, 2);
	check_share(ev, 0, WEB, 993);
	assert_true(ev->blockers[0].time_wait);
	assert_false(ev->blockers[0].differs);
	assert_int_equal(ev->blockers[0].age_ns, 4 * S);
	assert_int_equal(ev->blockers[0].tw_left_ns, 57 * S);
	check_share(ev, 1, MAILER, 7);
	assert_false(ev->blockers[1].time_wait);
	assert_int_equal(ev->blockers[1].age_ns, 5 * S - 1993 * MS);
	assert_int_equal(ev->blockers[1].tw_left_ns, PT_UNKNOWN);
	/* bind(0) minds all of them, each port once */
	ev = refuse(fixture, 5 * S, PT_VIA_BIND, 0);
	assert_int_equal(ev->blockers_total, 1000);
	assert_int_equal(ev->blockers_count, 3);
	check_share(ev, 0, 999, 1000);
	check_share(ev, 1, WEB, 993);
}

/* What happens after the first refusal counts as what was before it. */
static void test_it_follows(void **state)
{
	struct fixture *fixture = *state;
	const struct pt_event *ev;
	__u64 first, second;

	first = take(fixture, 1 * S, WEB, LOW, PT_VIA_CONNECT, 443);
	second = take(fixture, 2 * S, WEB, LOW + 1, PT_VIA_CONNECT, 443);
	ev = refuse(fixture, 3 * S, PT_VIA_CONNECT, 443);
	check_share(ev, 0, WEB, 2);
	assert_int_equal(ev->blockers[0].age_ns, 2 * S);
	take(fixture, 3 * S, MAILER, LOW + 2, PT_VIA_CONNECT, 443);
	let_go(fixture, 4 * S, first, LOW);
	wait_for_time(fixture, 5 * S, second, LOW + 1, 443);
	ev = refuse(fixture, 6 * S, PT_VIA_CONNECT, 443);
	assert_int_equal(ev->blockers_total, 2);
	/* of as many that with the lesser number first */
	check_share(ev, 0, MAILER, 1);
	check_share(ev, 1, WEB, 1);
	assert_true(ev->blockers[1].time_wait);
	assert_int_equal(ev->blockers[1].age_ns, 4 * S);
	assert_int_equal(ev->blockers[1].tw_left_ns, 59 * S);
	/* its timer is late: when it ends is not known */
	ev = refuse(fixture, 65 * S + MS, PT_VIA_CONNECT, 443);
	assert_true(ev->blockers[1].time_wait);
	assert_int_equal(ev->blockers[1].tw_left_ns, PT_UNKNOWN);
	/* and after a minute without a refusal it begins anew */
	take(fixture, 200 * S, WEB, LOW + 3, PT_VIA_CONNECT, 443);
	ev = refuse(fixture, 201 * S, PT_VIA_CONNECT, 443);
	check_share(ev, 0, WEB, 2);
	assert_true(ev->blockers[0].differs);
}

/* What bind() took is closed to every connect(); one port counts once. */
static void test_what_bind_took(void **state)
{
	struct fixture *fixture = *state;
	const struct pt_event *ev;
	__u64 named;

	set_range(fixture, false);
	take(fixture, 1 * S, WEB, LOW, PT_VIA_CONNECT, 443);
	take(fixture, 2 * S, MAILER, LOW + 1, PT_VIA_BIND, 0);
	take(fixture, 2 * S, MAILER, LOW + 2, PT_VIA_FIXED, 0);
	take(fixture, 2 * S, MAILER, LOW + 2, PT_VIA_FIXED, 0); /* SO_REUSEPORT */
	take(fixture, 2 * S, MAILER, 8080, PT_VIA_FIXED, 0);	/* nobody is given that one */
	ev = refuse(fixture, 3 * S, PT_VIA_CONNECT, 443);
	assert_int_equal(ev->blockers_total, 3);
	check_share(ev, 0, MAILER, 2);
	check_share(ev, 1, WEB, 1);
	/* the connection's own port, too: it is in the way by who bound it, while he does */
	named = take(fixture, 4 * S, MAILER, LOW, PT_VIA_FIXED, 0);
	ev = refuse(fixture, 5 * S, PT_VIA_CONNECT, 443);
	assert_int_equal(ev->blockers_count, 1);
	assert_int_equal(ev->blockers_total, 3);
	check_share(ev, 0, MAILER, 3);
	let_go(fixture, 6 * S, named, LOW);
	ev = refuse(fixture, 7 * S, PT_VIA_CONNECT, 443);
	assert_int_equal(ev->blockers_total, 3);
	check_share(ev, 1, WEB, 1);
	/* to elsewhere */
	ev = refuse(fixture, 8 * S, PT_VIA_CONNECT, 80);
	assert_int_equal(ev->blockers_total, 2);
	assert_int_equal(ev->blockers_count, 1);
}

/* Which ports the kernel would choose may not be known. */
static void test_ranges(void **state)
{
	struct fixture *fixture = *state;

	take(fixture, 1 * S, WEB, LOW, PT_VIA_CONNECT, 443);
	take(fixture, 1 * S, MAILER, LOW + 1, PT_VIA_FIXED, 0);
	assert_int_equal(refuse(fixture, 2 * S, PT_VIA_CONNECT, 443)->blockers_total, 1);
	set_range(fixture, false);
	assert_int_equal(refuse(fixture, 3 * S, PT_VIA_CONNECT, 443)->blockers_total, 2);
	set_range(fixture, true); /* perhaps just that port */
	assert_int_equal(refuse(fixture, 4 * S, PT_VIA_CONNECT, 443)->blockers_total, 1);
	set_range_of(fixture, 0, 60000);
	assert_int_equal(refuse(fixture, 5 * S, PT_VIA_CONNECT, 443)->blockers_total, 1);
	set_range_of(fixture, 1, LOW);
	assert_int_equal(refuse(fixture, 6 * S, PT_VIA_CONNECT, 443)->blockers_total, 2);
	set_range_of(fixture, 7, LOW); /* another namespace had the inode number */
	assert_int_equal(refuse(fixture, 7 * S, PT_VIA_CONNECT, 443)->blockers_total, 1);
	/* nobody that is known */
	assert_int_equal(refuse(fixture, 8 * S, PT_VIA_CONNECT, 80)->blockers_total, PT_UNKNOWN);
	assert_int_equal(fixture->ev.blockers_count, 0);
}

/* Whoever shows no refusals does not pay for them. */
static void test_nobody_asks(void **state)
{
	struct fixture *fixture = *state;
	const struct pt_event *ev;

	ledger_skip_crowd(fixture->ledger);
	for (__u16 port = 40000; port < 40010; port++)
		take(fixture, port, 7, port, PT_VIA_CONNECT, 443);
	ev = refuse(fixture, 50000, PT_VIA_CONNECT, 443);
	assert_int_equal(ev->blockers_count, 0);
	assert_true(ev->blockers_total == PT_UNKNOWN);
}

static void test_udp(void **state)
{
	struct fixture *fixture = *state;
	struct pt_rec_port rec = asked(PT_REC_ALLOC, S, LOW, PT_VIA_AUTOBIND, 0);

	take(fixture, 1 * S, WEB, LOW, PT_VIA_CONNECT, 443);
	rec.head.proto = IPPROTO_UDP;
	tell(fixture, rec);
	rec.head.kind = PT_REC_FAIL;
	rec.head.port = 0;
	rec.head.ts = 3 * S;
	rec.error = -EAGAIN;
	tell(fixture, rec);
	assert_int_equal(fixture->ev.blockers_total, 1);
	check_share(&fixture->ev, 0, 4242, 1);
	assert_int_equal(fixture->ev.blockers[0].age_ns, 2 * S);
}

/* Nobody can tell: another reason, a call that is not known, a device's own, a loss. */
static void test_what_is_not_known(void **state)
{
	struct fixture *fixture = *state;
	struct pt_rec_port rec = asked(PT_REC_FAIL, 2 * S, 0, PT_VIA_CONNECT, 443);

	take(fixture, 1 * S, WEB, LOW, PT_VIA_CONNECT, 443);
	rec.error = -ENOMEM;
	tell(fixture, rec);
	assert_int_equal(fixture->ev.blockers_total, PT_UNKNOWN);
	rec.error = -EADDRNOTAVAIL;
	rec.head.vrf = PT_VRF_UNKNOWN;
	tell(fixture, rec);
	assert_int_equal(fixture->ev.blockers_total, PT_UNKNOWN);
	assert_int_equal(refuse(fixture, 2 * S, PT_VIA_UNKNOWN, 0)->blockers_total, PT_UNKNOWN);
	assert_int_equal(refuse(fixture, 2 * S, PT_VIA_CONNECT, 0)->blockers_total, PT_UNKNOWN);
	assert_int_equal(refuse(fixture, 2 * S, PT_VIA_CONNECT, 443)->blockers_total, 1);
	ledger_lost(fixture->ledger, 1, 3 * S);
	assert_int_equal(refuse(fixture, 4 * S, PT_VIA_CONNECT, 443)->blockers_total, PT_UNKNOWN);
	ledger_certain(fixture->ledger, 5 * S);
	assert_int_equal(refuse(fixture, 6 * S, PT_VIA_CONNECT, 443)->blockers_total, 1);
}

/* ---- whatever happens, it is as if it began now ------------------------------------- */

static void load(void *data, const struct pt_rec_head *row)
{
	assert_int_equal(ledger_row(data, row), 0);
}

static __u32 below(unsigned int *seed, __u32 bound)
{
	return (__u32)rand_r(seed) % bound;
}

static const enum pt_via vias[] = { PT_VIA_CONNECT, PT_VIA_CONNECT, PT_VIA_CONNECT,
				    PT_VIA_BIND,    PT_VIA_FIXED,   PT_VIA_UNKNOWN };

static void any_step(struct fixture *fixture, unsigned int *seed, __u64 ts)
{
	__u16 port = LOW - 3 + (__u16)below(seed, 12), rport = 80 + (__u16)below(seed, 2);
	__u64 sock = 100 + below(seed, (__u32)fixture->sock + 1);
	struct pt_rec_tw_end over = rec_tw_end(ts, sock, sock << 8, PT_F_EXPIRED);
	struct pt_rec_tuple connects = rec_tw_begin(ts, sock, 0, rport);
	enum pt_via via = vias[below(seed, 6)];

	over.head.port = connects.head.port = port;
	connects.head.kind = PT_REC_CONNECT;
	switch (below(seed, 8)) {
	case 0:
	case 1:
	case 2:
		take(fixture, ts, 1 + below(seed, 7), port, via, via == PT_VIA_CONNECT ? rport : 0);
		break;
	case 3:
		let_go(fixture, ts, sock, port);
		break;
	case 4:
		tell(fixture, connects);
		break;
	case 5:
		tell(fixture, over);
		break;
	default:
		wait_for_time(fixture, ts, sock, port, rport);
	}
	fixture->sock %= 40;
}

static void check_refusal(struct fixture *fixture, unsigned int *seed, __u64 ts)
{
	struct fixture anew = { 0 };
	enum pt_via via = below(seed, 3) ? PT_VIA_CONNECT : PT_VIA_BIND;
	__u16 rport = via == PT_VIA_CONNECT ? 80 + (__u16)below(seed, 2) : 0;
	const struct pt_event *a, *b;

	anew.ledger = ledger_new(listen_to, &anew);
	ledger_keyframe(fixture->ledger, load, anew.ledger);
	set_range(&anew, false);
	a = refuse(fixture, ts, via, rport);
	b = refuse(&anew, ts, via, rport);
	assert_int_equal(a->blockers_total, b->blockers_total);
	assert_int_equal(a->blockers_count, b->blockers_count);
	if (a->blockers_count)
		assert_memory_equal(a->blockers, b->blockers,
				    a->blockers_count * sizeof(*a->blockers));
	ledger_free(anew.ledger);
}

static void test_it_is_as_if_it_began_now(void **state)
{
	struct fixture *fixture = *state;
	unsigned int seed = 1;
	__u64 ts = S;

	set_range(fixture, false);
	for (int i = 0; i < 20000; i++) {
		ts += below(&seed, 200) * MS;
		if (!below(&seed, 500))
			ts += 61 * S;
		any_step(fixture, &seed, ts);
		if (!below(&seed, 8))
			check_refusal(fixture, &seed, ts);
	}
}

#define WITH_LEDGER(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LEDGER(test_a_full_range),	     WITH_LEDGER(test_it_follows),
		WITH_LEDGER(test_what_bind_took),    WITH_LEDGER(test_ranges),
		WITH_LEDGER(test_nobody_asks),	     WITH_LEDGER(test_udp),
		WITH_LEDGER(test_what_is_not_known), WITH_LEDGER(test_it_is_as_if_it_began_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
