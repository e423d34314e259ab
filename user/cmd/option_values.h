/* SPDX-License-Identifier: BSD-2-Clause */
/* What each option does with its value; user/cmd/option_rows.c says which option is which. */
#ifndef PORTTRACE_CMD_OPTION_VALUES_H
#define PORTTRACE_CMD_OPTION_VALUES_H

#include "user/cmd/options.h"

/*
 * Sets what value says. options->command and now_ns are set already; strings
 * are borrowed. Returns 0, or a negative errno with the reason in why, as the
 * parsers of user/base/parse.h do; the options are of no use then.
 */
typedef int option_fn(struct options *options, const char *value, struct parse_reason *why);

option_fn option_set_ports;
option_fn option_set_rports;
option_fn option_set_remotes;
option_fn option_set_pids;
option_fn option_set_uids;
option_fn option_set_comm;
option_fn option_set_cgroup;
option_fn option_set_netns;
option_fn option_set_protos;
option_fn option_set_events;
option_fn option_set_vias;
option_fn option_set_output;
option_fn option_set_recording;
option_fn option_set_write;
option_fn option_set_export;
option_fn option_set_color;
option_fn option_set_by;
option_fn option_set_reuse_by;
option_fn option_set_search_by;
option_fn option_set_report_format;
option_fn option_set_export_format;
option_fn option_set_sort;
option_fn option_set_top;
option_fn option_set_duration;
option_fn option_set_count;
option_fn option_set_buffer_size;
/* The value may be missing: NULL. */
option_fn option_set_audit;
option_fn option_set_watch;
option_fn option_set_max_size;
option_fn option_set_max_age;
option_fn option_set_memory;
/* headroom=... sets watch, too. */
option_fn option_set_dump_on;
option_fn option_set_since;
option_fn option_set_until;
option_fn option_set_at;
/* The port of history and who: the filter has it too. */
option_fn option_set_port;

#endif /* PORTTRACE_CMD_OPTION_VALUES_H */
