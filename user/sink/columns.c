// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/columns.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "user/sink/column_put.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define ALLOC (1U << PT_EV_ALLOC)
#define FAIL (1U << PT_EV_FAIL)
#define TIME_WAIT (1U << PT_EV_TIME_WAIT)
#define FREE (1U << PT_EV_FREE)
#define LOST (1U << PT_EV_LOST)
#define PORT (ALLOC | FAIL | TIME_WAIT | FREE)

#define GETTER(name)                                                                               \
	static enum column_state name(const struct sink_context *ctx __attribute__((unused)),      \
				      const struct pt_event *ev, union column_value *v)

GETTER(get_ts)
{
	return put_u64(v, ev->ts);
}

GETTER(get_event)
{
	return put_text(v, pt_event_name(ev->type));
}

GETTER(get_proto)
{
	return put_text(v, pt_proto_name(ev->space.proto));
}

GETTER(get_proto_family)
{
	return put_proto_family(v, ev->space.proto, ev->family);
}

GETTER(get_family)
{
	return put_text(v, ev->family == AF_INET ? "ipv4" : ev->family == AF_INET6 ? "ipv6" : NULL);
}

GETTER(get_port)
{
	return put_u64(v, ev->port);
}

GETTER(get_local)
{
	return put_endpoint(v, ev->laddr, ev->port, ev->family);
}

GETTER(get_remote)
{
	return ev->rport ? put_endpoint(v, ev->raddr, ev->rport, ev->family) : COLUMN_NONE;
}

GETTER(get_rport)
{
	return ev->rport ? put_u64(v, ev->rport) : COLUMN_NONE;
}

GETTER(get_pid)
{
	return ev->owner.known ? put_u64(v, ev->owner.pid) : COLUMN_UNKNOWN;
}

GETTER(get_tid)
{
	return ev->owner.known ? put_u64(v, ev->owner.tid) : COLUMN_UNKNOWN;
}

GETTER(get_comm)
{
	return ev->owner.known ? put_text(v, ev->owner.comm) : COLUMN_UNKNOWN;
}

GETTER(get_thread)
{
	return ev->owner.known ? put_text(v, ev->owner.thread) : COLUMN_UNKNOWN;
}

GETTER(get_owner)
{
	v->owner = &ev->owner;
	return ev->owner.known ? COLUMN_KNOWN : COLUMN_UNKNOWN;
}

GETTER(get_kernel)
{
	return ev->owner.known ? put_bool(v, ev->owner.kernel) : COLUMN_UNKNOWN;
}

GETTER(get_uid)
{
	return ev->owner.known ? put_u64(v, ev->owner.uid) : COLUMN_UNKNOWN;
}

GETTER(get_cgroup)
{
	if (!ev->owner.known || !ev->owner.cgroup || !ctx->cgroup_path)
		return COLUMN_UNKNOWN;
	return put_text(v, ctx->cgroup_path(ctx->cgroup_data, ev->owner.cgroup));
}

GETTER(get_netns)
{
	return put_nonzero(v, ev->space.netns);
}

GETTER(get_netns_cookie)
{
	return put_nonzero(v, pt_space_cookie(&ev->space));
}

GETTER(get_cookie)
{
	return put_nonzero(v, ev->sock);
}

GETTER(get_vrf)
{
	return put_vrf(v, &ev->space);
}

GETTER(get_via)
{
	return put_text(v, pt_via_name(ev->via));
}

GETTER(get_ephemeral)
{
	int ephemeral = pt_via_ephemeral(ev->via);

	return ephemeral < 0 ? COLUMN_UNKNOWN : put_bool(v, ephemeral);
}

GETTER(get_search)
{
	return put_known(v, ev->search_ns);
}

GETTER(get_holders)
{
	return put_known(v, ev->holders);
}

GETTER(get_reuse)
{
	return put_text(v, pt_reuse_name(ev->reuse));
}

GETTER(get_reuse_ns)
{
	if (ev->reuse == PT_REUSE_CLEAN)
		return put_known(v, ev->reuse_ns);
	return ev->reuse == PT_REUSE_UNKNOWN ? COLUMN_UNKNOWN : COLUMN_NONE;
}

GETTER(get_prev_pid)
{
	return ev->prev_known ? put_u64(v, ev->prev_pid) : COLUMN_UNKNOWN;
}

GETTER(get_prev_comm)
{
	return ev->prev_known ? put_text(v, ev->prev_comm) : COLUMN_UNKNOWN;
}

GETTER(get_errno)
{
	static char number[16];
	const char *name = strerrorname_np(ev->error);

	if (!ev->error)
		return COLUMN_UNKNOWN;
	if (name)
		return put_text(v, name);
	/* The kernel has some that no program ought to see, ENOTSUPP for one. */
	snprintf(number, sizeof(number), "%d", ev->error);
	return put_text(v, number);
}

GETTER(get_blockers)
{
	v->event = ev;
	return ev->blockers_count || ev->blockers_total != PT_UNKNOWN ? COLUMN_KNOWN
								      : COLUMN_UNKNOWN;
}

GETTER(get_blockers_total)
{
	return put_known(v, ev->blockers_total);
}

GETTER(get_open)
{
	return put_known(v, ev->open_ns);
}

GETTER(get_tcp_state)
{
	return put_text(v, ev->fin_wait2 ? "FIN-WAIT-2" : "TIME-WAIT");
}

GETTER(get_end)
{
	return put_text(v, pt_end_name(ev->end));
}

GETTER(get_held)
{
	return put_known(v, ev->held_ns);
}

/* What an event's kind has to tell in a word. */
GETTER(get_how)
{
	switch (ev->type) {
	case PT_EV_ALLOC:
		return get_via(ctx, ev, v);
	case PT_EV_FAIL:
		return get_errno(ctx, ev, v);
	case PT_EV_FREE:
		return get_end(ctx, ev, v);
	default:
		return COLUMN_NONE;
	}
}

GETTER(get_lost_count)
{
	return put_known(v, ev->lost_count);
}

GETTER(get_lost_from)
{
	return put_nonzero(v, ev->lost_from);
}

GETTER(get_lost_to)
{
	return put_nonzero(v, ev->lost_to);
}

/* Further members may follow the getter. */
#define JSON(key_, type_, events_, ...)                                                            \
	{                                                                                          \
		.key = key_, .type = type_, .events = events_, .get = __VA_ARGS__                  \
	}
#define TABLE(title_, width_, max_width_, type_, events_, ...)                                     \
	BOTH(NULL, title_, width_, max_width_, type_, events_, __VA_ARGS__)
#define BOTH(key_, title_, width_, max_width_, type_, events_, ...)                                \
	{                                                                                          \
		.key = key_, .title = title_, .type = type_, .events = events_, .width = width_,   \
		.max_width = max_width_, .get = __VA_ARGS__                                        \
	}

const struct column columns[] = {
	BOTH("ts", "TIME", 15, 15, COLUMN_TIME, PORT | LOST, get_ts),
	BOTH("event", "EVENT", 9, 9, COLUMN_WORD, PORT | LOST, get_event, .accent = true,
	     .of = COLUMN_OF_KIND),
	JSON("proto", COLUMN_WORD, PORT, get_proto, .of = COLUMN_OF_KIND),
	JSON("family", COLUMN_WORD, PORT, get_family, .of = COLUMN_OF_KIND),
	TABLE("PROTO", 5, 5, COLUMN_WORD, PORT, get_proto_family, .of = COLUMN_OF_KIND),
	JSON("port", COLUMN_U64, PORT, get_port),
	JSON("laddr", COLUMN_ADDR, PORT, get_local, .of = COLUMN_OF_TUPLE),
	TABLE("LOCAL", 17, 21, COLUMN_ENDPOINT, PORT, get_local),
	JSON("raddr", COLUMN_ADDR, PORT, get_remote, .of = COLUMN_OF_TUPLE),
	JSON("rport", COLUMN_U64, PORT, get_rport, .of = COLUMN_OF_TUPLE),
	TABLE("REMOTE", 13, 21, COLUMN_ENDPOINT, PORT, get_remote, .of = COLUMN_OF_TUPLE),
	BOTH("pid", "PID", 4, 7, COLUMN_U64, PORT, get_pid, .right = true, .of = COLUMN_OF_OWNER),
	JSON("tid", COLUMN_U64, PORT, get_tid, .of = COLUMN_OF_OWNER),
	JSON("comm", COLUMN_TEXT, PORT, get_comm, .of = COLUMN_OF_OWNER),
	JSON("thread", COLUMN_TEXT, PORT, get_thread, .of = COLUMN_OF_OWNER),
	TABLE("COMM", 7, 15, COLUMN_OWNER, PORT, get_owner, .of = COLUMN_OF_OWNER),
	JSON("kernel", COLUMN_BOOL, PORT, get_kernel, .of = COLUMN_OF_OWNER),
	JSON("uid", COLUMN_U64, PORT, get_uid, .of = COLUMN_OF_OWNER),
	JSON("cgroup", COLUMN_TEXT, PORT, get_cgroup, .of = COLUMN_OF_OWNER, .learnt = true),
	JSON("netns", COLUMN_U64, PORT, get_netns, .of = COLUMN_OF_OWNER),
	JSON("netns_cookie", COLUMN_ID, PORT, get_netns_cookie, .of = COLUMN_OF_OWNER),
	JSON("cookie", COLUMN_ID, PORT, get_cookie),
	JSON("vrf", COLUMN_U64, PORT, get_vrf, .of = COLUMN_OF_WAY),
	JSON("via", COLUMN_WORD, ALLOC | FAIL, get_via, .of = COLUMN_OF_WAY),
	JSON("ephemeral", COLUMN_BOOL, ALLOC, get_ephemeral, .of = COLUMN_OF_WAY),
	JSON("search_ns", COLUMN_U64, ALLOC | FAIL, get_search),
	JSON("holders", COLUMN_U64, ALLOC | FREE, get_holders),
	JSON("reuse", COLUMN_WORD, ALLOC, get_reuse, .of = COLUMN_OF_OUTCOME),
	JSON("reuse_ns", COLUMN_U64, ALLOC, get_reuse_ns),
	JSON("prev_pid", COLUMN_U64, ALLOC, get_prev_pid, .of = COLUMN_OF_PREVIOUS),
	JSON("prev_comm", COLUMN_TEXT, ALLOC, get_prev_comm, .of = COLUMN_OF_PREVIOUS),
	JSON("errno", COLUMN_WORD, FAIL, get_errno),
	JSON("blockers", COLUMN_BLOCKERS, FAIL, get_blockers),
	JSON("blockers_total", COLUMN_U64, FAIL, get_blockers_total),
	TABLE("HOW", 8, 13, COLUMN_WORD, PORT, get_how),
	BOTH("open_ns", "OPEN", 6, 6, COLUMN_DURATION, TIME_WAIT | FREE, get_open),
	JSON("tcp_state", COLUMN_WORD, TIME_WAIT, get_tcp_state),
	JSON("end", COLUMN_WORD, FREE, get_end, .of = COLUMN_OF_OUTCOME),
	BOTH("held_ns", "HELD", 5, 6, COLUMN_DURATION, FREE, get_held),
	TABLE("REUSED", 6, 6, COLUMN_DURATION, ALLOC, get_reuse_ns),
	TABLE("HOLDERS", 7, 7, COLUMN_U64, ALLOC | TIME_WAIT | FREE, get_holders),
	BOTH(NULL, "NETNS", 10, 10, COLUMN_U64, PORT, get_netns, .netns = true),
	JSON("count", COLUMN_U64, LOST, get_lost_count),
	JSON("from", COLUMN_TIME, LOST, get_lost_from),
	JSON("to", COLUMN_TIME, LOST, get_lost_to),
};
const unsigned int columns_count = ARRAY_SIZE(columns);

_Static_assert(ARRAY_SIZE(columns) <= COLUMNS_MAX, "COLUMNS_MAX rows");

const struct column *column_of_key(const char *key)
{
	const struct column *column = columns;

	while (!column->key || strcmp(column->key, key))
		column++;
	return column;
}

const struct column *column_of_title(const char *title)
{
	const struct column *column = columns;

	while (!column->title || strcmp(column->title, title))
		column++;
	return column;
}

static enum column_state blocker_pid(const struct pt_blocker *blocker, union column_value *v)
{
	return blocker->owner.known ? put_u64(v, blocker->owner.pid) : COLUMN_UNKNOWN;
}

static enum column_state blocker_comm(const struct pt_blocker *blocker, union column_value *v)
{
	return blocker->owner.known ? put_text(v, blocker->owner.comm) : COLUMN_UNKNOWN;
}

static enum column_state blocker_laddr(const struct pt_blocker *blocker, union column_value *v)
{
	return blocker->sums_up ? COLUMN_NONE : put_endpoint(v, blocker->laddr, 0, 0);
}

static enum column_state blocker_raddr(const struct pt_blocker *blocker, union column_value *v)
{
	return blocker->rport ? put_endpoint(v, blocker->raddr, 0, 0) : COLUMN_NONE;
}

static enum column_state blocker_rport(const struct pt_blocker *blocker, union column_value *v)
{
	return blocker->rport ? put_u64(v, blocker->rport) : COLUMN_NONE;
}

static enum column_state blocker_state(const struct pt_blocker *blocker, union column_value *v)
{
	if (blocker->differs)
		return COLUMN_NONE;
	return put_text(v, blocker->time_wait ? "TIME-WAIT" : "open");
}

static enum column_state blocker_age(const struct pt_blocker *blocker, union column_value *v)
{
	return put_known(v, blocker->age_ns);
}

static enum column_state blocker_tw_left(const struct pt_blocker *blocker, union column_value *v)
{
	return put_known(v, blocker->tw_left_ns);
}

static enum column_state blocker_count(const struct pt_blocker *blocker, union column_value *v)
{
	return put_u64(v, blocker->count);
}

const struct blocker_column blocker_columns[] = {
	{ "pid", COLUMN_U64, blocker_pid },	 { "comm", COLUMN_TEXT, blocker_comm },
	{ "laddr", COLUMN_ADDR, blocker_laddr }, { "raddr", COLUMN_ADDR, blocker_raddr },
	{ "rport", COLUMN_U64, blocker_rport },	 { "state", COLUMN_WORD, blocker_state },
	{ "age_ns", COLUMN_U64, blocker_age },	 { "tw_left_ns", COLUMN_U64, blocker_tw_left },
	{ "count", COLUMN_U64, blocker_count },
};
const unsigned int blocker_columns_count = ARRAY_SIZE(blocker_columns);

_Static_assert(ARRAY_SIZE(blocker_columns) <= BLOCKER_COLUMNS_MAX, "BLOCKER_COLUMNS_MAX rows");

static void key_of_tuple(struct column_key *key, const struct pt_event *ev)
{
	key->count = 5;
	key->words[0] = (__u64)ev->rport << 8 | ev->family;
	memcpy(&key->words[1], ev->raddr, sizeof(ev->raddr));
	memcpy(&key->words[3], ev->laddr, sizeof(ev->laddr));
}

static void key_of_owner(struct column_key *key, const struct pt_event *ev)
{
	const struct pt_owner *owner = &ev->owner;

	key->words[0] = ev->space.netns_cookie;
	key->words[1] = (__u64)ev->space.netns << 32 | owner->known;
	if (!owner->known)
		return;
	key->count = 9;
	key->words[1] |= owner->kernel << 1;
	key->words[2] = (__u64)owner->pid << 32 | owner->tid;
	key->words[3] = owner->uid;
	key->words[4] = owner->cgroup;
	memcpy(&key->words[5], owner->comm, PT_COMM_LEN);
	memcpy(&key->words[7], owner->thread, PT_COMM_LEN);
}

static void key_of_previous(struct column_key *key, const struct pt_event *ev)
{
	key->words[0] = (__u64)ev->prev_pid << 32 | ev->prev_known;
	memcpy(&key->words[1], ev->prev_comm, PT_COMM_LEN);
}

void column_key_make(struct column_key *key, __u64 columns, enum column_of of,
		     const struct pt_event *ev)
{
	key->columns = columns;
	key->count = COLUMN_KEY_LEAST;
	memset(key->words, 0, COLUMN_KEY_LEAST * sizeof(*key->words));
	if (column_key_word(&key->words[0], of, ev))
		return;
	if (of == COLUMN_OF_TUPLE)
		key_of_tuple(key, ev);
	else if (of == COLUMN_OF_OWNER)
		key_of_owner(key, ev);
	else
		key_of_previous(key, ev);
}

_Static_assert(PT_COMM_LEN == 2 * sizeof(__u64), "the words that a key has for a name");

bool column_is_ipv4(const struct column_endpoint *endpoint)
{
	return endpoint->family == AF_INET || pt_addr_is_v4(endpoint->addr);
}

char *column_format_addr(char *p, const struct column_endpoint *endpoint)
{
	if (column_is_ipv4(endpoint))
		return format_ipv4(p, endpoint->addr + 12);
	return format_ipv6(p, endpoint->addr);
}

char *column_format_endpoint(char *p, const struct column_endpoint *endpoint)
{
	bool ipv4 = column_is_ipv4(endpoint);

	if (!ipv4)
		*p++ = '[';
	p = column_format_addr(p, endpoint);
	if (!ipv4)
		*p++ = ']';
	*p++ = ':';
	if (endpoint->port)
		return format_u64(p, endpoint->port);
	*p++ = '*';
	return p;
}

char *column_format_name(char *p, const char *name)
{
	return *name ? p + escape_terminal(p, name, strlen(name)) : stpcpy(p, "\"\"");
}

char *column_format_owner(char *p, const struct pt_owner *owner)
{
	p = column_format_name(p, owner->comm);
	if (!strcmp(owner->comm, owner->thread))
		return p;
	*p++ = '/';
	return column_format_name(p, owner->thread);
}

static char *format_percent(char *p, __u64 thousandths)
{
	p = format_u64(p, thousandths / 10);
	*p++ = '.';
	*p++ = (char)('0' + thousandths % 10);
	return p;
}

char *column_format_value(char *p, enum column_type type, const union column_value *value)
{
	switch (type) {
	case COLUMN_WORD:
		return stpcpy(p, value->text);
	case COLUMN_TEXT:
		return p + escape_terminal(p, value->text, strnlen(value->text, PATH_MAX));
	case COLUMN_OWNER:
		return column_format_name(p, value->owner->comm);
	case COLUMN_ENDPOINT:
		return column_format_endpoint(p, &value->endpoint);
	case COLUMN_DURATION:
		return format_duration(p, value->u64);
	case COLUMN_SHARE:
		return format_percent(p, value->u64);
	default:
		return format_u64(p, value->u64);
	}
}

char *column_format_cell(char *p, enum column_type type, enum column_state state,
			 const union column_value *value)
{
	if (state == COLUMN_KNOWN)
		return column_format_value(p, type, value);
	*p++ = state == COLUMN_UNKNOWN ? '?' : '-';
	return p;
}
