// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "tests/unit/consumer.h"
#include "user/base/new_file.h"

static void check_file(const char *path, const char *wanted)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[64] = "";

	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	assert_string_equal(text, wanted);
	close(fd);
}

static void test_appears_when_complete(void **state)
{
	struct new_file file;
	struct stat st;
	mode_t mask;
	char dir[32];

	(void)state;
	consumer_dir(dir);
	mask = umask(027);
	assert_int_equal(new_file_begin(&file, "a"), 0);
	assert_int_equal(write(file.fd, "new", 3), 3);
	assert_int_equal(access("a", F_OK), -1);
	assert_int_equal(new_file_publish(&file), 0);
	umask(mask);
	check_file("a", "new");
	assert_int_equal(stat("a", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_null(file.name);
	new_file_discard(&file);
	consumer_check("ls", "a\n");
	consumer_clean(dir);
}

static void test_takes_the_place(void **state)
{
	struct new_file file;
	char dir[32];

	(void)state;
	consumer_dir(dir);
	consumer_file("a", "old");
	assert_int_equal(symlink("a", "link"), 0);
	assert_int_equal(new_file_begin(&file, "link"), 0);
	assert_int_equal(write(file.fd, "new", 3), 3);
	check_file("a", "old");
	assert_int_equal(new_file_publish(&file), 0);
	check_file("a", "new");
	consumer_check("ls -F", "a\nlink@\n");
	consumer_clean(dir);
}

static void test_discard(void **state)
{
	struct new_file file;
	char dir[32];

	(void)state;
	consumer_dir(dir);
	consumer_file("a", "old");
	assert_int_equal(new_file_begin(&file, "a"), 0);
	new_file_discard(&file);
	check_file("a", "old");
	consumer_check("ls", "a\n");
	consumer_clean(dir);
}

static void test_fails(void **state)
{
	struct new_file file;
	char dir[32];

	(void)state;
	consumer_dir(dir);
	assert_int_equal(new_file_begin(&file, "no/such"), -ENOENT);
	assert_null(file.name);
	assert_int_equal(new_file_begin(&file, ""), -ENOENT);
	consumer_file("a", "old");
	assert_int_equal(new_file_begin(&file, "a/b"), -ENOTDIR);
	/* a directory took the name meanwhile */
	assert_int_equal(new_file_begin(&file, "b"), 0);
	assert_int_equal(mkdir("b", 0777), 0);
	assert_int_equal(new_file_publish(&file), -EISDIR);
	assert_null(file.name);
	consumer_check("ls", "a\nb\n");
	consumer_clean(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_appears_when_complete),
		cmocka_unit_test(test_takes_the_place),
		cmocka_unit_test(test_discard),
		cmocka_unit_test(test_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
