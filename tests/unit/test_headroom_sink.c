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
#include "user/sink/headroom.h"

#define SEC 1000000000ULL

static struct headroom_row row(__u16 rport)
{
	struct headroom_row row = {
		.figures = {
			.key = {
				.space = { .netns_cookie = 1, .netns = 4026531840, .proto = IPPROTO_TCP },
				.laddr = { [10] = 0xff, 0xff, 10, 0, 0, 5 },
				.raddr = { [10] = 0xff, 0xff, 10, 96, 4, 7 },
				.rport = rport,
			},
			.known = true,
			.usable = 90,
			.held = 30,
			.time_wait = 10,
			.blocked = 6,
			.left = 54,
			.used = 400,
			.empty_ns = PT_UNKNOWN,
		},
		.holders = {
			.top = { { .owner = { .known = true, .pid = 4242, .comm = "cu\nrl" },
				   .held = 20, .time_wait = 5 },
				 { .held = 7 },
				 { .owner = { .known = true, .pid = 911, .comm = "envoy" }, .held = 1 } },
			.count = 3,
			.processes = 8,
			.held = 36,
		},
	};

	if (!rport)
		memset(row.figures.key.laddr, 0, 32);
	return row;
}

static void check_table(const struct headroom_row *rows, size_t count, size_t top,
			const char *wanted)
{
	static const struct holders_context ctx = { .netns = true };
	struct out out;
	char *text;

	capture_begin(&out);
	headroom_table(&out, &ctx, rows, count, top);
	text = capture_end(&out);
	assert_string_equal(text, wanted);
	free(text);
}

static void test_table(void **state)
{
	struct headroom_row rows[3] = { row(443), row(0), row(80) };

	(void)state;
	rows[1].holders = (struct headroom_holders){ 0 };
	rows[2].figures.known = false;
	check_table(
		rows, 3, 0,
		"     NETNS  PROTO  SOURCE    DESTINATION    PORTS  HELD  TW  BLOCKED  UNSURE  "
		"LEFT  USED%  HOLDERS\n"
		"4026531840  tcp    10.0.0.5  10.96.4.7:443     90    30  10        6       0  "
		"  54   40.0  4242 cu\\x0arl (20, 25% in TIME-WAIT), unknown (7), 911 envoy (1) "
		"and 5 more\n"
		"4026531840  tcp    -         bind(0)           90    30  10        -       0  "
		"  54   40.0  -\n"
		"4026531840  tcp    10.0.0.5  10.96.4.7:80       ?     ?   ?        ?       ?  "
		"   ?      ?  4242 cu\\x0arl (20, 25% in TIME-WAIT), unknown (7), 911 envoy (1) "
		"and 5 more\n");
	check_table(rows, 0, 0, "");
}

static void test_top(void **state)
{
	struct headroom_row rows[3] = { row(443), row(80), row(81) };
	static const struct holders_context ctx = { 0 };
	struct out out;
	char *text;

	(void)state;
	capture_begin(&out);
	headroom_table(&out, &ctx, rows, 3, 1);
	text = capture_end(&out);
	assert_non_null(strstr(text, "\n... and 2 more destinations\n"));
	assert_null(strstr(text, ":80"));
	free(text);
}

static void test_json(void **state)
{
	struct headroom_row rows[2] = { row(443), row(0) };
	static const struct holders_context ctx = { .ts = 1795269731 * SEC };
	json_t *object, *wanted;
	struct out out;
	char *text;

	(void)state;
	rows[1].figures.known = false;
	rows[1].figures.key.space.proto = IPPROTO_UDP;
	capture_begin(&out);
	headroom_json(&out, &ctx, rows, 2, 0);
	text = capture_end(&out);
	object = json_loads(text, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, NULL);
	wanted = json_loads(
		"{\"ts\":\"2026-11-21T14:02:11.000000000Z\",\"event\":\"headroom\","
		"\"netns\":4026531840,\"netns_cookie\":\"1\",\"vrf\":0,\"proto\":\"tcp\","
		"\"laddr\":\"10.0.0.5\",\"raddr\":\"10.96.4.7\",\"rport\":443,"
		"\"usable\":90,\"held\":30,\"held_time_wait\":10,\"blocked\":6,"
		"\"unsure\":0,\"left\":54,\"used\":0.4,\"partial\":false,\"processes\":8,"
		"\"holders\":["
		"{\"pid\":4242,\"comm\":\"cu\\nrl\",\"held\":20,\"held_time_wait\":5},"
		"{\"pid\":null,\"comm\":null,\"held\":7,\"held_time_wait\":0},"
		"{\"pid\":911,\"comm\":\"envoy\",\"held\":1,\"held_time_wait\":0}]}",
		0, NULL);
	assert_non_null(wanted);
	if (!json_equal(object, wanted))
		fail_msg("%s", text);
	json_decref(object);
	object = json_loads(strchr(text, '\n') + 1, JSON_REJECT_DUPLICATES, NULL);
	assert_true(json_is_null(json_object_get(object, "left")));
	assert_true(json_is_null(json_object_get(object, "rport")));
	json_decref(object);
	json_decref(wanted);
	free(text);
}

static void test_sentences(void **state)
{
	struct headroom_row one = row(443);
	struct headroom_figures *figures = &one.figures;
	struct out out;
	char *text;

	(void)state;
	figures->partial = true;
	figures->changes[HEADROOM_10S] = (struct headroom_change){ 19, 9500000000 };
	figures->changes[HEADROOM_60S] = (struct headroom_change){ -3, 20 * SEC };
	figures->empty_ns = 27 * SEC;
	capture_begin(&out);
	headroom_put_who(&out, &figures->key);
	out_end_line(&out);
	headroom_put_use(&out, figures);
	out_end_line(&out);
	headroom_put_rates(&out, figures);
	out_end_line(&out);
	figures->partial = false;
	figures->left = figures->blocked = figures->time_wait = 0;
	headroom_put_use(&out, figures);
	out_end_line(&out);
	text = capture_end(&out);
	assert_string_equal(text,
			    "tcp 10.0.0.5 to 10.96.4.7:443\n"
			    "at least 36 of 90 ports used (10 in TIME-WAIT, 6 closed by bind), "
			    "at most 54 left\n"
			    "+2.0/s over 10.0s, -0.1/s over 20.0s, none left in 27.0s\n"
			    "30 of 90 ports used\n");
	free(text);
}

static void test_takers(void **state)
{
	const struct holders_context ctx = { .ts = 1795269731 * SEC };
	struct headroom_taker_row taker = { .space = { .netns = 5 } };
	struct out out;
	char *text;

	(void)state;
	capture_begin(&out);
	headroom_takers_text(&out, &taker);
	taker.holders = row(443).holders;
	headroom_takers_text(&out, &taker);
	headroom_takers_json(&out, &ctx, &taker);
	text = capture_end(&out);
	assert_non_null(strstr(text,
			       "bind(0) before connect takes 36 ports from everyone (netns 5): "
			       "4242 cu\\x0arl (20, 25% in TIME-WAIT), unknown (7), 911 envoy "
			       "(1) and 5 more; IP_BIND_ADDRESS_NO_PORT before bind lets connect "
			       "share them\n{"));
	assert_int_equal(strncmp(text, "bind(0)", 7), 0);
	assert_non_null(strstr(text, "\"event\":\"bind_before_connect\",\"netns\":5,\"held\":36"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),  cmocka_unit_test(test_top),
		cmocka_unit_test(test_json),   cmocka_unit_test(test_sentences),
		cmocka_unit_test(test_takers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
