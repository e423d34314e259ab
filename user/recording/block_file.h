/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Blocks out of a file that nobody vouches for. By pread(): a file that is cut
 * meanwhile ends earlier, no more.
 */
#ifndef PORTTRACE_RECORDING_BLOCK_FILE_H
#define PORTTRACE_RECORDING_BLOCK_FILE_H

#include <stdbool.h>

#include "user/recording/block.h"
#include "user/recording/footer.h"

/* How much is read at once. */
#define BLOCK_FILE_HEADS 1024	    /* for heads alone */
#define BLOCK_FILE_ALL (512U << 10) /* for all that is there */

/* Set fd (the caller's), size and ahead, zero the rest. block_file_free() frees what it read. */
struct block_file {
	int fd;
	__u64 size;
	size_t ahead; /* bytes to read when some are missing */
	/* private */
	char *bytes;
	size_t room, have;
	__u64 offset; /* of bytes in the file */
};

void block_file_free(struct block_file *file);

/*
 * len bytes from offset on, valid until the next call.
 * Returns 0, -ENODATA (the file ends before), -ENOMEM or another negative errno.
 */
int block_file_bytes(struct block_file *file, __u64 offset, size_t len, const void **out);

/*
 * The same, written to *to: what is not there yet is read right there.
 */
int block_file_copy(struct block_file *file, __u64 offset, size_t len, void *to);

/*
 * The head of the block at offset.
 * Returns 0, -ENODATA (the file ends before the block does), -EBADMSG, -EPROTO or
 * another negative errno.
 */
int block_file_head(struct block_file *file, __u64 offset, struct block_head *head);

/*
 * The first sound head from offset on, of a block that ends no later than end.
 * Returns 1, 0 (none) or a negative errno.
 */
int block_file_search(struct block_file *file, __u64 offset, __u64 end, __u64 *found);

/*
 * The block of FORMAT_FOOTER that ends where the file does. Its content goes to *footer, to
 * be freed by footer_free().
 * Returns 1, 0 (there is none, or it is damaged) or a negative errno.
 */
int block_file_footer(struct block_file *file, __u64 *found, struct footer *footer);

/* The content of the FOOTER block at offset. Returns like that. */
int block_file_read_footer(struct block_file *file, __u64 offset, struct footer *footer);

#endif /* PORTTRACE_RECORDING_BLOCK_FILE_H */
