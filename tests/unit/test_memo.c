// SPDX-License-Identifier: BSD-2-Clause
/* Texts that are kept: a sink that has seen much writes what one that has seen nothing writes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/synthetic.h"
#include "tests/unit/capture.h"
#include "tests/unit/curl.h"
#include "user/sink/memo.h"

typedef int (*sink_make)(struct out *out, const struct sink_context *ctx, struct sink **sink);

static const sink_make makes[] = { sink_json_new, sink_table_new };

#define MAKES (sizeof(makes) / sizeof(makes[0]))

/* data: from when on cgroup 77 is known; odd ones always are. */
static const char *path_of(void *data, __u64 id)
{
	static char path[32];

	if (id == 77 && !*(bool *)data)
		return NULL;
	snprintf(path, sizeof(path), "/slice/%llu", id);
	return id == 77 || id % 2 ? path : NULL;
}

struct both {
	struct sink *sink;
	struct out out;
	struct sink_context ctx;
	sink_make make;
	bool known;
};

/* Makes every column of a table as wide as it gets. */
static void widen(struct sink *sink)
{
	struct pt_event ev = curl_event(PT_EV_FAIL, 1);

	memset(ev.laddr, 0xff, 16);
	memset(ev.raddr, 0xff, 16);
	ev.family = AF_INET6;
	ev.owner.pid = 1234567;
	memset(ev.owner.comm, 'x', 15);
	ev.error = EADDRNOTAVAIL;
	assert_int_equal(sink_event(sink, &ev), 0);
	ev.type = PT_EV_FREE;
	ev.held_ns = 10000000;
	assert_int_equal(sink_event(sink, &ev), 0);
}

/* A sink whose lines do not depend on those before. */
static struct sink *steady_sink(const struct both *both, struct out *out)
{
	struct sink *sink;

	assert_int_equal(out_init(out, -1), 0);
	assert_int_equal(both->make(out, &both->ctx, &sink), 0);
	widen(sink);
	out_take(out, &(size_t){ 0 });
	return sink;
}

static void both_begin(struct both *both, sink_make make)
{
	*both = (struct both){ .make = make, .known = true };
	both->ctx = (struct sink_context){
		.cgroup_path = path_of, .cgroup_data = &both->known, .color = true, .netns = true
	};
	both->sink = steady_sink(both, &both->out);
}

static void both_end(struct both *both)
{
	assert_int_equal(sink_end(both->sink), 0);
	out_close(&both->out);
}

/* The line of ev, which is the same from a sink that has seen no other event. */
static const char *both_event(struct both *both, const struct pt_event *ev)
{
	static char line[8192];
	struct sink *sink;
	const char *text;
	struct out out;
	size_t len;

	assert_int_equal(sink_event(both->sink, ev), 0);
	text = out_take(&both->out, &len);
	assert_true(len < sizeof(line));
	memcpy(line, text, len);
	line[len] = '\0';

	sink = steady_sink(both, &out);
	assert_int_equal(sink_event(sink, ev), 0);
	text = out_take(&out, &len);
	assert_int_equal(len, strlen(line));
	assert_memory_equal(text, line, len);
	assert_int_equal(sink_end(sink), 0);
	out_close(&out);
	return line;
}

static void check_has(struct both *both, const struct pt_event *ev, const char *part)
{
	const char *line = both_event(both, ev);

	if (!strstr(line, part))
		fail_msg("%s is not in %s", part, line);
}

static void test_owners(void **state)
{
	struct pt_event ev = curl_event(PT_EV_ALLOC, 1);
	struct both both;

	(void)state;
	both_begin(&both, sink_json_new);
	check_has(&both, &ev,
		  "\"pid\":4242,\"tid\":4243,\"comm\":\"curl\",\"thread\":\"resolver\"");
	strcpy(ev.owner.thread, "other");
	check_has(&both, &ev, "\"comm\":\"curl\",\"thread\":\"other\"");
	strcpy(ev.owner.comm, "wget");
	check_has(&both, &ev, "\"comm\":\"wget\",\"thread\":\"other\"");
	ev.owner.start = 5;
	ev.owner.uid = 7;
	check_has(&both, &ev, "\"kernel\":false,\"uid\":7,");
	ev.owner.kernel = true;
	check_has(&both, &ev, "\"kernel\":true,\"uid\":7,");
	ev.owner.tid = 4244;
	check_has(&both, &ev, "\"pid\":4242,\"tid\":4244,");
	ev.space.netns = 9;
	check_has(&both, &ev, "\"netns\":9,");
	ev.owner.known = false;
	check_has(&both, &ev, "\"pid\":null,\"tid\":null,\"comm\":null,");
	ev.owner = (struct pt_owner){ .known = true };
	check_has(&both, &ev, "\"pid\":0,\"tid\":0,\"comm\":\"\",");
	both_end(&both);
}

/* A path may become known; from then on it stays. */
static void test_path_learnt_later(void **state)
{
	struct pt_event ev = curl_event(PT_EV_FREE, 1);
	struct both both;

	(void)state;
	both_begin(&both, sink_json_new);
	both.known = false;
	check_has(&both, &ev, "\"cgroup\":null,");
	check_has(&both, &ev, "\"cgroup\":null,");
	both.known = true;
	check_has(&both, &ev, "\"cgroup\":\"/slice/77\",");
	check_has(&both, &ev, "\"cgroup\":\"/slice/77\",");
	ev.owner.cgroup = 79;
	check_has(&both, &ev, "\"cgroup\":\"/slice/79\",");
	both_end(&both);
}

/* More of everything than there is room for, again and again. */
static void test_many_owners(void **state)
{
	struct both both;

	(void)state;
	both_begin(&both, sink_json_new);
	for (unsigned int i = 0; i < 20000; i++) {
		struct pt_event ev = curl_event(i % 3 ? PT_EV_ALLOC : PT_EV_FREE, i);

		ev.owner.pid = ev.owner.tid = 1 + i % 10000;
		ev.owner.cgroup = i % 1000;
		ev.raddr[15] = (__u8)(i >> 3);
		ev.raddr[14] = (__u8)(i >> 11);
		both_event(&both, &ev);
	}
	both_end(&both);
}

static __u64 pick(__u64 *random, unsigned int count, const __u64 *values)
{
	return values[synthetic_random(random) % count];
}

#define PICK(...)                                                                                  \
	pick(random, sizeof((__u64[]){ __VA_ARGS__ }) / sizeof(__u64), (__u64[]){ __VA_ARGS__ })

static void random_addr(__u64 *random, __u8 addr[16])
{
	memset(addr, 0, 16);
	if (PICK(0, 1))
		addr[10] = addr[11] = 0xff;
	addr[PICK(0, 12, 15)] = (__u8)PICK(0, 1, 255);
}

static void random_owner(__u64 *random, struct pt_owner *owner)
{
	*owner = (struct pt_owner){ .known = PICK(0, 1, 1),
				    .kernel = PICK(0, 1),
				    .pid = (__u32)PICK(0, 1, 2),
				    .tid = (__u32)PICK(0, 1, 2),
				    .uid = (__u32)PICK(0, 1),
				    .start = PICK(0, 1),
				    .cgroup = PICK(0, 1, 2, 77) };
	owner->comm[PICK(0, 1, 14)] = (char)PICK('a', '"', 0xff, 0);
	owner->thread[PICK(0, 1, 14)] = (char)PICK('a', ',', '\n', 0);
}

/* Fields of few values each, so that events often share some and differ in others. */
static struct pt_event random_event(__u64 *random)
{
	struct pt_event ev = curl_event((enum pt_event_type)PICK(0, 1, 2, 3, 4), PICK(1, 2));

	ev.space = (struct pt_space){ .netns_cookie = PICK(0, 1, 2, PT_NO_COOKIES | 1),
				      .netns = (__u32)PICK(0, 1, 2),
				      .vrf = (__u32)PICK(0, 1, PT_VRF_UNKNOWN),
				      .proto = (__u8)PICK(IPPROTO_TCP, IPPROTO_UDP) };
	ev.family = (__u8)PICK(AF_INET, AF_INET6, 0);
	ev.port = (__u16)PICK(1, 65535);
	ev.rport = (__u16)PICK(0, 1, 443, 65535);
	random_addr(random, ev.laddr);
	random_addr(random, ev.raddr);
	random_owner(random, &ev.owner);
	ev.sock = PICK(0, 1, PT_UNKNOWN - 1);
	ev.via = (enum pt_via)PICK(0, 1, 2, 3, 4, 5, 6, 7);
	ev.holders = PICK(0, 1, PT_UNKNOWN);
	ev.reuse = (enum pt_reuse)PICK(0, 1, 2, 3, 4, 5);
	ev.reuse_ns = PICK(1, 1000000000, PT_UNKNOWN);
	ev.prev_known = PICK(0, 1);
	ev.prev_pid = (__u32)PICK(0, 1, 2);
	ev.prev_comm[PICK(0, 14)] = (char)PICK('a', 'b');
	ev.error = (int)PICK(0, 98, 524);
	ev.end = (enum pt_end)PICK(1, 2, 3, 4, 5);
	ev.open_ns = PICK(0, 99999, PT_UNKNOWN);
	ev.held_ns = PICK(0, 9999999999, PT_UNKNOWN);
	ev.lost_to = PICK(0, 2);
	return ev;
}

static void test_whatever_happens(void **state)
{
	__u64 seed = 1;

	(void)state;
	for (unsigned int i = 0; i < MAKES; i++) {
		struct both both;

		both_begin(&both, makes[i]);
		for (unsigned int n = 0; n < 20000; n++) {
			struct pt_event ev = random_event(&seed);

			both.known = n >= 10000;
			both_event(&both, &ev);
		}
		both_end(&both);
	}
}

/* What is kept has the gaps of its time. */
static void test_columns_widen(void **state)
{
	const struct pt_event ev = curl_event(PT_EV_ALLOC, 1);
	struct sink_context ctx = { .color = true };
	struct sink *sink;
	char *text, *last;
	struct out out;

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	capture_begin(&out);
	assert_int_equal(sink_table_new(&out, &ctx, &sink), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sink_event(sink, &ev), 0);
	widen(sink);
	for (int i = 0; i < 2; i++)
		assert_int_equal(sink_event(sink, &ev), 0);
	assert_int_equal(sink_end(sink), 0);
	text = capture_end(&out);
	text[strlen(text) - 1] = '\0';
	last = strrchr(text, '\n') + 1;
	assert_string_equal(
		last,
		"14:02:11.000000  \033[32malloc\033[0m      tcp4   10.0.0.5:60609         "
		"10.96.4.7:443             4242  curl/resolver    connect        -       -       "
		"-       ?");
	*--last = '\0';
	assert_string_equal(strrchr(text, '\n') + 1, last + 1);
	free(text);
}

static struct column_key key_of(__u64 columns, __u32 pid)
{
	struct pt_event ev = curl_event(PT_EV_ALLOC, 1);
	struct column_key key;

	ev.owner.pid = pid;
	column_key_make(&key, columns, COLUMN_OF_OWNER, &ev);
	return key;
}

static void test_kept(void **state)
{
	static char text[MEMO_TEXT_MAX + 1];
	struct memo *memo = calloc(1, sizeof(*memo));
	struct column_key key = key_of(1, 1), other = key_of(2, 1), longer = key_of(1, 2);

	(void)state;
	assert_non_null(memo);
	assert_null(memo_find(memo, &key));
	memo_keep(memo, &key, "first", 5, 7);
	assert_memory_equal(memo_find(memo, &key)->bytes, "first", 5);
	/* of the same owner, but other columns */
	assert_null(memo_find(memo, &other));
	memo_keep(memo, &other, "", 0, 9);
	assert_int_equal(memo_find(memo, &other)->len, 0);
	assert_int_equal(memo_find(memo, &other)->note, 9);
	assert_int_equal(memo_find(memo, &key)->note, 7);
	assert_null(memo_find(memo, &longer));
	memo_keep(memo, &longer, text, sizeof(text), 0);
	assert_null(memo_find(memo, &longer));
	memo_keep(memo, &longer, text, MEMO_TEXT_MAX, 0);
	assert_int_equal(memo_find(memo, &longer)->len, MEMO_TEXT_MAX);
	memo_clear(memo);
	assert_null(memo_find(memo, &key));
	assert_null(memo_find(memo, &longer));
	free(memo);
}

/* Two keys of one set stay beside each other, a third drives out the older. */
static void test_what_comes_stays(void **state)
{
	struct memo *memo = calloc(1, sizeof(*memo));
	const struct memo_text *last = NULL;
	struct column_key keys[3];
	unsigned int count = 0;

	(void)state;
	assert_non_null(memo);
	for (__u32 pid = 1; count < 3; pid++) {
		keys[count] = key_of(1, pid);
		count += memo_set_of(memo, &keys[count]) == &memo->sets[5];
	}
	for (int i = 0; i < 2; i++) {
		assert_null(memo_find(memo, &keys[i]));
		memo_keep(memo, &keys[i], "12" + i, 1, 0);
	}
	assert_int_equal(*memo_find(memo, &keys[1])->bytes, '2');
	assert_int_equal(*memo_find_again(memo, &keys[0], &last)->bytes, '1');
	assert_int_equal(*last->bytes, '1');
	assert_null(memo_find(memo, &keys[2]));
	memo_keep(memo, &keys[2], "3", 1, 0);
	assert_int_equal(*memo_find_again(memo, &keys[2], &last)->bytes, '3');
	assert_int_equal(*memo_find_again(memo, &keys[0], &last)->bytes, '1');
	assert_int_equal(*memo_find_again(memo, &keys[0], &last)->bytes, '1');
	assert_null(memo_find_again(memo, &keys[1], &last));
	/* In the place of the last. */
	memo_keep(memo, &keys[1], "2", 1, 0);
	assert_int_equal(*memo_find_again(memo, &keys[1], &last)->bytes, '2');
	free(memo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owners),		 cmocka_unit_test(test_path_learnt_later),
		cmocka_unit_test(test_many_owners),	 cmocka_unit_test(test_whatever_happens),
		cmocka_unit_test(test_columns_widen),	 cmocka_unit_test(test_kept),
		cmocka_unit_test(test_what_comes_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
