// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "user/recording/recorder_private.h"

/* Whoever writes longer than this lets the ring fill; the rest is the next tick's. */
#define WRITE_NS (SECOND / 20)
#define WAITING_MAX 64

/* ---- what stays in memory --------------------------------------------------------- */

static __u64 size_now(const struct recorder *recorder)
{
	const struct footer *index = &recorder->segment.index;

	return recorder->in_memory ? index->size + index->count * sizeof(*index->blocks) : 0;
}

__u64 recorder_kept_bytes(const struct recorder *recorder)
{
	return recorder->kept.bytes + size_now(recorder);
}

static void forget_first(struct recorder *recorder)
{
	__u64 rows = recorder->kept.first->rows;

	if (recorder->due) {
		/* they were to be written */
		recorder->due--;
		recorder->counts.dropped += rows;
		recorder->dump.dropped += rows;
	} else {
		recorder->counts.forgotten += rows;
	}
	kept_remove(&recorder->kept);
}

void recorder_make_room(struct recorder *recorder, size_t size)
{
	while (recorder->kept.first &&
	       recorder_kept_bytes(recorder) + size > recorder->options.keep)
		forget_first(recorder);
}

int recorder_keep(struct recorder *recorder, __u64 end)
{
	const struct footer *index = &recorder->segment.index;
	struct kept_segment segment = {
		.fd = recorder->segment.fd,
		.size = end,
		.rows = index->rows,
		.first_wall = index->blocks[0].first_ts + index->blocks[0].realtime_offset,
		.last_ts = index->last_ts,
		.last_wall = index->last_wall,
	};

	memcpy(segment.name, recorder->name, sizeof(segment.name));
	return kept_add(&recorder->kept, &segment);
}

/* ---- what goes to files ----------------------------------------------------------- */

static int write_first(struct recorder *recorder)
{
	const struct kept_segment *segment = recorder->kept.first;
	struct recorder_dumped *dump = &recorder->dump;
	struct retention_file file = { .size = segment->size,
				       .last_ts = segment->last_ts,
				       .last_wall = segment->last_wall };
	int fd = kept_write(&recorder->kept, recorder->dirfd), err;

	if (fd < 0)
		return fd;
	syncer_ask(recorder->syncer, fd, true);
	file.name = recorder->kept.first->name;
	err = retention_add(&recorder->retention, &file);
	if (!dump->segments)
		dump->first_wall = segment->first_wall;
	dump->last_wall = segment->last_wall;
	dump->segments++;
	dump->rows += segment->rows;
	dump->bytes += segment->size;
	recorder->counts.written += segment->rows;
	recorder->due--;
	kept_remove(&recorder->kept);
	return err;
}

static void dump_is_done(struct recorder *recorder)
{
	const struct recorder_options *options = &recorder->options;
	struct recorder_dumped dump = recorder->dump;

	recorder->dumping = recorder->dump_waits = false;
	recorder->dump = (struct recorder_dumped){ 0 };
	recorder->was_dumped |= dump.segments > 0;
	syncer_ask(recorder->syncer, recorder->dirfd, false);
	if (options->dumped)
		options->dumped(options->notice_data, &dump);
}

/* Until ns have passed. A full disk: it waits, and is no error. */
static int write_due(struct recorder *recorder, __u64 ns)
{
	__u64 began = clock_boottime(&recorder->clock);
	int err = 0;

	while (!err && recorder->due && clock_boottime(&recorder->clock) - began <= ns)
		err = write_first(recorder);
	if (segment_disk_is_full(err)) {
		recorder->dump_retry_at = began + SECOND;
		if (!recorder->dump_waits)
			recorder_tell(recorder, "no room: %llu KiB wait in memory to be written",
				      recorder->kept.bytes >> 10);
		recorder->dump_waits = true;
		return 0;
	}
	if (!err && !recorder->due && recorder->dumping)
		dump_is_done(recorder);
	return err;
}

/* From one segment to the next, which is in a file, or in memory if there is no room for it. */
static int leave_segment(struct recorder *recorder, bool to_file)
{
	int err = recorder_output(recorder) ?: recorder->error;

	if (err || recorder->full)
		return err;
	/* a dump waits for room, and more are asked for: each would take an fd */
	if (recorder->dump_waits && recorder->kept.count >= WAITING_MAX)
		return 0;
	/* nothing happened since the last dump */
	if (!to_file && recorder->was_dumped && !recorder->segment.index.rows)
		return 0;
	recorder->keeping = !to_file;
	err = recorder_begin_segment(recorder);
	if (to_file && segment_disk_is_full(err)) {
		recorder->keeping = true;
		err = recorder_begin_segment(recorder);
	}
	return err;
}

static int begin_dump(struct recorder *recorder)
{
	bool to_file = clock_boottime(&recorder->clock) < recorder->files_until;
	int err = leave_segment(recorder, to_file);

	if (err)
		return err;
	recorder->due = recorder->kept.count;
	recorder->dumping = true;
	recorder->dump_retry_at = 0;
	return write_due(recorder, WRITE_NS);
}

int recorder_dump(struct recorder *recorder, __u64 then_ns)
{
	if (recorder->error || !recorder->in_memory)
		return recorder->error;
	if (then_ns)
		recorder->files_until = clock_boottime(&recorder->clock) + then_ns;
	recorder->error = begin_dump(recorder);
	return recorder->error;
}

int recorder_dump_tick(struct recorder *recorder, __u64 now)
{
	bool to_files = now < recorder->files_until;
	int err = 0;

	if (recorder->due && now >= recorder->dump_retry_at)
		err = write_due(recorder, WRITE_NS);
	if (err || recorder->full || recorder->in_memory != to_files)
		return err;
	if (!to_files) {
		recorder->keeping = true;
		return recorder_rotate(recorder);
	}
	/* a file for what follows found no room when the dump began */
	return recorder->due ? 0 : begin_dump(recorder);
}

int recorder_dump_all(struct recorder *recorder)
{
	__u64 end;
	int err = 0;

	if (recorder->in_memory) {
		bool is_new = recorder->segment.index.rows || !recorder->was_dumped;

		if (is_new)
			err = recorder_end_segment(recorder, &recorder->segment, &end);
		if (!err && is_new)
			err = recorder_keep(recorder, end);
		if (err)
			return err;
		if (!is_new)
			close(recorder->segment.fd);
		recorder->segment.fd = -1;
		recorder->in_memory = false;
		recorder->due = recorder->kept.count;
		recorder->dumping = true;
	}
	err = write_due(recorder, ~0ULL);
	return !err && recorder->due ? -ENOSPC : err;
}
