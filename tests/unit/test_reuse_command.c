// SPDX-License-Identifier: BSD-2-Clause
/* porttrace reuse -r, from the file to the output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "tests/unit/recordings.h"
#include "user/cmd/commands.h"

#define CURL 4242
#define WGET 99

static struct rig rig;

static void take(__u64 after, __u64 sock, __u32 pid)
{
	struct pt_rec_port rec =
		rec_port(PT_REC_ALLOC, BOOT_BEGIN + after, sock, PT_VIA_CONNECT, 443);

	rec.task.pid = pid;
	assert_int_equal(recorder_row(rig.recorder, &rec.head), 0);
}

static void give(__u64 after, __u64 sock)
{
	struct pt_rec_head rec = rec_release(BOOT_BEGIN + after, sock);

	assert_int_equal(recorder_row(rig.recorder, &rec), 0);
}

/* One port and one 4-tuple: curl, 2 ms later wget, 5 ms later curl. */
static void record_scene(void)
{
	rig_begin(&rig);
	rig.keyframe_rows = 1;
	rig_open(&rig);
	take(1 * MS, 1, CURL);
	give(2 * MS, 1);
	take(4 * MS, 2, WGET);
	give(5 * MS, 2);
	take(10 * MS, 3, CURL);
	give(11 * MS, 3);
	rig_pass(&rig, 20 * MS);
	rig_close(&rig);
}

static struct options options_of_all(void)
{
	return (struct options){ .command = COMMAND_REUSE,
				 .recording = rig.path,
				 .until_ns = PT_UNKNOWN,
				 .by = BY_PROTO,
				 .json = true };
}

static json_t *ask(struct options *options)
{
	char path[128];
	json_t *reuse;

	snprintf(path, sizeof(path), "%s/out", rig.dir);
	options->output = path;
	assert_int_equal(command_reuse_past(options), STATUS_DONE);
	reuse = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(reuse);
	return reuse;
}

static json_int_t number(json_t *reuse, const char *object, const char *key)
{
	return json_integer_value(json_object_get(json_object_get(reuse, object), key));
}

static void check(struct options options, json_int_t allocs, json_int_t clean, __u64 clean_max,
		  json_int_t tuples, __u64 tuple_max)
{
	json_t *reuse = ask(&options);

	assert_int_equal(number(reuse, "all", "allocs"), allocs);
	assert_int_equal(number(reuse, "all", "clean"), clean);
	assert_int_equal(number(reuse, "all", "reuse_ns_max"), clean_max);
	assert_int_equal(number(reuse, "tuples", "count"), tuples);
	assert_int_equal(number(reuse, "tuples", "reuse_ns_max"), tuple_max);
	json_decref(reuse);
}

static void test_all(void **state)
{
	(void)state;
	record_scene();
	check(options_of_all(), 3, 2, 5 * MS, 2, 5 * MS);
	rig_end(&rig);
}

/* wget's use of the 4-tuple is not wanted, but known: it is not 8 ms. */
static void test_of_a_process(void **state)
{
	struct options options;

	(void)state;
	record_scene();
	options = options_of_all();
	filter_add_u32(&options.filter.pids, CURL);
	check(options, 2, 1, 5 * MS, 1, 5 * MS);
	options = options_of_all();
	filter_add_u32(&options.filter.pids, WGET);
	check(options, 1, 1, 2 * MS, 1, 2 * MS);
	options = options_of_all();
	port_set_add(&options.filter.ports, 60610);
	options.filter.has_ports = true;
	check(options, 0, 0, 0, 0, 0);
	rig_end(&rig);
}

/* What ended before the span is known in it. */
static void test_span(void **state)
{
	struct options options;

	(void)state;
	record_scene();
	options = options_of_all();
	options.since_ns = WALL_BEGIN + 7 * MS;
	check(options, 1, 1, 5 * MS, 1, 5 * MS);
	options = options_of_all();
	options.until_ns = WALL_BEGIN + 7 * MS;
	check(options, 2, 1, 2 * MS, 1, 2 * MS);
	rig_end(&rig);
}

/* Nobody recorded for a while: what was used then is not known. */
static void test_two_runs(void **state)
{
	(void)state;
	record_scene();
	rig_open(&rig);
	take(30 * MS, 4, CURL);
	give(31 * MS, 4);
	take(32 * MS, 5, CURL);
	rig_pass(&rig, 20 * MS);
	rig_close(&rig);
	check(options_of_all(), 5, 3, 5 * MS, 3, 5 * MS);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_of_a_process),
		cmocka_unit_test(test_span),
		cmocka_unit_test(test_two_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
