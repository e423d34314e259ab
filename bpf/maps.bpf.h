/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the loader sets before the programs run, and the memory they share. */
#ifndef PORTTRACE_MAPS_BPF_H
#define PORTTRACE_MAPS_BPF_H

#include "bpf_common.bpf.h"

/* Powers of two. A collision costs a search time or a duplicate, never a fact. */
#define INFLIGHT_SLOTS 8192
#define TOLD_SLOTS 8192
#define OWNERS_SLOTS 65536
#define PORT_WORDS 1024 /* 65536 bits */

/* Knobs: constant when the verifier sees them, so what is off costs nothing. */
const volatile bool has_sock_cookie = true;   /* bpf_get_socket_cookie in tracing, 5.12 */
const volatile bool has_task_btf = true;      /* bpf_get_current_task_btf, 5.11 */
const volatile bool count_owners = false;     /* the kernel tells when a port is empty */
const volatile bool tell_every_empty = false; /* for the audit */
const volatile bool filter_ports = false;
const volatile __u64 wanted_ports[PORT_WORDS] = {};
const volatile __u8 wanted_proto = 0;  /* 0: both; for programs that see both */
const volatile __u32 wanted_netns = 0; /* inode number; 0: all */
const volatile __u64 wakeup_at = 0;    /* bytes in the ring at which the reader is woken */

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 23); /* the loader sets it */
} ring SEC(".maps");

/*
 * Set when every program is attached, cleared before the first is detached: the
 * stream begins and ends at one moment, not program by program.
 */
bool enabled;

/*
 * Set when a dump gave every socket from before a cookie: one without has a port
 * whose allocation was missed.
 */
bool all_known;

/* Records whose reserve failed. Written only then, read into every record. */
__u64 lost_records;

/* A task inside one of the calls that look for a port. */
struct inflight {
	__u64 sk;
	__u64 start;	 /* CLOCK_BOOTTIME, ns; 0: its beginning was missed */
	__u32 task;	 /* tid */
	__u16 port;	 /* wanted, or held already at entry */
	__u16 told_port; /* of the ALLOC that was sent for this call */
	__u16 call;	 /* enum call */
	bool told;	 /* ALLOC or FAIL was sent for this call */
};

static struct inflight inflight[INFLIGHT_SLOTS];

/*
 * What was told last of a socket's port, for those who would tell it again:
 * told_alloc() or told_release() of emit.bpf.h.
 */
static __u64 told[TOLD_SLOTS];

/*
 * How many sockets and TIME_WAITs hold a TCP port, by what was told. Not exact (two
 * ports can share a slot): where it is not 0 for an empty port, something was missed.
 */
static __s32 owners[OWNERS_SLOTS];

#endif /* PORTTRACE_MAPS_BPF_H */
