/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A recording on disk: docs/recording-format.md has it for other readers. Little
 * endian, whatever the machine.
 *
 * A file is one segment or several, one behind the other. A segment is blocks: a
 * SEGMENT block (who recorded what where), KEYFRAME blocks (all that the ledger
 * knew then), EVENTS blocks, and a FOOTER block once it is complete. A block is a
 * head, a directory of its sections, and the sections. Every part that can be read
 * alone has its own CRC32C.
 */
#ifndef PORTTRACE_RECORDING_FORMAT_H
#define PORTTRACE_RECORDING_FORMAT_H

#include <linux/types.h>

#define FORMAT_VERSION 1 /* a reader refuses a greater one */

/* As bytes: "PTRB" at the beginning of every block. */
#define FORMAT_BLOCK_MAGIC 0x42525450U

/* A reader believes no more than this of a file. */
#define FORMAT_ROWS_MAX 8192
#define FORMAT_SECTIONS_MAX 32
#define FORMAT_SECTION_MAX (16U << 20) /* bytes, unpacked */
#define FORMAT_BLOCK_MAX (32U << 20)   /* bytes in the file */

enum format_block {
	FORMAT_SEGMENT = 1, /* begins a segment: one section of JSON */
	FORMAT_KEYFRAME,    /* rows of enum pt_journal_kind from STATE on */
	FORMAT_EVENTS,	    /* rows: what the ledger took, in order */
	FORMAT_FOOTER,	    /* ends a complete segment: where its blocks are */
};

enum format_codec {
	FORMAT_RAW,
	FORMAT_ZSTD,
};

struct format_block_head {
	__u32 magic;
	__u16 version; /* FORMAT_VERSION */
	__u8 type;     /* enum format_block; one that a reader does not know it skips */
	__u8 sections; /* entries of the directory */
	__u32 size;    /* of the whole block, bytes */
	__u32 rows;
	__u64 first_ts;	       /* CLOCK_BOOTTIME, ns: least and greatest of the rows; */
	__u64 last_ts;	       /* of a SEGMENT block when it was written */
	__u64 realtime_offset; /* CLOCK_REALTIME minus CLOCK_BOOTTIME then, ns, modulo 2^64 */
	__u64 sequence;	       /* of this block in its segment, 0: the SEGMENT block */
	__u8 reserved[12];
	__u32 crc; /* CRC32C of this head with crc 0, and the directory */
};

/* Behind the head, one for each section; the sections follow in this order. */
struct format_section {
	__u16 id;   /* enum format_section_id; one that a reader does not know it skips */
	__u8 codec; /* enum format_codec */
	__u8 reserved;
	__u32 stored;	/* bytes in the file */
	__u32 unpacked; /* bytes; with FORMAT_RAW the same */
	__u32 crc;	/* CRC32C of the bytes in the file */
};

_Static_assert(sizeof(struct format_block_head) == 64, "64 bytes");
_Static_assert(sizeof(struct format_section) == 16, "16 bytes");

#endif /* PORTTRACE_RECORDING_FORMAT_H */
