/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is shown of an event: one table for the JSON fields and for the columns
 * of the table. A sink walks it and knows how to write each type.
 */
#ifndef PORTTRACE_SINK_COLUMNS_H
#define PORTTRACE_SINK_COLUMNS_H

#include <limits.h>

#include "user/base/escape.h"
#include "user/base/format.h"
#include "user/event/event.h"
#include "user/sink/sink.h"

/* A column's type is its row's, so no field changes its type. */
enum column_type {
	COLUMN_U64,
	COLUMN_ID, /* u64, in JSON a string */
	COLUMN_BOOL,
	COLUMN_WORD,	 /* text: one of our own */
	COLUMN_TEXT,	 /* text: anybody's bytes */
	COLUMN_ADDR,	 /* endpoint, without its port */
	COLUMN_ENDPOINT, /* endpoint; table only */
	COLUMN_OWNER,	 /* owner: its name, and its thread's if another; table only */
	COLUMN_DURATION, /* u64, ns */
	COLUMN_SHARE,	 /* u64, thousandths: in JSON 0.971 */
	COLUMN_TIME,	 /* u64, CLOCK_BOOTTIME, ns */
	COLUMN_BLOCKERS, /* event; JSON only */
};

struct column_endpoint {
	const __u8 *addr;
	__u16 port; /* 0: any */
	__u8 family;
};

/* What it points to lasts as long as the event, and until the next get. */
union column_value {
	__u64 u64;
	bool boolean;
	const char *text;
	struct column_endpoint endpoint;
	const struct pt_owner *owner;
	const struct pt_event *event;
};

/* What a getter knows. */
enum column_state {
	COLUMN_KNOWN,
	COLUMN_UNKNOWN, /* there is one, but it was not seen: JSON null, table ? */
	COLUMN_NONE,	/* there is none: JSON null, table - */
};

/* What a column tells of: all that its value depends on. What the same tells is known by a key. */
enum column_of {
	COLUMN_OF_EVENT,    /* the event alone: there is no key */
	COLUMN_OF_KIND,	    /* its type, protocol and family */
	COLUMN_OF_TUPLE,    /* its addresses, remote port and family */
	COLUMN_OF_OWNER,    /* its owner and network namespace */
	COLUMN_OF_WAY,	    /* its via, protocol and VRF */
	COLUMN_OF_PREVIOUS, /* who had the port before */
	COLUMN_OF_OUTCOME,  /* its reuse or end */
};

struct column {
	const char *key;   /* JSON; NULL: not in JSON */
	const char *title; /* table; NULL: not in the table */
	enum column_type type;
	unsigned int events; /* bit 1 << enum pt_event_type: where it applies */
	/* Table: characters. A column widens up to max_width, once it has to. */
	unsigned int width;
	unsigned int max_width;
	bool right;  /* its values, not its title */
	bool accent; /* in the colour of the event's kind */
	bool netns;  /* only when more than one network namespace is shown */
	enum column_of of;
	bool learnt; /* what is unknown may be known next time; what is known stays */
	/* *value is set if it returns COLUMN_KNOWN. */
	enum column_state (*get)(const struct sink_context *ctx, const struct pt_event *ev,
				 union column_value *value);
};

/* No more rows than this, and no longer keys. */
#define COLUMNS_MAX 64
#define BLOCKER_COLUMNS_MAX 16
#define COLUMN_KEY_MAX 24
/* Bytes of a COLUMN_WORD. */
#define COLUMN_WORD_MAX 32

/* The table, in the order of both outputs. */
extern const struct column columns[];
extern const unsigned int columns_count;

/*
 * The row with that key, or the one with that title, for tables of columns that
 * show events among other things. There has to be one.
 */
const struct column *column_of_key(const char *key);
const struct column *column_of_title(const char *title);

/*
 * Some columns of an event, all of one thing: if the keys of two events are the same, so are the
 * values of these columns (unless they are learnt meanwhile).
 */
#define COLUMN_KEY_WORDS 9
#define COLUMN_KEY_LEAST 3 /* words, of any key */
struct column_key {
	__u64 columns;	    /* bit 1 << place in columns[] */
	unsigned int count; /* of words */
	__u64 words[COLUMN_KEY_WORDS];
};

/* The words of a key that has only one. Returns whether it has. */
static inline bool column_key_word(__u64 *word, enum column_of of, const struct pt_event *ev)
{
	switch (of) {
	case COLUMN_OF_KIND:
		*word = (__u64)ev->type << 16 | ev->space.proto << 8 | ev->family;
		return true;
	case COLUMN_OF_WAY:
		*word = (__u64)ev->space.vrf << 32 | ev->via << 8 | ev->space.proto;
		return true;
	case COLUMN_OF_PREVIOUS:
		*word = 0;
		return !ev->prev_known;
	case COLUMN_OF_OUTCOME:
		*word = (__u64)ev->reuse << 32 | ev->end;
		return true;
	default:
		return false;
	}
}

/* of is not COLUMN_OF_EVENT. */
void column_key_make(struct column_key *key, __u64 columns, enum column_of of,
		     const struct pt_event *ev);

/* Best in its high bits. The first words are where most keys differ. */
static inline __u32 column_key_hash(const struct column_key *key)
{
	__u64 hash = key->columns + key->words[0] * 0x9e3779b97f4a7c15ULL +
		     key->words[1] * 0xbf58476d1ce4e5b9ULL + key->words[2] * 0x94d049bb133111ebULL;

	return hash * 0x9e3779b97f4a7c15ULL >> 32;
}

static inline bool column_key_is_equal(const struct column_key *a, const struct column_key *b)
{
	__u64 differs = a->columns ^ b->columns;

	/* No branch where there are few. */
	for (unsigned int i = 0; i < COLUMN_KEY_LEAST; i++)
		differs |= a->words[i] ^ b->words[i];
	if (differs || a->count != b->count)
		return false;
	/* Two at a time: of counts that are odd, as the least one is. */
	for (unsigned int i = COLUMN_KEY_LEAST; i < a->count; i += 2)
		differs |= (a->words[i] ^ b->words[i]) | (a->words[i + 1] ^ b->words[i + 1]);
	return !differs;
}

/* The same of one blocker: an object's members in JSON. */
struct blocker_column {
	const char *key;
	enum column_type type;
	enum column_state (*get)(const struct pt_blocker *blocker, union column_value *value);
};

extern const struct blocker_column blocker_columns[];
extern const unsigned int blocker_columns_count;

/* Whether the address is shown as IPv4: v4-mapped ones are. */
bool column_is_ipv4(const struct column_endpoint *endpoint);

/* The address, at most FORMAT_IPV6_MAX bytes; see format.h for p. */
char *column_format_addr(char *p, const struct column_endpoint *endpoint);

/* The same with its port, as a table shows it, at most COLUMN_ENDPOINT_MAX bytes. */
#define COLUMN_ENDPOINT_MAX (FORMAT_IPV6_MAX + 8)
char *column_format_endpoint(char *p, const struct column_endpoint *endpoint);

/*
 * A program's name escaped, at most ESCAPE_EXPAND * PT_COMM_LEN bytes; quotes if
 * it is empty, which would shift the columns behind it.
 */
char *column_format_name(char *p, const char *name);

/* A process's name, and behind a slash its thread's, if that is another. */
char *column_format_owner(char *p, const struct pt_owner *owner);

/*
 * A value of any type but COLUMN_TIME and those that only JSON has, as a table shows it,
 * an owner by its name; at most COLUMN_VALUE_MAX bytes.
 */
#define COLUMN_VALUE_MAX (PATH_MAX * ESCAPE_EXPAND)
char *column_format_value(char *p, enum column_type type, const union column_value *value);

/* The same, or ? or - in place of a value. */
char *column_format_cell(char *p, enum column_type type, enum column_state state,
			 const union column_value *value);

#endif /* PORTTRACE_SINK_COLUMNS_H */
