/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line. */
#ifndef PORTTRACE_CMD_OPTIONS_H
#define PORTTRACE_CMD_OPTIONS_H

#include <stdio.h>

#include "user/event/filter.h"

#ifndef PORTTRACE_VERSION
#define PORTTRACE_VERSION "0.1.0"
#endif

enum options_command {
	COMMAND_TRACE,
	COMMAND_LS,
	COMMAND_DOCTOR,
	COMMANDS,
};

enum options_color {
	COLOR_AUTO, /* on a terminal, unless NO_COLOR is set */
	COLOR_ALWAYS,
	COLOR_NEVER,
};

/* Strings are of argv. */
struct options {
	enum options_command command;
	/*
	 * Complete but for netns, which the caller fills from netns_names, and
	 * for cgroup_path.
	 */
	struct filter filter;
	struct filter_text netns_names; /* each a name, a path or an inode number */
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
	bool audit;
	__u64 audit_every_ns; /* 0: only at the end */
};

enum options_result {
	OPTIONS_RUN,   /* *options is set */
	OPTIONS_DONE,  /* --help or --version was answered: exit 0 */
	OPTIONS_WRONG, /* one line on errors says why: exit 2 */
};

/*
 * Parses the command line. Help and version go to answers (standard output).
 * *options is set only for OPTIONS_RUN. Not reentrant (getopt_long).
 */
enum options_result options_parse(int argc, char **argv, struct options *options, FILE *answers,
				  FILE *errors);

/*
 * Whether to use colour when is_terminal tells if the output is one. NO_COLOR
 * is read from the environment (https://no-color.org).
 */
bool options_use_color(enum options_color color, bool is_terminal);

#endif /* PORTTRACE_CMD_OPTIONS_H */
