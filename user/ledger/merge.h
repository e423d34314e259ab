/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a dump says, once the records that came while it was taken are heeded. A
 * dump takes a while: a socket that it shows may be gone when it ends, one that
 * it lacks may have come; the records tell. Private to snapshot.c and audit.c.
 */
#ifndef PORTTRACE_LEDGER_MERGE_H
#define PORTTRACE_LEDGER_MERGE_H

#include "user/base/index.h"
#include "user/ledger/snapshot.h"

/* What a record says of one socket or TIME_WAIT. */
struct told {
	__u64 id;
	const struct pt_rec_head *head;
	__u32 next; /* of the same id and port; INDEX_NONE: last */
	__u16 port;
};

struct merge {
	struct snapshot *snapshot;
	struct index units;	/* rows by what they are, one for each */
	struct index listeners; /* rows */
	struct told *told;
	__u32 told_count, told_size;
	struct index told_index; /* the last one of each id and port */
};

/* The snapshot is borrowed. Returns 0 or -ENOMEM; merge_end() either way. */
int merge_begin(struct merge *merge, struct snapshot *snapshot);
void merge_end(struct merge *merge);

/*
 * The next of the second dump's rows that is to be in the ledger before the
 * records are taken, from *next = 0 on: *unit as it was then. Sockets that
 * accept() returned share their listener's port and are left out, and so is
 * what the records tell from its beginning, or that it is gone.
 * Returns false at the end.
 */
bool merge_next(const struct merge *merge, __u32 *next, struct ledger_unit *unit);

/* A row of either dump that shows it; NULL if none does. */
const struct ledger_unit *merge_find(const struct merge *merge, const struct ledger_unit *unit);

/* Whether a record tells when it ends: it was there, shown or not. */
bool merge_tells_end(const struct merge *merge, const struct ledger_unit *unit);

#endif /* PORTTRACE_LEDGER_MERGE_H */
