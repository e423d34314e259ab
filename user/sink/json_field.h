/* SPDX-License-Identifier: BSD-2-Clause */
/* A member of a JSON object: its key, and a value of one of the types of columns.h. */
#ifndef PORTTRACE_SINK_JSON_FIELD_H
#define PORTTRACE_SINK_JSON_FIELD_H

#include "user/base/format.h"
#include "user/base/out.h"
#include "user/sink/columns.h"

/* A key as it stands in a line: {"ts": or ,"event": */
struct json_key {
	char text[COLUMN_KEY_MAX];
	size_t len;
};

/* first: the object begins with it. name has at most COLUMN_KEY_MAX - 5 bytes. */
void json_key_make(struct json_key *key, bool first, const char *name);

/* Zero the rest. */
struct json_writer {
	struct out *out;
	__u64 realtime_offset; /* added to COLUMN_TIME: CLOCK_REALTIME, ns, modulo 2^64 */
	struct format_time time;
};

/*
 * Appends the key and the value, or null if state is not COLUMN_KNOWN. type is
 * none of those that only the table has, nor COLUMN_BLOCKERS.
 */
void json_field(struct json_writer *writer, const struct json_key *key, enum column_type type,
		enum column_state state, const union column_value *value);

/* Room for a key and a value, but for COLUMN_TEXT. */
#define JSON_FIELD_MAX (COLUMN_KEY_MAX + FORMAT_IPV6_MAX + 2)

/* The same in parts, to p, which has that room, and of any other type; each returns its end. */
static inline char *json_format_key(char *p, const struct json_key *key)
{
	/* A length that the compiler knows makes it a few moves. */
	memcpy(p, key->text, COLUMN_KEY_MAX);
	return p + key->len;
}

static inline char *json_format_null(char *p)
{
	memcpy(p, "null", 4);
	return p + 4;
}

char *json_format_value(struct json_writer *writer, char *p, enum column_type type,
			const union column_value *value);

/* A member without a table of columns; value is without meaning unless known. */
void json_member(struct json_writer *writer, bool first, const char *name, enum column_type type,
		 bool known, union column_value value);

/* The same of a number; PT_UNKNOWN: null. Not an object's first. */
void json_u64(struct json_writer *writer, const char *name, __u64 value);

/* The same of a time, on the clock of json_writer's offset, and of a word of ours. */
void json_time(struct json_writer *writer, bool first, const char *name, __u64 time);
void json_word(struct json_writer *writer, bool first, const char *name, const char *word);

#endif /* PORTTRACE_SINK_JSON_FIELD_H */
