// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/capture.h"
#include "user/sink/grid.h"

#define COLUMNS 3

static const struct grid_column columns[COLUMNS] = {
	{ "NAME", false },
	{ "N", true },
	{ "PATH", false },
};

static char *cell(void *data, size_t row, size_t column, char *p)
{
	const char *const *cells = data;

	return stpcpy(p, cells[row * COLUMNS + column]);
}

static void check(const char *const *cells, size_t rows, const char *wanted)
{
	const struct grid grid = { .columns = columns,
				   .columns_count = COLUMNS,
				   .rows_count = rows,
				   .cell = cell,
				   .data = (void *)cells };
	struct out out;
	char *text;

	capture_begin(&out);
	grid_write(&out, &grid);
	text = capture_end(&out);
	assert_string_equal(text, wanted);
	free(text);
}

static void test_no_rows(void **state)
{
	(void)state;
	check(NULL, 0, "");
}

/* A width is characters, not bytes; the last column is not filled up. */
static void test_widths(void **state)
{
	static const char *const cells[] = {
		"a", "1", "/", "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", "12345", "/system.slice",
	};

	(void)state;
	check(cells, 2,
	      "NAME       N  PATH\n"
	      "a          1  /\n"
	      "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9  12345  /system.slice\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_rows),
		cmocka_unit_test(test_widths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
