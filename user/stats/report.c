// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/stats/key.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define FIRST_ROWS 64
#define ALIGN _Alignof(struct report_row)
#define OTHERS INDEX_NONE
#define LOSS_APART_NS 1000000000ULL

static const char *const by_names[] = {
	[REPORT_BY_PORT] = "port",
	[REPORT_BY_PROCESS] = "process",
	[REPORT_BY_REMOTE] = "remote",
	[REPORT_BY_CGROUP] = "cgroup",
};

_Static_assert(ARRAY_SIZE(by_names) == REPORT_BYS, "a name for each by");

const char *report_by_name(enum report_by by)
{
	return by_names[by];
}

int report_by_from_name(const char *name)
{
	for (int by = 0; by < REPORT_BYS; by++)
		if (!strcmp(by_names[by], name))
			return by;
	return -ENOENT;
}

struct report *report_new(const struct report_options *options)
{
	struct report *report = aligned_alloc(ALIGN, sizeof(*report));

	if (!report)
		return NULL;
	memset(report, 0, sizeof(*report));
	report->options = *options;
	return report;
}

static void count_drop(struct report_count *count)
{
	histogram_free(&count->held);
	histogram_free(&count->reuse);
}

static void row_drop(const struct report *report, struct report_row *row)
{
	count_drop(&row->count);
	if (report->options.by == REPORT_BY_CGROUP)
		free(row->key.cgroup);
}

void report_free(struct report *report)
{
	if (!report)
		return;
	for (__u32 i = 0; i < report->rows_count; i++)
		row_drop(report, &report->rows[i]);
	count_drop(&report->all);
	count_drop(&report->others);
	free(report->rows);
	minutes_free(&report->minutes);
	index_free(&report->index);
	held_free(&report->held);
	free(report);
}

/* ---- which row --------------------------------------------------------------- */

/* What an event, or a unit of the ledger, is about. */
struct subject {
	const struct pt_space *space;
	const struct pt_owner *owner;
	const __u8 *raddr;
	const char *cgroup; /* set by row_find(); NULL: not known */
	__u16 port;
	__u16 rport;
	__u64 sock; /* 0: not known */
};

static const char *cgroup_of(const struct report *report, const struct pt_owner *owner)
{
	const struct report_options *options = &report->options;

	if (!options->cgroup_path || !owner->known || !owner->cgroup)
		return NULL;
	return options->cgroup_path(options->cgroup_data, owner->cgroup);
}

static struct subject subject_of_event(const struct pt_event *ev)
{
	return (struct subject){ .space = &ev->space,
				 .owner = &ev->owner,
				 .raddr = ev->raddr,
				 .port = ev->port,
				 .rport = ev->rport,
				 .sock = ev->sock };
}

static struct subject subject_of_unit(const struct ledger_unit *unit)
{
	return (struct subject){ .space = &unit->space,
				 .owner = &unit->owner,
				 .raddr = unit->tuple.raddr,
				 .port = unit->port,
				 .rport = pt_addr_is_any(unit->tuple.raddr) ? 0 : unit->tuple.rport,
				 .sock = pt_space_has_cookies(&unit->space) ? unit->sock : 0 };
}

static bool cgroup_is_equal(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool row_matches(const void *entries, __u32 entry, const void *key)
{
	const struct report *report = entries;
	const union report_key *row = &report->rows[entry].key;
	const struct subject *subject = key;

	switch (report->options.by) {
	case REPORT_BY_PORT:
		return row->port == subject->port &&
		       key_space_is_equal(&row->space, subject->space);
	case REPORT_BY_PROCESS:
		return key_process_is_equal(&row->owner, subject->owner);
	case REPORT_BY_REMOTE:
		return key_remote_is_equal(row->raddr, row->rport, subject->raddr, subject->rport);
	default:
		return cgroup_is_equal(row->cgroup, subject->cgroup);
	}
}

static __u32 row_hash(const struct report *report, const struct subject *subject)
{
	switch (report->options.by) {
	case REPORT_BY_PORT:
		return key_port_hash(subject->space, subject->port);
	case REPORT_BY_PROCESS:
		return key_process_hash(subject->owner);
	case REPORT_BY_REMOTE:
		return key_remote_hash(subject->raddr, subject->rport);
	default:
		return index_hash_text(subject->cgroup);
	}
}

/* Where in recent[] its row may be: cheaper than a hash, a cgroup's path above all. */
static __u32 *recent_row(struct report *report, const struct subject *subject)
{
	__u32 number = subject->port;

	if (report->options.by == REPORT_BY_PROCESS)
		number = subject->owner->pid;
	else if (report->options.by == REPORT_BY_REMOTE)
		number = subject->rport ^ subject->raddr[15] ^ subject->raddr[14] << 8;
	else if (report->options.by == REPORT_BY_CGROUP)
		number = (__u32)subject->owner->cgroup;
	return &report->recent[number % REPORT_RECENT];
}

static int row_set_key(struct report *report, union report_key *key, const struct subject *subject)
{
	switch (report->options.by) {
	case REPORT_BY_PORT:
		key->space = *subject->space;
		key->port = subject->port;
		return 0;
	case REPORT_BY_PROCESS:
		key->owner = *subject->owner;
		return 0;
	case REPORT_BY_REMOTE:
		key->rport = subject->rport;
		if (key->rport)
			memcpy(key->raddr, subject->raddr, sizeof(key->raddr));
		return 0;
	default:
		key->cgroup = subject->cgroup ? strdup(subject->cgroup) : NULL;
		return subject->cgroup && !key->cgroup ? -ENOMEM : 0;
	}
}

static int rows_make_room(struct report *report)
{
	__u32 size = report->rows_size ? report->rows_size * 2 : FIRST_ROWS;
	struct report_row *rows;

	if (report->rows_count < report->rows_size)
		return 0;
	rows = aligned_alloc(ALIGN, size * sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	if (report->rows_count)
		memcpy(rows, report->rows, report->rows_count * sizeof(*rows));
	free(report->rows);
	report->rows = rows;
	report->rows_size = size;
	return 0;
}

static int row_add(struct report *report, const struct subject *subject, __u32 hash)
{
	struct report_row *row;
	int err = rows_make_room(report);

	if (err)
		return err;
	row = &report->rows[report->rows_count];
	*row = (struct report_row){ 0 };
	err = row_set_key(report, &row->key, subject);
	if (err)
		return err;
	err = index_add(&report->index, hash, report->rows_count);
	if (err) {
		row_drop(report, row);
		return err;
	}
	report->rows_count++;
	return 0;
}

/* The subject's row, made if it is new and there is room; OTHERS if there is none. */
static int row_find(struct report *report, struct subject *subject, __u32 *row)
{
	__u32 *recent = recent_row(report, subject), hash;
	int err;

	if (report->options.by == REPORT_BY_CGROUP)
		subject->cgroup = cgroup_of(report, subject->owner);
	*row = *recent;
	if (*row < report->rows_count && row_matches(report, *row, subject))
		return 0;
	hash = row_hash(report, subject);
	*row = index_find(&report->index, hash, row_matches, report, subject);
	if (*row == INDEX_NONE && report->rows_count == REPORT_ROWS_MAX) {
		report->has_others = true;
		return 0;
	}
	if (*row == INDEX_NONE) {
		*row = report->rows_count;
		err = row_add(report, subject, hash);
		if (err)
			return err;
	}
	*recent = *row;
	return 0;
}

static struct report_count *row_count(struct report *report, __u32 row)
{
	return row == OTHERS ? &report->others : &report->rows[row].count;
}

/* ---- what is held ------------------------------------------------------------ */

static void note_most(struct report_count *count, __u64 wall)
{
	if (count->held_now > count->held_max) {
		count->held_max = count->held_now;
		count->held_max_at = wall;
		count->held_max_time_wait = count->time_wait_now;
	} else if (count->held_now == count->held_max &&
		   count->time_wait_now > count->held_max_time_wait) {
		count->held_max_at = wall;
		count->held_max_time_wait = count->time_wait_now;
	}
}

/* A change of what is held, and where it counts. */
struct change {
	__s64 held;
	__s64 time_wait;
	bool inside; /* of the span */
	__u64 wall;
};

/* Not below none: of a hold without a cookie the beginning may not have been told. */
static void add_to(__u64 *number, __s64 change)
{
	*number = change < 0 && (__u64)-change > *number ? 0 : *number + (__u64)change;
}

/* What was held before counts too: it may have been more, and only be told by this event. */
static void change_count(const struct report *report, struct report_count *count,
			 const struct change *change)
{
	if (change->inside && !count->noted)
		note_most(count, report->wall);
	count->noted = change->inside;
	add_to(&count->held_now, change->held);
	add_to(&count->time_wait_now, change->time_wait);
	if (count->time_wait_now > count->held_now)
		count->time_wait_now = count->held_now;
	if (change->inside)
		note_most(count, change->wall);
}

static void change_row(struct report *report, __u32 row, const struct change *change)
{
	change_count(report, row_count(report, row), change);
	change_count(report, &report->all, change);
}

static int hold_begin(struct report *report, const struct subject *subject, __u32 row,
		      bool time_wait, bool counted)
{
	const struct held_hold hold = { .sock = subject->sock,
					.netns_cookie = subject->space->netns_cookie,
					.row = row,
					.port = subject->port,
					.proto = subject->space->proto,
					.time_wait = time_wait,
					.counted = counted };

	return subject->sock ? held_add(&report->held, &hold) : 0;
}

static struct held_hold *hold_of(const struct report *report, const struct subject *subject)
{
	if (!subject->sock)
		return NULL;
	return held_find(&report->held, subject->space, subject->port, subject->sock);
}

/* A unit of a hold that is known already: the socket beside its TIME_WAIT. */
static void hold_again(struct report *report, struct held_hold *hold,
		       const struct ledger_unit *unit)
{
	const struct change change = { .time_wait = -1 };

	if (!hold->time_wait || unit->time_wait)
		return;
	hold->time_wait = false;
	change_row(report, hold->row, &change);
}

int report_hold(struct report *report, const struct ledger_unit *unit)
{
	struct subject subject = subject_of_unit(unit);
	const struct change change = { .held = 1,
				       .time_wait = unit->time_wait,
				       .inside = report->begun,
				       .wall = report->wall };
	struct held_hold *known = hold_of(report, &subject);
	__u32 row;
	int err;

	if (known) {
		hold_again(report, known, unit);
		return 0;
	}
	err = row_find(report, &subject, &row);
	if (!err)
		err = hold_begin(report, &subject, row, unit->time_wait, false);
	if (!err)
		change_row(report, row, &change);
	return err;
}

static void forget(struct report_count *count)
{
	count->held_now = 0;
	count->time_wait_now = 0;
}

void report_forget(struct report *report)
{
	for (__u32 i = 0; i < report->rows_count; i++)
		forget(&report->rows[i].count);
	forget(&report->others);
	forget(&report->all);
	held_free(&report->held);
}

/* ---- events ------------------------------------------------------------------ */

static int count_alloc(struct report *report, struct report_count *count, const struct pt_event *ev)
{
	count->allocs++;
	report->all.allocs++;
	report->minute->allocs++;
	if (ev->reuse != PT_REUSE_CLEAN || ev->reuse_ns == PT_UNKNOWN)
		return 0;
	return histogram_add(&count->reuse, ev->reuse_ns);
}

static int on_alloc(struct report *report, const struct pt_event *ev, struct subject *subject,
		    struct change change)
{
	/* found, not made: it is held, but was not allocated in this span */
	bool counted = change.inside && !pt_via_is_found(ev->via);
	struct held_hold *stale = hold_of(report, subject);
	__u32 row;
	int err = row_find(report, subject, &row);

	if (err)
		return err;
	/* its end was not told, be it that a recording has a gap */
	if (stale) {
		change_row(report, stale->row,
			   &(struct change){ .held = -1, .time_wait = -stale->time_wait });
		held_remove(&report->held, stale);
	}
	err = hold_begin(report, subject, row, false, counted);
	if (err)
		return err;
	change.held = 1;
	change_row(report, row, &change);
	return counted ? count_alloc(report, row_count(report, row), ev) : 0;
}

/* A hold that was bound before it connected: now its remote is known. */
static int learn_remote(struct report *report, struct held_hold *hold, struct subject *subject,
			struct change change)
{
	__u32 row;
	int err;

	if (report->options.by != REPORT_BY_REMOTE || !subject->rport || hold->row == OTHERS ||
	    report->rows[hold->row].key.rport)
		return 0;
	err = row_find(report, subject, &row);
	if (err)
		return err;
	change.held = -1;
	change.time_wait = -hold->time_wait;
	change_count(report, row_count(report, hold->row), &change);
	row_count(report, hold->row)->allocs -= hold->counted;
	change.held = 1;
	change.time_wait = hold->time_wait;
	change_count(report, row_count(report, row), &change);
	row_count(report, row)->allocs += hold->counted;
	hold->row = row;
	return 0;
}

static int on_time_wait(struct report *report, struct subject *subject, struct change change)
{
	struct held_hold *hold = hold_of(report, subject);
	__u32 row;
	int err;

	/* a hold that was never told is not in what is held */
	if (!hold && subject->sock)
		return 0;
	err = hold ? learn_remote(report, hold, subject, change) : row_find(report, subject, &row);
	if (err || (hold && hold->time_wait))
		return err;
	if (hold) {
		hold->time_wait = true;
		row = hold->row;
	}
	change.time_wait = 1;
	change_row(report, row, &change);
	return 0;
}

static int count_free(struct report_count *count, const struct pt_event *ev)
{
	count->frees++;
	if (ev->held_ns == PT_UNKNOWN)
		return 0;
	if (ev->open_ns <= ev->held_ns) {
		count->ended_ns += ev->held_ns;
		count->time_wait_ns += ev->held_ns - ev->open_ns;
	}
	return histogram_add(&count->held, ev->held_ns);
}

static bool ended_in_time_wait(const struct pt_event *ev)
{
	return ev->end == PT_END_EXPIRED || ev->end == PT_END_REUSED || ev->end == PT_END_CUT;
}

/* The hold's row, and what is held without it; of one that is not known, the event's own. */
static int hold_end(struct report *report, const struct pt_event *ev, struct subject *subject,
		    struct change *change, __u32 *row)
{
	struct held_hold *hold = hold_of(report, subject);
	int err;

	if (!hold) {
		change->held = subject->sock ? 0 : -1;
		change->time_wait = subject->sock ? 0 : -ended_in_time_wait(ev);
		return row_find(report, subject, row);
	}
	err = learn_remote(report, hold, subject, *change);
	if (err)
		return err;
	change->held = -1;
	change->time_wait = -hold->time_wait;
	*row = hold->row;
	held_remove(&report->held, hold);
	return 0;
}

static int on_free(struct report *report, const struct pt_event *ev, struct subject *subject,
		   struct change change)
{
	__u32 row;
	int err = hold_end(report, ev, subject, &change, &row);

	if (err)
		return err;
	change_row(report, row, &change);
	if (!change.inside)
		return 0;
	report->minute->frees++;
	report->all.frees++;
	return count_free(row_count(report, row), ev);
}

static enum report_error error_of(int error)
{
	switch (error) {
	case EADDRNOTAVAIL:
		return REPORT_EADDRNOTAVAIL;
	case EADDRINUSE:
		return REPORT_EADDRINUSE;
	case EAGAIN:
		return REPORT_EAGAIN;
	default:
		return REPORT_OTHER_ERROR;
	}
}

static void count_fail(struct report_count *count, const struct pt_event *ev)
{
	count->fails++;
	count->errors[error_of(ev->error)]++;
}

static int on_fail(struct report *report, const struct pt_event *ev, struct subject *subject,
		   bool inside)
{
	__u32 row;
	int err;

	if (!inside)
		return 0;
	err = row_find(report, subject, &row);
	if (err)
		return err;
	count_fail(row_count(report, row), ev);
	count_fail(&report->all, ev);
	report->minute->fails++;
	return 0;
}

static void add_loss(struct report *report, const struct report_loss *loss)
{
	__u32 count = report->losses_count;
	struct report_loss *last = &report->losses[count ? count - 1 : 0];

	if (!count || (count < REPORT_LOSSES_MAX && loss->from > last->to + LOSS_APART_NS)) {
		report->losses[report->losses_count++] = *loss;
		return;
	}
	if (loss->to > last->to)
		last->to = loss->to;
	if (loss->count == PT_UNKNOWN || last->count == PT_UNKNOWN)
		last->count = PT_UNKNOWN;
	else
		last->count += loss->count;
}

/* That of a gap in a recording tells no count. */
static void on_lost(struct report *report, const struct pt_event *ev)
{
	/* from 0: not known */
	struct report_loss loss = { .from = (ev->lost_from ?: ev->lost_to) + ev->realtime_offset,
				    .to = ev->lost_to + ev->realtime_offset,
				    .count = ev->lost_count ?: PT_UNKNOWN };

	if (loss.to < report->options.since || loss.from >= report->options.until)
		return;
	if (loss.count == PT_UNKNOWN)
		report->lost_unknown = true;
	else
		report->lost += loss.count;
	add_loss(report, &loss);
}

/* The first moment of the span that is known. */
static void begin(struct report *report, __u64 wall)
{
	if (report->begun)
		return;
	report->begun = true;
	report->begin = report->options.since ?: wall;
	report->wall = report->begin;
}

static int dispatch(struct report *report, const struct pt_event *ev, struct change change)
{
	struct subject subject = subject_of_event(ev);

	switch (ev->type) {
	case PT_EV_ALLOC:
		return on_alloc(report, ev, &subject, change);
	case PT_EV_TIME_WAIT:
		return on_time_wait(report, &subject, change);
	case PT_EV_FREE:
		return on_free(report, ev, &subject, change);
	default:
		return on_fail(report, ev, &subject, change.inside);
	}
}

int report_event(struct report *report, const struct pt_event *ev)
{
	struct change change = { .wall = ev->ts + ev->realtime_offset };
	int err;

	if (ev->type == PT_EV_LOST) {
		on_lost(report, ev);
		return 0;
	}
	if (change.wall >= report->options.until)
		return 0;
	change.inside = change.wall >= report->options.since;
	if (!change.inside)
		return dispatch(report, ev, change);
	begin(report, change.wall);
	report->minute = minutes_enter(&report->minutes, change.wall, report->all.held_now);
	if (!report->minute)
		return -ENOMEM;
	err = dispatch(report, ev, change);
	minute_hold(report->minute, report->all.held_now);
	report->wall = change.wall;
	return err;
}

/* A row's, into those of all: each event counts once. */
static int sum_up(struct report_count *all, const struct report_count *count)
{
	all->ended_ns += count->ended_ns;
	all->time_wait_ns += count->time_wait_ns;
	return histogram_merge(&all->held, &count->held)
		       ?: histogram_merge(&all->reuse, &count->reuse);
}

int report_end(struct report *report, __u64 wall)
{
	int err = sum_up(&report->all, &report->others);

	if (wall > report->options.until)
		wall = report->options.until;
	begin(report, wall);
	report->end = wall > report->begin ? wall : report->begin;
	/* what was held all the time, and had no event inside */
	for (__u32 i = 0; i < report->rows_count && !err; i++) {
		note_most(&report->rows[i].count, report->begin);
		err = sum_up(&report->all, &report->rows[i].count);
	}
	note_most(&report->others, report->begin);
	note_most(&report->all, report->begin);
	return err;
}
