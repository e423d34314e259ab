// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/port_holders.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "user/base/compare.h"
#include "user/base/format.h"

#define NSEC_PER_MSEC 1000000ULL

/* What there is of a port in one space. */
struct found {
	__u64 sockets; /* not accepted, no TIME_WAIT */
	__u64 accepted;
	__u64 time_waits;
	__u64 left_ms; /* of the TIME_WAIT that lasts longest */
	__u64 processes;
	bool unowned; /* a socket of which no process was found */
};

static const char *plural(__u64 count, const char *one, const char *more)
{
	return count == 1 ? one : more;
}

static int compare_pids(const void *one, const void *other)
{
	return compare_u64(*(const __u32 *)one, *(const __u32 *)other);
}

static bool is_meant(const struct pt_holder *holder, __u16 port, __u8 proto)
{
	return holder->port == port && holder->space.proto == proto;
}

static bool is_socket(const struct pt_holder *holder)
{
	return !holder->accepted && !holder->time_wait;
}

/* How many different processes have its sockets; 0 if memory is short, or none is known. */
static __u64 count_processes(const struct inventory *inventory, const struct inventory_netns *netns,
			     __u16 port, __u8 proto)
{
	__u32 *pids = calloc(inventory->owners_count + 1, sizeof(*pids));
	size_t count = 0, different = 0;

	for (size_t i = netns->first; pids && i < netns->first + netns->count; i++) {
		const struct inventory_row *row = &inventory->rows[i];

		if (!is_meant(&row->holder, port, proto) || !is_socket(&row->holder))
			continue;
		for (unsigned int k = 0; k < row->holder.processes; k++)
			pids[count++] = inventory_owner(inventory, row, k)->pid;
	}
	if (count)
		qsort(pids, count, sizeof(*pids), compare_pids);
	for (size_t i = 0; i < count; i++)
		different += !i || pids[i] != pids[i - 1];
	free(pids);
	return different;
}

static struct found look(const struct inventory *inventory, const struct inventory_netns *netns,
			 __u16 port, __u8 proto)
{
	struct found found = { .processes = count_processes(inventory, netns, port, proto) };

	for (size_t i = netns->first; i < netns->first + netns->count; i++) {
		const struct pt_holder *holder = &inventory->rows[i].holder;

		if (!is_meant(holder, port, proto))
			continue;
		if (holder->time_wait) {
			found.time_waits++;
			if (holder->tw_left_ms > found.left_ms)
				found.left_ms = holder->tw_left_ms;
		} else if (holder->accepted) {
			found.accepted++;
		} else {
			found.sockets++;
			found.unowned |= !holder->processes;
		}
	}
	return found;
}

static void tell_nobody(struct out *out, const struct inventory *inventory,
			const struct inventory_netns *netns, __u8 proto)
{
	unsigned int missing = proto == IPPROTO_TCP ? DUMP_NO_TCP_DIAG : DUMP_NO_UDP_DIAG;

	if (inventory->seen.missing & missing)
		out_str(out, "not known, this kernel does not tell");
	else if (proto == IPPROTO_TCP && inventory->seen.bound_idle_unseen)
		out_str(out, "no holder found, but this kernel does not tell of sockets that are "
			     "only bound");
	else if (!netns->use.whole && !inventory->seen.bound_idle_unseen)
		out_str(out, "no holder found, but not all sockets could be read");
	else
		out_str(out, "held by nobody");
}

static void tell_sockets(struct out *out, const struct found *found)
{
	out_format(out, "held by %llu socket%s", found->sockets, plural(found->sockets, "", "s"));
	if (found->processes)
		out_format(out, " of %llu process%s", found->processes,
			   plural(found->processes, "", "es"));
	if (found->unowned)
		out_str(out, found->processes ? " and others not known" : " of no known process");
}

static void tell_space(struct out *out, const struct inventory *inventory,
		       const struct inventory_netns *netns, __u16 port, __u8 proto)
{
	struct found found = look(inventory, netns, port, proto);
	char left[FORMAT_DURATION_MAX + 1];

	out_format(out, "; %s: ", pt_proto_name(proto));
	if (found.sockets)
		tell_sockets(out, &found);
	else if (!found.time_waits)
		tell_nobody(out, inventory, netns, proto);
	if (found.accepted)
		out_format(out, ", %llu accepted connection%s", found.accepted,
			   plural(found.accepted, "", "s"));
	if (!found.time_waits)
		return;
	*format_duration(left, found.left_ms * NSEC_PER_MSEC) = '\0';
	out_format(out, "%s%llu in TIME-WAIT (the last for %s)", found.sockets ? ", " : "only ",
		   found.time_waits, left);
}

static void tell(struct out *out, const struct inventory *inventory,
		 const struct inventory_netns *netns, __u16 port, __u64 others)
{
	const struct pt_netns *use = &netns->use;

	out_format(out, "Port %u: %s", port, range_iana(port));
	if (use->has_range)
		out_format(out, ", %s the range %u-%u, %sreserved",
			   port >= use->low && port <= use->high ? "inside" : "outside", use->low,
			   use->high, port_set_has(&netns->range.reserved, port) ? "" : "not ");
	if (inventory->options->proto != IPPROTO_UDP)
		tell_space(out, inventory, netns, port, IPPROTO_TCP);
	if (inventory->options->proto != IPPROTO_TCP)
		tell_space(out, inventory, netns, port, IPPROTO_UDP);
	out_format(out, " (netns %u", use->inode);
	if (others)
		out_format(out, "; the same in %llu other%s", others, plural(others, "", "s"));
	out_str(out, ").");
	out_end_line(out);
}

static bool has_port(const struct inventory *inventory, const struct inventory_netns *netns,
		     __u16 port)
{
	for (size_t i = netns->first; i < netns->first + netns->count; i++)
		if (inventory->rows[i].holder.port == port)
			return true;
	return false;
}

void port_holders_tell(struct out *out, const struct inventory *inventory, __u16 port,
		       const struct filter_u32 *wanted)
{
	const struct inventory_netns *empty = NULL;
	__u64 namespaces = 0;
	bool told = false;

	for (size_t i = 0; i < inventory->netns_count; i++) {
		const struct inventory_netns *netns = &inventory->netns[i];

		if (!filter_passes_u32(wanted, netns->use.inode))
			continue;
		namespaces++;
		if (has_port(inventory, netns, port)) {
			tell(out, inventory, netns, port, 0);
			told = true;
		} else if (!empty || (empty->use.whole && !netns->use.whole)) {
			empty = netns; /* what is less sure speaks for all */
		}
	}
	if (!told && empty)
		tell(out, inventory, empty, port, namespaces - 1);
}
