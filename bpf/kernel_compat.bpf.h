/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One accessor for each thing that differs between kernels 5.10 and 7.3. */
#ifndef PORTTRACE_KERNEL_COMPAT_BPF_H
#define PORTTRACE_KERNEL_COMPAT_BPF_H

#include "maps.bpf.h"

/*
 * An address as a number. The verifier of 5.10 lets nobody calculate with a
 * pointer to a kernel object, but what a helper wrote is a number.
 */
static __always_inline __u64 address_of(void *object)
{
	__u64 number = 0;

	bpf_probe_read_kernel(&number, sizeof(number), &object);
	return number;
}

/*
 * The identity of a socket, made if it has none yet. Its cookie; tracing
 * programs may ask for that since 5.12 (c5dbb89fc2ac). Before, its address,
 * which is unique while the hold lasts.
 */
static __always_inline __u64 sock_id_make(struct sock *sk)
{
	return has_sock_cookie ? bpf_get_socket_cookie(sk) : address_of(sk);
}

/*
 * The same of a socket that ALLOC was sent for, without a helper call. 0: it
 * was not, since ALLOC makes a cookie: an accepted child (its cookie is reset
 * when it is cloned), or a socket from before the trace.
 */
static __always_inline __u64 sock_id_known(struct sock *sk)
{
	return has_sock_cookie ? sk->__sk_common.skc_cookie.counter : address_of(sk);
}

/*
 * net_cookie is made when user space asks for it in 5.10, with the namespace
 * since 5.12 (3d368ab87cf6). The inode number alone is soon used again; hash_mix
 * is random for each namespace (355b98553789, 5.1).
 */
static __always_inline __u64 netns_cookie(struct net *net)
{
	return has_sock_cookie ? net->net_cookie : PT_NO_COOKIES | net->hash_mix;
}

/* sk_userlocks is a bitfield until 6.12, then a byte (a patch of the 6.6 cycle). */
static __always_inline bool port_is_locked(struct sock *sk)
{
	return BPF_CORE_READ_BITFIELD(sk, sk_userlocks) & SOCK_BINDPORT_LOCK;
}

/* As two words, which is cheaper than a helper's call. The kernel ends a name with a NUL. */
static __always_inline void name_fill(char out[PT_COMM_LEN], const struct task_struct *task)
{
	const __u64 *from = (const __u64 *)task->comm;
	__u64 *to = (__u64 *)out;

	to[0] = from[0];
	to[1] = from[1];
}

/* By plain loads where a helper would do: each helper is a call, 78 instructions for all. */
static __always_inline void task_fill_btf(struct pt_task *out, __u32 *flags)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct task_struct *leader = task->group_leader;

	out->pid = task->tgid;
	out->tid = task->pid;
	out->uid = task->cred->uid.val;
	out->cgroup = task->cgroups->dfl_cgrp->kn->id;
	out->start = leader->start_boottime;
	name_fill(out->comm, leader);
	name_fill(out->thread, task);
	*flags |= task->flags & PF_KTHREAD ? PT_F_KTHREAD : 0;
}

/* bpf_get_current_task_btf is from 5.11 (3ca1032ab7ab). */
static __always_inline void task_fill_probe(struct pt_task *out, __u32 *flags)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	__u64 pid_tgid = bpf_get_current_pid_tgid();

	out->pid = pid_tgid >> 32;
	out->tid = (__u32)pid_tgid;
	out->uid = (__u32)bpf_get_current_uid_gid();
	out->cgroup = bpf_get_current_cgroup_id();
	out->start = BPF_CORE_READ(leader, start_boottime);
	BPF_CORE_READ_INTO(&out->comm, leader, comm);
	bpf_get_current_comm(out->thread, sizeof(out->thread));
	*flags |= BPF_CORE_READ(task, flags) & PF_KTHREAD ? PT_F_KTHREAD : 0;
}

/* The current task as owner; only right where the kernel runs on its behalf. */
static __always_inline void task_fill(struct pt_task *out, __u32 *flags)
{
	if (has_task_btf)
		task_fill_btf(out, flags);
	else
		task_fill_probe(out, flags);
}

#endif /* PORTTRACE_KERNEL_COMPAT_BPF_H */
