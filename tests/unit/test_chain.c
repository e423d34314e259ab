// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/base/chain.h"

struct entry {
	struct chain_link link;
	__u32 key;
};

static bool has_key(const void *entry, const void *key)
{
	return ((const struct entry *)entry)->key == *(const __u32 *)key;
}

static __u32 find(const struct chain *chain, __u32 key, __u32 hash)
{
	return chain_find(chain, hash, has_key, &key);
}

static __u32 add(struct chain *chain, __u32 key, __u32 hash)
{
	__u32 number = chain_add(chain, hash);

	assert_int_not_equal(number, 0);
	((struct entry *)chain_at(chain, number))->key = key;
	return number;
}

static void test_nothing_is_in_an_empty_one(void **state)
{
	struct chain chain = { .pool = { .entry_size = sizeof(struct entry) } };

	(void)state;
	assert_int_equal(find(&chain, 1, 1), 0);
	assert_null(chain_at(&chain, 0));
	chain_free(&chain);
}

/* Many more than it begins with room for, all but every third of one hash. */
static void test_finds_what_is_left(void **state)
{
	struct chain chain = { .pool = { .entry_size = sizeof(struct entry) } };

	(void)state;
	for (__u32 key = 1; key <= 1000; key++)
		add(&chain, key, key % 3 ? 7 : key);
	for (__u32 key = 1; key <= 1000; key += 2)
		chain_remove(&chain, find(&chain, key, key % 3 ? 7 : key));
	assert_int_equal(chain.pool.live, 500);
	for (__u32 key = 1; key <= 1000; key++)
		assert_int_equal(!!find(&chain, key, key % 3 ? 7 : key), key % 2 == 0);
	chain_free(&chain);
}

static void test_memory_is_used_again(void **state)
{
	struct chain chain = { .pool = { .entry_size = sizeof(struct entry) } };

	(void)state;
	for (__u32 key = 1; key <= 10000; key++)
		chain_remove(&chain, add(&chain, key, key));
	assert_int_equal(chain.pool.used, 1);
	assert_int_equal(add(&chain, 5, 5), 1);
	chain_free(&chain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_in_an_empty_one),
		cmocka_unit_test(test_finds_what_is_left),
		cmocka_unit_test(test_memory_is_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
