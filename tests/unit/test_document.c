// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/recording/document.h"

static struct document sample(void)
{
	return (struct document){
		.run = "0123456789abcdef0123456789abcdef",
		.index = 7,
		.continues = true,
		.dropped = UINT64_MAX,
		.dropped_from = 1,
		.dropped_to = 2,
		.begin_wall = 1795000000123456789,
		.begin_boot = 5,
		.pid = 42,
		.boot = "boot",
		.host = "h\xff\x1b[31m",
		.kernel = "6.18",
		.version = "0.1.0",
	};
}

static void test_there_and_back(void **state)
{
	struct document in = sample(), out;
	char *text;
	size_t size;

	(void)state;
	assert_int_equal(document_make(&in, "\"x\":1,\"run\":\"mine\"", &text, &size), 0);
	assert_non_null(strstr(text, "\"begin\":\"2026-11-18T"));
	assert_int_equal(document_read(text, size, &out), 0);
	assert_string_equal(out.run, in.run);
	assert_int_equal(out.index, 7);
	assert_true(out.continues);
	assert_true(out.dropped == UINT64_MAX);
	assert_int_equal(out.dropped_from, 1);
	assert_int_equal(out.dropped_to, 2);
	assert_int_equal(out.begin_wall, in.begin_wall);
	assert_int_equal(out.begin_boot, 5);
	assert_int_equal(out.pid, 42);
	assert_string_equal(out.host, "h\\xff\\x1b[31m");
	assert_string_equal(out.kernel, "6.18");
	assert_string_equal(out.version, "0.1.0");
	assert_non_null(strstr(out.about, "\"x\":1"));
	document_free(&out);
	free(text);
}

static void test_more_that_is_no_json(void **state)
{
	struct document in = sample();
	char *text, *large = malloc(DOCUMENT_MAX + 16);
	size_t size;

	(void)state;
	assert_int_equal(document_make(&in, "}", &text, &size), -EINVAL);
	assert_non_null(large);
	memset(large, 'x', DOCUMENT_MAX + 16);
	memcpy(large, "\"x\":\"", 5);
	strcpy(large + DOCUMENT_MAX, "\"");
	assert_int_equal(document_make(&in, large, &text, &size), -E2BIG);
	free(large);
}

#define RUN "\"run\":\"0123456789abcdef0123456789abcdef\""

static int read_text(const char *text, struct document *out)
{
	return document_read(text, strlen(text), out);
}

/* What a file says can be anything. */
static void test_hostile_text(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{" RUN "}",
		"{" RUN ",\"index\":0,\"dropped\":\"0\"}",
		"{" RUN ",\"index\":\"-1\",\"dropped\":\"0\"}",
		"{\"run\":\"../../../../../../../../etc/"
		"passwd\",\"index\":\"0\",\"dropped\":\"0\"}",
		"{" RUN ",\"index\":\"0\",\"dropped\":\"0\"",
	};
	struct document out;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(read_text(bad[i], &out), -EBADMSG);
	assert_int_equal(
		read_text("{" RUN ",\"index\":\"0\",\"dropped\":\"0\",\"host\":\"a\\u001b\\u202e\","
			  "\"kernel\":7}",
			  &out),
		0);
	assert_string_equal(out.host, "a\\x1b\\u202e");
	assert_string_equal(out.kernel, "");
	for (const char *p = out.about; *p; p++)
		assert_in_range(*p, ' ', '~');
	document_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_more_that_is_no_json),
		cmocka_unit_test(test_hostile_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
