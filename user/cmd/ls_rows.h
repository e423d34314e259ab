/* SPDX-License-Identifier: BSD-2-Clause */
/* The rows of `porttrace ls`, of now and of a past moment: holders, or what --by makes of them. */
#ifndef PORTTRACE_CMD_LS_ROWS_H
#define PORTTRACE_CMD_LS_ROWS_H

#include "user/cmd/options.h"
#include "user/sink/holders.h"

/* As options wish: a table, or JSON. Returns 0, or -ENOMEM if it wrote nothing. */
int ls_rows(struct out *out, const struct options *options, const struct holders_context *ctx,
	    const struct pt_holder *const *rows, size_t count);

#endif /* PORTTRACE_CMD_LS_ROWS_H */
