/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who holds which port. Takes records in the order of the ring, keeps every
 * hold from its allocation to its end, and says what happened as events.
 *
 * Pure: no I/O, no clock of its own, no kernel; so it can be tested with any
 * order of records, and a recording replays through the same code.
 *
 * The order it relies on is the kernel's: allocation and the end of a
 * TIME_WAIT are recorded under the lock of the port's bucket, a release before
 * it takes effect. What it cannot know (a record is missing) it says so: after
 * a loss holders and reuse are unknown.
 */
#ifndef PORTTRACE_LEDGER_H
#define PORTTRACE_LEDGER_H

#include "bpf/event_abi.h"
#include "user/event/event.h"

struct ledger;

/* As many wait for ledger_next_orphan(). */
#define LEDGER_ORPHANS_MAX 256

/* Gets each event; ev and what it points to last for the call only. */
typedef void (*ledger_emit)(void *data, const struct pt_event *ev);

/* Returns NULL if there is no memory. The caller calls ledger_free(). */
struct ledger *ledger_new(ledger_emit emit, void *data);
void ledger_free(struct ledger *ledger);

/*
 * Takes one record that decode_record() passed.
 * Returns 0 or -ENOMEM (the record is then not in the ledger).
 */
int ledger_record(struct ledger *ledger, const struct pt_rec_head *head);

/* A socket that holds a port, as a dump found it; see snapshot.h. */
struct ledger_found {
	struct pt_space space;
	__u8 family;
	__u16 port;
	struct pt_tuple tuple;
	__u64 sock;	       /* cookie */
	struct pt_owner owner; /* known: false where nobody can tell */
	bool listening;
	bool time_wait; /* the socket is gone, its TIME_WAIT holds */
	bool fin_wait2; /* or rather an orphan's FIN_WAIT2 */
	bool accepted;	/* of a listener that is gone, whose owner owner is: via accept */
};

/* A listener whose hold ended: what it accepted may hold its port on. */
struct ledger_orphan {
	struct pt_space space;
	__u16 port;
	struct pt_owner owner;
};

/*
 * Begins a hold (via: snapshot) as of ts, CLOCK_BOOTTIME, ns, or tells of one
 * more TIME_WAIT of it. Its start is not known, nor are the times that depend
 * on it.
 * Returns 0 or -ENOMEM.
 */
int ledger_found(struct ledger *ledger, const struct ledger_found *found, __u64 ts);

/* Whether the ledger has that socket's hold. */
bool ledger_holds(struct ledger *ledger, const struct ledger_found *found);

/*
 * The next port that a dump should look at for accepted sockets, oldest first.
 * Returns false if there is none.
 */
bool ledger_next_orphan(struct ledger *ledger, struct ledger_orphan *orphan);

/*
 * After a loss, with a dump at hand (snapshot_resync() has the order): first the
 * holds that go on are kept, by the dump's rows (anew: ledger_found() will say
 * what there is of it) and by the records that came meanwhile and tell an end; then those that are
 * left end, `unknown`; then ledger_found() begins what is new; at last the ledger is certain again.
 */
void ledger_resync_begin(struct ledger *ledger);
void ledger_resync_keep(struct ledger *ledger, const struct ledger_found *found, bool anew);
void ledger_resync_keep_told(struct ledger *ledger, const struct pt_rec_head *head);

/* idle_unseen: the dump has no sockets that are only bound; their holds stay. */
void ledger_resync_sweep(struct ledger *ledger, __u64 ts, bool idle_unseen);
void ledger_resync_end(struct ledger *ledger, __u64 ts);

/*
 * The losses so far, since the start. To be told when every record that was
 * there before the losses were counted has been taken; now: CLOCK_BOOTTIME, ns.
 * Without it a loss shows with the next record, whenever that comes.
 */
void ledger_lost(struct ledger *ledger, __u64 lost, __u64 now);

struct ledger_counts {
	__u64 records;	/* taken */
	__u64 lost;	/* by the ring, as far as told */
	__u64 holds;	/* now */
	__u64 repeated; /* told by a second witness too, and dropped */
	bool uncertain; /* a loss, and no resync since */
	__u64 unlooked; /* listeners that ended while LEDGER_ORPHANS_MAX waited */
	__u64 foreign;	/* of sockets that hold nothing here: accepted, or older */
};

struct ledger_counts ledger_counts(const struct ledger *ledger);

#endif /* PORTTRACE_LEDGER_H */
