// SPDX-License-Identifier: BSD-2-Clause
/* What is replayed is what was shown live, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <time.h>

#include "tests/unit/capture.h"
#include "tests/unit/recordings.h"
#include "user/cmd/recorded.h"

#define STEPS 20000
#define PORTS 24
#define PORT_BEGIN 60600

typedef int (*sink_new)(struct out *out, const struct sink_context *ctx, struct sink **sink);

/* A live pipeline into a sink, and what it takes into a recording. */
struct live {
	struct rig rig;
	struct filter filter;
	struct sink *sink;
	struct out out;
	struct pipeline *pipeline;
	__u64 sock; /* the last one */
	__u64 random;
	/* whose socket has which port: 0 nobody's; waits: in TIME_WAIT */
	__u64 holders[PORTS];
	bool waits[PORTS];
};

static void tap(void *data, const struct pt_rec_head *row)
{
	assert_int_equal(recorder_row(((struct live *)data)->rig.recorder, row), 0);
}

static void keyframe(void *data, recorder_row_fn fn, void *fn_data)
{
	pipeline_keyframe(((struct live *)data)->pipeline, fn, fn_data);
}

/* Segments that are soon full: the ledger is saved and loaded again and again. */
static void begin(struct live *live, sink_new make)
{
	static const struct sink_context context = { .netns = false };

	*live = (struct live){ .random = 20261122 };
	rig_begin(&live->rig);
	live->rig.options.keyframe = keyframe;
	live->rig.options.keyframe_data = live;
	live->rig.options.segment_size = 8192;
	capture_begin(&live->out);
	assert_int_equal(make(&live->out, &context, &live->sink), 0);
	live->pipeline = pipeline_new(
		&(struct pipeline_options){ .filter = &live->filter, .sink = live->sink });
	assert_non_null(live->pipeline);
	pipeline_set_clock(live->pipeline, WALL_BEGIN - BOOT_BEGIN);
	rig_open(&live->rig);
	pipeline_set_tap(live->pipeline, tap, live);
}

/* Returns what was shown, to be freed. */
static char *end(struct live *live)
{
	rig_close(&live->rig);
	assert_true(rig_file(&live->rig, 0, NULL) > 3);
	assert_int_equal(pipeline_error(live->pipeline), 0);
	pipeline_free(live->pipeline);
	assert_int_equal(sink_end(live->sink), 0);
	return capture_end(&live->out);
}

/* ---- a workload --------------------------------------------------------------- */

static unsigned int dice(struct live *live, unsigned int sides)
{
	live->random = live->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)(live->random >> 33) % sides;
}

#define send(live, rec) pipeline_record((live)->pipeline, &(rec), sizeof(rec))

static void allocate(struct live *live, unsigned int n)
{
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, live->rig.boot, ++live->sock,
					  n % 3 ? PT_VIA_CONNECT : PT_VIA_FIXED, 443);

	rec.head.port = (__u16)(PORT_BEGIN + n);
	rec.search_ns = 300 + dice(live, 5000);
	rec.task.pid = rec.task.tid = 4000 + n % 5;
	snprintf(rec.task.comm, sizeof(rec.task.comm), "service-%u", n % 5);
	live->holders[n] = live->sock;
	send(live, rec);
}

static void refuse(struct live *live, unsigned int n)
{
	struct pt_rec_port rec =
		rec_port(PT_REC_FAIL, live->rig.boot, ++live->sock, PT_VIA_FIXED, 0);

	rec.head.port = (__u16)(PORT_BEGIN + n);
	rec.error = -EADDRINUSE;
	send(live, rec);
}

static void wait_on(struct live *live, unsigned int n)
{
	struct pt_rec_tuple rec = rec_tw_begin(live->rig.boot, live->holders[n],
					       0xffff888000000000ULL + live->holders[n] * 64, 443);

	rec.head.port = (__u16)(PORT_BEGIN + n);
	live->waits[n] = true;
	send(live, rec);
}

static void expire(struct live *live, unsigned int n)
{
	struct pt_rec_tw_end rec =
		rec_tw_end(live->rig.boot, live->holders[n],
			   0xffff888000000000ULL + live->holders[n] * 64, PT_F_EXPIRED);

	rec.head.port = (__u16)(PORT_BEGIN + n);
	live->holders[n] = 0;
	live->waits[n] = false;
	send(live, rec);
}

static void release(struct live *live, unsigned int n)
{
	struct pt_rec_head rec = rec_release(live->rig.boot, live->holders[n]);

	rec.port = (__u16)(PORT_BEGIN + n);
	live->holders[n] = 0;
	send(live, rec);
}

static void step(struct live *live)
{
	unsigned int n = dice(live, PORTS);

	if (!live->holders[n])
		allocate(live, n);
	else if (live->waits[n])
		expire(live, n);
	else if (!dice(live, 4))
		refuse(live, n);
	else if (dice(live, 3))
		release(live, n);
	else
		wait_on(live, n);
	rig_pass(&live->rig, 100 + dice(live, 20 * MS));
}

/* ---- the replay --------------------------------------------------------------- */

static char *replay(const char *path, sink_new make, __u64 since)
{
	static const struct sink_context context = { .netns = false };
	struct options options = { .recording = path, .since_ns = since, .until_ns = PT_UNKNOWN };
	struct recorded recorded = { 0 };
	struct sink *sink;
	struct out out;

	capture_begin(&out);
	assert_int_equal(make(&out, &context, &sink), 0);
	assert_int_equal(recorded_open(&recorded, &options), STATUS_DONE);
	assert_int_equal(recorded_attach(&recorded, sink, RECORDED_SPAN), STATUS_DONE);
	assert_int_equal(recorded_play(&recorded, NULL), 0);
	assert_int_equal(recorded_conclude(&recorded, 0), STATUS_DONE);
	assert_int_equal(sink_end(sink), 0);
	recorded_close(&recorded);
	return capture_end(&out);
}

static void check(sink_new make, __u64 lost)
{
	char *shown, *replayed;
	struct live live;

	begin(&live, make);
	for (unsigned int i = 0; i < STEPS; i++) {
		step(&live);
		if (lost && i == STEPS / 2)
			pipeline_lost(live.pipeline, lost, live.rig.boot);
	}
	shown = end(&live);
	assert_true(strlen(shown) > STEPS);
	replayed = replay(live.rig.path, make, 0);
	assert_string_equal(replayed, shown);
	free(shown);
	free(replayed);
	rig_end(&live.rig);
}

static void test_table(void **state)
{
	(void)state;
	check(sink_table_new, 0);
}

static void test_json(void **state)
{
	(void)state;
	check(sink_json_new, 0);
}

static void test_csv(void **state)
{
	(void)state;
	check(sink_csv_new, 0);
}

/* What was lost has its line, and what is not known after it is not known again. */
static void test_a_loss(void **state)
{
	(void)state;
	check(sink_table_new, 7);
	check(sink_json_new, 7);
}

/* The first line of that time or later; the text's end if there is none. */
static const char *from(const char *text, __u64 wall)
{
	char ts[64];
	time_t seconds = (time_t)(wall / SEC);
	struct tm tm;

	strftime(ts, sizeof(ts), "{\"ts\":\"%FT%T", gmtime_r(&seconds, &tm));
	snprintf(ts + strlen(ts), sizeof(ts) - strlen(ts), ".%09lluZ", wall % SEC);
	while (*text && strncmp(text, ts, strlen(ts)) < 0)
		text = strchr(text, '\n') + 1;
	return text;
}

/* From anywhere on: what was before is known from a keyframe. */
static void test_a_span(void **state)
{
	char *shown, *replayed;
	struct live live;
	__u64 passed;

	(void)state;
	begin(&live, sink_json_new);
	for (unsigned int i = 0; i < STEPS; i++)
		step(&live);
	passed = live.rig.wall - WALL_BEGIN;
	shown = end(&live);
	for (unsigned int i = 1; i < 16; i++) {
		__u64 since = WALL_BEGIN + passed / 16 * i;

		replayed = replay(live.rig.path, sink_json_new, since);
		assert_string_equal(replayed, from(shown, since));
		free(replayed);
	}
	free(shown);
	rig_end(&live.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),  cmocka_unit_test(test_json),
		cmocka_unit_test(test_csv),    cmocka_unit_test(test_a_loss),
		cmocka_unit_test(test_a_span),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
