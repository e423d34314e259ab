// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/parse.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define BUFFER_SIZE_MIN (64ULL << 10)
#define BUFFER_SIZE_MAX (1ULL << 30)
#define BUFFER_SIZE_DEFAULT (8ULL << 20)
#define AUDIT_EVERY_MIN_NS 1000000000ULL
#define CGROUP_ROOT "/sys/fs/cgroup"

static const struct {
	const char *name;
	const char *usage;
	const char *summary;
} commands[COMMANDS] = {
	[COMMAND_TRACE] = { "trace", "[trace] [OPTIONS] [FILTERS]",
			    "show ports being taken and freed, live (the default)" },
	[COMMAND_LS] = { "ls", "ls [OPTIONS] [FILTERS]", "tell who holds which port now" },
	[COMMAND_DOCTOR] = { "doctor", "doctor [OPTIONS]",
			     "tell what this kernel and these privileges allow" },
};

enum group {
	GROUP_FILTER,
	GROUP_OUTPUT,
	GROUP_BOUNDS,
	GROUP_OTHER,
	GROUPS,
};

static const char *const group_titles[GROUPS] = {
	[GROUP_FILTER] =
		("Filters (what is shown has to pass all; lists are separated by commas, and\n"
		 "an option given again adds to its list)"),
	[GROUP_OUTPUT] = "Output",
	[GROUP_BOUNDS] = "Bounds",
	[GROUP_OTHER] = "Other",
};

#define FOR_TRACE (1U << COMMAND_TRACE)
#define FOR_LS (1U << COMMAND_LS)
#define FOR_BOTH (FOR_TRACE | FOR_LS)
#define FOR_ALL (FOR_BOTH | 1U << COMMAND_DOCTOR)

typedef int option_fn(struct options *options, const char *value, struct parse_reason *why);

/* Hands each item of a list to add. */
static int each_item(struct options *options, const char *list, struct parse_reason *why,
		     option_fn *add)
{
	char item[128], quote[PARSE_QUOTE_LEN];

	for (;;) {
		size_t len = strcspn(list, ",");
		int err;

		if (!len)
			return parse_refuse(why, -EINVAL, "an item is empty");
		if (len >= sizeof(item))
			return parse_refuse(why, -EINVAL, "%s is too long",
					    parse_quote(list, len, quote));
		memcpy(item, list, len);
		item[len] = '\0';
		err = add(options, item, why);
		if (err || !list[len])
			return err;
		list += len + 1;
	}
}

static int refuse_many(int err, struct parse_reason *why)
{
	return err ? parse_refuse(why, err, "more than %d are too many", FILTER_MAX) : 0;
}

static int add_text(struct filter_text *list, const char *value, struct parse_reason *why)
{
	if (!*value)
		return parse_refuse(why, -EINVAL, "the value is empty");
	return refuse_many(filter_add_text(list, value), why);
}

/* A name that is not in the list: names them all, which name_of(0...) returns. */
static int refuse_word(struct parse_reason *why, const char *word, const char *(*name_of)(int),
		       int count)
{
	char names[128] = "", quote[PARSE_QUOTE_LEN];
	char *p = names;

	for (int i = 0; i < count; i++)
		if (name_of(i))
			p += snprintf(p, sizeof(names) - (size_t)(p - names), "%s%s",
				      p > names ? ", " : "", name_of(i));
	return parse_refuse(why, -EINVAL, "%s is none of %s",
			    parse_quote(word, strlen(word), quote), names);
}

static const char *event_word(int i)
{
	return pt_event_name((enum pt_event_type)i);
}

static const char *via_word(int i)
{
	return pt_via_name((enum pt_via)i);
}

static const char *proto_word(int i)
{
	return pt_proto_name((__u8)i);
}

static const char *const color_words[] = {
	[COLOR_AUTO] = "auto",
	[COLOR_ALWAYS] = "always",
	[COLOR_NEVER] = "never",
};

static const char *color_word(int i)
{
	return color_words[i];
}

static int set_ports(struct options *options, const char *value, struct parse_reason *why)
{
	options->filter.has_ports = true;
	return parse_ports(value, &options->filter.ports, why);
}

static int set_rports(struct options *options, const char *value, struct parse_reason *why)
{
	options->filter.has_rports = true;
	return parse_ports(value, &options->filter.rports, why);
}

static int add_remote(struct options *options, const char *item, struct parse_reason *why)
{
	struct filter *filter = &options->filter;

	if (filter->remotes_count == FILTER_MAX)
		return refuse_many(-E2BIG, why);
	return parse_prefix(item, &filter->remotes[filter->remotes_count++], why);
}

static int set_remotes(struct options *options, const char *value, struct parse_reason *why)
{
	return each_item(options, value, why, add_remote);
}

static int add_pid(struct options *options, const char *item, struct parse_reason *why)
{
	__u64 pid;
	int err = parse_u64(item, 1, INT_MAX, &pid, why);

	return err ? err : refuse_many(filter_add_u32(&options->filter.pids, (__u32)pid), why);
}

static int set_pids(struct options *options, const char *value, struct parse_reason *why)
{
	return each_item(options, value, why, add_pid);
}

/* A number is a uid, even if a user is called so. */
static int add_uid(struct options *options, const char *item, struct parse_reason *why)
{
	char quote[PARSE_QUOTE_LEN];
	const struct passwd *user;
	__u64 uid;
	int err = parse_u64(item, 0, UINT_MAX - 1, &uid, why);

	if (err == -EINVAL) {
		user = getpwnam(item);
		if (!user)
			return parse_refuse(why, -EINVAL,
					    "%s is neither a number nor a user's name",
					    parse_quote(item, strlen(item), quote));
		uid = user->pw_uid;
	} else if (err) {
		return err;
	}
	return refuse_many(filter_add_u32(&options->filter.uids, (__u32)uid), why);
}

static int set_uids(struct options *options, const char *value, struct parse_reason *why)
{
	return each_item(options, value, why, add_uid);
}

static int set_comm(struct options *options, const char *value, struct parse_reason *why)
{
	return add_text(&options->filter.comms, value, why);
}

/* Also as the file system shows it: people complete the name in their shell. */
static int set_cgroup(struct options *options, const char *value, struct parse_reason *why)
{
	size_t root = strlen(CGROUP_ROOT);

	if (!strcmp(value, CGROUP_ROOT))
		value = "/";
	else if (!strncmp(value, CGROUP_ROOT "/", root + 1))
		value += root;
	return add_text(&options->filter.cgroups, value, why);
}

static int set_netns(struct options *options, const char *value, struct parse_reason *why)
{
	return add_text(&options->netns_names, value, why);
}

static int add_proto(struct options *options, const char *item, struct parse_reason *why)
{
	int proto = pt_proto_from_name(item);

	if (proto < 0)
		return refuse_word(why, item, proto_word, IPPROTO_UDP + 1);
	options->filter.protos |= proto == IPPROTO_TCP ? FILTER_TCP : FILTER_UDP;
	return 0;
}

static int set_protos(struct options *options, const char *value, struct parse_reason *why)
{
	return each_item(options, value, why, add_proto);
}

static int add_event(struct options *options, const char *item, struct parse_reason *why)
{
	int type = pt_event_from_name(item);

	if (type < 0)
		return refuse_word(why, item, event_word, PT_EV_TYPES);
	options->filter.events |= 1U << type;
	return 0;
}

static int set_events(struct options *options, const char *value, struct parse_reason *why)
{
	return each_item(options, value, why, add_event);
}

static int add_via(struct options *options, const char *item, struct parse_reason *why)
{
	int via = pt_via_from_name(item);

	if (via < 0)
		return refuse_word(why, item, via_word, PT_VIAS);
	options->filter.vias |= 1U << via;
	return 0;
}

static int set_vias(struct options *options, const char *value, struct parse_reason *why)
{
	return each_item(options, value, why, add_via);
}

static int set_output(struct options *options, const char *value, struct parse_reason *why)
{
	if (!*value)
		return parse_refuse(why, -EINVAL, "the file name is empty");
	options->output = value;
	return 0;
}

static int set_color(struct options *options, const char *value, struct parse_reason *why)
{
	for (size_t i = 0; i < ARRAY_SIZE(color_words); i++) {
		if (!strcmp(color_words[i], value)) {
			options->color = (enum options_color)i;
			return 0;
		}
	}
	return refuse_word(why, value, color_word, ARRAY_SIZE(color_words));
}

static int set_duration(struct options *options, const char *value, struct parse_reason *why)
{
	__u64 ns;
	int err = parse_duration(value, &ns, why);

	if (err)
		return err;
	if (!ns)
		return parse_refuse(why, -ERANGE, "it has to be longer than 0");
	options->duration_ns = ns;
	return 0;
}

static int set_count(struct options *options, const char *value, struct parse_reason *why)
{
	return parse_u64(value, 1, ~0ULL, &options->count, why);
}

/* The ring buffer takes powers of two only. */
static int set_buffer_size(struct options *options, const char *value, struct parse_reason *why)
{
	char quote[PARSE_QUOTE_LEN];
	__u64 size, rounded = BUFFER_SIZE_MIN;
	int err = parse_size(value, &size, why);

	if (err)
		return err;
	if (size < BUFFER_SIZE_MIN || size > BUFFER_SIZE_MAX)
		return parse_refuse(why, -ERANGE, "%s is out of range 64K-1G",
				    parse_quote(value, strlen(value), quote));
	while (rounded < size)
		rounded *= 2;
	options->buffer_size = rounded;
	return 0;
}

/* The value is optional, NULL without. */
static int set_audit(struct options *options, const char *value, struct parse_reason *why)
{
	__u64 seconds;
	int err = 0;

	if (value && !parse_u64(value, 0, UINT_MAX, &seconds, why))
		options->audit_every_ns = seconds * 1000000000ULL;
	else if (value)
		err = parse_duration(value, &options->audit_every_ns, why);
	if (err)
		return err;
	if (value && options->audit_every_ns < AUDIT_EVERY_MIN_NS)
		return parse_refuse(why, -ERANGE, "more often than every second is too often");
	options->audit = true;
	return 0;
}

struct option_row {
	char letter;	  /* 0: none */
	const char *name; /* NULL: none */
	/* what the help calls its value; NULL: it takes none; [=...]: it may have one */
	const char *arg;
	const char *help;
	enum group group;
	unsigned int commands;
	option_fn *set; /* NULL: the bool at flag becomes true */
	size_t flag;
};

#define VALUE(letter, name, arg, help, group, commands, set)                                       \
	{                                                                                          \
		letter, name, arg, help, group, commands, set, 0                                   \
	}
#define FLAG(letter, name, help, group, commands, member)                                          \
	{                                                                                          \
		letter, name, NULL, help, group, commands, NULL, offsetof(struct options, member)  \
	}
/* Answered by options_parse(). */
#define ANSWER(letter, name, help)                                                                 \
	{                                                                                          \
		letter, name, NULL, help, GROUP_OTHER, FOR_ALL, NULL, 0                            \
	}

/* The options, in the order of the help. */
static const struct option_row rows[] = {
	VALUE('P', "port", "PORTS", "local port: 60609,40000-40100", GROUP_FILTER, FOR_BOTH,
	      set_ports),
	VALUE('D', "remote-port", "PORTS", "remote port", GROUP_FILTER, FOR_BOTH, set_rports),
	VALUE('d', "remote", "ADDR[/LEN]", "remote address or network", GROUP_FILTER, FOR_BOTH,
	      set_remotes),
	VALUE('p', "pid", "PID", "process that has the port", GROUP_FILTER, FOR_BOTH, set_pids),
	VALUE(0, "comm", "NAME", "its name or its thread's, perhaps with * ? [...]", GROUP_FILTER,
	      FOR_BOTH, set_comm),
	VALUE('u', "uid", "USER", "its user, a number or a name", GROUP_FILTER, FOR_BOTH, set_uids),
	VALUE('c', "cgroup", "PATH", "its cgroup, or one below it", GROUP_FILTER, FOR_BOTH,
	      set_cgroup),
	VALUE('N', "netns", "NETNS", "network namespace: name, path or inode", GROUP_FILTER,
	      FOR_BOTH, set_netns),
	FLAG('4', NULL, "IPv4 sockets", GROUP_FILTER, FOR_BOTH, filter.ipv4),
	FLAG('6', NULL, "IPv6 sockets", GROUP_FILTER, FOR_BOTH, filter.ipv6),
	VALUE(0, "proto", "PROTO", "tcp or udp", GROUP_FILTER, FOR_BOTH, set_protos),
	VALUE(0, "event", "EVENTS", "alloc, fail, time_wait, free", GROUP_FILTER, FOR_TRACE,
	      set_events),
	VALUE(0, "via", "WAYS", "connect, bind, listen, autobind, fixed, ...", GROUP_FILTER,
	      FOR_TRACE, set_vias),
	FLAG(0, "ephemeral", "leave out ports that the program chose", GROUP_FILTER, FOR_TRACE,
	     filter.ephemeral),

	FLAG('j', "json", "one JSON object a line", GROUP_OUTPUT, FOR_ALL, json),
	VALUE('o', NULL, "FILE", "write to FILE, not to standard output", GROUP_OUTPUT, FOR_BOTH,
	      set_output),
	FLAG('t', NULL, "seconds since the start, not the time of day", GROUP_OUTPUT, FOR_TRACE,
	     relative),
	VALUE(0, "color", "WHEN", "auto (default; heeds NO_COLOR), always or never", GROUP_OUTPUT,
	      FOR_BOTH, set_color),
	FLAG('q', NULL, "no messages but errors", GROUP_OUTPUT, FOR_BOTH, quiet),
	FLAG('v', NULL, "more messages; ls: accepted connections too", GROUP_OUTPUT, FOR_ALL,
	     verbose),

	VALUE(0, "duration", "TIME", "end after TIME: 10s, 500ms, 2m, 1h", GROUP_BOUNDS, FOR_TRACE,
	      set_duration),
	VALUE(0, "count", "N", "end after N events", GROUP_BOUNDS, FOR_TRACE, set_count),
	VALUE(0, "buffer-size", "SIZE", "memory for events, 64K-1G (default 8M)", GROUP_BOUNDS,
	      FOR_TRACE, set_buffer_size),

	FLAG(0, "no-snapshot", "do not look for ports already held", GROUP_OTHER, FOR_TRACE,
	     no_snapshot),
	VALUE(0, "audit", "[=SECONDS]", "hold the ledger against the kernel's tables", GROUP_OTHER,
	      FOR_TRACE, set_audit),
	FLAG(0, "strict", "exit with status 3 if events were lost", GROUP_OTHER, FOR_TRACE, strict),
	ANSWER('h', "help", "show this help"),
	ANSWER('V', "version", "show the version"),
};

static void print_row(FILE *to, const struct option_row *row)
{
	char left[64];

	if (row->letter)
		snprintf(left, sizeof(left), "-%c%s%s%s%s", row->letter, row->name ? ", --" : "",
			 row->name ? row->name : "", row->arg ? " " : "", row->arg ? row->arg : "");
	else
		snprintf(left, sizeof(left), "    --%s%s%s", row->name,
			 row->arg && *row->arg != '[' ? " " : "", row->arg ? row->arg : "");
	fprintf(to, "  %-25s  %s\n", left, row->help);
}

static void print_help(FILE *to, enum options_command command)
{
	if (command == COMMAND_TRACE) {
		for (int i = 0; i < COMMANDS; i++)
			fprintf(to, "%s porttrace %s\n",
				i ? "      " : "Usage:", commands[i].usage);
		fprintf(to,
			"\nShows which process takes which local port, when and for how long, and\n"
			"when the port is free again.\n\nCommands\n");
		for (int i = 0; i < COMMANDS; i++)
			fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].summary);
	} else {
		fprintf(to, "Usage: porttrace %s\n\n%s: %s\n", commands[command].usage,
			commands[command].name, commands[command].summary);
	}
	for (int group = 0; group < GROUPS; group++) {
		bool titled = false;

		for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
			if (rows[i].group != (enum group)group ||
			    !(rows[i].commands >> command & 1))
				continue;
			if (!titled)
				fprintf(to, "\n%s\n", group_titles[group]);
			titled = true;
			print_row(to, &rows[i]);
		}
	}
}

/* What getopt_long() returns for a long option: above every letter. */
#define LONG_BASE 256

struct getopt_tables {
	char letters[2 * ARRAY_SIZE(rows) + 2];
	struct option longs[ARRAY_SIZE(rows) + 1];
};

static void build_tables(struct getopt_tables *tables)
{
	struct option *next = tables->longs;
	char *p = tables->letters;

	memset(tables, 0, sizeof(*tables));
	*p++ = ':';
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int has_arg = !rows[i].arg	    ? no_argument
			      : *rows[i].arg == '[' ? optional_argument
						    : required_argument;

		if (rows[i].letter)
			*p++ = rows[i].letter;
		if (rows[i].letter && rows[i].arg)
			*p++ = ':';
		if (rows[i].name)
			*next++ =
				(struct option){ rows[i].name, has_arg, NULL, LONG_BASE + (int)i };
	}
}

static const struct option_row *row_of(int value)
{
	if (value >= LONG_BASE)
		return &rows[value - LONG_BASE];
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (value && rows[i].letter == value)
			return &rows[i];
	return NULL;
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

static enum options_result wrong(FILE *errors, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static enum options_result wrong(FILE *errors, const char *format, ...)
{
	va_list args;

	fprintf(errors, "porttrace: ");
	va_start(args, format);
	vfprintf(errors, format, args);
	va_end(args);
	fprintf(errors, " (see porttrace --help)\n");
	return OPTIONS_WRONG;
}

/* How many long options begin with the name in arg (--name or --name=value). */
static int count_matches(const char *arg)
{
	size_t len = strcspn(arg + 2, "=");
	int count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		count += rows[i].name && !strncmp(rows[i].name, arg + 2, len);
	return count;
}

/* getopt_long() refused arg; what it returned and optopt say why. */
static enum options_result wrong_option(FILE *errors, int returned, const char *arg)
{
	const struct option_row *row = row_of(optopt);
	char label[64], quote[PARSE_QUOTE_LEN], letter[2] = { '-', (char)optopt };

	if (row && returned == ':')
		return wrong(errors, "%s needs a value: %s", label_of(row, label), row->arg);
	if (row)
		return wrong(errors, "%s takes no value", label_of(row, label));
	if (optopt)
		return wrong(errors, "unknown option %s", parse_quote(letter, 2, quote));
	parse_quote(arg, strcspn(arg, "="), quote);
	if (count_matches(arg) > 1)
		return wrong(errors, "option %s is ambiguous", quote);
	return wrong(errors, "unknown option %s", quote);
}

static enum options_result apply(const struct option_row *row, struct options *options,
				 FILE *answers, FILE *errors)
{
	struct parse_reason why;
	char label[64];

	if (!(row->commands >> options->command & 1))
		return wrong(errors, "%s is not an option of %s", label_of(row, label),
			     commands[options->command].name);
	if (row->letter == 'h') {
		print_help(answers, options->command);
		return OPTIONS_DONE;
	}
	if (row->letter == 'V') {
		fprintf(answers, "porttrace %s\n", PORTTRACE_VERSION);
		return OPTIONS_DONE;
	}
	if (!row->set)
		*(bool *)((char *)options + row->flag) = true;
	else if (row->set(options, optarg, &why))
		return wrong(errors, "%s: %s", label_of(row, label), why.text);
	return OPTIONS_RUN;
}

static int command_from_name(const char *name)
{
	for (int i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return i;
	return -ENOENT;
}

/* A port where none is expected: how to ask for it. */
static enum options_result wrong_port(FILE *errors, const char *what, const char *operand)
{
	return wrong(errors, "%s '%s': did you mean --port %s?", what, operand, operand);
}

static bool is_ports(const char *operand)
{
	struct port_set ports = { 0 };
	struct parse_reason why;

	return !parse_ports(operand, &ports, &why);
}

static enum options_result wrong_operand(FILE *errors, enum options_command command,
					 const char *operand)
{
	char quote[PARSE_QUOTE_LEN];

	parse_quote(operand, strlen(operand), quote);
	if (command_from_name(operand) >= 0)
		return wrong(errors, "the command %s has to come first", quote);
	if (FOR_BOTH >> command & 1 && is_ports(operand))
		return wrong_port(errors, "unexpected argument", operand);
	return wrong(errors, "unexpected argument %s", quote);
}

enum options_result options_parse(int argc, char **argv, struct options *options, FILE *answers,
				  FILE *errors)
{
	struct options found = { .buffer_size = BUFFER_SIZE_DEFAULT };
	struct getopt_tables tables;
	char quote[PARSE_QUOTE_LEN];
	int value;

	if (argc > 1 && argv[1][0] != '-') {
		int command = command_from_name(argv[1]);

		if (command < 0 && is_ports(argv[1]))
			return wrong_port(errors, "unknown command", argv[1]);
		if (command < 0)
			return wrong(errors, "unknown command %s",
				     parse_quote(argv[1], strlen(argv[1]), quote));
		found.command = (enum options_command)command;
		argc--;
		argv++;
	}
	build_tables(&tables);
	opterr = 0;
	optind = 0; /* glibc: begin anew */
	while ((value = getopt_long(argc, argv, tables.letters, tables.longs, NULL)) != -1) {
		const struct option_row *row = value == '?' || value == ':' ? NULL : row_of(value);
		enum options_result result;

		result = row ? apply(row, &found, answers, errors)
			     : wrong_option(errors, value, argv[optind - 1]);
		if (result != OPTIONS_RUN)
			return result;
	}
	if (optind < argc)
		return wrong_operand(errors, found.command, argv[optind]);
	if (found.audit && found.no_snapshot)
		return wrong(errors, "--audit needs the snapshot that --no-snapshot leaves out");
	*options = found;
	return OPTIONS_RUN;
}

bool options_use_color(enum options_color color, bool is_terminal)
{
	const char *no_color = getenv("NO_COLOR");

	if (color != COLOR_AUTO)
		return color == COLOR_ALWAYS;
	return is_terminal && !(no_color && *no_color);
}
