// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/keyed.h"

#include <errno.h>
#include <stdlib.h>

#include "user/sink/column_put.h"
#include "user/sink/grid.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

_Static_assert(GRID_CELL_MAX >= COLUMN_VALUE_MAX, "room for every cell");

/* ---- what a row is --------------------------------------------------------------- */

struct key_column {
	struct keyed_column base;
	unsigned int bys; /* bit 1 << enum keyed_by */
	bool right;	  /* text: values and title */
	bool netns;	  /* text: only if there are several network namespaces */
};

#define GETTER(name) static enum column_state name(const void *data, union column_value *v)
#define KEY_OF(data) ((const union keyed_row *)(data))

GETTER(get_proto)
{
	return put_text(v, pt_proto_name(KEY_OF(data)->space.proto));
}

GETTER(get_port)
{
	return put_u64(v, KEY_OF(data)->port);
}

GETTER(get_netns)
{
	return put_nonzero(v, KEY_OF(data)->space.netns);
}

GETTER(get_netns_cookie)
{
	return put_nonzero(v, pt_space_cookie(&KEY_OF(data)->space));
}

GETTER(get_vrf)
{
	return put_vrf(v, &KEY_OF(data)->space);
}

GETTER(get_pid)
{
	const struct pt_owner *owner = &KEY_OF(data)->owner;

	return owner->known ? put_u64(v, owner->pid) : COLUMN_UNKNOWN;
}

GETTER(get_comm)
{
	const struct pt_owner *owner = &KEY_OF(data)->owner;

	return owner->known ? put_text(v, owner->comm) : COLUMN_UNKNOWN;
}

GETTER(get_owner)
{
	v->owner = &KEY_OF(data)->owner;
	return v->owner->known ? COLUMN_KNOWN : COLUMN_UNKNOWN;
}

GETTER(get_kernel)
{
	const struct pt_owner *owner = &KEY_OF(data)->owner;

	return owner->known ? put_bool(v, owner->kernel) : COLUMN_UNKNOWN;
}

GETTER(get_uid)
{
	const struct pt_owner *owner = &KEY_OF(data)->owner;

	return owner->known ? put_u64(v, owner->uid) : COLUMN_UNKNOWN;
}

GETTER(get_remote)
{
	const union keyed_row *key = KEY_OF(data);

	return key->rport ? put_endpoint(v, key->raddr, key->rport, 0) : COLUMN_NONE;
}

GETTER(get_rport)
{
	return KEY_OF(data)->rport ? put_u64(v, KEY_OF(data)->rport) : COLUMN_NONE;
}

GETTER(get_fill)
{
	return put_text(v, fill_class_name(KEY_OF(data)->fill));
}

#define PROCESS (1U << KEYED_BY_PROCESS)
#define PORT (1U << KEYED_BY_PORT)
#define PROTO (1U << KEYED_BY_PROTO | PORT)
#define NETNS (1U << KEYED_BY_NETNS | PORT)
#define REMOTE (1U << KEYED_BY_REMOTE)
#define FILL (1U << KEYED_BY_FILL)

/* Further members may follow the bys. */
#define KEY(key_, title_, type_, get_, ...)                                                        \
	{                                                                                          \
		.base = { key_, title_, type_, get_ }, .bys = __VA_ARGS__                          \
	}

/* Keys are those of a report's rows where they mean the same. */
static const struct key_column key_columns[] = {
	KEY("proto", "PROTO", COLUMN_WORD, get_proto, PROTO),
	KEY("port", "PORT", COLUMN_U64, get_port, PORT, .right = true),
	KEY("netns", "NETNS", COLUMN_U64, get_netns, NETNS, .right = true, .netns = true),
	KEY("netns_cookie", NULL, COLUMN_ID, get_netns_cookie, NETNS),
	KEY("vrf", NULL, COLUMN_U64, get_vrf, PORT),
	KEY("pid", "PID", COLUMN_U64, get_pid, PROCESS, .right = true),
	KEY("comm", NULL, COLUMN_TEXT, get_comm, PROCESS),
	KEY(NULL, "COMM", COLUMN_OWNER, get_owner, PROCESS),
	KEY("kernel", NULL, COLUMN_BOOL, get_kernel, PROCESS),
	KEY("uid", NULL, COLUMN_U64, get_uid, PROCESS),
	KEY("raddr", NULL, COLUMN_ADDR, get_remote, REMOTE),
	KEY("rport", NULL, COLUMN_U64, get_rport, REMOTE),
	KEY(NULL, "REMOTE", COLUMN_ENDPOINT, get_remote, REMOTE),
	KEY("fill", "FULL%", COLUMN_WORD, get_fill, FILL),
};

_Static_assert(ARRAY_SIZE(key_columns) + KEYED_NUMBERS_MAX <= GRID_COLUMNS_MAX, "a grid's");

static bool applies(const struct key_column *column, const struct keyed *keyed)
{
	return column->bys >> keyed->by & 1;
}

/* ---- sorting --------------------------------------------------------------------- */

struct order {
	keyed_compare *compare;
};

static int compare_places(const void *a, const void *b, void *data)
{
	const char *x = *(const char *const *)a, *y = *(const char *const *)b;
	const struct order *order = data;

	return order->compare(x, y) ?: (x < y ? -1 : x > y);
}

int keyed_view_begin(struct keyed_view *view, keyed_compare *compare, size_t top)
{
	const struct keyed *keyed = view->keyed;
	struct order order = { compare };

	view->rows_count = keyed->count;
	view->rows = calloc(keyed->count + 1, sizeof(*view->rows));
	if (!view->rows)
		return -ENOMEM;
	for (__u32 i = 0; i < keyed->count; i++)
		view->rows[i] = keyed_at(keyed, i);
	qsort_r(view->rows, keyed->count, sizeof(*view->rows), compare_places, &order);
	if (top && top < view->rows_count)
		view->rows_count = top;
	return 0;
}

void keyed_view_end(struct keyed_view *view)
{
	free(view->rows);
}

/* ---- for people ------------------------------------------------------------------ */

/* The columns that are shown. */
struct text_rows {
	const struct keyed_view *view;
	const struct keyed_column *columns[GRID_COLUMNS_MAX];
};

/* By namespace that is what a row is, however many there are. */
static bool shows_netns(const struct keyed *keyed)
{
	const union keyed_row *first = keyed->count ? keyed_at(keyed, 0) : NULL;

	if (keyed->by == KEYED_BY_NETNS)
		return true;
	for (__u32 i = 1; keyed->by == KEYED_BY_PORT && i < keyed->count; i++)
		if (KEY_OF(keyed_at(keyed, i))->space.netns != first->space.netns)
			return true;
	return false;
}

static char *format_row_cell(void *data, size_t row, size_t place, char *p)
{
	const struct text_rows *rows = data;
	const struct keyed_column *column = rows->columns[place];
	union column_value value;
	enum column_state state = column->get(rows->view->rows[row], &value);

	return column_format_cell(p, column->type, state, &value);
}

void keyed_write_text(struct out *out, const struct keyed_view *view)
{
	struct text_rows rows = { .view = view };
	struct grid_column columns[GRID_COLUMNS_MAX];
	struct grid grid = { .columns = columns,
			     .rows_count = view->rows_count,
			     .cell = format_row_cell,
			     .data = &rows };
	bool netns = shows_netns(view->keyed);
	size_t *count = &grid.columns_count;

	for (size_t i = 0; i < ARRAY_SIZE(key_columns); i++) {
		const struct key_column *column = &key_columns[i];

		if (!column->base.title || (column->netns && !netns) ||
		    !applies(column, view->keyed))
			continue;
		rows.columns[*count] = &column->base;
		columns[(*count)++] = (struct grid_column){ column->base.title, column->right };
	}
	for (size_t i = 0; i < view->numbers_count; i++) {
		if (!view->numbers[i].title)
			continue;
		rows.columns[*count] = &view->numbers[i];
		columns[(*count)++] = (struct grid_column){ view->numbers[i].title, true };
	}
	grid_write(out, &grid);
	if (view->keyed->count > view->rows_count)
		out_format(out, "... and %zu more\n", view->keyed->count - view->rows_count);
}

/* ---- JSON ------------------------------------------------------------------------ */

static void json_column(struct json_writer *json, bool first, const struct keyed_column *column,
			const void *row)
{
	union column_value value;
	enum column_state state = column->get(row, &value);
	struct json_key key;

	json_key_make(&key, first, column->key);
	json_field(json, &key, column->type, state, &value);
}

static void json_numbers(struct json_writer *json, const struct keyed_view *view, const void *row,
			 bool first)
{
	for (size_t i = 0; i < view->numbers_count; i++) {
		if (!view->numbers[i].key)
			continue;
		json_column(json, first, &view->numbers[i], row);
		first = false;
	}
	if (view->json_more)
		view->json_more(json, row);
	out_char(json->out, '}');
}

void keyed_json_numbers(struct json_writer *json, const struct keyed_view *view, const void *row)
{
	json_numbers(json, view, row, true);
}

static void json_row(struct json_writer *json, const struct keyed_view *view, const void *row)
{
	bool first = true;

	for (size_t i = 0; i < ARRAY_SIZE(key_columns); i++) {
		if (!key_columns[i].base.key || !applies(&key_columns[i], view->keyed))
			continue;
		json_column(json, first, &key_columns[i].base, row);
		first = false;
	}
	json_numbers(json, view, row, first);
}

void keyed_json_rows(struct json_writer *json, const struct keyed_view *view, const void *others)
{
	json_u64(json, "rows_total", view->keyed->count);
	out_str(json->out, ",\"rows\":[");
	for (size_t i = 0; i < view->rows_count; i++) {
		if (i)
			out_char(json->out, ',');
		json_row(json, view, view->rows[i]);
	}
	out_str(json->out, "],\"others\":");
	if (others)
		keyed_json_numbers(json, view, others);
	else
		out_str(json->out, "null");
}
