// SPDX-License-Identifier: BSD-2-Clause
/* Who has which socket open: one process, several, the same one twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "user/live/sockets.h"

static struct pt_row row(__u64 cookie, __u32 pid, __u64 start)
{
	return (struct pt_row){
		.head = { .kind = PT_ROW_SOCK,
			  .version = PT_ABI_VERSION,
			  .size = sizeof(struct pt_row),
			  .sock = cookie,
			  .port = 60609,
			  .proto = IPPROTO_UDP,
			  .family = AF_INET6 },
		.task = { .pid = pid, .start = start },
	};
}

static int take(const struct pt_row *rows, size_t count, struct sockets **out)
{
	int fd = memfd_create("rows", MFD_CLOEXEC), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, rows, count * sizeof(*rows)), count * sizeof(*rows));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	err = sockets_new(fd, out);
	close(fd);
	return err;
}

static void test_owners(void **state)
{
	/* 1: one process, twice; 2: a parent and its child; 3: a pid that was used again */
	const struct pt_row rows[] = { row(1, 10, 5), row(2, 10, 5), row(1, 10, 5),
				       row(2, 11, 6), row(3, 12, 7), row(3, 12, 8) };
	const struct sockets_entry *entry;
	struct sockets *sockets;
	__u32 position = 0;
	unsigned int count = 0;

	(void)state;
	assert_int_equal(take(rows, 6, &sockets), 0);
	assert_true(sockets_find(sockets, 1)->owner.known);
	assert_int_equal(sockets_find(sockets, 1)->owner.pid, 10);
	assert_false(sockets_find(sockets, 2)->owner.known);
	assert_false(sockets_find(sockets, 3)->owner.known);
	assert_null(sockets_find(sockets, 4));
	while ((entry = sockets_next(sockets, &position)))
		assert_int_equal(entry->row.cookie, ++count);
	assert_int_equal(count, 3);
	sockets_free(sockets);
}

static void test_many(void **state)
{
	enum { MANY = 3000 };
	static struct pt_row rows[MANY];
	struct sockets *sockets;

	(void)state;
	for (unsigned int i = 0; i < MANY; i++)
		rows[i] = row(i + 1, i % 7 + 1, 1);
	assert_int_equal(take(rows, MANY, &sockets), 0);
	for (unsigned int i = 0; i < MANY; i++)
		assert_int_equal(sockets_find(sockets, i + 1)->owner.pid, i % 7 + 1);
	sockets_free(sockets);
}

static void test_none_and_damaged(void **state)
{
	struct sockets *sockets = NULL;
	struct pt_row bad = row(1, 0, 0); /* the iterator of files always tells a process */
	__u32 position = 0;

	(void)state;
	assert_int_equal(take(NULL, 0, &sockets), 0);
	assert_null(sockets_next(sockets, &position));
	assert_null(sockets_find(sockets, 0));
	sockets_free(sockets);
	sockets = NULL;
	assert_int_equal(take(&bad, 1, &sockets), -EBADMSG);
	assert_null(sockets);
	sockets_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_none_and_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
