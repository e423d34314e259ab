/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows into the bytes of one block, and back: columns, dictionaries for what
 * repeats, zstd. Pure: no I/O. A row is a record as the ledger took it, of
 * bpf/event_abi.h or event/journal.h.
 */
#ifndef PORTTRACE_RECORDING_BLOCK_H
#define PORTTRACE_RECORDING_BLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "user/base/parse.h"
#include "user/event/journal.h"
#include "user/recording/format.h"

/* ---- writing ------------------------------------------------------------------ */

struct block_writer;

/* What a block says besides its rows. */
struct block_info {
	enum format_block type; /* FORMAT_EVENTS or FORMAT_KEYFRAME */
	__u64 realtime_offset;
	__u64 sequence;
	/* As in struct sink_context: the paths of the rows' cgroups go into the block. */
	const char *(*cgroup_path)(void *data, __u64 id);
	void *cgroup_data;
};

/*
 * address_base is subtracted from addresses of the kernel (tw; without cookies also sock, taker,
 * kin), so that none is told. Odd, so that none becomes 0. Returns NULL if there is no memory.
 */
struct block_writer *block_writer_new(__u64 address_base);
void block_writer_free(struct block_writer *writer);

/*
 * Copies a row that decode_record() passed or the ledger made. head.lost is not kept.
 * Returns 0, -ENOMEM, or -E2BIG when it has FORMAT_ROWS_MAX.
 */
int block_writer_add(struct block_writer *writer, const struct pt_rec_head *row);

/* Rows so far. */
unsigned int block_writer_rows(const struct block_writer *writer);

/*
 * The whole block, head and all, into *bytes, the writer's until the next call; it
 * is empty then. Returns 0 or -ENOMEM: the rows are still there.
 */
int block_writer_finish(struct block_writer *writer, const struct block_info *info,
			const void **bytes, size_t *size);

/*
 * A block of one section of bytes: FORMAT_SEGMENT, FORMAT_FOOTER. Rows that were added
 * stay. Otherwise the same; -E2BIG: more than FORMAT_SECTION_MAX.
 */
struct block_plain {
	__u16 section; /* from FORMAT_SECTION_PLAIN on */
	const void *bytes;
	size_t size;
	__u64 ts; /* CLOCK_BOOTTIME, ns */
};
int block_writer_plain(struct block_writer *writer, const struct block_info *info,
		       const struct block_plain *plain, const void **bytes, size_t *size);

/* ---- reading ------------------------------------------------------------------ */

/* In the machine's byte order. */
struct block_head {
	enum format_block type;
	__u32 size; /* of the whole block */
	__u32 rows;
	__u64 first_ts, last_ts; /* of rows that have a time; 0: none has */
	__u64 realtime_offset;
	__u64 sequence;
	__u32 directory_size; /* bytes of head and directory */
	/* bytes from the beginning on that block_has_port() needs, and block_reader_concerns_all();
	 * 0 for that one: the block has no classes */
	__u32 ports_size, classes_size;
};

/*
 * bytes begin a block; len of them are there. Everything is checked before it is
 * believed. Returns 0, -EAGAIN (more bytes are needed to tell: directory_size if that
 * is set, else sizeof(struct format_block_head)), -EBADMSG (no block, or damaged) or
 * -EPROTO (a newer version).
 */
int block_parse_head(const void *bytes, size_t len, struct block_head *head);

/*
 * Whether a row of the block is about one of the ports, or else about none in particular
 * (port 0): a refusal of any port, or what concerns all; block_reader_concerns_all() tells
 * which. bytes: the first ports_size of it.
 * Returns one of these, 0 (none is) or -EBADMSG.
 */
enum { BLOCK_HAS_PORT = 1, BLOCK_HAS_NO_PORT };
int block_has_port(const void *bytes, size_t len, const struct port_set *ports);

struct block_reader;

/* Returns NULL if there is no memory. */
struct block_reader *block_reader_new(void);
void block_reader_free(struct block_reader *reader);

/*
 * Takes a whole block with rows; bytes stay the caller's and valid until the last
 * row was read. ports: only rows of these, and what concerns all ports (a loss, the ledger's
 * state); NULL: all.
 * Returns 0, -ENOMEM, -EBADMSG or -EPROTO (a newer version).
 */
int block_reader_load(struct block_reader *reader, const void *bytes, size_t len,
		      const struct port_set *ports);

/* Any row. */
union block_row {
	struct pt_rec_head head;
	struct pt_rec_port port;
	struct pt_rec_tuple tuple;
	struct pt_rec_tw_end tw_end;
	struct pt_rec_journal journal;
};

/*
 * The next row into *row (of which only the first head.size bytes are written), in the
 * order they were added. It is sound like what decode_record() passes.
 * Returns 1, 0 (no more) or -EBADMSG.
 */
int block_reader_next(struct block_reader *reader, union block_row *row);

/*
 * Whether a row of the block may concern all ports. bytes: the first classes_size of it.
 * What was loaded is forgotten. Returns 1, 0, -ENOMEM or -EBADMSG.
 */
int block_reader_concerns_all(struct block_reader *reader, const void *bytes, size_t len);

/* The cgroup paths that the loaded block tells: calls fn for each; text is valid for the call. */
void block_reader_cgroups(struct block_reader *reader,
			  void (*fn)(void *data, __u64 id, const char *path), void *data);

/*
 * The bytes of the section of a block that block_writer_plain() made, unpacked, to be
 * freed by the caller.
 * Returns 0, -ENOMEM, -ENOENT (there is no such section), -EBADMSG or -EPROTO.
 */
int block_section(const void *bytes, size_t len, __u16 section, void **out, size_t *size);

#endif /* PORTTRACE_RECORDING_BLOCK_H */
