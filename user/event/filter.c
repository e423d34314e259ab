// SPDX-License-Identifier: BSD-2-Clause
#include "user/event/filter.h"

#include <errno.h>
#include <fnmatch.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

int filter_add_u32(struct filter_u32 *list, __u32 value)
{
	if (list->count == FILTER_MAX)
		return -E2BIG;
	list->values[list->count++] = value;
	return 0;
}

int filter_add_text(struct filter_text *list, const char *value)
{
	if (list->count == FILTER_MAX)
		return -E2BIG;
	list->values[list->count++] = value;
	return 0;
}

static bool list_has(const struct filter_u32 *list, __u32 value)
{
	for (unsigned int i = 0; i < list->count; i++)
		if (list->values[i] == value)
			return true;
	return false;
}

bool filter_passes_u32(const struct filter_u32 *list, __u32 value)
{
	return !list->count || list_has(list, value);
}

static bool match_space(const struct filter *filter, const struct pt_event *ev)
{
	unsigned int proto = ev->space.proto == IPPROTO_TCP ? FILTER_TCP : FILTER_UDP;

	if (filter->protos && !(filter->protos & proto))
		return false;
	if ((filter->ipv4 || filter->ipv6) && !(filter->ipv4 && ev->family == AF_INET) &&
	    !(filter->ipv6 && ev->family == AF_INET6))
		return false;
	return filter_passes_u32(&filter->netns, ev->space.netns);
}

/* A network that is not v4-mapped, ::/0 too, holds no IPv4 address. */
static bool prefix_has(const struct addr_prefix *prefix, const __u8 addr[16])
{
	unsigned int bytes = prefix->len / 8, bits = prefix->len % 8;

	if (pt_addr_is_v4(addr) != pt_addr_is_v4(prefix->addr))
		return false;
	if (memcmp(prefix->addr, addr, bytes))
		return false;
	return !bits || !((prefix->addr[bytes] ^ addr[bytes]) >> (8 - bits));
}

static bool match_remote(const struct filter *filter, const struct pt_event *ev)
{
	if (filter->has_rports && !port_set_has(&filter->rports, ev->rport))
		return false;
	if (!filter->remotes_count)
		return true;
	for (unsigned int i = 0; ev->rport && i < filter->remotes_count; i++)
		if (prefix_has(&filter->remotes[i], ev->raddr))
			return true;
	return false;
}

/*
 * The kernel cuts names, so a plain one that is longer means the cut one. A name
 * that happens to look like a pattern matches itself.
 */
static bool comm_matches(const char *pattern, const char *comm)
{
	return !strncmp(pattern, comm, PT_COMM_LEN - 1) || !fnmatch(pattern, comm, 0);
}

static bool match_comm(const struct filter_text *comms, const struct pt_owner *owner)
{
	for (unsigned int i = 0; i < comms->count; i++)
		if (comm_matches(comms->values[i], owner->comm) ||
		    comm_matches(comms->values[i], owner->thread))
			return true;
	return !comms->count;
}

/* Whether path is below, at a component's end. Slashes at below's ends are moot. */
static bool path_is_below(const char *path, const char *below)
{
	size_t len;

	path += strspn(path, "/");
	below += strspn(below, "/");
	len = strlen(below);
	while (len && below[len - 1] == '/')
		len--;
	return !len || (!strncmp(path, below, len) && (!path[len] || path[len] == '/'));
}

static bool match_cgroup(const struct filter *filter, const struct pt_owner *owner)
{
	const char *path = NULL;

	if (!filter->cgroups.count)
		return true;
	if (owner->cgroup && filter->cgroup_path)
		path = filter->cgroup_path(filter->cgroup_data, owner->cgroup);
	for (unsigned int i = 0; path && i < filter->cgroups.count; i++)
		if (path_is_below(path, filter->cgroups.values[i]))
			return true;
	return false;
}

static bool match_owner(const struct filter *filter, const struct pt_owner *owner)
{
	if (!owner->known)
		return !filter->pids.count && !filter->uids.count && !filter->comms.count &&
		       !filter->cgroups.count;
	if (!filter_passes_u32(&filter->pids, owner->pid) ||
	    !filter_passes_u32(&filter->uids, owner->uid))
		return false;
	return match_comm(&filter->comms, owner) && match_cgroup(filter, owner);
}

static bool match_via(const struct filter *filter, enum pt_via via)
{
	if (filter->ephemeral && !pt_via_ephemeral(via))
		return false;
	return !filter->vias || (via != PT_VIA_UNKNOWN && filter->vias >> via & 1);
}

static bool match_time(const struct filter *filter, const struct pt_event *ev)
{
	__u64 wall = ev->ts + ev->realtime_offset;

	return wall >= filter->since && (!filter->until || wall <= filter->until);
}

bool filter_match(const struct filter *filter, const struct pt_event *ev)
{
	if (!match_time(filter, ev))
		return false;
	if (ev->type == PT_EV_LOST)
		return true;
	if (filter->events && !(filter->events >> ev->type & 1))
		return false;
	if (filter->has_ports && !port_set_has(&filter->ports, ev->port))
		return false;
	return match_space(filter, ev) && match_via(filter, ev->via) && match_remote(filter, ev) &&
	       match_owner(filter, &ev->owner);
}

bool filter_is_empty(const struct filter *filter)
{
	unsigned int values = filter->remotes_count + filter->pids.count + filter->uids.count +
			      filter->netns.count + filter->comms.count + filter->cgroups.count;

	return !filter->has_ports && !filter->has_rports && !values && !filter->ipv4 &&
	       !filter->ipv6 && !filter->protos && !filter->events && !filter->vias &&
	       !filter->ephemeral && !filter->since && !filter->until;
}

__u8 filter_only_proto(const struct filter *filter)
{
	if (filter->protos == FILTER_TCP)
		return IPPROTO_TCP;
	return filter->protos == FILTER_UDP ? IPPROTO_UDP : 0;
}

__u32 filter_only_netns(const struct filter *filter)
{
	return filter->netns.count == 1 ? filter->netns.values[0] : 0;
}
