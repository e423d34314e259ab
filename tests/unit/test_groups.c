// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "user/stats/groups.h"

#define MAX 16

static const struct pt_owner curl = { .pid = 42, .known = true, .start = 5, .cgroup = 7 };
static const struct pt_owner psql = { .pid = 43, .known = true, .cgroup = 8 };
/* curl's pid, used again */
static const struct pt_owner later = { .pid = 42, .known = true, .start = 5000000000, .cgroup = 9 };

static struct pt_holder holders[MAX];
static size_t count;
static struct groups groups;

static int begin(void **state)
{
	(void)state;
	count = 0;
	groups = (struct groups){ 0 };
	return 0;
}

static int end(void **state)
{
	(void)state;
	groups_free(&groups);
	return 0;
}

/* A socket that is connected to 10.0.0.1:rport; 0: to nothing. */
static struct pt_holder *add(__u16 port, __u16 rport, const struct pt_owner *owner)
{
	struct pt_holder *holder = &holders[count++];

	assert_true(count <= MAX);
	*holder = (struct pt_holder){
		.space = { .netns = 1, .netns_cookie = 1, .proto = IPPROTO_TCP },
		.port = port,
		.rport = rport,
		.raddr = { [10] = 0xff, 0xff, 10, 0, 0, 1 },
		.has_inode = true,
		.owner = owner,
		.processes = owner != NULL,
	};
	return holder;
}

static void add_time_wait(__u16 port, __u16 rport)
{
	struct pt_holder *holder = add(port, rport, NULL);

	holder->time_wait = true;
	holder->has_inode = false;
}

/* Two ids are one path, as when a service was started again; of the third nobody knows. */
static const char *cgroup_path(void *data, __u64 id)
{
	static const char one[] = "/a", same[] = "/a";

	(void)data;
	if (id == 9)
		return NULL;
	return id == 7 ? one : same;
}

static void take(enum report_by by)
{
	const struct groups_options options = { .by = by, .cgroup_path = cgroup_path };
	const struct pt_holder *rows[MAX];

	for (size_t i = 0; i < count; i++)
		rows[i] = &holders[i];
	assert_int_equal(groups_take(&groups, &options, rows, count), 0);
}

static void check(size_t row, __u64 ports, __u64 held, __u64 time_wait, __u64 connections)
{
	assert_true(row < groups.count);
	assert_int_equal(groups.rows[row].ports, ports);
	assert_int_equal(groups.rows[row].held, held);
	assert_int_equal(groups.rows[row].time_wait, time_wait);
	assert_int_equal(groups.rows[row].connections, connections);
}

static void test_nothing(void **state)
{
	(void)state;
	take(REPORT_BY_PROCESS);
	assert_int_equal(groups.count, 0);
}

/* The same number in another space is another port. */
static void test_ports(void **state)
{
	(void)state;
	add(1000, 443, &curl);
	add(1000, 444, &curl);
	add(1000, 445, &curl)->space.proto = IPPROTO_UDP;
	add(1000, 446, &curl)->space.netns_cookie = 2;
	add(1001, 447, &psql);
	add(1002, 447, &psql);
	add(1003, 447, &psql);
	add(1004, 447, &psql);
	take(REPORT_BY_PROCESS);
	assert_int_equal(groups.count, 2);
	assert_int_equal(groups.rows[0].key->owner->pid, 43);
	check(0, 4, 4, 0, 0);
	check(1, 3, 4, 0, 0);
	groups_free(&groups);
	take(REPORT_BY_PORT);
	assert_int_equal(groups.count, 7);
	check(0, 1, 2, 0, 0);
	assert_int_equal(groups.rows[0].key->port, 1000);
}

static void test_processes(void **state)
{
	(void)state;
	add(1000, 443, &curl);
	add(1001, 443, &later);
	add(1002, 443, NULL);
	add_time_wait(1003, 443);
	add_time_wait(1004, 443);
	take(REPORT_BY_PROCESS);
	assert_int_equal(groups.count, 4);
	assert_true(groups.has_ownerless);
	check(0, 2, 2, 2, 0);
	assert_false(groups.rows[0].key->has_inode);
	assert_ptr_equal(groups.rows[1].key->owner, &curl);
	assert_ptr_equal(groups.rows[2].key->owner, &later);
	assert_null(groups.rows[3].key->owner);
	assert_true(groups.rows[3].key->has_inode);
}

/* Whoever has most of them is the top, if it is known who; of as many the first. */
static void test_top(void **state)
{
	(void)state;
	add(1000, 443, &psql);
	add(1001, 443, &curl);
	add_time_wait(1002, 443);
	add_time_wait(1003, 443);
	take(REPORT_BY_REMOTE);
	assert_int_equal(groups.count, 1);
	check(0, 4, 4, 2, 0);
	assert_ptr_equal(groups.rows[0].top->owner, &psql);
	assert_int_equal(groups.rows[0].top_count, 1);
	groups_free(&groups);
	add(1004, 443, &curl);
	take(REPORT_BY_REMOTE);
	assert_ptr_equal(groups.rows[0].top->owner, &curl);
	assert_int_equal(groups.rows[0].top_count, 2);
}

static void test_top_remote(void **state)
{
	(void)state;
	add(1000, 0, &curl);
	add(1001, 0, &curl);
	add(1002, 444, &curl);
	add(1003, 0, &psql);
	take(REPORT_BY_PROCESS);
	assert_int_equal(groups.rows[0].top->rport, 444);
	assert_int_equal(groups.rows[0].top_count, 1);
	assert_int_equal(groups.rows[1].top->rport, 0);
}

static void test_remotes(void **state)
{
	(void)state;
	add(1000, 443, &curl);
	add(1001, 443, &curl)->raddr[15] = 2;
	add(1002, 443, &curl)->raddr[15] = 2;
	add(1003, 0, &curl);
	add(1004, 0, &curl)->raddr[15] = 9; /* without meaning */
	add(1005, 0, &curl);
	take(REPORT_BY_REMOTE);
	assert_int_equal(groups.count, 3);
	assert_int_equal(groups.rows[0].key->rport, 0);
	assert_int_equal(groups.rows[1].key->raddr[15], 2);
	assert_int_equal(groups.rows[2].key->raddr[15], 1);
}

/* They share their listener's port: none of their own is held. */
static void test_accepted(void **state)
{
	(void)state;
	add(443, 1000, &curl)->accepted = true;
	add(443, 1001, &curl)->accepted = true;
	add(443, 0, &curl);
	add(1000, 5432, &psql);
	add(1001, 5432, &psql);
	take(REPORT_BY_PROCESS);
	check(0, 2, 2, 0, 0);
	check(1, 1, 1, 0, 2);
	groups_free(&groups);
	take(REPORT_BY_REMOTE);
	check(3, 0, 0, 0, 1);
	assert_int_equal(groups.rows[3].top_count, 1);
}

static void test_cgroups(void **state)
{
	(void)state;
	add(1000, 443, &curl);
	add(1001, 443, &psql);
	add(1002, 443, &later);
	add(1003, 443, NULL);
	add_time_wait(1004, 443);
	take(REPORT_BY_CGROUP);
	assert_int_equal(groups.count, 3);
	check(0, 2, 2, 0, 0);
	assert_string_equal(groups.rows[0].cgroup, "/a");
	check(1, 2, 2, 0, 0); /* not known */
	assert_null(groups.rows[1].cgroup);
	check(2, 1, 1, 1, 0); /* none */
}

/* If one of them is older than the recording, so is the oldest. */
static void test_oldest(void **state)
{
	(void)state;
	for (__u16 i = 0; i < 4; i++) {
		struct pt_holder *holder = add(1000 + i, i < 2 ? 443 : 444, &curl);

		holder->past = true;
		holder->age_ns = i == 3 ? PT_UNKNOWN : i + 1ULL;
	}
	take(REPORT_BY_REMOTE);
	assert_int_equal(groups.rows[0].oldest_ns, 2);
	assert_true(groups.rows[1].oldest_ns == PT_UNKNOWN);
	groups_free(&groups);
	count = 0;
	add(1000, 443, &curl)->processes = 2;
	take(REPORT_BY_REMOTE);
	assert_true(groups.rows[0].oldest_ns == PT_UNKNOWN); /* of now nobody tells */
	assert_true(groups.has_shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing, begin, end),
		cmocka_unit_test_setup_teardown(test_ports, begin, end),
		cmocka_unit_test_setup_teardown(test_processes, begin, end),
		cmocka_unit_test_setup_teardown(test_top, begin, end),
		cmocka_unit_test_setup_teardown(test_top_remote, begin, end),
		cmocka_unit_test_setup_teardown(test_remotes, begin, end),
		cmocka_unit_test_setup_teardown(test_accepted, begin, end),
		cmocka_unit_test_setup_teardown(test_cgroups, begin, end),
		cmocka_unit_test_setup_teardown(test_oldest, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
