// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/recording/syncer.h"

/* More than it has places for; what was handed over is closed when it ends. */
static void test_all_is_done(void **state)
{
	struct syncer *syncer = syncer_new();
	int kept = memfd_create("kept", MFD_CLOEXEC), fds[100];

	(void)state;
	assert_non_null(syncer);
	for (int i = 0; i < 100; i++) {
		fds[i] = dup(kept);
		assert_true(fds[i] >= 0);
		syncer_ask(syncer, kept, false);
		syncer_ask(syncer, fds[i], true);
	}
	assert_int_equal(syncer_close(syncer), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(fcntl(fds[i], F_GETFD), -1);
	assert_int_equal(close(kept), 0);
}

static void test_the_first_error_is_kept(void **state)
{
	struct syncer *syncer = syncer_new();
	int fd = memfd_create("synced", MFD_CLOEXEC);

	(void)state;
	assert_non_null(syncer);
	syncer_ask(syncer, -1, false);
	syncer_ask(syncer, fd, false);
	while (!syncer_error(syncer))
		usleep(1000);
	assert_int_equal(syncer_error(syncer), -EBADF);
	assert_int_equal(syncer_close(syncer), -EBADF);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_is_done),
		cmocka_unit_test(test_the_first_error_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
