/* SPDX-License-Identifier: BSD-2-Clause */
/* What --help says, made of the tables of user/cmd/option_rows.h. */
#ifndef PORTTRACE_CMD_OPTION_HELP_H
#define PORTTRACE_CMD_OPTION_HELP_H

#include <stdio.h>

#include "user/cmd/options.h"

/* Of trace: also the list of commands. */
void option_help(FILE *to, enum options_command command);

#endif /* PORTTRACE_CMD_OPTION_HELP_H */
