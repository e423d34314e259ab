// SPDX-License-Identifier: BSD-2-Clause
/* Events as JSON Lines. */
#include <errno.h>
#include <stdlib.h>

#include "user/base/out.h"
#include "user/sink/blockers.h"
#include "user/sink/columns.h"
#include "user/sink/json_field.h"
#include "user/sink/memo.h"
#include "user/sink/sink.h"

struct json_field {
	struct json_key key;
	const struct column *column;
	bool is_long;
};

/* Fields one behind the other that are of one thing: their text is kept. */
struct json_run {
	enum column_of of;
	const struct json_field *fields, *end;
	const struct column *learnt; /* NULL: none of them is */
	__u64 columns;		     /* as in struct column_key */
};

/* Of a type of event. */
struct json_object {
	unsigned int fields_count, runs_count;
	struct json_field fields[COLUMNS_MAX];
	struct json_run runs[COLUMNS_MAX];
};

struct json_sink {
	struct sink base;
	struct json_writer writer;
	struct sink_context ctx;
	struct json_object objects[PT_EV_TYPES];
	struct memo memo;
};

/* Those of which nobody knows how long they are. */
static void put_long(struct json_writer *writer, const struct json_field *field,
		     const union column_value *value)
{
	if (field->column->type == COLUMN_BLOCKERS)
		blockers_json(writer, &field->key, value->event);
	else
		json_field(writer, &field->key, field->column->type, COLUMN_KNOWN, value);
}

static void put_fields(struct json_sink *json, const struct json_run *run,
		       const struct pt_event *ev)
{
	struct out *out = json->writer.out;

	for (const struct json_field *field = run->fields; field != run->end; field++) {
		char *p = out_reserve(out, JSON_FIELD_MAX);
		const struct column *column = field->column;
		union column_value value;
		enum column_state state = column->get(&json->ctx, ev, &value);

		if (field->is_long && state == COLUMN_KNOWN)
			put_long(&json->writer, field, &value);
		else
			out_commit(out, json_format_field(&json->writer, p, &field->key,
							  column->type, state, &value));
	}
}

static bool is_unknown(const struct json_sink *json, const struct column *column,
		       const struct pt_event *ev)
{
	union column_value value;

	return column->get(&json->ctx, ev, &value) == COLUMN_UNKNOWN;
}

static void put_run(struct json_sink *json, const struct json_run *run, const struct pt_event *ev)
{
	struct out *out = json->writer.out;
	const struct memo_text *kept;
	struct column_key key;
	const char *text;
	size_t begin;

	column_key_make(&key, run->columns, run->of, ev);
	kept = memo_find(&json->memo, &key);
	if (kept && (!kept->open || is_unknown(json, run->learnt, ev))) {
		out_bytes(out, kept->bytes, kept->len);
		return;
	}
	begin = out_line_len(out);
	put_fields(json, run, ev);
	text = out_line_from(out, begin);
	if (text)
		memo_keep(&json->memo, &key, text, out_line_len(out) - begin,
			  run->learnt && is_unknown(json, run->learnt, ev));
}

static int json_event(struct sink *sink, const struct pt_event *ev)
{
	struct json_sink *json = (struct json_sink *)sink;
	const struct json_object *object = &json->objects[ev->type];

	json->writer.realtime_offset = ev->realtime_offset;
	for (unsigned int i = 0; i < object->runs_count; i++) {
		const struct json_run *run = &object->runs[i];

		if (run->of == COLUMN_OF_EVENT)
			put_fields(json, run, ev);
		else
			put_run(json, run, ev);
	}
	out_char(json->writer.out, '}');
	return out_end_line(json->writer.out);
}

static int json_flush(struct sink *sink)
{
	return out_flush(((struct json_sink *)sink)->writer.out);
}

static int json_end(struct sink *sink)
{
	int err = json_flush(sink);

	free(sink);
	return err;
}

static void add_column(struct json_object *object, unsigned int place)
{
	const struct column *column = &columns[place];
	struct json_field *field = &object->fields[object->fields_count];
	struct json_run *run = &object->runs[object->runs_count];

	json_key_make(&field->key, !object->fields_count++, column->key);
	field->column = column;
	field->is_long = column->type == COLUMN_TEXT || column->type == COLUMN_BLOCKERS;
	if (object->runs_count && run[-1].of == column->of)
		run--;
	else
		object->runs[object->runs_count++] =
			(struct json_run){ .of = column->of, .fields = field };
	run->end = field + 1;
	run->columns |= 1ULL << place;
	if (column->learnt)
		run->learnt = column;
}

int sink_json_new(struct out *out, const struct sink_context *ctx, struct sink **sink)
{
	static const struct sink_ops ops = { json_event, json_flush, json_end };
	struct json_sink *json = calloc(1, sizeof(*json));

	if (!json)
		return -ENOMEM;
	json->base.ops = &ops;
	json->writer = (struct json_writer){ .out = out };
	json->ctx = *ctx;
	for (unsigned int i = 0; i < columns_count; i++)
		for (unsigned int type = 0; type < PT_EV_TYPES; type++)
			if (columns[i].key && columns[i].events >> type & 1)
				add_column(&json->objects[type], i);
	*sink = &json->base;
	return 0;
}
