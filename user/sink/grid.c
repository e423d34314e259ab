// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/grid.h"

#include <string.h>

#include "user/base/escape.h"

#define GAP 2 /* spaces between columns */

struct painter {
	struct out *out;
	const struct grid *grid;
	size_t widths[GRID_COLUMNS_MAX]; /* characters */
	char cell[GRID_CELL_MAX];
};

/* The cell's length; row rows_count is the titles. */
static size_t get_cell(struct painter *painter, size_t row, size_t column)
{
	const struct grid *grid = painter->grid;
	char *end;

	if (row == grid->rows_count)
		end = stpcpy(painter->cell, grid->columns[column].title);
	else
		end = grid->cell(grid->data, row, column, painter->cell);
	return (size_t)(end - painter->cell);
}

static void measure(struct painter *painter)
{
	for (size_t column = 0; column < painter->grid->columns_count; column++)
		for (size_t row = 0; row <= painter->grid->rows_count; row++) {
			size_t len = get_cell(painter, row, column);
			size_t width = escape_width(painter->cell, len);

			if (width > painter->widths[column])
				painter->widths[column] = width;
		}
}

/* NULL: none. */
static const char *color_of(const struct grid *grid, size_t row, size_t column)
{
	if (!grid->color || row == grid->rows_count)
		return NULL;
	return grid->color(grid->data, row, column);
}

static void put_cell(struct painter *painter, size_t len, const char *color)
{
	if (color)
		out_str(painter->out, color);
	out_bytes(painter->out, painter->cell, len);
	if (color)
		out_str(painter->out, "\033[0m");
}

/* Spaces before, not behind a cell: no line ends in them. */
static void put_row(struct painter *painter, size_t row)
{
	size_t gap = 0;

	for (size_t column = 0; column < painter->grid->columns_count; column++) {
		bool right = painter->grid->columns[column].right;
		size_t len = get_cell(painter, row, column);
		size_t rest = painter->widths[column] - escape_width(painter->cell, len);

		out_fill(painter->out, ' ', gap + (right ? rest : 0));
		put_cell(painter, len, color_of(painter->grid, row, column));
		gap = GAP + (right ? 0 : rest);
	}
	out_end_line(painter->out);
}

void grid_write(struct out *out, const struct grid *grid)
{
	struct painter painter = { .out = out, .grid = grid };

	if (!grid->rows_count)
		return;
	measure(&painter);
	put_row(&painter, grid->rows_count);
	for (size_t row = 0; row < grid->rows_count; row++)
		put_row(&painter, row);
}
