// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/capture.h"
#include "user/sink/prose.h"

#define SECOND 1000000000ULL
/* 2026-11-21T14:02:00Z */
#define BASE 1795269720000000000ULL

static void check_span(__u64 to, const char *wanted)
{
	struct out out;
	char *text;

	capture_begin(&out);
	prose_span(&out, " to ", BASE, to);
	text = capture_end(&out);
	assert_string_equal(text, wanted);
	free(text);
}

static void test_span(void **state)
{
	(void)state;
	check_span(BASE, "2026-11-21 14:02:00");
	check_span(BASE + 61 * SECOND, "2026-11-21 14:02:00 to 14:03:01");
	check_span(BASE + 36000 * SECOND, "2026-11-21 14:02:00 to 2026-11-22 00:02:00");
}

static void test_pieces(void **state)
{
	struct out out;
	char *text;

	(void)state;
	capture_begin(&out);
	out_format(&out, "0 port%s, 1 port%s, ", prose_plural(0), prose_plural(1));
	prose_duration(&out, 105 * SECOND / 1000);
	prose_wall(&out, " at %H:%M", BASE);
	text = capture_end(&out);
	assert_string_equal(text, "0 ports, 1 port, 105ms at 14:02");
	free(text);
}

static void check_lost(__u64 lost, bool unknown, const char *wanted)
{
	struct out out;
	char *text;

	capture_begin(&out);
	assert_int_equal(prose_lost(&out, lost, unknown), *wanted != '\0');
	text = capture_end(&out);
	assert_string_equal(text, wanted);
	free(text);
}

static void test_lost(void **state)
{
	(void)state;
	check_lost(0, false, "");
	check_lost(9, false, "Events lost in this span: 9");
	check_lost(9, true, "Events lost in this span: 9 or more");
	check_lost(0, true, "Events lost in this span: nobody knows how many");
}

static void test_head(void **state)
{
	struct out out;
	char *text;

	(void)state;
	capture_begin(&out);
	prose_head(&out, BASE, BASE + 61 * SECOND);
	text = capture_end(&out);
	assert_string_equal(text, "2026-11-21 14:02:00 to 14:03:01 (61.0s): ");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_span),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_head),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
