// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/columns.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "user/base/varint.h"

#define HAS_HEAD (FORMAT_HAS_TIME | FORMAT_HAS_SOCK)
#define HAS_PORT                                                                                   \
	(HAS_HEAD | FORMAT_HAS_TUPLE | FORMAT_HAS_OWNER | FORMAT_HAS_KIN | FORMAT_HAS_SEARCH)
#define HAS_TUPLE (HAS_HEAD | FORMAT_HAS_TUPLE | FORMAT_HAS_TIME_WAIT)
#define HAS_JOURNAL (HAS_TUPLE | FORMAT_HAS_OWNER | ((1 << PT_JR_NUMBERS) - 1) * FORMAT_HAS_NUMBERS)

#define COUNT_SIZE sizeof(__u32)
#define OWNER_FIXED (2 * PT_COMM_LEN) /* bytes of an entry besides five numbers */
#define TUPLE_FIXED (16 + 16 + 2)     /* besides one number */
#define V4_OFFSET 12		      /* of the IPv4 address in a mapped one: the rest repeats */
#define V4_SIZE 4

static const struct columns_kind kinds[PT_REC_KINDS] = {
	[PT_REC_ALLOC] = { sizeof(struct pt_rec_port), HAS_PORT },
	[PT_REC_FAIL] = { sizeof(struct pt_rec_port), HAS_PORT },
	[PT_REC_CONNECT] = { sizeof(struct pt_rec_tuple), HAS_TUPLE },
	[PT_REC_CLOSED] = { sizeof(struct pt_rec_head), HAS_HEAD },
	[PT_REC_RELEASE] = { sizeof(struct pt_rec_head), HAS_HEAD },
	[PT_REC_TW_BEGIN] = { sizeof(struct pt_rec_tuple), HAS_TUPLE },
	[PT_REC_TW_END] = { sizeof(struct pt_rec_tw_end),
			    HAS_HEAD | FORMAT_HAS_TIME_WAIT | FORMAT_HAS_TAKER },
	[PT_REC_EMPTY] = { sizeof(struct pt_rec_head), HAS_HEAD },
};

static const struct columns_kind journal = { sizeof(struct pt_rec_journal), HAS_JOURNAL };

const struct columns_kind *columns_of_kind(__u8 kind)
{
	if (kind >= PT_JR_FIRST && kind < PT_JR_KINDS)
		return &journal;
	return kind < PT_REC_KINDS && kinds[kind].size ? &kinds[kind] : NULL;
}

size_t columns_limit(__u16 id, __u32 rows)
{
	static const struct {
		__u16 row; /* bytes a row at most */
		__u16 more;
	} limits[FORMAT_SECTIONS_OF_ROWS] = {
		[FORMAT_SECTION_PORTS] = { sizeof(__u16), 0 },
		[FORMAT_SECTION_CLASS_IDS] = { sizeof(__u16), 0 },
		[FORMAT_SECTION_CLASSES] = { sizeof(struct format_class), 0 },
		[FORMAT_SECTION_TIMES] = { VARINT_MAX, 0 },
		[FORMAT_SECTION_SOCKS] = { VARINT_MAX, 0 },
		[FORMAT_SECTION_OWNER_IDS] = { VARINT_MAX, 0 },
		[FORMAT_SECTION_OWNERS] = { 5 * VARINT_MAX + OWNER_FIXED, COUNT_SIZE },
		[FORMAT_SECTION_TUPLE_IDS] = { VARINT_MAX, 0 },
		[FORMAT_SECTION_TUPLES] = { VARINT_MAX + TUPLE_FIXED, COUNT_SIZE },
		[FORMAT_SECTION_SEARCHES] = { VARINT_MAX, 0 },
		[FORMAT_SECTION_TIME_WAITS] = { VARINT_MAX, 0 },
		[FORMAT_SECTION_EXTRAS] = { PT_JR_NUMBERS * VARINT_MAX, 0 },
		[FORMAT_SECTION_CGROUPS] = { 0, 0 },
	};

	if (id == FORMAT_SECTION_CGROUPS)
		return FORMAT_SECTION_MAX;
	if (id >= FORMAT_SECTIONS_OF_ROWS)
		return 0;
	return (size_t)rows * limits[id].row + limits[id].more;
}

/* ---- writing ------------------------------------------------------------------ */

static __u8 *put_count(__u8 *p, __u32 count)
{
	count = htole32(count);
	memcpy(p, &count, sizeof(count));
	return p + sizeof(count);
}

/* One field of every entry: member, len bytes of it from offset on. */
#define PUT_BYTES(p, entries, count, member, offset, len)                                          \
	for (__u32 i = 0; i < (count); i++, (p) += (len))                                          \
	memcpy((p), (const __u8 *)&(entries)[i].member + (offset), (len))

/* One field of every entry, a number, by its difference from the entry before. */
#define PUT_NUMBERS(p, entries, count, member)                                                     \
	for (__u32 i = 0; i < (count); i++)                                                        \
	(p) = varint_put((p), zigzag((__u64)(entries)[i].member -                                  \
				     (i ? (__u64)(entries)[i - 1].member : 0)))

__u8 *columns_put_owners(__u8 *p, const struct pt_task *owners, __u32 count)
{
	p = put_count(p, count);
	PUT_NUMBERS(p, owners, count, pid);
	for (__u32 i = 0; i < count; i++)
		p = varint_put(p, zigzag((__u64)owners[i].tid - owners[i].pid));
	PUT_NUMBERS(p, owners, count, uid);
	PUT_NUMBERS(p, owners, count, start);
	PUT_NUMBERS(p, owners, count, cgroup);
	PUT_BYTES(p, owners, count, comm, 0, PT_COMM_LEN);
	PUT_BYTES(p, owners, count, thread, 0, PT_COMM_LEN);
	return p;
}

__u8 *columns_put_tuples(__u8 *p, const struct pt_tuple *tuples, __u32 count)
{
	p = put_count(p, count);
	PUT_BYTES(p, tuples, count, laddr, 0, V4_OFFSET);
	PUT_BYTES(p, tuples, count, laddr, V4_OFFSET, V4_SIZE);
	PUT_BYTES(p, tuples, count, raddr, 0, V4_OFFSET);
	PUT_BYTES(p, tuples, count, raddr, V4_OFFSET, V4_SIZE);
	for (__u32 i = 0; i < count; i++) {
		*p++ = (__u8)tuples[i].rport;
		*p++ = (__u8)(tuples[i].rport >> 8);
	}
	for (__u32 i = 0; i < count; i++)
		p = varint_put(p, tuples[i].ifindex);
	return p;
}

/* ---- reading ------------------------------------------------------------------ */

static bool get_count(struct varint_cursor *cursor, __u32 *count)
{
	if ((size_t)(cursor->end - cursor->p) < sizeof(*count))
		return false;
	memcpy(count, cursor->p, sizeof(*count));
	*count = le32toh(*count);
	cursor->p += sizeof(*count);
	return *count <= FORMAT_ROWS_MAX;
}

/* count times len bytes. Returns NULL if there are fewer. */
static const __u8 *get_bytes(struct varint_cursor *cursor, __u32 count, size_t len, bool *bad)
{
	const __u8 *p = cursor->p;

	if (*bad || (size_t)(cursor->end - p) < count * len) {
		*bad = true;
		return NULL;
	}
	cursor->p += count * len;
	return p;
}

#define GET_BYTES(cursor, entries, count, member, offset, len, bad)                                \
	do {                                                                                       \
		const __u8 *from = get_bytes(cursor, count, len, bad);                             \
                                                                                                   \
		for (__u32 i = 0; from && i < (count); i++, from += (len))                         \
			memcpy((__u8 *)&(entries)[i].member + (offset), from, (len));              \
	} while (0)

#define GET_NUMBERS(cursor, entries, count, member, bad)                                           \
	do {                                                                                       \
		__u64 number = 0;                                                                  \
                                                                                                   \
		for (__u32 i = 0; i < (count); i++) {                                              \
			number += unzigzag(varint_get(cursor, bad));                               \
			(entries)[i].member = (typeof((entries)[i].member))number;                 \
		}                                                                                  \
	} while (0)

int columns_get_owners(const void *bytes, size_t size, struct pt_task *owners, __u32 *count)
{
	struct varint_cursor cursor = { .p = bytes, .end = (const __u8 *)bytes + size };
	bool bad = false;

	if (!get_count(&cursor, count))
		return -EBADMSG;
	GET_NUMBERS(&cursor, owners, *count, pid, &bad);
	for (__u32 i = 0; i < *count; i++)
		owners[i].tid = (__u32)(owners[i].pid + unzigzag(varint_get(&cursor, &bad)));
	GET_NUMBERS(&cursor, owners, *count, uid, &bad);
	GET_NUMBERS(&cursor, owners, *count, start, &bad);
	GET_NUMBERS(&cursor, owners, *count, cgroup, &bad);
	GET_BYTES(&cursor, owners, *count, comm, 0, PT_COMM_LEN, &bad);
	GET_BYTES(&cursor, owners, *count, thread, 0, PT_COMM_LEN, &bad);
	return bad || cursor.p != cursor.end ? -EBADMSG : 0;
}

int columns_get_tuples(const void *bytes, size_t size, struct pt_tuple *tuples, __u32 *count)
{
	struct varint_cursor cursor = { .p = bytes, .end = (const __u8 *)bytes + size };
	bool bad = false;
	const __u8 *ports;

	if (!get_count(&cursor, count))
		return -EBADMSG;
	GET_BYTES(&cursor, tuples, *count, laddr, 0, V4_OFFSET, &bad);
	GET_BYTES(&cursor, tuples, *count, laddr, V4_OFFSET, V4_SIZE, &bad);
	GET_BYTES(&cursor, tuples, *count, raddr, 0, V4_OFFSET, &bad);
	GET_BYTES(&cursor, tuples, *count, raddr, V4_OFFSET, V4_SIZE, &bad);
	ports = get_bytes(&cursor, *count, sizeof(__u16), &bad);
	for (__u32 i = 0; ports && i < *count; i++, ports += 2)
		tuples[i].rport = (__u16)(ports[0] | ports[1] << 8);
	for (__u32 i = 0; i < *count; i++)
		tuples[i].ifindex = (__u32)varint_get(&cursor, &bad);
	return bad || cursor.p != cursor.end ? -EBADMSG : 0;
}
