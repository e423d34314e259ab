/* SPDX-License-Identifier: BSD-2-Clause */
/* The rows of the BPF iterators, read from their files (loader_iterate()). */
#ifndef PORTTRACE_LIVE_ROWS_H
#define PORTTRACE_LIVE_ROWS_H

#include <stddef.h>

#include "user/live/sock_row.h"

/* owner: who has it open; NULL: the iterator does not tell. Not 0 ends the reading. */
typedef int (*rows_fn)(const struct sock_row *row, const struct pt_owner *owner, void *data);

/*
 * Calls fn for each row up to the end of the file, which stays the caller's.
 * Returns 0, what fn returned, or a negative errno: -EBADMSG, that was no row.
 */
int rows_read(int fd, rows_fn fn, void *data);

#endif /* PORTTRACE_LIVE_ROWS_H */
