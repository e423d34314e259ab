/* SPDX-License-Identifier: BSD-2-Clause */
/* Which of two comes first, for qsort() and its like; and whether they are the same. */
#ifndef PORTTRACE_BASE_COMPARE_H
#define PORTTRACE_BASE_COMPARE_H

#include <linux/types.h>
#include <stdbool.h>
#include <string.h>

/* Less than 0, 0, or more: least first. */
static inline int compare_u64(__u64 a, __u64 b)
{
	return a < b ? -1 : a > b;
}

/* Of 16 bytes each: compilers call memcmp() for them. */
static inline bool compare_is_same16(const void *a, const void *b)
{
	__u64 x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return x[0] == y[0] && x[1] == y[1];
}

#endif /* PORTTRACE_BASE_COMPARE_H */
