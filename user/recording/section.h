/* SPDX-License-Identifier: BSD-2-Clause */
/* The directory of a block, of untrusted bytes. */
#ifndef PORTTRACE_RECORDING_SECTION_H
#define PORTTRACE_RECORDING_SECTION_H

#include <linux/types.h>
#include <stddef.h>

#include "user/recording/block.h"
#include "user/recording/format.h"

/* Of bytes in the caller's block. */
struct section {
	__u16 id;
	__u8 codec;
	const __u8 *stored;
	__u32 stored_size;
	__u32 unpacked_size; /* at most FORMAT_SECTION_MAX */
	__u32 crc;
};

/*
 * All sections of a whole block: bytes are len, of which the block may be the beginning.
 * Returns how many, -EBADMSG or -EPROTO (a newer version).
 */
int section_directory(const void *bytes, size_t len, struct block_head *head,
		      struct section sections[FORMAT_SECTIONS_MAX]);

/*
 * The section of classes of a block with rows, of which bytes may be no more than the first
 * classes_size. Returns 0 or -EBADMSG, also if there is none.
 */
int section_classes(const void *bytes, size_t len, struct section *section);

/* Its CRC. Returns 0 or -EBADMSG. */
int section_check(const struct section *section);

struct ZSTD_DCtx_s; /* of zstd.h */

/*
 * Checks the CRC and unpacks into out, which has room for unpacked_size bytes.
 * Returns 0 or -EBADMSG.
 */
int section_unpack(const struct section *section, struct ZSTD_DCtx_s *zstd, void *out);

#endif /* PORTTRACE_RECORDING_SECTION_H */
