// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/base/index.h"

#define MANY 5000

static __u64 keys[MANY];

static bool matches(const void *entries, __u32 entry, const void *key)
{
	return ((const __u64 *)entries)[entry] == *(const __u64 *)key;
}

static void fill(struct index *index, __u32 (*hash)(__u64))
{
	for (__u32 i = 0; i < MANY; i++) {
		keys[i] = i * 3ULL;
		assert_int_equal(index_find(index, hash(keys[i]), matches, keys, &keys[i]),
				 INDEX_NONE);
		assert_int_equal(index_add(index, hash(keys[i]), i), 0);
	}
	for (__u32 i = 0; i < MANY; i++)
		assert_int_equal(index_find(index, hash(keys[i]), matches, keys, &keys[i]), i);
}

static __u32 all_the_same(__u64 key)
{
	(void)key;
	return 7;
}

static void test_finds_what_was_added(void **state)
{
	struct index index = { 0 };
	__u64 absent = 1;

	(void)state;
	fill(&index, index_hash);
	assert_int_equal(index_find(&index, index_hash(absent), matches, keys, &absent),
			 INDEX_NONE);
	index_free(&index);
	assert_int_equal(index_find(&index, index_hash(absent), matches, keys, &absent),
			 INDEX_NONE);
}

static void test_colliding_hashes(void **state)
{
	struct index index = { 0 };

	(void)state;
	fill(&index, all_the_same);
	index_free(&index);
}

/* A quarter as many as there are places. */
static void test_short_hashes_of_neighbours(void **state)
{
	const __u64 firsts[] = { 0, 4096, 1ULL << 40, 0xffff888012345678ULL };

	(void)state;
	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		bool taken[1 << 12] = { false };

		for (__u64 key = firsts[i]; key < firsts[i] + 1024; key++) {
			__u32 place = index_hash_bits(key, 12);

			assert_in_range(place, 0, (1 << 12) - 1);
			assert_false(taken[place]);
			taken[place] = true;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_what_was_added),
		cmocka_unit_test(test_colliding_hashes),
		cmocka_unit_test(test_short_hashes_of_neighbours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
