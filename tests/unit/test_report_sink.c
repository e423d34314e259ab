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

#include "tests/unit/capture.h"
#include "user/sink/report.h"

#define MS 1000000ULL
#define SECOND 1000000000ULL
/* 2026-11-21T14:02:00Z, where an event of ts 0 is */
#define BASE 1795269720000000000ULL

/* A line of output is a line here. */
/* clang-format off */

static const struct pt_owner envoy = { .known = true, .pid = 4242, .uid = 101, .start = 1, .cgroup = 2, .comm = "envoy" };
static const struct pt_owner curl = { .known = true, .pid = 97, .uid = 1000, .start = 2, .cgroup = 3, .comm = "curl" };
static const struct pt_owner hostile = { .known = true, .pid = 7, .start = 3, .cgroup = 4, .comm = "=\x1b[2J\n\"\\\xff" };
static const struct pt_owner unknown = { .known = false };

static const char *path_of(void *data, __u64 id)
{
	static const char *const paths[] = { [2] = "/system.slice/envoy.service", [3] = "/user.slice", [4] = "/a\nb,\"c\"" };

	(void)data;
	return id < 5 ? paths[id] : NULL;
}

static struct pt_event event(enum pt_event_type type, const struct pt_owner *owner, __u16 port, __u64 ts)
{
	return (struct pt_event){
		.type = type,
		.ts = ts,
		.realtime_offset = BASE,
		.space = { .netns_cookie = 1, .netns = 4026531840, .proto = IPPROTO_TCP },
		.family = AF_INET,
		.port = port,
		.rport = 443,
		.raddr = { [10] = 0xff, 0xff, 10, 96, 4, 7 },
		.sock = port + owner->pid * 100000ULL,
		.owner = *owner,
		.via = PT_VIA_CONNECT,
		.open_ns = PT_UNKNOWN,
		.held_ns = PT_UNKNOWN,
		.reuse_ns = PT_UNKNOWN,
	};
}

static void tell(struct report *report, struct pt_event ev)
{
	assert_int_equal(report_event(report, &ev), 0);
}

static void tell_hold(struct report *report, const struct pt_owner *owner, __u16 port, __u64 ts, __u64 open_ns, __u64 held_ns)
{
	struct pt_event ev = event(PT_EV_ALLOC, owner, port, ts);

	ev.reuse = PT_REUSE_CLEAN;
	ev.reuse_ns = 100 * MS;
	tell(report, ev);
	ev.type = PT_EV_TIME_WAIT;
	ev.ts += open_ns;
	tell(report, ev);
	ev.type = PT_EV_FREE;
	ev.ts = ts + held_ns;
	ev.open_ns = open_ns;
	ev.held_ns = held_ns;
	tell(report, ev);
}

static void tell_fail(struct report *report, const struct pt_owner *owner, __u16 port, int error, __u64 ts)
{
	struct pt_event ev = event(PT_EV_FAIL, owner, port, ts);

	ev.error = error;
	if (port)
		ev.rport = 0;
	tell(report, ev);
}

static void tell_loss(struct report *report, __u64 from, __u64 to, __u64 count)
{
	tell(report, (struct pt_event){ .type = PT_EV_LOST, .ts = to, .realtime_offset = BASE, .lost_from = from, .lost_to = to, .lost_count = count });
}

static struct report *report_by(enum report_by by)
{
	const struct report_options options = { .by = by, .since = BASE, .until = BASE + 3600 * SECOND, .cgroup_path = path_of };
	struct report *report = report_new(&options);

	assert_non_null(report);
	return report;
}

/* An envoy that leaves TIME_WAITs until there are no ports; others meet it. */
static struct report *scene(enum report_by by)
{
	struct report *report = report_by(by);

	tell_hold(report, &envoy, 40000, 1 * SECOND, 2 * SECOND, 4 * SECOND);
	tell(report, event(PT_EV_ALLOC, &envoy, 40001, 70 * SECOND));
	tell(report, event(PT_EV_ALLOC, &envoy, 40002, 71 * SECOND));
	tell(report, event(PT_EV_TIME_WAIT, &envoy, 40002, 72 * SECOND));
	tell_fail(report, &envoy, 0, EADDRNOTAVAIL, 73 * SECOND);
	tell_fail(report, &envoy, 0, EADDRNOTAVAIL, 74 * SECOND);
	tell_fail(report, &curl, 40001, EADDRINUSE, 75 * SECOND);
	tell_hold(report, &curl, 40003, 200 * SECOND, 5 * SECOND, 5 * SECOND);
	assert_int_equal(report_end(report, BASE + 3600 * SECOND), 0);
	return report;
}

static struct report_view view_of(const struct report *report, const char *key, size_t top)
{
	return (struct report_view){ .sort = report_sort_key(report->options.by, key), .top = top };
}

typedef int (*write_fn)(struct out *out, const struct report *report, const struct report_view *view);

static char *written(write_fn write, const struct report *report, const struct report_view *view)
{
	struct out out;

	capture_begin(&out);
	assert_int_equal(write(&out, report, view), 0);
	return capture_end(&out);
}

/* report is freed. */
static void check(write_fn write, struct report *report, const char *key, size_t top, const char *wanted)
{
	const struct report_view view = view_of(report, key, top);
	char *text = written(write, report, &view);

	assert_string_equal(text, wanted);
	free(text);
	report_free(report);
}

#define HEAD \
	"2026-11-21 14:02:00 to 15:02:00 (1h00m): 3 refusals (2 EADDRNOTAVAIL, 1 EADDRINUSE), 4 allocations, 2 frees.\n" \
	"Most held at once: 3 (2 in TIME-WAIT) at 2026-11-21 14:05:25; at the end: 2 (1 in TIME-WAIT).\n\n"
#define LEGEND \
	"(HELD at the end, MOST at once, TW of these in TIME-WAIT; P50, P99 (within 7 %), LONGEST: how long;\n" \
	"TW%: of that time in TIME-WAIT; REUSED: from a port's becoming free to its next allocation, median)\n"
#define WORST \
	"\nThe worst minutes:\n" \
	"MINUTE            REFUSED  ALLOCS  FREES  MOST  HELD\n"

static void test_by_port(void **state)
{
	(void)state;
	check(report_write_text, scene(REPORT_BY_PORT), "fails", 2, HEAD
		"PROTO   PORT  REFUSED  ALLOCS  HELD  TW  MOST  TW  P50  P99  LONGEST  TW%  REUSED\n"
		"tcp        -        2       0     0   0     0   0    -    -        -    -       -\n"
		"tcp    40001        1       1     1   0     1   0    -    -        -    -       -\n"
		"... and 3 more ports\n"
		"(PORT -: the program had asked for no port in particular)\n"
		LEGEND WORST
		"2026-11-21 14:03        3       2      0     2     2\n"
		"2026-11-21 14:05        0       1      1     3     2\n"
		"... and 1 more minute\n");
}

static void test_by_process(void **state)
{
	(void)state;
	check(report_write_text, scene(REPORT_BY_PROCESS), "fails", 0, HEAD
		" PID  COMM   REFUSED  ALLOCS  HELD  TW  MOST  TW    P50    P99  LONGEST   TW%  REUSED\n"
		"4242  envoy        2       3     2   1     2   1  4.00s  4.00s    4.00s  50.0   100ms\n"
		"  97  curl         1       1     0   0     1   1  5.00s  5.00s    5.00s   0.0   100ms\n"
		LEGEND WORST
		"2026-11-21 14:03        3       2      0     2     2\n"
		"2026-11-21 14:05        0       1      1     3     2\n"
		"2026-11-21 14:02        0       1      1     1     0\n");
}

static void test_by_remote(void **state)
{
	(void)state;
	check(report_write_text, scene(REPORT_BY_REMOTE), "allocs", 1, HEAD
		"REMOTE         REFUSED  ALLOCS  HELD  TW  MOST  TW    P50    P99  LONGEST   TW%  REUSED\n"
		"10.96.4.7:443        2       4     2   1     3   2  4.00s  5.00s    5.00s  22.2   100ms\n"
		"... and 1 more remote\n"
		LEGEND WORST
		"2026-11-21 14:03        3       2      0     2     2\n"
		"... and 2 more minutes\n");
}

static void test_by_cgroup(void **state)
{
	(void)state;
	check(report_write_text, scene(REPORT_BY_CGROUP), "held_ns_max", 10, HEAD
		"REFUSED  ALLOCS  HELD  TW  MOST  TW    P50    P99  LONGEST   TW%  REUSED  CGROUP\n"
		"      1       1     0   0     1   1  5.00s  5.00s    5.00s   0.0   100ms  /user.slice\n"
		"      2       3     2   1     2   1  4.00s  4.00s    4.00s  50.0   100ms  /system.slice/envoy.service\n"
		LEGEND WORST
		"2026-11-21 14:03        3       2      0     2     2\n"
		"2026-11-21 14:05        0       1      1     3     2\n"
		"2026-11-21 14:02        0       1      1     1     0\n");
}

static void test_nothing_happened(void **state)
{
	struct report *report = report_by(REPORT_BY_PORT);

	(void)state;
	assert_int_equal(report_end(report, BASE + 60 * SECOND), 0);
	check(report_write_text, report, "fails", 10,
		"2026-11-21 14:02:00 to 14:03:00 (60.0s): 0 refusals, 0 allocations, 0 frees.\n");
}

/* Several namespaces, no remote, and nobody knows who. */
static void test_several_netns(void **state)
{
	struct report *report = report_by(REPORT_BY_PORT);
	struct pt_event ev = event(PT_EV_ALLOC, &unknown, 53, SECOND);

	(void)state;
	tell(report, ev);
	ev.space.netns = 4026532117;
	ev.space.netns_cookie = 2;
	ev.space.proto = IPPROTO_UDP;
	tell(report, ev);
	assert_int_equal(report_end(report, BASE + 86400 * SECOND), 0);
	check(report_write_text, report, "port", 10,
		"2026-11-21 14:02:00 to 15:02:00 (1h00m): 0 refusals, 2 allocations, 0 frees.\n"
		"Most held at once: 2 at 2026-11-21 14:02:01; at the end: 2.\n\n"
		"PROTO  PORT       NETNS  REFUSED  ALLOCS  HELD  TW  MOST  TW  P50  P99  LONGEST  TW%  REUSED\n"
		"tcp      53  4026531840        0       1     1   0     1   0    -    -        -    -       -\n"
		"udp      53  4026532117        0       1     1   0     1   0    -    -        -    -       -\n"
		LEGEND WORST
		"2026-11-21 14:02        0       2      0     2     2\n");
}

static void test_losses(void **state)
{
	struct report *report = report_by(REPORT_BY_PORT);

	(void)state;
	tell_loss(report, 10 * SECOND, 11 * SECOND, 1234);
	assert_int_equal(report_end(report, BASE + 86400 * SECOND), 0);
	check(report_write_text, report, "fails", 10,
		"2026-11-21 14:02:00 to 15:02:00 (1h00m): 0 refusals, 0 allocations, 0 frees.\n"
		"Events lost in this span: 1234; what they told is not counted (2026-11-21 14:02:10 to 14:02:11, 1234).\n");
	report = report_by(REPORT_BY_PORT);
	tell_loss(report, 10 * SECOND, 11 * SECOND, PT_UNKNOWN);
	assert_int_equal(report_end(report, BASE + 86400 * SECOND), 0);
	check(report_write_text, report, "fails", 10,
		"2026-11-21 14:02:00 to 15:02:00 (1h00m): 0 refusals, 0 allocations, 0 frees.\n"
		"Events lost in this span: nobody knows how many; what they told is not counted (2026-11-21 14:02:10 to 14:02:11, ?).\n");
	report = report_by(REPORT_BY_PORT);
	for (__u64 i = 1; i <= 5; i++)
		tell_loss(report, i * 600 * SECOND, i * 600 * SECOND, i - 1);
	assert_int_equal(report_end(report, BASE + 86400 * SECOND), 0);
	check(report_write_text, report, "fails", 10,
		"2026-11-21 14:02:00 to 15:02:00 (1h00m): 0 refusals, 0 allocations, 0 frees.\n"
		"Events lost in this span: 10 or more; what they told is not counted (2026-11-21 14:12:00, ?; "
		"2026-11-21 14:22:00, 1; 2026-11-21 14:32:00, 2; 2 times more).\n");
}

static void test_hostile_names(void **state)
{
	struct report *report = report_by(REPORT_BY_PROCESS);

	(void)state;
	tell_fail(report, &hostile, 80, EACCES, SECOND);
	tell_fail(report, &unknown, 80, EAGAIN, SECOND);
	assert_int_equal(report_end(report, BASE + 86400 * SECOND), 0);
	check(report_write_text, report, "pid", 10,
		"2026-11-21 14:02:00 to 15:02:00 (1h00m): 2 refusals (1 EAGAIN, 1 other), 0 allocations, 0 frees.\n\n"
		"PID  COMM                 REFUSED  ALLOCS  HELD  TW  MOST  TW  P50  P99  LONGEST  TW%  REUSED\n"
		"  7  =\\x1b[2J\\x0a\"\\\\\\xff        1       0     0   0     0   0    -    -        -    -       -\n"
		"  ?  ?                          1       0     0   0     0   0    -    -        -    -       -\n"
		LEGEND WORST
		"2026-11-21 14:02        2       0      0     0     0\n");
}

#define CSV_NUMBERS \
	"fails,eaddrnotavail,eaddrinuse,eagain,other_errors,allocs,frees,held_now,held_now_time_wait,held_max," \
	"held_max_time_wait,held_max_at,held_ns_p50,held_ns_p99,held_ns_max,time_wait_share,reuses,reuse_ns_p50,reuse_ns_min"

static void test_csv(void **state)
{
	struct report *report = report_by(REPORT_BY_CGROUP);

	(void)state;
	check(report_write_csv, scene(REPORT_BY_PROCESS), "fails", 0,
		"by,pid,comm,kernel,uid," CSV_NUMBERS "\n"
		"process,4242,\"envoy\",false,101,2,2,0,0,0,3,1,2,1,2,1,2026-11-21T14:03:12.000000000Z,4000000000,4000000000,4000000000,0.500,1,100000000,100000000\n"
		"process,97,\"curl\",false,1000,1,0,1,0,0,1,1,0,0,1,1,2026-11-21T14:05:25.000000000Z,5000000000,5000000000,5000000000,0.000,1,100000000,100000000\n");
	check(report_write_csv, scene(REPORT_BY_REMOTE), "fails", 0,
		"by,raddr,rport," CSV_NUMBERS "\n"
		"remote,10.96.4.7,443,2,2,0,0,0,4,2,2,1,3,2,2026-11-21T14:05:25.000000000Z,4000000000,5000000000,5000000000,0.222,2,100000000,100000000\n"
		"remote,,,1,0,1,0,0,0,0,0,0,0,0,,,,,,0,,\n");
	tell_fail(report, &hostile, 80, EACCES, SECOND);
	assert_int_equal(report_end(report, BASE + 86400 * SECOND), 0);
	check(report_write_csv, report, "fails", 0,
		"by," CSV_NUMBERS ",cgroup\n"
		"cgroup,1,0,0,0,1,0,0,0,0,0,0,,,,,,0,,,\"/a\\x0ab,\"\"c\"\"\"\n");
}

#define JSON_NONE \
	"\"held_max_at\":null,\"held_ns_p50\":null,\"held_ns_p99\":null,\"held_ns_max\":null,\"time_wait_share\":null," \
	"\"reuses\":0,\"reuse_ns_p50\":null,\"reuse_ns_min\":null}"
#define JSON_ONE_FAIL \
	"\"fails\":1,\"eaddrnotavail\":0,\"eaddrinuse\":0,\"eagain\":0,\"other_errors\":1,\"allocs\":0,\"frees\":0," \
	"\"held_now\":0,\"held_now_time_wait\":0,\"held_max\":0,\"held_max_time_wait\":0," JSON_NONE

static void test_json(void **state)
{
	struct report *report = report_by(REPORT_BY_PROCESS);

	(void)state;
	tell_fail(report, &hostile, 80, EACCES, SECOND);
	tell_loss(report, 2 * SECOND, 3 * SECOND, 7);
	assert_int_equal(report_end(report, BASE + 86400 * SECOND), 0);
	check(report_write_json, report, "fails", 0,
		"{\"event\":\"report\",\"since\":\"2026-11-21T14:02:00.000000000Z\",\"until\":\"2026-11-21T15:02:00.000000000Z\","
		"\"by\":\"process\",\"sort\":\"fails\","
		"\"lost\":7,\"losses\":[{\"from\":\"2026-11-21T14:02:02.000000000Z\",\"to\":\"2026-11-21T14:02:03.000000000Z\",\"count\":7}],"
		"\"all\":{" JSON_ONE_FAIL ","
		"\"rows_total\":1,\"rows\":[{\"pid\":7,\"comm\":\"=\\u001b[2J\\n\\\"\\\\\\\\xff\",\"kernel\":false,\"uid\":0," JSON_ONE_FAIL "],\"others\":null,"
		"\"minutes_total\":1,\"minutes\":[{\"minute\":\"2026-11-21T14:02:00.000000000Z\",\"fails\":1,\"allocs\":0,\"frees\":0,\"held_max\":0,\"held_end\":0}],"
		"\"other_minutes\":null}\n");
}

/* clang-format on */

static json_t *json_of(const struct report *report, const char *key, size_t top)
{
	const struct report_view view = view_of(report, key, top);
	char *text = written(report_write_json, report, &view);
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(json);
	free(text);
	return json;
}

/* What each says, to a reader of JSON; cut or not. */
static void test_json_is_read(void **state)
{
	(void)state;
	for (int by = 0; by < REPORT_BYS; by++) {
		struct report *report = scene(by);
		json_t *all = json_of(report, "fails", 0), *cut = json_of(report, "allocs", 1);
		size_t total = (size_t)json_integer_value(json_object_get(all, "rows_total"));

		assert_int_equal(json_array_size(json_object_get(all, "rows")), total);
		assert_int_equal(json_array_size(json_object_get(all, "minutes")), 3);
		assert_int_equal(json_integer_value(json_object_get(cut, "rows_total")), total);
		assert_int_equal(json_array_size(json_object_get(cut, "rows")), 1);
		assert_int_equal(json_array_size(json_object_get(cut, "minutes")), 1);
		assert_int_equal(json_integer_value(json_object_get(cut, "minutes_total")), 3);
		assert_string_equal(json_string_value(json_object_get(cut, "sort")), "allocs");
		json_decref(all);
		json_decref(cut);
		report_free(report);
	}
}

/* No row or minute is left out without a word. */
static void test_others(void **state)
{
	static const char *const wanted[] = {
		"\n... and 65535 more processes\n"
		"Only 65536 have rows; all others: 2 refusals (2 EADDRINUSE), 0 allocations, 0 "
		"frees, 0 held at the end.\n",
		"\n... and 65535 more minutes\n"
		"Only 65536 have rows; all others: 2 refusals, 0 allocations.\n",
	};
	const struct report_options options = { .by = REPORT_BY_PROCESS, .until = ~0ULL };
	struct report *report = report_new(&options);
	struct report_view view = view_of(report, "fails", 1);
	struct pt_owner owner = envoy;
	json_t *json;
	char *text;

	(void)state;
	for (owner.pid = 1; owner.pid <= REPORT_ROWS_MAX + 2; owner.pid++)
		tell_fail(report, &owner, 80, EADDRINUSE, owner.pid * 60 * SECOND);
	assert_int_equal(report_end(report, BASE), 0);
	text = written(report_write_text, report, &view);
	for (size_t i = 0; i < 2; i++)
		assert_non_null(strstr(text, wanted[i]));
	free(text);
	text = written(report_write_csv, report, &view);
	assert_non_null(strstr(text, "\nothers,,,,,2,0,2,0,0,0,0,0,0,0,0,,,,,,0,,\n"));
	free(text);
	json = json_of(report, "fails", 1);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(json, "others"), "fails")), 2);
	json_decref(json);
	report_free(report);
}

static int use_utc(void **state)
{
	(void)state;
	return setenv("TZ", "UTC", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_port),
		cmocka_unit_test(test_by_process),
		cmocka_unit_test(test_by_remote),
		cmocka_unit_test(test_by_cgroup),
		cmocka_unit_test(test_nothing_happened),
		cmocka_unit_test(test_several_netns),
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_is_read),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, use_utc, NULL);
}
