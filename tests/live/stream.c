// SPDX-License-Identifier: BSD-2-Clause
#include "stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COMPLAINTS_MAX 4096
/* Durations come from the raw clock, ts may have been raised: how far apart they may be. */
#define TS_SLACK_NS 50000000LL

enum kind { ALLOC = 1, FAIL = 2, TIME_WAIT = 4, FREE = 8, LOST = 16, SUMMARY = 32 };

#define HOLD_EVENTS (ALLOC | TIME_WAIT | FREE)
#define PORT_EVENTS (HOLD_EVENTS | FAIL)
#define EVERY_EVENT (PORT_EVENTS | LOST | SUMMARY)

enum type { STRING, INTEGER, BOOLEAN, ARRAY, TIME };

/* The fields of spec: which event carries which, of what type, and where null is no answer. */
static const struct field {
	const char *name;
	unsigned int in;
	unsigned int never_null;
	enum type type;
} fields[] = {
	{ "ts", EVERY_EVENT, EVERY_EVENT, TIME },
	{ "event", EVERY_EVENT, EVERY_EVENT, STRING },
	{ "proto", PORT_EVENTS, PORT_EVENTS, STRING },
	{ "family", PORT_EVENTS, 0, STRING },
	{ "port", PORT_EVENTS, PORT_EVENTS, INTEGER },
	{ "laddr", PORT_EVENTS, 0, STRING },
	{ "raddr", PORT_EVENTS, 0, STRING },
	{ "rport", PORT_EVENTS, 0, INTEGER },
	{ "pid", PORT_EVENTS, 0, INTEGER },
	{ "tid", PORT_EVENTS, 0, INTEGER },
	{ "comm", PORT_EVENTS, 0, STRING },
	{ "thread", PORT_EVENTS, 0, STRING },
	{ "kernel", PORT_EVENTS, 0, BOOLEAN },
	{ "uid", PORT_EVENTS, 0, INTEGER },
	{ "cgroup", PORT_EVENTS, 0, STRING },
	{ "netns", PORT_EVENTS, PORT_EVENTS, INTEGER },
	{ "netns_cookie", PORT_EVENTS, 0, STRING },
	{ "cookie", PORT_EVENTS, 0, STRING },
	{ "vrf", PORT_EVENTS, 0, INTEGER },
	{ "via", ALLOC | FAIL, 0, STRING },
	{ "ephemeral", ALLOC, 0, BOOLEAN },
	{ "search_ns", ALLOC | FAIL, 0, INTEGER },
	{ "holders", ALLOC | FREE, 0, INTEGER },
	{ "reuse", ALLOC, ALLOC, STRING },
	{ "reuse_ns", ALLOC, 0, INTEGER },
	{ "prev_pid", ALLOC, 0, INTEGER },
	{ "prev_comm", ALLOC, 0, STRING },
	{ "errno", FAIL, 0, STRING },
	{ "blockers", FAIL, 0, ARRAY },
	{ "blockers_total", FAIL, 0, INTEGER },
	{ "open_ns", TIME_WAIT | FREE, 0, INTEGER },
	{ "tcp_state", TIME_WAIT, TIME_WAIT, STRING },
	{ "end", FREE, FREE, STRING },
	{ "held_ns", FREE, 0, INTEGER },
	{ "count", LOST, LOST, INTEGER },
	{ "from", LOST, 0, TIME },
	{ "to", LOST, 0, TIME },
};

/* The words that a field may have, where the spec lists them. */
static const struct words {
	const char *field;
	const char *const *list;
} words[] = {
	{ "proto", (const char *const[]){ "tcp", "udp", NULL } },
	{ "family", (const char *const[]){ "ipv4", "ipv6", NULL } },
	{ "via", (const char *const[]){ "connect", "bind", "listen", "autobind", "fixed", "accept",
					"snapshot", NULL } },
	{ "end", (const char *const[]){ "close", "expired", "reused", "cut", "unknown", NULL } },
	{ "reuse",
	  (const char *const[]){ "clean", "time_wait", "shared", "first", "unknown", NULL } },
	{ "tcp_state", (const char *const[]){ "TIME-WAIT", "FIN-WAIT-2", NULL } },
};

/* What a hold's later events say as its alloc did. */
static const char *const owner_fields[] = { "pid",    "tid", "comm",   "thread",
					    "kernel", "uid", "cgroup", "family" };

struct stream {
	bool whole;
	bool lost;
	bool ended;
	long long last_ts;
	size_t open;
	json_t *spaces; /* port space and port: array of the alloc events of its open holds */
	size_t lines;
	char complaints[COMPLAINTS_MAX];
	char told[COMPLAINTS_MAX];
};

static void __attribute__((format(printf, 2, 3)))
complain(struct stream *stream, const char *fmt, ...)
{
	size_t used = strlen(stream->complaints), left = sizeof(stream->complaints) - used;
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	snprintf(stream->complaints + used, left, "line %zu: %s\n", stream->lines, text);
}

struct stream *stream_new(bool whole)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		abort();
	stream->whole = whole;
	stream->spaces = json_object();
	return stream;
}

void stream_free(struct stream *stream)
{
	json_decref(stream->spaces);
	free(stream);
}

long long stream_time(const char *text)
{
	struct tm tm = { 0 };
	const char *fraction = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	long long ns;
	int length = 0;

	if (!fraction || sscanf(fraction, ".%9lldZ%n", &ns, &length) != 1 || length != 11)
		return -1;
	if (fraction[11] || strspn(fraction + 1, "0123456789") != 9)
		return -1;
	return timegm(&tm) * 1000000000LL + ns;
}

static enum kind kind_of(const json_t *event)
{
	static const char *const names[] = {
		"alloc", "fail", "time_wait", "free", "lost", "summary"
	};
	const char *name = json_string_value(json_object_get(event, "event"));

	for (int i = 0; name && i < (int)(sizeof(names) / sizeof(names[0])); i++)
		if (!strcmp(names[i], name))
			return 1 << i;
	return 0;
}

static bool type_fits(const json_t *value, enum type type)
{
	switch (type) {
	case STRING:
		return json_is_string(value);
	case INTEGER:
		return json_is_integer(value) && json_integer_value(value) >= 0;
	case BOOLEAN:
		return json_is_boolean(value);
	case ARRAY:
		return json_is_array(value);
	case TIME:
		return json_is_string(value) && stream_time(json_string_value(value)) > 0;
	}
	return false;
}

static void check_fields(struct stream *stream, const json_t *event, enum kind kind)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const struct field *field = &fields[i];
		const json_t *value = json_object_get(event, field->name);

		if (!value) {
			if (field->in & kind)
				complain(stream, "no field '%s'", field->name);
		} else if (json_is_null(value)) {
			if (field->never_null & kind)
				complain(stream, "'%s' is null", field->name);
		} else if (!type_fits(value, field->type)) {
			complain(stream, "'%s' is of the wrong type", field->name);
		}
	}
}

static void check_words(struct stream *stream, const json_t *event)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const char *value = json_string_value(json_object_get(event, words[i].field));
		const char *const *word = words[i].list;

		while (value && *word && strcmp(*word, value))
			word++;
		if (value && !*word)
			complain(stream, "'%s' is '%s'", words[i].field, value);
	}
}

static long long number(const json_t *event, const char *field)
{
	const json_t *value = json_object_get(event, field);

	return json_is_integer(value) ? json_integer_value(value) : -1;
}

static const char *text(const json_t *event, const char *field)
{
	const char *value = json_string_value(json_object_get(event, field));

	return value ? value : "";
}

static void check_order(struct stream *stream, const json_t *event)
{
	long long ts = stream_time(text(event, "ts"));

	if (stream->ended)
		complain(stream, "a line after the summary");
	if (ts < stream->last_ts)
		complain(stream, "ts goes back by %lld ns", stream->last_ts - ts);
	stream->last_ts = ts;
}

static void check_duration(struct stream *stream, const json_t *alloc, const json_t *event,
			   const char *field)
{
	long long ns = number(event, field);
	long long apart = stream_time(text(event, "ts")) - stream_time(text(alloc, "ts"));

	if (ns >= 0 && llabs(apart - ns) > TS_SLACK_NS)
		complain(stream, "%s is %lld, but the events lie %lld ns apart", field, ns, apart);
}

static json_t *space_of(struct stream *stream, const json_t *event, bool *seen)
{
	const char *netns = text(event, "netns_cookie");
	char key[128];
	json_t *space;

	snprintf(key, sizeof(key), "%s %s/%lld:%lld vrf %lld", text(event, "proto"), netns,
		 *netns ? 0 : number(event, "netns"), number(event, "port"), number(event, "vrf"));
	space = json_object_get(stream->spaces, key);
	*seen = space;
	if (!space) {
		space = json_array();
		json_object_set_new(stream->spaces, key, space);
	}
	return space;
}

/* Of holds without a cookie one is as good as another of the same owner and peer. */
static bool same_hold(const json_t *alloc, const json_t *event)
{
	const json_t *cookie = json_object_get(event, "cookie");

	if (!json_is_null(cookie))
		return json_equal(json_object_get(alloc, "cookie"), cookie);
	return number(alloc, "tid") == number(event, "tid") &&
	       (number(alloc, "rport") <= 0 || number(alloc, "rport") == number(event, "rport"));
}

static ssize_t hold_find(const json_t *space, const json_t *event)
{
	for (size_t i = 0; i < json_array_size(space); i++)
		if (same_hold(json_array_get(space, i), event))
			return (ssize_t)i;
	return -1;
}

static void check_holders(struct stream *stream, const json_t *space, const json_t *event)
{
	long long holders = number(event, "holders");

	if (holders != (long long)json_array_size(space))
		complain(stream, "holders is %lld, but %zu holds are open", holders,
			 json_array_size(space));
}

static void check_reuse(struct stream *stream, const json_t *event, size_t others, bool seen)
{
	const char *reuse = text(event, "reuse");
	bool clean = !strcmp(reuse, "clean");

	if (clean != (number(event, "reuse_ns") >= 0))
		complain(stream, "reuse is '%s' and reuse_ns %lld", reuse,
			 number(event, "reuse_ns"));
	/*
	 * Without cookies (5.10) a new namespace with the inode number of one
	 * that ended looks like that one here; porttrace can tell.
	 */
	if (!*text(event, "netns_cookie") && !strcmp(reuse, "first") && !others)
		return;
	if (!strcmp(reuse, "first") == seen)
		complain(stream, "reuse is '%s', but the port was %sseen before", reuse,
			 seen ? "" : "not ");
	if (!strcmp(reuse, "unknown"))
		complain(stream, "reuse is unknown, but nothing was lost");
	if (others ? clean : !strcmp(reuse, "shared"))
		complain(stream, "reuse is '%s' beside %zu other holds", reuse, others);
	if (clean && number(event, "prev_pid") < 0)
		complain(stream, "a port is used again, but prev_pid is null");
}

static void take_alloc(struct stream *stream, json_t *event)
{
	bool seen;
	json_t *space = space_of(stream, event, &seen);

	if (!json_is_null(json_object_get(event, "cookie")) && hold_find(space, event) >= 0)
		complain(stream, "a hold begins twice");
	check_reuse(stream, event, json_array_size(space), seen);
	json_array_append(space, event);
	stream->open++;
	check_holders(stream, space, event);
}

static void check_owner(struct stream *stream, const json_t *alloc, const json_t *event)
{
	for (size_t i = 0; i < sizeof(owner_fields) / sizeof(owner_fields[0]); i++) {
		const char *field = owner_fields[i];

		if (!json_equal(json_object_get(alloc, field), json_object_get(event, field)))
			complain(stream, "'%s' is not as at alloc", field);
	}
}

static void take_later(struct stream *stream, json_t *event, enum kind kind)
{
	bool seen;
	json_t *space = space_of(stream, event, &seen);
	ssize_t index = hold_find(space, event);
	const json_t *alloc = json_array_get(space, index);

	if (index < 0) {
		complain(stream, "%s of a hold that is not open", text(event, "event"));
		return;
	}
	check_owner(stream, alloc, event);
	if (kind == TIME_WAIT) {
		check_duration(stream, alloc, event, "open_ns");
		return;
	}
	check_duration(stream, alloc, event, "held_ns");
	if (number(event, "open_ns") > number(event, "held_ns"))
		complain(stream, "open longer than held");
	json_array_remove(space, index);
	stream->open--;
	check_holders(stream, space, event);
}

/* No byte that a terminal could take for a command; UTF-8 is jansson's to check. */
static void check_bytes(struct stream *stream, const char *line)
{
	for (; *line; line++)
		if ((unsigned char)*line < 0x20 || *line == 0x7f)
			complain(stream, "a raw control byte %#x", *line);
}

json_t *stream_take(struct stream *stream, const char *line)
{
	json_error_t error;
	json_t *event = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	enum kind kind;

	stream->lines++;
	check_bytes(stream, line);
	if (!json_is_object(event)) {
		complain(stream, "no JSON object (%s): %s", error.text, line);
		json_decref(event);
		return NULL;
	}
	kind = kind_of(event);
	if (!kind)
		complain(stream, "unknown event '%s'", text(event, "event"));
	check_fields(stream, event, kind);
	check_words(stream, event);
	check_order(stream, event);
	stream->lost |= kind == LOST;
	stream->ended = kind == SUMMARY;
	if (stream->whole && !stream->lost) {
		if (kind == ALLOC)
			take_alloc(stream, event);
		else if (kind & (TIME_WAIT | FREE))
			take_later(stream, event, kind);
	}
	return event;
}

const char *stream_complaints(struct stream *stream)
{
	memcpy(stream->told, stream->complaints, sizeof(stream->told));
	stream->complaints[0] = 0;
	return stream->told;
}

size_t stream_open(const struct stream *stream)
{
	return stream->open;
}

bool stream_ended(const struct stream *stream)
{
	return stream->ended;
}
