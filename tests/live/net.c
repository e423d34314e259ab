// SPDX-License-Identifier: BSD-2-Clause
#include "net.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fail.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

#define STATE_WAIT_MS 10000
#define STATE_POLL_MS 2

union address {
	struct sockaddr sa;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
};

static socklen_t address_make(union address *address, const char *text, int port)
{
	memset(address, 0, sizeof(*address));
	if (strchr(text, ':')) {
		address->in6.sin6_family = AF_INET6;
		address->in6.sin6_port = htons(port);
		must_be(inet_pton(AF_INET6, text, &address->in6.sin6_addr) == 1);
		return sizeof(address->in6);
	}
	address->in4.sin_family = AF_INET;
	address->in4.sin_port = htons(port);
	must_be(inet_pton(AF_INET, text, &address->in4.sin_addr) == 1);
	return sizeof(address->in4);
}

void net_unshare(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd;

	must(unshare(CLONE_NEWNET));
	fd = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	must(ioctl(fd, SIOCGIFFLAGS, &request));
	request.ifr_flags |= IFF_UP | IFF_RUNNING;
	must(ioctl(fd, SIOCSIFFLAGS, &request));
	close(fd);
}

ino_t net_inode(void)
{
	struct stat status;

	must(stat("/proc/thread-self/ns/net", &status));
	return status.st_ino;
}

void net_sysctl(const char *name, const char *fmt, ...)
{
	char path[128], value[64];
	va_list args;
	int fd, length;

	va_start(args, fmt);
	length = vsnprintf(value, sizeof(value), fmt, args);
	va_end(args);
	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		live_fail("%s: %m", path);
	if (write(fd, value, length) != length)
		live_fail("%s: cannot write '%s': %m", path, value);
	close(fd);
}

void net_range(int low, int high)
{
	net_sysctl("ipv4/ip_local_port_range", "%d %d", low, high);
}

void net_set(int fd, int option)
{
	must(setsockopt(fd, SOL_SOCKET, option, &(int){ 1 }, sizeof(int)));
}

int net_socket(const char *addr, int type)
{
	return must(socket(strchr(addr, ':') ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0));
}

int net_try_bind(int fd, const char *addr, int port)
{
	union address address;
	socklen_t length = address_make(&address, addr, port);

	return bind(fd, &address.sa, length) ? -errno : 0;
}

int net_try_connect(int fd, const char *addr, int port)
{
	union address address;
	socklen_t length = address_make(&address, addr, port);

	return connect(fd, &address.sa, length) ? -errno : 0;
}

int net_try_send(int fd, const char *addr, int port)
{
	union address address;
	socklen_t length = address_make(&address, addr, port);

	return sendto(fd, "x", 1, 0, &address.sa, length) < 0 ? -errno : 0;
}

int net_try_listen(int fd)
{
	return listen(fd, 128) ? -errno : 0;
}

void net_disconnect(int fd)
{
	must(connect(fd, &(struct sockaddr){ .sa_family = AF_UNSPEC }, sizeof(struct sockaddr)));
}

void net_close(int fd)
{
	must(close(fd));
}

int net_port(int fd)
{
	union address address;
	socklen_t length = sizeof(address);

	must(getsockname(fd, &address.sa, &length));
	/* The port lies at the same place in both. */
	return ntohs(address.in4.sin_port);
}

uint64_t net_cookie(int fd)
{
	uint64_t cookie;

	must(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &(socklen_t){ sizeof(cookie) }));
	return cookie;
}

uint64_t net_netns_cookie(int fd)
{
	uint64_t cookie = 0;

	/* From Linux 5.14 (e8b9eab99232). */
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &(socklen_t){ sizeof(cookie) }))
		return 0;
	return cookie;
}

int tcp_listen(const char *addr, int port)
{
	int fd = net_socket(addr, SOCK_STREAM);

	net_set(fd, SO_REUSEADDR);
	must((errno = -net_try_bind(fd, addr, port)) ? -1 : 0);
	must((errno = -net_try_listen(fd)) ? -1 : 0);
	return fd;
}

int tcp_listen_deaf(const char *addr, int port)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &drop };
	int fd = tcp_listen(addr, port);

	must(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
	return fd;
}

int tcp_accept(int listener)
{
	return must(accept4(listener, NULL, NULL, SOCK_CLOEXEC));
}

int tcp_connect(const char *addr, int port)
{
	int fd = net_socket(addr, SOCK_STREAM);

	must((errno = -net_try_connect(fd, addr, port)) ? -1 : 0);
	return fd;
}

int tcp_connect_from(const char *addr, int lport, int rport)
{
	int fd = net_socket(addr, SOCK_STREAM);

	net_set(fd, SO_REUSEADDR);
	must((errno = -net_try_bind(fd, addr, lport)) ? -1 : 0);
	must((errno = -net_try_connect(fd, addr, rport)) ? -1 : 0);
	return fd;
}

void tcp_reset(int fd)
{
	struct linger linger = { .l_onoff = 1 };

	must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	net_close(fd);
}

void tcp_close_pair(int client, int server)
{
	int port = net_port(client), before = tcp_count(port, TCP_TIME_WAIT);
	char end;

	net_close(client);
	must_be(must(read(server, &end, 1)) == 0);
	net_close(server);
	tcp_wait_count(port, TCP_TIME_WAIT, before + 1);
}

int tcp_state(int fd)
{
	struct tcp_info info;

	must(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &(socklen_t){ sizeof(info) }));
	return info.tcpi_state;
}

void tcp_wait_state(int fd, int state)
{
	for (int waited = 0; tcp_state(fd) != state; waited += STATE_POLL_MS) {
		if (waited > STATE_WAIT_MS)
			live_fail("a socket is in state %d, not %d", tcp_state(fd), state);
		net_age(STATE_POLL_MS);
	}
}

/* One table of /proc/net: "  0: 0100007F:ECC1 0100007F:1F90 06 ...", all but sl in hex. */
static int table_count(const char *path, int port, int state)
{
	unsigned int lport, found;
	int count = 0;
	char line[256];
	FILE *file = fopen(path, "re");

	if (!file)
		live_fail("%s: %m", path);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, " %*d: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x", &lport, &found) == 2)
			count += (int)lport == port && (int)found == state;
	fclose(file);
	return count;
}

int tcp_count(int port, int state)
{
	return table_count("/proc/thread-self/net/tcp", port, state) +
	       table_count("/proc/thread-self/net/tcp6", port, state);
}

void tcp_wait_count(int port, int state, int count)
{
	int waited;

	for (waited = 0; tcp_count(port, state) != count; waited += STATE_POLL_MS) {
		if (waited > STATE_WAIT_MS)
			live_fail("port %d: %d sockets in state %d, not %d", port,
				  tcp_count(port, state), state, count);
		net_age(STATE_POLL_MS);
	}
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	must(clock_gettime(clock, &now));
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

uint64_t net_boottime(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

uint64_t net_realtime(void)
{
	return clock_ns(CLOCK_REALTIME);
}

void net_age(int ms)
{
	uint64_t until = net_boottime() + (uint64_t)ms * 1000000;

	for (uint64_t now = net_boottime(); now < until; now = net_boottime())
		poll(NULL, 0, (int)((until - now + 999999) / 1000000));
}
