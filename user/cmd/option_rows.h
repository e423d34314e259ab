/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands and their options: the tables behind the parser and the help. */
#ifndef PORTTRACE_CMD_OPTION_ROWS_H
#define PORTTRACE_CMD_OPTION_ROWS_H

#include "user/cmd/option_values.h"

/* What may follow a command's options. */
enum option_operands {
	OPERANDS_NONE,
	OPERANDS_PORT,	  /* exactly one, unless --port names it */
	OPERANDS_COMMAND, /* a program and its arguments; options end where it begins */
};

struct option_command {
	const char *name;
	const char *usage;
	const char *summary;
	const char *more; /* lines behind the summary in its help; NULL: none */
	enum option_operands operands;
	const char *recording; /* what is read without --read; NULL: this host, live */
};

extern const struct option_command option_commands[COMMANDS];

enum option_group {
	GROUP_FILTER,
	GROUP_RECORDING,
	GROUP_OUTPUT,
	GROUP_BOUNDS,
	GROUP_OTHER,
	OPTION_GROUPS,
};

extern const char *const option_group_titles[OPTION_GROUPS];

/* For commands that read a recording or this host. */
enum option_when {
	WHEN_ANY,
	WHEN_LIVE,
	WHEN_RECORDED,
};

/* An option that means something else to another command has a row for each. */
struct option_row {
	char letter;	  /* 0: none */
	const char *name; /* NULL: none */
	/* what the help calls its value; NULL: it takes none; [=...]: it may have one */
	const char *arg;
	const char *help;
	enum option_group group;
	unsigned int commands; /* bit 1 << enum options_command */
	/* NULL: the bool at flag becomes true; of --help and --version: the parser answers */
	option_fn *set;
	size_t flag;
	enum option_when when;
};

#define OPTION_ROWS_MAX 64

/* In the order of the help. */
extern const struct option_row option_rows[];
extern const unsigned int option_rows_count; /* at most OPTION_ROWS_MAX */

#endif /* PORTTRACE_CMD_OPTION_ROWS_H */
