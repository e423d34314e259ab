// SPDX-License-Identifier: BSD-2-Clause
/* porttrace ls: who holds which port now. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "user/base/out.h"
#include "user/cmd/ls_headroom.h"
#include "user/cmd/ls_rows.h"
#include "user/cmd/output.h"
#include "user/cmd/port_holders.h"
#include "user/cmd/resolve.h"
#include "user/live/buckets.h"
#include "user/live/cgroup.h"
#include "user/live/inventory.h"
#include "user/sink/holders.h"

struct ls {
	struct options *options;
	struct cgroup_paths *cgroups;
	struct out out;
	__u16 port; /* the only one that is asked for; 0: more */
	struct inventory inventory;
	const struct pt_holder **shown;
	size_t shown_count;
	__u64 folded; /* accepted sockets that pass, but are only counted */
};

/* ---- which rows -------------------------------------------------------------- */

/*
 * A server's connections would hide everything else, and its listener tells how
 * many there are. Who asks for a remote asks for them.
 */
static bool shows_accepted(const struct options *options)
{
	return options->verbose || options->filter.has_rports || options->filter.remotes_count;
}

/* Whether the row passes; then its owner is one of those that do. */
static bool passes(const struct ls *ls, struct inventory_row *row)
{
	const struct filter *filter = &ls->options->filter;

	if (!row->holder.processes)
		return pt_holder_matches(&row->holder, NULL, filter);
	for (unsigned int i = 0; i < row->holder.processes; i++) {
		const struct pt_owner *owner = inventory_owner(&ls->inventory, row, i);

		if (!pt_holder_matches(&row->holder, owner, filter))
			continue;
		row->holder.owner = owner;
		return true;
	}
	return false;
}

static int choose(struct ls *ls)
{
	bool accepted = shows_accepted(ls->options);

	ls->shown = calloc(ls->inventory.rows_count + 1, sizeof(struct pt_holder *));
	if (!ls->shown)
		return -ENOMEM;
	for (size_t i = 0; i < ls->inventory.rows_count; i++) {
		struct inventory_row *row = &ls->inventory.rows[i];

		if (!passes(ls, row))
			continue;
		if (row->holder.accepted && !accepted)
			ls->folded++;
		else
			ls->shown[ls->shown_count++] = &row->holder;
	}
	return 0;
}

/* ---- what could not be seen ---------------------------------------------------- */

/* Whether each namespace that was asked for was looked at. */
static bool has_all_netns(const struct ls *ls)
{
	const struct filter_u32 *wanted = &ls->options->filter.netns;
	unsigned int found = 0;

	for (unsigned int i = 0; i < wanted->count; i++)
		for (size_t k = 0; k < ls->inventory.netns_count; k++)
			found += ls->inventory.netns[k].use.inode == wanted->values[i];
	return wanted->count && found == wanted->count;
}

static void explain_namespaces(const struct ls *ls)
{
	const struct inventory *inventory = &ls->inventory;
	const struct dump_result *seen = &inventory->seen;

	if (has_all_netns(ls))
		return;
	if (!inventory->netns_count)
		complain("the network namespace could not be entered: that needs root, or "
			 "CAP_SYS_ADMIN and CAP_SYS_PTRACE");
	else if (seen->refused || seen->unreadable || inventory->processes_hidden)
		complain("only %zu network namespace%s could be looked at, there may be others: "
			 "that needs root, or CAP_SYS_ADMIN and CAP_SYS_PTRACE",
			 inventory->netns_count, inventory->netns_count == 1 ? "" : "s");
}

/* Shown without the process that there may be. */
static __u64 count_unowned(const struct ls *ls)
{
	__u64 count = 0;

	for (size_t i = 0; i < ls->shown_count; i++)
		count += ls->shown[i]->has_inode && !ls->shown[i]->owner;
	return count;
}

static void explain_processes(const struct ls *ls)
{
	const struct inventory *inventory = &ls->inventory;
	__u64 unowned = inventory->unowned, shown = count_unowned(ls);

	if (unowned && inventory->processes_hidden)
		complain("%llu socket%s without a known process, other users' are hidden: that "
			 "needs root, or CAP_SYS_PTRACE",
			 unowned, unowned == 1 ? " is" : "s are");
	else if (unowned && inventory->processes_unreadable)
		complain("%llu socket%s without a known process, %u processes did not let us look: "
			 "that needs root, or CAP_SYS_PTRACE",
			 unowned, unowned == 1 ? " is" : "s are", inventory->processes_unreadable);
	else if (shown && !ls->options->quiet)
		complain("%llu socket%s of no process that /proc shows: the kernel's, or of "
			 "another pid namespace",
			 shown, shown == 1 ? " is" : "s are");
}

static void explain_tables(const struct ls *ls)
{
	const struct dump_result *seen = &ls->inventory.seen;

	if (seen->missing & DUMP_NO_TCP_DIAG)
		complain("no TCP sockets: this kernel does not tell of them: modprobe tcp_diag");
	if (seen->missing & DUMP_NO_UDP_DIAG)
		complain("no UDP sockets: this kernel does not tell of them: modprobe udp_diag");
	if (seen->incomplete)
		complain("sockets may be missing (%s): try again",
			 seen->incomplete_error ? strerror(-seen->incomplete_error)
						: "the tables changed too much");
	if (seen->bound_idle_unseen && !ls->options->quiet)
		complain(
			"TCP sockets that are bound, and neither listen nor connect, are not seen: "
			"before Linux 6.8 that needs root, or CAP_BPF and CAP_PERFMON");
}

/* ---- output -------------------------------------------------------------------- */

/* JSON, behind the rows: the ranges, and what could not be seen. */
static void print_json_rest(struct ls *ls, const struct holders_context *ctx)
{
	const struct inventory *inventory = &ls->inventory;
	const struct dump_result *seen = &inventory->seen;
	struct holders_summary summary = {
		.sockets = inventory->rows_count,
		.shown = ls->shown_count,
		.netns = inventory->netns_count,
		.netns_refused = seen->refused,
		.tasks_unreadable = seen->unreadable,
		.incomplete = seen->incomplete,
		.no_tcp_diag = seen->missing & DUMP_NO_TCP_DIAG,
		.no_udp_diag = seen->missing & DUMP_NO_UDP_DIAG,
		.bound_idle_unseen = seen->bound_idle_unseen,
		.unowned = inventory->unowned,
		.processes_unreadable = inventory->processes_unreadable,
		.processes_hidden = inventory->processes_hidden,
	};

	for (size_t i = 0; i < inventory->netns_count; i++)
		if (filter_passes_u32(&ls->options->filter.netns, inventory->netns[i].use.inode))
			holders_netns_json(&ls->out, ctx, &inventory->netns[i].use);
	holders_summary_json(&ls->out, ctx, &summary);
}

/* Behind the table: the port that was asked for, or how full the ranges are. */
static void print_rest(struct ls *ls)
{
	const struct inventory *inventory = &ls->inventory;
	const struct filter *filter = &ls->options->filter;

	if (ls->shown_count && ls->folded && ls->options->by != BY_NONE)
		out_format(&ls->out,
			   "(accepted connections are left out: %llu; -v counts them as CONNS)\n",
			   ls->folded);
	if (ls->shown_count && (ls->port || !filter->has_ports))
		out_end_line(&ls->out);
	if (!ls->shown_count && !ls->port) {
		out_str(&ls->out, "No holder found.");
		out_end_line(&ls->out);
	}
	if (ls->port)
		port_holders_tell(&ls->out, inventory, ls->port, &filter->netns);
	for (size_t i = 0; !filter->has_ports && i < inventory->netns_count; i++)
		if (filter_passes_u32(&filter->netns, inventory->netns[i].use.inode))
			holders_netns_text(&ls->out, &inventory->netns[i].use);
}

/* More than one namespace is in the table. */
static bool shows_several_netns(const struct ls *ls)
{
	for (size_t i = 1; i < ls->shown_count; i++)
		if (ls->shown[i]->space.netns != ls->shown[0]->space.netns)
			return true;
	return ls->options->netns_names.count > 1;
}

/* Of all that hold a port, whoever is shown. */
static int feed(const struct inventory *inventory, struct headroom *headroom)
{
	int err = 0;

	for (size_t i = 0; !err && i < inventory->netns_count; i++) {
		const struct inventory_netns *netns = &inventory->netns[i];
		const struct headroom_range range = {
			.netns_cookie = netns->use.cookie,
			.netns = netns->use.inode,
			.low = netns->use.low,
			.high = netns->use.high,
			.reserved = &netns->range.reserved,
		};

		/* what is missing would look like left */
		if (netns->use.has_range && netns->use.whole)
			err = headroom_range(headroom, &range);
	}
	for (size_t i = 0; !err && i < inventory->rows_count; i++)
		err = ls_headroom_hold(headroom, &inventory->rows[i].holder, i + 1);
	return err;
}

static int print_headroom(struct ls *ls, const struct holders_context *ctx)
{
	struct headroom *headroom = headroom_new(&(struct headroom_options){ 0 });
	const struct buckets_source source = {
		.netns = filter_only_netns(&ls->options->filter),
		.no_cookies = ls->inventory.netns_count && !ls->inventory.netns->use.cookie,
	};
	int err = headroom ? feed(&ls->inventory, headroom) : -ENOMEM;

	/* without privileges some ports stay unsure, and it is said */
	if (!err && filter_only_proto(&ls->options->filter) != IPPROTO_UDP)
		buckets_settle(headroom, &source);
	if (!err)
		err = ls_headroom_write(&ls->out, ls->options, ctx, headroom, ls->shown,
					ls->shown_count);
	headroom_free(headroom);
	return err;
}

static int print(struct ls *ls, __u64 ts)
{
	const struct options *options = ls->options;
	struct holders_context ctx = {
		.ts = ts,
		.color = output_has_color(options),
		.netns = shows_several_netns(ls),
		.accepted = shows_accepted(options),
		.cgroup_path = cgroup_path,
		.cgroup_data = ls->cgroups,
	};

	int err = options->headroom ? print_headroom(ls, &ctx)
				    : ls_rows(&ls->out, options, &ctx, ls->shown, ls->shown_count);

	if (err)
		return err;
	if (options->json)
		print_json_rest(ls, &ctx);
	else if (!options->quiet)
		print_rest(ls);
	return 0;
}

/* ---- all of it ----------------------------------------------------------------- */

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (__u64)ts.tv_sec * 1000000000ULL + (__u64)ts.tv_nsec;
}

static enum exit_status show(struct ls *ls, __u64 ts)
{
	int err = choose(ls) ?: print(ls, ts);

	err = out_close(&ls->out) ?: err;
	if (err)
		return output_explain(&ls->out, ls->options, err);
	explain_namespaces(ls);
	explain_processes(ls);
	explain_tables(ls);
	if (ls->folded && !ls->shown_count && !ls->options->quiet)
		complain("%llu accepted connection%s not shown: -v shows them", ls->folded,
			 ls->folded == 1 ? " is" : "s are");
	return ls->inventory.netns_count ? STATUS_DONE : STATUS_ERROR;
}

static enum exit_status take(struct ls *ls)
{
	const struct filter *filter = &ls->options->filter;
	struct inventory_options what = {
		.proto = filter_only_proto(filter),
		.netns = filter_only_netns(filter),
		.ports = filter->has_ports ? &filter->ports : NULL,
	};
	enum exit_status status;
	__u64 ts = now_ns();
	int err = inventory_take(&what, &ls->inventory);

	if (err) {
		complain("the sockets there are cannot be read: %s", strerror(-err));
		out_close(&ls->out);
		return STATUS_ERROR;
	}
	status = show(ls, ts);
	inventory_free(&ls->inventory);
	free(ls->shown);
	return status;
}

enum exit_status command_ls(struct options *options)
{
	struct ls ls = { .options = options, .cgroups = cgroup_paths_new() };
	enum exit_status status;
	unsigned int count;

	if (!ls.cgroups) {
		complain("cannot start: %s", strerror(errno));
		return STATUS_ERROR;
	}
	ls.port = resolve_only_port(&options->filter, &count);
	status = resolve_names(options, ls.cgroups);
	if (status == STATUS_DONE)
		status = output_open(&ls.out, options);
	if (status == STATUS_DONE)
		status = take(&ls);
	cgroup_paths_free(ls.cgroups);
	return status;
}
