/* SPDX-License-Identifier: BSD-2-Clause */
/* Where results go: standard output, or the file of -o. */
#ifndef PORTTRACE_CMD_OUTPUT_H
#define PORTTRACE_CMD_OUTPUT_H

#include "user/base/out.h"
#include "user/cmd/commands.h"

/* Complains itself. Unless it fails the caller calls out_close(). */
enum exit_status output_open(struct out *out, const struct options *options);

/*
 * After out_close(): what it returned, in words: what was written, and whether its
 * last line is whole. Returns STATUS_DONE if err is 0.
 */
enum exit_status output_explain(const struct out *out, const struct options *options, int err);

/* Whether to use colour there. */
bool output_has_color(const struct options *options);

#endif /* PORTTRACE_CMD_OUTPUT_H */
