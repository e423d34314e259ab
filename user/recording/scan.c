// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/scan.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/recording/walk.h"

/* While the blocks of a file are walked. */
struct scanning {
	const struct scan *scan;
	struct scan_segment segment;
	bool inside; /* there is a segment that goes on */
	__u64 sequence;
	/* Of the last block with rows, since it is torn perhaps: where, and the segment without it.
	 */
	__u64 last;
	struct scan_segment before;
	/* Bytes that are no block: for who reads the segment if more of it follows, else told here.
	 */
	__u64 damage, damage_at;
	/* Bytes that belong to no segment. */
	__u64 stray, stray_at;
};

unsigned int scan_version(struct block_file *file, __u64 offset)
{
	struct format_block_head head;
	const void *bytes;

	if (block_file_bytes(file, offset, sizeof(head), &bytes))
		return 0;
	memcpy(&head, bytes, sizeof(head));
	return le16toh(head.version);
}

static int read_document(struct block_file *file, __u64 at, const struct block_head *head,
			 struct document *out)
{
	const void *bytes;
	void *text;
	size_t size;
	int err = block_file_bytes(file, at, head->size, &bytes);

	if (!err)
		err = block_section(bytes, head->size, FORMAT_SECTION_DOCUMENT, &text, &size);
	if (err)
		return err;
	err = document_read(text, size, out);
	free(text);
	return err;
}

static int hand_over(const struct scan *scan, struct scan_segment *segment)
{
	int err = scan->found(scan->data, segment);

	if (err)
		document_free(&segment->document);
	return err;
}

/* ---- by the footer ------------------------------------------------------------ */

/* Returns 1 (the file is one complete segment, handed over), 0, or a negative errno. */
static int by_footer(const struct scan *scan)
{
	struct footer footer = { 0 };
	struct scan_segment segment = { .complete = true };
	struct block_head head = { 0 }, end = { 0 };
	__u64 at;
	int ret = block_file_footer(scan->file, &at, &footer);

	if (ret <= 0)
		return ret;
	segment.size = scan->file->size;
	segment.rows = footer.rows;
	segment.first_ts = footer.first_ts;
	segment.last_ts = footer.last_ts;
	segment.last_wall = footer.last_wall;
	ret = footer.size == at && !block_file_head(scan->file, 0, &head) &&
	      head.type == FORMAT_SEGMENT && head.first_ts == footer.first_ts &&
	      !block_file_head(scan->file, at, &end);
	footer_free(&footer);
	if (!ret || read_document(scan->file, 0, &head, &segment.document))
		return 0;
	segment.first_wall = head.first_ts + head.realtime_offset;
	segment.end_wall = end.first_ts + end.realtime_offset;
	ret = hand_over(scan, &segment);
	return ret ? ret : 1;
}

/* ---- by walking --------------------------------------------------------------- */

static void tell_stray(struct scanning *walk)
{
	if (walk->stray)
		problems_tell(&walk->scan->problems, walk->scan->name,
			      "%llu bytes at %llu belong to no segment: its beginning is damaged",
			      walk->stray, walk->stray_at);
	walk->stray = 0;
}

static void add_stray(struct scanning *walk, __u64 at, __u64 size)
{
	if (!walk->stray)
		walk->stray_at = at;
	walk->stray += size;
}

static void tell_cut(const struct scanning *walk, __u64 at, __u64 end)
{
	problems_tell(&walk->scan->problems, walk->scan->name,
		      "at %llu, the last %llu bytes are no complete block: it was cut, perhaps by "
		      "a crash",
		      at, end - at);
}

/* Whether a recorder is at it. Without a segment: it may just begin its first. */
static bool is_growing(const struct scanning *walk)
{
	const struct scan *scan = walk->scan;

	return scan->locked &&
	       (!walk->inside || !scan->run[0] || !strcmp(scan->run, walk->segment.document.run));
}

/* A block whose head says where it ends, but whose content is not what was written. */
static int drop_torn_block(struct scanning *walk)
{
	struct scan_segment *segment = &walk->segment;
	struct block_reader *reader;
	struct block_head head;
	const void *bytes;
	int err;

	if (!walk->last || segment->complete)
		return 0;
	err = block_file_head(walk->scan->file, walk->last, &head);
	if (!err)
		err = block_file_bytes(walk->scan->file, walk->last, head.size, &bytes);
	if (err)
		return err == -ENODATA || err == -EBADMSG ? 0 : err;
	reader = block_reader_new();
	if (!reader)
		return -ENOMEM;
	err = block_reader_load(reader, bytes, head.size, NULL);
	block_reader_free(reader);
	if (err != -EBADMSG)
		return err;
	if (!is_growing(walk))
		tell_cut(walk, walk->last, segment->offset + segment->size);
	*segment = walk->before;
	return 0;
}

/* at_end: of the file. */
static int end_segment(struct scanning *walk, bool at_end)
{
	int err;

	if (!walk->inside)
		return 0;
	if (walk->damage)
		problems_tell(&walk->scan->problems, walk->scan->name,
			      "%llu bytes at %llu are damaged, the last of a segment", walk->damage,
			      walk->damage_at);
	walk->damage = 0;
	err = at_end ? drop_torn_block(walk) : 0;
	if (!walk->segment.complete)
		walk->segment.end_wall = walk->segment.last_wall;
	walk->segment.growing = at_end && !walk->segment.complete && is_growing(walk);
	walk->inside = false;
	if (err)
		document_free(&walk->segment.document);
	else
		err = hand_over(walk->scan, &walk->segment);
	return err;
}

static int begin_segment(struct scanning *walk, __u64 at, const struct block_head *head)
{
	struct document document;
	int err = end_segment(walk, false);

	if (err)
		return err;
	err = read_document(walk->scan->file, at, head, &document);
	if (err == -EBADMSG || err == -ENOENT) {
		add_stray(walk, at, head->size);
		return 0;
	}
	if (err)
		return err;
	tell_stray(walk);
	walk->inside = true;
	walk->sequence = 0;
	walk->last = 0;
	walk->segment = (struct scan_segment){
		.offset = at,
		.size = head->size,
		.first_ts = head->first_ts,
		.last_ts = head->first_ts,
		.first_wall = head->first_ts + head->realtime_offset,
		.last_wall = head->first_ts + head->realtime_offset,
		.document = document,
	};
	return 0;
}

static void add_rows(struct scanning *walk, __u64 at, const struct block_head *head)
{
	struct scan_segment *segment = &walk->segment;

	walk->last = at;
	walk->before = *segment;
	segment->size = at + head->size - segment->offset;
	if (head->type != FORMAT_EVENTS)
		return;
	segment->rows += head->rows;
	if (head->last_ts >= segment->last_ts) {
		segment->last_ts = head->last_ts;
		segment->last_wall = head->last_ts + head->realtime_offset;
	}
}

static int take_block(struct scanning *walk, __u64 at, const struct block_head *head)
{
	if (head->type == FORMAT_SEGMENT)
		return begin_segment(walk, at, head);
	if (!walk->inside || head->sequence <= walk->sequence) {
		/* of a segment whose own beginning is lost */
		int err = end_segment(walk, false);

		add_stray(walk, at, head->size);
		return err;
	}
	walk->sequence = head->sequence;
	walk->damage = 0;
	add_rows(walk, at, head);
	if (head->type != FORMAT_FOOTER)
		return 0;
	walk->segment.complete = true;
	walk->segment.end_wall = head->first_ts + head->realtime_offset;
	return end_segment(walk, false);
}

/* Bytes amid the file that are no block: the segment's that goes on behind them, else none's. */
static void take_damage(struct scanning *walk, __u64 at, __u64 end)
{
	if (!walk->inside) {
		add_stray(walk, at, end - at);
		return;
	}
	walk->damage = end - at;
	walk->damage_at = at;
}

static int take_step(struct scanning *walk, int step, __u64 at, __u64 end,
		     const struct block_head *head)
{
	switch (step) {
	case WALK_BLOCK:
		return take_block(walk, at, head);
	case WALK_DAMAGED:
		take_damage(walk, at, end);
		return 0;
	case WALK_CUT:
		if (!is_growing(walk))
			tell_cut(walk, at, end);
		return 0;
	case WALK_NEWER:
		problems_tell(&walk->scan->problems, walk->scan->name,
			      "at %llu: recorded by format version %u, this porttrace reads up to "
			      "%d; the rest is left out",
			      at, scan_version(walk->scan->file, at), FORMAT_VERSION);
		return 0;
	default:
		return 0;
	}
}

static int by_walking(const struct scan *scan)
{
	struct scanning scanning = { .scan = scan };
	struct walk walk = { .file = scan->file, .end = scan->file->size };
	int step, err = 0;

	do {
		struct block_head head;
		__u64 at;

		step = walk_next(&walk, &at, &head);
		if (step >= 0)
			err = take_step(&scanning, step, at, walk.offset, &head);
	} while (!err && (step == WALK_BLOCK || step == WALK_DAMAGED));
	if (step < 0)
		err = step;
	if (!err) {
		tell_stray(&scanning);
		err = end_segment(&scanning, true);
	} else if (scanning.inside) {
		document_free(&scanning.segment.document);
	}
	return err;
}

/* A file that begins otherwise is none of ours, whatever may be found in it. */
static int check_beginning(struct block_file *file)
{
	struct block_head head;
	const void *bytes;
	int err = block_file_bytes(file, 0, 4, &bytes);

	if (err == -ENODATA || (!err && memcmp(bytes, "PTRB", 4)))
		return -EBADMSG;
	if (err)
		return err;
	return block_file_head(file, 0, &head) == -EPROTO ? -EPROTO : 0;
}

int scan_file(const struct scan *scan)
{
	size_t ahead = scan->file->ahead;
	int ret;

	if (!scan->file->size)
		return 0;
	scan->file->ahead = BLOCK_FILE_HEADS;
	ret = check_beginning(scan->file);
	if (!ret)
		ret = by_footer(scan);
	if (!ret)
		ret = by_walking(scan);
	scan->file->ahead = ahead;
	return ret > 0 ? 0 : ret;
}
