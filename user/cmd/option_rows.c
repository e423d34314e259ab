// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/option_rows.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define FILTERS_HELP "[OPTIONS] [FILTERS]"

const struct option_command option_commands[COMMANDS] = {
	[COMMAND_TRACE] = {
		.name = "trace",
		.usage = "[trace] " FILTERS_HELP,
		.summary = "show ports being taken, refused and freed, live (the default)",
	},
	[COMMAND_LS] = {
		.name = "ls",
		.usage = "ls " FILTERS_HELP,
		.summary = "tell who holds which port, now or at a past moment",
	},
	[COMMAND_RECORD] = {
		.name = "record",
		.usage = "record [OPTIONS] [-- COMMAND [ARG...]]",
		.summary = "write what happens to disk, for the commands below",
		.more = "A recording has everything: filters apply when it is read. It ends with\n"
			"COMMAND, whose exit status is then porttrace's; else with Ctrl-C.\n",
		.operands = OPERANDS_COMMAND,
	},
	[COMMAND_REPORT] = {
		.name = "report",
		.usage = "report " FILTERS_HELP,
		.summary = "sum a recording up by process, port, remote or cgroup",
		.recording = RECORDING_DIR_DEFAULT,
	},
	[COMMAND_HISTORY] = {
		.name = "history",
		.usage = "history " FILTERS_HELP " PORT",
		.summary = "show every hold of a port in a recording",
		.operands = OPERANDS_PORT,
		.recording = RECORDING_DIR_DEFAULT,
	},
	[COMMAND_WHO] = {
		.name = "who",
		.usage = "who --at T " FILTERS_HELP " PORT",
		.summary = "tell who held a port at one moment of a recording",
		.operands = OPERANDS_PORT,
		.recording = RECORDING_DIR_DEFAULT,
	},
	[COMMAND_REUSE] = {
		.name = "reuse",
		.usage = "reuse " FILTERS_HELP,
		.summary = "tell how soon ports are used again, live or in a recording",
	},
	[COMMAND_SEARCH] = {
		.name = "search",
		.usage = "search " FILTERS_HELP,
		.summary = "tell how long the kernel looks for ports, live or in a recording",
	},
	[COMMAND_EXPORT] = {
		.name = "export",
		.usage = "export --format FORMAT " FILTERS_HELP,
		.summary = "turn a recording into JSON Lines, CSV or SQLite",
		.recording = RECORDING_DIR_DEFAULT,
	},
	[COMMAND_DOCTOR] = {
		.name = "doctor",
		.usage = "doctor [OPTIONS]",
		.summary = "tell what this kernel and these privileges allow",
	},
};

const char *const option_group_titles[OPTION_GROUPS] = {
	[GROUP_FILTER] =
		("Filters (what is shown has to pass all; lists are separated by commas, and\n"
		 "an option given again adds to its list)"),
	[GROUP_RECORDING] = "Recordings",
	[GROUP_OUTPUT] = "Output",
	[GROUP_BOUNDS] = "Bounds",
	[GROUP_OTHER] = "Other",
};

#define FOR(command) (1U << COMMAND_##command)
/* Those that sum up a span of what they trace, or of a recording. */
#define FOR_MEASURES (FOR(REUSE) | FOR(SEARCH))
/* Those that may read this host. */
#define FOR_EITHER (FOR(TRACE) | FOR(LS) | FOR_MEASURES)
/* Those that trace. */
#define FOR_TRACERS (FOR(TRACE) | FOR(RECORD) | FOR_MEASURES)
#define FOR_ONE_PORT (FOR(HISTORY) | FOR(WHO))
#define FOR_READERS (FOR(REPORT) | FOR_ONE_PORT | FOR(EXPORT))
#define FOR_SHOWN (FOR_EITHER | FOR(REPORT) | FOR_ONE_PORT)
#define FOR_FILTERED (FOR_EITHER | FOR_READERS)
#define FOR_ALL ((1U << COMMANDS) - 1)

/* Further members may follow. */
#define VALUE(letter_, name_, arg_, help_, group_, commands_, ...)                                 \
	{                                                                                          \
		.letter = letter_, .name = name_, .arg = arg_, .help = help_, .group = group_,     \
		.commands = commands_, .set = __VA_ARGS__                                          \
	}
#define FLAG(letter_, name_, help_, group_, commands_, ...)                                        \
	{                                                                                          \
		.letter = letter_, .name = name_, .help = help_, .group = group_,                  \
		.commands = commands_, .flag = __VA_ARGS__                                         \
	}
#define MEMBER(member) offsetof(struct options, member)
#define ANSWER(letter_, name_, help_)                                                              \
	{                                                                                          \
		.letter = letter_, .name = name_, .help = help_, .group = GROUP_OTHER,             \
		.commands = FOR_ALL                                                                \
	}

const struct option_row option_rows[] = {
	VALUE('P', "port", "PORTS", "local port: 60609,40000-40100", GROUP_FILTER,
	      FOR_FILTERED & ~FOR_ONE_PORT, option_set_ports),
	VALUE('P', "port", "PORT", "the port, in place of the operand PORT", GROUP_FILTER,
	      FOR_ONE_PORT, option_set_port),
	VALUE('D', "remote-port", "PORTS", "remote port", GROUP_FILTER, FOR_FILTERED,
	      option_set_rports),
	VALUE('d', "remote", "ADDR[/LEN]", "remote address or network", GROUP_FILTER, FOR_FILTERED,
	      option_set_remotes),
	VALUE('p', "pid", "PID", "process that has the port, or was refused it", GROUP_FILTER,
	      FOR_FILTERED, option_set_pids),
	VALUE(0, "comm", "NAME", "its name or its thread's; may have * ? and [...]", GROUP_FILTER,
	      FOR_FILTERED, option_set_comm),
	VALUE('u', "uid", "USER", "its user, a number or a name", GROUP_FILTER, FOR_FILTERED,
	      option_set_uids),
	VALUE('c', "cgroup", "PATH", "its cgroup is this or below: /system.slice", GROUP_FILTER,
	      FOR_FILTERED, option_set_cgroup),
	VALUE('N', "netns", "NETNS", "network namespace: name, path or inode", GROUP_FILTER,
	      FOR_FILTERED, option_set_netns),
	FLAG('4', NULL, "only IPv4 sockets", GROUP_FILTER, FOR_FILTERED, MEMBER(filter.ipv4)),
	FLAG('6', NULL, "only IPv6 sockets", GROUP_FILTER, FOR_FILTERED, MEMBER(filter.ipv6)),
	VALUE(0, "proto", "PROTO", "tcp or udp", GROUP_FILTER, FOR_FILTERED, option_set_protos),
	VALUE(0, "event", "EVENTS", "kinds of event: alloc, fail, time_wait, free", GROUP_FILTER,
	      FOR(TRACE) | FOR(REPORT) | FOR(EXPORT), option_set_events),
	VALUE(0, "via", "WAYS", "got by connect, bind, listen, autobind, fixed, ...", GROUP_FILTER,
	      FOR_FILTERED & ~FOR(LS), option_set_vias),
	FLAG(0, "ephemeral", "leave out ports that the program chose", GROUP_FILTER,
	     FOR_FILTERED & ~FOR(LS), MEMBER(filter.ephemeral)),

	VALUE('r', "read", "DIR|FILE", "read a recording, not this host", GROUP_RECORDING,
	      FOR_EITHER, option_set_recording),
	VALUE('r', "read", "DIR|FILE", "the recording (default " RECORDING_DIR_DEFAULT ")",
	      GROUP_RECORDING, FOR_READERS, option_set_recording),
	VALUE(0, "since", "T", "with -r: from T on: 14:02, -30m, 2026-11-21 14:02", GROUP_RECORDING,
	      FOR(TRACE) | FOR_MEASURES, option_set_since, .when = WHEN_RECORDED),
	VALUE(0, "until", "T", "with -r: up to T", GROUP_RECORDING, FOR(TRACE) | FOR_MEASURES,
	      option_set_until, .when = WHEN_RECORDED),
	VALUE(0, "since", "T", "from T on: 14:02, -30m, 2026-11-21 14:02:10", GROUP_RECORDING,
	      FOR_READERS & ~FOR(WHO), option_set_since),
	VALUE(0, "until", "T", "up to T", GROUP_RECORDING, FOR_READERS & ~FOR(WHO),
	      option_set_until),
	VALUE(0, "at", "T", "with -r: the moment, 14:02 or -30m (default: end)", GROUP_RECORDING,
	      FOR(LS), option_set_at, .when = WHEN_RECORDED),
	VALUE(0, "at", "T", "the moment: 14:02, -30m, 2026-11-21 14:02:10", GROUP_RECORDING,
	      FOR(WHO), option_set_at),
	VALUE('w', "write", "DIR|FILE", "where to write (default " RECORDING_DIR_DEFAULT ")",
	      GROUP_RECORDING, FOR(RECORD), option_set_write),
	VALUE(0, "max-size", "SIZE", "delete the oldest beyond this size (default 1G)",
	      GROUP_RECORDING, FOR(RECORD), option_set_max_size),
	VALUE(0, "max-age", "TIME", "delete what is older: 12h, 30d (default 7d)", GROUP_RECORDING,
	      FOR(RECORD), option_set_max_age),
	VALUE(0, "memory", "SIZE", "keep the newest in memory; kill -USR2 writes them",
	      GROUP_RECORDING, FOR(RECORD), option_set_memory),
	VALUE(0, "dump-on", "WHAT", "with --memory: write at exhaustion, headroom=95%",
	      GROUP_RECORDING, FOR(RECORD), option_set_dump_on),

	VALUE(0, "by", "WHAT", "sum up by port, process, remote or cgroup", GROUP_OUTPUT, FOR(LS),
	      option_set_by),
	VALUE(0, "by", "WHAT", "sum up by process (default), port, remote, cgroup", GROUP_OUTPUT,
	      FOR(REPORT), option_set_by),
	VALUE(0, "by", "WHAT", "sum up by proto (default), netns, process or port", GROUP_OUTPUT,
	      FOR(REUSE), option_set_reuse_by),
	VALUE(0, "by", "WHAT", "by proto (default), netns, process, remote or fill", GROUP_OUTPUT,
	      FOR(SEARCH), option_set_search_by),
	FLAG(0, "headroom", "how many ports are left, for each destination", GROUP_OUTPUT, FOR(LS),
	     MEMBER(headroom)),
	VALUE(0, "sort", "KEY", "sort by this key of --json (default: fails)", GROUP_OUTPUT,
	      FOR(REPORT), option_set_sort),
	VALUE(0, "top", "N", "with --by, --headroom: rows (default 10, 0: all)", GROUP_OUTPUT,
	      FOR(LS), option_set_top),
	VALUE(0, "top", "N", "rows and minutes to show (default 10, 0: all)", GROUP_OUTPUT,
	      FOR(REPORT), option_set_top),
	VALUE(0, "top", "N", "rows to show (default 10, 0: all)", GROUP_OUTPUT, FOR_MEASURES,
	      option_set_top),
	VALUE(0, "format", "FORMAT", "table (default), json or csv", GROUP_OUTPUT, FOR(REPORT),
	      option_set_report_format),
	VALUE(0, "format", "FORMAT", "jsonl, csv or sqlite", GROUP_OUTPUT, FOR(EXPORT),
	      option_set_export_format),
	FLAG('j', "json", "one JSON object a line", GROUP_OUTPUT,
	     FOR_ALL & ~(FOR(RECORD) | FOR(EXPORT)), MEMBER(json)),
	VALUE('o', NULL, "FILE", "write to FILE, not to standard output", GROUP_OUTPUT, FOR_SHOWN,
	      option_set_output),
	VALUE('w', "write", "FILE", "write to FILE, not to standard output", GROUP_OUTPUT,
	      FOR(EXPORT), option_set_export),
	FLAG('t', NULL, "seconds since the start, not the time of day", GROUP_OUTPUT, FOR(TRACE),
	     MEMBER(relative)),
	VALUE(0, "color", "WHEN", "auto (default; heeds NO_COLOR), always or never", GROUP_OUTPUT,
	      FOR_SHOWN & ~FOR_MEASURES, option_set_color),
	FLAG('q', NULL, "no messages but errors", GROUP_OUTPUT, FOR_ALL & ~FOR(DOCTOR),
	     MEMBER(quiet)),
	FLAG('v', NULL, "accepted connections too", GROUP_OUTPUT, FOR(LS), MEMBER(verbose)),
	FLAG('v', NULL, "more messages", GROUP_OUTPUT, FOR_ALL & ~FOR(LS), MEMBER(verbose)),

	VALUE(0, "duration", "TIME", "end after TIME: 10s, 500ms, 2m, 1h", GROUP_BOUNDS,
	      FOR_TRACERS, option_set_duration, .when = WHEN_LIVE),
	VALUE(0, "count", "N", "end after N events", GROUP_BOUNDS, FOR(TRACE), option_set_count),
	VALUE(0, "count", "N", "end after N allocations", GROUP_BOUNDS, FOR(REUSE),
	      option_set_count, .when = WHEN_LIVE),
	VALUE(0, "count", "N", "end after N allocations and refusals", GROUP_BOUNDS, FOR(SEARCH),
	      option_set_count, .when = WHEN_LIVE),
	VALUE(0, "buffer-size", "SIZE", "memory for events, 64K-1G (default 8M)", GROUP_BOUNDS,
	      FOR_TRACERS, option_set_buffer_size, .when = WHEN_LIVE),

	FLAG(0, "no-snapshot", "do not look for ports already held", GROUP_OTHER, FOR_TRACERS,
	     MEMBER(no_snapshot), .when = WHEN_LIVE),
	VALUE(0, "audit", "[=SECONDS]", "compare with the kernel at the end [every SECONDS]",
	      GROUP_OTHER, FOR_TRACERS & ~FOR_MEASURES, option_set_audit, .when = WHEN_LIVE),
	VALUE(0, "watch", "PERCENT", "tell when a destination's ports are used up: 90%",
	      GROUP_OTHER, FOR(TRACE) | FOR(RECORD), option_set_watch),
	FLAG(0, "strict", "exit with status 3 if events were lost", GROUP_OTHER, FOR_TRACERS,
	     MEMBER(strict)),
	ANSWER('h', "help", "show this help"),
	ANSWER('V', "version", "show the version"),
};

_Static_assert(ARRAY_SIZE(option_rows) <= OPTION_ROWS_MAX, "a bit each");

const unsigned int option_rows_count = ARRAY_SIZE(option_rows);
