/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Port and namespace are filtered here, since an unrelated connection should
 * cost little; the protocol by not loading the other's programs. Every other
 * filter works on the ledger's output, so that its holders stay true.
 */
#ifndef PORTTRACE_FILTER_BPF_H
#define PORTTRACE_FILTER_BPF_H

#include "sock_read.bpf.h"

static __always_inline bool port_wanted(__u16 port)
{
	return !filter_ports || wanted_ports[port >> 6] >> (port & 63) & 1;
}

static __always_inline bool netns_wanted(struct sock_common *sk)
{
	return !wanted_netns || sock_net(sk)->ns.inum == wanted_netns;
}

static __always_inline bool wanted(struct sock_common *sk, __u16 port)
{
	return port_wanted(port) && netns_wanted(sk);
}

#endif /* PORTTRACE_FILTER_BPF_H */
