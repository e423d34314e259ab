/* SPDX-License-Identifier: BSD-2-Clause */
/* An RST that ends a TIME_WAIT, as if the peer had sent it. */
#ifndef LIVE_RST_H
#define LIVE_RST_H

#include <stdint.h>

/* What the peer of a connected socket will have to say next. */
uint32_t rst_next_from_peer(int fd);
/* From port `from` of 127.0.0.1 to port `to`. */
void rst_send(int from, int to, uint32_t sequence);
/*
 * A connection to server, where listener listens, from a port that connect() chooses,
 * closed into TIME_WAIT. Returns the sequence number of an RST that ends it.
 */
uint32_t rst_close_into_time_wait(int listener, int server);

#endif /* LIVE_RST_H */
