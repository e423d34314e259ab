/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything that holds a port at this moment, who has it, and how full each
 * namespace's range is: what sock_diag and /proc tell, put together, and before
 * Linux 6.8 a BPF iterator, for TCP sockets that are only bound. Needs no
 * privileges; without them it is less, and tells what is missing.
 */
#ifndef PORTTRACE_LIVE_INVENTORY_H
#define PORTTRACE_LIVE_INVENTORY_H

#include "user/event/holder.h"
#include "user/live/dump.h"
#include "user/live/range.h"

struct inventory_options {
	__u8 proto;		      /* IPPROTO_TCP, IPPROTO_UDP; 0: both */
	__u32 netns;		      /* inode number; 0: every namespace */
	const struct port_set *ports; /* NULL: every port. With them ranges are not counted */
};

struct inventory_netns {
	struct pt_netns use;
	struct range range; /* if use.has_range */
	size_t first;	    /* its first row */
	size_t count;	    /* of its rows */
};

struct inventory_row {
	struct pt_holder holder;
	size_t first_owner; /* of holder.processes, in owners */
};

struct inventory {
	/* By namespace, protocol, port (listeners first, TIME_WAITs last), remote. */
	struct inventory_row *rows;
	size_t rows_count;
	const struct pt_owner **owners;
	struct inventory_netns *netns; /* our own first, if it is asked for */
	size_t netns_count;
	/* What could not be seen. */
	struct dump_result seen;
	__u64 unowned;			   /* sockets that a process can have, but none was found */
	unsigned int processes_unreadable; /* that did not let us look */
	bool processes_hidden;		   /* and /proc does not show others' at all */
	/* private */
	const struct inventory_options *options;
	struct procs *procs;
	struct sockets *files; /* where sock_diag does not show bound sockets; or NULL */
	size_t rows_size, owners_count, owners_size, netns_size;
};

/*
 * Returns 0 (look at what could not be seen all the same) or a negative errno:
 * no memory, no /proc, the own namespace could not be read.
 * The caller calls inventory_free(), which is nothing to do after a failure.
 */
int inventory_take(const struct inventory_options *options, struct inventory *inventory);
void inventory_free(struct inventory *inventory);

/* The i-th process that has the row's socket, i < holder.processes. */
static inline const struct pt_owner *
inventory_owner(const struct inventory *inventory, const struct inventory_row *row, unsigned int i)
{
	return inventory->owners[row->first_owner + i];
}

/* ---- for inventory.c and its test: what dump_all() calls -------------------- */

/* Both take a struct inventory with its options set, procs or not; 0 or -ENOMEM. */
int inventory_add_row(const struct sock_row *row, void *inventory);
int inventory_end_netns(const struct dump_netns *netns, void *inventory);

#endif /* PORTTRACE_LIVE_INVENTORY_H */
