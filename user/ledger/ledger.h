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

/* Gets each row that the ledger took, in order; row lasts for the call only. */
typedef void (*ledger_tap)(void *data, const struct pt_rec_head *row);

/* emit: NULL if nobody wants events. Returns NULL if there is no memory. The caller calls
 * ledger_free(). */
struct ledger *ledger_new(ledger_emit emit, void *data);
void ledger_free(struct ledger *ledger);

/*
 * Takes one record that decode_record() passed.
 * Returns 0 or -ENOMEM (the record is then not in the ledger).
 */
int ledger_record(struct ledger *ledger, const struct pt_rec_head *head);

/*
 * The same for a row of a recording: a record, or one of event/journal.h, that
 * decode_row() passed. Rows that another ledger's tap was given bring this one to
 * the same events; those of one port alone to the events of that port.
 */
int ledger_row(struct ledger *ledger, const struct pt_rec_head *row);

/* Such a row will follow soon. Ports come up in no order, and memory is slow. */
void ledger_expect(struct ledger *ledger, const struct pt_rec_head *row);

/* From now on tap gets what the ledger takes, by whichever way; NULL: nobody. */
void ledger_set_tap(struct ledger *ledger, ledger_tap tap, void *data);

/* All that the ledger knows, as rows that bring an empty one to the same state. */
void ledger_keyframe(struct ledger *ledger, ledger_tap fn, void *data);

/* Nobody asks who has the ports of a full range: they are not counted then. */
void ledger_skip_crowd(struct ledger *ledger);

/* Goes into the events from then on: CLOCK_REALTIME minus CLOCK_BOOTTIME, ns, modulo 2^64. */
void ledger_set_clock(struct ledger *ledger, __u64 realtime_offset);

/*
 * The ports that the kernel chooses from in a namespace, told again when it changes. In the way
 * of a refusal of any port are those that the kernel chose, and others that are held in that
 * range; the latter are left out where it is not told, and where some of it are reserved, which
 * a program has to name.
 */
struct ledger_range {
	__u64 netns_cookie; /* 0: not known */
	__u32 netns;
	__u16 low, high; /* both included */
	bool reserved;	 /* some of them are */
};

/* Returns 0 or -ENOMEM. */
int ledger_set_range(struct ledger *ledger, const struct ledger_range *range);

/*
 * One of the things that hold a port: a socket, or a TIME_WAIT that it left. As
 * a dump found it (snapshot.h), or as the ledger has it.
 */
struct ledger_unit {
	struct pt_space space;
	__u8 family;
	__u16 port;
	struct pt_tuple tuple;
	__u64 sock;	       /* identity; 0: a TIME_WAIT of a socket that is not known */
	__u64 tw;	       /* address of the TIME_WAIT sock, 0: not known */
	struct pt_owner owner; /* known: false where nobody can tell */
	bool listening;
	bool time_wait; /* the TIME_WAIT, not the socket */
	bool fin_wait2; /* or rather an orphan's FIN_WAIT2 */
	bool accepted;	/* of a listener that is gone, whose owner owner is: via accept */
	__u64 tw_until; /* of a TIME_WAIT: when its timer ends it, CLOCK_BOOTTIME, ns; 0: not known
			 */
	/* of the ledger only: */
	__u8 via;
	__u64 since;  /* CLOCK_BOOTTIME, ns; PT_UNKNOWN */
	__u64 closed; /* the same: its connection was over; 0: it is not */
};

/* A listener whose hold ended: what it accepted may hold its port on. */
struct ledger_orphan {
	struct pt_space space;
	__u16 port;
	struct pt_owner owner;
};

/* What a filter or a statistic asks of it, as an event without a time of its own. */
struct pt_event pt_event_of_unit(const struct ledger_unit *unit);

/*
 * A dump found it, as of ts (CLOCK_BOOTTIME, ns): unless the ledger has it, a
 * hold begins (via: snapshot), or one more TIME_WAIT of a hold. Its start is not
 * known, nor are the times that depend on it. A socket that let go within the
 * second before ts is left out: its release was told before it happened.
 * Returns 0 or -ENOMEM.
 */
int ledger_found(struct ledger *ledger, const struct ledger_unit *found, __u64 ts);

/* Whether the ledger has that socket, or that TIME_WAIT, as a holder. */
bool ledger_has(struct ledger *ledger, const struct ledger_unit *unit);

/* Whether it has a hold of that socket, be it only by another TIME_WAIT of it. */
bool ledger_knows(struct ledger *ledger, const struct ledger_unit *unit);

/*
 * The next port that a dump should look at for accepted sockets, oldest first.
 * Returns false if there is none.
 */
bool ledger_next_orphan(struct ledger *ledger, struct ledger_orphan *orphan);

/* Each socket and TIME_WAIT that holds; not to be kept. */
typedef void (*ledger_unit_fn)(void *data, const struct ledger_unit *unit);
void ledger_each(struct ledger *ledger, ledger_unit_fn fn, void *data);

/* A port that somebody held at some time. */
struct ledger_port {
	struct pt_space space;
	__u16 port;
	__u32 holders;
	__u64 free_since; /* CLOCK_BOOTTIME, ns; 0: not seen becoming free */
	bool prev_known;  /* who held it last: */
	__u32 prev_pid;
	char prev_comm[PT_COMM_LEN];
};
typedef void (*ledger_port_fn)(void *data, const struct ledger_port *port);
void ledger_each_port(struct ledger *ledger, ledger_port_fn fn, void *data);

/*
 * To put the ledger right, as of ts: in doubt (as after a loss) holders and reuse
 * are unknown. ledger_found() is told what there is; what keep() does not know is
 * gone, and holds of which nothing is left end, `unknown`; then it is certain.
 */
void ledger_doubt(struct ledger *ledger);
typedef bool (*ledger_keep_fn)(void *data, const struct ledger_unit *unit);
void ledger_sweep(struct ledger *ledger, ledger_keep_fn keep, void *data, __u64 ts);
void ledger_certain(struct ledger *ledger, __u64 ts);

/*
 * The losses so far, since the start. To be told when every record that was
 * there before the losses were counted has been taken; now: CLOCK_BOOTTIME, ns.
 * Without it a loss shows with the next record, whenever that comes.
 */
void ledger_lost(struct ledger *ledger, __u64 lost, __u64 now);

struct ledger_counts {
	__u64 records;	 /* taken */
	__u64 lost;	 /* by the ring, as far as told */
	__u64 holds;	 /* now */
	__u64 repeated;	 /* told by a second witness too, and dropped */
	bool uncertain;	 /* a loss, and no resync since */
	__u64 unlooked;	 /* listeners that ended while LEDGER_ORPHANS_MAX waited */
	__u64 emptied;	 /* ports that the kernel said are empty */
	__u64 healed;	 /* holds that ended (unknown) by that, since their release was missed */
	__u64 not_empty; /* holds that ended by that, though nothing was missed: a fault */
	__u64 foreign;	 /* of sockets that hold nothing here: accepted, or older */
};

struct ledger_counts ledger_counts(const struct ledger *ledger);

#endif /* PORTTRACE_LEDGER_H */
