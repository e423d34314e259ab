// SPDX-License-Identifier: BSD-2-Clause
#include "rst.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "fail.h"
#include "net.h"

#ifndef TCP_REPAIR_OFF_NO_WP
#define TCP_REPAIR_OFF_NO_WP (-1)
#endif

static uint16_t checksum(const void *data, size_t length)
{
	const uint8_t *bytes = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i += 2)
		sum += bytes[i] << 8 | bytes[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	return htons(~((sum & 0xffff) + (sum >> 16)));
}

uint32_t rst_next_from_peer(int fd)
{
	uint32_t sequence;

	must(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &(int){ 1 }, sizeof(int)));
	must(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR_QUEUE, &(int){ TCP_RECV_QUEUE }, sizeof(int)));
	must(getsockopt(fd, IPPROTO_TCP, TCP_QUEUE_SEQ, &sequence,
			&(socklen_t){ sizeof(sequence) }));
	must(setsockopt(fd, IPPROTO_TCP, TCP_REPAIR, &(int){ TCP_REPAIR_OFF_NO_WP }, sizeof(int)));
	return sequence;
}

void rst_send(int from, int to, uint32_t sequence)
{
	struct {
		uint32_t from, to;
		uint8_t zero, protocol;
		uint16_t length;
		struct tcphdr tcp;
	} packet = { .from = htonl(INADDR_LOOPBACK),
		     .to = htonl(INADDR_LOOPBACK),
		     .protocol = IPPROTO_TCP,
		     .length = htons(sizeof(struct tcphdr)),
		     .tcp = { .source = htons((uint16_t)from),
			      .dest = htons((uint16_t)to),
			      .seq = htonl(sequence),
			      .doff = sizeof(struct tcphdr) / 4,
			      .rst = 1 } };
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = must(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP));

	packet.tcp.check = checksum(&packet, sizeof(packet));
	must(sendto(fd, &packet.tcp, sizeof(packet.tcp), 0, (struct sockaddr *)&address,
		    sizeof(address)));
	net_close(fd);
}

uint32_t rst_close_into_time_wait(int listener, int server)
{
	int client = tcp_connect(NET_V4, server);
	uint32_t sequence = rst_next_from_peer(client);

	tcp_close_pair(client, tcp_accept(listener));
	return sequence + 1; /* the FIN */
}
