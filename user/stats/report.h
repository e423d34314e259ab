/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A span of time in numbers: all in all, and by port, process, remote or cgroup;
 * and minute by minute. From the events of the ledger, in their order.
 *
 * A hold counts, from its beginning to its end, in the row where it began, whatever
 * its events say later. One thing is learned later: where a socket connects to that
 * was bound before. By remote, such a hold counts in the row without a remote until
 * time_wait or free tells; then it moves to its remote's row, with its allocation,
 * but not its reuse time. Holds without a cookie (Linux 5.10) count in the rows
 * that their events name.
 */
#ifndef PORTTRACE_STATS_REPORT_H
#define PORTTRACE_STATS_REPORT_H

#include "user/base/index.h"
#include "user/event/event.h"
#include "user/ledger/ledger.h"
#include "user/stats/held.h"
#include "user/stats/histogram.h"
#include "user/stats/minutes.h"

/* More rows than this are summed up in one, "others". */
#define REPORT_ROWS_MAX 65536

/* Losses that lie a second apart or less are one; of so many the times are kept. */
#define REPORT_LOSSES_MAX 256

#define REPORT_RECENT 65536

enum report_by {
	REPORT_BY_PORT,
	REPORT_BY_PROCESS,
	REPORT_BY_REMOTE,
	REPORT_BY_CGROUP,
	REPORT_BYS,
};

/* What a refused program got. */
enum report_error {
	REPORT_EADDRNOTAVAIL, /* every port of the range is taken, for that remote */
	REPORT_EADDRINUSE,
	REPORT_EAGAIN,	    /* UDP: every port of the range is taken */
	REPORT_OTHER_ERROR, /* or not known */
	REPORT_ERRORS,
};

/* In the order of how often they are touched: rows are many, and not in the CPU's cache. */
struct report_count {
	__u64 held_now;	     /* at the end of the span */
	__u64 time_wait_now; /* of these, in TIME_WAIT */
	__u64 held_max;	     /* most held at once */
	/* Of these, in TIME_WAIT; the most of them, if so many were held several times. */
	__u64 held_max_time_wait;
	__u64 held_max_at; /* CLOCK_REALTIME, ns: first so; no meaning if held_max is 0 */
	__u64 allocs;	   /* found holds (snapshot, accept) are held, but not allocated */
	__u64 frees;
	__u64 fails;
	struct histogram held;	/* ns; of the holds that ended and of which the start is known */
	struct histogram reuse; /* ns; of allocations of a port that was seen becoming free */
	/* Of those in held whose open time is known: how long held, and in TIME_WAIT; ns. */
	histogram_sum ended_ns;
	histogram_sum time_wait_ns;
	__u64 errors[REPORT_ERRORS]; /* of the fails */
	bool noted;		     /* private: held_max knows of held_now */
} __attribute__((aligned(64)));

/* What the rows are by. */
union report_key {
	struct {
		struct pt_space space;
		__u16 port; /* 0: refusals of any port of the space */
	};
	struct {
		__u8 raddr[16];
		__u16 rport; /* 0: no remote */
	};
	struct pt_owner owner; /* as first seen; known may be false */
	char *cgroup;	       /* path; NULL: not known */
};

struct report_row {
	union report_key key;
	struct report_count count;
};

/* Events of that time are missing; CLOCK_REALTIME, ns. */
struct report_loss {
	__u64 from, to;
	__u64 count; /* PT_UNKNOWN: of some of them nobody knows how many */
};

struct report_options {
	enum report_by by;
	/* From since until before until: CLOCK_REALTIME, ns. 0 and ~0: all. */
	__u64 since, until;
	/* As in sink.h; ids are used again, so rows go by path. Only asked by cgroup. */
	const char *(*cgroup_path)(void *data, __u64 id);
	void *cgroup_data;
};

/* Rows in the order of their first event. Read all but the private fields freely. */
struct report {
	struct report_options options;
	/* The span: from since, or the first event, to what report_end() was told. */
	__u64 begin, end;
	struct report_count all;
	struct report_row *rows;
	__u32 rows_count;
	struct report_count others;
	bool has_others; /* something was counted there */
	struct minutes minutes;
	struct report_loss losses[REPORT_LOSSES_MAX];
	__u32 losses_count; /* the last one may stand for several */
	__u64 lost;	    /* of all losses, as far as known */
	bool lost_unknown;  /* of some nobody knows how many */
	/* private */
	bool begun;
	__u32 rows_size;
	__u64 wall;		     /* of the last event inside */
	struct minute *minute;	     /* of the event */
	__u32 recent[REPORT_RECENT]; /* rows found lately */
	struct index index;
	struct held held;
};

/* The word of the command line and back: -ENOENT for a word that is none. */
const char *report_by_name(enum report_by by);
int report_by_from_name(const char *name);

/* Returns NULL if there is no memory. The caller calls report_free(). */
struct report *report_new(const struct report_options *options);
void report_free(struct report *report);

/*
 * Something is held as the span begins (or after report_forget()): to be told for
 * what ledger_each() gives. Several units of one socket are one hold, in TIME_WAIT
 * if all are.
 * Returns 0 or -ENOMEM.
 */
int report_hold(struct report *report, const struct ledger_unit *unit);

/* All holds are forgotten: the ledger begins anew, at another run of the recorder. */
void report_forget(struct report *report);

/*
 * Counts one event. Before the span it tells only what is held; behind it, nothing.
 * Returns 0 or -ENOMEM.
 */
int report_event(struct report *report, const struct pt_event *ev);

/*
 * The recording is read until wall (CLOCK_REALTIME, ns). To be told once, before the
 * report is looked at: the histograms and sums of all are made here. Returns 0 or -ENOMEM.
 */
int report_end(struct report *report, __u64 wall);

#endif /* PORTTRACE_STATS_REPORT_H */
