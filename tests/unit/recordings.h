/* SPDX-License-Identifier: BSD-2-Clause */
/* A recording in a directory of its own, by clocks that the test sets; after cmocka.h. */
#ifndef PORTTRACE_TESTS_RECORDINGS_H
#define PORTTRACE_TESTS_RECORDINGS_H

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/records.h"
#include "user/recording/reader.h"
#include "user/recording/recorder.h"

#define SEC 1000000000ULL
#define BOOT_BEGIN (1000 * SEC)
#define WALL_BEGIN (1795000000 * SEC)

/* Large enough for any row. */
union row {
	struct pt_rec_head head;
	struct pt_rec_port port;
	struct pt_rec_journal journal;
};

/* ---- writing -------------------------------------------------------------------- */

struct rig {
	char dir[64];
	char path[128]; /* of the recording, in dir */
	__u64 boot, wall;
	unsigned int keyframe_rows;
	unsigned int keyframes; /* asked for so far */
	char notices[4096];
	struct recorder *recorder;
	struct recorder_options options;
	struct parse_reason why;
};

static inline __u64 rig_boottime(void *data)
{
	return ((struct rig *)data)->boot;
}

static inline __u64 rig_realtime(void *data)
{
	return ((struct rig *)data)->wall;
}

static inline void rig_notice(void *data, const char *text)
{
	struct rig *rig = data;
	size_t len = strlen(rig->notices);

	snprintf(rig->notices + len, sizeof(rig->notices) - len, "%s\n", text);
}

/* Row number n: every field that matters follows from it. */
static inline union row rig_row(__u64 n)
{
	union row row = { .port = rec_port(PT_REC_ALLOC, BOOT_BEGIN + n, n + 1, PT_VIA_CONNECT,
					   (__u16)(n % 1000 + 1)) };

	row.head.port = (__u16)(32768 + n % 20000);
	return row;
}

static inline union row rig_keyframe_row(unsigned int n)
{
	struct pt_rec_journal rec = {
		/* numbers that no codec makes small */
		.head = rec_head((enum pt_kind)(n ? PT_JR_HOLD : PT_JR_STATE), sizeof(rec), n,
				 n * 0x9e3779b97f4a7c15ULL),
		.numbers = { n },
	};

	if (!n) {
		rec.head.port = 0;
		rec.head.proto = rec.head.family = 0;
		rec.head.netns = 0;
		rec.head.netns_cookie = 0;
	}
	return (union row){ .journal = rec };
}

static inline void rig_keyframe(void *data, recorder_row_fn fn, void *fn_data)
{
	struct rig *rig = data;

	rig->keyframes++;
	for (unsigned int i = 0; i < rig->keyframe_rows; i++) {
		union row row = rig_keyframe_row(i);

		fn(fn_data, &row.head);
	}
}

static inline void rig_begin(struct rig *rig)
{
	*rig = (struct rig){
		.dir = "/tmp/porttrace-test-XXXXXX",
		.boot = BOOT_BEGIN,
		.wall = WALL_BEGIN,
		.keyframe_rows = 3,
	};
	assert_non_null(mkdtemp(rig->dir));
	snprintf(rig->path, sizeof(rig->path), "%s/recording", rig->dir);
	rig->options = (struct recorder_options){
		.path = rig->path,
		.keyframe = rig_keyframe,
		.keyframe_data = rig,
		.boottime = rig_boottime,
		.realtime = rig_realtime,
		.clock_data = rig,
		.notice = rig_notice,
		.notice_data = rig,
	};
}

static inline void rig_open(struct rig *rig)
{
	int err = recorder_new(&rig->options, &rig->recorder, &rig->why);

	if (err)
		fail_msg("recorder_new: %d %s", err, rig->why.text);
}

static inline void rig_write(struct rig *rig, __u64 from, __u64 to)
{
	for (__u64 n = from; n < to; n++) {
		union row row = rig_row(n);

		assert_int_equal(recorder_row(rig->recorder, &row.head), 0);
	}
}

static inline void rig_pass(struct rig *rig, __u64 ns)
{
	rig->boot += ns;
	rig->wall += ns;
	assert_int_equal(recorder_tick(rig->recorder), 0);
}

static inline void rig_close(struct rig *rig)
{
	__u64 dropped = 99;

	assert_int_equal(recorder_close(rig->recorder, &dropped), 0);
	assert_int_equal(dropped, 0);
}

static inline void rig_remove(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	remove(path);
}

static inline void rig_end(struct rig *rig)
{
	rig_remove(rig->path);
	rig_remove(rig->dir);
}

/* The n-th *.ptr file of the recording, sorted; returns how many there are. */
static inline unsigned int rig_file(const struct rig *rig, unsigned int n, char path[512])
{
	struct dirent **names = NULL;
	int count = scandir(rig->path, &names, NULL, alphasort);
	unsigned int found = 0;

	for (int i = 0; i < count; i++) {
		size_t len = strlen(names[i]->d_name);

		if (len > 4 && !strcmp(names[i]->d_name + len - 4, ".ptr") && found++ == n && path)
			snprintf(path, 512, "%s/%s", rig->path, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return found;
}

/* ---- reading -------------------------------------------------------------------- */

struct seen {
	struct reader *reader;
	struct parse_reason why;
	union row *rows;
	size_t count, room;
	__u64 *offsets; /* of each row */
	unsigned int gaps;
	__u64 gap_from, gap_to, gap_count; /* the last one */
	unsigned int problems;
	char problem[256]; /* the last one */
};

static inline int seen_row(void *data, const struct pt_rec_head *row, __u64 offset)
{
	struct seen *seen = data;

	if (seen->count == seen->room) {
		seen->room = seen->room ? seen->room * 2 : 1024;
		seen->rows = realloc(seen->rows, seen->room * sizeof(*seen->rows));
		seen->offsets = realloc(seen->offsets, seen->room * sizeof(*seen->offsets));
		assert_true(seen->rows && seen->offsets);
	}
	memset(&seen->rows[seen->count], 0, sizeof(*seen->rows));
	memcpy(&seen->rows[seen->count], row, row->size);
	seen->offsets[seen->count++] = offset;
	return 0;
}

static inline int seen_gap(void *data, __u64 from, __u64 to, __u64 count)
{
	struct seen *seen = data;

	seen->gaps++;
	seen->gap_from = from;
	seen->gap_to = to;
	seen->gap_count = count;
	return 0;
}

static inline void seen_problem(void *data, const char *text)
{
	struct seen *seen = data;

	seen->problems++;
	snprintf(seen->problem, sizeof(seen->problem), "%s", text);
}

static inline int seen_try(struct seen *seen, const char *path)
{
	struct reader_options options = { path, seen_problem, seen };

	*seen = (struct seen){ 0 };
	return reader_open(&options, &seen->reader, &seen->why);
}

static inline void seen_open(struct seen *seen, const char *path)
{
	int err = seen_try(seen, path);

	if (err)
		fail_msg("reader_open %s: %d %s", path, err, seen->why.text);
}

static inline void seen_read(struct seen *seen, unsigned int segment, bool keyframe,
			     const struct port_set *ports, __u64 until)
{
	const struct reader_query query = { ports, until };
	const struct reader_handler handler = { seen_row, NULL, seen_gap, seen };

	assert_int_equal(reader_rows(seen->reader, segment, keyframe, &query, &handler), 0);
}

/* All segments, without keyframes. */
static inline void seen_all(struct seen *seen, const char *path)
{
	seen_open(seen, path);
	for (unsigned int i = 0; i < reader_segments(seen->reader); i++)
		seen_read(seen, i, false, NULL, ~0ULL);
}

static inline void seen_close(struct seen *seen)
{
	if (seen->reader)
		reader_close(seen->reader);
	free(seen->rows);
	free(seen->offsets);
}

/* Rows `from` to `to`, bit for bit, at place `at` of what was read. */
static inline void seen_has(const struct seen *seen, size_t at, __u64 from, __u64 to)
{
	assert_true(at + (to - from) <= seen->count);
	for (__u64 n = from; n < to; n++) {
		union row row = { 0 };

		row.port = rig_row(n).port;
		assert_memory_equal(&seen->rows[at + n - from], &row, sizeof(row));
	}
}

#endif /* PORTTRACE_TESTS_RECORDINGS_H */
