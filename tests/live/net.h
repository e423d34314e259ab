/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The workload: sockets in a network namespace of the test's own.
 *
 * Calls that a test expects to succeed fail it by themselves (fail.h). Those
 * named net_try_* return 0 or a negative errno, for tests of refusals.
 * Addresses are text; one with a colon is IPv6. Every socket is made with
 * SOCK_CLOEXEC.
 */
#ifndef LIVE_NET_H
#define LIVE_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define NET_V4 "127.0.0.1"
#define NET_V6 "::1"

/* Moves the calling thread into a new network namespace with lo up. */
void net_unshare(void);
/* The inode number of the calling thread's network namespace. */
ino_t net_inode(void);
/* Writes /proc/sys/net/NAME. */
void net_sysctl(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The ephemeral ports of this namespace, IPv4 and IPv6. */
void net_range(int low, int high);
/* An option of level SOL_SOCKET, set to 1. */
void net_set(int fd, int option);

/* A socket for addresses like addr; type is SOCK_STREAM or SOCK_DGRAM. */
int net_socket(const char *addr, int type);
int net_try_bind(int fd, const char *addr, int port);
int net_try_connect(int fd, const char *addr, int port);
int net_try_send(int fd, const char *addr, int port);
int net_try_listen(int fd);
/* connect() to AF_UNSPEC. */
void net_disconnect(int fd);
void net_close(int fd);

/* What the kernel says about a socket. */
int net_port(int fd);
uint64_t net_cookie(int fd);
/* The cookie of the socket's namespace; 0 where the kernel tells none. */
uint64_t net_netns_cookie(int fd);

/* A listener with a port of the caller's choice, SO_REUSEADDR set. */
int tcp_listen(const char *addr, int port);
/* One that no packet reaches: who connects to it hears nothing. */
int tcp_listen_deaf(const char *addr, int port);
int tcp_accept(int listener);
/* A connection from a port that connect() chooses. */
int tcp_connect(const char *addr, int port);
/* A connection from a port that the program names, SO_REUSEADDR set. */
int tcp_connect_from(const char *addr, int lport, int rport);
/* Closes with an RST: no TIME_WAIT. */
void tcp_reset(int fd);
/*
 * Closes client first, then server, and waits for the client's TIME_WAIT. It
 * begins as FIN_WAIT2 if the server's ACK comes before its FIN.
 */
void tcp_close_pair(int client, int server);
/* TCP_ESTABLISHED, ... */
int tcp_state(int fd);
void tcp_wait_state(int fd, int state);
/* How many sockets of this namespace have local port and state; IPv4 and IPv6. */
int tcp_count(int port, int state);
void tcp_wait_count(int port, int state, int count);

/* ns */
uint64_t net_boottime(void);
uint64_t net_realtime(void);
/* Lets time pass, where the kernel wants a socket to have aged. */
void net_age(int ms);

#endif /* LIVE_NET_H */
