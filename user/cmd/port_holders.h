/* SPDX-License-Identifier: BSD-2-Clause */
/* What `porttrace ls --port` says of its port, in words. */
#ifndef PORTTRACE_CMD_PORT_HOLDERS_H
#define PORTTRACE_CMD_PORT_HOLDERS_H

#include "user/base/out.h"
#include "user/live/inventory.h"

/*
 * A line for each namespace in which somebody holds port, or one that nobody
 * does. The inventory has to be of that port at least. netns NULL: every
 * namespace, else only those.
 */
void port_holders_tell(struct out *out, const struct inventory *inventory, __u16 port,
		       const struct filter_u32 *netns);

#endif /* PORTTRACE_CMD_PORT_HOLDERS_H */
