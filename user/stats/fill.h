/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How full the range is from which the kernel chooses ports, in each port space: how many
 * of its ports that are not reserved somebody holds, TIME_WAIT included. From the events
 * of the ledger, in their order.
 *
 * After a loss nobody knows, until the ledger is put right: events tell their holders again.
 */
#ifndef PORTTRACE_STATS_FILL_H
#define PORTTRACE_STATS_FILL_H

#include "user/base/parse.h"
#include "user/event/event.h"
#include "user/ledger/ledger.h"

/* Of spaces and namespaces beyond so many nothing is known. */
#define FILL_MAX 4096

enum fill_class {
	FILL_0, /* per cent, rounded down: below 50 */
	FILL_50,
	FILL_80,
	FILL_90,
	FILL_95,
	FILL_99,
	FILL_UNKNOWN,
	FILL_CLASSES,
};

/* The choice of ports in a namespace. */
struct fill_range {
	__u64 cookie; /* 0: not known */
	__u32 inode;
	__u16 low, high;		 /* ip_local_port_range, both included */
	unsigned int reserved_count;	 /* ip_local_reserved_ports within */
	const struct port_set *reserved; /* NULL: which ones is not known, unless there are none */
	bool whole;			 /* who held what before the events began is known */
};

struct fill;

/* "50-79" per cent; NULL: not known. */
const char *fill_class_name(enum fill_class class);

/* Returns NULL if there is no memory. The caller calls fill_free(). */
struct fill *fill_new(void);
void fill_free(struct fill *fill);

/* A namespace's range, or that it is another one now; copied. Returns 0 or -ENOMEM. */
int fill_set_range(struct fill *fill, const struct fill_range *range);

/* Something is held that no event told: where a recording begins. Returns 0 or -ENOMEM. */
int fill_hold(struct fill *fill, const struct ledger_port *port);

/* Nothing is held: the ledger begins anew. certain: it has lost no record. */
void fill_restart(struct fill *fill, bool certain);

/* Takes each event there is, also those that nobody wants. Returns 0 or -ENOMEM. */
int fill_event(struct fill *fill, const struct pt_event *ev);

/* How full the space is now. */
enum fill_class fill_of(struct fill *fill, const struct pt_space *space);

/* The range in the space's namespace. Returns whether it is known. */
bool fill_range_of(struct fill *fill, const struct pt_space *space, __u16 *low, __u16 *high);

#endif /* PORTTRACE_STATS_FILL_H */
