/* SPDX-License-Identifier: BSD-2-Clause */
/* What --by names, as the statistics have it. */
#ifndef PORTTRACE_CMD_BY_H
#define PORTTRACE_CMD_BY_H

#include "user/cmd/options.h"
#include "user/stats/report.h"

/* by is not BY_NONE. */
static inline enum report_by by_of(enum options_by by)
{
	static const enum report_by bys[BYS] = {
		[BY_PORT] = REPORT_BY_PORT,
		[BY_PROCESS] = REPORT_BY_PROCESS,
		[BY_REMOTE] = REPORT_BY_REMOTE,
		[BY_CGROUP] = REPORT_BY_CGROUP,
	};

	return bys[by];
}

#endif /* PORTTRACE_CMD_BY_H */
