// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "tests/unit/recordings.h"

#define MANY 30000

static void test_read_back_bit_for_bit(void **state)
{
	struct rig rig;
	struct seen seen;
	const struct reader_segment *segment;

	(void)state;
	rig_begin(&rig);
	rig_open(&rig);
	rig_write(&rig, 0, MANY);
	rig_pass(&rig, SEC);
	rig_write(&rig, MANY, MANY + 5);
	rig_close(&rig);

	seen_open(&seen, rig.path);
	assert_int_equal(reader_segments(seen.reader), 1);
	segment = reader_segment(seen.reader, 0);
	assert_true(segment->complete);
	assert_false(segment->is_current);
	assert_false(segment->contiguous);
	assert_int_equal(segment->first_ts, BOOT_BEGIN);
	assert_int_equal(segment->first_wall, WALL_BEGIN);
	assert_int_equal(segment->last_ts, BOOT_BEGIN + MANY + 4);
	assert_int_equal(segment->last_wall, WALL_BEGIN + MANY + 4);
	assert_string_equal(segment->version, PORTTRACE_VERSION);
	assert_int_equal(strlen(segment->boot), 36);
	assert_int_equal(strlen(segment->run), 32);

	seen_read(&seen, 0, true, NULL, ~0ULL);
	assert_int_equal(seen.count, rig.keyframe_rows + MANY + 5);
	for (unsigned int i = 0; i < rig.keyframe_rows; i++) {
		union row row = rig_keyframe_row(i);

		assert_memory_equal(&seen.rows[i], &row, sizeof(row));
	}
	seen_has(&seen, rig.keyframe_rows, 0, MANY + 5);
	assert_int_equal(seen.offsets[seen.count - 1], WALL_BEGIN - BOOT_BEGIN);
	assert_int_equal(seen.problems + seen.gaps, 0);
	seen_close(&seen);
	rig_end(&rig);
}

/* A row is in the file a second later, also if it is the only one. */
static void test_a_second_later_it_is_there(void **state)
{
	struct rig rig;
	struct seen seen;

	(void)state;
	rig_begin(&rig);
	rig_open(&rig);
	for (unsigned int i = 0; i < 5; i++) {
		rig_write(&rig, i, i + 1);
		for (unsigned int quarter = 0; quarter < 4; quarter++)
			rig_pass(&rig, SEC / 4);
		seen_all(&seen, rig.path);
		assert_true(reader_segment(seen.reader, 0)->is_current);
		assert_int_equal(seen.count, i + 1);
		assert_int_equal(seen.problems, 0);
		seen_close(&seen);
		assert_int_equal(recorder_counts(rig.recorder).written, i + 1);
	}
	rig_close(&rig);
	rig_end(&rig);
}

static void write_segments(struct rig *rig, unsigned int count, __u64 each)
{
	for (unsigned int i = 0; i < count; i++) {
		rig_write(rig, i * each, (i + 1) * each);
		rig_pass(rig, SEC);
	}
}

static void check_segments(const char *path, unsigned int count, __u64 rows)
{
	struct seen seen;

	seen_all(&seen, path);
	assert_int_equal(reader_segments(seen.reader), count);
	for (unsigned int i = 0; i < count; i++) {
		const struct reader_segment *segment = reader_segment(seen.reader, i);

		assert_int_equal(segment->index, i);
		assert_int_equal(segment->contiguous, i > 0);
		assert_true(segment->complete);
	}
	assert_int_equal(seen.count, rows);
	seen_has(&seen, 0, 0, rows);
	assert_int_equal(seen.problems + seen.gaps, 0);
	seen_close(&seen);
}

static void test_rotation_by_size(void **state)
{
	struct rig rig;

	(void)state;
	rig_begin(&rig);
	rig.options.segment_size = 10000;
	rig_open(&rig);
	write_segments(&rig, 5, 8192);
	assert_int_equal(rig.keyframes, 6);
	assert_int_equal(recorder_counts(rig.recorder).segments, 6);
	rig_close(&rig);
	check_segments(rig.path, 6, 5 * 8192);
	assert_int_equal(rig_file(&rig, 0, NULL), 6);
	rig_end(&rig);
}

static void test_one_file(void **state)
{
	struct rig rig;
	struct stat st;

	(void)state;
	rig_begin(&rig);
	rig.options.segment_size = 10000;
	rig.options.single = true;
	rig_open(&rig);
	write_segments(&rig, 5, 8192);
	assert_int_equal(recorder_counts(rig.recorder).segments, 6);
	assert_int_equal(stat(rig.path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(recorder_counts(rig.recorder).bytes, st.st_size);
	rig_close(&rig);
	check_segments(rig.path, 6, 5 * 8192);

	/* it is a recording: replaced */
	rig.keyframes = 0;
	rig_open(&rig);
	rig_write(&rig, 0, 10);
	rig_close(&rig);
	check_segments(rig.path, 1, 10);
	rig_end(&rig);
}

/* A keyframe that is larger than a segment should be does not fill the disk with its like. */
static void test_large_keyframe(void **state)
{
	struct rig rig;

	(void)state;
	rig_begin(&rig);
	rig.options.segment_size = 1000;
	rig.keyframe_rows = 20000;
	rig_open(&rig);
	for (unsigned int i = 0; i < 20; i++) {
		rig_write(&rig, i, i + 1);
		rig_pass(&rig, SEC);
	}
	assert_int_equal(rig.keyframes, 1);
	rig_close(&rig);
	check_segments(rig.path, 1, 20);
	rig_end(&rig);
}

static void test_rotation_and_retention_by_age(void **state)
{
	struct rig rig;
	struct seen seen;

	(void)state;
	rig_begin(&rig);
	rig.options.max_age_ns = 3600 * SEC;
	rig_open(&rig);
	/* nothing happens: nothing is rotated */
	rig_pass(&rig, 1000 * SEC);
	assert_int_equal(recorder_counts(rig.recorder).segments, 1);
	for (unsigned int i = 0; i < 60; i++) {
		union row row = rig_row(i);

		row.head.ts = rig.boot;
		assert_int_equal(recorder_row(rig.recorder, &row.head), 0);
		rig_pass(&rig, 225 * SEC);
		rig_pass(&rig, SEC);
	}
	/* an hour is 16 segments of 225 s, and the one that is written */
	assert_in_range(recorder_counts(rig.recorder).segments, 16, 18);
	seen_all(&seen, rig.path);
	assert_int_equal(reader_segments(seen.reader), recorder_counts(rig.recorder).segments);
	assert_true(rig.boot - seen.rows[0].head.ts <= 3600 * SEC);
	assert_true(rig.boot - seen.rows[0].head.ts > 3300 * SEC);
	seen_close(&seen);
	rig_close(&rig);

	/* another run much later: all that was is too old */
	rig.boot += 7200 * SEC;
	rig.wall += 7200 * SEC;
	rig_open(&rig);
	assert_int_equal(recorder_counts(rig.recorder).segments, 1);
	rig_close(&rig);
	assert_int_equal(rig_file(&rig, 0, NULL), 1);
	rig_end(&rig);
}

static void put_file(const struct rig *rig, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", rig->path, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static bool is_there(const struct rig *rig, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", rig->path, name);
	return !access(path, F_OK);
}

/* The oldest go, also those of runs before; what is not ours is neither counted nor deleted. */
static void test_retention_by_size(void **state)
{
	struct rig rig;
	struct seen seen;
	__u64 size;

	(void)state;
	rig_begin(&rig);
	rig.options.segment_size = 10000;
	rig_open(&rig);
	write_segments(&rig, 6, 8192);
	size = recorder_counts(rig.recorder).bytes;
	rig_close(&rig);
	put_file(&rig, "00.ptr", "my notes");
	put_file(&rig, "000.ptr", "");
	put_file(&rig, "0000.txt", "PTRB");

	rig.options.max_size = size;
	rig.wall += SEC;
	rig_open(&rig);
	for (unsigned int i = 6; i < 20; i++) {
		rig_write(&rig, i * 8192, (i + 1) * 8192);
		rig_pass(&rig, SEC);
		assert_true(recorder_counts(rig.recorder).bytes <= size);
	}
	assert_in_range(recorder_counts(rig.recorder).segments, 5, 8);
	rig_close(&rig);
	assert_true(is_there(&rig, "00.ptr") && is_there(&rig, "000.ptr"));
	assert_true(is_there(&rig, "0000.txt"));
	seen_all(&seen, rig.path);
	assert_int_equal(seen.problems, 1); /* 00.ptr */
	assert_int_equal(seen.rows[seen.count - 1].head.sock, 20 * 8192);
	seen_has(&seen, 0, 20 * 8192 - seen.count, 20 * 8192);
	seen_close(&seen);
	rig_end(&rig);
}

static void check_busy(struct rig *rig)
{
	struct recorder *second;
	char pid[16];

	assert_int_equal(recorder_new(&rig->options, &second, &rig->why), -EBUSY);
	snprintf(pid, sizeof(pid), "pid %d", getpid());
	if (!rig->options.single)
		assert_non_null(strstr(rig->why.text, pid));
}

static void test_one_recorder_at_a_time(void **state)
{
	(void)state;
	for (int single = 0; single < 2; single++) {
		struct rig rig;

		rig_begin(&rig);
		rig.options.single = single;
		rig_open(&rig);
		check_busy(&rig);
		rig_write(&rig, 0, 3);
		rig_close(&rig);
		check_segments(rig.path, 1, 3);
		rig_open(&rig);
		rig_close(&rig);
		rig_end(&rig);
	}
}

static void test_what_is_no_recording_is_not_overwritten(void **state)
{
	struct rig rig;
	struct recorder *recorder;
	struct stat st;
	FILE *file;

	(void)state;
	rig_begin(&rig);
	rig.options.single = true;
	file = fopen(rig.path, "w");
	fputs("my notes", file);
	fclose(file);
	assert_int_equal(recorder_new(&rig.options, &recorder, &rig.why), -EEXIST);
	assert_non_null(strstr(rig.why.text, "no recording"));
	assert_int_equal(stat(rig.path, &st), 0);
	assert_int_equal(st.st_size, 8);
	unlink(rig.path);
	assert_int_equal(mkfifo(rig.path, 0600), 0);
	assert_int_equal(recorder_new(&rig.options, &recorder, &rig.why), -EEXIST);
	unlink(rig.path);
	rig.options.path = "/nonexistent/file";
	assert_int_equal(recorder_new(&rig.options, &recorder, &rig.why), -ENOENT);
	rig_end(&rig);
}

/* The clock is set back and forth: times are what it showed, the order is what happened. */
static void test_stepped_clock(void **state)
{
	struct rig rig;
	struct seen seen;
	__u64 offset = WALL_BEGIN - BOOT_BEGIN;

	(void)state;
	rig_begin(&rig);
	rig.options.segment_size = 10000;
	rig_open(&rig);
	rig_write(&rig, 0, 8192);
	rig_pass(&rig, SEC);
	rig.wall -= 86400 * SEC;
	rig_write(&rig, 8192, 16384);
	rig_pass(&rig, SEC);
	rig.wall += 2 * 86400 * SEC;
	rig_write(&rig, 16384, 24576);
	rig_pass(&rig, SEC);
	rig.wall += 999999; /* jitter */
	rig_write(&rig, 24576, 24577);
	rig_close(&rig);

	seen_all(&seen, rig.path);
	assert_int_equal(reader_segments(seen.reader), 4);
	for (unsigned int i = 1; i < 4; i++)
		assert_true(reader_segment(seen.reader, i)->contiguous);
	seen_has(&seen, 0, 0, 24577);
	assert_int_equal(seen.offsets[0], offset);
	assert_int_equal(seen.offsets[8192], offset - 86400 * SEC);
	assert_int_equal(seen.offsets[16384], offset + 86400 * SEC);
	assert_int_equal(seen.offsets[24576], offset + 86400 * SEC);
	seen_close(&seen);
	rig_end(&rig);
}

static char *describe(void *data)
{
	return data ? strdup(data) : NULL;
}

static void test_more_about_it(void **state)
{
	struct rig rig;
	struct seen seen;
	struct recorder *recorder;

	(void)state;
	rig_begin(&rig);
	rig.options.describe = describe;
	rig.options.describe_data = "\"range\":[32768,60999],\"run\":\"mine\"";
	rig_open(&rig);
	rig_close(&rig);
	seen_open(&seen, rig.path);
	assert_non_null(strstr(reader_segment(seen.reader, 0)->about, "\"range\":[32768,60999]"));
	assert_null(strstr(reader_segment(seen.reader, 0)->about, "mine"));
	seen_close(&seen);
	rig.options.describe_data = "}";
	assert_int_equal(recorder_new(&rig.options, &recorder, &rig.why), -EINVAL);
	assert_int_equal(rig_file(&rig, 0, NULL), 1);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_back_bit_for_bit),
		cmocka_unit_test(test_a_second_later_it_is_there),
		cmocka_unit_test(test_rotation_by_size),
		cmocka_unit_test(test_one_file),
		cmocka_unit_test(test_large_keyframe),
		cmocka_unit_test(test_rotation_and_retention_by_age),
		cmocka_unit_test(test_retention_by_size),
		cmocka_unit_test(test_one_recorder_at_a_time),
		cmocka_unit_test(test_what_is_no_recording_is_not_overwritten),
		cmocka_unit_test(test_stepped_clock),
		cmocka_unit_test(test_more_about_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
