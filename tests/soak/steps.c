// SPDX-License-Identifier: BSD-2-Clause
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/live/fail.h"
#include "tests/live/net.h"
#include "tests/soak/post.h"
#include "tests/soak/sock.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

#define TCP_LIKE (1 << KIND_TCP | 1 << KIND_MPTCP)
#define TCP_ONLY (1 << KIND_TCP)
#define UDP_ONLY (1 << KIND_UDP)
#define ANY_KIND (TCP_LIKE | UDP_ONLY)
#define ANY_SOCKET (FRESH | BOUND | LISTENING | BUSY | SHUT | SPENT)

#define NS_PER_MS 1000000

/* ---- choices ----------------------------------------------------------------- */

/* Few ports, some of them in the range that the kernel chooses from. */
static int named_port(struct worker *worker)
{
	int base = worker_chance(worker, 50) ? RANGE_LOW : NAMED_OUTSIDE;

	return base + (int)worker_random(worker, 4);
}

static int host(struct worker *worker)
{
	return 1 + (int)worker_random(worker, 8);
}

static int any_or_host(struct worker *worker)
{
	return worker_chance(worker, 40) ? 0 : host(worker);
}

static enum kind any_kind(struct worker *worker)
{
	static const enum kind kinds[] = { KIND_TCP, KIND_TCP, KIND_TCP, KIND_TCP, KIND_TCP,
					   KIND_TCP, KIND_UDP, KIND_UDP, KIND_UDP, KIND_MPTCP };

	return kinds[worker_random(worker, sizeof(kinds) / sizeof(kinds[0]))];
}

static void open_one(struct worker *worker, struct slot *slot, enum kind kind)
{
	static const enum addressing addressings[] = { IPV4, IPV4, IPV4, IPV6, IPV6, MAPPED };

	sock_open(worker, slot, kind, addressings[worker_random(worker, 6)],
		  worker_chance(worker, 50));
}

/* ---- the steps ---------------------------------------------------------------- */

static void open_any(struct worker *worker, struct slot *slot)
{
	open_one(worker, slot, any_kind(worker));
}

static void bind_chosen(struct worker *worker, struct slot *slot)
{
	sock_bind(worker, slot, any_or_host(worker), 0);
}

static void bind_named(struct worker *worker, struct slot *slot)
{
	int one = 1;

	if (worker_chance(worker, 40))
		setsockopt(slot->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (worker_chance(worker, 30))
		setsockopt(slot->fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	sock_bind(worker, slot, any_or_host(worker), named_port(worker));
}

static void bind_late(struct worker *worker, struct slot *slot)
{
	sock_bind_late(slot, host(worker));
}

static void use_option(struct worker *worker, struct slot *slot)
{
	uint32_t range = (uint32_t)(RANGE_LOW + 9) << 16 | (RANGE_LOW + 2);
	int one = 1;

	switch (worker_random(worker, 4)) {
	case 0:
		setsockopt(slot->fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof("lo"));
		break;
	case 1:
		setsockopt(slot->fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range));
		break;
	case 2:
		setsockopt(slot->fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one));
		break;
	default:
		setsockopt(slot->fd, SOL_SOCKET,
			   worker_chance(worker, 50) ? SO_REUSEPORT : SO_REUSEADDR, &one,
			   sizeof(one));
	}
}

static void listen_few(struct worker *worker, struct slot *slot)
{
	sock_listen(worker, slot, (int)worker_random(worker, 5));
}

static void connect_server(struct worker *worker, struct slot *slot)
{
	sock_connect(worker, slot, host(worker),
		     SERVER_PORT + (int)worker_random(worker, SERVER_PORTS));
}

static void connect_named(struct worker *worker, struct slot *slot)
{
	sock_connect(worker, slot, host(worker), named_port(worker));
}

static void connect_closed(struct worker *worker, struct slot *slot)
{
	sock_connect(worker, slot, host(worker), CLOSED_PORT);
}

static void connect_deaf(struct worker *worker, struct slot *slot)
{
	sock_connect(worker, slot, host(worker), DEAF_PORT);
}

static void connect_self(struct worker *worker, struct slot *slot)
{
	sock_connect_self(worker, slot);
}

static void connect_fast(struct worker *worker, struct slot *slot)
{
	sock_connect_fast(worker, slot, host(worker),
			  SERVER_PORT + (int)worker_random(worker, SERVER_PORTS));
}

static void connect_again(struct worker *worker, struct slot *slot)
{
	(void)worker;
	sock_connect_again(slot);
}

/* A socket, a connection, and its end, in one. */
static void connection(struct worker *worker, struct slot *slot)
{
	open_one(worker, slot, KIND_TCP);
	connect_server(worker, slot);
	if (worker_chance(worker, 60))
		sock_reset(slot);
	else if (worker_chance(worker, 50))
		sock_close(slot);
}

static void send_somewhere(struct worker *worker, struct slot *slot)
{
	sock_send(worker, slot, host(worker),
		  worker_chance(worker, 50) ? SERVER_PORT : named_port(worker));
}

static void disconnect(struct worker *worker, struct slot *slot)
{
	(void)worker;
	sock_disconnect(slot);
}

static void shut_down(struct worker *worker, struct slot *slot)
{
	sock_shutdown(slot, (int)worker_random(worker, 3));
}

static void accept_one(struct worker *worker, struct slot *listener)
{
	struct slot *slot = worker_slot(worker, NONE);

	if (slot)
		sock_accept(listener, slot);
}

static void destroy(struct worker *worker, struct slot *slot)
{
	sock_destroy(worker, slot, false);
}

static void destroy_remains(struct worker *worker, struct slot *slot)
{
	sock_destroy(worker, slot, true);
}

static void close_one(struct worker *worker, struct slot *slot)
{
	(void)worker;
	sock_close(slot);
}

static void reset_one(struct worker *worker, struct slot *slot)
{
	(void)worker;
	sock_reset(slot);
}

/* A child with all of the process's sockets: what is closed here lives on there. */
static void fork_off(struct worker *worker, struct slot *slot)
{
	struct timespec while_longer = { .tv_nsec = worker_random(worker, 30) * NS_PER_MS };

	(void)slot;
	if (must(fork()))
		return;
	nanosleep(&while_longer, NULL);
	_exit(0);
}

static void pass_on(struct worker *worker, struct slot *slot)
{
	if (!post_send(worker->world->post[0], slot))
		return;
	/* one that stays here, too, is not to be used from two sides */
	slot->phase = SPENT;
	if (worker_chance(worker, 80))
		sock_close(slot);
}

static void take_over(struct worker *worker, struct slot *slot)
{
	(void)worker;
	post_receive(worker->world->post[1], slot);
}

static void move(struct worker *worker, struct slot *slot)
{
	(void)slot;
	worker_move(worker, (int)worker_random(worker, (uint32_t)worker->world->count));
}

/* It ends when the last of the sockets made there does: later steps see to that. */
static void make_namespace(struct worker *worker, struct slot *slot)
{
	int home = worker->home;

	net_unshare();
	worker->home = -1;
	for (int i = 0; i < 4; i++) {
		slot = worker_slot(worker, NONE);
		if (!slot)
			break;
		open_one(worker, slot, i & 1 ? KIND_UDP : KIND_TCP);
		if (i == 0)
			sock_bind(worker, slot, 0, named_port(worker));
		else
			sock_connect(worker, slot, 1, i == 1 ? RANGE_LOW : CLOSED_PORT);
	}
	worker_move(worker, home);
}

static const struct step {
	const char *name;
	unsigned int weight;
	unsigned int kinds, phases; /* of the socket that it wants, as bits */
	void (*fn)(struct worker *worker, struct slot *slot);
} steps[] = {
	{ "open", 300, ANY_KIND, NONE, open_any },
	{ "connection", 120, ANY_KIND, NONE, connection },
	{ "bind", 60, ANY_KIND, FRESH | BOUND, bind_chosen },
	{ "bind a named port", 90, ANY_KIND, FRESH | BOUND, bind_named },
	{ "bind late", 30, TCP_ONLY, FRESH, bind_late },
	{ "option", 30, ANY_KIND, FRESH, use_option },
	{ "listen", 60, TCP_LIKE, FRESH | BOUND, listen_few },
	{ "listen again", 10, TCP_LIKE, LISTENING, listen_few },
	{ "connect", 120, ANY_KIND, FRESH | BOUND, connect_server },
	{ "connect to a named port", 60, ANY_KIND, FRESH | BOUND, connect_named },
	{ "connect where nobody listens", 30, ANY_KIND, FRESH | BOUND, connect_closed },
	{ "connect where nobody answers", 5, TCP_ONLY, FRESH | BOUND, connect_deaf },
	{ "connect to itself", 10, TCP_ONLY, BOUND, connect_self },
	{ "connect with data", 20, TCP_ONLY, FRESH | BOUND, connect_fast },
	{ "connect again", 20, TCP_ONLY, BUSY, connect_again },
	{ "send", 90, UDP_ONLY, FRESH | BOUND, send_somewhere },
	{ "send to a peer", 30, TCP_LIKE, BUSY, send_somewhere },
	{ "accept", 120, TCP_LIKE, LISTENING, accept_one },
	{ "disconnect", 40, TCP_ONLY, BUSY | SHUT | LISTENING | BOUND, disconnect },
	{ "disconnect", 30, UDP_ONLY, FRESH | BOUND, disconnect },
	{ "shut down", 20, TCP_ONLY, BUSY | SHUT | LISTENING, shut_down },
	{ "destroy", 10, ANY_KIND, LISTENING | BUSY | BOUND, destroy },
	{ "destroy what remains", 10, TCP_ONLY, BUSY, destroy_remains },
	{ "close", 120, ANY_KIND, ANY_SOCKET, close_one },
	{ "close what is over", 150, ANY_KIND, BUSY | SHUT | SPENT, close_one },
	{ "reset", 120, TCP_LIKE, BUSY | SHUT | SPENT, reset_one },
	{ "fork", 1, ANY_KIND, NONE, fork_off },
	{ "pass on", 10, ANY_KIND, ANY_SOCKET & ~SPENT, pass_on },
	{ "take over", 15, ANY_KIND, NONE, take_over },
	{ "move", 4, ANY_KIND, NONE, move },
	{ "make a namespace", 1, ANY_KIND, NONE, make_namespace },
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

static unsigned int total_weight(void)
{
	unsigned int total = 0;

	for (size_t i = 0; i < STEPS; i++)
		total += steps[i].weight;
	return total;
}

static const struct step *choose_step(struct worker *worker)
{
	unsigned int at = worker_random(worker, total_weight());
	const struct step *step = steps;

	for (; at >= step->weight; step++)
		at -= step->weight;
	return step;
}

/* One that fits, from a random one on; NULL if there is none. */
static struct slot *find_slot(struct worker *worker, unsigned int kinds, unsigned int phases)
{
	uint32_t first = worker_random(worker, SLOTS);

	for (uint32_t i = 0; i < SLOTS; i++) {
		struct slot *slot = &worker->slots[(first + i) % SLOTS];

		if (slot->phase & phases && (slot->phase == NONE || kinds & 1U << slot->kind))
			return slot;
	}
	return NULL;
}

struct slot *worker_slot(struct worker *worker, unsigned int phases)
{
	return find_slot(worker, ANY_KIND, phases);
}

/* Where no socket is as the step wants it, another one is taken. */
void worker_step(struct worker *worker)
{
	const struct step *step;
	struct slot *slot;

	do {
		step = choose_step(worker);
		slot = find_slot(worker, step->kinds, step->phases);
	} while (!slot);
	step->fn(worker, slot);
	worker->tally.steps++;
}
