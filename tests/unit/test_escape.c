// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/base/escape.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct wanted {
	const char *text;
	const char *terminal;
	const char *json;
};

/* The output buffer is exactly as large as the header says. */
static void check(size_t (*escape)(char *dst, const char *text, size_t len), const char *text,
		  size_t len, const char *wanted)
{
	char *dst = malloc(len * ESCAPE_EXPAND + 1);
	size_t n = escape(dst, text, len);

	assert_true(n <= len * ESCAPE_EXPAND);
	dst[n] = '\0';
	assert_string_equal(dst, wanted);
	free(dst);
}

static void check_all(const struct wanted *wanted, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		check(escape_terminal, wanted[i].text, strlen(wanted[i].text), wanted[i].terminal);
		check(escape_json, wanted[i].text, strlen(wanted[i].text), wanted[i].json);
	}
}

static void test_plain(void **state)
{
	static const struct wanted wanted[] = {
		{ "", "", "" },
		{ "curl", "curl", "curl" },
		{ "a b'c$(d)<e>&", "a b'c$(d)<e>&", "a b'c$(d)<e>&" },
		{ "J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x90\xa7",
		  "J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x90\xa7",
		  "J\xc3\xbcrgen \xe2\x82\xac \xf0\x9f\x90\xa7" },
		/* The last ones before and behind what must not be shown. */
		{ "\xc2\xa0\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa",
		  "\xc2\xa0\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa",
		  "\xc2\xa0\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5\xe2\x81\xaa" },
		{ "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf",
		  "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf",
		  "\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf" },
	};

	(void)state;
	check_all(wanted, ARRAY_SIZE(wanted));
}

static void test_controls(void **state)
{
	static const struct wanted wanted[] = {
		{ "\\", "\\\\", "\\\\" },
		{ "\"", "\"", "\\\"" },
		{ "\n", "\\x0a", "\\n" },
		{ "\t", "\\x09", "\\t" },
		{ "\r", "\\x0d", "\\u000d" },
		{ "\x1b[2J", "\\x1b[2J", "\\u001b[2J" },
		{ "\x1f\x20\x7e\x7f", "\\x1f ~\\x7f", "\\u001f ~\\u007f" },
		{ "\x01\x07\x08", "\\x01\\x07\\x08", "\\u0001\\u0007\\u0008" },
		/* C1: CSI in one character, and the two ends of the range. */
		{ "\xc2\x9b"
		  "31m",
		  "\\u009b31m", "\\u009b31m" },
		{ "\xc2\x80\xc2\x9f", "\\u0080\\u009f", "\\u0080\\u009f" },
		{ "\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029", "\\u2028\\u2029" },
		{ "\xe2\x80\xaa\xe2\x80\xae", "\\u202a\\u202e", "\\u202a\\u202e" },
		{ "\xe2\x81\xa6\xe2\x81\xa9", "\\u2066\\u2069", "\\u2066\\u2069" },
		{ "\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c", "\\u200e\\u200f\\u061c",
		  "\\u200e\\u200f\\u061c" },
		/* A name that looks escaped does not read like one that was. */
		{ "\\x1b", "\\\\x1b", "\\\\x1b" },
	};

	(void)state;
	check_all(wanted, ARRAY_SIZE(wanted));
	check(escape_terminal, "a\0b", 3, "a\\x00b");
	check(escape_json, "a\0b", 3, "a\\u0000b");
}

static void test_broken(void **state)
{
	static const struct wanted wanted[] = {
		{ "\x80", "\\x80", "\\\\x80" },
		{ "\x9b"
		  "31m",
		  "\\x9b31m", "\\\\x9b31m" },
		{ "a\xff"
		  "b",
		  "a\\xffb", "a\\\\xffb" },
		{ "\xfe\xff", "\\xfe\\xff", "\\\\xfe\\\\xff" },
		/* Overlong: NUL, a slash, ESC, and the largest of each length. */
		{ "\xc0\x80", "\\xc0\\x80", "\\\\xc0\\\\x80" },
		{ "\xc0\xaf", "\\xc0\\xaf", "\\\\xc0\\\\xaf" },
		{ "\xe0\x80\x9b", "\\xe0\\x80\\x9b", "\\\\xe0\\\\x80\\\\x9b" },
		{ "\xc1\xbf", "\\xc1\\xbf", "\\\\xc1\\\\xbf" },
		{ "\xe0\x9f\xbf", "\\xe0\\x9f\\xbf", "\\\\xe0\\\\x9f\\\\xbf" },
		{ "\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf", "\\\\xf0\\\\x8f\\\\xbf\\\\xbf" },
		/* Surrogates, and beyond the last character. */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80", "\\\\xed\\\\xa0\\\\x80" },
		{ "\xed\xbf\xbf", "\\xed\\xbf\\xbf", "\\\\xed\\\\xbf\\\\xbf" },
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\\\xf4\\\\x90\\\\x80\\\\x80" },
		{ "\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80", "\\\\xf5\\\\x80\\\\x80\\\\x80" },
		/* Cut off, as names of 15 bytes are. */
		{ "abc\xe2\x82", "abc\\xe2\\x82", "abc\\\\xe2\\\\x82" },
		{ "\xf0\x9f\x90", "\\xf0\\x9f\\x90", "\\\\xf0\\\\x9f\\\\x90" },
		{ "\xc3", "\\xc3", "\\\\xc3" },
		/* A control byte within a character is still one. */
		{ "\xe2\x1b[m", "\\xe2\\x1b[m", "\\\\xe2\\u001b[m" },
		{ "\xe2\x82"
		  "A",
		  "\\xe2\\x82A", "\\\\xe2\\\\x82A" },
		/* The second byte begins a good one. */
		{ "\xe2\xc3\xbc", "\\xe2\xc3\xbc", "\\\\xe2\xc3\xbc" },
	};

	(void)state;
	check_all(wanted, ARRAY_SIZE(wanted));
}

/* No byte sequence of any two, and no random one, gets a control byte through. */
static void check_safe(const char *text, size_t len)
{
	char dst[16 * ESCAPE_EXPAND];

	for (int json = 0; json < 2; json++) {
		size_t n = json ? escape_json(dst, text, len) : escape_terminal(dst, text, len);
		char again[sizeof(dst) * ESCAPE_EXPAND];
		size_t plain = 0;

		assert_true(n <= len * ESCAPE_EXPAND);
		for (size_t i = 0; i < n; i++) {
			unsigned char c = (unsigned char)dst[i];

			assert_true(c >= 0x20 && c != 0x7f);
			plain += c != '\\' && c != '"';
		}
		/* It is UTF-8: to escape it again alters only quotes and backslashes. */
		assert_int_equal(escape_json(again, dst, n), plain + 2 * (n - plain));
	}
}

static void test_nothing_gets_through(void **state)
{
	unsigned int seed = 1;

	(void)state;
	for (int a = 0; a < 256; a++)
		for (int b = 0; b < 256; b++)
			check_safe((char[]){ (char)a, (char)b }, 2);
	for (int round = 0; round < 100000; round++) {
		static const char bytes[] =
			"\x00\x1b\x7f\x80\x82\x9b\xac\xbf\xc0\xc2\xe0\xe2\xed\xf0\xf4"
			"aA\\\"";
		char text[16];
		size_t len = (size_t)rand_r(&seed) % sizeof(text);

		for (size_t i = 0; i < len; i++)
			text[i] = bytes[(size_t)rand_r(&seed) % (sizeof(bytes) - 1)];
		check_safe(text, len);
	}
}

static void test_width(void **state)
{
	(void)state;
	assert_int_equal(escape_width("", 0), 0);
	assert_int_equal(escape_width("curl", 4), 4);
	assert_int_equal(escape_width("J\xc3\xbcrgen", 7), 6);
	assert_int_equal(escape_width("\xe2\x82\xac\xf0\x9f\x90\xa7", 7), 2);
	assert_int_equal(escape_width("\\x1b", 4), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),  cmocka_unit_test(test_controls),
		cmocka_unit_test(test_broken), cmocka_unit_test(test_nothing_gets_through),
		cmocka_unit_test(test_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
