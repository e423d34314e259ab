// SPDX-License-Identifier: BSD-2-Clause
/*
 * Recordings made on real kernels, kept in tests/golden: this porttrace reads them and
 * says what it said when they were made, byte for byte. tests/golden/make makes them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <glob.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/consumer.h"

#define RECORDINGS "tests/golden/*.ptr"

/* build/.../porttrace, beside build/.../tests/unit/test_golden */
static char program[PATH_MAX];

static char *read_text(const char *path)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = fopen(path, "re");

	if (!file)
		fail_msg("%s is missing: tests/golden/make writes it", path);
	if (getdelim(&text, &size, '\0', file) < 0)
		fail_msg("%s is empty", path);
	fclose(file);
	return text;
}

/* What porttrace says of the recording NAME.ptr is what NAME.KIND.golden has. */
static void check_one(const char *ptr, const char *arguments, const char *kind)
{
	char path[PATH_MAX], *command, *said, *wanted;

	snprintf(path, sizeof(path), "%.*s.%s.golden", (int)(strlen(ptr) - strlen(".ptr")), ptr,
		 kind);
	if (asprintf(&command, "TZ=UTC %s %s -r %s", program, arguments, ptr) < 0)
		fail_msg("out of memory");
	said = consumer_run(command);
	wanted = read_text(path);
	if (strcmp(said, wanted))
		print_error("%s differs: %s\n", path, command);
	assert_string_equal(said, wanted);
	free(command);
	free(wanted);
	free(said);
}

/* There are two: one of a kernel without cookies, one of the newest. */
static void check(const char *arguments, const char *kind)
{
	glob_t found;

	assert_int_equal(glob(RECORDINGS, 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 2);
	for (size_t i = 0; i < found.gl_pathc; i++)
		check_one(found.gl_pathv[i], arguments, kind);
	globfree(&found);
}

static void test_table(void **state)
{
	(void)state;
	check("trace -q --color never", "table");
}

static void test_json(void **state)
{
	(void)state;
	check("trace -q --json", "json");
}

static void test_report(void **state)
{
	(void)state;
	check("report --json", "report");
}

static void test_history(void **state)
{
	(void)state;
	check("history --color never 60609", "history");
}

static void find_program(void)
{
	char self[PATH_MAX] = "";

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		abort();
	snprintf(program, sizeof(program), "%.*s/porttrace", PATH_MAX - 16,
		 dirname(dirname(dirname(self))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_history),
	};

	find_program();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
