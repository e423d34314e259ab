/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a helper gives up, wherever it runs: in the test itself (cmocka's
 * failure), or in a child or a thread of it, where cmocka must not be called.
 */
#ifndef LIVE_FAIL_H
#define LIVE_FAIL_H

#include <errno.h>
#include <stdnoreturn.h>

/* Says which thread is the test: the caller. Once, before anything else. */
void live_claim(void);

/* Fails the test, or ends the child with status 70 and a line on stderr. */
noreturn void live_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The value of a call that sets errno, which must not be negative. */
#define must(call)                                                                                 \
	({                                                                                         \
		__auto_type must_value = (call);                                                   \
		if (must_value < 0)                                                                \
			live_fail("%s:%d: %s: %m", __FILE__, __LINE__, #call);                     \
		must_value;                                                                        \
	})

/* A condition that the test's own machinery needs. */
#define must_be(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			live_fail("%s:%d: not so: %s", __FILE__, __LINE__, #condition);            \
	} while (0)

#endif /* LIVE_FAIL_H */
