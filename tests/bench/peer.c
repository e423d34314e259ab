// SPDX-License-Identifier: BSD-2-Clause
#include "tests/bench/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SERVER 0x0a090001U /* 10.9.0.1/16; clients are 10.9.1.0 and above */
#define MASK 0xffff0000U
#define CLIENTS 0x0a090100U
#define PORTS 50000U /* of each client address, from: */
#define FIRST_PORT 10000U
#define TUN_MAJOR 10
#define TUN_MINOR 200

struct segment {
	struct iphdr ip;
	struct tcphdr tcp;
};

/* What the kernel's checksum of a TCP segment covers. */
struct checked {
	__be32 saddr, daddr;
	unsigned char zero, protocol;
	__be16 length;
	struct tcphdr tcp;
};

static int device = -1;

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void give_address(int fd, struct ifreq *request, unsigned long what, unsigned int addr)
{
	struct sockaddr_in value = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(addr) };

	memcpy(&request->ifr_addr, &value, sizeof(value));
	if (ioctl(fd, what, request))
		die("the tun device's address");
}

static void bring_up(struct ifreq *request)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	give_address(fd, request, SIOCSIFADDR, SERVER);
	give_address(fd, request, SIOCSIFNETMASK, MASK);
	request->ifr_flags = IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, request))
		die("the tun device");
	close(fd);
}

struct in_addr peer_device_open(void)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };

	mkdir("/dev/net", 0755);
	mknod("/dev/net/tun", S_IFCHR | 0600, makedev(TUN_MAJOR, TUN_MINOR));
	device = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (device < 0 || ioctl(device, TUNSETIFF, &request))
		die("/dev/net/tun");
	bring_up(&request);
	return (struct in_addr){ htonl(SERVER) };
}

static __be16 checksum(const void *data, size_t size)
{
	unsigned int sum = 0;
	unsigned short word;

	for (size_t i = 0; i < size; i += sizeof(word)) {
		memcpy(&word, (const char *)data + i, sizeof(word));
		sum += word;
	}
	sum = (sum & 0xffff) + (sum >> 16);
	return (__be16) ~(sum + (sum >> 16));
}

static void peer_send(const struct peer *peer, unsigned char flags)
{
	struct segment segment = {
		.ip = { .version = 4,
			.ihl = 5,
			.tot_len = htons(sizeof(segment)),
			.ttl = 64,
			.protocol = IPPROTO_TCP,
			.saddr = peer->addr.s_addr,
			.daddr = htonl(SERVER) },
		.tcp = { .source = peer->port,
			 .dest = peer->server_port,
			 .seq = htonl(peer->seq),
			 .ack_seq = htonl(peer->ack),
			 .doff = sizeof(struct tcphdr) / 4,
			 .window = htons(65535) },
	};
	struct checked checked;

	segment.tcp.th_flags = flags;
	checked = (struct checked){ .saddr = segment.ip.saddr,
				    .daddr = segment.ip.daddr,
				    .protocol = IPPROTO_TCP,
				    .length = htons(sizeof(segment.tcp)),
				    .tcp = segment.tcp };
	segment.ip.check = checksum(&segment.ip, sizeof(segment.ip));
	segment.tcp.check = checksum(&checked, sizeof(checked));
	if (write(device, &segment, sizeof(segment)) != sizeof(segment))
		die("a segment to the tun device");
}

/* The server's next segment to this client with these flags. What else comes is not looked at. */
static void peer_wait(struct peer *peer, unsigned char flags)
{
	struct {
		struct segment segment;
		char rest[2048]; /* options; what else a device gets */
	} packet;
	const struct tcphdr *tcp = &packet.segment.tcp;

	do {
		if (read(device, &packet, sizeof(packet)) < 0)
			die("a segment from the tun device");
	} while (packet.segment.ip.version != 4 || packet.segment.ip.protocol != IPPROTO_TCP ||
		 tcp->dest != peer->port || (tcp->th_flags & flags) != flags);
	if (tcp->th_flags & (TH_SYN | TH_FIN))
		peer->ack = ntohl(tcp->seq) + 1;
}

struct peer peer_connect(unsigned int number, in_port_t server_port)
{
	struct peer peer = { .addr.s_addr = htonl(CLIENTS + number / PORTS),
			     .port = htons((in_port_t)(FIRST_PORT + number % PORTS)),
			     .server_port = server_port,
			     .seq = number };

	peer_send(&peer, TH_SYN);
	peer.seq++;
	peer_wait(&peer, TH_SYN | TH_ACK);
	peer_send(&peer, TH_ACK);
	return peer;
}

void peer_close(struct peer *peer)
{
	peer_send(peer, TH_FIN | TH_ACK);
	peer->seq++;
}

void peer_closed(struct peer *peer)
{
	peer_wait(peer, TH_FIN);
	peer_send(peer, TH_ACK);
}

void peer_close_too(struct peer *peer)
{
	peer_wait(peer, TH_FIN);
	peer_send(peer, TH_FIN | TH_ACK);
	peer->seq++;
	peer_wait(peer, TH_ACK);
}
