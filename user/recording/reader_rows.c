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

static void skip_damage(struct reading *reading, __u64 from, __u64 to)
{
	__u64 rows;
	bool counted = count_rows(reading, from, to, &rows);

	open_gap(reading, rows, counted);
	if (counted)
		tell(reading, to, "%llu bytes at %llu are damaged: %llu rows are missing",
		     to - from, from, rows);
	else
		tell(reading, to, "%llu bytes at %llu are damaged and left out", to - from, from);
}

/* ---- one block ------------------------------------------------------------------ */

static void add_cgroup(void *data, __u64 id, const char *path)
{
	struct reader *reader = data;

	cgroups_add(&reader->cgroups, id, path);
}

static int load_block(struct reader *reader, const void *bytes, size_t size,
		      const struct port_set *ports)
{
	int err = block_reader_load(reader->block, bytes, size, ports);

	if (!err)
		block_reader_cgroups(reader->block, add_cgroup, reader);
	return err;
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

/* Returns 1, 0 (there are no more behind these) or -EBADMSG. */
static int next_rows(struct reading *reading, const struct pt_rec_head *rows[BLOCK_READER_KEPT],
		     unsigned int *count)
{
	const struct reader_handler *handler = reading->handler;
	int ret = 1;

	for (*count = 0; *count < BLOCK_READER_KEPT; ++*count) {
		ret = block_reader_next(reading->reader->block, &rows[*count]);
		if (ret <= 0)
			break;
		if (handler->expect)
			handler->expect(handler->data, rows[*count]);
	}
	return ret;
}

/* *handed: how many were handed over. Returns 0, -EBADMSG, another error or the handler's. */
static int hand_rows(struct reading *reading, const struct block_head *head, __u64 *handed,
		     bool *damaged)
{
	const struct pt_rec_head *rows[BLOCK_READER_KEPT];
	unsigned int count;
	int more, ret;

	*handed = 0;
	do {
		more = next_rows(reading, rows, &count);
		for (unsigned int i = 0; i < count; i++, ++*handed) {
			ret = hand_row(reading, rows[i], head);
			if (ret)
				return ret;
		}
	} while (more > 0);
	*damaged = more == -EBADMSG;
	return *damaged ? 0 : more;
}

static int read_block(struct reading *reading, __u64 at, const struct block_head *head)
{
	struct reader *reader = reading->reader;
	const void *bytes;
	__u64 rows = 0;
	bool damaged;
	int err = block_file_bytes(&reader->file, at, head->size, &bytes);

	if (!err)
		err = load_block(reader, bytes, head->size, reading->query->ports);
	damaged = err == -EBADMSG || err == -ENODATA;
	if (err && !damaged)
		return err;
	if (!damaged) {
		err = close_gap(reading, head->first_ts);
		if (!err)
			err = hand_rows(reading, head, &rows, &damaged);
		if (err)
			return err;
	}
	if (!damaged)
		return 0;
	rows = head->rows > rows ? head->rows - rows : 0;
	open_gap(reading, head->type == FORMAT_EVENTS ? rows : 0, !reading->query->ports);
	stretch_gap(reading, head->last_ts);
	tell(reading, at + head->size,
	     "the block of %u bytes at %llu is damaged: %llu rows are missing", head->size, at,
	     rows);
	return 0;
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

static int take_rows(struct reading *reading, __u64 at, const struct block_head *head)
{
	int ret;

	if (head->type == FORMAT_KEYFRAME && !reading->keyframe)
		return 0;
	if (head->type == FORMAT_EVENTS && reading->query->until != ~0ULL &&
	    head->first_ts + head->realtime_offset > reading->query->until) {
		reading->done = true;
		return close_gap(reading, head->first_ts);
	}
	ret = has_ports(reading, at, head);
	if (ret < 0)
		return ret;
	if (ret)
		return read_block(reading, at, head);
	ret = close_gap(reading, head->first_ts);
	if (head->type == FORMAT_EVENTS && head->last_ts > reading->last_ts)
		reading->last_ts = head->last_ts;
	return ret;
}

/* The segment ends here though it should not, or nobody knows: what is missing is a gap. */
static int end_early(struct reading *reading, __u64 at)
{
	const struct reader_segment *segment = &reading->segment->public;

	reading->done = true;
	if (segment->complete) {
		open_gap(reading, 0, false);
		tell(reading, at + 1, "the segment that should go to %llu ends at %llu",
		     segment->offset + segment->size, at);
	}
	return close_gap(reading, segment->last_ts);
}

static int take_block(struct reading *reading, __u64 at, const struct block_head *head)
{
	if (at == reading->segment->public.offset) {
		reading->sequence = 1;
		return 0;
	}
	if (head->type == FORMAT_SEGMENT || head->sequence < reading->sequence)
		return end_early(reading, at);
	/* whole blocks are missing, and nothing that is damaged lies in their place */
	if (head->sequence > reading->sequence && !reading->in_gap) {
		open_gap(reading, 0, false);
		tell(reading, at + 1, "at %llu, %llu blocks are missing", at,
		     head->sequence - reading->sequence);
	}
	reading->sequence = head->sequence + 1;
	if (head->type == FORMAT_FOOTER) {
		reading->done = true;
		return close_gap(reading, reading->segment->public.last_ts);
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
		skip_damage(reading, at, reading->walk.offset);
		return 0;
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
