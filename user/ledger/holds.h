/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger's memory: port spaces, their ports, the holds of each port and
 * the TIME_WAITs of each hold. No rules here; those are ledger.c's.
 */
#ifndef PORTTRACE_LEDGER_HOLDS_H
#define PORTTRACE_LEDGER_HOLDS_H

#include "user/base/index.h"
#include "user/base/pool.h"
#include "user/event/event.h"
#include "user/ledger/owners.h"

#define PORTS_PER_PAGE 256
#define SPACES_RECENT 64 /* a power of two */

/* A TIME_WAIT that one hold's socket left behind. */
struct tw {
	__u32 next;  /* number in holds.tws, 0: last */
	__u64 sock;  /* address of the TIME_WAIT sock; 0: not known (snapshot) */
	__u64 until; /* its timer as it was set first, CLOCK_BOOTTIME, ns; 0: not known */
	struct pt_tuple tuple;
};

/* One socket's ownership of one port. */
struct hold {
	__u32 next;  /* of the same port; number in holds.pool, 0: last */
	__u32 tws;   /* its TIME_WAITs, 0: none */
	__u32 owner; /* number in holds.owners, a use of it; 0: not known */
	__u32 crowd; /* crowd.c's, without meaning while there is none */
	__u64 sock;
	__u64 since;	  /* CLOCK_BOOTTIME, ns; PT_UNKNOWN: before the trace */
	__u64 open_until; /* 0: still open */
	struct pt_tuple tuple;
	bool sock_open; /* the socket itself still holds */
	bool connected; /* since it was bound */
	bool listened;	/* what it accepted may hold the port on */
	__u8 family;
	__u8 via;
};

/* One port of one space. Ports come up in no order: each is within a line of the CPU's cache. */
struct port_state {
	__u32 first; /* hold */
	__u32 holders;
	__u64 free_since; /* CLOCK_BOOTTIME, ns; 0: not seen becoming free */
	__u64 taker;	  /* the socket that took a TIME_WAIT of this port, 0: none */
	__u32 prev;	  /* owner of the hold that ended last, as in struct hold */
	__u32 vrf;	  /* its space's: records of a socket that lets go do not tell it */
} __attribute__((aligned(32)));

struct space {
	struct pt_space id;
	struct space *next_vrf; /* of the same namespace and protocol */
	struct port_state *pages[65536 / PORTS_PER_PAGE];
};

struct holds {
	struct pool pool;
	struct pool tws;
	struct owners owners;
	struct space **spaces; /* one a namespace and protocol, the others behind it */
	__u32 spaces_count;
	struct space *recent[SPACES_RECENT]; /* of these, those asked for lately */
	struct index spaces_index;
};

void holds_init(struct holds *holds);
void holds_free(struct holds *holds);

/* For holds_space() and holds_port(), where the short way fails. */
struct space *holds_space_find(struct holds *holds, const struct pt_space *id);
struct port_state *holds_port_make(struct holds *holds, const struct pt_space *id, __u16 port);

/* The first space of the namespace and protocol, whatever its VRF; NULL if there is none. */
static inline struct space *holds_space(struct holds *holds, const struct pt_space *id)
{
	struct space *recent = holds->recent[(id->netns ^ id->proto) & (SPACES_RECENT - 1)];

	return recent && pt_space_is_same(&recent->id, id) ? recent : holds_space_find(holds, id);
}

static inline struct port_state *space_port(const struct space *space, __u16 port)
{
	struct port_state *page = space->pages[port / PORTS_PER_PAGE];

	return page ? &page[port % PORTS_PER_PAGE] : NULL;
}

/* The port's state, made if it is new. NULL if there is no memory. */
static inline struct port_state *holds_port(struct holds *holds, const struct pt_space *id,
					    __u16 port)
{
	const struct space *space = holds_space(holds, id);
	struct port_state *state =
		space && space->id.vrf == id->vrf ? space_port(space, port) : NULL;

	return state ?: holds_port_make(holds, id, port);
}

/* The port's state will be asked for: it is fetched into the CPU's cache meanwhile. */
static inline void holds_expect(struct holds *holds, const struct pt_space *id, __u16 port)
{
	const struct space *space = holds_space(holds, id);
	const struct port_state *state = space ? space_port(space, port) : NULL;

	if (state)
		__builtin_prefetch(state);
}

/* Who has it. */
static inline const struct pt_owner *holds_owner(const struct holds *holds, const struct hold *hold)
{
	return owners_at(&holds->owners, hold->owner);
}

static inline struct hold *holds_at(const struct holds *holds, __u32 number)
{
	return number ? pool_at(&holds->pool, number) : NULL;
}

static inline struct tw *holds_tw_at(const struct holds *holds, __u32 number)
{
	return number ? pool_at(&holds->tws, number) : NULL;
}

_Static_assert(sizeof(struct hold) == 88, "hold_clear() writes all of it");

/* Field by field: so what the caller writes next need not be zeroed first. */
static inline void hold_clear(struct hold *hold, __u32 next, __u32 owner)
{
	hold->next = next;
	hold->tws = 0;
	hold->owner = owner;
	hold->crowd = 0;
	hold->sock = hold->since = hold->open_until = 0;
	hold->tuple = (struct pt_tuple){ .rport = 0 };
	hold->sock_open = hold->connected = hold->listened = false;
	hold->family = hold->via = 0;
}

/*
 * A new hold of the port, counted, behind its hold of the number last (0: before all); zeroed
 * but for owner, whose use is the hold's now (or given back: there is no memory). Returns its
 * number or 0.
 */
static inline __u32 holds_add_behind(struct holds *holds, struct port_state *port, __u32 last,
				     __u32 owner)
{
	__u32 number = pool_take_raw(&holds->pool);
	__u32 *link = last ? &holds_at(holds, last)->next : &port->first;

	if (!number) {
		owners_drop(&holds->owners, owner);
		return 0;
	}
	hold_clear(holds_at(holds, number), *link, owner);
	*link = number;
	port->holders++;
	return number;
}

/* The same before all. Returns NULL if there is no memory. */
static inline struct hold *holds_add(struct holds *holds, struct port_state *port, __u32 owner)
{
	return holds_at(holds, holds_add_behind(holds, port, 0, owner));
}

/* For holds_remove(), of any hold: takes it out of its port's list, and returns its number. */
__u32 holds_unlink(struct holds *holds, struct port_state *port, struct hold *hold);

/* Forgets a hold of the port and its TIME_WAITs; its owner is the port's last one from then on. */
static inline void holds_remove(struct holds *holds, struct port_state *port, struct hold *hold)
{
	__u32 number = port->first;

	if (holds_at(holds, number) == hold && !hold->tws)
		port->first = hold->next;
	else
		number = holds_unlink(holds, port, hold);
	owners_drop(&holds->owners, port->prev);
	port->prev = hold->owner;
	pool_give(&holds->pool, number);
	port->holders--;
}

/*
 * Calls fn for every hold; it may remove that hold, and no other.
 */
typedef void (*holds_fn)(void *data, const struct pt_space *space, __u16 number,
			 struct port_state *port, struct hold *hold);
void holds_each(struct holds *holds, holds_fn fn, void *data);

/* Calls fn for every port that has, or had, a hold. */
typedef void (*holds_port_fn)(void *data, const struct pt_space *space, __u16 number,
			      struct port_state *port);
void holds_each_port(struct holds *holds, holds_port_fn fn, void *data);

/* The hold of that socket, while the socket itself still holds; or NULL. */
static inline struct hold *holds_of_sock(const struct holds *holds, const struct port_state *port,
					 __u64 sock)
{
	struct hold *hold;

	for (__u32 i = port->first; (hold = holds_at(holds, i)); i = hold->next)
		if (hold->sock_open && hold->sock == sock)
			return hold;
	return NULL;
}

/* For holds_find(): the hold of that TIME_WAIT, which that socket left; or NULL. */
struct hold *holds_of_tw(const struct holds *holds, const struct port_state *port, __u64 sock,
			 __u64 tw);

/*
 * For a record that does not tell the VRF: the hold of that socket, or if tw is
 * not 0 of that TIME_WAIT, in whichever VRF it is; *state is its port's.
 * NULL if there is none.
 */
static inline struct hold *holds_find(struct holds *holds, const struct pt_space *id, __u16 port,
				      __u64 sock, __u64 tw, struct port_state **state)
{
	for (const struct space *space = holds_space(holds, id); space; space = space->next_vrf) {
		struct hold *hold;

		*state = space_port(space, port);
		if (!*state)
			continue;
		hold = tw ? holds_of_tw(holds, *state, sock, tw)
			  : holds_of_sock(holds, *state, sock);
		if (hold)
			return hold;
	}
	return NULL;
}

/*
 * For what a dump tells: the hold of that socket, also when the socket itself
 * let go, or of the TIME_WAIT with that address (0: not known), in whichever VRF
 * it is; *state is its port's. NULL if there is none.
 */
struct hold *holds_known(struct holds *holds, const struct pt_space *id, __u16 port, __u64 sock,
			 __u64 tw, struct port_state **state);

/* The hold's TIME_WAIT with that address (0: not known) or that 4-tuple; or NULL. */
struct tw *holds_tw_find(const struct holds *holds, const struct hold *hold, __u64 tw,
			 const struct pt_tuple *tuple);

/* Returns NULL if there is no memory. */
struct tw *holds_tw_add(struct holds *holds, struct hold *hold);
void holds_tw_remove(struct holds *holds, struct hold *hold, __u64 tw);
void holds_tw_drop(struct holds *holds, struct hold *hold, struct tw *tw);

#endif /* PORTTRACE_LEDGER_HOLDS_H */
