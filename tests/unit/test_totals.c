// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "user/stats/totals.h"

static struct pt_event event(enum pt_event_type type, __u16 port, __u32 pid)
{
	return (struct pt_event){ .type = type,
				  .space = { .netns = 1, .proto = IPPROTO_TCP },
				  .port = port,
				  .owner = { .known = pid, .pid = pid, .start = 5 },
				  .reuse_ns = PT_UNKNOWN,
				  .held_ns = PT_UNKNOWN };
}

static void count(struct totals *totals, struct pt_event ev)
{
	totals_event(totals, &ev);
}

static struct pt_event freed(__u16 port, __u32 pid, __u64 held_ns)
{
	struct pt_event ev = event(PT_EV_FREE, port, pid);

	ev.held_ns = held_ns;
	return ev;
}

static int begin(void **state)
{
	*state = malloc(sizeof(struct totals));
	totals_init(*state);
	return 0;
}

static int end(void **state)
{
	totals_free(*state);
	free(*state);
	return 0;
}

static void test_counts(void **state)
{
	struct totals *totals = *state;
	struct pt_event again = event(PT_EV_ALLOC, 1000, 7);
	const struct totals_count *port;

	count(totals, event(PT_EV_ALLOC, 1000, 7));
	count(totals, event(PT_EV_ALLOC, 1000, 8));
	count(totals, freed(1000, 7, 30));
	count(totals, freed(1000, 8, 10));
	again.reuse_ns = 500;
	count(totals, again);
	again.reuse_ns = 100;
	count(totals, again);
	assert_int_equal(totals->ports_count, 1);
	port = &totals->ports[0].count;
	assert_int_equal(port->allocs, 4);
	assert_int_equal(port->frees, 2);
	assert_int_equal(port->held_now, 2);
	assert_int_equal(port->held_max, 2);
	assert_int_equal(port->held_ns, 40);
	assert_int_equal(port->held_ns_max, 30);
	assert_int_equal(port->reuses, 2);
	assert_int_equal(port->reuse_ns, 600);
	assert_int_equal(port->reuse_ns_min, 100);
	assert_int_equal(totals->processes_count, 2);
	assert_int_equal(totals->processes[0].count.allocs, 3);
	assert_int_equal(totals->processes[0].count.held_max, 2);
	assert_int_equal(totals->processes[1].count.reuse_ns_min, PT_UNKNOWN);
	assert_int_equal(totals->all.allocs, 4);
}

static void test_refusal_of_any_port_has_no_row(void **state)
{
	struct totals *totals = *state;

	count(totals, event(PT_EV_FAIL, 0, 7));
	count(totals, event(PT_EV_FAIL, 80, 7));
	assert_int_equal(totals->all.fails, 2);
	assert_int_equal(totals->ports_count, 1);
	assert_int_equal(totals->processes[0].count.fails, 2);
}

static void test_same_number_in_two_spaces(void **state)
{
	struct totals *totals = *state;
	struct pt_event ev = event(PT_EV_ALLOC, 1000, 7);

	count(totals, ev);
	ev.space.proto = IPPROTO_UDP;
	count(totals, ev);
	ev.space.netns = 2;
	count(totals, ev);
	ev.space.vrf = 3;
	count(totals, ev);
	assert_int_equal(totals->ports_count, 4);
	assert_int_equal(totals->processes_count, 1);
}

/* A pid is used again; /proc tells its start by 10 ms; the unknown are one row. */
static void test_processes(void **state)
{
	struct totals *totals = *state;
	struct pt_event ev = event(PT_EV_ALLOC, 1000, 7);

	count(totals, ev);
	ev.owner.start = 9999999; /* the same tick */
	count(totals, ev);
	ev.owner.start = 10000000;
	count(totals, ev);
	count(totals, event(PT_EV_ALLOC, 1000, 0));
	count(totals, event(PT_EV_ALLOC, 1001, 0));
	assert_int_equal(totals->processes_count, 3);
	assert_false(totals->processes[2].owner.known);
	assert_int_equal(totals->processes[2].count.allocs, 2);
}

static void test_free_without_alloc(void **state)
{
	struct totals *totals = *state;

	count(totals, freed(1000, 7, PT_UNKNOWN));
	assert_int_equal(totals->all.held_now, 0);
	assert_int_equal(totals->all.held_ns, 0);
}

static void test_top(void **state)
{
	struct totals *totals = *state;
	__u32 rows[3];

	for (unsigned int port = 1; port <= 200; port++)
		for (unsigned int i = 0; i < (port % 10) + 1; i++)
			count(totals, event(i % 2 ? PT_EV_FAIL : PT_EV_ALLOC, (__u16)port, port));
	assert_int_equal(totals_top_ports(totals, rows, 3), 3);
	assert_int_equal(totals->ports[rows[0]].port, 9);
	assert_int_equal(totals->ports[rows[1]].port, 19);
	assert_int_equal(totals->ports[rows[2]].port, 29);
	assert_int_equal(totals_top_processes(totals, rows, 1), 1);
	assert_int_equal(totals->processes[rows[0]].owner.pid, 9);
	assert_int_equal(totals_top_ports(totals, rows, 0), 0);
}

static void test_more_rows_than_there_is_room(void **state)
{
	struct totals *totals = *state;

	for (unsigned int pid = 1; pid <= TOTALS_ROWS_MAX + 10; pid++)
		count(totals, event(PT_EV_ALLOC, 1000, pid));
	assert_int_equal(totals->processes_count, TOTALS_ROWS_MAX);
	assert_int_equal(totals->other_processes.allocs, 10);
	assert_int_equal(totals->all.allocs, TOTALS_ROWS_MAX + 10);
	/* the rows that are there go on */
	count(totals, event(PT_EV_ALLOC, 1000, 1));
	assert_int_equal(totals->processes[0].count.allocs, 2);
}

static struct pt_event in_space(__u32 netns, __u16 port)
{
	struct pt_event ev = event(PT_EV_ALLOC, port, 1);

	ev.space.netns = netns;
	return ev;
}

/* Each port is counted in its own row, of however many namespaces. */
static void test_more_ports_than_there_is_room(void **state)
{
	struct totals *totals = *state;
	enum { NAMESPACES = TOTALS_ROWS_MAX / 2 + 10 };

	for (unsigned int round = 1; round <= 2; round++) {
		for (__u32 netns = 0; netns < NAMESPACES; netns++) {
			count(totals, in_space(netns, 1000));
			count(totals, in_space(netns, (__u16)(2000 + netns)));
		}
		assert_int_equal(totals->ports_count, TOTALS_ROWS_MAX);
		assert_int_equal(totals->spaces_count, TOTALS_ROWS_MAX / 2);
		assert_int_equal(totals->other_ports.allocs, 20 * round);
		for (__u32 i = 0; i < TOTALS_ROWS_MAX; i++) {
			const struct totals_port *row = &totals->ports[i];
			__u32 netns = totals->spaces[row->space].netns;

			assert_int_equal(netns, i / 2);
			assert_int_equal(row->port, i % 2 ? (__u16)(2000 + netns) : 1000);
			assert_int_equal(row->count.allocs, round);
		}
	}
	/* one more of a namespace that has rows */
	count(totals, in_space(0, 3000));
	assert_int_equal(totals->other_ports.allocs, 41);
}

#define WITH_TOTALS(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_TOTALS(test_counts),
		WITH_TOTALS(test_refusal_of_any_port_has_no_row),
		WITH_TOTALS(test_same_number_in_two_spaces),
		WITH_TOTALS(test_processes),
		WITH_TOTALS(test_free_without_alloc),
		WITH_TOTALS(test_top),
		WITH_TOTALS(test_more_rows_than_there_is_room),
		WITH_TOTALS(test_more_ports_than_there_is_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
