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

/*
 * This head, the directory and their CRC are the same in every version: so a greater
 * version is told from damage.
 */
struct format_block_head {
	__u32 magic;
	__u16 version; /* FORMAT_VERSION */
	__u8 type;     /* enum format_block; one that a reader does not know it skips */
	__u8 sections; /* entries of the directory */
	__u32 size;    /* of the whole block, bytes */
	__u32 rows;
	__u64 first_ts;	       /* CLOCK_BOOTTIME, ns: least and greatest of the rows that have */
	__u64 last_ts;	       /* one; of a block without rows when it was written */
	__u64 realtime_offset; /* CLOCK_REALTIME minus CLOCK_BOOTTIME then, ns, modulo 2^64 */
	__u64 sequence;	       /* of this block in its segment, 0: the SEGMENT block */
	__u8 reserved[12];
	__u32 crc; /* CRC32C of this head with crc 0, and the directory */
};

/*
 * In EVENTS and KEYFRAME blocks. Those that would be empty are left out, except the
 * first two. Numbers are LEB128 (base/varint.h), one behind the other, unless said
 * otherwise; a row has one in those columns that its class names.
 */
enum format_section_id {
	FORMAT_SECTION_PORTS = 1,  /* the first, FORMAT_RAW: __u16 a row */
	FORMAT_SECTION_CLASS_IDS,  /* number in CLASSES: __u8 a row, or __u16 if those are > 256 */
	FORMAT_SECTION_CLASSES,	   /* struct format_class */
	FORMAT_SECTION_TIMES,	   /* ts: zigzag of the difference from the one before */
	FORMAT_SECTION_SOCKS,	   /* sock: recording/sock_model.h */
	FORMAT_SECTION_OWNER_IDS,  /* which of OWNERS: recording/dictionary.h */
	FORMAT_SECTION_OWNERS,	   /* struct pt_task, field by field: recording/columns.h */
	FORMAT_SECTION_TUPLE_IDS,  /* which of TUPLES */
	FORMAT_SECTION_TUPLES,	   /* struct pt_tuple, field by field */
	FORMAT_SECTION_SEARCHES,   /* search_ns */
	FORMAT_SECTION_TIME_WAITS, /* tw: zigzag of the difference from the one before */
	FORMAT_SECTION_EXTRAS,	   /* what is rare: recording/columns.h */
	FORMAT_SECTION_CGROUPS,	   /* of the owners: __u64 id, __u16 length, path without NUL */
	FORMAT_SECTIONS_OF_ROWS,
	/* from here on of blocks without rows; below it there is room for more of the others */
	FORMAT_SECTION_PLAIN = 32,
};

/* format_class.has: the columns in which a row of the class has a value. Else that is 0. */
enum format_has {
	FORMAT_HAS_TIME = 1 << 0,
	FORMAT_HAS_SOCK = 1 << 1,
	FORMAT_HAS_TUPLE = 1 << 2,
	FORMAT_HAS_OWNER = 1 << 3,
	FORMAT_HAS_SEARCH = 1 << 4,
	FORMAT_HAS_TIME_WAIT = 1 << 5,
	FORMAT_HAS_TAKER = 1 << 6,
	FORMAT_HAS_KIN = 1 << 7,
	FORMAT_HAS_NUMBERS = 1 << 8, /* and the following bits: numbers[0] and so on */
};

/* What many rows have in common: of struct pt_rec_head and what else has few values. */
struct format_class {
	__u64 netns_cookie;
	__u32 netns;
	__u32 vrf;
	__u32 flags;
	__s32 error;
	__u16 has; /* enum format_has */
	__u8 kind;
	__u8 proto;
	__u8 family;
	__u8 via;
	__u8 reserved[2];
};

#define FORMAT_PATH_MAX 4096 /* bytes of a cgroup's path */

/* Behind the head, one for each section; the sections follow in this order. */
struct format_section {
	__u16 id;   /* enum format_section_id; one that a reader does not know it skips */
	__u8 codec; /* enum format_codec */
	__u8 reserved;
	__u32 stored;	/* bytes in the file */
	__u32 unpacked; /* bytes; with FORMAT_RAW the same */
	__u32 crc;	/* CRC32C of the bytes in the file */
};

/* Of SEGMENT and FOOTER blocks: their only section. */
enum format_plain_section {
	FORMAT_SECTION_DOCUMENT = 32, /* JSON: recording/document.h */
	FORMAT_SECTION_INDEX,	      /* struct format_footer */
};

/* The section of a FOOTER block: this, then one format_footer_block for each block before it. */
struct format_footer {
	__u64 size;		 /* of the segment without its FOOTER, bytes */
	__u64 rows;		 /* of EVENTS blocks */
	__u64 first_ts, last_ts; /* as in a head: of the SEGMENT block; greatest of EVENTS blocks */
	__u64 last_wall;	 /* last_ts by CLOCK_REALTIME, ns */
	__u32 blocks;
	__u32 reserved;
};

/* As the block's head has it. */
struct format_footer_block {
	__u64 offset; /* from the beginning of the segment, bytes */
	__u32 size;
	__u32 rows;
	__u64 first_ts, last_ts;
	__u64 realtime_offset;
	__u8 type;
	__u8 reserved[7];
};

_Static_assert(sizeof(struct format_footer) == 48, "48 bytes");
_Static_assert(sizeof(struct format_footer_block) == 48, "48 bytes");
_Static_assert(sizeof(struct format_block_head) == 64, "64 bytes");
_Static_assert(sizeof(struct format_section) == 16, "16 bytes");
_Static_assert(sizeof(struct format_class) == 32, "32 bytes");

#endif /* PORTTRACE_RECORDING_FORMAT_H */
