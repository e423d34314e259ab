// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/past.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/array.h"

static __u32 left_ms(const struct ledger_unit *unit, __u64 boottime)
{
	__u64 left = unit->time_wait && unit->tw_until > boottime ? unit->tw_until - boottime : 0;

	/* a recording is anybody's: no TIME_WAIT lasts that long */
	return left / 1000000 < ~0U ? (__u32)((left + 999999) / 1000000) : 0;
}

static struct pt_holder holder_of(const struct past *past, const struct ledger_unit *unit)
{
	__u64 boottime = past->wall - past->recorded->realtime_offset;
	bool has_remote = unit->tuple.rport && !pt_addr_is_any(unit->tuple.raddr);
	struct pt_holder holder = {
		.space = unit->space,
		.family = unit->family,
		.state = TCP_CLOSE,
		.port = unit->port,
		.rport = has_remote ? unit->tuple.rport : 0,
		.sock = pt_space_has_cookies(&unit->space) ? unit->sock : 0,
		.time_wait = unit->time_wait,
		.tw_left_ms = left_ms(unit, boottime),
		.has_inode = true,
		.past = true,
		.closed = unit->closed,
		.via = unit->via,
		.age_ns = PT_UNKNOWN,
	};

	memcpy(holder.laddr, unit->tuple.laddr, sizeof(holder.laddr));
	if (has_remote)
		memcpy(holder.raddr, unit->tuple.raddr, sizeof(holder.raddr));
	if (unit->since != PT_UNKNOWN)
		holder.age_ns = boottime > unit->since ? boottime - unit->since : 0;
	return holder;
}

static void on_unit(void *data, const struct ledger_unit *unit)
{
	struct past *past = data;
	struct pt_holder holder = holder_of(past, unit);
	const struct pt_owner *owner = unit->owner.known ? &unit->owner : NULL;
	struct past_row *rows;

	past_ranges_hold(&past->ranges, unit);
	if (!pt_holder_matches(&holder, owner, &past->recorded->options->filter))
		return;
	rows = array_make_room(past->rows, past->count, &past->size, sizeof(*rows));
	if (!rows) {
		past->error = -ENOMEM;
		return;
	}
	past->rows = rows;
	rows[past->count++] = (struct past_row){ holder, unit->owner };
}

static int compare(const void *one, const void *other)
{
	const struct pt_holder *a = *(const struct pt_holder *const *)one;
	const struct pt_holder *b = *(const struct pt_holder *const *)other;

	if (a->space.netns != b->space.netns)
		return a->space.netns < b->space.netns ? -1 : 1;
	return pt_holder_compare(a, b);
}

static int sort(struct past *past)
{
	past->shown = calloc(past->count + 1, sizeof(*past->shown));
	if (!past->shown)
		return -ENOMEM;
	for (size_t i = 0; i < past->count; i++) {
		struct past_row *row = &past->rows[i];

		row->holder.owner = row->owner.known ? &row->owner : NULL;
		past->shown[i] = &row->holder;
		past->several_netns |= row->holder.space.netns != past->rows[0].holder.space.netns;
	}
	qsort(past->shown, past->count, sizeof(*past->shown), compare);
	return 0;
}

int past_take(struct past *past, struct recorded *recorded, const struct port_set *ports,
	      __u64 wall)
{
	int err = recorded_play_to(recorded, ports, wall);

	*past = (struct past){ .wall = wall, .recorded = recorded };
	if (!err && !ports)
		err = past_ranges_begin(&past->ranges,
					reader_segment(recorded->reader, recorded->segment));
	if (err)
		return err;
	pipeline_each(recorded->pipeline, on_unit, past);
	past->certain = !pipeline_counts(recorded->pipeline).uncertain;
	err = past->error ?: past_ranges_end(&past->ranges, past->certain);
	return err ?: sort(past);
}

void past_free(struct past *past)
{
	free(past->rows);
	free(past->shown);
	past_ranges_free(&past->ranges);
}

bool past_is_known(const struct recorded *recorded, __u64 wall)
{
	char at[RECORDED_TIME_LEN], from[RECORDED_TIME_LEN], to[RECORDED_TIME_LEN];
	struct recorded_gap gap;

	if (recorded_knows(recorded, wall, &gap))
		return true;
	recorded_time(wall, at);
	if (!gap.from)
		complain("who held what at %s is not known: the recording begins at %s", at,
			 recorded_time(gap.to, to));
	else if (gap.to == PT_UNKNOWN)
		complain("who held what at %s is not known: the recording ends at %s%s", at,
			 recorded_time(gap.from, from), gap.why);
	else
		complain("who held what at %s is not known: %s from %s to %s", at, gap.why,
			 recorded_time(gap.from, from), recorded_time(gap.to, to));
	return false;
}
