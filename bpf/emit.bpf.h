/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records into the ring. Every function here either sends one or counts a loss. */
#ifndef PORTTRACE_EMIT_BPF_H
#define PORTTRACE_EMIT_BPF_H

#include "filter.bpf.h"
#include "inflight.bpf.h"

/* The reader is woken by the record that crosses the mark, not by each one. */
#define WAKEUP_SPAN 4096

static __always_inline void *record_reserve(__u64 size)
{
	void *rec;

	if (!enabled)
		return (void *)0;
	rec = bpf_ringbuf_reserve(&ring, size, 0);
	if (rec)
		/* or clang zeroes byte by byte */
		__builtin_memset(__builtin_assume_aligned(rec, 8), 0, size);
	else
		__sync_fetch_and_add(&lost_records, 1);
	return rec;
}

static __always_inline void record_submit(void *rec)
{
	__u64 fill = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);

	bpf_ringbuf_submit(rec,
			   fill - wakeup_at < WAKEUP_SPAN ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

/*
 * ts: taken before the record was reserved. A task can be preempted in between,
 * and a time from after that would be later than those of the records behind.
 */
static __always_inline void head_fill(struct pt_rec_head *head, enum pt_kind kind, __u16 size,
				      __u64 ts, struct sock_common *sk, __u64 id, __u16 port)
{
	struct net *net = sock_net(sk);

	head->kind = kind;
	head->version = PT_ABI_VERSION;
	head->size = size;
	head->lost = (__u32)lost_records;
	head->ts = ts;
	head->sock = id;
	head->netns_cookie = netns_cookie(net);
	head->netns = net->ns.inum;
	head->port = port;
	head->proto = IPPROTO_TCP;
	head->family = sk->skc_family;
}

static __always_inline __s32 *owners_of(struct net *net, __u16 port)
{
	__u32 slot = port ^ net->ns.inum << 5;

	barrier_var(slot); /* or 6.1's verifier does not see that it is bounded */
	return &owners[slot & (OWNERS_SLOTS - 1)];
}

static __always_inline void owners_add(struct sock_common *sk, __u16 port, __s32 change)
{
	if (count_owners && enabled)
		__sync_fetch_and_add(owners_of(sock_net(sk), port), change);
}

/* What ALLOC and FAIL say beyond the socket itself. */
struct port_facts {
	enum pt_via via;
	__u16 port;
	__u8 proto;
	__u32 vrf;
	__u32 flags;
	__s32 error;
	__u64 start; /* of the search; 0: missed */
};

static __always_inline void kin_fill(struct pt_kin *kin, struct sock *sk, __u32 *flags)
{
	kin->sock = has_sock_cookie ? BPF_CORE_READ(sk, __sk_common.skc_cookie.counter) : (__u64)sk;
	kin->port = BPF_CORE_READ(sk, __sk_common.skc_num);
	*flags |= PT_F_KIN;
}

static __always_inline void emit_port(enum pt_kind kind, struct sock *sk, __u64 id,
				      struct port_facts facts)
{
	__u64 ts = bpf_ktime_get_boot_ns();
	struct pt_rec_port *rec;
	struct sock *first;

	rec = record_reserve(sizeof(*rec));
	if (!rec)
		return;
	head_fill(&rec->head, kind, sizeof(*rec), ts, &sk->__sk_common, id, facts.port);
	rec->head.proto = facts.proto;
	rec->head.vrf = facts.vrf;
	tuple_fill(&rec->tuple, &sk->__sk_common);
	first = facts.proto == IPPROTO_TCP ? mptcp_first(sk) : (void *)0;
	if (first)
		kin_fill(&rec->kin, first, &facts.flags);
	else if (facts.flags & PT_F_LATE)
		facts.flags |= PT_F_KIN; /* of nobody: the task is whoever let it go */
	else
		task_fill(&rec->task, &facts.flags);
	if (facts.start) {
		facts.flags |= PT_F_SEARCHED;
		rec->search_ns = rec->head.ts - facts.start;
	}
	rec->head.flags = facts.flags;
	rec->error = facts.error;
	rec->via = facts.via;
	record_submit(rec);
}

/* Cookies count up; addresses are 64 bytes apart. */
static __always_inline __u64 *last_told(__u64 id)
{
	return &told[(id ^ id >> 6) & (TOLD_SLOTS - 1)];
}

/*
 * What that slot has of a socket that got a port, or let it go. An address alone
 * can soon be that of another socket, accepted on the same port.
 */
static __always_inline __u64 told_alloc(__u64 id, __u16 port)
{
	return has_sock_cookie ? id << 17 | (__u64)port << 1 : 0;
}

static __always_inline __u64 told_release(struct sock *sk, __u64 id, __u16 port)
{
	return has_sock_cookie ? told_alloc(id, port) | 1
			       : id ^ (__u64)sk->__sk_common.skc_dport << 48;
}

/* It may let go again. */
static __always_inline void emit_alloc(struct sock *sk, struct port_facts facts)
{
	__u64 id;

	if (!enabled)
		return;
	id = sock_id_make(sk);
	*last_told(id) = told_alloc(id, facts.port);
	if (facts.proto == IPPROTO_TCP)
		owners_add(&sk->__sk_common, facts.port, 1);
	emit_port(PT_REC_ALLOC, sk, id, facts);
}

static __always_inline void emit_fail(struct sock *sk, struct port_facts facts)
{
	__u64 id;

	if (!enabled)
		return;
	id = sock_id_make(sk);
	if (facts.flags & PT_F_ROLLBACK) {
		owners_add(&sk->__sk_common, facts.port, -1);
		*last_told(id) = told_release(sk, id, facts.port);
	}
	emit_port(PT_REC_FAIL, sk, id, facts);
}

static __always_inline void emit_head(enum pt_kind kind, struct sock *sk, __u64 id, __u8 proto,
				      __u16 port, __u32 flags)
{
	__u64 ts = bpf_ktime_get_boot_ns();
	struct pt_rec_head *rec = record_reserve(sizeof(*rec));

	if (!rec)
		return;
	head_fill(rec, kind, sizeof(*rec), ts, &sk->__sk_common, id, port);
	rec->proto = proto;
	rec->vrf = proto == IPPROTO_TCP ? PT_VRF_UNKNOWN : 0;
	rec->flags = flags;
	record_submit(rec);
}

/* What the socket is about to leave. */
static __always_inline __u32 flags_of_state(struct sock *sk)
{
	return sk->__sk_common.skc_state == TCP_LISTEN ? PT_F_LISTENED : 0;
}

/* The connection is over, or the listening; the socket keeps its port. */
static __always_inline void emit_closed(struct sock *sk, __u64 id)
{
	emit_head(PT_REC_CLOSED, sk, id, IPPROTO_TCP, sk->__sk_common.skc_num, flags_of_state(sk));
}

static __always_inline void emit_release_of(struct sock *sk, __u64 id, __u8 proto, __u16 port)
{
	*last_told(id) = told_release(sk, id, port);
	/* the state is stored after the port is put */
	emit_head(PT_REC_RELEASE, sk, id, proto, port, flags_of_state(sk));
}

static __always_inline void emit_release(struct sock *sk, __u64 id, __u8 proto)
{
	__u16 port = sk->__sk_common.skc_num;

	if (*last_told(id) == told_release(sk, id, port) || !enabled)
		return;
	if (proto == IPPROTO_TCP)
		owners_add(&sk->__sk_common, port, -1);
	emit_release_of(sk, id, proto, port);
}

/*
 * The same of a socket that has no port any more: of the one it had. If it does not
 * know (it was disconnected), of the one that was told of it last; one of which none
 * was told, since its connect was refused, has nothing to let go. Its port's owners
 * may have been counted anew meanwhile: one too many does no harm, one too few would
 * hide what is missed next.
 */
static __always_inline void emit_release_late(struct sock *sk, __u64 id, __u8 proto)
{
	__u64 last = *last_told(id);
	bool knows = has_sock_cookie && last >> 17 == id;
	__u16 port;

	if (knows && last & 1) /* as nearly always: it let go */
		return;
	port = last_port(sk);
	if (!port && knows)
		port = (__u16)(last >> 1);
	if (!port || !enabled || last == told_release(sk, id, port))
		return;
	if (port_wanted(port))
		emit_release_of(sk, id, proto, port);
}

/* CONNECT and TW_BEGIN: what a TCP socket that holds a port does with it. */
static __always_inline void emit_tuple(enum pt_kind kind, struct sock *sk, __u64 id, __u64 tw,
				       __u32 flags)
{
	__u64 ts = bpf_ktime_get_boot_ns();
	struct pt_rec_tuple *rec = record_reserve(sizeof(*rec));

	if (!rec)
		return;
	head_fill(&rec->head, kind, sizeof(*rec), ts, &sk->__sk_common, id,
		  sk->__sk_common.skc_num);
	rec->head.vrf = PT_VRF_UNKNOWN;
	rec->head.flags = flags;
	tuple_fill(&rec->tuple, &sk->__sk_common);
	rec->tw = tw;
	record_submit(rec);
}

static __always_inline void emit_tw_end(struct inet_timewait_sock *tw, __u64 id, __u32 vrf,
					__u32 flags, __u64 taker)
{
	__u64 ts = bpf_ktime_get_boot_ns();
	struct pt_rec_tw_end *rec;

	owners_add(&tw->__tw_common, tw->__tw_common.skc_num, -1);
	rec = record_reserve(sizeof(*rec));
	if (!rec)
		return;
	head_fill(&rec->head, PT_REC_TW_END, sizeof(*rec), ts, &tw->__tw_common, id,
		  tw->__tw_common.skc_num);
	rec->head.vrf = vrf;
	rec->head.flags = flags;
	rec->tw = (__u64)tw;
	rec->taker = taker;
	record_submit(rec);
}

/* Nobody holds that port. */
static __always_inline void emit_empty(struct net *net, __u16 port, __u32 vrf, __u32 flags)
{
	__u64 ts = bpf_ktime_get_boot_ns();
	struct pt_rec_head *rec = record_reserve(sizeof(*rec));

	if (!rec)
		return;
	rec->kind = PT_REC_EMPTY;
	rec->version = PT_ABI_VERSION;
	rec->size = sizeof(*rec);
	rec->lost = (__u32)lost_records;
	rec->ts = ts;
	rec->netns_cookie = netns_cookie(net);
	rec->netns = net->ns.inum;
	rec->vrf = vrf;
	rec->flags = flags;
	rec->port = port;
	rec->proto = IPPROTO_TCP;
	rec->family = AF_INET;
	record_submit(rec);
}

#endif /* PORTTRACE_EMIT_BPF_H */
