/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the sections of a block hold, for the side that writes and the one that reads:
 * which columns the rows of a kind can have, how large a section can be, and the two
 * dictionaries whose entries are kept field by field.
 */
#ifndef PORTTRACE_RECORDING_COLUMNS_H
#define PORTTRACE_RECORDING_COLUMNS_H

#include <linux/types.h>
#include <stddef.h>

#include "user/event/journal.h"
#include "user/recording/format.h"

struct columns_kind {
	__u16 size; /* of such a record, bytes */
	__u16 has;  /* enum format_has: no others */
};

/* NULL: a kind that no recording has. */
const struct columns_kind *columns_of_kind(__u8 kind);

/*
 * The most bytes that a section of a block of so many rows can have, unpacked; 0 if
 * id is none of enum format_section_id.
 */
size_t columns_limit(__u16 id, __u32 rows);

/*
 * The number of entries (__u32), and then of all of them: pid (zigzag of the difference
 * from the entry before), tid (of that from pid), uid, start, cgroup (like pid), comm,
 * thread (16 bytes each).
 * Writes at most columns_limit() bytes to p. Returns the place behind them.
 */
__u8 *columns_put_owners(__u8 *p, const struct pt_task *owners, __u32 count);

/*
 * The number of entries (__u32), and then of all of them: laddr[0..11], laddr[12..15],
 * raddr[0..11], raddr[12..15], rport (__u16), ifindex (LEB128).
 */
__u8 *columns_put_tuples(__u8 *p, const struct pt_tuple *tuples, __u32 count);

/*
 * The same back, of untrusted bytes with VARINT_PAD bytes behind them. The caller has
 * room for FORMAT_ROWS_MAX. Returns 0 or -EBADMSG.
 */
int columns_get_owners(const void *bytes, size_t size, struct pt_task *owners, __u32 *count);
int columns_get_tuples(const void *bytes, size_t size, struct pt_tuple *tuples, __u32 *count);

#endif /* PORTTRACE_RECORDING_COLUMNS_H */
