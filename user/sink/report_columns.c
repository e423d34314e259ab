// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/report_columns.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/compare.h"
#include "user/sink/column_put.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define GETTER(name)                                                                               \
	static enum column_state name(const struct report_row *row, union column_value *v)

/* Of no value at all there is no quantile. */
static enum column_state put_quantile(union column_value *v, const struct histogram *histogram,
				      unsigned int permille)
{
	return histogram->count ? put_u64(v, histogram_quantile(histogram, permille)) : COLUMN_NONE;
}

/* ---- what a row is ------------------------------------------------------------ */

GETTER(get_proto)
{
	return put_text(v, pt_proto_name(row->key.space.proto));
}

GETTER(get_port)
{
	return row->key.port ? put_u64(v, row->key.port) : COLUMN_NONE;
}

GETTER(get_netns)
{
	return put_nonzero(v, row->key.space.netns);
}

GETTER(get_netns_cookie)
{
	return put_nonzero(v, pt_space_cookie(&row->key.space));
}

GETTER(get_vrf)
{
	return put_vrf(v, &row->key.space);
}

GETTER(get_pid)
{
	return row->key.owner.known ? put_u64(v, row->key.owner.pid) : COLUMN_UNKNOWN;
}

GETTER(get_comm)
{
	return row->key.owner.known ? put_text(v, row->key.owner.comm) : COLUMN_UNKNOWN;
}

GETTER(get_owner)
{
	v->owner = &row->key.owner;
	return row->key.owner.known ? COLUMN_KNOWN : COLUMN_UNKNOWN;
}

GETTER(get_kernel)
{
	return row->key.owner.known ? put_bool(v, row->key.owner.kernel) : COLUMN_UNKNOWN;
}

GETTER(get_uid)
{
	return row->key.owner.known ? put_u64(v, row->key.owner.uid) : COLUMN_UNKNOWN;
}

GETTER(get_remote)
{
	return row->key.rport ? put_endpoint(v, row->key.raddr, row->key.rport, 0) : COLUMN_NONE;
}

GETTER(get_rport)
{
	return row->key.rport ? put_u64(v, row->key.rport) : COLUMN_NONE;
}

GETTER(get_cgroup)
{
	return put_text(v, row->key.cgroup);
}

/* ---- what was counted --------------------------------------------------------- */

GETTER(get_fails)
{
	return put_u64(v, row->count.fails);
}

GETTER(get_eaddrnotavail)
{
	return put_u64(v, row->count.errors[REPORT_EADDRNOTAVAIL]);
}

GETTER(get_eaddrinuse)
{
	return put_u64(v, row->count.errors[REPORT_EADDRINUSE]);
}

GETTER(get_eagain)
{
	return put_u64(v, row->count.errors[REPORT_EAGAIN]);
}

GETTER(get_other_error)
{
	return put_u64(v, row->count.errors[REPORT_OTHER_ERROR]);
}

GETTER(get_allocs)
{
	return put_u64(v, row->count.allocs);
}

GETTER(get_frees)
{
	return put_u64(v, row->count.frees);
}

GETTER(get_held_now)
{
	return put_u64(v, row->count.held_now);
}

GETTER(get_held_now_time_wait)
{
	return put_u64(v, row->count.time_wait_now);
}

GETTER(get_held_max)
{
	return put_u64(v, row->count.held_max);
}

GETTER(get_held_max_time_wait)
{
	return put_u64(v, row->count.held_max_time_wait);
}

GETTER(get_held_max_at)
{
	return row->count.held_max ? put_u64(v, row->count.held_max_at) : COLUMN_NONE;
}

GETTER(get_held_p50)
{
	return put_quantile(v, &row->count.held, 500);
}

GETTER(get_held_p99)
{
	return put_quantile(v, &row->count.held, 990);
}

GETTER(get_held_longest)
{
	return put_quantile(v, &row->count.held, 1000);
}

/* Of the time that ports were held, how much in TIME_WAIT. */
GETTER(get_time_wait_share)
{
	histogram_sum all = row->count.ended_ns;

	if (!all)
		return COLUMN_NONE;
	return put_u64(v, (__u64)((row->count.time_wait_ns * 1000 + all / 2) / all));
}

GETTER(get_reuses)
{
	return put_u64(v, row->count.reuse.count);
}

GETTER(get_reuse_p50)
{
	return put_quantile(v, &row->count.reuse, 500);
}

GETTER(get_reuse_min)
{
	return put_quantile(v, &row->count.reuse, 0);
}

#define PORT (1U << REPORT_BY_PORT)
#define PROCESS (1U << REPORT_BY_PROCESS)
#define REMOTE (1U << REPORT_BY_REMOTE)
#define CGROUP (1U << REPORT_BY_CGROUP)

/* Further members may follow the getter. */
#define KEY(key_, title_, type_, bys_, ...)                                                        \
	{                                                                                          \
		.key = key_, .title = title_, .type = type_, .bys = bys_, .get = __VA_ARGS__       \
	}
#define NUMBER(key_, title_, type_, ...)                                                           \
	{                                                                                          \
		.key = key_, .title = title_, .type = type_, .right = true, .sort = true,          \
		.get = __VA_ARGS__                                                                 \
	}

const struct report_column report_columns[] = {
	KEY("proto", "PROTO", COLUMN_WORD, PORT, get_proto),
	KEY("port", "PORT", COLUMN_U64, PORT, get_port, .right = true, .sort = true,
	    .ascending = true),
	KEY("netns", "NETNS", COLUMN_U64, PORT, get_netns, .right = true, .netns = true),
	KEY("netns_cookie", NULL, COLUMN_ID, PORT, get_netns_cookie),
	KEY("vrf", NULL, COLUMN_U64, PORT, get_vrf),
	KEY("pid", "PID", COLUMN_U64, PROCESS, get_pid, .right = true, .sort = true,
	    .ascending = true),
	KEY("comm", NULL, COLUMN_TEXT, PROCESS, get_comm),
	KEY(NULL, "COMM", COLUMN_OWNER, PROCESS, get_owner),
	KEY("kernel", NULL, COLUMN_BOOL, PROCESS, get_kernel),
	KEY("uid", NULL, COLUMN_U64, PROCESS, get_uid),
	KEY("raddr", NULL, COLUMN_ADDR, REMOTE, get_remote),
	KEY("rport", NULL, COLUMN_U64, REMOTE, get_rport),
	KEY(NULL, "REMOTE", COLUMN_ENDPOINT, REMOTE, get_remote),
	NUMBER("fails", "REFUSED", COLUMN_U64, get_fails),
	NUMBER("eaddrnotavail", NULL, COLUMN_U64, get_eaddrnotavail),
	NUMBER("eaddrinuse", NULL, COLUMN_U64, get_eaddrinuse),
	NUMBER("eagain", NULL, COLUMN_U64, get_eagain),
	NUMBER("other_errors", NULL, COLUMN_U64, get_other_error),
	NUMBER("allocs", "ALLOCS", COLUMN_U64, get_allocs),
	NUMBER("frees", NULL, COLUMN_U64, get_frees),
	NUMBER("held_now", "HELD", COLUMN_U64, get_held_now),
	NUMBER("held_now_time_wait", "TW", COLUMN_U64, get_held_now_time_wait),
	NUMBER("held_max", "MOST", COLUMN_U64, get_held_max),
	NUMBER("held_max_time_wait", "TW", COLUMN_U64, get_held_max_time_wait),
	KEY("held_max_at", NULL, COLUMN_TIME, 0, get_held_max_at),
	NUMBER("held_ns_p50", "P50", COLUMN_DURATION, get_held_p50),
	NUMBER("held_ns_p99", "P99", COLUMN_DURATION, get_held_p99),
	NUMBER("held_ns_max", "LONGEST", COLUMN_DURATION, get_held_longest),
	NUMBER("time_wait_share", "TW%", COLUMN_SHARE, get_time_wait_share),
	NUMBER("reuses", NULL, COLUMN_U64, get_reuses),
	NUMBER("reuse_ns_p50", "REUSED", COLUMN_DURATION, get_reuse_p50, .ascending = true),
	NUMBER("reuse_ns_min", NULL, COLUMN_DURATION, get_reuse_min, .ascending = true),
	/* the last, since a path is long: the numbers stay where one looks for them */
	KEY("cgroup", "CGROUP", COLUMN_TEXT, CGROUP, get_cgroup),
};
const unsigned int report_columns_count = ARRAY_SIZE(report_columns);

_Static_assert(ARRAY_SIZE(report_columns) <= REPORT_COLUMNS_MAX, "REPORT_COLUMNS_MAX rows");

/* ---- sorting ------------------------------------------------------------------ */

int report_sort_key(enum report_by by, const char *name)
{
	for (unsigned int i = 0; i < report_columns_count; i++)
		if (report_columns[i].sort && report_column_applies(&report_columns[i], by) &&
		    !strcmp(report_columns[i].key, name))
			return (int)i;
	return -ENOENT;
}

const char *report_sort_names(enum report_by by, char text[REPORT_SORT_NAMES_MAX])
{
	char *p = text;

	for (unsigned int i = 0; i < report_columns_count; i++) {
		const struct report_column *column = &report_columns[i];

		if (!column->sort || !report_column_applies(column, by))
			continue;
		if (p != text)
			p = stpcpy(p, ", ");
		p = stpcpy(p, column->key);
	}
	return text;
}

struct sorted {
	const struct report_row *row;
	bool known;
	__u64 value;
};

static int compare(const void *a, const void *b, void *data)
{
	const struct sorted *x = a, *y = b;
	const struct report_column *column = data;
	int order;

	if (x->known != y->known)
		return x->known ? -1 : 1;
	order = x->known ? compare_u64(y->value, x->value) : 0;
	if (order)
		return column->ascending ? -order : order;
	return compare_u64(y->row->count.fails, x->row->count.fails) ?:
	       compare_u64(y->row->count.allocs, x->row->count.allocs) ?:
	       compare_u64(y->row->count.held_max, x->row->count.held_max) ?:
	       compare_u64((uintptr_t)x->row, (uintptr_t)y->row);
}

/* All that happened there happened before the span. */
static bool is_empty(const struct report_count *count)
{
	return !count->allocs && !count->fails && !count->frees && !count->held_max;
}

static size_t collect(const struct report *report, const struct report_column *column,
		      struct sorted *sorted)
{
	size_t count = 0;

	for (__u32 i = 0; i < report->rows_count; i++) {
		const struct report_row *row = &report->rows[i];
		union column_value value = { 0 };

		if (is_empty(&row->count))
			continue;
		sorted[count].row = row;
		sorted[count].known = column->get(row, &value) == COLUMN_KNOWN;
		sorted[count++].value = value.u64;
	}
	return count;
}

const struct report_row **report_sorted(const struct report *report, int sort, size_t *count)
{
	const struct report_column *column = &report_columns[sort];
	const struct report_row **rows = calloc(report->rows_count + 1, sizeof(*rows));
	struct sorted *sorted = calloc(report->rows_count + 1, sizeof(*sorted));

	if (!rows || !sorted) {
		free(rows);
		free(sorted);
		return NULL;
	}
	*count = collect(report, column, sorted);
	qsort_r(sorted, *count, sizeof(*sorted), compare, (void *)column);
	for (size_t i = 0; i < *count; i++)
		rows[i] = sorted[i].row;
	free(sorted);
	return rows;
}
