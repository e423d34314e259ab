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
#include <netinet/tcp.h>
#include <stdio.h>

#include "tests/unit/capture.h"
#include "user/sink/holders.h"

/* 2026-11-21T14:02:11Z */
#define TS 1795269731000000000ULL
#define MANY 100000

/* A line of output is a line here. */
/* clang-format off */

static const struct pt_owner curl = { .pid = 4242, .uid = 1000, .known = true, .comm = "curl", .cgroup = 5 };
static const struct pt_owner hostile = { .pid = 7, .known = true, .comm = "\x1b[2J\n\"\\\xff" };
static const struct pt_owner nameless = { .pid = 8, .known = true };

static struct pt_holder holder_of(const struct pt_owner *owner)
{
	return (struct pt_holder){
		.space = { .netns = 4026531840, .netns_cookie = 1, .proto = IPPROTO_TCP },
		.family = AF_INET,
		.state = TCP_ESTABLISHED,
		.port = 60609,
		.rport = 443,
		.laddr = { [10] = 0xff, 0xff, 10, 0, 0, 5 },
		.raddr = { [10] = 0xff, 0xff, 10, 96, 4, 7 },
		.sock = 77,
		.has_inode = true,
		.owner = owner,
		.processes = owner != NULL,
	};
}

static struct pt_holder listener_of(const struct pt_owner *owner)
{
	struct pt_holder holder = holder_of(owner);

	holder.family = AF_INET6;
	memset(holder.laddr, 0, 16);
	holder.port = 443;
	holder.rport = 0;
	holder.state = TCP_LISTEN;
	holder.connections = 12;
	holder.processes = 4;
	return holder;
}

static struct pt_holder time_wait(void)
{
	struct pt_holder holder = holder_of(NULL);

	holder.state = TCP_TIME_WAIT;
	holder.time_wait = true;
	holder.tw_left_ms = 41200;
	holder.has_inode = false;
	holder.sock = 0;
	return holder;
}

static char *table(const struct holders_context *ctx, const struct pt_holder *holders, size_t count)
{
	const struct pt_holder **rows = calloc(count + 1, sizeof(*rows));
	struct out out;

	for (size_t i = 0; i < count; i++)
		rows[i] = &holders[i];
	capture_begin(&out);
	holders_table(&out, ctx, rows, count);
	free(rows);
	return capture_end(&out);
}

static void check_table(const struct holders_context *ctx, const struct pt_holder *holders, size_t count, const char *wanted)
{
	char *text = table(ctx, holders, count);

	assert_string_equal(text, wanted);
	free(text);
}

static void test_table(void **state)
{
	static const struct holders_context ctx = { 0 };
	struct pt_holder rows[] = { listener_of(&curl), holder_of(&curl), time_wait(), holder_of(NULL) };

	(void)state;
	rows[3].space.proto = IPPROTO_UDP;
	rows[3].state = TCP_CLOSE;
	rows[3].rport = 0;
	rows[3].uid = 33;
	check_table(&ctx, rows, 4,
		"PROTO  LOCAL           REMOTE         STATE       LEFT  CONNS   UID   PID  COMM\n"
		"tcp6   [::]:443        -              LISTEN         -     12  1000  4242  curl +3\n"
		"tcp4   10.0.0.5:60609  10.96.4.7:443  ESTAB          -      -  1000  4242  curl\n"
		"tcp4   10.0.0.5:60609  10.96.4.7:443  TIME-WAIT  41.2s      -     -     -  -\n"
		"udp4   10.0.0.5:60609  -              UNCONN         -      -    33     ?  ?\n");
}

static void test_no_rows(void **state)
{
	static const struct holders_context ctx = { .netns = true };

	(void)state;
	check_table(&ctx, NULL, 0, "");
}

static void test_hostile_names(void **state)
{
	static const struct holders_context ctx = { .netns = true };
	struct pt_holder rows[] = { holder_of(&hostile), holder_of(&nameless) };

	(void)state;
	check_table(&ctx, rows, 2,
		"PROTO  LOCAL           REMOTE         STATE  LEFT  CONNS  UID  PID  COMM                NETNS\n"
		"tcp4   10.0.0.5:60609  10.96.4.7:443  ESTAB     -      -    0    7  \\x1b[2J\\x0a\"\\\\\\xff  4026531840\n"
		"tcp4   10.0.0.5:60609  10.96.4.7:443  ESTAB     -      -    0    8  \"\"                  4026531840\n");
}

static void test_color(void **state)
{
	static const struct holders_context ctx = { .color = true };
	struct pt_holder rows[] = { time_wait(), holder_of(&curl) };

	(void)state;
	check_table(&ctx, rows, 2,
		"PROTO  LOCAL           REMOTE         STATE       LEFT  CONNS   UID   PID  COMM\n"
		"tcp4   10.0.0.5:60609  10.96.4.7:443  \033[33mTIME-WAIT\033[0m  41.2s      -     -     -  -\n"
		"tcp4   10.0.0.5:60609  10.96.4.7:443  ESTAB          -      -  1000  4242  curl\n");
}

/* Every line as long as the first, so that the columns stand below each other. */
static void test_many_rows(void **state)
{
	static const struct holders_context ctx = { 0 };
	struct pt_holder *rows = calloc(MANY, sizeof(*rows));
	char *text, *line, *rest;
	size_t lines = 0;

	(void)state;
	assert_non_null(rows);
	for (size_t i = 0; i < MANY; i++) {
		rows[i] = holder_of(&curl);
		memcpy(rows[i].raddr + 12, &i, 4);
	}
	text = rest = table(&ctx, rows, MANY);
	while ((line = strsep(&rest, "\n")) && *line) {
		if (lines++)
			assert_string_equal(strrchr(line, ' '), " curl");
		else
			assert_string_equal(strrchr(line, ' '), " COMM");
	}
	assert_int_equal(lines, MANY + 1);
	free(text);
	free(rows);
}

static const char *cgroup_path(void *data, __u64 id)
{
	(void)data;
	return id == 5 ? "/a\n.service" : NULL;
}

static json_t *load(char *text)
{
	json_error_t error;
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	if (!object)
		fail_msg("%s: %s", error.text, text);
	assert_string_equal(strchr(text, '\n'), "\n");
	free(text);
	return object;
}

static json_t *json_of(const struct pt_holder *holder)
{
	static const struct holders_context ctx = { .ts = TS, .cgroup_path = cgroup_path };
	struct out out;

	capture_begin(&out);
	holders_json(&out, &ctx, &holder, 1);
	return load(capture_end(&out));
}

#define NULLS(object, ...)                                                                         \
	for (const char *const *key = (const char *const[]){ __VA_ARGS__, NULL }; *key; key++)     \
		if (!json_is_null(json_object_get(object, *key)))                                  \
	fail_msg("%s is not null", *key)

static void check(json_t *object, const char *wanted)
{
	json_t *all = json_loads(wanted, 0, NULL), *value;
	const char *key;

	assert_non_null(all);
	json_object_foreach(all, key, value)
		if (!json_equal(value, json_object_get(object, key)))
			fail_msg("%s is not as wanted", key);
	json_decref(all);
	json_decref(object);
}

static void test_json(void **state)
{
	struct pt_holder holder = holder_of(&curl), listener = listener_of(&curl);
	json_t *object = json_of(&holder);

	(void)state;
	NULLS(object, "tw_left_ns", "age_ns", "via", "connections", "tid", "thread");
	assert_int_equal(json_object_size(object), 26);
	check(object, "{\"ts\":\"2026-11-21T14:02:11.000000000Z\",\"event\":\"hold\",\"proto\":\"tcp\","
		"\"family\":\"ipv4\",\"port\":60609,\"laddr\":\"10.0.0.5\",\"raddr\":\"10.96.4.7\",\"rport\":443,"
		"\"state\":\"ESTAB\",\"accepted\":false,\"uid\":1000,\"pid\":4242,\"comm\":\"curl\",\"processes\":1,"
		"\"kernel\":false,\"cgroup\":\"/a\\n.service\",\"netns\":4026531840,\"netns_cookie\":\"1\","
		"\"cookie\":\"77\",\"vrf\":0}");
	object = json_of(&listener);
	NULLS(object, "raddr", "rport", "tw_left_ns");
	check(object, "{\"family\":\"ipv6\",\"laddr\":\"::\",\"connections\":12,\"processes\":4,\"state\":\"LISTEN\"}");
}

static void test_json_unknown(void **state)
{
	struct pt_holder holder = time_wait();
	json_t *object = json_of(&holder);

	(void)state;
	NULLS(object, "pid", "comm", "uid", "kernel", "cgroup", "cookie");
	check(object, "{\"state\":\"TIME-WAIT\",\"tw_left_ns\":41200000000,\"processes\":0}");
	holder = holder_of(NULL);
	holder.uid = 33;
	holder.space.vrf = PT_VRF_UNKNOWN;
	object = json_of(&holder);
	NULLS(object, "pid", "comm", "kernel", "vrf");
	check(object, "{\"uid\":33}");
	holder = holder_of(&hostile);
	object = json_of(&holder);
	assert_string_equal(json_string_value(json_object_get(object, "comm")), "\x1b[2J\n\"\\\\xff");
	json_decref(object);
}

static void check_netns(const struct pt_netns *netns, const char *wanted)
{
	struct out out;
	char *text;

	capture_begin(&out);
	holders_netns_text(&out, netns);
	text = capture_end(&out);
	assert_string_equal(text, wanted);
	free(text);
}

/* Of a recording: how long a TIME_WAIT had yet is known of some. */
static void test_past(void **state)
{
	static const struct holders_context ctx = { .past = true };
	struct pt_holder rows[] = { holder_of(&curl), time_wait(), time_wait() };
	json_t *object;

	(void)state;
	for (int i = 0; i < 3; i++) {
		rows[i].past = true;
		rows[i].via = PT_VIA_CONNECT;
		rows[i].age_ns = 20000000000;
	}
	rows[2].tw_left_ms = 0;
	check_table(&ctx, rows, 3,
		"PROTO  LOCAL           REMOTE         STATE       LEFT    AGE  HOW       UID   PID  COMM\n"
		"tcp4   10.0.0.5:60609  10.96.4.7:443  OPEN           -  20.0s  connect  1000  4242  curl\n"
		"tcp4   10.0.0.5:60609  10.96.4.7:443  TIME-WAIT  41.2s  20.0s  connect     -     -  -\n"
		"tcp4   10.0.0.5:60609  10.96.4.7:443  TIME-WAIT      ?  20.0s  connect     -     -  -\n");
	object = json_of(&rows[1]);
	check(object, "{\"state\":\"TIME-WAIT\",\"tw_left_ns\":41200000000}");
	object = json_of(&rows[2]);
	NULLS(object, "tw_left_ns");
	json_decref(object);
}

static void test_netns(void **state)
{
	struct pt_netns netns = { .inode = 4026531840, .has_range = true, .low = 32768, .high = 60999, .whole = true,
		.tcp_held = 10000, .tcp_time_wait = 4116, .tcp_free = 14116, .udp_held = 0, .udp_free = 28232 };

	(void)state;
	check_netns(&netns, "netns 4026531840: range 32768-60999; tcp 10000 held, 4116 in TIME-WAIT, 14116 free (50.0% taken); udp 0 held, 28232 free (0.0% taken)\n");
	netns.name = "bl\nue";
	netns.reserved = 3;
	netns.tcp_held = netns.tcp_time_wait = netns.tcp_free = PT_UNKNOWN;
	netns.udp_held = netns.udp_free = 0; /* all of them are reserved */
	check_netns(&netns, "netns 4026531840 (bl\\x0aue): range 32768-60999, 3 reserved; udp 0 held, 0 free (0.0% taken)\n");
	netns.udp_free = PT_UNKNOWN; /* a recording does not tell which are reserved */
	check_netns(&netns, "netns 4026531840 (bl\\x0aue): range 32768-60999, 3 reserved; udp 0 held\n");
	netns.has_range = false;
	check_netns(&netns, "netns 4026531840 (bl\\x0aue): its port range cannot be read\n");
}

static void test_netns_json(void **state)
{
	static const struct holders_context ctx = { .ts = TS };
	struct pt_netns netns = { .inode = 7, .name = "a\"b", .has_range = true, .low = 1, .high = 9, .tcp_held = 2,
		.tcp_free = 7, .udp_held = PT_UNKNOWN, .udp_free = PT_UNKNOWN };
	struct out out;
	json_t *object;

	(void)state;
	capture_begin(&out);
	holders_netns_json(&out, &ctx, &netns);
	object = load(capture_end(&out));
	NULLS(object, "netns_cookie", "udp_held", "udp_free");
	check(object, "{\"event\":\"range\",\"netns\":7,\"netns_name\":\"a\\\"b\",\"whole\":false,\"low\":1,\"high\":9,"
		"\"reserved\":0,\"tcp_held\":2,\"tcp_time_wait\":0,\"tcp_free\":7}");
	netns.has_range = false;
	netns.cookie = 3;
	capture_begin(&out);
	holders_netns_json(&out, &ctx, &netns);
	object = load(capture_end(&out));
	NULLS(object, "low", "high", "reserved", "tcp_held", "tcp_free", "tcp_time_wait");
	check(object, "{\"netns_cookie\":\"3\"}");
}

static void test_summary_json(void **state)
{
	static const struct holders_context ctx = { .ts = TS };
	struct holders_summary summary = { .sockets = 5, .shown = 2, .netns = 1, .netns_refused = 3, .tasks_unreadable = 4,
		.bound_idle_unseen = true, .unowned = 6, .processes_unreadable = 7 };
	struct out out;

	(void)state;
	capture_begin(&out);
	holders_summary_json(&out, &ctx, &summary);
	check(load(capture_end(&out)), "{\"event\":\"summary\",\"sockets\":5,\"shown\":2,\"netns\":1,\"netns_refused\":3,"
		"\"tasks_unreadable\":4,\"incomplete\":0,\"no_tcp_diag\":false,\"no_udp_diag\":false,"
		"\"bound_idle_unseen\":true,\"unowned\":6,\"procs_unreadable\":7,\"procs_hidden\":false}");
}

/* clang-format on */

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),	     cmocka_unit_test(test_no_rows),
		cmocka_unit_test(test_past),	     cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_color),	     cmocka_unit_test(test_many_rows),
		cmocka_unit_test(test_json),	     cmocka_unit_test(test_json_unknown),
		cmocka_unit_test(test_netns),	     cmocka_unit_test(test_netns_json),
		cmocka_unit_test(test_summary_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
