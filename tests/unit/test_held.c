// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "user/stats/held.h"

#define SOCKS 3000
#define STEPS 200000

static const struct pt_space tcp = { .netns_cookie = 1, .netns = 2, .proto = IPPROTO_TCP };

static void add(struct held *held, const struct pt_space *space, __u16 port, __u64 sock, __u32 row)
{
	const struct held_hold hold = { .sock = sock,
					.netns_cookie = space->netns_cookie,
					.row = row,
					.port = port,
					.proto = space->proto };

	assert_int_equal(held_add(held, &hold), 0);
}

static void test_empty(void **state)
{
	struct held held = { 0 };

	(void)state;
	assert_null(held_find(&held, &tcp, 1, 1));
	held_free(&held);
}

/* Each part of the key tells two holds apart; the VRF is no part of it. */
static void test_keys(void **state)
{
	struct pt_space udp = tcp, other = tcp, vrf = tcp;
	struct held held = { 0 };

	(void)state;
	udp.proto = IPPROTO_UDP;
	other.netns_cookie = 9;
	vrf.vrf = 3;
	add(&held, &tcp, 80, 7, 1);
	add(&held, &tcp, 81, 7, 2);
	add(&held, &tcp, 80, 8, 3);
	add(&held, &udp, 80, 7, 4);
	add(&held, &other, 80, 7, 5);
	assert_int_equal(held_find(&held, &tcp, 80, 7)->row, 1);
	assert_int_equal(held_find(&held, &tcp, 81, 7)->row, 2);
	assert_int_equal(held_find(&held, &tcp, 80, 8)->row, 3);
	assert_int_equal(held_find(&held, &udp, 80, 7)->row, 4);
	assert_int_equal(held_find(&held, &other, 80, 7)->row, 5);
	assert_int_equal(held_find(&held, &vrf, 80, 7)->row, 1);
	held_free(&held);
}

/* Against an array: in each order of coming and going. */
static void test_random(void **state)
{
	static bool there[SOCKS + 1];
	struct held held = { 0 };

	(void)state;
	srandom(1);
	for (int step = 0; step < STEPS; step++) {
		__u64 sock = (__u64)random() % SOCKS + 1;
		struct held_hold *hold = held_find(&held, &tcp, 80, sock);

		assert_int_equal(hold != NULL, there[sock]);
		if (hold)
			assert_int_equal(hold->row, sock);
		if (hold)
			held_remove(&held, hold);
		else
			add(&held, &tcp, 80, sock, (__u32)sock);
		there[sock] = !there[sock];
	}
	for (__u64 sock = 1; sock <= SOCKS; sock++)
		assert_int_equal(held_find(&held, &tcp, 80, sock) != NULL, there[sock]);
	held_free(&held);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
