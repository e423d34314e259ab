// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/json_field.h"

#include <string.h>

#include "user/base/escape.h"

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
static void put_word(struct out *out, const char *word)
{
	out_char(out, '"');
	out_str(out, word);
	out_char(out, '"');
}

/* p has FIELD_MAX of room, less the key that was written there. */
static void put_value(struct json_writer *writer, char *p, enum column_type type,
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
		p = format_time(writer, p, value->u64);
		break;
	case COLUMN_SHARE:
		p = format_share(p, value->u64);
		break;
	case COLUMN_WORD:
		out_commit(writer->out, p);
		put_word(writer->out, value->text);
		return;
	case COLUMN_TEXT:
		out_commit(writer->out, p);
		put_text(writer->out, value->text);
		return;
	case COLUMN_BLOCKERS:
	case COLUMN_ENDPOINT:
	case COLUMN_OWNER:
		break; /* not ours */
	}
	out_commit(writer->out, p);
}

void json_field(struct json_writer *writer, const struct json_key *key, enum column_type type,
		enum column_state state, const union column_value *value)
{
	char *p = out_reserve(writer->out, FIELD_MAX);

	/* A length that the compiler knows makes it a few moves. */
	memcpy(p, key->text, COLUMN_KEY_MAX);
	p += key->len;
	if (state == COLUMN_KNOWN)
		put_value(writer, p, type, value);
	else
		out_commit(writer->out, stpcpy(p, "null"));
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
