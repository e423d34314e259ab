// SPDX-License-Identifier: BSD-2-Clause
#include "user/base/parse_time.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#define NS_PER_S 1000000000ULL
#define YEAR_MIN 1970
#define YEAR_MAX 2200
#define SECOND_MAX 7289654399LL /* the last one of YEAR_MAX, UTC */
#define EXAMPLES "these are: 14:02, 2026-11-21 14:02:10, -30m"

/* What the text says, field by field. */
struct moment {
	bool has_date;
	bool has_time;
	bool has_zone;
	int year, month, day;
	int hour, minute, second;
	int nanosecond;
	int zone_hour, zone_minute, zone_sign;
};

static int refuse_form(const char *text, struct parse_reason *why)
{
	char quote[PARSE_QUOTE_LEN];

	return parse_refuse(why, -EINVAL, "%s is no time; " EXAMPLES,
			    parse_quote(text, strlen(text), quote));
}

static int refuse_range(const char *text, const char *rule, struct parse_reason *why)
{
	char quote[PARSE_QUOTE_LEN];

	return parse_refuse(why, -ERANGE, "%s is no time: %s; " EXAMPLES,
			    parse_quote(text, strlen(text), quote), rule);
}

/* ---- the forms ---------------------------------------------------------------- */

/* From min to max (at most nine) digits at *p, which moves behind them. How many; 0: not so. */
static int take_digits(const char **p, int min, int max, int *value)
{
	const char *text = *p;
	int digits = 0, sum = 0;

	for (; digits < max && text[digits] >= '0' && text[digits] <= '9'; digits++)
		sum = sum * 10 + text[digits] - '0';
	if (digits < min)
		return 0;
	*p += digits;
	*value = sum;
	return digits;
}

static bool take_char(const char **p, const char *choice)
{
	if (!**p || !strchr(choice, **p))
		return false;
	++*p;
	return true;
}

static bool take_date(const char **p, struct moment *m)
{
	m->has_date = true;
	return take_digits(p, 4, 4, &m->year) && take_char(p, "-") &&
	       take_digits(p, 2, 2, &m->month) && take_char(p, "-") &&
	       take_digits(p, 2, 2, &m->day);
}

static bool take_fraction(const char **p, struct moment *m)
{
	int digits = take_digits(p, 1, 9, &m->nanosecond);

	for (int i = digits; i < 9; i++)
		m->nanosecond *= 10;
	return digits;
}

static bool take_time(const char **p, struct moment *m)
{
	m->has_time = true;
	if (!take_digits(p, 1, 2, &m->hour) || !take_char(p, ":") ||
	    !take_digits(p, 2, 2, &m->minute))
		return false;
	if (!take_char(p, ":"))
		return true;
	if (!take_digits(p, 2, 2, &m->second))
		return false;
	return !take_char(p, ".") || take_fraction(p, m);
}

static bool take_zone(const char **p, struct moment *m)
{
	m->has_zone = true;
	if (take_char(p, "Zz"))
		return true;
	m->zone_sign = **p == '-' ? -1 : 1;
	return take_char(p, "+-") && take_digits(p, 2, 2, &m->zone_hour) && take_char(p, ":") &&
	       take_digits(p, 2, 2, &m->zone_minute);
}

/* The whole text: DATE, TIME or DATE TIME, the last perhaps with a zone. */
static bool take_moment(const char *text, struct moment *m)
{
	const char *p = text;

	if (memchr(text, '-', strnlen(text, 5))) {
		if (!take_date(&p, m))
			return false;
		if (*p && (!take_char(&p, " Tt") || !take_time(&p, m)))
			return false;
		if (*p && !take_zone(&p, m))
			return false;
	} else if (!take_time(&p, m)) {
		return false;
	}
	return !*p;
}

static int days_of(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/* The rule that is broken; NULL: none. */
static const char *broken_rule(const struct moment *m)
{
	if (m->has_date && (m->year < YEAR_MIN || m->year > YEAR_MAX))
		return "years go from 1970 to 2200";
	if (m->has_date && (m->month < 1 || m->month > 12))
		return "months go from 01 to 12";
	if (m->has_date && (m->day < 1 || m->day > days_of(m->year, m->month)))
		return "that month has no such day";
	if (m->hour > 23 || m->zone_hour > 23)
		return "hours go from 00 to 23";
	if (m->minute > 59 || m->zone_minute > 59)
		return "minutes go from 00 to 59";
	if (m->second > 59)
		return "seconds go from 00 to 59";
	return NULL;
}

/* ---- what they mean ------------------------------------------------------------ */

static time_t seconds_of(const struct moment *m, const struct tm *date)
{
	struct tm tm = {
		.tm_year = date->tm_year,
		.tm_mon = date->tm_mon,
		.tm_mday = date->tm_mday,
		.tm_hour = m->hour,
		.tm_min = m->minute,
		.tm_sec = m->second,
		.tm_isdst = -1,
	};

	if (!m->has_zone)
		return mktime(&tm);
	return timegm(&tm) - m->zone_sign * (m->zone_hour * 3600 + m->zone_minute * 60);
}

/* A time of day is the last one that there was. */
static time_t last_seconds(const struct moment *m, __u64 now)
{
	time_t now_seconds = (time_t)(now / NS_PER_S), seconds;
	struct tm today;

	localtime_r(&now_seconds, &today);
	seconds = seconds_of(m, &today);
	if (seconds < now_seconds ||
	    (seconds == now_seconds && (__u64)m->nanosecond <= now % NS_PER_S))
		return seconds;
	today.tm_mday--; /* mktime() knows what comes before the first */
	return seconds_of(m, &today);
}

static int parse_moment(const char *text, __u64 now, __u64 *realtime_ns, struct parse_reason *why)
{
	struct moment m = { 0 };
	const char *rule;
	time_t seconds;

	if (!take_moment(text, &m))
		return refuse_form(text, why);
	rule = broken_rule(&m);
	if (rule)
		return refuse_range(text, rule, why);
	if (m.has_date)
		seconds = seconds_of(&m, &(struct tm){ .tm_year = m.year - 1900,
						       .tm_mon = m.month - 1,
						       .tm_mday = m.day });
	else
		seconds = last_seconds(&m, now);
	if (seconds < 0 || seconds > SECOND_MAX)
		return refuse_range(text, "years go from 1970 to 2200", why);
	*realtime_ns = (__u64)seconds * NS_PER_S + (__u64)m.nanosecond;
	return 0;
}

/* The next of the parts of 1h30m. Its length; 0: there is none, or it has no unit. */
static size_t take_part(const char *text, char part[32])
{
	size_t len = strspn(text, "0123456789.");
	size_t unit = strspn(text + len, "abcdefghijklmnopqrstuvwxyz");

	if (!len || !unit || len + unit >= 32)
		return 0;
	memcpy(part, text, len + unit);
	part[len + unit] = '\0';
	return len + unit;
}

static int parse_ago(const char *text, __u64 now, __u64 *realtime_ns, struct parse_reason *why)
{
	__u64 ago = 0;

	for (const char *p = text + 1; *p || p == text + 1;) {
		char part[32];
		size_t len = take_part(p, part);
		__u64 ns;
		int err = len ? parse_duration(part, &ns, why) : -EINVAL;

		if (err == -EINVAL)
			return refuse_form(text, why);
		if (err || __builtin_add_overflow(ago, ns, &ago) || ago > now)
			return refuse_range(text, "that is before 1970", why);
		p += len;
	}
	*realtime_ns = now - ago;
	return 0;
}

int parse_time(const char *text, __u64 now_realtime_ns, __u64 *realtime_ns,
	       struct parse_reason *why)
{
	if (!strcmp(text, "now")) {
		*realtime_ns = now_realtime_ns;
		return 0;
	}
	if (text[0] == '-')
		return parse_ago(text, now_realtime_ns, realtime_ns, why);
	return parse_moment(text, now_realtime_ns, realtime_ns, why);
}
