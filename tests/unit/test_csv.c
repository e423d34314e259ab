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
#include "user/sink/sink.h"

#define HEADER                                                                                     \
	"ts,event,proto,family,port,laddr,raddr,rport,pid,tid,comm,thread,kernel,uid,cgroup,"      \
	"netns,netns_cookie,cookie,vrf,via,ephemeral,search_ns,holders,reuse,reuse_ns,prev_pid,"   \
	"prev_comm,errno,blockers,blocker_pid,blocker_comm,blocker_laddr,blocker_raddr,"           \
	"blocker_rport,blocker_state,blocker_age_ns,blocker_tw_left_ns,blocker_count,"             \
	"blockers_total,open_ns,tcp_state,end,held_ns,count,from,to\n"
#define COLUMNS 46

static const char *path_of(void *data, __u64 id)
{
	(void)id;
	return data;
}

static struct sink_context context(void)
{
	return (struct sink_context){ .cgroup_path = path_of, .cgroup_data = "/user.slice" };
}

static struct pt_event event_of(enum pt_event_type type)
{
	return curl_event(type, 104233001);
}

#define COMMON(event)                                                                              \
	"2026-11-21T14:02:11.104233001Z," event ",tcp,ipv4,60609,10.0.0.5,10.96.4.7,443,4242,"     \
	"4243,curl,resolver,false,1000,/user.slice,4026531840,1,18446744073709551614,0,"

static void put_events(struct out *out, const struct sink_context *ctx,
		       const struct pt_event *events, size_t count)
{
	struct sink *sink;

	assert_int_equal(sink_csv_new(out, ctx, &sink), 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(sink_event(sink, &events[i]), 0);
	assert_int_equal(sink_end(sink), 0);
}

static char *csv_of(const struct pt_event *events, size_t count, const struct sink_context *ctx)
{
	struct out out;

	capture_begin(&out);
	put_events(&out, ctx, events, count);
	return capture_end(&out);
}

static void check_csv(const struct pt_event *ev, const char *line)
{
	const struct sink_context ctx = context();
	char *text = csv_of(ev, 1, &ctx);

	assert_memory_equal(text, HEADER, strlen(HEADER));
	assert_string_equal(text + strlen(HEADER), line);
	free(text);
}

/*
 * RFC 4180 and no more: a cell is quoted as a whole or not at all, only quoted ones
 * hold a comma, and a quote there is doubled. Cells are unquoted in place.
 */
static unsigned int read_cells(char *line, char *cells[COLUMNS])
{
	unsigned int count = 0;
	char *p = line;

	while (count < COLUMNS) {
		char *to = p;

		cells[count++] = p;
		if (*p == '"') {
			for (p++; *p != '"' || *++p == '"'; p++) {
				assert_int_not_equal(*p, 0);
				*to++ = *p;
			}
		} else {
			for (; *p && *p != ','; p++) {
				assert_int_not_equal(*p, '"');
				*to++ = *p;
			}
		}
		if (!*p) {
			*to = 0;
			return count;
		}
		assert_int_equal(*p++, ',');
		*to = 0;
	}
	fail_msg("more than %d cells", COLUMNS);
	return 0;
}

static void test_header_without_events(void **state)
{
	const struct sink_context ctx = context();
	char *text = csv_of(NULL, 0, &ctx);

	(void)state;
	assert_string_equal(text, HEADER);
	free(text);
}

static void test_each_kind(void **state)
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
	check_csv(&ev, COMMON("alloc") "connect,true,1834,1,clean,3840112345,911,coredns"
				       ",,,,,,,,,,,,,,,,,,,\n");
	ev = event_of(PT_EV_TIME_WAIT);
	ev.open_ns = 47600000;
	check_csv(&ev, COMMON("time_wait") ",,,,,,,,,,,,,,,,,,,,47600000,TIME-WAIT,,,,,\n");
	ev = event_of(PT_EV_FREE);
	ev.holders = 0;
	ev.open_ns = 47600000;
	ev.held_ns = 60100000000;
	ev.end = PT_END_EXPIRED;
	check_csv(&ev, COMMON("free") ",,,0,,,,,,,,,,,,,,,,,47600000,,expired,60100000000,,,\n");
	ev = (struct pt_event){ .type = PT_EV_LOST,
				.ts = BOOT + 2,
				.realtime_offset = REALTIME_OFFSET,
				.lost_count = 12,
				.lost_from = BOOT,
				.lost_to = BOOT + 1 };
	check_csv(&ev,
		  "2026-11-21T14:02:11.000000002Z,lost,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,"
		  ",12,2026-11-21T14:02:11.000000000Z,2026-11-21T14:02:11.000000001Z\n");
}

static void test_blockers(void **state)
{
	struct pt_event ev = event_of(PT_EV_FAIL);
	const struct pt_blocker blockers[2] = {
		{ .owner = { .known = true, .pid = 911, .comm = "nginx" },
		  .laddr = { [10] = 0xff, 0xff, 10, 0, 0, 5 },
		  .raddr = { [10] = 0xff, 0xff, 10, 96, 4, 9 },
		  .rport = 80,
		  .time_wait = true,
		  .age_ns = 7000,
		  .tw_left_ns = 41000,
		  .count = 1 },
		{ .tw_left_ns = PT_UNKNOWN, .count = 1 },
	};

	(void)state;
	ev.via = PT_VIA_FIXED;
	ev.error = EADDRINUSE;
	ev.blockers = blockers;
	ev.blockers_count = 2;
	ev.blockers_total = 12;
	check_csv(&ev, COMMON("fail") "fixed,,,,,,,,EADDRINUSE,2,911,nginx,10.0.0.5,10.96.4.9,80,"
				      "TIME-WAIT,7000,41000,1,12,,,,,,,\n");
	/* The second blocker here: nothing of it is known but that it is open. */
	ev.blockers = &blockers[1];
	ev.blockers_count = 1;
	ev.blockers_total = PT_UNKNOWN;
	check_csv(&ev, COMMON("fail") "fixed,,,,,,,,EADDRINUSE,1,,,::,,,open,0,,1,,,,,,,,\n");
	ev.blockers_count = 0;
	check_csv(&ev, COMMON("fail") "fixed,,,,,,,,EADDRINUSE,,,,,,,,,,,,,,,,,,\n");
}

static const struct {
	const char *comm;
	const char *cell; /* read back */
	const char *raw;  /* as it stands in the file */
} names[] = {
	{ "curl", "curl", ",curl," },
	{ "a,b", "a,b", ",\"a,b\"," },
	{ "say \"hi\"", "say \"hi\"", ",\"say \"\"hi\"\"\"," },
	{ "\"", "\"", ",\"\"\"\"," },
	{ "new\nline\r", "new\\x0aline\\x0d", ",new\\x0aline\\x0d," },
	{ "\x1b[31mred", "\\x1b[31mred", ",\\x1b[31mred," },
	{ "\xff\xc3", "\\xff\\xc3", ",\\xff\\xc3," },
	{ "caf\xc3\xa9", "caf\xc3\xa9", ",caf\xc3\xa9," },
	{ "back\\slash", "back\\\\slash", ",back\\\\slash," },
	{ "=1+1", "\\x3d1+1", ",\\x3d1+1," },
	{ "+1", "\\x2b1", ",\\x2b1," },
	{ "-bash", "\\x2dbash", ",\\x2dbash," },
	{ "@SUM(A1,B2)", "\\x40SUM(A1,B2)", ",\"\\x40SUM(A1,B2)\"," },
	{ "=\"\"", "\\x3d\"\"", ",\"\\x3d\"\"\"\"\"," },
	{ "a=b", "a=b", ",a=b," },
	{ " x ", " x ", ",\" x \"," },
	{ "", "", ",\"\"," },
};
#define NAMES (sizeof(names) / sizeof(names[0]))

static void test_hostile_names(void **state)
{
	const struct sink_context ctx = context();

	(void)state;
	for (size_t i = 0; i < NAMES; i++) {
		struct pt_event ev = event_of(PT_EV_ALLOC);
		char *cells[COLUMNS], *text, *line;

		strcpy(ev.owner.comm, names[i].comm);
		text = csv_of(&ev, 1, &ctx);
		line = text + strlen(HEADER);
		for (char *p = line; p[1]; p++)
			assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
		assert_non_null(strstr(line, names[i].raw));
		line[strlen(line) - 1] = 0;
		assert_int_equal(read_cells(line, cells), COLUMNS);
		assert_string_equal(cells[10], names[i].cell);
		assert_string_equal(cells[11], "resolver");
		free(text);
	}
}

/* A path longer than the buffer's room, with nothing in it that stays a byte. */
static void test_long_path(void **state)
{
	struct pt_event ev = event_of(PT_EV_ALLOC);
	struct sink_context ctx = context();
	static char path[100000];
	char *cells[COLUMNS], *text, *line;

	(void)state;
	memset(path, '"', sizeof(path) - 1);
	memset(path, 1, 50000);
	ctx.cgroup_data = path;
	text = csv_of(&ev, 1, &ctx);
	line = text + strlen(HEADER);
	line[strlen(line) - 1] = 0;
	assert_int_equal(read_cells(line, cells), COLUMNS);
	assert_int_equal(strlen(cells[14]), 50000 * 4 + sizeof(path) - 1 - 50000);
	free(text);
}

/* The real consumer: sqlite3 takes it in and finds what was written. */
static void test_sqlite3_imports_it(void **state)
{
	const struct sink_context ctx = context();
	struct pt_event events[NAMES];
	struct out out;
	char dir[32], *text;

	(void)state;
	consumer_dir(dir);
	for (size_t i = 0; i < NAMES; i++) {
		events[i] = event_of(PT_EV_ALLOC);
		events[i].owner.pid = 1 + i;
		strcpy(events[i].owner.comm, names[i].comm);
	}
	assert_int_equal(out_open(&out, "events.csv"), 0);
	put_events(&out, &ctx, events, NAMES);
	assert_int_equal(out_close(&out), 0);
	consumer_check("sqlite3 imported '.import --csv events.csv events'"
		       " 'SELECT count(*), sum(pid), min(port), max(\"to\") FROM events'",
		       "17|153|60609|\n");
	text = consumer_run("sqlite3 imported 'SELECT comm FROM events ORDER BY pid + 0'");
	for (size_t i = 0, at = 0; i < NAMES; i++) {
		size_t len = strlen(names[i].cell);

		assert_memory_equal(text + at, names[i].cell, len);
		assert_int_equal(text[at + len], '\n');
		at += len + 1;
	}
	free(text);
	consumer_clean(dir);
}

static void test_error_reaches_the_caller(void **state)
{
	const struct pt_event ev = event_of(PT_EV_FREE);
	const struct sink_context ctx = context();

	(void)state;
	check_full_disk(sink_csv_new, &ctx, &ev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header_without_events),
		cmocka_unit_test(test_each_kind),
		cmocka_unit_test(test_blockers),
		cmocka_unit_test(test_hostile_names),
		cmocka_unit_test(test_long_path),
		cmocka_unit_test(test_sqlite3_imports_it),
		cmocka_unit_test(test_error_reaches_the_caller),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
