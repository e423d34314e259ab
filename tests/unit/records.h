/* SPDX-License-Identifier: BSD-2-Clause */
/* Records as the BPF programs send them, and a ledger that keeps its events. */
#ifndef PORTTRACE_TESTS_RECORDS_H
#define PORTTRACE_TESTS_RECORDS_H

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "bpf/event_abi.h"
#include "user/ledger/ledger.h"

#define MS 1000000ULL
#define EVENTS_MAX 64

static inline struct pt_rec_head rec_head(enum pt_kind kind, __u16 size, __u64 ts, __u64 sock)
{
	return (struct pt_rec_head){ .kind = kind,
				     .version = PT_ABI_VERSION,
				     .size = size,
				     .ts = ts,
				     .sock = sock,
				     .netns_cookie = 1,
				     .netns = 4026531840,
				     .port = 60609,
				     .proto = IPPROTO_TCP,
				     .family = AF_INET };
}

/* 127.0.0.1 -> 127.0.0.1:rport; none if that is 0 */
static inline struct pt_tuple rec_tuple_to(__u16 rport)
{
	struct pt_tuple tuple = { .laddr = { [10] = 0xff, 0xff, 127, 0, 0, 1 }, .rport = rport };

	if (rport)
		memcpy(tuple.raddr, tuple.laddr, sizeof(tuple.raddr));
	return tuple;
}

static inline struct pt_rec_port rec_port(enum pt_kind kind, __u64 ts, __u64 sock, enum pt_via via,
					  __u16 rport)
{
	return (struct pt_rec_port){
		.head = rec_head(kind, sizeof(struct pt_rec_port), ts, sock),
		.tuple = rec_tuple_to(rport),
		.task = { .pid = 4242,
			  .tid = 4243,
			  .uid = 1000,
			  .start = 7,
			  .cgroup = 77,
			  .comm = "curl",
			  .thread = "resolver" },
		.via = via,
	};
}

static inline struct pt_rec_tuple rec_tw_begin(__u64 ts, __u64 sock, __u64 tw, __u16 rport)
{
	struct pt_rec_tuple rec = {
		.head = rec_head(PT_REC_TW_BEGIN, sizeof(rec), ts, sock),
		.tuple = rec_tuple_to(rport),
		.tw = tw,
	};

	rec.head.vrf = PT_VRF_UNKNOWN;
	rec.head.flags = PT_F_SOCK_GONE;
	return rec;
}

static inline struct pt_rec_tw_end rec_tw_end(__u64 ts, __u64 sock, __u64 tw, __u32 flags)
{
	struct pt_rec_tw_end rec = { .head = rec_head(PT_REC_TW_END, sizeof(rec), ts, sock),
				     .tw = tw };

	rec.head.flags = flags;
	return rec;
}

static inline struct pt_rec_head rec_release(__u64 ts, __u64 sock)
{
	struct pt_rec_head head = rec_head(PT_REC_RELEASE, sizeof(head), ts, sock);

	head.vrf = PT_VRF_UNKNOWN;
	return head;
}

/* The events of a test's ledger, in order. */
struct heard {
	struct ledger *ledger;
	struct pt_event events[EVENTS_MAX];
	size_t count;
};

static inline void hear(void *data, const struct pt_event *ev)
{
	struct heard *heard = data;

	assert_true(heard->count < EVENTS_MAX);
	heard->events[heard->count++] = *ev;
}

static inline int heard_begin(void **state)
{
	struct heard *heard = calloc(1, sizeof(*heard));

	heard->ledger = ledger_new(hear, heard);
	assert_non_null(heard->ledger);
	*state = heard;
	return 0;
}

static inline int heard_end(void **state)
{
	struct heard *heard = *state;

	ledger_free(heard->ledger);
	free(heard);
	return 0;
}

/* tell(heard, rec): any kind of record, by its head. */
#define tell(heard, rec)                                                                           \
	assert_int_equal(ledger_record((heard)->ledger, (const struct pt_rec_head *)&(rec)), 0)

#endif /* PORTTRACE_TESTS_RECORDS_H */
