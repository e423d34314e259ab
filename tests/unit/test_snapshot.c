// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/records.h"
#include "user/ledger/snapshot.h"

enum { SOCK = 11, OTHER = 22, CHILD = 33, TW = 0x1000, TW2 = 0x2000 };

struct fixture {
	struct heard heard;
	struct snapshot *snapshot;
};

static int begin(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	fixture->heard.ledger = ledger_new(hear, &fixture->heard);
	fixture->snapshot = snapshot_new();
	*state = fixture;
	return 0;
}

static int end(void **state)
{
	struct fixture *fixture = *state;

	ledger_free(fixture->heard.ledger);
	snapshot_free(fixture->snapshot);
	free(fixture);
	return 0;
}

static struct ledger_unit row(__u64 sock, __u16 rport)
{
	return (struct ledger_unit){
		.space = { .netns_cookie = 1, .netns = 4026531840, .proto = IPPROTO_TCP },
		.family = AF_INET,
		.port = 60609,
		.tuple = rec_tuple_to(rport),
		.sock = sock,
		.owner = { .known = true, .pid = 99, .comm = "sshd" },
	};
}

static void add_row(struct fixture *fixture, struct ledger_unit found)
{
	assert_int_equal(snapshot_add_row(fixture->snapshot, &found, SNAPSHOT_SECOND), 0);
}

static void add(struct fixture *fixture, const void *record, size_t size)
{
	assert_int_equal(snapshot_add_record(fixture->snapshot, record, size), 0);
}

/* Applies, then replays the records, as pipeline_snapshot() does. */
static struct heard *apply(struct fixture *fixture)
{
	size_t position = 0, size;
	const void *record;

	assert_int_equal(snapshot_apply(fixture->snapshot, fixture->heard.ledger, 1 * MS), 0);
	while ((record = snapshot_record(fixture->snapshot, &position, &size)))
		assert_int_equal(ledger_record(fixture->heard.ledger, record), 0);
	return &fixture->heard;
}

static void test_found_hold_and_its_end(void **state)
{
	struct fixture *fixture = *state;
	struct pt_rec_head gone = rec_release(5 * MS, SOCK);
	struct heard *heard;

	add_row(fixture, row(SOCK, 443));
	heard = apply(fixture);
	assert_int_equal(heard->count, 1);
	assert_int_equal(heard->events[0].type, PT_EV_ALLOC);
	assert_int_equal(heard->events[0].via, PT_VIA_SNAPSHOT);
	assert_int_equal(heard->events[0].ts, 1 * MS);
	assert_int_equal(heard->events[0].holders, 1);
	assert_int_equal(heard->events[0].reuse, PT_REUSE_FIRST);
	assert_int_equal(heard->events[0].owner.pid, 99);
	assert_int_equal(heard->events[0].sock, SOCK);
	tell(heard, gone);
	assert_int_equal(heard->count, 2);
	assert_int_equal(heard->events[1].end, PT_END_CLOSE);
	assert_int_equal(heard->events[1].holders, 0);
	/* since when it was held nobody knows */
	assert_int_equal(heard->events[1].held_ns, PT_UNKNOWN);
	assert_int_equal(heard->events[1].open_ns, PT_UNKNOWN);
}

/* Seen by both: the live allocation, with its owner and its time, wins. */
static void test_allocated_meanwhile_is_counted_once(void **state)
{
	struct fixture *fixture = *state;
	struct pt_rec_port alloc = rec_port(PT_REC_ALLOC, 2 * MS, SOCK, PT_VIA_CONNECT, 443);
	struct heard *heard;

	add_row(fixture, row(SOCK, 443));
	add(fixture, &alloc, sizeof(alloc));
	heard = apply(fixture);
	assert_int_equal(heard->count, 1);
	assert_int_equal(heard->events[0].via, PT_VIA_CONNECT);
	assert_int_equal(heard->events[0].holders, 1);
}

static void test_gone_meanwhile_is_not_counted(void **state)
{
	struct fixture *fixture = *state;
	struct pt_rec_head gone = rec_release(2 * MS, SOCK);

	add_row(fixture, row(SOCK, 443));
	add(fixture, &gone, sizeof(gone));
	assert_int_equal(apply(fixture)->count, 0);
}

/* Its connection closed while the dump ran: the TIME_WAIT is what holds. */
static void test_time_wait_from_before(void **state)
{
	struct fixture *fixture = *state;
	struct ledger_unit found = row(SOCK, 443);
	struct pt_rec_tw_end over = rec_tw_end(9 * MS, SOCK, TW, PT_F_EXPIRED);
	struct heard *heard;

	found.time_wait = true;
	found.owner.known = false;
	add_row(fixture, found);
	heard = apply(fixture);
	assert_int_equal(heard->count, 2);
	assert_false(heard->events[0].owner.known);
	assert_int_equal(heard->events[1].type, PT_EV_TIME_WAIT);
	assert_int_equal(heard->events[1].open_ns, PT_UNKNOWN);
	tell(heard, over);
	assert_int_equal(heard->count, 3);
	assert_int_equal(heard->events[2].end, PT_END_EXPIRED);
}

/* What its timer had left when the dump found it. */
static void test_time_wait_from_before_has_time_left(void **state)
{
	struct fixture *fixture = *state;
	struct pt_rec_port refused = rec_port(PT_REC_FAIL, 9 * MS, OTHER, PT_VIA_FIXED, 0);
	struct ledger_unit found = row(SOCK, 443);
	struct heard *heard;

	found.time_wait = true;
	found.tw_until = 20009 * MS;
	add_row(fixture, found);
	heard = apply(fixture);
	tell(heard, refused);
	assert_int_equal(heard->events[2].type, PT_EV_FAIL);
	assert_int_equal(heard->events[2].blockers[0].age_ns, PT_UNKNOWN);
	assert_int_equal(heard->events[2].blockers[0].tw_left_ns, 20000 * MS);
}

static void test_connect_takes_a_time_wait_from_before(void **state)
{
	struct fixture *fixture = *state;
	struct ledger_unit found = row(SOCK, 443);
	struct pt_rec_port alloc = rec_port(PT_REC_ALLOC, 2 * MS, OTHER, PT_VIA_CONNECT, 443);
	struct heard *heard;

	found.time_wait = true;
	add_row(fixture, found);
	heard = apply(fixture);
	tell(heard, alloc);
	assert_int_equal(heard->count, 4);
	assert_int_equal(heard->events[2].end, PT_END_REUSED);
	assert_int_equal(heard->events[3].reuse, PT_REUSE_TIME_WAIT);
}

/* A named port: the socket and two TIME_WAITs are one hold. */
static void test_one_socket_with_time_waits(void **state)
{
	struct fixture *fixture = *state;
	struct ledger_unit tw = row(SOCK, 443), tw2 = row(SOCK, 80);
	struct pt_rec_tw_end over = rec_tw_end(9 * MS, SOCK, TW, PT_F_EXPIRED);
	struct pt_rec_head gone = rec_release(5 * MS, SOCK);
	struct heard *heard;

	tw.time_wait = tw2.time_wait = true;
	add_row(fixture, tw);
	add_row(fixture, row(SOCK, 0));
	add_row(fixture, tw2);
	heard = apply(fixture);
	/* one hold, two TIME_WAITs */
	assert_int_equal(heard->count, 3);
	tell(heard, gone);
	tell(heard, over);
	assert_int_equal(heard->count, 3);
	over.tw = TW2;
	tell(heard, over);
	assert_int_equal(heard->count, 4);
	assert_int_equal(heard->events[3].type, PT_EV_FREE);
	assert_int_equal(heard->events[3].holders, 0);
}

static void test_accepted_sockets_are_no_holds(void **state)
{
	struct fixture *fixture = *state;
	struct ledger_unit listener = row(SOCK, 0), elsewhere = row(OTHER, 5000);
	struct heard *heard;

	listener.listening = true;
	elsewhere.space.netns_cookie = 2;
	elsewhere.space.netns = 4026532000;
	add_row(fixture, row(CHILD, 5000));
	add_row(fixture, listener);
	add_row(fixture, elsewhere);
	heard = apply(fixture);
	assert_int_equal(heard->count, 2);
	assert_int_equal(heard->events[0].sock, SOCK);
	assert_int_equal(heard->events[1].sock, OTHER);
}

/* ---- accepted sockets that outlive their listener ---- */

static void test_accepted_sockets_outlive_their_listener(void **state)
{
	struct fixture *fixture = *state;
	struct heard *heard = &fixture->heard;
	struct pt_rec_port alloc = rec_port(PT_REC_ALLOC, 1 * MS, SOCK, PT_VIA_BIND, 0);
	struct pt_rec_head gone = rec_release(5 * MS, SOCK);
	struct ledger_orphan orphan;

	tell(heard, alloc);
	gone.flags = PT_F_LISTENED;
	tell(heard, gone);
	assert_true(ledger_next_orphan(heard->ledger, &orphan));
	assert_int_equal(orphan.port, 60609);
	add_row(fixture, row(CHILD, 5000));
	add_row(fixture, row(OTHER, 0)); /* somebody bound it meanwhile */
	heard->count = 0;
	assert_int_equal(snapshot_adopt(fixture->snapshot, heard->ledger, 6 * MS, &orphan), 0);
	assert_int_equal(heard->count, 1);
	assert_int_equal(heard->events[0].via, PT_VIA_ACCEPT);
	assert_int_equal(heard->events[0].sock, CHILD);
	/* the listener's owner, not who has it now */
	assert_int_equal(heard->events[0].owner.pid, 4242);
	assert_int_equal(heard->events[0].holders, 1);
	/* once */
	assert_int_equal(snapshot_adopt(fixture->snapshot, heard->ledger, 7 * MS, &orphan), 0);
	assert_int_equal(heard->count, 1);
	gone = rec_release(9 * MS, CHILD);
	tell(heard, gone);
	assert_int_equal(heard->events[1].end, PT_END_CLOSE);
	assert_int_equal(heard->events[1].holders, 0);
	assert_false(ledger_next_orphan(heard->ledger, &orphan));
}

/* While another listener has the port, they are its. */
static void test_another_listener_has_the_port(void **state)
{
	struct fixture *fixture = *state;
	struct heard *heard = &fixture->heard;
	struct ledger_unit listener = row(OTHER, 0);
	struct ledger_orphan orphan = { .space = listener.space, .port = 60609 };

	listener.listening = true;
	add_row(fixture, listener);
	add_row(fixture, row(CHILD, 5000));
	assert_int_equal(snapshot_adopt(fixture->snapshot, heard->ledger, 6 * MS, &orphan), 0);
	assert_int_equal(heard->count, 0);
}

/* A named port: that it listened is told when it closes, before it lets go. */
static void test_a_named_listener(void **state)
{
	struct fixture *fixture = *state;
	struct heard *heard = &fixture->heard;
	struct pt_rec_port alloc = rec_port(PT_REC_ALLOC, 1 * MS, SOCK, PT_VIA_FIXED, 0);
	struct pt_rec_head rec = rec_release(5 * MS, SOCK);
	struct ledger_orphan orphan;

	tell(heard, alloc);
	rec.kind = PT_REC_CLOSED;
	rec.flags = PT_F_LISTENED;
	tell(heard, rec);
	assert_false(ledger_next_orphan(heard->ledger, &orphan));
	rec.kind = PT_REC_RELEASE;
	rec.flags = 0;
	tell(heard, rec);
	assert_true(ledger_next_orphan(heard->ledger, &orphan));
}

/* ---- after a loss ---- */

static void lose(struct heard *heard, __u64 ts)
{
	struct pt_rec_head rec = rec_release(ts, 999);

	rec.lost = 5;
	tell(heard, rec);
	heard->count = 0;
}

static struct heard *resync(struct fixture *fixture)
{
	size_t position = 0, size;
	const void *record;

	assert_int_equal(snapshot_resync(fixture->snapshot, fixture->heard.ledger, 50 * MS, false),
			 0);
	while ((record = snapshot_record(fixture->snapshot, &position, &size)))
		assert_int_equal(ledger_record(fixture->heard.ledger, record), 0);
	return &fixture->heard;
}

static void alloc(struct heard *heard, __u64 ts, __u64 sock, __u16 rport, __u32 lost)
{
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, ts, sock, PT_VIA_CONNECT, rport);

	rec.head.lost = lost;
	tell(heard, rec);
}

static void test_what_vanished_ends_unknown(void **state)
{
	struct fixture *fixture = *state;
	struct heard *heard = &fixture->heard;

	alloc(heard, 1 * MS, SOCK, 443, 0);
	alloc(heard, 2 * MS, OTHER, 80, 0);
	lose(heard, 3 * MS);
	add_row(fixture, row(OTHER, 80));
	resync(fixture);
	assert_int_equal(heard->count, 1);
	assert_int_equal(heard->events[0].type, PT_EV_FREE);
	assert_int_equal(heard->events[0].end, PT_END_UNKNOWN);
	assert_int_equal(heard->events[0].sock, SOCK);
	assert_int_equal(heard->events[0].held_ns, PT_UNKNOWN);
	assert_false(ledger_counts(heard->ledger).uncertain);
	/* the one that goes on is whole again */
	heard->count = 0;
	alloc(heard, 60 * MS, CHILD, 22, 5);
	assert_int_equal(heard->events[0].holders, 2);
	assert_int_equal(heard->events[0].reuse, PT_REUSE_SHARED);
}

/* A row that only the first dump has: it was there, and nothing told of its end. */
static void test_what_one_dump_skipped_stays(void **state)
{
	struct fixture *fixture = *state;
	struct heard *heard = &fixture->heard;
	struct ledger_unit skipped = row(SOCK, 443), nobody = row(OTHER, 80);
	struct pt_rec_head gone = rec_release(60 * MS, SOCK);

	alloc(heard, 1 * MS, SOCK, 443, 0);
	lose(heard, 3 * MS);
	assert_int_equal(snapshot_add_row(fixture->snapshot, &skipped, SNAPSHOT_FIRST), 0);
	assert_int_equal(snapshot_add_row(fixture->snapshot, &nobody, SNAPSHOT_FIRST), 0);
	resync(fixture);
	assert_int_equal(heard->count, 0);
	gone.lost = 5;
	tell(heard, gone);
	assert_int_equal(heard->events[0].end, PT_END_CLOSE);
	assert_int_equal(heard->events[0].held_ns, 59 * MS);
}

static void test_what_is_new_enters(void **state)
{
	struct fixture *fixture = *state;
	struct heard *heard = &fixture->heard;
	struct ledger_unit tw = row(SOCK, 443);

	alloc(heard, 1 * MS, SOCK, 443, 0);
	lose(heard, 3 * MS);
	/* its TIME_WAIT began in the gap, and another socket came */
	tw.time_wait = true;
	add_row(fixture, tw);
	add_row(fixture, row(OTHER, 80));
	resync(fixture);
	assert_int_equal(heard->count, 2);
	assert_int_equal(heard->events[0].type, PT_EV_TIME_WAIT);
	assert_int_equal(heard->events[0].owner.pid, 4242);
	assert_int_equal(heard->events[1].via, PT_VIA_SNAPSHOT);
	assert_int_equal(ledger_counts(heard->ledger).holds, 2);
}

static void test_a_reuse_across_the_gap_is_unknown(void **state)
{
	struct fixture *fixture = *state;
	struct heard *heard = &fixture->heard;
	struct pt_rec_head gone = rec_release(2 * MS, SOCK);

	alloc(heard, 1 * MS, SOCK, 443, 0);
	tell(heard, gone);
	lose(heard, 3 * MS);
	resync(fixture);
	assert_int_equal(heard->count, 0);
	alloc(heard, 60 * MS, OTHER, 443, 5);
	assert_int_equal(heard->events[0].reuse, PT_REUSE_UNKNOWN);
	assert_int_equal(heard->events[0].holders, 1);
	gone = rec_release(70 * MS, OTHER);
	gone.lost = 5;
	tell(heard, gone);
	alloc(heard, 80 * MS, CHILD, 443, 5);
	assert_int_equal(heard->events[2].reuse, PT_REUSE_CLEAN);
	assert_int_equal(heard->events[2].reuse_ns, 10 * MS);
}

/* Its release is among the records of meanwhile: that end is known. */
static void test_an_end_that_was_told_stays(void **state)
{
	struct fixture *fixture = *state;
	struct heard *heard = &fixture->heard;
	struct pt_rec_head gone = rec_release(55 * MS, SOCK);

	alloc(heard, 1 * MS, SOCK, 443, 0);
	lose(heard, 3 * MS);
	gone.lost = 5;
	add(fixture, &gone, sizeof(gone));
	resync(fixture);
	assert_int_equal(heard->count, 1);
	assert_int_equal(heard->events[0].end, PT_END_CLOSE);
}

/* A namespace that could not be dumped: that its holds are gone is not known. */
static void test_what_could_not_be_seen_stays(void **state)
{
	struct fixture *fixture = *state;
	struct heard *heard = &fixture->heard;

	alloc(heard, 1 * MS, SOCK, 443, 0);
	lose(heard, 3 * MS);
	assert_int_equal(snapshot_add_netns(fixture->snapshot, 4026531840, NETNS_UNSEEN), 0);
	resync(fixture);
	assert_int_equal(heard->count, 0);
	snapshot_free(fixture->snapshot);
	fixture->snapshot = snapshot_new();
	assert_int_equal(snapshot_add_netns(fixture->snapshot, 4026531840, NETNS_SEEN), 0);
	resync(fixture);
	assert_int_equal(heard->events[0].end, PT_END_UNKNOWN);
}

/* One that is being torn down: its ends may yet be told; if not, they are unknown. */
static void test_a_vanished_namespace(void **state)
{
	struct fixture *fixture = *state;
	struct heard *heard = &fixture->heard;

	alloc(heard, 1 * MS, SOCK, 443, 0);
	lose(heard, 3 * MS);
	assert_int_equal(snapshot_resync(fixture->snapshot, heard->ledger, 50 * MS, true), 1);
	assert_int_equal(heard->count, 0);
	assert_int_equal(snapshot_resync(fixture->snapshot, heard->ledger, 60 * MS, false), 0);
	assert_int_equal(heard->events[0].end, PT_END_UNKNOWN);
}

/* A hold from before, and of its TIME_WAIT one beginning and one end. */
static void check_told_once(struct fixture *fixture, struct pt_rec_tw_end over)
{
	struct heard *heard = apply(fixture);

	assert_int_equal(heard->count, 2);
	assert_int_equal(heard->events[0].via, PT_VIA_SNAPSHOT);
	assert_int_equal(heard->events[1].type, PT_EV_TIME_WAIT);
	tell(heard, over);
	assert_int_equal(heard->count, 3);
	assert_int_equal(heard->events[2].end, PT_END_EXPIRED);
	assert_int_equal(ledger_counts(heard->ledger).holds, 0);
}

/*
 * A socket that was open before tracing goes into TIME_WAIT while the dump runs:
 * it is a hold from before, and its TIME_WAIT is told once and ends once.
 */
static void test_a_time_wait_that_begins_meanwhile(void **state)
{
	struct fixture *fixture = *state;
	struct pt_rec_tuple begins = rec_tw_begin(20 * MS, SOCK, TW, 443);
	struct pt_rec_head gone = rec_release(21 * MS, SOCK);
	struct pt_rec_tw_end over = rec_tw_end(90 * MS, SOCK, TW, PT_F_EXPIRED);
	struct ledger_unit tw = row(SOCK, 443);

	begins.head.flags = 0; /* a named port: the socket lets go later */
	tw.time_wait = true;
	add_row(fixture, tw);
	add(fixture, &begins, sizeof(begins));
	add(fixture, &gone, sizeof(gone));
	check_told_once(fixture, over);
}

/* The same of a hold that the ledger has, after a loss. */
static void test_a_time_wait_that_begins_during_a_resync(void **state)
{
	struct fixture *fixture = *state;
	struct heard *heard = &fixture->heard;
	struct pt_rec_tuple begins = rec_tw_begin(52 * MS, SOCK, TW, 443);
	struct pt_rec_tw_end over = rec_tw_end(90 * MS, SOCK, TW, PT_F_EXPIRED);
	struct ledger_unit tw = row(SOCK, 443);

	alloc(heard, 1 * MS, SOCK, 443, 0);
	lose(heard, 3 * MS);
	begins.head.lost = over.head.lost = 5;
	tw.time_wait = true;
	add_row(fixture, tw);
	add(fixture, &begins, sizeof(begins));
	resync(fixture);
	assert_int_equal(heard->count, 1);
	assert_int_equal(heard->events[0].type, PT_EV_TIME_WAIT);
	assert_int_equal(heard->events[0].open_ns, 51 * MS);
	tell(heard, over);
	assert_int_equal(heard->count, 2);
	assert_int_equal(heard->events[1].end, PT_END_EXPIRED);
}

/* A dump can still show a socket whose release was told just before. */
static void test_a_release_told_before_the_dump(void **state)
{
	struct fixture *fixture = *state;
	struct heard *heard = &fixture->heard;
	struct pt_rec_head gone = rec_release(40 * MS, SOCK);

	alloc(heard, 1 * MS, SOCK, 443, 0);
	lose(heard, 3 * MS);
	gone.lost = 5;
	tell(heard, gone);
	heard->count = 0;
	add_row(fixture, row(SOCK, 443));
	add_row(fixture, row(OTHER, 80));
	resync(fixture);
	assert_int_equal(heard->count, 1);
	assert_int_equal(heard->events[0].sock, OTHER);
}

/* Without cookies (5.10) a TIME_WAIT is known by its address only. */
static struct ledger_unit nameless_tw(__u64 tw, __u16 rport)
{
	struct ledger_unit unit = row(0, rport);

	unit.space.netns_cookie = PT_NO_COOKIES | 1;
	unit.owner.known = false;
	unit.time_wait = true;
	unit.tw = tw;
	return unit;
}

static void test_time_waits_without_cookies(void **state)
{
	struct fixture *fixture = *state;
	struct pt_rec_tw_end over = rec_tw_end(9 * MS, 0, 0x1000, PT_F_EXPIRED);
	struct heard *heard;

	add_row(fixture, nameless_tw(0x1000, 443));
	add_row(fixture, nameless_tw(0x2000, 80));
	heard = apply(fixture);
	assert_int_equal(heard->count, 4);
	assert_int_equal(ledger_counts(heard->ledger).holds, 2);
	over.head.netns_cookie = PT_NO_COOKIES | 1;
	tell(heard, over);
	assert_int_equal(heard->count, 5);
	assert_int_equal(heard->events[4].end, PT_END_EXPIRED);
	assert_int_equal(ledger_counts(heard->ledger).holds, 1);
	/* found again, it is the same one */
	heard->count = 0;
	resync(fixture);
	assert_int_equal(ledger_counts(heard->ledger).holds, 2);
}

static void test_a_time_wait_that_begins_meanwhile_without_cookies(void **state)
{
	struct fixture *fixture = *state;
	struct pt_rec_tuple begins = rec_tw_begin(20 * MS, SOCK, 0x1000, 443);
	struct pt_rec_tw_end over = rec_tw_end(90 * MS, 0, 0x1000, PT_F_EXPIRED);

	begins.head.netns_cookie = over.head.netns_cookie = PT_NO_COOKIES | 1;
	add_row(fixture, nameless_tw(0x1000, 443));
	add(fixture, &begins, sizeof(begins));
	check_told_once(fixture, over);
}

static void test_a_time_wait_goes_on(void **state)
{
	struct fixture *fixture = *state;
	struct heard *heard = &fixture->heard;
	struct pt_rec_tuple begins = rec_tw_begin(2 * MS, SOCK, TW, 443);
	struct pt_rec_tw_end over = rec_tw_end(90 * MS, SOCK, TW, PT_F_EXPIRED);
	struct ledger_unit tw = row(SOCK, 443);

	alloc(heard, 1 * MS, SOCK, 443, 0);
	tell(heard, begins);
	lose(heard, 3 * MS);
	tw.time_wait = true;
	add_row(fixture, tw);
	resync(fixture);
	assert_int_equal(heard->count, 0);
	over.head.lost = 5;
	tell(heard, over);
	assert_int_equal(heard->count, 1);
	assert_int_equal(heard->events[0].end, PT_END_EXPIRED);
	assert_int_equal(heard->events[0].held_ns, 89 * MS);
}

static void test_many_rows_and_records(void **state)
{
	struct fixture *fixture = *state;
	struct ledger_unit found = row(0, 443);
	struct pt_rec_head gone = rec_release(2 * MS, 0);
	struct heard *heard = &fixture->heard;

	for (unsigned int i = 1; i <= 3000; i++) {
		found.sock = gone.sock = i;
		found.port = gone.port = (__u16)i;
		add_row(fixture, found);
		if (i > 20)
			add(fixture, &gone, sizeof(gone));
	}
	assert_int_equal(snapshot_apply(fixture->snapshot, heard->ledger, 1 * MS), 0);
	assert_int_equal(heard->count, 20);
}

#define WITH_SNAPSHOT(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SNAPSHOT(test_found_hold_and_its_end),
		WITH_SNAPSHOT(test_allocated_meanwhile_is_counted_once),
		WITH_SNAPSHOT(test_gone_meanwhile_is_not_counted),
		WITH_SNAPSHOT(test_time_wait_from_before),
		WITH_SNAPSHOT(test_time_wait_from_before_has_time_left),
		WITH_SNAPSHOT(test_connect_takes_a_time_wait_from_before),
		WITH_SNAPSHOT(test_one_socket_with_time_waits),
		WITH_SNAPSHOT(test_accepted_sockets_are_no_holds),
		WITH_SNAPSHOT(test_accepted_sockets_outlive_their_listener),
		WITH_SNAPSHOT(test_another_listener_has_the_port),
		WITH_SNAPSHOT(test_a_named_listener),
		WITH_SNAPSHOT(test_what_vanished_ends_unknown),
		WITH_SNAPSHOT(test_what_one_dump_skipped_stays),
		WITH_SNAPSHOT(test_what_is_new_enters),
		WITH_SNAPSHOT(test_a_reuse_across_the_gap_is_unknown),
		WITH_SNAPSHOT(test_an_end_that_was_told_stays),
		WITH_SNAPSHOT(test_what_could_not_be_seen_stays),
		WITH_SNAPSHOT(test_a_vanished_namespace),
		WITH_SNAPSHOT(test_a_time_wait_that_begins_meanwhile),
		WITH_SNAPSHOT(test_a_time_wait_that_begins_during_a_resync),
		WITH_SNAPSHOT(test_a_release_told_before_the_dump),
		WITH_SNAPSHOT(test_time_waits_without_cookies),
		WITH_SNAPSHOT(test_a_time_wait_that_begins_meanwhile_without_cookies),
		WITH_SNAPSHOT(test_a_time_wait_goes_on),
		WITH_SNAPSHOT(test_many_rows_and_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
