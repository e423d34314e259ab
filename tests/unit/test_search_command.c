// SPDX-License-Identifier: BSD-2-Clause
/* porttrace search -r, from the file to the output. */
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

#define LOW 60000 /* ten ports, and two in the second run */
#define CURL 4242
#define WGET 99
#define RANGE "\"ranges\":[{\"netns\":4026531840,\"netns_cookie\":\"1\",\"low\":60000,\"high\":"
#define US 1000ULL

static struct rig rig;
static const char *about;
static unsigned int held; /* in the keyframe, from LOW on */

static char *describe(void *data)
{
	(void)data;
	return strdup(about);
}

/* A STATE, and `held` ports. */
static void keyframe(void *data, recorder_row_fn fn, void *fn_data)
{
	struct pt_rec_journal state = {
		.head = { .kind = PT_JR_STATE, .version = PT_ABI_VERSION, .size = sizeof(state) }
	};

	(void)data;
	fn(fn_data, &state.head);
	for (unsigned int i = 0; i < held; i++) {
		struct pt_rec_journal hold = {
			.head = rec_head((enum pt_kind)PT_JR_HOLD, sizeof(hold), BOOT_BEGIN,
					 900 + i),
			.via = PT_VIA_FIXED,
		};

		hold.head.flags = PT_J_SOCK_OPEN;
		hold.head.port = (__u16)(LOW + i);
		fn(fn_data, &hold.head);
	}
}

static void begin(void)
{
	rig_begin(&rig);
	rig.options.keyframe = keyframe;
	rig.options.describe = describe;
	about = RANGE "60009,\"reserved\":0}]";
	held = 4;
	rig_open(&rig);
}

static void search(enum pt_kind kind, __u64 after, __u16 port, __u32 pid, __u64 ns)
{
	struct pt_rec_port rec =
		rec_port(kind, BOOT_BEGIN + after, after, PT_VIA_CONNECT, (__u16)(400 + pid % 7));

	rec.head.port = port;
	rec.head.flags = PT_F_SEARCHED;
	rec.task.pid = pid;
	rec.search_ns = ns;
	rec.error = kind == PT_REC_FAIL ? -99 : 0;
	assert_int_equal(recorder_row(rig.recorder, &rec.head), 0);
}

/* Four of ten are held; four more are taken, the last in the other half; one is refused. */
static void record_scene(void)
{
	begin();
	search(PT_REC_ALLOC, 1 * MS, LOW + 4, CURL, 1 * US);
	search(PT_REC_ALLOC, 2 * MS, LOW + 6, CURL, 2 * US);
	search(PT_REC_ALLOC, 3 * MS, LOW + 8, WGET, 4 * US);
	search(PT_REC_ALLOC, 4 * MS, LOW + 5, WGET, 40 * US);
	search(PT_REC_FAIL, 5 * MS, 0, CURL, 80 * US);
	rig_pass(&rig, 20 * MS);
	rig_close(&rig);
}

static struct options options_by(enum options_by by)
{
	return (struct options){ .command = COMMAND_SEARCH,
				 .recording = rig.path,
				 .until_ns = PT_UNKNOWN,
				 .by = by,
				 .json = true };
}

static json_t *ask(struct options options)
{
	char path[128];
	json_t *search;

	snprintf(path, sizeof(path), "%s/out", rig.dir);
	options.output = path;
	assert_int_equal(command_search_past(&options), STATUS_DONE);
	search = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(search);
	return search;
}

static json_int_t number(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void check_all(json_t *search, json_int_t allocs, json_int_t first, __u64 max,
		      json_int_t fails)
{
	json_t *all = json_object_get(search, "all");

	assert_int_equal(number(all, "allocs"), allocs);
	assert_int_equal(number(all, "first_half"), first);
	assert_int_equal(number(all, "search_ns_max"), max);
	assert_int_equal(number(all, "fails"), fails);
}

/* How many allocations and refusals there are in the row of that fill. */
static json_int_t at(json_t *search, const char *fill)
{
	json_t *row;
	size_t i;

	json_array_foreach(json_object_get(search, "rows"), i, row)
	{
		const char *is = json_string_value(json_object_get(row, "fill"));

		if (fill ? is && !strcmp(is, fill) : !is)
			return number(row, "allocs") + number(row, "fails");
	}
	return 0;
}

static void test_all(void **state)
{
	json_t *search;

	(void)state;
	record_scene();
	search = ask(options_by(BY_PROTO));
	check_all(search, 4, 3, 40 * US, 1);
	json_decref(search);
	rig_end(&rig);
}

static void test_by_fill(void **state)
{
	json_t *search;

	(void)state;
	record_scene();
	search = ask(options_by(BY_FILL));
	assert_int_equal(at(search, "0-49"), 1);
	assert_int_equal(at(search, "50-79"), 3);
	assert_int_equal(at(search, "80-89"), 1); /* refused: 8 of 10 */
	json_decref(search);
	rig_end(&rig);
}

/* What others hold fills the range, whatever the filter or the span is. */
static void test_filter(void **state)
{
	struct options options;
	json_t *search;

	(void)state;
	record_scene();
	options = options_by(BY_FILL);
	filter_add_u32(&options.filter.pids, CURL);
	options.since_ns = WALL_BEGIN + 2 * MS;
	search = ask(options);
	check_all(search, 1, 1, 2 * US, 1);
	assert_int_equal(at(search, "50-79"), 1);
	assert_int_equal(at(search, "80-89"), 1);
	json_decref(search);
	options = options_by(BY_FILL);
	port_set_add(&options.filter.ports, LOW + 8);
	options.filter.has_ports = true;
	options.until_ns = WALL_BEGIN + 4 * MS;
	search = ask(options);
	check_all(search, 1, 1, 4 * US, 0);
	assert_int_equal(at(search, "50-79"), 1);
	json_decref(search);
	rig_end(&rig);
}

/* Another run has another range, and other holds. */
static void test_two_runs(void **state)
{
	json_t *search_json;

	(void)state;
	record_scene();
	about = RANGE "60001,\"reserved\":0}]";
	held = 1;
	rig_open(&rig);
	search(PT_REC_ALLOC, 30 * MS, LOW + 1, CURL, 1 * US);
	search(PT_REC_FAIL, 31 * MS, 0, CURL, 80 * US);
	rig_pass(&rig, 20 * MS);
	rig_close(&rig);
	search_json = ask(options_by(BY_FILL));
	check_all(search_json, 5, 3, 40 * US, 2);
	assert_int_equal(at(search_json, "50-79"), 4);
	assert_int_equal(at(search_json, "99-100"), 1);
	json_decref(search_json);
	rig_end(&rig);
}

/* Which ports are reserved is told: of the others two of seven are held, then three. */
static void test_reserved(void **state)
{
	json_t *search_json;

	(void)state;
	begin();
	rig_close(&rig);
	about = RANGE "60009,\"reserved\":3,\"reserved_ports\":\"60000-60001,60009\"}]";
	rig_open(&rig);
	search(PT_REC_ALLOC, 1 * MS, LOW + 4, CURL, 1 * US);
	search(PT_REC_ALLOC, 2 * MS, LOW + 6, CURL, 1 * US);
	search(PT_REC_ALLOC, 3 * MS, LOW + 8, CURL, 1 * US);
	rig_pass(&rig, 20 * MS);
	rig_close(&rig);
	search_json = ask(options_by(BY_FILL));
	assert_int_equal(at(search_json, "0-49"), 2);
	assert_int_equal(at(search_json, "50-79"), 1);
	json_decref(search_json);
	rig_end(&rig);
}

/* Which ports are reserved is not told, or not of all. */
static void test_unknown(void **state)
{
	json_t *search_json;

	(void)state;
	begin();
	rig_close(&rig);
	about = RANGE "60009,\"reserved\":3}]";
	rig_open(&rig);
	search(PT_REC_ALLOC, 1 * MS, LOW + 4, CURL, 1 * US);
	rig_pass(&rig, 20 * MS);
	rig_close(&rig);
	about = RANGE "60009,\"reserved\":3,\"reserved_ports\":\"60000,70000\"}]";
	rig_open(&rig);
	search(PT_REC_ALLOC, 30 * MS, LOW + 4, CURL, 1 * US);
	rig_pass(&rig, 20 * MS);
	rig_close(&rig);
	search_json = ask(options_by(BY_FILL));
	check_all(search_json, 2, 2, 1 * US, 0);
	assert_int_equal(at(search_json, NULL), 2);
	json_decref(search_json);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),	 cmocka_unit_test(test_by_fill),
		cmocka_unit_test(test_filter),	 cmocka_unit_test(test_two_runs),
		cmocka_unit_test(test_reserved), cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
