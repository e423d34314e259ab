// SPDX-License-Identifier: BSD-2-Clause
/* Events as JSON Lines. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/base/format.h"
#include "user/base/out.h"
#include "user/sink/columns.h"
#include "user/sink/sink.h"

/* A key as it stands in a line: {"ts": or ,"event": */
struct json_key {
	char text[COLUMN_KEY_MAX];
	size_t len;
};

struct json_fields {
	unsigned int count;
	struct json_key keys[COLUMNS_MAX];
	const struct column *columns[COLUMNS_MAX];
};

struct json_sink {
	struct sink base;
	struct out *out;
	struct sink_context ctx;
	struct format_time time;
	struct json_fields events[PT_EV_TYPES];
	struct json_key blocker_keys[BLOCKER_COLUMNS_MAX];
};

/* Room for a key and a value of a bounded type. */
#define FIELD_MAX (COLUMN_KEY_MAX + FORMAT_IPV6_MAX + 2)

_Static_assert(FORMAT_IPV6_MAX >= FORMAT_RFC3339_MAX && FORMAT_IPV6_MAX >= FORMAT_U64_MAX,
	       "the longest of the bounded values");

static char *format_quoted_u64(char *p, __u64 value)
{
	*p++ = '"';
	p = format_u64(p, value);
	*p++ = '"';
	return p;
}

static char *format_addr(char *p, const struct column_endpoint *endpoint)
{
	*p++ = '"';
	p = column_format_addr(p, endpoint);
	*p++ = '"';
	return p;
}

static char *format_time(struct json_sink *json, char *p, __u64 ts)
{
	*p++ = '"';
	p = format_rfc3339(&json->time, p, ts + json->ctx.realtime_offset);
	*p++ = '"';
	return p;
}

static void put_text(struct out *out, const char *text)
{
	size_t len = strlen(text);
	char *p = out_reserve(out, len * ESCAPE_EXPAND + 2);

	if (!p)
		return;
	*p++ = '"';
	p += escape_json(p, text, len);
	*p++ = '"';
	out_commit(out, p);
}

/* One of our own, which need no escapes. */
static void put_word(struct out *out, const char *word)
{
	out_char(out, '"');
	out_str(out, word);
	out_char(out, '"');
}

static void put_blockers(struct json_sink *json, const struct pt_event *ev);

/* p has FIELD_MAX of room, less the key that was written there. */
static void put_value(struct json_sink *json, char *p, enum column_type type,
		      const union column_value *value)
{
	switch (type) {
	case COLUMN_U64:
	case COLUMN_DURATION:
		p = format_u64(p, value->u64);
		break;
	case COLUMN_ID:
		p = format_quoted_u64(p, value->u64);
		break;
	case COLUMN_BOOL:
		p = stpcpy(p, value->boolean ? "true" : "false");
		break;
	case COLUMN_ADDR:
		p = format_addr(p, &value->endpoint);
		break;
	case COLUMN_TIME:
		p = format_time(json, p, value->u64);
		break;
	case COLUMN_WORD:
		out_commit(json->out, p);
		put_word(json->out, value->text);
		return;
	case COLUMN_TEXT:
		out_commit(json->out, p);
		put_text(json->out, value->text);
		return;
	case COLUMN_BLOCKERS:
		out_commit(json->out, p);
		put_blockers(json, value->event);
		return;
	case COLUMN_ENDPOINT:
	case COLUMN_OWNER:
		break; /* of rows without a key */
	}
	out_commit(json->out, p);
}

static void put_field(struct json_sink *json, const struct json_key *key, enum column_type type,
		      enum column_state state, const union column_value *value)
{
	char *p = out_reserve(json->out, FIELD_MAX);

	/* A length that the compiler knows makes it a few moves. */
	memcpy(p, key->text, COLUMN_KEY_MAX);
	p += key->len;
	if (state == COLUMN_KNOWN)
		put_value(json, p, type, value);
	else
		out_commit(json->out, stpcpy(p, "null"));
}

static void put_blocker(struct json_sink *json, const struct pt_blocker *blocker)
{
	for (unsigned int i = 0; i < blocker_columns_count; i++) {
		union column_value value;
		enum column_state state = blocker_columns[i].get(blocker, &value);

		put_field(json, &json->blocker_keys[i], blocker_columns[i].type, state, &value);
	}
	out_char(json->out, '}');
}

static void put_blockers(struct json_sink *json, const struct pt_event *ev)
{
	out_char(json->out, '[');
	for (unsigned int i = 0; i < ev->blockers_count; i++) {
		if (i)
			out_char(json->out, ',');
		put_blocker(json, &ev->blockers[i]);
	}
	out_char(json->out, ']');
}

static int json_event(struct sink *sink, const struct pt_event *ev)
{
	struct json_sink *json = (struct json_sink *)sink;
	const struct json_fields *fields = &json->events[ev->type];

	for (unsigned int i = 0; i < fields->count; i++) {
		const struct column *column = fields->columns[i];
		union column_value value;
		enum column_state state = column->get(&json->ctx, ev, &value);

		put_field(json, &fields->keys[i], column->type, state, &value);
	}
	out_char(json->out, '}');
	return out_end_line(json->out);
}

static int json_flush(struct sink *sink)
{
	return out_flush(((struct json_sink *)sink)->out);
}

static int json_end(struct sink *sink)
{
	int err = json_flush(sink);

	free(sink);
	return err;
}

static void make_key(struct json_key *key, bool first, const char *name)
{
	char *p = stpcpy(key->text, first ? "{\"" : ",\"");

	p = stpcpy(p, name);
	p = stpcpy(p, "\":");
	key->len = (size_t)(p - key->text);
}

static void add_column(struct json_fields *fields, const struct column *column)
{
	make_key(&fields->keys[fields->count], !fields->count, column->key);
	fields->columns[fields->count++] = column;
}

int sink_json_new(struct out *out, const struct sink_context *ctx, struct sink **sink)
{
	static const struct sink_ops ops = { json_event, json_flush, json_end };
	struct json_sink *json = calloc(1, sizeof(*json));

	if (!json)
		return -ENOMEM;
	json->base.ops = &ops;
	json->out = out;
	json->ctx = *ctx;
	for (unsigned int i = 0; i < columns_count; i++)
		for (unsigned int type = 0; type < PT_EV_TYPES; type++)
			if (columns[i].key && columns[i].events >> type & 1)
				add_column(&json->events[type], &columns[i]);
	for (unsigned int i = 0; i < blocker_columns_count; i++)
		make_key(&json->blocker_keys[i], !i, blocker_columns[i].key);
	*sink = &json->base;
	return 0;
}
