/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows that sum events up, one for each thing that --by names. Bounded: what finds no
 * room any more is summed up in one, "others".
 */
#ifndef PORTTRACE_STATS_KEYED_H
#define PORTTRACE_STATS_KEYED_H

#include "user/base/index.h"
#include "user/event/event.h"
#include "user/stats/fill.h"

#define KEYED_ROWS_MAX 65536

enum keyed_by {
	KEYED_BY_PROTO,
	KEYED_BY_NETNS,
	KEYED_BY_PROCESS,
	KEYED_BY_PORT,
	KEYED_BY_REMOTE,
	KEYED_BY_FILL,
	KEYED_BYS,
};

/* What a row is; of space only the members that tell it mean anything. */
union keyed_row {
	struct {
		struct pt_space space;
		__u16 port;
	};
	struct {
		__u8 raddr[16];
		__u16 rport; /* 0: no remote */
	};
	struct pt_owner owner; /* as first seen; known may be false */
	enum fill_class fill;
};

/* What belongs into a row. */
struct keyed_subject {
	const struct pt_event *ev;
	enum fill_class fill; /* as ev met it */
};

/* Rows in the order of their first event. Read by, count and has_others freely. */
struct keyed {
	enum keyed_by by;
	__u32 count;
	bool has_others; /* a row was not there for want of room */
	/* private */
	size_t row_size;
	char *rows;
	size_t room;
	struct index index;
};

/* The word of the output. */
const char *keyed_by_name(enum keyed_by by);

/* row_size: bytes of a row, which begins with a union keyed_row. */
void keyed_init(struct keyed *keyed, enum keyed_by by, size_t row_size);
/* What rows point to is the caller's. */
void keyed_free(struct keyed *keyed);

static inline void *keyed_at(const struct keyed *keyed, __u32 number)
{
	return keyed->rows + number * keyed->row_size;
}

/*
 * The subject's row in *row, made (what is behind its key zeroed) if it is new; NULL: it
 * is one of the others. Valid until the next call. Returns 0 or -ENOMEM.
 */
int keyed_find(struct keyed *keyed, const struct keyed_subject *subject, void **row);

#endif /* PORTTRACE_STATS_KEYED_H */
