// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>

#include "user/base/format.h"
#include "user/recording/recorder_private.h"

void recorder_disk_full(struct recorder *recorder)
{
	__u64 now = clock_boottime(&recorder->clock);

	recorder->retry_at = now + SECOND;
	if (recorder->full)
		return;
	recorder->full = true;
	recorder->full_since = now;
	recorder_tell(recorder, "no room: events wait in memory, up to %llu KiB of them",
		      recorder->options.memory >> 10);
}

/* A segment in memory counts when it is dumped. */
static void count_written(struct recorder *recorder, unsigned int rows)
{
	if (!recorder->in_memory)
		recorder->counts.written += rows;
}

static void count_lost(struct recorder *recorder, const void *bytes, size_t size, unsigned int rows)
{
	struct block_head head = { 0 };

	if (block_parse_head(bytes, size, &head))
		return;
	if (!recorder->lost_rows)
		recorder->lost_from = head.first_ts;
	recorder->lost_to = head.last_ts;
	recorder->lost_rows += rows;
	recorder->counts.dropped += rows;
}

/*
 * All that wait go: a part of them would be of no use, since a ledger that lacks what
 * was before cannot take what follows. The next segment begins with a keyframe.
 */
static void drop_waiting(struct recorder *recorder)
{
	recorder->lost = true;
	while (recorder->backlog.first) {
		struct backlog_block *block = recorder->backlog.first;

		count_lost(recorder, block->bytes, block->size, block->rows);
		backlog_remove(&recorder->backlog);
	}
}

/* A block that cannot be written now. */
static int wait(struct recorder *recorder, const void *bytes, size_t size, unsigned int rows)
{
	bool before = recorder->lost;

	if (!before && recorder->backlog.bytes + size > recorder->options.memory)
		drop_waiting(recorder);
	if (!recorder->lost)
		return backlog_add(&recorder->backlog, bytes, size, rows);
	count_lost(recorder, bytes, size, rows);
	if (!before)
		recorder_tell(recorder,
			      "no room, and no more memory for what waits: %llu events were "
			      "dropped, and those that follow until there is room",
			      recorder->lost_rows);
	return 0;
}

int recorder_output(struct recorder *recorder)
{
	unsigned int rows = block_writer_rows(recorder->block);
	struct block_info info = recorder_block_info(
		recorder, FORMAT_EVENTS, recorder->segment.index.count + recorder->backlog.count);
	const void *bytes;
	size_t size;
	int err;

	if (!rows || recorder->error)
		return 0;
	err = block_writer_finish(recorder->block, &info, &bytes, &size);
	if (err)
		return err;
	if (recorder->full)
		return wait(recorder, bytes, size, rows);
	if (recorder->in_memory)
		recorder_make_room(recorder, size);
	err = segment_append(&recorder->segment, bytes, size);
	if (segment_disk_is_full(err)) {
		recorder_disk_full(recorder);
		return wait(recorder, bytes, size, rows);
	}
	if (!err)
		count_written(recorder, rows);
	recorder->error = err;
	return 0;
}

static int write_waiting(struct recorder *recorder)
{
	while (recorder->backlog.first) {
		struct backlog_block *block = recorder->backlog.first;
		int err = segment_append(&recorder->segment, block->bytes, block->size);

		if (err)
			return err;
		count_written(recorder, block->rows);
		backlog_remove(&recorder->backlog);
	}
	return 0;
}

static void tell_room(const struct recorder *recorder, __u64 waited, __u64 dropped)
{
	char text[FORMAT_DURATION_MAX + 1];
	__u64 took = clock_boottime(&recorder->clock) - recorder->full_since;

	*format_duration(text, took) = '\0';
	if (dropped)
		recorder_tell(recorder, "room again after %s: %llu events were dropped", text,
			      dropped);
	else
		recorder_tell(recorder, "room again after %s: %llu events that waited are written",
			      text, waited);
}

int recorder_retry(struct recorder *recorder)
{
	__u64 written = recorder->counts.written, dropped;
	int err = write_waiting(recorder);

	if (!err && (recorder->lost || recorder->rotation_failed)) {
		/* rows that the keyframe will cover; they wait, or are lost with the others */
		err = recorder_output(recorder);
		if (!err)
			err = write_waiting(recorder);
	}
	dropped = recorder->lost_rows;
	if (!err && (recorder->lost || recorder->rotation_failed))
		err = recorder_begin_segment(recorder);
	if (segment_disk_is_full(err)) {
		recorder_disk_full(recorder);
		return 0;
	}
	if (err)
		return err;
	recorder->full = recorder->rotation_failed = false;
	tell_room(recorder, recorder->counts.written - written, dropped);
	return 0;
}
