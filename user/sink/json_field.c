// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/json_field.h"

#include <string.h>

#include "user/base/escape.h"

_Static_assert(FORMAT_IPV6_MAX >= FORMAT_RFC3339_MAX && FORMAT_IPV6_MAX >= FORMAT_U64_MAX &&
		       FORMAT_IPV6_MAX >= COLUMN_WORD_MAX,
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

static char *format_time(struct json_writer *writer, char *p, __u64 ts)
{
	*p++ = '"';
	p = format_rfc3339(&writer->time, p, ts + writer->realtime_offset);
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
static char *format_word(char *p, const char *word)
{
	*p++ = '"';
	p = stpcpy(p, word);
	*p++ = '"';
	return p;
}

char *json_format_value(struct json_writer *writer, char *p, enum column_type type,
			const union column_value *value)
{
	switch (type) {
	case COLUMN_U64:
	case COLUMN_DURATION:
		return format_u64(p, value->u64);
	case COLUMN_ID:
		return format_quoted_u64(p, value->u64);
	case COLUMN_BOOL:
		return stpcpy(p, value->boolean ? "true" : "false");
	case COLUMN_WORD:
		return format_word(p, value->text);
	case COLUMN_ADDR:
		return format_addr(p, &value->endpoint);
	case COLUMN_TIME:
		return format_time(writer, p, value->u64);
	case COLUMN_SHARE:
		return format_share(p, value->u64);
	case COLUMN_TEXT:
	case COLUMN_BLOCKERS:
	case COLUMN_ENDPOINT:
	case COLUMN_OWNER:
		break; /* not ours */
	}
	return p;
}

void json_field(struct json_writer *writer, const struct json_key *key, enum column_type type,
		enum column_state state, const union column_value *value)
{
	char *p = json_format_key(out_reserve(writer->out, JSON_FIELD_MAX), key);

	if (state != COLUMN_KNOWN) {
		p = json_format_null(p);
	} else if (type == COLUMN_TEXT) {
		out_commit(writer->out, p);
		put_text(writer->out, value->text);
		return;
	} else {
		p = json_format_value(writer, p, type, value);
	}
	out_commit(writer->out, p);
}

void json_key_make(struct json_key *key, bool first, const char *name)
{
	char *p = stpcpy(key->text, first ? "{\"" : ",\"");

	p = stpcpy(p, name);
	p = stpcpy(p, "\":");
	key->len = (size_t)(p - key->text);
}

void json_member(struct json_writer *writer, bool first, const char *name, enum column_type type,
		 bool known, union column_value value)
{
	struct json_key key;

	json_key_make(&key, first, name);
	json_field(writer, &key, type, known ? COLUMN_KNOWN : COLUMN_UNKNOWN, &value);
}

void json_u64(struct json_writer *writer, const char *name, __u64 value)
{
	json_member(writer, false, name, COLUMN_U64, value != PT_UNKNOWN,
		    (union column_value){ .u64 = value });
}

void json_time(struct json_writer *writer, bool first, const char *name, __u64 time)
{
	json_member(writer, first, name, COLUMN_TIME, true, (union column_value){ .u64 = time });
}

void json_word(struct json_writer *writer, bool first, const char *name, const char *word)
{
	json_member(writer, first, name, COLUMN_WORD, true, (union column_value){ .text = word });
}
