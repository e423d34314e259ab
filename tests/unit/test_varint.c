// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/base/varint.h"

static void test_known_bytes(void **state)
{
	static const __u8 bytes[] = { 0x7f, 0x80, 0x01, 0xac, 0x02 };
	__u8 out[2 * VARINT_MAX];

	(void)state;
	assert_ptr_equal(varint_put(varint_put(varint_put(out, 127), 128), 300), out + 5);
	assert_memory_equal(out, bytes, sizeof(bytes));
}

static void test_every_length(void **state)
{
	(void)state;
	for (unsigned int bits = 0; bits <= 64; bits++) {
		__u64 value = bits ? ~0ULL >> (64 - bits) : 0;
		__u8 *bytes = malloc(VARINT_MAX + VARINT_PAD);
		struct varint_cursor cursor = { .p = bytes, .end = varint_put(bytes, value) };
		bool bad = false;

		memset(bytes + (cursor.end - bytes), 0xff, VARINT_PAD);
		assert_true(varint_get(&cursor, &bad) == value);
		assert_ptr_equal(cursor.p, cursor.end);
		assert_false(bad);
		varint_get(&cursor, &bad);
		assert_true(bad);
		free(bytes);
	}
}

/* Enough bytes behind it that the length is found at once, and too few. */
static void test_the_same_with_more_behind(void **state)
{
	__u8 bytes[8 * VARINT_MAX + VARINT_PAD] = { 0 }, *end = bytes;
	struct varint_cursor cursor = { .p = bytes };
	bool bad = false;

	(void)state;
	for (unsigned int bits = 1; bits <= 64; bits += 9)
		end = varint_put(end, 1ULL << (bits - 1));
	cursor.end = end;
	for (unsigned int bits = 1; bits <= 64; bits += 9)
		assert_true(varint_get(&cursor, &bad) == 1ULL << (bits - 1));
	assert_ptr_equal(cursor.p, end);
	assert_false(bad);
}

static void test_cut_short(void **state)
{
	__u8 bytes[VARINT_MAX + VARINT_PAD];
	__u8 *end = varint_put(bytes, ~0ULL);

	(void)state;
	for (const __u8 *cut = bytes; cut < end; cut++) {
		struct varint_cursor cursor = { .p = bytes, .end = cut };
		bool bad = false;

		assert_int_equal(varint_get(&cursor, &bad), 0);
		assert_true(bad);
		assert_ptr_equal(cursor.p, cut);
	}
}

static void test_more_than_64_bits(void **state)
{
	__u8 bytes[16 + VARINT_PAD];
	struct varint_cursor cursor = { .p = bytes, .end = bytes + 16 };
	bool bad = false;

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	bytes[VARINT_MAX - 1] = 2;
	varint_get(&cursor, &bad);
	assert_true(bad);
	/* without an end */
	bytes[VARINT_MAX - 1] = 0xff;
	cursor.p = bytes;
	bad = false;
	varint_get(&cursor, &bad);
	assert_true(bad);
}

static void test_zigzag(void **state)
{
	static const __u64 values[] = { 0, ~0ULL, 1, -2ULL, 2 };

	(void)state;
	for (unsigned int i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		assert_int_equal(zigzag(values[i]), i);
		assert_true(unzigzag(i) == values[i]);
	}
	assert_true(unzigzag(zigzag(1ULL << 63)) == 1ULL << 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_bytes),
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_the_same_with_more_behind),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_more_than_64_bits),
		cmocka_unit_test(test_zigzag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
