// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "user/event/filter.h"

/* 10.0.0.5:60609 -> 10.96.4.7:443 by curl */
static struct pt_event curl(void)
{
	return (struct pt_event){
		.type = PT_EV_ALLOC,
		.space = { .netns = 4026531840, .netns_cookie = 1, .proto = IPPROTO_TCP },
		.family = AF_INET,
		.port = 60609,
		.rport = 443,
		.laddr = { [10] = 0xff, 0xff, 10, 0, 0, 5 },
		.raddr = { [10] = 0xff, 0xff, 10, 96, 4, 7 },
		.owner = { .pid = 4242,
			   .tid = 4243,
			   .uid = 1000,
			   .known = true,
			   .cgroup = 77,
			   .comm = "curl",
			   .thread = "resolver" },
		.via = PT_VIA_CONNECT,
	};
}

static bool passes(const struct filter *filter, const struct pt_event *ev)
{
	bool match = filter_match(filter, ev);

	/* whoever asks before, to save the rest, gets no other answer */
	if (!match)
		assert_false(filter_is_empty(filter));
	return match;
}

static void set_remote(struct filter *filter, const char *text)
{
	struct parse_reason why;

	assert_int_equal(parse_prefix(text, &filter->remotes[filter->remotes_count++], &why), 0);
}

static bool remote_passes(const char *prefix, const char *remote)
{
	struct filter filter = { 0 };
	struct pt_event ev = curl();
	struct addr_prefix addr;
	struct parse_reason why;

	assert_int_equal(parse_prefix(remote, &addr, &why), 0);
	memcpy(ev.raddr, addr.addr, 16);
	set_remote(&filter, prefix);
	return passes(&filter, &ev);
}

static void test_empty_passes_all(void **state)
{
	const struct filter filter = { 0 };
	struct pt_event ev = curl();

	(void)state;
	assert_true(filter_is_empty(&filter));
	assert_true(passes(&filter, &ev));
	memset(&ev, 0, sizeof(ev));
	for (int type = 0; type < PT_EV_TYPES; type++) {
		ev.type = (enum pt_event_type)type;
		assert_true(passes(&filter, &ev));
	}
}

static void test_ports(void **state)
{
	struct filter filter = { .has_ports = true };
	struct pt_event ev = curl();

	(void)state;
	assert_false(passes(&filter, &ev));
	port_set_add(&filter.ports, 60609);
	assert_true(passes(&filter, &ev));
	ev.port = 60608;
	assert_false(passes(&filter, &ev));
	/* A refusal for which no port was wanted. */
	ev.port = 0;
	assert_false(passes(&filter, &ev));
}

static void test_remote_ports(void **state)
{
	struct filter filter = { .has_rports = true };
	struct pt_event ev = curl();

	(void)state;
	port_set_add(&filter.rports, 443);
	assert_true(passes(&filter, &ev));
	ev.rport = 60609;
	assert_false(passes(&filter, &ev));
	ev.rport = 0;
	assert_false(passes(&filter, &ev));
}

static void test_remote_prefixes(void **state)
{
	(void)state;
	assert_true(remote_passes("10.96.4.7", "10.96.4.7"));
	assert_false(remote_passes("10.96.4.7", "10.96.4.6"));
	assert_true(remote_passes("10.96.0.0/16", "10.96.255.255"));
	assert_false(remote_passes("10.96.0.0/16", "10.97.0.0"));
	assert_true(remote_passes("10.96.0.0/15", "10.97.255.1"));
	assert_false(remote_passes("10.96.0.0/15", "10.98.0.0"));
	assert_true(remote_passes("10.96.4.6/31", "10.96.4.7"));
	assert_false(remote_passes("10.96.4.8/31", "10.96.4.7"));
	assert_true(remote_passes("0.0.0.0/0", "255.255.255.255"));
	assert_false(remote_passes("0.0.0.0/0", "2001:db8::1"));
	assert_true(remote_passes("::/0", "2001:db8::1"));
	/* Nobody who writes ::/0 means IPv4, although the bytes would fit. */
	assert_false(remote_passes("::/0", "10.96.4.7"));
	assert_true(remote_passes("2001:db8::/33", "2001:db8:7fff::1"));
	assert_false(remote_passes("2001:db8::/33", "2001:db8:8000::1"));
	assert_true(remote_passes("::1", "::1"));
}

static void test_remote_unknown(void **state)
{
	struct filter filter = { 0 };
	struct pt_event ev = curl();

	(void)state;
	set_remote(&filter, "10.0.0.0/8");
	set_remote(&filter, "192.168.0.0/16");
	assert_true(passes(&filter, &ev));
	ev.raddr[12] = 11;
	assert_false(passes(&filter, &ev));
	memcpy(ev.raddr + 12, (__u8[]){ 192, 168, 1, 1 }, 4);
	assert_true(passes(&filter, &ev));
	ev.rport = 0;
	assert_false(passes(&filter, &ev));
	/* Not even what is the address of nobody. */
	memset(&filter, 0, sizeof(filter));
	set_remote(&filter, "0.0.0.0/0");
	memset(ev.raddr + 12, 0, 4);
	assert_false(passes(&filter, &ev));
}

static void test_owner_numbers(void **state)
{
	struct filter filter = { 0 };
	struct pt_event ev = curl();

	(void)state;
	filter_add_u32(&filter.pids, 1);
	assert_false(passes(&filter, &ev));
	filter_add_u32(&filter.pids, 4242);
	assert_true(passes(&filter, &ev));
	filter_add_u32(&filter.uids, 0);
	assert_false(passes(&filter, &ev));
	filter_add_u32(&filter.uids, 1000);
	assert_true(passes(&filter, &ev));
	/* The tid is not the pid. */
	filter.pids.values[1] = 4243;
	assert_false(passes(&filter, &ev));
}

static bool comm_passes(const char *pattern)
{
	struct filter filter = { 0 };
	struct pt_event ev = curl();

	strcpy(ev.owner.comm, "systemd-resolve");
	filter_add_text(&filter.comms, "nobody");
	filter_add_text(&filter.comms, pattern);
	return passes(&filter, &ev);
}

static void test_comm(void **state)
{
	struct filter filter = { 0 };
	struct pt_event ev = curl();

	(void)state;
	assert_true(comm_passes("systemd-resolve"));
	/* As ps and the unit's file spell it. */
	assert_true(comm_passes("systemd-resolved"));
	assert_false(comm_passes("systemd-resolv"));
	assert_false(comm_passes("systemd-resolvX"));
	assert_false(comm_passes("ystemd-resolve"));
	assert_true(comm_passes("systemd-*"));
	assert_true(comm_passes("*"));
	assert_true(comm_passes("[st]ystemd-resolv?"));
	assert_false(comm_passes("sys"));
	assert_false(comm_passes("SYSTEMD-RESOLVE"));
	/* The thread's name does as well. */
	assert_true(comm_passes("resolver"));
	assert_true(comm_passes("resolve?"));
	/* A name that looks like a pattern, and one with a slash. */
	strcpy(ev.owner.comm, "[odd");
	filter_add_text(&filter.comms, "[odd");
	assert_true(passes(&filter, &ev));
	strcpy(ev.owner.comm, "kworker/0:1");
	filter.comms.values[0] = "kworker*";
	assert_true(passes(&filter, &ev));
}

static const char *known_path;

static const char *path_of(void *data, __u64 id)
{
	assert_ptr_equal(data, &known_path);
	assert_int_equal(id, 77);
	return known_path;
}

static bool cgroup_passes(const char *wanted, const char *path)
{
	struct filter filter = { .cgroup_path = path_of, .cgroup_data = &known_path };
	struct pt_event ev = curl();

	known_path = path;
	filter_add_text(&filter.cgroups, "/elsewhere");
	filter_add_text(&filter.cgroups, wanted);
	return passes(&filter, &ev);
}

static void test_cgroup(void **state)
{
	(void)state;
	assert_true(cgroup_passes("/system.slice", "/system.slice"));
	assert_true(cgroup_passes("/system.slice", "/system.slice/ssh.service"));
	assert_true(cgroup_passes("/system.slice/", "/system.slice"));
	assert_true(cgroup_passes("system.slice", "/system.slice/ssh.service"));
	assert_false(cgroup_passes("/system.slice", "/system.slice2"));
	assert_false(cgroup_passes("/system.slice/ssh.service", "/system.slice"));
	assert_false(cgroup_passes("/ssh.service", "/system.slice/ssh.service"));
	assert_true(cgroup_passes("/", "/user.slice"));
	assert_true(cgroup_passes("/", "/"));
	assert_false(cgroup_passes("/a", "/"));
	assert_false(cgroup_passes("/", NULL));
}

static void test_cgroup_without_id(void **state)
{
	struct filter filter = { .cgroup_path = path_of, .cgroup_data = &known_path };
	struct pt_event ev = curl();

	(void)state;
	filter_add_text(&filter.cgroups, "/");
	ev.owner.cgroup = 0;
	assert_false(passes(&filter, &ev));
	ev = curl();
	filter.cgroup_path = NULL;
	assert_false(passes(&filter, &ev));
}

/* The owner's fields are without meaning if it is not known. */
static void test_unknown_owner(void **state)
{
	struct filter filters[4] = { 0 };
	const struct filter none = { 0 };
	struct pt_event ev = curl();

	(void)state;
	known_path = "/";
	filter_add_u32(&filters[0].pids, 4242);
	filter_add_u32(&filters[1].uids, 1000);
	filter_add_text(&filters[2].comms, "*");
	filter_add_text(&filters[3].cgroups, "/");
	filters[3].cgroup_path = path_of;
	filters[3].cgroup_data = &known_path;
	for (int i = 0; i < 4; i++)
		assert_true(passes(&filters[i], &ev));
	ev.owner.known = false;
	for (int i = 0; i < 4; i++)
		assert_false(passes(&filters[i], &ev));
	assert_true(passes(&none, &ev));
}

static void test_space(void **state)
{
	struct filter filter = { 0 };
	struct pt_event ev = curl();

	(void)state;
	filter_add_u32(&filter.netns, 4026531840);
	assert_true(passes(&filter, &ev));
	ev.space.netns = 4026532000;
	assert_false(passes(&filter, &ev));
	filter_add_u32(&filter.netns, 4026532000);
	assert_true(passes(&filter, &ev));
	filter.protos = FILTER_UDP;
	assert_false(passes(&filter, &ev));
	ev.space.proto = IPPROTO_UDP;
	assert_true(passes(&filter, &ev));
	filter.protos = FILTER_TCP;
	assert_false(passes(&filter, &ev));
	filter.protos = FILTER_TCP | FILTER_UDP;
	assert_true(passes(&filter, &ev));
}

static void test_family(void **state)
{
	struct filter filter = { .ipv4 = true };
	struct pt_event ev = curl();

	(void)state;
	assert_true(passes(&filter, &ev));
	/* The address is still IPv4, the socket is not. */
	ev.family = AF_INET6;
	assert_false(passes(&filter, &ev));
	filter.ipv6 = true;
	assert_true(passes(&filter, &ev));
	filter.ipv4 = false;
	assert_true(passes(&filter, &ev));
	ev.family = AF_INET;
	assert_false(passes(&filter, &ev));
}

static void test_events(void **state)
{
	struct filter filter = { .events = 1U << PT_EV_FAIL | 1U << PT_EV_FREE };
	struct pt_event ev = curl();

	(void)state;
	for (int type = 0; type < PT_EV_TYPES; type++) {
		ev.type = (enum pt_event_type)type;
		assert_int_equal(passes(&filter, &ev),
				 type == PT_EV_FAIL || type == PT_EV_FREE || type == PT_EV_LOST);
	}
}

static void test_via(void **state)
{
	struct filter filter = { .vias = 1U << PT_VIA_CONNECT | 1U << PT_VIA_FIXED };
	struct pt_event ev = curl();

	(void)state;
	for (int via = 0; via < PT_VIAS; via++) {
		ev.via = (enum pt_via)via;
		assert_int_equal(passes(&filter, &ev),
				 via == PT_VIA_CONNECT || via == PT_VIA_FIXED);
	}
	/* Not even by a bit that nobody can set. */
	ev.via = PT_VIA_UNKNOWN;
	filter.vias = ~0U;
	assert_false(passes(&filter, &ev));
}

/* It leaves out what is known to be fixed, and nothing else. */
static void test_ephemeral(void **state)
{
	const struct filter filter = { .ephemeral = true };
	struct pt_event ev = curl();

	(void)state;
	for (int via = 0; via < PT_VIAS; via++) {
		ev.via = (enum pt_via)via;
		assert_int_equal(passes(&filter, &ev), via != PT_VIA_FIXED);
	}
}

static void test_lost_passes_every_filter(void **state)
{
	const struct pt_event lost = { .type = PT_EV_LOST, .lost_count = 1 };
	struct filter filter = {
		.has_ports = true,
		.has_rports = true,
		.ipv4 = true,
		.protos = FILTER_TCP,
		.events = 1U << PT_EV_FAIL,
		.vias = 1U << PT_VIA_FIXED,
		.ephemeral = true,
	};

	(void)state;
	filter_add_u32(&filter.pids, 1);
	filter_add_u32(&filter.netns, 1);
	filter_add_text(&filter.comms, "x");
	filter_add_text(&filter.cgroups, "/x");
	set_remote(&filter, "::1");
	assert_true(passes(&filter, &lost));
}

static void test_every_filter_counts(void **state)
{
	struct filter filter = { .has_ports = true,
				 .has_rports = true,
				 .ipv4 = true,
				 .protos = FILTER_TCP,
				 .events = 1U << PT_EV_ALLOC,
				 .vias = 1U << PT_VIA_CONNECT };
	struct pt_event ev = curl();

	(void)state;
	port_set_add(&filter.ports, 60609);
	port_set_add(&filter.rports, 443);
	filter_add_u32(&filter.pids, 4242);
	filter_add_text(&filter.comms, "curl");
	set_remote(&filter, "10.0.0.0/8");
	assert_true(passes(&filter, &ev));
	ev.owner.pid = 1;
	assert_false(passes(&filter, &ev));
	ev = curl();
	ev.rport = 80;
	assert_false(passes(&filter, &ev));
	ev = curl();
	ev.via = PT_VIA_BIND;
	assert_false(passes(&filter, &ev));
}

static void test_times(void **state)
{
	struct filter filter = { .since = 100 };
	struct pt_event ev = curl();

	(void)state;
	ev.ts = 60;
	ev.realtime_offset = 40;
	assert_true(passes(&filter, &ev));
	filter.since = 101;
	assert_false(passes(&filter, &ev));
	filter.since = 0;
	filter.until = 100;
	assert_true(passes(&filter, &ev));
	filter.until = 99;
	assert_false(passes(&filter, &ev));
}

static void test_lists_are_bounded(void **state)
{
	static struct filter filter;

	(void)state;
	for (__u32 i = 0; i < FILTER_MAX; i++) {
		assert_int_equal(filter_add_u32(&filter.pids, i), 0);
		assert_int_equal(filter_add_text(&filter.comms, "x"), 0);
	}
	assert_int_equal(filter_add_u32(&filter.pids, 1), -E2BIG);
	assert_int_equal(filter_add_text(&filter.comms, "x"), -E2BIG);
	assert_int_equal(filter.pids.count, FILTER_MAX);
	assert_int_equal(filter.comms.count, FILTER_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_passes_all),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_remote_ports),
		cmocka_unit_test(test_remote_prefixes),
		cmocka_unit_test(test_remote_unknown),
		cmocka_unit_test(test_owner_numbers),
		cmocka_unit_test(test_comm),
		cmocka_unit_test(test_cgroup),
		cmocka_unit_test(test_cgroup_without_id),
		cmocka_unit_test(test_unknown_owner),
		cmocka_unit_test(test_space),
		cmocka_unit_test(test_family),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_via),
		cmocka_unit_test(test_ephemeral),
		cmocka_unit_test(test_lost_passes_every_filter),
		cmocka_unit_test(test_every_filter_counts),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_lists_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
