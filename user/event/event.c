// SPDX-License-Identifier: BSD-2-Clause
/* The words of the event model, one table a list. */
#include "user/event/event.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *const event_names[] = {
	[PT_EV_ALLOC] = "alloc", [PT_EV_FAIL] = "fail", [PT_EV_TIME_WAIT] = "time_wait",
	[PT_EV_FREE] = "free",	 [PT_EV_LOST] = "lost",
};
static const char *const via_names[] = {
	[PT_VIA_CONNECT] = "connect",	[PT_VIA_BIND] = "bind",	  [PT_VIA_LISTEN] = "listen",
	[PT_VIA_AUTOBIND] = "autobind", [PT_VIA_FIXED] = "fixed", [PT_VIA_ACCEPT] = "accept",
	[PT_VIA_SNAPSHOT] = "snapshot",
};
static const char *const end_names[] = {
	[PT_END_CLOSE] = "close", [PT_END_EXPIRED] = "expired", [PT_END_REUSED] = "reused",
	[PT_END_CUT] = "cut",	  [PT_END_UNKNOWN] = "unknown",
};
static const char *const reuse_names[] = {
	[PT_REUSE_CLEAN] = "clean",	[PT_REUSE_TIME_WAIT] = "time_wait",
	[PT_REUSE_SHARED] = "shared",	[PT_REUSE_FIRST] = "first",
	[PT_REUSE_UNKNOWN] = "unknown",
};
static const char *const proto_names[] = {
	[IPPROTO_TCP] = "tcp",
	[IPPROTO_UDP] = "udp",
};

_Static_assert(ARRAY_SIZE(event_names) == PT_EV_TYPES, "a name for each event");
_Static_assert(ARRAY_SIZE(via_names) == PT_VIAS, "a name for each via");
_Static_assert(ARRAY_SIZE(end_names) == PT_ENDS, "a name for each end");
_Static_assert(ARRAY_SIZE(reuse_names) == PT_REUSES, "a name for each reuse");

static const char *name_of(const char *const *names, size_t count, unsigned int value)
{
	return value < count ? names[value] : NULL;
}

static int value_of(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (names[i] && !strcmp(names[i], name))
			return (int)i;
	return -ENOENT;
}

const char *pt_event_name(enum pt_event_type type)
{
	return name_of(event_names, ARRAY_SIZE(event_names), type);
}

const char *pt_via_name(enum pt_via via)
{
	return name_of(via_names, ARRAY_SIZE(via_names), via);
}

const char *pt_end_name(enum pt_end end)
{
	return name_of(end_names, ARRAY_SIZE(end_names), end);
}

const char *pt_reuse_name(enum pt_reuse reuse)
{
	return name_of(reuse_names, ARRAY_SIZE(reuse_names), reuse);
}

const char *pt_proto_name(__u8 proto)
{
	return name_of(proto_names, ARRAY_SIZE(proto_names), proto);
}

int pt_event_from_name(const char *name)
{
	return value_of(event_names, ARRAY_SIZE(event_names), name);
}

int pt_via_from_name(const char *name)
{
	return value_of(via_names, ARRAY_SIZE(via_names), name);
}

int pt_proto_from_name(const char *name)
{
	return value_of(proto_names, ARRAY_SIZE(proto_names), name);
}

int pt_via_ephemeral(enum pt_via via)
{
	switch (via) {
	case PT_VIA_CONNECT:
	case PT_VIA_BIND:
	case PT_VIA_LISTEN:
	case PT_VIA_AUTOBIND:
		return 1;
	case PT_VIA_FIXED:
		return 0;
	default:
		return -1;
	}
}
