// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/ledger/owners.h"

enum { TASKS = 1000, STEPS = 100000 };

static int begin(void **state)
{
	struct owners *owners = malloc(sizeof(*owners));

	owners_init(owners);
	*state = owners;
	return 0;
}

static int end(void **state)
{
	owners_free(*state);
	free(*state);
	return 0;
}

/* Several share a tid, as when numbers are used again, and a process has several threads. */
static struct pt_task task_of(unsigned int i)
{
	struct pt_task task = {
		.pid = 1 + i / 4, .tid = 1 + i % 300, .uid = i % 3, .start = i / 2, .cgroup = i % 5
	};

	task.comm[0] = (char)('a' + i % 7);
	task.thread[0] = (char)('a' + i % 11);
	return task;
}

static __u32 take(struct owners *owners, const struct pt_task *task, bool kernel)
{
	__u32 number;

	assert_int_equal(owners_take_task(owners, task, kernel, &number), 0);
	assert_int_not_equal(number, 0);
	return number;
}

static void assert_is(const struct owners *owners, __u32 number, const struct pt_task *task)
{
	const struct pt_owner *owner = owners_at(owners, number);

	assert_true(owner->known);
	assert_true(owners_is_task(owner, task, false));
}

static void test_nobody(void **state)
{
	struct owners *owners = *state;
	__u32 number = 1;

	assert_false(owners_at(owners, 0)->known);
	assert_int_equal(owners_take(owners, owners_at(owners, 0), &number), 0);
	assert_int_equal(number, 0);
	owners_drop(owners, 0);
	assert_int_equal(owners->chain.pool.live, 0);
}

static void test_once_each(void **state)
{
	struct owners *owners = *state;
	struct pt_task task = task_of(1);
	__u32 number = take(owners, &task, false);

	assert_int_equal(take(owners, &task, false), number);
	assert_int_equal(owners->chain.pool.live, 1);
	owners_drop(owners, number);
	assert_is(owners, number, &task);
	owners_drop(owners, number);
	assert_int_equal(owners->chain.pool.live, 0);
}

/* Each field tells them apart, in the short way and in the long one. */
static void test_every_field_counts(void **state)
{
	struct owners *owners = *state;
	struct pt_task tasks[8];
	__u32 numbers[9];

	for (unsigned int i = 0; i < 8; i++)
		tasks[i] = task_of(1);
	tasks[1].pid++;
	tasks[2].tid++;
	tasks[3].uid++;
	tasks[4].start++;
	tasks[5].cgroup++;
	tasks[6].comm[PT_COMM_LEN - 2] = 'x';
	tasks[7].thread[PT_COMM_LEN - 2] = 'x';
	for (unsigned int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < 8; i++)
			numbers[i] = take(owners, &tasks[i], false);
		numbers[8] = take(owners, &tasks[0], true);
		assert_int_equal(owners->chain.pool.live, 9);
	}
	for (unsigned int i = 0; i < 8; i++)
		assert_is(owners, numbers[i], &tasks[i]);
	assert_true(owners_at(owners, numbers[8])->kernel);
}

static void test_name_without_end(void **state)
{
	struct owners *owners = *state;
	struct pt_task task = task_of(1);
	__u32 number;

	memset(task.comm, 'x', sizeof(task.comm));
	number = take(owners, &task, false);
	assert_string_equal(owners_at(owners, number)->comm, "xxxxxxxxxxxxxxx");
	assert_int_equal(take(owners, &task, false), number);
	assert_int_equal(owners->chain.pool.live, 1);
}

/* Against a plain count of each task's users. */
static void test_as_counted(void **state)
{
	struct owners *owners = *state;
	static __u32 users[TASKS], numbers[TASKS];
	unsigned int seed = 1, live = 0;

	for (unsigned int step = 0; step < STEPS; step++) {
		unsigned int i = (unsigned int)rand_r(&seed) % TASKS;
		const struct pt_task task = task_of(i);

		if (users[i] && rand_r(&seed) % 2) {
			assert_is(owners, numbers[i], &task);
			owners_drop(owners, numbers[i]);
			live -= !--users[i];
		} else {
			__u32 number = take(owners, &task, false);

			assert_true(!users[i] || number == numbers[i]);
			numbers[i] = number;
			live += !users[i]++;
			assert_is(owners, number, &task);
		}
		assert_int_equal(owners->chain.pool.live, live);
	}
	/* of those that went, the memory was used again */
	assert_true(owners->chain.pool.used <= TASKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nobody, begin, end),
		cmocka_unit_test_setup_teardown(test_once_each, begin, end),
		cmocka_unit_test_setup_teardown(test_every_field_counts, begin, end),
		cmocka_unit_test_setup_teardown(test_name_without_end, begin, end),
		cmocka_unit_test_setup_teardown(test_as_counted, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
