// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/resolve.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "user/live/netns.h"

static enum exit_status resolve_netns(struct options *options)
{
	struct parse_reason why;
	__u32 inode;

	for (unsigned int i = 0; i < options->netns_names.count; i++) {
		if (netns_resolve(options->netns_names.values[i], &inode, &why)) {
			complain("--netns: %s", why.text);
			return STATUS_USAGE;
		}
		filter_add_u32(&options->filter.netns, inode);
	}
	return STATUS_DONE;
}

static enum exit_status check_pids(const struct filter *filter)
{
	for (unsigned int i = 0; i < filter->pids.count; i++)
		if (kill((pid_t)filter->pids.values[i], 0) && errno == ESRCH) {
			complain("--pid: there is no process %u", filter->pids.values[i]);
			return STATUS_USAGE;
		}
	return STATUS_DONE;
}

static enum exit_status resolve_cgroups(struct filter *filter, struct cgroup_paths *cgroups)
{
	char quoted[PARSE_QUOTE_LEN];

	for (unsigned int i = 0; i < filter->cgroups.count; i++) {
		const char *path = cgroup_resolve(cgroups, filter->cgroups.values[i]);

		if (!path) {
			parse_quote(filter->cgroups.values[i], strlen(filter->cgroups.values[i]),
				    quoted);
			complain("--cgroup: there is no cgroup (v2) %s", quoted);
			return STATUS_USAGE;
		}
		filter->cgroups.values[i] = path;
	}
	filter->cgroup_path = cgroup_path;
	filter->cgroup_data = cgroups;
	return STATUS_DONE;
}

enum exit_status resolve_names(struct options *options, struct cgroup_paths *cgroups)
{
	enum exit_status status = resolve_netns(options);

	if (status == STATUS_DONE)
		status = check_pids(&options->filter);
	if (status == STATUS_DONE)
		status = resolve_cgroups(&options->filter, cgroups);
	return status;
}

__u16 resolve_only_port(const struct filter *filter, unsigned int *count)
{
	__u16 found = 0;

	*count = 0;
	for (unsigned int port = 1; filter->has_ports && port <= PARSE_PORT_MAX; port++)
		if (port_set_has(&filter->ports, (__u16)port)) {
			found = (__u16)port;
			++*count;
		}
	return *count == 1 ? found : 0;
}
