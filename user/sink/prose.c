// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/prose.h"

#include <time.h>

#include "user/base/format.h"

#define NS_PER_S 1000000000ULL
#define WALL_MAX 24

const char *prose_plural(__u64 count)
{
	return count == 1 ? "" : "s";
}

char *prose_format_wall(char *p, const char *format, __u64 wall)
{
	time_t time = (time_t)(wall / NS_PER_S);
	struct tm tm;

	localtime_r(&time, &tm);
	return p + strftime(p, WALL_MAX, format, &tm);
}

void prose_wall(struct out *out, const char *format, __u64 wall)
{
	out_commit(out, prose_format_wall(out_reserve(out, WALL_MAX), format, wall));
}

void prose_span(struct out *out, const char *between, __u64 from, __u64 to)
{
	char day[WALL_MAX], other[WALL_MAX];

	*prose_format_wall(day, "%F", from) = '\0';
	*prose_format_wall(other, "%F", to) = '\0';
	prose_wall(out, "%F %T", from);
	if (from == to)
		return;
	out_str(out, between);
	prose_wall(out, strcmp(day, other) ? "%F %T" : "%T", to);
}

void prose_duration(struct out *out, __u64 ns)
{
	out_commit(out, format_duration(out_reserve(out, FORMAT_DURATION_MAX), ns));
}

void prose_head(struct out *out, __u64 from, __u64 to)
{
	prose_span(out, " to ", from, to);
	out_str(out, " (");
	prose_duration(out, to - from);
	out_str(out, "): ");
}

bool prose_lost(struct out *out, __u64 lost, bool unknown)
{
	if (!lost && !unknown)
		return false;
	out_str(out, "Events lost in this span: ");
	if (lost)
		out_u64(out, lost);
	if (unknown)
		out_str(out, lost ? " or more" : "nobody knows how many");
	return true;
}
