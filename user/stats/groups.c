// SPDX-License-Identifier: BSD-2-Clause
#include "user/stats/groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/array.h"
#include "user/base/compare.h"
#include "user/stats/key.h"

/* A holder on its way into a group. */
struct member {
	const struct pt_holder *holder;
	const char *cgroup;
	size_t place; /* among the holders as they were given */
};

/* 0: they are alike. */
typedef int (*compare_fn)(const struct member *a, const struct member *b);

static int compare_port(const struct member *a, const struct member *b)
{
	const struct pt_space *x = &a->holder->space, *y = &b->holder->space;

	return compare_u64(x->netns, y->netns) ?:
	       compare_u64(x->netns_cookie, y->netns_cookie) ?:
	       compare_u64(x->proto, y->proto) ?:
	       compare_u64(x->vrf, y->vrf) ?:
	       compare_u64(a->holder->port, b->holder->port);
}

/* Known ones first; then those that nobody found; then those that have no process at all. */
static int owner_rank(const struct pt_holder *holder)
{
	if (holder->owner)
		return 0;
	return holder->has_inode ? 1 : 2;
}

static int compare_process(const struct member *a, const struct member *b)
{
	const struct pt_owner *x = a->holder->owner, *y = b->holder->owner;

	if (!x || !y)
		return owner_rank(a->holder) - owner_rank(b->holder);
	return compare_u64(x->pid, y->pid)
		       ?: compare_u64(x->start / KEY_START_TICK, y->start / KEY_START_TICK);
}

static int compare_remote(const struct member *a, const struct member *b)
{
	const struct pt_holder *x = a->holder, *y = b->holder;

	if (!x->rport || !y->rport)
		return !x->rport - !y->rport;
	return memcmp(x->raddr, y->raddr, sizeof(x->raddr)) ?: compare_u64(x->rport, y->rport);
}

static int compare_cgroup(const struct member *a, const struct member *b)
{
	if (a->cgroup && b->cgroup)
		return strcmp(a->cgroup, b->cgroup);
	if (a->cgroup || b->cgroup)
		return !a->cgroup - !b->cgroup;
	return (owner_rank(a->holder) == 2) - (owner_rank(b->holder) == 2);
}

static int compare_members(const void *a, const void *b, void *data)
{
	const struct member *x = a, *y = b;
	const compare_fn *compare = data;

	return (*compare)(x, y) ?: compare_u64(x->place, y->place);
}

static void sort(struct member *members, size_t count, compare_fn compare)
{
	qsort_r(members, count, sizeof(*members), compare_members, &compare);
}

/* How many of the members, from the first one on, are alike. */
static size_t run_of(const struct member *members, size_t count, compare_fn compare)
{
	size_t length = 1;

	while (length < count && !compare(&members[0], &members[length]))
		length++;
	return length;
}

/* ---- one group ----------------------------------------------------------------- */

static void count_holder(struct group *group, const struct pt_holder *holder)
{
	__u64 age_ns = holder->past ? holder->age_ns : PT_UNKNOWN;

	if (holder->accepted) {
		group->connections++;
		return;
	}
	group->held++;
	group->time_wait += holder->time_wait;
	if (age_ns > group->oldest_ns) /* PT_UNKNOWN is more than any */
		group->oldest_ns = age_ns;
}

static void count_ports(struct group *group, struct member *members, size_t count)
{
	sort(members, count, compare_port);
	for (size_t i = 0, end; i < count; i = end) {
		bool held = false;

		end = i + run_of(&members[i], count - i, compare_port);
		for (size_t k = i; k < end; k++)
			held |= !members[k].holder->accepted;
		group->ports += held;
	}
}

static bool is_known(const struct pt_holder *holder, compare_fn compare)
{
	return compare == compare_remote ? holder->rport : holder->owner != NULL;
}

/* Known ones are the first; of as many the one that came first. */
static void find_top(struct group *group, struct member *members, size_t count, compare_fn compare)
{
	size_t place = 0;

	sort(members, count, compare);
	for (size_t i = 0, length; i < count; i += length) {
		length = run_of(&members[i], count - i, compare);
		if (group->top && !is_known(members[i].holder, compare))
			return;
		if (length < group->top_count ||
		    (length == group->top_count && members[i].place > place))
			continue;
		group->top = members[i].holder;
		group->top_count = length;
		place = members[i].place;
	}
}

static void sum_up(struct group *group, enum report_by by, struct member *members, size_t count)
{
	*group = (struct group){ .key = members->holder, .cgroup = members->cgroup };
	for (size_t i = 0; i < count; i++)
		count_holder(group, members[i].holder);
	count_ports(group, members, count);
	find_top(group, members, count, by == REPORT_BY_PROCESS ? compare_remote : compare_process);
}

/* ---- all of them ---------------------------------------------------------------- */

static const char *cgroup_of(const struct groups_options *options, const struct pt_holder *holder)
{
	if (options->by != REPORT_BY_CGROUP || !options->cgroup_path || !holder->owner ||
	    !holder->owner->cgroup)
		return NULL;
	return options->cgroup_path(options->cgroup_data, holder->owner->cgroup);
}

static struct member *members_of(const struct groups_options *options,
				 const struct pt_holder *const *holders, size_t count)
{
	struct member *members = calloc(count + 1, sizeof(*members));

	for (size_t i = 0; members && i < count; i++)
		members[i] = (struct member){ holders[i], cgroup_of(options, holders[i]), i };
	return members;
}

static int compare_groups(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return compare_u64(y->ports, x->ports) ?:
	       compare_u64(y->held, x->held) ?:
	       compare_u64(y->connections, x->connections) ?:
	       compare_u64(x->number, y->number);
}

static int sum_up_all(struct groups *groups, struct member *members, size_t count)
{
	static const compare_fn compares[REPORT_BYS] = {
		[REPORT_BY_PORT] = compare_port,
		[REPORT_BY_PROCESS] = compare_process,
		[REPORT_BY_REMOTE] = compare_remote,
		[REPORT_BY_CGROUP] = compare_cgroup,
	};
	compare_fn compare = compares[groups->options.by];
	size_t size = 0;

	sort(members, count, compare);
	for (size_t i = 0, length; i < count; i += length) {
		struct group *rows =
			array_make_room(groups->rows, groups->count, &size, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		groups->rows = rows;
		length = run_of(&members[i], count - i, compare);
		sum_up(&rows[groups->count], groups->options.by, &members[i], length);
		rows[groups->count].number = groups->count;
		groups->count++;
	}
	if (groups->count)
		qsort(groups->rows, groups->count, sizeof(*groups->rows), compare_groups);
	return 0;
}

int groups_take(struct groups *groups, const struct groups_options *options,
		const struct pt_holder *const *holders, size_t count)
{
	struct groups taken = { .options = *options };
	struct member *members = members_of(options, holders, count);
	int err = members ? sum_up_all(&taken, members, count) : -ENOMEM;

	free(members);
	if (err) {
		groups_free(&taken);
		return err;
	}
	for (size_t i = 0; i < count; i++) {
		taken.has_shared |= !holders[i]->past && holders[i]->processes > 1;
		taken.has_ownerless |= owner_rank(holders[i]) == 2;
	}
	*groups = taken;
	return 0;
}

void groups_free(struct groups *groups)
{
	free(groups->rows);
}
