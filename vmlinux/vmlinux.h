/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel types that the BPF programs read, and of each only the members
 * they read. preserve_access_index makes every access a CO-RE relocation: the
 * loader patches offsets (and sizes) for the running kernel, so order and
 * padding here mean nothing, names mean everything. Members of anonymous unions
 * and structs stand flat: libbpf looks for a name through them.
 *
 * A suffix after three underscores (net___v510) is another kernel's shape of
 * the same type.
 */
#ifndef PORTTRACE_VMLINUX_H
#define PORTTRACE_VMLINUX_H

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef unsigned long long __u64;
typedef signed char __s8;
typedef short __s16;
typedef int __s32;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u64 __be64;
typedef __u32 __wsum;
typedef __u16 __sum16;
typedef _Bool bool;

enum { false, true };

/* Numbers of the kernel's ABI that no header for BPF carries. */
enum {
	AF_INET = 2,
	AF_INET6 = 10,
	IPPROTO_TCP = 6,
	IPPROTO_UDP = 17,
	EADDRINUSE = 98,
	EAGAIN = 11,
	PF_KTHREAD = 0x00200000, /* include/linux/sched.h */
	SOCK_BINDPORT_LOCK = 8,	 /* include/net/sock.h */
	TCP_SYN_SENT = 2,	 /* include/net/tcp_states.h */
	TCP_FIN_WAIT2 = 5,
	TCP_TIME_WAIT = 6,
	TCP_CLOSE = 7,
	TCP_LISTEN = 10,
	TCP_NEW_SYN_RECV = 12,
	SOCK_STREAM = 1,
	SOCK_DGRAM = 2,
	SOCKFS_MAGIC = 0x534f434b, /* include/uapi/linux/magic.h */
};

/* include/uapi/linux/bpf.h; BPF CO-RE needs no more of it */
enum {
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
	BPF_RB_AVAIL_DATA = 0,
};

/* include/uapi/linux/in6.h: the same in every kernel, and read often. */
struct in6_addr {
	union {
		__u8 u6_addr8[16];
		__be32 u6_addr32[4];
	} in6_u;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	__s64 counter;
} atomic64_t;

struct ns_common {
	unsigned int inum;
};

struct net {
	__u32 hash_mix;
	__u64 net_cookie;
	struct ns_common ns;
};

typedef struct {
	struct net *net;
} possible_net_t;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	__u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	int skc_bound_dev_if;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
	atomic64_t skc_cookie;
};

struct sock {
	struct sock_common __sk_common;
	__u16 sk_protocol;
	__u16 sk_type;
	__u8 sk_userlocks : 4; /* a whole __u8 since 6.12 */
	__u8 sk_kern_sock : 1;
};

struct inet_sock {
	__be16 inet_sport;
};

struct socket {
	struct sock *sk;
};

struct hlist_head {
	struct hlist_node *first;
};

struct inet_bind_bucket {
	possible_net_t ib_net;
	int l3mdev;
	unsigned short port;
	signed char fastreuse; /* below 0, as fastreuseport: of connects alone */
	signed char fastreuseport;
	struct hlist_head bhash2; /* since 6.8 or so; read where it is */
};

struct inet_connection_sock {
	struct inet_bind_bucket *icsk_bind_hash;
	void *icsk_ulp_data; /* of an MPTCP subflow: struct mptcp_subflow_context */
};

struct mptcp_sock {
	struct sock *first; /* the subflow that the connection began with */
};

struct mptcp_subflow_context {
	struct sock *conn; /* the struct mptcp_sock */
};

struct tcp_sock {
	bool is_mptcp; /* with CONFIG_MPTCP */
};

struct timer_list {
	unsigned long expires;
};

struct inet_timewait_sock {
	struct sock_common __tw_common;
	volatile unsigned char tw_substate;
	struct timer_list tw_timer;
	struct inet_bind_bucket *tw_tb;
};

struct kernfs_node {
	__u64 id;
};

struct cgroup {
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

typedef struct {
	__u32 val;
} kuid_t;

struct cred {
	kuid_t uid;
};

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	__u64 start_boottime;
	struct task_struct *group_leader;
	const struct cred *cred;
	struct css_set *cgroups;
	char comm[16];
};

struct super_block {
	unsigned long s_magic;
};

struct inode {
	struct super_block *i_sb;
};

struct file {
	void *private_data; /* of a socket: its struct socket */
	struct inode *f_inode;
};

struct udp_sock; /* begins with a struct sock */
struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct file *file;
};

struct bpf_iter__tcp {
	struct bpf_iter_meta *meta;
	struct sock_common *sk_common;
};

struct bpf_iter__udp {
	struct bpf_iter_meta *meta;
	struct udp_sock *udp_sk;
};

/* Only ever passed on, never read. */
struct inet_timewait_death_row;
struct inet_hashinfo;
struct inet_bind2_bucket;
struct inet_bind_hashbucket;
struct hlist_node;

#pragma clang attribute pop

#endif /* PORTTRACE_VMLINUX_H */
