// SPDX-License-Identifier: BSD-2-Clause
#include "fail.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#include "cmocka_env.h"

#define STATUS_CHILD_FAILED 70

static pid_t test_tid;

void live_claim(void)
{
	test_tid = gettid();
}

noreturn void live_fail(const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (gettid() == test_tid)
		fail_msg("%s", text);
	dprintf(STDERR_FILENO, "in a child of the test: %s\n", text);
	_exit(STATUS_CHILD_FAILED);
}
