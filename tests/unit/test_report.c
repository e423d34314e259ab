// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

#include "user/stats/report.h"

#define SECOND 1000000000ULL
/* 2026-11-21T14:02:00Z, where an event of ts 0 is */
#define BASE 1795269720000000000ULL

/* ---- events ------------------------------------------------------------------ */

static struct pt_event event(enum pt_event_type type, __u16 port, __u64 sock)
{
	return (struct pt_event){ .type = type,
				  .realtime_offset = BASE,
				  .space = { .netns_cookie = 1, .netns = 2, .proto = IPPROTO_TCP },
				  .family = AF_INET,
				  .port = port,
				  .sock = sock,
				  .via = PT_VIA_CONNECT,
				  .owner = { .known = true, .pid = 7, .comm = "curl", .cgroup = 3 },
				  .open_ns = PT_UNKNOWN,
				  .held_ns = PT_UNKNOWN,
				  .reuse_ns = PT_UNKNOWN };
}

static void set_remote(struct pt_event *ev, __u8 host)
{
	memcpy(ev->raddr, (__u8[16]){ [10] = 0xff, 0xff, 10, 0, 0, host }, 16);
	ev->rport = 443;
}

static struct report *report_of(enum report_by by)
{
	const struct report_options options = { .by = by, .until = ~0ULL };
	struct report *report = report_new(&options);

	assert_non_null(report);
	return report;
}

static void tell(struct report *report, const struct pt_event *ev)
{
	assert_int_equal(report_event(report, ev), 0);
}

static void tell_type(struct report *report, enum pt_event_type type, __u16 port, __u64 sock)
{
	struct pt_event ev = event(type, port, sock);

	tell(report, &ev);
}

static void tell_held(struct report *report, struct ledger_unit unit)
{
	assert_int_equal(report_hold(report, &unit), 0);
}

static struct ledger_unit unit(__u16 port, __u64 sock, bool time_wait)
{
	const struct pt_event ev = event(PT_EV_ALLOC, port, sock);

	return (struct ledger_unit){ .space = ev.space,
				     .port = port,
				     .sock = sock,
				     .owner = ev.owner,
				     .time_wait = time_wait };
}

/* ---- against brute force ----------------------------------------------------- */

#define LABEL 64
#define ROWS 512
#define HOLDS 60
#define STEPS 6000
#define MINUTES 600

struct wanted {
	char label[LABEL];
	__u64 allocs, frees, fails, held, time_wait, held_max, held_max_time_wait;
	__u64 ended_ns, time_wait_ns;
	__u64 values[STEPS];
	size_t values_count;
};

struct wanted_minute {
	__u64 allocs, frees, fails, held_max, held_end;
	bool entered;
};

struct walk_hold {
	struct pt_event ev; /* its alloc */
	__u64 open_ns;
	bool there, time_wait, counted, late_remote;
	struct wanted *row;
};

struct walk {
	enum report_by by;
	struct report *report;
	struct wanted rows[ROWS];
	size_t rows_count;
	struct wanted all;
	struct wanted_minute minutes[MINUTES];
	struct walk_hold holds[HOLDS];
	__u64 now, since, until, sock;
	__u64 cgroup_epoch; /* ids are used again by another path */
};

static const char *path_of(void *data, __u64 id)
{
	static char path[32];
	const struct walk *walk = data;

	if (id == 4)
		return NULL;
	snprintf(path, sizeof(path), "/%llu.%llu", id, walk->cgroup_epoch);
	return path;
}

static void label_of_key(enum report_by by, const union report_key *key, char label[LABEL])
{
	if (by == REPORT_BY_PORT)
		snprintf(label, LABEL, "%u.%u.%u", key->space.netns, key->space.proto, key->port);
	else if (by == REPORT_BY_PROCESS)
		snprintf(label, LABEL, "%u", key->owner.known ? key->owner.pid : 0);
	else if (by == REPORT_BY_REMOTE)
		snprintf(label, LABEL, "%u:%u", key->raddr[15], key->rport);
	else
		snprintf(label, LABEL, "%s", key->cgroup ?: "?");
}

static void label_of_event(struct walk *walk, const struct pt_event *ev, char label[LABEL])
{
	union report_key key = { 0 };

	if (walk->by == REPORT_BY_PORT) {
		key.space = ev->space;
		key.port = ev->port;
	} else if (walk->by == REPORT_BY_PROCESS) {
		key.owner = ev->owner;
	} else if (walk->by == REPORT_BY_REMOTE) {
		memcpy(key.raddr, ev->raddr, 16);
		key.rport = ev->rport;
	} else {
		key.cgroup = ev->owner.known ? (char *)path_of(walk, ev->owner.cgroup) : NULL;
	}
	label_of_key(walk->by, &key, label);
}

static struct wanted *row_of(struct walk *walk, const struct pt_event *ev)
{
	char label[LABEL];
	size_t i = 0;

	label_of_event(walk, ev, label);
	while (i < walk->rows_count && strcmp(walk->rows[i].label, label))
		i++;
	if (i == walk->rows_count) {
		assert_true(i < ROWS);
		strcpy(walk->rows[walk->rows_count++].label, label);
	}
	return &walk->rows[i];
}

static bool is_inside(const struct walk *walk)
{
	return BASE + walk->now >= walk->since && BASE + walk->now < walk->until;
}

static void note_row(struct wanted *row)
{
	if (row->held > row->held_max) {
		row->held_max = row->held;
		row->held_max_time_wait = 0;
	}
	if (row->held == row->held_max && row->time_wait > row->held_max_time_wait)
		row->held_max_time_wait = row->time_wait;
}

static void note_all(struct walk *walk)
{
	if (!is_inside(walk))
		return;
	for (size_t i = 0; i < walk->rows_count; i++)
		note_row(&walk->rows[i]);
	note_row(&walk->all);
}

static struct wanted_minute *minute_of(struct walk *walk)
{
	struct wanted_minute *minute = &walk->minutes[walk->now / MINUTE_NS];

	assert_true(walk->now / MINUTE_NS < MINUTES);
	if (!minute->entered)
		minute->held_max = walk->all.held;
	minute->entered = true;
	return minute;
}

static void walk_alloc(struct walk *walk, struct walk_hold *hold)
{
	struct pt_event ev = event(PT_EV_ALLOC, (__u16)(1000 + random() % 20), ++walk->sock);

	ev.ts = walk->now;
	ev.space.netns = 2 + random() % 2;
	ev.space.netns_cookie = ev.space.netns;
	ev.owner.pid = 1 + random() % 5;
	ev.owner.known = ev.owner.pid != 5;
	ev.owner.cgroup = 1 + random() % 5;
	ev.via = random() % 5 ? PT_VIA_CONNECT : PT_VIA_SNAPSHOT;
	*hold = (struct walk_hold){ .there = true, .late_remote = random() % 2 };
	if (!hold->late_remote)
		set_remote(&ev, (__u8)(random() % 4));
	hold->ev = ev;
	hold->counted = is_inside(walk) && ev.via != PT_VIA_SNAPSHOT;
	hold->row = row_of(walk, &ev);
	if (is_inside(walk)) {
		hold->row->allocs += hold->counted;
		walk->all.allocs += hold->counted;
		minute_of(walk)->allocs += hold->counted;
	}
	hold->row->held++;
	walk->all.held++;
	tell(walk->report, &ev);
}

/* The event tells where a bound socket went. */
static void walk_learn(struct walk *walk, struct walk_hold *hold, struct pt_event *ev)
{
	struct wanted *row;

	if (hold->late_remote && random() % 2) {
		hold->late_remote = false;
		set_remote(&hold->ev, (__u8)(random() % 4));
	}
	memcpy(ev->raddr, hold->ev.raddr, 16);
	ev->rport = hold->ev.rport;
	if (walk->by != REPORT_BY_REMOTE)
		return;
	row = row_of(walk, ev);
	hold->row->held--;
	hold->row->time_wait -= hold->time_wait;
	hold->row->allocs -= hold->counted;
	row->held++;
	row->time_wait += hold->time_wait;
	row->allocs += hold->counted;
	hold->row = row;
	note_all(walk);
}

static void walk_time_wait(struct walk *walk, struct walk_hold *hold)
{
	struct pt_event ev = hold->ev;

	ev.type = PT_EV_TIME_WAIT;
	ev.ts = walk->now;
	if (is_inside(walk))
		minute_of(walk);
	walk_learn(walk, hold, &ev);
	hold->row->time_wait += !hold->time_wait;
	walk->all.time_wait += !hold->time_wait;
	hold->open_ns = walk->now - hold->ev.ts;
	hold->time_wait = true;
	tell(walk->report, &ev);
}

static void want_free(struct wanted *row, const struct pt_event *ev)
{
	row->frees++;
	if (ev->held_ns == PT_UNKNOWN)
		return;
	row->values[row->values_count++] = ev->held_ns;
	if (ev->open_ns == PT_UNKNOWN)
		return;
	row->ended_ns += ev->held_ns;
	row->time_wait_ns += ev->held_ns - ev->open_ns;
}

static void walk_free(struct walk *walk, struct walk_hold *hold)
{
	struct pt_event ev = hold->ev;

	ev.type = PT_EV_FREE;
	ev.ts = walk->now;
	if (random() % 8) {
		ev.held_ns = walk->now - hold->ev.ts;
		ev.open_ns = hold->time_wait ? hold->open_ns : ev.held_ns;
		if (random() % 4 == 0)
			ev.open_ns = PT_UNKNOWN;
	}
	if (is_inside(walk))
		minute_of(walk)->frees++;
	walk_learn(walk, hold, &ev);
	hold->there = false;
	hold->row->held--;
	walk->all.held--;
	hold->row->time_wait -= hold->time_wait;
	walk->all.time_wait -= hold->time_wait;
	if (is_inside(walk)) {
		want_free(hold->row, &ev);
		want_free(&walk->all, &ev);
	}
	tell(walk->report, &ev);
}

static void walk_fail(struct walk *walk)
{
	struct pt_event ev = event(PT_EV_FAIL, 0, ++walk->sock);

	ev.ts = walk->now;
	ev.error = EADDRNOTAVAIL;
	set_remote(&ev, (__u8)(random() % 4));
	if (is_inside(walk)) {
		row_of(walk, &ev)->fails++;
		walk->all.fails++;
		minute_of(walk)->fails++;
	}
	tell(walk->report, &ev);
}

static void walk_step(struct walk *walk)
{
	struct walk_hold *hold = &walk->holds[random() % HOLDS];

	/* now and then nothing happens for minutes */
	walk->now += (__u64)random() % SECOND * (random() % 500 ? 1 : 200);
	walk->cgroup_epoch += random() % 1000 == 0;
	/* what is held as the span begins, too */
	note_all(walk);
	if (BASE + walk->now >= walk->until)
		return;
	if (random() % 10 == 0)
		walk_fail(walk);
	else if (!hold->there)
		walk_alloc(walk, hold);
	else if (random() % 3)
		walk_time_wait(walk, hold);
	else
		walk_free(walk, hold);
	note_all(walk);
	if (is_inside(walk)) {
		struct wanted_minute *minute = minute_of(walk);

		if (walk->all.held > minute->held_max)
			minute->held_max = walk->all.held;
		minute->held_end = walk->all.held;
	}
}

static int by_value(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a, y = *(const __u64 *)b;

	return x < y ? -1 : x > y;
}

static void check_held_times(const struct histogram *held, struct wanted *row)
{
	static const unsigned int permilles[] = { 0, 500, 990, 1000 };

	assert_int_equal(held->count, row->values_count);
	qsort(row->values, row->values_count, sizeof(*row->values), by_value);
	for (size_t i = 0; row->values_count && i < 4; i++) {
		size_t rank = (row->values_count * permilles[i] + 999) / 1000;
		__u64 wanted = row->values[rank ? rank - 1 : 0];
		__u64 got = histogram_quantile(held, permilles[i]);

		assert_in_range(got, wanted - wanted / 16, wanted + wanted / 16);
	}
}

static void check_count(const struct report_count *count, struct wanted *row)
{
	assert_int_equal(count->allocs, row->allocs);
	assert_int_equal(count->frees, row->frees);
	assert_int_equal(count->fails, row->fails);
	assert_int_equal(count->errors[REPORT_EADDRNOTAVAIL], row->fails);
	assert_int_equal(count->held_now, row->held);
	assert_int_equal(count->time_wait_now, row->time_wait);
	assert_int_equal(count->held_max, row->held_max);
	assert_int_equal(count->held_max_time_wait, row->held_max_time_wait);
	assert_true(count->ended_ns == row->ended_ns);
	assert_true(count->time_wait_ns == row->time_wait_ns);
	check_held_times(&count->held, row);
}

static void check_rows(struct walk *walk)
{
	const struct report *report = walk->report;

	check_count(&report->all, &walk->all);
	assert_false(report->has_others);
	assert_int_equal(report->rows_count, walk->rows_count);
	for (__u32 i = 0; i < report->rows_count; i++) {
		char label[LABEL];
		size_t j = 0;

		label_of_key(walk->by, &report->rows[i].key, label);
		while (j < walk->rows_count && strcmp(walk->rows[j].label, label))
			j++;
		assert_true(j < walk->rows_count);
		check_count(&report->rows[i].count, &walk->rows[j]);
	}
}

static void check_minutes(const struct walk *walk)
{
	const struct minutes *minutes = &walk->report->minutes;
	__u32 row = 0;

	for (__u64 i = 0; i < MINUTES; i++) {
		const struct wanted_minute *wanted = &walk->minutes[i];
		const struct minute *minute = &minutes->rows[row];

		if (!wanted->entered)
			continue;
		assert_true(row++ < minutes->count);
		assert_int_equal(minute->number, BASE / MINUTE_NS + i);
		assert_int_equal(minute->allocs, wanted->allocs);
		assert_int_equal(minute->frees, wanted->frees);
		assert_int_equal(minute->fails, wanted->fails);
		assert_int_equal(minute->held_max, wanted->held_max);
		assert_int_equal(minute->held_end, wanted->held_end);
	}
	assert_int_equal(minutes->count, row);
}

static void walk(enum report_by by, __u64 since, __u64 until)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	const struct report_options options = { .by = by,
						.since = since,
						.until = until,
						.cgroup_path = path_of,
						.cgroup_data = walk };

	assert_non_null(walk);
	walk->by = by;
	walk->since = since;
	walk->until = until;
	walk->report = report_new(&options);
	assert_non_null(walk->report);
	for (int i = 0; i < STEPS; i++)
		walk_step(walk);
	assert_int_equal(report_end(walk->report, BASE + walk->now), 0);
	assert_true(walk->all.allocs && walk->all.frees && walk->all.held_max > HOLDS / 4);
	check_rows(walk);
	check_minutes(walk);
	report_free(walk->report);
	free(walk);
}

static void test_against_brute_force(void **state)
{
	(void)state;
	srandom(1);
	for (int by = 0; by < REPORT_BYS; by++) {
		walk(by, 0, ~0ULL);
		walk(by, BASE + 1000 * SECOND, ~0ULL);
		walk(by, BASE + 500 * SECOND, BASE + 2000 * SECOND);
	}
}

/* ---- one by one -------------------------------------------------------------- */

static void test_names(void **state)
{
	(void)state;
	for (int by = 0; by < REPORT_BYS; by++)
		assert_int_equal(report_by_from_name(report_by_name(by)), by);
	assert_int_equal(report_by_from_name("comm"), -ENOENT);
}

/* What is held from before on, and how many of them are most at once. */
static void test_held_from_before(void **state)
{
	const struct report_options options = { .by = REPORT_BY_PORT,
						.since = BASE + SECOND,
						.until = BASE + 9 * SECOND };
	struct report *report = report_new(&options);
	struct pt_event ev = event(PT_EV_FREE, 1000, 1);

	(void)state;
	tell_held(report, unit(1000, 1, false));
	tell_held(report, unit(1001, 2, true));
	tell_held(report, unit(1001, 2, true)); /* another TIME_WAIT of it */
	tell_held(report, unit(1002, 3, true));
	tell_held(report, unit(1002, 3, false)); /* and the socket itself */
	ev.ts = 2 * SECOND;
	tell(report, &ev);
	assert_int_equal(report_end(report, BASE + 20 * SECOND), 0);
	assert_int_equal(report->begin, BASE + SECOND);
	assert_int_equal(report->end, BASE + 9 * SECOND);
	assert_int_equal(report->all.allocs, 0);
	assert_int_equal(report->all.frees, 1);
	assert_int_equal(report->all.held_max, 3);
	assert_int_equal(report->all.held_max_time_wait, 1);
	assert_int_equal(report->all.held_max_at, BASE + SECOND);
	assert_int_equal(report->all.held_now, 2);
	assert_int_equal(report->all.time_wait_now, 1);
	assert_int_equal(report->rows[0].count.held_max, 1);
	assert_int_equal(report->rows[0].count.held_now, 0);
	assert_int_equal(report->rows[1].count.held_max, 1);
	assert_int_equal(report->rows[1].count.time_wait_now, 1);
	assert_int_equal(report->minutes.rows[0].held_max, 3);
	report_free(report);
}

/* A hold that nobody told of ends: that it was held is not made up. */
static void test_end_of_an_unknown_hold(void **state)
{
	struct report *report = report_of(REPORT_BY_PORT);

	(void)state;
	tell_type(report, PT_EV_ALLOC, 1000, 1);
	tell_type(report, PT_EV_TIME_WAIT, 1000, 2);
	tell_type(report, PT_EV_FREE, 1000, 2);
	assert_int_equal(report->all.held_now, 1);
	assert_int_equal(report->all.time_wait_now, 0);
	assert_int_equal(report->all.frees, 1);
	assert_int_equal(report->all.held.count, 0);
	report_free(report);
}

/* Linux 5.10: an event's own fields say which row. */
static void test_without_cookies(void **state)
{
	struct report *report = report_of(REPORT_BY_PROCESS);
	struct pt_event ev = event(PT_EV_FREE, 1000, 0);
	struct ledger_unit held = unit(1000, 0xffff888000000000ULL, true);

	(void)state;
	held.space.netns_cookie |= PT_NO_COOKIES;
	tell_held(report, held);
	tell_type(report, PT_EV_ALLOC, 1000, 0);
	tell_type(report, PT_EV_TIME_WAIT, 1000, 0);
	assert_int_equal(report->rows[0].count.held_now, 2);
	assert_int_equal(report->rows[0].count.time_wait_now, 2);
	ev.end = PT_END_EXPIRED;
	for (int i = 0; i < 3; i++)
		tell(report, &ev);
	assert_int_equal(report->rows[0].count.held_now, 0);
	assert_int_equal(report->rows[0].count.time_wait_now, 0);
	assert_int_equal(report->rows[0].count.held_max, 2);
	assert_int_equal(report->rows[0].count.held_max_time_wait, 2);
	report_free(report);
}

/* Bound, then connected: only its end tells the remote. What is reused stays. */
static void test_remote_that_is_learned_late(void **state)
{
	struct report *report = report_of(REPORT_BY_REMOTE);
	struct pt_event ev = event(PT_EV_ALLOC, 1000, 1);
	const struct report_count *none, *remote;

	(void)state;
	ev.via = PT_VIA_BIND;
	ev.reuse = PT_REUSE_CLEAN;
	ev.reuse_ns = 5;
	tell(report, &ev);
	assert_int_equal(report->rows_count, 1);
	assert_int_equal(report->rows[0].key.rport, 0);
	ev.type = PT_EV_FREE;
	ev.held_ns = 100;
	ev.open_ns = 40;
	set_remote(&ev, 9);
	tell(report, &ev);
	assert_int_equal(report->rows_count, 2);
	none = &report->rows[0].count;
	remote = &report->rows[1].count;
	assert_int_equal(report->rows[1].key.raddr[15], 9);
	assert_int_equal(none->allocs, 0);
	assert_int_equal(none->held_now, 0);
	assert_int_equal(none->held_max, 1);
	assert_int_equal(none->reuse.count, 1);
	assert_int_equal(remote->allocs, 1);
	assert_int_equal(remote->frees, 1);
	assert_int_equal(remote->held_now, 0);
	assert_int_equal(remote->held_max, 1);
	assert_int_equal(remote->held.count, 1);
	assert_true(remote->time_wait_ns == 60);
	assert_int_equal(report->all.allocs, 1);
	assert_int_equal(report->all.held_max, 1);
	report_free(report);
}

static void test_reuse_is_only_clean(void **state)
{
	struct report *report = report_of(REPORT_BY_PORT);
	struct pt_event ev = event(PT_EV_ALLOC, 1000, 0);

	(void)state;
	ev.reuse_ns = 7;
	for (int reuse = 0; reuse < PT_REUSES; reuse++) {
		ev.reuse = reuse;
		tell(report, &ev);
	}
	assert_int_equal(report_end(report, BASE + SECOND), 0);
	assert_int_equal(report->all.reuse.count, 1);
	assert_int_equal(report->rows[0].count.reuse.min, 7);
	report_free(report);
}

static void test_errors(void **state)
{
	static const int errors[] = { EADDRNOTAVAIL, EADDRINUSE, EADDRINUSE, EAGAIN, EACCES, 0 };
	struct report *report = report_of(REPORT_BY_PORT);
	struct pt_event ev = event(PT_EV_FAIL, 0, 1);

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		ev.error = errors[i];
		tell(report, &ev);
	}
	assert_int_equal(report->all.fails, 6);
	assert_int_equal(report->rows[0].key.port, 0);
	assert_int_equal(report->rows[0].count.errors[REPORT_EADDRNOTAVAIL], 1);
	assert_int_equal(report->rows[0].count.errors[REPORT_EADDRINUSE], 2);
	assert_int_equal(report->rows[0].count.errors[REPORT_EAGAIN], 1);
	assert_int_equal(report->rows[0].count.errors[REPORT_OTHER_ERROR], 2);
	report_free(report);
}

/* Another run of the recorder: what was held then is told anew. */
static void test_forget(void **state)
{
	struct report *report = report_of(REPORT_BY_PORT);

	(void)state;
	tell_type(report, PT_EV_ALLOC, 1000, 1);
	tell_type(report, PT_EV_ALLOC, 1001, 2);
	tell_type(report, PT_EV_TIME_WAIT, 1001, 2);
	report_forget(report);
	assert_int_equal(report->all.held_now, 0);
	assert_int_equal(report->rows[1].count.time_wait_now, 0);
	for (__u64 sock = 1; sock <= 3; sock++)
		tell_held(report, unit((__u16)(1000 + sock), sock, false));
	assert_int_equal(report_end(report, BASE + SECOND), 0);
	assert_int_equal(report->all.held_now, 3);
	assert_int_equal(report->all.held_max, 3);
	assert_int_equal(report->all.allocs, 2);
	report_free(report);
}

/* Its end was not told, and here it is again. */
static void test_allocated_twice(void **state)
{
	struct report *report = report_of(REPORT_BY_PROCESS);

	(void)state;
	tell_type(report, PT_EV_ALLOC, 1000, 1);
	tell_type(report, PT_EV_TIME_WAIT, 1000, 1);
	tell_type(report, PT_EV_ALLOC, 1000, 1);
	assert_int_equal(report->all.allocs, 2);
	assert_int_equal(report->all.held_now, 1);
	assert_int_equal(report->all.time_wait_now, 0);
	report_free(report);
}

static void lose(struct report *report, __u64 from, __u64 to, __u64 count)
{
	const struct pt_event ev = { .type = PT_EV_LOST,
				     .ts = to,
				     .realtime_offset = BASE,
				     .lost_from = from,
				     .lost_to = to,
				     .lost_count = count };

	tell(report, &ev);
}

static void test_losses(void **state)
{
	const struct report_options options = { .by = REPORT_BY_PORT,
						.since = BASE + 10 * SECOND,
						.until = BASE + 100 * SECOND };
	struct report *report = report_new(&options);

	(void)state;
	lose(report, SECOND, 9 * SECOND, 1000);	   /* before */
	lose(report, SECOND, 10 * SECOND, 1);	   /* reaches into it */
	lose(report, 11 * SECOND, 12 * SECOND, 2); /* the same trouble */
	lose(report, 20 * SECOND, 21 * SECOND, 4);
	lose(report, 99 * SECOND, 300 * SECOND, 8);
	lose(report, 100 * SECOND, 300 * SECOND, 1000); /* behind */
	assert_int_equal(report->lost, 15);
	assert_int_equal(report->losses_count, 3);
	assert_int_equal(report->losses[0].from, BASE + SECOND);
	assert_int_equal(report->losses[0].to, BASE + 12 * SECOND);
	assert_int_equal(report->losses[0].count, 3);
	assert_false(report->lost_unknown);
	lose(report, 50 * SECOND, 50 * SECOND, 0); /* a gap in the recording */
	assert_int_equal(report->lost, 15);
	assert_true(report->lost_unknown);
	report_free(report);
}

static void test_more_losses_than_there_is_room_for(void **state)
{
	struct report *report = report_of(REPORT_BY_PORT);

	(void)state;
	for (__u64 i = 1; i <= REPORT_LOSSES_MAX + 10; i++)
		lose(report, i * 10 * SECOND, i * 10 * SECOND, 1);
	assert_int_equal(report->losses_count, REPORT_LOSSES_MAX);
	assert_int_equal(report->losses[REPORT_LOSSES_MAX - 1].count, 11);
	assert_int_equal(report->lost, REPORT_LOSSES_MAX + 10);
	report_free(report);
}

static void test_more_rows_than_there_is_room_for(void **state)
{
	struct report *report = report_of(REPORT_BY_PROCESS);
	struct pt_event ev = event(PT_EV_ALLOC, 1000, 0);

	(void)state;
	for (ev.owner.pid = 1; ev.owner.pid <= REPORT_ROWS_MAX + 10; ev.owner.pid++) {
		ev.sock = ev.owner.pid;
		tell(report, &ev);
	}
	assert_int_equal(report->rows_count, REPORT_ROWS_MAX);
	assert_true(report->has_others);
	assert_int_equal(report->others.allocs, 10);
	assert_int_equal(report->all.allocs, REPORT_ROWS_MAX + 10);
	/* the rows that are there go on, and a hold of the others ends there */
	ev.type = PT_EV_FREE;
	ev.sock = REPORT_ROWS_MAX + 10;
	tell(report, &ev);
	ev.sock = ev.owner.pid = 1;
	tell(report, &ev);
	assert_int_equal(report->others.held_now, 9);
	assert_int_equal(report->rows[0].count.held_now, 0);
	report_free(report);
}

static void test_nothing(void **state)
{
	struct report *report = report_of(REPORT_BY_CGROUP);

	(void)state;
	assert_int_equal(report_end(report, BASE), 0);
	assert_int_equal(report->rows_count, 0);
	assert_int_equal(report->begin, BASE);
	assert_int_equal(report->end, BASE);
	report_free(report);
	report_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_brute_force),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_held_from_before),
		cmocka_unit_test(test_end_of_an_unknown_hold),
		cmocka_unit_test(test_without_cookies),
		cmocka_unit_test(test_remote_that_is_learned_late),
		cmocka_unit_test(test_reuse_is_only_clean),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_allocated_twice),
		cmocka_unit_test(test_losses),
		cmocka_unit_test(test_more_losses_than_there_is_room_for),
		cmocka_unit_test(test_more_rows_than_there_is_room_for),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
