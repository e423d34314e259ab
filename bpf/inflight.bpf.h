/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The call that a task is in, from its first program to its last. Keyed by
 * task and not by CPU: the search for a port sleeps (cond_resched) and can go
 * on elsewhere. A slot that another task took over is simply not found.
 */
#ifndef PORTTRACE_INFLIGHT_BPF_H
#define PORTTRACE_INFLIGHT_BPF_H

#include "maps.bpf.h"

enum call {
	CALL_NONE,
	CALL_CONNECT,  /* inet_hash_connect */
	CALL_GET_PORT, /* inet_csk_get_port */
	CALL_BIND,     /* UDP: bind(), then udp_lib_get_port */
	CALL_AUTOBIND, /* UDP: send or connect, then udp_lib_get_port */
};

/* The current task; a thread pool's have numbers that lie beside each other. */
static __always_inline __u32 inflight_task(void)
{
	return (__u32)bpf_get_current_pid_tgid();
}

static __always_inline struct inflight *inflight_slot(__u32 task)
{
	return &inflight[task & (INFLIGHT_SLOTS - 1)];
}

static __always_inline void inflight_set(struct inflight *slot, __u32 task, struct sock *sk,
					 enum call call, __u64 start, __u16 port)
{
	slot->task = task;
	slot->sk = (__u64)sk;
	slot->start = start;
	slot->port = port;
	slot->told_port = 0;
	slot->call = call;
	slot->told = false;
}

static __always_inline struct inflight *inflight_begin(struct sock *sk, enum call call, __u64 start,
						       __u16 port)
{
	__u32 task = inflight_task();
	struct inflight *slot = inflight_slot(task);

	inflight_set(slot, task, sk, call, start, port);
	return slot;
}

/* The current task's call on this socket; NULL if its beginning was missed. */
static __always_inline struct inflight *inflight_find(struct sock *sk)
{
	__u32 task = inflight_task();
	struct inflight *slot = inflight_slot(task);

	return slot->task == task && slot->sk == (__u64)sk ? slot : (void *)0;
}

/* The same, or a slot that says that the beginning was missed. */
static __always_inline struct inflight *inflight_find_or_begin(struct sock *sk, enum call call)
{
	struct inflight *slot = inflight_find(sk);

	return slot ?: inflight_begin(sk, call, 0, 0);
}

static __always_inline void inflight_tell(struct inflight *slot, __u16 port)
{
	slot->told = true;
	slot->told_port = port;
}

static __always_inline void inflight_end(struct inflight *slot)
{
	slot->sk = 0;
}

#endif /* PORTTRACE_INFLIGHT_BPF_H */
