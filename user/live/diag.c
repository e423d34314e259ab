// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/types.h>

#define TIMER_TIME_WAIT 3 /* idiag_timer, net/ipv4/inet_diag.c */

/* Cuts the first message off. Returns its payload's length, or -EBADMSG. */
static ssize_t next_message(const char **at, size_t *left, struct nlmsghdr *head,
			    const char **payload)
{
	size_t step;

	if (*left < sizeof(*head))
		return -EBADMSG;
	memcpy(head, *at, sizeof(*head));
	if (head->nlmsg_len < sizeof(*head) || head->nlmsg_len > *left)
		return -EBADMSG;
	*payload = *at + sizeof(*head);
	step = NLMSG_ALIGN((size_t)head->nlmsg_len);
	step = step < *left ? step : *left;
	*at += step;
	*left -= step;
	return head->nlmsg_len - sizeof(*head);
}

/*
 * The attribute of that type: its bytes, their number into *len; NULL if there
 * is none before the end or the first malformed one.
 */
static const char *find_attribute(const char *at, size_t left, __u16 type, size_t *len)
{
	struct nlattr head;
	size_t step;

	while (left >= sizeof(head)) {
		memcpy(&head, at, sizeof(head));
		if (head.nla_len < sizeof(head) || head.nla_len > left)
			return NULL;
		if ((head.nla_type & NLA_TYPE_MASK) == type) {
			*len = head.nla_len - sizeof(head);
			return at + sizeof(head);
		}
		step = NLA_ALIGN((size_t)head.nla_len);
		if (step > left)
			return NULL;
		at += step;
		left -= step;
	}
	return NULL;
}

/* The error in NLMSG_ERROR and, for dumps, in NLMSG_DONE: 0 or below. */
static int read_error(const char *payload, size_t len, int *error)
{
	int value;

	if (len < sizeof(value))
		return -EBADMSG;
	memcpy(&value, payload, sizeof(value));
	if (value > 0 || value < -4095)
		return -EBADMSG;
	*error = value;
	return 0;
}

static void read_address(__u8 family, const __be32 from[4], __u8 to[16])
{
	memset(to, 0, 16);
	if (family == AF_INET6) {
		memcpy(to, from, 16);
		return;
	}
	to[10] = to[11] = 0xff;
	memcpy(to + 12, from, 4);
}

static void read_row(const struct diag_answer *answer, const struct inet_diag_msg *msg,
		     struct sock_row *row)
{
	*row = (struct sock_row){
		.space.proto = answer->proto,
		.family = msg->idiag_family,
		.state = msg->idiag_state,
		.port = ntohs(msg->id.idiag_sport),
		.rport = ntohs(msg->id.idiag_dport),
		.ifindex = msg->id.idiag_if,
		.cookie = (__u64)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0],
		.inode = msg->idiag_inode,
		.uid = msg->idiag_uid,
	};
	read_address(row->family, msg->id.idiag_src, row->laddr);
	read_address(row->family, msg->id.idiag_dst, row->raddr);
	if (row->space.proto == IPPROTO_TCP && msg->idiag_timer == TIMER_TIME_WAIT) {
		row->has_tw = true;
		row->tw_left_ms = msg->idiag_expires;
	}
}

static int take_row(struct diag_answer *answer, const char *payload, size_t len)
{
	struct inet_diag_msg msg;
	struct sock_row row;
	size_t unused;

	if (len < sizeof(msg))
		return -EBADMSG;
	memcpy(&msg, payload, sizeof(msg));
	if (msg.idiag_family != answer->family)
		return -EBADMSG;
	read_row(answer, &msg, &row);
	if (!row.port)
		return 0;
	/*
	 * Asked for SYN_RECV, the kernel also shows request sockets in that
	 * state. Only a full socket has this attribute.
	 */
	if (row.space.proto == IPPROTO_TCP && row.state == TCP_SYN_RECV &&
	    !find_attribute(payload + NLMSG_ALIGN(sizeof(msg)), len - sizeof(msg),
			    INET_DIAG_SHUTDOWN, &unused))
		return 0;
	return answer->row(&row, answer->data);
}

static int take_message(struct diag_answer *answer, const struct nlmsghdr *head,
			const char *payload, size_t len)
{
	int err;

	if (head->nlmsg_flags & NLM_F_DUMP_INTR)
		answer->torn = true;
	switch (head->nlmsg_type) {
	case NLMSG_NOOP:
		return 0;
	case NLMSG_OVERRUN:
		answer->torn = true;
		return 0;
	case NLMSG_ERROR:
	case NLMSG_DONE:
		err = read_error(payload, len, &answer->error);
		answer->done = !err;
		return err;
	case SOCK_DIAG_BY_FAMILY:
		return take_row(answer, payload, len);
	default:
		return -EBADMSG;
	}
}

int diag_answer_feed(struct diag_answer *answer, const void *bytes, size_t len)
{
	const char *at = bytes, *payload;
	struct nlmsghdr head;
	ssize_t size;
	int err;

	while (len && !answer->done) {
		size = next_message(&at, &len, &head, &payload);
		if (size < 0)
			return (int)size;
		if (head.nlmsg_seq != answer->seq) /* an earlier dump's */
			continue;
		err = take_message(answer, &head, payload, (size_t)size);
		if (err)
			return err;
	}
	return 0;
}

/* Whether IFLA_LINKINFO says that it is a VRF. */
static bool is_vrf(const char *info, size_t len)
{
	const char *kind = info ? find_attribute(info, len, IFLA_INFO_KIND, &len) : NULL;

	return kind && len >= sizeof("vrf") && !memcmp(kind, "vrf", sizeof("vrf"));
}

int diag_link_parse(const void *bytes, size_t len, __u32 seq, struct diag_link *link)
{
	const char *at = bytes, *payload, *info, *master;
	struct nlmsghdr head;
	size_t master_len = 0, info_len = 0;
	ssize_t size = next_message(&at, &len, &head, &payload);
	int err;

	if (size < 0 || head.nlmsg_seq != seq)
		return -EBADMSG;
	if (head.nlmsg_type == NLMSG_ERROR)
		return read_error(payload, (size_t)size, &err) || !err ? -EBADMSG : err;
	if (head.nlmsg_type != RTM_NEWLINK || (size_t)size < sizeof(struct ifinfomsg))
		return -EBADMSG;
	payload += sizeof(struct ifinfomsg);
	size -= sizeof(struct ifinfomsg);
	*link = (struct diag_link){ 0 };
	master = find_attribute(payload, (size_t)size, IFLA_MASTER, &master_len);
	if (master && master_len >= sizeof(link->master))
		memcpy(&link->master, master, sizeof(link->master));
	info = find_attribute(payload, (size_t)size, IFLA_LINKINFO, &info_len);
	link->vrf = is_vrf(info, info_len);
	return 0;
}
