// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/block.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "user/base/varint.h"
#include "user/event/decode.h"
#include "user/recording/columns.h"
#include "user/recording/section.h"
#include "user/recording/sock_model.h"

/* What rows of a class have in common, ready to be copied. */
struct class
{
	struct pt_rec_head head;
	__s32 error;
	__u8 via;
	__u16 has;
};

/* A section, unpacked; VARINT_PAD bytes behind it are there. */
struct column {
	__u8 *bytes;
	size_t allocated;
	__u32 size;
	bool is_there;
	struct varint_cursor cursor;
};

/* A column of ids: recording/dictionary.h */
struct ids {
	__u32 count; /* of the dictionary */
	__u32 next;  /* the next first use */
};

#define HAS_NUMBERS (((1 << PT_JR_NUMBERS) - 1) * FORMAT_HAS_NUMBERS)
#define HAS_EXTRAS (FORMAT_HAS_TAKER | FORMAT_HAS_KIN | HAS_NUMBERS)

/* What the columns say of one row. */
struct fields {
	const struct class *class;
	__u16 port;
	__u64 ts, sock, search, tw; /* 0 if the class has none */
	/* of HAS_EXTRAS and the dictionaries: not set if the class has none */
	__u32 owner, tuple; /* numbers */
	__u64 taker, kin, kin_port;
	__u64 numbers[PT_JR_NUMBERS];
};

struct block_reader {
	ZSTD_DCtx *zstd;
	struct column columns[FORMAT_SECTIONS_OF_ROWS];
	const __u8 *ports; /* in the caller's block */
	struct port_set wanted;
	bool all; /* not only those */
	bool bad;
	__u32 row, rows;
	__u32 end; /* behind the last row that is wanted */
	bool wide; /* CLASS_IDS */
	__u32 classes_count;
	struct ids owner_ids, tuple_ids;
	__u64 ts, tw, taker; /* the last ones */
	struct class classes[FORMAT_ROWS_MAX];
	struct pt_task owners[FORMAT_ROWS_MAX];
	struct pt_tuple tuples[FORMAT_ROWS_MAX];
	struct sock_model model;
};

struct block_reader *block_reader_new(void)
{
	struct block_reader *reader = calloc(1, sizeof(*reader));

	if (!reader)
		return NULL;
	reader->zstd = ZSTD_createDCtx();
	if (reader->zstd)
		return reader;
	free(reader);
	return NULL;
}

void block_reader_free(struct block_reader *reader)
{
	if (!reader)
		return;
	for (unsigned int id = 0; id < FORMAT_SECTIONS_OF_ROWS; id++)
		free(reader->columns[id].bytes);
	ZSTD_freeDCtx(reader->zstd);
	free(reader);
}

/* ---- a block ------------------------------------------------------------------ */

static void forget(struct block_reader *reader)
{
	reader->row = reader->rows = reader->end = 0;
	reader->ts = reader->tw = reader->taker = 0;
	reader->bad = false;
	reader->classes_count = 0;
	reader->owner_ids = reader->tuple_ids = (struct ids){ 0 };
	for (unsigned int id = 0; id < FORMAT_SECTIONS_OF_ROWS; id++) {
		reader->columns[id].size = 0;
		reader->columns[id].is_there = false;
		reader->columns[id].cursor = (struct varint_cursor){ 0 };
	}
}

static int reserve(struct column *column, size_t size)
{
	__u8 *bytes;

	if (size <= column->allocated)
		return 0;
	bytes = realloc(column->bytes, size);
	if (!bytes)
		return -ENOMEM;
	memset(bytes + column->allocated, 0, size - column->allocated);
	column->bytes = bytes;
	column->allocated = size;
	return 0;
}

static int unpack(struct block_reader *reader, const struct section *section)
{
	struct column *column = &reader->columns[section->id];

	if (column->is_there || section->unpacked_size > columns_limit(section->id, reader->rows))
		return -EBADMSG;
	if (reserve(column, section->unpacked_size + VARINT_PAD))
		return -ENOMEM;
	column->is_there = true;
	column->size = section->unpacked_size;
	return section_unpack(section, reader->zstd, column->bytes);
}

static __u16 port_of(const struct block_reader *reader, __u32 row)
{
	__u16 port;

	memcpy(&port, reader->ports + row * sizeof(port), sizeof(port));
	return le16toh(port);
}

static bool get_class(const struct format_class *stored, struct class *class)
{
	const struct columns_kind *kind = columns_of_kind(stored->kind);
	__u16 has = le16toh(stored->has);
	__u32 flags = le32toh(stored->flags);

	if (!kind || has & ~kind->has)
		return false;
	/* they have the same place */
	if (stored->kind < PT_JR_FIRST &&
	    has & (flags & PT_F_KIN ? FORMAT_HAS_OWNER : FORMAT_HAS_KIN))
		return false;
	*class = (struct class){
		.head = { .kind = stored->kind,
			  .version = PT_ABI_VERSION,
			  .size = kind->size,
			  .netns_cookie = le64toh(stored->netns_cookie),
			  .netns = le32toh(stored->netns),
			  .vrf = le32toh(stored->vrf),
			  .flags = flags,
			  .proto = stored->proto,
			  .family = stored->family },
		.error = (__s32)le32toh((__u32)stored->error),
		.via = stored->via,
		.has = has,
	};
	return true;
}

static int get_classes(struct block_reader *reader)
{
	const struct column *column = &reader->columns[FORMAT_SECTION_CLASSES];
	struct format_class stored;

	if (column->size % sizeof(stored))
		return -EBADMSG;
	reader->classes_count = column->size / sizeof(stored);
	for (__u32 i = 0; i < reader->classes_count; i++) {
		memcpy(&stored, column->bytes + i * sizeof(stored), sizeof(stored));
		if (!get_class(&stored, &reader->classes[i]))
			return -EBADMSG;
	}
	reader->wide = reader->classes_count > 256;
	return 0;
}

static int get_dictionaries(struct block_reader *reader)
{
	const struct column *owners = &reader->columns[FORMAT_SECTION_OWNERS];
	const struct column *tuples = &reader->columns[FORMAT_SECTION_TUPLES];
	int err = get_classes(reader);

	if (!err && reader->columns[FORMAT_SECTION_CLASS_IDS].size != reader->rows << reader->wide)
		err = -EBADMSG;
	if (!err && owners->is_there)
		err = columns_get_owners(owners->bytes, owners->size, reader->owners,
					 &reader->owner_ids.count);
	if (!err && tuples->is_there)
		err = columns_get_tuples(tuples->bytes, tuples->size, reader->tuples,
					 &reader->tuple_ids.count);
	return err;
}

int block_reader_concerns_all(struct block_reader *reader, const void *bytes, size_t len)
{
	struct section section;
	int err;

	forget(reader);
	if (section_classes(bytes, len, &section))
		return -EBADMSG;
	reader->rows = FORMAT_ROWS_MAX;
	err = unpack(reader, &section) ?: get_classes(reader);
	if (!err)
		for (__u32 i = 0; i < reader->classes_count && !err; i++)
			err = reader->classes[i].head.kind >= PT_JR_FIRST;
	forget(reader);
	return err;
}

static int walk_cgroups(const struct column *column,
			void (*fn)(void *data, __u64 id, const char *path), void *data)
{
	const __u8 *p = column->bytes, *end = p + column->size;
	char path[FORMAT_PATH_MAX + 1];
	__u64 id;
	__u16 len;

	for (; p < end; p += len) {
		if ((size_t)(end - p) < sizeof(id) + sizeof(len))
			return -EBADMSG;
		memcpy(&id, p, sizeof(id));
		memcpy(&len, p + sizeof(id), sizeof(len));
		len = le16toh(len);
		p += sizeof(id) + sizeof(len);
		if (len > FORMAT_PATH_MAX || len > end - p || memchr(p, 0, len))
			return -EBADMSG;
		if (!fn)
			continue;
		memcpy(path, p, len);
		path[len] = 0;
		fn(data, le64toh(id), path);
	}
	return 0;
}

static int unpack_all(struct block_reader *reader, const struct section *sections, int count)
{
	int err = 0;

	for (int i = 1; !err && i < count; i++) {
		if (sections[i].id == FORMAT_SECTION_PORTS)
			return -EBADMSG;
		if (sections[i].id && sections[i].id < FORMAT_SECTIONS_OF_ROWS)
			err = unpack(reader, &sections[i]);
	}
	for (unsigned int id = 1; !err && id < FORMAT_SECTIONS_OF_ROWS; id++) {
		struct column *column = &reader->columns[id];

		if (!column->bytes)
			err = reserve(column, VARINT_PAD);
		if (err)
			break;
		column->cursor = (struct varint_cursor){ .p = column->bytes,
							 .end = column->bytes + column->size };
	}
	return err;
}

/* NULL: it has none, which is damage. */
static const struct class *class_of(const struct block_reader *reader, __u32 row)
{
	const __u8 *ids = reader->columns[FORMAT_SECTION_CLASS_IDS].bytes;
	__u32 id = ids[row << reader->wide];

	if (reader->wide)
		id |= (__u32)ids[row * 2 + 1] << 8;
	return id < reader->classes_count ? &reader->classes[id] : NULL;
}

/* A refusal of any port concerns none of those that are held. */
static bool is_wanted(const struct block_reader *reader, __u16 port, const struct class *class)
{
	if (reader->all || port_set_has(&reader->wanted, port))
		return true;
	return !port && class->head.kind >= PT_JR_FIRST;
}

static void find_end(struct block_reader *reader)
{
	reader->end = reader->rows;
	for (; reader->end; reader->end--) {
		const struct class *class = class_of(reader, reader->end - 1);

		if (!class || is_wanted(reader, port_of(reader, reader->end - 1), class))
			break;
	}
}

int block_reader_load(struct block_reader *reader, const void *bytes, size_t len,
		      const struct port_set *ports)
{
	struct section sections[FORMAT_SECTIONS_MAX];
	struct block_head head;
	int err, count;

	forget(reader);
	count = section_directory(bytes, len, &head, sections);
	if (count < 0)
		return count;
	if (head.type != FORMAT_EVENTS && head.type != FORMAT_KEYFRAME)
		return -EBADMSG;
	if (section_check(&sections[0]))
		return -EBADMSG;
	reader->rows = head.rows;
	reader->ports = sections[0].stored;
	reader->all = !ports;
	if (ports)
		reader->wanted = *ports;
	err = unpack_all(reader, sections, count);
	if (!err)
		err = get_dictionaries(reader);
	if (!err)
		err = walk_cgroups(&reader->columns[FORMAT_SECTION_CGROUPS], NULL, NULL);
	if (err) {
		forget(reader);
		return err;
	}
	sock_model_clear(&reader->model);
	find_end(reader);
	return 0;
}

void block_reader_cgroups(struct block_reader *reader,
			  void (*fn)(void *data, __u64 id, const char *path), void *data)
{
	walk_cgroups(&reader->columns[FORMAT_SECTION_CGROUPS], fn, data);
}

/* ---- a row -------------------------------------------------------------------- */

static __u64 get_number(struct block_reader *reader, enum format_section_id id)
{
	return varint_get(&reader->columns[id].cursor, &reader->bad);
}

static __u64 get_difference(struct block_reader *reader, enum format_section_id id, __u64 *last)
{
	*last += unzigzag(get_number(reader, id));
	return *last;
}

/* A number below the count, or 0 and bad. */
static __u32 get_id(struct block_reader *reader, enum format_section_id section, struct ids *ids)
{
	__u64 back = get_number(reader, section);
	__u64 id = ids->next - back;

	if (!back)
		ids->next++;
	if (id < ids->count)
		return (__u32)id;
	reader->bad = true;
	return 0;
}

static void get_extras(struct block_reader *reader, struct fields *fields)
{
	const enum format_section_id extras = FORMAT_SECTION_EXTRAS;
	const struct class *class = fields->class;

	if (class->has & FORMAT_HAS_TAKER)
		fields->taker = get_difference(reader, extras, &reader->taker);
	if (class->has & FORMAT_HAS_KIN) {
		fields->kin = fields->sock + unzigzag(get_number(reader, extras));
		fields->kin_port = get_number(reader, extras);
	}
	for (unsigned int i = 0; i < PT_JR_NUMBERS; i++) {
		fields->numbers[i] = 0;
		if (!(class->has & FORMAT_HAS_NUMBERS << i))
			continue;
		fields->numbers[i] = get_number(reader, extras);
		if (class->head.kind == PT_JR_HOLD)
			fields->numbers[i] = fields->ts + unzigzag(fields->numbers[i]);
	}
}

static __u64 get_sock(struct block_reader *reader, const struct fields *fields)
{
	const struct sock_model_row about = {
		.port = fields->port,
		.kind = fields->class->head.kind,
		.owner =
			fields->class->has & FORMAT_HAS_OWNER ? fields->owner : SOCK_MODEL_NO_OWNER,
	};

	return sock_model_decode(&reader->model, &about, get_number(reader, FORMAT_SECTION_SOCKS));
}

/* Every column is walked, also for a row that nobody wants: most tell differences. */
static void get_fields(struct block_reader *reader, struct fields *fields)
{
	__u16 has = fields->class->has;

	fields->port = port_of(reader, reader->row);
	fields->ts = fields->sock = fields->search = fields->tw = 0;
	if (has & FORMAT_HAS_TIME)
		fields->ts = get_difference(reader, FORMAT_SECTION_TIMES, &reader->ts);
	if (has & FORMAT_HAS_OWNER)
		fields->owner = get_id(reader, FORMAT_SECTION_OWNER_IDS, &reader->owner_ids);
	if (has & FORMAT_HAS_TUPLE)
		fields->tuple = get_id(reader, FORMAT_SECTION_TUPLE_IDS, &reader->tuple_ids);
	if (has & FORMAT_HAS_SOCK)
		fields->sock = get_sock(reader, fields);
	if (has & FORMAT_HAS_SEARCH)
		fields->search = get_number(reader, FORMAT_SECTION_SEARCHES);
	if (has & FORMAT_HAS_TIME_WAIT)
		fields->tw = get_difference(reader, FORMAT_SECTION_TIME_WAITS, &reader->tw);
	if (has & HAS_EXTRAS)
		get_extras(reader, fields);
}

static const struct pt_tuple *tuple_of(const struct block_reader *reader,
				       const struct fields *fields)
{
	static const struct pt_tuple none;

	return fields->class->has & FORMAT_HAS_TUPLE ? &reader->tuples[fields->tuple] : &none;
}

static const struct pt_task *owner_of(const struct block_reader *reader,
				      const struct fields *fields)
{
	static const struct pt_task none;

	return fields->class->has & FORMAT_HAS_OWNER ? &reader->owners[fields->owner] : &none;
}

/* These set every byte behind the head: whatever was there is still there. */
static void make_port(const struct block_reader *reader, const struct fields *fields,
		      struct pt_rec_port *rec)
{
	rec->tuple = *tuple_of(reader, fields);
	rec->task = *owner_of(reader, fields);
	if (fields->class->has & FORMAT_HAS_KIN)
		rec->kin = (struct pt_kin){ .sock = fields->kin, .port = (__u16)fields->kin_port };
	rec->search_ns = fields->search;
	rec->error = fields->class->error;
	rec->via = fields->class->via;
	memset(rec->reserved, 0, sizeof(rec->reserved));
}

static void make_tuple(const struct block_reader *reader, const struct fields *fields,
		       struct pt_rec_tuple *rec)
{
	rec->tuple = *tuple_of(reader, fields);
	rec->tw = fields->tw;
}

static void make_tw_end(const struct fields *fields, struct pt_rec_tw_end *rec)
{
	rec->tw = fields->tw;
	rec->taker = fields->class->has & FORMAT_HAS_TAKER ? fields->taker : 0;
}

static void make_journal(const struct block_reader *reader, const struct fields *fields,
			 struct pt_rec_journal *rec)
{
	rec->tuple = *tuple_of(reader, fields);
	rec->task = *owner_of(reader, fields);
	rec->tw = fields->tw;
	if (fields->class->has & HAS_NUMBERS)
		memcpy(rec->numbers, fields->numbers, sizeof(rec->numbers));
	else
		memset(rec->numbers, 0, sizeof(rec->numbers));
	rec->via = fields->class->via;
	memset(rec->reserved, 0, sizeof(rec->reserved));
}

static int make_row(struct block_reader *reader, const struct fields *fields, union block_row *row)
{
	const struct pt_rec_head *sound;
	struct pt_rec_head *head = &row->head;

	*head = fields->class->head;
	head->port = fields->port;
	head->ts = fields->ts;
	head->sock = fields->sock;
	switch (head->kind) {
	case PT_REC_ALLOC:
	case PT_REC_FAIL:
		make_port(reader, fields, &row->port);
		break;
	case PT_REC_CONNECT:
	case PT_REC_TW_BEGIN:
		make_tuple(reader, fields, &row->tuple);
		break;
	case PT_REC_TW_END:
		make_tw_end(fields, &row->tw_end);
		break;
	case PT_REC_CLOSED:
	case PT_REC_RELEASE:
	case PT_REC_EMPTY:
		break;
	default:
		make_journal(reader, fields, &row->journal);
	}
	return decode_row(head, head->size, &sound);
}

/* All rows were read: so must be the columns. */
static bool is_whole(const struct block_reader *reader)
{
	static const __u16 of_rows[] = {
		FORMAT_SECTION_TIMES,	  FORMAT_SECTION_SOCKS,	   FORMAT_SECTION_OWNER_IDS,
		FORMAT_SECTION_TUPLE_IDS, FORMAT_SECTION_SEARCHES, FORMAT_SECTION_TIME_WAITS,
		FORMAT_SECTION_EXTRAS,
	};

	for (unsigned int i = 0; i < sizeof(of_rows) / sizeof(of_rows[0]); i++) {
		const struct varint_cursor *cursor = &reader->columns[of_rows[i]].cursor;

		if (cursor->p != cursor->end)
			return false;
	}
	return true;
}

int block_reader_next(struct block_reader *reader, union block_row *row)
{
	struct fields fields;

	while (!reader->bad && reader->row < reader->end) {
		fields.class = class_of(reader, reader->row);
		reader->bad = !fields.class;
		if (reader->bad)
			break;
		get_fields(reader, &fields);
		reader->row++;
		if (reader->bad || !is_wanted(reader, fields.port, fields.class))
			continue;
		if (!make_row(reader, &fields, row))
			return 1;
		reader->bad = true;
	}
	if (reader->bad || (reader->row == reader->rows && !is_whole(reader)))
		return -EBADMSG;
	return 0;
}
