/* SPDX-License-Identifier: BSD-2-Clause */
/* From block to block through a file, also over what is damaged. */
#ifndef PORTTRACE_RECORDING_WALK_H
#define PORTTRACE_RECORDING_WALK_H

#include "user/recording/block_file.h"

struct walk {
	struct block_file *file;
	__u64 offset; /* where it is now, bytes */
	__u64 end;    /* where it ends */
	/* Where to look first behind damage, or NULL: of the segment that is at begin. */
	const struct footer *footer;
	__u64 begin;
};

enum walk_step {
	WALK_END,     /* the end, nothing is left over */
	WALK_BLOCK,   /* a block whose head is sound: *at, *head */
	WALK_DAMAGED, /* bytes from *at to walk->offset are none; there is a block behind them */
	WALK_CUT,     /* bytes from *at to the end are no complete block */
	WALK_NEWER,   /* the block at *at is of a newer version: no way to go on */
};

/*
 * The next step. Only the head of a block was looked at.
 * Returns enum walk_step or a negative errno.
 */
int walk_next(struct walk *walk, __u64 *at, struct block_head *head);

#endif /* PORTTRACE_RECORDING_WALK_H */
