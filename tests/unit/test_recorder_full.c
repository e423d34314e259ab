// SPDX-License-Identifier: BSD-2-Clause
/* Recorders on a disk that is full: a tmpfs of 1 MiB in a mount namespace of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include "tests/unit/recordings.h"

/* Why a tmpfs cannot be mounted; NULL: it can. */
static const char *no_mounts;

static int enter_namespace(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNS))
		no_mounts = "no mount namespace of our own";
	else if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		no_mounts = "no private mounts";
	return 0;
}

static void begin_small(struct rig *rig)
{
	if (no_mounts) {
		print_message("skipped: %s\n", no_mounts);
		skip();
	}
	rig_begin(rig);
	assert_int_equal(mount("tmpfs", rig->dir, "tmpfs", 0, "size=1m"), 0);
}

static void end_small(struct rig *rig)
{
	assert_int_equal(umount2(rig->dir, MNT_DETACH), 0);
	rig_end(rig);
}

/* Until there is room for leave bytes, or a page less, and no more. */
static void fill(const struct rig *rig, off_t leave)
{
	static const char page[4096];
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/ballast", rig->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	while (write(fd, page, sizeof(page)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(ftruncate(fd, lseek(fd, 0, SEEK_END) - leave), 0);
	close(fd);
}

static void make_room(const struct rig *rig)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/ballast", rig->dir);
	assert_int_equal(unlink(path), 0);
}

/* Rows from n on until the disk is full, a second each thousand; returns the next one. */
static __u64 write_until_full(struct rig *rig, __u64 n)
{
	while (!recorder_counts(rig->recorder).disk_full) {
		rig_write(rig, n, n + 1000);
		n += 1000;
		rig_pass(rig, SEC);
		assert_true(n < 10000000);
	}
	return n;
}

static unsigned int lines(const char *text)
{
	unsigned int count = 0;

	for (; *text; text++)
		count += *text == '\n';
	return count;
}

/* What waited is written, nothing is lost; it is said once that it waits and once that not. */
static void run_and_resume(struct rig *rig)
{
	struct seen seen;
	__u64 n;

	rig_open(rig);
	rig_write(rig, 0, 100);
	rig_pass(rig, SEC);
	fill(rig, 0);
	n = write_until_full(rig, 100);
	for (int i = 0; i < 20; i++, n += 1000) {
		rig_write(rig, n, n + 1000);
		rig_pass(rig, SEC);
	}
	assert_int_equal(lines(rig->notices), 1);
	assert_non_null(strstr(rig->notices, "no room"));
	assert_true(recorder_counts(rig->recorder).written < n);

	/* what is there can be read */
	seen_all(&seen, rig->path);
	assert_int_equal(seen.count, recorder_counts(rig->recorder).written);
	assert_int_equal(seen.problems, 0);
	seen_close(&seen);

	make_room(rig);
	rig_pass(rig, SEC);
	assert_false(recorder_counts(rig->recorder).disk_full);
	assert_int_equal(recorder_counts(rig->recorder).written, n);
	assert_int_equal(lines(rig->notices), 2);
	assert_non_null(strstr(rig->notices, "room again"));
	rig_write(rig, n, n + 10);
	rig_close(rig);

	seen_all(&seen, rig->path);
	assert_int_equal(seen.count, n + 10);
	seen_has(&seen, 0, 0, n + 10);
	assert_int_equal(seen.gaps + seen.problems, 0);
	for (unsigned int i = 1; i < reader_segments(seen.reader); i++)
		assert_true(reader_segment(seen.reader, i)->contiguous);
	seen_close(&seen);
}

static void test_it_waits_and_resumes(void **state)
{
	(void)state;
	for (int single = 0; single < 2; single++) {
		struct rig rig;

		begin_small(&rig);
		rig.options.single = single;
		run_and_resume(&rig);
		end_small(&rig);
	}
}

/* The disk is full when a segment is to begin: all is as before until there is room. */
static void fail_to_rotate(struct rig *rig)
{
	struct seen seen;
	__u64 n, first;

	rig->options.segment_size = 1;
	rig->keyframe_rows = 8000;
	rig_open(rig);
	first = recorder_counts(rig->recorder).bytes;
	/* for as many events as begin another segment, but not for its keyframe */
	fill(rig, (off_t)(first + first / 2));
	n = write_until_full(rig, 0);
	assert_int_equal(recorder_counts(rig->recorder).written, n);
	assert_true(rig->keyframes > 1);
	for (int i = 0; i < 5; i++, n += 10) {
		rig_write(rig, n, n + 10);
		rig_pass(rig, SEC);
		assert_true(recorder_counts(rig->recorder).disk_full);
		assert_int_equal(recorder_counts(rig->recorder).segments, 1);
	}
	assert_int_equal(lines(rig->notices), 1);
	/* nothing of what was tried is left */
	seen_all(&seen, rig->path);
	assert_int_equal(reader_segments(seen.reader), 1);
	assert_false(reader_segment(seen.reader, 0)->complete);
	assert_int_equal(seen.count, recorder_counts(rig->recorder).written);
	seen_close(&seen);
	assert_int_equal(rig_file(rig, 0, NULL), !rig->options.single);

	rig_pass(rig, SEC * 9 / 10);
	rig_write(rig, n, n + 10);
	n += 10;
	make_room(rig);
	rig_pass(rig, SEC / 10);
	assert_false(recorder_counts(rig->recorder).disk_full);
	assert_int_equal(recorder_counts(rig->recorder).segments, 2);
	assert_int_equal(recorder_counts(rig->recorder).written, n);
	rig_close(rig);
	seen_all(&seen, rig->path);
	assert_int_equal(seen.count, n);
	assert_int_equal(reader_segments(seen.reader), 2);
	assert_true(reader_segment(seen.reader, 1)->contiguous);
	assert_int_equal(seen.problems + seen.gaps, 0);
	seen_close(&seen);
}

static void test_rotation_waits(void **state)
{
	(void)state;
	for (int single = 0; single < 2; single++) {
		struct rig rig;

		begin_small(&rig);
		rig.options.single = single;
		fail_to_rotate(&rig);
		end_small(&rig);
	}
}

static void test_dropped_as_a_whole(void **state)
{
	(void)state;
	for (int single = 0; single < 2; single++) {
		struct rig rig;
		struct seen seen;
		const struct reader_segment *segment;
		__u64 n, written, dropped = 0;

		begin_small(&rig);
		rig.options.single = single;
		rig.options.memory = 4000;
		rig_open(&rig);
		fill(&rig, 0);
		n = write_until_full(&rig, 0);
		while (!recorder_counts(rig.recorder).dropped) {
			rig_write(&rig, n, n + 1000);
			n += 1000;
			rig_pass(&rig, SEC);
		}
		written = recorder_counts(rig.recorder).written;
		/* these will be dropped, too: they are behind the hole */
		rig_pass(&rig, SEC * 9 / 10);
		rig_write(&rig, n, n + 7);
		n += 7;
		assert_int_equal(lines(rig.notices), 2);
		make_room(&rig);
		rig_pass(&rig, SEC / 10);
		assert_int_equal(recorder_counts(rig.recorder).dropped, n - written);
		assert_int_equal(rig.keyframes, 2);
		assert_int_equal(lines(rig.notices), 3);
		rig_write(&rig, n, n + 10);
		assert_int_equal(recorder_close(rig.recorder, &dropped), 0);
		assert_int_equal(dropped, n - written);

		seen_all(&seen, rig.path);
		assert_int_equal(reader_segments(seen.reader), 2);
		segment = reader_segment(seen.reader, 1);
		assert_int_equal(segment->index, 1);
		assert_false(segment->contiguous);
		assert_int_equal(segment->dropped, n - written);
		assert_true(reader_segment(seen.reader, 0)->complete);
		assert_int_equal(seen.count, written + 10);
		seen_has(&seen, 0, 0, written);
		seen_has(&seen, written, n, n + 10);
		seen_close(&seen);
		end_small(&rig);
	}
}

static void test_no_room_at_the_end(void **state)
{
	struct rig rig;
	struct seen seen;
	__u64 n, written, dropped = 0;

	(void)state;
	begin_small(&rig);
	rig_open(&rig);
	fill(&rig, 0);
	n = write_until_full(&rig, 0);
	rig_write(&rig, n, n + 5);
	written = recorder_counts(rig.recorder).written;
	assert_int_equal(recorder_close(rig.recorder, &dropped), -ENOSPC);
	assert_int_equal(dropped, n + 5 - written);
	seen_all(&seen, rig.path);
	assert_int_equal(seen.count, written);
	assert_int_equal(seen.problems, 0);
	assert_false(reader_segment(seen.reader, 0)->complete);
	seen_close(&seen);
	/* nor can another begin; it leaves nothing behind */
	assert_int_equal(recorder_new(&rig.options, &rig.recorder, &rig.why), -ENOSPC);
	assert_int_equal(rig_file(&rig, 0, NULL), 1);
	end_small(&rig);
}

/* A bound on the size of a file is a full disk, where the signal is ignored. */
static void test_file_size_limit(void **state)
{
	struct rlimit before, limit;
	struct rig rig;
	struct seen seen;
	__u64 n, written;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 20000;
	rig_begin(&rig);
	rig.options.single = true;
	rig_open(&rig);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	n = write_until_full(&rig, 0);
	written = recorder_counts(rig.recorder).written;
	seen_all(&seen, rig.path);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(seen.count, written);
	assert_int_equal(seen.problems, 0);
	seen_close(&seen);
	rig_pass(&rig, SEC);
	rig_close(&rig);
	seen_all(&seen, rig.path);
	assert_int_equal(seen.count, n);
	seen_has(&seen, 0, 0, n);
	seen_close(&seen);
	rig_end(&rig);
}

/* ---- what is dumped from memory ------------------------------------------------- */

static void count_dumps(void *data, const struct recorder_dumped *dumped)
{
	struct rig *rig = data;

	(void)dumped;
	rig_notice(rig, "dumped");
}

static void begin_dump(struct rig *rig)
{
	begin_small(rig);
	rig->options.keep = 1 << 20;
	rig->options.dumped = count_dumps;
	rig_open(rig);
	fill(rig, 0);
	rig_write(rig, 0, 10000);
	rig_pass(rig, SEC);
	assert_int_equal(recorder_dump(rig->recorder, 60 * SEC), 0);
	assert_true(recorder_counts(rig->recorder).disk_full);
	assert_int_equal(rig_file(rig, 0, NULL), 0);
}

/* It stays in memory until there is room; then the rest of the minute goes to files. */
static void test_dump_waits(void **state)
{
	struct rig rig;
	struct seen seen;

	(void)state;
	begin_dump(&rig);
	for (__u64 n = 10000; n < 15000; n += 1000) {
		rig_write(&rig, n, n + 1000);
		rig_pass(&rig, SEC);
	}
	assert_int_equal(lines(rig.notices), 1);
	assert_int_equal(recorder_counts(rig.recorder).written, 0);
	make_room(&rig);
	rig_pass(&rig, SEC);
	assert_int_equal(recorder_counts(rig.recorder).written, 15000);
	assert_false(recorder_counts(rig.recorder).disk_full);
	assert_false(recorder_counts(rig.recorder).in_memory);
	assert_non_null(strstr(rig.notices, "\ndumped\n"));
	rig_write(&rig, 15000, 15010);
	rig_close(&rig);
	seen_all(&seen, rig.path);
	assert_int_equal(seen.count, 15010);
	seen_has(&seen, 0, 0, 15010);
	assert_int_equal(seen.problems, 0);
	for (unsigned int i = 1; i < reader_segments(seen.reader); i++)
		assert_true(reader_segment(seen.reader, i)->contiguous);
	seen_close(&seen);
	end_small(&rig);
}

/* For so long that memory needs the place; and to the end. */
static void test_dump_drops_the_oldest(void **state)
{
	struct rig rig;
	struct recorder_counts counts;
	__u64 dropped = 0, n;

	(void)state;
	begin_dump(&rig);
	for (n = 10000; n < 500000; n += 1000) {
		rig_write(&rig, n, n + 1000);
		rig_pass(&rig, SEC / 8);
	}
	counts = recorder_counts(rig.recorder);
	assert_true(counts.kept <= 1 << 20);
	assert_true(counts.dropped >= 10000);
	assert_null(strstr(rig.notices, "dumped"));
	assert_int_equal(recorder_close(rig.recorder, &dropped), -ENOSPC);
	assert_int_equal(dropped, n - counts.forgotten);
	assert_int_equal(rig_file(&rig, 0, NULL), 0);
	end_small(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_waits_and_resumes),
		cmocka_unit_test(test_rotation_waits),
		cmocka_unit_test(test_dropped_as_a_whole),
		cmocka_unit_test(test_no_room_at_the_end),
		cmocka_unit_test(test_file_size_limit),
		cmocka_unit_test(test_dump_waits),
		cmocka_unit_test(test_dump_drops_the_oldest),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
