/* SPDX-License-Identifier: BSD-2-Clause */
/* The order of numbers, for qsort() and its like. */
#ifndef PORTTRACE_BASE_COMPARE_H
#define PORTTRACE_BASE_COMPARE_H

#include <linux/types.h>

/* Less than 0, 0, or more: least first. */
static inline int compare_u64(__u64 a, __u64 b)
{
	return a < b ? -1 : a > b;
}

#endif /* PORTTRACE_BASE_COMPARE_H */
