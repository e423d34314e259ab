// SPDX-License-Identifier: BSD-2-Clause
/* The ledger against a dump: what differs, what only seems to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "tests/unit/records.h"
#include "user/ledger/audit.h"

#define SOCK 11
#define OTHER 12
#define TW 0x5000
#define NETNS 4026531840

struct fixture {
	struct ledger *ledger;
	struct snapshot *snapshot;
	struct audit *audit;
	unsigned int told[AUDIT_KINDS];
	struct ledger_unit last;
};

static void ignore(void *data, const struct pt_event *ev)
{
	(void)data;
	(void)ev;
}

static int begin(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->ledger = ledger_new(ignore, NULL);
	fixture->snapshot = snapshot_new();
	fixture->audit = audit_new();
	*state = fixture;
	return !fixture->ledger || !fixture->audit ||
	       snapshot_add_netns(fixture->snapshot, NETNS, NETNS_SEEN);
}

static int end(void **state)
{
	struct fixture *fixture = *state;

	ledger_free(fixture->ledger);
	snapshot_free(fixture->snapshot);
	audit_free(fixture->audit);
	free(fixture);
	return 0;
}

#define take(fixture, record)                                                                      \
	do {                                                                                       \
		__auto_type taken = (record);                                                      \
		assert_int_equal(ledger_record((fixture)->ledger, (void *)&taken), 0);             \
	} while (0)

static struct ledger_unit row(__u64 sock, __u16 rport)
{
	return (struct ledger_unit){
		.space = { .netns_cookie = 1, .netns = NETNS, .proto = IPPROTO_TCP },
		.family = AF_INET,
		.port = 60609,
		.tuple = rec_tuple_to(rport),
		.sock = sock,
	};
}

static void dump_has(struct fixture *fixture, struct ledger_unit unit)
{
	assert_int_equal(snapshot_add_row(fixture->snapshot, &unit, SNAPSHOT_SECOND), 0);
}

/* A new dump, with nothing in it. */
static void dump_anew(struct fixture *fixture)
{
	snapshot_free(fixture->snapshot);
	fixture->snapshot = snapshot_new();
	assert_int_equal(snapshot_add_netns(fixture->snapshot, NETNS, NETNS_SEEN), 0);
}

static int look(struct fixture *fixture)
{
	return audit_look(fixture->audit, fixture->snapshot, fixture->ledger);
}

static void hear_of(void *data, enum audit_kind kind, const struct ledger_unit *unit)
{
	struct fixture *fixture = data;

	fixture->told[kind]++;
	fixture->last = *unit;
}

static struct audit_counts conclude(struct fixture *fixture)
{
	audit_conclude(fixture->audit, hear_of, fixture);
	return audit_counts(fixture->audit);
}

static struct pt_rec_port alloc(__u64 ts, __u64 sock, __u16 rport)
{
	return rec_port(PT_REC_ALLOC, ts, sock, PT_VIA_CONNECT, rport);
}

static void test_nothing_differs(void **state)
{
	struct fixture *fixture = *state;
	struct ledger_unit tw = row(OTHER, 80);
	struct audit_counts counts;

	take(fixture, alloc(1 * MS, SOCK, 443));
	take(fixture, alloc(2 * MS, OTHER, 80));
	take(fixture, rec_tw_begin(3 * MS, OTHER, TW, 80));
	tw.time_wait = true;
	dump_has(fixture, row(SOCK, 443));
	dump_has(fixture, tw);
	assert_int_equal(look(fixture), 0);
	counts = conclude(fixture);
	assert_false(audit_failed(&counts));
	assert_int_equal(counts.audits, 1);
	assert_int_equal(counts.compared, 2);
}

static void test_only_in_the_ledger(void **state)
{
	struct fixture *fixture = *state;
	struct audit_counts counts;

	take(fixture, alloc(1 * MS, SOCK, 443));
	assert_int_equal(look(fixture), 1);
	assert_int_equal(look(fixture), 1);
	counts = conclude(fixture);
	assert_true(audit_failed(&counts));
	assert_int_equal(counts.differences[AUDIT_ONLY_LEDGER], 1);
	assert_int_equal(fixture->told[AUDIT_ONLY_LEDGER], 1);
	assert_int_equal(fixture->last.sock, SOCK);
	assert_int_equal(fixture->last.owner.pid, 4242);
}

static void test_only_in_the_kernel(void **state)
{
	struct fixture *fixture = *state;
	struct audit_counts counts;

	dump_has(fixture, row(SOCK, 443));
	assert_int_equal(look(fixture), 1);
	counts = conclude(fixture);
	assert_int_equal(counts.differences[AUDIT_ONLY_KERNEL], 1);
	assert_int_equal(fixture->last.sock, SOCK);
}

/* The socket let go into TIME_WAIT, unseen: two things differ. */
static void test_another_state_differs(void **state)
{
	struct fixture *fixture = *state;
	struct ledger_unit tw = row(SOCK, 443);

	take(fixture, alloc(1 * MS, SOCK, 443));
	tw.time_wait = true;
	dump_has(fixture, tw);
	assert_int_equal(look(fixture), 2);
	conclude(fixture);
	assert_int_equal(fixture->told[AUDIT_ONLY_LEDGER], 1);
	assert_int_equal(fixture->told[AUDIT_ONLY_KERNEL], 1);
}

/* Only what is there at each look is a difference. */
static void test_time_between_the_two_is_no_difference(void **state)
{
	struct fixture *fixture = *state;
	struct audit_counts counts;

	take(fixture, alloc(1 * MS, SOCK, 443));
	assert_int_equal(look(fixture), 1);
	dump_has(fixture, row(SOCK, 443));
	dump_has(fixture, row(OTHER, 80)); /* was no suspect before */
	assert_int_equal(look(fixture), 0);
	counts = conclude(fixture);
	assert_false(audit_failed(&counts));
	/* a new audit begins anew */
	dump_anew(fixture);
	dump_has(fixture, row(SOCK, 443));
	dump_has(fixture, row(OTHER, 80));
	assert_int_equal(look(fixture), 1);
}

/* The records of meanwhile explain it. */
static void test_what_the_records_tell_is_no_difference(void **state)
{
	struct fixture *fixture = *state;
	struct pt_rec_head gone = rec_release(9 * MS, SOCK);
	struct pt_rec_port came = alloc(9 * MS, OTHER, 80);
	struct pt_rec_tw_end over = rec_tw_end(9 * MS, 13, TW, PT_F_EXPIRED);

	take(fixture, alloc(1 * MS, SOCK, 443));
	take(fixture, alloc(1 * MS, 13, 22));
	take(fixture, rec_tw_begin(2 * MS, 13, TW, 22));
	assert_int_equal(snapshot_add_record(fixture->snapshot, &gone, sizeof(gone)), 0);
	assert_int_equal(snapshot_add_record(fixture->snapshot, &came, sizeof(came)), 0);
	assert_int_equal(snapshot_add_record(fixture->snapshot, &over, sizeof(over)), 0);
	dump_has(fixture, row(OTHER, 80));
	assert_int_equal(look(fixture), 0);
}

static void test_what_was_not_looked_at(void **state)
{
	struct fixture *fixture = *state;

	take(fixture, alloc(1 * MS, SOCK, 443));
	snapshot_free(fixture->snapshot);
	fixture->snapshot = snapshot_new();
	assert_int_equal(look(fixture), 0);
	assert_int_equal(audit_counts(fixture->audit).unseen, 1);
	assert_int_equal(snapshot_add_netns(fixture->snapshot, NETNS, NETNS_UNSEEN), 0);
	assert_int_equal(look(fixture), 0);
	assert_int_equal(audit_counts(fixture->audit).unseen, 1);
	/* only bound, and in nobody's files: it may be on its way to another process */
	dump_anew(fixture);
	snapshot_set_idle_by_files(fixture->snapshot);
	take(fixture, rec_release(2 * MS, SOCK));
	take(fixture, alloc(3 * MS, OTHER, 0));
	assert_int_equal(look(fixture), 0);
	assert_int_equal(audit_counts(fixture->audit).unseen, 1);
	take(fixture, alloc(4 * MS, 14, 443));
	dump_anew(fixture);
	snapshot_set_idle_by_files(fixture->snapshot);
	audit_conclude(fixture->audit, NULL, NULL);
	assert_int_equal(look(fixture), 1);
}

static struct pt_owner process(__u32 pid, __u64 start)
{
	return (struct pt_owner){ .known = true, .pid = pid, .start = start };
}

static int look_at_owner(struct fixture *fixture, struct pt_owner now)
{
	struct ledger_unit unit = row(SOCK, 443);

	dump_anew(fixture);
	audit_conclude(fixture->audit, NULL, NULL);
	unit.owner = now;
	dump_has(fixture, unit);
	return look(fixture);
}

static void test_owners(void **state)
{
	struct fixture *fixture = *state;
	struct pt_rec_port rec = alloc(100 * MS, SOCK, 443);

	rec.task.start = 50 * MS;
	take(fixture, rec);
	assert_int_equal(look_at_owner(fixture, process(4242, 50 * MS)), 0);
	assert_int_equal(audit_counts(fixture->audit).moved, 0);
	/* passed on: its own business */
	assert_int_equal(look_at_owner(fixture, process(7, 10 * MS)), 0);
	assert_int_equal(audit_counts(fixture->audit).moved, 1);
	/* the pid was used again, after the allocation */
	assert_int_equal(look_at_owner(fixture, process(4242, 200 * MS)), 0);
	/* that process was there already: ours cannot have been */
	assert_int_equal(look_at_owner(fixture, process(4242, 60 * MS)), 1);
	conclude(fixture);
	assert_int_equal(fixture->told[AUDIT_WRONG_OWNER], 1);
}

static void test_an_owner_that_came_later(void **state)
{
	struct fixture *fixture = *state;
	struct pt_rec_port rec = alloc(100 * MS, SOCK, 443);

	rec.task.start = 150 * MS;
	take(fixture, rec);
	dump_has(fixture, row(SOCK, 443));
	assert_int_equal(look(fixture), 1);
}

/* The kernel says that nobody has it: whoever the ledger has there is gone. */
static void test_an_empty_port(void **state)
{
	struct fixture *fixture = *state;
	struct pt_rec_head empty = rec_release(5 * MS, 0);

	empty.kind = PT_REC_EMPTY;
	empty.vrf = 0;
	take(fixture, empty);
	assert_int_equal(ledger_counts(fixture->ledger).emptied, 1);
	assert_int_equal(ledger_counts(fixture->ledger).not_empty, 0);
	take(fixture, alloc(6 * MS, SOCK, 443));
	take(fixture, alloc(6 * MS, OTHER, 80));
	empty.ts = 7 * MS;
	take(fixture, empty);
	assert_int_equal(ledger_counts(fixture->ledger).not_empty, 2);
	assert_int_equal(ledger_counts(fixture->ledger).holds, 0);
	/* where the programs know that they missed something, it is no fault */
	take(fixture, alloc(8 * MS, SOCK, 443));
	empty.ts = 9 * MS;
	empty.flags = PT_F_MISSED;
	take(fixture, empty);
	assert_int_equal(ledger_counts(fixture->ledger).healed, 1);
	assert_int_equal(ledger_counts(fixture->ledger).not_empty, 2);
	assert_int_equal(ledger_counts(fixture->ledger).holds, 0);
}

static void test_names(void **state)
{
	(void)state;
	for (int kind = 0; kind < AUDIT_KINDS; kind++) {
		assert_non_null(audit_kind_name((enum audit_kind)kind));
		assert_non_null(audit_kind_text((enum audit_kind)kind));
	}
}

#define AUDIT_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AUDIT_TEST(test_nothing_differs),
		AUDIT_TEST(test_only_in_the_ledger),
		AUDIT_TEST(test_only_in_the_kernel),
		AUDIT_TEST(test_another_state_differs),
		AUDIT_TEST(test_time_between_the_two_is_no_difference),
		AUDIT_TEST(test_what_the_records_tell_is_no_difference),
		AUDIT_TEST(test_what_was_not_looked_at),
		AUDIT_TEST(test_owners),
		AUDIT_TEST(test_an_owner_that_came_later),
		AUDIT_TEST(test_an_empty_port),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
