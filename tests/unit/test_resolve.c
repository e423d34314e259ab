// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "user/cmd/resolve.h"
#include "user/live/netns.h"

static struct options options;

static int begin(void **state)
{
	memset(&options, 0, sizeof(options));
	*state = cgroup_paths_new();
	return *state ? 0 : -1;
}

static int end(void **state)
{
	cgroup_paths_free(*state);
	return 0;
}

static void test_nothing_to_resolve(void **state)
{
	assert_int_equal(resolve_names(&options, *state), STATUS_DONE);
	assert_ptr_equal(options.filter.cgroup_data, *state);
	assert_non_null(options.filter.cgroup_path);
}

static void test_what_is_there(void **state)
{
	filter_add_text(&options.netns_names, "/proc/self/ns/net");
	filter_add_u32(&options.filter.pids, (__u32)getpid());
	assert_int_equal(resolve_names(&options, *state), STATUS_DONE);
	assert_int_equal(options.filter.netns.count, 1);
	assert_int_equal(options.filter.netns.values[0], netns_own());
}

static void test_what_is_not_there(void **state)
{
	filter_add_u32(&options.filter.pids, 2147483646);
	assert_int_equal(resolve_names(&options, *state), STATUS_USAGE);
	options.filter.pids.count = 0;
	filter_add_text(&options.filter.cgroups, "/no\nsuch");
	assert_int_equal(resolve_names(&options, *state), STATUS_USAGE);
	options.filter.cgroups.count = 0;
	filter_add_text(&options.netns_names, "nosuch");
	assert_int_equal(resolve_names(&options, *state), STATUS_USAGE);
}

static void test_only_port(void **state)
{
	unsigned int count = 5;

	(void)state;
	port_set_add(&options.filter.ports, 65535);
	assert_int_equal(resolve_only_port(&options.filter, &count), 0);
	assert_int_equal(count, 0);
	options.filter.has_ports = true;
	assert_int_equal(resolve_only_port(&options.filter, &count), 65535);
	assert_int_equal(count, 1);
	port_set_add(&options.filter.ports, 1);
	assert_int_equal(resolve_only_port(&options.filter, &count), 0);
	assert_int_equal(count, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_to_resolve),
		TEST(test_what_is_there),
		TEST(test_what_is_not_there),
		TEST(test_only_port),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
