/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks that wait in memory until the disk has room, in order. */
#ifndef PORTTRACE_RECORDING_BACKLOG_H
#define PORTTRACE_RECORDING_BACKLOG_H

#include <linux/types.h>
#include <stddef.h>

struct backlog_block {
	struct backlog_block *next;
	size_t size;
	unsigned int rows;
	char bytes[];
};

/* Zeroed: empty. */
struct backlog {
	struct backlog_block *first, **last;
	__u64 count, rows;
	__u64 bytes; /* of memory */
};

/* Copies a block behind the others. Returns 0 or -ENOMEM. */
int backlog_add(struct backlog *backlog, const void *bytes, size_t size, unsigned int rows);

/* Frees the first one; there must be one. */
void backlog_remove(struct backlog *backlog);

/* Frees all. */
void backlog_free(struct backlog *backlog);

#endif /* PORTTRACE_RECORDING_BACKLOG_H */
