// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>

#include "tests/unit/records.h"
#include "user/pipeline/pipeline.h"

/* A sink that counts, and fails when told to. */
struct counting {
	struct sink sink;
	unsigned int count;
	int error;
};

static int counting_event(struct sink *sink, const struct pt_event *ev)
{
	struct counting *counting = (struct counting *)sink;

	(void)ev;
	counting->count++;
	return counting->error;
}

static const struct sink_ops counting_ops = { .event = counting_event };

struct fixture {
	struct counting counting;
	struct filter filter;
	struct pipeline *pipeline;
};

static void begin(struct fixture *fixture, __u64 count)
{
	fixture->counting.sink.ops = &counting_ops;
	fixture->pipeline = pipeline_new(&(struct pipeline_options){
		.filter = &fixture->filter,
		.sink = &fixture->counting.sink,
		.count = count,
		.totals = true,
	});
	assert_non_null(fixture->pipeline);
}

static void alloc_and_free(struct fixture *fixture, __u64 sock)
{
	struct pt_rec_port alloc = rec_port(PT_REC_ALLOC, 1 * MS, sock, PT_VIA_CONNECT, 443);
	struct pt_rec_head release = rec_release(2 * MS, sock);

	pipeline_record(fixture->pipeline, &alloc, sizeof(alloc));
	pipeline_record(fixture->pipeline, &release, sizeof(release));
}

static void observe(void *data, const struct pt_event *ev)
{
	*(unsigned int *)data |= 1U << ev->type;
}

/* It sees what the filter hides, also without a sink. */
static void test_observer(void **state)
{
	struct fixture fixture = { .filter = { .events = 1U << PT_EV_FAIL } };
	unsigned int seen = 0;

	(void)state;
	fixture.counting.sink.ops = &counting_ops;
	for (int i = 0; i < 2; i++, seen = 0) {
		fixture.pipeline = pipeline_new(&(struct pipeline_options){
			.filter = &fixture.filter,
			.sink = i ? NULL : &fixture.counting.sink,
			.observer = observe,
			.observer_data = &seen,
		});
		assert_non_null(fixture.pipeline);
		alloc_and_free(&fixture, 7);
		assert_int_equal(seen, 1U << PT_EV_ALLOC | 1U << PT_EV_FREE);
		pipeline_free(fixture.pipeline);
	}
	assert_int_equal(fixture.counting.count, 0);
}

static void test_records_become_events(void **state)
{
	struct fixture fixture = { 0 };

	(void)state;
	begin(&fixture, 0);
	alloc_and_free(&fixture, 1);
	assert_int_equal(fixture.counting.count, 2);
	assert_int_equal(pipeline_totals(fixture.pipeline)->all.allocs, 1);
	assert_int_equal(pipeline_totals(fixture.pipeline)->all.frees, 1);
	assert_int_equal(pipeline_counts(fixture.pipeline).records, 2);
	assert_int_equal(pipeline_error(fixture.pipeline), 0);
	pipeline_free(fixture.pipeline);
}

/* What is held now can only be counted if frees are, too. */
static void test_totals_count_what_event_hides(void **state)
{
	struct fixture fixture = { .filter.events = 1U << PT_EV_ALLOC };

	(void)state;
	begin(&fixture, 0);
	alloc_and_free(&fixture, 1);
	assert_int_equal(fixture.counting.count, 1);
	assert_int_equal(pipeline_totals(fixture.pipeline)->all.held_now, 0);
	assert_int_equal(pipeline_totals(fixture.pipeline)->all.frees, 1);
	pipeline_free(fixture.pipeline);
}

static void test_filter_is_behind_the_ledger(void **state)
{
	struct fixture fixture = { .filter.ipv6 = true };

	(void)state;
	begin(&fixture, 0);
	alloc_and_free(&fixture, 1);
	assert_int_equal(fixture.counting.count, 0);
	assert_int_equal(pipeline_totals(fixture.pipeline)->all.allocs, 0);
	assert_int_equal(pipeline_counts(fixture.pipeline).records, 2);
	pipeline_free(fixture.pipeline);
}

static void test_count_ends_it(void **state)
{
	struct fixture fixture = { 0 };

	(void)state;
	begin(&fixture, 3);
	alloc_and_free(&fixture, 1);
	assert_false(pipeline_is_done(fixture.pipeline));
	alloc_and_free(&fixture, 2);
	assert_true(pipeline_is_done(fixture.pipeline));
	assert_int_equal(fixture.counting.count, 3);
	pipeline_free(fixture.pipeline);
}

static void test_first_error_is_kept(void **state)
{
	struct fixture fixture = { .counting.error = -ENOSPC };

	(void)state;
	begin(&fixture, 0);
	alloc_and_free(&fixture, 1);
	pipeline_record(fixture.pipeline, "nonsense", 8);
	assert_int_equal(pipeline_error(fixture.pipeline), -ENOSPC);
	pipeline_free(fixture.pipeline);
}

static void test_damaged_record(void **state)
{
	struct fixture fixture = { 0 };

	(void)state;
	begin(&fixture, 0);
	pipeline_record(fixture.pipeline, "nonsense", 8);
	assert_int_equal(pipeline_error(fixture.pipeline), -EBADMSG);
	pipeline_free(fixture.pipeline);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_observer),
		cmocka_unit_test(test_records_become_events),
		cmocka_unit_test(test_totals_count_what_event_hides),
		cmocka_unit_test(test_filter_is_behind_the_ledger),
		cmocka_unit_test(test_count_ends_it),
		cmocka_unit_test(test_first_error_is_kept),
		cmocka_unit_test(test_damaged_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
