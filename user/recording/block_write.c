// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/block.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "user/base/varint.h"
#include "user/recording/columns.h"
#include "user/recording/crc32c.h"
#include "user/recording/dictionary.h"
#include "user/recording/sock_model.h"

#define ZSTD_LEVEL 1
#define ZSTD_LEVEL_OF_ENTRIES -1 /* what repeats in them is found all the same */
/*
 * Bytes of a column that are skipped where nothing repeats: mostly Huffman's code makes it
 * smaller. zstd leaves that one out where bytes are skipped, unless it is told otherwise:
 * ZSTD_c_literalCompressionMode, by the name that the stable part of zstd.h has for it.
 */
#define ZSTD_SKIP 8
#define ZSTD_LITERALS_MODE ZSTD_c_experimentalParam5
#define ZSTD_LITERALS_COMPRESSED 1
/* Bytes of a section; fewer are not worth zstd's own, or where rows are many not its tables. */
#define COMPRESS_MIN 32
#define COMPRESS_MIN_OF_MANY 128
#define COMPRESS_ROWS_A_BYTE 8

#define CLASS_WORDS (sizeof(struct format_class) / sizeof(__u64))
#define OWNER_WORDS (sizeof(struct pt_task) / sizeof(__u64))
#define TUPLE_WORDS (sizeof(struct pt_tuple) / sizeof(__u64))
#define CGROUP_WORDS 1

/* Bytes of a section as they gather, of columns_limit() size. */
struct column {
	__u8 *bytes;
	__u8 *end;
};

struct block_writer {
	__u32 rows;
	__u64 first_ts, last_ts; /* of rows that have one */
	__u64 ts, tw, taker;	 /* the last ones */
	__u64 address_base;
	struct column columns[FORMAT_SECTIONS_OF_ROWS];
	struct dictionary classes, owners, tuples, cgroups;
	__u16 class_ids[FORMAT_ROWS_MAX];
	struct sock_model model;
	ZSTD_CCtx *zstd;
	__u8 *cgroup_bytes; /* of FORMAT_SECTION_CGROUPS, cgroup_size of them allocated */
	size_t cgroup_size;
	__u8 *block; /* the last that was made */
	size_t block_size;
};

_Static_assert(sizeof(struct pt_task) == DICTIONARY_WORDS * sizeof(__u64), "the largest entry");

/* Of columns. A library that does not know the mode works longer, to the same end. */
static void set_up_zstd(ZSTD_CCtx *zstd)
{
	ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
	if (!ZSTD_isError(
		    ZSTD_CCtx_setParameter(zstd, ZSTD_LITERALS_MODE, ZSTD_LITERALS_COMPRESSED)))
		ZSTD_CCtx_setParameter(zstd, ZSTD_c_targetLength, ZSTD_SKIP);
}

struct block_writer *block_writer_new(__u64 address_base)
{
	struct block_writer *writer = calloc(1, sizeof(*writer));

	if (!writer)
		return NULL;
	writer->address_base = address_base;
	writer->zstd = ZSTD_createCCtx();
	if (!writer->zstd)
		goto fail;
	set_up_zstd(writer->zstd);
	for (__u16 id = 1; id < FORMAT_SECTION_CGROUPS; id++) {
		struct column *column = &writer->columns[id];

		column->bytes = malloc(columns_limit(id, FORMAT_ROWS_MAX));
		if (!column->bytes)
			goto fail;
		column->end = column->bytes;
	}
	/* programs choose their names: an address that they do not know spoils chosen collisions */
	writer->classes.seed = writer->owners.seed = writer->tuples.seed = writer->cgroups.seed =
		(__u64)(unsigned long)writer;
	return writer;
fail:
	block_writer_free(writer);
	return NULL;
}

void block_writer_free(struct block_writer *writer)
{
	if (!writer)
		return;
	for (__u16 id = 1; id < FORMAT_SECTION_CGROUPS; id++)
		free(writer->columns[id].bytes);
	ZSTD_freeCCtx(writer->zstd);
	free(writer->cgroup_bytes);
	free(writer->block);
	free(writer);
}

unsigned int block_writer_rows(const struct block_writer *writer)
{
	return writer->rows;
}

static void restart(struct column *column)
{
	column->end = column->bytes;
}

static void empty(struct block_writer *writer)
{
	writer->rows = 0;
	writer->ts = writer->tw = writer->taker = 0;
	for (__u16 id = 1; id < FORMAT_SECTION_CGROUPS; id++)
		restart(&writer->columns[id]);
	dictionary_clear(&writer->classes);
	dictionary_clear(&writer->owners);
	dictionary_clear(&writer->tuples);
	dictionary_clear(&writer->cgroups);
	sock_model_clear(&writer->model);
}

/* ---- a row -------------------------------------------------------------------- */

static void put_number(struct block_writer *writer, __u16 id, __u64 value)
{
	writer->columns[id].end = varint_put(writer->columns[id].end, value);
}

static void put_difference(struct block_writer *writer, __u16 id, __u64 value, __u64 *last)
{
	put_number(writer, id, zigzag(value - *last));
	*last = value;
}

/* An address of the kernel as a recording tells it. */
static __u64 shifted(const struct block_writer *writer, __u64 address)
{
	return address ? address - writer->address_base : 0;
}

/* The same of what tells a socket: a cookie, or where there are none its address. */
static __u64 identity(const struct block_writer *writer, const struct pt_rec_head *row, __u64 sock)
{
	return row->netns_cookie & PT_NO_COOKIES ? shifted(writer, sock) : sock;
}

static bool is_zero(const void *bytes, size_t size)
{
	static const char zeros[sizeof(struct pt_task)];

	return !memcmp(bytes, zeros, size);
}

/* These return what of the row there is: enum format_has. */

static __u16 add_time(struct block_writer *writer, __u64 ts)
{
	if (!ts)
		return 0;
	put_difference(writer, FORMAT_SECTION_TIMES, ts, &writer->ts);
	if (!writer->first_ts || ts < writer->first_ts)
		writer->first_ts = ts;
	if (ts > writer->last_ts)
		writer->last_ts = ts;
	return FORMAT_HAS_TIME;
}

static __u16 add_sock(struct block_writer *writer, const struct pt_rec_head *row, __u32 owner)
{
	const struct sock_model_row about = { .port = row->port,
					      .kind = row->kind,
					      .owner = owner };
	__u64 sock = identity(writer, row, row->sock);

	if (!row->sock)
		return 0;
	put_number(writer, FORMAT_SECTION_SOCKS, sock_model_encode(&writer->model, &about, sock));
	return FORMAT_HAS_SOCK;
}

static __u16 add_tuple(struct block_writer *writer, const struct pt_tuple *tuple)
{
	__u32 count = writer->tuples.count, id;
	__u64 hint;

	if (is_zero(tuple, sizeof(*tuple)))
		return 0;
	memcpy(&hint, tuple->raddr + sizeof(hint), sizeof(hint));
	id = dictionary_put(&writer->tuples, tuple, TUPLE_WORDS, hint ^ tuple->rport);
	put_number(writer, FORMAT_SECTION_TUPLE_IDS, count - id);
	return FORMAT_HAS_TUPLE;
}

/* *number is the owner's in this block, if there is one. */
static __u16 add_owner(struct block_writer *writer, const struct pt_task *owner, __u32 *number)
{
	__u32 count = writer->owners.count;

	if (is_zero(owner, sizeof(*owner)))
		return 0;
	*number = dictionary_put(&writer->owners, owner, OWNER_WORDS, owner->tid);
	put_number(writer, FORMAT_SECTION_OWNER_IDS, count - *number);
	if (*number == count)
		dictionary_put(&writer->cgroups, &owner->cgroup, CGROUP_WORDS, owner->cgroup);
	return FORMAT_HAS_OWNER;
}

static __u16 add_tw(struct block_writer *writer, __u64 tw)
{
	if (!tw)
		return 0;
	put_difference(writer, FORMAT_SECTION_TIME_WAITS, shifted(writer, tw), &writer->tw);
	return FORMAT_HAS_TIME_WAIT;
}

static __u16 add_kin(struct block_writer *writer, const struct pt_rec_port *rec)
{
	const struct pt_rec_head *head = &rec->head;

	if (!rec->kin.sock && !rec->kin.port)
		return 0;
	put_number(
		writer, FORMAT_SECTION_EXTRAS,
		zigzag(identity(writer, head, rec->kin.sock) - identity(writer, head, head->sock)));
	put_number(writer, FORMAT_SECTION_EXTRAS, rec->kin.port);
	return FORMAT_HAS_KIN;
}

static __u16 add_port(struct block_writer *writer, const struct pt_rec_port *rec, __u32 *owner)
{
	__u16 has = add_tuple(writer, &rec->tuple);

	if (rec->head.flags & PT_F_KIN)
		has |= add_kin(writer, rec);
	else
		has |= add_owner(writer, &rec->task, owner);
	if (!rec->search_ns)
		return has;
	put_number(writer, FORMAT_SECTION_SEARCHES, rec->search_ns);
	return has | FORMAT_HAS_SEARCH;
}

static __u16 add_tw_end(struct block_writer *writer, const struct pt_rec_tw_end *rec)
{
	__u16 has = add_tw(writer, rec->tw);

	if (!rec->taker)
		return has;
	put_difference(writer, FORMAT_SECTION_EXTRAS, identity(writer, &rec->head, rec->taker),
		       &writer->taker);
	return has | FORMAT_HAS_TAKER;
}

static __u64 stored_number(const struct block_writer *writer, const struct pt_rec_journal *rec,
			   unsigned int i)
{
	__u64 number = rec->numbers[i];

	if (rec->head.kind == PT_JR_PORT && i == 0)
		return identity(writer, &rec->head, number); /* the taker */
	/* a time, mostly near that of the row */
	return rec->head.kind == PT_JR_HOLD ? zigzag(number - rec->head.ts) : number;
}

static __u16 add_journal(struct block_writer *writer, const struct pt_rec_journal *rec,
			 __u32 *owner)
{
	__u16 has = add_tuple(writer, &rec->tuple) | add_owner(writer, &rec->task, owner) |
		    add_tw(writer, rec->tw);

	for (unsigned int i = 0; i < PT_JR_NUMBERS; i++) {
		if (!rec->numbers[i])
			continue;
		put_number(writer, FORMAT_SECTION_EXTRAS, stored_number(writer, rec, i));
		has |= (__u16)(FORMAT_HAS_NUMBERS << i);
	}
	return has;
}

/* What a row of its kind has besides the head, and of that what belongs into the class. */
static __u16 add_body(struct block_writer *writer, const struct pt_rec_head *row,
		      struct format_class *class, __u32 *owner)
{
	switch (row->kind) {
	case PT_REC_ALLOC:
	case PT_REC_FAIL:
		class->error = ((const struct pt_rec_port *)row)->error;
		class->via = ((const struct pt_rec_port *)row)->via;
		return add_port(writer, (const struct pt_rec_port *)row, owner);
	case PT_REC_CONNECT:
	case PT_REC_TW_BEGIN:
		return add_tuple(writer, &((const struct pt_rec_tuple *)row)->tuple) |
		       add_tw(writer, ((const struct pt_rec_tuple *)row)->tw);
	case PT_REC_TW_END:
		return add_tw_end(writer, (const struct pt_rec_tw_end *)row);
	case PT_REC_CLOSED:
	case PT_REC_RELEASE:
	case PT_REC_EMPTY:
		return 0;
	default:
		class->via = ((const struct pt_rec_journal *)row)->via;
		return add_journal(writer, (const struct pt_rec_journal *)row, owner);
	}
}

static __u32 add_class(struct block_writer *writer, const struct format_class *class)
{
	__u64 words[CLASS_WORDS];

	memcpy(words, class, sizeof(words));
	return dictionary_put(&writer->classes, class, CLASS_WORDS, words[1] ^ words[3]);
}

int block_writer_add(struct block_writer *writer, const struct pt_rec_head *row)
{
	struct format_class class = {
		.netns_cookie = row->netns_cookie,
		.netns = row->netns,
		.vrf = row->vrf,
		.flags = row->flags,
		.kind = row->kind,
		.proto = row->proto,
		.family = row->family,
	};
	struct column *ports = &writer->columns[FORMAT_SECTION_PORTS];
	__u16 port = htole16(row->port);
	__u32 owner = SOCK_MODEL_NO_OWNER;

	if (writer->rows == FORMAT_ROWS_MAX)
		return -E2BIG;
	if (!writer->rows)
		writer->first_ts = writer->last_ts = 0;
	class.has = add_body(writer, row, &class, &owner);
	class.has |= add_time(writer, row->ts) | add_sock(writer, row, owner);
	writer->class_ids[writer->rows++] = (__u16)add_class(writer, &class);
	memcpy(ports->end, &port, sizeof(port));
	ports->end += sizeof(port);
	return 0;
}

/* ---- sections ----------------------------------------------------------------- */

static const struct format_class *class_at(const struct block_writer *writer, __u32 number)
{
	return (const struct format_class *)&writer->classes.entries[number * CLASS_WORDS];
}

static void put_class_ids(struct block_writer *writer)
{
	struct column *column = &writer->columns[FORMAT_SECTION_CLASS_IDS];
	__u8 *end = column->bytes;

	if (writer->classes.count <= 256)
		for (__u32 i = 0; i < writer->rows; i++)
			*end++ = (__u8)writer->class_ids[i];
	else
		for (__u32 i = 0; i < writer->rows; i++, end += sizeof(__u16)) {
			__u16 id = htole16(writer->class_ids[i]);

			memcpy(end, &id, sizeof(id));
		}
	column->end = end;
}

static void put_classes(struct block_writer *writer)
{
	struct column *column = &writer->columns[FORMAT_SECTION_CLASSES];

	restart(column);
	for (__u32 i = 0; i < writer->classes.count; i++) {
		struct format_class stored = *class_at(writer, i);

		stored.netns_cookie = htole64(stored.netns_cookie);
		stored.netns = htole32(stored.netns);
		stored.vrf = htole32(stored.vrf);
		stored.flags = htole32(stored.flags);
		stored.error = (__s32)htole32((__u32)stored.error);
		stored.has = htole16(stored.has);
		memcpy(column->end, &stored, sizeof(stored));
		column->end += sizeof(stored);
	}
}

/* Room for more bytes behind the size that are used. */
static int grow(__u8 **bytes, size_t *allocated, size_t used, size_t more)
{
	size_t size = *allocated ?: 4096;
	__u8 *grown;

	if (used + more <= *allocated)
		return 0;
	while (size < used + more)
		size *= 2;
	grown = realloc(*bytes, size);
	if (!grown)
		return -ENOMEM;
	*bytes = grown;
	*allocated = size;
	return 0;
}

/* Paths that nobody knows are left out, and what would be more than a reader takes. */
static int put_cgroups(struct block_writer *writer, const struct block_info *info, size_t *used)
{
	*used = 0;
	for (__u32 i = 0; info->cgroup_path && i < writer->cgroups.count; i++) {
		__u64 id = writer->cgroups.entries[i];
		const char *path = info->cgroup_path(info->cgroup_data, id);
		size_t len = path ? strlen(path) : 0;
		size_t more = sizeof(id) + sizeof(__u16) + len;
		__u16 stored_len = htole16((__u16)len);
		__u8 *p;

		if (!path || len > FORMAT_PATH_MAX || *used + more > FORMAT_SECTION_MAX)
			continue;
		if (grow(&writer->cgroup_bytes, &writer->cgroup_size, *used, more))
			return -ENOMEM;
		p = writer->cgroup_bytes + *used;
		id = htole64(id);
		memcpy(p, &id, sizeof(id));
		memcpy(p + sizeof(id), &stored_len, sizeof(stored_len));
		memcpy(p + sizeof(id) + sizeof(stored_len), path, len);
		*used += more;
	}
	return 0;
}

/* ---- the block ---------------------------------------------------------------- */

/* What is to become a section. */
struct source {
	__u16 id;
	const void *bytes;
	size_t size;
};

/* Returns the bytes, or an error of zstd: it did not get smaller. */
static size_t compress(struct block_writer *writer, const struct source *source, __u8 *p)
{
	size_t room = source->size - 1;

	switch (source->id) {
	case FORMAT_SECTION_CLASSES:
	case FORMAT_SECTION_OWNERS:
	case FORMAT_SECTION_TUPLES:
	case FORMAT_SECTION_CGROUPS:
		return ZSTD_compressCCtx(writer->zstd, p, room, source->bytes, source->size,
					 ZSTD_LEVEL_OF_ENTRIES);
	default:
		return ZSTD_compress2(writer->zstd, p, room, source->bytes, source->size);
	}
}

static bool is_worth_zstd(const struct source *source, __u32 rows)
{
	if (source->id == FORMAT_SECTION_PORTS || source->size < COMPRESS_MIN)
		return false;
	return source->size >= COMPRESS_MIN_OF_MANY || source->size >= rows / COMPRESS_ROWS_A_BYTE;
}

/* Compressed into p, or as it is where that is no longer. Returns the bytes stored. */
static size_t store(struct block_writer *writer, const struct source *source, __u32 rows, __u8 *p,
		    __u8 *codec)
{
	size_t size;

	*codec = FORMAT_ZSTD;
	if (is_worth_zstd(source, rows)) {
		size = compress(writer, source, p);
		if (!ZSTD_isError(size))
			return size;
	}
	*codec = FORMAT_RAW;
	if (source->size)
		memcpy(p, source->bytes, source->size);
	return source->size;
}

static void put_head(struct block_writer *writer, const struct block_info *info,
		     const struct format_block_head *about, size_t size)
{
	struct format_block_head head = {
		.magic = htole32(FORMAT_BLOCK_MAGIC),
		.version = htole16(FORMAT_VERSION),
		.type = (__u8)info->type,
		.sections = about->sections,
		.size = htole32((__u32)size),
		.rows = htole32(about->rows),
		.first_ts = htole64(about->first_ts),
		.last_ts = htole64(about->last_ts),
		.realtime_offset = htole64(info->realtime_offset),
		.sequence = htole64(info->sequence),
	};
	size_t directory = head.sections * sizeof(struct format_section);
	__u32 crc = crc32c(0, &head, sizeof(head));

	head.crc = htole32(crc32c(crc, writer->block + sizeof(head), directory));
	memcpy(writer->block, &head, sizeof(head));
}

/* about: sections, rows and times, in the machine's byte order. Returns the block's size. */
static ssize_t put_block(struct block_writer *writer, const struct block_info *info,
			 const struct format_block_head *about, const struct source *sources)
{
	size_t size = sizeof(*about) + about->sections * sizeof(struct format_section);
	size_t most = size;
	__u8 *directory;

	for (unsigned int i = 0; i < about->sections; i++)
		most += sources[i].size;
	if (grow(&writer->block, &writer->block_size, 0, most))
		return -ENOMEM;
	directory = writer->block + sizeof(*about);
	for (unsigned int i = 0; i < about->sections; i++) {
		struct format_section section = { .id = htole16(sources[i].id),
						  .unpacked = htole32((__u32)sources[i].size) };
		size_t stored = store(writer, &sources[i], about->rows, writer->block + size,
				      &section.codec);

		section.stored = htole32((__u32)stored);
		section.crc = htole32(crc32c(0, writer->block + size, stored));
		memcpy(directory + i * sizeof(section), &section, sizeof(section));
		size += stored;
	}
	put_head(writer, info, about, size);
	return (ssize_t)size;
}

static void put_dictionaries(struct block_writer *writer)
{
	struct column *owners = &writer->columns[FORMAT_SECTION_OWNERS];
	struct column *tuples = &writer->columns[FORMAT_SECTION_TUPLES];

	put_classes(writer);
	restart(owners);
	if (writer->owners.count)
		owners->end = columns_put_owners(owners->bytes,
						 (const struct pt_task *)writer->owners.entries,
						 writer->owners.count);
	restart(tuples);
	if (writer->tuples.count)
		tuples->end = columns_put_tuples(tuples->bytes,
						 (const struct pt_tuple *)writer->tuples.entries,
						 writer->tuples.count);
}

int block_writer_finish(struct block_writer *writer, const struct block_info *info,
			const void **bytes, size_t *size)
{
	struct format_block_head about = { .rows = writer->rows };
	struct source sources[FORMAT_SECTIONS_OF_ROWS];
	size_t cgroups;
	ssize_t made;

	if (writer->rows) {
		about.first_ts = writer->first_ts;
		about.last_ts = writer->last_ts;
	}
	put_class_ids(writer);
	put_dictionaries(writer);
	if (put_cgroups(writer, info, &cgroups))
		return -ENOMEM;
	for (__u16 id = 1; id < FORMAT_SECTION_CGROUPS; id++) {
		struct column *column = &writer->columns[id];
		size_t len = (size_t)(column->end - column->bytes);

		if (len || id <= FORMAT_SECTION_CLASS_IDS)
			sources[about.sections++] = (struct source){ id, column->bytes, len };
	}
	if (cgroups)
		sources[about.sections++] =
			(struct source){ FORMAT_SECTION_CGROUPS, writer->cgroup_bytes, cgroups };
	made = put_block(writer, info, &about, sources);
	if (made < 0)
		return (int)made;
	empty(writer);
	*bytes = writer->block;
	*size = (size_t)made;
	return 0;
}

int block_writer_plain(struct block_writer *writer, const struct block_info *info,
		       const struct block_plain *plain, const void **bytes, size_t *size)
{
	const struct format_block_head about = { .sections = 1,
						 .first_ts = plain->ts,
						 .last_ts = plain->ts };
	const struct source source = { plain->section, plain->bytes, plain->size };
	ssize_t made;

	if (plain->size > FORMAT_SECTION_MAX)
		return -E2BIG;
	made = put_block(writer, info, &about, &source);
	if (made < 0)
		return (int)made;
	*bytes = writer->block;
	*size = (size_t)made;
	return 0;
}
