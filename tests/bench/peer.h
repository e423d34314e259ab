/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Clients that are no sockets: their TCP segments are written to a tun device, so that
 * what the kernel, and a tracer in it, does for a connection is all the server's side.
 */
#ifndef PORTTRACE_BENCH_PEER_H
#define PORTTRACE_BENCH_PEER_H

#include <netinet/in.h>

/* One client: its address and port, and the sequence numbers that come next. */
struct peer {
	struct in_addr addr;
	in_port_t port; /* network order */
	in_port_t server_port;
	unsigned int seq;
	unsigned int ack;
};

/*
 * Makes the device and gives it the server's address, which is returned. Ends the
 * program, like all of these, if it cannot.
 */
struct in_addr peer_device_open(void);

/* Client number of many, connected to the server's port. */
struct peer peer_connect(unsigned int number, in_port_t server_port);

/* The client closes. The server acknowledges it a tick later, or with its own FIN. */
void peer_close(struct peer *peer);

/* The server has closed; the client acknowledges that. */
void peer_closed(struct peer *peer);

/* The server has closed; the client acknowledges that with a FIN of its own. */
void peer_close_too(struct peer *peer);

#endif /* PORTTRACE_BENCH_PEER_H */
