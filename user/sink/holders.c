// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/holders.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/base/format.h"
#include "user/sink/grid.h"
#include "user/sink/holder_put.h"
#include "user/sink/json_field.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NSEC_PER_MSEC 1000000ULL

_Static_assert(GRID_CELL_MAX >= COLUMN_VALUE_MAX, "room for every cell");

/* ---- what is shown --------------------------------------------------------- */

struct holder_column {
	const char *key;   /* JSON; NULL: not in JSON */
	const char *title; /* table; NULL: not in the table */
	enum column_type type;
	bool right; /* values and title */
	bool netns; /* only with holders_context.netns */
	bool live;  /* table: only without holders_context.past; */
	bool past;  /* only with it */
	enum column_state (*get)(const struct holders_context *ctx, const struct pt_holder *holder,
				 union column_value *value);
};

#define GETTER(name)                                                                               \
	static enum column_state name(const struct holders_context *ctx __attribute__((unused)),   \
				      const struct pt_holder *holder __attribute__((unused)),      \
				      union column_value *v)

GETTER(get_ts)
{
	return put_u64(v, ctx->ts);
}

GETTER(get_event)
{
	return put_text(v, "hold");
}

GETTER(get_proto)
{
	return put_text(v, pt_proto_name(holder->space.proto));
}

GETTER(get_proto_family)
{
	return put_proto_family(v, holder->space.proto, holder->family);
}

GETTER(get_family)
{
	return put_text(v, holder->family == AF_INET6 ? "ipv6" : "ipv4");
}

GETTER(get_port)
{
	return put_u64(v, holder->port);
}

GETTER(get_local)
{
	return put_endpoint(v, holder->laddr, holder->port, holder->family);
}

GETTER(get_remote)
{
	return holder_put_remote(v, holder);
}

GETTER(get_rport)
{
	return holder_put_rport(v, holder);
}

/* What a ledger knows; it does not follow a connection's states. */
static const char *past_state(const struct pt_holder *holder)
{
	if (holder->time_wait)
		return "TIME-WAIT";
	if (holder->closed)
		return "CLOSED";
	if (holder->via == PT_VIA_LISTEN)
		return "LISTEN";
	return holder->rport ? "OPEN" : "BOUND";
}

GETTER(get_state)
{
	if (holder->past)
		return put_text(v, past_state(holder));
	return put_text(v, pt_state_name(holder->space.proto, holder->state));
}

GETTER(get_left)
{
	if (!holder->time_wait)
		return COLUMN_NONE;
	if (holder->past && !holder->tw_left_ms)
		return COLUMN_UNKNOWN;
	return put_u64(v, holder->tw_left_ms * NSEC_PER_MSEC);
}

/* sock_diag does not tell. */
GETTER(get_age)
{
	return holder->past ? put_known(v, holder->age_ns) : COLUMN_UNKNOWN;
}

GETTER(get_via)
{
	return holder->past ? put_text(v, pt_via_name(holder->via)) : COLUMN_UNKNOWN;
}

GETTER(get_accepted)
{
	return put_bool(v, holder->accepted);
}

GETTER(get_connections)
{
	if (holder->space.proto != IPPROTO_TCP || holder->state != TCP_LISTEN)
		return COLUMN_NONE;
	return put_u64(v, holder->connections);
}

/* The process's, or the socket's own, which is that of who made it. */
GETTER(get_uid)
{
	if (holder->owner)
		return put_u64(v, holder->owner->uid);
	return holder->has_inode ? put_u64(v, holder->uid) : COLUMN_NONE;
}

GETTER(get_pid)
{
	return holder_put_pid(v, holder);
}

/* Who holds a socket is a process; which of its threads, nobody knows. */
GETTER(get_untold)
{
	(void)v;
	return holder_no_owner(holder);
}

GETTER(get_comm)
{
	return holder_put_comm(v, holder);
}

GETTER(get_owner)
{
	return holder_put_owner(v, holder);
}

GETTER(get_processes)
{
	return holder->past ? COLUMN_UNKNOWN : put_u64(v, holder->processes);
}

GETTER(get_kernel)
{
	return holder_put_kernel(v, holder);
}

GETTER(get_cgroup)
{
	if (!holder->owner || !holder->owner->cgroup || !ctx->cgroup_path)
		return COLUMN_UNKNOWN;
	return put_text(v, ctx->cgroup_path(ctx->cgroup_data, holder->owner->cgroup));
}

GETTER(get_netns)
{
	return put_nonzero(v, holder->space.netns);
}

GETTER(get_netns_cookie)
{
	return put_nonzero(v, pt_space_cookie(&holder->space));
}

GETTER(get_cookie)
{
	return put_nonzero(v, holder->sock);
}

GETTER(get_vrf)
{
	return put_vrf(v, &holder->space);
}

#define JSON(key_, type_, get_)                                                                    \
	{                                                                                          \
		.key = key_, .type = type_, .get = get_                                            \
	}
/* Further members may follow the getter. */
#define TABLE(title_, type_, ...)                                                                  \
	{                                                                                          \
		.title = title_, .type = type_, .get = __VA_ARGS__                                 \
	}
#define BOTH(key_, title_, type_, ...)                                                             \
	{                                                                                          \
		.key = key_, .title = title_, .type = type_, .get = __VA_ARGS__                    \
	}

static const struct holder_column holder_columns[] = {
	JSON("ts", COLUMN_TIME, get_ts),
	JSON("event", COLUMN_WORD, get_event),
	JSON("proto", COLUMN_WORD, get_proto),
	JSON("family", COLUMN_WORD, get_family),
	TABLE("PROTO", COLUMN_WORD, get_proto_family),
	JSON("port", COLUMN_U64, get_port),
	JSON("laddr", COLUMN_ADDR, get_local),
	TABLE("LOCAL", COLUMN_ENDPOINT, get_local),
	JSON("raddr", COLUMN_ADDR, get_remote),
	JSON("rport", COLUMN_U64, get_rport),
	TABLE("REMOTE", COLUMN_ENDPOINT, get_remote),
	BOTH("state", "STATE", COLUMN_WORD, get_state),
	BOTH("tw_left_ns", "LEFT", COLUMN_DURATION, get_left, .right = true),
	BOTH("age_ns", "AGE", COLUMN_DURATION, get_age, .right = true, .past = true),
	BOTH("via", "HOW", COLUMN_WORD, get_via, .past = true),
	JSON("accepted", COLUMN_BOOL, get_accepted),
	BOTH("connections", "CONNS", COLUMN_U64, get_connections, .right = true, .live = true),
	BOTH("uid", "UID", COLUMN_U64, get_uid, .right = true),
	BOTH("pid", "PID", COLUMN_U64, get_pid, .right = true),
	JSON("tid", COLUMN_U64, get_untold),
	JSON("comm", COLUMN_TEXT, get_comm),
	JSON("thread", COLUMN_TEXT, get_untold),
	TABLE("COMM", COLUMN_OWNER, get_owner),
	JSON("processes", COLUMN_U64, get_processes),
	JSON("kernel", COLUMN_BOOL, get_kernel),
	JSON("cgroup", COLUMN_TEXT, get_cgroup),
	BOTH("netns", "NETNS", COLUMN_U64, get_netns, .netns = true),
	JSON("netns_cookie", COLUMN_ID, get_netns_cookie),
	JSON("cookie", COLUMN_ID, get_cookie),
	JSON("vrf", COLUMN_U64, get_vrf),
};

/* ---- the table ------------------------------------------------------------- */

struct table {
	const struct holders_context *ctx;
	const struct pt_holder *const *rows;
	const struct holder_column *columns[GRID_COLUMNS_MAX]; /* that are shown */
};

static bool is_shown(const struct holders_context *ctx, const struct holder_column *column)
{
	if (!column->title || (ctx->past ? column->live : column->past))
		return false;
	return ctx->netns || !column->netns;
}

static char *format_cell(void *data, size_t row, size_t place, char *p)
{
	const struct table *table = data;
	const struct holder_column *column = table->columns[place];
	const struct pt_holder *holder = table->rows[row];
	union column_value value;
	enum column_state state = column->get(table->ctx, holder, &value);

	p = column_format_cell(p, column->type, state, &value);
	if (column->type != COLUMN_OWNER || state != COLUMN_KNOWN || holder->processes < 2)
		return p;
	return format_u64(stpcpy(p, " +"), holder->processes - 1);
}

static const char *color_of(void *data, size_t row, size_t place)
{
	const struct table *table = data;
	const struct pt_holder *holder = table->rows[row];

	if (table->columns[place]->get != get_state)
		return NULL;
	if (holder->time_wait)
		return "\033[33m";				/* yellow */
	return holder->state == TCP_LISTEN ? "\033[32m" : NULL; /* green */
}

void holders_table(struct out *out, const struct holders_context *ctx,
		   const struct pt_holder *const *rows, size_t count)
{
	struct table table = { .ctx = ctx, .rows = rows };
	struct grid_column columns[GRID_COLUMNS_MAX];
	struct grid grid = { .columns = columns,
			     .rows_count = count,
			     .cell = format_cell,
			     .data = &table,
			     .color = ctx->color ? color_of : NULL };

	for (size_t c = 0; c < ARRAY_SIZE(holder_columns); c++) {
		const struct holder_column *column = &holder_columns[c];

		if (!is_shown(ctx, column))
			continue;
		table.columns[grid.columns_count] = column;
		columns[grid.columns_count++] =
			(struct grid_column){ .title = column->title, .right = column->right };
	}
	grid_write(out, &grid);
}

/* How full: "tcp 12 held, 3 in TIME-WAIT, 28217 free (0.1% taken)". */
static void put_use(struct out *out, const char *proto, __u64 held, __u64 time_wait, __u64 free)
{
	__u64 taken = held + time_wait, all = taken + free;
	__u64 tenths = all ? (taken * 1000 + all / 2) / all : 0;

	if (held == PT_UNKNOWN)
		return;
	out_format(out, "; %s %llu held", proto, held);
	if (time_wait)
		out_format(out, ", %llu in TIME-WAIT", time_wait);
	if (free != PT_UNKNOWN)
		out_format(out, ", %llu free (%llu.%llu%% taken)", free, tenths / 10, tenths % 10);
}

void holders_netns_text(struct out *out, const struct pt_netns *netns)
{
	out_format(out, "netns %u", netns->inode);
	if (netns->name) {
		size_t len = strlen(netns->name);
		char *p = out_reserve(out, len * ESCAPE_EXPAND + 3);

		if (p) {
			p = stpcpy(p, " (");
			p += escape_terminal(p, netns->name, len);
			*p++ = ')';
			out_commit(out, p);
		}
	}
	if (!netns->has_range) {
		out_str(out, ": its port range cannot be read");
		out_end_line(out);
		return;
	}
	out_format(out, ": range %u-%u", netns->low, netns->high);
	if (netns->reserved)
		out_format(out, ", %llu reserved", netns->reserved);
	put_use(out, "tcp", netns->tcp_held, netns->tcp_time_wait, netns->tcp_free);
	put_use(out, "udp", netns->udp_held, 0, netns->udp_free);
	out_end_line(out);
}

/* ---- JSON ------------------------------------------------------------------ */

void holders_json(struct out *out, const struct holders_context *ctx,
		  const struct pt_holder *const *rows, size_t count)
{
	struct json_writer writer = { .out = out };
	struct json_key keys[ARRAY_SIZE(holder_columns)];

	for (size_t c = 0; c < ARRAY_SIZE(holder_columns); c++)
		if (holder_columns[c].key)
			json_key_make(&keys[c], !c, holder_columns[c].key);
	for (size_t i = 0; i < count; i++) {
		for (size_t c = 0; c < ARRAY_SIZE(holder_columns); c++) {
			union column_value value;
			enum column_state state;

			if (!holder_columns[c].key)
				continue;
			state = holder_columns[c].get(ctx, rows[i], &value);
			json_field(&writer, &keys[c], holder_columns[c].type, state, &value);
		}
		out_char(out, '}');
		out_end_line(out);
	}
}

static void field_bool(struct json_writer *writer, const char *name, bool value)
{
	json_member(writer, false, name, COLUMN_BOOL, true,
		    (union column_value){ .boolean = value });
}

static void field_text(struct json_writer *writer, const char *name, const char *text)
{
	json_member(writer, false, name, COLUMN_TEXT, text, (union column_value){ .text = text });
}

static void begin_object(struct json_writer *writer, const struct holders_context *ctx,
			 const char *event)
{
	json_member(writer, true, "ts", COLUMN_TIME, true, (union column_value){ .u64 = ctx->ts });
	field_text(writer, "event", event);
}

static void end_object(struct json_writer *writer)
{
	out_char(writer->out, '}');
	out_end_line(writer->out);
}

void holders_netns_json(struct out *out, const struct holders_context *ctx,
			const struct pt_netns *netns)
{
	struct json_writer writer = { .out = out };
	__u64 cookie = netns->cookie & PT_NO_COOKIES ? 0 : netns->cookie;
	bool known = netns->has_range;

	begin_object(&writer, ctx, "range");
	json_u64(&writer, "netns", netns->inode);
	json_member(&writer, false, "netns_cookie", COLUMN_ID, cookie,
		    (union column_value){ .u64 = cookie });
	field_text(&writer, "netns_name", netns->name);
	field_bool(&writer, "whole", netns->whole);
	json_u64(&writer, "low", known ? netns->low : PT_UNKNOWN);
	json_u64(&writer, "high", known ? netns->high : PT_UNKNOWN);
	json_u64(&writer, "reserved", known ? netns->reserved : PT_UNKNOWN);
	json_u64(&writer, "tcp_held", known ? netns->tcp_held : PT_UNKNOWN);
	json_u64(&writer, "tcp_time_wait", known ? netns->tcp_time_wait : PT_UNKNOWN);
	json_u64(&writer, "tcp_free", known ? netns->tcp_free : PT_UNKNOWN);
	json_u64(&writer, "udp_held", known ? netns->udp_held : PT_UNKNOWN);
	json_u64(&writer, "udp_free", known ? netns->udp_free : PT_UNKNOWN);
	end_object(&writer);
}

void holders_summary_json(struct out *out, const struct holders_context *ctx,
			  const struct holders_summary *summary)
{
	struct json_writer writer = { .out = out };

	begin_object(&writer, ctx, "summary");
	json_u64(&writer, "sockets", summary->sockets);
	json_u64(&writer, "shown", summary->shown);
	json_u64(&writer, "netns", summary->netns);
	json_u64(&writer, "netns_refused", summary->netns_refused);
	json_u64(&writer, "tasks_unreadable", summary->tasks_unreadable);
	json_u64(&writer, "incomplete", summary->incomplete);
	field_bool(&writer, "no_tcp_diag", summary->no_tcp_diag);
	field_bool(&writer, "no_udp_diag", summary->no_udp_diag);
	field_bool(&writer, "bound_idle_unseen", summary->bound_idle_unseen);
	json_u64(&writer, "unowned", summary->unowned);
	json_u64(&writer, "procs_unreadable", summary->processes_unreadable);
	field_bool(&writer, "procs_hidden", summary->processes_hidden);
	end_object(&writer);
}

void holders_moment_json(struct out *out, const struct holders_context *ctx,
			 const struct holders_moment *moment)
{
	struct json_writer writer = { .out = out };

	begin_object(&writer, ctx, "moment");
	json_u64(&writer, "port", moment->port);
	json_u64(&writer, "holders", moment->holders);
	field_bool(&writer, "certain", moment->certain);
	json_member(&writer, false, "free_since", COLUMN_TIME, moment->free_since,
		    (union column_value){ .u64 = moment->free_since });
	end_object(&writer);
}
