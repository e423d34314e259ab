// SPDX-License-Identifier: BSD-2-Clause
#include "user/ledger/audit.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "user/ledger/merge.h"

struct suspect {
	enum audit_kind kind;
	struct ledger_unit unit;
};

struct suspects {
	struct suspect *list;
	__u32 count, size;
};

struct audit {
	struct suspects suspects;
	bool looked; /* suspects are of an earlier look of this audit */
	struct audit_counts counts;
};

static const struct {
	const char *name, *text;
} kinds[AUDIT_KINDS] = {
	[AUDIT_ONLY_LEDGER] = { "only_ledger", "only in the ledger" },
	[AUDIT_ONLY_KERNEL] = { "only_kernel", "only in the kernel" },
	[AUDIT_WRONG_OWNER] = { "wrong_owner", "wrong owner" },
	[AUDIT_NOT_EMPTY] = { "not_empty", "held when the kernel said it was empty" },
};

const char *audit_kind_text(enum audit_kind kind)
{
	return kinds[kind].text;
}

const char *audit_kind_name(enum audit_kind kind)
{
	return kinds[kind].name;
}

struct audit *audit_new(void)
{
	return calloc(1, sizeof(struct audit));
}

void audit_free(struct audit *audit)
{
	if (!audit)
		return;
	free(audit->suspects.list);
	free(audit);
}

/* ---- one look ---------------------------------------------------------------- */

struct look {
	struct audit *audit;
	const struct merge *merge;
	struct suspects found;
	int error;
};

static bool same_suspect(const struct suspect *a, enum audit_kind kind,
			 const struct ledger_unit *unit)
{
	return a->kind == kind && a->unit.sock == unit->sock && a->unit.tw == unit->tw &&
	       a->unit.port == unit->port && a->unit.time_wait == unit->time_wait &&
	       a->unit.tuple.rport == unit->tuple.rport;
}

static bool was_suspect(const struct audit *audit, enum audit_kind kind,
			const struct ledger_unit *unit)
{
	for (__u32 i = 0; i < audit->suspects.count; i++)
		if (same_suspect(&audit->suspects.list[i], kind, unit))
			return true;
	return false;
}

static void suspect(struct look *look, enum audit_kind kind, const struct ledger_unit *unit)
{
	struct suspects *found = &look->found;

	if (look->audit->looked && !was_suspect(look->audit, kind, unit))
		return;
	if (found->count == found->size) {
		__u32 size = found->size ? 2 * found->size : 64;
		struct suspect *grown = realloc(found->list, size * sizeof(*grown));

		if (!grown) {
			look->error = -ENOMEM;
			return;
		}
		found->list = grown;
		found->size = size;
	}
	found->list[found->count++] = (struct suspect){ kind, *unit };
}

/*
 * Who has the socket open need not be who obtained the port. But a process that
 * began later did not, and a pid cannot have been another process's then if the
 * process that has it now was there already.
 */
static bool is_wrong_owner(const struct ledger_unit *ours, const struct pt_owner *now)
{
	const struct pt_owner *then = &ours->owner;

	if (!then->known || ours->since == PT_UNKNOWN)
		return false;
	if (then->start > ours->since)
		return true;
	return now->known && now->pid == then->pid && now->start != then->start &&
	       now->start < ours->since;
}

static void check_owner(struct look *look, const struct ledger_unit *ours,
			const struct ledger_unit *kernels)
{
	const struct pt_owner *now = &kernels->owner;

	if (is_wrong_owner(ours, now))
		suspect(look, AUDIT_WRONG_OWNER, ours);
	else if (ours->owner.known && now->known && now->pid != ours->owner.pid)
		look->audit->counts.moved++;
}

/* Only bound: nobody but the file that has it open tells of it. */
static bool is_idle(const struct ledger_unit *unit)
{
	return unit->space.proto == IPPROTO_TCP && !unit->time_wait && !unit->tuple.rport;
}

static bool could_be_seen(const struct look *look, const struct ledger_unit *unit)
{
	const struct snapshot *snapshot = look->merge->snapshot;

	return snapshot_netns(snapshot, unit->space.netns) == NETNS_SEEN &&
	       !(snapshot_idle_by_files(snapshot) && is_idle(unit));
}

static void check_ours(void *data, const struct ledger_unit *unit)
{
	struct look *look = data;
	const struct ledger_unit *row = merge_find(look->merge, unit);

	look->audit->counts.compared++;
	if (row)
		check_owner(look, unit, row);
	else if (merge_tells_end(look->merge, unit))
		return;
	else if (could_be_seen(look, unit))
		suspect(look, AUDIT_ONLY_LEDGER, unit);
	else
		look->audit->counts.unseen++;
}

static void check_theirs(struct look *look, struct ledger *ledger)
{
	struct ledger_unit unit;
	__u32 next = 0;

	while (merge_next(look->merge, &next, &unit))
		if (!ledger_has(ledger, &unit))
			suspect(look, AUDIT_ONLY_KERNEL, &unit);
}

int audit_look(struct audit *audit, struct snapshot *snapshot, struct ledger *ledger)
{
	struct merge merge;
	struct look look = { .audit = audit, .merge = &merge };

	audit->counts.compared = audit->counts.unseen = audit->counts.moved = 0;
	look.error = merge_begin(&merge, snapshot);
	if (!look.error) {
		ledger_each(ledger, check_ours, &look);
		check_theirs(&look, ledger);
	}
	merge_end(&merge);
	free(audit->suspects.list);
	audit->suspects = look.found;
	audit->looked = true;
	return look.error ?: (int)look.found.count;
}

void audit_conclude(struct audit *audit, audit_fn fn, void *data)
{
	for (__u32 i = 0; i < audit->suspects.count; i++) {
		const struct suspect *found = &audit->suspects.list[i];

		audit->counts.differences[found->kind]++;
		if (fn)
			fn(data, found->kind, &found->unit);
	}
	audit->counts.audits++;
	audit->suspects.count = 0;
	audit->looked = false;
}

struct audit_counts audit_counts(const struct audit *audit)
{
	return audit->counts;
}

bool audit_failed(const struct audit_counts *counts)
{
	for (int kind = 0; kind < AUDIT_KINDS; kind++)
		if (counts->differences[kind])
			return true;
	return false;
}
