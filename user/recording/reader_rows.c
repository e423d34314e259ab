// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "user/recording/files.h"
#include "user/recording/reader_private.h"
#include "user/recording/walk.h"

/* Head, directory, ports and classes of a block of usual size. */
#define PORTS_AHEAD (24U << 10)

/* Rows that are expected before one: less than a block of memory's latency. */
#define ROWS_AHEAD 16

/* While a segment is read. */
struct reading {
	struct reader *reader;
	struct segment *segment;
	bool keyframe;
	const struct reader_query *query;
	const struct reader_handler *handler;
	struct walk walk;
	struct footer footer;
	bool footer_read;
	__u64 sequence; /* of the next block */
	__u64 last_ts;	/* of the last good row, CLOCK_BOOTTIME, ns */
	bool done;

	/* Damage whose end is not known yet. */
	bool in_gap;
	__u64 gap_from, gap_to, gap_rows;
	bool gap_counted; /* gap_rows are all */
};

/* ---- gaps ----------------------------------------------------------------------- */

static void open_gap(struct reading *reading, __u64 rows, bool counted)
{
	if (!reading->in_gap) {
		reading->in_gap = true;
		reading->gap_from = reading->gap_to = reading->last_ts;
		reading->gap_rows = 0;
		reading->gap_counted = true;
	}
	reading->gap_rows += rows;
	reading->gap_counted &= counted;
}

static void stretch_gap(struct reading *reading, __u64 to)
{
	if (to > reading->gap_to)
		reading->gap_to = to;
}

/* to: what is known again from there on; 0: not known. */
static int close_gap(struct reading *reading, __u64 to)
{
	const struct reader_handler *handler = reading->handler;

	if (!reading->in_gap)
		return 0;
	reading->in_gap = false;
	stretch_gap(reading, to);
	if (!handler->gap)
		return 0;
	return handler->gap(handler->data, reading->gap_from, reading->gap_to,
			    reading->gap_counted ? reading->gap_rows : 0);
}

static bool is_told(struct reading *reading, __u64 end)
{
	bool told = end <= reading->segment->told;

	if (!told)
		reading->segment->told = end;
	return told;
}

#define tell(reading, end, ...)                                                                    \
	do {                                                                                       \
		if (!is_told(reading, end))                                                        \
			problems_tell(&(reading)->reader->problems, (reading)->segment->name,      \
				      __VA_ARGS__);                                                \
	} while (0)

/* The rows of those blocks that a footer has between two places in the file; false: not known. */
static bool count_rows(const struct reading *reading, __u64 from, __u64 to, __u64 *rows)
{
	const struct footer *footer = &reading->footer;
	bool known = false;

	*rows = 0;
	for (__u32 i = 0; i < footer->count; i++) {
		__u64 at = reading->walk.begin + footer->blocks[i].offset;

		if (at == from)
			known = true;
		if (at >= from && at < to && footer->blocks[i].type == FORMAT_EVENTS)
			*rows += footer->blocks[i].rows;
	}
	return known;
}

static int skip_damage(struct reading *reading, __u64 from, __u64 to)
{
	__u64 rows;
	bool counted = count_rows(reading, from, to, &rows);

	open_gap(reading, rows, counted);
	if (counted)
		tell(reading, to, "%llu bytes at %llu are damaged: %llu rows are missing",
		     to - from, from, rows);
	else
		tell(reading, to, "%llu bytes at %llu are damaged and left out", to - from, from);
	return 0;
}

/* ---- one block ------------------------------------------------------------------ */

static void add_cgroup(void *data, __u64 id, const char *path)
{
	struct reader *reader = data;

	cgroups_add(&reader->cgroups, id, path);
}

static int hand_row(struct reading *reading, const struct pt_rec_head *row,
		    const struct block_head *head)
{
	const struct reader_handler *handler = reading->handler;

	if (head->type == FORMAT_EVENTS) {
		if (row->ts > reading->last_ts)
			reading->last_ts = row->ts;
		if (reading->query->until != ~0ULL && row->ts &&
		    row->ts + head->realtime_offset > reading->query->until)
			return 0;
	}
	return handler->row ? handler->row(handler->data, row, head->realtime_offset) : 0;
}

static const struct pt_rec_head *row_behind(const struct pt_rec_head *row)
{
	return (const struct pt_rec_head *)((const char *)row + row->size);
}

/* All rows, and some rows before each one that it is expected. */
static int hand_rows(struct reading *reading, const struct unpacked *block)
{
	const struct reader_handler *handler = reading->handler;
	const struct pt_rec_head *row = (const struct pt_rec_head *)block->rows, *soon = row;
	__u32 expected = handler->expect ? 0 : block->count;
	int ret = 0;

	for (__u32 i = 0; i < block->count && !ret; i++) {
		for (; expected < block->count && expected < i + ROWS_AHEAD; expected++) {
			handler->expect(handler->data, soon);
			soon = row_behind(soon);
		}
		ret = hand_row(reading, row, &block->head);
		row = row_behind(row);
	}
	return ret;
}

static void tell_damage(struct reading *reading, __u64 at, const struct block_head *head,
			__u64 handed)
{
	__u64 missing = head->rows > handed ? head->rows - handed : 0;

	open_gap(reading, head->type == FORMAT_EVENTS ? missing : 0, !reading->query->ports);
	stretch_gap(reading, head->last_ts);
	tell(reading, at + head->size,
	     "the block of %u bytes at %llu is damaged: %llu rows are missing", head->size, at,
	     missing);
}

/* Nothing that is wanted, up to there. */
static int pass(struct reading *reading, __u64 from, __u64 to)
{
	int ret = close_gap(reading, from);

	if (to > reading->last_ts)
		reading->last_ts = to;
	return ret;
}

static int hand_block(struct reading *reading, const struct unpacked *block)
{
	int ret = 0;

	if (block->error && block->error != -EBADMSG)
		return block->error;
	/* damaged before its first row: a gap, if there is one, goes on */
	if (block->count || !block->error) {
		block_reader_cgroups(block->reader, add_cgroup, reading->reader);
		ret = close_gap(reading, block->head.first_ts);
	}
	if (!ret)
		ret = hand_rows(reading, block);
	if (ret)
		return ret;
	if (block->error)
		tell_damage(reading, block->at, &block->head, block->count);
	return block->passed ? pass(reading, block->passed_from, block->passed_to) : 0;
}

/* What was read so far; before anything is told of what is behind it. */
static int hand_all(struct reading *reading)
{
	const struct unpacked *block;
	int ret = 0;

	while (!ret && (block = unpacker_take(reading->reader->unpacker)))
		ret = hand_block(reading, block);
	return ret;
}

static int read_block(struct reading *reading, __u64 at, const struct block_head *head)
{
	struct reader *reader = reading->reader;
	struct unpacked *block;
	void *bytes;
	int ret;

	while (!(ret = unpacker_room(reader->unpacker, head->size, &bytes, &block))) {
		ret = hand_block(reading, unpacker_take(reader->unpacker));
		if (ret)
			return ret;
	}
	if (ret < 0)
		return ret;
	ret = block_file_copy(&reader->file, at, head->size, bytes);
	if (!ret) {
		block->at = at;
		block->head = *head;
		unpacker_give(reader->unpacker, reading->query->ports);
		return 0;
	}
	if (ret != -ENODATA)
		return ret;
	ret = hand_all(reading);
	if (!ret)
		tell_damage(reading, at, head, 0);
	return ret;
}

/* Whether the block is worth being read whole. Returns 1, 0 or a negative errno. */
static int has_ports(struct reading *reading, __u64 at, const struct block_head *head)
{
	struct block_file *file = &reading->reader->file;
	const void *bytes;
	int ret;

	if (!reading->query->ports)
		return 1;
	ret = block_file_bytes(file, at, head->ports_size, &bytes);
	if (!ret)
		ret = block_has_port(bytes, head->ports_size, reading->query->ports);
	if (ret == BLOCK_HAS_NO_PORT)
		ret = block_file_bytes(file, at, head->classes_size, &bytes)
			      ?: block_reader_concerns_all(reading->reader->block, bytes,
							   head->classes_size);
	/* read_block() says what is wrong with it */
	return ret == -EBADMSG || ret == -ENODATA ? 1 : ret;
}

/* Not before those that are on their way. */
static int pass_block(struct reading *reading, const struct block_head *head)
{
	struct unpacked *last = unpacker_last(reading->reader->unpacker);
	__u64 to = head->type == FORMAT_EVENTS ? head->last_ts : 0;

	if (!last)
		return pass(reading, head->first_ts, to);
	if (!last->passed)
		last->passed_from = head->first_ts;
	last->passed = true;
	if (to > last->passed_to)
		last->passed_to = to;
	return 0;
}

static int take_rows(struct reading *reading, __u64 at, const struct block_head *head)
{
	int ret;

	if (head->type == FORMAT_KEYFRAME && !reading->keyframe)
		return 0;
	if (head->type == FORMAT_EVENTS && reading->query->until != ~0ULL &&
	    head->first_ts + head->realtime_offset > reading->query->until) {
		reading->done = true;
		return hand_all(reading) ?: close_gap(reading, head->first_ts);
	}
	ret = has_ports(reading, at, head);
	if (ret < 0)
		return ret;
	return ret ? read_block(reading, at, head) : pass_block(reading, head);
}

/* The segment ends here though it should not, or nobody knows: what is missing is a gap. */
static int end_early(struct reading *reading, __u64 at)
{
	const struct reader_segment *segment = &reading->segment->public;
	int ret = hand_all(reading);

	reading->done = true;
	if (ret)
		return ret;
	if (segment->complete) {
		open_gap(reading, 0, false);
		tell(reading, at + 1, "the segment that should go to %llu ends at %llu",
		     segment->offset + segment->size, at);
	}
	return close_gap(reading, segment->last_ts);
}

/* Whole blocks are missing, unless something damaged lies in their place. */
static int miss_blocks(struct reading *reading, __u64 at, const struct block_head *head)
{
	int ret = hand_all(reading);

	if (ret || reading->in_gap)
		return ret;
	open_gap(reading, 0, false);
	tell(reading, at + 1, "at %llu, %llu blocks are missing", at,
	     head->sequence - reading->sequence);
	return 0;
}

static int take_block(struct reading *reading, __u64 at, const struct block_head *head)
{
	int ret = 0;

	if (at == reading->segment->public.offset) {
		reading->sequence = 1;
		return 0;
	}
	if (head->type == FORMAT_SEGMENT || head->sequence < reading->sequence)
		return end_early(reading, at);
	if (head->sequence > reading->sequence)
		ret = miss_blocks(reading, at, head);
	reading->sequence = head->sequence + 1;
	if (ret)
		return ret;
	if (head->type == FORMAT_FOOTER) {
		reading->done = true;
		return hand_all(reading) ?: close_gap(reading, reading->segment->public.last_ts);
	}
	if (head->type == FORMAT_EVENTS || head->type == FORMAT_KEYFRAME)
		return take_rows(reading, at, head);
	return 0;
}

/* ---- a segment ------------------------------------------------------------------ */

/* Only behind damage is it looked for: a segment that is sound is read without. */
static int read_footer(struct reading *reading)
{
	struct block_file file = reading->reader->file;
	__u64 at;
	int ret;

	if (reading->footer_read || !reading->segment->public.complete)
		return 0;
	reading->footer_read = true;
	file.bytes = NULL;
	file.room = file.have = 0;
	file.size = reading->walk.end;
	ret = block_file_footer(&file, &at, &reading->footer);
	block_file_free(&file);
	if (ret > 0)
		reading->walk.footer = &reading->footer;
	return ret < 0 ? ret : 0;
}

static int take_step(struct reading *reading, int step, __u64 at, const struct block_head *head)
{
	switch (step) {
	case WALK_BLOCK:
		return take_block(reading, at, head);
	case WALK_DAMAGED:
		return hand_all(reading) ?: skip_damage(reading, at, reading->walk.offset);
	default:
		/* while it is being written, or was cut, which was told on opening it */
		return end_early(reading, at);
	}
}

/* Behind damage once more, with the footer's help. */
static int next_step(struct reading *reading, __u64 *at, struct block_head *head)
{
	int step = walk_next(&reading->walk, at, head), err;

	if ((step != WALK_DAMAGED && step != WALK_CUT) || reading->walk.footer)
		return step;
	err = read_footer(reading);
	if (err || !reading->walk.footer)
		return err ? err : step;
	reading->walk.offset = *at;
	return walk_next(&reading->walk, at, head);
}

static int read_segment(struct reading *reading)
{
	int err = 0;

	while (!err && !reading->done) {
		struct block_head head = { 0 };
		__u64 at;
		int step = next_step(reading, &at, &head);

		err = step < 0 ? step : take_step(reading, step, at, &head);
	}
	return err;
}

/* The segment's file, its size as it is now. Returns 0, -ENOENT or another negative errno. */
static int open_file(struct reader *reader, const char *name)
{
	struct block_file *file = &reader->file;
	__u64 size;
	int fd;

	if (reader->file_name != name) {
		fd = files_open(reader->dirfd, name, &size);
		if (fd < 0)
			return fd;
		if (file->fd >= 0)
			close(file->fd);
		file->fd = fd;
		reader->file_name = name;
	}
	size = (__u64)lseek(file->fd, 0, SEEK_END);
	file->size = size;
	/* it may have grown, or have been written anew */
	file->have = 0;
	return 0;
}

static int read_opened(struct reading *reading)
{
	const struct reader_segment *segment = &reading->segment->public;
	struct block_file *file = &reading->reader->file;
	__u64 end = segment->is_current ? file->size : segment->offset + segment->size;
	int err;

	reading->walk = (struct walk){
		.file = file,
		.offset = segment->offset,
		.begin = segment->offset,
		.end = end < file->size ? end : file->size,
	};
	file->ahead = reading->query->ports ? PORTS_AHEAD : BLOCK_FILE_ALL;
	posix_fadvise(file->fd, 0, 0,
		      reading->query->ports ? POSIX_FADV_RANDOM : POSIX_FADV_SEQUENTIAL);
	err = read_segment(reading);
	/* it was not read to its end */
	unpacker_drop(reading->reader->unpacker);
	footer_free(&reading->footer);
	return err;
}

int reader_rows(struct reader *reader, unsigned int segment, bool keyframe,
		const struct reader_query *query, const struct reader_handler *handler)
{
	struct reading reading = {
		.reader = reader,
		.segment = &reader->segments[segment],
		.keyframe = keyframe,
		.query = query,
		.handler = handler,
		.last_ts = reader->segments[segment].public.first_ts,
	};
	const struct reader_segment *public = &reading.segment->public;
	int err;

	if (public->first_wall > query->until)
		return 0;
	err = open_file(reader, reading.segment->name);
	if (err == -ENOENT || err == -EBADMSG) {
		tell(&reading, ~0ULL, "it is gone: perhaps it was too old, and deleted");
		open_gap(&reading, 0, false);
		return close_gap(&reading, public->last_ts);
	}
	return err ? err : read_opened(&reading);
}
