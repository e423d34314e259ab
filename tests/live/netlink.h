/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What only netlink does to the calling thread's network namespace: devices,
 * addresses, routes, and the end of other people's sockets. Those named *_try_*
 * return 0 or a negative errno, for tests that ask what this kernel can do.
 */
#ifndef LIVE_NETLINK_H
#define LIVE_NETLINK_H

#include <stddef.h>
#include <stdint.h>

#define NETLINK_BODY 512

struct netlink_request {
	struct {
		uint32_t length;
		uint16_t type, flags;
		uint32_t sequence, port;
	} head; /* struct nlmsghdr */
	char body[NETLINK_BODY];
};

/* A request with its family's own header; netlink_put() appends attributes. */
void netlink_begin(struct netlink_request *request, int type, int flags, const void *header,
		   size_t length);
void netlink_put(struct netlink_request *request, int type, const void *data, size_t length);
/* Opens a nested attribute; netlink_nest_end() takes what this returns. */
size_t netlink_nest(struct netlink_request *request, int type);
void netlink_nest_end(struct netlink_request *request, size_t nest);
/* Sends it and waits for the answer. protocol: NETLINK_ROUTE, ... */
int netlink_try(int protocol, struct netlink_request *request);
/* The same; data of the first attribute of that type after header_length, or -1. */
int netlink_ask_u16(int protocol, struct netlink_request *request, size_t header_length, int type);

/* A device of a kind that needs no more than its name, up. */
int link_try_add(const char *name, const char *kind);
/* A VRF with a routing table of its own, up. */
int link_try_add_vrf(const char *name, uint32_t table);
/* A vxlan that receives on a port; not up. */
int link_try_add_vxlan(const char *name, uint16_t port);
void link_set_up(const char *name, int up);
void link_set_master(const char *name, const char *master);
void addr_add(const char *name, const char *addr, int prefix);
void addr_delete(const char *name, const char *addr, int prefix);
/* An IPv4 route to one address that leads nowhere: RTN_BLACKHOLE, RTN_UNREACHABLE, ... */
void route_add_dead(const char *addr, int type);
/* Whatever leaves from this source port has no route (EACCES). */
void rule_prohibit_source_port(uint16_t port);

/* As `ss -K`; IPv4. A remote port of 0: a socket without a peer. */
int sock_try_destroy(int protocol, const char *laddr, int lport, const char *raddr, int rport);

#endif /* LIVE_NETLINK_H */
