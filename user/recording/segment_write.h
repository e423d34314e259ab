/* SPDX-License-Identifier: BSD-2-Clause */
/* Appends blocks to a file, whole ones only, and knows where they are. */
#ifndef PORTTRACE_RECORDING_SEGMENT_WRITE_H
#define PORTTRACE_RECORDING_SEGMENT_WRITE_H

#include <stdbool.h>

#include "user/recording/footer.h"

struct segment_write {
	int fd;
	__u64 begin;	     /* of the segment in the file, bytes */
	struct footer index; /* of what was appended */
};

/* Whether it is an error that goes when there is room again. */
bool segment_disk_is_full(int error);

/*
 * A block as block_writer_finish() made it. On failure nothing of it stays in the file.
 * EFBIG (RLIMIT_FSIZE) comes only where SIGXFSZ is ignored: else the signal kills.
 * Returns 0 or a negative errno.
 */
int segment_append(struct segment_write *segment, const void *bytes, size_t size);

/*
 * The same, but the block is none of the segment's own: its FOOTER. *end: where it ends in
 * the file.
 */
int segment_append_footer(const struct segment_write *segment, const void *bytes, size_t size,
			  __u64 *end);

/* Cuts off what is behind the blocks that were appended. */
void segment_cut(const struct segment_write *segment);

/* Where the next block goes in the file. */
static inline __u64 segment_end(const struct segment_write *segment)
{
	return segment->begin + segment->index.size;
}

#endif /* PORTTRACE_RECORDING_SEGMENT_WRITE_H */
