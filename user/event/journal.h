/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the ledger takes besides the records of the ring, as records: what a dump
 * found, what is gone, losses, and its own state. So everything that happens to a
 * ledger is one stream, which a recording keeps and a replay repeats.
 */
#ifndef PORTTRACE_EVENT_JOURNAL_H
#define PORTTRACE_EVENT_JOURNAL_H

#include "bpf/event_abi.h"

/* pt_rec_head.kind, beside enum pt_kind. All are struct pt_rec_journal. */
enum pt_journal_kind {
	PT_JR_FIRST = 32,
	PT_JR_LOST = PT_JR_FIRST, /* numbers: count, from (CLOCK_BOOTTIME, ns); ts: until */
	PT_JR_FOUND,		  /* a socket or TIME_WAIT that a dump found, as of ts; numbers: its
				   * TIME_WAIT's until (CLOCK_BOOTTIME, ns; 0: not known) */
	PT_JR_GONE,		  /* one that a dump lacks: for the SWEEP that follows */
	PT_JR_SWEEP,		  /* ts; those told gone before go */
	PT_JR_DOUBT,		  /* holders and reuse are unknown from here on */
	PT_JR_CERTAIN,		  /* ts; until here */
	PT_JR_END,		  /* the socket let go of the port some time before, unseen */
	/* A keyframe: a STATE, and all that a ledger has. */
	PT_JR_STATE,   /* numbers: enum pt_state_number; empties the ledger */
	PT_JR_PORT,    /* ts: free since (0: not seen); task: who held it last; numbers: taker */
	PT_JR_HOLD,    /* ts: since; numbers: open until (0: still) */
	PT_JR_HOLD_TW, /* a TIME_WAIT of the HOLD before it: tuple, tw; numbers: until, as of FOUND
			*/
	/* Not of a keyframe: somebody recorded until ts, and nothing else happened. */
	PT_JR_ALIVE,
	PT_JR_KINDS,
};

enum pt_state_number {
	PT_STATE_RECORDS,
	PT_STATE_LOST,
	PT_STATE_LAST_RECORD_TS,
	PT_STATE_LAST_EVENT_TS,
	PT_STATE_CERTAIN_SINCE,
};

#define PT_JR_NUMBERS 6

/* pt_rec_head.flags of these kinds */
enum pt_journal_flag {
	PT_J_OWNER = 1 << 0,	  /* FOUND, GONE, HOLD, PORT: task is known */
	PT_J_KTHREAD = 1 << 1,	  /* it is a kernel thread */
	PT_J_LISTENING = 1 << 2,  /* FOUND, GONE */
	PT_J_TIME_WAIT = 1 << 3,  /* FOUND, GONE: the TIME_WAIT, not the socket */
	PT_J_FIN_WAIT2 = 1 << 4,  /* FOUND, GONE */
	PT_J_ACCEPTED = 1 << 5,	  /* FOUND, GONE */
	PT_J_SOCK_OPEN = 1 << 6,  /* HOLD: the socket itself still holds */
	PT_J_CONNECTED = 1 << 7,  /* HOLD */
	PT_J_LISTENED = 1 << 8,	  /* HOLD */
	PT_J_LAST = 1 << 9,	  /* HOLD: the last port that the socket was seen to get */
	PT_J_NO_START = 1 << 10,  /* HOLD: since is not known */
	PT_J_UNCERTAIN = 1 << 11, /* STATE */
};

/* What a kind does not use is 0. */
struct pt_rec_journal {
	struct pt_rec_head head;
	struct pt_tuple tuple; /* FOUND, GONE, HOLD, HOLD_TW */
	struct pt_task task;   /* PT_J_OWNER */
	__u64 tw; /* FOUND, GONE, HOLD_TW: address of the TIME_WAIT sock; 0: not known */
	__u64 numbers[PT_JR_NUMBERS];
	__u8 via; /* HOLD: enum pt_via */
	__u8 reserved[7];
};

_Static_assert(sizeof(struct pt_rec_journal) == 216, "pt_rec_journal: 216 bytes");

#endif /* PORTTRACE_EVENT_JOURNAL_H */
