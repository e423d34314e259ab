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
	result = options_parse(argc, argv, &options, out, err);
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

static void check_wrong(const char *line, const char *reason)
{
	char wanted[sizeof(errors)];

	snprintf(wanted, sizeof(wanted), "porttrace: %s (see porttrace --help)\n", reason);
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
	/* Not there yet, so not accepted. */
	check_wrong("record -w x", "unknown command 'record'");
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
	check_wrong("--watch 80", "unknown option '--watch'");
	check_wrong("-r x", "unknown option '-r'");
	/* Shortened as getopt_long() allows, unless it could be two. */
	check_runs("--eph");
	assert_true(options.filter.ephemeral);
	check_wrong("--co", "option '--co' is ambiguous");
	check_wrong("--co=3", "option '--co' is ambiguous");
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
	char *line, *rest = answers;

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
	while ((line = strsep(&rest, "\n"))) {
		size_t len = strlen(line);

		assert_true(len < 80);
		assert_true(!len || line[len - 1] != ' ');
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
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_help_of_a_command),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_color),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
