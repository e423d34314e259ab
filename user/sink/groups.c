// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/groups.h"

#include "user/sink/grid.h"
#include "user/sink/holder_put.h"
#include "user/sink/json_field.h"
#include "user/sink/report.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

_Static_assert(GRID_CELL_MAX >= COLUMN_VALUE_MAX, "room for every cell");

/* ---- what is shown ------------------------------------------------------------- */

/* What is shown, and of that one group. */
struct view {
	const struct holders_context *ctx;
	const struct groups *groups;
};

struct group_column {
	const char *key;   /* JSON; NULL: not in JSON */
	const char *title; /* table; NULL: not in the table */
	enum column_type type;
	unsigned int bys; /* bit 1 << enum report_by: where it applies */
	bool right;	  /* values and title */
	/* Table: only where there are several namespaces; of a past moment; connections. */
	bool netns, past, connections;
	enum column_state (*get)(const struct view *view, const struct group *group,
				 union column_value *value);
};

#define GETTER(name)                                                                               \
	static enum column_state name(const struct view *view __attribute__((unused)),             \
				      const struct group *group __attribute__((unused)),           \
				      union column_value *v)

GETTER(get_ts)
{
	return put_u64(v, view->ctx->ts);
}

GETTER(get_event)
{
	return put_text(v, "group");
}

GETTER(get_by)
{
	return put_text(v, report_by_name(view->groups->options.by));
}

GETTER(get_rows_total)
{
	return put_u64(v, view->groups->count);
}

GETTER(get_proto)
{
	return put_text(v, pt_proto_name(group->key->space.proto));
}

GETTER(get_port)
{
	return put_u64(v, group->key->port);
}

GETTER(get_netns)
{
	return put_nonzero(v, group->key->space.netns);
}

GETTER(get_netns_cookie)
{
	return put_nonzero(v, pt_space_cookie(&group->key->space));
}

GETTER(get_vrf)
{
	return put_vrf(v, &group->key->space);
}

GETTER(get_pid)
{
	return holder_put_pid(v, group->key);
}

GETTER(get_comm)
{
	return holder_put_comm(v, group->key);
}

GETTER(get_owner)
{
	return holder_put_owner(v, group->key);
}

GETTER(get_kernel)
{
	return holder_put_kernel(v, group->key);
}

GETTER(get_uid)
{
	const struct pt_owner *owner = group->key->owner;

	return owner ? put_u64(v, owner->uid) : holder_no_owner(group->key);
}

GETTER(get_remote)
{
	return holder_put_remote(v, group->key);
}

GETTER(get_rport)
{
	return holder_put_rport(v, group->key);
}

GETTER(get_cgroup)
{
	if (!group->cgroup && !group->key->owner)
		return holder_no_owner(group->key);
	return put_text(v, group->cgroup);
}

GETTER(get_ports)
{
	return put_u64(v, group->ports);
}

GETTER(get_held)
{
	return put_u64(v, group->held);
}

GETTER(get_time_wait)
{
	return put_u64(v, group->time_wait);
}

GETTER(get_connections)
{
	return view->ctx->accepted ? put_u64(v, group->connections) : COLUMN_UNKNOWN;
}

GETTER(get_oldest)
{
	return group->held ? put_known(v, group->oldest_ns) : COLUMN_NONE;
}

GETTER(get_top_pid)
{
	return holder_put_pid(v, group->top);
}

GETTER(get_top_comm)
{
	return holder_put_comm(v, group->top);
}

GETTER(get_top_owner)
{
	return holder_put_owner(v, group->top);
}

GETTER(get_top_remote)
{
	return holder_put_remote(v, group->top);
}

GETTER(get_top_rport)
{
	return holder_put_rport(v, group->top);
}

GETTER(get_top_share)
{
	__u64 all = group->held + group->connections;

	return put_u64(v, (group->top_count * 1000 + all / 2) / all);
}

#define PORT (1U << REPORT_BY_PORT)
#define PROCESS (1U << REPORT_BY_PROCESS)
#define REMOTE (1U << REPORT_BY_REMOTE)
#define CGROUP (1U << REPORT_BY_CGROUP)
#define ANY (PORT | PROCESS | REMOTE | CGROUP)

/* Further members may follow the getter. */
#define COLUMN(key_, title_, type_, bys_, ...)                                                     \
	{                                                                                          \
		.key = key_, .title = title_, .type = type_, .bys = bys_, .get = __VA_ARGS__       \
	}

/* Keys are those of a report's rows where they mean the same. */
static const struct group_column group_columns[] = {
	COLUMN("ts", NULL, COLUMN_TIME, ANY, get_ts),
	COLUMN("event", NULL, COLUMN_WORD, ANY, get_event),
	COLUMN("by", NULL, COLUMN_WORD, ANY, get_by),
	COLUMN("rows_total", NULL, COLUMN_U64, ANY, get_rows_total),
	COLUMN("proto", "PROTO", COLUMN_WORD, PORT, get_proto),
	COLUMN("port", "PORT", COLUMN_U64, PORT, get_port, .right = true),
	COLUMN("netns", "NETNS", COLUMN_U64, PORT, get_netns, .right = true, .netns = true),
	COLUMN("netns_cookie", NULL, COLUMN_ID, PORT, get_netns_cookie),
	COLUMN("vrf", NULL, COLUMN_U64, PORT, get_vrf),
	COLUMN("pid", "PID", COLUMN_U64, PROCESS, get_pid, .right = true),
	COLUMN("comm", NULL, COLUMN_TEXT, PROCESS, get_comm),
	COLUMN(NULL, "COMM", COLUMN_OWNER, PROCESS, get_owner),
	COLUMN("kernel", NULL, COLUMN_BOOL, PROCESS, get_kernel),
	COLUMN("uid", NULL, COLUMN_U64, PROCESS, get_uid),
	COLUMN("raddr", NULL, COLUMN_ADDR, REMOTE, get_remote),
	COLUMN("rport", NULL, COLUMN_U64, REMOTE, get_rport),
	COLUMN(NULL, "REMOTE", COLUMN_ENDPOINT, REMOTE, get_remote),
	COLUMN("ports", NULL, COLUMN_U64, PORT, get_ports),
	COLUMN("ports", "PORTS", COLUMN_U64, ANY & ~PORT, get_ports, .right = true),
	COLUMN("held_now", "HELD", COLUMN_U64, ANY, get_held, .right = true),
	COLUMN("held_now_time_wait", "TW", COLUMN_U64, ANY, get_time_wait, .right = true),
	COLUMN("connections", "CONNS", COLUMN_U64, ANY, get_connections, .right = true,
	       .connections = true),
	COLUMN("oldest_ns", "OLDEST", COLUMN_DURATION, ANY, get_oldest, .right = true,
	       .past = true),
	COLUMN("top_share", "SHARE%", COLUMN_SHARE, ANY, get_top_share, .right = true),
	COLUMN("top_pid", "PID", COLUMN_U64, ANY & ~PROCESS, get_top_pid, .right = true),
	COLUMN("top_comm", NULL, COLUMN_TEXT, ANY & ~PROCESS, get_top_comm),
	COLUMN(NULL, "COMM", COLUMN_OWNER, ANY & ~PROCESS, get_top_owner),
	COLUMN("top_raddr", NULL, COLUMN_ADDR, PROCESS, get_top_remote),
	COLUMN("top_rport", NULL, COLUMN_U64, PROCESS, get_top_rport),
	COLUMN(NULL, "REMOTE", COLUMN_ENDPOINT, PROCESS, get_top_remote),
	/* the last, since a path is long: the numbers stay where one looks for them */
	COLUMN("cgroup", "CGROUP", COLUMN_TEXT, CGROUP, get_cgroup),
};

static bool applies(const struct view *view, const struct group_column *column)
{
	return column->bys >> view->groups->options.by & 1;
}

static size_t shown(const struct groups *groups, size_t top)
{
	return top && top < groups->count ? top : groups->count;
}

/* ---- the table ------------------------------------------------------------------ */

struct table {
	struct view view;
	const struct group_column *columns[GRID_COLUMNS_MAX]; /* that are shown */
};

static bool has_title(const struct view *view, const struct group_column *column)
{
	return column->title && applies(view, column) && (!column->netns || view->ctx->netns) &&
	       (!column->past || view->ctx->past) && (!column->connections || view->ctx->accepted);
}

static char *format_cell(void *data, size_t row, size_t place, char *p)
{
	const struct table *table = data;
	const struct group_column *column = table->columns[place];
	union column_value value;
	enum column_state state;

	state = column->get(&table->view, &table->view.groups->rows[row], &value);
	return column_format_cell(p, column->type, state, &value);
}

void groups_table(struct out *out, const struct holders_context *ctx, const struct groups *groups,
		  size_t top)
{
	struct table table = { .view = { ctx, groups } };
	struct grid_column columns[GRID_COLUMNS_MAX];
	struct grid grid = { .columns = columns,
			     .rows_count = shown(groups, top),
			     .cell = format_cell,
			     .data = &table };

	for (size_t c = 0; c < ARRAY_SIZE(group_columns); c++) {
		const struct group_column *column = &group_columns[c];

		if (!has_title(&table.view, column))
			continue;
		table.columns[grid.columns_count] = column;
		columns[grid.columns_count++] =
			(struct grid_column){ .title = column->title, .right = column->right };
	}
	grid_write(out, &grid);
	report_put_more(out, groups->options.by, groups->count - grid.rows_count);
}

void groups_legend(struct out *out, const struct groups *groups)
{
	enum report_by by = groups->options.by;

	if (!groups->count)
		return;
	out_format(out,
		   "(%sHELD: sockets and TIME-WAITs; TW: of these in TIME-WAIT;\n"
		   "SHARE%%, %s)\n",
		   by == REPORT_BY_PORT ? "" : "PORTS: different ones; ",
		   by == REPORT_BY_PROCESS ? "REMOTE: how many go to the remote that most go to"
					   : "PID, COMM: how many the process has that has most");
	if (groups->has_ownerless)
		out_str(out, "(PID -: in TIME-WAIT, or closed by the process that had it)\n");
	if (groups->has_shared)
		out_str(out, "(a socket that several processes have counts for one of them)\n");
}

/* ---- JSON ----------------------------------------------------------------------- */

void groups_json(struct out *out, const struct holders_context *ctx, const struct groups *groups,
		 size_t top)
{
	const struct view view = { ctx, groups };
	struct json_writer writer = { .out = out };

	for (size_t i = 0; i < shown(groups, top); i++) {
		for (size_t c = 0; c < ARRAY_SIZE(group_columns); c++) {
			const struct group_column *column = &group_columns[c];
			union column_value value;
			enum column_state state;
			struct json_key key;

			if (!column->key || !applies(&view, column))
				continue;
			json_key_make(&key, !c, column->key);
			state = column->get(&view, &groups->rows[i], &value);
			json_field(&writer, &key, column->type, state, &value);
		}
		out_char(out, '}');
		out_end_line(out);
	}
}
