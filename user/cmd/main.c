// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>

#include "user/cmd/commands.h"

int main(int argc, char **argv)
{
	static struct options options;

	switch (options_parse(argc, argv, &options, stdout, stderr)) {
	case OPTIONS_DONE:
		return fflush(stdout) ? STATUS_ERROR : STATUS_DONE;
	case OPTIONS_WRONG:
		return STATUS_USAGE;
	case OPTIONS_RUN:
		break;
	}
	switch (options.command) {
	case COMMAND_LS:
		return command_ls(&options);
	case COMMAND_DOCTOR:
		return command_doctor(&options);
	default:
		return command_trace(&options);
	}
}
