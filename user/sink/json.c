// SPDX-License-Identifier: BSD-2-Clause
/* Events as JSON Lines. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/index.h"
#include "user/base/out.h"
#include "user/sink/blockers.h"
#include "user/sink/columns.h"
#include "user/sink/json_field.h"
#include "user/sink/memo.h"
#include "user/sink/sink.h"

struct json_field {
	struct json_key key;
	const struct column *column;
	bool is_long, is_number;
};

/* The text of a run whose key is one word, if it is short. */
#define SHORT_MAX 64
#define SHORT_BITS 2
struct json_short {
	__u64 word;
	size_t len; /* 0: there is none */
	char text[SHORT_MAX];
};

/* Fields one behind the other that are of one thing, whose text is kept; or a single field. */
struct json_run {
	bool kept;
	enum column_of of;
	const struct json_field *fields, *end;
	const struct column *learnt;  /* NULL: none of them is */
	__u64 columns;		      /* as in struct column_key */
	const struct memo_text *last; /* of memo_find_again() */
	struct json_short shorts[1 << SHORT_BITS];
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

/* For all of an object that is neither long nor a run that comes newly. */
#define ROOM OUT_RESERVE_MAX

/* Of a text that is kept: something in it was not known, and may be learnt. */
#define OPEN 1

/* Fields and runs are written to p, within ROOM, and what is behind them is returned. */

/* A value of which nobody knows how long it is. */
static char *put_long(struct json_sink *json, char *p, const struct json_field *field,
		      const union column_value *value)
{
	out_commit(json->writer.out, p);
	if (field->column->type == COLUMN_BLOCKERS)
		blockers_json(&json->writer, &field->key, value->event);
	else
		json_field(&json->writer, &field->key, field->column->type, COLUMN_KNOWN, value);
	return out_reserve(json->writer.out, ROOM);
}

/* What most fields are: without a call of its own, nor asking for the type again. */
static inline char *put_number(const struct json_sink *json, char *p,
			       const struct json_field *field, const struct pt_event *ev)
{
	union column_value value;
	bool known = field->column->get(&json->ctx, ev, &value) == COLUMN_KNOWN;

	p = json_format_key(p, &field->key);
	return known ? format_u64(p, value.u64) : json_format_null(p);
}

static char *put_field(struct json_sink *json, char *p, const struct json_field *field,
		       const struct pt_event *ev)
{
	union column_value value;

	if (field->is_number)
		return put_number(json, p, field, ev);
	if (field->column->get(&json->ctx, ev, &value) != COLUMN_KNOWN)
		return json_format_null(json_format_key(p, &field->key));
	if (field->is_long)
		return put_long(json, p, field, &value);
	p = json_format_key(p, &field->key);
	return json_format_value(&json->writer, p, field->column->type, &value);
}

static bool is_unknown(const struct json_sink *json, const struct column *column,
		       const struct pt_event *ev)
{
	union column_value value;

	return column->get(&json->ctx, ev, &value) == COLUMN_UNKNOWN;
}

static char *put_new_run(struct json_sink *json, char *p, const struct json_run *run,
			 const struct column_key *key, const struct pt_event *ev)
{
	struct out *out = json->writer.out;
	const char *text;
	size_t begin;

	out_commit(out, p);
	begin = out_line_len(out);
	p = out_reserve(out, ROOM);
	for (const struct json_field *field = run->fields; field != run->end; field++)
		p = put_field(json, p, field, ev);
	out_commit(out, p);
	text = out_line_from(out, begin);
	if (text)
		memo_keep(&json->memo, key, text, out_line_len(out) - begin,
			  run->learnt && is_unknown(json, run->learnt, ev) ? OPEN : 0);
	return out_reserve(out, ROOM);
}

static char *put_new_short(struct json_sink *json, char *p, const struct json_run *run,
			   struct json_short *text, __u64 word, const struct pt_event *ev)
{
	const char *begin = p;

	for (const struct json_field *field = run->fields; field != run->end; field++)
		p = put_field(json, p, field, ev);
	text->len = 0;
	if (p - begin > SHORT_MAX)
		return p;
	text->word = word;
	text->len = (size_t)(p - begin);
	memcpy(text->text, begin, text->len);
	return p;
}

/* What is of one word is in no text's way, and is copied by a few moves. */
static char *put_short(struct json_sink *json, char *p, struct json_run *run, __u64 word,
		       const struct pt_event *ev)
{
	struct json_short *text = &run->shorts[index_hash_bits(word, SHORT_BITS)];

	if (!text->len || text->word != word)
		return put_new_short(json, p, run, text, word, ev);
	memcpy(p, text->text, SHORT_MAX);
	return p + text->len;
}

static char *put_run(struct json_sink *json, char *p, struct json_run *run,
		     const struct pt_event *ev)
{
	const struct memo_text *text;
	struct column_key key;
	__u64 word;

	if (column_key_word(&word, run->of, ev))
		return put_short(json, p, run, word, ev);
	column_key_make(&key, run->columns, run->of, ev);
	text = memo_find_again(&json->memo, &key, &run->last);
	if (!text || (text->note == OPEN && !is_unknown(json, run->learnt, ev)))
		return put_new_run(json, p, run, &key, ev);
	memcpy(p, text->bytes, text->len);
	return p + text->len;
}

static int json_event(struct sink *sink, const struct pt_event *ev)
{
	struct json_sink *json = (struct json_sink *)sink;
	struct json_object *object = &json->objects[ev->type];
	const struct json_run *end = object->runs + object->runs_count;
	struct out *out = json->writer.out;
	char *p = out_reserve(out, ROOM);

	json->writer.realtime_offset = ev->realtime_offset;
	for (struct json_run *run = object->runs; run != end; run++)
		if (run->kept)
			p = put_run(json, p, run, ev);
		else if (run->fields->is_number)
			p = put_number(json, p, run->fields, ev);
		else
			p = put_field(json, p, run->fields, ev);
	*p++ = '}';
	out_commit(out, p);
	return out_end_line(out);
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
	field->is_number = column->type == COLUMN_U64 || column->type == COLUMN_DURATION;
	field->is_long = column->type == COLUMN_TEXT || column->type == COLUMN_BLOCKERS;
	if (object->runs_count && column->of != COLUMN_OF_EVENT && run[-1].of == column->of) {
		run--;
		run->kept = true;
	} else {
		/* A single number is written as quickly as its text is found. */
		bool kept = column->of != COLUMN_OF_EVENT && column->type == COLUMN_WORD;

		object->runs_count++;
		*run = (struct json_run){ .kept = kept, .of = column->of, .fields = field };
	}
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
