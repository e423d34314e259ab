// SPDX-License-Identifier: BSD-2-Clause
/* The iterators' rows: through a pipe, whole, cut into pieces and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/live/rows.h"

struct seen {
	struct sock_row rows[512];
	struct pt_owner owners[512];
	unsigned int count, owned;
	int answer;
};

static int see(const struct sock_row *row, const struct pt_owner *owner, void *data)
{
	struct seen *seen = data;

	assert_true(seen->count < 512);
	seen->rows[seen->count] = *row;
	if (owner)
		seen->owners[seen->owned++] = *owner;
	seen->count++;
	return seen->answer;
}

static struct pt_row a_row(__u8 kind)
{
	struct pt_row row = {
		.head = { .kind = kind,
			  .version = PT_ABI_VERSION,
			  .size = sizeof(row),
			  .sock = 77,
			  .netns_cookie = 1,
			  .netns = 4026531840,
			  .vrf = 3,
			  .port = 60609,
			  .proto = IPPROTO_TCP,
			  .family = AF_INET },
		.tuple = { .rport = 443, .ifindex = 2 },
		.task = { .pid = 4242, .uid = 1000, .start = 5, .cgroup = 9, .comm = "curl" },
		.state = TCP_ESTABLISHED,
		.bucket = PT_B_KNOWN | PT_B_BOUND,
	};

	row.tuple.laddr[15] = 1;
	row.tuple.raddr[15] = 2;
	return row;
}

/* What a child writes in pieces of that many bytes. */
static int read_pieces(const void *bytes, size_t len, size_t piece, struct seen *seen)
{
	int fds[2], result;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		for (size_t done = 0; done < len; done += piece)
			if (write(fds[1], (const char *)bytes + done,
				  len - done < piece ? len - done : piece) < 0)
				_exit(1);
		_exit(0);
	}
	close(fds[1]);
	result = rows_read(fds[0], see, seen);
	close(fds[0]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	return result;
}

static void test_a_socket(void **state)
{
	struct pt_row row = a_row(PT_ROW_SOCK);
	struct seen seen = { .count = 0 };

	(void)state;
	assert_int_equal(read_pieces(&row, sizeof(row), sizeof(row), &seen), 0);
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.rows[0].cookie, 77);
	assert_int_equal(seen.rows[0].space.vrf, 3);
	assert_int_equal(seen.rows[0].port, 60609);
	assert_int_equal(seen.rows[0].rport, 443);
	assert_int_equal(seen.rows[0].ifindex, 2);
	assert_int_equal(seen.rows[0].state, TCP_ESTABLISHED);
	assert_int_equal(seen.rows[0].bucket, PT_B_KNOWN | PT_B_BOUND);
	assert_int_equal(seen.rows[0].laddr[15], 1);
	assert_int_equal(seen.rows[0].raddr[15], 2);
	assert_false(seen.rows[0].has_tw);
	assert_int_equal(seen.owned, 1);
	assert_true(seen.owners[0].known);
	assert_int_equal(seen.owners[0].pid, 4242);
	assert_int_equal(seen.owners[0].start, 5);
	assert_int_equal(seen.owners[0].cgroup, 9);
	assert_string_equal(seen.owners[0].comm, "curl");
}

static void test_a_time_wait_has_no_owner(void **state)
{
	struct pt_row row = a_row(PT_ROW_TW);
	struct seen seen = { .count = 0 };

	(void)state;
	row.head.sock = 0;
	row.tw = 0xffff888000001000;
	row.task.pid = 0;
	assert_int_equal(read_pieces(&row, sizeof(row), sizeof(row), &seen), 0);
	assert_true(seen.rows[0].has_tw);
	assert_true(seen.rows[0].tw == 0xffff888000001000);
	assert_int_equal(seen.owned, 0);
}

/* The kernel may cut anywhere. */
static void test_pieces(void **state)
{
	static const size_t pieces[] = {
		1, 7, sizeof(struct pt_row) - 1, sizeof(struct pt_row) + 1, 4096, 65536
	};
	struct pt_row rows[400];

	(void)state;
	for (unsigned int i = 0; i < 400; i++) {
		rows[i] = a_row(PT_ROW_SOCK);
		rows[i].head.sock = i;
	}
	for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
		struct seen seen = { .count = 0 };

		assert_int_equal(read_pieces(rows, sizeof(rows), pieces[i], &seen), 0);
		assert_int_equal(seen.count, 400);
		for (unsigned int j = 0; j < 400; j++)
			assert_int_equal(seen.rows[j].cookie, j);
	}
}

static void expect_bad(const struct pt_row *row)
{
	struct seen seen = { .count = 0 };

	assert_int_equal(read_pieces(row, sizeof(*row), sizeof(*row), &seen), -EBADMSG);
	assert_int_equal(seen.count, 0);
}

static void test_what_is_no_row(void **state)
{
	struct pt_row row = a_row(PT_REC_ALLOC);
	struct seen seen = { .count = 0 };

	(void)state;
	expect_bad(&row);
	row = a_row(PT_ROW_SOCK);
	row.head.version++;
	expect_bad(&row);
	row = a_row(PT_ROW_SOCK);
	row.head.size--;
	expect_bad(&row);
	row = a_row(PT_ROW_SOCK);
	row.head.port = 0;
	expect_bad(&row);
	row = a_row(PT_ROW_SOCK);
	row.head.proto = IPPROTO_SCTP;
	expect_bad(&row);
	row = a_row(PT_ROW_SOCK);
	row.head.family = AF_UNIX;
	expect_bad(&row);
	/* the end in the middle of one */
	row = a_row(PT_ROW_SOCK);
	assert_int_equal(read_pieces(&row, sizeof(row) - 1, 4096, &seen), -EBADMSG);
	assert_int_equal(read_pieces(&row, 0, 1, &seen), 0);
}

static void test_the_callback_ends_it(void **state)
{
	struct pt_row rows[3] = { a_row(PT_ROW_SOCK), a_row(PT_ROW_SOCK), a_row(PT_ROW_SOCK) };
	struct seen seen = { .answer = -ECANCELED };

	(void)state;
	assert_int_equal(read_pieces(rows, sizeof(rows), sizeof(rows), &seen), -ECANCELED);
	assert_int_equal(seen.count, 1);
	assert_int_equal(rows_read(-1, see, &seen), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_socket),
		cmocka_unit_test(test_a_time_wait_has_no_owner),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_what_is_no_row),
		cmocka_unit_test(test_the_callback_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
