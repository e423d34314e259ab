/* SPDX-License-Identifier: BSD-2-Clause */
/* How full each namespace's range was at a past moment, as far as the recording tells it. */
#ifndef PORTTRACE_CMD_PAST_RANGES_H
#define PORTTRACE_CMD_PAST_RANGES_H

#include "user/event/holder.h"
#include "user/ledger/ledger.h"
#include "user/recording/reader.h"

/* Zeroed: empty. Read rows and count freely. */
struct past_ranges {
	struct pt_netns *rows; /* by inode number */
	size_t count;
	/* private */
	size_t size;
	__u64 *held; /* each port in a range that something holds, again for each holder */
	size_t held_count, held_size;
	int error;
};

/*
 * The ranges that the segment describes, nothing counted. Returns 0 or -ENOMEM.
 * The caller calls past_ranges_free() in either case.
 */
int past_ranges_begin(struct past_ranges *ranges, const struct reader_segment *segment);

/* Something holds a port; to be told once for each. */
void past_ranges_hold(struct past_ranges *ranges, const struct ledger_unit *unit);

/*
 * All were told: sets the counts. whole: nothing was missed. A recording tells how many
 * ports of a range are reserved, and not which: if there are any, those that a program
 * asked for by name are counted as held, and how many are free is not known.
 * Returns 0 or -ENOMEM.
 */
int past_ranges_end(struct past_ranges *ranges, bool whole);

void past_ranges_free(struct past_ranges *ranges);

#endif /* PORTTRACE_CMD_PAST_RANGES_H */
