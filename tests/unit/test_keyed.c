// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "user/stats/keyed.h"

struct row {
	union keyed_row key;
	unsigned int count;
};

static struct pt_event event(void)
{
	return (struct pt_event){
		.space = { .netns_cookie = 1, .netns = 2, .proto = IPPROTO_TCP },
		.port = 40000,
		.owner = { .known = true, .pid = 7, .start = 9, .comm = "curl" },
	};
}

static enum fill_class fill;

static struct row *find(struct keyed *keyed, struct pt_event ev)
{
	void *row;

	assert_int_equal(
		keyed_find(keyed, &(struct keyed_subject){ .ev = &ev, .fill = fill }, &row), 0);
	return row;
}

/* A row for what differs in what it is by, none for all else. */
static void check_from(struct pt_event first, enum keyed_by by, struct pt_event same,
		       struct pt_event other)
{
	struct keyed keyed;

	keyed_init(&keyed, by, sizeof(struct row));
	find(&keyed, first)->count++;
	find(&keyed, same)->count++;
	assert_int_equal(keyed.count, 1);
	assert_int_equal(find(&keyed, other)->count, 0);
	assert_int_equal(keyed.count, 2);
	assert_int_equal(((struct row *)keyed_at(&keyed, 0))->count, 2);
	assert_ptr_equal(find(&keyed, other), keyed_at(&keyed, 1));
	assert_false(keyed.has_others);
	keyed_free(&keyed);
}

static void check(enum keyed_by by, struct pt_event same, struct pt_event other)
{
	check_from(event(), by, same, other);
}

static void test_by_proto(void **state)
{
	struct pt_event same = event(), other = event();

	(void)state;
	same.space.netns = same.port = same.owner.pid = 3;
	other.space.proto = IPPROTO_UDP;
	check(KEYED_BY_PROTO, same, other);
}

static void test_by_netns(void **state)
{
	struct pt_event same = event(), other = event();

	(void)state;
	same.space.proto = IPPROTO_UDP;
	other.space.netns_cookie = 2; /* the inode number was used again */
	check(KEYED_BY_NETNS, same, other);
}

static void test_by_process(void **state)
{
	struct pt_event same = event(), other = event();

	(void)state;
	strcpy(same.owner.comm, "wget"); /* exec */
	same.port++;
	other.owner.known = false;
	check(KEYED_BY_PROCESS, same, other);
	other = event();
	other.owner.start = 1ULL << 40; /* the pid was used again */
	check(KEYED_BY_PROCESS, same, other);
}

static void test_by_port(void **state)
{
	struct pt_event same = event(), other = event();

	(void)state;
	same.owner.known = false;
	other.port++;
	check(KEYED_BY_PORT, same, other);
	other = event();
	other.space.vrf = 5;
	check(KEYED_BY_PORT, same, other);
}

static void test_by_remote(void **state)
{
	struct pt_event same = event(), other = event();

	(void)state;
	same.raddr[0] = 5; /* of a socket without a remote it means nothing */
	other.rport = 443;
	check(KEYED_BY_REMOTE, same, other);
	same = other;
	same.space.netns++;
	other.raddr[15] = 1;
	check_from(same, KEYED_BY_REMOTE, same, other);
}

static void test_by_fill(void **state)
{
	struct keyed keyed;

	(void)state;
	keyed_init(&keyed, KEYED_BY_FILL, sizeof(struct row));
	for (fill = FILL_0; fill < FILL_CLASSES; fill++)
		find(&keyed, event())->count++;
	fill = FILL_90;
	assert_int_equal(find(&keyed, event())->count, 1);
	assert_int_equal(keyed.count, FILL_CLASSES);
	fill = FILL_0;
	keyed_free(&keyed);
}

static void test_names(void **state)
{
	(void)state;
	for (int by = 0; by < KEYED_BYS; by++)
		assert_non_null(keyed_by_name((enum keyed_by)by));
}

/* Beyond so many rows there are no new ones, and those there are stay. */
static void test_bounded(void **state)
{
	struct keyed keyed;
	struct pt_event ev = event();

	(void)state;
	keyed_init(&keyed, KEYED_BY_PROCESS, sizeof(struct row));
	for (ev.owner.pid = 0; ev.owner.pid < KEYED_ROWS_MAX; ev.owner.pid++)
		find(&keyed, ev)->count++;
	assert_false(keyed.has_others);
	assert_null(find(&keyed, ev));
	assert_true(keyed.has_others);
	ev.owner.pid = 5;
	assert_int_equal(find(&keyed, ev)->count, 1);
	assert_int_equal(keyed.count, KEYED_ROWS_MAX);
	keyed_free(&keyed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_proto),   cmocka_unit_test(test_by_netns),
		cmocka_unit_test(test_by_process), cmocka_unit_test(test_by_port),
		cmocka_unit_test(test_by_remote),  cmocka_unit_test(test_by_fill),
		cmocka_unit_test(test_names),	   cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
