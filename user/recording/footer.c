// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/footer.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 256

static int make_room(struct footer *footer)
{
	__u32 room = footer->room ? footer->room * 2 : FIRST_ROOM;
	struct footer_block *blocks;

	if (footer->count < footer->room)
		return 0;
	blocks = realloc(footer->blocks, room * sizeof(*blocks));
	if (!blocks)
		return -ENOMEM;
	footer->blocks = blocks;
	footer->room = room;
	return 0;
}

int footer_add(struct footer *footer, const struct block_head *head)
{
	int err = make_room(footer);

	if (err)
		return err;
	footer->blocks[footer->count++] = (struct footer_block){
		.offset = footer->size,
		.size = head->size,
		.rows = head->rows,
		.first_ts = head->first_ts,
		.last_ts = head->last_ts,
		.realtime_offset = head->realtime_offset,
		.type = head->type,
	};
	footer->size += head->size;
	if (head->type == FORMAT_EVENTS)
		footer->rows += head->rows;
	if (head->type == FORMAT_SEGMENT)
		footer->first_ts = head->first_ts;
	if (head->type == FORMAT_SEGMENT ||
	    (head->type == FORMAT_EVENTS && head->last_ts >= footer->last_ts)) {
		footer->last_ts = head->last_ts;
		footer->last_wall = head->last_ts + head->realtime_offset;
	}
	return 0;
}

int footer_encode(const struct footer *footer, void **out, size_t *size)
{
	struct format_footer *head;
	struct format_footer_block *to;

	*size = sizeof(*head) + footer->count * sizeof(*to);
	head = calloc(1, *size);
	if (!head)
		return -ENOMEM;
	head->size = htole64(footer->size);
	head->rows = htole64(footer->rows);
	head->first_ts = htole64(footer->first_ts);
	head->last_ts = htole64(footer->last_ts);
	head->last_wall = htole64(footer->last_wall);
	head->blocks = htole32(footer->count);
	to = (struct format_footer_block *)(head + 1);
	for (__u32 i = 0; i < footer->count; i++, to++) {
		const struct footer_block *block = &footer->blocks[i];

		to->offset = htole64(block->offset);
		to->size = htole32(block->size);
		to->rows = htole32(block->rows);
		to->first_ts = htole64(block->first_ts);
		to->last_ts = htole64(block->last_ts);
		to->realtime_offset = htole64(block->realtime_offset);
		to->type = (__u8)block->type;
	}
	*out = head;
	return 0;
}

/* Blocks lie one behind the other: what was added up while reading must be what is told. */
static bool totals_agree(const struct footer *footer, const struct format_footer *head)
{
	return footer->size == le64toh(head->size) && footer->rows == le64toh(head->rows) &&
	       footer->first_ts == le64toh(head->first_ts) &&
	       footer->last_ts == le64toh(head->last_ts) &&
	       footer->last_wall == le64toh(head->last_wall);
}

static int decode_blocks(const __u8 *from, __u32 count, struct footer *footer)
{
	for (__u32 i = 0; i < count; i++, from += sizeof(struct format_footer_block)) {
		struct format_footer_block block;
		struct block_head head;
		int err;

		memcpy(&block, from, sizeof(block));
		head = (struct block_head){
			.type = (enum format_block)block.type,
			.size = le32toh(block.size),
			.rows = le32toh(block.rows),
			.first_ts = le64toh(block.first_ts),
			.last_ts = le64toh(block.last_ts),
			.realtime_offset = le64toh(block.realtime_offset),
		};
		if (le64toh(block.offset) != footer->size || head.size > FORMAT_BLOCK_MAX ||
		    head.size < sizeof(struct format_block_head) ||
		    (head.type == FORMAT_SEGMENT) != (i == 0))
			return -EBADMSG;
		err = footer_add(footer, &head);
		if (err)
			return err;
	}
	return 0;
}

int footer_decode(const void *bytes, size_t size, struct footer *out)
{
	struct format_footer head;
	struct footer footer = { 0 };
	__u32 count;
	int err;

	if (size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, bytes, sizeof(head));
	count = le32toh(head.blocks);
	if (count > FOOTER_BLOCKS_MAX ||
	    size != sizeof(head) + count * sizeof(struct format_footer_block))
		return -EBADMSG;
	err = decode_blocks((const __u8 *)bytes + sizeof(head), count, &footer);
	if (!err && !totals_agree(&footer, &head))
		err = -EBADMSG;
	if (err) {
		footer_free(&footer);
		return err;
	}
	*out = footer;
	return 0;
}

void footer_free(struct footer *footer)
{
	free(footer->blocks);
	*footer = (struct footer){ 0 };
}
