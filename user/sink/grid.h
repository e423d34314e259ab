/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of text under titles, each column as wide as its widest cell. */
#ifndef PORTTRACE_SINK_GRID_H
#define PORTTRACE_SINK_GRID_H

#include <stdbool.h>
#include <stddef.h>

#include "user/base/out.h"

#define GRID_COLUMNS_MAX 32
/* Bytes of a cell. */
#define GRID_CELL_MAX 32768

struct grid_column {
	const char *title;
	bool right; /* title and cells */
};

struct grid {
	const struct grid_column *columns;
	size_t columns_count; /* at most GRID_COLUMNS_MAX */
	size_t rows_count;
	/*
	 * Writes a cell to p, at most GRID_CELL_MAX bytes of UTF-8 without control
	 * characters, and returns the place behind it. Asked twice for each.
	 */
	char *(*cell)(void *data, size_t row, size_t column, char *p);
	void *data;
	/* The escape sequence to put before a cell, or NULL. May be NULL itself. */
	const char *(*color)(void *data, size_t row, size_t column);
};

/* Without rows nothing. No line ends in spaces. */
void grid_write(struct out *out, const struct grid *grid);

#endif /* PORTTRACE_SINK_GRID_H */
