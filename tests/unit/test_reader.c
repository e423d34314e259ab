// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <time.h>

#include "tests/unit/recordings.h"
#include "user/recording/crc32c.h"
#include "user/recording/format.h"

/* ---- a file to damage ----------------------------------------------------------- */

struct image {
	char *bytes;
	size_t size;
	size_t blocks[64]; /* where each begins */
	unsigned int count;
};

static struct format_block_head *block_of(const struct image *image, unsigned int n)
{
	return (struct format_block_head *)(image->bytes + image->blocks[n]);
}

static void load_image(struct image *image, const char *path)
{
	FILE *file = fopen(path, "r");
	struct stat st;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	image->size = (size_t)st.st_size;
	image->bytes = malloc(image->size);
	assert_non_null(image->bytes);
	assert_int_equal(fread(image->bytes, 1, image->size, file), image->size);
	fclose(file);
	image->count = 0;
	for (size_t at = 0; at < image->size;) {
		struct format_block_head head;

		memcpy(&head, image->bytes + at, sizeof(head));
		image->blocks[image->count++] = at;
		at += head.size;
	}
}

static void store(const char *path, const void *bytes, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, size, file), size);
	fclose(file);
}

/* SEGMENT, KEYFRAME, then blocks of ten rows each. Without a footer: as a crash leaves it. */
#define BLOCKS 6
#define EACH 10ULL

static void record_blocks(struct rig *rig, struct image *image, bool footer)
{
	char path[512];

	rig_begin(rig);
	rig_open(rig);
	for (unsigned int i = 0; i < BLOCKS; i++) {
		rig_write(rig, i * EACH, (i + 1) * EACH);
		rig_pass(rig, SEC);
	}
	rig_close(rig);
	assert_int_equal(rig_file(rig, 0, path), 1);
	load_image(image, path);
	assert_int_equal(image->count, 2 + BLOCKS + 1);
	if (!footer)
		image->size = image->blocks[--image->count];
	snprintf(rig->path, sizeof(rig->path), "%s/damaged", rig->dir);
	rig_remove(rig->dir);
	snprintf(path, sizeof(path), "%s/recording", rig->dir);
	rig_remove(path);
	rig->recorder = NULL;
}

static void end_image(struct rig *rig, struct image *image)
{
	free(image->bytes);
	rig_end(rig);
}

/* ---- damage --------------------------------------------------------------------- */

/* Cut anywhere, all before is read; what is left over is told once. */
static void test_cut_at_every_byte(void **state)
{
	struct rig rig;
	struct image image;
	size_t last;

	(void)state;
	record_blocks(&rig, &image, false);
	last = image.blocks[image.count - 1];
	for (size_t size = last; size <= image.size; size++) {
		struct seen seen;
		bool whole = size == image.size, clean = whole || size == last;

		store(rig.path, image.bytes, size);
		seen_all(&seen, rig.path);
		assert_int_equal(seen.count, (BLOCKS - !whole) * EACH);
		seen_has(&seen, 0, 0, seen.count);
		assert_int_equal(seen.problems, !clean);
		assert_int_equal(seen.gaps, 0);
		if (!clean)
			assert_non_null(strstr(seen.problem, "no complete block"));
		seen_read(&seen, 0, false, NULL, ~0ULL);
		assert_int_equal(seen.problems, !clean);
		assert_false(reader_segment(seen.reader, 0)->complete);
		seen_close(&seen);
	}
	end_image(&rig, &image);
}

/* After a power cut a file can have its size before it has its bytes. */
static void test_zeros_at_the_end(void **state)
{
	struct rig rig;
	struct image image;
	size_t last;

	(void)state;
	record_blocks(&rig, &image, false);
	last = image.blocks[image.count - 1];
	for (size_t from = last; from < image.size; from++) {
		struct seen seen;

		if (!image.bytes[from])
			continue;
		memset(image.bytes + from, 0, image.size - from);
		store(rig.path, image.bytes, image.size);
		seen_all(&seen, rig.path);
		assert_int_equal(seen.count, (BLOCKS - 1) * EACH);
		assert_int_equal(seen.problems, 1);
		assert_non_null(strstr(seen.problem, "no complete block"));
		seen_close(&seen);
		free(image.bytes);
		rig_end(&rig);
		record_blocks(&rig, &image, false);
		from += 5;
	}
	end_image(&rig, &image);
}

/* One byte flipped, each in turn, of a block amid the others: its rows are a gap. */
static void flip_each(bool footer, unsigned int block)
{
	struct rig rig;
	struct image image;
	__u64 from = (block - 2) * EACH;

	record_blocks(&rig, &image, footer);
	for (size_t at = image.blocks[block]; at < image.blocks[block + 1]; at++) {
		struct seen seen;

		image.bytes[at] ^= 0x10;
		store(rig.path, image.bytes, image.size);
		seen_all(&seen, rig.path);
		image.bytes[at] ^= 0x10;
		assert_int_equal(seen.count, (BLOCKS - 1) * EACH);
		seen_has(&seen, 0, 0, from);
		seen_has(&seen, from, from + EACH, BLOCKS * EACH);
		assert_int_equal(seen.problems, 1);
		assert_int_equal(seen.gaps, 1);
		assert_int_equal(seen.gap_from, BOOT_BEGIN + (from ? from - 1 : 0));
		assert_int_equal(seen.gap_to, BOOT_BEGIN + from + EACH);
		/* the footer knows how many */
		if (footer)
			assert_int_equal(seen.gap_count, EACH);
		seen_read(&seen, 0, false, NULL, ~0ULL);
		assert_int_equal(seen.gaps, 2);
		assert_int_equal(seen.problems, 1);
		seen_close(&seen);
	}
	end_image(&rig, &image);
}

static void test_flipped_bytes_with_a_footer(void **state)
{
	(void)state;
	flip_each(true, 4);
}

static void test_flipped_bytes_without_a_footer(void **state)
{
	(void)state;
	flip_each(false, 2);
}

/* A footer that is damaged costs nothing but time. */
static void test_flipped_bytes_of_the_footer(void **state)
{
	struct rig rig;
	struct image image;

	(void)state;
	record_blocks(&rig, &image, true);
	for (size_t at = image.blocks[image.count - 1]; at < image.size; at++) {
		struct seen seen;

		image.bytes[at] ^= 1;
		store(rig.path, image.bytes, image.size);
		image.bytes[at] ^= 1;
		seen_all(&seen, rig.path);
		assert_int_equal(seen.count, BLOCKS * EACH);
		assert_int_equal(seen.gaps, 0);
		seen_close(&seen);
	}
	end_image(&rig, &image);
}

/* The beginning of a segment is damaged: it is told, and the segments behind it are read. */
static void test_flipped_bytes_of_a_beginning(void **state)
{
	struct rig rig;
	struct image image, twice;

	(void)state;
	record_blocks(&rig, &image, true);
	twice.size = 2 * image.size;
	twice.bytes = malloc(twice.size);
	assert_non_null(twice.bytes);
	memcpy(twice.bytes, image.bytes, image.size);
	memcpy(twice.bytes + image.size, image.bytes, image.size);
	for (size_t at = 4; at < image.blocks[1]; at++) {
		struct seen seen;

		twice.bytes[at] ^= 1;
		store(rig.path, twice.bytes, twice.size);
		/* the version is not believed without its CRC */
		seen_all(&seen, rig.path);
		twice.bytes[at] ^= 1;
		assert_int_equal(reader_segments(seen.reader), 1);
		assert_int_equal(reader_segment(seen.reader, 0)->offset, image.size);
		assert_int_equal(seen.count, BLOCKS * EACH);
		assert_int_equal(seen.problems, 1);
		seen_close(&seen);
	}
	free(twice.bytes);
	end_image(&rig, &image);
}

/* A whole block was taken out: nothing is left of it to be damaged. */
static void test_missing_block(void **state)
{
	struct rig rig;
	struct image image;
	struct seen seen;

	(void)state;
	record_blocks(&rig, &image, false);
	memmove(image.bytes + image.blocks[3], image.bytes + image.blocks[4],
		image.size - image.blocks[4]);
	store(rig.path, image.bytes, image.size - (image.blocks[4] - image.blocks[3]));
	seen_all(&seen, rig.path);
	assert_int_equal(seen.count, (BLOCKS - 1) * EACH);
	assert_int_equal(seen.gaps, 1);
	assert_int_equal(seen.problems, 1);
	assert_int_equal(seen.gap_from, BOOT_BEGIN + EACH - 1);
	assert_int_equal(seen.gap_to, BOOT_BEGIN + 2 * EACH);
	seen_close(&seen);
	end_image(&rig, &image);
}

/* ---- what it does not read ------------------------------------------------------ */

static void set_version(struct image *image, __u16 version)
{
	struct format_block_head *head = block_of(image, 0);
	size_t size = sizeof(*head) + head->sections * sizeof(struct format_section);

	head->version = version;
	head->crc = 0;
	head->crc = crc32c(0, head, size);
}

static void test_newer_version(void **state)
{
	struct rig rig;
	struct image image;
	struct seen seen;
	char path[512];

	(void)state;
	record_blocks(&rig, &image, true);
	set_version(&image, 7);
	store(rig.path, image.bytes, image.size);
	assert_int_equal(seen_try(&seen, rig.path), -EPROTO);
	assert_non_null(strstr(seen.why.text, "format version 7, this porttrace reads up to 1"));
	/* in a directory with others, they are read */
	snprintf(path, sizeof(path), "%s/new.ptr", rig.dir);
	store(path, image.bytes, image.size);
	assert_int_equal(seen_try(&seen, rig.dir), -EPROTO);
	set_version(&image, FORMAT_VERSION);
	snprintf(path, sizeof(path), "%s/old.ptr", rig.dir);
	store(path, image.bytes, image.size);
	seen_all(&seen, rig.dir);
	assert_int_equal(seen.count, BLOCKS * EACH);
	assert_int_equal(seen.problems, 1);
	assert_non_null(strstr(seen.problem, "format version 7"));
	seen_close(&seen);
	end_image(&rig, &image);
}

static void test_foreign_files(void **state)
{
	struct rig rig;
	struct seen seen;

	(void)state;
	rig_begin(&rig);
	assert_int_equal(seen_try(&seen, rig.path), -ENOENT);
	store(rig.path, "", 0);
	assert_int_equal(seen_try(&seen, rig.path), -ENOENT);
	store(rig.path, "PT", 2);
	assert_int_equal(seen_try(&seen, rig.path), -EBADMSG);
	store(rig.path, "my notes", 8);
	assert_int_equal(seen_try(&seen, rig.path), -EBADMSG);
	assert_non_null(strstr(seen.why.text, rig.path));
	store(rig.path, "PTRB my notes", 13);
	assert_int_equal(seen_try(&seen, rig.path), -ENOENT);
	assert_int_equal(seen.problems, 1);
	assert_int_equal(seen_try(&seen, rig.dir), -ENOENT);
	unlink(rig.path);
	assert_int_equal(mkfifo(rig.path, 0600), 0);
	assert_int_equal(seen_try(&seen, rig.path), -EBADMSG);
	unlink(rig.path);
	assert_int_equal(seen_try(&seen, "/dev/zero"), -EBADMSG);
	snprintf(rig.path, sizeof(rig.path), "%s/recording.ptr", rig.dir);
	assert_int_equal(mkdir(rig.path, 0700), 0);
	assert_int_equal(seen_try(&seen, rig.path), -ENOENT);
	assert_int_equal(seen_try(&seen, rig.dir), -EBADMSG);
	assert_int_equal(seen.problems, 1);
	rig_end(&rig);
}

/* ---- what is asked for ---------------------------------------------------------- */

static void test_one_port(void **state)
{
	struct port_set ports = { 0 };
	struct rig rig;
	struct seen seen;

	(void)state;
	rig_begin(&rig);
	rig_open(&rig);
	rig_write(&rig, 0, 50000);
	rig_close(&rig);
	seen_open(&seen, rig.path);
	port_set_add(&ports, 32768 + 100);
	seen_read(&seen, 0, false, &ports, ~0ULL);
	assert_int_equal(seen.count, 3); /* one in 20000 */
	for (unsigned int i = 0; i < 3; i++)
		seen_has(&seen, i, 100 + 20000 * i, 101 + 20000 * i);
	/* with a keyframe: the row of no port in particular */
	seen_read(&seen, 0, true, &ports, ~0ULL);
	assert_int_equal(seen.count, 3 + 1 + 3);
	assert_int_equal(seen.rows[3].head.kind, PT_JR_STATE);
	seen_close(&seen);
	rig_end(&rig);
}

static void test_until(void **state)
{
	struct rig rig;
	struct seen seen;

	(void)state;
	rig_begin(&rig);
	rig_open(&rig);
	rig_write(&rig, 0, 50000);
	rig_close(&rig);
	seen_open(&seen, rig.path);
	seen_read(&seen, 0, false, NULL, WALL_BEGIN + 20000);
	assert_int_equal(seen.count, 20001);
	seen_read(&seen, 0, true, NULL, WALL_BEGIN - 1);
	assert_int_equal(seen.count, 20001);
	seen_close(&seen);
	rig_end(&rig);
}

static void test_find(void **state)
{
	struct rig rig;
	struct seen seen;

	(void)state;
	rig_begin(&rig);
	rig.options.segment_size = 10000;
	rig_open(&rig);
	for (unsigned int i = 0; i < 3; i++) {
		rig_write(&rig, 8192 * i, 8192 * (i + 1));
		rig_pass(&rig, 10 * SEC);
	}
	rig_close(&rig);
	seen_open(&seen, rig.path);
	assert_int_equal(reader_find(seen.reader, WALL_BEGIN - 1), 0);
	assert_int_equal(reader_find(seen.reader, WALL_BEGIN), 0);
	assert_int_equal(reader_find(seen.reader, WALL_BEGIN + 10 * SEC - 1), 0);
	assert_int_equal(reader_find(seen.reader, WALL_BEGIN + 10 * SEC), 1);
	assert_int_equal(reader_find(seen.reader, ~0ULL), 3);
	seen_close(&seen);
	rig_end(&rig);
}

/* Closed, it tells what there was until then; cut off, no more than its last row. */
static void check_end(bool footer, __u64 wanted)
{
	struct rig rig;
	struct image image;
	struct seen seen;
	char path[512];

	record_blocks(&rig, &image, footer);
	mkdir(rig.dir, 0700);
	store(rig.path, image.bytes, image.size);
	seen_open(&seen, rig.path);
	assert_int_equal(reader_segment(seen.reader, 0)->complete, footer);
	assert_int_equal(reader_segment(seen.reader, 0)->end_wall, wanted);
	seen_close(&seen);
	/* behind another one it is not found by the file's end */
	snprintf(path, sizeof(path), "%s/two", rig.dir);
	image.bytes = realloc(image.bytes, 2 * image.size);
	assert_non_null(image.bytes);
	memcpy(image.bytes + image.size, image.bytes, image.size);
	store(path, image.bytes, 2 * image.size);
	seen_open(&seen, path);
	assert_int_equal(reader_segments(seen.reader), 2);
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(reader_segment(seen.reader, i)->end_wall, wanted);
	seen_close(&seen);
	unlink(path);
	end_image(&rig, &image);
}

static void test_end(void **state)
{
	(void)state;
	check_end(true, WALL_BEGIN + BLOCKS * SEC);
	check_end(false, WALL_BEGIN + BLOCKS * EACH - 1);
}

/* The recorder may delete what is too old while it is read. */
static void test_a_file_that_vanishes(void **state)
{
	struct rig rig;
	struct seen seen;
	char path[512];

	(void)state;
	rig_begin(&rig);
	rig.options.segment_size = 10000;
	rig_open(&rig);
	for (unsigned int i = 0; i < 2; i++) {
		rig_write(&rig, 8192 * i, 8192 * (i + 1));
		rig_pass(&rig, SEC);
	}
	rig_close(&rig);
	seen_open(&seen, rig.path);
	rig_file(&rig, 0, path);
	unlink(path);
	seen_read(&seen, 0, false, NULL, ~0ULL);
	seen_read(&seen, 1, false, NULL, ~0ULL);
	assert_int_equal(seen.problems, 1);
	assert_int_equal(seen.gaps, 1);
	assert_int_equal(seen.gap_from, BOOT_BEGIN);
	assert_int_equal(seen.gap_to, BOOT_BEGIN + 8191);
	assert_int_equal(seen.count, 8192);
	/* cut while it is open */
	rig_file(&rig, 0, path);
	assert_int_equal(truncate(path, 2000), 0);
	seen_read(&seen, 1, false, NULL, ~0ULL);
	assert_int_equal(seen.problems, 2);
	assert_int_equal(seen.gaps, 2);
	assert_int_equal(seen.count, 8192);
	seen_close(&seen);
	rig_end(&rig);
}

/* Runs and boots in one directory: in the order in which they were. */
static void test_order_of_runs(void **state)
{
	struct rig rig;
	struct seen seen;

	(void)state;
	rig_begin(&rig);
	for (unsigned int i = 0; i < 4; i++) {
		rig_open(&rig);
		rig_write(&rig, i, i + 1);
		rig_pass(&rig, 10 * SEC);
		rig_close(&rig);
		/* the clock goes back: not so the order */
		rig.wall -= 86400 * SEC;
	}
	seen_all(&seen, rig.path);
	assert_int_equal(reader_segments(seen.reader), 4);
	seen_has(&seen, 0, 0, 4);
	for (unsigned int i = 0; i < 4; i++)
		assert_false(reader_segment(seen.reader, i)->contiguous);
	seen_close(&seen);
	rig_end(&rig);
}

static const char *path_of(void *data, __u64 id)
{
	(void)data;
	return id == 77 ? "/system.slice/curl.service" : NULL;
}

static void test_cgroup_paths(void **state)
{
	struct rig rig;
	struct seen seen;

	(void)state;
	rig_begin(&rig);
	rig.options.cgroup_path = path_of;
	rig_open(&rig);
	rig_write(&rig, 0, 1);
	rig_close(&rig);
	seen_open(&seen, rig.path);
	assert_null(reader_cgroup_path(seen.reader, 77));
	seen_read(&seen, 0, false, NULL, ~0ULL);
	assert_string_equal(reader_cgroup_path(seen.reader, 77), "/system.slice/curl.service");
	assert_null(reader_cgroup_path(seen.reader, 78));
	seen_close(&seen);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_zeros_at_the_end),
		cmocka_unit_test(test_flipped_bytes_with_a_footer),
		cmocka_unit_test(test_flipped_bytes_without_a_footer),
		cmocka_unit_test(test_flipped_bytes_of_the_footer),
		cmocka_unit_test(test_flipped_bytes_of_a_beginning),
		cmocka_unit_test(test_missing_block),
		cmocka_unit_test(test_newer_version),
		cmocka_unit_test(test_foreign_files),
		cmocka_unit_test(test_one_port),
		cmocka_unit_test(test_until),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_a_file_that_vanishes),
		cmocka_unit_test(test_order_of_runs),
		cmocka_unit_test(test_cgroup_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
