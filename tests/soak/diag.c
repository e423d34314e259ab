// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/live/fail.h"
#include "tests/soak/sock.h"

#define LOOPBACK 1 /* its interface, in every namespace */

struct request {
	struct nlmsghdr head;
	struct inet_diag_req_v2 body;
};

struct answer {
	struct nlmsghdr head;
	struct nlmsgerr error;
};

static void set_end(__be16 *port, __be32 address[4], const struct sockaddr_in6 *end)
{
	*port = end->sin6_port;
	if (end->sin6_family == AF_INET)
		*address = ((const struct sockaddr_in *)end)->sin_addr.s_addr;
	else if (end->sin6_family == AF_INET6)
		memcpy(address, &end->sin6_addr, 16);
}

/* That very socket: by its cookie, since others may have the same port and no peer. */
static void request_make(struct request *request, const struct slot *slot)
{
	struct inet_diag_sockid *id = &request->body.id;
	struct sockaddr_in6 local, peer = { 0 };
	uint64_t cookie;

	*request = (struct request){
		.head = { .nlmsg_len = sizeof(*request),
			  .nlmsg_type = SOCK_DESTROY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.body = { .sdiag_family = slot->addressing == IPV4 ? AF_INET : AF_INET6,
			  .sdiag_protocol = slot->kind == KIND_UDP ? IPPROTO_UDP : IPPROTO_TCP,
			  .idiag_states = ~0U },
	};
	must(getsockopt(slot->fd, SOL_SOCKET, SO_COOKIE, &cookie, &(socklen_t){ sizeof(cookie) }));
	must(getsockname(slot->fd, (struct sockaddr *)&local, &(socklen_t){ sizeof(local) }));
	getpeername(slot->fd, (struct sockaddr *)&peer, &(socklen_t){ sizeof(peer) });
	set_end(&id->idiag_sport, id->idiag_src, &local);
	set_end(&id->idiag_dport, id->idiag_dst, &peer);
	id->idiag_if = LOOPBACK;
	id->idiag_cookie[0] = (uint32_t)cookie;
	id->idiag_cookie[1] = (uint32_t)(cookie >> 32);
}

static bool send_request(struct worker *worker, const struct request *request)
{
	struct answer answer = { .error.error = -1 };

	if (worker->diag < 0)
		worker->diag = must(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
	must(send(worker->diag, request, sizeof(*request), 0));
	must(recv(worker->diag, &answer, sizeof(answer), 0));
	return answer.head.nlmsg_type == NLMSG_ERROR && !answer.error.error;
}

void sock_destroy(struct worker *worker, struct slot *slot, bool later)
{
	struct request request;
	bool gone;

	if (slot->home != worker->home || slot->kind == KIND_MPTCP)
		return;
	request_make(&request, slot);
	if (later)
		sock_close(slot);
	gone = send_request(worker, &request);
	if (later || !gone)
		return;
	/* a connection stays busy, though dead: that much is known of it anyway */
	if (slot->phase == BUSY)
		return;
	if (slot->bound == CHOSEN)
		slot->bound = UNBOUND;
	slot->phase = slot->bound == NAMED ? BOUND : FRESH;
}
