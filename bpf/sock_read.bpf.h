/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a record says of a socket, read from its sock_common. */
#ifndef PORTTRACE_SOCK_READ_BPF_H
#define PORTTRACE_SOCK_READ_BPF_H

#include "kernel_compat.bpf.h"

#define V4_MAPPED_PREFIX __builtin_bswap32(0xffff) /* ::ffff:0:0/96, its third word */

static __always_inline __u16 be16_to_host(__be16 port)
{
	return __builtin_bswap16(port);
}

static __always_inline void addr_from_v4(__u8 out[16], __be32 addr)
{
	__u32 *words = (__u32 *)out;

	words[0] = 0;
	words[1] = 0;
	words[2] = V4_MAPPED_PREFIX;
	words[3] = addr;
}

static __always_inline void addr_from_v6(__u8 out[16], const struct in6_addr *addr)
{
	__u32 *words = (__u32 *)out;

	words[0] = addr->in6_u.u6_addr32[0];
	words[1] = addr->in6_u.u6_addr32[1];
	words[2] = addr->in6_u.u6_addr32[2];
	words[3] = addr->in6_u.u6_addr32[3];
}

/*
 * An AF_INET6 socket with a v4 peer keeps the v4-mapped form in the v6 members
 * too (sk_rcv_saddr_set(), sk_daddr_set()).
 */
static __always_inline void tuple_fill(struct pt_tuple *out, struct sock_common *sk)
{
	if (sk->skc_family == AF_INET) {
		addr_from_v4(out->laddr, sk->skc_rcv_saddr);
		addr_from_v4(out->raddr, sk->skc_daddr);
	} else {
		addr_from_v6(out->laddr, &sk->skc_v6_rcv_saddr);
		addr_from_v6(out->raddr, &sk->skc_v6_daddr);
	}
	out->rport = be16_to_host(sk->skc_dport);
	out->ifindex = sk->skc_bound_dev_if;
}

/*
 * The VRF of the socket's bind bucket, through probe reads: the verifier lets
 * nobody look behind struct sock. Only for the rare second witness.
 */
static __always_inline __u32 bucket_vrf(struct sock *sk)
{
	struct inet_connection_sock *csk = (struct inet_connection_sock *)sk;

	return BPF_CORE_READ(csk, icsk_bind_hash, l3mdev);
}

static __always_inline bool is_mptcp(struct sock *sk)
{
	struct tcp_sock *tcp = (struct tcp_sock *)sk;

	return bpf_core_field_exists(tcp->is_mptcp) && BPF_CORE_READ(tcp, is_mptcp);
}

/*
 * Of a further subflow of an MPTCP connection the one that the connection began
 * with; else NULL. A kernel worker opens them, or whoever tells the path manager
 * of an address (net/mptcp/subflow.c, __mptcp_subflow_connect()).
 */
static __always_inline struct sock *mptcp_first(struct sock *sk)
{
	struct inet_connection_sock *csk = (struct inet_connection_sock *)sk;
	struct mptcp_subflow_context *subflow;
	struct mptcp_sock *connection;
	struct sock *first;

	if (!BPF_CORE_READ_BITFIELD(sk, sk_kern_sock) || !is_mptcp(sk))
		return (void *)0;
	subflow = BPF_CORE_READ(csk, icsk_ulp_data);
	connection = (struct mptcp_sock *)BPF_CORE_READ(subflow, conn);
	first = BPF_CORE_READ(connection, first);
	return first == sk ? (void *)0 : first;
}

/* The local port that the socket has or had; 0: it never had one. */
static __always_inline __u16 last_port(struct sock *sk)
{
	struct inet_sock *inet = (struct inet_sock *)sk;

	return be16_to_host(BPF_CORE_READ(inet, inet_sport));
}

/* Where there is no bucket: a socket without a device is in no VRF. */
static __always_inline __u32 socket_vrf(struct sock *sk)
{
	return sk->__sk_common.skc_bound_dev_if ? PT_VRF_UNKNOWN : 0;
}

static __always_inline struct net *sock_net(struct sock_common *sk)
{
	return sk->skc_net.net;
}

#endif /* PORTTRACE_SOCK_READ_BPF_H */
