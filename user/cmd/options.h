/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line. */
#ifndef PORTTRACE_CMD_OPTIONS_H
#define PORTTRACE_CMD_OPTIONS_H

#include <stdio.h>

#include "user/event/filter.h"

#ifndef PORTTRACE_VERSION
#define PORTTRACE_VERSION "0.1.0"
#endif

/* Where recordings are if nobody says otherwise. */
#define RECORDING_DIR_DEFAULT "/var/log/porttrace"

enum options_command {
	COMMAND_TRACE,
	COMMAND_LS,
	COMMAND_RECORD,
	COMMAND_REPORT,
	COMMAND_HISTORY,
	COMMAND_WHO,
	COMMAND_REUSE,
	COMMAND_SEARCH,
	COMMAND_EXPORT,
	COMMAND_DOCTOR,
	COMMANDS,
};

enum options_color {
	COLOR_AUTO, /* on a terminal, unless NO_COLOR is set */
	COLOR_ALWAYS,
	COLOR_NEVER,
};

/* What the rows of report, ls, reuse and search are; each takes some of these. */
enum options_by {
	BY_NONE, /* ls: a row a holder */
	BY_PORT,
	BY_PROCESS,
	BY_REMOTE,
	BY_CGROUP,
	BY_PROTO,
	BY_NETNS,
	BY_FILL,
	BYS,
};

/* Of report: table, json (as json says), csv. Of export: jsonl, csv, sqlite. */
enum options_format {
	FORMAT_NONE, /* any other command */
	FORMAT_TABLE,
	FORMAT_JSON,
	FORMAT_JSONL,
	FORMAT_CSV,
	FORMAT_SQLITE,
	FORMATS,
};

/* record --memory: what makes it write, besides SIGUSR2 and its end. */
enum options_dump {
	DUMP_ON_NOTHING,
	DUMP_ON_EXHAUSTION, /* a port of the range was refused */
	DUMP_ON_HEADROOM,   /* a mark of watch is passed */
};

/* Strings are of argv. Times are CLOCK_REALTIME, ns. */
struct options {
	enum options_command command;
	__u64 now_ns; /* what "now" means in them */
	/*
	 * Complete but for netns, which the caller fills from netns_names, and
	 * for cgroup_path.
	 */
	struct filter filter;
	struct filter_text netns_names; /* each a name, a path or an inode number */
	__u16 port;			/* history, who: the filter's only one, too */

	const char *recording; /* directory or file to read; NULL: live */
	__u64 since_ns;	       /* 0: its beginning */
	__u64 until_ns;	       /* PT_UNKNOWN: its end */
	__u64 at_ns;	       /* the same; who: always a moment */

	/* record: directory or file; export: NULL: standard output, never for sqlite */
	const char *write;
	__u64 max_size; /* bytes */
	__u64 max_age_ns;
	__u64 memory; /* record: bytes, where the newest stay until they are dumped; 0: on disk */
	enum options_dump dump_on;
	char **child; /* record: the command and its arguments, NULL behind them; NULL: none */

	enum options_by by;
	const char *sort; /* NULL: the command's choice */
	__u64 top;	  /* rows; 0: all */
	enum options_format format;
	bool json;
	const char *output; /* NULL: standard output */
	bool relative;
	enum options_color color;
	bool quiet;
	bool verbose;

	__u64 duration_ns; /* 0: no end */
	__u64 count;	   /* 0: no end */
	__u64 buffer_size; /* bytes, a power of two */
	bool no_snapshot;
	bool strict;
	bool headroom; /* ls */
	__u32 watch;   /* thousandths of a range; 0: nobody wants to be told */
	bool audit;
	__u64 audit_every_ns; /* 0: only at the end */
};

enum options_result {
	OPTIONS_RUN,   /* *options is set */
	OPTIONS_DONE,  /* --help or --version was answered: exit 0 */
	OPTIONS_WRONG, /* one line on errors says why: exit 2 */
};

/*
 * Parses the command line. now_ns (CLOCK_REALTIME) is what times in it are
 * relative to. Help and version go to answers (standard output). *options is
 * set only for OPTIONS_RUN. Not reentrant (getopt_long).
 */
enum options_result options_parse(int argc, char **argv, __u64 now_ns, struct options *options,
				  FILE *answers, FILE *errors);

/*
 * Whether to use colour when is_terminal tells if the output is one. NO_COLOR
 * is read from the environment (https://no-color.org).
 */
bool options_use_color(enum options_color color, bool is_terminal);

#endif /* PORTTRACE_CMD_OPTIONS_H */
