// SPDX-License-Identifier: BSD-2-Clause
#include "user/base/escape.h"

#include <linux/types.h>
#include <stdbool.h>
#include <string.h>

static const char hex[] = "0123456789abcdef";

/* Printable ASCII but for the two that an output quotes: most of what there is. */
static const bool is_plain[256] = {
	[' ' ... '!'] = true,
	['#' ... '['] = true,
	[']' ... '~'] = true,
};

/* The length and the bits of the first byte of a character; 0: it is none. */
static size_t utf8_start(__u8 c, __u32 *bits)
{
	if (c < 0x80) {
		*bits = c;
		return 1;
	}
	if (c >= 0xc2 && c < 0xe0) {
		*bits = c & 0x1f;
		return 2;
	}
	if (c >= 0xe0 && c < 0xf0) {
		*bits = c & 0x0f;
		return 3;
	}
	if (c >= 0xf0 && c < 0xf5) {
		*bits = c & 0x07;
		return 4;
	}
	return 0;
}

/*
 * The character at text: *code is it and its length is returned; 0 if the first
 * byte begins none (overlong forms, surrogates and what was cut off are none).
 */
static size_t utf8_read(const char *text, size_t len, __u32 *code)
{
	static const __u32 least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = utf8_start((__u8)text[0], code);

	if (!n || n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (((__u8)text[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | ((__u8)text[i] & 0x3f);
	}
	if (*code < least[n] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
		return 0;
	return n;
}

/* Characters behind ASCII that act on a terminal or on the order of text. */
static bool is_unsafe(__u32 code)
{
	return (code >= 0x80 && code < 0xa0) ||	     /* C1 controls */
	       code == 0x061c ||		     /* Arabic letter mark */
	       code == 0x200e || code == 0x200f ||   /* direction marks */
	       (code >= 0x2028 && code <= 0x202e) || /* separators, embeddings, overrides */
	       (code >= 0x2066 && code <= 0x2069);   /* isolates */
}

static char *put_hex(char *p, const char *prefix, __u32 value, int digits)
{
	p = stpcpy(p, prefix);
	while (digits--)
		*p++ = hex[value >> (4 * digits) & 0xf];
	return p;
}

static char *put_ascii_terminal(char *p, __u8 c)
{
	if (c == '\\')
		return stpcpy(p, "\\\\");
	if (c < 0x20 || c == 0x7f)
		return put_hex(p, "\\x", c, 2);
	*p++ = (char)c;
	return p;
}

static char *put_ascii_json(char *p, __u8 c)
{
	switch (c) {
	case '\\':
		return stpcpy(p, "\\\\");
	case '"':
		return stpcpy(p, "\\\"");
	case '\n':
		return stpcpy(p, "\\n");
	case '\t':
		return stpcpy(p, "\\t");
	default:
		if (c < 0x20 || c == 0x7f)
			return put_hex(p, "\\u", c, 4);
		*p++ = (char)c;
		return p;
	}
}

/* byte_prefix is for a byte that is not UTF-8. */
static size_t escape(char *dst, const char *text, size_t len, const char *byte_prefix,
		     char *(*put_ascii)(char *p, __u8 c))
{
	char *p = dst;
	__u32 code;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		while (i < len && is_plain[(__u8)text[i]])
			*p++ = text[i++];
		if (i == len)
			break;
		n = utf8_read(text + i, len - i, &code);
		if (n == 1) {
			p = put_ascii(p, (__u8)code);
		} else if (!n) {
			p = put_hex(p, byte_prefix, (__u8)text[i], 2);
			n = 1;
		} else if (is_unsafe(code)) {
			p = put_hex(p, "\\u", code, 4);
		} else {
			memcpy(p, text + i, n);
			p += n;
		}
	}
	return (size_t)(p - dst);
}

size_t escape_terminal(char *dst, const char *text, size_t len)
{
	return escape(dst, text, len, "\\x", put_ascii_terminal);
}

size_t escape_json(char *dst, const char *text, size_t len)
{
	return escape(dst, text, len, "\\\\x", put_ascii_json);
}

size_t escape_width(const char *text, size_t len)
{
	size_t width = 0;

	for (size_t i = 0; i < len; i++)
		width += ((__u8)text[i] & 0xc0) != 0x80;
	return width;
}
