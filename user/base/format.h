/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Values as text, without printf: these run for every event. Each writes to p
 * within the FORMAT_..._MAX bytes that belong to it and returns the place
 * behind the text, which has no NUL.
 */
#ifndef PORTTRACE_BASE_FORMAT_H
#define PORTTRACE_BASE_FORMAT_H

#include <linux/types.h>
#include <stdbool.h>

#include "user/base/parse.h"

#define FORMAT_U64_MAX 20
#define FORMAT_IPV4_MAX 15
#define FORMAT_IPV6_MAX 39
#define FORMAT_DURATION_MAX 16
#define FORMAT_SHARE_MAX 21
#define FORMAT_SECONDS_MAX 18
#define FORMAT_CLOCK_MAX 15
#define FORMAT_DATETIME_MAX 26
#define FORMAT_RFC3339_MAX 30

char *format_u64(char *p, __u64 value);

char *format_ipv4(char *p, const __u8 addr[4]);

/* RFC 5952; a v4-mapped address is the caller's to give to format_ipv4(). */
char *format_ipv6(char *p, const __u8 addr[16]);

/*
 * The ports of the set from low to high, both included, as parse_ports() reads them:
 * 60609,40000-40100. Returns NULL if room (bytes) may be too little.
 */
char *format_ports(char *p, size_t room, const struct port_set *set, __u16 low, __u16 high);

/*
 * ns as people read it, rounded to three digits: 812ns, 47.6us, 3.84s, 60.1s,
 * from 100 s on 2m05s, 3h12m, 4d07h.
 */
char *format_duration(char *p, __u64 ns);

/* ns as seconds and microseconds, cut: 12.000345 */
char *format_seconds(char *p, __u64 ns);

/* thousandths as a decimal fraction: 0.971 */
char *format_share(char *p, __u64 thousandths);

/* The text of the last second, since most events share theirs. Zeroed: none. */
struct format_time {
	bool valid;
	__u64 second;
	char text[24];
};

/*
 * realtime_ns: since 1970, UTC. A cache belongs to one of the three functions.
 * Local time of day: 14:02:11.104233
 */
char *format_clock(struct format_time *cache, char *p, __u64 realtime_ns);

/* Local: 2026-11-21 14:02:11.104233 */
char *format_datetime(struct format_time *cache, char *p, __u64 realtime_ns);

/* UTC: 2026-11-21T14:02:11.104233001Z */
char *format_rfc3339(struct format_time *cache, char *p, __u64 realtime_ns);

#endif /* PORTTRACE_BASE_FORMAT_H */
