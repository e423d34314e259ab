// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/unit/capture.h"
#include "user/sink/history.h"

/* 2026-11-21T14:02:11Z */
#define WALL 1795269731000000000ULL
#define US 1000ULL
#define MS 1000000ULL
#define S 1000000000ULL

/* A line of output is a line here. */
/* clang-format off */

#define TITLES "BEGIN            UNTIL            PROTO  LOCAL            REMOTE         PID   COMM     HOW       OPEN    TIME_WAIT  HELD    END         BEFORE\n"

static struct history_row hold_of(const char *comm, __u32 pid, __u64 begin)
{
	struct history_row row = {
		.kind = HISTORY_HOLD,
		.ts = WALL + begin,
		.begin = WALL + begin,
		.ended = PT_UNKNOWN,
		.tw_ns = PT_UNKNOWN,
		.ev = {
			.space = { .netns = 4026531840, .netns_cookie = 1, .proto = IPPROTO_TCP },
			.family = AF_INET,
			.port = 60609,
			.rport = 443,
			.laddr = { [10] = 0xff, 0xff, 10, 0, 0, 5 },
			.raddr = { [10] = 0xff, 0xff, 10, 96, 4, 7 },
			.sock = 77,
			.owner = { .pid = pid, .tid = pid, .known = true },
			.via = PT_VIA_CONNECT,
			.search_ns = 800,
			.reuse = PT_REUSE_FIRST,
			.reuse_ns = PT_UNKNOWN,
			.open_ns = PT_UNKNOWN,
			.held_ns = PT_UNKNOWN,
			.blockers_total = PT_UNKNOWN,
		},
	};

	strcpy(row.ev.owner.comm, comm);
	strcpy(row.ev.owner.thread, comm);
	return row;
}

static struct history_row ended(struct history_row row, __u64 until, __u64 open, enum pt_end end)
{
	row.ended = WALL + until;
	row.ev.open_ns = open;
	row.ev.held_ns = until - (row.begin - WALL);
	row.ev.end = end;
	row.time_wait = end != PT_END_CLOSE;
	if (row.time_wait)
		row.tw_ns = row.ev.held_ns - open;
	return row;
}

static struct history_row refused(__u64 when, struct history_row row)
{
	row.kind = HISTORY_FAIL;
	row.begin = row.ts = WALL + when;
	row.ev.via = PT_VIA_LISTEN;
	row.ev.rport = 0;
	row.ev.type = PT_EV_FAIL;
	row.ev.error = EADDRINUSE;
	return row;
}

static const char *path_of(void *data, __u64 id)
{
	(void)data;
	return id == 5 ? "/user.slice" : NULL;
}

static char *show(bool json, bool dates, const struct sink_context *ctx, const struct history_row *rows, size_t count)
{
	struct history_sink *sink;
	struct out out;

	setenv("TZ", "UTC", 1);
	tzset();
	capture_begin(&out);
	assert_int_equal(json ? history_json_new(&out, ctx, &sink) : history_table_new(&out, ctx, dates, &sink), 0);
	for (size_t i = 0; i < count; i++) {
		struct history_row row = rows[i];

		row.ev.blockers = row.blockers;
		assert_int_equal(history_sink_row(sink, &row), 0);
	}
	history_sink_free(sink);
	return capture_end(&out);
}

static void check_table(const struct sink_context *ctx, const struct history_row *rows, size_t count, const char *wanted)
{
	char *text = show(false, false, ctx, rows, count);

	assert_string_equal(text, wanted);
	free(text);
}

static const struct sink_context plain = { .cgroup_path = path_of };

static void test_table(void **state)
{
	struct history_row rows[] = {
		ended(hold_of("curl", 4242, 104233 * US), 60 * S + 160002 * US, 47557 * US, PT_END_EXPIRED),
		hold_of("coredns", 911, 63 * S + 992871 * US),
		ended(hold_of("curl", 4301, 64 * S), 65 * S, 1 * S, PT_END_CLOSE),
		ended(hold_of("curl", 4305, 66 * S), 67 * S, 300 * MS, PT_END_REUSED),
		ended(hold_of("polite", 4307, 67 * S), 68 * S, 1 * S, PT_END_CLOSE),
		ended(hold_of("pool", 4308, 68 * S), 69 * S, 500 * MS, PT_END_CUT),
	};

	(void)state;
	rows[1].ev.space.proto = IPPROTO_UDP;
	rows[1].ev.via = PT_VIA_AUTOBIND;
	rows[1].ev.rport = 0;
	memset(rows[1].ev.laddr + 12, 0, 4);
	rows[1].still_held = true;
	rows[1].ev.held_ns = 36 * S;
	rows[2].ev.reuse = PT_REUSE_CLEAN;
	rows[2].ev.reuse_ns = 3840 * MS;
	rows[2].ev.prev_known = true;
	rows[2].ev.prev_pid = 4242;
	strcpy(rows[2].ev.prev_comm, "curl");
	rows[3].ev.reuse = PT_REUSE_CLEAN;
	rows[3].ev.reuse_ns = 1 * S;
	rows[4].ev.reuse = PT_REUSE_TIME_WAIT;
	rows[4].ev.prev_known = true;
	rows[4].ev.prev_pid = 4305;
	strcpy(rows[4].ev.prev_comm, "curl");
	rows[5].ev.reuse = PT_REUSE_SHARED;
	check_table(&plain, rows, 6,
		TITLES
		"14:02:11.104233  14:03:11.160002  tcp4   10.0.0.5:60609   10.96.4.7:443  4242  curl     connect   47.6ms  60.0s      60.1s   expired     first\n"
		"14:03:14.992871  -                udp4   0.0.0.0:60609    -               911  coredns  autobind  -       -          36.0s   still held  first\n"
		"14:03:15.000000  14:03:16.000000  tcp4   10.0.0.5:60609   10.96.4.7:443  4301  curl     connect   1.00s   -          1.00s   close       3.84s after 4242 curl\n"
		"14:03:17.000000  14:03:18.000000  tcp4   10.0.0.5:60609   10.96.4.7:443  4305  curl     connect   300ms   700ms      1.00s   reused      1.00s after ?\n"
		"14:03:18.000000  14:03:19.000000  tcp4   10.0.0.5:60609   10.96.4.7:443  4307  polite   connect   1.00s   -          1.00s   close       TIME-WAIT of 4305 curl\n"
		"14:03:19.000000  14:03:20.000000  tcp4   10.0.0.5:60609   10.96.4.7:443  4308  pool     connect   500ms   500ms      1.00s   cut         shared\n");
}

static void test_not_known(void **state)
{
	struct history_row rows[] = { hold_of("", 0, 0), hold_of("nc", 7, 0), hold_of("nc", 8, 0), hold_of("nc", 9, 0) };

	(void)state;
	/* found gone */
	rows[0].begin = PT_UNKNOWN;
	rows[0].ev.owner.known = false;
	rows[0].ev.via = PT_VIA_UNKNOWN;
	rows[0].ev.end = PT_END_UNKNOWN;
	/* held from before the recording on */
	rows[1].begin = PT_UNKNOWN;
	rows[1].ev.via = PT_VIA_SNAPSHOT;
	rows[1].still_held = true;
	/* in TIME_WAIT still */
	rows[2].still_held = true;
	rows[2].time_wait = true;
	rows[2].ev.open_ns = 2 * S;
	rows[2].ev.held_ns = 12 * S;
	rows[2].tw_ns = 10 * S;
	/* after a loss */
	rows[3].ended = WALL + 5 * S;
	rows[3].time_wait = true;
	rows[3].ev.end = PT_END_EXPIRED;
	rows[3].ev.reuse = PT_REUSE_UNKNOWN;
	check_table(&plain, rows, 4,
		TITLES
		"?                ?                tcp4   10.0.0.5:60609   10.96.4.7:443     ?  ?        ?         ?       ?          ?       unknown     ?\n"
		"?                -                tcp4   10.0.0.5:60609   10.96.4.7:443     7  nc       snapshot  -       -          ?       still held  ?\n"
		"14:02:11.000000  -                tcp4   10.0.0.5:60609   10.96.4.7:443     8  nc       connect   2.00s   10.0s      12.0s   still held  first\n"
		"14:02:11.000000  14:02:16.000000  tcp4   10.0.0.5:60609   10.96.4.7:443     9  nc       connect   ?       ?          ?       expired     ?\n");
}

static void test_refusals(void **state)
{
	struct history_row rows[] = {
		refused(1 * S, hold_of("nginx", 187, 0)),
		refused(2 * S, hold_of("nginx", 187, 0)),
		refused(3 * S, hold_of("nginx", 187, 0)),
	};

	(void)state;
	rows[0].ev.blockers_count = 2;
	rows[0].ev.blockers_total = 5;
	rows[0].blockers[0] = (struct pt_blocker){ .owner = { .known = true, .pid = 185, .comm = "pool" }, .age_ns = 156 * MS, .tw_left_ns = PT_UNKNOWN };
	rows[0].blockers[1] = (struct pt_blocker){ .time_wait = true, .age_ns = PT_UNKNOWN, .tw_left_ns = PT_UNKNOWN };
	rows[1].ev.blockers_total = 0;
	rows[1].ev.error = 0;
	check_table(&plain, rows, 3,
		TITLES
		"14:02:12.000000  -                tcp4   10.0.0.5:60609   -               187  nginx    listen    -       -          -       EADDRINUSE  held by 185 pool (open, 156ms), unknown (TIME-WAIT); 5 in all\n"
		"14:02:13.000000  -                tcp4   10.0.0.5:60609   -               187  nginx    listen    -       -          -       ?           -\n"
		"14:02:14.000000  -                tcp4   10.0.0.5:60609   -               187  nginx    listen    -       -          -       EADDRINUSE  ?\n");
}

static struct history_row lost(__u64 count, __u64 begin)
{
	return (struct history_row){ .kind = HISTORY_LOST, .ts = WALL + 9 * S, .begin = begin, .ended = WALL + 8 * S, .ev.lost_count = count };
}

static const struct history_row gap = { .kind = HISTORY_GAP, .ts = WALL, .begin = WALL, .ended = WALL + 3600 * S, .why = "porttrace did not run\n" };

static void test_sentences(void **state)
{
	struct history_row rows[] = { lost(1, PT_UNKNOWN), lost(2345, WALL), gap };

	(void)state;
	check_table(&plain, rows, 3,
		TITLES
		"?                1 record lost until 14:02:19.000000: what happened meanwhile is not known\n"
		"14:02:11.000000  2345 records lost until 14:02:19.000000: what happened meanwhile is not known\n"
		"14:02:11.000000  nothing recorded until 15:02:11.000000: porttrace did not run\\x0a\n");
}

static void test_dates(void **state)
{
	struct history_row rows[] = { ended(hold_of("curl", 4242, 0), 86400 * S, 1 * S, PT_END_CLOSE), gap };
	char *text;

	(void)state;
	text = show(false, true, &plain, rows, 2);
	assert_string_equal(text,
		"BEGIN                       UNTIL                       PROTO  LOCAL            REMOTE         PID   COMM     HOW       OPEN    TIME_WAIT  HELD    END         BEFORE\n"
		"2026-11-21 14:02:11.000000  2026-11-22 14:02:11.000000  tcp4   10.0.0.5:60609   10.96.4.7:443  4242  curl     connect   1.00s   -          1d00h   close       first\n"
		"2026-11-21 14:02:11.000000  nothing recorded until 2026-11-21 15:02:11.000000: porttrace did not run\\x0a\n");
	free(text);
}

/* Columns widen when they have to, up to a point. */
static void test_wide_and_hostile(void **state)
{
	struct history_row rows[] = { ended(hold_of("\x1b[2J\n\"\\", 1234567, 0), 1 * S, 1 * S, PT_END_CLOSE), ended(hold_of("", 8, 0), 1 * S, 1 * S, PT_END_CLOSE) };

	(void)state;
	strcpy(rows[0].ev.owner.thread, "w\xff");
	memset(rows[0].ev.raddr, 0x20, 16);
	rows[0].ev.family = AF_INET6;
	rows[1].ev.reuse = PT_REUSE_TIME_WAIT;
	rows[1].ev.prev_known = true;
	rows[1].ev.prev_pid = 1;
	strcpy(rows[1].ev.prev_comm, "\x1b]0;x");
	check_table(&plain, rows, 2,
		TITLES
		"14:02:11.000000  14:02:12.000000  tcp6   10.0.0.5:60609   [2020:2020:2020:2020:2020:2020:2020:2020]:443  1234567  \\x1b[2J\\x0a\"\\\\/w\\xff  connect   1.00s   -          1.00s   close       first\n"
		"14:02:11.000000  14:02:12.000000  tcp4   10.0.0.5:60609   10.96.4.7:443                8  \"\"               connect   1.00s   -          1.00s   close       TIME-WAIT of 1 \\x1b]0;x\n");
}

static void test_second_netns(void **state)
{
	struct history_row rows[] = { ended(hold_of("a", 1, 0), 1 * S, 1 * S, PT_END_CLOSE), lost(1, WALL), ended(hold_of("b", 2, 0), 1 * S, 1 * S, PT_END_CLOSE) };

	(void)state;
	rows[2].ev.space.netns = 4026532117;
	check_table(&plain, rows, 3,
		TITLES
		"14:02:11.000000  14:02:12.000000  tcp4   10.0.0.5:60609   10.96.4.7:443     1  a        connect   1.00s   -          1.00s   close       first\n"
		"14:02:11.000000  1 record lost until 14:02:19.000000: what happened meanwhile is not known\n"
		"BEGIN            UNTIL            PROTO  LOCAL            REMOTE         PID   COMM     HOW       OPEN    TIME_WAIT  HELD    END         NETNS       BEFORE\n"
		"14:02:11.000000  14:02:12.000000  tcp4   10.0.0.5:60609   10.96.4.7:443     2  b        connect   1.00s   -          1.00s   close       4026532117  first\n");
}

static void test_color(void **state)
{
	struct history_row rows[] = { hold_of("a", 1, 0), refused(1 * S, hold_of("b", 2, 0)), lost(1, WALL), ended(hold_of("c", 3, 0), 1 * S, 1 * S, PT_END_CLOSE) };
	const struct sink_context ctx = { .color = true };

	(void)state;
	rows[0].still_held = true;
	check_table(&ctx, rows, 4,
		TITLES
		"14:02:11.000000  -                tcp4   10.0.0.5:60609   10.96.4.7:443     1  a        connect   -       -          ?       \033[32mstill held\033[0m  first\n"
		"14:02:12.000000  -                tcp4   10.0.0.5:60609   -                 2  b        listen    -       -          -       \033[1;31mEADDRINUSE\033[0m  ?\n"
		"14:02:11.000000  \033[1;35m1 record lost until 14:02:19.000000: what happened meanwhile is not known\033[0m\n"
		"14:02:11.000000  14:02:12.000000  tcp4   10.0.0.5:60609   10.96.4.7:443     3  c        connect   1.00s   -          1.00s   close       first\n");
}

static void check_json(const struct history_row *row, const char *wanted)
{
	char *text = show(true, false, &plain, row, 1);
	json_t *object = json_loads(text, 0, NULL);

	assert_non_null(object);
	json_decref(object);
	assert_string_equal(text, wanted);
	free(text);
}

static void test_json_hold(void **state)
{
	struct history_row row = ended(hold_of("curl", 4242, 104233 * US), 60 * S + 160002 * US, 47557 * US, PT_END_EXPIRED);

	(void)state;
	row.ev.owner.uid = 1000;
	row.ev.owner.cgroup = 5;
	row.ev.reuse = PT_REUSE_CLEAN;
	row.ev.reuse_ns = 3840 * MS;
	row.ev.prev_known = true;
	row.ev.prev_pid = 9;
	strcpy(row.ev.prev_comm, "\n");
	check_json(&row,
		"{\"ts\":\"2026-11-21T14:02:11.104233000Z\",\"event\":\"hold\",\"begin\":\"2026-11-21T14:02:11.104233000Z\",\"ended\":\"2026-11-21T14:03:11.160002000Z\",\"still_held\":false,"
		"\"proto\":\"tcp\",\"family\":\"ipv4\",\"port\":60609,\"laddr\":\"10.0.0.5\",\"raddr\":\"10.96.4.7\",\"rport\":443,"
		"\"pid\":4242,\"tid\":4242,\"comm\":\"curl\",\"thread\":\"curl\",\"kernel\":false,\"uid\":1000,\"cgroup\":\"/user.slice\","
		"\"netns\":4026531840,\"netns_cookie\":\"1\",\"cookie\":\"77\",\"vrf\":0,\"via\":\"connect\",\"ephemeral\":true,\"search_ns\":800,"
		"\"reuse\":\"clean\",\"reuse_ns\":3840000000,\"prev_pid\":9,\"prev_comm\":\"\\n\","
		"\"open_ns\":47557000,\"tw_ns\":60008212000,\"held_ns\":60055769000,\"end\":\"expired\"}\n");
}

static void test_json_not_known(void **state)
{
	struct history_row row = hold_of("nc", 7, 0);

	(void)state;
	row.begin = PT_UNKNOWN;
	row.ev.via = PT_VIA_SNAPSHOT;
	row.ev.reuse = PT_REUSE_NONE;
	row.ev.search_ns = PT_UNKNOWN;
	row.ev.owner.known = false;
	row.still_held = true;
	check_json(&row,
		"{\"ts\":\"2026-11-21T14:02:11.000000000Z\",\"event\":\"hold\",\"begin\":null,\"ended\":null,\"still_held\":true,"
		"\"proto\":\"tcp\",\"family\":\"ipv4\",\"port\":60609,\"laddr\":\"10.0.0.5\",\"raddr\":\"10.96.4.7\",\"rport\":443,"
		"\"pid\":null,\"tid\":null,\"comm\":null,\"thread\":null,\"kernel\":null,\"uid\":null,\"cgroup\":null,"
		"\"netns\":4026531840,\"netns_cookie\":\"1\",\"cookie\":\"77\",\"vrf\":0,\"via\":\"snapshot\",\"ephemeral\":null,\"search_ns\":null,"
		"\"reuse\":null,\"reuse_ns\":null,\"prev_pid\":null,\"prev_comm\":null,"
		"\"open_ns\":null,\"tw_ns\":null,\"held_ns\":null,\"end\":null}\n");
}

static void test_json_others(void **state)
{
	struct history_row row = refused(1 * S, hold_of("nginx", 187, 0));

	(void)state;
	row.ev.blockers_count = 1;
	row.ev.blockers_total = 1;
	row.blockers[0] = (struct pt_blocker){ .owner = { .known = true, .pid = 185, .comm = "pool" }, .laddr = { [10] = 0xff, 0xff, 10, 0, 0, 5 }, .count = 1, .age_ns = 156 * MS, .tw_left_ns = PT_UNKNOWN };
	check_json(&row,
		"{\"ts\":\"2026-11-21T14:02:12.000000000Z\",\"event\":\"fail\","
		"\"proto\":\"tcp\",\"family\":\"ipv4\",\"port\":60609,\"laddr\":\"10.0.0.5\",\"raddr\":null,\"rport\":null,"
		"\"pid\":187,\"tid\":187,\"comm\":\"nginx\",\"thread\":\"nginx\",\"kernel\":false,\"uid\":0,\"cgroup\":null,"
		"\"netns\":4026531840,\"netns_cookie\":\"1\",\"cookie\":\"77\",\"vrf\":0,\"via\":\"listen\",\"search_ns\":800,"
		"\"errno\":\"EADDRINUSE\",\"blockers\":[{\"pid\":185,\"comm\":\"pool\",\"laddr\":\"10.0.0.5\",\"raddr\":null,\"rport\":null,\"state\":\"open\",\"age_ns\":156000000,\"tw_left_ns\":null,\"count\":1}],\"blockers_total\":1}\n");
	row = lost(3, PT_UNKNOWN);
	check_json(&row, "{\"ts\":\"2026-11-21T14:02:20.000000000Z\",\"event\":\"lost\",\"count\":3,\"from\":null,\"to\":\"2026-11-21T14:02:19.000000000Z\"}\n");
	check_json(&gap, "{\"ts\":\"2026-11-21T14:02:11.000000000Z\",\"event\":\"gap\",\"from\":\"2026-11-21T14:02:11.000000000Z\",\"to\":\"2026-11-21T15:02:11.000000000Z\",\"why\":\"porttrace did not run\\n\"}\n");
}

/* clang-format on */

static void test_output_fails(void **state)
{
	struct history_row row = hold_of("a", 1, 0);
	struct history_sink *sink;
	struct out out;
	int err = 0;

	(void)state;
	assert_int_equal(out_open(&out, "/dev/full"), 0);
	assert_int_equal(history_table_new(&out, &plain, false, &sink), 0);
	for (int i = 0; i < 100000 && !err; i++)
		err = history_sink_row(sink, &row);
	assert_int_equal(err, -ENOSPC);
	history_sink_free(sink);
	history_sink_free(NULL);
	assert_int_equal(out_close(&out), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	     cmocka_unit_test(test_not_known),
		cmocka_unit_test(test_refusals),     cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_dates),	     cmocka_unit_test(test_wide_and_hostile),
		cmocka_unit_test(test_second_netns), cmocka_unit_test(test_color),
		cmocka_unit_test(test_json_hold),    cmocka_unit_test(test_json_not_known),
		cmocka_unit_test(test_json_others),  cmocka_unit_test(test_output_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
