// SPDX-License-Identifier: BSD-2-Clause
#include "user/event/holder.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "user/base/compare.h"

#define TCP_NEW_SYN_RECV 12 /* the kernel's own */

const char *pt_state_name(__u8 proto, __u8 state)
{
	static const char *const names[] = {
		[TCP_ESTABLISHED] = "ESTAB",	[TCP_SYN_SENT] = "SYN-SENT",
		[TCP_SYN_RECV] = "SYN-RECV",	[TCP_FIN_WAIT1] = "FIN-WAIT-1",
		[TCP_FIN_WAIT2] = "FIN-WAIT-2", [TCP_TIME_WAIT] = "TIME-WAIT",
		[TCP_CLOSE] = "BOUND",		[TCP_CLOSE_WAIT] = "CLOSE-WAIT",
		[TCP_LAST_ACK] = "LAST-ACK",	[TCP_LISTEN] = "LISTEN",
		[TCP_CLOSING] = "CLOSING",	[TCP_NEW_SYN_RECV] = "SYN-RECV",
	};

	if (proto == IPPROTO_UDP && state == TCP_CLOSE)
		return "UNCONN";
	return state < sizeof(names) / sizeof(*names) ? names[state] : NULL;
}

/* What a filter by process can tell of a socket whose process was not found. */
static bool only_uid_is_asked(const struct filter *filter)
{
	return filter->uids.count && !filter->pids.count && !filter->comms.count &&
	       !filter->cgroups.count;
}

bool pt_holder_matches(const struct pt_holder *holder, const struct pt_owner *owner,
		       const struct filter *filter)
{
	struct pt_event ev = { .type = PT_EV_ALLOC,
			       .space = holder->space,
			       .family = holder->family,
			       .port = holder->port,
			       .rport = holder->rport };

	memcpy(ev.laddr, holder->laddr, sizeof(ev.laddr));
	memcpy(ev.raddr, holder->raddr, sizeof(ev.raddr));
	if (owner)
		ev.owner = *owner;
	else if (holder->has_inode && only_uid_is_asked(filter))
		ev.owner = (struct pt_owner){ .known = true, .uid = holder->uid };
	return filter_match(filter, &ev);
}

bool pt_holder_listens(const struct pt_holder *holder)
{
	return holder->space.proto == IPPROTO_TCP && holder->state == TCP_LISTEN;
}

/* Where in a port's rows. */
static int rank(const struct pt_holder *holder)
{
	if (pt_holder_listens(holder))
		return 0;
	if (holder->time_wait)
		return 3;
	return holder->state == TCP_CLOSE ? 1 : 2;
}

int pt_holder_compare(const struct pt_holder *a, const struct pt_holder *b)
{
	int order = compare_u64(a->space.proto, b->space.proto);

	order = order ?: compare_u64(a->port, b->port);
	order = order ?: rank(a) - rank(b);
	order = order ?: memcmp(a->raddr, b->raddr, sizeof(a->raddr));
	order = order ?: compare_u64(a->rport, b->rport);
	order = order ?: memcmp(a->laddr, b->laddr, sizeof(a->laddr));
	return order ?: compare_u64(a->sock, b->sock);
}
