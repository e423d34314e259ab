// SPDX-License-Identifier: BSD-2-Clause
#include "user/base/parse.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "user/base/escape.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

typedef unsigned __int128 u128;

struct unit {
	const char *name;
	__u64 factor;
};

static const struct unit time_units[] = {
	{ "", 1000000000ULL },
	{ "ns", 1 },
	{ "us", 1000 },
	{ "ms", 1000000 },
	{ "s", 1000000000ULL },
	{ "m", 60 * 1000000000ULL },
	{ "h", 3600000000000ULL },
	{ "d", 86400000000000ULL },
};

static const struct unit size_units[] = {
	{ "", 1 },	     { "K", 1ULL << 10 }, { "k", 1ULL << 10 },
	{ "M", 1ULL << 20 }, { "m", 1ULL << 20 }, { "G", 1ULL << 30 },
	{ "g", 1ULL << 30 }, { "T", 1ULL << 40 }, { "t", 1ULL << 40 },
};

int parse_refuse(struct parse_reason *why, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof(why->text), format, args);
	va_end(args);
	return error;
}

const char *parse_quote(const char *text, size_t len, char buf[PARSE_QUOTE_LEN])
{
	static const char cut[] = "'...";
	char *p = buf;
	size_t used = 0;

	*p++ = '\'';
	while (used < len) {
		char one[4 * ESCAPE_EXPAND];
		size_t take = 1, n;

		/* A character stays whole: its other bytes look like 10xxxxxx. */
		while (used + take < len && take < 4 && ((__u8)text[used + take] & 0xc0) == 0x80)
			take++;
		n = escape_terminal(one, text + used, take);
		if ((size_t)(p - buf) + n + sizeof(cut) > PARSE_QUOTE_LEN)
			break;
		memcpy(p, one, n);
		p += n;
		used += take;
	}
	strcpy(p, used < len ? cut : "'");
	return buf;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The number of digits at text, and their value; ERANGE beyond 64 bits. */
static int scan_digits(const char *text, size_t len, size_t *digits, __u64 *value)
{
	bool over = false;
	__u64 sum = 0;
	size_t i;

	for (i = 0; i < len && is_digit(text[i]); i++)
		over |= __builtin_mul_overflow(sum, 10, &sum) ||
			__builtin_add_overflow(sum, (__u64)(text[i] - '0'), &sum);
	*digits = i;
	*value = sum;
	return over ? -ERANGE : 0;
}

static int parse_number(const char *text, size_t len, __u64 min, __u64 max, __u64 *out,
			struct parse_reason *why)
{
	char quote[PARSE_QUOTE_LEN];
	size_t digits;
	__u64 value;
	int err;

	err = scan_digits(text, len, &digits, &value);
	if (!len || digits != len)
		return parse_refuse(why, -EINVAL, "%s is not a number",
				    parse_quote(text, len, quote));
	if (err || value < min || value > max) {
		/* Digits need no quotes. */
		parse_quote(text, len, quote);
		return parse_refuse(why, -ERANGE, "%.*s is out of range %llu-%llu",
				    (int)strcspn(quote + 1, "'"), quote + 1, min, max);
	}
	*out = value;
	return 0;
}

int parse_u64(const char *text, __u64 min, __u64 max, __u64 *out, struct parse_reason *why)
{
	return parse_number(text, strlen(text), min, max, out, why);
}

static const struct unit *unit_find(const struct unit *units, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(units[i].name, name))
			return &units[i];
	return NULL;
}

/*
 * .DIGITS at text, one to nine of them: in billionths they are *value.
 * Returns its length with the point, 0 if text begins otherwise.
 */
static size_t scan_fraction(const char *text, __u64 *value)
{
	size_t digits = 0;

	*value = 0;
	if (text[0] == '.')
		scan_digits(text + 1, strlen(text + 1), &digits, value);
	if (!digits || digits > 9)
		return 0;
	for (size_t i = digits; i < 9; i++)
		*value *= 10;
	return digits + 1;
}

int parse_duration(const char *text, __u64 *ns, struct parse_reason *why)
{
	char quote[PARSE_QUOTE_LEN];
	const struct unit *unit;
	__u64 whole, fraction;
	size_t digits, point;
	u128 total;
	int err;

	parse_quote(text, strlen(text), quote);
	err = scan_digits(text, strlen(text), &digits, &whole);
	point = scan_fraction(text + digits, &fraction);
	unit = unit_find(time_units, ARRAY_SIZE(time_units), text + digits + point);
	if (!digits || !unit)
		return parse_refuse(why, -EINVAL, "%s is not a time such as 10s, 500ms, 2m or 1h",
				    quote);
	total = (u128)fraction * unit->factor;
	if (total % 1000000000)
		return parse_refuse(why, -EINVAL, "%s is finer than a nanosecond", quote);
	total = total / 1000000000 + (u128)whole * unit->factor;
	/* The greatest value of 64 bits means "unknown" elsewhere. */
	if (err || total >= ~0ULL)
		return parse_refuse(why, -ERANGE, "%s is too long a time", quote);
	*ns = (__u64)total;
	return 0;
}

int parse_size(const char *text, __u64 *bytes, struct parse_reason *why)
{
	char quote[PARSE_QUOTE_LEN];
	const struct unit *unit;
	__u64 value;
	size_t digits;
	int err;

	parse_quote(text, strlen(text), quote);
	err = scan_digits(text, strlen(text), &digits, &value);
	unit = unit_find(size_units, ARRAY_SIZE(size_units), text + digits);
	if (!digits || !unit)
		return parse_refuse(why, -EINVAL, "%s is not a size such as 65536, 64K, 8M or 1G",
				    quote);
	if (err || __builtin_mul_overflow(value, unit->factor, &value))
		return parse_refuse(why, -ERANGE, "%s is too large a size", quote);
	*bytes = value;
	return 0;
}

/* One item of a list: PORT or FIRST-LAST. */
static int parse_port_range(const char *item, size_t len, struct port_set *set,
			    struct parse_reason *why)
{
	const char *dash = memchr(item, '-', len);
	size_t first_len = dash ? (size_t)(dash - item) : len;
	char quote[PARSE_QUOTE_LEN];
	__u64 first, last;
	int err;

	parse_quote(item, len, quote);
	if (dash && !first_len)
		return parse_refuse(why, -EINVAL, "%s: the range has no beginning", quote);
	if (dash && first_len + 1 == len)
		return parse_refuse(why, -EINVAL, "%s: the range has no end", quote);
	err = parse_number(item, first_len, 1, PARSE_PORT_MAX, &first, why);
	if (err)
		return err;
	last = first;
	if (dash)
		err = parse_number(dash + 1, len - first_len - 1, 1, PARSE_PORT_MAX, &last, why);
	if (err)
		return err;
	if (last < first)
		return parse_refuse(why, -EINVAL, "%llu-%llu: the range ends before it begins",
				    first, last);
	for (__u64 port = first; port <= last; port++)
		port_set_add(set, (__u16)port);
	return 0;
}

int parse_ports(const char *text, struct port_set *set, struct parse_reason *why)
{
	struct port_set all = *set;
	char quote[PARSE_QUOTE_LEN];
	const char *item = text;

	if (!*text)
		return parse_refuse(why, -EINVAL, "no port is given");
	for (;;) {
		size_t len = strcspn(item, ",");
		int err;

		if (!len)
			return parse_refuse(why, -EINVAL, "%s has an empty item",
					    parse_quote(text, strlen(text), quote));
		err = parse_port_range(item, len, &all, why);
		if (err)
			return err;
		if (!item[len])
			break;
		item += len + 1;
	}
	*set = all;
	return 0;
}

static void prefix_clear_rest(struct addr_prefix *prefix)
{
	for (unsigned int bit = prefix->len; bit < 128; bit++)
		prefix->addr[bit / 8] &= (__u8) ~(0x80 >> bit % 8);
}

int parse_prefix(const char *text, struct addr_prefix *out, struct parse_reason *why)
{
	struct addr_prefix prefix = { .addr = { [10] = 0xff, [11] = 0xff } };
	size_t addr_len = strcspn(text, "/");
	char addr[INET6_ADDRSTRLEN] = "", quote[PARSE_QUOTE_LEN];
	unsigned int skipped = 0;
	__u64 len;
	int err;

	parse_quote(text, addr_len, quote);
	if (addr_len < sizeof(addr))
		memcpy(addr, text, addr_len);
	if (inet_pton(AF_INET, addr, prefix.addr + 12) == 1)
		skipped = 96;
	else if (inet_pton(AF_INET6, addr, prefix.addr) != 1)
		return parse_refuse(why, -EINVAL, "%s is not an IPv4 or IPv6 address", quote);
	len = 128 - skipped;
	if (text[addr_len]) {
		err = parse_u64(text + addr_len + 1, 0, len, &len, why);
		if (err)
			return err;
	}
	prefix.len = skipped + (unsigned int)len;
	prefix_clear_rest(&prefix);
	*out = prefix;
	return 0;
}
