/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One socket of a worker: the calls, and what their answers say of its port.
 * None of them blocks for longer than some milliseconds.
 */
#ifndef SOAK_SOCK_H
#define SOAK_SOCK_H

#include "tests/soak/walk.h"

/* Into an empty slot; leaves it empty where the kernel does not have that kind. */
void sock_open(struct worker *worker, struct slot *slot, enum kind kind, enum addressing addressing,
	       bool nonblock);
void sock_close(struct slot *slot);
void sock_reset(struct slot *slot);

/*
 * Addresses are numbers: 0 any, n the loopback address 127.0.0.n; IPv6 has one
 * loopback address only.
 */
/* port 0: the kernel chooses. */
void sock_bind(struct worker *worker, struct slot *slot, int host, int port);
/* An address, but no port before connect() or listen(). */
void sock_bind_late(struct slot *slot, int host);
void sock_listen(struct worker *worker, struct slot *slot, int backlog);
void sock_connect(struct worker *worker, struct slot *slot, int host, int port);
/* TCP: its data goes with the SYN. */
void sock_connect_fast(struct worker *worker, struct slot *slot, int host, int port);
/* To itself: a TCP socket that is bound. */
void sock_connect_self(struct worker *worker, struct slot *slot);
/* Asks a socket that is connecting how it went. */
void sock_connect_again(struct slot *slot);
void sock_send(struct worker *worker, struct slot *slot, int host, int port);
/* connect() to AF_UNSPEC. */
void sock_disconnect(struct slot *slot);
void sock_shutdown(struct slot *slot, int how);
/* Into an empty slot. */
void sock_accept(struct slot *listener, struct slot *slot);

/* SOCK_DESTROY of sock_diag; later is what remains of it after close(). */
void sock_destroy(struct worker *worker, struct slot *slot, bool later);

#endif /* SOAK_SOCK_H */
