// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/introduce.h"

#include <stdio.h>

#include "user/cmd/resolve.h"
#include "user/live/netns.h"
#include "user/live/range.h"

/* By the snapshot, in the namespaces that are traced. */
static void tell_holders(const struct introduction *what)
{
	if (!what->surveyed)
		return;
	if (what->holds)
		fprintf(stderr, "; held by %llu socket%s (below)", what->holds,
			what->holds == 1 ? "" : "s");
	else
		fprintf(stderr, "; held by nobody");
}

static void introduce_port(__u16 port, const struct introduction *what)
{
	struct range range;

	if (range_read(&range))
		return;
	fprintf(stderr, "Port %u: %s, %s the range %u-%u, %s", port, range_iana(port),
		port >= range.low && port <= range.high ? "inside" : "outside", range.low,
		range.high, port_set_has(&range.reserved, port) ? "reserved" : "not reserved");
	tell_holders(what);
	fprintf(stderr, " (netns %u).\n", netns_own());
}

void introduce(const struct options *options, const struct introduction *what)
{
	const struct filter *filter = &options->filter;
	unsigned int count = 0;
	__u16 port = resolve_only_port(filter, &count);
	char ports[32] = "every port", netns[32] = "every netns";

	if (port)
		snprintf(ports, sizeof(ports), "port %u", port);
	else if (filter->has_ports)
		snprintf(ports, sizeof(ports), "%u ports", count);
	if (filter->netns.count == 1)
		snprintf(netns, sizeof(netns), "netns %u", filter->netns.values[0]);
	else if (filter->netns.count)
		snprintf(netns, sizeof(netns), "%u netns", filter->netns.count);
	if (port && !options->quiet)
		introduce_port(port, what);
	fprintf(stderr, "Tracing %s (%s; %s)%s%s... Ctrl-C to end.\n", ports,
		filter->protos == FILTER_TCP   ? "tcp"
		: filter->protos == FILTER_UDP ? "udp"
					       : "tcp, udp",
		netns, options->write ? " into " : "", options->write ?: "");
}
