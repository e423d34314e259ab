// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "user/ledger/crowd.h"

enum { PORTS = 400, PROCESSES = 60, STEPS = 20000 };
#define FIRST_PORT 40000
#define SEC 1000000000ULL

/* Ports with one hold each, and in which group it is. */
struct fixture {
	struct holds holds;
	struct crowd *crowd;
	struct hold *held[PORTS];
	struct crowd_key keys[2];
	unsigned int group[PORTS]; /* of keys; 2: none */
	unsigned int seed;
};

static const struct pt_space space = { .netns_cookie = 1, .netns = 2, .proto = IPPROTO_TCP };

static int begin(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	holds_init(&fixture->holds);
	fixture->crowd = crowd_new(&fixture->holds, 1);
	fixture->keys[0] = (struct crowd_key){ .netns = 2, .rport = 443, .kind = CROWD_TO };
	fixture->keys[1] = (struct crowd_key){ .netns = 2, .kind = CROWD_CLOSED };
	fixture->seed = 1;
	*state = fixture;
	return 0;
}

static int end(void **state)
{
	struct fixture *fixture = *state;

	crowd_free(fixture->crowd);
	holds_free(&fixture->holds);
	free(fixture);
	return 0;
}

static __u32 below(struct fixture *fixture, __u32 bound)
{
	return (__u32)rand_r(&fixture->seed) % bound;
}

static struct port_state *port_of(struct fixture *fixture, unsigned int at)
{
	return holds_port(&fixture->holds, &space, (__u16)(FIRST_PORT + at));
}

static void put(struct fixture *fixture, unsigned int at, unsigned int group)
{
	const struct crowd_key *key = group < 2 ? &fixture->keys[group] : NULL;

	assert_int_equal(crowd_put(fixture->crowd, port_of(fixture, at), (__u16)(FIRST_PORT + at),
				   fixture->held[at], CROWD_FIRST, key),
			 0);
	fixture->group[at] = group;
}

/* since: PT_UNKNOWN too */
static void hold(struct fixture *fixture, unsigned int at, unsigned int group, __u32 pid,
		 __u64 since)
{
	const struct pt_owner owner = { .known = pid, .pid = pid, .start = pid };
	struct hold *hold;
	__u32 number;

	assert_int_equal(owners_take(&fixture->holds.owners, &owner, &number), 0);
	hold = holds_add(&fixture->holds, port_of(fixture, at), number);
	hold->sock = 1000 + at;
	hold->sock_open = true;
	hold->since = since;
	fixture->held[at] = hold;
	put(fixture, at, group);
}

static void wait_until(struct fixture *fixture, unsigned int at, __u64 until)
{
	struct tw *tw = holds_tw_add(&fixture->holds, fixture->held[at]);

	tw->until = until;
	fixture->held[at]->sock_open = false;
	put(fixture, at, fixture->group[at]);
}

static void let_go(struct fixture *fixture, unsigned int at)
{
	put(fixture, at, 2);
	holds_remove(&fixture->holds, port_of(fixture, at), fixture->held[at]);
	fixture->held[at] = NULL;
}

/* ---- the same, the long way ------------------------------------------------------------ */

struct naive {
	struct crowd_share shares[PROCESSES];
	__u64 ports;
};

static void count(const struct fixture *fixture, __u64 now, struct naive *naive)
{
	*naive = (struct naive){ 0 };
	for (unsigned int at = 0; at < PORTS; at++) {
		const struct hold *hold = fixture->held[at];
		struct crowd_share *share;
		__u64 until, since;

		if (!hold || fixture->group[at] == 2)
			continue;
		share = &naive->shares[holds_owner(&fixture->holds, hold)->pid];
		until = crowd_hold_until(&fixture->holds, hold);
		since = hold->since == PT_UNKNOWN ? 0 : hold->since;
		if (!share->holds || since < share->since)
			share->since = since;
		share->ports++;
		share->holds++;
		share->time_waits += !hold->sock_open;
		if (until > now && (!share->tw_until || until < share->tw_until))
			share->tw_until = until;
		naive->ports++;
	}
}

static __u32 most(struct naive *naive)
{
	__u32 best = 0;

	/* who is not known comes behind who is */
	for (__u32 pid = 1; pid < PROCESSES; pid++)
		if (naive->shares[pid].ports > naive->shares[best].ports ||
		    (!best && naive->shares[pid].ports == naive->shares[best].ports))
			best = pid;
	return best;
}

static void check(struct fixture *fixture, __u64 now)
{
	struct crowd_top top;
	struct naive naive;

	assert_int_equal(crowd_top(fixture->crowd, &fixture->keys[0], &fixture->keys[1], now, &top),
			 0);
	count(fixture, now, &naive);
	assert_int_equal(top.ports, naive.ports);
	for (unsigned int i = 0; i < top.count; i++) {
		__u32 pid = most(&naive);
		const struct crowd_share *share = &naive.shares[pid];

		assert_int_equal(top.shares[i].owner->pid, pid);
		assert_int_equal(top.shares[i].ports, share->ports);
		assert_int_equal(top.shares[i].holds, share->holds);
		assert_int_equal(top.shares[i].time_waits, share->time_waits);
		assert_int_equal(top.shares[i].tw_until, share->tw_until);
		assert_int_equal(top.shares[i].since == PT_UNKNOWN ? 0 : top.shares[i].since,
				 share->since);
		naive.shares[pid].ports = 0;
	}
	assert_true(top.count == PT_BLOCKERS_MAX || !naive.shares[most(&naive)].ports);
}

static void test_as_the_long_way(void **state)
{
	struct fixture *fixture = *state;
	__u64 now = SEC;

	for (int i = 0; i < STEPS; i++) {
		unsigned int at = below(fixture, PORTS);
		/* a few have most */
		__u32 pid = below(fixture, 1 + below(fixture, PROCESSES));
		__u64 since = below(fixture, 10) ? now - below(fixture, 3) : PT_UNKNOWN;

		now += below(fixture, 20) * SEC / 100;
		if (!fixture->held[at])
			hold(fixture, at, below(fixture, 2), pid, since);
		else if (!fixture->held[at]->tws && below(fixture, 2))
			wait_until(fixture, at,
				   below(fixture, 9) ? now + below(fixture, 60) * SEC : 0);
		else if (below(fixture, 3))
			let_go(fixture, at);
		else
			put(fixture, at, below(fixture, 3));
		if (!below(fixture, 4))
			check(fixture, now);
	}
}

/* A port that one process holds twice is one port; so it is if two have it. */
static void test_a_port_counts_once(void **state)
{
	struct fixture *fixture = *state;
	struct crowd_top top;
	struct hold *first;

	hold(fixture, 0, 1, 7, SEC);
	first = fixture->held[0];
	hold(fixture, 0, 1, 7, 2 * SEC);
	hold(fixture, 0, 1, 8, 3 * SEC);
	assert_int_equal(
		crowd_top(fixture->crowd, &fixture->keys[0], &fixture->keys[1], 4 * SEC, &top), 0);
	assert_int_equal(top.ports, 1);
	assert_int_equal(top.count, 2);
	assert_int_equal(top.shares[0].ports, 1);
	assert_int_equal(top.shares[0].holds, 2);
	assert_int_equal(top.shares[0].since, SEC);
	fixture->held[0] = first;
	let_go(fixture, 0);
	assert_int_equal(
		crowd_top(fixture->crowd, &fixture->keys[0], &fixture->keys[1], 4 * SEC, &top), 0);
	assert_int_equal(top.ports, 1);
	assert_int_equal(top.shares[0].ports, 1);
	assert_int_equal(top.shares[0].holds, 1);
	assert_int_equal(top.shares[0].since, 2 * SEC);
}

static void test_nobody(void **state)
{
	struct fixture *fixture = *state;
	struct crowd_top top;

	assert_int_equal(crowd_top(fixture->crowd, &fixture->keys[0], NULL, SEC, &top), 0);
	assert_int_equal(top.count, 0);
	assert_int_equal(top.ports, 0);
}

#define WITH_CROWD(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CROWD(test_as_the_long_way),
		WITH_CROWD(test_a_port_counts_once),
		WITH_CROWD(test_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
