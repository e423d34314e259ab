// SPDX-License-Identifier: BSD-2-Clause
/* Events as JSON Lines. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/format.h"
#include "user/base/out.h"
#include "user/sink/columns.h"
#include "user/sink/sink.h"

/* A field as it stands in a line: {"ts": or ,"event": */
struct json_field {
	char key[COLUMN_KEY_MAX];
	size_t key_len;
	const struct column *column;
};

struct json_fields {
	unsigned int count;
	struct json_field fields[COLUMNS_MAX];
};

struct json_sink {
	struct sink base;
	struct out *out;
	struct sink_context ctx;
	struct format_time time;
	struct json_fields events[PT_EV_TYPES];
};

static void put_addr(struct out *out, const struct column_endpoint *endpoint)
{
	char *p = out_reserve(out, FORMAT_IPV6_MAX + 2);

	*p++ = '"';
	p = column_format_addr(p, endpoint);
	*p++ = '"';
	out_commit(out, p);
}

static void put_time(struct json_sink *json, __u64 ts)
{
	char *p = out_reserve(json->out, FORMAT_RFC3339_MAX + 2);

	*p++ = '"';
	p = format_rfc3339(&json->time, p, ts + json->ctx.realtime_offset);
	*p++ = '"';
	out_commit(json->out, p);
}

static void put_text(struct out *out, const char *text)
{
	out_char(out, '"');
	out_json(out, text, strlen(text));
	out_char(out, '"');
}

static void put_blockers(struct json_sink *json, const struct pt_event *ev);

static void put_value(struct json_sink *json, enum column_type type,
		      const union column_value *value)
{
	struct out *out = json->out;

	switch (type) {
	case COLUMN_U64:
	case COLUMN_DURATION:
		out_u64(out, value->u64);
		break;
	case COLUMN_ID:
		out_char(out, '"');
		out_u64(out, value->u64);
		out_char(out, '"');
		break;
	case COLUMN_BOOL:
		out_str(out, value->boolean ? "true" : "false");
		break;
	case COLUMN_WORD:
	case COLUMN_TEXT:
		put_text(out, value->text);
		break;
	case COLUMN_ADDR:
		put_addr(out, &value->endpoint);
		break;
	case COLUMN_TIME:
		put_time(json, value->u64);
		break;
	case COLUMN_BLOCKERS:
		put_blockers(json, value->event);
		break;
	case COLUMN_ENDPOINT:
	case COLUMN_OWNER:
		break; /* of rows without a key */
	}
}

static void put_known(struct json_sink *json, enum column_type type, enum column_state state,
		      const union column_value *value)
{
	if (state == COLUMN_KNOWN)
		put_value(json, type, value);
	else
		out_bytes(json->out, "null", 4);
}

static void put_blocker(struct json_sink *json, const struct pt_blocker *blocker)
{
	for (unsigned int i = 0; i < blocker_columns_count; i++) {
		const struct blocker_column *column = &blocker_columns[i];
		union column_value value;
		enum column_state state = column->get(blocker, &value);

		out_str(json->out, i ? ",\"" : "{\"");
		out_str(json->out, column->key);
		out_str(json->out, "\":");
		put_known(json, column->type, state, &value);
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
		const struct json_field *field = &fields->fields[i];
		union column_value value;
		enum column_state state = field->column->get(&json->ctx, ev, &value);

		out_bytes(json->out, field->key, field->key_len);
		put_known(json, field->column->type, state, &value);
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

static void add_field(struct json_fields *fields, const struct column *column)
{
	struct json_field *field = &fields->fields[fields->count];
	char *p = stpcpy(field->key, fields->count ? ",\"" : "{\"");

	p = stpcpy(p, column->key);
	p = stpcpy(p, "\":");
	field->key_len = (size_t)(p - field->key);
	field->column = column;
	fields->count++;
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
				add_field(&json->events[type], &columns[i]);
	*sink = &json->base;
	return 0;
}
