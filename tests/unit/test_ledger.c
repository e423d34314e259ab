// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>

#include "tests/unit/records.h"

enum { SOCK = 11, OTHER = 22, THIRD = 33, TW = 0x1000, TW2 = 0x2000 };

static void alloc(struct heard *heard, __u64 ts, __u64 sock, enum pt_via via, __u16 rport)
{
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, ts, sock, via, rport);

	tell(heard, rec);
}

static void release(struct heard *heard, __u64 ts, __u64 sock)
{
	struct pt_rec_head rec = rec_release(ts, sock);

	tell(heard, rec);
}

static void tw_begin(struct heard *heard, __u64 ts, __u64 sock, __u64 tw, __u16 rport)
{
	struct pt_rec_tuple rec = rec_tw_begin(ts, sock, tw, rport);

	tell(heard, rec);
}

static void tw_end(struct heard *heard, __u64 ts, __u64 sock, __u64 tw, __u32 flags)
{
	struct pt_rec_tw_end rec = rec_tw_end(ts, sock, tw, flags);

	tell(heard, rec);
}

/* The newest event is of that type; returns it. */
static const struct pt_event *last(const struct heard *heard, size_t count, enum pt_event_type type)
{
	assert_int_equal(heard->count, count);
	assert_int_equal(heard->events[count - 1].type, type);
	return &heard->events[count - 1];
}

static void test_one_hold(void **state)
{
	struct heard *heard = *state;
	const struct pt_event *ev;

	alloc(heard, 10 * MS, SOCK, PT_VIA_CONNECT, 443);
	ev = last(heard, 1, PT_EV_ALLOC);
	assert_int_equal(ev->ts, 10 * MS);
	assert_int_equal(ev->port, 60609);
	assert_int_equal(ev->rport, 443);
	assert_int_equal(ev->holders, 1);
	assert_int_equal(ev->reuse, PT_REUSE_FIRST);
	assert_int_equal(ev->reuse_ns, PT_UNKNOWN);
	assert_int_equal(ev->search_ns, PT_UNKNOWN);
	assert_false(ev->prev_known);
	assert_int_equal(ev->owner.pid, 4242);
	assert_string_equal(ev->owner.thread, "resolver");

	release(heard, 15 * MS, SOCK);
	ev = last(heard, 2, PT_EV_FREE);
	assert_int_equal(ev->end, PT_END_CLOSE);
	assert_int_equal(ev->open_ns, 5 * MS);
	assert_int_equal(ev->held_ns, 5 * MS);
	assert_int_equal(ev->holders, 0);
	/* of the allocation, though the release knows nothing of it */
	assert_int_equal(ev->owner.pid, 4242);
	assert_int_equal(ev->rport, 443);
	assert_int_equal(ev->via, PT_VIA_CONNECT);
}

/* A kernel worker asked, for the owner of another socket. */
static void test_owner_by_kin(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 1 * MS, SOCK, PT_VIA_CONNECT, 443);

	tell(heard, rec);
	rec.head.flags = PT_F_KIN;
	rec.head.sock = OTHER;
	rec.head.port++;
	memset(&rec.task, 0, sizeof(rec.task));
	rec.kin = (struct pt_kin){ .sock = SOCK, .port = rec.head.port - 1 };
	tell(heard, rec);
	assert_true(last(heard, 2, PT_EV_ALLOC)->owner.known);
	assert_int_equal(heard->events[1].owner.pid, heard->events[0].owner.pid);
	/* one that holds nothing here: it was accepted, or nobody saw it */
	rec.head.sock = OTHER + 1;
	rec.kin.sock = OTHER + 2;
	tell(heard, rec);
	assert_false(last(heard, 3, PT_EV_ALLOC)->owner.known);
}

/* A socket has one port at a time: another one says that the first was let go, unseen. */
static void test_a_socket_has_one_port(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 1 * MS, SOCK, PT_VIA_CONNECT, 443);
	struct pt_rec_tuple begins;

	tell(heard, rec);
	rec.head.ts = 5 * MS;
	rec.head.port++;
	tell(heard, rec);
	assert_int_equal(heard->count, 3);
	assert_int_equal(heard->events[1].type, PT_EV_FREE);
	assert_int_equal(heard->events[1].end, PT_END_UNKNOWN);
	assert_int_equal(heard->events[1].port, rec.head.port - 1);
	assert_int_equal(heard->events[2].type, PT_EV_ALLOC);
	/* a TIME_WAIT holds on */
	begins = rec_tw_begin(6 * MS, SOCK, 0x1000, 443);
	begins.head.port = rec.head.port;
	tell(heard, begins);
	rec.head.ts = 7 * MS;
	rec.head.port++;
	tell(heard, rec);
	assert_int_equal(heard->count, 5);
	assert_int_equal(ledger_counts(heard->ledger).holds, 2);
}

/* Missed by all its witnesses, and told when it ends: since when it held is not known. */
static void test_told_late(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 9 * MS, SOCK, PT_VIA_UNKNOWN, 0);

	rec.head.flags = PT_F_LATE | PT_F_SECOND | PT_F_KIN;
	rec.kin = (struct pt_kin){ .sock = 0 };
	tell(heard, rec);
	assert_false(last(heard, 1, PT_EV_ALLOC)->owner.known);
	release(heard, 9 * MS, SOCK);
	assert_int_equal(last(heard, 2, PT_EV_FREE)->held_ns, PT_UNKNOWN);
	assert_int_equal(last(heard, 2, PT_EV_FREE)->open_ns, PT_UNKNOWN);
	/* one witness more of the same end: nothing new */
	rec.head.ts = 10 * MS;
	tell(heard, rec);
	release(heard, 10 * MS, SOCK);
	assert_int_equal(heard->count, 2);
}

/* Said when it lets go, in case that nobody had told. */
static void test_told_late_though_it_was_told(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 9 * MS, SOCK, PT_VIA_UNKNOWN, 0);

	alloc(heard, 1 * MS, SOCK, PT_VIA_BIND, 0);
	rec.head.flags = PT_F_LATE | PT_F_SECOND | PT_F_KIN;
	rec.kin = (struct pt_kin){ .sock = 0 };
	tell(heard, rec);
	release(heard, 9 * MS, SOCK);
	assert_int_equal(last(heard, 2, PT_EV_FREE)->held_ns, 8 * MS);
}

static void test_a_kernel_threads_own(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 1 * MS, SOCK, PT_VIA_CONNECT, 443);

	rec.head.flags = PT_F_KTHREAD;
	tell(heard, rec);
	assert_true(last(heard, 1, PT_EV_ALLOC)->owner.known);
	assert_true(heard->events[0].owner.kernel);
}

static void test_clean_reuse_tells_the_gap_and_who(void **state)
{
	struct heard *heard = *state;
	const struct pt_event *ev;

	alloc(heard, 1 * MS, SOCK, PT_VIA_CONNECT, 443);
	release(heard, 2 * MS, SOCK);
	alloc(heard, 9 * MS, OTHER, PT_VIA_BIND, 0);
	ev = last(heard, 3, PT_EV_ALLOC);
	assert_int_equal(ev->reuse, PT_REUSE_CLEAN);
	assert_int_equal(ev->reuse_ns, 7 * MS);
	assert_true(ev->prev_known);
	assert_int_equal(ev->prev_pid, 4242);
	assert_string_equal(ev->prev_comm, "curl");
	assert_int_equal(ev->rport, 0);
}

static void test_time_wait_is_part_of_the_hold(void **state)
{
	struct heard *heard = *state;
	const struct pt_event *ev;

	alloc(heard, 0, SOCK, PT_VIA_CONNECT, 443);
	tw_begin(heard, 40 * MS, SOCK, TW, 443);
	ev = last(heard, 2, PT_EV_TIME_WAIT);
	assert_int_equal(ev->open_ns, 40 * MS);
	assert_false(ev->fin_wait2);
	assert_int_equal(ev->holders, 1);

	tw_end(heard, 60000 * MS, SOCK, TW, PT_F_EXPIRED);
	ev = last(heard, 3, PT_EV_FREE);
	assert_int_equal(ev->end, PT_END_EXPIRED);
	assert_int_equal(ev->open_ns, 40 * MS);
	assert_int_equal(ev->held_ns, 60000 * MS);
	assert_int_equal(ev->holders, 0);

	alloc(heard, 60500 * MS, OTHER, PT_VIA_CONNECT, 443);
	assert_int_equal(last(heard, 4, PT_EV_ALLOC)->reuse_ns, 500 * MS);
}

static void test_time_wait_cut(void **state)
{
	struct heard *heard = *state;

	alloc(heard, 0, SOCK, PT_VIA_CONNECT, 443);
	tw_begin(heard, 1 * MS, SOCK, TW, 443);
	tw_end(heard, 2 * MS, SOCK, TW, 0);
	assert_int_equal(last(heard, 3, PT_EV_FREE)->end, PT_END_CUT);
}

static void test_orphan_in_fin_wait2(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_tuple rec = rec_tw_begin(5 * MS, SOCK, TW, 443);

	alloc(heard, 0, SOCK, PT_VIA_CONNECT, 443);
	rec.head.flags |= PT_F_FIN_WAIT2;
	tell(heard, rec);
	assert_true(last(heard, 2, PT_EV_TIME_WAIT)->fin_wait2);
}

/* The kernel adds the new owner first; users read of the end first. */
static void test_taken_out_of_time_wait_ends_before_alloc(void **state)
{
	struct heard *heard = *state;
	const struct pt_event *ev;

	alloc(heard, 0, SOCK, PT_VIA_CONNECT, 443);
	tw_begin(heard, 1 * MS, SOCK, TW, 443);
	alloc(heard, 5 * MS, OTHER, PT_VIA_CONNECT, 443);
	assert_int_equal(heard->count, 4);
	assert_int_equal(heard->events[2].type, PT_EV_FREE);
	assert_int_equal(heard->events[2].end, PT_END_REUSED);
	assert_int_equal(heard->events[2].holders, 0);
	assert_int_equal(heard->events[2].held_ns, 5 * MS);
	ev = last(heard, 4, PT_EV_ALLOC);
	assert_int_equal(ev->reuse, PT_REUSE_TIME_WAIT);
	assert_int_equal(ev->reuse_ns, PT_UNKNOWN);
	assert_int_equal(ev->holders, 1);

	/* what the kernel does next says nothing new */
	tw_end(heard, 5 * MS, SOCK, TW, PT_F_REUSED);
	assert_int_equal(heard->count, 4);
}

/* 5.10, a shared bucket: the exit of connect() tells, after the TIME_WAIT's end. */
static void test_taken_out_of_time_wait_told_late(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_tw_end rec = rec_tw_end(5 * MS, SOCK, TW, PT_F_REUSED);

	rec.taker = OTHER;
	alloc(heard, 0, SOCK, PT_VIA_CONNECT, 443);
	tw_begin(heard, 1 * MS, SOCK, TW, 443);
	tell(heard, rec);
	assert_int_equal(last(heard, 3, PT_EV_FREE)->end, PT_END_REUSED);
	alloc(heard, 6 * MS, OTHER, PT_VIA_CONNECT, 443);
	assert_int_equal(last(heard, 4, PT_EV_ALLOC)->reuse, PT_REUSE_TIME_WAIT);
}

static void test_another_destination_shares_with_time_wait(void **state)
{
	struct heard *heard = *state;

	alloc(heard, 0, SOCK, PT_VIA_CONNECT, 443);
	tw_begin(heard, 1 * MS, SOCK, TW, 443);
	alloc(heard, 5 * MS, OTHER, PT_VIA_CONNECT, 80);
	assert_int_equal(last(heard, 3, PT_EV_ALLOC)->reuse, PT_REUSE_SHARED);
	assert_int_equal(heard->events[2].holders, 2);
}

/* Two sockets on two devices can have the same 4-tuple. */
static void test_time_wait_of_another_device_is_not_taken(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_tuple tw = rec_tw_begin(1 * MS, SOCK, TW, 443);
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 2 * MS, OTHER, PT_VIA_CONNECT, 443);

	tw.tuple.ifindex = 3;
	rec.tuple.ifindex = 4;
	alloc(heard, 0, SOCK, PT_VIA_CONNECT, 443);
	tell(heard, tw);
	tell(heard, rec);
	assert_int_equal(last(heard, 3, PT_EV_ALLOC)->reuse, PT_REUSE_SHARED);
}

/* One of no device is in the way of every device. */
static void test_time_wait_of_no_device_is_taken(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 2 * MS, OTHER, PT_VIA_CONNECT, 443);

	rec.tuple.ifindex = 4;
	alloc(heard, 0, SOCK, PT_VIA_CONNECT, 443);
	tw_begin(heard, 1 * MS, SOCK, TW, 443);
	tell(heard, rec);
	assert_int_equal(last(heard, 4, PT_EV_ALLOC)->reuse, PT_REUSE_TIME_WAIT);
}

/* A named port stays with the descriptor: held by the TIME_WAIT and the socket. */
static void test_time_wait_with_the_socket_still_holding(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_tuple rec = rec_tw_begin(3 * MS, SOCK, TW, 443);
	const struct pt_event *ev;

	rec.head.flags = 0;
	alloc(heard, 0, SOCK, PT_VIA_FIXED, 0);
	tell(heard, rec);
	assert_int_equal(last(heard, 2, PT_EV_TIME_WAIT)->rport, 443);
	tw_end(heard, 4 * MS, SOCK, TW, PT_F_EXPIRED);
	assert_int_equal(heard->count, 2);
	release(heard, 8 * MS, SOCK);
	ev = last(heard, 3, PT_EV_FREE);
	assert_int_equal(ev->end, PT_END_CLOSE);
	assert_int_equal(ev->open_ns, 3 * MS);
	assert_int_equal(ev->held_ns, 8 * MS);
}

static void connects(struct heard *heard, __u64 ts, __u16 rport)
{
	struct pt_rec_tuple rec = { .head = rec_head(PT_REC_CONNECT, sizeof(rec), ts, SOCK),
				    .tuple = rec_tuple_to(rport) };

	rec.head.vrf = PT_VRF_UNKNOWN;
	tell(heard, rec);
}

static void closed(struct heard *heard, __u64 ts)
{
	struct pt_rec_head rec = rec_release(ts, SOCK);

	rec.kind = PT_REC_CLOSED;
	tell(heard, rec);
}

/* A named port outlives its connection; the last one counts. */
static void test_open_time_of_a_named_port(void **state)
{
	struct heard *heard = *state;

	alloc(heard, 0, SOCK, PT_VIA_FIXED, 0);
	connects(heard, 1 * MS, 443);
	closed(heard, 2 * MS);
	connects(heard, 3 * MS, 80);
	closed(heard, 5 * MS);
	closed(heard, 6 * MS);
	release(heard, 9 * MS, SOCK);
	assert_int_equal(last(heard, 2, PT_EV_FREE)->open_ns, 5 * MS);
	assert_int_equal(heard->events[1].held_ns, 9 * MS);
	assert_int_equal(heard->events[1].rport, 80);
}

static void test_open_time_whose_end_was_missed(void **state)
{
	struct heard *heard = *state;

	alloc(heard, 0, SOCK, PT_VIA_FIXED, 0);
	connects(heard, 1 * MS, 443);
	release(heard, 9 * MS, SOCK);
	assert_int_equal(last(heard, 2, PT_EV_FREE)->open_ns, PT_UNKNOWN);
	/* a chosen port goes with its connection */
	alloc(heard, 10 * MS, SOCK, PT_VIA_BIND, 0);
	connects(heard, 11 * MS, 443);
	release(heard, 12 * MS, SOCK);
	assert_int_equal(last(heard, 4, PT_EV_FREE)->open_ns, 2 * MS);
}

/* One socket, one named port, two connections: two TIME_WAITs, one hold. */
static void test_two_time_waits_of_one_socket(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_tuple first = rec_tw_begin(1 * MS, SOCK, TW, 443);

	first.head.flags = 0;
	alloc(heard, 0, SOCK, PT_VIA_FIXED, 0);
	tell(heard, first);
	tw_begin(heard, 2 * MS, SOCK, TW2, 80);
	assert_int_equal(last(heard, 3, PT_EV_TIME_WAIT)->open_ns, 2 * MS);
	tw_end(heard, 3 * MS, SOCK, TW2, 0);
	assert_int_equal(heard->count, 3);
	/* the older one is still to be taken by its own 4-tuple */
	alloc(heard, 4 * MS, OTHER, PT_VIA_CONNECT, 443);
	assert_int_equal(heard->count, 5);
	assert_int_equal(heard->events[3].type, PT_EV_FREE);
	assert_int_equal(heard->events[3].end, PT_END_REUSED);
}

static void test_several_holders(void **state)
{
	struct heard *heard = *state;

	alloc(heard, 1 * MS, SOCK, PT_VIA_CONNECT, 443);
	alloc(heard, 2 * MS, OTHER, PT_VIA_CONNECT, 80);
	assert_int_equal(last(heard, 2, PT_EV_ALLOC)->holders, 2);
	assert_int_equal(heard->events[1].reuse, PT_REUSE_SHARED);
	release(heard, 3 * MS, SOCK);
	assert_int_equal(last(heard, 3, PT_EV_FREE)->holders, 1);
	assert_int_equal(heard->events[2].rport, 443);
	release(heard, 4 * MS, OTHER);
	assert_int_equal(last(heard, 4, PT_EV_FREE)->holders, 0);
	/* free since the last of them let go */
	alloc(heard, 9 * MS, THIRD, PT_VIA_CONNECT, 443);
	assert_int_equal(last(heard, 5, PT_EV_ALLOC)->reuse_ns, 5 * MS);
}

static void test_spaces_are_apart(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 2 * MS, OTHER, PT_VIA_AUTOBIND, 0);

	alloc(heard, 1 * MS, SOCK, PT_VIA_CONNECT, 443);
	rec.head.proto = IPPROTO_UDP;
	tell(heard, rec);
	assert_int_equal(last(heard, 2, PT_EV_ALLOC)->holders, 1);
	rec.head.proto = IPPROTO_TCP;
	rec.head.netns_cookie = 2;
	rec.head.netns = 4026532000;
	tell(heard, rec);
	assert_int_equal(last(heard, 3, PT_EV_ALLOC)->holders, 1);
	/* an inode number is used again by another namespace */
	rec.head.netns_cookie = 3;
	tell(heard, rec);
	assert_int_equal(last(heard, 4, PT_EV_ALLOC)->holders, 1);
}

/* The VRF is told at allocation, not at release. */
static void test_vrfs_are_apart_and_found_again(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 2 * MS, OTHER, PT_VIA_CONNECT, 443);

	alloc(heard, 1 * MS, SOCK, PT_VIA_CONNECT, 443);
	rec.head.vrf = 9;
	tell(heard, rec);
	assert_int_equal(last(heard, 2, PT_EV_ALLOC)->holders, 1);
	release(heard, 3 * MS, OTHER);
	assert_int_equal(last(heard, 3, PT_EV_FREE)->space.vrf, 9);
	assert_int_equal(heard->events[2].holders, 0);
	release(heard, 4 * MS, SOCK);
	assert_int_equal(last(heard, 4, PT_EV_FREE)->space.vrf, 0);
}

static void test_release_without_allocation(void **state)
{
	struct heard *heard = *state;

	release(heard, 1 * MS, SOCK);
	tw_begin(heard, 2 * MS, SOCK, TW, 443);
	tw_end(heard, 3 * MS, SOCK, TW, PT_F_EXPIRED);
	assert_int_equal(heard->count, 0);
	assert_int_equal(ledger_counts(heard->ledger).foreign, 3);
	/* and it does not make the next allocation a reuse */
	alloc(heard, 4 * MS, OTHER, PT_VIA_CONNECT, 443);
	assert_int_equal(last(heard, 1, PT_EV_ALLOC)->reuse, PT_REUSE_FIRST);
}

static void test_double_release(void **state)
{
	struct heard *heard = *state;

	alloc(heard, 1 * MS, SOCK, PT_VIA_CONNECT, 443);
	release(heard, 2 * MS, SOCK);
	release(heard, 3 * MS, SOCK);
	assert_int_equal(heard->count, 2);
	assert_int_equal(ledger_counts(heard->ledger).holds, 0);
}

/* tcp_time_wait() told that the socket lets go; its own release says it again. */
static void test_release_after_time_wait_began(void **state)
{
	struct heard *heard = *state;

	alloc(heard, 1 * MS, SOCK, PT_VIA_CONNECT, 443);
	tw_begin(heard, 2 * MS, SOCK, TW, 443);
	release(heard, 2 * MS, SOCK);
	assert_int_equal(heard->count, 2);
	assert_int_equal(ledger_counts(heard->ledger).holds, 1);
}

static void test_second_witness_is_dropped(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 2 * MS, SOCK, PT_VIA_UNKNOWN, 443);

	rec.head.flags = PT_F_SECOND;
	alloc(heard, 1 * MS, SOCK, PT_VIA_FIXED, 0);
	tell(heard, rec);
	assert_int_equal(heard->count, 1);
	assert_int_equal(ledger_counts(heard->ledger).repeated, 1);
	/* but it told where to */
	release(heard, 3 * MS, SOCK);
	assert_int_equal(last(heard, 2, PT_EV_FREE)->rport, 443);
	assert_int_equal(heard->events[1].via, PT_VIA_FIXED);
	/* alone it is believed */
	tell(heard, rec);
	assert_int_equal(last(heard, 3, PT_EV_ALLOC)->via, PT_VIA_UNKNOWN);
}

static void test_bound_socket_connects(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_tuple rec = { .head = rec_head(PT_REC_CONNECT, sizeof(rec), 2 * MS, SOCK),
				    .tuple = rec_tuple_to(443) };

	alloc(heard, 1 * MS, SOCK, PT_VIA_BIND, 0);
	tell(heard, rec);
	assert_int_equal(heard->count, 1);
	release(heard, 3 * MS, SOCK);
	assert_int_equal(last(heard, 2, PT_EV_FREE)->rport, 443);
}

/* The same socket gets the port again, and nobody told that it had let go. */
static void test_allocation_without_release(void **state)
{
	struct heard *heard = *state;

	alloc(heard, 1 * MS, SOCK, PT_VIA_CONNECT, 443);
	alloc(heard, 5 * MS, SOCK, PT_VIA_CONNECT, 443);
	assert_int_equal(heard->count, 3);
	assert_int_equal(heard->events[1].type, PT_EV_FREE);
	assert_int_equal(heard->events[1].end, PT_END_UNKNOWN);
	assert_int_equal(last(heard, 3, PT_EV_ALLOC)->holders, 1);
}

static void test_rollback(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_FAIL, 2 * MS, SOCK, PT_VIA_CONNECT, 443);

	alloc(heard, 1 * MS, SOCK, PT_VIA_CONNECT, 443);
	rec.head.flags = PT_F_ROLLBACK;
	rec.error = -ENOMEM;
	tell(heard, rec);
	assert_int_equal(heard->count, 3);
	assert_int_equal(heard->events[1].type, PT_EV_FREE);
	assert_int_equal(last(heard, 3, PT_EV_FAIL)->error, ENOMEM);
	assert_int_equal(ledger_counts(heard->ledger).holds, 0);
}

static void test_refusal_names_the_holders(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_FAIL, 9 * MS, OTHER, PT_VIA_FIXED, 0);
	const struct pt_event *ev;

	alloc(heard, 1 * MS, SOCK, PT_VIA_CONNECT, 443);
	rec.error = -EADDRINUSE;
	tell(heard, rec);
	ev = last(heard, 2, PT_EV_FAIL);
	assert_int_equal(ev->error, EADDRINUSE);
	assert_int_equal(ev->blockers_total, 1);
	assert_int_equal(ev->blockers_count, 1);
	assert_int_equal(ev->blockers[0].owner.pid, 4242);
	assert_int_equal(ev->blockers[0].rport, 443);
	assert_int_equal(ev->blockers[0].age_ns, 8 * MS);
	assert_false(ev->blockers[0].time_wait);
}

static void test_refusal_by_somebody_unknown(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_FAIL, 9 * MS, OTHER, PT_VIA_FIXED, 0);

	rec.error = -EADDRINUSE;
	tell(heard, rec);
	assert_int_equal(last(heard, 1, PT_EV_FAIL)->blockers_total, PT_UNKNOWN);
}

/* connect() from a port of one's own: only the same 4-tuple is in the way. */
static void test_refused_tuple_names_only_its_holder(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_FAIL, 9 * MS, THIRD, PT_VIA_CONNECT, 443);

	alloc(heard, 1 * MS, SOCK, PT_VIA_CONNECT, 443);
	alloc(heard, 2 * MS, OTHER, PT_VIA_CONNECT, 80);
	rec.error = -EADDRNOTAVAIL;
	tell(heard, rec);
	assert_int_equal(last(heard, 3, PT_EV_FAIL)->blockers_total, 1);
	assert_int_equal(heard->events[2].blockers[0].rport, 443);
}

/* A TIME_WAIT lasts 60 s from when it began, as far as it is known; its timer can be late. */
static void test_refusal_tells_what_a_time_wait_has_left(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_FAIL, 0, OTHER, PT_VIA_FIXED, 0);
	static const struct {
		__u64 ts, left;
	} times[] = { { 2 * MS, 60000 * MS },
		      { 18802 * MS, 41200 * MS },
		      { 60001 * MS, 1 * MS },
		      { 60002 * MS, PT_UNKNOWN },
		      { 61000 * MS, PT_UNKNOWN } };

	alloc(heard, 1 * MS, SOCK, PT_VIA_CONNECT, 443);
	rec.head.ts = 2 * MS;
	tell(heard, rec);
	assert_int_equal(last(heard, 2, PT_EV_FAIL)->blockers[0].tw_left_ns, PT_UNKNOWN);
	tw_begin(heard, 2 * MS, SOCK, TW, 443);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		rec.head.ts = times[i].ts;
		tell(heard, rec);
		assert_true(heard->events[3 + i].blockers[0].time_wait);
		assert_int_equal(heard->events[3 + i].blockers[0].tw_left_ns, times[i].left);
	}
}

/* How long an orphan's FIN_WAIT2 lasts is a matter of tcp_fin_timeout and of its peer. */
static void test_refusal_by_a_fin_wait2(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_FAIL, 9 * MS, OTHER, PT_VIA_FIXED, 0);
	struct pt_rec_tuple begins = rec_tw_begin(2 * MS, SOCK, TW, 443);

	alloc(heard, 1 * MS, SOCK, PT_VIA_CONNECT, 443);
	begins.head.flags |= PT_F_FIN_WAIT2;
	tell(heard, begins);
	tell(heard, rec);
	assert_true(last(heard, 3, PT_EV_FAIL)->blockers[0].time_wait);
	assert_int_equal(heard->events[2].blockers[0].tw_left_ns, PT_UNKNOWN);
}

/* One socket, two TIME_WAITs: bind() waits for both, a 4-tuple for its own. */
static void test_refusal_by_two_time_waits(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_FAIL, 10 * MS, OTHER, PT_VIA_FIXED, 0);
	struct pt_rec_tuple connects = rec_tw_begin(5 * MS, SOCK, 0, 80);
	struct pt_rec_tuple begins = rec_tw_begin(2 * MS, SOCK, TW, 443);

	alloc(heard, 1 * MS, SOCK, PT_VIA_FIXED, 443);
	begins.head.flags = 0; /* the port is named: the socket has it still */
	tell(heard, begins);
	connects.head.kind = PT_REC_CONNECT;
	tell(heard, connects);
	tw_begin(heard, 6 * MS, SOCK, TW2, 80);
	tell(heard, rec);
	assert_int_equal(last(heard, 4, PT_EV_FAIL)->blockers_total, 1);
	assert_int_equal(heard->events[3].blockers[0].tw_left_ns, 59996 * MS);

	rec = rec_port(PT_REC_FAIL, 10 * MS, THIRD, PT_VIA_CONNECT, 443);
	tell(heard, rec);
	assert_int_equal(heard->events[4].blockers_total, 1);
	assert_int_equal(heard->events[4].blockers[0].rport, 443);
	assert_int_equal(heard->events[4].blockers[0].tw_left_ns, 59992 * MS);
}

/* A socket with a port of its own can be in its own way. */
static void test_refusal_by_its_own_time_wait(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_FAIL, 10 * MS, SOCK, PT_VIA_CONNECT, 443);
	struct pt_rec_tuple begins = rec_tw_begin(2 * MS, SOCK, TW, 443);

	alloc(heard, 1 * MS, SOCK, PT_VIA_FIXED, 443);
	begins.head.flags = 0;
	tell(heard, begins);
	tell(heard, rec);
	assert_int_equal(last(heard, 3, PT_EV_FAIL)->blockers_total, 1);
	assert_true(heard->events[2].blockers[0].time_wait);
	assert_int_equal(heard->events[2].blockers[0].tw_left_ns, 59992 * MS);
}

static void test_refusal_of_any_port(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_FAIL, 9 * MS, OTHER, PT_VIA_CONNECT, 443);

	rec.head.port = 0;
	rec.head.flags = PT_F_SEARCHED;
	rec.search_ns = 1300000;
	rec.error = -EADDRNOTAVAIL;
	tell(heard, rec);
	assert_int_equal(last(heard, 1, PT_EV_FAIL)->search_ns, 1300000);
	assert_int_equal(heard->events[0].port, 0);
	assert_int_equal(heard->events[0].rport, 443);
	assert_int_equal(heard->events[0].blockers_total, PT_UNKNOWN);
}

static void test_loss_is_told_at_its_place(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 7 * MS, OTHER, PT_VIA_CONNECT, 443);
	const struct pt_event *ev;

	alloc(heard, 1 * MS, SOCK, PT_VIA_CONNECT, 443);
	rec.head.lost = 3;
	tell(heard, rec);
	assert_int_equal(heard->count, 3);
	ev = &heard->events[1];
	assert_int_equal(ev->type, PT_EV_LOST);
	assert_int_equal(ev->lost_count, 3);
	assert_int_equal(ev->lost_from, 1 * MS);
	assert_int_equal(ev->lost_to, 7 * MS);
	/* from here on nobody knows who else holds it */
	ev = last(heard, 3, PT_EV_ALLOC);
	assert_int_equal(ev->holders, PT_UNKNOWN);
	assert_int_equal(ev->reuse, PT_REUSE_UNKNOWN);
	assert_int_equal(ev->reuse_ns, PT_UNKNOWN);
	assert_false(ev->prev_known);
}

static void test_loss_after_the_last_record(void **state)
{
	struct heard *heard = *state;
	struct ledger_counts counts;

	alloc(heard, 1 * MS, SOCK, PT_VIA_CONNECT, 443);
	ledger_lost(heard->ledger, 5, 9 * MS);
	assert_int_equal(last(heard, 2, PT_EV_LOST)->lost_count, 5);
	ledger_lost(heard->ledger, 5, 9 * MS);
	assert_int_equal(heard->count, 2);
	counts = ledger_counts(heard->ledger);
	assert_int_equal(counts.records, 1);
	assert_int_equal(counts.lost, 5);
}

/* 32 bits of the counter are in each record. */
static void test_loss_counter_wraps(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_head rec = rec_release(1 * MS, SOCK);

	rec.lost = 0x7fffffff;
	tell(heard, rec);
	rec.lost = 0xfffffffe;
	tell(heard, rec);
	rec.lost = 1;
	tell(heard, rec);
	assert_int_equal(last(heard, 3, PT_EV_LOST)->lost_count, 3);
}

/* Told without waiting for the next record, and not twice. */
static void test_loss_that_is_told_before_its_record(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_head rec = rec_release(1 * MS, SOCK);

	tell(heard, rec);
	ledger_lost(heard->ledger, 7, 5 * MS);
	assert_int_equal(last(heard, 1, PT_EV_LOST)->lost_count, 7);
	/* this one found room before the last two were lost */
	rec.lost = 5;
	tell(heard, rec);
	rec.lost = 7;
	tell(heard, rec);
	assert_int_equal(heard->count, 1);
	rec.lost = 9;
	tell(heard, rec);
	assert_int_equal(last(heard, 2, PT_EV_LOST)->lost_count, 2);
	ledger_lost(heard->ledger, 9, 6 * MS);
	assert_int_equal(heard->count, 2);
	assert_int_equal(ledger_counts(heard->ledger).lost, 9);
}

/* Softirq and other CPUs come between the clock and the ring. */
static void test_time_never_goes_back(void **state)
{
	struct heard *heard = *state;

	alloc(heard, 5 * MS, SOCK, PT_VIA_CONNECT, 443);
	alloc(heard, 4 * MS, OTHER, PT_VIA_CONNECT, 80);
	assert_int_equal(last(heard, 2, PT_EV_ALLOC)->ts, 5 * MS);
	/* but durations come from the raw clock */
	release(heard, 6 * MS, OTHER);
	assert_int_equal(last(heard, 3, PT_EV_FREE)->held_ns, 2 * MS);
	/* and are never negative */
	release(heard, 3 * MS, SOCK);
	assert_int_equal(last(heard, 4, PT_EV_FREE)->held_ns, 0);
}

/* 5.10: sockets are known by address, and an address is used again at once. */
static void test_address_used_again_during_time_wait(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 0, SOCK, PT_VIA_CONNECT, 443);
	struct pt_rec_tuple tw = rec_tw_begin(1 * MS, SOCK, TW, 443);
	struct pt_rec_tw_end end = rec_tw_end(9 * MS, 0, TW, PT_F_EXPIRED);

	rec.head.netns_cookie = tw.head.netns_cookie = end.head.netns_cookie = PT_NO_COOKIES | 5;
	tell(heard, rec);
	assert_int_equal(last(heard, 1, PT_EV_ALLOC)->sock, 0);
	tell(heard, tw);
	rec.head.ts = 2 * MS;
	rec.tuple = rec_tuple_to(80);
	tell(heard, rec);
	assert_int_equal(last(heard, 3, PT_EV_ALLOC)->holders, 2);
	tell(heard, end);
	assert_int_equal(last(heard, 4, PT_EV_FREE)->rport, 443);
	assert_int_equal(heard->events[3].holders, 1);
	/* nor is the address shown as a cookie where the port was refused */
	rec.head.kind = PT_REC_FAIL;
	tell(heard, rec);
	assert_int_equal(last(heard, 5, PT_EV_FAIL)->sock, 0);
}

static void test_many_holds(void **state)
{
	struct heard *heard = *state;
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 1 * MS, 0, PT_VIA_CONNECT, 443);

	for (unsigned int i = 1; i <= 60000; i++) {
		rec.head.port = (__u16)i;
		rec.head.sock = i;
		heard->count = 0;
		tell(heard, rec);
	}
	assert_int_equal(ledger_counts(heard->ledger).holds, 60000);
	for (unsigned int i = 1; i <= 60000; i++) {
		struct pt_rec_head gone = rec_release(2 * MS, i);

		gone.port = (__u16)i;
		heard->count = 0;
		tell(heard, gone);
		assert_int_equal(last(heard, 1, PT_EV_FREE)->holders, 0);
	}
	assert_int_equal(ledger_counts(heard->ledger).holds, 0);
}

#define WITH_LEDGER(test) cmocka_unit_test_setup_teardown(test, heard_begin, heard_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_LEDGER(test_one_hold),
		WITH_LEDGER(test_owner_by_kin),
		WITH_LEDGER(test_a_kernel_threads_own),
		WITH_LEDGER(test_told_late),
		WITH_LEDGER(test_told_late_though_it_was_told),
		WITH_LEDGER(test_a_socket_has_one_port),
		WITH_LEDGER(test_clean_reuse_tells_the_gap_and_who),
		WITH_LEDGER(test_time_wait_is_part_of_the_hold),
		WITH_LEDGER(test_time_wait_cut),
		WITH_LEDGER(test_orphan_in_fin_wait2),
		WITH_LEDGER(test_taken_out_of_time_wait_ends_before_alloc),
		WITH_LEDGER(test_taken_out_of_time_wait_told_late),
		WITH_LEDGER(test_another_destination_shares_with_time_wait),
		WITH_LEDGER(test_time_wait_of_another_device_is_not_taken),
		WITH_LEDGER(test_time_wait_of_no_device_is_taken),
		WITH_LEDGER(test_time_wait_with_the_socket_still_holding),
		WITH_LEDGER(test_open_time_of_a_named_port),
		WITH_LEDGER(test_open_time_whose_end_was_missed),
		WITH_LEDGER(test_two_time_waits_of_one_socket),
		WITH_LEDGER(test_several_holders),
		WITH_LEDGER(test_spaces_are_apart),
		WITH_LEDGER(test_vrfs_are_apart_and_found_again),
		WITH_LEDGER(test_release_without_allocation),
		WITH_LEDGER(test_double_release),
		WITH_LEDGER(test_release_after_time_wait_began),
		WITH_LEDGER(test_second_witness_is_dropped),
		WITH_LEDGER(test_bound_socket_connects),
		WITH_LEDGER(test_allocation_without_release),
		WITH_LEDGER(test_rollback),
		WITH_LEDGER(test_refusal_names_the_holders),
		WITH_LEDGER(test_refusal_by_somebody_unknown),
		WITH_LEDGER(test_refused_tuple_names_only_its_holder),
		WITH_LEDGER(test_refusal_tells_what_a_time_wait_has_left),
		WITH_LEDGER(test_refusal_by_a_fin_wait2),
		WITH_LEDGER(test_refusal_by_two_time_waits),
		WITH_LEDGER(test_refusal_by_its_own_time_wait),
		WITH_LEDGER(test_refusal_of_any_port),
		WITH_LEDGER(test_loss_is_told_at_its_place),
		WITH_LEDGER(test_loss_after_the_last_record),
		WITH_LEDGER(test_loss_counter_wraps),
		WITH_LEDGER(test_loss_that_is_told_before_its_record),
		WITH_LEDGER(test_time_never_goes_back),
		WITH_LEDGER(test_address_used_again_during_time_wait),
		WITH_LEDGER(test_many_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
