// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/option_values.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "user/base/parse_time.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define BUFFER_SIZE_MIN (64ULL << 10)
#define BUFFER_SIZE_MAX (1ULL << 30)
#define AUDIT_EVERY_MIN_NS 1000000000ULL
#define MAX_SIZE_MIN (1ULL << 20)
#define MEMORY_MIN (4ULL << 20)
#define MAX_AGE_MIN_NS 60000000000ULL
#define CGROUP_ROOT "/sys/fs/cgroup"

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

/* The number of value among these words, or -EINVAL. */
static int find_word(struct parse_reason *why, const char *value, const char *(*name_of)(int),
		     int count)
{
	for (int i = 0; i < count; i++)
		if (name_of(i) && !strcmp(name_of(i), value))
			return i;
	return refuse_word(why, value, name_of, count);
}

static const char *color_word(int i)
{
	static const char *const words[] = {
		[COLOR_AUTO] = "auto",
		[COLOR_ALWAYS] = "always",
		[COLOR_NEVER] = "never",
	};

	return words[i];
}

static const char *by_word(int i)
{
	static const char *const words[BYS] = {
		[BY_PORT] = "port",
		[BY_PROCESS] = "process",
		[BY_REMOTE] = "remote",
		[BY_CGROUP] = "cgroup",
	};

	return words[i];
}

static const char *reuse_by_word(int i)
{
	static const char *const words[BYS] = {
		[BY_PORT] = "port",
		[BY_PROCESS] = "process",
		[BY_PROTO] = "proto",
		[BY_NETNS] = "netns",
	};

	return words[i];
}

static const char *search_by_word(int i)
{
	static const char *const words[BYS] = {
		[BY_PROCESS] = "process", [BY_REMOTE] = "remote", [BY_PROTO] = "proto",
		[BY_NETNS] = "netns",	  [BY_FILL] = "fill",
	};

	return words[i];
}

static const char *report_format_word(int i)
{
	static const char *const words[FORMATS] = {
		[FORMAT_TABLE] = "table",
		[FORMAT_JSON] = "json",
		[FORMAT_CSV] = "csv",
	};

	return words[i];
}

static const char *export_format_word(int i)
{
	static const char *const words[FORMATS] = {
		[FORMAT_JSONL] = "jsonl",
		[FORMAT_CSV] = "csv",
		[FORMAT_SQLITE] = "sqlite",
	};

	return words[i];
}

int option_set_ports(struct options *options, const char *value, struct parse_reason *why)
{
	options->filter.has_ports = true;
	return parse_ports(value, &options->filter.ports, why);
}

int option_set_rports(struct options *options, const char *value, struct parse_reason *why)
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

int option_set_remotes(struct options *options, const char *value, struct parse_reason *why)
{
	return each_item(options, value, why, add_remote);
}

static int add_pid(struct options *options, const char *item, struct parse_reason *why)
{
	__u64 pid;
	int err = parse_u64(item, 1, INT_MAX, &pid, why);

	return err ? err : refuse_many(filter_add_u32(&options->filter.pids, (__u32)pid), why);
}

int option_set_pids(struct options *options, const char *value, struct parse_reason *why)
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

int option_set_uids(struct options *options, const char *value, struct parse_reason *why)
{
	return each_item(options, value, why, add_uid);
}

int option_set_comm(struct options *options, const char *value, struct parse_reason *why)
{
	return add_text(&options->filter.comms, value, why);
}

/* Also as the file system shows it: people complete the name in their shell. */
int option_set_cgroup(struct options *options, const char *value, struct parse_reason *why)
{
	size_t root = strlen(CGROUP_ROOT);

	if (!strcmp(value, CGROUP_ROOT))
		value = "/";
	else if (!strncmp(value, CGROUP_ROOT "/", root + 1))
		value += root;
	return add_text(&options->filter.cgroups, value, why);
}

int option_set_netns(struct options *options, const char *value, struct parse_reason *why)
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

int option_set_protos(struct options *options, const char *value, struct parse_reason *why)
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

int option_set_events(struct options *options, const char *value, struct parse_reason *why)
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

int option_set_vias(struct options *options, const char *value, struct parse_reason *why)
{
	return each_item(options, value, why, add_via);
}

static int set_path(const char **path, const char *value, struct parse_reason *why)
{
	if (!*value)
		return parse_refuse(why, -EINVAL, "the file name is empty");
	*path = value;
	return 0;
}

int option_set_output(struct options *options, const char *value, struct parse_reason *why)
{
	return set_path(&options->output, value, why);
}

int option_set_recording(struct options *options, const char *value, struct parse_reason *why)
{
	if (!strcmp(value, "-"))
		return parse_refuse(why, -EINVAL,
				    "a recording is looked up by its index, which a pipe cannot "
				    "be: give a directory or a file");
	return set_path(&options->recording, value, why);
}

int option_set_write(struct options *options, const char *value, struct parse_reason *why)
{
	if (!strcmp(value, "-"))
		return parse_refuse(why, -EINVAL,
				    "a recording is synced and indexed, which a pipe cannot be: "
				    "give a directory or a file");
	return set_path(&options->write, value, why);
}

int option_set_export(struct options *options, const char *value, struct parse_reason *why)
{
	int err = set_path(&options->write, value, why);

	if (!err && !strcmp(value, "-"))
		options->write = NULL;
	return err;
}

int option_set_color(struct options *options, const char *value, struct parse_reason *why)
{
	int word = find_word(why, value, color_word, COLOR_NEVER + 1);

	if (word >= 0)
		options->color = (enum options_color)word;
	return word < 0 ? word : 0;
}

static int set_by(struct options *options, int word)
{
	if (word >= 0)
		options->by = (enum options_by)word;
	return word < 0 ? word : 0;
}

int option_set_by(struct options *options, const char *value, struct parse_reason *why)
{
	return set_by(options, find_word(why, value, by_word, BYS));
}

int option_set_reuse_by(struct options *options, const char *value, struct parse_reason *why)
{
	return set_by(options, find_word(why, value, reuse_by_word, BYS));
}

int option_set_search_by(struct options *options, const char *value, struct parse_reason *why)
{
	return set_by(options, find_word(why, value, search_by_word, BYS));
}

static int set_format(struct options *options, int word)
{
	if (word >= 0)
		options->format = (enum options_format)word;
	return word < 0 ? word : 0;
}

int option_set_report_format(struct options *options, const char *value, struct parse_reason *why)
{
	return set_format(options, find_word(why, value, report_format_word, FORMATS));
}

int option_set_export_format(struct options *options, const char *value, struct parse_reason *why)
{
	return set_format(options, find_word(why, value, export_format_word, FORMATS));
}

int option_set_sort(struct options *options, const char *value, struct parse_reason *why)
{
	if (!*value)
		return parse_refuse(why, -EINVAL, "the value is empty");
	options->sort = value;
	return 0;
}

int option_set_top(struct options *options, const char *value, struct parse_reason *why)
{
	return parse_u64(value, 0, UINT_MAX, &options->top, why);
}

int option_set_duration(struct options *options, const char *value, struct parse_reason *why)
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

int option_set_count(struct options *options, const char *value, struct parse_reason *why)
{
	return parse_u64(value, 1, ~0ULL, &options->count, why);
}

/* The ring buffer takes powers of two only. */
int option_set_buffer_size(struct options *options, const char *value, struct parse_reason *why)
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
int option_set_audit(struct options *options, const char *value, struct parse_reason *why)
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

/* 90% or 90 */
int option_set_watch(struct options *options, const char *value, struct parse_reason *why)
{
	size_t len = strlen(value);
	char number[8] = "", quote[PARSE_QUOTE_LEN];
	__u64 percent;

	len -= len && value[len - 1] == '%';
	memcpy(number, value, len < sizeof(number) ? len : 0);
	if (parse_u64(number, 1, 100, &percent, why))
		return parse_refuse(why, -EINVAL, "%s is not a share of the ports: 1%%-100%%",
				    parse_quote(value, strlen(value), quote));
	options->watch = (__u32)percent * 10;
	return 0;
}

int option_set_max_size(struct options *options, const char *value, struct parse_reason *why)
{
	char quote[PARSE_QUOTE_LEN];
	__u64 size;
	int err = parse_size(value, &size, why);

	if (err)
		return err;
	if (size < MAX_SIZE_MIN)
		return parse_refuse(why, -ERANGE, "%s is less than 1M",
				    parse_quote(value, strlen(value), quote));
	options->max_size = size;
	return 0;
}

int option_set_memory(struct options *options, const char *value, struct parse_reason *why)
{
	char quote[PARSE_QUOTE_LEN];
	__u64 size;
	int err = parse_size(value, &size, why);

	if (err)
		return err;
	if (size < MEMORY_MIN)
		return parse_refuse(why, -ERANGE, "%s is less than 4M",
				    parse_quote(value, strlen(value), quote));
	options->memory = size;
	return 0;
}

/* exhaustion, headroom=95% */
int option_set_dump_on(struct options *options, const char *value, struct parse_reason *why)
{
	static const char headroom[] = "headroom=";
	char quote[PARSE_QUOTE_LEN];

	if (!strncmp(value, headroom, strlen(headroom))) {
		options->dump_on = DUMP_ON_HEADROOM;
		return option_set_watch(options, value + strlen(headroom), why);
	}
	if (strcmp(value, "exhaustion"))
		return parse_refuse(why, -EINVAL, "%s is neither exhaustion nor headroom=95%%",
				    parse_quote(value, strlen(value), quote));
	options->dump_on = DUMP_ON_EXHAUSTION;
	return 0;
}

int option_set_max_age(struct options *options, const char *value, struct parse_reason *why)
{
	char quote[PARSE_QUOTE_LEN];
	__u64 ns;
	int err = parse_duration(value, &ns, why);

	if (err)
		return err;
	if (ns < MAX_AGE_MIN_NS)
		return parse_refuse(why, -ERANGE, "%s is less than 1m",
				    parse_quote(value, strlen(value), quote));
	options->max_age_ns = ns;
	return 0;
}

int option_set_since(struct options *options, const char *value, struct parse_reason *why)
{
	return parse_time(value, options->now_ns, &options->since_ns, why);
}

int option_set_until(struct options *options, const char *value, struct parse_reason *why)
{
	return parse_time(value, options->now_ns, &options->until_ns, why);
}

int option_set_at(struct options *options, const char *value, struct parse_reason *why)
{
	return parse_time(value, options->now_ns, &options->at_ns, why);
}

int option_set_port(struct options *options, const char *value, struct parse_reason *why)
{
	__u64 port;
	int err = parse_u64(value, 1, PARSE_PORT_MAX, &port, why);

	if (err)
		return err;
	if (options->port && options->port != port)
		return parse_refuse(why, -EINVAL, "one port only, and %u was given before",
				    options->port);
	options->port = (__u16)port;
	port_set_add(&options->filter.ports, options->port);
	options->filter.has_ports = true;
	return 0;
}
