/* SPDX-License-Identifier: BSD-2-Clause */
/* What the getters of column tables return, in one expression each. */
#ifndef PORTTRACE_SINK_COLUMN_PUT_H
#define PORTTRACE_SINK_COLUMN_PUT_H

#include <netinet/in.h>

#include "user/sink/columns.h"

static inline enum column_state put_u64(union column_value *v, __u64 value)
{
	v->u64 = value;
	return COLUMN_KNOWN;
}

static inline enum column_state put_known(union column_value *v, __u64 value)
{
	return value == PT_UNKNOWN ? COLUMN_UNKNOWN : put_u64(v, value);
}

static inline enum column_state put_nonzero(union column_value *v, __u64 value)
{
	return value ? put_known(v, value) : COLUMN_UNKNOWN;
}

static inline enum column_state put_bool(union column_value *v, bool value)
{
	v->boolean = value;
	return COLUMN_KNOWN;
}

static inline enum column_state put_text(union column_value *v, const char *text)
{
	v->text = text;
	return text ? COLUMN_KNOWN : COLUMN_UNKNOWN;
}

static inline enum column_state put_endpoint(union column_value *v, const __u8 *addr, __u16 port,
					     __u8 family)
{
	v->endpoint = (struct column_endpoint){ .addr = addr, .port = port, .family = family };
	return COLUMN_KNOWN;
}

/* tcp4 */
static inline enum column_state put_proto_family(union column_value *v, __u8 proto, __u8 family)
{
	static const char *const words[2][2] = { { "tcp4", "tcp6" }, { "udp4", "udp6" } };

	return put_text(v, words[proto == IPPROTO_UDP][family == AF_INET6]);
}

/* Only TCP spaces are split by VRF. */
static inline enum column_state put_vrf(union column_value *v, const struct pt_space *space)
{
	if (space->proto != IPPROTO_TCP)
		return COLUMN_NONE;
	return space->vrf == PT_VRF_UNKNOWN ? COLUMN_UNKNOWN : put_u64(v, space->vrf);
}

#endif /* PORTTRACE_SINK_COLUMN_PUT_H */
