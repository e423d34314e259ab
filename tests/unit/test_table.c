// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/unit/capture.h"
#include "tests/unit/full_disk.h"
#include "user/sink/sink.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* 2026-11-21T14:02:11Z when CLOCK_BOOTTIME is 1000 s */
#define BOOT 1000000000000ULL
#define REALTIME_OFFSET (1795269731000000000ULL - BOOT)
#define US 1000ULL
#define MS 1000000ULL
#define S 1000000000ULL

/* A line of output is a line here. */
/* clang-format off */

#define TITLES                                                                                     \
	"TIME             EVENT      PROTO  LOCAL              REMOTE         PID   COMM     "     \
	"HOW       OPEN    HELD   REUSED  HOLDERS"

static struct pt_event event_of(enum pt_event_type type, __u64 ts, const char *comm, __u32 pid)
{
	struct pt_event ev = {
		.type = type,
		.ts = BOOT + ts,
		.space = { .netns = 4026531840, .netns_cookie = 1, .proto = IPPROTO_TCP },
		.family = AF_INET,
		.port = 60609,
		.rport = 443,
		.laddr = { [10] = 0xff, 0xff, 10, 0, 0, 5 },
		.raddr = { [10] = 0xff, 0xff, 10, 96, 4, 7 },
		.owner = { .pid = pid, .tid = pid, .known = true },
		.via = PT_VIA_CONNECT,
		.search_ns = PT_UNKNOWN,
		.holders = 1,
		.reuse = PT_REUSE_FIRST,
		.reuse_ns = PT_UNKNOWN,
		.blockers_total = PT_UNKNOWN,
		.open_ns = PT_UNKNOWN,
		.held_ns = PT_UNKNOWN,
	};

	strcpy(ev.owner.comm, comm);
	strcpy(ev.owner.thread, comm);
	return ev;
}

static const struct sink_context plain = { .relative = false };

/* The lines of all events, and nothing else. */
static void check_table(const struct sink_context *ctx, const struct pt_event *events, size_t count,
			const char *wanted)
{
	struct sink *sink;
	struct out out;
	char *text;

	setenv("TZ", "UTC", 1);
	tzset();
	capture_begin(&out);
	assert_int_equal(sink_table_new(&out, ctx, &sink), 0);
	for (size_t i = 0; i < count; i++) {
		struct pt_event ev = events[i];

		ev.realtime_offset = REALTIME_OFFSET;
		assert_int_equal(sink_event(sink, &ev), 0);
	}
	assert_int_equal(sink_end(sink), 0);
	text = capture_end(&out);
	assert_string_equal(text, wanted);
	free(text);
}

/* The line of one event, behind the titles. */
static void check_line(const struct pt_event *ev, const char *wanted)
{
	char all[4096];

	snprintf(all, sizeof(all), "%s\n%s\n", TITLES, wanted);
	check_table(&plain, ev, 1, all);
}

/* What the documentation shows. */
static void test_example(void **state)
{
	struct pt_event events[] = {
		event_of(PT_EV_ALLOC, 104233 * US, "curl", 4242),
		event_of(PT_EV_TIME_WAIT, 151790 * US, "curl", 4242),
		event_of(PT_EV_FREE, 60 * S + 160002 * US, "curl", 4242),
		event_of(PT_EV_ALLOC, 63 * S + 992871 * US, "coredns", 911),
		event_of(PT_EV_ALLOC, 64 * S + 112 * US, "curl", 4301),
	};

	(void)state;
	events[1].open_ns = 47557 * US;
	events[2].open_ns = 47557 * US;
	events[2].held_ns = 60055769 * US;
	events[2].end = PT_END_EXPIRED;
	events[2].holders = 0;
	events[3].space.proto = IPPROTO_UDP;
	events[3].via = PT_VIA_AUTOBIND;
	events[3].rport = 0;
	memset(events[3].laddr + 12, 0, 4);
	events[4].raddr[15] = 9;
	events[4].reuse = PT_REUSE_CLEAN;
	events[4].reuse_ns = 3840 * MS;
	check_table(&plain, events, ARRAY_SIZE(events),
TITLES "\n"
"14:02:11.104233  alloc      tcp4   10.0.0.5:60609     10.96.4.7:443  4242  curl     connect   -       -      -       1\n"
"14:02:11.151790  time_wait  tcp4   10.0.0.5:60609     10.96.4.7:443  4242  curl     -         47.6ms  -      -       1\n"
"14:03:11.160002  free       tcp4   10.0.0.5:60609     10.96.4.7:443  4242  curl     expired   47.6ms  60.1s  -       0\n"
"14:03:14.992871  alloc      udp4   0.0.0.0:60609      -               911  coredns  autobind  -       -      -       1\n"
"14:03:15.000112  alloc      tcp4   10.0.0.5:60609     10.96.4.9:443  4301  curl     connect   -       -      3.84s   1\n");
}

/* A dash is "there is none", a question mark "not known". */
static void test_unknown(void **state)
{
	struct pt_event ev = event_of(PT_EV_ALLOC, 0, "x", 1);

	(void)state;
	ev.owner.known = false;
	ev.via = PT_VIA_UNKNOWN;
	ev.reuse = PT_REUSE_UNKNOWN;
	ev.holders = PT_UNKNOWN;
	check_line(&ev,
"14:02:11.000000  alloc      tcp4   10.0.0.5:60609     10.96.4.7:443     ?  ?        ?         -       -      ?       ?");
	ev.type = PT_EV_FREE;
	check_line(&ev,
"14:02:11.000000  free       tcp4   10.0.0.5:60609     10.96.4.7:443     ?  ?        ?         ?       ?      -       ?");
	ev.end = PT_END_UNKNOWN;
	check_line(&ev,
"14:02:11.000000  free       tcp4   10.0.0.5:60609     10.96.4.7:443     ?  ?        unknown   ?       ?      -       ?");
	ev.type = PT_EV_FAIL;
	check_line(&ev,
"14:02:11.000000  fail       tcp4   10.0.0.5:60609     10.96.4.7:443     ?  ?        ?         -       -      -       -");
}

static void test_fail(void **state)
{
	struct pt_event ev = event_of(PT_EV_FAIL, 0, "curl", 4242);

	(void)state;
	ev.error = EADDRNOTAVAIL;
	ev.port = 0;
	check_line(&ev,
"14:02:11.000000  fail       tcp4   10.0.0.5:*         10.96.4.7:443  4242  curl     EADDRNOTAVAIL  -       -      -       -");
	/* As many as there are does not say who. */
	ev.blockers_total = 28232;
	check_line(&ev,
"14:02:11.000000  fail       tcp4   10.0.0.5:*         10.96.4.7:443  4242  curl     EADDRNOTAVAIL  -       -      -       -");
}

static void test_fail_tells_who(void **state)
{
	struct pt_event ev = event_of(PT_EV_FAIL, 0, "nginx", 4242);
	struct pt_blocker blockers[2];

	(void)state;
	ev.error = EADDRINUSE;
	ev.rport = 0;
	ev.blockers = blockers;
	ev.blockers_count = 1;
	ev.blockers_total = 1;
	blockers[0] = (struct pt_blocker){ .owner = { .known = true, .pid = 911, .comm = "a\x1b" },
					      .age_ns = 3 * 3600 * S,
					      .tw_left_ns = PT_UNKNOWN };
	check_line(&ev,
"14:02:11.000000  fail       tcp4   10.0.0.5:60609     -              4242  nginx    EADDRINUSE  -       -      -       -        held by 911 a\\x1b (open, 3h00m)");
	ev.blockers_count = 2;
	ev.blockers_total = 12;
	blockers[1] = (struct pt_blocker){ .time_wait = true, .age_ns = PT_UNKNOWN,
					      .tw_left_ns = PT_UNKNOWN };
	check_line(&ev,
"14:02:11.000000  fail       tcp4   10.0.0.5:60609     -              4242  nginx    EADDRINUSE  -       -      -       -        held by 911 a\\x1b (open, 3h00m), unknown (TIME-WAIT); 12 in all");
	ev.blockers_total = PT_UNKNOWN;
	ev.blockers_count = 1;
	check_line(&ev,
"14:02:11.000000  fail       tcp4   10.0.0.5:60609     -              4242  nginx    EADDRINUSE  -       -      -       -        held by 911 a\\x1b (open, 3h00m)");
	/* It says how long yet, if that is known; else how long so far. */
	blockers[0] = (struct pt_blocker){ .owner = { .known = true, .pid = 911, .comm = "web" },
					      .time_wait = true,
					      .age_ns = 20 * S,
					      .tw_left_ns = 41200 * MS };
	check_line(&ev,
"14:02:11.000000  fail       tcp4   10.0.0.5:60609     -              4242  nginx    EADDRINUSE  -       -      -       -        held by 911 web (TIME-WAIT, 41.2s left)");
	blockers[0].tw_left_ns = PT_UNKNOWN;
	check_line(&ev,
"14:02:11.000000  fail       tcp4   10.0.0.5:60609     -              4242  nginx    EADDRINUSE  -       -      -       -        held by 911 web (TIME-WAIT, 20.0s)");
}

static void test_lost(void **state)
{
	struct pt_event ev = { .type = PT_EV_LOST, .ts = BOOT + 2 * S, .lost_count = 12,
			       .lost_from = BOOT, .lost_to = BOOT + 1 * S };

	(void)state;
	check_line(&ev, "14:02:13.000000  lost       12 records lost between 14:02:11.000000 and "
			"14:02:12.000000: holders and reuse are unknown since");
	ev.lost_count = 1;
	ev.lost_from = 0;
	check_line(&ev, "14:02:13.000000  lost       1 record lost before 14:02:12.000000: holders "
			"and reuse are unknown since");
}

static void test_ipv6(void **state)
{
	struct pt_event ev = event_of(PT_EV_ALLOC, 0, "curl", 4242);

	(void)state;
	ev.family = AF_INET6;
	memcpy(ev.raddr, (__u8[16]){ 0x20, 1, 0x0d, 0xb8, [15] = 1 }, 16);
	memset(ev.laddr, 0, 16);
	check_line(&ev,
"14:02:11.000000  alloc      tcp6   [::]:60609         [2001:db8::1]:443  4242  curl     connect   -       -      -       1");
	memset(ev.raddr, 0xff, 16);
	memset(ev.laddr, 0xff, 16);
	check_line(&ev,
"14:02:11.000000  alloc      tcp6   [ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:60609  "
"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:443  4242  curl     connect   -       -      -       1");
	/* v4-mapped: an IPv6 socket, an IPv4 address. */
	ev = event_of(PT_EV_ALLOC, 0, "curl", 4242);
	ev.family = AF_INET6;
	check_line(&ev,
"14:02:11.000000  alloc      tcp6   10.0.0.5:60609     10.96.4.7:443  4242  curl     connect   -       -      -       1");
}

/* Once a column had to be wider it stays so, up to its bound. */
static void test_columns_widen(void **state)
{
	struct pt_event events[] = {
		event_of(PT_EV_ALLOC, 0, "curl", 4242),
		event_of(PT_EV_ALLOC, 0, "a-name-of-15-by", 4194303),
		event_of(PT_EV_ALLOC, 0, "curl", 4242),
	};

	(void)state;
	memset(events[1].laddr + 12, 255, 4);
	strcpy(events[1].owner.thread, "worker");
	check_table(&plain, events, ARRAY_SIZE(events),
TITLES "\n"
"14:02:11.000000  alloc      tcp4   10.0.0.5:60609     10.96.4.7:443  4242  curl     connect   -       -      -       1\n"
"14:02:11.000000  alloc      tcp4   255.255.255.255:60609  10.96.4.7:443  4194303  a-name-of-15-by/worker  connect   -       -      -       1\n"
"14:02:11.000000  alloc      tcp4   10.0.0.5:60609         10.96.4.7:443     4242  curl             connect   -       -      -       1\n");
}

static void test_names(void **state)
{
	struct pt_event ev = event_of(PT_EV_ALLOC, 0, "\x1b[2J", 1);

	(void)state;
	check_line(&ev,
"14:02:11.000000  alloc      tcp4   10.0.0.5:60609     10.96.4.7:443     1  \\x1b[2J  connect   -       -      -       1");
	/* Characters count, not bytes. */
	ev = event_of(PT_EV_ALLOC, 0, "J\xc3\xbcrgen", 1);
	check_line(&ev,
"14:02:11.000000  alloc      tcp4   10.0.0.5:60609     10.96.4.7:443     1  J\xc3\xbcrgen   connect   -       -      -       1");
	/* An empty name does not shift the columns. */
	ev = event_of(PT_EV_ALLOC, 0, "", 1);
	check_line(&ev,
"14:02:11.000000  alloc      tcp4   10.0.0.5:60609     10.96.4.7:443     1  \"\"       connect   -       -      -       1");
	/* The longest cell there is. */
	memset(ev.owner.comm, 0x9b, PT_COMM_LEN - 1);
	memset(ev.owner.thread, 1, PT_COMM_LEN - 1);
	check_line(&ev,
"14:02:11.000000  alloc      tcp4   10.0.0.5:60609     10.96.4.7:443     1  "
"\\x9b\\x9b\\x9b\\x9b\\x9b\\x9b\\x9b\\x9b\\x9b\\x9b\\x9b\\x9b\\x9b\\x9b\\x9b/"
"\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01\\x01  connect   -       -      -       1");
}

static void test_netns_column(void **state)
{
	struct pt_event events[] = {
		event_of(PT_EV_ALLOC, 0, "curl", 4242),
		event_of(PT_EV_ALLOC, 0, "curl", 4242),
		event_of(PT_EV_FAIL, 0, "curl", 4242),
		event_of(PT_EV_ALLOC, 0, "curl", 4242),
	};

	(void)state;
	/* One that is not known is not a second one. */
	events[1].space.netns = 0;
	events[2].space.netns = 4026532177;
	events[2].error = EADDRINUSE;
	events[2].blockers_count = 1;
	events[2].blockers = &(struct pt_blocker){ .age_ns = S, .tw_left_ns = PT_UNKNOWN };
	check_table(&plain, events, ARRAY_SIZE(events),
TITLES "\n"
"14:02:11.000000  alloc      tcp4   10.0.0.5:60609     10.96.4.7:443  4242  curl     connect   -       -      -       1\n"
"14:02:11.000000  alloc      tcp4   10.0.0.5:60609     10.96.4.7:443  4242  curl     connect   -       -      -       1\n"
TITLES "  NETNS\n"
"14:02:11.000000  fail       tcp4   10.0.0.5:60609     10.96.4.7:443  4242  curl     EADDRINUSE  -       -      -       -        4026532177  held by unknown (open, 1.00s)\n"
"14:02:11.000000  alloc      tcp4   10.0.0.5:60609     10.96.4.7:443  4242  curl     connect     -       -      -       1        4026531840\n");
}

static void test_netns_asked_for(void **state)
{
	const struct sink_context ctx = { .netns = true };
	const struct pt_event ev = event_of(PT_EV_ALLOC, 0, "curl", 4242);

	(void)state;
	check_table(&ctx, &ev, 1,
TITLES "  NETNS\n"
"14:02:11.000000  alloc      tcp4   10.0.0.5:60609     10.96.4.7:443  4242  curl     connect   -       -      -       1        4026531840\n");
}

static void test_relative_time(void **state)
{
	struct sink_context ctx = { .relative = true };
	struct pt_event events[] = {
		event_of(PT_EV_ALLOC, 5 * S, "curl", 4242),
		event_of(PT_EV_ALLOC, 17 * S + 345 * US, "curl", 4242),
		{ .type = PT_EV_LOST, .ts = BOOT + 18 * S, .lost_count = 2, .lost_from = BOOT + 6 * S,
		  .lost_to = BOOT + 7 * S },
	};

	(void)state;
	check_table(&ctx, events, ARRAY_SIZE(events),
TITLES "\n"
"       0.000000  alloc      tcp4   10.0.0.5:60609     10.96.4.7:443  4242  curl     connect   -       -      -       1\n"
"      12.000345  alloc      tcp4   10.0.0.5:60609     10.96.4.7:443  4242  curl     connect   -       -      -       1\n"
"      13.000000  lost       2 records lost between 1.000000 and 2.000000: holders and reuse are unknown since\n");
	/* What was before the start is at the start. */
	ctx.start = BOOT + 6 * S;
	check_table(&ctx, events, 2,
TITLES "\n"
"       0.000000  alloc      tcp4   10.0.0.5:60609     10.96.4.7:443  4242  curl     connect   -       -      -       1\n"
"      11.000345  alloc      tcp4   10.0.0.5:60609     10.96.4.7:443  4242  curl     connect   -       -      -       1\n");
}

/* Colour takes no room. */
static void test_color(void **state)
{
	const struct sink_context ctx = { .color = true };
	struct pt_event events[] = {
		event_of(PT_EV_FREE, 0, "curl", 4242),
		{ .type = PT_EV_LOST, .ts = BOOT, .lost_count = 2, .lost_to = BOOT },
	};

	(void)state;
	events[0].end = PT_END_CLOSE;
	check_table(&ctx, events, ARRAY_SIZE(events),
TITLES "\n"
"14:02:11.000000  \033[36mfree\033[0m       tcp4   10.0.0.5:60609     10.96.4.7:443  4242  curl     close     ?       ?      -       1\n"
"14:02:11.000000  \033[1;35mlost\033[0m       2 records lost before 14:02:11.000000: holders and reuse are unknown since\n");
}

/* The titles are there before the first event. */
static void test_titles_while_nothing_happens(void **state)
{
	(void)state;
	check_table(&plain, NULL, 0, TITLES "\n");
}

static void test_error_reaches_the_caller(void **state)
{
	const struct pt_event ev = event_of(PT_EV_FREE, 0, "curl", 1);

	(void)state;
	check_full_disk(sink_table_new, &plain, &ev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_fail),
		cmocka_unit_test(test_fail_tells_who),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_columns_widen),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_netns_column),
		cmocka_unit_test(test_netns_asked_for),
		cmocka_unit_test(test_relative_time),
		cmocka_unit_test(test_color),
		cmocka_unit_test(test_titles_while_nothing_happens),
		cmocka_unit_test(test_error_reaches_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
