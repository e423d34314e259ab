// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/base/pool.h"

#define MANY (3 * POOL_CHUNK + 5)

static void test_numbers_and_memory(void **state)
{
	struct pool pool = { .entry_size = sizeof(__u64) };

	(void)state;
	for (__u32 i = 1; i <= MANY; i++) {
		assert_int_equal(pool_take(&pool), i);
		assert_int_equal(*(__u64 *)pool_at(&pool, i), 0);
		*(__u64 *)pool_at(&pool, i) = i;
	}
	for (__u32 i = 1; i <= MANY; i++)
		assert_int_equal(*(__u64 *)pool_at(&pool, i), i);
	assert_int_equal(pool.live, MANY);
	pool_free(&pool);
	assert_int_equal(pool.live, 0);
}

static void test_freed_entries_come_first_and_zeroed(void **state)
{
	struct pool pool = { .entry_size = 12 };
	__u32 first, second;

	(void)state;
	first = pool_take(&pool);
	second = pool_take(&pool);
	pool_give(&pool, first);
	pool_give(&pool, second);
	assert_int_equal(pool.live, 0);
	assert_int_equal(pool_take(&pool), second);
	assert_int_equal(*(__u32 *)pool_at(&pool, second), 0);
	assert_int_equal(pool_take(&pool), first);
	assert_int_equal(pool_take(&pool), 3);
	pool_free(&pool);
}

static void test_entries_never_move(void **state)
{
	struct pool pool = { .entry_size = 8 };
	__u32 number = pool_take(&pool);
	void *place = pool_at(&pool, number);

	(void)state;
	for (__u32 i = 0; i < MANY; i++)
		pool_take(&pool);
	assert_ptr_equal(pool_at(&pool, number), place);
	pool_free(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_and_memory),
		cmocka_unit_test(test_freed_entries_come_first_and_zeroed),
		cmocka_unit_test(test_entries_never_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
