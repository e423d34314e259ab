// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/recording/files.h"

static void test_names_sort_by_time(void **state)
{
	const char *run = "0123456789abcdef0123456789abcdef";
	char name[FILES_NAME_MAX], next[FILES_NAME_MAX];

	(void)state;
	files_name(name, 1795000000ULL * 1000000000, run, 9);
	assert_string_equal(name, "20261118T110640Z-01234567-000009.ptr");
	files_name(next, 1795000000ULL * 1000000000, run, 10);
	assert_true(strcmp(name, next) < 0);
	files_name(name, 1795000001ULL * 1000000000, run, 0);
	assert_true(strcmp(next, name) < 0);
	files_name(name, ~0ULL, run, ~0ULL);
	assert_true(strlen(name) < sizeof(name));
}

static void test_list_open_and_lock(void **state)
{
	static const char *const names[] = { "b.ptr", "a.ptr", ".c.ptr", ".ptr", "d.txt", "lock" };
	char path[] = "/tmp/porttrace-files-XXXXXX";
	struct files_holder holder = { 42, "0123456789abcdef0123456789abcdef" }, told;
	struct files files;
	__u64 size = 9;
	int dir, lock, again;

	(void)state;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		close(openat(dir, names[i], O_CREAT | O_WRONLY, 0600));
	for (int round = 0; round < 2; round++) {
		assert_int_equal(files_list(dir, &files), 0);
		assert_int_equal(files.count, 2);
		assert_string_equal(files.names[0], "a.ptr");
		assert_string_equal(files.names[1], "b.ptr");
		files_free(&files);
	}
	close(files_open(dir, "a.ptr", &size));
	assert_int_equal(size, 0);
	assert_int_equal(files_open(dir, "none", &size), -ENOENT);
	assert_int_equal(files_open(dir, ".", &size), -EBADMSG);

	assert_false(files_dir_is_locked(dir, &told));
	lock = openat(dir, "lock", O_RDWR);
	assert_int_equal(files_lock(lock), 0);
	assert_true(files_dir_is_locked(dir, &told));
	assert_int_equal(told.pid, 0);
	assert_int_equal(files_lock_tell(lock, &holder), 0);
	assert_true(files_dir_is_locked(dir, &told));
	assert_int_equal(told.pid, 42);
	assert_string_equal(told.run, holder.run);
	again = openat(dir, "lock", O_RDWR);
	assert_int_equal(files_lock(again), -EBUSY);
	/* to ask, and to close, changes nothing */
	close(again);
	again = openat(dir, "lock", O_RDONLY);
	assert_true(files_is_locked(again));
	close(lock);
	assert_false(files_is_locked(again));
	close(again);
	assert_false(files_dir_is_locked(dir, &told));
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlinkat(dir, names[i], 0);
	close(dir);
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_sort_by_time),
		cmocka_unit_test(test_list_open_and_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
