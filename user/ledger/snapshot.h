/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Holds from before the trace: what a dump of the kernel's tables found, merged
 * with the records that came while it was taken. Pure, like the ledger.
 *
 * The programs run first, then the dump. So a socket of the dump was there
 * before, or its allocation is among the records; and if it let go meanwhile,
 * that is among them too. (Not if it had no cookie when it let go: the dump is
 * taken twice, and only the second one counts.) What the rows and the records
 * say together is merge.c's business.
 */
#ifndef PORTTRACE_LEDGER_SNAPSHOT_H
#define PORTTRACE_LEDGER_SNAPSHOT_H

#include "user/ledger/ledger.h"

struct snapshot;

/* Returns NULL if there is no memory. */
struct snapshot *snapshot_new(void);
void snapshot_free(struct snapshot *snapshot);

/*
 * A row of the first dump only says that its socket was there: a long dump can
 * skip one whose neighbour goes meanwhile, so a hold is gone when both lack it.
 */
enum snapshot_pass {
	SNAPSHOT_FIRST,
	SNAPSHOT_SECOND,
};

/* All copy. Return 0 or -ENOMEM. */
int snapshot_add_row(struct snapshot *snapshot, const struct ledger_unit *row,
		     enum snapshot_pass pass);
int snapshot_add_record(struct snapshot *snapshot, const void *record, size_t size);

/*
 * A namespace (inode number). One that is never added vanished: it is being torn
 * down, which takes the kernel a while, or it is gone.
 */
enum snapshot_netns {
	NETNS_VANISHED,
	NETNS_UNSEEN, /* it is there, but the dump could not enter it, or not see all of it */
	NETNS_SEEN,
};
int snapshot_add_netns(struct snapshot *snapshot, __u32 netns, enum snapshot_netns seen);
enum snapshot_netns snapshot_netns(const struct snapshot *snapshot, __u32 netns);

/*
 * The dump has TCP sockets that are only bound if a process has them open: one
 * that it lacks may be on its way through a Unix socket, or io_uring's alone.
 */
void snapshot_set_idle_by_files(struct snapshot *snapshot);
bool snapshot_idle_by_files(const struct snapshot *snapshot);

/*
 * Puts what was there before into the ledger, as of ts (CLOCK_BOOTTIME, ns, no
 * later than the first record). Sockets that accept() returned share their
 * listener's port and are left out.
 * Returns 0 or -ENOMEM.
 */
int snapshot_apply(struct snapshot *snapshot, struct ledger *ledger, __u64 ts);

/*
 * The same after a loss, for a ledger that has holds: those that the dump does
 * not have end, `unknown`; what it has and the ledger has not enters. ts: when
 * the dump began. Holds in namespaces that it did not see stay; those in
 * vanished ones only if vanished_stay: they may yet end by themselves.
 * Returns 0, -ENOMEM, or 1: holds in vanished namespaces stayed.
 */
int snapshot_resync(struct snapshot *snapshot, struct ledger *ledger, __u64 ts, bool vanished_stay);

/*
 * After a listener's hold ended: the sockets that it accepted and that hold its
 * port on enter, `accept`, charged to its owner.
 * Returns 0 or -ENOMEM.
 */
int snapshot_adopt(struct snapshot *snapshot, struct ledger *ledger, __u64 ts,
		   const struct ledger_orphan *orphan);

/* The row of that number, in the order they were added; NULL: no more. pass may be NULL. */
const struct ledger_unit *snapshot_row(const struct snapshot *snapshot, __u32 number,
				       enum snapshot_pass *pass);

/* The next record that was added, in order, from *position = 0 on; NULL: no more. */
const void *snapshot_record(const struct snapshot *snapshot, size_t *position, size_t *size);

#endif /* PORTTRACE_LEDGER_SNAPSHOT_H */
