// SPDX-License-Identifier: BSD-2-Clause
/* A recorder that keeps the newest in memory, and what it writes when it is told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "tests/unit/recordings.h"

#define KEEP (1ULL << 20)
#define MINUTE (60 * SEC)

/* ---- the rig ---------------------------------------------------------------------- */

static struct {
	unsigned int count;
	struct recorder_dumped last;
} dumps;

static void on_dumped(void *data, const struct recorder_dumped *dumped)
{
	(void)data;
	dumps.count++;
	dumps.last = *dumped;
}

static void begin(struct rig *rig)
{
	rig_begin(rig);
	rig->options.keep = KEEP;
	rig->options.dumped = on_dumped;
	memset(&dumps, 0, sizeof(dumps));
}

/* What this process has in files of memory, by what the kernel says of them. */
static __u64 memory_used(void)
{
	char link[64];
	struct stat st;
	__u64 bytes = 0;
	ssize_t n;

	for (int fd = 0; fd < 256; fd++) {
		char path[32];

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		n = readlink(path, link, sizeof(link) - 1);
		link[n > 0 ? n : 0] = '\0';
		if (!strncmp(link, "/memfd:porttrace", 16) && !fstat(fd, &st))
			bytes += (__u64)st.st_blocks * 512;
	}
	return bytes;
}

/* A tick each thousand. */
static void write_rows(struct rig *rig, __u64 from, __u64 to)
{
	for (; from < to; from += 1000) {
		rig_write(rig, from, from + 1000);
		rig_pass(rig, SEC / 4);
		assert_true(recorder_counts(rig->recorder).kept <= KEEP);
		/* and pages that are not full, of two segments more than an eighth each */
		assert_true(memory_used() <= KEEP + (10 << 12));
	}
}

static void check_dump(unsigned int count, __u64 rows)
{
	assert_int_equal(dumps.count, count);
	assert_int_equal(dumps.last.rows, rows);
	assert_int_equal(dumps.last.dropped, 0);
}

/* ---- memory ----------------------------------------------------------------------- */

static void test_memory_is_bounded(void **state)
{
	const __u64 all = 1000000;
	struct recorder_counts counts;
	struct rig rig;
	struct seen seen;

	(void)state;
	begin(&rig);
	rig_open(&rig);
	write_rows(&rig, 0, all);
	assert_int_equal(rig_file(&rig, 0, NULL), 0);
	counts = recorder_counts(rig.recorder);
	assert_true(counts.in_memory);
	assert_true(counts.kept > KEEP * 3 / 4);
	assert_int_equal(counts.bytes + counts.segments + counts.written + counts.dropped, 0);
	assert_in_range(counts.forgotten, 1, all - 1);

	assert_int_equal(recorder_dump(rig.recorder, 0), 0);
	check_dump(1, all - counts.forgotten);
	counts = recorder_counts(rig.recorder);
	assert_int_equal(counts.written, all - counts.forgotten);
	assert_int_equal(counts.segments, rig_file(&rig, 0, NULL));
	assert_int_equal(counts.segments, dumps.last.segments);
	assert_int_equal(counts.bytes, dumps.last.bytes);

	/* the newest, all of them, and what was known before the first one */
	seen_all(&seen, rig.path);
	assert_int_equal(seen.problems + seen.gaps, 0);
	assert_int_equal(seen.count, counts.written);
	seen_has(&seen, 0, counts.forgotten, all);
	assert_true(reader_segment(seen.reader, 0)->index > 0);
	assert_int_equal(reader_segment(seen.reader, 0)->first_wall, dumps.last.first_wall);
	for (unsigned int i = 0; i < reader_segments(seen.reader); i++) {
		assert_true(reader_segment(seen.reader, i)->complete);
		assert_int_equal(reader_segment(seen.reader, i)->contiguous, i > 0);
	}
	seen.count = 0;
	seen_read(&seen, 0, true, NULL, ~0ULL);
	assert_true(seen.count > rig.keyframe_rows);
	seen_has(&seen, rig.keyframe_rows, counts.forgotten, counts.forgotten + 1);
	seen_close(&seen);
	rig_close(&rig);
	rig_end(&rig);
}

/* What holds ports takes most of the memory. */
static void test_large_keyframe(void **state)
{
	struct rig rig;
	struct seen seen;

	(void)state;
	begin(&rig);
	rig.keyframe_rows = 300000; /* most of KEEP */
	rig_open(&rig);
	assert_non_null(strstr(rig.notices, "no more than the newest segment"));
	for (__u64 n = 0; n < 500000; n += 1000) {
		rig_write(&rig, n, n + 1000);
		rig_pass(&rig, SEC / 4);
		/* one that begins and the one that goes */
		assert_true(memory_used() < 2 * KEEP);
	}
	assert_in_range(rig.keyframes, 3, 50);
	assert_null(strchr(strchr(rig.notices, '\n') + 1, '\n'));
	rig_close(&rig);
	seen_all(&seen, rig.path);
	assert_in_range(seen.count, 1, 499999);
	seen_has(&seen, 0, 500000 - seen.count, 500000);
	seen_close(&seen);
	rig_end(&rig);
}

/* ---- dumps ------------------------------------------------------------------------ */

static void test_nothing_twice(void **state)
{
	struct rig rig;
	struct seen seen;
	__u64 first, forgotten;
	unsigned int gaps = 0;

	(void)state;
	begin(&rig);
	rig_open(&rig);
	write_rows(&rig, 0, 5000);
	assert_int_equal(recorder_dump(rig.recorder, 0), 0);
	check_dump(1, 5000);
	/* nothing is new */
	first = rig_file(&rig, 0, NULL);
	assert_int_equal(recorder_dump(rig.recorder, 0), 0);
	check_dump(2, 0);
	assert_int_equal(rig_file(&rig, 0, NULL), first);
	/* goes on */
	write_rows(&rig, 5000, 8000);
	assert_int_equal(recorder_dump(rig.recorder, 0), 0);
	check_dump(3, 3000);
	/* and again when memory did not have room for all that happened meanwhile */
	write_rows(&rig, 8000, 1008000);
	forgotten = recorder_counts(rig.recorder).forgotten;
	assert_true(forgotten > 0);
	rig_write(&rig, 1008000, 1008007);
	rig_close(&rig);
	check_dump(4, 1000007 - forgotten);

	seen_all(&seen, rig.path);
	assert_int_equal(seen.count, 1008007 - forgotten);
	seen_has(&seen, 0, 0, 8000);
	seen_has(&seen, 8000, 8000 + forgotten, 1008007);
	for (unsigned int i = 1; i < reader_segments(seen.reader); i++)
		gaps += !reader_segment(seen.reader, i)->contiguous;
	assert_int_equal(gaps, 1);
	seen_close(&seen);
	rig_end(&rig);
}

/* Never asked: at the end it is all written, be it nothing. */
static void test_end(void **state)
{
	(void)state;
	for (__u64 rows = 0; rows < 20; rows += 10) {
		struct rig rig;
		struct seen seen;

		begin(&rig);
		rig_open(&rig);
		rig_write(&rig, 0, rows);
		assert_int_equal(recorder_finish(rig.recorder), 0);
		assert_int_equal(recorder_counts(rig.recorder).written, rows);
		assert_int_equal(recorder_counts(rig.recorder).segments, 1);
		check_dump(1, rows);
		rig_close(&rig);
		check_dump(1, rows);
		seen_all(&seen, rig.path);
		assert_int_equal(seen.count, rows);
		seen_close(&seen);
		rig_end(&rig);
	}
}

/* What follows goes to files for a minute, then to memory again. */
static void test_the_minute_after(void **state)
{
	struct rig rig;
	struct seen seen;

	(void)state;
	begin(&rig);
	rig_open(&rig);
	write_rows(&rig, 0, 3000);
	assert_int_equal(recorder_dump(rig.recorder, MINUTE), 0);
	check_dump(1, 3000);
	assert_false(recorder_counts(rig.recorder).in_memory);
	for (__u64 n = 3000; n < 9000; n += 100) {
		rig_write(&rig, n, n + 100);
		rig_pass(&rig, SEC - 1);
		assert_int_equal(recorder_counts(rig.recorder).written, n + 100);
	}
	assert_int_equal(recorder_dump(rig.recorder, 0), 0);
	check_dump(1, 3000);
	rig_pass(&rig, SEC);
	assert_true(recorder_counts(rig.recorder).in_memory);
	write_rows(&rig, 9000, 12000);
	assert_int_equal(recorder_counts(rig.recorder).written, 9000);
	assert_int_equal(rig_file(&rig, 0, NULL), 2);
	rig_close(&rig);
	check_dump(2, 3000);

	seen_all(&seen, rig.path);
	assert_int_equal(seen.count, 12000);
	seen_has(&seen, 0, 0, 12000);
	assert_int_equal(reader_segments(seen.reader), 3);
	for (unsigned int i = 1; i < 3; i++)
		assert_true(reader_segment(seen.reader, i)->contiguous);
	seen_close(&seen);
	rig_end(&rig);
}

/* An hour is nothing to memory: segments of a quiet host are not many for that. */
static void test_quiet_for_long(void **state)
{
	struct rig rig;

	(void)state;
	begin(&rig);
	rig.options.max_age_ns = 600 * SEC;
	rig_open(&rig);
	for (__u64 n = 0; n < 100; n++) {
		rig_write(&rig, n, n + 1);
		rig_pass(&rig, MINUTE);
	}
	assert_int_equal(rig.keyframes, 1);
	rig_close(&rig);
	check_dump(1, 100);
	rig_end(&rig);
}

/* The directory is bounded as ever. */
static void test_max_size(void **state)
{
	struct rig rig;
	struct seen seen;

	(void)state;
	begin(&rig);
	rig.options.max_size = KEEP / 2;
	rig_open(&rig);
	write_rows(&rig, 0, 1000000);
	assert_int_equal(recorder_dump(rig.recorder, 0), 0);
	rig_pass(&rig, SEC);
	assert_true(recorder_counts(rig.recorder).bytes <= KEEP / 2);
	rig_close(&rig);
	seen_all(&seen, rig.path);
	assert_in_range(seen.count, 1, 999999);
	seen_has(&seen, 0, 1000000 - seen.count, 1000000);
	seen_close(&seen);
	rig_end(&rig);
}

/* ---- where it cannot be written ---------------------------------------------------- */

static void test_told_at_the_start(void **state)
{
	struct recorder *recorder;
	struct rig rig;

	(void)state;
	begin(&rig);
	rig_open(&rig);
	assert_int_equal(recorder_new(&rig.options, &recorder, &rig.why), -EBUSY);
	rig_close(&rig);
	rig.options.path = "/nonexistent/dir";
	assert_int_equal(recorder_new(&rig.options, &recorder, &rig.why), -ENOENT);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_is_bounded), cmocka_unit_test(test_large_keyframe),
		cmocka_unit_test(test_nothing_twice),	  cmocka_unit_test(test_end),
		cmocka_unit_test(test_the_minute_after),  cmocka_unit_test(test_quiet_for_long),
		cmocka_unit_test(test_max_size),	  cmocka_unit_test(test_told_at_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
