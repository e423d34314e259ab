// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/recorded.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "user/base/format.h"

const char *recorded_time(__u64 wall, char text[RECORDED_TIME_LEN])
{
	struct format_time cache = { 0 };

	*format_datetime(&cache, text, wall) = '\0';
	return text;
}

/* ---- what a segment says of namespaces ------------------------------------------- */

/* A number of a segment's description; 0 if it is none, or more than max. */
static __u32 number_of(const json_t *object, const char *key, __u32 max)
{
	json_int_t number = json_integer_value(json_object_get(object, key));

	return number < 0 || number > max ? 0 : (__u32)number;
}

static struct pt_netns netns_of(const json_t *object)
{
	const char *cookie = json_string_value(json_object_get(object, "netns_cookie"));
	struct pt_netns netns = {
		.inode = number_of(object, "netns", ~0U),
		.name = json_string_value(json_object_get(object, "name")),
		.low = (__u16)number_of(object, "low", PARSE_PORT_MAX),
		.high = (__u16)number_of(object, "high", PARSE_PORT_MAX),
		.reserved = number_of(object, "reserved", PARSE_PORT_MAX),
	};
	struct parse_reason why;

	if (cookie)
		parse_u64(cookie, 0, ~0ULL, &netns.cookie, &why);
	netns.has_range = netns.low && netns.low <= netns.high;
	return netns;
}

/* Whether it tells which ports are reserved, as many as it says. */
static bool reserved_of(const json_t *object, const struct pt_netns *netns, struct port_set *set)
{
	const char *text = json_string_value(json_object_get(object, "reserved_ports"));
	struct parse_reason why;
	__u64 count = 0;

	*set = (struct port_set){ .words = { 0 } };
	if (text && parse_ports(text, set, &why))
		return false;
	for (unsigned int port = netns->low; netns->has_range && port <= netns->high; port++)
		count += port_set_has(set, (__u16)port);
	return count == netns->reserved;
}

void recorded_each_range(const struct reader_segment *segment, recorded_range_fn fn, void *data)
{
	json_t *about = json_loads(segment->about, 0, NULL), *range;
	struct port_set reserved;
	size_t i;

	json_array_foreach(json_object_get(about, "ranges"), i, range)
	{
		const struct pt_netns netns = netns_of(range);

		fn(data, &netns, reserved_of(range, &netns, &reserved) ? &reserved : NULL);
	}
	json_decref(about);
}

/* ---- names ---------------------------------------------------------------------- */

struct named {
	const char *name;
	__u32 inode; /* 0: not found */
};

static void on_range(void *data, const struct pt_netns *netns, const struct port_set *reserved)
{
	struct named *named = data;

	(void)reserved;
	if (netns->name && !strcmp(netns->name, named->name))
		named->inode = netns->inode;
}

static enum exit_status resolve_netns(struct recorded *recorded, const char *name)
{
	unsigned int segments = reader_segments(recorded->reader);
	char quoted[PARSE_QUOTE_LEN];
	struct parse_reason why;
	struct named named = { .name = name };
	__u64 number;

	if (!parse_u64(name, 1, ~0U, &number, &why))
		named.inode = (__u32)number;
	for (unsigned int i = segments; !named.inode && i--;)
		recorded_each_range(reader_segment(recorded->reader, i), on_range, &named);
	if (named.inode) {
		filter_add_u32(&recorded->options->filter.netns, named.inode);
		return STATUS_DONE;
	}
	complain("--netns: the recording knows no namespace %s; its inode number does, too",
		 parse_quote(name, strlen(name), quoted));
	return STATUS_USAGE;
}

static enum exit_status resolve(struct recorded *recorded)
{
	struct options *options = recorded->options;
	enum exit_status status = STATUS_DONE;

	for (unsigned int i = 0; i < options->netns_names.count && status == STATUS_DONE; i++)
		status = resolve_netns(recorded, options->netns_names.values[i]);
	options->filter.cgroup_path = reader_cgroup_path;
	options->filter.cgroup_data = recorded->reader;
	return status;
}

/* ---- opening -------------------------------------------------------------------- */

static void on_problem(void *data, const char *text)
{
	(void)data;
	complain("%s", text);
}

enum exit_status recorded_open(struct recorded *recorded, struct options *options)
{
	const struct reader_options with = { .path = options->recording, .problem = on_problem };
	struct parse_reason why;
	int err;

	recorded->options = options;
	err = reader_open(&with, &recorded->reader, &why);
	if (!err)
		return resolve(recorded);
	complain("%s%s", why.text, err == -ENOENT ? "; porttrace record makes one" : "");
	return STATUS_ERROR;
}

enum exit_status recorded_attach(struct recorded *recorded, struct sink *sink,
				 enum recorded_events events)
{
	struct options *options = recorded->options;

	recorded->since = events == RECORDED_SPAN ? options->since_ns : 0;
	options->filter.since = recorded->since;
	options->filter.until = options->until_ns == PT_UNKNOWN ? 0 : options->until_ns;
	recorded->pipeline = pipeline_new(&(struct pipeline_options){
		.filter = &options->filter,
		.sink = sink,
		.count = options->count,
		.totals = recorded->totals,
		.no_crowd = recorded->no_crowd || !sink,
		.observer = recorded->observer,
		.observer_data = recorded->observer_data,
	});
	if (recorded->pipeline)
		return STATUS_DONE;
	complain("cannot start: %s", strerror(ENOMEM));
	return STATUS_ERROR;
}

void recorded_close(struct recorded *recorded)
{
	pipeline_free(recorded->pipeline);
	reader_close(recorded->reader);
}

/* ---- reading -------------------------------------------------------------------- */

bool recorded_passes(const struct recorded *recorded, const struct ledger_unit *unit)
{
	struct pt_event ev = pt_event_of_unit(unit);

	ev.ts = recorded->since;
	return filter_match(&recorded->options->filter, &ev);
}

void recorded_tell_gap(const struct recorded_gap *gap)
{
	char from[RECORDED_TIME_LEN], to[RECORDED_TIME_LEN];

	complain("nothing is known from %s to %s: %s", recorded_time(gap->from, from),
		 recorded_time(gap->to, to), gap->why);
}

static void tell_gap(struct recorded *recorded, const struct recorded_gap *gap)
{
	if (recorded->on_gap)
		recorded->on_gap(recorded->hook_data, gap);
	else
		recorded_tell_gap(gap);
}

/* Rows are missing: the ledger says so, as after a loss. */
static void tell_lost(struct recorded *recorded, __u64 from, __u64 to, __u64 count)
{
	struct pt_rec_journal row = { .head = { .kind = PT_JR_LOST,
						.version = PT_ABI_VERSION,
						.size = sizeof(row),
						.ts = to },
				      .numbers = { count, from } };

	pipeline_row(recorded->pipeline, &row.head);
}

static bool is_of_keyframe(const struct pt_rec_head *row)
{
	return row->kind >= PT_JR_STATE && row->kind <= PT_JR_HOLD_TW;
}

/* The span begins: what there is then was in the keyframe, or came between. */
static void begin_span(struct recorded *recorded)
{
	__u64 from = reader_segment(recorded->reader, recorded->segment)->first_wall;

	if (recorded->loading && recorded->on_loaded)
		recorded->on_loaded(recorded->hook_data,
				    from > recorded->since ? from : recorded->since);
	recorded->loading = false;
}

static int on_row(void *data, const struct pt_rec_head *row, __u64 realtime_offset)
{
	struct recorded *recorded = data;

	if (realtime_offset != recorded->realtime_offset) {
		recorded->realtime_offset = realtime_offset;
		pipeline_set_clock(recorded->pipeline, realtime_offset);
	}
	if (!is_of_keyframe(row) && row->ts + realtime_offset >= recorded->since)
		begin_span(recorded);
	pipeline_row(recorded->pipeline, row);
	if (recorded->on_taken)
		recorded->on_taken(recorded->observer_data, row->ts);
	return pipeline_is_done(recorded->pipeline) || pipeline_error(recorded->pipeline);
}

static void on_expect(void *data, const struct pt_rec_head *row)
{
	pipeline_expect(((const struct recorded *)data)->pipeline, row);
}

static int on_damage(void *data, __u64 from, __u64 to, __u64 count)
{
	struct recorded *recorded = data;

	tell_lost(recorded, from, to, count);
	recorded->again = true;
	return 0;
}

static const char *why_apart(const struct reader_segment *before,
			     const struct reader_segment *segment)
{
	if (strcmp(before->boot, segment->boot))
		return "the host was booted";
	if (strcmp(before->run, segment->run))
		return "nobody recorded";
	if (segment->contiguous)
		return "a part of the recording is damaged";
	return segment->dropped ? "the disk was full" : "a part of the recording is missing";
}

/* Between two segments that do not go on from one another. */
static void tell_apart(struct recorded *recorded, const struct reader_segment *before,
		       const struct reader_segment *segment)
{
	const struct recorded_gap gap = {
		.from = before->end_wall,
		.to = segment->first_wall,
		.why = why_apart(before, segment),
		.booted = strcmp(before->boot, segment->boot),
	};

	if (segment->dropped)
		tell_lost(recorded, before->last_ts, segment->first_ts, segment->dropped);
	tell_gap(recorded, &gap);
}

static void tell_range(void *data, const struct pt_netns *netns, const struct port_set *reserved)
{
	struct recorded *recorded = data;

	(void)reserved;
	if (netns->has_range)
		pipeline_set_range(recorded->pipeline, &(struct ledger_range){
							       .netns_cookie = netns->cookie,
							       .netns = netns->inode,
							       .low = netns->low,
							       .high = netns->high,
							       .reserved = netns->reserved,
						       });
}

static int play_segment(struct recorded *recorded, unsigned int number, bool first,
			const struct reader_query *query)
{
	const struct reader_segment *segment = reader_segment(recorded->reader, number);
	const struct reader_handler handler = {
		.row = on_row, .expect = on_expect, .gap = on_damage, .data = recorded
	};
	bool fresh = first || !segment->contiguous || recorded->again;

	if (!first && fresh)
		tell_apart(recorded, reader_segment(recorded->reader, number - 1), segment);
	recorded_each_range(segment, tell_range, recorded);
	recorded->segment = number;
	recorded->again = false;
	recorded->loading |= fresh;
	return reader_rows(recorded->reader, number, fresh, query, &handler);
}

static int play(struct recorded *recorded, unsigned int first, const struct reader_query *query)
{
	unsigned int count = reader_segments(recorded->reader);
	int err = 0;

	for (unsigned int i = first; i < count && !err; i++) {
		if (i > first && reader_segment(recorded->reader, i)->first_wall > query->until)
			break;
		err = play_segment(recorded, i, i == first, query);
	}
	begin_span(recorded); /* nothing happened in it */
	return err < 0 ? err : 0;
}

int recorded_play(struct recorded *recorded, const struct port_set *ports)
{
	const struct options *options = recorded->options;
	const struct reader_query query = { ports, options->until_ns };

	return play(recorded, reader_find(recorded->reader, options->since_ns), &query);
}

int recorded_play_to(struct recorded *recorded, const struct port_set *ports, __u64 wall)
{
	const struct reader_query query = { ports, wall };
	int err = play_segment(recorded, reader_find(recorded->reader, wall), true, &query);

	return err < 0 ? err : 0;
}

/* ---- what is known ---------------------------------------------------------------- */

__u64 recorded_end(const struct recorded *recorded)
{
	const struct reader *reader = recorded->reader;
	const struct reader_segment *last = reader_segment(reader, reader_segments(reader) - 1);

	return last->end_wall;
}

bool recorded_knows(const struct recorded *recorded, __u64 wall, struct recorded_gap *gap)
{
	unsigned int number = reader_find(recorded->reader, wall);
	const struct reader_segment *segment = reader_segment(recorded->reader, number), *next;

	if (wall < segment->first_wall) {
		*gap = (struct recorded_gap){ .to = segment->first_wall,
					      .why = "the recording begins later" };
		return false;
	}
	next = number + 1 < reader_segments(recorded->reader)
		       ? reader_segment(recorded->reader, number + 1)
		       : NULL;
	if (wall <= segment->end_wall || (next && next->contiguous))
		return true;
	*gap = (struct recorded_gap){
		.from = segment->end_wall,
		.to = next ? next->first_wall : PT_UNKNOWN,
		.why = next		     ? why_apart(segment, next)
		       : segment->is_current ? " so far"
					     : "",
	};
	return false;
}

enum exit_status recorded_conclude(const struct recorded *recorded, int err)
{
	err = err ?: pipeline_error(recorded->pipeline);
	if (!err)
		return STATUS_DONE;
	complain("%s: %s", recorded->options->recording, strerror(-err));
	return STATUS_ERROR;
}
