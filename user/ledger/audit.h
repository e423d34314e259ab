/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger held against the kernel's own tables. A dump and the ledger are not
 * of the same instant (a release is told before it happens, a dump can skip a
 * row), so one look only gives suspects: those that the next look finds too are
 * differences.
 */
#ifndef PORTTRACE_LEDGER_AUDIT_H
#define PORTTRACE_LEDGER_AUDIT_H

#include "user/ledger/snapshot.h"

enum audit_kind {
	AUDIT_ONLY_LEDGER, /* the kernel does not have it */
	AUDIT_ONLY_KERNEL, /* the ledger does not have it */
	AUDIT_WRONG_OWNER, /* the process that the ledger names cannot have done it */
	AUDIT_NOT_EMPTY,   /* the ledger had holders when the kernel said the port is empty */
	AUDIT_KINDS,
};

/* "only in the ledger", ... and the same as a JSON field: "only_ledger", ... */
const char *audit_kind_text(enum audit_kind kind);
const char *audit_kind_name(enum audit_kind kind);

struct audit_counts {
	__u64 audits;	/* done, each of one look or more */
	__u64 compared; /* sockets and TIME_WAITs, in the last one */
	__u64 differences[AUDIT_KINDS];
	__u64 unseen;  /* of the last: in namespaces that were not to be dumped */
	__u64 moved;   /* of the last: now open in another process, which is no difference */
	__u64 emptied; /* ports that the kernel said are empty (6.18) */
	__u64 healed;  /* holds that only this told the end of */
};

struct audit;

/* Returns NULL if there is no memory. */
struct audit *audit_new(void);
void audit_free(struct audit *audit);

/*
 * Compares, before the snapshot's records are taken into the ledger. Suspects of
 * the look before that are none now are forgotten.
 * Returns the number of suspects, or -ENOMEM.
 */
int audit_look(struct audit *audit, struct snapshot *snapshot, struct ledger *ledger);

/*
 * Ends an audit: the suspects are differences, and are counted; with fn each is
 * told. The next look begins anew.
 */
typedef void (*audit_fn)(void *data, enum audit_kind kind, const struct ledger_unit *unit);
void audit_conclude(struct audit *audit, audit_fn fn, void *data);

struct audit_counts audit_counts(const struct audit *audit);

/* Whether any audit found a difference. */
bool audit_failed(const struct audit_counts *counts);

#endif /* PORTTRACE_LEDGER_AUDIT_H */
