// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/output.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char *name_of(const struct options *options)
{
	return options->output ?: "standard output";
}

enum exit_status output_open(struct out *out, const struct options *options)
{
	int err = options->output ? out_open(out, options->output) : out_init(out, STDOUT_FILENO);

	signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of the output */
	if (!err)
		return STATUS_DONE;
	complain("%s: %s", name_of(options), strerror(-err));
	return STATUS_ERROR;
}

enum exit_status output_explain(const struct out *out, const struct options *options, int err)
{
	if (!err)
		return STATUS_DONE;
	if (err == -EPIPE)
		complain("%s: its reader closed it; stopped", name_of(options));
	else
		complain("%s: %s; %llu bytes were written, %s", name_of(options), strerror(-err),
			 out_written(out),
			 out_cut(out) ? "the last line is cut" : "all lines whole");
	return STATUS_ERROR;
}

bool output_has_color(const struct options *options)
{
	return options_use_color(options->color, !options->output && isatty(STDOUT_FILENO));
}
