// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/recording/recorder_private.h"

/* Gathers the rows of a keyframe. */
struct keyframe {
	struct recorder *recorder;
	struct segment_write *segment;
	int err;
};

struct block_info recorder_block_info(struct recorder *recorder, enum format_block type,
				      __u64 sequence)
{
	return (struct block_info){
		.type = type,
		.realtime_offset = clock_offset(&recorder->clock),
		.sequence = sequence,
		.cgroup_path = recorder->options.cgroup_path,
		.cgroup_data = recorder->options.cgroup_data,
	};
}

/* ---- keyframe ----------------------------------------------------------------- */

static void write_keyframe_block(struct keyframe *keyframe)
{
	struct recorder *recorder = keyframe->recorder;
	struct block_info info =
		recorder_block_info(recorder, FORMAT_KEYFRAME, keyframe->segment->index.count);
	const void *bytes;
	size_t size;

	keyframe->err = block_writer_finish(recorder->block, &info, &bytes, &size);
	if (keyframe->err)
		return;
	if (recorder->keeping)
		recorder_make_room(recorder, keyframe->segment->index.size + size);
	keyframe->err = segment_append(keyframe->segment, bytes, size);
}

static void take_row(void *data, const struct pt_rec_head *row)
{
	struct keyframe *keyframe = data;

	if (!keyframe->err)
		keyframe->err = block_writer_add(keyframe->recorder->block, row);
	if (!keyframe->err && block_writer_rows(keyframe->recorder->block) == FORMAT_ROWS_MAX)
		write_keyframe_block(keyframe);
}

static int write_keyframe(struct recorder *recorder, struct segment_write *segment)
{
	struct keyframe keyframe = { recorder, segment, 0 };
	const struct recorder_options *options = &recorder->options;

	if (options->keyframe)
		options->keyframe(options->keyframe_data, take_row, &keyframe);
	if (!keyframe.err && block_writer_rows(recorder->block))
		write_keyframe_block(&keyframe);
	if (keyframe.err && block_writer_rows(recorder->block)) {
		/* the writer is empty for the rows that follow */
		struct block_info info =
			recorder_block_info(recorder, FORMAT_KEYFRAME, segment->index.count);
		const void *bytes;
		size_t size;

		block_writer_finish(recorder->block, &info, &bytes, &size);
	}
	return keyframe.err;
}

/* ---- SEGMENT and FOOTER ------------------------------------------------------- */

static int make_document(const struct recorder *recorder, __u64 boot, __u64 wall, char **text,
			 size_t *size)
{
	const struct recorder_options *options = &recorder->options;
	struct document document = {
		.index = recorder->index,
		.continues = recorder->index && !recorder->lost,
		.dropped = recorder->lost_rows,
		.dropped_from = recorder->lost_from,
		.dropped_to = recorder->lost_to,
		.begin_boot = boot,
		.begin_wall = wall,
		.pid = (__u64)getpid(),
		.boot = recorder->boot,
		.host = recorder->host,
		.kernel = recorder->kernel,
		.version = PORTTRACE_VERSION,
	};
	char *more = options->describe ? options->describe(options->describe_data) : NULL;
	int err;

	memcpy(document.run, recorder->run, sizeof(document.run));
	err = document_make(&document, more, text, size);
	free(more);
	return err;
}

static int write_head(struct recorder *recorder, struct segment_write *segment, __u64 boot)
{
	struct block_info info =
		recorder_block_info(recorder, FORMAT_SEGMENT, segment->index.count);
	struct block_plain plain = { .section = FORMAT_SECTION_DOCUMENT, .ts = boot };
	const void *bytes;
	size_t size;
	char *text;
	int err = make_document(recorder, boot, boot + info.realtime_offset, &text, &plain.size);

	if (err)
		return err;
	plain.bytes = text;
	err = block_writer_plain(recorder->block, &info, &plain, &bytes, &size);
	if (!err)
		err = segment_append(segment, bytes, size);
	free(text);
	return err;
}

int recorder_end_segment(struct recorder *recorder, const struct segment_write *segment, __u64 *end)
{
	struct block_info info = recorder_block_info(recorder, FORMAT_FOOTER, segment->index.count);
	struct block_plain plain = { .section = FORMAT_SECTION_INDEX };
	const void *bytes;
	size_t size;
	void *index;
	int err = footer_encode(&segment->index, &index, &plain.size);

	if (err)
		return err;
	plain.bytes = index;
	plain.ts = clock_boottime(&recorder->clock);
	err = block_writer_plain(recorder->block, &info, &plain, &bytes, &size);
	if (!err)
		err = segment_append_footer(segment, bytes, size, end);
	free(index);
	return err;
}

/* ---- from one segment to the next --------------------------------------------- */

/* The file that the next segment goes to; its name is kept for when it is too old. */
static int open_next(struct recorder *recorder, __u64 boot, char name[FILES_NAME_MAX])
{
	int fd;

	if (recorder->dirfd < 0)
		return recorder->lock_fd;
	files_name(name, boot + clock_offset(&recorder->clock), recorder->run, recorder->index);
	if (recorder->keeping)
		return kept_open();
	fd = openat(recorder->dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	return fd < 0 ? -errno : fd;
}

static void undo_next(const struct recorder *recorder, struct segment_write *next, const char *name)
{
	footer_free(&next->index);
	if (recorder->dirfd >= 0 && next->fd >= 0) {
		close(next->fd);
		if (!recorder->keeping)
			unlinkat(recorder->dirfd, name, 0);
	}
	/* its footer, too, and in a file what followed it */
	if (recorder->segment.fd >= 0)
		segment_cut(&recorder->segment);
}

/* The segment before is handed to the syncer, and is retention's from then on; or it is kept. */
static int put_away(struct recorder *recorder, __u64 end)
{
	struct segment_write *segment = &recorder->segment;
	struct retention_file file = {
		.name = recorder->name,
		.size = end,
		.last_ts = segment->index.last_ts,
		.last_wall = segment->index.last_wall,
	};

	int err = recorder->in_memory ? recorder_keep(recorder, end) : 0;

	footer_free(&segment->index);
	if (recorder->in_memory || recorder->dirfd < 0 || segment->fd < 0)
		return err;
	syncer_ask(recorder->syncer, segment->fd, true);
	return retention_add(&recorder->retention, &file);
}

static void take_over(struct recorder *recorder, const struct segment_write *next, __u64 boot,
		      const char *name)
{
	recorder->segment = *next;
	memcpy(recorder->name, name, sizeof(recorder->name));
	recorder->index++;
	recorder->segments++;
	recorder->began = boot;
	recorder->first_size = next->index.size;
	recorder->lost = false;
	recorder->lost_rows = 0;
	recorder->in_memory = recorder->keeping;
	if (recorder->in_memory)
		return;
	if (recorder->dirfd >= 0)
		syncer_ask(recorder->syncer, recorder->dirfd, false);
	syncer_ask(recorder->syncer, next->fd, false);
}

/* Then there is no place for another segment, and little for events. */
static void tell_too_little(struct recorder *recorder)
{
	if (!recorder->in_memory || recorder->too_little ||
	    recorder->first_size <= recorder->options.keep / 2)
		return;
	recorder->too_little = true;
	recorder_tell(recorder,
		      "what holds ports takes %llu of the %llu KiB of memory: no more than the "
		      "newest segment is kept; more memory keeps more",
		      recorder->first_size >> 10, recorder->options.keep >> 10);
}

int recorder_begin_segment(struct recorder *recorder)
{
	__u64 boot = clock_boottime(&recorder->clock), end = 0;
	char name[FILES_NAME_MAX] = "";
	struct segment_write next = { .fd = -1 };
	int err = 0;

	if (recorder->segment.fd >= 0)
		err = recorder_end_segment(recorder, &recorder->segment, &end);
	if (err)
		return err;
	next.fd = open_next(recorder, boot, name);
	if (next.fd < 0)
		err = next.fd;
	next.begin = recorder->dirfd < 0 ? end : 0;
	if (!err)
		err = write_head(recorder, &next, boot);
	if (!err)
		err = write_keyframe(recorder, &next);
	if (err) {
		undo_next(recorder, &next, name);
		return err;
	}
	err = put_away(recorder, end);
	take_over(recorder, &next, boot, name);
	tell_too_little(recorder);
	return err;
}
