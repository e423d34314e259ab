// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/section.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "user/recording/crc32c.h"

static bool crc_is_right(const void *bytes, struct format_block_head head, size_t directory_size)
{
	__u32 crc = le32toh(head.crc);

	head.crc = 0;
	return crc == crc32c(crc32c(0, &head, sizeof(head)), (const char *)bytes + sizeof(head),
			     directory_size - sizeof(head));
}

static struct format_section entry_at(const void *bytes, unsigned int number)
{
	struct format_section entry;

	memcpy(&entry,
	       (const char *)bytes + sizeof(struct format_block_head) + number * sizeof(entry),
	       sizeof(entry));
	entry.id = le16toh(entry.id);
	entry.stored = le32toh(entry.stored);
	entry.unpacked = le32toh(entry.unpacked);
	entry.crc = le32toh(entry.crc);
	return entry;
}

/* Whether the sections fill the block. */
static bool sizes_add_up(const void *bytes, unsigned int sections, const struct block_head *head)
{
	__u64 size = head->directory_size;

	for (unsigned int i = 0; i < sections; i++) {
		struct format_section entry = entry_at(bytes, i);

		if (entry.unpacked > FORMAT_SECTION_MAX)
			return false;
		if (entry.codec == FORMAT_RAW && entry.stored != entry.unpacked)
			return false;
		size += entry.stored;
	}
	return size == head->size && size <= FORMAT_BLOCK_MAX;
}

static bool has_rows(enum format_block type)
{
	return type == FORMAT_EVENTS || type == FORMAT_KEYFRAME;
}

static bool ports_are_first(const void *bytes, unsigned int sections, struct block_head *head)
{
	struct format_section entry;

	if (head->rows > FORMAT_ROWS_MAX || !sections)
		return false;
	entry = entry_at(bytes, 0);
	head->ports_size += entry.stored;
	return entry.id == FORMAT_SECTION_PORTS && entry.codec == FORMAT_RAW &&
	       entry.stored == head->rows * sizeof(__u16);
}

/* Up to where the section goes; 0: there is none. */
static __u32 end_of(const void *bytes, unsigned int sections, const struct block_head *head,
		    __u16 id)
{
	__u32 end = head->directory_size;

	for (unsigned int i = 0; i < sections; i++) {
		struct format_section entry = entry_at(bytes, i);

		end += entry.stored;
		if (entry.id == id)
			return end;
	}
	return 0;
}

static bool begins_with_magic(const void *bytes, size_t len)
{
	const __u32 magic = htole32(FORMAT_BLOCK_MAGIC);

	return !len || !memcmp(bytes, &magic, len < sizeof(magic) ? len : sizeof(magic));
}

static struct block_head head_of(const struct format_block_head *stored)
{
	__u32 directory_size =
		(__u32)(sizeof(*stored) + stored->sections * sizeof(struct format_section));

	return (struct block_head){
		.type = stored->type,
		.size = le32toh(stored->size),
		.rows = le32toh(stored->rows),
		.first_ts = le64toh(stored->first_ts),
		.last_ts = le64toh(stored->last_ts),
		.realtime_offset = le64toh(stored->realtime_offset),
		.sequence = le64toh(stored->sequence),
		.directory_size = directory_size,
		.ports_size = directory_size,
	};
}

int block_parse_head(const void *bytes, size_t len, struct block_head *head)
{
	struct format_block_head stored;

	*head = (struct block_head){ 0 };
	if (!begins_with_magic(bytes, len))
		return -EBADMSG;
	if (len < sizeof(stored))
		return -EAGAIN;
	memcpy(&stored, bytes, sizeof(stored));
	if (stored.sections > FORMAT_SECTIONS_MAX)
		return -EBADMSG;
	*head = head_of(&stored);
	if (len < head->directory_size)
		return -EAGAIN;
	if (!crc_is_right(bytes, stored, head->directory_size))
		return -EBADMSG;
	if (le16toh(stored.version) > FORMAT_VERSION)
		return -EPROTO;
	if (!stored.version || !sizes_add_up(bytes, stored.sections, head))
		return -EBADMSG;
	if (!has_rows(head->type))
		return 0;
	if (!ports_are_first(bytes, stored.sections, head))
		return -EBADMSG;
	head->classes_size = end_of(bytes, stored.sections, head, FORMAT_SECTION_CLASSES);
	return 0;
}

/* Of a block whose head was parsed; what lies behind the bytes that are there is not looked at. */
static int get_sections(const void *bytes, const struct block_head *head,
			struct section sections[FORMAT_SECTIONS_MAX])
{
	const __u8 *at = bytes;
	int count;

	count = (int)((head->directory_size - sizeof(struct format_block_head)) /
		      sizeof(struct format_section));
	at += head->directory_size;
	for (int i = 0; i < count; i++) {
		struct format_section entry = entry_at(bytes, (unsigned int)i);

		sections[i] = (struct section){ entry.id,     entry.codec,    at,
						entry.stored, entry.unpacked, entry.crc };
		at += entry.stored;
	}
	return count;
}

int section_directory(const void *bytes, size_t len, struct block_head *head,
		      struct section sections[FORMAT_SECTIONS_MAX])
{
	int err = block_parse_head(bytes, len, head);

	if (err)
		return err == -EPROTO ? err : -EBADMSG;
	return len < head->size ? -EBADMSG : get_sections(bytes, head, sections);
}

int section_classes(const void *bytes, size_t len, struct section *section)
{
	struct section sections[FORMAT_SECTIONS_MAX];
	struct block_head head;
	int count, i;

	if (block_parse_head(bytes, len, &head) || !head.classes_size || len < head.classes_size)
		return -EBADMSG;
	count = get_sections(bytes, &head, sections);
	for (i = 0; i < count - 1 && sections[i].id != FORMAT_SECTION_CLASSES; i++)
		;
	*section = sections[i];
	return 0;
}

int section_check(const struct section *section)
{
	return crc32c(0, section->stored, section->stored_size) == section->crc ? 0 : -EBADMSG;
}

int section_unpack(const struct section *section, ZSTD_DCtx *zstd, void *out)
{
	int err = section_check(section);
	size_t size;

	if (err)
		return err;
	switch (section->codec) {
	case FORMAT_RAW:
		if (section->unpacked_size)
			memcpy(out, section->stored, section->unpacked_size);
		return 0;
	case FORMAT_ZSTD:
		size = ZSTD_decompressDCtx(zstd, out, section->unpacked_size, section->stored,
					   section->stored_size);
		return size == section->unpacked_size ? 0 : -EBADMSG;
	default:
		return -EBADMSG;
	}
}

int block_section(const void *bytes, size_t len, __u16 section, void **out, size_t *size)
{
	struct section sections[FORMAT_SECTIONS_MAX];
	struct block_head head;
	int count = section_directory(bytes, len, &head, sections), i, err = -ENOMEM;
	ZSTD_DCtx *zstd;
	void *unpacked;

	if (count < 0)
		return count;
	for (i = 0; i < count && sections[i].id != section; i++)
		;
	if (i == count)
		return -ENOENT;
	zstd = ZSTD_createDCtx();
	unpacked = malloc(sections[i].unpacked_size ?: 1);
	if (zstd && unpacked)
		err = section_unpack(&sections[i], zstd, unpacked);
	ZSTD_freeDCtx(zstd);
	if (err) {
		free(unpacked);
		return err;
	}
	*out = unpacked;
	*size = sections[i].unpacked_size;
	return 0;
}

/* ---- which ports -------------------------------------------------------------- */

#define FEW 4	 /* ports that are looked for one by one */
#define STRIDE 8 /* rows that are compared at once */

typedef __u16 stride_t __attribute__((vector_size(STRIDE * sizeof(__u16))));

/* The ports of the set, up to FEW; more if there are more. */
static unsigned int few_ports(const struct port_set *set, __u16 few[FEW])
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < sizeof(set->words) / sizeof(set->words[0]); i++) {
		for (__u64 word = set->words[i]; word; word &= word - 1) {
			if (count == FEW)
				return FEW + 1;
			few[count++] = (__u16)(i * 64 + (unsigned int)__builtin_ctzll(word));
		}
	}
	for (unsigned int i = count; i < FEW; i++)
		few[i] = few[0];
	return count;
}

static stride_t everywhere(__u16 port)
{
	return (stride_t){ 0 } + (__u16)htole16(port);
}

/* Written out: loops over the ports stay loops at -O2, at a third of the speed. */
static bool any_of_few(const __u8 *bytes, __u32 rows, const __u16 few[FEW])
{
	const stride_t a = everywhere(few[0]), b = everywhere(few[1]);
	const stride_t c = everywhere(few[2]), d = everywhere(few[3]);
	stride_t found = { 0 }, row;
	__u16 sum = 0, port;

	for (; rows >= STRIDE; rows -= STRIDE, bytes += sizeof(row)) {
		memcpy(&row, bytes, sizeof(row));
		found |= (stride_t)((row == a) | (row == b) | (row == c) | (row == d));
	}
	for (unsigned int i = 0; i < STRIDE; i++)
		sum |= found[i];
	for (; rows; rows--, bytes += sizeof(port)) {
		memcpy(&port, bytes, sizeof(port));
		sum |= port == a[0] || port == b[0] || port == c[0] || port == d[0];
	}
	return sum;
}

static bool any_of_set(const __u8 *bytes, __u32 rows, const struct port_set *set)
{
	for (__u32 i = 0; i < rows; i++, bytes += 2) {
		__u16 port = (__u16)(bytes[0] | bytes[1] << 8);

		if (port_set_has(set, port))
			return true;
	}
	return false;
}

static bool any_of(const __u8 *bytes, __u32 rows, const struct port_set *set)
{
	__u16 few[FEW] = { 0 };
	unsigned int count = few_ports(set, few);

	if (!count)
		return false;
	return count <= FEW ? any_of_few(bytes, rows, few) : any_of_set(bytes, rows, set);
}

int block_has_port(const void *bytes, size_t len, const struct port_set *ports)
{
	static const __u16 none[FEW];
	struct block_head head;
	const __u8 *column;

	if (block_parse_head(bytes, len, &head) || !has_rows(head.type) || len < head.ports_size)
		return -EBADMSG;
	column = (const __u8 *)bytes + head.directory_size;
	if (crc32c(0, column, head.rows * sizeof(__u16)) != entry_at(bytes, 0).crc)
		return -EBADMSG;
	if (any_of(column, head.rows, ports))
		return BLOCK_HAS_PORT;
	return any_of_few(column, head.rows, none) ? BLOCK_HAS_NO_PORT : 0;
}
