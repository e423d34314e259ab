// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/synthetic.h"
#include "user/recording/sock_model.h"

struct models {
	struct sock_model in, out;
};

static int begin(void **state)
{
	struct models *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	*state = m;
	return 0;
}

static int end(void **state)
{
	free(*state);
	return 0;
}

/* The code of a row; it must become the same socket again. */
static __u64 code_of(struct models *m, __u8 kind, __u16 port, __u32 owner, __u64 sock)
{
	const struct sock_model_row row = { .port = port, .kind = kind, .owner = owner };
	__u64 code = sock_model_encode(&m->in, &row, sock);

	assert_true(sock_model_decode(&m->out, &row, code) == sock);
	return code;
}

#define NOBODY SOCK_MODEL_NO_OWNER

static void test_the_socket_of_the_port_is_0(void **state)
{
	struct models *m = *state;

	code_of(m, PT_REC_ALLOC, 1000, NOBODY, 5);
	code_of(m, PT_REC_ALLOC, 1001, NOBODY, 6);
	assert_int_equal(code_of(m, PT_REC_TW_BEGIN, 1000, NOBODY, 5), 0);
	assert_int_equal(code_of(m, PT_REC_RELEASE, 1000, NOBODY, 5), 0);
	assert_int_equal(code_of(m, PT_REC_RELEASE, 1001, NOBODY, 6), 0);
}

static void test_the_next_of_an_owner_is_near(void **state)
{
	struct models *m = *state;

	code_of(m, PT_REC_ALLOC, 1000, 1, 4096);
	code_of(m, PT_REC_ALLOC, 1001, 2, 40960);
	assert_int_equal(code_of(m, PT_REC_ALLOC, 1002, 1, 4097), zigzag(1));
	assert_int_equal(code_of(m, PT_REC_ALLOC, 1003, 2, 40961), zigzag(1));
	/* of a stranger: near the last of all */
	assert_int_equal(code_of(m, PT_REC_ALLOC, 1004, 3, 40962), zigzag(1));
}

/* An old socket's end must not make the next beginning far. */
static void test_ends_are_no_reference(void **state)
{
	struct models *m = *state;

	code_of(m, PT_REC_ALLOC, 1000, NOBODY, 1000000);
	code_of(m, PT_REC_RELEASE, 2000, NOBODY, 7);
	assert_int_equal(code_of(m, PT_REC_ALLOC, 1001, NOBODY, 1000001), zigzag(1));
	code_of(m, PT_JR_HOLD, 1002, NOBODY, 50);
	assert_int_equal(code_of(m, PT_JR_HOLD, 1003, NOBODY, 51), zigzag(1));
}

/* Nothing of a block is known in the next one, whoever it was about. */
static void test_a_new_block_knows_nothing(void **state)
{
	static const struct sock_model none;
	struct models *m = *state;

	code_of(m, PT_REC_ALLOC, 1, 0, 5);
	code_of(m, PT_REC_ALLOC, 65535, FORMAT_ROWS_MAX - 1, 6);
	code_of(m, PT_REC_ALLOC, 65535, 7, 8);
	code_of(m, PT_REC_RELEASE, 2, NOBODY, 7);
	sock_model_clear(&m->in);
	assert_int_equal(m->in.count, 0);
	assert_int_equal(m->in.last, 0);
	assert_memory_equal(m->in.at, none.at, sizeof(none.at));
	assert_memory_equal(m->in.by_owner, none.by_owner, sizeof(none.by_owner));
}

/* The reference itself, where the port had another socket: the two codes change places. */
static void test_the_reference_where_0_is_taken(void **state)
{
	struct models *m = *state;

	code_of(m, PT_REC_ALLOC, 1000, NOBODY, 5);
	code_of(m, PT_REC_ALLOC, 1001, NOBODY, 9);
	assert_int_equal(code_of(m, PT_REC_CLOSED, 1000, NOBODY, 9), zigzag(5 - 9ULL));
}

static void test_any_value(void **state)
{
	static const __u64 socks[] = {
		0, 1, 2, ~0ULL, -2ULL, 1ULL << 63, (1ULL << 63) - 1, (1ULL << 63) + 1
	};
	static const __u8 kinds[] = { PT_REC_ALLOC, PT_REC_RELEASE, PT_JR_HOLD };
	struct models *m = *state;
	__u64 random = 1;

	for (int i = 0; i < FORMAT_ROWS_MAX; i++) {
		__u64 r = synthetic_random(&random);
		__u32 owner = r >> 8 & 1 ? (__u32)(r >> 9 & 3) : NOBODY;
		__u16 port = r >> 16 & 1 ? 65535 * (r >> 17 & 1) : (r >> 17 & 7);

		code_of(m, kinds[r >> 32 & 1 ? 0 : 1 + (r >> 33 & 1)], port, owner, socks[r & 7]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_socket_of_the_port_is_0),	   TEST(test_the_next_of_an_owner_is_near),
		TEST(test_ends_are_no_reference),	   TEST(test_a_new_block_knows_nothing),
		TEST(test_the_reference_where_0_is_taken), TEST(test_any_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
