// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/inventories.h"

#define NETNS 4026531840U

/* Addresses as people write them; NULL: none. */
static struct sock_row row_of(__u8 proto, __u8 state, const char *laddr, __u16 port,
			      const char *raddr, __u16 rport)
{
	static __u64 cookie;
	struct sock_row row = { .space = { .proto = proto, .netns = NETNS },
				.family = strchr(laddr, '.') ? AF_INET : AF_INET6,
				.state = state,
				.port = port,
				.rport = rport,
				.cookie = ++cookie,
				.inode = state == TCP_TIME_WAIT ? 0 : 1000,
				.has_tw = state == TCP_TIME_WAIT };
	char mapped[64];

	snprintf(mapped, sizeof(mapped), "%s%s", strchr(laddr, '.') ? "::ffff:" : "", laddr);
	assert_int_equal(inet_pton(AF_INET6, mapped, row.laddr), 1);
	snprintf(mapped, sizeof(mapped), "%s%s", raddr && strchr(raddr, '.') ? "::ffff:" : "",
		 raddr ?: "::");
	assert_int_equal(inet_pton(AF_INET6, mapped, row.raddr), 1);
	return row;
}

static void add(__u8 proto, __u8 state, const char *laddr, __u16 port, const char *raddr,
		__u16 rport)
{
	struct sock_row row = row_of(proto, state, laddr, port, raddr, rport);

	assert_int_equal(inventory_add_row(&row, &inventory), 0);
}

static void tcp(__u8 state, const char *laddr, __u16 port, const char *raddr, __u16 rport)
{
	add(IPPROTO_TCP, state, laddr, port, raddr, rport);
}

static void udp(const char *laddr, __u16 port)
{
	add(IPPROTO_UDP, TCP_CLOSE, laddr, port, NULL, 0);
}

static void end_netns(__u32 inode, const struct range *range)
{
	struct dump_netns netns = {
		.inode = inode, .entered = true, .cookie = 5, .whole = true, .range = range
	};

	assert_int_equal(inventory_end_netns(&netns, &inventory), 0);
}

static const struct pt_holder *at(size_t i)
{
	assert_true(i < inventory.rows_count);
	return &inventory.rows[i].holder;
}

static void test_nothing(void **state)
{
	(void)state;
	end_netns(NETNS, NULL);
	assert_int_equal(inventory.rows_count, 0);
	assert_int_equal(inventory.netns_count, 1);
	assert_false(inventory.netns[0].use.has_range);
	/* one that was refused */
	assert_int_equal(inventory_end_netns(&(struct dump_netns){ .inode = 5 }, &inventory), 0);
	assert_int_equal(inventory.netns_count, 1);
}

static void test_order(void **state)
{
	(void)state;
	udp("0.0.0.0", 53);
	tcp(TCP_TIME_WAIT, "10.0.0.1", 80, "10.0.0.2", 1);
	tcp(TCP_ESTABLISHED, "10.0.0.1", 80, "10.0.0.9", 1);
	tcp(TCP_ESTABLISHED, "10.0.0.1", 80, "10.0.0.3", 2);
	tcp(TCP_CLOSE, "10.0.0.1", 80, NULL, 0);
	tcp(TCP_LISTEN, "10.0.0.1", 80, NULL, 0);
	tcp(TCP_ESTABLISHED, "10.0.0.1", 22, "10.0.0.3", 2);
	end_netns(NETNS, NULL);
	/* the next namespace's stay behind */
	tcp(TCP_LISTEN, "10.0.0.1", 1, NULL, 0);
	end_netns(NETNS + 1, NULL);
	assert_int_equal(at(0)->port, 22);
	assert_int_equal(at(1)->state, TCP_LISTEN);
	assert_int_equal(at(2)->state, TCP_CLOSE);
	assert_int_equal(at(3)->raddr[15], 3);
	assert_int_equal(at(4)->raddr[15], 9);
	assert_int_equal(at(5)->state, TCP_TIME_WAIT);
	assert_int_equal(at(6)->space.proto, IPPROTO_UDP);
	assert_int_equal(at(7)->port, 1);
	assert_int_equal(inventory.netns[1].first, 7);
	assert_int_equal(inventory.netns[1].count, 1);
}

static void test_accepted(void **state)
{
	static const struct {
		const char *listener, *socket;
		bool accepted;
	} pairs[] = {
		{ "0.0.0.0", "10.0.0.1", true },    { "10.0.0.1", "10.0.0.1", true },
		{ "10.0.0.1", "10.0.0.2", false },  { "::", "10.0.0.1", true },
		{ "::", "fe80::1", true },	    { "0.0.0.0", "fe80::1", false },
		{ "fe80::1", "fe80::1", true },	    { "fe80::1", "fe80::2", false },
		{ "127.0.0.1", "10.0.0.1", false },
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
		tcp(TCP_LISTEN, pairs[i].listener, 80, NULL, 0);
		tcp(TCP_ESTABLISHED, pairs[i].socket, 80, "10.0.0.9", 5);
		tcp(TCP_ESTABLISHED, pairs[i].socket, 81, "10.0.0.9", 5);
		end_netns(NETNS, NULL);
		assert_int_equal(at(1)->accepted, pairs[i].accepted);
		assert_int_equal(at(0)->connections, pairs[i].accepted);
		assert_false(at(0)->accepted);
		assert_false(at(2)->accepted);
		end(state);
		begin(state);
	}
}

/* A TIME_WAIT is no connection any more; UDP accepts nothing. */
static void test_what_is_not_counted(void **state)
{
	(void)state;
	tcp(TCP_LISTEN, "0.0.0.0", 80, NULL, 0);
	tcp(TCP_TIME_WAIT, "10.0.0.1", 80, "10.0.0.9", 5);
	tcp(TCP_CLOSE, "10.0.0.1", 80, NULL, 0);
	add(IPPROTO_UDP, TCP_ESTABLISHED, "10.0.0.1", 80, "10.0.0.9", 5);
	end_netns(NETNS, NULL);
	assert_int_equal(at(0)->connections, 0);
	assert_false(at(1)->accepted);
	assert_true(at(2)->accepted);
	assert_false(at(3)->accepted);
}

/* The closest fit has it; of equal ones each may. */
static void test_several_listeners(void **state)
{
	(void)state;
	tcp(TCP_LISTEN, "::", 80, NULL, 0);
	tcp(TCP_LISTEN, "10.0.0.1", 80, NULL, 0);
	tcp(TCP_LISTEN, "0.0.0.0", 80, NULL, 0);
	tcp(TCP_LISTEN, "10.0.0.1", 80, NULL, 0);
	tcp(TCP_ESTABLISHED, "10.0.0.1", 80, "10.0.0.9", 5);
	tcp(TCP_ESTABLISHED, "10.0.0.1", 80, "10.0.0.9", 6);
	tcp(TCP_ESTABLISHED, "10.0.0.2", 80, "10.0.0.9", 5);
	end_netns(NETNS, NULL);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(at(i)->connections, !pt_addr_is_any(at(i)->laddr) ? 2
						     : pt_addr_is_v4(at(i)->laddr) ? 1
										   : 0);
}

static void fill_range(void)
{
	tcp(TCP_LISTEN, "0.0.0.0", 99, NULL, 0); /* below */
	tcp(TCP_LISTEN, "0.0.0.0", 100, NULL, 0);
	tcp(TCP_ESTABLISHED, "10.0.0.1", 100, "10.0.0.9", 5);
	tcp(TCP_TIME_WAIT, "10.0.0.1", 101, "10.0.0.9", 5);
	tcp(TCP_TIME_WAIT, "10.0.0.1", 101, "10.0.0.9", 6);
	tcp(TCP_TIME_WAIT, "10.0.0.1", 102, "10.0.0.9", 5);
	tcp(TCP_ESTABLISHED, "10.0.0.1", 102, "10.0.0.9", 7);
	tcp(TCP_CLOSE, "10.0.0.1", 105, NULL, 0); /* reserved */
	tcp(TCP_CLOSE, "10.0.0.1", 109, NULL, 0);
	tcp(TCP_CLOSE, "10.0.0.1", 110, NULL, 0); /* above */
	udp("0.0.0.0", 100);
	udp("::", 100);
}

static void test_counts(void **state)
{
	struct range range = { .low = 100, .high = 109, .reserved_count = 1 };
	const struct pt_netns *use;

	(void)state;
	port_set_add(&range.reserved, 105);
	fill_range();
	end_netns(NETNS, &range);
	use = &inventory.netns[0].use;
	assert_true(use->has_range && use->whole);
	assert_int_equal(use->reserved, 1);
	assert_int_equal(use->tcp_held, 3);
	assert_int_equal(use->tcp_time_wait, 1);
	assert_int_equal(use->tcp_free, 5);
	assert_int_equal(use->udp_held, 1);
	assert_int_equal(use->udp_free, 8);
}

/* What was not asked for, or is not told, is not counted. */
static void test_counts_of_a_part(void **state)
{
	struct range range = { .low = 1, .high = 65535 };
	struct port_set ports = { 0 };

	(void)state;
	options.proto = IPPROTO_UDP;
	udp("::", 100);
	end_netns(NETNS, &range);
	assert_int_equal(inventory.netns[0].use.tcp_free, PT_UNKNOWN);
	assert_int_equal(inventory.netns[0].use.udp_free, 65534);
	options.proto = 0;
	inventory.seen.missing = DUMP_NO_UDP_DIAG;
	end_netns(NETNS, &range);
	assert_int_equal(inventory.netns[1].use.tcp_free, 65535);
	assert_int_equal(inventory.netns[1].use.udp_held, PT_UNKNOWN);
	options.ports = &ports;
	tcp(TCP_CLOSE, "10.0.0.1", 109, NULL, 0);
	end_netns(NETNS, &range);
	assert_int_equal(inventory.netns[2].use.tcp_held, PT_UNKNOWN);
	assert_int_equal(inventory.netns[2].use.tcp_time_wait, PT_UNKNOWN);
}

static void test_many(void **state)
{
	struct range range = { .low = 1, .high = 65535 };
	char addr[20];

	(void)state;
	tcp(TCP_LISTEN, "0.0.0.0", 443, NULL, 0);
	for (unsigned int i = 0; i < 100000; i++) {
		snprintf(addr, sizeof(addr), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		tcp(TCP_ESTABLISHED, "10.0.0.1", i & 1 ? 443 : 1024 + i / 2, addr, 80);
	}
	end_netns(NETNS, &range);
	assert_int_equal(at(0)->connections, 50000);
	assert_int_equal(inventory.netns[0].use.tcp_held, 50001);
	assert_int_equal(inventory.unowned, 100001);
}

/* Of this process, on this host. */
static void test_finds_ours(void **state)
{
	struct inventory_options all = { .proto = IPPROTO_UDP };
	struct sockaddr_in addr = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(addr);
	size_t i, found = 0;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(inventory_take(&all, &inventory), 0);
	if (inventory.seen.missing) {
		print_message("skipped: this kernel has no udp_diag\n");
		close(fd);
		skip();
	}
	for (i = 0; i < inventory.rows_count; i++) {
		if (at(i)->port != ntohs(addr.sin_port) || !at(i)->owner ||
		    at(i)->owner->pid != (__u32)getpid())
			continue;
		found++;
		assert_int_equal(at(i)->processes, 1);
		assert_ptr_equal(inventory_owner(&inventory, &inventory.rows[i], 0), at(i)->owner);
		assert_int_equal(at(i)->uid, getuid());
	}
	assert_int_equal(found, 1);
	assert_true(inventory.netns_count >= 1);
	assert_true(inventory.netns[0].use.has_range);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing),	      TEST(test_order),
		TEST(test_accepted),	      TEST(test_what_is_not_counted),
		TEST(test_several_listeners), TEST(test_counts),
		TEST(test_counts_of_a_part),  TEST(test_many),
		TEST(test_finds_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
