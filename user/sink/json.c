// SPDX-License-Identifier: BSD-2-Clause
/* Events as JSON Lines. */
#include <errno.h>
#include <stdlib.h>

#include "user/base/out.h"
#include "user/sink/blockers.h"
#include "user/sink/columns.h"
#include "user/sink/json_field.h"
#include "user/sink/sink.h"

struct json_fields {
	unsigned int count;
	struct json_key keys[COLUMNS_MAX];
	const struct column *columns[COLUMNS_MAX];
};

struct json_sink {
	struct sink base;
	struct json_writer writer;
	struct sink_context ctx;
	struct json_fields events[PT_EV_TYPES];
};

static int json_event(struct sink *sink, const struct pt_event *ev)
{
	struct json_sink *json = (struct json_sink *)sink;
	const struct json_fields *fields = &json->events[ev->type];

	json->writer.realtime_offset = ev->realtime_offset;
	for (unsigned int i = 0; i < fields->count; i++) {
		const struct column *column = fields->columns[i];
		union column_value value;
		enum column_state state = column->get(&json->ctx, ev, &value);

		if (column->type == COLUMN_BLOCKERS && state == COLUMN_KNOWN)
			blockers_json(&json->writer, &fields->keys[i], value.event);
		else
			json_field(&json->writer, &fields->keys[i], column->type, state, &value);
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

static void add_column(struct json_fields *fields, const struct column *column)
{
	json_key_make(&fields->keys[fields->count], !fields->count, column->key);
	fields->columns[fields->count++] = column;
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
				add_column(&json->events[type], &columns[i]);
	*sink = &json->base;
	return 0;
}
