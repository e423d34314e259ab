// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/summary.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/base/format.h"
#include "user/sink/prose.h"

#define TOP 10

/* The mean of count times that sum up to ns. */
static const char *mean(__u64 ns, __u64 count, char buf[FORMAT_DURATION_MAX + 1])
{
	if (!count)
		return "-";
	*format_duration(buf, ns / count) = '\0';
	return buf;
}

static const char *duration(__u64 ns, char buf[FORMAT_DURATION_MAX + 1])
{
	*format_duration(buf, ns) = '\0';
	return buf;
}

#define COUNT_TITLES "   ALLOCS   FAILS   HELD    MOST     HELD~  LONGEST   REUSED~\n"

static void text_count(struct out *out, const struct totals_count *count)
{
	char held[FORMAT_DURATION_MAX + 1], longest[FORMAT_DURATION_MAX + 1];
	char reused[FORMAT_DURATION_MAX + 1];

	out_format(out, " %8llu %7llu %6u %7u %9s %8s %9s\n", count->allocs, count->fails,
		   count->held_now, count->held_max, mean(count->held_ns, count->frees, held),
		   count->frees ? duration(count->held_ns_max, longest) : "-",
		   mean(count->reuse_ns, count->reuses, reused));
}

static bool several_netns(const struct totals *totals)
{
	for (__u32 i = 1; i < totals->spaces_count; i++)
		if (totals->spaces[i].netns != totals->spaces[0].netns)
			return true;
	return false;
}

static void text_ports(struct out *out, const struct totals *totals)
{
	bool netns = several_netns(totals);
	__u32 rows[TOP];
	size_t count = totals_top_ports(totals, rows, TOP);

	if (!count)
		return;
	out_format(out, "\n%-6s %-5s%s" COUNT_TITLES, "PORT", "PROTO", netns ? " NETNS     " : "");
	for (size_t i = 0; i < count; i++) {
		const struct totals_port *row = &totals->ports[rows[i]];
		const struct pt_space *space = &totals->spaces[row->space];

		out_format(out, "%-6u %-5s", row->port, pt_proto_name(space->proto));
		if (netns)
			out_format(out, " %-10u", space->netns);
		text_count(out, &row->count);
	}
	if (totals->ports_count > count)
		out_format(out, "... and %zu more ports\n", totals->ports_count - count);
}

static void text_processes(struct out *out, const struct totals *totals)
{
	__u32 rows[TOP];
	size_t count = totals_top_processes(totals, rows, TOP);

	if (!count)
		return;
	out_format(out, "\n%-8s %-16s" COUNT_TITLES, "PID", "COMM");
	for (size_t i = 0; i < count; i++) {
		const struct totals_process *row = &totals->processes[rows[i]];
		const char *comm = row->owner.known ? row->owner.comm : "unknown";
		char safe[PT_COMM_LEN * ESCAPE_EXPAND];
		size_t len = escape_terminal(safe, comm, strnlen(comm, PT_COMM_LEN));
		size_t width = escape_width(safe, len);

		if (row->owner.known)
			out_format(out, "%-8u ", row->owner.pid);
		else
			out_format(out, "%-8s ", "?");
		out_bytes(out, safe, len);
		out_fill(out, ' ', width < 16 ? 16 - width : 0);
		text_count(out, &row->count);
	}
	if (totals->processes_count > count)
		out_format(out, "... and %zu more processes\n", totals->processes_count - count);
}

static void text_skipped(struct out *out, const struct summary *summary)
{
	__u64 misses = 0;

	for (size_t i = 0; i < summary->programs_count; i++)
		misses += summary->programs[i].misses;
	if (misses)
		out_format(out,
			   "The kernel skipped a program %llu times; others tell the same "
			   "facts.\n",
			   misses);
}

static void text_audit(struct out *out, const struct audit_counts *audit)
{
	bool failed = audit && audit_failed(audit);

	if (!audit || !audit->audits)
		return;
	out_format(out, "Audit: %llu socket%s held against the kernel's own tables: %s",
		   audit->compared, audit->compared == 1 ? " or TIME_WAIT" : "s and TIME_WAITs",
		   failed ? "" : "no difference");
	for (int kind = 0, told = 0; failed && kind < AUDIT_KINDS; kind++)
		if (audit->differences[kind])
			out_format(out, "%s%llu %s", told++ ? ", " : "", audit->differences[kind],
				   audit_kind_text((enum audit_kind)kind));
	if (audit->unseen)
		out_format(out, "; %llu could not be looked at", audit->unseen);
	out_str(out, ".\n");
}

void summary_text(struct out *out, const struct summary *summary)
{
	const struct totals_count *all = &summary->totals->all;
	char took[FORMAT_DURATION_MAX + 1];

	out_format(out,
		   "\n%llu allocation%s, %llu refusal%s, %llu free%s in %s; %u held now, %u most "
		   "at once.\n",
		   all->allocs, prose_plural(all->allocs), all->fails, prose_plural(all->fails),
		   all->frees, prose_plural(all->frees), duration(summary->duration_ns, took),
		   all->held_now, all->held_max);
	text_skipped(out, summary);
	text_audit(out, summary->audit);
	text_ports(out, summary->totals);
	text_processes(out, summary->totals);
	if (all->frees)
		out_format(out,
			   "(HELD~ and REUSED~ are means; HELD counts holds now, MOST at once)\n");
}

static void json_u64(struct out *out, const char *key, __u64 value)
{
	out_str(out, key);
	if (value == PT_UNKNOWN)
		out_str(out, "null");
	else
		out_u64(out, value);
}

static void json_count(struct out *out, const struct totals_count *count)
{
	json_u64(out, "\"allocs\":", count->allocs);
	json_u64(out, ",\"fails\":", count->fails);
	json_u64(out, ",\"frees\":", count->frees);
	json_u64(out, ",\"held_now\":", count->held_now);
	json_u64(out, ",\"held_max\":", count->held_max);
	json_u64(out, ",\"held_ns_sum\":", count->held_ns);
	json_u64(out, ",\"held_ns_max\":", count->frees ? count->held_ns_max : PT_UNKNOWN);
	json_u64(out, ",\"reuses\":", count->reuses);
	json_u64(out, ",\"reuse_ns_sum\":", count->reuse_ns);
	json_u64(out, ",\"reuse_ns_min\":", count->reuse_ns_min);
}

static void json_id(struct out *out, const char *key, __u64 id)
{
	out_str(out, key);
	if (!id) {
		out_str(out, "null");
		return;
	}
	out_char(out, '"');
	out_u64(out, id);
	out_char(out, '"');
}

static void json_ports(struct out *out, const struct totals *totals)
{
	out_str(out, ",\"ports\":[");
	for (__u32 i = 0; i < totals->ports_count; i++) {
		const struct totals_port *row = &totals->ports[i];
		const struct pt_space *space = &totals->spaces[row->space];

		out_str(out, i ? ",{\"proto\":\"" : "{\"proto\":\"");
		out_str(out, pt_proto_name(space->proto));
		json_u64(out, "\",\"port\":", row->port);
		json_u64(out, ",\"netns\":", space->netns);
		json_id(out, ",\"netns_cookie\":", pt_space_cookie(space));
		json_u64(out, ",\"vrf\":", space->proto == IPPROTO_TCP ? space->vrf : PT_UNKNOWN);
		out_char(out, ',');
		json_count(out, &row->count);
		out_char(out, '}');
	}
	out_str(out, "],\"other_ports\":{");
	json_count(out, &totals->other_ports);
	out_char(out, '}');
}

static void json_owner(struct out *out, const struct pt_owner *owner)
{
	if (!owner->known) {
		out_str(out, "\"pid\":null,\"comm\":null,\"kernel\":null,\"uid\":null,");
		return;
	}
	json_u64(out, "\"pid\":", owner->pid);
	out_str(out, ",\"comm\":\"");
	out_json(out, owner->comm, strnlen(owner->comm, PT_COMM_LEN));
	out_str(out, owner->kernel ? "\",\"kernel\":true" : "\",\"kernel\":false");
	json_u64(out, ",\"uid\":", owner->uid);
	out_char(out, ',');
}

static void json_processes(struct out *out, const struct totals *totals)
{
	out_str(out, ",\"processes\":[");
	for (__u32 i = 0; i < totals->processes_count; i++) {
		out_str(out, i ? ",{" : "{");
		json_owner(out, &totals->processes[i].owner);
		json_count(out, &totals->processes[i].count);
		out_char(out, '}');
	}
	out_str(out, "],\"other_processes\":{");
	json_count(out, &totals->other_processes);
	out_char(out, '}');
}

static void json_misses(struct out *out, const struct summary *summary)
{
	out_str(out, ",\"recursion_misses\":{");
	for (size_t i = 0; i < summary->programs_count; i++) {
		out_str(out, i ? ",\"" : "\"");
		out_str(out, summary->programs[i].name);
		json_u64(out, "\":", summary->programs[i].misses);
	}
	out_char(out, '}');
}

static void json_audit(struct out *out, const struct audit_counts *audit)
{
	if (!audit || !audit->audits) {
		out_str(out, ",\"audit\":null");
		return;
	}
	json_u64(out, ",\"audit\":{\"audits\":", audit->audits);
	json_u64(out, ",\"compared\":", audit->compared);
	for (int kind = 0; kind < AUDIT_KINDS; kind++) {
		out_str(out, ",\"");
		out_str(out, audit_kind_name((enum audit_kind)kind));
		json_u64(out, "\":", audit->differences[kind]);
	}
	json_u64(out, ",\"unseen\":", audit->unseen);
	json_u64(out, ",\"moved\":", audit->moved);
	json_u64(out, ",\"emptied\":", audit->emptied);
	json_u64(out, ",\"healed\":", audit->healed);
	out_char(out, '}');
}

void summary_json(struct out *out, const struct summary *summary)
{
	struct format_time cache = { 0 };
	char ts[FORMAT_RFC3339_MAX + 1];

	*format_rfc3339(&cache, ts, summary->ts) = '\0';
	out_str(out, "{\"ts\":\"");
	out_str(out, ts);
	out_str(out, "\",\"event\":\"summary\"");
	json_u64(out, ",\"duration_ns\":", summary->duration_ns);
	json_u64(out, ",\"attempted\":", summary->counts.records + summary->counts.lost);
	json_u64(out, ",\"delivered\":", summary->counts.records);
	json_u64(out, ",\"lost\":", summary->counts.lost);
	json_misses(out, summary);
	json_audit(out, summary->audit);
	out_str(out, ",\"all\":{");
	json_count(out, &summary->totals->all);
	out_char(out, '}');
	json_ports(out, summary->totals);
	json_processes(out, summary->totals);
	out_char(out, '}');
	out_end_line(out);
}
