/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes from a ring or a file become a record that can be believed. */
#ifndef PORTTRACE_EVENT_DECODE_H
#define PORTTRACE_EVENT_DECODE_H

#include <linux/types.h>
#include <stddef.h>

#include "bpf/event_abi.h"
#include "user/event/journal.h"

/*
 * Checks kind, version, size and the range of every field that is used as an
 * index or shown as a word. data must be aligned to 8 bytes and stays the
 * caller's. On success *out is data, of the type that its kind says.
 * Returns 0, -EBADMSG (not a record, or damaged) or -EPROTO (another version).
 */
int decode_record(const void *data, size_t size, const struct pt_rec_head **out);

/*
 * The same for a row of a recording: a record, or one of event/journal.h.
 */
int decode_row(const void *data, size_t size, const struct pt_rec_head **out);

static inline const struct pt_rec_journal *decode_journal(const struct pt_rec_head *head)
{
	return (const struct pt_rec_journal *)head;
}

static inline const struct pt_rec_port *decode_port(const struct pt_rec_head *head)
{
	return (const struct pt_rec_port *)head;
}

static inline const struct pt_rec_tuple *decode_tuple(const struct pt_rec_head *head)
{
	return (const struct pt_rec_tuple *)head;
}

static inline const struct pt_rec_tw_end *decode_tw_end(const struct pt_rec_head *head)
{
	return (const struct pt_rec_tw_end *)head;
}

#endif /* PORTTRACE_EVENT_DECODE_H */
