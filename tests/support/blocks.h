/* SPDX-License-Identifier: BSD-2-Clause */
/* Blocks for tests: rows of every kind and any value, and blocks that lie. */
#ifndef PORTTRACE_TESTS_BLOCKS_H
#define PORTTRACE_TESTS_BLOCKS_H

#include <stddef.h>

#include "tests/support/synthetic.h"
#include "user/recording/format.h"

/* Every kind that decode_row() passes; 0 ends them. */
extern const __u8 blocks_kinds[];

/*
 * A sound row whose fields are often 0, 1 or the largest; every field that the kind
 * has, and reserved bytes 0.
 */
void blocks_any_row(__u64 *random, __u8 kind, union block_row *row);

/* The directory's entry number i, of a block on a little-endian machine. */
struct format_section *blocks_section(void *block, unsigned int number);

/* Sets every CRC to what it should be, as far as the directory makes sense. */
void blocks_seal(void *block, size_t size);

/*
 * The same block with all sections FORMAT_RAW, so that a changed byte is a changed
 * value; freed by the caller. NULL: it is damaged.
 */
void *blocks_unpacked(const void *block, size_t size, size_t *unpacked_size);

#endif /* PORTTRACE_TESTS_BLOCKS_H */
