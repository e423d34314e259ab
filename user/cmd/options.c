// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/format.h"
#include "user/base/parse.h"
#include "user/cmd/option_help.h"
#include "user/cmd/option_rows.h"

#define BUFFER_SIZE_DEFAULT (8ULL << 20)
#define MAX_SIZE_DEFAULT (1ULL << 30)
#define MAX_AGE_DEFAULT_NS (7 * 86400000000000ULL)
#define TOP_DEFAULT 10

/* One command line being parsed. */
struct parser {
	struct options found;
	const struct option_command *command;
	__u64 given; /* bit n: the option of row n */
	FILE *answers;
	FILE *errors;
};

static enum options_result wrong(const struct parser *parser, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static enum options_result wrong(const struct parser *parser, const char *format, ...)
{
	bool is_default = parser->found.command == COMMAND_TRACE;
	va_list args;

	fprintf(parser->errors, "porttrace: ");
	va_start(args, format);
	vfprintf(parser->errors, format, args);
	va_end(args);
	fprintf(parser->errors, " (see porttrace %s%s--help)\n",
		is_default ? "" : parser->command->name, is_default ? "" : " ");
	return OPTIONS_WRONG;
}

/* ---- options ------------------------------------------------------------------- */

/* What getopt_long() returns for a long option: above every letter. */
#define LONG_BASE 256

struct getopt_tables {
	char letters[2 * OPTION_ROWS_MAX + 3];
	struct option longs[OPTION_ROWS_MAX + 1];
};

static bool row_is_same(const struct option_row *a, const struct option_row *b)
{
	if (a->name && b->name)
		return !strcmp(a->name, b->name);
	return a->letter && a->letter == b->letter;
}

/* Whether no row before this one is of the same option. */
static bool row_is_first(const struct option_row *row)
{
	for (const struct option_row *other = option_rows; other < row; other++)
		if (row_is_same(other, row))
			return false;
	return true;
}

static void build_tables(struct getopt_tables *tables, enum option_operands operands)
{
	struct option *next = tables->longs;
	char *p = tables->letters;

	memset(tables, 0, sizeof(*tables));
	if (operands == OPERANDS_COMMAND)
		*p++ = '+'; /* its options are not ours */
	*p++ = ':';
	for (unsigned int i = 0; i < option_rows_count; i++) {
		const struct option_row *row = &option_rows[i];
		int has_arg = !row->arg		 ? no_argument
			      : *row->arg == '[' ? optional_argument
						 : required_argument;

		if (!row_is_first(row))
			continue;
		if (row->letter)
			*p++ = row->letter;
		if (row->letter && row->arg)
			*p++ = ':';
		if (row->name)
			*next++ = (struct option){ row->name, has_arg, NULL, LONG_BASE + (int)i };
	}
}

/* The row of what getopt_long() returned, this command's if it has one. NULL: unknown. */
static const struct option_row *row_of(const struct parser *parser, int value)
{
	const struct option_row *found =
		value >= LONG_BASE ? &option_rows[value - LONG_BASE] : NULL;

	for (unsigned int i = 0; i < option_rows_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (found ? !row_is_same(found, row) : !value || row->letter != value)
			continue;
		if (row->commands >> parser->found.command & 1)
			return row;
		found = found ?: row;
	}
	return found;
}

/* --port, or -4 where there is no long name. */
static const char *label_of(const struct option_row *row, char buf[64])
{
	if (row->name)
		snprintf(buf, 64, "--%s", row->name);
	else
		snprintf(buf, 64, "-%c", row->letter);
	return buf;
}

/* How many long options begin with the name in arg (--name or --name=value). */
static int count_matches(const char *arg)
{
	size_t len = strcspn(arg + 2, "=");
	int count = 0;

	for (unsigned int i = 0; i < option_rows_count; i++)
		count += option_rows[i].name && row_is_first(&option_rows[i]) &&
			 !strncmp(option_rows[i].name, arg + 2, len);
	return count;
}

/* getopt_long() refused arg; what it returned and optopt say why. */
static enum options_result wrong_option(const struct parser *parser, int returned, const char *arg)
{
	const struct option_row *row = row_of(parser, optopt);
	char label[64], quote[PARSE_QUOTE_LEN], letter[2] = { '-', (char)optopt };

	if (row && returned == ':')
		return wrong(parser, "%s needs a value: %s", label_of(row, label), row->arg);
	if (row)
		return wrong(parser, "%s takes no value", label_of(row, label));
	if (optopt)
		return wrong(parser, "unknown option %s", parse_quote(letter, 2, quote));
	parse_quote(arg, strcspn(arg, "="), quote);
	if (count_matches(arg) > 1)
		return wrong(parser, "option %s is ambiguous", quote);
	return wrong(parser, "unknown option %s", quote);
}

static enum options_result apply(struct parser *parser, const struct option_row *row)
{
	struct parse_reason why;
	char label[64];

	if (!(row->commands >> parser->found.command & 1))
		return wrong(parser, "%s is not an option of %s", label_of(row, label),
			     parser->command->name);
	if (row->letter == 'h') {
		option_help(parser->answers, parser->found.command);
		return OPTIONS_DONE;
	}
	if (row->letter == 'V') {
		fprintf(parser->answers, "porttrace %s\n", PORTTRACE_VERSION);
		return OPTIONS_DONE;
	}
	parser->given |= 1ULL << (row - option_rows);
	if (!row->set)
		*(bool *)((char *)&parser->found + row->flag) = true;
	else if (row->set(&parser->found, optarg, &why))
		return wrong(parser, "%s: %s", label_of(row, label), why.text);
	return OPTIONS_RUN;
}

/* All options; optind is then where operands begin. */
static enum options_result take_options(struct parser *parser, int argc, char **argv)
{
	struct getopt_tables tables;
	int value;

	build_tables(&tables, parser->command->operands);
	opterr = 0;
	optind = 0; /* glibc: begin anew */
	while ((value = getopt_long(argc, argv, tables.letters, tables.longs, NULL)) != -1) {
		const struct option_row *row =
			value == '?' || value == ':' ? NULL : row_of(parser, value);
		enum options_result result;

		result = row ? apply(parser, row) : wrong_option(parser, value, argv[optind - 1]);
		if (result != OPTIONS_RUN)
			return result;
	}
	return OPTIONS_RUN;
}

/* ---- command and operands ------------------------------------------------------ */

static int command_from_name(const char *name)
{
	for (int i = 0; i < COMMANDS; i++)
		if (!strcmp(option_commands[i].name, name))
			return i;
	return -ENOENT;
}

/* A port where none is expected: how to ask for it. */
static enum options_result wrong_port(const struct parser *parser, const char *what,
				      const char *operand)
{
	return wrong(parser, "%s '%s': did you mean --port %s?", what, operand, operand);
}

static bool is_ports(const char *operand)
{
	struct port_set ports = { 0 };
	struct parse_reason why;

	return !parse_ports(operand, &ports, &why);
}

static void set_command(struct parser *parser, enum options_command command)
{
	parser->command = &option_commands[command];
	parser->found.command = command;
	parser->found.recording = parser->command->recording;
	if (command == COMMAND_RECORD)
		parser->found.write = RECORDING_DIR_DEFAULT;
	if (command == COMMAND_REPORT)
		parser->found.by = BY_PROCESS;
	if (command == COMMAND_REUSE || command == COMMAND_SEARCH)
		parser->found.by = BY_PROTO;
}

static enum options_result take_command(struct parser *parser, const char *name)
{
	char quote[PARSE_QUOTE_LEN];
	int command = command_from_name(name);

	if (command < 0 && is_ports(name))
		return wrong_port(parser, "unknown command", name);
	if (command < 0)
		return wrong(parser, "unknown command %s", parse_quote(name, strlen(name), quote));
	set_command(parser, (enum options_command)command);
	return OPTIONS_RUN;
}

static enum options_result wrong_operand(const struct parser *parser, const char *operand)
{
	char quote[PARSE_QUOTE_LEN];

	parse_quote(operand, strlen(operand), quote);
	if (command_from_name(operand) >= 0)
		return wrong(parser, "the command %s has to come first", quote);
	if (parser->found.command != COMMAND_DOCTOR && is_ports(operand))
		return wrong_port(parser, "unexpected argument", operand);
	return wrong(parser, "unexpected argument %s", quote);
}

static enum options_result take_port(struct parser *parser, int count, char **operands)
{
	const char *name = parser->command->name;
	struct parse_reason why;

	if (count > 1)
		return wrong(parser, "%s is of one port, not of %d", name, count);
	if (count && option_set_port(&parser->found, operands[0], &why))
		return wrong(parser, "PORT: %s", why.text);
	if (!parser->found.port)
		return wrong(parser, "%s of which port? For instance: porttrace %s 60609", name,
			     name);
	return OPTIONS_RUN;
}

static enum options_result take_operands(struct parser *parser, int argc, char **argv)
{
	int count = argc > optind ? argc - optind : 0;

	switch (parser->command->operands) {
	case OPERANDS_PORT:
		return take_port(parser, count, argv + optind);
	case OPERANDS_COMMAND:
		if (!count && argc > 1 && !strcmp(argv[argc - 1], "--"))
			return wrong(parser, "there is no command behind --");
		parser->found.child = count ? argv + optind : NULL;
		return OPTIONS_RUN;
	default:
		return count ? wrong_operand(parser, argv[optind]) : OPTIONS_RUN;
	}
}

/* ---- what goes together -------------------------------------------------------- */

/* Options of live tracing with a recording, or the reverse. */
static enum options_result check_source(const struct parser *parser)
{
	bool recorded = parser->found.recording;
	char label[64];

	for (unsigned int i = 0; i < option_rows_count; i++) {
		const struct option_row *row = &option_rows[i];

		if (!(parser->given >> i & 1))
			continue;
		if (row->when == WHEN_LIVE && recorded)
			return wrong(parser, "%s is of live tracing, not of -r",
				     label_of(row, label));
		if (row->when == WHEN_RECORDED && !recorded)
			return wrong(parser, "%s is of a recording: give -r, too",
				     label_of(row, label));
	}
	return OPTIONS_RUN;
}

static bool is_given(const struct parser *parser, option_fn *set)
{
	for (unsigned int i = 0; i < option_rows_count; i++)
		if (parser->given >> i & 1 && option_rows[i].set == set)
			return true;
	return false;
}

/* --json and --format json are the same. */
static enum options_result settle_format(struct parser *parser)
{
	struct options *found = &parser->found;

	if (found->command == COMMAND_EXPORT) {
		if (found->format == FORMAT_NONE)
			return wrong(parser, "--format is missing: jsonl, csv or sqlite");
		if (found->format == FORMAT_SQLITE && !found->write)
			return wrong(parser, "--format sqlite needs -w FILE: standard output "
					     "cannot be a database");
	}
	if (found->command == COMMAND_REPORT) {
		if (found->format == FORMAT_NONE)
			found->format = found->json ? FORMAT_JSON : FORMAT_TABLE;
		if (found->json && found->format != FORMAT_JSON)
			return wrong(parser, "--json and another --format exclude each other");
		found->json = found->format == FORMAT_JSON;
	}
	return OPTIONS_RUN;
}

/* With the moments that were understood: a time of day may be yesterday's. */
static enum options_result wrong_span(const struct parser *parser)
{
	char since[FORMAT_DATETIME_MAX + 1], until[FORMAT_DATETIME_MAX + 1];
	struct format_time cache = { 0 };

	*format_datetime(&cache, since, parser->found.since_ns) = '\0';
	*format_datetime(&cache, until, parser->found.until_ns) = '\0';
	return wrong(parser, "--since (%s) is later than --until (%s)", since, until);
}

static enum options_result check_dump_on(const struct parser *parser)
{
	const struct options *found = &parser->found;

	if (found->dump_on && !found->memory)
		return wrong(parser, "--dump-on is of --memory: give that, too");
	if (found->dump_on != DUMP_ON_HEADROOM)
		return OPTIONS_RUN;
	if (is_given(parser, option_set_watch))
		return wrong(parser,
			     "--dump-on headroom tells what --watch does: give one of them");
	if (found->no_snapshot)
		return wrong(parser,
			     "--dump-on headroom needs the snapshot that --no-snapshot leaves out");
	return OPTIONS_RUN;
}

static enum options_result check(struct parser *parser)
{
	const struct options *found = &parser->found;
	enum options_result result = check_source(parser);

	if (result == OPTIONS_RUN)
		result = check_dump_on(parser);
	if (result != OPTIONS_RUN)
		return result;
	if (found->audit && found->no_snapshot)
		return wrong(parser, "--audit needs the snapshot that --no-snapshot leaves out");
	if (found->watch && found->no_snapshot)
		return wrong(parser, "--watch needs the snapshot that --no-snapshot leaves out");
	if (found->watch && found->filter.has_ports)
		return wrong(parser, "--watch has to see every port, and --port hides the others");
	if (found->since_ns > found->until_ns)
		return wrong_span(parser);
	if (found->command == COMMAND_WHO && found->at_ns == PT_UNKNOWN)
		return wrong(parser, "--at is missing: who held the port when?");
	if (found->headroom && found->by != BY_NONE)
		return wrong(parser, "--headroom and --by exclude each other");
	if (found->headroom && found->filter.has_ports)
		return wrong(parser, "--headroom counts every port, and --port hides the others");
	if (found->by == BY_NONE && !found->headroom && is_given(parser, option_set_top))
		return wrong(parser, "--top is of --by or --headroom: give one, too");
	return settle_format(parser);
}

enum options_result options_parse(int argc, char **argv, __u64 now_ns, struct options *options,
				  FILE *answers, FILE *errors)
{
	struct parser parser = {
		.found = { .now_ns = now_ns,
			   .until_ns = PT_UNKNOWN,
			   .at_ns = PT_UNKNOWN,
			   .max_size = MAX_SIZE_DEFAULT,
			   .max_age_ns = MAX_AGE_DEFAULT_NS,
			   .top = TOP_DEFAULT,
			   .buffer_size = BUFFER_SIZE_DEFAULT },
		.answers = answers,
		.errors = errors,
	};
	enum options_result result = OPTIONS_RUN;

	set_command(&parser, COMMAND_TRACE);
	if (argc > 1 && argv[1][0] != '-') {
		result = take_command(&parser, argv[1]);
		argc--;
		argv++;
	}
	if (result == OPTIONS_RUN)
		result = take_options(&parser, argc, argv);
	if (result == OPTIONS_RUN)
		result = take_operands(&parser, argc, argv);
	if (result == OPTIONS_RUN)
		result = check(&parser);
	if (result == OPTIONS_RUN)
		*options = parser.found;
	return result;
}

bool options_use_color(enum options_color color, bool is_terminal)
{
	const char *no_color = getenv("NO_COLOR");

	if (color != COLOR_AUTO)
		return color == COLOR_ALWAYS;
	return is_terminal && !(no_color && *no_color);
}
