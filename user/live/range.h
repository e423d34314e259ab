/* SPDX-License-Identifier: BSD-2-Clause */
/* Which ports the kernel may choose, in this process's network namespace. */
#ifndef PORTTRACE_LIVE_RANGE_H
#define PORTTRACE_LIVE_RANGE_H

#include "user/base/parse.h"

struct range {
	__u16 low, high;	     /* ip_local_port_range, both included */
	struct port_set reserved;    /* ip_local_reserved_ports */
	unsigned int reserved_count; /* of these, inside the range */
};

/* Returns 0, or a negative errno if /proc/sys/net does not tell. */
int range_read(struct range *range);

/* What IANA calls that port, and its range (RFC 6335): "user (IANA 1024-49151)". */
const char *range_iana(__u16 port);

#endif /* PORTTRACE_LIVE_RANGE_H */
