// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "user/recording/backlog.h"

static void test_first_in_first_out(void **state)
{
	struct backlog backlog = { 0 };

	(void)state;
	for (int round = 0; round < 2; round++) {
		assert_int_equal(backlog_add(&backlog, "abc", 3, 10), 0);
		assert_int_equal(backlog_add(&backlog, "de", 2, 5), 0);
		assert_int_equal(backlog.count, 2);
		assert_int_equal(backlog.rows, 15);
		assert_in_range(backlog.bytes, 5, 200);
		assert_memory_equal(backlog.first->bytes, "abc", 3);
		backlog_remove(&backlog);
		assert_int_equal(backlog.first->size, 2);
		assert_int_equal(backlog.rows, 5);
		backlog_remove(&backlog);
		assert_null(backlog.first);
		assert_int_equal(backlog.bytes + backlog.count + backlog.rows, 0);
	}
	assert_int_equal(backlog_add(&backlog, "abc", 3, 10), 0);
	backlog_free(&backlog);
	assert_int_equal(backlog.bytes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_in_first_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
