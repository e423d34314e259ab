// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "user/base/parse_time.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define S 1000000000ULL
/* 2026-11-21T14:02:10.5Z */
#define NOW (1795269730ULL * S + 500000000)
#define MIDNIGHT (1795219200ULL * S) /* of that day, UTC */
#define EXAMPLES "; these are: 14:02, 2026-11-21 14:02:10, -30m"

static void set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static void check(const char *text, __u64 wanted)
{
	struct parse_reason why;
	__u64 ns = 4711;

	if (parse_time(text, NOW, &ns, &why))
		fail_msg("%s: %s", text, why.text);
	if (ns != wanted)
		fail_msg("%s: %llu, not %llu", text, ns, wanted);
}

static void check_refused(const char *text, int err, const char *reason)
{
	struct parse_reason why;
	char wanted[PARSE_REASON_LEN];
	__u64 ns = 4711;

	snprintf(wanted, sizeof(wanted), "%s" EXAMPLES, reason);
	assert_int_equal(parse_time(text, NOW, &ns, &why), err);
	assert_string_equal(why.text, wanted);
	assert_int_equal(ns, 4711);
}

static void test_now_and_before(void **state)
{
	(void)state;
	check("now", NOW);
	check("-30m", NOW - 1800 * S);
	check("-0s", NOW);
	check("-1h30m", NOW - 5400 * S);
	check("-1d2h3m4s5ms", NOW - 93784 * S - 5000000);
	check("-1.5h", NOW - 5400 * S);
	check("-1ns", NOW - 1);
	check("-20778d", NOW % (86400 * S));
}

static void test_before_refused(void **state)
{
	(void)state;
	check_refused("-20779d", -ERANGE, "'-20779d' is no time: that is before 1970");
	check_refused("-99999999999999999999s", -ERANGE,
		      "'-99999999999999999999s' is no time: that is before 1970");
	check_refused("-200000d200000d", -ERANGE,
		      "'-200000d200000d' is no time: that is before 1970");
	check_refused("-", -EINVAL, "'-' is no time");
	/* Seconds, minutes? */
	check_refused("-30", -EINVAL, "'-30' is no time");
	check_refused("-1h30", -EINVAL, "'-1h30' is no time");
	check_refused("-m", -EINVAL, "'-m' is no time");
	check_refused("-1w", -EINVAL, "'-1w' is no time");
	check_refused("--30m", -EINVAL, "'--30m' is no time");
	check_refused("-1h -2m", -EINVAL, "'-1h -2m' is no time");
	check_refused("-1.5.5h", -EINVAL, "'-1.5.5h' is no time");
	check_refused("-00000000000000000000000000000001h", -EINVAL,
		      "'-00000000000000000000000000000001h' is no time");
	check_refused("+30m", -EINVAL, "'+30m' is no time");
	check_refused("30m", -EINVAL, "'30m' is no time");
}

static void test_time_of_day(void **state)
{
	(void)state;
	set_zone("UTC");
	check("14:02", MIDNIGHT + (14 * 3600 + 2 * 60) * S);
	check("14:02:10", NOW - 500000000);
	check("14:02:10.5", NOW);
	check("0:00", MIDNIGHT);
	check("9:05", MIDNIGHT + (9 * 3600 + 5 * 60) * S);
	/* still to come today: yesterday's */
	check("14:02:10.500000001", NOW + 1 - 86400 * S);
	check("14:02:11", NOW + 500000000 - 86400 * S);
	check("23:59:59", MIDNIGHT - S);
	/* Tokyo is on the 21st, 23:02:10 */
	set_zone("JST-9");
	check("23:02", MIDNIGHT + (14 * 3600 + 2 * 60) * S);
	check("00:30", MIDNIGHT - 9 * 3600 * S + 1800 * S);
	check("23:30", MIDNIGHT + (14 * 3600 + 30 * 60) * S - 86400 * S);
	/* Kiritimati is on the 22nd, 04:02:10 */
	set_zone("LINT-14");
	check("04:02", MIDNIGHT + (14 * 3600 + 2 * 60) * S);
	check("05:00", MIDNIGHT - 9 * 3600 * S);
}

/* The first of a month, of a year: yesterday is in another one. */
static void test_yesterday_of_a_new_year(void **state)
{
	struct parse_reason why;
	__u64 ns;

	(void)state;
	set_zone("UTC");
	/* 2026-01-01T00:00:05Z */
	assert_int_equal(parse_time("23:59", 1767225605ULL * S, &ns, &why), 0);
	assert_int_equal(ns, 1767225540ULL * S);
	/* 1970-01-01T00:00:05Z has no yesterday. */
	assert_int_equal(parse_time("23:59", 5 * S, &ns, &why), -ERANGE);
}

static void test_date(void **state)
{
	(void)state;
	set_zone("UTC");
	check("2026-11-21", MIDNIGHT);
	check("2026-11-21 14:02", MIDNIGHT + (14 * 3600 + 2 * 60) * S);
	check("2026-11-21 14:02:10.5", NOW);
	check("2026-11-21T14:02:10.5", NOW);
	/* also in the future */
	check("2026-12-21", MIDNIGHT + 30ULL * 86400 * S);
	check("2024-02-29", 1709164800ULL * S);
	check("2000-02-29", 951782400ULL * S);
	check("1970-01-01", 0);
	check("2200-12-31 23:59:59.999999999", 7289654399ULL * S + 999999999);
	set_zone("EST5EDT,M3.2.0,M11.1.0");
	check("2026-11-21", MIDNIGHT + 5 * 3600 * S);
	check("2026-07-21 12:00", 1784649600ULL * S);
}

static void test_rfc3339(void **state)
{
	(void)state;
	set_zone("JST-9");
	check("2026-11-21T14:02:10.5Z", NOW);
	check("2026-11-21t14:02:10.5z", NOW);
	check("2026-11-21 14:02:10.5Z", NOW);
	check("2026-11-21T14:02:10.123456789Z", 1795269730123456789ULL);
	check("2026-11-21T15:02:10.5+01:00", NOW);
	check("2026-11-20T18:32:10.5-19:30", NOW);
	check("2026-11-22T00:02:10.5+10:00", NOW);
	check("2026-11-21T14:02:10.5-00:00", NOW);
	check("2026-11-21T14:02Z", MIDNIGHT + (14 * 3600 + 2 * 60) * S);
	check("1970-01-01T00:00:00Z", 0);
	check("1970-01-01T01:00:00+01:00", 0);
	check_refused("1970-01-01T00:00:00+01:00", -ERANGE,
		      "'1970-01-01T00:00:00+01:00' is no time: years go from 1970 to 2200");
	check_refused("2200-12-31T23:30:00-01:00", -ERANGE,
		      "'2200-12-31T23:30:00-01:00' is no time: years go from 1970 to 2200");
}

/* Whichever hour it is, it is one of the two, or the one next to the gap. */
static void test_daylight_saving(void **state)
{
	struct parse_reason why;
	__u64 ns;

	(void)state;
	set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
	check("2026-03-29 01:59:59", 1774745999ULL * S);
	check("2026-03-29 03:00", 1774746000ULL * S);
	assert_int_equal(parse_time("2026-03-29 02:30", NOW, &ns, &why), 0);
	assert_true(ns == 1774744200ULL * S || ns == 1774747800ULL * S);
	assert_int_equal(parse_time("2026-10-25 02:30", NOW, &ns, &why), 0);
	assert_true(ns == 1792888200ULL * S || ns == 1792891800ULL * S);
	check("2026-10-25 03:00", 1792893600ULL * S);
	/* A day of 25 hours */
	check("2026-10-25", 1792879200ULL * S);
	check("2026-10-26", 1792879200ULL * S + 25 * 3600 * S);
}

static void test_bounds(void **state)
{
	static const struct {
		const char *text, *rule;
	} wanted[] = {
		{ "25:00", "hours go from 00 to 23" },
		{ "24:00", "hours go from 00 to 23" },
		{ "12:60", "minutes go from 00 to 59" },
		{ "12:00:60", "seconds go from 00 to 59" },
		{ "2026-13-01", "months go from 01 to 12" },
		{ "2026-00-01", "months go from 01 to 12" },
		{ "2026-02-29", "that month has no such day" },
		{ "2100-02-29", "that month has no such day" },
		{ "2026-04-31", "that month has no such day" },
		{ "2026-04-00", "that month has no such day" },
		{ "1969-12-31", "years go from 1970 to 2200" },
		{ "2201-01-01", "years go from 1970 to 2200" },
		{ "0000-01-01", "years go from 1970 to 2200" },
		{ "2026-11-21T14:02:10+24:00", "hours go from 00 to 23" },
		{ "2026-11-21T14:02:10+01:60", "minutes go from 00 to 59" },
	};

	(void)state;
	set_zone("UTC");
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		char reason[PARSE_REASON_LEN];

		snprintf(reason, sizeof(reason), "'%s' is no time: %s", wanted[i].text,
			 wanted[i].rule);
		check_refused(wanted[i].text, -ERANGE, reason);
	}
}

static void test_form(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"today",
		"now ",
		"Now",
		"14",
		"14:",
		"14:2",
		"14:02:",
		"14:02:1",
		"14:02:10.",
		"14:02:10.1234567891",
		"14:02:10,5",
		"14:02.5",
		"14:02Z",
		"14:02 ",
		" 14:02",
		"014:02",
		"14.02",
		"2:02pm",
		"2026",
		"2026-11",
		"2026-11-",
		"2026-1-2",
		"26-11-21",
		"20261121",
		"2026-11-21 ",
		"2026-11-21T",
		"2026-11-21Z",
		"2026-11-21  14:02",
		"2026-11-21_14:02",
		"2026-11-21T14:02:10 Z",
		"2026-11-21T14:02:10Zulu",
		"2026-11-21T14:02:10+1",
		"2026-11-21T14:02:10+0100",
		"2026-11-21T14:02:10+01:0",
		"2026-11-21T14:02:10+01:00:00",
		"02026-11-21",
		"2026/11/21",
		"1795269730",
		"@1795269730",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char reason[PARSE_REASON_LEN];

		snprintf(reason, sizeof(reason), "'%s' is no time", texts[i]);
		check_refused(texts[i], -EINVAL, reason);
	}
	check_refused("\x1b[2J", -EINVAL, "'\\x1b[2J' is no time");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_now_and_before),
		cmocka_unit_test(test_before_refused),
		cmocka_unit_test(test_time_of_day),
		cmocka_unit_test(test_yesterday_of_a_new_year),
		cmocka_unit_test(test_date),
		cmocka_unit_test(test_rfc3339),
		cmocka_unit_test(test_daylight_saving),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
