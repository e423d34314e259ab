// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/recording/cgroups.h"

static void test_the_first_path_stays(void **state)
{
	struct cgroups cgroups = { 0 };

	(void)state;
	assert_null(cgroups_path(&cgroups, 1));
	cgroups_add(&cgroups, 1, "/a");
	cgroups_add(&cgroups, 1, "/b");
	cgroups_add(&cgroups, 1ULL << 63, "/c");
	assert_string_equal(cgroups_path(&cgroups, 1), "/a");
	assert_string_equal(cgroups_path(&cgroups, 1ULL << 63), "/c");
	assert_null(cgroups_path(&cgroups, 2));
	cgroups_free(&cgroups);
}

static void test_bounds(void **state)
{
	struct cgroups cgroups = { 0 };
	char *path = malloc(1 << 20);
	char text[16];

	(void)state;
	for (unsigned int i = 0; i < CGROUPS_MAX + 10; i++) {
		snprintf(text, sizeof(text), "/%u", i);
		cgroups_add(&cgroups, i, text);
	}
	assert_int_equal(cgroups.count, CGROUPS_MAX);
	assert_string_equal(cgroups_path(&cgroups, CGROUPS_MAX - 1), "/65535");
	assert_null(cgroups_path(&cgroups, CGROUPS_MAX));
	cgroups_free(&cgroups);
	assert_non_null(path);
	memset(path, 'x', 1 << 20);
	path[(1 << 20) - 1] = '\0';
	for (unsigned int i = 0; i < 100; i++)
		cgroups_add(&cgroups, i, path);
	assert_int_equal(cgroups.count, CGROUPS_TEXT_MAX >> 20);
	cgroups_free(&cgroups);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_path_stays),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
