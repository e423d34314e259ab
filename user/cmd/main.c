// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>
#include <time.h>

#include "user/cmd/commands.h"

typedef enum exit_status command_fn(struct options *options);

/* What a command does on this host, and with a recording. */
static const struct {
	command_fn *live;
	command_fn *recorded;
} commands[COMMANDS] = {
	[COMMAND_TRACE] = { .live = command_trace, .recorded = command_replay },
	[COMMAND_LS] = { .live = command_ls, .recorded = command_ls_past },
	[COMMAND_HISTORY] = { .recorded = command_history },
	[COMMAND_REPORT] = { .recorded = command_report },
	[COMMAND_REUSE] = { .live = command_reuse, .recorded = command_reuse_past },
	[COMMAND_SEARCH] = { .live = command_search, .recorded = command_search_past },
	[COMMAND_EXPORT] = { .recorded = command_export },
	[COMMAND_WHO] = { .recorded = command_who },
	[COMMAND_RECORD] = { .live = command_record },
	[COMMAND_DOCTOR] = { .live = command_doctor },
};

static enum exit_status run(struct options *options)
{
	command_fn *fn = options->recording ? commands[options->command].recorded
					    : commands[options->command].live;

	if (fn)
		return fn(options);
	complain("this build of porttrace cannot do that");
	return STATUS_USAGE;
}

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (__u64)ts.tv_sec * 1000000000ULL + (__u64)ts.tv_nsec;
}

int main(int argc, char **argv)
{
	static struct options options;

	switch (options_parse(argc, argv, now_ns(), &options, stdout, stderr)) {
	case OPTIONS_DONE:
		return fflush(stdout) ? STATUS_ERROR : STATUS_DONE;
	case OPTIONS_WRONG:
		return STATUS_USAGE;
	default:
		return run(&options);
	}
}
