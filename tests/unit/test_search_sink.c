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
#include "user/sink/search.h"

#define US 1000ULL
#define SECOND 1000000000ULL
/* 2026-11-21T14:02:00Z, where an event of ts 0 is */
#define BASE 1795269720000000000ULL

/* A line of output is a line here. */
/* clang-format off */

static struct pt_event event(enum pt_event_type type, enum pt_via via, __u16 port, __u64 search_ns)
{
	return (struct pt_event){
		.type = type,
		.ts = 5 * SECOND,
		.realtime_offset = BASE,
		.space = { .netns_cookie = 1, .netns = 4026531840, .proto = IPPROTO_TCP },
		.port = port,
		.rport = via == PT_VIA_CONNECT ? 443 : 0,
		.raddr = { [10] = 0xff, 0xff, 10, 96, 4, 7 },
		.owner = { .known = true, .pid = 4242, .uid = 101, .start = 1, .comm = "envoy" },
		.via = via,
		.search_ns = search_ns,
		.holders = 1,
	};
}

static void tell(struct search *search, struct pt_event ev)
{
	assert_int_equal(search_event(search, &ev, true), 0);
}

static struct search *search_by(enum keyed_by by)
{
	const struct fill_range range = { 1, 4026531840, 40000, 40003, .whole = true };
	struct search *search = search_new(&(struct search_options){ .by = by, .until = ~0ULL });

	assert_non_null(search);
	assert_int_equal(fill_set_range(search->fill, &range), 0);
	search_set_span(search, BASE, BASE + 60 * SECOND);
	return search;
}

/* Both halves, a bind, what is not known, two refusals; then a loss, and UDP. */
static struct search *scene(enum keyed_by by)
{
	struct search *search = search_by(by);
	struct pt_event udp = event(PT_EV_ALLOC, PT_VIA_AUTOBIND, 50000, 2 * US);

	tell(search, event(PT_EV_ALLOC, PT_VIA_CONNECT, 40000, 4 * US));
	tell(search, event(PT_EV_ALLOC, PT_VIA_CONNECT, 40002, 4 * US));
	tell(search, event(PT_EV_ALLOC, PT_VIA_CONNECT, 40001, 90 * US));
	tell(search, event(PT_EV_ALLOC, PT_VIA_BIND, 40003, PT_UNKNOWN));
	tell(search, event(PT_EV_FAIL, PT_VIA_CONNECT, 0, 200 * US));
	tell(search, event(PT_EV_FAIL, PT_VIA_CONNECT, 0, PT_UNKNOWN));
	tell(search, (struct pt_event){ .type = PT_EV_LOST, .ts = 5 * SECOND, .realtime_offset = BASE, .lost_count = 9 });
	udp.space.proto = IPPROTO_UDP;
	udp.space.netns = 4026532117;
	udp.space.netns_cookie = 2;
	udp.owner.known = false;
	tell(search, udp);
	return search;
}

typedef int (*write_fn)(struct out *out, const struct search *search, size_t top);

/* search is freed. */
static char *written(write_fn write, struct search *search, size_t top)
{
	struct out out;

	capture_begin(&out);
	assert_int_equal(write(&out, search, top), 0);
	search_free(search);
	return capture_end(&out);
}

static void check(write_fn write, struct search *search, size_t top, const char *wanted)
{
	char *text = written(write, search, top);

	assert_string_equal(text, wanted);
	free(text);
}

#define HEAD \
	"2026-11-21 14:02:00 to 14:03:00 (60.0s): 5 allocations, 2 refusals; of 2 the time is not known.\n" \
	"Found in the half of the range that the kernel tries first: 3; P50 4.00us, P90 4.00us, P99 4.00us, LONGEST 4.00us.\n" \
	"Found in the half that it tries last: 1; P50 90.0us, P90 90.0us, P99 90.0us, LONGEST 90.0us.\n" \
	"Found where there are no halves: 1; P50 2.00us, P90 2.00us, P99 2.00us, LONGEST 2.00us.\n" \
	"Events lost in this span: 9; searches are missing.\n" \
	"\n" \
	"Until a port was found: P50 3.97us, P90 90.0us, P99 90.0us, LONGEST 90.0us.\n" \
	"  FROM      TO  COUNT  DISTRIBUTION\n" \
	"1.02us  2.05us      1  |********************                    |\n" \
	"2.05us  4.10us      2  |****************************************|\n" \
	"4.10us  8.19us      0  |                                        |\n" \
	"8.19us  16.4us      0  |                                        |\n" \
	"16.4us  32.8us      0  |                                        |\n" \
	"32.8us  65.5us      0  |                                        |\n" \
	"65.5us   131us      1  |********************                    |\n" \
	"\n" \
	"Until it was refused: P50 200us, P90 200us, P99 200us, LONGEST 200us.\n" \
	" FROM     TO  COUNT  DISTRIBUTION\n" \
	"131us  262us      1  |****************************************|\n" \
	"\n"
#define LEGEND \
	"(how long the kernel searched: P50, P90, P99 (within 7 %), LONGEST, for a port and until it\n" \
	"refused; 2ND%: found in the half that it tries last; UNKNOWN: that time is not known)\n"

static void test_text_by_proto(void **state)
{
	(void)state;
	check(search_write_text, scene(KEYED_BY_PROTO), 0,
	      HEAD
	      "PROTO  ALLOCS     P50     P90     P99  LONGEST  2ND%  REFUSED    P50    P99  LONGEST  UNKNOWN\n"
	      "tcp         4  4.00us  90.0us  90.0us   90.0us  25.0        2  200us  200us    200us        2\n"
	      "udp         1  2.00us  2.00us  2.00us   2.00us     -        0      -      -        -        0\n"
	      LEGEND);
}

static void test_text_by_remote(void **state)
{
	(void)state;
	check(search_write_text, scene(KEYED_BY_REMOTE), 1,
	      HEAD
	      "REMOTE         ALLOCS     P50     P90     P99  LONGEST  2ND%  REFUSED    P50    P99  LONGEST  UNKNOWN\n"
	      "10.96.4.7:443       3  4.00us  90.0us  90.0us   90.0us  33.3        2  200us  200us    200us        1\n"
	      "... and 1 more\n"
	      LEGEND);
}

static void test_text_by_fill(void **state)
{
	(void)state;
	check(search_write_text, scene(KEYED_BY_FILL), 0,
	      HEAD
	      "FULL%   ALLOCS     P50     P90     P99  LONGEST  2ND%  REFUSED    P50    P99  LONGEST  UNKNOWN\n"
	      "0-49         2  4.00us  4.00us  4.00us   4.00us   0.0        0      -      -        -        0\n"
	      "50-79        2  90.0us  90.0us  90.0us   90.0us  50.0        0      -      -        -        1\n"
	      "99-100       0       -       -       -        -     -        2  200us  200us    200us        1\n"
	      "?            1  2.00us  2.00us  2.00us   2.00us     -        0      -      -        -        0\n"
	      "(how long the kernel searched: P50, P90, P99 (within 7 %), LONGEST, for a port and until it\n"
	      "refused; 2ND%: found in the half that it tries last; UNKNOWN: that time is not known;\n"
	      "FULL%: held of the range, as the search met it)\n");
}

static void test_text_of_nothing(void **state)
{
	(void)state;
	check(search_write_text, search_by(KEYED_BY_PROTO), 0,
	      "2026-11-21 14:02:00 to 14:03:00 (60.0s): 0 allocations, 0 refusals.\n");
}

static void test_text_of_others(void **state)
{
	struct search *search = search_by(KEYED_BY_PROCESS);

	(void)state;
	tell(search, event(PT_EV_FAIL, PT_VIA_CONNECT, 0, PT_UNKNOWN));
	search->keyed.has_others = true;
	search->others.allocs = 1;
	search->lost_unknown = true;
	check(search_write_text, search, 0,
	      "2026-11-21 14:02:00 to 14:03:00 (60.0s): 0 allocations, 1 refusal; of 1 the time is not known.\n"
	      "Events lost in this span: nobody knows how many; searches are missing.\n"
	      "\n"
	      " PID  COMM   ALLOCS  P50  P90  P99  LONGEST  2ND%  REFUSED  P50  P99  LONGEST  UNKNOWN\n"
	      "4242  envoy       0    -    -    -        -     -        1    -    -        -        1\n"
	      "Only 65536 have rows; all others: 1 allocation, 0 refusals; of 1 the time is not known.\n"
	      LEGEND);
}

static void test_json(void **state)
{
	struct search *search = search_by(KEYED_BY_REMOTE);

	(void)state;
	tell(search, event(PT_EV_ALLOC, PT_VIA_CONNECT, 40000, 3));
	tell(search, event(PT_EV_ALLOC, PT_VIA_CONNECT, 40001, 9));
	tell(search, event(PT_EV_FAIL, PT_VIA_CONNECT, 0, 17));
	tell(search, event(PT_EV_ALLOC, PT_VIA_BIND, 40003, PT_UNKNOWN));
	check(search_write_json, search, 1,
	      "{\"event\":\"search\",\"since\":\"2026-11-21T14:02:00.000000000Z\",\"until\":\"2026-11-21T14:03:00.000000000Z\",\"by\":\"remote\",\"lost\":0"
	      ",\"all\":{\"allocs\":3,\"search_ns_p50\":3,\"search_ns_p90\":9,\"search_ns_p99\":9,\"search_ns_max\":9,\"unknown\":1,\"first_half\":2,\"second_half\":1,\"second_half_share\":0.333,\"fails\":1,\"fail_search_ns_p50\":17,\"fail_search_ns_p90\":17,\"fail_search_ns_p99\":17,\"fail_search_ns_max\":17,\"fail_unknown\":0"
	      ",\"buckets\":[{\"from_ns\":2,\"to_ns\":3,\"count\":1},{\"from_ns\":4,\"to_ns\":7,\"count\":0},{\"from_ns\":8,\"to_ns\":15,\"count\":1}],\"fail_buckets\":[{\"from_ns\":16,\"to_ns\":31,\"count\":1}]},"
	      "\"halves\":{\"first\":{\"allocs\":2,\"search_ns_p50\":3,\"search_ns_p90\":3,\"search_ns_p99\":3,\"search_ns_max\":3"
	      ",\"buckets\":[{\"from_ns\":2,\"to_ns\":3,\"count\":1}]},"
	      "\"second\":{\"allocs\":1,\"search_ns_p50\":9,\"search_ns_p90\":9,\"search_ns_p99\":9,\"search_ns_max\":9"
	      ",\"buckets\":[{\"from_ns\":8,\"to_ns\":15,\"count\":1}]},"
	      "\"none\":{\"allocs\":0,\"search_ns_p50\":null,\"search_ns_p90\":null,\"search_ns_p99\":null,\"search_ns_max\":null,\"buckets\":[]},"
	      "\"unknown\":{\"allocs\":0,\"search_ns_p50\":null,\"search_ns_p90\":null,\"search_ns_p99\":null,\"search_ns_max\":null,\"buckets\":[]}},"
	      "\"rows_total\":2,\"rows\":[{\"raddr\":\"10.96.4.7\",\"rport\":443,\"allocs\":2,\"search_ns_p50\":3,\"search_ns_p90\":9,\"search_ns_p99\":9,\"search_ns_max\":9,\"unknown\":0,\"first_half\":1,\"second_half\":1,\"second_half_share\":0.500,\"fails\":1,\"fail_search_ns_p50\":17,\"fail_search_ns_p90\":17,\"fail_search_ns_p99\":17,\"fail_search_ns_max\":17,\"fail_unknown\":0"
	      ",\"buckets\":[{\"from_ns\":2,\"to_ns\":3,\"count\":1},{\"from_ns\":4,\"to_ns\":7,\"count\":0},{\"from_ns\":8,\"to_ns\":15,\"count\":1}],\"fail_buckets\":[{\"from_ns\":16,\"to_ns\":31,\"count\":1}]}],"
	      "\"others\":null}\n");
}

static void test_json_of_nothing(void **state)
{
	struct search *search = search_by(KEYED_BY_FILL);

	(void)state;
	search->lost_unknown = true;
	search->keyed.has_others = true;
	check(search_write_json, search, 0,
	      "{\"event\":\"search\",\"since\":\"2026-11-21T14:02:00.000000000Z\",\"until\":\"2026-11-21T14:03:00.000000000Z\",\"by\":\"fill\",\"lost\":null"
	      ",\"all\":{\"allocs\":0,\"search_ns_p50\":null,\"search_ns_p90\":null,\"search_ns_p99\":null,\"search_ns_max\":null,\"unknown\":0,\"first_half\":0,\"second_half\":0,\"second_half_share\":null,\"fails\":0,\"fail_search_ns_p50\":null,\"fail_search_ns_p90\":null,\"fail_search_ns_p99\":null,\"fail_search_ns_max\":null,\"fail_unknown\":0,\"buckets\":[],\"fail_buckets\":[]},"
	      "\"halves\":{\"first\":{\"allocs\":0,\"search_ns_p50\":null,\"search_ns_p90\":null,\"search_ns_p99\":null,\"search_ns_max\":null,\"buckets\":[]},"
	      "\"second\":{\"allocs\":0,\"search_ns_p50\":null,\"search_ns_p90\":null,\"search_ns_p99\":null,\"search_ns_max\":null,\"buckets\":[]},"
	      "\"none\":{\"allocs\":0,\"search_ns_p50\":null,\"search_ns_p90\":null,\"search_ns_p99\":null,\"search_ns_max\":null,\"buckets\":[]},"
	      "\"unknown\":{\"allocs\":0,\"search_ns_p50\":null,\"search_ns_p90\":null,\"search_ns_p99\":null,\"search_ns_max\":null,\"buckets\":[]}},"
	      "\"rows_total\":0,\"rows\":[],"
	      "\"others\":{\"allocs\":0,\"search_ns_p50\":null,\"search_ns_p90\":null,\"search_ns_p99\":null,\"search_ns_max\":null,\"unknown\":0,\"first_half\":0,\"second_half\":0,\"second_half_share\":null,\"fails\":0,\"fail_search_ns_p50\":null,\"fail_search_ns_p90\":null,\"fail_search_ns_p99\":null,\"fail_search_ns_max\":null,\"fail_unknown\":0,\"buckets\":[],\"fail_buckets\":[]}}\n");
}

/* clang-format on */

static json_int_t sum_of(json_t *buckets)
{
	json_int_t sum = 0;
	json_t *bucket;
	size_t i;

	json_array_foreach(buckets, i, bucket) sum +=
		json_integer_value(json_object_get(bucket, "count"));
	return sum;
}

/* By whatever, it is JSON, and the buckets add up. */
static void test_json_parses(void **state)
{
	(void)state;
	for (int by = 0; by < KEYED_BYS; by++) {
		char *text = written(search_write_json, scene((enum keyed_by)by), 0);
		json_t *search = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *row;
		json_int_t found = 0, refused = 0, halves = 0;
		const char *half;
		size_t i;

		assert_non_null(search);
		json_array_foreach(json_object_get(search, "rows"), i, row)
		{
			found += sum_of(json_object_get(row, "buckets"));
			refused += sum_of(json_object_get(row, "fail_buckets"));
		}
		json_object_foreach(json_object_get(search, "halves"), half, row) halves +=
			sum_of(json_object_get(row, "buckets"));
		assert_int_equal(found, 4);
		assert_int_equal(refused, 1);
		assert_int_equal(halves, 4);
		json_decref(search);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_by_proto),	cmocka_unit_test(test_text_by_remote),
		cmocka_unit_test(test_text_by_fill),	cmocka_unit_test(test_text_of_nothing),
		cmocka_unit_test(test_text_of_others),	cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_of_nothing), cmocka_unit_test(test_json_parses),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
