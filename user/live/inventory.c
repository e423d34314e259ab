// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/inventory.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/array.h"
#include "user/live/loader.h"
#include "user/live/netns.h"
#include "user/live/procs.h"
#include "user/live/sockets.h"

/* ---- rows ------------------------------------------------------------------ */

static int add_owner(const struct pt_owner *owner, void *data)
{
	struct inventory *inventory = data;
	const struct pt_owner **owners =
		array_make_room(inventory->owners, inventory->owners_count, &inventory->owners_size,
				sizeof(const struct pt_owner *));

	if (!owners)
		return -ENOMEM;
	inventory->owners = owners;
	owners[inventory->owners_count++] = owner;
	return 0;
}

/* The one place that asks who has a socket. */
static int find_owners(struct inventory *inventory, const struct sock_row *from,
		       struct inventory_row *row)
{
	int err = 0;

	row->first_owner = inventory->owners_count;
	if (inventory->procs && from->inode)
		err = procs_each_holder(inventory->procs, from->inode, add_owner, inventory);
	if (err)
		return err;
	row->holder.processes = (unsigned int)(inventory->owners_count - row->first_owner);
	if (row->holder.processes)
		row->holder.owner = inventory->owners[row->first_owner];
	else
		inventory->unowned += from->inode != 0;
	return 0;
}

int inventory_add_row(const struct sock_row *from, void *data)
{
	struct inventory *inventory = data;
	struct inventory_row *rows = array_make_room(inventory->rows, inventory->rows_count,
						     &inventory->rows_size, sizeof(*rows));
	struct inventory_row *row;

	if (!rows)
		return -ENOMEM;
	inventory->rows = rows;
	row = &rows[inventory->rows_count++];
	*row = (struct inventory_row){ .holder = { .space = from->space,
						   .family = from->family,
						   .state = from->state,
						   .port = from->port,
						   .rport = from->rport,
						   .sock = from->cookie,
						   .time_wait = from->has_tw,
						   .tw_left_ms = from->tw_left_ms,
						   .has_inode = from->inode != 0,
						   .uid = from->uid } };
	memcpy(row->holder.laddr, from->laddr, sizeof(row->holder.laddr));
	memcpy(row->holder.raddr, from->raddr, sizeof(row->holder.raddr));
	return find_owners(inventory, from, row);
}

static int compare_rows(const void *one, const void *other)
{
	return pt_holder_compare(&((const struct inventory_row *)one)->holder,
				 &((const struct inventory_row *)other)->holder);
}

/* ---- accepted sockets ------------------------------------------------------ */

/*
 * How closely a listener's address fits a socket's: 0 not at all, 1 all
 * addresses, 2 all of that family, 3 just that one.
 */
static int fit(const struct pt_holder *listener, const struct pt_holder *holder)
{
	bool ipv4 = pt_addr_is_v4(holder->laddr);

	if (!memcmp(listener->laddr, holder->laddr, sizeof(listener->laddr)))
		return 3;
	if (!pt_addr_is_any(listener->laddr))
		return 0;
	if (pt_addr_is_v4(listener->laddr) == ipv4)
		return 2;
	return ipv4 ? 1 : 0;
}

/* Counts it at every listener that fits best: which of them had it nobody tells. */
static void mark_accepted(struct inventory_row *listeners, size_t count, struct pt_holder *holder)
{
	int best = 0;

	for (size_t i = 0; i < count; i++)
		best = fit(&listeners[i].holder, holder) > best ? fit(&listeners[i].holder, holder)
								: best;
	holder->accepted = best > 0;
	for (size_t i = 0; best && !holder->time_wait && i < count; i++)
		listeners[i].holder.connections += fit(&listeners[i].holder, holder) == best;
}

/* One port of one protocol: its listeners come first. */
static void mark_port(struct inventory_row *rows, size_t count)
{
	size_t listeners = 0;

	while (listeners < count && pt_holder_listens(&rows[listeners].holder))
		listeners++;
	for (size_t i = listeners; listeners && i < count; i++)
		if (rows[i].holder.rport)
			mark_accepted(rows, listeners, &rows[i].holder);
}

/* ---- namespaces ------------------------------------------------------------ */

/* What cannot be counted from the rows that were asked for, or that there are. */
static bool is_counted(const struct inventory *inventory, __u8 proto)
{
	unsigned int missing = proto == IPPROTO_TCP ? DUMP_NO_TCP_DIAG : DUMP_NO_UDP_DIAG;

	return !inventory->options->ports &&
	       (!inventory->options->proto || inventory->options->proto == proto) &&
	       !(inventory->seen.missing & missing);
}

static void begin_counts(const struct inventory *inventory, struct pt_netns *use)
{
	__u64 usable = use->high - use->low + 1U - use->reserved;
	bool tcp = is_counted(inventory, IPPROTO_TCP), udp = is_counted(inventory, IPPROTO_UDP);

	use->tcp_held = use->tcp_time_wait = tcp ? 0 : PT_UNKNOWN;
	use->tcp_free = tcp ? usable : PT_UNKNOWN;
	use->udp_held = udp ? 0 : PT_UNKNOWN;
	use->udp_free = udp ? usable : PT_UNKNOWN;
}

/* One port of one protocol. */
static void count_port(const struct inventory *inventory, struct inventory_netns *netns,
		       const struct inventory_row *rows, size_t count)
{
	const struct pt_holder *holder = &rows[0].holder;
	struct pt_netns *use = &netns->use;
	bool tcp = holder->space.proto == IPPROTO_TCP;

	if (!use->has_range || holder->port < use->low || holder->port > use->high ||
	    port_set_has(&netns->range.reserved, holder->port) ||
	    !is_counted(inventory, holder->space.proto))
		return;
	--*(tcp ? &use->tcp_free : &use->udp_free);
	for (size_t i = 0; i < count; i++)
		if (!rows[i].holder.time_wait) {
			++*(tcp ? &use->tcp_held : &use->udp_held);
			return;
		}
	use->tcp_time_wait++;
}

/* The namespace's rows are there: in order, port by port. */
static void finish_rows(struct inventory *inventory, struct inventory_netns *netns)
{
	struct inventory_row *rows = inventory->rows + netns->first;
	size_t begin = 0, end;

	if (netns->count)
		qsort(rows, netns->count, sizeof(*rows), compare_rows);
	for (; begin < netns->count; begin = end) {
		for (end = begin + 1; end < netns->count; end++)
			if (rows[end].holder.port != rows[begin].holder.port ||
			    rows[end].holder.space.proto != rows[begin].holder.space.proto)
				break;
		mark_port(rows + begin, end - begin);
		count_port(inventory, netns, rows + begin, end - begin);
	}
}

/* ---- sockets that are only bound, before 6.8 --------------------------------- */

/* NULL: without privileges; then they stay unseen. */
static struct sockets *read_files(void)
{
	const struct loader_options options = { .buffer_size = 1 << 16, .only_files = true };
	struct sockets *files = NULL;
	struct loader *loader;
	char reason[256];
	int fd;

	if (loader_new(&options, &loader, reason, sizeof(reason)))
		return NULL;
	fd = loader_iterate(loader, LOADER_SOCK_FILES);
	if (fd >= 0 && sockets_new(fd, &files))
		files = NULL;
	if (fd >= 0)
		close(fd);
	loader_free(loader);
	return files;
}

static bool is_bound_idle(const struct inventory_options *options, const struct sock_row *row,
			  __u32 netns)
{
	return row->space.netns == netns && row->space.proto == IPPROTO_TCP &&
	       row->state == TCP_CLOSE && options->proto != IPPROTO_UDP &&
	       (!options->ports || port_set_has(options->ports, row->port));
}

static int add_bound_idle(struct inventory *inventory, const struct dump_netns *netns)
{
	const struct sockets_entry *entry;
	__u32 position = 0;
	int err = 0;

	while (!err && inventory->files && (entry = sockets_next(inventory->files, &position))) {
		struct sock_row row = entry->row;

		if (!is_bound_idle(inventory->options, &row, netns->inode))
			continue;
		if (!pt_space_has_cookies(&row.space))
			row.cookie = 0; /* it is an address */
		row.space.netns_cookie = netns->cookie;
		err = inventory_add_row(&row, inventory);
		if (!err && entry->owner.known)
			err = add_owner(&entry->owner, inventory);
		if (!err && entry->owner.known) {
			struct pt_holder *holder =
				&inventory->rows[inventory->rows_count - 1].holder;

			holder->owner = &entry->owner;
			holder->processes = 1;
			holder->has_inode = true;
			holder->uid = entry->owner.uid;
		}
	}
	return err;
}

int inventory_end_netns(const struct dump_netns *from, void *data)
{
	struct inventory *inventory = data;
	struct inventory_netns *all, *netns, *before;

	int err;

	if (!from->entered)
		return 0; /* counted as refused */
	err = add_bound_idle(inventory, from);
	if (err)
		return err;
	all = array_make_room(inventory->netns, inventory->netns_count, &inventory->netns_size,
			      sizeof(*all));
	if (!all)
		return -ENOMEM;
	inventory->netns = all;
	netns = &all[inventory->netns_count];
	before = inventory->netns_count++ ? netns - 1 : NULL;
	*netns = (struct inventory_netns){ .use = { .cookie = from->cookie,
						    .inode = from->inode,
						    .whole = from->whole,
						    .has_range = from->range },
					   .first = before ? before->first + before->count : 0 };
	netns->count = inventory->rows_count - netns->first;
	if (from->range) {
		netns->range = *from->range;
		netns->use.low = from->range->low;
		netns->use.high = from->range->high;
		netns->use.reserved = from->range->reserved_count;
		begin_counts(inventory, &netns->use);
	}
	finish_rows(inventory, netns);
	return 0;
}

static void name_netns(const char *name, __u32 inode, void *data)
{
	struct inventory *inventory = data;

	for (size_t i = 0; i < inventory->netns_count; i++)
		if (inventory->netns[i].use.inode == inode && !inventory->netns[i].use.name)
			inventory->netns[i].use.name = strdup(name);
}

/* ---- all of it --------------------------------------------------------------- */

int inventory_take(const struct inventory_options *options, struct inventory *inventory)
{
	struct dump_options dump = { .proto = options->proto,
				     .netns = options->netns,
				     .ports = options->ports,
				     .netns_done = inventory_end_netns };
	int err;

	*inventory = (struct inventory){ .options = options };
	inventory->procs = procs_new();
	if (!inventory->procs)
		return -errno;
	if (!dump_sees_bound_idle())
		inventory->files = read_files();
	err = dump_all(&dump, inventory_add_row, inventory, &inventory->seen);
	if (inventory->files)
		inventory->seen.bound_idle_unseen = false;
	if (err) {
		inventory_free(inventory);
		return err;
	}
	inventory->processes_unreadable = procs_unreadable(inventory->procs);
	inventory->processes_hidden = procs_hidden(inventory->procs);
	for (size_t i = 0; i < inventory->netns_count; i++)
		inventory->netns[i].use.whole &= !inventory->seen.bound_idle_unseen;
	netns_each_name(name_netns, inventory);
	return 0;
}

void inventory_free(struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->netns_count; i++)
		free((char *)inventory->netns[i].use.name);
	free(inventory->netns);
	free(inventory->rows);
	free(inventory->owners);
	procs_free(inventory->procs);
	sockets_free(inventory->files);
	*inventory = (struct inventory){ 0 };
}
