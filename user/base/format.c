// SPDX-License-Identifier: BSD-2-Clause
#include "user/base/format.h"

#include <string.h>
#include <time.h>

#define NS_PER_US 1000ULL
#define NS_PER_MS 1000000ULL
#define NS_PER_S 1000000000ULL

/* 00 to 99, since a division costs more than a look-up. */
static const char pairs[] = "00010203040506070809101112131415161718192021222324"
			    "25262728293031323334353637383940414243444546474849"
			    "50515253545556575859606162636465666768697071727374"
			    "75767778798081828384858687888990919293949596979899";

/* value < 10^digits, with leading zeros. 32 bits, which are cheaper to divide. */
static char *format_fixed(char *p, __u32 value, unsigned int digits)
{
	char *end = p + digits;

	for (; digits >= 2; digits -= 2) {
		memcpy(p + digits - 2, &pairs[value % 100 * 2], 2);
		value /= 100;
	}
	if (digits)
		*p = (char)('0' + value);
	return end;
}

/* log10(2) is 1233 / 4096, nearly: the number of bits gives that of digits, or one less. */
static unsigned int count_digits(__u32 value)
{
	static const __u32 bounds[] = { 1,	10,	 100,	   1000,      10000,
					100000, 1000000, 10000000, 100000000, 1000000000 };
	unsigned int bits = 32 - (unsigned int)__builtin_clz(value | 1);
	unsigned int least = bits * 1233 >> 12;

	return least + ((value | 1) >= bounds[least]);
}

/* Of more than 32 bits: the last 8 digits behind the others. Apart, for the others' sake. */
__attribute__((noinline)) static char *format_wide(char *p, __u64 value)
{
	p = format_u64(p, value / 100000000);
	return format_fixed(p, value % 100000000, 8);
}

char *format_u64(char *p, __u64 value)
{
	__u32 left = (__u32)value;
	char *end;

	if (value >> 32)
		return format_wide(p, value);
	end = p += count_digits(left);
	for (; left >= 100; left /= 100) {
		p -= 2;
		memcpy(p, &pairs[left % 100 * 2], 2);
	}
	if (left >= 10)
		memcpy(p - 2, &pairs[left * 2], 2);
	else
		p[-1] = (char)('0' + left);
	return end;
}

static char *format_octet(char *p, unsigned int octet)
{
	if (octet < 10) {
		*p++ = (char)('0' + octet);
		return p;
	}
	if (octet >= 100) {
		*p++ = (char)('0' + octet / 100);
		octet %= 100;
	}
	memcpy(p, &pairs[octet * 2], 2);
	return p + 2;
}

char *format_ipv4(char *p, const __u8 addr[4])
{
	p = format_octet(p, addr[0]);
	for (int i = 1; i < 4; i++) {
		*p++ = '.';
		p = format_octet(p, addr[i]);
	}
	return p;
}

static char *format_hex16(char *p, unsigned int value)
{
	int shift = 12;

	while (shift && !(value >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		*p++ = "0123456789abcdef"[value >> shift & 0xf];
	return p;
}

/* The first of the longest runs of two or more zero groups; its length. */
static int longest_zeros(const unsigned int groups[8], int *start)
{
	int best = 0;

	for (int i = 0, run = 0; i < 8; i++) {
		run = groups[i] ? 0 : run + 1;
		if (run > best && run > 1) {
			best = run;
			*start = i - run + 1;
		}
	}
	return best;
}

char *format_ipv6(char *p, const __u8 addr[16])
{
	unsigned int groups[8];
	int start = -1, zeros;

	for (int i = 0; i < 8; i++)
		groups[i] = (unsigned int)addr[2 * i] << 8 | addr[2 * i + 1];
	zeros = longest_zeros(groups, &start);
	for (int i = 0; i < 8; i++) {
		if (i == start) {
			*p++ = ':';
			*p++ = ':';
			i += zeros - 1;
			continue;
		}
		if (i && i != start + zeros)
			*p++ = ':';
		p = format_hex16(p, groups[i]);
	}
	return p;
}

/* The first port from port on that is in the set, or not (has); one behind high: none. */
static unsigned int next_port(const struct port_set *set, unsigned int port, __u16 high, bool has)
{
	while (port <= high && port_set_has(set, (__u16)port) != has)
		port++;
	return port;
}

#define PORTS_ITEM_MAX 12 /* ,40000-40100 */

char *format_ports(char *p, size_t room, const struct port_set *set, __u16 low, __u16 high)
{
	unsigned int first = next_port(set, low, high, true), behind;
	const char *begin = p;

	for (; first <= high; first = next_port(set, behind, high, true)) {
		behind = next_port(set, first, high, false);
		if ((size_t)(p - begin) + PORTS_ITEM_MAX > room)
			return NULL;
		if (p > begin)
			*p++ = ',';
		p = format_u64(p, first);
		if (behind == first + 1)
			continue;
		*p++ = '-';
		p = format_u64(p, behind - 1);
	}
	return p;
}

struct scale {
	__u64 unit; /* ns */
	const char *name;
};

/* value / unit with three digits. False if it rounds up to 1000 or more. */
static bool format_scaled(char **p, __u64 value, const struct scale *scale)
{
	__u64 step = scale->unit / 100, rounded;
	int decimals = 2;

	/* Each step is ten times coarser, until three digits are left. */
	for (;;) {
		rounded = value / step + (value % step >= step - step / 2);
		if (rounded < 1000 || !decimals)
			break;
		step *= 10;
		decimals--;
	}
	if (rounded >= 1000)
		return false;
	if (decimals) {
		__u64 ten = decimals == 2 ? 100 : 10;

		*p = format_u64(*p, rounded / ten);
		*(*p)++ = '.';
		*p = format_fixed(*p, rounded % ten, decimals);
	} else {
		*p = format_u64(*p, rounded);
	}
	*p = stpcpy(*p, scale->name);
	return true;
}

/* Two units, the lower one with two digits. */
static char *format_pair(char *p, __u64 high, char high_name, __u64 low, char low_name)
{
	p = format_u64(p, high);
	*p++ = high_name;
	p = format_fixed(p, low, 2);
	*p++ = low_name;
	return p;
}

static char *format_long(char *p, __u64 ns)
{
	__u64 seconds = ns / NS_PER_S + (ns % NS_PER_S >= NS_PER_S / 2);
	__u64 minutes = seconds / 60 + (seconds % 60 >= 30);
	__u64 hours = minutes / 60 + (minutes % 60 >= 30);

	if (seconds < 3600)
		return format_pair(p, seconds / 60, 'm', seconds % 60, 's');
	if (minutes < 24 * 60)
		return format_pair(p, minutes / 60, 'h', minutes % 60, 'm');
	return format_pair(p, hours / 24, 'd', hours % 24, 'h');
}

char *format_duration(char *p, __u64 ns)
{
	static const struct scale scales[] = {
		{ NS_PER_US, "us" },
		{ NS_PER_MS, "ms" },
		{ NS_PER_S, "s" },
	};

	if (ns < NS_PER_US)
		return stpcpy(format_u64(p, ns), "ns");
	/* What rounds to 100 s has four digits as 1m40s. */
	if (ns >= 100 * NS_PER_S - NS_PER_S / 20)
		return format_long(p, ns);
	for (int i = 0; i < 3; i++)
		if (ns < scales[i].unit * 1000 && format_scaled(&p, ns, &scales[i]))
			break;
	return p;
}

char *format_seconds(char *p, __u64 ns)
{
	p = format_u64(p, ns / NS_PER_S);
	*p++ = '.';
	return format_fixed(p, ns % NS_PER_S / NS_PER_US, 6);
}

char *format_share(char *p, __u64 thousandths)
{
	p = format_u64(p, thousandths / 1000);
	*p++ = '.';
	return format_fixed(p, thousandths % 1000, 3);
}

/* len: of what format gives. */
static inline char *format_cached(struct format_time *cache, char *p, __u64 second,
				  const char *format, size_t len,
				  struct tm *(*split)(const time_t *time, struct tm *tm))
{
	if (!cache->valid || cache->second != second) {
		time_t time = (time_t)second;
		struct tm tm;

		split(&time, &tm);
		strftime(cache->text, sizeof(cache->text), format, &tm);
		cache->second = second;
		cache->valid = true;
	}
	memcpy(p, cache->text, len);
	return p + len;
}

/* value < 1000, with leading zeros. */
static inline char *format_three(char *p, __u32 value)
{
	*p = (char)('0' + value / 100);
	memcpy(p + 1, &pairs[value % 100 * 2], 2);
	return p + 3;
}

/* Of a second, ns. */
static inline char *format_micros(char *p, __u32 ns)
{
	__u32 us = ns / (__u32)NS_PER_US;

	return format_three(format_three(p, us / 1000), us % 1000);
}

char *format_clock(struct format_time *cache, char *p, __u64 realtime_ns)
{
	p = format_cached(cache, p, realtime_ns / NS_PER_S, "%H:%M:%S.", 9, localtime_r);
	return format_micros(p, realtime_ns % NS_PER_S);
}

char *format_datetime(struct format_time *cache, char *p, __u64 realtime_ns)
{
	p = format_cached(cache, p, realtime_ns / NS_PER_S, "%Y-%m-%d %H:%M:%S.", 20, localtime_r);
	return format_micros(p, realtime_ns % NS_PER_S);
}

char *format_rfc3339(struct format_time *cache, char *p, __u64 realtime_ns)
{
	__u32 ns = realtime_ns % NS_PER_S;

	p = format_cached(cache, p, realtime_ns / NS_PER_S, "%Y-%m-%dT%H:%M:%S.", 20, gmtime_r);
	p = format_micros(p, ns);
	p = format_three(p, ns % (__u32)NS_PER_US);
	*p++ = 'Z';
	return p;
}
