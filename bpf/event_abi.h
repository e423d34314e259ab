/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The records that the BPF programs put into the ring: the one header that the
 * kernel side and the user side share. Fixed-width, no pointers, every byte
 * named. A reader believes nothing of a record before kind, size and version
 * were checked (user/event/decode.c).
 */
#ifndef PORTTRACE_EVENT_ABI_H
#define PORTTRACE_EVENT_ABI_H

#ifndef __bpf__ /* there, vmlinux.h has the types */
#include <linux/types.h>
#endif

#define PT_ABI_VERSION 1
#define PT_COMM_LEN 16 /* TASK_COMM_LEN */

/* pt_rec_head.netns_cookie: this kernel gives tracing programs no cookies. */
#define PT_NO_COOKIES (1ULL << 63)

/*
 * Not in this record, though ALLOC had it: the bucket is out of a tracing
 * program's direct reach where a socket lets go, and the socket's device may
 * have changed since. FAIL: a device is set, and there is no bucket to ask.
 */
#define PT_VRF_UNKNOWN (~0U)

enum pt_kind {
	PT_REC_ALLOC = 1, /* struct pt_rec_port: a socket obtained a port */
	PT_REC_FAIL,	  /* struct pt_rec_port: the kernel refused a port */
	PT_REC_CONNECT,	  /* struct pt_rec_tuple: a bound socket chose its peer */
	PT_REC_CLOSED,	  /* struct pt_rec_head: its connection is over, it holds on */
	PT_REC_RELEASE,	  /* struct pt_rec_head: a socket lets its port go */
	PT_REC_TW_BEGIN,  /* struct pt_rec_tuple: a TIME_WAIT took the port over */
	PT_REC_TW_END,	  /* struct pt_rec_tw_end: that TIME_WAIT is gone */
	PT_REC_EMPTY,	  /* struct pt_rec_head: nobody holds the port; sock is 0 */
	PT_REC_KINDS,
	PT_ROW_SOCK = 64, /* struct pt_row */
	PT_ROW_TW,
};

/* How the port was obtained. The names that users see: user/event/event.c */
enum pt_via {
	PT_VIA_UNKNOWN, /* the program that tells it was missed */
	PT_VIA_CONNECT,
	PT_VIA_BIND,
	PT_VIA_LISTEN,
	PT_VIA_AUTOBIND,
	PT_VIA_FIXED,
	PT_VIA_ACCEPT,	 /* user side only: from a dump */
	PT_VIA_SNAPSHOT, /* user side only: from a dump */
	PT_VIAS,
};

/* pt_rec_head.flags */
enum pt_flag {
	/* ALLOC: told by the second witness; the ledger may have it already. */
	PT_F_SECOND = 1 << 0,
	/* ALLOC, FAIL: search_ns holds a time. */
	PT_F_SEARCHED = 1 << 1,
	/* ALLOC, FAIL: the owner is a kernel thread. */
	PT_F_KTHREAD = 1 << 2,
	/* FAIL: the kernel took back, within the call, a port told by ALLOC. */
	PT_F_ROLLBACK = 1 << 3,
	/* FAIL: that errno was not seen (only the second witness ran). */
	PT_F_NO_ERRNO = 1 << 4,
	/* TW_BEGIN: the socket itself lets go in the same breath. */
	PT_F_SOCK_GONE = 1 << 5,
	/* TW_BEGIN: an orphan's FIN_WAIT2, not yet TIME_WAIT. */
	PT_F_FIN_WAIT2 = 1 << 6,
	/* TW_END: its timer was due. */
	PT_F_EXPIRED = 1 << 7,
	/* TW_END: a connect() took the port and the 4-tuple from it. */
	PT_F_REUSED = 1 << 8,
	/* ALLOC, FAIL: the task that asked did so for the owner of kin. */
	PT_F_KIN = 1 << 9,
	/* CLOSED, RELEASE: it was a listener. What it accepted may hold its port on. */
	PT_F_LISTENED = 1 << 10,
	/* EMPTY: what was told of the port does not add up to that. */
	PT_F_MISSED = 1 << 11,
	/*
	 * ALLOC, with PT_F_SECOND: nobody knows that it was told; said when the socket
	 * lets go, in case that all its witnesses were skipped.
	 */
	PT_F_LATE = 1 << 12,
};

struct pt_rec_head {
	__u8 kind; /* enum pt_kind */
	__u8 version;
	__u16 size;	    /* of the whole record, bytes */
	__u32 lost;	    /* records lost before this one, since the start, modulo 2^32 */
	__u64 ts;	    /* CLOCK_BOOTTIME, ns */
	__u64 sock;	    /* socket cookie; on kernels without one the address of the sock */
	__u64 netns_cookie; /* on those kernels PT_NO_COOKIES and a random number of its own */
	__u32 netns;	    /* inode number */
	__u32 vrf;	    /* l3mdev index of the bind bucket, or PT_VRF_UNKNOWN; 0 for UDP */
	__u32 flags;	    /* enum pt_flag */
	__u16 port;	    /* host order, like every port here */
	__u8 proto;	    /* IPPROTO_TCP or IPPROTO_UDP */
	__u8 family;	    /* AF_INET or AF_INET6: the socket's, not the address's */
};

/* Addresses are IPv6; IPv4 is v4-mapped (::ffff:a.b.c.d). */
struct pt_tuple {
	__u8 laddr[16];
	__u8 raddr[16];
	__u16 rport;
	__u16 reserved;
	__u32 ifindex; /* SO_BINDTODEVICE, else 0 */
};

/* The owner, as it was when it asked for the port. */
struct pt_task {
	__u32 pid; /* thread group, initial pid namespace */
	__u32 tid;
	__u32 uid;
	__u32 reserved;
	__u64 start;		  /* of the thread group leader, CLOCK_BOOTTIME, ns */
	__u64 cgroup;		  /* cgroup v2 id */
	char comm[PT_COMM_LEN];	  /* the leader's */
	char thread[PT_COMM_LEN]; /* the asking thread's */
};

/* A socket of the same namespace and protocol. */
struct pt_kin {
	__u64 sock; /* identity, as in the head; 0: not known */
	__u16 port;
	__u8 reserved[6];
};

struct pt_rec_port {
	struct pt_rec_head head;
	struct pt_tuple tuple;
	union {
		struct pt_task task;
		struct pt_kin kin; /* PT_F_KIN */
	};
	__u64 search_ns;
	__s32 error; /* FAIL: negative errno, as the program gets it */
	__u8 via;    /* enum pt_via */
	__u8 reserved[3];
};

struct pt_rec_tuple {
	struct pt_rec_head head;
	struct pt_tuple tuple;
	__u64 tw; /* TW_BEGIN: address of the TIME_WAIT sock, unique while it lasts */
};

struct pt_rec_tw_end {
	struct pt_rec_head head;
	__u64 tw;
	__u64 taker; /* PT_F_REUSED: the address of the socket that took the port, on
		      * kernels where its ALLOC can come after this; else 0 */
};

/* pt_row.bucket: of TCP, whether connect() may share the port. */
enum pt_bucket {
	PT_B_KNOWN = 1 << 0,
	PT_B_BOUND = 1 << 1, /* bind() touched its bucket: nobody may */
	PT_B_NAMED = 1 << 2, /* the program named the port; of a TIME_WAIT it is not known */
};

/*
 * A socket or TIME_WAIT that an iterator met. Not a record of the ring: these
 * are read from the iterator's file, one behind the other. head.kind is
 * PT_ROW_SOCK or PT_ROW_TW, ts and lost are 0; a TIME_WAIT's sock is its socket's
 * cookie, or 0 where there are none.
 */
struct pt_row {
	struct pt_rec_head head;
	struct pt_tuple tuple;
	struct pt_task task; /* who has it open, tid 0; pid 0: that was not asked */
	__u64 tw;	     /* PT_ROW_TW: address of the TIME_WAIT sock */
	__u8 state;	     /* TCP_*; of a TIME_WAIT its substate */
	__u8 bucket;	     /* enum pt_bucket */
	__u8 reserved[6];
};

_Static_assert(sizeof(struct pt_rec_head) == 48, "pt_rec_head: 48 bytes");
_Static_assert(sizeof(struct pt_tuple) == 40, "pt_tuple: 40 bytes");
_Static_assert(sizeof(struct pt_task) == 64, "pt_task: 64 bytes");
_Static_assert(sizeof(struct pt_rec_port) == 168, "pt_rec_port: 168 bytes");
_Static_assert(sizeof(struct pt_rec_tuple) == 96, "pt_rec_tuple: 96 bytes");
_Static_assert(sizeof(struct pt_rec_tw_end) == 64, "pt_rec_tw_end: 64 bytes");
_Static_assert(sizeof(struct pt_row) == 168, "pt_row: 168 bytes");
_Static_assert(__builtin_offsetof(struct pt_rec_head, flags) == 40, "flags at 40");
_Static_assert(__builtin_offsetof(struct pt_rec_port, task) == 88, "task at 88");

#endif /* PORTTRACE_EVENT_ABI_H */
