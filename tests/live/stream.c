// SPDX-License-Identifier: BSD-2-Clause
#include "stream.h"

#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COMPLAINTS_MAX 4096
#define PRINTED_MAX 20
#define SECONDS_LEN 19 /* of a time up to its fraction */
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
	bool resumed; /* after a loss */
	bool ended;
	long long slack;
	long long last_ts;
	size_t open;
	json_t *spaces; /* port space and port: array of the alloc events of its open holds */
	json_t *last;	/* the same: pid of the hold that ended last */
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
	stream->slack = TS_SLACK_NS;
	stream->spaces = json_object();
	stream->last = json_object();
	return stream;
}

void stream_set_slack(struct stream *stream, long long ns)
{
	stream->slack = ns;
}

void stream_free(struct stream *stream)
{
	json_decref(stream->spaces);
	json_decref(stream->last);
	free(stream);
}

/* As many digits as that; -1 if there are others. */
static long long digits(const char *text, int count)
{
	long long value = 0;

	for (int i = 0; i < count; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = 10 * value + text[i] - '0';
	}
	return value;
}

/* Seconds since 1970 of "2026-11-21T14:02:10"; -1 if it is none. */
static long long seconds_of(const char *text)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	return end && end - text == SECONDS_LEN ? timegm(&tm) : -1;
}

long long stream_time(const char *text)
{
	/* most lines are of the same second as the one before */
	static __thread char last[SECONDS_LEN + 1];
	static __thread long long seconds;
	long long ns;

	if (strlen(text) != SECONDS_LEN + strlen(".123456789Z") || text[SECONDS_LEN] != '.' ||
	    text[SECONDS_LEN + 10] != 'Z')
		return -1;
	if (memcmp(last, text, SECONDS_LEN)) {
		seconds = seconds_of(text);
		memcpy(last, text, SECONDS_LEN);
	}
	ns = digits(text + SECONDS_LEN + 1, 9);
	return ns < 0 || seconds < 0 ? -1 : seconds * 1000000000LL + ns;
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

	if (ns >= 0 && llabs(apart - ns) > stream->slack)
		complain(stream, "%s is %lld, but the events lie %lld ns apart", field, ns, apart);
}

/* Its port space and port. */
#define KEY_LEN 128

static const char *key_of(const json_t *event, char key[KEY_LEN])
{
	const char *netns = text(event, "netns_cookie");

	snprintf(key, KEY_LEN, "%s %s/%lld:%lld vrf %lld", text(event, "proto"), netns,
		 *netns ? 0 : number(event, "netns"), number(event, "port"), number(event, "vrf"));
	return key;
}

static json_t *space_of(struct stream *stream, const json_t *event, bool *seen)
{
	char buffer[KEY_LEN];
	const char *key = key_of(event, buffer);
	json_t *space;

	space = json_object_get(stream->spaces, key);
	*seen = space;
	if (!space) {
		space = json_array();
		json_object_set_new(stream->spaces, key, space);
	}
	return space;
}

/* What the stream notes in the alloc event of a hold that left a TIME_WAIT. */
#define WAITS "waits"

static bool same_peer(const json_t *alloc, const json_t *event)
{
	return json_equal(json_object_get(alloc, "rport"), json_object_get(event, "rport")) &&
	       json_equal(json_object_get(alloc, "raddr"), json_object_get(event, "raddr"));
}

/* How well an open hold fits an event of that cookie; 0: not at all. */
static int fit_of(const json_t *alloc, const json_t *event)
{
	if (!json_equal(json_object_get(alloc, "cookie"), json_object_get(event, "cookie")))
		return 0;
	/*
	 * Disconnected and connected again, a socket may get the port anew that its
	 * own TIME_WAIT has still: two holds, and only the peer tells them apart.
	 */
	if (json_object_get(alloc, WAITS))
		return same_peer(alloc, event) ? 3 : 1;
	return 2;
}

/*
 * Without a cookie: the same owner and peer; of several the one whose times fit.
 * Only if there is none a hold that waits: a named port can leave two TIME_WAITs.
 */
static bool same_hold(const json_t *alloc, const json_t *event, bool waits)
{
	return number(alloc, "tid") == number(event, "tid") &&
	       !strcmp(text(alloc, "family"), text(event, "family")) &&
	       (waits ? json_object_get(alloc, WAITS) != NULL
		      : number(alloc, "rport") <= 0 || same_peer(alloc, event));
}

/* How far the events' times are from what the later one says of the time between. */
static long long misfit(const json_t *alloc, const json_t *event, const char *field)
{
	long long apart = stream_time(text(event, "ts")) - stream_time(text(alloc, "ts"));

	return llabs(apart - number(event, field));
}

static ssize_t hold_find_by_time(const json_t *space, const json_t *event, bool waits)
{
	const char *field = json_object_get(event, "held_ns") ? "held_ns" : "open_ns";
	long long least = LLONG_MAX;
	ssize_t found = -1;

	for (size_t i = 0; i < json_array_size(space); i++) {
		const json_t *alloc = json_array_get(space, i);

		if (same_hold(alloc, event, waits) && misfit(alloc, event, field) < least) {
			least = misfit(alloc, event, field);
			found = (ssize_t)i;
		}
	}
	return found;
}

static ssize_t hold_find(const json_t *space, const json_t *event)
{
	ssize_t found = -1;
	int best = 0;

	if (json_is_null(json_object_get(event, "cookie")))
		return (found = hold_find_by_time(space, event, false)) >= 0
			       ? found
			       : hold_find_by_time(space, event, true);
	for (size_t i = 0; i < json_array_size(space); i++) {
		const json_t *alloc = json_array_get(space, i);
		int fit = fit_of(alloc, event);

		if (fit > best) {
			best = fit;
			found = (ssize_t)i;
		}
	}
	return found;
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
	char key[KEY_LEN];
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
	if (stream->resumed && !seen) {
		if (strcmp(reuse, "unknown"))
			complain(stream, "reuse is '%s', but a loss lies between", reuse);
		return;
	}
	if (!strcmp(reuse, "first") == seen)
		complain(stream, "reuse is '%s', but the port was %sseen before", reuse,
			 seen ? "" : "not ");
	if (!strcmp(reuse, "unknown"))
		complain(stream, "reuse is unknown, but nothing was lost");
	if (others ? clean : !strcmp(reuse, "shared"))
		complain(stream, "reuse is '%s' beside %zu other holds", reuse, others);
	if (clean && !json_equal(json_object_get(event, "prev_pid"),
				 json_object_get(stream->last, key_of(event, key))))
		complain(stream, "a port is used again, but prev_pid is not who had it last");
}

static void take_alloc(struct stream *stream, json_t *event)
{
	bool seen;
	json_t *space = space_of(stream, event, &seen);
	ssize_t index = hold_find(space, event);

	if (index >= 0 && !json_is_null(json_object_get(event, "cookie")) &&
	    !json_object_get(json_array_get(space, index), WAITS))
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

/* Not in the event itself: it is the caller's, too. */
static void hold_waits(json_t *space, ssize_t index, const json_t *event)
{
	json_t *alloc = json_copy(json_array_get(space, index));

	json_object_set(alloc, "raddr", json_object_get(event, "raddr"));
	json_object_set(alloc, "rport", json_object_get(event, "rport"));
	json_object_set_new(alloc, WAITS, json_true());
	json_array_set_new(space, index, alloc);
}

static void take_later(struct stream *stream, json_t *event, enum kind kind)
{
	char key[KEY_LEN];
	bool seen;
	json_t *space = space_of(stream, event, &seen);
	ssize_t index = hold_find(space, event);
	const json_t *alloc = index < 0 ? NULL : json_array_get(space, index);

	if (!alloc) {
		complain(stream, "%s of a hold that is not open", text(event, "event"));
		return;
	}
	check_owner(stream, alloc, event);
	if (kind == TIME_WAIT) {
		check_duration(stream, alloc, event, "open_ns");
		hold_waits(space, index, event);
		return;
	}
	check_duration(stream, alloc, event, "held_ns");
	if (number(event, "open_ns") > number(event, "held_ns"))
		complain(stream, "open longer than held");
	json_object_set(stream->last, key_of(event, key), json_object_get(event, "pid"));
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
	strcpy(stream->told, stream->complaints);
	stream->complaints[0] = 0;
	return stream->told;
}

void stream_resume(struct stream *stream)
{
	json_object_clear(stream->spaces);
	json_object_clear(stream->last);
	stream->open = 0;
	stream->resumed = stream->lost;
	stream->lost = false;
}

size_t stream_open(const struct stream *stream)
{
	return stream->open;
}

void stream_print_open(const struct stream *stream, FILE *to)
{
	int left = PRINTED_MAX;
	const char *key;
	json_t *space, *alloc;
	size_t i;

	json_object_foreach(stream->spaces, key, space)
	{
		json_array_foreach(space, i, alloc)
		{
			if (!left--)
				return;
			json_dumpf(alloc, to, JSON_COMPACT);
			fputc('\n', to);
		}
	}
}

bool stream_ended(const struct stream *stream)
{
	return stream->ended;
}
