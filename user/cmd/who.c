// SPDX-License-Identifier: BSD-2-Clause
/* porttrace who: who held a port at a past moment. */
#include <netinet/in.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/base/format.h"
#include "user/cmd/output.h"
#include "user/cmd/past.h"
#include "user/sink/holders.h"

struct who {
	struct options *options;
	struct recorded recorded;
	struct past past;
	struct out out;
	struct ledger_port last; /* that became free last, and nobody holds */
	bool has_last;
	__u64 lost; /* events; the ledger cannot be sure */
};

static bool netns_passes(const struct filter *filter, const struct pt_space *space)
{
	if (filter->protos &&
	    !(filter->protos & (space->proto == IPPROTO_TCP ? FILTER_TCP : FILTER_UDP)))
		return false;
	return filter_passes_u32(&filter->netns, space->netns);
}

static void on_port(void *data, const struct ledger_port *port)
{
	struct who *who = data;

	if (port->port != who->options->port || !port->free_since ||
	    !netns_passes(&who->options->filter, &port->space))
		return;
	if (who->has_last && port->free_since < who->last.free_since)
		return;
	who->last = *port;
	who->has_last = true;
}

static __u64 wall_of(const struct who *who, __u64 boottime)
{
	return boottime + who->recorded.realtime_offset;
}

/* "Nobody", and what is known of the last one who did. */
static void tell_nobody(struct who *who)
{
	char comm[PT_COMM_LEN * ESCAPE_EXPAND + 1], at[RECORDED_TIME_LEN];
	const struct ledger_port *last = &who->last;

	out_str(&who->out, "held by nobody");
	if (!who->has_last) {
		out_str(&who->out, "; nobody was seen to hold it before");
		return;
	}
	out_format(&who->out, " since %s", recorded_time(wall_of(who, last->free_since), at));
	if (!last->prev_known)
		return;
	comm[escape_terminal(comm, last->prev_comm, strnlen(last->prev_comm, PT_COMM_LEN))] = '\0';
	out_format(&who->out, ", when %u %s let it go (%s)", last->prev_pid, comm,
		   pt_proto_name(last->space.proto));
}

static void tell_text(struct who *who, const struct holders_context *ctx)
{
	char at[RECORDED_TIME_LEN];

	holders_table(&who->out, ctx, who->past.shown, who->past.count);
	if (who->past.count)
		out_end_line(&who->out);
	out_format(&who->out, "Port %u at %s: ", who->options->port,
		   recorded_time(who->options->at_ns, at));
	if (who->past.count)
		out_format(&who->out, "held by %zu socket%s", who->past.count,
			   who->past.count == 1 ? "" : "s");
	else if (who->lost)
		out_str(&who->out, "no holder is known");
	else
		tell_nobody(who);
	if (who->lost)
		out_format(&who->out, "; not certain: %llu events were lost before that",
			   who->lost);
	out_char(&who->out, '.');
	out_end_line(&who->out);
}

static void tell_json(struct who *who, const struct holders_context *ctx)
{
	struct holders_moment moment = {
		.port = who->options->port,
		.holders = who->past.count,
		.certain = !who->lost,
		.free_since = who->has_last && !who->past.count && !who->lost
				      ? wall_of(who, who->last.free_since)
				      : 0,
	};

	holders_json(&who->out, ctx, who->past.shown, who->past.count);
	holders_moment_json(&who->out, ctx, &moment);
}

static void tell(struct who *who)
{
	const struct options *options = who->options;
	const struct holders_context ctx = {
		.ts = options->at_ns,
		.color = output_has_color(options),
		.netns = who->past.several_netns,
		.past = true,
		.cgroup_path = reader_cgroup_path,
		.cgroup_data = who->recorded.reader,
	};

	if (options->json)
		tell_json(who, &ctx);
	else
		tell_text(who, &ctx);
}

static enum exit_status answer(struct who *who)
{
	struct port_set ports = { 0 };
	enum exit_status status;
	int err;

	port_set_add(&ports, who->options->port);
	err = past_take(&who->past, &who->recorded, &ports, who->options->at_ns);
	status = recorded_conclude(&who->recorded, err);
	if (status != STATUS_DONE)
		return status;
	who->lost = who->past.certain ? 0 : pipeline_counts(who->recorded.pipeline).lost;
	pipeline_each_port(who->recorded.pipeline, on_port, who);
	status = output_open(&who->out, who->options);
	if (status != STATUS_DONE)
		return status;
	tell(who);
	status = output_explain(&who->out, who->options, out_close(&who->out));
	return status == STATUS_DONE && who->lost ? STATUS_NOT_KNOWN : status;
}

enum exit_status command_who(struct options *options)
{
	struct who who = { .options = options };
	enum exit_status status = recorded_open(&who.recorded, options);

	if (status == STATUS_DONE)
		status = recorded_attach(&who.recorded, NULL, RECORDED_SPAN);
	if (status == STATUS_DONE)
		status = past_is_known(&who.recorded, options->at_ns) ? answer(&who)
								      : STATUS_NOT_KNOWN;
	past_free(&who.past);
	recorded_close(&who.recorded);
	return status;
}
