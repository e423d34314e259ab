// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "user/cmd/options.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define S 1000000000ULL
#define NOW (1795269730ULL * S) /* 2026-11-21T14:02:10Z */

static struct options options;
static char answers[16384], errors[4096];

static enum options_result parse_argv(int argc, char **argv)
{
	FILE *out = fmemopen(answers, sizeof(answers), "w");
	FILE *err = fmemopen(errors, sizeof(errors), "w");
	enum options_result result;

	memset(answers, 0, sizeof(answers));
	memset(errors, 0, sizeof(errors));
	memset(&options, 0, sizeof(options));
	options.count = 4711;
	result = options_parse(argc, argv, NOW, &options, out, err);
	fclose(out);
	fclose(err);
	return result;
}

/* Arguments are separated by single spaces; two in a row make an empty one. */
static enum options_result parse(const char *line)
{
	static char copy[8192];
	char *argv[500] = { "porttrace" }, *rest = copy;
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	while (*line && rest && argc < (int)ARRAY_SIZE(argv) - 1)
		argv[argc++] = strsep(&rest, " ");
	return parse_argv(argc, argv);
}

static void check_runs(const char *line)
{
	if (parse(line) != OPTIONS_RUN)
		fail_msg("%s: %s", line, errors);
	assert_string_equal(errors, "");
	assert_string_equal(answers, "");
}

/* "ls " for the help of the command that the line begins with; trace's is the first. */
static const char *hint_of(const char *line)
{
	static const char *const names[] = { "ls ",	"record ", "report ", "history ", "reuse ",
					     "search ", "who ",	   "export ", "doctor " };
	size_t len = strcspn(line, " ");

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == len + 1 && !strncmp(names[i], line, len))
			return names[i];
	return "";
}

static void check_wrong(const char *line, const char *reason)
{
	char wanted[sizeof(errors)];

	snprintf(wanted, sizeof(wanted), "porttrace: %s (see porttrace %s--help)\n", reason,
		 hint_of(line));
	assert_int_equal(parse(line), OPTIONS_WRONG);
	assert_string_equal(errors, wanted);
	assert_string_equal(answers, "");
	/* Nothing was set. */
	assert_int_equal(options.count, 4711);
}

static void test_defaults(void **state)
{
	static const struct filter none;

	(void)state;
	check_runs("");
	assert_int_equal(options.command, COMMAND_TRACE);
	assert_memory_equal(&options.filter, &none, sizeof(none));
	assert_int_equal(options.buffer_size, 8 << 20);
	assert_int_equal(options.color, COLOR_AUTO);
	assert_null(options.output);
	assert_int_equal(options.duration_ns, 0);
	assert_int_equal(options.count, 0);
	assert_false(options.json || options.relative || options.quiet || options.verbose ||
		     options.no_snapshot || options.strict);
	assert_int_equal(options.now_ns, NOW);
	assert_null(options.recording);
	assert_null(options.write);
	assert_null(options.child);
	assert_null(options.sort);
	assert_int_equal(options.since_ns, 0);
	assert_true(options.until_ns == PT_UNKNOWN && options.at_ns == PT_UNKNOWN);
	assert_int_equal(options.by, BY_NONE);
	assert_int_equal(options.format, FORMAT_NONE);
}

static void test_commands(void **state)
{
	(void)state;
	check_runs("trace");
	assert_int_equal(options.command, COMMAND_TRACE);
	check_runs("trace -j");
	assert_true(options.json);
	check_runs("doctor");
	assert_int_equal(options.command, COMMAND_DOCTOR);
	check_runs("doctor --json");
	assert_true(options.json);
	check_runs("ls");
	assert_int_equal(options.command, COMMAND_LS);
	check_runs("ls -jqv46 -o x --color never");
	assert_true(options.json && options.quiet && options.verbose);
	check_runs("ls -P 1 -D 2 -d ::1 -p 1 --comm x -u 0 -c / -N x --proto udp");
	check_wrong("ls --event alloc", "--event is not an option of ls");
	check_wrong("ls --count 5", "--count is not an option of ls");
	check_wrong("ls --no-snapshot", "--no-snapshot is not an option of ls");
	check_wrong("ls -t", "-t is not an option of ls");
	check_wrong("ls x", "unexpected argument 'x'");
	check_wrong("ls ls", "the command 'ls' has to come first");
	/* People forget it. */
	check_wrong("ls 60609", "unexpected argument '60609': did you mean --port 60609?");
	check_wrong("ls -j 1-9,53", "unexpected argument '1-9,53': did you mean --port 1-9,53?");
	check_wrong("60609", "unknown command '60609': did you mean --port 60609?");
	check_wrong("doctor 60609", "unexpected argument '60609'");
	check_wrong("ls 70000", "unexpected argument '70000'");
	check_wrong("tracer", "unknown command 'tracer'");
	check_wrong("\x1b[2J", "unknown command '\\x1b[2J'");
	check_wrong("-j doctor", "the command 'doctor' has to come first");
	check_wrong("trace doctor", "the command 'doctor' has to come first");
	check_wrong("trace x", "unexpected argument 'x'");
	check_wrong("-j x y", "unexpected argument 'x'");
	check_wrong("-- x", "unexpected argument 'x'");
	check_wrong("-", "unexpected argument '-'");
	check_runs("--");
	check_wrong("doctor --port 80", "--port is not an option of doctor");
	check_wrong("doctor -t", "-t is not an option of doctor");
}

static void test_no_arguments_at_all(void **state)
{
	char *argv[] = { NULL };

	(void)state;
	assert_int_equal(parse_argv(0, argv), OPTIONS_RUN);
}

static void test_flags(void **state)
{
	(void)state;
	check_runs("-jtqv46 --no-snapshot --strict --ephemeral");
	assert_true(options.json && options.relative && options.quiet && options.verbose);
	assert_true(options.filter.ipv4 && options.filter.ipv6 && options.filter.ephemeral);
	assert_true(options.no_snapshot && options.strict);
	check_runs("--json");
	assert_true(options.json);
	assert_false(options.relative || options.quiet || options.verbose || options.strict);
	assert_false(options.filter.ipv4 || options.filter.ipv6);
	check_wrong("--json=yes", "--json takes no value");
	check_wrong("--strict=", "--strict takes no value");
}

static void test_watch(void **state)
{
	(void)state;
	check_runs("--watch 90%");
	assert_int_equal(options.watch, 900);
	check_runs("trace --watch=1 --json --netns 5 --proto tcp");
	assert_int_equal(options.watch, 10);
	check_runs("trace -r x --watch 90%");
	assert_int_equal(options.watch, 900);
	check_runs("record --watch 100%");
	assert_int_equal(options.watch, 1000);
	check_runs("-j");
	assert_int_equal(options.watch, 0);
	check_wrong("--watch", "--watch needs a value: PERCENT");
	check_wrong("--watch 0%", "--watch: '0%' is not a share of the ports: 1%-100%");
	check_wrong("--watch 101", "--watch: '101' is not a share of the ports: 1%-100%");
	check_wrong("--watch 9%%", "--watch: '9%%' is not a share of the ports: 1%-100%");
	check_wrong("--watch %", "--watch: '%' is not a share of the ports: 1%-100%");
	check_wrong("--watch ", "--watch: '' is not a share of the ports: 1%-100%");
	check_wrong("--watch 100000000",
		    "--watch: '100000000' is not a share of the ports: 1%-100%");
	check_wrong("--watch 90% --no-snapshot",
		    "--watch needs the snapshot that --no-snapshot leaves out");
	check_wrong("--watch 90% --port 80",
		    "--watch has to see every port, and --port hides the others");
	check_wrong("reuse --watch 90%", "--watch is not an option of reuse");
}

static void test_headroom(void **state)
{
	(void)state;
	check_runs("ls --headroom --top 5 -N blue --remote 10.0.0.0/8 --json");
	assert_true(options.headroom);
	assert_int_equal(options.top, 5);
	check_runs("ls --headroom -r x --at 14:02");
	check_wrong("ls --headroom --by port", "--headroom and --by exclude each other");
	check_wrong("ls --headroom --port 80",
		    "--headroom counts every port, and --port hides the others");
	check_wrong("--headroom", "--headroom is not an option of trace");
}

static void test_audit(void **state)
{
	(void)state;
	check_runs("--audit");
	assert_true(options.audit);
	assert_int_equal(options.audit_every_ns, 0);
	check_runs("--audit=30 -j");
	assert_true(options.audit && options.json);
	assert_int_equal(options.audit_every_ns, 30000000000ULL);
	check_runs("--audit=2m");
	assert_int_equal(options.audit_every_ns, 120000000000ULL);
	/* as with every optional value: only behind an = */
	check_wrong("--audit 30", "unexpected argument '30': did you mean --port 30?");
	check_wrong("--audit=0", "--audit: more often than every second is too often");
	check_wrong("--audit=500ms", "--audit: more often than every second is too often");
	check_wrong("--audit=x", "--audit: 'x' is not a time such as 10s, 500ms, 2m or 1h");
	check_wrong("--audit=", "--audit: '' is not a time such as 10s, 500ms, 2m or 1h");
	check_wrong("--audit --no-snapshot",
		    "--audit needs the snapshot that --no-snapshot leaves out");
}

static void test_unknown_options(void **state)
{
	(void)state;
	check_wrong("-x", "unknown option '-x'");
	check_wrong("-jx", "unknown option '-x'");
	check_wrong("-?", "unknown option '-?'");
	check_wrong("-:", "unknown option '-:'");
	check_wrong("-\xff", "unknown option '-\\xff'");
	check_wrong("--frobnicate", "unknown option '--frobnicate'");
	check_wrong("--frobnicate=3", "unknown option '--frobnicate'");
	check_wrong("--ports 3", "unknown option '--ports'");
	check_wrong("--ring 8M", "unknown option '--ring'");
	/* Shortened as getopt_long() allows, unless it could be two. */
	check_runs("--eph");
	assert_true(options.filter.ephemeral);
	check_wrong("--co", "option '--co' is ambiguous");
	check_wrong("--co=3", "option '--co' is ambiguous");
	/* One option with two rows is one option. */
	check_runs("report --form csv");
	check_wrong("--form csv", "--format is not an option of trace");
	check_wrong("--port", "--port needs a value: PORTS");
	check_wrong("-P", "--port needs a value: PORTS");
	check_wrong("-o", "-o needs a value: FILE");
	check_wrong("-jo", "-o needs a value: FILE");
}

static void test_port_filters(void **state)
{
	(void)state;
	check_runs("-P 60609,40000-40001 --port=22 -D 443 --remote-port 80");
	assert_true(options.filter.has_ports && options.filter.has_rports);
	assert_true(port_set_has(&options.filter.ports, 60609));
	assert_true(port_set_has(&options.filter.ports, 40001));
	assert_true(port_set_has(&options.filter.ports, 22));
	assert_false(port_set_has(&options.filter.ports, 443));
	assert_true(port_set_has(&options.filter.rports, 443));
	assert_true(port_set_has(&options.filter.rports, 80));
	check_wrong("--port 65536", "--port: 65536 is out of range 1-65535");
	check_wrong("-P 12abc", "--port: '12abc' is not a number");
	check_wrong("-P 5-3", "--port: 5-3: the range ends before it begins");
	check_wrong("-P -5", "--port: '-5': the range has no beginning");
	check_wrong("-P ", "--port: no port is given");
	check_wrong("--port=", "--port: no port is given");
	check_wrong("-D 80,", "--remote-port: '80,' has an empty item");
}

static void test_remote_filter(void **state)
{
	(void)state;
	check_runs("-d 10.0.0.0/8,::1 --remote 2001:db8::/32");
	assert_int_equal(options.filter.remotes_count, 3);
	assert_int_equal(options.filter.remotes[0].len, 104);
	assert_int_equal(options.filter.remotes[1].len, 128);
	assert_int_equal(options.filter.remotes[2].len, 32);
	check_wrong("-d example.org", "--remote: 'example.org' is not an IPv4 or IPv6 address");
	check_wrong("-d 10.0.0.0/33", "--remote: 33 is out of range 0-32");
	check_wrong("-d 10.0.0.1,", "--remote: an item is empty");
	check_wrong("-d ", "--remote: an item is empty");
}

static void test_owner_filters(void **state)
{
	const struct filter *filter = &options.filter;

	(void)state;
	check_runs("-p 1,2 --pid 3 -u 0,root --uid 65534 --comm a,b --comm c* -c /a --cgroup b/");
	assert_int_equal(filter->pids.count, 3);
	assert_int_equal(filter->pids.values[2], 3);
	assert_int_equal(filter->uids.count, 3);
	assert_int_equal(filter->uids.values[1], 0);
	assert_int_equal(filter->uids.values[2], 65534);
	/* A name may hold a comma. */
	assert_int_equal(filter->comms.count, 2);
	assert_string_equal(filter->comms.values[0], "a,b");
	assert_string_equal(filter->comms.values[1], "c*");
	assert_int_equal(filter->cgroups.count, 2);
	assert_string_equal(filter->cgroups.values[0], "/a");
	assert_string_equal(filter->cgroups.values[1], "b/");
	check_wrong("-p 0", "--pid: 0 is out of range 1-2147483647");
	check_wrong("-p self", "--pid: 'self' is not a number");
	check_wrong("-u 4294967295", "--uid: 4294967295 is out of range 0-4294967294");
	check_wrong("-u no-such-user",
		    "--uid: 'no-such-user' is neither a number nor a user's name");
	check_wrong("-u -1", "--uid: '-1' is neither a number nor a user's name");
	check_wrong("--comm=", "--comm: the value is empty");
	check_wrong("-c ", "--cgroup: the value is empty");
}

static void test_cgroup_as_in_sysfs(void **state)
{
	const struct filter_text *cgroups = &options.filter.cgroups;

	(void)state;
	check_runs(
		"-c /sys/fs/cgroup/a/b -c /sys/fs/cgroup -c /sys/fs/cgroup/ -c /sys/fs/cgroup2/x");
	assert_string_equal(cgroups->values[0], "/a/b");
	assert_string_equal(cgroups->values[1], "/");
	assert_string_equal(cgroups->values[2], "/");
	assert_string_equal(cgroups->values[3], "/sys/fs/cgroup2/x");
}

static void test_word_filters(void **state)
{
	(void)state;
	check_runs("-N a --netns /run/netns/b --proto tcp --event alloc,fail --event free "
		   "--via connect,fixed");
	assert_int_equal(options.netns_names.count, 2);
	assert_string_equal(options.netns_names.values[1], "/run/netns/b");
	assert_int_equal(options.filter.netns.count, 0);
	assert_int_equal(options.filter.protos, FILTER_TCP);
	assert_int_equal(options.filter.events,
			 1 << PT_EV_ALLOC | 1 << PT_EV_FAIL | 1 << PT_EV_FREE);
	assert_int_equal(options.filter.vias, 1 << PT_VIA_CONNECT | 1 << PT_VIA_FIXED);
	check_runs("--proto udp,tcp");
	assert_int_equal(options.filter.protos, FILTER_TCP | FILTER_UDP);
	check_wrong("--proto sctp", "--proto: 'sctp' is none of tcp, udp");
	check_wrong("--proto TCP", "--proto: 'TCP' is none of tcp, udp");
	check_wrong("--event x", "--event: 'x' is none of alloc, fail, time_wait, free, lost");
	check_wrong("--event alloc,,free", "--event: an item is empty");
	check_wrong("--via ephemeral", "--via: 'ephemeral' is none of connect, bind, listen, "
				       "autobind, fixed, accept, snapshot");
	check_wrong("-N ", "--netns: the value is empty");
}

static void test_output(void **state)
{
	(void)state;
	check_runs("-o a -o b --color always --color=never");
	assert_string_equal(options.output, "b");
	assert_int_equal(options.color, COLOR_NEVER);
	check_runs("-o - --color always");
	assert_string_equal(options.output, "-");
	assert_int_equal(options.color, COLOR_ALWAYS);
	check_wrong("-o ", "-o: the file name is empty");
	check_wrong("--color yes", "--color: 'yes' is none of auto, always, never");
	check_wrong("--color", "--color needs a value: WHEN");
}

static void test_bounds(void **state)
{
	(void)state;
	check_runs("--duration 1.5s --count 10 --buffer-size 1M");
	assert_int_equal(options.duration_ns, 1500000000);
	assert_int_equal(options.count, 10);
	assert_int_equal(options.buffer_size, 1 << 20);
	check_wrong("--duration 0", "--duration: it has to be longer than 0");
	check_wrong("--duration 10x",
		    "--duration: '10x' is not a time such as 10s, 500ms, 2m or 1h");
	check_wrong("--count 0", "--count: 0 is out of range 1-18446744073709551615");
	check_wrong("--count -1", "--count: '-1' is not a number");
}

static void test_buffer_size(void **state)
{
	static const struct {
		const char *line;
		__u64 size;
	} wanted[] = {
		{ "--buffer-size 64K", 64 << 10 },    { "--buffer-size 65536", 64 << 10 },
		{ "--buffer-size 65537", 128 << 10 }, { "--buffer-size 100K", 128 << 10 },
		{ "--buffer-size 1G", 1 << 30 },      { "--buffer-size 1023M", 1 << 30 },
		{ "--buffer-size 8388607", 8 << 20 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		check_runs(wanted[i].line);
		assert_int_equal(options.buffer_size, wanted[i].size);
	}
	check_wrong("--buffer-size 65535", "--buffer-size: '65535' is out of range 64K-1G");
	check_wrong("--buffer-size 1073741825",
		    "--buffer-size: '1073741825' is out of range 64K-1G");
	check_wrong("--buffer-size 0", "--buffer-size: '0' is out of range 64K-1G");
	check_wrong("--buffer-size 8X",
		    "--buffer-size: '8X' is not a size such as 65536, 64K, 8M or 1G");
}

static void test_too_many(void **state)
{
	char line[8192] = "";
	char *p = line;

	(void)state;
	for (int i = 0; i < FILTER_MAX; i++)
		p += sprintf(p, "%s--comm x -p %d -d 10.0.0.%d", i ? " " : "", i + 1, i);
	check_runs(line);
	assert_int_equal(options.filter.comms.count, FILTER_MAX);
	assert_int_equal(options.filter.remotes_count, FILTER_MAX);
	strcpy(p, " --comm x");
	check_wrong(line, "--comm: more than 64 are too many");
	strcpy(p, " -p 65");
	check_wrong(line, "--pid: more than 64 are too many");
	strcpy(p, " -d ::1");
	check_wrong(line, "--remote: more than 64 are too many");
}

static void test_long_items(void **state)
{
	char line[1024], wanted[1024];

	(void)state;
	snprintf(line, sizeof(line), "--via %0500d", 0);
	snprintf(wanted, sizeof(wanted), "--via: '%074d'... is too long", 0);
	check_wrong(line, wanted);
}

static void test_read(void **state)
{
	(void)state;
	check_runs("-r dir");
	assert_string_equal(options.recording, "dir");
	check_runs("ls --read=dir");
	assert_string_equal(options.recording, "dir");
	check_runs("ls");
	assert_null(options.recording);
	check_runs("report");
	assert_string_equal(options.recording, RECORDING_DIR_DEFAULT);
	check_runs("report -r x.pt");
	assert_string_equal(options.recording, "x.pt");
	check_runs("history 80");
	assert_string_equal(options.recording, RECORDING_DIR_DEFAULT);
	check_runs("who 80 --at now");
	assert_string_equal(options.recording, RECORDING_DIR_DEFAULT);
	check_runs("export --format csv");
	assert_string_equal(options.recording, RECORDING_DIR_DEFAULT);
	check_wrong("-r ", "--read: the file name is empty");
	check_wrong("-r -", "--read: a recording is looked up by its index, which a pipe cannot "
			    "be: give a directory or a file");
	check_wrong("-r", "--read needs a value: DIR|FILE");
	check_wrong("record -r x", "--read is not an option of record");
	check_wrong("doctor -r x", "--read is not an option of doctor");
}

static void test_live_or_recorded(void **state)
{
	static const char *const live[] = { "--audit", "--duration", "--buffer-size",
					    "--no-snapshot" };
	static const char *const values[] = { "", " 10s", " 1M", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(live); i++) {
		char line[64], reason[64];

		snprintf(reason, sizeof(reason), "%s is of live tracing, not of -r", live[i]);
		snprintf(line, sizeof(line), "%s%s -r x", live[i], values[i]);
		check_wrong(line, reason);
		snprintf(line, sizeof(line), "trace -r x %s%s", live[i], values[i]);
		check_wrong(line, reason);
		snprintf(line, sizeof(line), "%s%s", live[i], values[i]);
		check_runs(line);
	}
	check_runs("-r x -jt -P 80 --event free --count 5 --strict --since 10:00 --until now -o y");
	check_wrong("--since 10:00", "--since is of a recording: give -r, too");
	check_wrong("--until 10:00", "--until is of a recording: give -r, too");
	check_wrong("ls --at 10:00", "--at is of a recording: give -r, too");
	check_wrong("--at 10:00", "--at is not an option of trace");
	check_wrong("-r x --at 10:00", "--at is not an option of trace");
	check_wrong("ls -r x --since 10:00", "--since is not an option of ls");
}

static void test_times(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	check_runs("report --since -1h30m --until 2026-11-21T14:00");
	assert_int_equal(options.since_ns, NOW - 5400 * S);
	assert_int_equal(options.until_ns, NOW - 130 * S);
	check_runs("history 80 --since=14:02 --until now");
	assert_int_equal(options.since_ns, NOW - 10 * S);
	assert_int_equal(options.until_ns, NOW);
	check_runs("export --format csv --since 23:00");
	assert_int_equal(options.since_ns, NOW - 54130 * S);
	assert_true(options.until_ns == PT_UNKNOWN);
	check_runs("ls -r x --at 2026-11-21T14:02:09.5Z");
	assert_int_equal(options.at_ns, NOW - S / 2);
	check_runs("ls -r x");
	assert_true(options.at_ns == PT_UNKNOWN);
	check_runs("report --since now --until now");
	check_wrong("report --since now --until -1s",
		    "--since (2026-11-21 14:02:10.000000) is later than --until "
		    "(2026-11-21 14:02:09.000000)");
	/* 23:00 is still to come: */
	check_wrong("report --until 23:00 --since -0.5s",
		    "--since (2026-11-21 14:02:09.500000) is later than --until "
		    "(2026-11-20 23:00:00.000000)");
	check_wrong("report --since noon", "--since: 'noon' is no time; these are: 14:02, "
					   "2026-11-21 14:02:10, -30m");
	check_wrong("who 80 --at 25:00",
		    "--at: '25:00' is no time: hours go from 00 to 23; these are: 14:02, "
		    "2026-11-21 14:02:10, -30m");
	check_wrong("who 80 --at now --since now", "--since is not an option of who");
	check_wrong("record --since now", "--since is not an option of record");
}

static void test_record(void **state)
{
	(void)state;
	check_runs("record");
	assert_int_equal(options.command, COMMAND_RECORD);
	assert_string_equal(options.write, RECORDING_DIR_DEFAULT);
	assert_int_equal(options.max_size, 1ULL << 30);
	assert_int_equal(options.max_age_ns, 7 * 86400 * S);
	assert_null(options.recording);
	check_runs("record -w x --max-size 1M --max-age 1m --duration 10s --buffer-size 1M "
		   "--audit=30 --strict -qv");
	assert_string_equal(options.write, "x");
	assert_int_equal(options.max_size, 1 << 20);
	assert_int_equal(options.max_age_ns, 60 * S);
	assert_int_equal(options.duration_ns, 10 * S);
	assert_int_equal(options.buffer_size, 1 << 20);
	assert_int_equal(options.audit_every_ns, 30 * S);
	assert_true(options.strict && options.quiet && options.verbose);
	check_runs("record --no-snapshot --write=y");
	assert_true(options.no_snapshot);
	check_wrong("record --no-snapshot --audit",
		    "--audit needs the snapshot that --no-snapshot leaves out");
	check_wrong("record -w -", "--write: a recording is synced and indexed, which a pipe "
				   "cannot be: give a directory or a file");
	check_wrong("record -w ", "--write: the file name is empty");
	check_wrong("record --max-size 1048575", "--max-size: '1048575' is less than 1M");
	check_wrong("record --max-size 1X",
		    "--max-size: '1X' is not a size such as 65536, 64K, 8M or 1G");
	check_wrong("record --max-age 59s", "--max-age: '59s' is less than 1m");
	check_wrong("record --max-age 1w",
		    "--max-age: '1w' is not a time such as 10s, 500ms, 2m or 1h");
	/* A recording has everything, and goes to no terminal. */
	check_wrong("record --port 80", "--port is not an option of record");
	check_wrong("record --proto tcp", "--proto is not an option of record");
	check_wrong("record -N x", "--netns is not an option of record");
	check_wrong("record -j", "--json is not an option of record");
	check_wrong("record -o x", "-o is not an option of record");
	check_wrong("record --count 5", "--count is not an option of record");
	check_wrong("-w x", "--write is not an option of trace");
	check_wrong("report -w x", "--write is not an option of report");
	check_wrong("report --max-size 1G", "--max-size is not an option of report");
}

static void test_memory(void **state)
{
	(void)state;
	check_runs("record");
	assert_int_equal(options.memory, 0);
	assert_int_equal(options.dump_on, DUMP_ON_NOTHING);
	check_runs("record --memory 256M --max-size 1G");
	assert_int_equal(options.memory, 256 << 20);
	assert_int_equal(options.watch, 0);
	check_runs("record --memory 4M --dump-on exhaustion --watch 80%");
	assert_int_equal(options.memory, 4 << 20);
	assert_int_equal(options.dump_on, DUMP_ON_EXHAUSTION);
	assert_int_equal(options.watch, 800);
	check_runs("record --memory 4M --dump-on exhaustion --no-snapshot");
	check_runs("record --dump-on=headroom=95% --memory 4M");
	assert_int_equal(options.dump_on, DUMP_ON_HEADROOM);
	assert_int_equal(options.watch, 950);
	check_wrong("record --memory 4095K", "--memory: '4095K' is less than 4M");
	check_wrong("record --memory x",
		    "--memory: 'x' is not a size such as 65536, 64K, 8M or 1G");
	check_wrong("record --dump-on exhaustion", "--dump-on is of --memory: give that, too");
	check_wrong("record --memory 4M --dump-on full",
		    "--dump-on: 'full' is neither exhaustion nor headroom=95%");
	check_wrong("record --memory 4M --dump-on headroom",
		    "--dump-on: 'headroom' is neither exhaustion nor headroom=95%");
	check_wrong("record --memory 4M --dump-on headroom=101%",
		    "--dump-on: '101%' is not a share of the ports: 1%-100%");
	check_wrong("record --memory 4M --dump-on headroom=9% --watch 80%",
		    "--dump-on headroom tells what --watch does: give one of them");
	check_wrong("record --memory 4M --dump-on headroom=9% --no-snapshot",
		    "--dump-on headroom needs the snapshot that --no-snapshot leaves out");
	check_wrong("--memory 4M", "--memory is not an option of trace");
}

static void check_child(const char *line, const char *wanted)
{
	char all[256] = "";

	check_runs(line);
	assert_non_null(options.child);
	for (char **arg = options.child; *arg; arg++)
		sprintf(all + strlen(all), "[%s]", *arg);
	assert_string_equal(all, wanted);
}

static void test_child(void **state)
{
	(void)state;
	check_child("record -- curl -v http://x", "[curl][-v][http://x]");
	check_child("record curl http://x -w y", "[curl][http://x][-w][y]");
	check_child("record -q -w x curl --help", "[curl][--help]");
	assert_true(options.quiet);
	assert_string_equal(options.write, "x");
	check_child("record ls", "[ls]");
	check_child("record 80", "[80]");
	check_child("record -- -x", "[-x]");
	check_child("record -- sh -- y", "[sh][--][y]");
	check_child("record -- --", "[--]");
	check_wrong("record --", "there is no command behind --");
	check_wrong("record -q --", "there is no command behind --");
	check_wrong("record -x curl", "unknown option '-x'");
	/* Of record only. */
	check_wrong("trace -- curl", "unexpected argument 'curl'");
	check_wrong("report -- curl", "unexpected argument 'curl'");
}

static void test_report(void **state)
{
	(void)state;
	check_runs("report");
	assert_int_equal(options.command, COMMAND_REPORT);
	assert_int_equal(options.by, BY_PROCESS);
	assert_int_equal(options.top, 10);
	assert_int_equal(options.format, FORMAT_TABLE);
	assert_null(options.sort);
	check_runs("report --by remote --sort fails --top 0 --format csv -o x");
	assert_int_equal(options.by, BY_REMOTE);
	assert_string_equal(options.sort, "fails");
	assert_int_equal(options.top, 0);
	assert_int_equal(options.format, FORMAT_CSV);
	assert_false(options.json);
	check_runs("report --by port --by cgroup");
	assert_int_equal(options.by, BY_CGROUP);
	check_runs("report -P 80 -D 443 -d ::1 -p 1 --comm x -u 0 -c / -N x -46 --proto udp "
		   "--event free --via connect --ephemeral");
	check_wrong("report --by uid", "--by: 'uid' is none of port, process, remote, cgroup");
	check_wrong("report --by ", "--by: '' is none of port, process, remote, cgroup");
	check_wrong("report --sort ", "--sort: the value is empty");
	check_wrong("report --top ten", "--top: 'ten' is not a number");
	check_wrong("report --top -1", "--top: '-1' is not a number");
	check_wrong("report x", "unexpected argument 'x'");
	check_wrong("report 80", "unexpected argument '80': did you mean --port 80?");
	check_wrong("report --audit", "--audit is not an option of report");
}

static void test_report_format(void **state)
{
	(void)state;
	check_runs("report --json");
	assert_true(options.json);
	assert_int_equal(options.format, FORMAT_JSON);
	check_runs("report --format json");
	assert_true(options.json);
	check_runs("report --format json -j");
	assert_true(options.json);
	check_runs("report --format csv --format table");
	assert_int_equal(options.format, FORMAT_TABLE);
	check_wrong("report -j --format csv", "--json and another --format exclude each other");
	check_wrong("report --format table --json",
		    "--json and another --format exclude each other");
	check_wrong("report --format jsonl", "--format: 'jsonl' is none of table, json, csv");
	check_wrong("history 80 --format csv", "--format is not an option of history");
}

static void test_reuse(void **state)
{
	(void)state;
	check_runs("reuse");
	assert_int_equal(options.command, COMMAND_REUSE);
	assert_null(options.recording);
	assert_int_equal(options.by, BY_PROTO);
	assert_int_equal(options.top, 10);
	assert_int_equal(options.format, FORMAT_NONE);
	check_runs("reuse --by port --top 0 -jqv -o x --duration 10s --count 5 --buffer-size 1M "
		   "--no-snapshot --strict");
	assert_int_equal(options.by, BY_PORT);
	assert_int_equal(options.top, 0);
	assert_int_equal(options.count, 5);
	assert_true(options.json);
	check_runs("reuse -r x --since -1h --until now --by netns");
	assert_string_equal(options.recording, "x");
	assert_int_equal(options.by, BY_NETNS);
	check_runs("reuse --by proto --by process");
	assert_int_equal(options.by, BY_PROCESS);
	check_runs("reuse -P 80 -D 443 -d ::1 -p 1 --comm x -u 0 -c / -N x -46 --proto udp "
		   "--via connect --ephemeral");
	check_wrong("reuse --by remote", "--by: 'remote' is none of port, process, proto, netns");
	check_wrong("report --by proto", "--by: 'proto' is none of port, process, remote, cgroup");
	check_wrong("ls --by netns", "--by: 'netns' is none of port, process, remote, cgroup");
	check_wrong("reuse --since -1h", "--since is of a recording: give -r, too");
	check_wrong("reuse --until now", "--until is of a recording: give -r, too");
	check_wrong("reuse -r x --duration 1s", "--duration is of live tracing, not of -r");
	check_wrong("reuse -r x --count 1", "--count is of live tracing, not of -r");
	check_wrong("reuse -r x --no-snapshot", "--no-snapshot is of live tracing, not of -r");
	check_wrong("reuse --audit", "--audit is not an option of reuse");
	check_wrong("reuse --event alloc", "--event is not an option of reuse");
	check_wrong("reuse --sort fails", "--sort is not an option of reuse");
	check_wrong("reuse --color never", "--color is not an option of reuse");
	check_wrong("reuse --format csv", "--format is not an option of reuse");
	check_wrong("reuse 80", "unexpected argument '80': did you mean --port 80?");
}

static void test_search(void **state)
{
	(void)state;
	check_runs("search");
	assert_int_equal(options.command, COMMAND_SEARCH);
	assert_null(options.recording);
	assert_int_equal(options.by, BY_PROTO);
	assert_int_equal(options.top, 10);
	check_runs("search --by fill --top 0 -jqv -o x --duration 10s --count 5 --buffer-size 1M "
		   "--no-snapshot --strict -P 80 --via connect");
	assert_int_equal(options.by, BY_FILL);
	assert_int_equal(options.count, 5);
	check_runs("search -r x --since -1h --until now --by remote");
	assert_int_equal(options.by, BY_REMOTE);
	check_wrong("search --by port",
		    "--by: 'port' is none of process, remote, proto, netns, fill");
	check_wrong("reuse --by fill", "--by: 'fill' is none of port, process, proto, netns");
	check_wrong("search -r x --count 1", "--count is of live tracing, not of -r");
	check_wrong("search --until now", "--until is of a recording: give -r, too");
	check_wrong("search --audit", "--audit is not an option of search");
	check_wrong("search --color never", "--color is not an option of search");
}

static void test_ls_groups(void **state)
{
	(void)state;
	check_runs("ls --by process");
	assert_int_equal(options.by, BY_PROCESS);
	assert_int_equal(options.top, 10);
	check_runs("ls --top 5 --by cgroup");
	assert_int_equal(options.top, 5);
	check_wrong("ls --top 5", "--top is of --by or --headroom: give one, too");
	check_wrong("ls --sort x", "--sort is not an option of ls");
	check_wrong("--by port", "--by is not an option of trace");
	check_wrong("ls --via connect", "--via is not an option of ls");
}

static void test_one_port(void **state)
{
	static const char *const commands[] = { "history", "who --at now" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		static const char *const ways[] = {
			"60609",       "--port 60609", "-P60609 -q",	   "-P 60609 60609",
			"-q 60609 -j", "-- 60609",     "-P 60609 -P 60609"
		};

		for (size_t way = 0; way < ARRAY_SIZE(ways); way++) {
			char line[64];

			snprintf(line, sizeof(line), "%s %s", commands[i], ways[way]);
			check_runs(line);
			assert_int_equal(options.port, 60609);
			assert_true(options.filter.has_ports);
			assert_true(port_set_has(&options.filter.ports, 60609));
			assert_false(port_set_has(&options.filter.ports, 60610));
		}
	}
	check_runs("history 1 -D 443 -d ::1 -p 1 --comm x -u 0 -c / -N x -46 --proto udp "
		   "--via connect --ephemeral --color never -o x");
	check_wrong("history", "history of which port? For instance: porttrace history 60609");
	check_wrong("who --at now", "who of which port? For instance: porttrace who 60609");
	check_wrong("history 80 81", "history is of one port, not of 2");
	check_wrong("history 80 80", "history is of one port, not of 2");
	check_wrong("who --at now 1 2 3", "who is of one port, not of 3");
	check_wrong("history 80 -P 81", "PORT: one port only, and 81 was given before");
	check_wrong("history -P 80 -P 81", "--port: one port only, and 80 was given before");
	check_wrong("history 80-90", "PORT: '80-90' is not a number");
	check_wrong("history 80,90", "PORT: '80,90' is not a number");
	check_wrong("history -P 80,90", "--port: '80,90' is not a number");
	check_wrong("history 0", "PORT: 0 is out of range 1-65535");
	check_wrong("history http", "PORT: 'http' is not a number");
	check_wrong("history -P", "--port needs a value: PORT");
	check_wrong("history 80 --event free", "--event is not an option of history");
	check_wrong("who 80 --at now --event free", "--event is not an option of who");
	check_wrong("who 80", "--at is missing: who held the port when?");
	check_wrong("history 80 --at now", "--at is not an option of history");
}

static void test_export(void **state)
{
	(void)state;
	check_runs("export --format jsonl");
	assert_int_equal(options.command, COMMAND_EXPORT);
	assert_int_equal(options.format, FORMAT_JSONL);
	assert_null(options.write);
	check_runs("export --format csv -w -");
	assert_int_equal(options.format, FORMAT_CSV);
	assert_null(options.write);
	check_runs("export -w x --format sqlite -r y --since now -P 80 --event fail -qv");
	assert_int_equal(options.format, FORMAT_SQLITE);
	assert_string_equal(options.write, "x");
	check_runs("export --format csv -w x -w -");
	assert_null(options.write);
	check_wrong("export", "--format is missing: jsonl, csv or sqlite");
	check_wrong("export --format sqlite",
		    "--format sqlite needs -w FILE: standard output cannot be a database");
	check_wrong("export --format sqlite -w -",
		    "--format sqlite needs -w FILE: standard output cannot be a database");
	check_wrong("export --format json", "--format: 'json' is none of jsonl, csv, sqlite");
	check_wrong("export --format csv -w ", "--write: the file name is empty");
	check_wrong("export --format csv -w", "--write needs a value: FILE");
	check_wrong("export --format csv x", "unexpected argument 'x'");
	check_wrong("export --json", "--json is not an option of export");
	check_wrong("export -o x", "-o is not an option of export");
}

static void test_help(void **state)
{
	static const char *const all[] = {
		"-P, --port PORTS",
		"-D, --remote-port PORTS",
		"-d, --remote ADDR[/LEN]",
		"-p, --pid PID",
		"    --comm NAME",
		"-u, --uid USER",
		"-c, --cgroup PATH",
		"-N, --netns NETNS",
		"-4 ",
		"-6 ",
		"    --proto PROTO",
		"    --event EVENTS",
		"    --via WAYS",
		"    --ephemeral",
		"-j, --json",
		"-o FILE",
		"-t ",
		"    --color WHEN",
		"-q ",
		"-v ",
		"    --duration TIME",
		"    --count N",
		"    --buffer-size SIZE",
		"    --no-snapshot",
		"    --audit[=SECONDS]",
		"    --strict",
		"-h, --help",
		"-V, --version",
	};

	(void)state;
	assert_int_equal(parse("--help"), OPTIONS_DONE);
	assert_string_equal(errors, "");
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		char wanted[64];

		snprintf(wanted, sizeof(wanted), "\n  %s", all[i]);
		if (!strstr(answers, wanted))
			fail_msg("'%s' is not in the help", all[i]);
	}
	assert_int_equal(strncmp(answers, "Usage: porttrace [trace]", 24), 0);
	assert_non_null(strstr(answers, "\n  history  show every hold"));
	assert_non_null(strstr(answers, "\n  -r, --read DIR|FILE "));
	assert_null(strstr(answers, "--max-size"));
}

/* Every command has one, and none is wider than a terminal. */
static void test_help_fits(void **state)
{
	static const char *const names[] = { "trace", "ls",    "record", "report", "history",
					     "who",   "reuse", "search", "export", "doctor" };

	(void)state;
	assert_int_equal(ARRAY_SIZE(names), COMMANDS);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		char call[32], *line, *rest = answers;

		snprintf(call, sizeof(call), "%s -h", names[i]);
		assert_int_equal(parse(call), OPTIONS_DONE);
		while ((line = strsep(&rest, "\n"))) {
			size_t len = strlen(line);

			if (len >= 80 || (len && line[len - 1] == ' '))
				fail_msg("%s: '%s'", call, line);
		}
	}
}

static void test_help_of_a_command(void **state)
{
	(void)state;
	assert_int_equal(parse("doctor -h"), OPTIONS_DONE);
	assert_int_equal(strncmp(answers, "Usage: porttrace doctor", 23), 0);
	assert_non_null(strstr(answers, "--json"));
	assert_null(strstr(answers, "--port"));
	assert_null(strstr(answers, "Filters"));
	assert_int_equal(parse("ls -h"), OPTIONS_DONE);
	assert_int_equal(strncmp(answers, "Usage: porttrace ls", 19), 0);
	assert_non_null(strstr(answers, "--port"));
	assert_null(strstr(answers, "--via"));
	assert_null(strstr(answers, "Bounds"));
	assert_non_null(
		strstr(answers, "\n  -v                         accepted connections too\n"));
	assert_int_equal(parse("record -h"), OPTIONS_DONE);
	assert_int_equal(strncmp(answers, "Usage: porttrace record", 23), 0);
	assert_non_null(strstr(answers, "\nA recording has everything: filters apply when"));
	assert_non_null(strstr(answers, "(default " RECORDING_DIR_DEFAULT ")"));
	assert_null(strstr(answers, "Filters"));
	assert_int_equal(parse("history -h"), OPTIONS_DONE);
	assert_non_null(strstr(answers, "\n  -P, --port PORT            the port"));
	assert_null(strstr(answers, "PORTS            local"));
	assert_null(strstr(answers, "--event"));
	/* The child's, not ours. */
	assert_int_equal(parse("record curl -h"), OPTIONS_RUN);
}

static void test_version(void **state)
{
	(void)state;
	assert_int_equal(parse("-V"), OPTIONS_DONE);
	assert_string_equal(answers, "porttrace " PORTTRACE_VERSION "\n");
	assert_int_equal(parse("--version"), OPTIONS_DONE);
	/* What comes first counts. */
	assert_int_equal(parse("-h --port x"), OPTIONS_DONE);
	check_wrong("--port x -h", "--port: 'x' is not a number");
}

static void test_color(void **state)
{
	(void)state;
	unsetenv("NO_COLOR");
	assert_true(options_use_color(COLOR_AUTO, true));
	assert_false(options_use_color(COLOR_AUTO, false));
	assert_true(options_use_color(COLOR_ALWAYS, false));
	assert_false(options_use_color(COLOR_NEVER, true));
	setenv("NO_COLOR", "1", 1);
	assert_false(options_use_color(COLOR_AUTO, true));
	/* The user's word goes before the environment's. */
	assert_true(options_use_color(COLOR_ALWAYS, true));
	setenv("NO_COLOR", "", 1);
	assert_true(options_use_color(COLOR_AUTO, true));
	unsetenv("NO_COLOR");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_no_arguments_at_all),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_audit),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_headroom),
		cmocka_unit_test(test_unknown_options),
		cmocka_unit_test(test_port_filters),
		cmocka_unit_test(test_remote_filter),
		cmocka_unit_test(test_owner_filters),
		cmocka_unit_test(test_cgroup_as_in_sysfs),
		cmocka_unit_test(test_word_filters),
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_buffer_size),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_long_items),
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_live_or_recorded),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_child),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_report_format),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_ls_groups),
		cmocka_unit_test(test_one_port),
		cmocka_unit_test(test_export),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_help_fits),
		cmocka_unit_test(test_help_of_a_command),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_color),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
