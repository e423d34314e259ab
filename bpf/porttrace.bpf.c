// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The hooks. Each program is a few lines: what it filters, reads and sends is
 * in the headers beside it.
 *
 * A tracing program can be skipped (since 5.12 it does not run where it is
 * already active on the CPU, which preemption and softirq bring about). So each
 * fact is taken by a program that nothing can interrupt, bottom halves off, or
 * by two or three: a later one stays silent when it finds what an earlier left in
 * its slot, and what slips through the ledger knows already. Holding preemption
 * off inside a program (bpf_preempt_disable) makes it worse: the task is then
 * preempted where the program lets go of it, still inside.
 */
#include "emit.bpf.h"
#include "iterate.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline __u16 sock_port(struct sock *sk)
{
	return sk->__sk_common.skc_num;
}

/* ---- UDP: what its witnesses tell ------------------------------------------- */

static __always_inline bool is_udp(struct sock *sk)
{
	return sk->sk_protocol == IPPROTO_UDP && netns_wanted(&sk->__sk_common);
}

static __always_inline enum pt_via udp_via(struct inflight *slot, unsigned short snum)
{
	if (snum)
		return PT_VIA_FIXED;
	if (slot && slot->call == CALL_AUTOBIND)
		return PT_VIA_AUTOBIND;
	if (slot && slot->call == CALL_BIND)
		return PT_VIA_BIND;
	return PT_VIA_UNKNOWN;
}

/* udp_lib_get_port says 1 until 5.18 or EADDRINUSE; an autobinding call says EAGAIN. */
static __always_inline void udp_refused(struct sock *sk, struct port_facts facts)
{
	if (facts.via == PT_VIA_UNKNOWN)
		facts.flags |= PT_F_NO_ERRNO;
	else
		facts.error = facts.via == PT_VIA_AUTOBIND ? -EAGAIN : -EADDRINUSE;
	emit_fail(sk, facts);
}

/* For the later witnesses the slot says that it is told, and by the last one goes. */
static __always_inline void udp_tell(struct sock *sk, struct inflight *slot,
				     struct port_facts facts, int ret)
{
	facts.proto = IPPROTO_UDP;
	if (!slot)
		slot = inflight_begin(sk, CALL_NONE, 0, 0);
	slot->told = true;
	facts.start = slot->start;
	if (!wanted(&sk->__sk_common, facts.port))
		return;
	if (ret)
		udp_refused(sk, facts);
	else
		emit_alloc(sk, facts);
}

/*
 * A call that asked for a port returns. Without a slot no earlier witness ran, or
 * it asked for none: a socket without a port, an error of another kind.
 */
static __always_inline int udp_ends(struct sock *sk, enum pt_via via, __u16 port, int ret,
				    bool last)
{
	int refusal = via == PT_VIA_AUTOBIND ? -EAGAIN : -EADDRINUSE;
	struct port_facts facts = { .via = via, .flags = PT_F_SECOND };
	struct inflight *slot;

	if (!is_udp(sk) || sk->sk_type != SOCK_DGRAM) /* bind() of a raw socket ends here, too */
		return 0;
	slot = inflight_find(sk);
	facts.port = ret ? port : sock_port(sk);
	if ((!slot || !slot->told) && (ret ? ret == refusal : facts.port))
		udp_tell(sk, slot, facts, ret);
	slot = inflight_find(sk);
	if (slot && last)
		inflight_end(slot);
	return 0;
}

/* ---- TCP: connect() -------------------------------------------------------- */

/*
 * The connect() that the task is in. A slot of an earlier call on the socket, whose
 * end was skipped, can lie there where this one's beginning was skipped too.
 */
static __always_inline struct inflight *connect_slot(struct sock *sk)
{
	struct inflight *slot = inflight_find(sk);

	return slot && slot->call == CALL_CONNECT ? slot : (void *)0;
}

static __always_inline int connect_begin(struct sock *sk)
{
	if (sk->sk_protocol == IPPROTO_TCP && netns_wanted(&sk->__sk_common))
		inflight_begin(sk, CALL_CONNECT, bpf_ktime_get_boot_ns(), sock_port(sk));
	return 0;
}

SEC("fentry/inet_hash_connect")
int BPF_PROG(hash_connect_begin, struct inet_timewait_death_row *dr, struct sock *sk)
{
	return connect_begin(sk);
}

SEC("fentry/inet6_hash_connect")
int BPF_PROG(hash6_connect_begin, struct inet_timewait_death_row *dr, struct sock *sk)
{
	return connect_begin(sk);
}

/*
 * Called with the bucket's lock held. For a shared bucket the port stands in
 * the socket already, so only the call's beginning tells a port just found from
 * one that bind() took before. Where that was missed, the ledger knows.
 */
static __always_inline void connect_got_port(struct sock *sk, __u16 port, __u32 vrf)
{
	struct inflight *slot;
	__u32 flags = 0;

	if (!wanted(&sk->__sk_common, port) || sk->sk_protocol != IPPROTO_TCP)
		return;
	slot = connect_slot(sk);
	if (slot && slot->port == port)
		return;
	if (!slot || slot->port) {
		flags = PT_F_SECOND;
		slot = inflight_begin(sk, CALL_CONNECT, 0, 0);
	}
	inflight_tell(slot, port);
	emit_alloc(sk, (struct port_facts){ .via = flags ? PT_VIA_UNKNOWN : PT_VIA_CONNECT,
					    .port = port,
					    .proto = IPPROTO_TCP,
					    .vrf = vrf,
					    .flags = flags,
					    .start = slot->start });
}

/*
 * Since 6.1 (28044fc1d495) __inet_hash_connect looks for the bhash2 bucket when
 * it has chosen a port, holding the bucket's lock. The other callers: get_port
 * (CLOSE, LISTEN), a change of the source address (a port that it has), an
 * accepted child (SYN_RECV and later).
 */
SEC("fentry/inet_bind2_bucket_find")
int BPF_PROG(bind2_bucket_find, const struct inet_bind_hashbucket *head, const struct net *net,
	     unsigned short port, int l3mdev, struct sock *sk)
{
	if (sk->__sk_common.skc_state == TCP_SYN_SENT)
		connect_got_port(sk, port, l3mdev);
	return 0;
}

/*
 * Before 6.1: reached with the lock held, but not for a bucket shared with
 * another connect; that one is told by the exit.
 */
SEC("fentry/inet_ehash_nolisten")
int BPF_PROG(ehash_nolisten, struct sock *sk, struct sock *osk)
{
	if (sk->__sk_common.skc_state == TCP_SYN_SENT && sock_port(sk))
		connect_got_port(sk, sock_port(sk), bucket_vrf(sk));
	return 0;
}

static __always_inline void connect_refused(struct sock *sk, struct inflight *slot, int error)
{
	__u16 port = sock_port(sk);
	struct port_facts facts = {
		.via = PT_VIA_CONNECT, .proto = IPPROTO_TCP, .vrf = socket_vrf(sk), .error = error
	};

	/* or clang joins this load with the slot's, which the verifier refuses */
	barrier_var(port);
	facts.port = port;
	if (slot) {
		facts.start = slot->start;
		if (slot->told) {
			facts.port = slot->told_port;
			facts.flags = PT_F_ROLLBACK;
		}
		inflight_end(slot);
	}
	if (!error)
		facts.flags |= PT_F_NO_ERRNO;
	if (wanted(&sk->__sk_common, facts.port))
		emit_fail(sk, facts);
}

/* A socket that was bound chose its peer: where to, for the hold it has. */
static __always_inline void connect_bound(struct sock *sk)
{
	if (wanted(&sk->__sk_common, sock_port(sk)))
		emit_tuple(PT_REC_CONNECT, sk, sock_id_make(sk), 0, 0);
}

/*
 * The second witness, for what the first was skipped on (and on 5.10 for shared
 * buckets). Without the entry's slot it cannot tell a port just found from one
 * that bind() took before: the ledger can.
 */
static __always_inline void connect_done_unseen(struct sock *sk, struct inflight *slot)
{
	struct port_facts facts = { .via = slot ? PT_VIA_CONNECT : PT_VIA_UNKNOWN,
				    .port = sock_port(sk),
				    .proto = IPPROTO_TCP,
				    .flags = PT_F_SECOND };

	if (!port_wanted(facts.port))
		return;
	facts.vrf = bucket_vrf(sk);
	if (slot)
		facts.start = slot->start;
	emit_alloc(sk, facts);
}

static __always_inline int connect_end(struct sock *sk, int ret)
{
	struct inflight *slot;

	if (sk->sk_protocol != IPPROTO_TCP || !netns_wanted(&sk->__sk_common))
		return 0;
	slot = connect_slot(sk);
	if (ret) {
		connect_refused(sk, slot, ret);
		return 0;
	}
	if (slot && slot->port)
		connect_bound(sk);
	else if (!slot || !slot->told)
		connect_done_unseen(sk, slot);
	if (slot)
		inflight_end(slot);
	return 0;
}

SEC("fexit/inet_hash_connect")
int BPF_PROG(hash_connect_end, struct inet_timewait_death_row *dr, struct sock *sk, int ret)
{
	return connect_end(sk, ret);
}

SEC("fexit/inet6_hash_connect")
int BPF_PROG(hash6_connect_end, struct inet_timewait_death_row *dr, struct sock *sk, int ret)
{
	return connect_end(sk, ret);
}

/* ---- TCP: bind() and listen() ---------------------------------------------- */

SEC("fentry/inet_csk_get_port")
int BPF_PROG(csk_get_port_begin, struct sock *sk, unsigned short snum)
{
	if (sk->sk_protocol == IPPROTO_TCP && netns_wanted(&sk->__sk_common))
		inflight_begin(sk, CALL_GET_PORT, bpf_ktime_get_boot_ns(), snum);
	return 0;
}

static __always_inline enum pt_via bind_via(struct sock *sk, unsigned short wanted_port)
{
	if (sk->__sk_common.skc_state == TCP_LISTEN)
		return PT_VIA_LISTEN;
	return wanted_port ? PT_VIA_FIXED : PT_VIA_BIND;
}

static __always_inline int bind_got_port(struct sock *sk, __u16 port, struct inet_bind_bucket *tb)
{
	unsigned char state = sk->__sk_common.skc_state;
	struct port_facts facts = { .port = port, .proto = IPPROTO_TCP };
	struct inflight *slot;

	if (sk->sk_protocol != IPPROTO_TCP || (state != TCP_CLOSE && state != TCP_LISTEN))
		return 0;
	if (!wanted(&sk->__sk_common, port))
		return 0;
	facts.vrf = tb->l3mdev;
	slot = inflight_find(sk);
	if (slot) {
		facts.via = bind_via(sk, slot->port);
		facts.start = slot->start;
	} else {
		slot = inflight_begin(sk, CALL_GET_PORT, 0, 0);
		/* only a socket that never named its port listens without one */
		if (state == TCP_LISTEN)
			facts.via = PT_VIA_LISTEN;
	}
	inflight_tell(slot, port);
	emit_alloc(sk, facts);
	return 0;
}

/*
 * Reached from inet_csk_get_port with the bucket's lock held, and only for a
 * socket that had no bucket: not when listen() validates its port again.
 */
SEC("fentry/inet_bind_hash")
int BPF_PROG(bind_hash, struct sock *sk, struct inet_bind_bucket *tb, struct inet_bind2_bucket *tb2,
	     unsigned short port)
{
	return bind_got_port(sk, port, tb);
}

/* 5.10: without bhash2 (28044fc1d495, 6.1). */
SEC("fentry/inet_bind_hash")
int BPF_PROG(bind_hash_v510, struct sock *sk, struct inet_bind_bucket *tb, unsigned short port)
{
	return bind_got_port(sk, port, tb);
}

SEC("fexit/inet_csk_get_port")
int BPF_PROG(csk_get_port_end, struct sock *sk, unsigned short snum, int ret)
{
	struct port_facts facts = { .via = bind_via(sk, snum),
				    .port = ret ? snum : sock_port(sk),
				    .proto = IPPROTO_TCP };
	struct inflight *slot;

	if (sk->sk_protocol != IPPROTO_TCP || !wanted(&sk->__sk_common, facts.port))
		return 0;
	slot = inflight_find(sk);
	if (slot)
		facts.start = slot->start;
	if (ret) {
		/* 1 until 5.18 (7a7160edf1bf); bind() and listen() say EADDRINUSE */
		facts.error = ret > 0 ? -EADDRINUSE : ret;
		facts.vrf = socket_vrf(sk);
		emit_fail(sk, facts);
		/* for the later witnesses, which take the slot away */
		inflight_find_or_begin(sk, CALL_GET_PORT)->told = true;
		return 0;
	} else if ((!slot || !slot->told) && !(snum && facts.via == PT_VIA_LISTEN)) {
		facts.vrf = bucket_vrf(sk);
		facts.flags = PT_F_SECOND;
		emit_alloc(sk, facts);
	}
	if (slot)
		inflight_end(slot);
	return 0;
}

/*
 * The other witnesses of a refusal: bind() and listen() return. Without a slot,
 * no earlier witness ran; that it was a port which was refused only EADDRINUSE
 * tells then. via: PT_VIA_LISTEN, or what bind() asked for.
 */
static __always_inline int tcp_bind_ends(struct sock *sk, enum pt_via via, __u16 port, int ret,
					 bool last)
{
	struct inflight *slot = inflight_find(sk);
	struct port_facts facts = { .via = via, .proto = IPPROTO_TCP, .error = ret };
	bool told = slot ? slot->call != CALL_GET_PORT || slot->told : ret != -EADDRINUSE;

	facts.port = slot ? slot->port : port;
	if (ret && !told && wanted(&sk->__sk_common, facts.port)) {
		facts.vrf = socket_vrf(sk);
		if (slot) {
			facts.start = slot->start;
			slot->told = true;
		}
		emit_fail(sk, facts);
		if (!slot && !last)
			inflight_begin(sk, CALL_GET_PORT, 0, port)->told = true;
	}
	if (slot && last)
		inflight_end(slot);
	return 0;
}

/* The port that bind() was given: struct sockaddr_in and sockaddr_in6 alike. */
static __always_inline __u16 bind_port(void *addr)
{
	__be16 port = 0;

	bpf_probe_read_kernel(&port, sizeof(port), addr + 2);
	return be16_to_host(port);
}

static __always_inline int bind_ends(struct sock *sk, void *addr, int ret, bool last)
{
	__u16 port = bind_port(addr);
	enum pt_via via = port ? PT_VIA_FIXED : PT_VIA_BIND;

	if (wanted_proto && sk->sk_protocol != wanted_proto)
		return 0;
	if (sk->sk_protocol == IPPROTO_TCP && netns_wanted(&sk->__sk_common))
		return tcp_bind_ends(sk, via, port, ret, last);
	return udp_ends(sk, via, port, ret, last);
}

SEC("fexit/__inet_bind")
int BPF_PROG(inner_bind4_end, struct sock *sk, void *addr, int len, __u32 flags, int ret)
{
	return bind_ends(sk, addr, ret, false);
}

SEC("fexit/__inet6_bind")
int BPF_PROG(inner_bind6_end, struct sock *sk, void *addr, int len, __u32 flags, int ret)
{
	return bind_ends(sk, addr, ret, false);
}

SEC("fexit/inet_bind")
int BPF_PROG(bind4_end, struct socket *socket, void *addr, int len, int ret)
{
	return bind_ends(socket->sk, addr, ret, true);
}

SEC("fexit/inet6_bind")
int BPF_PROG(bind6_end, struct socket *socket, void *addr, int len, int ret)
{
	return bind_ends(socket->sk, addr, ret, true);
}

static __always_inline int listen_ends(struct sock *sk, int ret)
{
	if (sk->sk_protocol != IPPROTO_TCP || !netns_wanted(&sk->__sk_common))
		return 0;
	return tcp_bind_ends(sk, PT_VIA_LISTEN, sock_port(sk), ret, true);
}

/* (sk, backlog) until 5.16 (e7049395b1c3), then (sk). */
SEC("fexit/inet_csk_listen_start")
int BPF_PROG(listen_end, struct sock *sk, int ret)
{
	return listen_ends(sk, ret);
}

SEC("fexit/inet_csk_listen_start")
int BPF_PROG(listen_end_v510, struct sock *sk, int backlog, int ret)
{
	return listen_ends(sk, ret);
}

/* ---- TCP: release ---------------------------------------------------------- */

/*
 * The identity of a TCP socket that holds a port which is asked for; else 0. Most have none:
 * the accepted, and with a filter those of other ports.
 */
static __always_inline __u64 tcp_holder(struct sock *sk)
{
	__u64 id = sock_id_known(sk);
	__u16 port;

	if (!id)
		return 0;
	port = sock_port(sk);
	if (!port || !wanted(&sk->__sk_common, port) || sk->sk_protocol != IPPROTO_TCP)
		return 0;
	return id;
}

static __always_inline int tcp_release(struct sock *sk)
{
	__u64 id = tcp_holder(sk);

	if (id)
		emit_release(sk, id, IPPROTO_TCP);
	return 0;
}

/* A socket that let its port go before, unseen, still knows which one that was. */
static __always_inline int tcp_released(struct sock *sk)
{
	__u64 id = sock_id_known(sk);

	if (id && !sock_port(sk) && sk->sk_protocol == IPPROTO_TCP &&
	    netns_wanted(&sk->__sk_common))
		emit_release_late(sk, id, IPPROTO_TCP);
	return 0;
}

/*
 * A connection is over, before its state is stored: a port that was not asked for by
 * number goes here; one that was stays until the socket is destroyed.
 */
static __always_inline int tcp_closes(struct sock *sk)
{
	unsigned char state = sk->__sk_common.skc_state;
	__u64 id = tcp_holder(sk);

	if (!id)
		return 0;
	if (!port_is_locked(sk))
		emit_release(sk, id, IPPROTO_TCP);
	else if (state != TCP_CLOSE && state != TCP_LISTEN)
		emit_closed(sk, id);
	return 0;
}

/*
 * Most ends, by a function that runs for nothing else: tcp_set_state() runs five to nine times
 * a connection. What it does not see (connect(AF_UNSPEC), a close with linger 0)
 * inet_put_port() tells.
 */
SEC("fentry/tcp_done")
int BPF_PROG(done, struct sock *sk)
{
	return tcp_closes(sk);
}

/*
 * Where tasks are preempted inside programs, those too, so that of this and inet_put_port()
 * one is not skipped. A socket that is closed already keeps its port.
 */
SEC("fentry/tcp_disconnect")
int BPF_PROG(disconnect, struct sock *sk)
{
	return sk->__sk_common.skc_state == TCP_CLOSE ? 0 : tcp_closes(sk);
}

/* Of a listener whose named port stays until it is destroyed; its state is stored. */
SEC("fentry/inet_csk_listen_stop")
int BPF_PROG(listen_stop, struct sock *sk)
{
	__u64 id = tcp_holder(sk);

	if (id)
		emit_head(PT_REC_CLOSED, sk, id, IPPROTO_TCP, sock_port(sk), PT_F_LISTENED);
	return 0;
}

/*
 * Where tcp_v4_connect() and tcp_v6_connect() fail, at the end, since 6.2: the second witness
 * of a refused connect(), whose call is still open if the exit of inet_hash_connect was skipped,
 * and of the port that goes with a later failure. And in tcp_disconnect(): there too a call that
 * got a port, or had one, can still be open. No softirq connects: only where tasks are preempted.
 */
SEC("fentry/inet_bhash2_reset_saddr")
int BPF_PROG(reset_saddr, struct sock *sk)
{
	struct inflight *slot = connect_slot(sk);

	if (slot && !slot->told && !slot->port)
		connect_refused(sk, slot, 0);
	return tcp_released(sk);
}

SEC("fentry/inet_put_port")
int BPF_PROG(put_port, struct sock *sk)
{
	return tcp_release(sk);
}

/*
 * In tcp_v4_destroy_sock(), IPv6 too, where bottom halves are off: hardly ever skipped, and
 * entering a tracepoint's program costs two thirds of a function's.
 */
SEC("tp_btf/tcp_destroy_sock")
int BPF_PROG(destroy_sock, struct sock *sk)
{
	return sock_port(sk) ? tcp_release(sk) : tcp_released(sk);
}

/* ---- TCP: TIME_WAIT -------------------------------------------------------- */

static __always_inline int tw_begin(struct inet_timewait_sock *tw, struct sock *sk)
{
	__u64 id = sock_id_known(sk);
	__u32 flags = 0;

	if (!id || sk->sk_protocol != IPPROTO_TCP || !wanted(&sk->__sk_common, sock_port(sk)))
		return 0;
	if (tw->tw_substate == TCP_FIN_WAIT2)
		flags |= PT_F_FIN_WAIT2;
	/* tcp_time_wait() goes on to tcp_done(): the socket lets go at once */
	if (!port_is_locked(sk)) {
		flags |= PT_F_SOCK_GONE;
		if (enabled)
			*last_told(id) = told_release(sk, id, sock_port(sk));
	}
	if (!(flags & PT_F_SOCK_GONE))
		owners_add(&sk->__sk_common, sock_port(sk), 1);
	emit_tuple(PT_REC_TW_BEGIN, sk, id, (__u64)tw, flags);
	return 0;
}

SEC("fentry/inet_twsk_hashdance_schedule")
int BPF_PROG(twsk_hashdance_schedule, struct inet_timewait_sock *tw, struct sock *sk)
{
	return tw_begin(tw, sk);
}

/* Until 6.9 or so (b334b924c9b7 joined it with the timer). */
SEC("fentry/inet_twsk_hashdance")
int BPF_PROG(twsk_hashdance, struct inet_timewait_sock *tw, struct sock *sk)
{
	return tw_begin(tw, sk);
}

static __always_inline bool same_tuple(struct sock *sk, struct inet_timewait_sock *tw)
{
	struct sock_common *theirs = &tw->__tw_common;
	struct in6_addr peer = BPF_CORE_READ(sk, __sk_common.skc_v6_daddr);
	__be32 *words = peer.in6_u.u6_addr32;

	if (BPF_CORE_READ(sk, __sk_common.skc_num) != theirs->skc_num ||
	    BPF_CORE_READ(sk, __sk_common.skc_dport) != theirs->skc_dport ||
	    BPF_CORE_READ(sk, __sk_common.skc_net.net) != sock_net(theirs))
		return false;
	if (theirs->skc_family == AF_INET)
		return BPF_CORE_READ(sk, __sk_common.skc_daddr) == theirs->skc_daddr &&
		       BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr) == theirs->skc_rcv_saddr;
	return words[0] == theirs->skc_v6_daddr.in6_u.u6_addr32[0] &&
	       words[1] == theirs->skc_v6_daddr.in6_u.u6_addr32[1] &&
	       words[2] == theirs->skc_v6_daddr.in6_u.u6_addr32[2] &&
	       words[3] == theirs->skc_v6_daddr.in6_u.u6_addr32[3];
}

/*
 * The socket that is taking this TIME_WAIT's port and 4-tuple, if that is what
 * goes on: the current task is inside connect(), with the TIME_WAIT's own
 * 4-tuple, which the kernel lets two sockets have only here.
 */
static __always_inline struct sock *tw_taker(struct inet_timewait_sock *tw)
{
	__u32 task = inflight_task();
	struct inflight *slot = inflight_slot(task);
	struct sock *sk = (struct sock *)slot->sk;

	if (slot->task != task || !sk || slot->call != CALL_CONNECT || !same_tuple(sk, tw))
		return (void *)0;
	return sk;
}

SEC("fentry/inet_twsk_bind_unhash")
int BPF_PROG(twsk_bind_unhash, struct inet_timewait_sock *tw)
{
	struct inet_bind_bucket *tb = tw->tw_tb;
	__u64 id = has_sock_cookie ? tw->__tw_common.skc_cookie.counter : 0;
	__u32 flags = 0;
	struct sock *taker;

	if (!tb || (has_sock_cookie && !id) || !wanted(&tw->__tw_common, tw->__tw_common.skc_num))
		return 0;
	taker = tw_taker(tw);
	if (taker)
		flags = PT_F_REUSED;
	else if ((__s64)(tw->tw_timer.expires - bpf_jiffies64()) <= 0)
		flags = PT_F_EXPIRED;
	/* with cookies the taker's ALLOC came before, from under the same lock */
	emit_tw_end(tw, id, tb->l3mdev, flags, has_sock_cookie ? 0 : (__u64)taker);
	return 0;
}

/* ---- TCP: empty ports ------------------------------------------------------ */

/* The current task's connect() was just given that port, and it is taken back. */
static __always_inline bool is_rollback(__u16 port)
{
	__u32 task = inflight_task();
	struct inflight *slot = inflight_slot(task);

	return slot->task == task && slot->sk && slot->told && slot->told_port == port;
}

/*
 * The kernel's own word that nobody holds a port, under the bucket's lock, so
 * never skipped: the last witness of its releases. A function of its own since
 * 6.18. Told where they do not add up, or always for the audit.
 */
SEC("fentry/inet_bind_bucket_destroy")
int BPF_PROG(bucket_destroy, struct inet_bind_bucket *tb)
{
	struct net *net = tb->ib_net.net;
	__u16 port = tb->port;
	__s32 *owners = owners_of(net, port);
	__u32 flags = *owners ? PT_F_MISSED : 0;

	if (tb->bhash2.first || (!flags && !tell_every_empty) || !port_wanted(port) ||
	    (wanted_netns && net->ns.inum != wanted_netns) || is_rollback(port))
		return 0;
	*owners = 0;
	emit_empty(net, port, tb->l3mdev, flags);
	return 0;
}

/* ---- UDP ------------------------------------------------------------------- */

static __always_inline int udp_asks(struct sock *sk, enum call call)
{
	if (is_udp(sk))
		inflight_begin(sk, call, 0, 0);
	return 0;
}

SEC("fentry/inet_autobind")
int BPF_PROG(autobind, struct sock *sk)
{
	return udp_asks(sk, CALL_AUTOBIND);
}

SEC("fentry/inet_bind")
int BPF_PROG(bind4, struct socket *socket)
{
	return udp_asks(socket->sk, CALL_BIND);
}

SEC("fentry/inet6_bind")
int BPF_PROG(bind6, struct socket *socket)
{
	return udp_asks(socket->sk, CALL_BIND);
}

SEC("fentry/udp_lib_get_port")
int BPF_PROG(udp_get_port_begin, struct sock *sk, unsigned short snum)
{
	struct inflight *slot;

	if (!is_udp(sk))
		return 0;
	slot = inflight_find_or_begin(sk, CALL_NONE);
	slot->start = bpf_ktime_get_boot_ns();
	slot->port = snum;
	slot->told = false;
	return 0;
}

SEC("fexit/udp_lib_get_port")
int BPF_PROG(udp_get_port_end, struct sock *sk, unsigned short snum, unsigned int hash, int ret)
{
	struct inflight *slot;

	if (!is_udp(sk))
		return 0;
	slot = inflight_find(sk);
	udp_tell(sk, slot,
		 (struct port_facts){ .via = udp_via(slot, snum),
				      .port = ret ? snum : sock_port(sk) },
		 ret);
	return 0;
}

static __always_inline int udp_get_port_again(struct sock *sk, unsigned short snum, int ret)
{
	struct inflight *slot;

	if (!is_udp(sk))
		return 0;
	slot = inflight_find(sk);
	if (!slot || !slot->told)
		udp_tell(sk, slot,
			 (struct port_facts){ .via = udp_via(slot, snum),
					      .port = ret ? snum : sock_port(sk),
					      .flags = PT_F_SECOND },
			 ret);
	return 0;
}

SEC("fexit/udp_v4_get_port")
int BPF_PROG(udp4_get_port_end, struct sock *sk, unsigned short snum, int ret)
{
	return udp_get_port_again(sk, snum, ret);
}

SEC("fexit/udp_v6_get_port")
int BPF_PROG(udp6_get_port_end, struct sock *sk, unsigned short snum, int ret)
{
	return udp_get_port_again(sk, snum, ret);
}

SEC("fexit/inet_autobind")
int BPF_PROG(autobind_end, struct sock *sk, int ret)
{
	return udp_ends(sk, PT_VIA_AUTOBIND, 0, ret, true);
}

/*
 * Before a socket lets go of a port that was not told of it: all witnesses of that
 * were skipped. (Or another socket has its slot: then the ledger knows.)
 */
static __always_inline void udp_tell_missed(struct sock *sk, __u64 id, __u16 port)
{
	__u64 last = id ? *last_told(id) : 0;

	if (!has_sock_cookie || !all_known || !enabled)
		return;
	if (!id || (last != told_alloc(id, port) && last != told_release(sk, id, port)))
		emit_alloc(sk, (struct port_facts){ .port = port,
						    .proto = IPPROTO_UDP,
						    .flags = PT_F_LATE | PT_F_SECOND });
}

static __always_inline int udp_release(struct sock *sk)
{
	__u16 port = sock_port(sk);
	__u64 id;

	if (!port || !is_udp(sk) || !wanted(&sk->__sk_common, port))
		return 0;
	udp_tell_missed(sk, sock_id_known(sk), port);
	id = sock_id_known(sk);
	if (id)
		emit_release(sk, id, IPPROTO_UDP);
	return 0;
}

SEC("fentry/udp_lib_unhash")
int BPF_PROG(udp_unhash, struct sock *sk)
{
	return udp_release(sk);
}

/* close() comes here, and goes on to unhash. */
SEC("fentry/udp_destroy_sock")
int BPF_PROG(udp_destroy, struct sock *sk)
{
	return udp_release(sk);
}

SEC("fentry/udpv6_destroy_sock")
int BPF_PROG(udp6_destroy, struct sock *sk)
{
	return udp_release(sk);
}

/* connect(AF_UNSPEC): a port that bind() named stays. */
SEC("fentry/udp_disconnect")
int BPF_PROG(udp_disconnect, struct sock *sk)
{
	return port_is_locked(sk) ? 0 : udp_release(sk);
}

/* The last of a socket, in softirq since it waits for a grace period: nothing preempts it. */
SEC("fentry/udp_destruct_common")
int BPF_PROG(udp_destruct, struct sock *sk)
{
	__u64 id = sock_id_known(sk);

	if (id && is_udp(sk))
		emit_release_late(sk, id, IPPROTO_UDP);
	return 0;
}
