// SPDX-License-Identifier: BSD-2-Clause
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
#include "tests/unit/records.h"
#include "user/recording/block.h"

struct fixture {
	struct block_writer *writer;
	struct block_reader *reader;
	union block_row *rows;
	struct block_info info;
	const void *bytes;
	size_t size;
};

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->writer = block_writer_new(0);
	f->reader = block_reader_new();
	f->rows = calloc(FORMAT_ROWS_MAX, sizeof(*f->rows));
	f->info.type = FORMAT_EVENTS;
	*state = f;
	return f->writer && f->reader && f->rows ? 0 : -1;
}

static int end(void **state)
{
	struct fixture *f = *state;

	block_writer_free(f->writer);
	block_reader_free(f->reader);
	free(f->rows);
	free(f);
	return 0;
}

/* A block of f->rows. */
static void write_rows(struct fixture *f, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(block_writer_add(f->writer, &f->rows[i].head), 0);
	assert_int_equal(block_writer_rows(f->writer), count);
	assert_int_equal(block_writer_finish(f->writer, &f->info, &f->bytes, &f->size), 0);
	assert_int_equal(block_writer_rows(f->writer), 0);
}

/* Without a port: what concerns all ports is wanted, a refusal of any is not. */
static bool is_wanted(const struct pt_rec_head *row, const struct port_set *ports)
{
	if (!ports || port_set_has(ports, row->port))
		return true;
	return !row->port && row->kind >= PT_JR_FIRST;
}

/* Loads from a copy of just that size, so that the sanitizer sees a read behind it. */
static void expect_rows(struct fixture *f, unsigned int count, const struct port_set *ports)
{
	union block_row row;
	void *copy = malloc(f->size);

	memcpy(copy, f->bytes, f->size);
	assert_int_equal(block_reader_load(f->reader, copy, f->size, ports), 0);
	for (unsigned int i = 0; i < count; i++) {
		const struct pt_rec_head *want = &f->rows[i].head;

		if (!is_wanted(want, ports))
			continue;
		assert_int_equal(block_reader_next(f->reader, &row), 1);
		assert_memory_equal(&row, want, want->size);
	}
	assert_int_equal(block_reader_next(f->reader, &row), 0);
	assert_int_equal(block_reader_next(f->reader, &row), 0);
	free(copy);
}

static void any_rows(struct fixture *f, unsigned int count, __u64 seed)
{
	for (unsigned int i = 0, kind = 0; i < count; i++, kind++) {
		if (!blocks_kinds[kind])
			kind = 0;
		blocks_any_row(&seed, blocks_kinds[kind], &f->rows[i]);
	}
}

static void synthetic_rows(struct fixture *f, unsigned int count)
{
	struct synthetic *load = synthetic_new(1);

	for (unsigned int i = 0; i < count; i++)
		synthetic_next(load, &f->rows[i]);
	synthetic_free(load);
}

static void test_every_kind_and_value(void **state)
{
	struct fixture *f = *state;

	for (__u64 seed = 0; seed < 20; seed++) {
		any_rows(f, 500, seed);
		write_rows(f, 500);
		expect_rows(f, 500, NULL);
	}
}

static void test_all_rows_of_a_block(void **state)
{
	struct fixture *f = *state;
	struct block_head head;

	any_rows(f, FORMAT_ROWS_MAX, 7);
	for (int i = 0; i < FORMAT_ROWS_MAX; i++)
		assert_int_equal(block_writer_add(f->writer, &f->rows[i].head), 0);
	assert_int_equal(block_writer_add(f->writer, &f->rows[0].head), -E2BIG);
	assert_int_equal(block_writer_finish(f->writer, &f->info, &f->bytes, &f->size), 0);
	assert_int_equal(block_parse_head(f->bytes, f->size, &head), 0);
	assert_int_equal(head.rows, FORMAT_ROWS_MAX);
	expect_rows(f, FORMAT_ROWS_MAX, NULL);
}

static void test_no_rows(void **state)
{
	struct fixture *f = *state;
	struct port_set ports = { 0 };

	write_rows(f, 0);
	expect_rows(f, 0, NULL);
	assert_int_equal(block_has_port(f->bytes, f->size, &ports), 0);
}

/* Whatever the block before was, this one stands alone. */
static void test_blocks_are_independent(void **state)
{
	struct fixture *f = *state;
	void *first;
	size_t size;

	synthetic_rows(f, 3000);
	write_rows(f, 3000);
	first = malloc(f->size);
	memcpy(first, f->bytes, size = f->size);
	any_rows(f, 100, 3);
	write_rows(f, 100);
	expect_rows(f, 100, NULL);
	synthetic_rows(f, 3000);
	write_rows(f, 3000);
	assert_int_equal(f->size, size);
	assert_memory_equal(f->bytes, first, size);
	expect_rows(f, 3000, NULL);
	free(first);
}

/* One tid, one remote: the writer looks first for what came lately with the same. */
static void test_what_is_nearly_the_same(void **state)
{
	struct fixture *f = *state;

	for (__u32 i = 0; i < 300; i++) {
		struct pt_rec_port *rec = &f->rows[i].port;

		*rec = rec_port(PT_REC_ALLOC, 1000 + i, 1 + i, PT_VIA_CONNECT, 443);
		rec->head.flags = i % 2 ? PT_F_KTHREAD : 0;
		rec->task.comm[0] = (char)('a' + i % 3);
		rec->task.pid += i % 5;
		rec->tuple.laddr[15] = (__u8)(i % 7);
	}
	write_rows(f, 300);
	expect_rows(f, 300, NULL);
}

static void test_lost_is_not_kept(void **state)
{
	struct fixture *f = *state;

	any_rows(f, 1, 1);
	f->rows[0].head.lost = 5;
	write_rows(f, 1);
	f->rows[0].head.lost = 0;
	expect_rows(f, 1, NULL);
}

/* The goal is 8; the rest is the seed's luck. */
static void test_size_of_a_busy_host(void **state)
{
	struct fixture *f = *state;

	synthetic_rows(f, FORMAT_ROWS_MAX);
	write_rows(f, FORMAT_ROWS_MAX);
	expect_rows(f, FORMAT_ROWS_MAX, NULL);
	assert_in_range(f->size, 1, FORMAT_ROWS_MAX * 8);
}

/* Of a block of so many rows of one process: how its OWNERS are stored. */
static __u8 codec_of_owners(struct fixture *f, unsigned int rows)
{
	unsigned int number = 0;

	for (unsigned int i = 0; i < rows; i++) {
		struct pt_rec_port *rec = &f->rows[i].port;

		*rec = rec_port(PT_REC_ALLOC, 1000 + i, 1 + i, PT_VIA_CONNECT, 443);
		memcpy(rec->task.thread, rec->task.comm, PT_COMM_LEN);
	}
	write_rows(f, rows);
	expect_rows(f, rows, NULL);
	while (blocks_section((void *)f->bytes, number)->id != FORMAT_SECTION_OWNERS)
		number++;
	return blocks_section((void *)f->bytes, number)->codec;
}

/* It saves some bytes of a block, which are much only of a small one. */
static void test_short_sections(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(codec_of_owners(f, 10), FORMAT_ZSTD);
	assert_int_equal(codec_of_owners(f, 1000), FORMAT_RAW);
}

/* Each connection from a process of its own: in its dictionary, and nowhere else. */
static void test_size_of_a_forking_server(void **state)
{
	struct fixture *f = *state;

	for (__u32 i = 0; i < FORMAT_ROWS_MAX; i++) {
		struct pt_rec_port *rec = &f->rows[i].port;

		*rec = (struct pt_rec_port){
			.head = { .kind = PT_REC_ALLOC,
				  .version = PT_ABI_VERSION,
				  .size = sizeof(*rec),
				  .ts = 1000000000ULL + i * 5000,
				  .sock = 4096 + i,
				  .port = (__u16)(32768 + i),
				  .proto = 6,
				  .family = 2 },
			.task = { .pid = 5000 + i,
				  .tid = 5000 + i,
				  .start = 900000000ULL + i * 5000,
				  .cgroup = 77,
				  .comm = "worker",
				  .thread = "worker" },
			.via = PT_VIA_CONNECT,
		};
	}
	write_rows(f, FORMAT_ROWS_MAX);
	expect_rows(f, FORMAT_ROWS_MAX, NULL);
	assert_in_range(f->size, 1, FORMAT_ROWS_MAX * 5 / 2);
}

/* The unpacked size of a section. */
static __u32 section_size(struct fixture *f, __u16 id)
{
	const struct format_block_head *head = f->bytes;

	for (unsigned int i = 0; i < head->sections; i++)
		if (blocks_section((void *)f->bytes, i)->id == id)
			return blocks_section((void *)f->bytes, i)->unpacked;
	return 0;
}

static void test_class_ids_grow(void **state)
{
	struct fixture *f = *state;

	for (unsigned int count = 255; count <= 258; count++) {
		for (unsigned int i = 0; i < count; i++) {
			__u64 random = 9;

			blocks_any_row(&random, PT_REC_CLOSED, &f->rows[i]);
			f->rows[i].head.netns = i;
		}
		write_rows(f, count);
		assert_int_equal(section_size(f, FORMAT_SECTION_CLASSES),
				 count * sizeof(struct format_class));
		assert_int_equal(section_size(f, FORMAT_SECTION_CLASS_IDS),
				 count > 256 ? 2 * count : count);
		expect_rows(f, count, NULL);
	}
}

static void test_the_head_tells_of_the_block(void **state)
{
	struct fixture *f = *state;
	struct block_head head;

	any_rows(f, 4, 1);
	f->rows[0].head.ts = 500;
	f->rows[1].head.ts = 0; /* not known: neither the least nor the greatest */
	f->rows[2].head.ts = 300;
	f->rows[3].head.ts = 400;
	f->info = (struct block_info){ .type = FORMAT_KEYFRAME,
				       .realtime_offset = -5ULL,
				       .sequence = 1ULL << 40 };
	write_rows(f, 4);
	for (size_t len = 0; len < f->size; len++) {
		size_t need = len < sizeof(struct format_block_head) ? 0 : 1;
		int err = block_parse_head(f->bytes, len, &head);

		if (!err)
			break;
		assert_int_equal(err, -EAGAIN);
		assert_int_equal(!!head.directory_size, need);
		assert_true(len < sizeof(struct format_block_head) || len < head.directory_size);
	}
	/* nothing behind the directory was needed */
	assert_int_equal(block_parse_head(f->bytes, head.directory_size, &head), 0);
	assert_int_equal(head.type, FORMAT_KEYFRAME);
	assert_int_equal(head.size, f->size);
	assert_int_equal(head.rows, 4);
	assert_int_equal(head.first_ts, 300);
	assert_int_equal(head.last_ts, 500);
	assert_true(head.realtime_offset == -5ULL);
	assert_true(head.sequence == 1ULL << 40);
	assert_int_equal(head.ports_size, head.directory_size + 8);
	assert_int_equal(block_parse_head("PTRC", 4, &head), -EBADMSG);
}

static void test_filter_is_the_same_as_afterwards(void **state)
{
	struct fixture *f = *state;

	synthetic_rows(f, FORMAT_ROWS_MAX);
	write_rows(f, FORMAT_ROWS_MAX);
	for (unsigned int count = 0; count < 200; count = count * 3 + 1) {
		struct port_set ports = { 0 };

		for (unsigned int i = 0; i < count; i++)
			port_set_add(&ports, f->rows[i * 37].head.port);
		expect_rows(f, FORMAT_ROWS_MAX, &ports);
	}
	any_rows(f, FORMAT_ROWS_MAX, 5);
	write_rows(f, FORMAT_ROWS_MAX);
	for (unsigned int i = 0; i < 100; i++) {
		struct port_set ports = { 0 };

		port_set_add(&ports, f->rows[i].head.port);
		port_set_add(&ports, 65535);
		expect_rows(f, FORMAT_ROWS_MAX, &ports);
	}
}

/* As block_has_port() should say. */
static int has_port(struct fixture *f, unsigned int count, const struct port_set *ports)
{
	for (unsigned int i = 0; i < count; i++)
		if (port_set_has(ports, f->rows[i].head.port))
			return BLOCK_HAS_PORT;
	return 0;
}

static void test_has_port(void **state)
{
	struct fixture *f = *state;
	__u64 random = 1;

	/* every count of rows behind the last eight, every place */
	for (unsigned int count = 1; count < 40; count++) {
		unsigned int at = count * 7 % count;

		for (unsigned int i = 0; i < count; i++) {
			blocks_any_row(&random, PT_REC_CLOSED, &f->rows[i]);
			f->rows[i].head.port = (__u16)(1000 + i);
		}
		for (unsigned int many = 0; many < 8; many++) {
			struct port_set ports = { 0 };

			for (unsigned int i = 0; i < many; i++)
				port_set_add(&ports, (__u16)(2000 + i));
			f->rows[at].head.port = 1000;
			write_rows(f, count);
			assert_int_equal(block_has_port(f->bytes, f->size, &ports), 0);
			at = (at + 1) % count;
			port_set_add(&ports, f->rows[at].head.port);
			assert_int_equal(block_has_port(f->bytes, f->size, &ports),
					 has_port(f, count, &ports));
			assert_int_equal(has_port(f, count, &ports), 1);
		}
	}
}

/* Only the first ports_size bytes are needed, and those are. */
static void test_has_port_needs_no_more(void **state)
{
	struct fixture *f = *state;
	struct port_set ports = { 0 };
	struct block_head head;
	void *beginning;

	synthetic_rows(f, 1000);
	write_rows(f, 1000);
	port_set_add(&ports, f->rows[999].head.port);
	assert_int_equal(block_parse_head(f->bytes, f->size, &head), 0);
	beginning = malloc(head.ports_size);
	memcpy(beginning, f->bytes, head.ports_size);
	assert_int_equal(block_has_port(beginning, head.ports_size, &ports), 1);
	assert_int_equal(block_has_port(beginning, head.ports_size - 1, &ports), -EBADMSG);
	((char *)beginning)[head.ports_size - 1] ^= 1;
	assert_int_equal(block_has_port(beginning, head.ports_size, &ports), -EBADMSG);
	free(beginning);
}

static void test_rows_of_no_port_match(void **state)
{
	struct fixture *f = *state;
	struct port_set ports = { 0 };

	synthetic_rows(f, 20);
	for (int i = 0; i < 20; i++)
		f->rows[i].head.port = 7;
	f->rows[19].head.kind = PT_REC_FAIL;
	f->rows[19].head.size = sizeof(struct pt_rec_port);
	f->rows[19].port = (struct pt_rec_port){ .head = f->rows[19].head };
	f->rows[19].head.port = 0;
	write_rows(f, 20);
	assert_int_equal(block_has_port(f->bytes, f->size, &ports), BLOCK_HAS_NO_PORT);
	assert_int_equal(block_reader_concerns_all(f->reader, f->bytes, f->size), 0);
	expect_rows(f, 20, &ports);
	f->rows[3].journal = (struct pt_rec_journal){ .head = { .kind = PT_JR_LOST,
								.version = PT_ABI_VERSION,
								.size = sizeof(f->rows->journal),
								.ts = 1 } };
	write_rows(f, 20);
	assert_int_equal(block_has_port(f->bytes, f->size, &ports), BLOCK_HAS_NO_PORT);
	expect_rows(f, 20, &ports);
}

/* Only the first classes_size bytes are needed, and those are. */
static void test_concerns_all_needs_no_more(void **state)
{
	struct fixture *f = *state;
	struct block_head head;
	char *beginning;

	any_rows(f, 1000, 1);
	write_rows(f, 1000);
	assert_int_equal(block_parse_head(f->bytes, f->size, &head), 0);
	assert_in_range(head.classes_size, head.ports_size + 1, f->size - 1);
	beginning = malloc(head.classes_size);
	memcpy(beginning, f->bytes, head.classes_size);
	assert_int_equal(block_reader_concerns_all(f->reader, beginning, head.classes_size), 1);
	assert_int_equal(block_reader_concerns_all(f->reader, beginning, head.classes_size - 1),
			 -EBADMSG);
	beginning[head.classes_size - 1] ^= 1;
	assert_int_equal(block_reader_concerns_all(f->reader, beginning, head.classes_size),
			 -EBADMSG);
	free(beginning);
}

/* ---- addresses ---------------------------------------------------------------- */

#define BASE 0xffff888000000001ULL

static __u64 shifted(__u64 address)
{
	return address ? address - BASE : 0;
}

static void test_addresses_are_shifted(void **state)
{
	struct fixture *f = *state;
	__u64 random = 4;

	block_writer_free(f->writer);
	f->writer = block_writer_new(BASE);
	assert_non_null(f->writer);
	for (unsigned int i = 0; i < 1000; i++) {
		blocks_any_row(&random, blocks_kinds[i % 19], &f->rows[i]);
		assert_int_equal(block_writer_add(f->writer, &f->rows[i].head), 0);
	}
	assert_int_equal(block_writer_finish(f->writer, &f->info, &f->bytes, &f->size), 0);
	for (unsigned int i = 0; i < 1000; i++) {
		union block_row *row = &f->rows[i];
		bool no_cookies = row->head.netns_cookie & PT_NO_COOKIES;

		if (no_cookies)
			row->head.sock = shifted(row->head.sock);
		if (row->head.kind == PT_REC_CONNECT || row->head.kind == PT_REC_TW_BEGIN)
			row->tuple.tw = shifted(row->tuple.tw);
		else if (row->head.kind >= PT_JR_FIRST)
			row->journal.tw = shifted(row->journal.tw);
		else if (row->head.kind == PT_REC_TW_END)
			row->tw_end.tw = shifted(row->tw_end.tw);
		if (row->head.kind == PT_REC_TW_END && no_cookies)
			row->tw_end.taker = shifted(row->tw_end.taker);
		if (row->head.kind < PT_REC_CONNECT && row->head.flags & PT_F_KIN && no_cookies)
			row->port.kin.sock = shifted(row->port.kin.sock);
		if (row->head.kind == PT_JR_PORT && no_cookies)
			row->journal.numbers[0] = shifted(row->journal.numbers[0]);
	}
	expect_rows(f, 1000, NULL);
}

/* ---- cgroups ------------------------------------------------------------------ */

static const char *path_of(void *data, __u64 id)
{
	char *text = data;

	if (id % 3 == 2)
		return NULL;
	snprintf(text, 64, "/kubepods/%llu", (unsigned long long)id);
	return text;
}

struct told {
	unsigned int count;
	__u64 sum;
};

static void hear_path(void *data, __u64 id, const char *path)
{
	struct told *told = data;
	char text[64];

	assert_string_equal(path, path_of(text, id));
	told->count++;
	told->sum += id;
}

static void test_cgroups_come_back(void **state)
{
	struct fixture *f = *state;
	struct told told = { 0 };
	char text[64];

	f->info.cgroup_path = path_of;
	f->info.cgroup_data = text;
	synthetic_rows(f, 100);
	for (unsigned int i = 0; i < 30; i++) {
		f->rows[i].head.kind = PT_REC_ALLOC;
		f->rows[i].head.size = sizeof(struct pt_rec_port);
		f->rows[i].head.port = 7;
		f->rows[i].port = (struct pt_rec_port){ .head = f->rows[i].head,
							.task = { .cgroup = 1 + i % 10 } };
	}
	write_rows(f, 30);
	expect_rows(f, 30, NULL);
	block_reader_cgroups(f->reader, hear_path, &told);
	/* of 1 to 10 not 2, 5, 8; each once */
	assert_int_equal(told.count, 7);
	assert_int_equal(told.sum, 55 - 2 - 5 - 8);
}

static const char *long_path(void *data, __u64 id)
{
	((char *)data)[id] = 0;
	return data;
}

static void count_path(void *data, __u64 id, const char *path)
{
	assert_int_equal(strlen(path), id);
	++*(unsigned int *)data;
}

static void test_paths_that_are_too_long_are_left_out(void **state)
{
	struct fixture *f = *state;
	unsigned int count = 0;
	char *text = malloc(FORMAT_PATH_MAX + 10);

	memset(text, 'a', FORMAT_PATH_MAX + 9);
	f->info.cgroup_path = long_path;
	f->info.cgroup_data = text;
	any_rows(f, 1, 1);
	for (unsigned int i = 0; i < 2; i++) {
		f->rows[i].port = (struct pt_rec_port){ .head = f->rows[0].head };
		f->rows[i].port.head.flags = 0;
		/* the longer one first: the path is cut in place */
		f->rows[i].port.task.cgroup = FORMAT_PATH_MAX + 1 - i;
	}
	write_rows(f, 2);
	expect_rows(f, 2, NULL);
	block_reader_cgroups(f->reader, count_path, &count);
	assert_int_equal(count, 1);
	free(text);
}

/* ---- blocks of one section ---------------------------------------------------- */

static void test_plain_block(void **state)
{
	struct fixture *f = *state;
	struct block_plain plain = { .section = FORMAT_SECTION_PLAIN, .ts = 77 };
	char text[5000];
	struct block_head head;
	void *out;
	size_t size;

	memset(text, 'x', sizeof(text));
	plain.bytes = text;
	f->info.type = FORMAT_SEGMENT;
	for (plain.size = 0; plain.size <= sizeof(text); plain.size += 1000) {
		assert_int_equal(
			block_writer_plain(f->writer, &f->info, &plain, &f->bytes, &f->size), 0);
		assert_int_equal(block_parse_head(f->bytes, f->size, &head), 0);
		assert_int_equal(head.type, FORMAT_SEGMENT);
		assert_int_equal(head.rows, 0);
		assert_int_equal(head.first_ts, 77);
		assert_int_equal(head.size, f->size);
		assert_int_equal(head.ports_size, head.directory_size);
		assert_int_equal(
			block_section(f->bytes, f->size, FORMAT_SECTION_PLAIN, &out, &size), 0);
		assert_int_equal(size, plain.size);
		assert_memory_equal(out, text, size);
		free(out);
		assert_int_equal(
			block_section(f->bytes, f->size, FORMAT_SECTION_PLAIN + 1, &out, &size),
			-ENOENT);
		assert_int_equal(
			block_section(f->bytes, f->size - 1, FORMAT_SECTION_PLAIN, &out, &size),
			-EBADMSG);
		assert_int_equal(block_reader_load(f->reader, f->bytes, f->size, NULL), -EBADMSG);
	}
	plain.size = FORMAT_SECTION_MAX + 1;
	assert_int_equal(block_writer_plain(f->writer, &f->info, &plain, &f->bytes, &f->size),
			 -E2BIG);
}

/* Rows that wait in the writer stay. */
static void test_plain_block_amid_rows(void **state)
{
	struct fixture *f = *state;
	const struct block_plain plain = { .section = FORMAT_SECTION_PLAIN,
					   .bytes = "x",
					   .size = 1 };

	any_rows(f, 10, 8);
	for (int i = 0; i < 5; i++)
		assert_int_equal(block_writer_add(f->writer, &f->rows[i].head), 0);
	assert_int_equal(block_writer_plain(f->writer, &f->info, &plain, &f->bytes, &f->size), 0);
	for (int i = 5; i < 10; i++)
		assert_int_equal(block_writer_add(f->writer, &f->rows[i].head), 0);
	assert_int_equal(block_writer_finish(f->writer, &f->info, &f->bytes, &f->size), 0);
	expect_rows(f, 10, NULL);
}

/* ---- the format ---------------------------------------------------------------- */

/*
 * Made by hand from docs/recording-format.md: an ALLOC and its RELEASE, nothing
 * compressed. Recordings are kept: these bytes must be read for ever.
 */
static const __u8 version_1[] = {
	0x50, 0x54, 0x52, 0x42, 0x01, 0x00, 0x03, 0x0a, 0x87, 0x01, 0x00, 0x00, 0x02, 0x00, 0x00,
	0x00, 0x00, 0xca, 0x9a, 0x3b, 0x00, 0x00, 0x00, 0x00, 0x88, 0xdd, 0x9a, 0x3b, 0x00, 0x00,
	0x00, 0x00, 0x09, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x1a, 0x2c, 0x55, 0x67, 0x01, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00,
	0x00, 0xb6, 0x22, 0xa8, 0xde, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00,
	0x00, 0x00, 0xd1, 0xf4, 0x0a, 0x03, 0x03, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x40,
	0x00, 0x00, 0x00, 0xaa, 0x56, 0xc9, 0x39, 0x04, 0x00, 0x00, 0x00, 0x07, 0x00, 0x00, 0x00,
	0x07, 0x00, 0x00, 0x00, 0x49, 0x0a, 0x09, 0xeb, 0x05, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00,
	0x00, 0x03, 0x00, 0x00, 0x00, 0x30, 0x40, 0x3b, 0x5b, 0x06, 0x00, 0x00, 0x00, 0x01, 0x00,
	0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x51, 0x53, 0x7d, 0x52, 0x07, 0x00, 0x00, 0x00, 0x2c,
	0x00, 0x00, 0x00, 0x2c, 0x00, 0x00, 0x00, 0x33, 0x5e, 0x36, 0x2e, 0x08, 0x00, 0x00, 0x00,
	0x01, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x51, 0x53, 0x7d, 0x52, 0x09, 0x00, 0x00,
	0x00, 0x27, 0x00, 0x00, 0x00, 0x27, 0x00, 0x00, 0x00, 0x21, 0xc4, 0xdd, 0x01, 0x0a, 0x00,
	0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0xa5, 0x2b, 0x16, 0x80, 0xc1,
	0xec, 0xc1, 0xec, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0xf0, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x1f,
	0x00, 0x01, 0x06, 0x02, 0x01, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0xf0, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x03, 0x00, 0x05, 0x06, 0x02, 0x00, 0x00, 0x00, 0x80, 0xa8, 0xd6, 0xb9, 0x07, 0x90,
	0x4e, 0x82, 0x40, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0xa4, 0x42, 0x02, 0xd0, 0x0f, 0x0e,
	0x9a, 0x01, 0x63, 0x75, 0x72, 0x6c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x72, 0x65, 0x73, 0x6f, 0x6c, 0x76, 0x65, 0x72, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0x7f, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0x7f, 0x00, 0x00, 0x01, 0xbb, 0x01, 0x03, 0xac,
	0x06
};

static void test_version_1_is_read(void **state)
{
	struct fixture *f = *state;
	struct pt_rec_head *release = &f->rows[1].head;
	struct block_head head;

	f->rows[0].port = rec_port(PT_REC_ALLOC, 1000000000, 4097, PT_VIA_CONNECT, 443);
	f->rows[0].port.head.flags = PT_F_SEARCHED;
	f->rows[0].port.tuple.ifindex = 3;
	f->rows[0].port.search_ns = 812;
	*release = rec_release(1000005000, 4097);
	f->bytes = version_1;
	f->size = sizeof(version_1);
	expect_rows(f, 2, NULL);
	assert_int_equal(block_parse_head(f->bytes, f->size, &head), 0);
	assert_int_equal(head.first_ts, 1000000000);
	assert_int_equal(head.last_ts, 1000005000);
	assert_int_equal(head.realtime_offset, 9);
	assert_int_equal(head.sequence, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_kind_and_value),
		TEST(test_all_rows_of_a_block),
		TEST(test_no_rows),
		TEST(test_blocks_are_independent),
		TEST(test_what_is_nearly_the_same),
		TEST(test_lost_is_not_kept),
		TEST(test_size_of_a_busy_host),
		TEST(test_short_sections),
		TEST(test_size_of_a_forking_server),
		TEST(test_class_ids_grow),
		TEST(test_the_head_tells_of_the_block),
		TEST(test_filter_is_the_same_as_afterwards),
		TEST(test_has_port),
		TEST(test_has_port_needs_no_more),
		TEST(test_rows_of_no_port_match),
		TEST(test_concerns_all_needs_no_more),
		TEST(test_addresses_are_shifted),
		TEST(test_cgroups_come_back),
		TEST(test_paths_that_are_too_long_are_left_out),
		TEST(test_plain_block),
		TEST(test_plain_block_amid_rows),
		TEST(test_version_1_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
