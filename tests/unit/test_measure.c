// SPDX-License-Identifier: BSD-2-Clause
/*
 * The commands of cmd/measure.h say of a recording what they say of the same records
 * live, to the last bucket.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <jansson.h>

#include "tests/support/synthetic.h"
#include "tests/unit/capture.h"
#include "tests/unit/recordings.h"
#include "user/cmd/commands.h"
#include "user/pipeline/pipeline.h"
#include "user/sink/reuse.h"
#include "user/sink/search.h"

#define RECORDS 40000
#define NETNS_MAX 8

/* What is asked live, and the command that asks a recording the same. */
struct question {
	enum options_command command;
	enum options_by by;
	enum keyed_by keyed_by;
};

struct live {
	struct sink base;
	const struct question *question;
	struct reuse *reuse;
	struct search *search;
	struct pipeline *pipeline;
	struct pt_space netns[NETNS_MAX];
	size_t netns_count;
};

static struct rig rig;
static const struct filter all;

/* ---- namespaces ------------------------------------------------------------------- */

/* All there will be have a range, which segments tell, too. */
static void learn_netns(struct live *live, const struct pt_rec_head *head)
{
	for (size_t i = 0; i < live->netns_count; i++)
		if (live->netns[i].netns_cookie == head->netns_cookie)
			return;
	assert_true(live->netns_count < NETNS_MAX);
	live->netns[live->netns_count++] =
		(struct pt_space){ .netns_cookie = head->netns_cookie, .netns = head->netns };
}

static char *describe(void *data)
{
	const struct live *live = data;
	char text[4096];
	int len = snprintf(text, sizeof(text), "\"ranges\":[");

	for (size_t i = 0; i < live->netns_count; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len,
				"%s{\"netns\":%u,\"netns_cookie\":\"%llu\",\"low\":32768,"
				"\"high\":34767,\"reserved\":0}",
				i ? "," : "", live->netns[i].netns, live->netns[i].netns_cookie);
	snprintf(text + len, sizeof(text) - (size_t)len, "]");
	return strdup(text);
}

static void set_ranges(const struct live *live)
{
	for (size_t i = 0; i < live->netns_count; i++) {
		const struct fill_range range = { live->netns[i].netns_cookie, live->netns[i].netns,
						  32768, 34767, .whole = true };

		assert_int_equal(fill_set_range(live->search->fill, &range), 0);
	}
}

/* ---- live -------------------------------------------------------------------------- */

static int on_event(struct sink *sink, const struct pt_event *ev)
{
	struct live *live = (struct live *)sink;

	return live->reuse ? reuse_event(live->reuse, ev, true)
			   : search_event(live->search, ev, true);
}

static const struct sink_ops ops = { .event = on_event };

static void on_row(void *data, const struct pt_rec_head *row)
{
	(void)data;
	assert_int_equal(recorder_row(rig.recorder, row), 0);
}

static void begin(struct live *live)
{
	live->base.ops = &ops;
	if (live->question->command == COMMAND_REUSE)
		live->reuse = reuse_new(
			&(struct reuse_options){ live->question->keyed_by, .until = ~0ULL });
	else
		live->search = search_new(
			&(struct search_options){ live->question->keyed_by, .until = ~0ULL });
	live->pipeline =
		pipeline_new(&(struct pipeline_options){ .filter = &all, .sink = &live->base });
	assert_true((live->reuse || live->search) && live->pipeline);
	pipeline_set_clock(live->pipeline, WALL_BEGIN - BOOT_BEGIN);
}

/* The same load each time: recorded, and taken as it comes, with a loss in the middle. */
static void run(struct live *live)
{
	struct synthetic *load = synthetic_new(7);
	union block_row *rows = calloc(RECORDS, sizeof(*rows));

	assert_true(load && rows);
	for (size_t i = 0; i < RECORDS; i++) {
		synthetic_next(load, &rows[i]);
		learn_netns(live, &rows[i].head);
		rows[i].head.lost = i > RECORDS / 2 ? 5 : 0;
	}
	if (live->search)
		set_ranges(live);
	rig.boot = rows[0].head.ts;
	rig.wall = rig.boot + (WALL_BEGIN - BOOT_BEGIN);
	rig.keyframe_rows = 0;
	rig_open(&rig);
	pipeline_set_tap(live->pipeline, on_row, NULL);
	for (size_t i = 0; i < RECORDS; i++)
		pipeline_record(live->pipeline, &rows[i], rows[i].head.size);
	assert_int_equal(pipeline_error(live->pipeline), 0);
	rig_pass(&rig, rows[RECORDS - 1].head.ts - rig.boot);
	rig_close(&rig);
	synthetic_free(load);
	free(rows);
}

static json_t *parsed(char *text)
{
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	assert_non_null(object);
	free(text);
	/* that of live tracing is its own */
	json_object_del(object, "since");
	json_object_del(object, "until");
	return object;
}

static json_t *said_live(struct live *live)
{
	struct out out;

	capture_begin(&out);
	if (live->reuse)
		reuse_write_json(&out, live->reuse, 0);
	else
		search_write_json(&out, live->search, 0);
	pipeline_free(live->pipeline);
	reuse_free(live->reuse);
	search_free(live->search);
	return parsed(capture_end(&out));
}

/* ---- past -------------------------------------------------------------------------- */

static json_t *said_past(const struct question *question)
{
	char path[128], *text;
	struct options options = { .command = question->command,
				   .recording = rig.path,
				   .until_ns = PT_UNKNOWN,
				   .by = question->by,
				   .json = true,
				   .output = path };
	json_t *object;

	snprintf(path, sizeof(path), "%s/out", rig.dir);
	assert_int_equal(question->command == COMMAND_REUSE ? command_reuse_past(&options)
							    : command_search_past(&options),
			 STATUS_DONE);
	object = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(object);
	text = json_dumps(object, 0);
	json_decref(object);
	return parsed(text);
}

static json_int_t number(json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void check(const struct question *question)
{
	struct live live = { .question = question };
	json_t *now, *past;

	rig_begin(&rig);
	rig.options.describe = describe;
	rig.options.describe_data = &live;
	begin(&live);
	run(&live);
	now = said_live(&live);
	past = said_past(question);
	assert_true(number(json_object_get(now, "all"), "allocs") > RECORDS / 4);
	assert_true(number(now, "rows_total") > 1);
	assert_int_equal(number(now, "lost"), 5);
	assert_true(json_equal(now, past));
	json_decref(now);
	json_decref(past);
	rig_end(&rig);
}

static void test_reuse(void **state)
{
	(void)state;
	check(&(struct question){ COMMAND_REUSE, BY_PROTO, KEYED_BY_PROTO });
	check(&(struct question){ COMMAND_REUSE, BY_PORT, KEYED_BY_PORT });
	check(&(struct question){ COMMAND_REUSE, BY_PROCESS, KEYED_BY_PROCESS });
}

static void test_search(void **state)
{
	(void)state;
	check(&(struct question){ COMMAND_SEARCH, BY_FILL, KEYED_BY_FILL });
	check(&(struct question){ COMMAND_SEARCH, BY_REMOTE, KEYED_BY_REMOTE });
	check(&(struct question){ COMMAND_SEARCH, BY_NETNS, KEYED_BY_NETNS });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
