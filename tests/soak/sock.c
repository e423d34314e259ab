// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which answers say what was read off net/ipv4/{af_inet,tcp_ipv4,udp}.c and
 * inet_connection_sock.c, 5.10 to 7.3.
 */
#include "tests/soak/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/live/fail.h"

#define PATIENCE_US 20000 /* for an answer to a SYN, of loopback */

union address {
	struct sockaddr sa;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
};

static socklen_t address_make(union address *address, const struct slot *slot, int host, int port)
{
	uint32_t v4 = host ? htonl(0x7f000000 + host) : 0;

	memset(address, 0, sizeof(*address));
	if (slot->addressing == IPV4) {
		address->in4.sin_family = AF_INET;
		address->in4.sin_port = htons(port);
		address->in4.sin_addr.s_addr = v4;
		return sizeof(address->in4);
	}
	address->in6.sin6_family = AF_INET6;
	address->in6.sin6_port = htons(port);
	if (slot->addressing == MAPPED) {
		address->in6.sin6_addr.s6_addr32[2] = htonl(0xffff);
		address->in6.sin6_addr.s6_addr32[3] = v4;
	} else if (host) {
		address->in6.sin6_addr = in6addr_loopback;
	}
	return sizeof(address->in6);
}

static enum tally_proto proto_of(const struct slot *slot)
{
	return slot->kind == KIND_UDP ? TALLY_UDP : TALLY_TCP;
}

/* An answer that nobody thought of: to be read up in the kernel. */
static void unclear(struct worker *worker, const struct slot *slot, const char *call, int error)
{
	worker->tally.unclear++;
	fprintf(stderr, "walk: %s of kind %d, addressing %d: %s\n", call, slot->kind,
		slot->addressing, strerror(error));
}

static void got_port(struct worker *worker, struct slot *slot, enum tally_via via)
{
	worker->tally.allocs[proto_of(slot)][via]++;
	slot->bound = via == TALLY_FIXED ? NAMED : CHOSEN;
}

static void refused(struct worker *worker, struct slot *slot, enum tally_via via)
{
	worker->tally.fails[proto_of(slot)][via]++;
}

/* Not connected, not listening: a port that the program named stays. */
static void at_rest(struct slot *slot)
{
	if (slot->bound == CHOSEN)
		slot->bound = UNBOUND;
	slot->phase = slot->bound == NAMED ? BOUND : FRESH;
}

void sock_open(struct worker *worker, struct slot *slot, enum kind kind, enum addressing addressing,
	       bool nonblock)
{
	struct timeval patience = { .tv_usec = PATIENCE_US };
	int fd = socket(addressing == IPV4 ? AF_INET : AF_INET6,
			(kind == KIND_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC |
				(nonblock ? SOCK_NONBLOCK : 0),
			kind == KIND_MPTCP ? IPPROTO_MPTCP : 0);

	if (fd < 0) {
		must_be(kind == KIND_MPTCP);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	*slot = (struct slot){ .fd = fd,
			       .home = worker->home,
			       .phase = FRESH,
			       .kind = kind,
			       .addressing = addressing };
}

void sock_close(struct slot *slot)
{
	must(close(slot->fd));
	*slot = (struct slot){ .fd = -1, .phase = NONE };
}

void sock_reset(struct slot *slot)
{
	struct linger linger = { .l_onoff = 1 };

	setsockopt(slot->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	sock_close(slot);
}

/* ---- bind and listen --------------------------------------------------------- */

static int try_bind(struct slot *slot, int host, int port)
{
	union address address;
	socklen_t length = address_make(&address, slot, host, port);

	return bind(slot->fd, &address.sa, length) ? errno : 0;
}

static void delay_port(struct slot *slot, int on)
{
	must(setsockopt(slot->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)));
}

void sock_bind(struct worker *worker, struct slot *slot, int host, int port)
{
	enum tally_via via = port ? TALLY_FIXED : TALLY_BIND;
	int error;

	/* an accepted socket has its listener's */
	if (slot->kind == KIND_TCP)
		delay_port(slot, 0);
	error = try_bind(slot, host, port);
	switch (error) {
	case 0:
		got_port(worker, slot, via);
		slot->phase = BOUND;
		break;
	case EADDRINUSE:
		refused(worker, slot, via);
		break;
	case EINVAL: /* it has a port; or, where bind() was late, an address of another kind */
		break;
	default:
		unclear(worker, slot, "bind()", error);
	}
}

void sock_bind_late(struct slot *slot, int host)
{
	delay_port(slot, 1);
	try_bind(slot, host, 0);
}

void sock_listen(struct worker *worker, struct slot *slot, int backlog)
{
	fcntl(slot->fd, F_SETFL, fcntl(slot->fd, F_GETFL) | O_NONBLOCK);
	if (!listen(slot->fd, backlog)) {
		if (slot->bound == UNBOUND)
			got_port(worker, slot, TALLY_LISTEN);
		slot->phase = LISTENING;
		return;
	}
	if (errno == EADDRINUSE)
		refused(worker, slot, TALLY_LISTEN);
	else
		unclear(worker, slot, "listen()", errno);
}

void sock_accept(struct slot *listener, struct slot *slot)
{
	union address peer;
	int fd = accept4(listener->fd, &peer.sa, &(socklen_t){ sizeof(peer) }, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	*slot = (struct slot){ .fd = fd,
			       .home = listener->home,
			       .phase = BUSY,
			       .bound = CHOSEN, /* lost with the connection, like a chosen one */
			       .kind = listener->kind };
	if (peer.sa.sa_family == AF_INET6)
		slot->addressing = IN6_IS_ADDR_V4MAPPED(&peer.in6.sin6_addr) ? MAPPED : IPV6;
	/* MPTCP falls back to plain TCP, where accept() may tell IPv4 of an IPv6 socket */
	if (listener->kind == KIND_MPTCP)
		slot->phase = SPENT;
}

/* ---- connect and send -------------------------------------------------------- */

/* UDP obtains its port first, whatever becomes of the rest. */
static void udp_asked(struct worker *worker, struct slot *slot, int error)
{
	if (slot->bound != UNBOUND)
		return;
	if (error == EAGAIN)
		refused(worker, slot, TALLY_AUTOBIND);
	else
		got_port(worker, slot, TALLY_AUTOBIND);
	slot->phase = slot->bound == UNBOUND ? FRESH : BOUND;
}

static void tcp_asked(struct worker *worker, struct slot *slot, int error)
{
	switch (error) {
	case 0:
	case EINPROGRESS:
	case EINTR: /* the walk was stopped; it goes on connecting */
	case ECONNREFUSED:
	case ECONNRESET:
	case ECONNABORTED:
	case ETIMEDOUT:
	case EPIPE:
		if (slot->bound == UNBOUND)
			got_port(worker, slot, TALLY_CONNECT);
		slot->phase = BUSY;
		if (error && error != EINPROGRESS && error != EINTR)
			at_rest(slot);
		break;
	case EADDRNOTAVAIL:
		refused(worker, slot, TALLY_CONNECT);
		at_rest(slot);
		break;
	case EINVAL:
	case ENETUNREACH:
	case EOPNOTSUPP:
		/* before the search; IPv6 may have let go a port all the same */
		slot->phase = SPENT;
		break;
	default:
		unclear(worker, slot, "connect()", error);
		slot->phase = SPENT;
	}
	if (slot->kind == KIND_MPTCP && slot->phase != BUSY)
		slot->phase = SPENT;
}

void sock_connect(struct worker *worker, struct slot *slot, int host, int port)
{
	union address address;
	socklen_t length = address_make(&address, slot, host, port);
	int error = connect(slot->fd, &address.sa, length) ? errno : 0;

	if (slot->kind == KIND_UDP)
		udp_asked(worker, slot, error);
	else
		tcp_asked(worker, slot, error);
}

void sock_connect_fast(struct worker *worker, struct slot *slot, int host, int port)
{
	union address address;
	socklen_t length = address_make(&address, slot, host, port);
	int flags = MSG_FASTOPEN | MSG_NOSIGNAL | MSG_DONTWAIT, old;

	/* an error that an earlier connection left would be told as this one's */
	must(getsockopt(slot->fd, SOL_SOCKET, SO_ERROR, &old, &(socklen_t){ sizeof(old) }));
	tcp_asked(worker, slot,
		  sendto(slot->fd, "fast", 4, flags, &address.sa, length) < 0 ? errno : 0);
}

void sock_connect_self(struct worker *worker, struct slot *slot)
{
	union address address;

	must(getsockname(slot->fd, &address.sa, &(socklen_t){ sizeof(address) }));
	/* the port lies at the same place in both */
	sock_connect(worker, slot, 1, ntohs(address.in4.sin_port));
}

void sock_connect_again(struct slot *slot)
{
	union address address;
	socklen_t length = address_make(&address, slot, 1, CLOSED_PORT);

	if (!connect(slot->fd, &address.sa, length))
		return;
	if (errno != EALREADY && errno != EISCONN && errno != EINPROGRESS && errno != EINTR)
		at_rest(slot);
}

void sock_send(struct worker *worker, struct slot *slot, int host, int port)
{
	union address address;
	socklen_t length = address_make(&address, slot, host, port);
	int flags = MSG_NOSIGNAL | (slot->kind == KIND_UDP ? 0 : MSG_DONTWAIT);
	int error = sendto(slot->fd, "x", 1, flags, &address.sa, length) < 0 ? errno : 0;

	if (slot->kind == KIND_UDP)
		udp_asked(worker, slot, error);
}

void sock_disconnect(struct slot *slot)
{
	must(connect(slot->fd, &(struct sockaddr){ .sa_family = AF_UNSPEC },
		     sizeof(struct sockaddr)));
	/* one that was only bound keeps its port; not so UDP */
	if (slot->kind == KIND_UDP || slot->phase & (BUSY | SHUT | LISTENING))
		at_rest(slot);
}

void sock_shutdown(struct slot *slot, int how)
{
	shutdown(slot->fd, how);
	if (slot->phase == LISTENING && how != SHUT_WR)
		at_rest(slot);
	/* one that was connecting may be connected anew; whether it was, who knows */
	if (slot->phase == BUSY)
		slot->phase = SHUT;
}
