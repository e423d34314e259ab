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

#include "tests/unit/capture.h"
#include "tests/unit/inventories.h"
#include "user/cmd/port_holders.h"

#define PREFIX                                                                                     \
	"Port 60609: dynamic (IANA 49152-65535), inside the range 32768-60999, not reserved; "

static const struct pt_owner nginx = { .pid = 5, .known = true, .comm = "nginx" };
static const struct pt_owner other = { .pid = 6, .known = true, .comm = "other" };

static void add(__u8 proto, __u8 state, __u16 port, __u16 rport, const struct pt_owner *owner)
{
	struct sock_row row = { .space = { .proto = proto },
				.family = AF_INET,
				.state = state,
				.port = port,
				.rport = rport,
				.laddr = { [10] = 0xff, 0xff },
				.has_tw = state == TCP_TIME_WAIT,
				.tw_left_ms = rport,
				.inode = state == TCP_TIME_WAIT ? 0 : 9 };
	struct inventory_row *added;

	assert_int_equal(inventory_add_row(&row, &inventory), 0);
	if (!owner)
		return;
	/* as if /proc had told */
	added = &inventory.rows[inventory.rows_count - 1];
	inventory.owners =
		realloc(inventory.owners, (inventory.owners_count + 1) * sizeof(*inventory.owners));
	added->first_owner = inventory.owners_count;
	added->holder.processes = 1;
	inventory.owners[inventory.owners_count++] = owner;
}

static void end_netns(__u32 inode, bool whole)
{
	static const struct range range = { .low = 32768, .high = 60999 };
	struct dump_netns netns = {
		.inode = inode, .entered = true, .whole = whole, .range = &range
	};

	assert_int_equal(inventory_end_netns(&netns, &inventory), 0);
}

static void check(const char *wanted)
{
	struct out out;
	char *text;

	capture_begin(&out);
	port_holders_tell(&out, &inventory, 60609, &(struct filter_u32){ 0 });
	text = capture_end(&out);
	assert_string_equal(text, wanted);
	free(text);
}

static void test_nobody(void **state)
{
	(void)state;
	add(IPPROTO_TCP, TCP_CLOSE, 60610, 0, NULL);
	end_netns(7, true);
	check(PREFIX "tcp: held by nobody; udp: held by nobody (netns 7).\n");
	end_netns(8, true);
	check(PREFIX "tcp: held by nobody; udp: held by nobody (netns 7; the same in 1 other).\n");
	end_netns(9, false);
	check(PREFIX "tcp: no holder found, but not all sockets could be read; udp: no holder "
		     "found, but not all sockets could be read (netns 9; the same in 2 others).\n");
	inventory.netns[2].use.whole = true;
	inventory.netns[0].use.has_range = false;
	options.proto = IPPROTO_UDP;
	check("Port 60609: dynamic (IANA 49152-65535); udp: held by nobody (netns 7; the same in 2 "
	      "others).\n");
}

static void test_nobody_was_found(void **state)
{
	(void)state;
	end_netns(7, false);
	check(PREFIX "tcp: no holder found, but not all sockets could be read; "
		     "udp: no holder found, but not all sockets could be read (netns 7).\n");
	inventory.seen.bound_idle_unseen = true;
	options.proto = IPPROTO_TCP;
	check(PREFIX "tcp: no holder found, but this kernel does not tell of sockets that are only "
		     "bound (netns 7).\n");
	inventory.seen.missing = DUMP_NO_TCP_DIAG;
	check(PREFIX "tcp: not known, this kernel does not tell (netns 7).\n");
}

static void test_holders(void **state)
{
	(void)state;
	options.proto = IPPROTO_TCP;
	add(IPPROTO_TCP, TCP_ESTABLISHED, 60609, 1, &nginx);
	add(IPPROTO_TCP, TCP_ESTABLISHED, 60609, 2, &nginx);
	end_netns(7, true);
	check(PREFIX "tcp: held by 2 sockets of 1 process (netns 7).\n");
	add(IPPROTO_TCP, TCP_ESTABLISHED, 60609, 1, &nginx);
	add(IPPROTO_TCP, TCP_ESTABLISHED, 60609, 2, &other);
	add(IPPROTO_TCP, TCP_ESTABLISHED, 60609, 3, NULL);
	add(IPPROTO_TCP, TCP_TIME_WAIT, 60609, 1200, NULL);
	add(IPPROTO_TCP, TCP_TIME_WAIT, 60609, 41200, NULL);
	end_netns(8, true);
	end_netns(9, true);
	/* a line for each namespace that has any */
	check(PREFIX "tcp: held by 2 sockets of 1 process (netns 7).\n" PREFIX
		     "tcp: held by 3 sockets of 2 processes and others not known, 2 in TIME-WAIT "
		     "(the last for 41.2s) (netns 8).\n");
}

static void test_time_wait_only(void **state)
{
	(void)state;
	add(IPPROTO_TCP, TCP_TIME_WAIT, 60609, 1500, NULL);
	add(IPPROTO_UDP, TCP_CLOSE, 60609, 0, NULL);
	end_netns(7, true);
	check(PREFIX "tcp: only 1 in TIME-WAIT (the last for 1.50s); "
		     "udp: held by 1 socket of no known process (netns 7).\n");
}

static void test_a_listener(void **state)
{
	(void)state;
	options.proto = IPPROTO_TCP;
	add(IPPROTO_TCP, TCP_LISTEN, 60609, 0, &nginx);
	add(IPPROTO_TCP, TCP_ESTABLISHED, 60609, 1, &other);
	add(IPPROTO_TCP, TCP_ESTABLISHED, 60609, 2, &other);
	end_netns(7, true);
	check(PREFIX "tcp: held by 1 socket of 1 process, 2 accepted connections (netns 7).\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nobody),	   TEST(test_nobody_was_found), TEST(test_holders),
		TEST(test_time_wait_only), TEST(test_a_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
