// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

#include "user/base/format.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define US 1000ULL
#define MS 1000000ULL
#define S 1000000000ULL

/* Ends the text that a formatter wrote to buf. */
static const char *text_of(char *buf, const char *end)
{
	buf[end - buf] = '\0';
	return buf;
}

static void check_ports(const char *text, __u16 low, __u16 high, const char *wanted)
{
	struct port_set set = { 0 };
	struct parse_reason why;
	char buf[64];

	assert_int_equal(parse_ports(text, &set, &why), 0);
	assert_string_equal(text_of(buf, format_ports(buf, sizeof(buf) - 1, &set, low, high)),
			    wanted);
}

static void test_ports(void **state)
{
	struct port_set odd = { 0 };
	char buf[25], *end;

	(void)state;
	check_ports("60609,40000-40100,1,65535", 1, 65535, "1,40000-40100,60609,65535");
	check_ports("60609,40000-40100,1,65535", 40100, 60608, "40100");
	check_ports("7,9-10", 8, 11, "9-10");
	check_ports("7", 8, 11, "");
	check_ports("1-65535", 1, 65535, "1-65535");
	for (unsigned int port = 1; port <= 65535; port += 2)
		port_set_add(&odd, (__u16)port);
	/* never behind its end, whatever the room */
	for (size_t room = 0; room < sizeof(buf); room++) {
		memset(buf, 'x', sizeof(buf));
		assert_null(format_ports(buf, room, &odd, 1, 65535));
		for (size_t i = room; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 'x');
	}
	end = format_ports(buf, sizeof(buf) - 1, &odd, 40000, 40003);
	assert_non_null(end);
	assert_string_equal(text_of(buf, end), "40001,40003");
}

static void test_u64(void **state)
{
	char wanted[32], buf[FORMAT_U64_MAX + 1];
	__u64 value = 1;

	(void)state;
	assert_string_equal(text_of(buf, format_u64(buf, 0)), "0");
	assert_string_equal(text_of(buf, format_u64(buf, UINT64_MAX)), "18446744073709551615");
	for (int i = 0; i < 20; i++, value *= 10) {
		for (int delta = -1; delta <= 1; delta++) {
			snprintf(wanted, sizeof(wanted), "%llu", value + (__u64)delta);
			assert_string_equal(text_of(buf, format_u64(buf, value + (__u64)delta)),
					    wanted);
		}
	}
}

static void test_ipv4(void **state)
{
	char wanted[FORMAT_IPV4_MAX + 1], buf[FORMAT_IPV4_MAX + 1];

	(void)state;
	for (int octet = 0; octet < 256; octet++) {
		__u8 byte = (__u8)octet;

		snprintf(wanted, sizeof(wanted), "%d.0.%d.%d", octet, octet, octet);
		assert_string_equal(text_of(buf, format_ipv4(buf, (__u8[]){ byte, 0, byte, byte })),
				    wanted);
	}
	assert_string_equal(text_of(buf, format_ipv4(buf, (__u8[]){ 0, 0, 0, 0 })), "0.0.0.0");
	assert_string_equal(text_of(buf, format_ipv4(buf, (__u8[]){ 255, 255, 255, 255 })),
			    "255.255.255.255");
	assert_string_equal(text_of(buf, format_ipv4(buf, (__u8[]){ 10, 100, 9, 1 })),
			    "10.100.9.1");
}

/* glibc writes the same, but for the IPv4 addresses that it sees in ::a.b.c.d */
static void test_ipv6_as_inet_ntop(void **state)
{
	char buf[FORMAT_IPV6_MAX + 1], wanted[INET6_ADDRSTRLEN];
	unsigned int seed = 1;

	(void)state;
	for (int zeros = 0; zeros < 256; zeros++) {
		for (int round = 0; round < 50; round++) {
			__u8 addr[16];

			for (int i = 0; i < 16; i++) {
				addr[i] = zeros >> i / 2 & 1 ? 0 : (__u8)rand_r(&seed);
				if (round % 3 == 0 && i % 2 == 0)
					addr[i] = 0;
			}
			inet_ntop(AF_INET6, addr, wanted, sizeof(wanted));
			if (!strchr(wanted, '.'))
				assert_string_equal(text_of(buf, format_ipv6(buf, addr)), wanted);
		}
	}
}

static void check_ipv6(const char *text)
{
	char buf[FORMAT_IPV6_MAX + 1];
	__u8 addr[16];

	assert_int_equal(inet_pton(AF_INET6, text, addr), 1);
	assert_string_equal(text_of(buf, format_ipv6(buf, addr)), text);
}

static void test_ipv6(void **state)
{
	(void)state;
	check_ipv6("::");
	check_ipv6("::1");
	check_ipv6("1::");
	check_ipv6("fe80::1");
	check_ipv6("2001:db8::1:0:0:1");
	check_ipv6("2001:db8:0:1:1:1:1:1");
	check_ipv6("0:1:2:3:4:5:6:7");
	check_ipv6("1:2:3:4:5:6:7:0");
	check_ipv6("::102:304");
	check_ipv6("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
}

static void test_duration(void **state)
{
	static const struct {
		__u64 ns;
		const char *text;
	} wanted[] = {
		{ 0, "0ns" },
		{ 1, "1ns" },
		{ 812, "812ns" },
		{ 999, "999ns" },
		{ 1000, "1.00us" },
		{ 1004, "1.00us" },
		{ 1005, "1.01us" },
		{ 9994, "9.99us" },
		{ 9995, "10.0us" },
		{ 47600, "47.6us" },
		{ 99949, "99.9us" },
		{ 99950, "100us" },
		{ 999499, "999us" },
		{ 999500, "1.00ms" },
		{ 47557 * US, "47.6ms" },
		{ 999499 * US, "999ms" },
		{ 999500 * US, "1.00s" },
		{ 3840 * MS, "3.84s" },
		{ 9994999999, "9.99s" },
		{ 9995 * MS, "10.0s" },
		{ 60055769000, "60.1s" },
		{ 99949999999, "99.9s" },
		{ 99950000000, "1m40s" },
		{ 100 * S, "1m40s" },
		{ 119 * S, "1m59s" },
		{ 119500 * MS, "2m00s" },
		{ 125 * S, "2m05s" },
		{ 3599 * S, "59m59s" },
		{ 3599500 * MS, "1h00m" },
		{ 3600 * S, "1h00m" },
		{ (3 * 3600 + 12 * 60) * S, "3h12m" },
		{ (23 * 3600 + 59 * 60 + 29) * S, "23h59m" },
		{ (23 * 3600 + 59 * 60 + 30) * S, "1d00h" },
		{ (4 * 24 + 7) * 3600 * S, "4d07h" },
		{ 365 * 24 * 3600 * S, "365d00h" },
		{ UINT64_MAX, "213504d00h" },
	};
	char buf[FORMAT_DURATION_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		assert_string_equal(text_of(buf, format_duration(buf, wanted[i].ns)),
				    wanted[i].text);
}

/* Whatever it is, it is a number and a unit of no more than three digits. */
static void test_duration_digits(void **state)
{
	char buf[FORMAT_DURATION_MAX + 1];

	(void)state;
	for (__u64 ns = 1; ns < 99 * S; ns += ns / 97 + 1) {
		const char *text = text_of(buf, format_duration(buf, ns));
		size_t digits = 0;
		double shown;
		char unit[3];

		assert_int_equal(sscanf(text, "%lf%2s", &shown, unit), 2);
		for (const char *p = text; *p; p++)
			digits += *p >= '0' && *p <= '9';
		assert_true(digits == 3 || ns < 100);
		shown *= *unit == 'n' ? 1 : *unit == 'u' ? 1e3 : *unit == 'm' ? 1e6 : 1e9;
		assert_true(shown > 0.994 * (double)ns && shown < 1.006 * (double)ns);
	}
}

static void test_seconds(void **state)
{
	char buf[FORMAT_SECONDS_MAX + 1];

	(void)state;
	assert_string_equal(text_of(buf, format_seconds(buf, 0)), "0.000000");
	assert_string_equal(text_of(buf, format_seconds(buf, 999)), "0.000000");
	assert_string_equal(text_of(buf, format_seconds(buf, 12 * S + 345 * US + 999)),
			    "12.000345");
	assert_string_equal(text_of(buf, format_seconds(buf, UINT64_MAX)), "18446744073.709551");
}

static void test_share(void **state)
{
	char buf[FORMAT_SHARE_MAX + 1];

	(void)state;
	assert_string_equal(text_of(buf, format_share(buf, 0)), "0.000");
	assert_string_equal(text_of(buf, format_share(buf, 71)), "0.071");
	assert_string_equal(text_of(buf, format_share(buf, 1000)), "1.000");
	assert_string_equal(text_of(buf, format_share(buf, UINT64_MAX)), "18446744073709551.615");
}

static void test_rfc3339(void **state)
{
	char buf[FORMAT_RFC3339_MAX + 1];
	struct format_time cache = { 0 };

	(void)state;
	assert_string_equal(text_of(buf, format_rfc3339(&cache, buf, 0)),
			    "1970-01-01T00:00:00.000000000Z");
	assert_string_equal(text_of(buf, format_rfc3339(&cache, buf, 999999999)),
			    "1970-01-01T00:00:00.999999999Z");
	assert_string_equal(text_of(buf, format_rfc3339(&cache, buf, 1795269731104233001)),
			    "2026-11-21T14:02:11.104233001Z");
	/* The cache must not survive its second, also backwards. */
	assert_string_equal(text_of(buf, format_rfc3339(&cache, buf, 1795269732 * S)),
			    "2026-11-21T14:02:12.000000000Z");
	assert_string_equal(text_of(buf, format_rfc3339(&cache, buf, 1795269731 * S + 7)),
			    "2026-11-21T14:02:11.000000007Z");
	/* A leap day, and the end of time. */
	assert_string_equal(text_of(buf, format_rfc3339(&cache, buf, 951782400 * S)),
			    "2000-02-29T00:00:00.000000000Z");
	assert_string_equal(text_of(buf, format_rfc3339(&cache, buf, UINT64_MAX)),
			    "2554-07-21T23:34:33.709551615Z");
}

static void test_clock(void **state)
{
	char buf[FORMAT_CLOCK_MAX + 1];
	struct format_time cache = { 0 };

	(void)state;
	setenv("TZ", "XXX-5:30", 1);
	tzset();
	assert_string_equal(text_of(buf, format_clock(&cache, buf, 1795269731104233999)),
			    "19:32:11.104233");
	assert_string_equal(text_of(buf, format_clock(&cache, buf, 1795269731999999999)),
			    "19:32:11.999999");
	assert_string_equal(text_of(buf, format_clock(&cache, buf, 1795269732000000000)),
			    "19:32:12.000000");
	/* The night of a clock change: 01:59:59 is followed by 03:00:00. */
	setenv("TZ", "CET-1CEST,M3.5.0/2,M10.5.0/3", 1);
	tzset();
	assert_string_equal(text_of(buf, format_clock(&cache, buf, 1774745999 * S)),
			    "01:59:59.000000");
	assert_string_equal(text_of(buf, format_clock(&cache, buf, 1774746000 * S)),
			    "03:00:00.000000");
}

static void test_datetime(void **state)
{
	char buf[FORMAT_DATETIME_MAX + 1];
	struct format_time cache = { 0 };

	(void)state;
	setenv("TZ", "XXX-10", 1);
	tzset();
	assert_string_equal(text_of(buf, format_datetime(&cache, buf, 1795269731104233999)),
			    "2026-11-22 00:02:11.104233");
	assert_string_equal(text_of(buf, format_datetime(&cache, buf, 1795269730000000999)),
			    "2026-11-22 00:02:10.000000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_ipv6_as_inet_ntop),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_duration_digits),
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_rfc3339),
		cmocka_unit_test(test_ports),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_datetime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
