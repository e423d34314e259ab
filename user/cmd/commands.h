/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands, one file each. */
#ifndef PORTTRACE_CMD_COMMANDS_H
#define PORTTRACE_CMD_COMMANDS_H

#include "user/cmd/options.h"

enum exit_status {
	STATUS_DONE = 0,
	STATUS_ERROR = 1,
	STATUS_USAGE = 2,
	STATUS_LOST = 3, /* records were lost, and --strict */
	STATUS_NOT_KNOWN = 4,
	STATUS_NOT_ALLOWED = 5, /* this kernel, or these privileges */
	STATUS_AUDIT = 6,
};

/* Each writes its results to standard output and one line per problem to standard error. */
enum exit_status command_trace(struct options *options);
enum exit_status command_ls(struct options *options);
enum exit_status command_ls_past(struct options *options);
enum exit_status command_history(struct options *options);
enum exit_status command_report(struct options *options);
enum exit_status command_reuse(struct options *options);
enum exit_status command_reuse_past(struct options *options);
enum exit_status command_search(struct options *options);
enum exit_status command_search_past(struct options *options);
enum exit_status command_export(struct options *options);
enum exit_status command_who(struct options *options);
enum exit_status command_replay(struct options *options);
enum exit_status command_record(struct options *options);
enum exit_status command_doctor(struct options *options);

/* One line on standard error: "porttrace: " and the message. */
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif /* PORTTRACE_CMD_COMMANDS_H */
