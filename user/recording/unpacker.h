/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks made into rows, on other CPUs too, and given back in the order in which they
 * came. What comes out is the same however many CPUs there are. Where there is one,
 * or no thread to be had, the caller's thread does it all.
 */
#ifndef PORTTRACE_RECORDING_UNPACKER_H
#define PORTTRACE_RECORDING_UNPACKER_H

#include "user/recording/block.h"

struct unpacker;

/* A block on its way. Its fields are the caller's up to error. */
struct unpacked {
	__u64 at; /* where it is in its file */
	struct block_head head;
	/* Blocks without rows for the caller follow it: the times of the first and the last. */
	bool passed;
	__u64 passed_from, passed_to; /* CLOCK_BOOTTIME, ns */
	/*
	 * 0, -EBADMSG (damaged; the rows before that are there), -ENOMEM or -EPROTO (a
	 * newer version).
	 */
	int error;
	__u32 count;	  /* of rows */
	const char *rows; /* one behind the other, each head.size bytes */
	size_t size;	  /* of all, bytes */
	/* For block_reader_cgroups(). */
	struct block_reader *reader;
};

/* Returns NULL if there is no memory. */
struct unpacker *unpacker_new(void);

/* NULL is nothing to do. */
void unpacker_free(struct unpacker *unpacker);

/*
 * A place for a block of size bytes, which the caller writes to *bytes, then calls
 * unpacker_give(). *out: what to fill in, zeroed.
 * Returns 1, 0 (all places are taken: unpacker_take() first) or -ENOMEM.
 */
int unpacker_room(struct unpacker *unpacker, size_t size, void **bytes, struct unpacked **out);

/* ports: as for block_reader_load(); they outlive it. */
void unpacker_give(struct unpacker *unpacker, const struct port_set *ports);

/* The last one that was given; NULL: none is on its way. Only passed may be changed. */
struct unpacked *unpacker_last(struct unpacker *unpacker);

/*
 * The one that was given first, when it is done; NULL: none is on its way. Valid until
 * the next call of unpacker_room() or unpacker_take().
 */
const struct unpacked *unpacker_take(struct unpacker *unpacker);

/* Nothing is on its way any more. */
void unpacker_drop(struct unpacker *unpacker);

#endif /* PORTTRACE_RECORDING_UNPACKER_H */
