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
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/consumer.h"
#include "tests/unit/curl.h"
#include "user/sink/columns.h"
#include "user/sink/sqlite.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define REALTIME (BOOT + REALTIME_OFFSET)
#define MS 1000000ULL
#define S 1000000000ULL

static char dir[32];

static int setup(void **state)
{
	(void)state;
	consumer_dir(dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	consumer_clean(dir);
	return 0;
}

static const char *path_of(void *data, __u64 id)
{
	(void)id;
	return data;
}

static struct parse_reason why;

static struct sink *begin(void)
{
	const struct sink_context ctx = { .cgroup_path = path_of, .cgroup_data = "/user.slice" };
	struct sink *sink;

	why.text[0] = 0;
	assert_int_equal(sink_sqlite_new("out.db", &ctx, &sink, &why), 0);
	return sink;
}

static void end(struct sink *sink)
{
	assert_int_equal(sink_end(sink), 0);
	assert_string_equal(why.text, "");
	consumer_check("ls", "out.db\n");
}

/* What a query answers: values separated by |, NULL as -, rows by newlines. */
static void check(const char *sql, const char *wanted)
{
	char text[4096], *p = text;
	sqlite3_stmt *stmt;
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2("out.db", &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL))
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	*p = 0;
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			const char *value = (const char *)sqlite3_column_text(stmt, i);

			p += snprintf(p, sizeof(text) - (size_t)(p - text), "%s%s", i ? "|" : "",
				      value ?: "-");
		}
		p = stpcpy(p, "\n");
	}
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_string_equal(text, wanted);
}

static struct pt_event event_of(enum pt_event_type type, __u64 ts)
{
	struct pt_event ev = curl_event(type, ts);

	ev.holders = 1;
	return ev;
}

static void put(struct sink *sink, const struct pt_event *ev)
{
	assert_int_equal(sink_event(sink, ev), 0);
}

static void put_alloc(struct sink *sink, __u64 ts)
{
	struct pt_event ev = event_of(PT_EV_ALLOC, ts);

	ev.search_ns = 1834;
	ev.reuse = PT_REUSE_CLEAN;
	ev.reuse_ns = 3840112345;
	ev.prev_known = true;
	ev.prev_pid = 911;
	strcpy(ev.prev_comm, "coredns");
	put(sink, &ev);
}

static void put_free(struct sink *sink, __u64 ts, __u64 held)
{
	struct pt_event ev = event_of(PT_EV_FREE, ts);

	ev.holders = 0;
	ev.open_ns = 47 * MS;
	ev.held_ns = held;
	ev.end = PT_END_EXPIRED;
	put(sink, &ev);
}

/* A whole hold, a refusal and a loss. */
static void put_all(struct sink *sink)
{
	const struct pt_blocker blockers[2] = {
		{ .owner = { .known = true, .pid = 911, .comm = "ng\"inx" },
		  .age_ns = 7,
		  .tw_left_ns = PT_UNKNOWN },
		{ .time_wait = true, .age_ns = PT_UNKNOWN, .tw_left_ns = 41 },
	};
	struct pt_event ev;

	put_alloc(sink, 1);
	ev = event_of(PT_EV_TIME_WAIT, 47 * MS);
	ev.open_ns = 47 * MS - 1;
	put(sink, &ev);
	ev = event_of(PT_EV_FAIL, S);
	ev.via = PT_VIA_FIXED;
	ev.error = EADDRINUSE;
	ev.blockers = blockers;
	ev.blockers_count = 2;
	ev.blockers_total = 12;
	put(sink, &ev);
	put_free(sink, 60 * S, 60 * S - 1);
	ev = (struct pt_event){ .type = PT_EV_LOST,
				.ts = BOOT + 61 * S,
				.realtime_offset = REALTIME_OFFSET,
				.lost_count = 12,
				.lost_to = BOOT + 61 * S };
	put(sink, &ev);
}

static void test_events(void **state)
{
	struct sink *sink = begin();

	(void)state;
	put_all(sink);
	assert_int_equal(sink_flush(sink), 0);
	/* not before it is complete */
	assert_int_equal(access("out.db", F_OK), -1);
	end(sink);
	check("SELECT ts, event, proto, family, port, laddr, raddr, rport, pid, tid, comm, thread,"
	      " kernel, uid, cgroup, netns, netns_cookie, cookie, vrf FROM events LIMIT 1",
	      "1795269731000000001|alloc|tcp|ipv4|60609|10.0.0.5|10.96.4.7|443|4242|4243|curl|"
	      "resolver|0|1000|/user.slice|4026531840|1|18446744073709551614|0\n");
	check("SELECT event, via, ephemeral, search_ns, holders, reuse, reuse_ns, prev_pid,"
	      " prev_comm, errno, blockers_total, open_ns, tcp_state, end, held_ns, count,"
	      " \"from\", \"to\" FROM events",
	      "alloc|connect|1|1834|1|clean|3840112345|911|coredns|-|-|-|-|-|-|-|-|-\n"
	      "time_wait|-|-|-|-|-|-|-|-|-|-|46999999|TIME-WAIT|-|-|-|-|-\n"
	      "fail|fixed|-|-|-|-|-|-|-|EADDRINUSE|12|-|-|-|-|-|-|-\n"
	      "free|-|-|-|0|-|-|-|-|-|-|47000000|-|expired|59999999999|-|-|-\n"
	      "lost|-|-|-|-|-|-|-|-|-|-|-|-|-|-|12|-|1795269792000000000\n");
	check("SELECT json_array_length(blockers), json_extract(blockers, '$[0].comm'),"
	      " json_extract(blockers, '$[1].state') FROM events WHERE event = 'fail'",
	      "2|ng\"inx|TIME-WAIT\n");
	check("SELECT * FROM losses", "12|-|1795269792000000000\n");
	check("SELECT ts, \"to\" FROM events_utc WHERE event IN ('alloc', 'lost')",
	      "2026-11-21T14:02:11.000000001Z|-\n"
	      "2026-11-21T14:03:12.000000000Z|2026-11-21T14:03:12.000000000Z\n");
}

/* Every field of JSON is a column, with the type that its values have. */
static void test_columns(void **state)
{
	struct sink *sink = begin();
	unsigned int keys = 0;
	char number[16];

	(void)state;
	put_all(sink);
	end(sink);
	for (unsigned int i = 0; i < columns_count; i++) {
		char *sql;

		if (!columns[i].key)
			continue;
		keys++;
		assert_true(asprintf(&sql,
				     "SELECT count(*) FROM pragma_table_info('events') t"
				     " WHERE name = '%s' AND NOT EXISTS (SELECT * FROM events"
				     " WHERE typeof(\"%s\") NOT IN ('null', lower(t.type)))",
				     columns[i].key, columns[i].key) > 0);
		check(sql, "1\n");
		free(sql);
	}
	snprintf(number, sizeof(number), "%u\n", keys);
	check("SELECT count(*) FROM pragma_table_info('events')", number);
}

static void test_whole_hold(void **state)
{
	struct sink *sink = begin();

	(void)state;
	put_all(sink);
	end(sink);
	check("SELECT * FROM holds",
	      "4026531840|1|tcp|ipv4|0|60609|10.0.0.5|10.96.4.7|443|4242|4243|curl|resolver|0|1000|"
	      "/user.slice|18446744073709551614|connect|1|1795269731000000001|1795269731047000000|"
	      "1795269791000000000|expired|47000000|59999999999|1834|clean|3840112345|911|"
	      "coredns\n");
	check("SELECT begin, closed, end FROM holds_utc",
	      "2026-11-21T14:02:11.000000001Z|2026-11-21T14:02:11.047000000Z|"
	      "2026-11-21T14:03:11.000000000Z\n");
}

static void test_holds_that_are_not_whole(void **state)
{
	const struct ledger_unit unit = { .space = { .netns_cookie = 1, .proto = IPPROTO_UDP },
					  .port = 53,
					  .sock = 9,
					  .via = PT_VIA_SNAPSHOT,
					  .since = PT_UNKNOWN };
	struct sink *sink = begin();

	(void)state;
	assert_int_equal(sink_sqlite_held(sink, &unit, REALTIME_OFFSET), 0);
	put_alloc(sink, S);
	assert_int_equal(sink_sqlite_gap(sink), 0);
	/* from before, and its age is known */
	put_free(sink, 60 * S, 20 * S);
	put_free(sink, 61 * S, PT_UNKNOWN);
	put_alloc(sink, 62 * S);
	end(sink);
	check("SELECT port, (begin - 1795269731000000000) / 1000000000,"
	      " (end - 1795269731000000000) / 1000000000, end_reason, held_ns, reuse"
	      " FROM holds ORDER BY port, begin",
	      "53|-|-|unknown|-|-\n"
	      "60609|-|61|expired|-|-\n"
	      "60609|1|-|unknown|-|clean\n"
	      "60609|40|60|expired|20000000000|-\n"
	      "60609|62|-|-|-|clean\n");
}

static void test_about_itself(void **state)
{
	struct sink *sink = begin();

	(void)state;
	assert_int_equal(sink_sqlite_meta(sink, "host", "web-1"), 0);
	assert_int_equal(sink_sqlite_meta(sink, "host", "web\n2"), 0);
	assert_int_equal(sink_sqlite_meta(sink, "kernel", "6.1.0"), 0);
	end(sink);
	check("SELECT * FROM meta ORDER BY key", "host|web\\x0a2\nkernel|6.1.0\n");
	check("PRAGMA application_id", "1347703380\n");
	check("PRAGMA user_version", "1\n");
	check("PRAGMA integrity_check", "ok\n");
	check("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1",
	      "events_fail\nevents_lost\nevents_port\nevents_ts\nholds_pid\nholds_port\n"
	      "holds_remote\n");
	/* nothing happened, and that is what it says */
	check("SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM holds)", "0|0\n");
}

static void test_unknown_is_null(void **state)
{
	struct pt_event ev = event_of(PT_EV_ALLOC, S);
	struct sink *sink = begin();

	(void)state;
	ev.space = (struct pt_space){ .netns_cookie = PT_NO_COOKIES | 5, .proto = IPPROTO_UDP };
	ev.rport = 0;
	ev.sock = 0;
	ev.owner.known = false;
	ev.via = PT_VIA_UNKNOWN;
	put(sink, &ev);
	/* what only a damaged recording can tell */
	ev.search_ns = 1ULL << 63;
	put(sink, &ev);
	end(sink);
	check("SELECT DISTINCT rport, pid, comm, kernel, cgroup, netns, netns_cookie, cookie, vrf,"
	      " via, ephemeral, search_ns, reuse, prev_pid FROM events",
	      "-|-|-|-|-|-|-|-|-|-|-|-|-|-\n");
	check("SELECT count(*) FROM holds WHERE coalesce(raddr, rport, pid, uid, via, cookie, end)"
	      " IS NULL",
	      "2\n");
}

static const struct {
	const char *comm;
	const char *shown;
} names[] = {
	{ "'; DROP TABLE x", "'; DROP TABLE x" },
	{ "say \"hi\", you", "say \"hi\", you" },
	{ "new\nline\r", "new\\x0aline\\x0d" },
	{ "\x1b[31mred", "\\x1b[31mred" },
	{ "\xff\xc3", "\\xff\\xc3" },
	{ "caf\xc3\xa9", "caf\xc3\xa9" },
	{ "=1+1", "=1+1" },
	{ "", "" },
};

/* The real consumer shows every name on its line, without a byte that acts. */
static void test_hostile_names(void **state)
{
	struct sink *sink = begin();
	char *text, *p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct pt_event ev = event_of(PT_EV_ALLOC, i);

		ev.sock = i + 1;
		strcpy(ev.owner.comm, names[i].comm);
		put(sink, &ev);
	}
	end(sink);
	text = consumer_run("sqlite3 out.db 'SELECT comm FROM events ORDER BY ts;"
			    " SELECT comm FROM holds ORDER BY begin'");
	p = text;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(names); i++) {
		const char *shown = names[i % ARRAY_SIZE(names)].shown;

		assert_memory_equal(p, shown, strlen(shown));
		p += strlen(shown);
		assert_int_equal(*p++, '\n');
	}
	assert_int_equal(*p, 0);
	free(text);
}

/* A path longer than what there is room for. */
static void test_long_path(void **state)
{
	static char path[100000];
	const struct sink_context ctx = { .cgroup_path = path_of, .cgroup_data = path };
	struct sink *sink;

	(void)state;
	memset(path, 1, sizeof(path) - 1);
	assert_int_equal(sink_sqlite_new("out.db", &ctx, &sink, &why), 0);
	put_all(sink);
	assert_int_equal(sink_end(sink), 0);
	check("SELECT length(cgroup) FROM holds", "399996\n");
}

/* ---- questions ------------------------------------------------------------------ */

/* A connect to 10.96.4.host, at a time from 14:02:00 on. */
struct scene_hold {
	const char *comm;
	__u32 pid;
	__u8 host;
	__u16 rport, port;
	__u64 begin, open, held; /* ns */
};

static void put_scene_hold(struct sink *sink, const struct scene_hold *hold,
			   enum pt_event_type type)
{
	struct pt_event ev = event_of(type, hold->begin);

	ev.realtime_offset -= 11 * S;
	ev.port = hold->port;
	ev.sock = hold->port;
	ev.raddr[15] = hold->host;
	ev.rport = hold->rport;
	ev.owner.pid = hold->pid;
	strcpy(ev.owner.comm, hold->comm);
	ev.open_ns = hold->open;
	if (type == PT_EV_TIME_WAIT)
		ev.ts += hold->open;
	if (type == PT_EV_FREE) {
		ev.ts += hold->held;
		ev.held_ns = hold->held;
		ev.end = PT_END_EXPIRED;
	}
	if (type == PT_EV_FAIL) {
		ev.port = 0;
		ev.error = EADDRNOTAVAIL;
	}
	put(sink, &ev);
}

static void put_scene(struct sink *sink)
{
	struct scene_hold hold = { .comm = "curl",
				   .pid = 4242,
				   .host = 7,
				   .rport = 443,
				   .port = 60609,
				   .begin = 9 * S + 104233001,
				   .open = 47557000,
				   .held = 60 * S + 55769000 };
	struct scene_hold other = { .comm = "envoy", .pid = 911, .host = 9, .rport = 8080 };

	put_scene_hold(sink, &hold, PT_EV_ALLOC);
	put_scene_hold(sink, &hold, PT_EV_TIME_WAIT);
	for (other.port = 40000; other.port < 40045; other.port++) {
		other.begin = 9 * S + other.port * 4000;
		put_scene_hold(sink, &other, PT_EV_ALLOC);
	}
	for (other.begin = 30 * S; other.begin < 90 * S; other.begin += 7 * S)
		put_scene_hold(sink, &other, PT_EV_FAIL);
	put_scene_hold(sink, &hold, PT_EV_FREE);
	other = (struct scene_hold){ .comm = "late", .port = 60609, .begin = 80 * S };
	put_scene_hold(sink, &other, PT_EV_ALLOC);
}

/* clang-format off */

/* Those of docs/export.md, in its words, and what it shows of their answers. */
static void test_questions(void **state)
{
	struct sink *sink = begin();

	(void)state;
	put_scene(sink);
	end(sink);
	consumer_file("who.sql",
		"WITH moment AS (SELECT strftime('%s', '2026-11-21 14:02:10') * 1000000000 AS t)\n"
		"SELECT proto, pid, comm, raddr, rport, iif(closed <= t, 'TIME-WAIT', 'open') AS state\n"
		"FROM holds, moment\n"
		"WHERE port = 60609 AND ifnull(begin, 0) <= t AND ifnull(end, t + 1) > t;\n");
	consumer_file("most.sql",
		"WITH moment AS (SELECT strftime('%s', '2026-11-21 14:02:10') * 1000000000 AS t)\n"
		"SELECT count(DISTINCT port) AS ports, pid, comm, raddr, rport\n"
		"FROM holds, moment\n"
		"WHERE ifnull(begin, 0) <= t AND ifnull(end, t + 1) > t\n"
		"GROUP BY pid, comm, raddr, rport ORDER BY ports DESC LIMIT 5;\n");
	consumer_file("refused.sql",
		"SELECT substr(ts, 1, 16) AS minute, errno, comm, count(*) AS refused\n"
		"FROM events_utc WHERE event = 'fail' GROUP BY minute, errno, comm;\n");
	consumer_check("sqlite3 -column -header out.db <who.sql | sed 's/ *$//'",
		"proto  pid   comm  raddr      rport  state\n"
		"-----  ----  ----  ---------  -----  ---------\n"
		"tcp    4242  curl  10.96.4.7  443    TIME-WAIT\n");
	consumer_check("sqlite3 -column -header out.db <most.sql | sed 's/ *$//'",
		"ports  pid   comm   raddr      rport\n"
		"-----  ----  -----  ---------  -----\n"
		"45     911   envoy  10.96.4.9  8080\n"
		"1      4242  curl   10.96.4.7  443\n");
	consumer_check("sqlite3 -column -header out.db <refused.sql | sed 's/ *$//'",
		"minute            errno          comm   refused\n"
		"----------------  -------------  -----  -------\n"
		"2026-11-21T14:02  EADDRNOTAVAIL  envoy  5\n"
		"2026-11-21T14:03  EADDRNOTAVAIL  envoy  4\n");
}

/* clang-format on */

static void check_plan(const char *sql, const char *wanted)
{
	char *command, *plan;

	assert_true(asprintf(&command, "sqlite3 out.db \"EXPLAIN QUERY PLAN %s\"", sql) > 0);
	plan = consumer_run(command);
	if (!strstr(plan, wanted))
		fail_msg("%s: not %s but %s", sql, wanted, plan);
	free(plan);
	free(command);
}

static void test_indexes_are_used(void **state)
{
	struct sink *sink = begin();

	(void)state;
	end(sink);
	check_plan("SELECT * FROM holds WHERE port = 1 AND ifnull(begin, 0) < 2", "holds_port");
	check_plan("SELECT * FROM holds WHERE raddr = '::1' AND rport = 2", "holds_remote");
	check_plan("SELECT errno FROM events_utc WHERE event = 'fail'", "events_fail");
	check_plan("SELECT * FROM losses", "events_lost");
}

/* ---- the file ------------------------------------------------------------------- */

static void test_replaces_its_own(void **state)
{
	struct sink *sink = begin();

	(void)state;
	put_all(sink);
	end(sink);
	sink = begin();
	put_alloc(sink, 1);
	check("SELECT count(*) FROM events", "5\n");
	end(sink);
	check("SELECT count(*) FROM events", "1\n");
	/* an empty one, of mktemp, has nothing to lose */
	consumer_file("out.db", "");
	end(begin());
}

static void check_refused(const char *path, int err, const char *reason)
{
	const struct sink_context ctx = { 0 };
	struct sink *sink = (struct sink *)&why;

	assert_int_equal(sink_sqlite_new(path, &ctx, &sink, &why), err);
	assert_string_equal(why.text, reason);
	assert_ptr_equal(sink, &why);
}

static void test_refuses_what_is_not_its_own(void **state)
{
	(void)state;
	consumer_file("a", "a letter to a friend, longer than the head of a database is, which"
			   " has a hundred bytes, all of them precious");
	free(consumer_run("sqlite3 b 'CREATE TABLE t(x)' && mkfifo c && mkdir d"));
	check_refused("a", -EEXIST, "'a': exists, and is not an export of porttrace's");
	check_refused("b", -EEXIST, "'b': exists, and is not an export of porttrace's");
	check_refused("c", -EEXIST, "'c': exists, and is not an export of porttrace's");
	check_refused("d", -EEXIST, "'d': exists, and is not an export of porttrace's");
	check_refused("/dev/null", -EEXIST,
		      "'/dev/null': exists, and is not an export of porttrace's");
	check_refused("no/such", -ENOENT, "'no/such': No such file or directory");
	check_refused("a/b", -ENOTDIR, "'a/b': Not a directory");
	check_refused("", -ENOENT, "'': No such file or directory");
	check_refused("-", -EINVAL, "'-': a database needs a file, not standard output");
	consumer_check("ls; wc -c <a; sqlite3 b .tables", "a\nb\nc\nd\n108\nt\n");
}

static void test_abandoned(void **state)
{
	struct sink *sink = begin();

	(void)state;
	put_all(sink);
	end(sink);
	sink = begin();
	put_alloc(sink, 1);
	sink_sqlite_abandon(sink);
	assert_int_equal(sink_end(sink), 0);
	consumer_check("ls", "out.db\n");
	check("SELECT count(*) FROM events", "5\n");
}

/* Writes until it fails; the status of the process that does so tells whether all was well. */
static void fill(int wanted, const char *reason)
{
	static char path[10000];
	const struct sink_context ctx = { .cgroup_path = path_of, .cgroup_data = path };
	struct sink *sink;
	int err = 0;

	memset(path, 'a', sizeof(path) - 1);
	if (sink_sqlite_new("out.db", &ctx, &sink, &why))
		_exit(2);
	for (__u64 i = 0; i < 100000 && !err; i++) {
		struct pt_event ev = event_of(PT_EV_ALLOC, i);

		err = sink_event(sink, &ev);
	}
	if (err != wanted || sink_flush(sink) != wanted)
		_exit(3);
	if (sink_sqlite_meta(sink, "a", "b") != wanted || sink_sqlite_gap(sink) != wanted)
		_exit(4);
	if (sink_end(sink) != wanted || strcmp(why.text, reason))
		_exit(5);
	_exit(access("out.db", F_OK) ? 0 : 6);
}

static int status_of(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_file_limit(void **state)
{
	pid_t child = fork();

	(void)state;
	if (!child) {
		const struct rlimit limit = { 1 << 20, 1 << 20 };

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		fill(-EFBIG, "'out.db': File too large");
	}
	assert_int_equal(status_of(child), 0);
	consumer_check("ls", "");
}

/* On a file system of a megabyte. */
static void test_full_disk(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (!child) {
		if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("none", dir, "tmpfs", 0, "size=1m") || chdir(dir))
			_exit(77);
		fill(-ENOSPC, "'out.db': No space left on device");
	}
	status = status_of(child);
	if (status == 77) {
		print_message("no full disk: a file system of its own cannot be mounted here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_events, setup, teardown),
		cmocka_unit_test_setup_teardown(test_columns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_whole_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(test_holds_that_are_not_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_about_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_is_null, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_path, setup, teardown),
		cmocka_unit_test_setup_teardown(test_questions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_indexes_are_used, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replaces_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_what_is_not_its_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_abandoned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
