// SPDX-License-Identifier: BSD-2-Clause
#include "netlink.h"

#include <arpa/inet.h>
#include <linux/fib_rules.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fail.h"

#define RULE_PRIORITY 100

void netlink_begin(struct netlink_request *request, int type, int flags, const void *header,
		   size_t length)
{
	memset(request, 0, sizeof(*request));
	must_be(sizeof(request->head) == sizeof(struct nlmsghdr) && length <= NETLINK_BODY);
	request->head.length = NLMSG_SPACE(length);
	request->head.type = type;
	request->head.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	memcpy(request->body, header, length);
}

void netlink_put(struct netlink_request *request, int type, const void *data, size_t length)
{
	struct nlattr attr = { .nla_len = NLA_HDRLEN + length, .nla_type = type };
	size_t at = request->head.length - NLMSG_HDRLEN;

	must_be(at + NLA_HDRLEN + NLA_ALIGN(length) <= NETLINK_BODY);
	memcpy(request->body + at, &attr, sizeof(attr));
	if (length)
		memcpy(request->body + at + NLA_HDRLEN, data, length);
	request->head.length += NLA_HDRLEN + NLA_ALIGN(length);
}

size_t netlink_nest(struct netlink_request *request, int type)
{
	size_t at = request->head.length - NLMSG_HDRLEN;

	netlink_put(request, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void netlink_nest_end(struct netlink_request *request, size_t nest)
{
	uint16_t length = request->head.length - NLMSG_HDRLEN - nest;

	memcpy(request->body + nest + offsetof(struct nlattr, nla_len), &length, sizeof(length));
}

static int exchange(int protocol, const struct netlink_request *request, void *answer, size_t size)
{
	int fd = must(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
	int length;

	must(send(fd, request, request->head.length, 0));
	length = must(recv(fd, answer, size, 0));
	close(fd);
	must_be(length >= (int)NLMSG_HDRLEN);
	return length;
}

union answer {
	struct nlmsghdr head;
	char bytes[8192];
};

static int answer_error(const union answer *answer)
{
	const struct nlmsgerr *error = NLMSG_DATA(&answer->head);

	return answer->head.nlmsg_type == NLMSG_ERROR ? error->error : 0;
}

int netlink_try(int protocol, struct netlink_request *request)
{
	union answer answer;

	exchange(protocol, request, &answer, sizeof(answer));
	return answer_error(&answer);
}

int netlink_ask_u16(int protocol, struct netlink_request *request, size_t header_length, int type)
{
	union answer answer;
	size_t at = NLMSG_SPACE(header_length), length;
	struct nlattr attr;
	uint16_t value;

	request->head.flags &= ~NLM_F_ACK;
	length = exchange(protocol, request, &answer, sizeof(answer));
	if (answer_error(&answer))
		return -1;
	for (; at + NLA_HDRLEN <= length; at += NLA_ALIGN(attr.nla_len)) {
		memcpy(&attr, answer.bytes + at, sizeof(attr));
		must_be(attr.nla_len >= NLA_HDRLEN);
		if (attr.nla_type != type)
			continue;
		memcpy(&value, answer.bytes + at + NLA_HDRLEN, sizeof(value));
		return value;
	}
	return -1;
}

static void must_do(struct netlink_request *request)
{
	must((errno = -netlink_try(NETLINK_ROUTE, request)) ? -1 : 0);
}

/* ---- devices ----------------------------------------------------------------- */

static size_t link_begin(struct netlink_request *request, const char *name, const char *kind,
			 bool up, size_t *info)
{
	struct ifinfomsg link = { .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP };

	netlink_begin(request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof(link));
	netlink_put(request, IFLA_IFNAME, name, strlen(name) + 1);
	*info = netlink_nest(request, IFLA_LINKINFO);
	netlink_put(request, IFLA_INFO_KIND, kind, strlen(kind));
	return netlink_nest(request, IFLA_INFO_DATA);
}

static int link_end(struct netlink_request *request, size_t info, size_t data)
{
	netlink_nest_end(request, data);
	netlink_nest_end(request, info);
	return netlink_try(NETLINK_ROUTE, request);
}

int link_try_add(const char *name, const char *kind)
{
	struct netlink_request request;
	size_t info, data = link_begin(&request, name, kind, true, &info);

	return link_end(&request, info, data);
}

int link_try_add_vrf(const char *name, uint32_t table)
{
	struct netlink_request request;
	size_t info, data = link_begin(&request, name, "vrf", true, &info);

	netlink_put(&request, IFLA_VRF_TABLE, &table, sizeof(table));
	return link_end(&request, info, data);
}

int link_try_add_vxlan(const char *name, uint16_t port)
{
	struct netlink_request request;
	size_t info, data = link_begin(&request, name, "vxlan", false, &info);
	uint16_t wire = htons(port);

	netlink_put(&request, IFLA_VXLAN_ID, &(uint32_t){ 1 }, sizeof(uint32_t));
	netlink_put(&request, IFLA_VXLAN_PORT, &wire, sizeof(wire));
	return link_end(&request, info, data);
}

static int index_of(const char *name)
{
	unsigned int index = if_nametoindex(name);

	must_be(index);
	return index;
}

void link_set_up(const char *name, int up)
{
	struct ifinfomsg link = { .ifi_index = index_of(name),
				  .ifi_flags = up ? IFF_UP : 0,
				  .ifi_change = IFF_UP };
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWLINK, 0, &link, sizeof(link));
	must_do(&request);
}

void link_set_master(const char *name, const char *master)
{
	struct ifinfomsg link = { .ifi_index = index_of(name) };
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWLINK, 0, &link, sizeof(link));
	netlink_put(&request, IFLA_MASTER, &(int){ index_of(master) }, sizeof(int));
	must_do(&request);
}

/* ---- addresses and routes ---------------------------------------------------- */

static void addr_change(int type, int flags, const char *name, const char *addr, int prefix)
{
	struct ifaddrmsg message = { .ifa_family = AF_INET,
				     .ifa_prefixlen = prefix,
				     .ifa_index = index_of(name) };
	struct netlink_request request;
	struct in_addr in4;

	must_be(inet_pton(AF_INET, addr, &in4) == 1);
	netlink_begin(&request, type, flags, &message, sizeof(message));
	netlink_put(&request, IFA_LOCAL, &in4, sizeof(in4));
	netlink_put(&request, IFA_ADDRESS, &in4, sizeof(in4));
	must_do(&request);
}

void addr_add(const char *name, const char *addr, int prefix)
{
	addr_change(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, name, addr, prefix);
}

void addr_delete(const char *name, const char *addr, int prefix)
{
	addr_change(RTM_DELADDR, 0, name, addr, prefix);
}

void route_add_dead(const char *addr, int type)
{
	struct rtmsg route = { .rtm_family = AF_INET,
			       .rtm_dst_len = 32,
			       .rtm_table = RT_TABLE_MAIN,
			       .rtm_protocol = RTPROT_STATIC,
			       .rtm_scope = RT_SCOPE_UNIVERSE,
			       .rtm_type = type };
	struct netlink_request request;
	struct in_addr in4;

	must_be(inet_pton(AF_INET, addr, &in4) == 1);
	netlink_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, &route, sizeof(route));
	netlink_put(&request, RTA_DST, &in4, sizeof(in4));
	must_do(&request);
}

void rule_prohibit_source_port(uint16_t port)
{
	struct fib_rule_hdr rule = { .family = AF_INET, .action = FR_ACT_PROHIBIT };
	struct fib_rule_port_range range = { .start = port, .end = port };
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &rule, sizeof(rule));
	netlink_put(&request, FRA_PRIORITY, &(uint32_t){ RULE_PRIORITY }, sizeof(uint32_t));
	netlink_put(&request, FRA_SPORT_RANGE, &range, sizeof(range));
	must_do(&request);
}

/* ---- sockets ------------------------------------------------------------------- */

int sock_try_destroy(int protocol, const char *laddr, int lport, const char *raddr, int rport)
{
	struct inet_diag_req_v2 which = {
		.sdiag_family = AF_INET,
		.sdiag_protocol = protocol,
		.idiag_states = ~0U,
		.id = { .idiag_sport = htons(lport),
			.idiag_dport = htons(rport),
			.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } },
	};
	struct netlink_request request;

	must_be(inet_pton(AF_INET, laddr, which.id.idiag_src) == 1);
	must_be(inet_pton(AF_INET, raddr, which.id.idiag_dst) == 1);
	netlink_begin(&request, SOCK_DESTROY, 0, &which, sizeof(which));
	return netlink_try(NETLINK_SOCK_DIAG, &request);
}
