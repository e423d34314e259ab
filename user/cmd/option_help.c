// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/option_help.h"

#include "user/cmd/option_rows.h"

static void print_row(FILE *to, const struct option_row *row)
{
	char left[64];

	if (row->letter)
		snprintf(left, sizeof(left), "-%c%s%s%s%s", row->letter, row->name ? ", --" : "",
			 row->name ? row->name : "", row->arg ? " " : "", row->arg ? row->arg : "");
	else
		snprintf(left, sizeof(left), "    --%s%s%s", row->name,
			 row->arg && *row->arg != '[' ? " " : "", row->arg ? row->arg : "");
	fprintf(to, "  %-25s  %s\n", left, row->help);
}

static void print_overview(FILE *to)
{
	for (int i = 0; i < COMMANDS; i++)
		fprintf(to, "%s porttrace %s\n", i ? "      " : "Usage:", option_commands[i].usage);
	fprintf(to, "\nShows which process takes which local port, when and for how long, and\n"
		    "when the port is free again.\n\n"
		    "Commands (porttrace COMMAND --help shows the options of one)\n");
	for (int i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-8s %s\n", option_commands[i].name, option_commands[i].summary);
}

static void print_command(FILE *to, const struct option_command *command)
{
	fprintf(to, "Usage: porttrace %s\n\n%s: %s\n", command->usage, command->name,
		command->summary);
	if (command->more)
		fprintf(to, "\n%s", command->more);
}

void option_help(FILE *to, enum options_command command)
{
	if (command == COMMAND_TRACE)
		print_overview(to);
	else
		print_command(to, &option_commands[command]);
	for (int group = 0; group < OPTION_GROUPS; group++) {
		bool titled = false;

		for (unsigned int i = 0; i < option_rows_count; i++) {
			const struct option_row *row = &option_rows[i];

			if (row->group != (enum option_group)group ||
			    !(row->commands >> command & 1))
				continue;
			if (!titled)
				fprintf(to, "\n%s\n", option_group_titles[group]);
			titled = true;
			print_row(to, row);
		}
	}
}
