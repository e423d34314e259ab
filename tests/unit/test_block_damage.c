// SPDX-License-Identifier: BSD-2-Clause
/* Blocks that are cut, flipped, or that lie with the right CRCs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/blocks.h"
#include "user/event/decode.h"
#include "user/recording/block.h"

#define ROWS 57 /* three of each kind */

struct fixture {
	struct block_writer *writer;
	struct block_reader *reader;
	union block_row rows[ROWS];
	char *block; /* a copy to spoil, of just that size */
	size_t size;
};

static const char *path_of(void *data, __u64 id)
{
	(void)data;
	return id % 2 ? "/system.slice/a.service" : NULL;
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct block_info info = { .type = FORMAT_EVENTS, .cgroup_path = path_of };
	const void *bytes;
	__u64 random = 11;

	f->writer = block_writer_new(0);
	f->reader = block_reader_new();
	for (unsigned int i = 0; i < ROWS; i++) {
		blocks_any_row(&random, blocks_kinds[i % 19], &f->rows[i]);
		assert_int_equal(block_writer_add(f->writer, &f->rows[i].head), 0);
	}
	assert_int_equal(block_writer_finish(f->writer, &info, &bytes, &f->size), 0);
	f->block = malloc(f->size);
	memcpy(f->block, bytes, f->size);
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	block_writer_free(f->writer);
	block_reader_free(f->reader);
	free(f->block);
	free(f);
	return 0;
}

/* The sections uncompressed: a byte of them is then a byte of a column. */
static int begin_unpacked(void **state)
{
	struct fixture *f;
	char *packed;

	begin(state);
	f = *state;
	packed = f->block;
	f->block = blocks_unpacked(packed, f->size, &f->size);
	free(packed);
	f->block = realloc(f->block, f->size);
	return f->block ? 0 : -1;
}

static void ignore(void *data, __u64 id, const char *path)
{
	(void)id;
	*(size_t *)data += strlen(path);
}

/*
 * Reads what there is; each row must be sound. Returns the error, or 0: then same says
 * whether the rows are those that were written.
 */
static int read_all(struct fixture *f, const void *bytes, size_t size, bool *same)
{
	const struct pt_rec_head *sound;
	union block_row row;
	unsigned int count = 0;
	size_t paths = 0;
	int got = block_reader_load(f->reader, bytes, size, NULL);

	*same = true;
	if (got)
		return got;
	while ((got = block_reader_next(f->reader, &row)) > 0) {
		assert_int_equal(decode_row(&row, row.head.size, &sound), 0);
		*same &= count < ROWS && f->rows[count].head.size == row.head.size &&
			 !memcmp(&row, &f->rows[count], row.head.size);
		assert_in_range(++count, 1, FORMAT_ROWS_MAX);
	}
	*same &= count == ROWS;
	block_reader_cgroups(f->reader, ignore, &paths);
	return got;
}

static void test_undamaged(void **state)
{
	struct fixture *f = *state;
	bool same;

	assert_int_equal(read_all(f, f->block, f->size, &same), 0);
	assert_true(same);
}

static void test_cut(void **state)
{
	struct fixture *f = *state;
	bool same;

	for (size_t size = 0; size < f->size; size++) {
		void *copy = malloc(size);

		memcpy(copy, f->block, size);
		assert_int_equal(read_all(f, copy, size, &same), -EBADMSG);
		free(copy);
	}
}

static void test_every_bit(void **state)
{
	struct fixture *f = *state;
	bool same;

	for (size_t bit = 0; bit < f->size * 8; bit++) {
		f->block[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(read_all(f, f->block, f->size, &same), -EBADMSG);
		f->block[bit / 8] ^= (char)(1 << bit % 8);
	}
}

/* What a CRC cannot help against: it was made so. */
static void test_every_bit_with_right_crcs(void **state)
{
	struct fixture *f = *state;
	char *copy = malloc(f->size);
	unsigned int refused = 0, other = 0;
	bool same;

	for (size_t bit = 0; bit < f->size * 8; bit++) {
		int err;

		memcpy(copy, f->block, f->size);
		copy[bit / 8] ^= (char)(1 << bit % 8);
		blocks_seal(copy, f->size);
		err = read_all(f, copy, f->size, &same);
		assert_true(err == 0 || err == -EBADMSG || err == -EPROTO);
		refused += err != 0;
		other += !err && !same;
	}
	/* both happen: a value is changed, or a length */
	assert_true(refused > 100 && other > 100);
	free(copy);
}

/* A byte inside a section, two at once, many times over. */
static void test_random_bytes_with_right_crcs(void **state)
{
	struct fixture *f = *state;
	char *copy = malloc(f->size);
	__u64 random = 2;
	bool same;

	for (int i = 0; i < 30000; i++) {
		memcpy(copy, f->block, f->size);
		for (int j = 0; j < 2; j++)
			copy[synthetic_random(&random) % f->size] = (char)synthetic_random(&random);
		blocks_seal(copy, f->size);
		read_all(f, copy, f->size, &same);
	}
	free(copy);
}

/* ---- the directory ------------------------------------------------------------ */

static struct format_block_head *head_of(struct fixture *f)
{
	return (struct format_block_head *)f->block;
}

/* Its entry of a section. */
static struct format_section *entry_of(struct fixture *f, __u16 id)
{
	for (unsigned int i = 0; i < head_of(f)->sections; i++)
		if (blocks_section(f->block, i)->id == id)
			return blocks_section(f->block, i);
	fail();
	return NULL;
}

static int reseal_and_read(struct fixture *f, bool *same)
{
	blocks_seal(f->block, f->size);
	return read_all(f, f->block, f->size, same);
}

static void test_a_newer_version(void **state)
{
	struct fixture *f = *state;
	struct port_set ports = { 0 };
	struct block_head head;
	void *out;
	size_t size;
	bool same;

	head_of(f)->version = FORMAT_VERSION + 1;
	/* one flipped bit is no new version */
	assert_int_equal(block_parse_head(f->block, f->size, &head), -EBADMSG);
	assert_int_equal(reseal_and_read(f, &same), -EPROTO);
	assert_int_equal(block_parse_head(f->block, f->size, &head), -EPROTO);
	assert_int_equal(block_section(f->block, f->size, FORMAT_SECTION_PORTS, &out, &size),
			 -EPROTO);
	assert_int_equal(block_has_port(f->block, f->size, &ports), -EBADMSG);
	head_of(f)->version = 0;
	assert_int_equal(reseal_and_read(f, &same), -EBADMSG);
}

static void test_unknown_types_are_the_callers(void **state)
{
	struct fixture *f = *state;
	struct block_head head;
	bool same;

	head_of(f)->type = 99;
	assert_int_equal(reseal_and_read(f, &same), -EBADMSG);
	assert_int_equal(block_parse_head(f->block, f->size, &head), 0);
	assert_int_equal(head.type, 99);
	assert_int_equal(head.size, f->size);
}

static void test_unknown_sections_are_skipped(void **state)
{
	struct fixture *f = *state;
	const size_t entry = sizeof(struct format_section), head = sizeof(struct format_block_head);
	const char more[5] = { 1, 2, 3, 4, 5 };
	char *longer = malloc(f->size + entry + sizeof(more));
	size_t directory = head + head_of(f)->sections * entry;
	const struct format_section unknown = {
		.id = 999, .codec = 77, .stored = sizeof(more), .unpacked = 1000
	};
	bool same;

	memcpy(longer, f->block, directory);
	memcpy(longer + directory, &unknown, entry);
	memcpy(longer + directory + entry, f->block + directory, f->size - directory);
	memcpy(longer + f->size + entry, more, sizeof(more));
	free(f->block);
	f->block = longer;
	f->size += entry + sizeof(more);
	head_of(f)->sections++;
	head_of(f)->size = (__u32)f->size;
	assert_int_equal(reseal_and_read(f, &same), 0);
	assert_true(same);
}

/* Without one of them the rows cannot be told; the paths can be missing. */
static void test_every_missing_section(void **state)
{
	struct fixture *f = *state;
	bool same;

	for (unsigned int i = 0; i < head_of(f)->sections; i++) {
		struct format_section *section = blocks_section(f->block, i);
		__u16 id = section->id;
		int want = id == FORMAT_SECTION_CGROUPS ? 0 : -EBADMSG;

		section->id = 500;
		assert_int_equal(reseal_and_read(f, &same), want);
		section->id = id;
	}
	assert_int_equal(head_of(f)->sections, FORMAT_SECTIONS_OF_ROWS - 1);
}

static void test_every_section_twice(void **state)
{
	struct fixture *f = *state;
	bool same;

	for (unsigned int i = 1; i < head_of(f)->sections; i++) {
		struct format_section *section = blocks_section(f->block, i);
		__u16 id = section->id;

		section->id = section[-1].id;
		assert_int_equal(reseal_and_read(f, &same), -EBADMSG);
		section->id = id;
	}
}

static void test_sizes_that_lie(void **state)
{
	static const __u32 sizes[] = { 0, 1, FORMAT_SECTION_MAX, FORMAT_SECTION_MAX + 1, ~0U };
	struct fixture *f = *state;
	bool same;

	for (unsigned int i = 0; i < head_of(f)->sections; i++) {
		struct format_section *section = blocks_section(f->block, i), kept = *section;

		for (unsigned int j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
			section->unpacked = sizes[j];
			assert_int_equal(reseal_and_read(f, &same), -EBADMSG);
			*section = kept;
			section->stored = sizes[j];
			assert_int_equal(reseal_and_read(f, &same), -EBADMSG);
			*section = kept;
		}
	}
	for (unsigned int j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
		head_of(f)->rows = sizes[j];
		assert_int_equal(reseal_and_read(f, &same), -EBADMSG);
	}
	head_of(f)->rows = FORMAT_ROWS_MAX + 1;
	assert_int_equal(reseal_and_read(f, &same), -EBADMSG);
}

/* Before anything is allocated. */
static void test_a_section_too_large_to_unpack(void **state)
{
	struct fixture *f = *state;
	struct format_section *section = entry_of(f, FORMAT_SECTION_OWNERS);
	struct block_head head;

	assert_int_equal(section->codec, FORMAT_ZSTD);
	section->unpacked = FORMAT_SECTION_MAX + 1;
	blocks_seal(f->block, f->size);
	assert_int_equal(block_parse_head(f->block, f->size, &head), -EBADMSG);
}

static void test_ports_must_be_the_first_and_raw(void **state)
{
	struct fixture *f = *state;
	struct block_head head;

	entry_of(f, FORMAT_SECTION_PORTS)->codec = FORMAT_ZSTD;
	blocks_seal(f->block, f->size);
	assert_int_equal(block_parse_head(f->block, f->size, &head), -EBADMSG);
	entry_of(f, FORMAT_SECTION_PORTS)->codec = FORMAT_RAW;
	head_of(f)->rows--;
	blocks_seal(f->block, f->size);
	assert_int_equal(block_parse_head(f->block, f->size, &head), -EBADMSG);
	head_of(f)->rows++;
	blocks_seal(f->block, f->size);
	assert_int_equal(block_parse_head(f->block, f->size, &head), 0);
}

/* ---- inside a section --------------------------------------------------------- */

/* Of an unpacked block. */
static __u8 *bytes_of(struct fixture *f, __u16 id)
{
	const struct format_section *entry = entry_of(f, id);
	char *at = (char *)blocks_section(f->block, head_of(f)->sections);

	for (struct format_section *section = blocks_section(f->block, 0); section < entry;
	     section++)
		at += section->stored;
	return (__u8 *)at;
}

/* Makes a section longer, or shorter, by bytes at its end. */
static void set_size(struct fixture *f, __u16 id, size_t size, __u8 fill)
{
	size_t at = (size_t)((char *)bytes_of(f, id) - f->block), old = entry_of(f, id)->stored;
	size_t kept = old < size ? old : size, total = f->size - old + size;
	char *block = malloc(total);

	memcpy(block, f->block, at + kept);
	memset(block + at + kept, fill, size - kept);
	memcpy(block + at + size, f->block + at + old, f->size - at - old);
	free(f->block);
	f->block = block;
	f->size = total;
	head_of(f)->size = (__u32)total;
	entry_of(f, id)->stored = entry_of(f, id)->unpacked = (__u32)size;
	blocks_seal(f->block, f->size);
}

static void test_columns_of_another_length(void **state)
{
	static const __u16 ids[] = {
		FORMAT_SECTION_CLASS_IDS, FORMAT_SECTION_CLASSES,   FORMAT_SECTION_TIMES,
		FORMAT_SECTION_SOCKS,	  FORMAT_SECTION_OWNER_IDS, FORMAT_SECTION_OWNERS,
		FORMAT_SECTION_TUPLE_IDS, FORMAT_SECTION_TUPLES,    FORMAT_SECTION_SEARCHES,
		FORMAT_SECTION_EXTRAS,	  FORMAT_SECTION_CGROUPS,   FORMAT_SECTION_TIME_WAITS,
	};
	struct fixture *f = *state;
	bool same;

	for (unsigned int i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		size_t size = entry_of(f, ids[i])->stored;
		__u8 last = bytes_of(f, ids[i])[size - 1];

		set_size(f, ids[i], size + 1, 0);
		assert_int_equal(read_all(f, f->block, f->size, &same), -EBADMSG);
		set_size(f, ids[i], size - 1, 0);
		assert_int_equal(read_all(f, f->block, f->size, &same), -EBADMSG);
		set_size(f, ids[i], size, last);
		assert_int_equal(read_all(f, f->block, f->size, &same), 0);
		assert_true(same);
	}
}

/* More than so many rows can need is not even unpacked: memory is bounded by the rows. */
static void test_columns_that_are_too_long_for_the_rows(void **state)
{
	struct fixture *f = *state;

	set_size(f, FORMAT_SECTION_TIMES, ROWS * 10, 0);
	assert_int_equal(block_reader_load(f->reader, f->block, f->size, NULL), 0);
	set_size(f, FORMAT_SECTION_TIMES, ROWS * 10 + 1, 0);
	assert_int_equal(block_reader_load(f->reader, f->block, f->size, NULL), -EBADMSG);
}

static void test_a_path_that_is_too_long(void **state)
{
	const size_t head = sizeof(__u64) + sizeof(__u16);
	struct fixture *f = *state;
	__u8 *path;
	bool same;

	for (unsigned int len = FORMAT_PATH_MAX - 1; len <= FORMAT_PATH_MAX + 2; len++) {
		set_size(f, FORMAT_SECTION_CGROUPS, head + len, 'a');
		path = bytes_of(f, FORMAT_SECTION_CGROUPS);
		path[head - 2] = (__u8)len;
		path[head - 1] = (__u8)(len >> 8);
		memset(path + head, 'a', len);
		assert_int_equal(reseal_and_read(f, &same), len > FORMAT_PATH_MAX ? -EBADMSG : 0);
	}
}

/* A byte that is refused, whatever else there is. */
static void refuse(struct fixture *f, __u16 id, size_t offset, __u8 value)
{
	__u8 *byte = bytes_of(f, id) + offset, kept = *byte;
	bool same;

	*byte = value;
	assert_int_equal(reseal_and_read(f, &same), -EBADMSG);
	*byte = kept;
	assert_int_equal(reseal_and_read(f, &same), 0);
	assert_true(same);
}

static void test_values_that_are_refused(void **state)
{
	const size_t kind = offsetof(struct format_class, kind);
	const size_t has = offsetof(struct format_class, has);
	const size_t flags = offsetof(struct format_class, flags);
	struct fixture *f = *state;
	__u8 *paths = bytes_of(f, FORMAT_SECTION_CGROUPS);

	/* a class, an owner, a tuple that are not there */
	refuse(f, FORMAT_SECTION_CLASS_IDS, 5, ROWS);
	refuse(f, FORMAT_SECTION_OWNER_IDS, 0, 1);
	refuse(f, FORMAT_SECTION_OWNER_IDS, 1, 3);
	refuse(f, FORMAT_SECTION_TUPLE_IDS, 0, 1);
	/* a kind that nobody knows, columns that its kind has not */
	refuse(f, FORMAT_SECTION_CLASSES, kind, 0);
	refuse(f, FORMAT_SECTION_CLASSES, kind, PT_REC_KINDS);
	refuse(f, FORMAT_SECTION_CLASSES, kind, PT_ROW_SOCK);
	refuse(f, FORMAT_SECTION_CLASSES, has + 1, 0x80);
	/* the first row, an ALLOC: an owner where there should be a kin, or the other way */
	refuse(f, FORMAT_SECTION_CLASSES, flags + 1,
	       bytes_of(f, FORMAT_SECTION_CLASSES)[flags + 1] ^ PT_F_KIN >> 8);
	/* what decode_row() refuses */
	refuse(f, FORMAT_SECTION_CLASSES, offsetof(struct format_class, proto), 1);
	refuse(f, FORMAT_SECTION_CLASSES, offsetof(struct format_class, family), 1);
	refuse(f, FORMAT_SECTION_CLASSES, offsetof(struct format_class, via), PT_VIAS);
	refuse(f, FORMAT_SECTION_CLASSES, offsetof(struct format_class, error) + 3, 1);
	/* more entries than there are, or than can be */
	refuse(f, FORMAT_SECTION_OWNERS, 0, 255);
	refuse(f, FORMAT_SECTION_OWNERS, 3, 1);
	refuse(f, FORMAT_SECTION_TUPLES, 0, 255);
	/* a path that goes on behind its section, or has a NUL */
	refuse(f, FORMAT_SECTION_CGROUPS, 9, 0x10);
	refuse(f, FORMAT_SECTION_CGROUPS, 12, 0);
	assert_int_equal(paths[8], strlen(path_of(NULL, 1)));
}

/* The rows before are told, then the damage, and nothing after. */
static void test_after_an_error_nothing_comes(void **state)
{
	struct fixture *f = *state;
	union block_row row;

	bytes_of(f, FORMAT_SECTION_CLASS_IDS)[5] = ROWS;
	blocks_seal(f->block, f->size);
	assert_int_equal(block_reader_load(f->reader, f->block, f->size, NULL), 0);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(block_reader_next(f->reader, &row), 1);
		assert_memory_equal(&row, &f->rows[i], row.head.size);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(block_reader_next(f->reader, &row), -EBADMSG);
}

/* A block that could not be loaded leaves no rows of the one before. */
static void test_a_failed_load_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	union block_row row;
	size_t paths = 0;

	assert_int_equal(block_reader_load(f->reader, f->block, f->size, NULL), 0);
	assert_int_equal(block_reader_load(f->reader, f->block, f->size - 1, NULL), -EBADMSG);
	assert_int_equal(block_reader_next(f->reader, &row), 0);
	block_reader_cgroups(f->reader, ignore, &paths);
	assert_int_equal(paths, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define TEST_UNPACKED(name) cmocka_unit_test_setup_teardown(name, begin_unpacked, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_undamaged),
		TEST(test_cut),
		TEST(test_every_bit),
		TEST(test_every_bit_with_right_crcs),
		TEST_UNPACKED(test_every_bit_with_right_crcs),
		TEST_UNPACKED(test_random_bytes_with_right_crcs),
		TEST(test_a_newer_version),
		TEST(test_unknown_types_are_the_callers),
		TEST(test_unknown_sections_are_skipped),
		TEST(test_every_missing_section),
		TEST(test_every_section_twice),
		TEST(test_sizes_that_lie),
		TEST(test_a_section_too_large_to_unpack),
		TEST_UNPACKED(test_columns_of_another_length),
		TEST_UNPACKED(test_columns_that_are_too_long_for_the_rows),
		TEST_UNPACKED(test_a_path_that_is_too_long),
		TEST(test_ports_must_be_the_first_and_raw),
		TEST_UNPACKED(test_values_that_are_refused),
		TEST_UNPACKED(test_after_an_error_nothing_comes),
		TEST(test_a_failed_load_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
