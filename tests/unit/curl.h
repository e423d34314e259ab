/* SPDX-License-Identifier: BSD-2-Clause */
/* An event of curl's, from 10.0.0.5:60609 to 10.96.4.7:443, for what shows events. */
#ifndef PORTTRACE_TESTS_CURL_H
#define PORTTRACE_TESTS_CURL_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "user/event/event.h"

/* 2026-11-21T14:02:11Z when CLOCK_BOOTTIME is 1000 s */
#define BOOT 1000000000000ULL
#define REALTIME_OFFSET (1795269731000000000ULL - BOOT)

/* after: BOOT, ns. What the common fields do not tell is not known, or there is none. */
static inline struct pt_event curl_event(enum pt_event_type type, __u64 after)
{
	return (struct pt_event){
		.type = type,
		.ts = BOOT + after,
		.realtime_offset = REALTIME_OFFSET,
		.space = { .netns = 4026531840, .netns_cookie = 1, .proto = IPPROTO_TCP },
		.family = AF_INET,
		.port = 60609,
		.rport = 443,
		.laddr = { [10] = 0xff, 0xff, 10, 0, 0, 5 },
		.raddr = { [10] = 0xff, 0xff, 10, 96, 4, 7 },
		/* as Linux counts in an interrupt that struck amid another cookie's making */
		.sock = 18446744073709551614ULL,
		.owner = { .pid = 4242,
			   .tid = 4243,
			   .uid = 1000,
			   .known = true,
			   .cgroup = 77,
			   .comm = "curl",
			   .thread = "resolver" },
		.via = PT_VIA_CONNECT,
		.search_ns = PT_UNKNOWN,
		.holders = PT_UNKNOWN,
		.reuse_ns = PT_UNKNOWN,
		.blockers_total = PT_UNKNOWN,
		.open_ns = PT_UNKNOWN,
		.held_ns = PT_UNKNOWN,
	};
}

#endif /* PORTTRACE_TESTS_CURL_H */
