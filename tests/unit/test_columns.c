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
#include <sys/socket.h>

#include "tests/unit/capture.h"
#include "tests/unit/full_disk.h"
#include "tests/unit/curl.h"
#include "tests/unit/consumer.h"
#include "user/sink/columns.h"
#include "user/sink/json_field.h"
#include "user/sink/memo.h"
#include "user/sink/sink.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *path_of(void *data, __u64 id)
{
	assert_int_equal(id, 77);
	return data;
}

static struct sink_context context(void)
{
	return (struct sink_context){ .cgroup_path = path_of,
				      .cgroup_data = "/user.slice/user-1000.slice" };
}

static struct pt_event event_of(enum pt_event_type type)
{
	return curl_event(type, 104233001);
}

#define COMMON(event)                                                                              \
	"{\"ts\":\"2026-11-21T14:02:11.104233001Z\",\"event\":\"" event "\",\"proto\":\"tcp\","    \
	"\"family\":\"ipv4\",\"port\":60609,\"laddr\":\"10.0.0.5\",\"raddr\":\"10.96.4.7\","       \
	"\"rport\":443,\"pid\":4242,\"tid\":4243,\"comm\":\"curl\",\"thread\":\"resolver\","       \
	"\"kernel\":false,\"uid\":1000,\"cgroup\":\"/user.slice/user-1000.slice\","                \
	"\"netns\":4026531840,\"netns_cookie\":\"1\",\"cookie\":\"18446744073709551614\","         \
	"\"vrf\":0,"

static char *json_of(const struct pt_event *ev, const struct sink_context *ctx)
{
	struct sink *sink;
	struct out out;

	capture_begin(&out);
	assert_int_equal(sink_json_new(&out, ctx, &sink), 0);
	assert_int_equal(sink_event(sink, ev), 0);
	assert_int_equal(sink_end(sink), 0);
	return capture_end(&out);
}

static void check_json(const struct pt_event *ev, const char *wanted)
{
	const struct sink_context ctx = context();
	char *text = json_of(ev, &ctx);

	assert_string_equal(text, wanted);
	free(text);
}

/* "key":value is in the line of ev. */
static void check_field(const struct pt_event *ev, const char *field)
{
	const struct sink_context ctx = context();
	char *text = json_of(ev, &ctx);

	if (!strstr(text, field))
		fail_msg("%s is not in %s", field, text);
	free(text);
}

/* Lines of JSON, broken where they are best to read. */
/* clang-format off */

static void test_alloc(void **state)
{
	struct pt_event ev = event_of(PT_EV_ALLOC);

	(void)state;
	ev.search_ns = 1834;
	ev.holders = 1;
	ev.reuse = PT_REUSE_CLEAN;
	ev.reuse_ns = 3840112345;
	ev.prev_known = true;
	ev.prev_pid = 911;
	strcpy(ev.prev_comm, "coredns");
	check_json(&ev, COMMON("alloc")
		   "\"via\":\"connect\",\"ephemeral\":true,\"search_ns\":1834,\"holders\":1,"
		   "\"reuse\":\"clean\",\"reuse_ns\":3840112345,\"prev_pid\":911,"
		   "\"prev_comm\":\"coredns\"}\n");
}

static void test_alloc_of_which_little_is_known(void **state)
{
	struct pt_event ev = event_of(PT_EV_ALLOC);
	struct sink_context ctx = context();
	char *text;

	(void)state;
	ev.space = (struct pt_space){ .proto = IPPROTO_UDP };
	ev.family = AF_INET6;
	memset(ev.laddr, 0, 16);
	ev.rport = 0;
	ev.sock = 0;
	ev.owner.known = false;
	ev.via = PT_VIA_UNKNOWN;
	/* What is not valid does not show. */
	ev.prev_pid = 911;
	ev.reuse_ns = 5;
	ctx.cgroup_path = NULL;
	text = json_of(&ev, &ctx);
	assert_string_equal(
		text,
		"{\"ts\":\"2026-11-21T14:02:11.104233001Z\",\"event\":\"alloc\",\"proto\":\"udp\","
		"\"family\":\"ipv6\",\"port\":60609,\"laddr\":\"::\",\"raddr\":null,\"rport\":null,"
		"\"pid\":null,\"tid\":null,\"comm\":null,\"thread\":null,\"kernel\":null,"
		"\"uid\":null,\"cgroup\":null,\"netns\":null,\"netns_cookie\":null,\"cookie\":null,"
		"\"vrf\":null,\"via\":null,\"ephemeral\":null,\"search_ns\":null,\"holders\":null,"
		"\"reuse\":null,\"reuse_ns\":null,\"prev_pid\":null,\"prev_comm\":null}\n");
	free(text);
}

static void test_fail_with_blockers(void **state)
{
	struct pt_event ev = event_of(PT_EV_FAIL);
	struct pt_blocker blockers[2];

	(void)state;
	ev.via = PT_VIA_FIXED;
	ev.error = EADDRINUSE;
	ev.search_ns = 200;
	ev.blockers = blockers;
	ev.blockers_count = 2;
	ev.blockers_total = 12;
	blockers[0] = (struct pt_blocker){
		.owner = { .known = true, .pid = 911, .comm = "nginx" }, .age_ns = 7000,
		.tw_left_ns = PT_UNKNOWN, .count = 1,
	};
	blockers[1] = (struct pt_blocker){ .laddr = { [10] = 0xff, 0xff, 10, 0, 0, 5 },
					      .raddr = { [10] = 0xff, 0xff, 10, 96, 4, 7 },
					      .rport = 443,
					      .time_wait = true,
					      .age_ns = PT_UNKNOWN,
					      .tw_left_ns = 41200000000,
					      .count = 1 };
	check_json(&ev, COMMON("fail")
		   "\"via\":\"fixed\",\"search_ns\":200,\"errno\":\"EADDRINUSE\",\"blockers\":["
		   "{\"pid\":911,\"comm\":\"nginx\",\"laddr\":\"::\",\"raddr\":null,\"rport\":null,"
		   "\"state\":\"open\",\"age_ns\":7000,\"tw_left_ns\":null,\"count\":1},"
		   "{\"pid\":null,\"comm\":null,\"laddr\":\"10.0.0.5\",\"raddr\":\"10.96.4.7\","
		   "\"rport\":443,\"state\":\"TIME-WAIT\",\"age_ns\":null,\"tw_left_ns\":41200000000,"
		   "\"count\":1}],\"blockers_total\":12}\n");
	/* What one process holds of many: no addresses, and a state if it is one. */
	blockers[0].sums_up = true;
	blockers[0].differs = true;
	blockers[0].tw_left_ns = 1000;
	blockers[0].count = 1993;
	ev.blockers_count = 1;
	ev.blockers_total = 2000;
	check_field(&ev, ",\"blockers\":[{\"pid\":911,\"comm\":\"nginx\",\"laddr\":null,\"raddr\":null,"
			 "\"rport\":null,\"state\":null,\"age_ns\":7000,\"tw_left_ns\":1000,"
			 "\"count\":1993}],\"blockers_total\":2000}");
}

static void test_fail_without(void **state)
{
	struct pt_event ev = event_of(PT_EV_FAIL);

	(void)state;
	check_json(&ev, COMMON("fail") "\"via\":\"connect\",\"search_ns\":null,\"errno\":null,"
				       "\"blockers\":null,\"blockers_total\":null}\n");
	ev.blockers_total = 0;
	check_field(&ev, ",\"blockers\":[],\"blockers_total\":0}");
	ev.error = EADDRNOTAVAIL;
	ev.port = 0;
	check_field(&ev, ",\"errno\":\"EADDRNOTAVAIL\",");
	check_field(&ev, ",\"port\":0,");
	/* The same number as EWOULDBLOCK; and one that has no name. */
	ev.error = EAGAIN;
	check_field(&ev, ",\"errno\":\"EAGAIN\",");
	ev.error = 524;
	check_field(&ev, ",\"errno\":\"524\",");
}

static void test_time_wait(void **state)
{
	struct pt_event ev = event_of(PT_EV_TIME_WAIT);

	(void)state;
	ev.open_ns = 47557000;
	check_json(&ev, COMMON("time_wait") "\"open_ns\":47557000,\"tcp_state\":\"TIME-WAIT\"}\n");
	ev.fin_wait2 = true;
	ev.open_ns = PT_UNKNOWN;
	check_json(&ev, COMMON("time_wait") "\"open_ns\":null,\"tcp_state\":\"FIN-WAIT-2\"}\n");
}

static void test_freed(void **state)
{
	struct pt_event ev = event_of(PT_EV_FREE);

	(void)state;
	ev.holders = 0;
	ev.open_ns = 47557000;
	ev.held_ns = 60055769000;
	ev.end = PT_END_EXPIRED;
	check_json(&ev, COMMON("free") "\"holders\":0,\"open_ns\":47557000,\"end\":\"expired\","
				       "\"held_ns\":60055769000}\n");
	ev = event_of(PT_EV_FREE);
	check_json(&ev, COMMON("free") "\"holders\":null,\"open_ns\":null,\"end\":null,"
				       "\"held_ns\":null}\n");
	ev.end = PT_END_UNKNOWN;
	check_field(&ev, ",\"end\":\"unknown\",");
}

static void test_lost(void **state)
{
	struct pt_event ev = { .type = PT_EV_LOST, .ts = BOOT + 2,
			       .realtime_offset = REALTIME_OFFSET, .lost_count = 12,
			       .lost_from = BOOT, .lost_to = BOOT + 1 };

	(void)state;
	check_json(&ev, "{\"ts\":\"2026-11-21T14:02:11.000000002Z\",\"event\":\"lost\",\"count\":12,"
			"\"from\":\"2026-11-21T14:02:11.000000000Z\","
			"\"to\":\"2026-11-21T14:02:11.000000001Z\"}\n");
	ev.lost_from = 0;
	check_field(&ev, ",\"from\":null,\"to\":\"2026");
}

/* clang-format on */

static void test_addresses(void **state)
{
	struct pt_event ev = event_of(PT_EV_ALLOC);

	(void)state;
	/* v4-mapped on an IPv6 socket. */
	ev.family = AF_INET6;
	check_field(&ev, ",\"family\":\"ipv6\",\"port\":60609,\"laddr\":\"10.0.0.5\",");
	memcpy(ev.raddr, (__u8[16]){ 0x20, 1, 0x0d, 0xb8, [15] = 1 }, 16);
	check_field(&ev, ",\"raddr\":\"2001:db8::1\",\"rport\":443,");
	/* Any address, as both families have it. */
	memset(ev.laddr, 0, 16);
	check_field(&ev, ",\"laddr\":\"::\",");
	ev.family = AF_INET;
	check_field(&ev, ",\"laddr\":\"0.0.0.0\",");
	ev.laddr[10] = ev.laddr[11] = 0xff;
	check_field(&ev, ",\"laddr\":\"0.0.0.0\",");
	memset(ev.laddr, 0xff, 16);
	ev.family = AF_INET6;
	check_field(&ev, ",\"laddr\":\"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff\",");
}

static void test_ephemeral(void **state)
{
	struct pt_event ev = event_of(PT_EV_ALLOC);

	(void)state;
	ev.via = PT_VIA_FIXED;
	check_field(&ev, ",\"via\":\"fixed\",\"ephemeral\":false,");
	ev.via = PT_VIA_SNAPSHOT;
	check_field(&ev, ",\"via\":\"snapshot\",\"ephemeral\":null,");
}

static void test_vrf(void **state)
{
	struct pt_event ev = event_of(PT_EV_ALLOC);

	(void)state;
	check_field(&ev, ",\"vrf\":0,");
	ev.space.vrf = 7;
	check_field(&ev, ",\"vrf\":7,");
	ev.space.vrf = PT_VRF_UNKNOWN;
	check_field(&ev, ",\"vrf\":null,");
	ev.space = (struct pt_space){ .proto = IPPROTO_UDP, .vrf = 7 };
	check_field(&ev, ",\"vrf\":null,");
}

/* Text from programs: into JSON and out again without a byte that acts. */
static void test_hostile_names(void **state)
{
	struct pt_event ev = event_of(PT_EV_ALLOC);
	struct sink_context ctx = context();
	char *text;

	(void)state;
	ctx.cgroup_data = "/a\"b\\\n\x1b[2J\xff";
	memcpy(ev.owner.comm, "\",\"pid\":1,\"x\":\"", 16);
	memcpy(ev.owner.thread,
	       "\x9b"
	       "31m\xe2\x80\xae",
	       8);
	ev.prev_known = true;
	memset(ev.prev_comm, 1, PT_COMM_LEN - 1);
	text = json_of(&ev, &ctx);
	assert_non_null(strstr(text, ",\"comm\":\"\\\",\\\"pid\\\":1,\\\"x\\\":\\\"\","));
	assert_non_null(strstr(text, ",\"thread\":\"\\\\x9b31m\\u202e\","));
	assert_non_null(strstr(text, ",\"cgroup\":\"/a\\\"b\\\\\\n\\u001b[2J\\\\xff\","));
	assert_non_null(strstr(text, ",\"prev_comm\":\"\\u0001\\u0001"));
	for (const char *p = text; p[1]; p++)
		assert_true((unsigned char)*p >= 0x20 && (unsigned char)*p < 0x7f);
	free(text);
}

/* The same names, and every kind of event, as jq reads them. */
static void test_jq_reads_it(void **state)
{
	struct sink_context ctx = context();
	struct pt_blocker blocker = { .age_ns = 5 };
	struct sink *sink;
	struct out out;
	char dir[32], *text;

	(void)state;
	consumer_dir(dir);
	ctx.cgroup_data = "/a\"b\\\n\x1b[2J\xff,\xc3\xa9";
	assert_int_equal(out_open(&out, "events.jsonl"), 0);
	assert_int_equal(sink_json_new(&out, &ctx, &sink), 0);
	for (unsigned int type = 0; type < PT_EV_TYPES; type++) {
		struct pt_event ev = event_of(type);

		memcpy(ev.owner.comm, "\",\"pid\":1,\"x\":\"", 16);
		ev.blockers = &blocker;
		ev.blockers_count = 1;
		ev.realtime_offset = REALTIME_OFFSET;
		assert_int_equal(sink_event(sink, &ev), 0);
	}
	assert_int_equal(sink_end(sink), 0);
	assert_int_equal(out_close(&out), 0);
	consumer_check("jq -r .event events.jsonl", "alloc\nfail\ntime_wait\nfree\nlost\n");
	consumer_check("jq -c 'select(.event == \"alloc\") | [.comm, .pid, .cookie]' events.jsonl",
		       "[\"\\\",\\\"pid\\\":1,\\\"x\\\":\\\"\",4242,\"18446744073709551614\"]\n");
	consumer_check("jq -c 'select(.event == \"fail\") | .blockers[0].age_ns' events.jsonl",
		       "5\n");
	text = consumer_run("jq -r 'select(.event == \"free\").cgroup' events.jsonl");
	assert_string_equal(text, "/a\"b\\\n\x1b[2J\\xff,\xc3\xa9\n");
	free(text);
	consumer_clean(dir);
}

static void test_cgroup_unknown(void **state)
{
	struct pt_event ev = event_of(PT_EV_ALLOC);
	struct sink_context ctx = context();
	char *text;

	(void)state;
	ctx.cgroup_data = NULL;
	text = json_of(&ev, &ctx);
	assert_non_null(strstr(text, ",\"cgroup\":null,"));
	free(text);
	/* Nobody is asked about a cgroup that is not known. */
	ev.owner.cgroup = 0;
	check_field(&ev, ",\"cgroup\":null,");
}

/* An object a line, whatever its length, and none after an error. */
static void test_lines(void **state)
{
	struct pt_event ev = event_of(PT_EV_ALLOC);
	struct sink_context ctx = context();
	static char path[5000];
	struct sink *sink;
	struct out out;
	size_t lines = 0;
	char *text;

	(void)state;
	memset(path, 2, sizeof(path) - 1);
	ctx.cgroup_data = path;
	capture_begin(&out);
	assert_int_equal(sink_json_new(&out, &ctx, &sink), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(sink_event(sink, &ev), 0);
		assert_false(out_cut(&out));
	}
	assert_int_equal(sink_end(sink), 0);
	text = capture_end(&out);
	for (char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 100);
	free(text);
}

static void test_error_reaches_the_caller(void **state)
{
	const struct pt_event ev = event_of(PT_EV_FREE);
	const struct sink_context ctx = context();

	(void)state;
	check_full_disk(sink_json_new, &ctx, &ev);
	assert_int_equal(sink_end(NULL), 0);
}

static void test_words_are_short(void **state)
{
	struct pt_event ev = event_of(PT_EV_FAIL);
	const struct sink_context ctx = context();
	union column_value value;

	(void)state;
	for (ev.error = 1; ev.error < 4096; ev.error++) {
		assert_int_equal(column_of_key("errno")->get(&ctx, &ev, &value), COLUMN_KNOWN);
		assert_true(strlen(value.text) <= COLUMN_WORD_MAX);
	}
}

/* An object without what is long, and with every text kept, is written in one go. */
static void test_objects_have_room(void **state)
{
	(void)state;
	for (unsigned int type = 0; type < PT_EV_TYPES; type++) {
		enum column_of last = COLUMN_OF_EVENT;
		size_t len = sizeof("}");

		for (unsigned int i = 0; i < columns_count; i++) {
			if (!columns[i].key || !(columns[i].events >> type & 1))
				continue;
			if (columns[i].of == COLUMN_OF_EVENT)
				len += JSON_FIELD_MAX;
			else if (columns[i].of != last)
				len += MEMO_TEXT_MAX;
			last = columns[i].of;
		}
		assert_true(len <= OUT_RESERVE_MAX);
	}
}

/* What the sinks take for granted of the table. */
static void test_table_is_sound(void **state)
{
	(void)state;
	assert_true(columns_count <= COLUMNS_MAX);
	for (unsigned int i = 0; i < columns_count; i++) {
		const struct column *column = &columns[i];

		assert_true(column->key || column->title);
		assert_non_null(column->get);
		assert_true(column->events && column->events < 1U << PT_EV_TYPES);
		if (column->key) {
			assert_true(strlen(column->key) + strlen(",\"\":") < COLUMN_KEY_MAX);
			assert_true(column->type != COLUMN_ENDPOINT &&
				    column->type != COLUMN_OWNER);
		}
		for (unsigned int j = 0; column->key && j < i; j++)
			assert_true(!columns[j].key || strcmp(columns[j].key, column->key));
		if (!column->title)
			continue;
		assert_true(strlen(column->title) <= column->width);
		assert_true(column->width <= column->max_width);
		assert_true(column->type != COLUMN_ID && column->type != COLUMN_BOOL &&
			    column->type != COLUMN_TEXT && column->type != COLUMN_ADDR &&
			    column->type != COLUMN_BLOCKERS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alloc),
		cmocka_unit_test(test_alloc_of_which_little_is_known),
		cmocka_unit_test(test_fail_with_blockers),
		cmocka_unit_test(test_fail_without),
		cmocka_unit_test(test_time_wait),
		cmocka_unit_test(test_freed),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_ephemeral),
		cmocka_unit_test(test_vrf),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_jq_reads_it),
		cmocka_unit_test(test_cgroup_unknown),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_error_reaches_the_caller),
		cmocka_unit_test(test_words_are_short),
		cmocka_unit_test(test_objects_have_room),
		cmocka_unit_test(test_table_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
