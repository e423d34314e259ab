/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers of any size in few bytes: LEB128, seven bits a byte, the low ones first,
 * the top bit set in all but the last. Signed ones by zigzag: 0, -1, 1, -2...
 */
#ifndef PORTTRACE_BASE_VARINT_H
#define PORTTRACE_BASE_VARINT_H

#include <endian.h>
#include <linux/types.h>
#include <stdbool.h>
#include <string.h>

#define VARINT_MAX 10 /* bytes of one */
#define VARINT_PAD 8  /* bytes behind a cursor's end that must be there, whatever they are */

/* A difference modulo 2^64 is a signed number: the nearer, the shorter. */
static inline __u64 zigzag(__u64 value)
{
	return value << 1 ^ -(value >> 63);
}

static inline __u64 unzigzag(__u64 code)
{
	return code >> 1 ^ -(code & 1);
}

/* Writes up to VARINT_MAX bytes to p. Returns the place behind them. */
static inline __u8 *varint_put(__u8 *p, __u64 value)
{
	while (value >= 0x80) {
		*p++ = (__u8)(value | 0x80);
		value >>= 7;
	}
	*p++ = (__u8)value;
	return p;
}

/* Where to read, of untrusted bytes. */
struct varint_cursor {
	const __u8 *p;
	const __u8 *end;
};

/* Of varint_get(): byte by byte. */
static inline __u64 varint_get_long(struct varint_cursor *cursor, bool *bad)
{
	__u64 value = 0;

	for (unsigned int i = 0; i < VARINT_MAX && cursor->p < cursor->end; i++) {
		__u8 byte = *cursor->p++;

		value |= (__u64)(byte & 0x7f) << 7 * i;
		if (byte & 0x80)
			continue;
		if (i == VARINT_MAX - 1 && byte > 1)
			break;
		return value;
	}
	*bad = true;
	cursor->p = cursor->end;
	return 0;
}

/* The next number. If there is none, or it is over 64 bits: 0, and *bad is set. */
static inline __u64 varint_get(struct varint_cursor *cursor, bool *bad)
{
	__u64 word, stop;

	if (cursor->p < cursor->end && *cursor->p < 0x80)
		return *cursor->p++;
	memcpy(&word, cursor->p, sizeof(word));
	word = le64toh(word);
	stop = ~word & 0x8080808080808080ULL;
	/* the length at once, not byte by byte: lengths vary, and a wrong guess costs more */
	if (!stop || cursor->end - cursor->p < VARINT_PAD)
		return varint_get_long(cursor, bad);
	cursor->p += (__builtin_ctzll(stop) >> 3) + 1;
	word &= stop ^ (stop - 1);
	word = (word & 0x007f007f007f007fULL) | (word & 0x7f007f007f007f00ULL) >> 1;
	word = (word & 0x00003fff00003fffULL) | (word & 0x3fff00003fff0000ULL) >> 2;
	return (word & 0x000000000fffffffULL) | (word & 0x0fffffff00000000ULL) >> 4;
}

#endif /* PORTTRACE_BASE_VARINT_H */
