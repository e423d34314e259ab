/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is there already: iterators, which user space starts and reads. They run
 * when asked to and never on the way of a packet, so they may read by probes,
 * which works on every kernel alike.
 */
#ifndef PORTTRACE_ITERATE_BPF_H
#define PORTTRACE_ITERATE_BPF_H

#include "filter.bpf.h"

static __always_inline void row_head(struct pt_row *row, struct sock_common *sk, __u8 kind,
				     __u8 proto)
{
	struct net *net = BPF_CORE_READ(sk, skc_net.net);

	row->head.kind = kind;
	row->head.version = PT_ABI_VERSION;
	row->head.size = sizeof(*row);
	row->head.netns_cookie = has_sock_cookie ? BPF_CORE_READ(net, net_cookie)
						 : PT_NO_COOKIES | BPF_CORE_READ(net, hash_mix);
	row->head.netns = BPF_CORE_READ(net, ns.inum);
	row->head.port = BPF_CORE_READ(sk, skc_num);
	row->head.proto = proto;
	row->head.family = BPF_CORE_READ(sk, skc_family);
}

static __always_inline void row_tuple(struct pt_tuple *out, struct sock_common *sk)
{
	struct in6_addr addr;

	if (BPF_CORE_READ(sk, skc_family) == AF_INET) {
		addr_from_v4(out->laddr, BPF_CORE_READ(sk, skc_rcv_saddr));
		addr_from_v4(out->raddr, BPF_CORE_READ(sk, skc_daddr));
	} else {
		addr = BPF_CORE_READ(sk, skc_v6_rcv_saddr);
		addr_from_v6(out->laddr, &addr);
		addr = BPF_CORE_READ(sk, skc_v6_daddr);
		addr_from_v6(out->raddr, &addr);
	}
	out->rport = be16_to_host(BPF_CORE_READ(sk, skc_dport));
	out->ifindex = BPF_CORE_READ(sk, skc_bound_dev_if);
}

static __always_inline void row_task(struct pt_row *row, struct task_struct *task)
{
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	row->task.pid = BPF_CORE_READ(task, tgid);
	row->task.uid = BPF_CORE_READ(leader, cred, uid.val);
	row->task.start = BPF_CORE_READ(leader, start_boottime);
	row->task.cgroup = BPF_CORE_READ(leader, cgroups, dfl_cgrp, kn, id);
	BPF_CORE_READ_INTO(&row->task.comm, leader, comm);
}

static __always_inline __u8 row_bucket(struct inet_bind_bucket *tb)
{
	if (!tb)
		return 0;
	/* as __inet_hash_connect() asks */
	return PT_B_KNOWN |
	       (BPF_CORE_READ(tb, fastreuse) >= 0 || BPF_CORE_READ(tb, fastreuseport) >= 0
			? PT_B_BOUND
			: 0);
}

/* TCP or UDP, and it has a port; id: its identity. */
static __always_inline bool row_sock(struct pt_row *row, struct sock *sk, __u64 id)
{
	__u16 proto = BPF_CORE_READ(sk, sk_protocol);
	__u16 type = BPF_CORE_READ(sk, sk_type);
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	/* a raw socket of these protocols has no port */
	if (!(proto == IPPROTO_TCP && type == SOCK_STREAM) &&
	    !(proto == IPPROTO_UDP && type == SOCK_DGRAM))
		return false;
	if ((family != AF_INET && family != AF_INET6) || !BPF_CORE_READ(sk, __sk_common.skc_num))
		return false;
	row_head(row, &sk->__sk_common, PT_ROW_SOCK, proto);
	row_tuple(&row->tuple, &sk->__sk_common);
	row->head.sock = id;
	row->head.vrf = proto == IPPROTO_TCP ? bucket_vrf(sk) : 0;
	row->state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (proto != IPPROTO_TCP)
		return true;
	row->bucket = row_bucket(BPF_CORE_READ((struct inet_connection_sock *)sk, icsk_bind_hash));
	if (BPF_CORE_READ_BITFIELD_PROBED(sk, sk_userlocks) & SOCK_BINDPORT_LOCK)
		row->bucket |= PT_B_NAMED;
	return true;
}

static __always_inline bool row_tw(struct pt_row *row, struct inet_timewait_sock *tw, __u64 id)
{
	if (!BPF_CORE_READ(tw, tw_tb))
		return false;
	row_head(row, &tw->__tw_common, PT_ROW_TW, IPPROTO_TCP);
	row_tuple(&row->tuple, &tw->__tw_common);
	row->head.sock = id;
	row->head.vrf = BPF_CORE_READ(tw, tw_tb, l3mdev);
	row->tw = address_of(tw);
	row->state = BPF_CORE_READ(tw, tw_substate);
	row->bucket = row_bucket(BPF_CORE_READ(tw, tw_tb));
	return true;
}

#define NO_ROW                                                                                     \
	{                                                                                          \
		.state = 0                                                                         \
	} /* all zero, padding too: it has none */

/* The sockets of every process that the caller's pid namespace has. */
SEC("iter/task_file")
int sock_files(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct pt_row row = NO_ROW;
	struct socket *socket;
	struct sock *sk;
	__u64 id;

	if (!task || !file || BPF_CORE_READ(file, f_inode, i_sb, s_magic) != SOCKFS_MAGIC)
		return 0;
	if (has_sock_cookie) {
		socket = bpf_sock_from_file(file);
		sk = socket ? socket->sk : (void *)0;
		if (!sk)
			return 0;
		id = bpf_get_socket_cookie(sk);
	} else {
		socket = BPF_CORE_READ(file, private_data);
		sk = BPF_CORE_READ(socket, sk);
		id = (__u64)sk;
	}
	if (!row_sock(&row, sk, id))
		return 0;
	row_task(&row, task);
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

/*
 * The tables of one namespace, where sock_diag does not tell them: its modules
 * are missing, or its cookies match no record (before 5.12). A TIME_WAIT keeps
 * its socket's cookie.
 */
SEC("iter/tcp")
int sock_tcp(struct bpf_iter__tcp *ctx)
{
	struct sock_common *sk = ctx->sk_common;
	struct pt_row row = NO_ROW;
	__u64 id = 0;
	bool found;

	if (!sk || sk->skc_state == TCP_NEW_SYN_RECV)
		return 0;
	if (has_sock_cookie)
		id = bpf_get_socket_cookie(sk);
	if (sk->skc_state == TCP_TIME_WAIT)
		found = row_tw(&row, (void *)sk, id);
	else
		found = row_sock(&row, (void *)sk, id ?: address_of(sk));
	if (found)
		bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

SEC("iter/udp")
int sock_udp(struct bpf_iter__udp *ctx)
{
	struct sock *sk = (void *)ctx->udp_sk;
	struct pt_row row = NO_ROW;

	if (sk && row_sock(&row, sk, sock_id_make(sk)))
		bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}

#endif /* PORTTRACE_ITERATE_BPF_H */
