/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The column of sockets. Most rows are about the socket that had the port in the row
 * before of that port: code 0. Otherwise the socket is told by its distance from a
 * reference. The kernel hands cookies to each CPU by 4096, and a thread mostly stays
 * on its CPU: so the reference is the last socket of this owner, or the last of any.
 */
#ifndef PORTTRACE_RECORDING_SOCK_MODEL_H
#define PORTTRACE_RECORDING_SOCK_MODEL_H

#include <linux/types.h>
#include <stdbool.h>
#include <string.h>

#include "user/base/varint.h"
#include "user/event/journal.h"
#include "user/recording/format.h"

#define SOCK_MODEL_NO_OWNER FORMAT_ROWS_MAX

/* Zeroed: a block begins. */
struct sock_model {
	__u32 count;	 /* of socks */
	__u64 last;	 /* 0 at first */
	__u16 at[65536]; /* by port: the place of its last socket in socks, + 1; 0: none */
	__u64 socks[FORMAT_ROWS_MAX];
	__u16 ports[FORMAT_ROWS_MAX];	     /* of socks */
	__u32 owners;			     /* in by_owner, those that have one are below */
	__u64 by_owner[FORMAT_ROWS_MAX + 1]; /* 0: none; at SOCK_MODEL_NO_OWNER it stays that */
};

/* What of a row the model goes by. */
struct sock_model_row {
	__u16 port;
	__u8 kind;
	__u32 owner; /* its number in the block, or SOCK_MODEL_NO_OWNER */
};

/* Another block begins. What the last one left is undone, since most have few rows. */
static inline void sock_model_clear(struct sock_model *model)
{
	for (__u32 i = 0; i < model->count; i++)
		model->at[model->ports[i]] = 0;
	memset(model->by_owner, 0, model->owners * sizeof(model->by_owner[0]));
	model->count = 0;
	model->owners = 0;
	model->last = 0;
}

static inline __u64 sock_model_reference(const struct sock_model *model,
					 const struct sock_model_row *row)
{
	return model->by_owner[row->owner] ?: model->last;
}

/* Where the port has no row before, the reference: then code 0 is no distance. */
static inline __u64 sock_model_before(const struct sock_model *model,
				      const struct sock_model_row *row, __u64 reference)
{
	__u32 at = model->at[row->port];

	return at ? model->socks[at - 1] : reference;
}

static inline void sock_model_learn(struct sock_model *model, const struct sock_model_row *row,
				    __u64 sock)
{
	model->socks[model->count] = sock;
	model->ports[model->count] = row->port;
	model->at[row->port] = (__u16)++model->count;
	/* the others are about sockets that may be old */
	if (row->kind != PT_REC_ALLOC && row->kind != PT_REC_FAIL && row->kind < PT_JR_FIRST)
		return;
	model->last = sock;
	if (row->owner == SOCK_MODEL_NO_OWNER)
		return;
	model->by_owner[row->owner] = sock;
	if (row->owner >= model->owners)
		model->owners = row->owner + 1;
}

/*
 * The code is the zigzag of the distance from the reference, save that 0 and the code
 * of the socket before change places. So each socket has a code and each code a socket.
 */
static inline __u64 sock_model_encode(struct sock_model *model, const struct sock_model_row *row,
				      __u64 sock)
{
	__u64 reference = sock_model_reference(model, row);
	__u64 before = sock_model_before(model, row, reference);
	__u64 code = zigzag(sock - reference);

	sock_model_learn(model, row, sock);
	if (sock == before)
		return 0;
	return code ?: zigzag(before - reference);
}

static inline __u64 sock_model_decode(struct sock_model *model, const struct sock_model_row *row,
				      __u64 code)
{
	__u64 reference = sock_model_reference(model, row);
	__u64 before = sock_model_before(model, row, reference);
	__u64 sock = reference + unzigzag(code);

	if (!code)
		sock = before;
	else if (sock == before)
		sock = reference;
	sock_model_learn(model, row, sock);
	return sock;
}

#endif /* PORTTRACE_RECORDING_SOCK_MODEL_H */
