// SPDX-License-Identifier: BSD-2-Clause
#include "tests/support/synthetic.h"

#include <math.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define RATE 199000.0	 /* records a second */
#define PER_HOLD 2.03	 /* records a hold: its beginning, its end, those of a TIME_WAIT */
#define MEDIAN_HOLD 20e6 /* ns */
#define TIME_WAIT 1e9	 /* ns: reused by then */
#define FIRST_PORT 32768
#define PORTS (61000 - FIRST_PORT)
#define PROCESSES 48
#define CPUS 8
#define COOKIES 4096 /* that a CPU takes at once: include/linux/cookie.h */
#define REMOTES 64
#define NAMESPACES 4
#define HEAP (2 * PORTS)

/* Something that will end. */
struct due {
	__u64 ts;
	__u64 tw; /* a TIME_WAIT */
	struct pt_rec_head head;
	struct pt_tuple tuple;
};

struct synthetic {
	__u64 random;
	__u64 next_hold; /* ns */
	__u64 next_batch;
	__u64 cookies[CPUS];
	bool held[PORTS];
	struct pt_task tasks[PROCESSES];
	struct due heap[HEAP];
	unsigned int dues;
};

static unsigned int below(struct synthetic *load, unsigned int limit)
{
	return (unsigned int)(synthetic_random(&load->random) % limit);
}

static __u64 exponential(struct synthetic *load, double mean)
{
	double uniform = (double)((synthetic_random(&load->random) >> 11) + 1) / (1ULL << 53);

	return (__u64)(-log(uniform) * mean);
}

struct synthetic *synthetic_new(__u64 seed)
{
	struct synthetic *load = calloc(1, sizeof(*load));

	if (!load)
		return NULL;
	load->random = seed;
	load->next_hold = 86400ULL * 1000000000;
	for (unsigned int i = 0; i < PROCESSES; i++) {
		struct pt_task *task = &load->tasks[i];

		task->pid = 1000 + below(load, 60000);
		task->tid = task->pid + i % 3;
		task->uid = i % 5 ? 1000 : 0;
		task->start = exponential(load, 3600e9);
		task->cgroup = 4000 + i / 4;
		snprintf(task->comm, sizeof(task->comm), "service-%u", i / 2);
		snprintf(task->thread, sizeof(task->thread), i % 3 ? "worker-%u" : "service-%u",
			 i / 2);
	}
	return load;
}

void synthetic_free(struct synthetic *load)
{
	free(load);
}

static void push(struct synthetic *load, const struct due *due)
{
	unsigned int i = load->dues++;

	for (; i && load->heap[(i - 1) / 2].ts > due->ts; i = (i - 1) / 2)
		load->heap[i] = load->heap[(i - 1) / 2];
	load->heap[i] = *due;
}

static struct due pop(struct synthetic *load)
{
	struct due first = load->heap[0], last = load->heap[--load->dues];
	unsigned int i = 0, child;

	while ((child = 2 * i + 1) < load->dues) {
		if (child + 1 < load->dues && load->heap[child + 1].ts < load->heap[child].ts)
			child++;
		if (load->heap[child].ts >= last.ts)
			break;
		load->heap[i] = load->heap[child];
		i = child;
	}
	load->heap[i] = last;
	return first;
}

static __u64 cookie(struct synthetic *load, unsigned int process)
{
	/* one in 20 has moved */
	unsigned int cpu = below(load, 20) ? process % CPUS : below(load, CPUS);

	if (load->cookies[cpu] % COOKIES == 0)
		load->cookies[cpu] = ++load->next_batch * COOKIES;
	return load->cookies[cpu]++;
}

static __u16 free_port(struct synthetic *load)
{
	unsigned int port;

	do
		port = below(load, PORTS);
	while (load->held[port]);
	load->held[port] = true;
	return (__u16)(FIRST_PORT + port);
}

static struct pt_tuple remote(struct synthetic *load)
{
	unsigned int number = below(load, REMOTES);
	struct pt_tuple tuple = { .laddr = { [10] = 0xff, 0xff, 10, 0, 0, 5 },
				  .raddr = { [10] = 0xff, 0xff, 10, 96, number / 8, number * 7 } };

	tuple.rport = number % 3 ? 443 : 5432;
	return tuple;
}

static void begin(struct synthetic *load, union block_row *row)
{
	unsigned int process = below(load, PROCESSES);
	struct pt_rec_port *rec = &row->port;
	struct due due;

	*rec = (struct pt_rec_port){
		.head = { .kind = below(load, 100) ? PT_REC_ALLOC : PT_REC_FAIL,
			  .version = PT_ABI_VERSION,
			  .size = sizeof(*rec),
			  .ts = load->next_hold,
			  .sock = cookie(load, process),
			  .netns_cookie = 1 + process % NAMESPACES,
			  .netns = 4026531840 + process % NAMESPACES,
			  .flags = PT_F_SEARCHED,
			  .proto = below(load, 20) ? IPPROTO_TCP : IPPROTO_UDP,
			  .family = process % 6 ? AF_INET : AF_INET6 },
		.tuple = remote(load),
		.task = load->tasks[process],
		.search_ns = 400 + exponential(load, 1500),
		.via = PT_VIA_CONNECT,
	};
	load->next_hold += exponential(load, 1e9 * PER_HOLD / RATE);
	if (rec->head.kind == PT_REC_FAIL) {
		rec->error = -99; /* EADDRNOTAVAIL */
		return;
	}
	rec->head.port = free_port(load);
	due = (struct due){ .ts = rec->head.ts + exponential(load, MEDIAN_HOLD / M_LN2),
			    .head = rec->head,
			    .tuple = rec->tuple };
	push(load, &due);
}

static void begin_tw(struct synthetic *load, struct due *due, union block_row *row)
{
	due->tw = 0xffff888000000000ULL + below(load, 1U << 28) * 64ULL;
	due->head.kind = PT_REC_TW_BEGIN;
	due->head.size = sizeof(row->tuple);
	due->head.flags = PT_F_SOCK_GONE;
	row->tuple = (struct pt_rec_tuple){ .head = due->head, .tuple = due->tuple, .tw = due->tw };
	due->ts += exponential(load, TIME_WAIT);
	push(load, due);
}

static void end(struct synthetic *load, union block_row *row)
{
	struct due due = pop(load);

	due.head.ts = due.ts;
	due.head.vrf = PT_VRF_UNKNOWN;
	due.head.flags = 0;
	if (!due.tw && due.head.proto == IPPROTO_TCP && !below(load, 25)) {
		begin_tw(load, &due, row);
		return;
	}
	due.head.kind = due.tw ? PT_REC_TW_END : PT_REC_RELEASE;
	due.head.size = due.tw ? sizeof(row->tw_end) : sizeof(row->head);
	due.head.flags = due.tw ? PT_F_REUSED : 0;
	row->tw_end = (struct pt_rec_tw_end){ .head = due.head, .tw = due.tw };
	load->held[due.head.port - FIRST_PORT] = false;
}

void synthetic_next(struct synthetic *load, union block_row *row)
{
	if (load->dues && load->heap[0].ts < load->next_hold)
		end(load, row);
	else
		begin(load, row);
}
