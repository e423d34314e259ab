// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "user/event/holder.h"

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(pt_state_name(IPPROTO_TCP, TCP_ESTABLISHED), "ESTAB");
	assert_string_equal(pt_state_name(IPPROTO_TCP, TCP_LISTEN), "LISTEN");
	assert_string_equal(pt_state_name(IPPROTO_TCP, TCP_CLOSE), "BOUND");
	assert_string_equal(pt_state_name(IPPROTO_TCP, TCP_TIME_WAIT), "TIME-WAIT");
	assert_string_equal(pt_state_name(IPPROTO_UDP, TCP_CLOSE), "UNCONN");
	assert_string_equal(pt_state_name(IPPROTO_UDP, TCP_ESTABLISHED), "ESTAB");
	assert_null(pt_state_name(IPPROTO_TCP, 0));
	assert_null(pt_state_name(IPPROTO_TCP, 13));
	assert_null(pt_state_name(IPPROTO_UDP, 255));
}

static struct pt_holder holder_of(__u16 port)
{
	return (struct pt_holder){
		.space = { .netns = 7, .proto = IPPROTO_TCP },
		.family = AF_INET,
		.state = TCP_ESTABLISHED,
		.port = port,
		.rport = 443,
		.laddr = { [10] = 0xff, 0xff, 10, 0, 0, 5 },
		.raddr = { [10] = 0xff, 0xff, 10, 96, 4, 7 },
		.has_inode = true,
		.uid = 33,
	};
}

static void test_matches_what_it_is(void **state)
{
	struct pt_holder holder = holder_of(60609);
	struct filter filter = { 0 };

	(void)state;
	assert_true(pt_holder_matches(&holder, NULL, &filter));
	filter.has_ports = true;
	assert_false(pt_holder_matches(&holder, NULL, &filter));
	port_set_add(&filter.ports, 60609);
	assert_true(pt_holder_matches(&holder, NULL, &filter));
	filter.protos = FILTER_UDP;
	assert_false(pt_holder_matches(&holder, NULL, &filter));
	filter.protos = FILTER_UDP | FILTER_TCP;
	filter.ipv6 = true;
	assert_false(pt_holder_matches(&holder, NULL, &filter));
	filter.ipv6 = false;
	filter.remotes_count = 1;
	filter.remotes[0] =
		(struct addr_prefix){ .addr = { [10] = 0xff, 0xff, 10, 96 }, .len = 112 };
	assert_true(pt_holder_matches(&holder, NULL, &filter));
	filter_add_u32(&filter.netns, 8);
	assert_false(pt_holder_matches(&holder, NULL, &filter));
}

static void test_matches_whose_it_is(void **state)
{
	struct pt_owner owner = { .pid = 12, .uid = 1000, .known = true, .comm = "nginx" };
	struct pt_holder holder = holder_of(80);
	struct filter filter = { 0 };

	(void)state;
	filter_add_u32(&filter.uids, 33);
	/* the socket's user counts only while no process is known */
	assert_false(pt_holder_matches(&holder, &owner, &filter));
	assert_true(pt_holder_matches(&holder, NULL, &filter));
	holder.has_inode = false;
	assert_false(pt_holder_matches(&holder, NULL, &filter));
	filter_add_u32(&filter.uids, 1000);
	assert_true(pt_holder_matches(&holder, &owner, &filter));
	filter_add_text(&filter.comms, "ngi*");
	assert_true(pt_holder_matches(&holder, &owner, &filter));
	holder.has_inode = true;
	assert_false(pt_holder_matches(&holder, NULL, &filter));
	filter_add_u32(&filter.pids, 13);
	assert_false(pt_holder_matches(&holder, &owner, &filter));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_matches_what_it_is),
		cmocka_unit_test(test_matches_whose_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
