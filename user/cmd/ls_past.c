// SPDX-License-Identifier: BSD-2-Clause
/* porttrace ls -r: who held which port at a past moment. */
#include <errno.h>

#include "user/cmd/ls_headroom.h"
#include "user/cmd/ls_rows.h"
#include "user/cmd/output.h"
#include "user/cmd/past.h"
#include "user/sink/holders.h"

struct ls_past {
	struct options *options;
	struct recorded recorded;
	struct past past;
	struct out out;
};

static void tell_ranges_json(struct ls_past *ls, const struct holders_context *ctx)
{
	const struct past_ranges *ranges = &ls->past.ranges;

	for (size_t i = 0; i < ranges->count; i++)
		if (filter_passes_u32(&ls->options->filter.netns, ranges->rows[i].inode))
			holders_netns_json(&ls->out, ctx, &ranges->rows[i]);
}

/* Behind the table. */
static void tell_rest(struct ls_past *ls)
{
	const struct past_ranges *ranges = &ls->past.ranges;
	char at[RECORDED_TIME_LEN];

	if (ls->past.count)
		out_end_line(&ls->out);
	out_format(&ls->out, "%zu holder%s at %s.", ls->past.count, ls->past.count == 1 ? "" : "s",
		   recorded_time(ls->past.wall, at));
	out_end_line(&ls->out);
	for (size_t i = 0; i < ranges->count; i++)
		if (filter_passes_u32(&ls->options->filter.netns, ranges->rows[i].inode))
			holders_netns_text(&ls->out, &ranges->rows[i]);
}

struct feeding {
	struct headroom *headroom;
	bool reserved; /* some are, and it is not known which */
	int error;
};

/* Whoever is shown, all of them count. */
static void feed_unit(void *data, const struct ledger_unit *unit)
{
	struct feeding *feeding = data;
	struct pt_event ev = pt_event_of_unit(unit);
	const struct headroom_hold hold = {
		.ev = &ev,
		.time_wait = unit->time_wait,
		.connects = ev.rport,
	};

	if (!feeding->error)
		feeding->error = headroom_hold(feeding->headroom, &hold);
}

static void feed_range(void *data, const struct pt_netns *netns, const struct port_set *reserved)
{
	struct feeding *feeding = data;

	feeding->reserved |= !reserved;
	if (!feeding->error && netns->has_range && reserved)
		feeding->error =
			headroom_range(feeding->headroom, &(struct headroom_range){
								  .netns_cookie = netns->cookie,
								  .netns = netns->inode,
								  .low = netns->low,
								  .high = netns->high,
								  .reserved = reserved,
							  });
}

static int feed(struct ls_past *ls, struct headroom *headroom)
{
	const struct recorded *recorded = &ls->recorded;
	struct feeding feeding = { .headroom = headroom };

	recorded_each_range(reader_segment(recorded->reader, recorded->segment), feed_range,
			    &feeding);
	pipeline_each(recorded->pipeline, feed_unit, &feeding);
	if (feeding.reserved && !ls->options->quiet)
		complain("ports are reserved, and the recording does not tell which: there it is "
			 "not known how many are left");
	return feeding.error;
}

static int tell_headroom(struct ls_past *ls, const struct holders_context *ctx)
{
	struct headroom *headroom = headroom_new(&(struct headroom_options){ 0 });
	int err = headroom ? feed(ls, headroom) : -ENOMEM;

	if (!err)
		err = ls_headroom_write(&ls->out, ls->options, ctx, headroom, ls->past.shown,
					ls->past.count);
	headroom_free(headroom);
	return err;
}

static int tell(struct ls_past *ls)
{
	const struct options *options = ls->options;
	const struct holders_context ctx = {
		.ts = ls->past.wall,
		.color = output_has_color(options),
		.netns = ls->past.several_netns,
		.past = true,
		.cgroup_path = reader_cgroup_path,
		.cgroup_data = ls->recorded.reader,
	};

	int err = options->headroom
			  ? tell_headroom(ls, &ctx)
			  : ls_rows(&ls->out, options, &ctx, ls->past.shown, ls->past.count);

	if (err)
		return err;
	if (options->json)
		tell_ranges_json(ls, &ctx);
	else if (!options->quiet)
		tell_rest(ls);
	return 0;
}

/* Events lost before that moment: what is shown may be gone, and some may be missing. */
static enum exit_status explain_loss(const struct ls_past *ls)
{
	if (ls->past.certain)
		return STATUS_DONE;
	complain("%llu events were lost before that moment: holders may be missing, or gone",
		 pipeline_counts(ls->recorded.pipeline).lost);
	return STATUS_NOT_KNOWN;
}

static enum exit_status answer(struct ls_past *ls, __u64 wall)
{
	const struct filter *filter = &ls->options->filter;
	const struct port_set *ports = filter->has_ports ? &filter->ports : NULL;
	int err = past_take(&ls->past, &ls->recorded, ports, wall);
	enum exit_status status = recorded_conclude(&ls->recorded, err);

	if (status == STATUS_DONE)
		status = output_open(&ls->out, ls->options);
	if (status != STATUS_DONE)
		return status;
	err = tell(ls);
	status = output_explain(&ls->out, ls->options, out_close(&ls->out) ?: err);
	return status == STATUS_DONE ? explain_loss(ls) : status;
}

/* Without --at the end of the recording. */
static __u64 moment(const struct ls_past *ls)
{
	const struct reader *reader = ls->recorded.reader;

	if (ls->options->at_ns != PT_UNKNOWN)
		return ls->options->at_ns;
	return reader_segment(reader, reader_segments(reader) - 1)->end_wall;
}

enum exit_status command_ls_past(struct options *options)
{
	struct ls_past ls = { .options = options };
	enum exit_status status = recorded_open(&ls.recorded, options);
	__u64 wall = status == STATUS_DONE ? moment(&ls) : 0;

	if (status == STATUS_DONE)
		status = recorded_attach(&ls.recorded, NULL, RECORDED_SPAN);
	if (status == STATUS_DONE)
		status = past_is_known(&ls.recorded, wall) ? answer(&ls, wall) : STATUS_NOT_KNOWN;
	past_free(&ls.past);
	recorded_close(&ls.recorded);
	return status;
}
