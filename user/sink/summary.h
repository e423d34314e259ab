/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said at the end: totals for people, and the summary event. */
#ifndef PORTTRACE_SINK_SUMMARY_H
#define PORTTRACE_SINK_SUMMARY_H

#include "user/base/out.h"
#include "user/ledger/audit.h"
#include "user/ledger/ledger.h"
#include "user/stats/totals.h"

/* How often one BPF program was skipped by the kernel. */
struct summary_program {
	const char *name;
	__u64 misses;
};

struct summary {
	const struct totals *totals;
	struct ledger_counts counts;
	__u64 ts; /* CLOCK_REALTIME, ns */
	__u64 duration_ns;
	const struct summary_program *programs;
	size_t programs_count;
	const struct audit_counts *audit; /* NULL: there was none */
};

/* Ten ports and ten processes, for people. */
void summary_text(struct out *out, const struct summary *summary);

/* One line of JSON with all of them. */
void summary_json(struct out *out, const struct summary *summary);

#endif /* PORTTRACE_SINK_SUMMARY_H */
