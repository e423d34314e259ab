// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/search_watch.h"

#include "user/sink/prose.h"

static void put_space(struct out *out, const struct pt_space *space)
{
	out_format(out, "%s, netns %u", pt_proto_name(space->proto), space->netns);
	if (space->vrf && space->vrf != PT_VRF_UNKNOWN)
		out_format(out, ", vrf %u", space->vrf);
}

static void put_over(struct out *out, const struct search_watch_sign *sign)
{
	if (sign->now >= SEARCH_WATCH_ALLOCS) {
		out_str(out, "searching for a port is quick again after ");
		prose_duration(out, sign->ts - sign->since);
	} else {
		out_format(out,
			   "whether searching for a port is quick again cannot be told from %llu "
			   "allocations in the last second",
			   sign->now);
	}
	out_str(out, " (");
	put_space(out, &sign->space);
	out_str(out, "); it took up to ");
	prose_duration(out, sign->median);
	out_format(out, " (median of %llu allocations in a second)", sign->allocs);
}

void search_watch_write_text(struct out *out, const struct search_watch_sign *sign)
{
	if (sign->over) {
		put_over(out, sign);
	} else {
		out_str(out, "searching for a port takes ");
		prose_duration(out, sign->median);
		out_format(out, " (median of %llu allocations in the last second, ", sign->allocs);
		put_space(out, &sign->space);
		out_str(out, "): a sign that free ones get scarce");
	}
	out_end_line(out);
}
