// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "tests/support/blocks.h"
#include "user/recording/unpacker.h"

#define BLOCKS 40
#define ROWS 900
#define DAMAGED 17 /* this block, if one is to be */

struct block {
	union block_row *rows; /* ROWS of them */
	char *bytes;
	size_t size;
};

struct fixture {
	struct block blocks[BLOCKS];
	struct unpacker *unpacker;
	cpu_set_t cpus; /* as they were */
};

static void make_block(struct block_writer *writer, unsigned int number, struct block *block)
{
	const struct block_info info = { .type = FORMAT_EVENTS, .sequence = number };
	__u64 random = number + 1;
	const void *bytes;

	block->rows = calloc(ROWS, sizeof(*block->rows));
	for (unsigned int i = 0, kind = 0; i < ROWS; i++, kind++) {
		if (!blocks_kinds[kind])
			kind = 0;
		blocks_any_row(&random, blocks_kinds[kind], &block->rows[i]);
		assert_int_equal(block_writer_add(writer, &block->rows[i].head), 0);
	}
	assert_int_equal(block_writer_finish(writer, &info, &bytes, &block->size), 0);
	block->bytes = malloc(block->size);
	memcpy(block->bytes, bytes, block->size);
}

static int begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct block_writer *writer = block_writer_new(0);

	assert_int_equal(sched_getaffinity(0, sizeof(f->cpus), &f->cpus), 0);
	for (unsigned int i = 0; i < BLOCKS; i++)
		make_block(writer, i, &f->blocks[i]);
	block_writer_free(writer);
	f->unpacker = unpacker_new();
	assert_non_null(f->unpacker);
	*state = f;
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;

	unpacker_free(f->unpacker);
	sched_setaffinity(0, sizeof(f->cpus), &f->cpus);
	for (unsigned int i = 0; i < BLOCKS; i++) {
		free(f->blocks[i].rows);
		free(f->blocks[i].bytes);
	}
	free(f);
	return 0;
}

static bool give(struct fixture *f, unsigned int number, const struct port_set *ports)
{
	const struct block *block = &f->blocks[number];
	struct unpacked *unpacked;
	void *bytes;
	int ret = unpacker_room(f->unpacker, block->size, &bytes, &unpacked);

	assert_in_range(ret, 0, 1);
	if (!ret)
		return false;
	memcpy(bytes, block->bytes, block->size);
	assert_int_equal(block_parse_head(bytes, block->size, &unpacked->head), 0);
	unpacked->at = number;
	assert_false(unpacked->passed);
	unpacker_give(f->unpacker, ports);
	return true;
}

static void expect(struct fixture *f, unsigned int number, const struct port_set *ports)
{
	const struct unpacked *got = unpacker_take(f->unpacker);
	const char *row;
	__u32 count = 0;

	assert_non_null(got);
	assert_int_equal(got->at, number);
	assert_int_equal(got->error, number == DAMAGED && ports ? -EBADMSG : 0);
	row = got->rows;
	for (unsigned int i = 0; i < ROWS && !got->error; i++) {
		const struct pt_rec_head *want = &f->blocks[number].rows[i].head;

		if (ports && !port_set_has(ports, want->port) &&
		    (want->port || want->kind < PT_JR_FIRST))
			continue;
		assert_memory_equal(row, want, want->size);
		row += want->size;
		count++;
	}
	assert_int_equal(got->count, count);
	assert_int_equal(got->size, row - got->rows);
}

/* As a reader does: as many as there is room for, then the first of them. */
static void pass_all(struct fixture *f, const struct port_set *ports)
{
	unsigned int taken = 0;

	for (unsigned int i = 0; i < BLOCKS; i++)
		while (!give(f, i, ports))
			expect(f, taken++, ports);
	while (taken < BLOCKS)
		expect(f, taken++, ports);
	assert_null(unpacker_take(f->unpacker));
}

static void test_in_order(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 20; i++)
		pass_all(f, NULL);
}

static void test_some_ports_and_damage(void **state)
{
	struct fixture *f = *state;
	struct port_set ports = { 0 };

	for (unsigned int i = 0; i < ROWS; i += 7)
		if (f->blocks[3].rows[i].head.port)
			port_set_add(&ports, f->blocks[3].rows[i].head.port);
	f->blocks[DAMAGED].bytes[f->blocks[DAMAGED].size - 1] ^= 1;
	pass_all(f, &ports);
}

/* One CPU: the caller's thread does all; there is room for two at a time even so. */
static void test_one_cpu(void **state)
{
	struct fixture *f = *state;
	cpu_set_t one;

	unpacker_free(f->unpacker);
	CPU_ZERO(&one);
	for (unsigned int cpu = 0; !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, &f->cpus))
			CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	f->unpacker = unpacker_new();
	assert_true(give(f, 0, NULL));
	assert_true(give(f, 1, NULL));
	assert_false(give(f, 2, NULL));
	unpacker_drop(f->unpacker);
	pass_all(f, NULL);
}

static void test_what_follows_a_block(void **state)
{
	struct fixture *f = *state;
	const struct unpacked *first;

	assert_null(unpacker_last(f->unpacker));
	assert_true(give(f, 0, NULL));
	assert_true(give(f, 1, NULL));
	unpacker_last(f->unpacker)->passed = true;
	unpacker_last(f->unpacker)->passed_to = 42;
	first = unpacker_take(f->unpacker);
	assert_int_equal(first->at, 0);
	assert_false(first->passed);
	first = unpacker_take(f->unpacker);
	assert_int_equal(first->at, 1);
	assert_true(first->passed);
	assert_int_equal(first->passed_to, 42);
	assert_null(unpacker_last(f->unpacker));
}

/* What was on its way does not come later. */
static void test_drop(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 30; i++) {
		assert_true(give(f, i, NULL));
		assert_true(give(f, i + 1, NULL));
		unpacker_drop(f->unpacker);
		assert_null(unpacker_take(f->unpacker));
	}
	/* and to end with some on their way does no harm */
	assert_true(give(f, 0, NULL));
	assert_true(give(f, 1, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_in_order), TEST(test_some_ports_and_damage),
		TEST(test_one_cpu),  TEST(test_what_follows_a_block),
		TEST(test_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
