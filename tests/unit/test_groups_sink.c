// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>
#include <netinet/in.h>

#include "tests/unit/capture.h"
#include "user/sink/groups.h"

/* 2026-11-21T14:02:11Z */
#define TS 1795269731000000000ULL
#define ROWS 5

static const struct pt_owner curl = {
	.pid = 4242, .uid = 1000, .known = true, .comm = "cu\nrl", .cgroup = 5
};
static const struct pt_owner psql = { .pid = 911, .uid = 0, .known = true, .comm = "psql" };

static const char *cgroup_path(void *data, __u64 id)
{
	(void)data;
	return id == 5 ? "/system.slice/curl.service" : NULL;
}

/* Three of curl's, one of them accepted, one of psql's, and a TIME_WAIT. */
static void take(struct groups *groups, enum report_by by, struct pt_holder holders[ROWS])
{
	const struct groups_options options = { .by = by, .cgroup_path = cgroup_path };
	const struct pt_holder *rows[ROWS];

	for (__u16 i = 0; i < ROWS; i++) {
		holders[i] = (struct pt_holder){
			.space = { .netns = 4026531840, .netns_cookie = 1, .proto = IPPROTO_TCP },
			.port = 60000 + i,
			.rport = i < 3 ? 443 : 5432,
			.raddr = { [10] = 0xff, 0xff, 10, 96, 4, 7 },
			.owner = i < 3	 ? &curl
				 : i < 4 ? &psql
					 : NULL,
			.processes = i ? 1 : 2,
			.has_inode = i < 4,
			.time_wait = i == 4,
			.accepted = i == 2,
			.age_ns = 1000000000ULL * i,
		};
		rows[i] = &holders[i];
	}
	assert_int_equal(groups_take(groups, &options, rows, ROWS), 0);
}

static void check_table(enum report_by by, const struct holders_context *ctx, size_t top,
			const char *wanted)
{
	struct pt_holder holders[ROWS];
	struct groups groups;
	struct out out;
	char *text;

	take(&groups, by, holders);
	capture_begin(&out);
	groups_table(&out, ctx, &groups, top);
	text = capture_end(&out);
	assert_string_equal(text, wanted);
	free(text);
	groups_free(&groups);
}

static void test_process(void **state)
{
	static const struct holders_context ctx = { .accepted = true };

	(void)state;
	check_table(REPORT_BY_PROCESS, &ctx, 0,
		    " PID  COMM      PORTS  HELD  TW  CONNS  SHARE%  REMOTE\n"
		    "4242  cu\\x0arl      2     2   0      1   100.0  10.96.4.7:443\n"
		    " 911  psql          1     1   0      0   100.0  10.96.4.7:5432\n"
		    "   -  -             1     1   1      0   100.0  10.96.4.7:5432\n");
}

static void test_remote(void **state)
{
	static const struct holders_context ctx = { 0 };

	(void)state;
	check_table(REPORT_BY_REMOTE, &ctx, 0,
		    "REMOTE          PORTS  HELD  TW  SHARE%   PID  COMM\n"
		    "10.96.4.7:443       2     2   0   100.0  4242  cu\\x0arl\n"
		    "10.96.4.7:5432      2     2   1    50.0   911  psql\n");
}

static void test_port(void **state)
{
	static const struct holders_context ctx = { .netns = true };

	(void)state;
	check_table(REPORT_BY_PORT, &ctx, 1,
		    "PROTO   PORT       NETNS  HELD  TW  SHARE%   PID  COMM\n"
		    "tcp    60000  4026531840     1   0   100.0  4242  cu\\x0arl\n"
		    "... and 4 more ports\n");
}

static void test_cgroup(void **state)
{
	static const struct holders_context ctx = { 0 };

	(void)state;
	check_table(REPORT_BY_CGROUP, &ctx, 2,
		    "PORTS  HELD  TW  SHARE%   PID  COMM      CGROUP\n"
		    "    2     2   0   100.0  4242  cu\\x0arl  /system.slice/curl.service\n"
		    "    1     1   0   100.0   911  psql      ?\n"
		    "... and 1 more cgroup\n");
}

static void test_past(void **state)
{
	static const struct holders_context ctx = { .past = true };

	(void)state;
	check_table(REPORT_BY_REMOTE, &ctx, 1,
		    "REMOTE         PORTS  HELD  TW  OLDEST  SHARE%   PID  COMM\n"
		    "10.96.4.7:443      2     2   0       ?   100.0  4242  cu\\x0arl\n"
		    "... and 1 more remote\n");
}

static void test_legend(void **state)
{
	struct pt_holder holders[ROWS];
	struct groups groups;
	struct out out;
	char *text;

	(void)state;
	take(&groups, REPORT_BY_PORT, holders);
	capture_begin(&out);
	groups_legend(&out, &groups);
	text = capture_end(&out);
	assert_string_equal(text,
			    "(HELD: sockets and TIME-WAITs; TW: of these in TIME-WAIT;\n"
			    "SHARE%, PID, COMM: how many the process has that has most)\n"
			    "(PID -: in TIME-WAIT, or closed by the process that had it)\n"
			    "(a socket that several processes have counts for one of them)\n");
	free(text);
	groups_free(&groups);
}

static void test_no_rows(void **state)
{
	static const struct groups none = { 0 };
	static const struct holders_context ctx = { 0 };
	struct out out;
	char *text;

	(void)state;
	capture_begin(&out);
	groups_table(&out, &ctx, &none, 0);
	groups_legend(&out, &none);
	groups_json(&out, &ctx, &none, 0);
	text = capture_end(&out);
	assert_string_equal(text, "");
	free(text);
}

static void check_json(enum report_by by, const struct holders_context *ctx, const char *wanted)
{
	struct pt_holder holders[ROWS];
	json_t *all = json_loads(wanted, 0, NULL), *found;
	struct groups groups;
	struct out out;
	char *text;

	assert_non_null(all);
	take(&groups, by, holders);
	capture_begin(&out);
	groups_json(&out, ctx, &groups, 1);
	text = capture_end(&out);
	assert_string_equal(strchr(text, '\n'), "\n"); /* the first one only */
	found = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	if (!json_equal(found, all))
		fail_msg("%s is not %s", text, wanted);
	json_decref(found);
	json_decref(all);
	free(text);
	groups_free(&groups);
}

#define HEAD "{\"ts\":\"2026-11-21T14:02:11.000000000Z\",\"event\":\"group\","

static void test_json(void **state)
{
	static const struct holders_context all = { .ts = TS, .accepted = true };
	static const struct holders_context ctx = { .ts = TS };

	(void)state;
	check_json(REPORT_BY_PROCESS, &all,
		   HEAD "\"by\":\"process\",\"rows_total\":3,\"pid\":4242,\"comm\":\"cu\\nrl\","
			"\"kernel\":false,\"uid\":1000,\"ports\":2,\"held_now\":2,"
			"\"held_now_time_wait\":0,\"connections\":1,\"oldest_ns\":null,"
			"\"top_share\":1.000,\"top_raddr\":\"10.96.4.7\",\"top_rport\":443}");
	check_json(REPORT_BY_PORT, &ctx,
		   HEAD "\"by\":\"port\",\"rows_total\":5,\"proto\":\"tcp\",\"port\":60000,"
			"\"netns\":4026531840,\"netns_cookie\":\"1\",\"vrf\":0,\"ports\":1,"
			"\"held_now\":1,\"held_now_time_wait\":0,\"connections\":null,"
			"\"oldest_ns\":null,\"top_share\":1.000,\"top_pid\":4242,"
			"\"top_comm\":\"cu\\nrl\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_process), cmocka_unit_test(test_remote),
		cmocka_unit_test(test_port),	cmocka_unit_test(test_cgroup),
		cmocka_unit_test(test_past),	cmocka_unit_test(test_legend),
		cmocka_unit_test(test_no_rows), cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
