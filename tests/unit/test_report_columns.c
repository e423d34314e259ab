// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>

#include "user/sink/report_columns.h"

static struct pt_event event(enum pt_event_type type, __u32 pid)
{
	return (struct pt_event){ .type = type,
				  .space = { .netns = 2, .proto = IPPROTO_TCP },
				  .port = 1000,
				  .owner = { .known = true, .pid = pid },
				  .open_ns = PT_UNKNOWN,
				  .held_ns = PT_UNKNOWN };
}

static void tell(struct report *report, enum pt_event_type type, __u32 pid, int times)
{
	const struct pt_event ev = event(type, pid);

	while (times--)
		assert_int_equal(report_event(report, &ev), 0);
}

static void tell_reuse(struct report *report, __u32 pid, __u64 reuse_ns)
{
	struct pt_event ev = event(PT_EV_ALLOC, pid);

	ev.reuse = PT_REUSE_CLEAN;
	ev.reuse_ns = reuse_ns;
	assert_int_equal(report_event(report, &ev), 0);
}

static void check_order(const struct report *report, const char *key, const char *wanted)
{
	int sort = report_sort_key(REPORT_BY_PROCESS, key);
	const struct report_row **rows;
	char pids[16] = "";
	size_t count;

	assert_true(sort >= 0);
	rows = report_sorted(report, sort, &count);
	assert_non_null(rows);
	for (size_t i = 0; i < count; i++)
		pids[i] = (char)('0' + rows[i]->key.owner.pid);
	assert_string_equal(pids, wanted);
	free(rows);
}

static void test_order(void **state)
{
	const struct report_options options = { .by = REPORT_BY_PROCESS, .until = ~0ULL };
	struct report *report = report_new(&options);

	(void)state;
	tell(report, PT_EV_FAIL, 3, 2);
	tell(report, PT_EV_FAIL, 2, 1);
	tell(report, PT_EV_ALLOC, 2, 2);
	tell(report, PT_EV_ALLOC, 1, 2);
	tell_reuse(report, 4, 500);
	tell_reuse(report, 5, 100);
	check_order(report, "fails", "32145");
	check_order(report, "allocs", "21453"); /* ties: refusals, allocations, as they came */
	check_order(report, "pid", "12345");
	check_order(report, "reuse_ns_min", "54321"); /* the soonest; unknown ones last */
	report_free(report);
}

/* Of before the span only, and gone when it began. */
static void test_empty_rows_are_left_out(void **state)
{
	const struct report_options options = { .by = REPORT_BY_PROCESS,
						.since = 5,
						.until = ~0ULL };
	struct report *report = report_new(&options);

	(void)state;
	tell(report, PT_EV_ALLOC, 1, 1);
	tell(report, PT_EV_ALLOC, 2, 1);
	tell(report, PT_EV_FREE, 1, 1);
	assert_int_equal(report_end(report, 10), 0);
	check_order(report, "fails", "2");
	report_free(report);
}

static void test_keys(void **state)
{
	char names[REPORT_SORT_NAMES_MAX];

	(void)state;
	assert_int_equal(report_sort_key(REPORT_BY_PORT, "comm"), -ENOENT);
	assert_int_equal(report_sort_key(REPORT_BY_PORT, ""), -ENOENT);
	assert_int_equal(report_sort_key(REPORT_BY_PORT, "pid"), -ENOENT);
	assert_true(report_sort_key(REPORT_BY_PORT, "port") >= 0);
	assert_string_equal(report_sort_names(REPORT_BY_REMOTE, names),
			    "fails, eaddrnotavail, eaddrinuse, eagain, other_errors, allocs, "
			    "frees, held_now, held_now_time_wait, held_max, held_max_time_wait, "
			    "held_ns_p50, held_ns_p99, held_ns_max, time_wait_share, reuses, "
			    "reuse_ns_p50, reuse_ns_min");
}

/* What sorts is a number; a key fits where JSON keys are kept. */
static void test_table(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < report_columns_count; i++) {
		const struct report_column *column = &report_columns[i];

		assert_true(column->key || column->title);
		if (column->key)
			assert_true(strlen(column->key) <= COLUMN_KEY_MAX - 5);
		if (!column->sort)
			continue;
		assert_non_null(column->key);
		assert_true(column->type == COLUMN_U64 || column->type == COLUMN_DURATION ||
			    column->type == COLUMN_SHARE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_empty_rows_are_left_out),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
