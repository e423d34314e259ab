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
#include "user/sink/reuse.h"

#define US 1000ULL
#define MS 1000000ULL
#define SECOND 1000000000ULL
/* 2026-11-21T14:02:00Z, where an event of ts 0 is */
#define BASE 1795269720000000000ULL

/* A line of output is a line here. */
/* clang-format off */

static const struct pt_owner envoy = { .known = true, .pid = 4242, .uid = 101, .start = 1, .comm = "envoy" };
static const struct pt_owner hostile = { .known = true, .pid = 7, .start = 3, .comm = "=\x1b[2J\n\"\\\xff" };
static const struct pt_owner unknown = { .known = false };

static struct pt_event event(enum pt_event_type type, const struct pt_owner *owner, __u16 port, __u64 ts)
{
	return (struct pt_event){
		.type = type,
		.ts = ts,
		.realtime_offset = BASE,
		.space = { .netns_cookie = 1, .netns = 4026531840, .proto = IPPROTO_TCP },
		.port = port,
		.rport = 443,
		.laddr = { [10] = 0xff, 0xff, 10, 0, 0, 5 },
		.raddr = { [10] = 0xff, 0xff, 10, 96, 4, 7 },
		.owner = *owner,
		.via = PT_VIA_CONNECT,
		.reuse_ns = PT_UNKNOWN,
		.prev_known = true,
		.prev_pid = 4242,
		.prev_comm = "envoy",
	};
}

static void tell(struct reuse *reuse, struct pt_event ev)
{
	assert_int_equal(reuse_event(reuse, &ev, true), 0);
}

static void tell_alloc(struct reuse *reuse, const struct pt_owner *owner, __u16 port, enum pt_reuse kind, __u64 reuse_ns)
{
	struct pt_event ev = event(PT_EV_ALLOC, owner, port, 5 * SECOND);

	ev.reuse = kind;
	ev.reuse_ns = kind == PT_REUSE_CLEAN ? reuse_ns : PT_UNKNOWN;
	tell(reuse, ev);
}

static void tell_udp(struct reuse *reuse, __u64 reuse_ns)
{
	struct pt_event ev = event(PT_EV_ALLOC, &unknown, 40000, 6 * SECOND);

	ev.space.proto = IPPROTO_UDP;
	ev.space.netns = 4026532117;
	ev.space.netns_cookie = 2;
	ev.rport = 0;
	ev.reuse = PT_REUSE_CLEAN;
	ev.reuse_ns = reuse_ns;
	tell(reuse, ev);
}

static struct reuse *reuse_by(enum keyed_by by)
{
	struct reuse *reuse = reuse_new(&(struct reuse_options){ .by = by, .until = ~0ULL });

	assert_non_null(reuse);
	reuse_set_span(reuse, BASE, BASE + 60 * SECOND);
	return reuse;
}

/* Every kind of allocation; a 4-tuple that comes again, and one after a loss. */
static struct reuse *scene(enum keyed_by by)
{
	struct reuse *reuse = reuse_by(by);

	tell(reuse, event(PT_EV_FREE, &envoy, 40002, 1 * SECOND));
	tell(reuse, (struct pt_event){ .type = PT_EV_LOST, .ts = 2 * SECOND, .realtime_offset = BASE, .lost_count = 9 });
	tell(reuse, event(PT_EV_FREE, &envoy, 40000, 4 * SECOND));
	tell_alloc(reuse, &envoy, 40000, PT_REUSE_CLEAN, 1 * SECOND);
	tell_alloc(reuse, &envoy, 40001, PT_REUSE_CLEAN, 1500 * MS);
	tell_alloc(reuse, &hostile, 40001, PT_REUSE_CLEAN, 300 * MS);
	tell_alloc(reuse, &envoy, 40001, PT_REUSE_TIME_WAIT, 0);
	tell_alloc(reuse, &envoy, 40001, PT_REUSE_SHARED, 0);
	tell_alloc(reuse, &hostile, 40003, PT_REUSE_FIRST, 0);
	tell_alloc(reuse, &envoy, 40002, PT_REUSE_UNKNOWN, 0);
	tell_udp(reuse, 1600 * MS);
	return reuse;
}

typedef int (*write_fn)(struct out *out, const struct reuse *reuse, size_t top);

/* reuse is freed. */
static char *written(write_fn write, struct reuse *reuse, size_t top)
{
	struct out out;

	capture_begin(&out);
	assert_int_equal(write(&out, reuse, top), 0);
	reuse_free(reuse);
	return capture_end(&out);
}

static void check(write_fn write, struct reuse *reuse, size_t top, const char *wanted)
{
	char *text = written(write, reuse, top);

	assert_string_equal(text, wanted);
	free(text);
}

#define HEAD \
	"2026-11-21 14:02:00 to 14:03:00 (60.0s): 8 allocations: 4 of a free port, 1 out of TIME_WAIT, 1 of a port that others held, 1 of a port not seen before, 1 not known (events are missing between).\n" \
	"Free ports were taken 2 times by the process that had them last, 1 time by another; 1 time by whom is not known.\n" \
	"Events lost in this span: 9; no time is told across them.\n" \
	"\n" \
	"From a port's becoming free to its next allocation: P50 973ms, P90 1.60s, P99 1.60s, LONGEST 1.60s.\n" \
	" FROM     TO  COUNT  DISTRIBUTION\n" \
	"268ms  537ms      1  |********************                    |\n" \
	"537ms  1.07s      1  |********************                    |\n" \
	"1.07s  2.15s      2  |****************************************|\n" \
	"\n"

#define LEGEND \
	"(CLEAN: of a free port, and how long it had been free: P50, P90, P99 (within 7 %), LONGEST;\n" \
	"SAME%: of these by the process that had it last; TW: out of TIME_WAIT; SHARED: others held it;\n" \
	"FIRST: not seen before; UNKNOWN: events are missing between)\n"

#define TUPLES \
	"\n" \
	"The same 4-tuple again, from its end: 1 time; P50 1.00s, P90 1.00s, P99 1.00s, LONGEST 1.00s; 1 more whose time is not known, since events are missing.\n" \
	" FROM     TO  COUNT  DISTRIBUTION\n" \
	"537ms  1.07s      1  |****************************************|\n"

static void test_text_by_proto(void **state)
{
	(void)state;
	check(reuse_write_text, scene(KEYED_BY_PROTO), 0,
	      HEAD
	      "PROTO  ALLOCS  CLEAN    P50    P90    P99  LONGEST  SAME%  TW  SHARED  FIRST  UNKNOWN\n"
	      "tcp         7      3  973ms  1.50s  1.50s    1.50s   66.7   1       1      1        1\n"
	      "udp         1      1  1.60s  1.60s  1.60s    1.60s      -   0       0      0        0\n"
	      LEGEND TUPLES);
}

static void test_text_by_netns(void **state)
{
	(void)state;
	check(reuse_write_text, scene(KEYED_BY_NETNS), 0,
	      HEAD
	      "     NETNS  ALLOCS  CLEAN    P50    P90    P99  LONGEST  SAME%  TW  SHARED  FIRST  UNKNOWN\n"
	      "4026531840       7      3  973ms  1.50s  1.50s    1.50s   66.7   1       1      1        1\n"
	      "4026532117       1      1  1.60s  1.60s  1.60s    1.60s      -   0       0      0        0\n"
	      LEGEND TUPLES);
}

static void test_text_by_process(void **state)
{
	(void)state;
	check(reuse_write_text, scene(KEYED_BY_PROCESS), 0,
	      HEAD
	      " PID  COMM                 ALLOCS  CLEAN    P50    P90    P99  LONGEST  SAME%  TW  SHARED  FIRST  UNKNOWN\n"
	      "4242  envoy                     5      2  1.00s  1.50s  1.50s    1.50s  100.0   1       1      0        1\n"
	      "   7  =\\x1b[2J\\x0a\"\\\\\\xff       2      1  300ms  300ms  300ms    300ms    0.0   0       0      1        0\n"
	      "   ?  ?                         1      1  1.60s  1.60s  1.60s    1.60s      -   0       0      0        0\n"
	      LEGEND TUPLES);
}

static void test_text_by_port(void **state)
{
	(void)state;
	check(reuse_write_text, scene(KEYED_BY_PORT), 3,
	      HEAD
	      "PROTO   PORT       NETNS  ALLOCS  CLEAN    P50    P90    P99  LONGEST  SAME%  TW  SHARED  FIRST  UNKNOWN\n"
	      "tcp    40001  4026531840       4      2  300ms  1.50s  1.50s    1.50s   50.0   1       1      0        0\n"
	      "tcp    40000  4026531840       1      1  1.00s  1.00s  1.00s    1.00s  100.0   0       0      0        0\n"
	      "tcp    40003  4026531840       1      0      -      -      -        -      -   0       0      1        0\n"
	      "... and 2 more\n"
	      LEGEND TUPLES);
}

static void test_text_of_nothing(void **state)
{
	(void)state;
	check(reuse_write_text, reuse_by(KEYED_BY_PROTO), 0, "2026-11-21 14:02:00 to 14:03:00 (60.0s): 0 allocations.\n");
}

/* Nothing was free before: no times, and none made up. */
static void test_text_without_times(void **state)
{
	struct reuse *reuse = reuse_by(KEYED_BY_PORT);

	(void)state;
	tell_alloc(reuse, &envoy, 40000, PT_REUSE_FIRST, 0);
	reuse->keyed.has_others = true;
	reuse->others.allocs = 1;
	reuse->others.kinds[PT_REUSE_SHARED] = 1;
	reuse->lost_unknown = true;
	check(reuse_write_text, reuse, 0,
	      "2026-11-21 14:02:00 to 14:03:00 (60.0s): 1 allocation: 1 of a port not seen before.\n"
	      "Events lost in this span: nobody knows how many; no time is told across them.\n"
	      "\n"
	      "PROTO   PORT  ALLOCS  CLEAN  P50  P90  P99  LONGEST  SAME%  TW  SHARED  FIRST  UNKNOWN\n"
	      "tcp    40000       1      0    -    -    -        -      -   0       0      1        0\n"
	      "Only 65536 have rows; all others: 1 allocation: 1 of a port that others held.\n"
	      LEGEND);
}

/* The ends of what there can be, and what is between has a row, too. */
static void test_text_of_the_range(void **state)
{
	struct reuse *reuse = reuse_by(KEYED_BY_PROTO);
	char *text;

	(void)state;
	tell_alloc(reuse, &envoy, 40000, PT_REUSE_CLEAN, 0);
	for (int i = 0; i < 100; i++)
		tell_alloc(reuse, &envoy, 40000, PT_REUSE_CLEAN, 5);
	tell_alloc(reuse, &envoy, 40000, PT_REUSE_CLEAN, 40 * US);
	reuse->tuple_unknown = 1;
	reuse->tuples.forgotten = 3;
	text = written(reuse_write_text, reuse, 0);
	assert_non_null(strstr(text, "\n"
	      "  FROM      TO  COUNT  DISTRIBUTION\n"
	      "   0ns     1ns      1  |*                                       |\n"
	      "   2ns     3ns      0  |                                        |\n"
	      "   4ns     7ns    100  |****************************************|\n"
	      "   8ns    15ns      0  |                                        |\n"));
	assert_non_null(strstr(text, "\n32.8us  65.5us      1  |*                                       |\n\n"));
	assert_non_null(strstr(text, "\nThe same 4-tuple again, from its end: 0 times; 1 more whose time is not known, since events are missing; of 3 the end was forgotten for want of room, so long times are missing.\n"));
	free(text);
}

#define NOTHING_YET "\"reuse_ns_p50\":null,\"reuse_ns_p90\":null,\"reuse_ns_p99\":null,\"reuse_ns_max\":null"

static void test_json(void **state)
{
	struct reuse *reuse = reuse_by(KEYED_BY_PORT);

	(void)state;
	tell(reuse, event(PT_EV_FREE, &envoy, 40000, 4 * SECOND));
	tell_alloc(reuse, &envoy, 40000, PT_REUSE_CLEAN, 3);
	tell_alloc(reuse, &hostile, 40000, PT_REUSE_CLEAN, 12);
	tell_alloc(reuse, &envoy, 40001, PT_REUSE_SHARED, 0);
	check(reuse_write_json, reuse, 1,
	      "{\"event\":\"reuse\",\"since\":\"2026-11-21T14:02:00.000000000Z\",\"until\":\"2026-11-21T14:03:00.000000000Z\",\"by\":\"port\",\"lost\":0,"
	      "\"all\":{\"allocs\":3,\"clean\":2,\"reuse_ns_p50\":3,\"reuse_ns_p90\":12,\"reuse_ns_p99\":12,\"reuse_ns_max\":12,"
	      "\"same_process\":1,\"another_process\":1,\"unknown_process\":0,\"same_process_share\":0.500,\"time_wait\":0,\"shared\":1,\"first\":0,\"unknown\":0,"
	      "\"buckets\":[{\"from_ns\":2,\"to_ns\":3,\"count\":1},{\"from_ns\":4,\"to_ns\":7,\"count\":0},{\"from_ns\":8,\"to_ns\":15,\"count\":1}]},"
	      "\"tuples\":{\"count\":1,\"unknown\":0,\"forgotten\":0,\"reuse_ns_p50\":1000000000,\"reuse_ns_p90\":1000000000,\"reuse_ns_p99\":1000000000,\"reuse_ns_max\":1000000000,"
	      "\"buckets\":[{\"from_ns\":536870912,\"to_ns\":1073741823,\"count\":1}]},"
	      "\"rows_total\":2,\"rows\":[{\"proto\":\"tcp\",\"port\":40000,\"netns\":4026531840,\"netns_cookie\":\"1\",\"vrf\":0,"
	      "\"allocs\":2,\"clean\":2,\"reuse_ns_p50\":3,\"reuse_ns_p90\":12,\"reuse_ns_p99\":12,\"reuse_ns_max\":12,"
	      "\"same_process\":1,\"another_process\":1,\"unknown_process\":0,\"same_process_share\":0.500,\"time_wait\":0,\"shared\":0,\"first\":0,\"unknown\":0,"
	      "\"buckets\":[{\"from_ns\":2,\"to_ns\":3,\"count\":1},{\"from_ns\":4,\"to_ns\":7,\"count\":0},{\"from_ns\":8,\"to_ns\":15,\"count\":1}]}],"
	      "\"others\":null}\n");
}

static void test_json_of_nothing(void **state)
{
	struct reuse *reuse = reuse_by(KEYED_BY_PROTO);

	(void)state;
	reuse->lost_unknown = true;
	reuse->keyed.has_others = true;
	check(reuse_write_json, reuse, 0,
	      "{\"event\":\"reuse\",\"since\":\"2026-11-21T14:02:00.000000000Z\",\"until\":\"2026-11-21T14:03:00.000000000Z\",\"by\":\"proto\",\"lost\":null,"
	      "\"all\":{\"allocs\":0,\"clean\":0," NOTHING_YET ",\"same_process\":0,\"another_process\":0,\"unknown_process\":0,\"same_process_share\":null,"
	      "\"time_wait\":0,\"shared\":0,\"first\":0,\"unknown\":0,\"buckets\":[]},"
	      "\"tuples\":{\"count\":0,\"unknown\":0,\"forgotten\":0," NOTHING_YET ",\"buckets\":[]},"
	      "\"rows_total\":0,\"rows\":[],\"others\":{\"allocs\":0,\"clean\":0," NOTHING_YET ",\"same_process\":0,\"another_process\":0,\"unknown_process\":0,\"same_process_share\":null,"
	      "\"time_wait\":0,\"shared\":0,\"first\":0,\"unknown\":0,\"buckets\":[]}}\n");
}

/* clang-format on */

/* Whatever names there are, it is JSON, and the buckets add up. */
static void test_json_parses(void **state)
{
	(void)state;
	for (int by = 0; by < KEYED_BYS; by++) {
		char *text = written(reuse_write_json, scene((enum keyed_by)by), 0);
		json_t *reuse = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *row, *bucket;
		json_int_t clean = 0, count = 0;
		size_t i, j;

		assert_non_null(reuse);
		json_array_foreach(json_object_get(reuse, "rows"), i, row)
		{
			clean += json_integer_value(json_object_get(row, "clean"));
			json_array_foreach(json_object_get(row, "buckets"), j, bucket) count +=
				json_integer_value(json_object_get(bucket, "count"));
		}
		assert_int_equal(clean, 4);
		assert_int_equal(count, 4);
		json_decref(reuse);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_by_proto),	  cmocka_unit_test(test_text_by_netns),
		cmocka_unit_test(test_text_by_process),	  cmocka_unit_test(test_text_by_port),
		cmocka_unit_test(test_text_of_nothing),	  cmocka_unit_test(test_text_without_times),
		cmocka_unit_test(test_text_of_the_range), cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_of_nothing),	  cmocka_unit_test(test_json_parses),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
