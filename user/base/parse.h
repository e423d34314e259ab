/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one place that turns text into numbers. Every parser takes the whole
 * text or refuses it, with a reason a user can act on.
 *
 * All return 0, -EINVAL (not of the wanted form) or -ERANGE (it is, but out of
 * bounds). On failure *out is untouched and why holds the reason, safe to print
 * on a terminal, without a full stop and without the option's name.
 */
#ifndef PORTTRACE_BASE_PARSE_H
#define PORTTRACE_BASE_PARSE_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define PARSE_REASON_LEN 256
#define PARSE_PORT_MAX 65535

struct parse_reason {
	char text[PARSE_REASON_LEN];
};

/* A set of ports: bit port % 64 of word port / 64. Zeroed: empty. */
struct port_set {
	__u64 words[(PARSE_PORT_MAX + 1) / 64];
};

/* A network. IPv4 is v4-mapped, its length 96 more than people write. */
struct addr_prefix {
	__u8 addr[16];	  /* zeros behind the prefix */
	unsigned int len; /* bits, 0-128 */
};

static inline bool port_set_has(const struct port_set *set, __u16 port)
{
	return set->words[port / 64] >> (port % 64) & 1;
}

static inline void port_set_add(struct port_set *set, __u16 port)
{
	set->words[port / 64] |= 1ULL << (port % 64);
}

/*
 * Sets why, printf-like; untrusted parts must have gone through parse_quote().
 * Returns error, so that a caller can end with "return parse_refuse(...)".
 */
int parse_refuse(struct parse_reason *why, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define PARSE_QUOTE_LEN 80

/*
 * The first part of text, quoted and escaped for a terminal, into buf.
 * Returns buf.
 */
const char *parse_quote(const char *text, size_t len, char buf[PARSE_QUOTE_LEN]);

/* A decimal number from min to max, digits only: no sign, no space. */
int parse_u64(const char *text, __u64 min, __u64 max, __u64 *out, struct parse_reason *why);

/*
 * A time into ns: a number, perhaps with a decimal fraction, and one of
 * ns us ms s m h d; without a unit it is seconds.
 */
int parse_duration(const char *text, __u64 *ns, struct parse_reason *why);

/* A size into bytes: a number and nothing, K, M, G or T (powers of 1024). */
int parse_size(const char *text, __u64 *bytes, struct parse_reason *why);

/* Ports and ranges, 1-65535, separated by commas, added to *set. */
int parse_ports(const char *text, struct port_set *set, struct parse_reason *why);

/* ADDR or ADDR/LEN, IPv4 or IPv6. Bits behind the prefix are cleared. */
int parse_prefix(const char *text, struct addr_prefix *out, struct parse_reason *why);

#endif /* PORTTRACE_BASE_PARSE_H */
