/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tracing needs the kernel's own tables for: the snapshot at the start, the
 * resync after a loss, what a closed listener accepted, the audit.
 */
#ifndef PORTTRACE_CMD_UPKEEP_H
#define PORTTRACE_CMD_UPKEEP_H

#include "user/cmd/options.h"
#include "user/ledger/audit.h"
#include "user/live/dump.h"
#include "user/live/loader.h"
#include "user/live/ring.h"
#include "user/pipeline/pipeline.h"

struct upkeep;

/* All are borrowed. Returns NULL if there is no memory. */
struct upkeep *upkeep_new(const struct options *options, struct loader *loader,
			  struct pipeline *pipeline);
void upkeep_free(struct upkeep *upkeep);

/* Told each namespace, with its range of ports, whenever all are dumped. No more than two. */
void upkeep_add_netns(struct upkeep *upkeep, void (*fn)(void *data, const struct dump_netns *netns),
		      void *data);

/* The ring whose records upkeep_record() gets; before any other call. */
void upkeep_set_ring(struct upkeep *upkeep, struct ring *ring);

/* ring_record, with an upkeep for data: into the pipeline, or, during a dump, kept for it. */
void upkeep_record(void *upkeep, const void *record, size_t size);

/* Who held ports before ts (CLOCK_BOOTTIME, ns). Returns 0 or a negative errno. */
int upkeep_snapshot(struct upkeep *upkeep, __u64 ts);

/* Does what is due; to be called when the ring was read empty. */
void upkeep_look(struct upkeep *upkeep);

/*
 * Holds the ledger against the kernel's tables, looking again at what differs,
 * and puts it right if that stays. Takes a second or so if something does.
 */
void upkeep_audit(struct upkeep *upkeep);
struct audit_counts upkeep_audit_counts(const struct upkeep *upkeep);

/* A record that was not kept: -ENOMEM; else 0. */
int upkeep_error(const struct upkeep *upkeep);

#endif /* PORTTRACE_CMD_UPKEEP_H */
