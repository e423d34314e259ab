// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/upkeep.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "user/base/escape.h"
#include "user/cmd/commands.h"
#include "user/live/survey.h"

#define RESYNC_QUIET_NS 1000000000ULL
#define RESYNC_EVERY_NS 5000000000ULL
#define VANISHED_NS 10000000000ULL /* the kernel tears a namespace down in less */
#define AUDIT_LOOKS 5
#define LISTENERS_MAX 2

struct upkeep {
	const struct options *options;
	struct loader *loader;
	struct ring *ring;
	struct pipeline *pipeline;
	struct snapshot *snapshot; /* while it is taken: gets the records */
	int record_error;
	bool surveyed;
	bool dump_failed;  /* the last one */
	__u64 lost;	   /* as of lost_at */
	__u64 lost_at;	   /* CLOCK_BOOTTIME, ns */
	__u64 resynced_at; /* the same */
	__u64 vanished_at; /* a resync left holds in vanished namespaces; 0: none */
	__u64 audited_at;
	struct audit *audit;
	struct {
		void (*fn)(void *data, const struct dump_netns *netns);
		void *data;
	} listeners[LISTENERS_MAX]; /* to namespaces */
	unsigned int listeners_count;
};

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (__u64)ts.tv_sec * 1000000000ULL + (__u64)ts.tv_nsec;
}

struct upkeep *upkeep_new(const struct options *options, struct loader *loader,
			  struct pipeline *pipeline)
{
	struct upkeep *upkeep = calloc(1, sizeof(*upkeep));

	if (!upkeep)
		return NULL;
	upkeep->options = options;
	upkeep->loader = loader;
	upkeep->pipeline = pipeline;
	upkeep->audited_at = now_ns();
	upkeep->audit = audit_new();
	if (upkeep->audit)
		return upkeep;
	free(upkeep);
	return NULL;
}

void upkeep_free(struct upkeep *upkeep)
{
	if (!upkeep)
		return;
	audit_free(upkeep->audit);
	free(upkeep);
}

void upkeep_set_ring(struct upkeep *upkeep, struct ring *ring)
{
	upkeep->ring = ring;
}

void upkeep_add_netns(struct upkeep *upkeep, void (*fn)(void *data, const struct dump_netns *netns),
		      void *data)
{
	upkeep->listeners[upkeep->listeners_count].fn = fn;
	upkeep->listeners[upkeep->listeners_count++].data = data;
}

void upkeep_record(void *data, const void *record, size_t size)
{
	struct upkeep *upkeep = data;

	if (!upkeep->snapshot)
		pipeline_record(upkeep->pipeline, record, size);
	else if (snapshot_add_record(upkeep->snapshot, record, size))
		upkeep->record_error = -ENOMEM;
}

int upkeep_error(const struct upkeep *upkeep)
{
	return upkeep->record_error;
}

/* ---- dumps ------------------------------------------------------------------- */

/* What a dump could not see, so that nobody takes it for all there is. */
static void explain_gaps(const struct dump_result *result)
{
	if (result->refused)
		complain("snapshot: %u network namespaces could not be entered; their sockets "
			 "from before now are not known",
			 result->refused);
	if (result->incomplete)
		complain("snapshot: it may lack sockets (%s)",
			 result->incomplete_error ? strerror(-result->incomplete_error)
						  : "the tables changed too much");
	if (result->missing)
		complain("snapshot: no %s sockets from before now: modprobe %s",
			 result->missing & DUMP_NO_TCP_DIAG ? "TCP" : "UDP",
			 result->missing & DUMP_NO_TCP_DIAG ? "tcp_diag" : "udp_diag");
}

/* Who is in the way of a refusal is a matter of the range. */
static void on_netns(void *data, const struct dump_netns *netns)
{
	const struct upkeep *upkeep = data;

	if (netns->range)
		pipeline_set_range(upkeep->pipeline,
				   &(struct ledger_range){
					   .netns_cookie = netns->cookie,
					   .netns = netns->inode,
					   .low = netns->range->low,
					   .high = netns->range->high,
					   .reserved = netns->range->reserved_count,
				   });
	for (unsigned int i = 0; i < upkeep->listeners_count; i++)
		upkeep->listeners[i].fn(upkeep->listeners[i].data, netns);
}

/*
 * Dumps the kernel's tables; records that come meanwhile go into the snapshot.
 * Returns it, to be freed, or NULL with a negative errno in *err.
 */
static struct snapshot *dump(struct upkeep *upkeep, __u32 netns, const struct port_set *ports,
			     struct dump_result *result, int *err)
{
	const struct survey_source source = { upkeep->loader, upkeep->ring, on_netns, upkeep };
	struct dump_options options = { .proto = filter_only_proto(&upkeep->options->filter),
					.netns = netns,
					.ports = ports };
	struct snapshot *snapshot = snapshot_new();

	*err = snapshot ? 0 : -ENOMEM;
	if (!snapshot)
		return NULL;
	upkeep->snapshot = snapshot;
	*err = survey_take(snapshot, &source, &options, result) ?: upkeep->record_error;
	upkeep->snapshot = NULL;
	if (!*err)
		return snapshot;
	pipeline_replay(upkeep->pipeline, snapshot);
	snapshot_free(snapshot);
	return NULL;
}

/* The same of all that is traced. */
static struct snapshot *dump_traced(struct upkeep *upkeep, struct dump_result *result, int *err)
{
	const struct filter *filter = &upkeep->options->filter;

	return dump(upkeep, filter_only_netns(filter), filter->has_ports ? &filter->ports : NULL,
		    result, err);
}

/* What the ledger needed a dump for stays unknown: told once until one succeeds. */
static void note_dump(struct upkeep *upkeep, const char *purpose, int err)
{
	if (err && !upkeep->dump_failed)
		complain("%s: the sockets there are cannot be read: %s", purpose, strerror(-err));
	upkeep->dump_failed = err;
}

int upkeep_snapshot(struct upkeep *upkeep, __u64 ts)
{
	struct dump_result result = { 0 };
	int err;
	struct snapshot *snapshot = dump_traced(upkeep, &result, &err);

	if (snapshot)
		pipeline_snapshot(upkeep->pipeline, snapshot, ts);
	snapshot_free(snapshot);
	explain_gaps(&result);
	upkeep->surveyed = !err;
	if (!err && !result.refused && !result.unreadable && !result.incomplete && !result.missing)
		loader_all_known(upkeep->loader);
	return err;
}

/* ---- after a loss ------------------------------------------------------------ */

/* Once nothing was lost for a second, and not more often than every five. */
static bool resync_is_due(struct upkeep *upkeep)
{
	struct ledger_counts counts = pipeline_counts(upkeep->pipeline);
	__u64 now = now_ns();

	if (!counts.uncertain || !upkeep->surveyed)
		return false;
	if (counts.lost != upkeep->lost) {
		upkeep->lost = counts.lost;
		upkeep->lost_at = now;
	}
	return now - upkeep->lost_at >= RESYNC_QUIET_NS &&
	       now - upkeep->resynced_at >= RESYNC_EVERY_NS;
}

/* Namespaces that had vanished at the last resync and did not tell of their ends since. */
static bool vanished_is_due(const struct upkeep *upkeep)
{
	return upkeep->vanished_at && now_ns() - upkeep->vanished_at >= VANISHED_NS;
}

/* Into the ledger; vanished_at notes what may have to be swept later. */
static void put_right(struct upkeep *upkeep, struct snapshot *snapshot, __u64 ts)
{
	bool stay = !vanished_is_due(upkeep);

	if (pipeline_resync(upkeep->pipeline, snapshot, ts, stay))
		upkeep->vanished_at = upkeep->vanished_at ?: ts;
	else
		upkeep->vanished_at = 0;
}

/* Holders stay unknown if it fails, and it is tried again. */
static void resync(struct upkeep *upkeep)
{
	struct dump_result result = { 0 };
	__u64 ts = now_ns();
	struct snapshot *snapshot;
	int err;

	upkeep->resynced_at = ts;
	snapshot = dump_traced(upkeep, &result, &err);
	if (snapshot)
		put_right(upkeep, snapshot, ts);
	note_dump(upkeep, "after the loss", err);
	snapshot_free(snapshot);
}

/* ---- what a closed listener accepted ----------------------------------------- */

/* The namespace of all of them; 0: they have several. */
static __u32 common_netns(const struct ledger_orphan *orphans, unsigned int count)
{
	for (unsigned int i = 1; i < count; i++)
		if (orphans[i].space.netns != orphans[0].space.netns)
			return 0;
	return orphans[0].space.netns;
}

static void adopt(struct upkeep *upkeep, const struct ledger_orphan *orphans, unsigned int count,
		  __u64 ts)
{
	struct dump_result result = { 0 };
	struct port_set ports = { 0 };
	struct snapshot *snapshot;
	int err;

	for (unsigned int i = 0; i < count; i++)
		port_set_add(&ports, orphans[i].port);
	snapshot = dump(upkeep, common_netns(orphans, count), &ports, &result, &err);
	if (snapshot)
		pipeline_adopt(upkeep->pipeline, snapshot, ts, orphans, count);
	note_dump(upkeep, "what a closed listener accepted", err);
	snapshot_free(snapshot);
}

/*
 * Sockets that accept() returned share their listener's port. Those that outlive
 * its hold are found by a dump: one for all listeners that ended meanwhile.
 */
static void look_after_orphans(struct upkeep *upkeep)
{
	struct ledger_orphan orphans[LEDGER_ORPHANS_MAX];
	__u64 ts = now_ns();
	unsigned int count = 0;

	while (count < LEDGER_ORPHANS_MAX &&
	       pipeline_next_orphan(upkeep->pipeline, &orphans[count]))
		count++;
	if (count && upkeep->surveyed)
		adopt(upkeep, orphans, count, ts);
}

/* ---- the audit --------------------------------------------------------------- */

#define ENDPOINT_LEN (INET6_ADDRSTRLEN + sizeof("[]:65535"))

static const char *endpoint(const __u8 addr[16], __u16 port, char text[ENDPOINT_LEN])
{
	char number[INET6_ADDRSTRLEN];

	if (pt_addr_is_v4(addr))
		snprintf(text, ENDPOINT_LEN, "%s:%u",
			 inet_ntop(AF_INET, addr + 12, number, sizeof(number)), port);
	else
		snprintf(text, ENDPOINT_LEN, "[%s]:%u",
			 inet_ntop(AF_INET6, addr, number, sizeof(number)), port);
	return text;
}

static const char *state_of(const struct ledger_unit *unit)
{
	if (unit->time_wait)
		return " in TIME_WAIT";
	return unit->listening ? " listening" : "";
}

static void tell_difference(void *data, enum audit_kind kind, const struct ledger_unit *unit)
{
	const struct upkeep *upkeep = data;
	char comm[PT_COMM_LEN * ESCAPE_EXPAND + 1] = "", local[ENDPOINT_LEN];
	char remote[ENDPOINT_LEN] = "-", who[sizeof(comm) + 32] = "an unknown process";
	const struct pt_owner *owner = &unit->owner;

	if (!upkeep->options->verbose)
		return;
	if (owner->known) {
		comm[escape_terminal(comm, owner->comm, strnlen(owner->comm, PT_COMM_LEN))] = '\0';
		snprintf(who, sizeof(who), "pid %u (%s)", owner->pid, comm);
	}
	if (unit->tuple.rport)
		endpoint(unit->tuple.raddr, unit->tuple.rport, remote);
	complain("audit: %s: %s %s to %s%s, of %s, netns %u, cookie %llu", audit_kind_text(kind),
		 pt_proto_name(unit->space.proto), endpoint(unit->tuple.laddr, unit->port, local),
		 remote, state_of(unit), who, unit->space.netns,
		 pt_space_has_cookies(&unit->space) ? unit->sock : 0);
}

static void wait_and_read(struct upkeep *upkeep)
{
	int count = ring_wait(upkeep->ring);

	while (!count || count == RING_BATCH)
		if ((count = ring_read(upkeep->ring)) < RING_BATCH)
			break;
}

/*
 * One look; last: what differs now is put right. Returns how many suspects there
 * are, or a negative errno; -EAGAIN: records were lost meanwhile, it is void.
 */
static int look_once(struct upkeep *upkeep, bool last)
{
	struct dump_result result = { 0 };
	__u64 ts = now_ns(), lost = loader_lost(upkeep->loader);
	struct snapshot *snapshot;
	int suspects;

	snapshot = dump_traced(upkeep, &result, &suspects);
	note_dump(upkeep, "audit", suspects);
	if (!snapshot)
		return suspects;
	if (loader_lost(upkeep->loader) != lost)
		suspects = -EAGAIN;
	else
		suspects = pipeline_audit(upkeep->pipeline, upkeep->audit, snapshot);
	if (last && suspects > 0)
		put_right(upkeep, snapshot, ts);
	else
		pipeline_replay(upkeep->pipeline, snapshot);
	snapshot_free(snapshot);
	return suspects;
}

void upkeep_audit(struct upkeep *upkeep)
{
	int suspects = -EAGAIN;

	upkeep->audited_at = now_ns();
	if (!upkeep->surveyed)
		return;
	for (int look = 1; look <= AUDIT_LOOKS && suspects; look++) {
		wait_and_read(upkeep);
		pipeline_lost(upkeep->pipeline, loader_lost(upkeep->loader), now_ns());
		if (pipeline_counts(upkeep->pipeline).uncertain)
			resync(upkeep);
		look_after_orphans(upkeep);
		suspects = look_once(upkeep, look == AUDIT_LOOKS);
		if (suspects < 0 && suspects != -EAGAIN)
			return;
	}
	if (suspects >= 0)
		audit_conclude(upkeep->audit, tell_difference, upkeep);
}

struct audit_counts upkeep_audit_counts(const struct upkeep *upkeep)
{
	struct audit_counts counts = audit_counts(upkeep->audit);
	struct ledger_counts ledger = pipeline_counts(upkeep->pipeline);

	counts.emptied = ledger.emptied;
	counts.healed = ledger.healed;
	counts.differences[AUDIT_NOT_EMPTY] = ledger.not_empty;
	return counts;
}

/* ---- in between -------------------------------------------------------------- */

static bool audit_is_due(const struct upkeep *upkeep)
{
	__u64 every = upkeep->options->audit_every_ns;

	return every && now_ns() - upkeep->audited_at >= every &&
	       !pipeline_counts(upkeep->pipeline).uncertain;
}

void upkeep_look(struct upkeep *upkeep)
{
	if (resync_is_due(upkeep) || vanished_is_due(upkeep))
		resync(upkeep);
	look_after_orphans(upkeep);
	if (audit_is_due(upkeep))
		upkeep_audit(upkeep);
}
