// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/headroom.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "user/sink/column_put.h"
#include "user/sink/grid.h"
#include "user/sink/json_field.h"
#include "user/sink/prose.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define HOLDERS_MAX                                                                                \
	(HEADROOM_HOLDERS * (PT_COMM_LEN * ESCAPE_EXPAND + 2 * FORMAT_U64_MAX + 48) + 48)

_Static_assert(GRID_CELL_MAX >= COLUMN_VALUE_MAX, "room for every cell");
_Static_assert(OUT_RESERVE_MAX >= HOLDERS_MAX, "room for the holders");

/* ---- pieces of sentences --------------------------------------------------------- */

/* Who needs a port that nobody has. */
static const char *everyone(const struct pt_space *space)
{
	return space->proto == IPPROTO_UDP ? "any" : "bind(0)";
}

static struct column_endpoint source_of(const struct headroom_key *key)
{
	return (struct column_endpoint){ .addr = key->laddr, .family = AF_INET6 };
}

static struct column_endpoint destination_of(const struct headroom_key *key)
{
	return (struct column_endpoint){ .addr = key->raddr,
					 .port = key->rport,
					 .family = AF_INET6 };
}

void headroom_put_who(struct out *out, const struct headroom_key *key)
{
	const struct column_endpoint source = source_of(key), destination = destination_of(key);
	char *p;

	out_str(out, pt_proto_name(key->space.proto));
	out_char(out, ' ');
	if (!key->rport) {
		out_str(out, everyone(&key->space));
		return;
	}
	p = out_reserve(out, FORMAT_IPV6_MAX + COLUMN_ENDPOINT_MAX + 4);
	p = column_format_addr(p, &source);
	p = stpcpy(p, " to ");
	out_commit(out, column_format_endpoint(p, &destination));
}

void headroom_put_use(struct out *out, const struct headroom_figures *figures)
{
	const char *least = figures->partial ? "at least " : "";

	out_format(out, "%s%u of %u ports used", least, figures->held + figures->blocked,
		   figures->usable);
	if (figures->time_wait || figures->blocked)
		out_str(out, " (");
	if (figures->time_wait)
		out_format(out, "%u in TIME-WAIT", figures->time_wait);
	if (figures->blocked)
		out_format(out, "%s%u closed by bind", figures->time_wait ? ", " : "",
			   figures->blocked);
	if (figures->time_wait || figures->blocked)
		out_char(out, ')');
	if (figures->left)
		out_format(out, ", %s%u left",
			   figures->unsure || figures->partial ? "at most " : "", figures->left);
}

static void put_change(struct out *out, enum headroom_window window,
		       const struct headroom_change *change)
{
	__s64 rate = headroom_per_second(change);

	out_format(out, "%c%.1f/s over ", rate < 0 ? '-' : '+', (double)llabs(rate) / 1000);
	prose_duration(out, change->ns < headroom_window_ns(window) * 9 / 10
				    ? change->ns
				    : headroom_window_ns(window));
}

void headroom_put_rates(struct out *out, const struct headroom_figures *figures)
{
	bool told = false;

	for (int w = 0; w < HEADROOM_WINDOWS; w++) {
		if (!figures->changes[w].ns)
			continue;
		out_str(out, told ? ", " : "");
		put_change(out, w, &figures->changes[w]);
		told = true;
	}
	if (figures->empty_ns >= HEADROOM_NEVER || !figures->left)
		return;
	out_str(out, told ? ", none left in " : "none left in ");
	prose_duration(out, figures->empty_ns);
}

static char *format_holder(char *p, const struct headroom_holder *holder)
{
	if (holder->owner.known) {
		p = format_u64(p, holder->owner.pid);
		*p++ = ' ';
		p = column_format_name(p, holder->owner.comm);
	} else {
		p = stpcpy(p, "unknown");
	}
	p = stpcpy(p, " (");
	p = format_u64(p, holder->held);
	if (holder->time_wait) {
		p = stpcpy(p, ", ");
		p = format_u64(p, (100ULL * holder->time_wait + holder->held / 2) / holder->held);
		p = stpcpy(p, "% in TIME-WAIT");
	}
	*p++ = ')';
	return p;
}

static char *format_holders(char *p, const struct headroom_holders *holders)
{
	for (__u32 i = 0; i < holders->count; i++) {
		p = stpcpy(p, i ? ", " : "");
		p = format_holder(p, &holders->top[i]);
	}
	if (holders->processes > holders->count) {
		p = stpcpy(p, " and ");
		p = format_u64(p, holders->processes - holders->count);
		p = stpcpy(p, " more");
	}
	return p;
}

void headroom_put_holders(struct out *out, const struct headroom_holders *holders)
{
	out_commit(out, format_holders(out_reserve(out, HOLDERS_MAX), holders));
}

/* ---- what is shown of a row ------------------------------------------------------ */

struct headroom_column {
	const char *key;   /* JSON; NULL: not in JSON */
	const char *title; /* table; NULL: not in the table */
	enum column_type type;
	bool right; /* values and title */
	bool netns; /* table: only where there are several namespaces */
	enum column_state (*get)(const struct headroom_row *row, union column_value *value);
};

#define GETTER(name)                                                                               \
	static enum column_state name(const struct headroom_row *row, union column_value *v)

GETTER(get_proto)
{
	return put_text(v, pt_proto_name(row->figures.key.space.proto));
}

GETTER(get_netns)
{
	return put_nonzero(v, row->figures.key.space.netns);
}

GETTER(get_netns_cookie)
{
	return put_nonzero(v, pt_space_cookie(&row->figures.key.space));
}

GETTER(get_vrf)
{
	return put_vrf(v, &row->figures.key.space);
}

GETTER(get_source)
{
	v->endpoint = source_of(&row->figures.key);
	return row->figures.key.rport ? COLUMN_KNOWN : COLUMN_NONE;
}

GETTER(get_destination)
{
	v->endpoint = destination_of(&row->figures.key);
	return row->figures.key.rport ? COLUMN_KNOWN : COLUMN_NONE;
}

GETTER(get_rport)
{
	return row->figures.key.rport ? put_u64(v, row->figures.key.rport) : COLUMN_NONE;
}

static enum column_state put_figure(const struct headroom_row *row, union column_value *v,
				    __u64 value)
{
	return row->figures.known ? put_u64(v, value) : COLUMN_UNKNOWN;
}

GETTER(get_usable)
{
	return put_figure(row, v, row->figures.usable);
}

GETTER(get_held)
{
	return put_figure(row, v, row->figures.held);
}

GETTER(get_time_wait)
{
	return put_figure(row, v, row->figures.time_wait);
}

GETTER(get_blocked)
{
	return row->figures.key.rport ? put_figure(row, v, row->figures.blocked) : COLUMN_NONE;
}

GETTER(get_unsure)
{
	return put_figure(row, v, row->figures.unsure);
}

GETTER(get_left)
{
	return put_figure(row, v, row->figures.left);
}

GETTER(get_used)
{
	return put_figure(row, v, row->figures.used);
}

GETTER(get_partial)
{
	v->boolean = row->figures.partial;
	return row->figures.known ? COLUMN_KNOWN : COLUMN_UNKNOWN;
}

GETTER(get_processes)
{
	return put_u64(v, row->holders.processes);
}

#define COLUMN(key_, title_, type_, get_, ...)                                                     \
	{                                                                                          \
		.key = key_, .title = title_, .type = type_, .get = get_, ##__VA_ARGS__            \
	}

static const struct headroom_column headroom_columns[] = {
	COLUMN("netns", "NETNS", COLUMN_U64, get_netns, .right = true, .netns = true),
	COLUMN("netns_cookie", NULL, COLUMN_ID, get_netns_cookie),
	COLUMN("vrf", NULL, COLUMN_U64, get_vrf),
	COLUMN("proto", "PROTO", COLUMN_WORD, get_proto),
	COLUMN("laddr", "SOURCE", COLUMN_ADDR, get_source),
	COLUMN("raddr", NULL, COLUMN_ADDR, get_destination),
	COLUMN("rport", NULL, COLUMN_U64, get_rport),
	COLUMN(NULL, "DESTINATION", COLUMN_ENDPOINT, get_destination),
	COLUMN("usable", "PORTS", COLUMN_U64, get_usable, .right = true),
	COLUMN("held", "HELD", COLUMN_U64, get_held, .right = true),
	COLUMN("held_time_wait", "TW", COLUMN_U64, get_time_wait, .right = true),
	COLUMN("blocked", "BLOCKED", COLUMN_U64, get_blocked, .right = true),
	COLUMN("unsure", "UNSURE", COLUMN_U64, get_unsure, .right = true),
	COLUMN("left", "LEFT", COLUMN_U64, get_left, .right = true),
	COLUMN("used", "USED%", COLUMN_SHARE, get_used, .right = true),
	COLUMN("partial", NULL, COLUMN_BOOL, get_partial),
	COLUMN("processes", NULL, COLUMN_U64, get_processes),
};

#define COLUMNS ARRAY_SIZE(headroom_columns)

static size_t shown(size_t count, size_t top)
{
	return top && top < count ? top : count;
}

/* ---- the table ------------------------------------------------------------------- */

struct table {
	const struct headroom_row *rows;
	const struct headroom_column *columns[GRID_COLUMNS_MAX]; /* NULL: HOLDERS */
};

static char *format_cell(void *data, size_t row, size_t place, char *p)
{
	const struct table *table = data;
	const struct headroom_column *column = table->columns[place];
	const struct headroom_row *shown_row = &table->rows[row];
	union column_value value;
	enum column_state state;

	if (!column)
		return shown_row->holders.count ? format_holders(p, &shown_row->holders)
						: stpcpy(p, "-");
	if (column->get == get_destination && !shown_row->figures.key.rport)
		return stpcpy(p, everyone(&shown_row->figures.key.space));
	state = column->get(shown_row, &value);
	if (column->type == COLUMN_ADDR && state == COLUMN_KNOWN)
		return column_format_addr(p, &value.endpoint);
	return column_format_cell(p, column->type, state, &value);
}

void headroom_table(struct out *out, const struct holders_context *ctx,
		    const struct headroom_row *rows, size_t count, size_t top)
{
	struct table table = { .rows = rows };
	struct grid_column columns[COLUMNS + 1];
	struct grid grid = { .columns = columns,
			     .rows_count = shown(count, top),
			     .cell = format_cell,
			     .data = &table };

	for (size_t c = 0; c < COLUMNS; c++) {
		const struct headroom_column *column = &headroom_columns[c];

		if (!column->title || (column->netns && !ctx->netns))
			continue;
		table.columns[grid.columns_count] = column;
		columns[grid.columns_count++] =
			(struct grid_column){ .title = column->title, .right = column->right };
	}
	columns[grid.columns_count++] = (struct grid_column){ .title = "HOLDERS" };
	grid_write(out, &grid);
	if (count > grid.rows_count)
		out_format(out, "... and %zu more destinations\n", count - grid.rows_count);
}

void headroom_legend(struct out *out, const struct headroom_row *rows, size_t count)
{
	bool unsure = false;

	if (!count)
		return;
	for (size_t i = 0; i < count; i++)
		unsure |= rows[i].figures.unsure;
	out_str(out,
		"(PORTS: of the range, less the reserved ones; HELD: to this destination, TW of "
		"these in TIME-WAIT;\n"
		"BLOCKED: closed to connect, since bind or listen touched them)\n");
	if (unsure)
		out_str(out, "(UNSURE: held to other destinations, and counted as LEFT, unless "
			     "bind touched "
			     "them:\nroot, or CAP_BPF and CAP_PERFMON, can tell)\n");
}

/* ---- who takes ports from everyone ----------------------------------------------- */

void headroom_takers_text(struct out *out, const struct headroom_taker_row *row)
{
	const struct headroom_holders *holders = &row->holders;

	if (!holders->held)
		return;
	out_format(out, "bind(0) before connect takes %u port%s from everyone (netns %u): ",
		   holders->held, prose_plural(holders->held), row->space.netns);
	headroom_put_holders(out, holders);
	out_str(out, "; IP_BIND_ADDRESS_NO_PORT before bind lets connect share them");
	out_end_line(out);
}

/* ---- JSON ------------------------------------------------------------------------ */

static void put_holders(struct json_writer *writer, const struct headroom_holders *holders)
{
	out_str(writer->out, ",\"holders\":[");
	for (__u32 i = 0; i < holders->count; i++) {
		const struct headroom_holder *holder = &holders->top[i];
		bool known = holder->owner.known;

		out_str(writer->out, i ? "," : "");
		json_member(writer, true, "pid", COLUMN_U64, known,
			    (union column_value){ .u64 = holder->owner.pid });
		json_member(writer, false, "comm", COLUMN_TEXT, known,
			    (union column_value){ .text = holder->owner.comm });
		json_u64(writer, "held", holder->held);
		json_u64(writer, "held_time_wait", holder->time_wait);
		out_char(writer->out, '}');
	}
	out_char(writer->out, ']');
}

static void begin_object(struct json_writer *writer, const struct holders_context *ctx,
			 const char *event)
{
	json_member(writer, true, "ts", COLUMN_TIME, true, (union column_value){ .u64 = ctx->ts });
	json_word(writer, false, "event", event);
}

static void end_object(struct json_writer *writer)
{
	out_char(writer->out, '}');
	out_end_line(writer->out);
}

void headroom_json(struct out *out, const struct holders_context *ctx,
		   const struct headroom_row *rows, size_t count, size_t top)
{
	struct json_writer writer = { .out = out };

	for (size_t i = 0; i < shown(count, top); i++) {
		begin_object(&writer, ctx, "headroom");
		for (size_t c = 0; c < COLUMNS; c++) {
			const struct headroom_column *column = &headroom_columns[c];
			union column_value value;
			enum column_state state;
			struct json_key key;

			if (!column->key)
				continue;
			json_key_make(&key, false, column->key);
			state = column->get(&rows[i], &value);
			json_field(&writer, &key, column->type, state, &value);
		}
		put_holders(&writer, &rows[i].holders);
		end_object(&writer);
	}
}

void headroom_takers_json(struct out *out, const struct holders_context *ctx,
			  const struct headroom_taker_row *row)
{
	struct json_writer writer = { .out = out };

	begin_object(&writer, ctx, "bind_before_connect");
	json_u64(&writer, "netns", row->space.netns);
	json_u64(&writer, "held", row->holders.held);
	json_u64(&writer, "processes", row->holders.processes);
	put_holders(&writer, &row->holders);
	end_object(&writer);
}
