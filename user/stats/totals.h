/* SPDX-License-Identifier: BSD-2-Clause */
/* Totals by port and by process, from the events of the ledger. */
#ifndef PORTTRACE_STATS_TOTALS_H
#define PORTTRACE_STATS_TOTALS_H

#include "user/base/index.h"
#include "user/event/event.h"

/* More processes, or ports, than this are summed up in one row, "others". */
#define TOTALS_ROWS_MAX 65536

struct totals_count {
	__u64 allocs;
	__u64 fails;
	__u64 frees;
	__u32 held_now;
	__u32 held_max; /* most held at once */
	__u64 held_ns;	/* summed over the holds that ended */
	__u64 held_ns_max;
	__u64 reuses;	    /* allocations of a port seen becoming free */
	__u64 reuse_ns;	    /* summed over these */
	__u64 reuse_ns_min; /* PT_UNKNOWN: none */
};

struct totals_port {
	struct totals_count count;
	__u16 space; /* of totals.spaces */
	__u16 port;
};

/* owner.known false: the holds whose process is not known. */
struct totals_process {
	struct pt_owner owner; /* its tid and thread are those of the first event */
	struct totals_count count;
};

#define TOTALS_RECENT 1024 /* a power of two */

/* Rows in the order of their first event. Zeroed: empty. Read its fields freely. */
struct totals {
	struct totals_count all;
	struct pt_space *spaces;
	__u32 spaces_count;
	struct totals_port *ports;
	__u32 ports_count;
	struct totals_count other_ports;
	struct totals_process *processes;
	__u32 processes_count;
	struct totals_count other_processes;
	/* Private: */
	struct index spaces_index;
	struct index processes_index;
	__u32 *slots; /* of ports, by hash */
	__u32 slots_count;
	__u32 recent_spaces[TOTALS_RECENT];    /* those asked for lately, or 0 */
	__u32 recent_processes[TOTALS_RECENT]; /* the same */
};

void totals_init(struct totals *totals);
void totals_free(struct totals *totals);

/* Counts one event; where there is no room for a row, in `other_...`. */
void totals_event(struct totals *totals, const struct pt_event *ev);

/*
 * The numbers of the rows with most allocations and refusals, most first, up to
 * max of them. Returns how many were written to out.
 */
size_t totals_top_ports(const struct totals *totals, __u32 *out, size_t max);
size_t totals_top_processes(const struct totals *totals, __u32 *out, size_t max);

#endif /* PORTTRACE_STATS_TOTALS_H */
