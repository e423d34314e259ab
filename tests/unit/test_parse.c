// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "user/base/parse.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* What a parser is asked, and what it has to say. */
struct wanted {
	const char *text;
	int err;
	__u64 value;	    /* if err is 0 */
	const char *reason; /* if not */
};

static void check_parser(const struct wanted *wanted, size_t count,
			 int (*parse)(const char *text, __u64 *out, struct parse_reason *why))
{
	for (size_t i = 0; i < count; i++) {
		struct parse_reason why = { "" };
		__u64 value = 4711;
		int err = parse(wanted[i].text, &value, &why);

		if (err != wanted[i].err || value != (err ? 4711 : wanted[i].value))
			fail_msg("'%s': %d, %llu (%s)", wanted[i].text, err, value, why.text);
		assert_string_equal(why.text, err ? wanted[i].reason : "");
	}
}

static int parse_1_to_65535(const char *text, __u64 *out, struct parse_reason *why)
{
	return parse_u64(text, 1, 65535, out, why);
}

static int parse_any_u64(const char *text, __u64 *out, struct parse_reason *why)
{
	return parse_u64(text, 0, UINT64_MAX, out, why);
}

static void test_u64_bounds(void **state)
{
	static const struct wanted wanted[] = {
		{ "1", 0, 1, NULL },
		{ "65535", 0, 65535, NULL },
		{ "00080", 0, 80, NULL },
		{ "0", -ERANGE, 0, "0 is out of range 1-65535" },
		{ "65536", -ERANGE, 0, "65536 is out of range 1-65535" },
		{ "18446744073709551617", -ERANGE, 0,
		  "18446744073709551617 is out of range 1-65535" },
	};

	(void)state;
	check_parser(wanted, ARRAY_SIZE(wanted), parse_1_to_65535);
}

static void test_u64_form(void **state)
{
	static const struct wanted wanted[] = {
		{ "0", 0, 0, NULL },
		{ "18446744073709551615", 0, UINT64_MAX, NULL },
		{ "18446744073709551616", -ERANGE, 0,
		  "18446744073709551616 is out of range 0-18446744073709551615" },
		/* Wraps to a small number if only the last step is watched. */
		{ "99999999999999999999999999999999999999", -ERANGE, 0,
		  "99999999999999999999999999999999999999 is out of range 0-18446744073709551615" },
		{ "", -EINVAL, 0, "'' is not a number" },
		{ " 1", -EINVAL, 0, "' 1' is not a number" },
		{ "1 ", -EINVAL, 0, "'1 ' is not a number" },
		{ "+1", -EINVAL, 0, "'+1' is not a number" },
		{ "-1", -EINVAL, 0, "'-1' is not a number" },
		{ "-0", -EINVAL, 0, "'-0' is not a number" },
		{ "0x10", -EINVAL, 0, "'0x10' is not a number" },
		{ "1e3", -EINVAL, 0, "'1e3' is not a number" },
		{ "12abc", -EINVAL, 0, "'12abc' is not a number" },
		{ "\xd9\xa1", -EINVAL, 0, "'\xd9\xa1' is not a number" }, /* Arabic one */
		{ "1\n", -EINVAL, 0, "'1\\x0a' is not a number" },
		{ "\x1b[31m", -EINVAL, 0, "'\\x1b[31m' is not a number" },
		{ "1\xff", -EINVAL, 0, "'1\\xff' is not a number" },
	};

	(void)state;
	check_parser(wanted, ARRAY_SIZE(wanted), parse_any_u64);
}

static void test_quote_is_cut(void **state)
{
	char buf[PARSE_QUOTE_LEN], text[4096];

	(void)state;
	memset(text, 'x', sizeof(text));
	for (size_t len = 0; len < 200; len++) {
		parse_quote(text, len, buf);
		assert_true(strlen(buf) < PARSE_QUOTE_LEN);
		if (len < 70)
			assert_int_equal(strlen(buf), len + 2);
		else if (len > PARSE_QUOTE_LEN)
			assert_string_equal(buf + strlen(buf) - 5, "x'...");
	}
	/* Never amid a character. */
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = "\xe2\x82\xac"[i % 3];
	parse_quote(text, sizeof(text), buf);
	assert_int_equal((strlen(buf) - 5) % 3, 0);
	assert_null(strstr(buf, "\\x"));
	/* As long as it gets: every byte becomes four. */
	memset(text, '\x80', sizeof(text));
	parse_quote(text, sizeof(text), buf);
	assert_true(strlen(buf) < PARSE_QUOTE_LEN);
	assert_string_equal(buf + strlen(buf) - 4, "'...");
}

static void test_long_garbage(void **state)
{
	struct parse_reason why;
	struct port_set set = { 0 };
	struct addr_prefix prefix;
	char text[4096];
	__u64 value;

	(void)state;
	for (int fill = 1; fill < 256; fill++) {
		if (fill == '0')
			continue; /* it is a number */
		memset(text, fill, sizeof(text) - 1);
		text[sizeof(text) - 1] = '\0';
		assert_true(parse_any_u64(text, &value, &why));
		assert_true(parse_duration(text, &value, &why));
		assert_true(parse_size(text, &value, &why));
		assert_true(parse_ports(text, &set, &why));
		assert_true(parse_prefix(text, &prefix, &why));
		assert_true(strlen(why.text) < sizeof(why.text));
	}
}

static void test_duration(void **state)
{
	static const struct wanted wanted[] = {
		{ "10", 0, 10000000000ULL, NULL },
		{ "10s", 0, 10000000000ULL, NULL },
		{ "0", 0, 0, NULL },
		{ "1.5s", 0, 1500000000, NULL },
		{ "1.5", 0, 1500000000, NULL },
		{ "0.05s", 0, 50000000, NULL },
		{ "0.000000001s", 0, 1, NULL },
		{ "500ms", 0, 500000000, NULL },
		{ "7us", 0, 7000, NULL },
		{ "7ns", 0, 7, NULL },
		{ "1.5us", 0, 1500, NULL },
		{ "2m", 0, 120000000000ULL, NULL },
		{ "0.5m", 0, 30000000000ULL, NULL },
		{ "1h", 0, 3600000000000ULL, NULL },
		{ "7d", 0, 604800000000000ULL, NULL },
		{ "18446744073709551614ns", 0, UINT64_MAX - 1, NULL },
		/* It means "unknown". */
		{ "18446744073709551615ns", -ERANGE, 0,
		  "'18446744073709551615ns' is too long a time" },
		{ "18446744074s", -ERANGE, 0, "'18446744074s' is too long a time" },
		{ "99999999999999999999d", -ERANGE, 0,
		  "'99999999999999999999d' is too long a time" },
		{ "1.5ns", -EINVAL, 0, "'1.5ns' is finer than a nanosecond" },
		{ "0.0001us", -EINVAL, 0, "'0.0001us' is finer than a nanosecond" },
		{ "0.0000000001s", -EINVAL, 0,
		  "'0.0000000001s' is not a time such as 10s, 500ms, 2m or 1h" },
		{ "", -EINVAL, 0, "'' is not a time such as 10s, 500ms, 2m or 1h" },
		{ "s", -EINVAL, 0, "'s' is not a time such as 10s, 500ms, 2m or 1h" },
		{ ".5s", -EINVAL, 0, "'.5s' is not a time such as 10s, 500ms, 2m or 1h" },
		{ "1.s", -EINVAL, 0, "'1.s' is not a time such as 10s, 500ms, 2m or 1h" },
		{ "1.", -EINVAL, 0, "'1.' is not a time such as 10s, 500ms, 2m or 1h" },
		{ "1.5.5s", -EINVAL, 0, "'1.5.5s' is not a time such as 10s, 500ms, 2m or 1h" },
		{ "10 s", -EINVAL, 0, "'10 s' is not a time such as 10s, 500ms, 2m or 1h" },
		{ "-10s", -EINVAL, 0, "'-10s' is not a time such as 10s, 500ms, 2m or 1h" },
		{ "10S", -EINVAL, 0, "'10S' is not a time such as 10s, 500ms, 2m or 1h" },
		{ "10sec", -EINVAL, 0, "'10sec' is not a time such as 10s, 500ms, 2m or 1h" },
		{ "1h30m", -EINVAL, 0, "'1h30m' is not a time such as 10s, 500ms, 2m or 1h" },
	};

	(void)state;
	check_parser(wanted, ARRAY_SIZE(wanted), parse_duration);
}

static void test_size(void **state)
{
	static const struct wanted wanted[] = {
		{ "0", 0, 0, NULL },
		{ "65536", 0, 65536, NULL },
		{ "64K", 0, 65536, NULL },
		{ "64k", 0, 65536, NULL },
		{ "8M", 0, 8 << 20, NULL },
		{ "1G", 0, 1 << 30, NULL },
		{ "2T", 0, 2ULL << 40, NULL },
		{ "16777215T", 0, 16777215ULL << 40, NULL },
		{ "16777216T", -ERANGE, 0, "'16777216T' is too large a size" },
		{ "18446744073709551616", -ERANGE, 0,
		  "'18446744073709551616' is too large a size" },
		{ "", -EINVAL, 0, "'' is not a size such as 65536, 64K, 8M or 1G" },
		{ "K", -EINVAL, 0, "'K' is not a size such as 65536, 64K, 8M or 1G" },
		{ "8MM", -EINVAL, 0, "'8MM' is not a size such as 65536, 64K, 8M or 1G" },
		{ "8.5M", -EINVAL, 0, "'8.5M' is not a size such as 65536, 64K, 8M or 1G" },
		{ "-8M", -EINVAL, 0, "'-8M' is not a size such as 65536, 64K, 8M or 1G" },
		{ "8 M", -EINVAL, 0, "'8 M' is not a size such as 65536, 64K, 8M or 1G" },
	};

	(void)state;
	check_parser(wanted, ARRAY_SIZE(wanted), parse_size);
}

static unsigned int count_ports(const struct port_set *set)
{
	unsigned int count = 0;

	for (unsigned int port = 0; port <= PARSE_PORT_MAX; port++)
		count += port_set_has(set, (__u16)port);
	return count;
}

static void test_ports(void **state)
{
	struct parse_reason why;
	struct port_set set = { 0 };

	(void)state;
	assert_int_equal(parse_ports("60609,40000-40100", &set, &why), 0);
	assert_int_equal(count_ports(&set), 102);
	assert_true(port_set_has(&set, 60609));
	assert_false(port_set_has(&set, 39999));
	assert_true(port_set_has(&set, 40000));
	assert_true(port_set_has(&set, 40100));
	assert_false(port_set_has(&set, 40101));
	/* A second list is added to the first. */
	assert_int_equal(parse_ports("1,65535,60609,7-7", &set, &why), 0);
	assert_int_equal(count_ports(&set), 105);
	assert_true(port_set_has(&set, 1) && port_set_has(&set, 65535));
	assert_int_equal(parse_ports("1-65535", &set, &why), 0);
	assert_int_equal(count_ports(&set), 65535);
	assert_false(port_set_has(&set, 0));
}

static void test_ports_refused(void **state)
{
	static const struct wanted wanted[] = {
		{ "", -EINVAL, 0, "no port is given" },
		{ "0", -ERANGE, 0, "0 is out of range 1-65535" },
		{ "65536", -ERANGE, 0, "65536 is out of range 1-65535" },
		{ "12abc", -EINVAL, 0, "'12abc' is not a number" },
		{ "5-3", -EINVAL, 0, "5-3: the range ends before it begins" },
		{ "5-4", -EINVAL, 0, "5-4: the range ends before it begins" },
		{ "80,,90", -EINVAL, 0, "'80,,90' has an empty item" },
		{ ",80", -EINVAL, 0, "',80' has an empty item" },
		{ "80,", -EINVAL, 0, "'80,' has an empty item" },
		{ ",", -EINVAL, 0, "',' has an empty item" },
		{ "-5", -EINVAL, 0, "'-5': the range has no beginning" },
		{ "-", -EINVAL, 0, "'-': the range has no beginning" },
		{ "5-", -EINVAL, 0, "'5-': the range has no end" },
		{ "1-2-3", -EINVAL, 0, "'2-3' is not a number" },
		{ "1--2", -EINVAL, 0, "'-2' is not a number" },
		{ "0-5", -ERANGE, 0, "0 is out of range 1-65535" },
		{ "5-65536", -ERANGE, 0, "65536 is out of range 1-65535" },
		{ "80, 90", -EINVAL, 0, "' 90' is not a number" },
		{ "http", -EINVAL, 0, "'http' is not a number" },
		{ "1,2,3,x", -EINVAL, 0, "'x' is not a number" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct port_set set = { 0 };
		struct parse_reason why;

		port_set_add(&set, 22);
		assert_int_equal(parse_ports(wanted[i].text, &set, &why), wanted[i].err);
		assert_string_equal(why.text, wanted[i].reason);
		assert_int_equal(count_ports(&set), 1);
	}
}

static void check_prefix(const char *text, const __u8 addr[16], unsigned int len)
{
	struct parse_reason why;
	struct addr_prefix prefix;

	if (parse_prefix(text, &prefix, &why))
		fail_msg("%s: %s", text, why.text);
	assert_memory_equal(prefix.addr, addr, 16);
	assert_int_equal(prefix.len, len);
}

static void test_prefix(void **state)
{
	(void)state;
	check_prefix("10.1.2.3", (__u8[16]){ [10] = 255, 255, 10, 1, 2, 3 }, 128);
	check_prefix("10.1.2.3/32", (__u8[16]){ [10] = 255, 255, 10, 1, 2, 3 }, 128);
	check_prefix("10.1.2.3/8", (__u8[16]){ [10] = 255, 255, 10 }, 104);
	check_prefix("10.1.2.255/25", (__u8[16]){ [10] = 255, 255, 10, 1, 2, 128 }, 121);
	check_prefix("0.0.0.0/0", (__u8[16]){ [10] = 255, 255 }, 96);
	check_prefix("255.255.255.255/0", (__u8[16]){ [10] = 255, 255 }, 96);
	check_prefix("::", (__u8[16]){ 0 }, 128);
	check_prefix("::/0", (__u8[16]){ 0 }, 0);
	check_prefix("2001:db8::1/33", (__u8[16]){ 0x20, 1, 0x0d, 0xb8 }, 33);
	check_prefix("2001:db8:ffff::1/33", (__u8[16]){ 0x20, 1, 0x0d, 0xb8, 0x80 }, 33);
	check_prefix("::ffff:1.2.3.4", (__u8[16]){ [10] = 255, 255, 1, 2, 3, 4 }, 128);
}

static void test_prefix_refused(void **state)
{
	static const struct wanted wanted[] = {
		{ "", -EINVAL, 0, "'' is not an IPv4 or IPv6 address" },
		{ "/8", -EINVAL, 0, "'' is not an IPv4 or IPv6 address" },
		{ "10.0.0", -EINVAL, 0, "'10.0.0' is not an IPv4 or IPv6 address" },
		{ "10.0.0.256", -EINVAL, 0, "'10.0.0.256' is not an IPv4 or IPv6 address" },
		{ "010.0.0.1", -EINVAL, 0, "'010.0.0.1' is not an IPv4 or IPv6 address" },
		{ " 10.0.0.1", -EINVAL, 0, "' 10.0.0.1' is not an IPv4 or IPv6 address" },
		{ "localhost", -EINVAL, 0, "'localhost' is not an IPv4 or IPv6 address" },
		{ "fe80::1%lo", -EINVAL, 0, "'fe80::1%lo' is not an IPv4 or IPv6 address" },
		{ "[::1]", -EINVAL, 0, "'[::1]' is not an IPv4 or IPv6 address" },
		{ ":::", -EINVAL, 0, "':::' is not an IPv4 or IPv6 address" },
		{ "10.0.0.0/33", -ERANGE, 0, "33 is out of range 0-32" },
		{ "::/129", -ERANGE, 0, "129 is out of range 0-128" },
		{ "10.0.0.0/", -EINVAL, 0, "'' is not a number" },
		{ "10.0.0.0/-1", -EINVAL, 0, "'-1' is not a number" },
		{ "10.0.0.0/8/8", -EINVAL, 0, "'8/8' is not a number" },
		{ "10.0.0.0/255.0.0.0", -EINVAL, 0, "'255.0.0.0' is not a number" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct addr_prefix prefix = { .len = 77 };
		struct parse_reason why;

		assert_int_equal(parse_prefix(wanted[i].text, &prefix, &why), wanted[i].err);
		assert_string_equal(why.text, wanted[i].reason);
		assert_int_equal(prefix.len, 77);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64_bounds),   cmocka_unit_test(test_u64_form),
		cmocka_unit_test(test_quote_is_cut), cmocka_unit_test(test_long_garbage),
		cmocka_unit_test(test_duration),     cmocka_unit_test(test_size),
		cmocka_unit_test(test_ports),	     cmocka_unit_test(test_ports_refused),
		cmocka_unit_test(test_prefix),	     cmocka_unit_test(test_prefix_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
