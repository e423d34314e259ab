/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the blocks of a segment are: gathered while it is written, kept in its FOOTER
 * block, and read from there. Pure: no I/O.
 */
#ifndef PORTTRACE_RECORDING_FOOTER_H
#define PORTTRACE_RECORDING_FOOTER_H

#include <stddef.h>

#include "user/recording/block.h"

/* A segment has no more: its recorder begins another. Keyframes may add to that. */
#define FOOTER_BLOCKS_WANTED 65536
/* A reader believes no more than this. */
#define FOOTER_BLOCKS_MAX 262144

struct footer_block {
	__u64 offset; /* from the beginning of the segment, bytes */
	__u32 size;
	__u32 rows;
	__u64 first_ts, last_ts; /* CLOCK_BOOTTIME, ns */
	__u64 realtime_offset;
	enum format_block type;
};

/* Zeroed: no blocks. footer_free() empties it. */
struct footer {
	struct footer_block *blocks;
	__u32 count, room;
	__u64 size; /* of all, bytes */
	__u64 rows; /* of EVENTS blocks */
	__u64 first_ts;
	__u64 last_ts; /* of EVENTS blocks the greatest; first_ts if there is none */
	__u64 last_wall;
};

/* The next block of the segment, behind those before it. Returns 0 or -ENOMEM. */
int footer_add(struct footer *footer, const struct block_head *head);

/* Into the bytes of the block's section, to be freed. Returns 0 or -ENOMEM. */
int footer_encode(const struct footer *footer, void **out, size_t *size);

/*
 * From the bytes of that section; out is to be freed by footer_free().
 * Returns 0, -ENOMEM or -EBADMSG.
 */
int footer_decode(const void *bytes, size_t size, struct footer *out);

void footer_free(struct footer *footer);

#endif /* PORTTRACE_RECORDING_FOOTER_H */
