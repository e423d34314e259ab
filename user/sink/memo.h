/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Texts of columns that came before, by what they are of: most events are of few processes and
 * destinations. Bounded; what comes newly takes the place of what has not come for longer.
 */
#ifndef PORTTRACE_SINK_MEMO_H
#define PORTTRACE_SINK_MEMO_H

#include <stdbool.h>
#include <stddef.h>

#include "user/sink/columns.h"

/* A longer text is not kept. */
#define MEMO_TEXT_MAX 552

struct memo_text {
	struct column_key key;
	__u16 note; /* the keeper's own */
	__u16 len;
	char bytes[MEMO_TEXT_MAX];
};

/* Two places for a hash, so that two that often come do not drive each other out. */
struct memo_set {
	struct memo_text texts[2];
	unsigned int newest; /* which of them came last */
};

#define MEMO_BITS 8

/* Zeroed: empty. */
struct memo {
	struct memo_set sets[1 << MEMO_BITS];
};

static inline struct memo_set *memo_set_of(struct memo *memo, const struct column_key *key)
{
	return &memo->sets[column_key_hash(key) >> (32 - MEMO_BITS)];
}

/* NULL: it is not kept. It lasts until the next memo_keep(). */
static inline const struct memo_text *memo_find(struct memo *memo, const struct column_key *key)
{
	struct memo_set *set = memo_set_of(memo, key);

	if (column_key_is_equal(&set->texts[set->newest].key, key))
		return &set->texts[set->newest];
	set->newest = !set->newest;
	if (column_key_is_equal(&set->texts[set->newest].key, key))
		return &set->texts[set->newest];
	return NULL;
}

/*
 * The same where often the same comes again: *last is what was found here last (NULL: nothing
 * was), and may be something else since.
 */
static inline const struct memo_text *
memo_find_again(struct memo *memo, const struct column_key *key, const struct memo_text **last)
{
	if (!*last || !column_key_is_equal(&(*last)->key, key))
		*last = memo_find(memo, key);
	return *last;
}

/* Keeps text, which is copied, and a number, in place of the oldest of its set. */
void memo_keep(struct memo *memo, const struct column_key *key, const char *text, size_t len,
	       __u16 note);

/* Forgets all. */
void memo_clear(struct memo *memo);

#endif /* PORTTRACE_SINK_MEMO_H */
