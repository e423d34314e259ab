// SPDX-License-Identifier: BSD-2-Clause
/*
 * What sums up a span says the same of a recording as it said live: beside each other, of
 * one workload in a namespace of its own, which begins when all of them trace and ends
 * before the first is asked to stop. Each has programs of its own, which take their time
 * within what the others measure: times that the workload makes are nearly the same, of the
 * kernel's only how many there are is. (Of the same records, buckets are the same to the
 * last: tests/unit/test_measure.c)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "measured.h"
#include "net.h"
#include "recording.h"
#include "scene.h"

#define DIR "/tmp/live_same"
#define SERVER 8080
#define OTHER 8081
#define PORT 40000
#define PORTS 10
#define ROUNDS 4
#define MARKED_ROUNDS 2
#define FREE_MS 24
#define APART_NS 1000000LL /* two quantiles, and a bucket of them, which is an eighth */

/* A row for each command that is to be compared. */
static const struct figures {
	const char *command, *by;
	/* Its times are how long the kernel took, not the workload's. */
	bool kernel;
} figures[] = {
	{ "reuse", "port", false },
	{ "search", "fill", true },
	{ "search", "remote", true },
};

#define FIGURES (sizeof(figures) / sizeof(figures[0]))

/* ---- the workload ---------------------------------------------------------------- */

static int refused(int (*try)(int fd, const char *addr, int port), int port, int error)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	assert_int_equal(try(fd, NET_V4, port), error);
	return fd;
}

/* The range fills up, to one destination, then to another; it is full, and empty again. */
static void fill_and_empty(void)
{
	int fds[2 * PORTS + 3], count = 0;

	while (count < PORTS)
		fds[count++] = tcp_connect(NET_V4, SERVER);
	fds[count++] = refused(net_try_connect, SERVER, -EADDRNOTAVAIL);
	fds[count++] = refused(net_try_bind, 0, -EADDRINUSE);
	while (count < 2 * PORTS + 2)
		fds[count++] = tcp_connect(NET_V4, OTHER);
	fds[count] = net_socket(NET_V4, SOCK_DGRAM);
	assert_int_equal(net_try_send(fds[count++], NET_V4, SERVER), 0);
	while (count)
		tcp_reset(fds[--count]);
	net_age(FREE_MS);
}

static void bind_to_zero(void)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	assert_int_equal(net_try_bind(fd, NET_V4, 0), 0);
	net_close(fd);
	net_age(FREE_MS);
}

static void work(void)
{
	for (int i = 0; i < ROUNDS; i++) {
		fill_and_empty();
		bind_to_zero();
	}
}

/* ---- the same? ------------------------------------------------------------------- */

static long long sum_of(json_t *buckets)
{
	long long sum = 0;
	json_t *bucket;
	size_t i;

	json_array_foreach(buckets, i, bucket) sum += event_number(bucket, "count");
	return sum;
}

static long long below(json_t *buckets, long long limit)
{
	long long sum = 0;
	json_t *bucket;
	size_t i;

	json_array_foreach(buckets, i, bucket) if (event_number(bucket, "to_ns") < limit) sum +=
		event_number(bucket, "count");
	return sum;
}

/* A tenth may lie at an edge of its bucket, on this side of it or on that. */
static void check_buckets(const struct figures *of, json_t *live, json_t *past)
{
	long long sum = sum_of(live), apart;

	assert_int_equal(sum, sum_of(past));
	for (int power = 1; power < 62 && !of->kernel; power++) {
		apart = below(live, 1LL << power) - below(past, 1LL << power);
		if (llabs(apart) > sum / 10 + 1)
			live_fail("below %lld ns live there are %lld more than recorded",
				  1LL << power, apart);
	}
}

static void check_time(const struct figures *of, const char *key, json_t *live, json_t *past)
{
	long long a = json_integer_value(live), b = json_integer_value(past);

	assert_int_equal(json_is_null(live), json_is_null(past));
	if (!of->kernel && llabs(a - b) > APART_NS + (a > b ? a : b) / 8)
		live_fail("%s: %lld, and recorded %lld", key, a, b);
}

static void check_same(const struct figures *of, const char *key, json_t *live, json_t *past);

static void check_objects(const struct figures *of, json_t *live, json_t *past)
{
	const char *key;
	json_t *value;

	assert_int_equal(json_object_size(live), json_object_size(past));
	json_object_foreach(live, key, value)
		check_same(of, key, value, json_object_get(past, key));
}

static void check_same(const struct figures *of, const char *key, json_t *live, json_t *past)
{
	json_t *value;
	size_t i;

	must_be(past);
	if (!strcmp(key, "since") || !strcmp(key, "until"))
		return;
	if (strstr(key, "buckets")) {
		check_buckets(of, live, past);
	} else if (strstr(key, "_ns_")) {
		check_time(of, key, live, past);
	} else if (json_is_object(live)) {
		check_objects(of, live, past);
	} else if (json_is_array(live)) {
		assert_int_equal(json_array_size(live), json_array_size(past));
		json_array_foreach(live, i, value)
			check_same(of, key, value, json_array_get(past, i));
	} else if (!json_equal(live, past)) {
		live_fail("%s --by %s: %s: %s, and recorded %s", of->command, of->by, key,
			  json_dumps(live, JSON_ENCODE_ANY), json_dumps(past, JSON_ENCODE_ANY));
	}
}

/* It is not nothing that they agree on. */
static void check_reuse(json_t *reuse)
{
	json_t *all = json_object_get(reuse, "all");
	long long allocs = ROUNDS * (2 * PORTS + 2);

	event_check(all, "allocs=%lld shared=%d unknown=0", allocs, ROUNDS * PORTS);
	assert_true(event_number(all, "clean") >= (ROUNDS - 1) * PORTS);
	assert_int_equal(measured_sum(all, "buckets"), event_number(all, "clean"));
}

static void check_search(json_t *search)
{
	json_t *all = json_object_get(search, "all");

	event_check(all, "allocs=%d fails=%d", ROUNDS * (2 * PORTS + 2), ROUNDS * 2);
	/* five connects each way to each destination; bind(0) finds its own half free */
	event_check(all, "first_half=%d second_half=%d", ROUNDS * (PORTS + 1), ROUNDS * PORTS);
	event_check(json_object_get(json_object_get(search, "halves"), "none"), "allocs=%d",
		    ROUNDS);
}

static void check_fill(json_t *search)
{
	/* met with 0 to 4 held (UDP and bind(0) too), 5 to 7, 8, 9, and all */
	event_check(measured_row(search, "fill=0-49"), "allocs=%d", ROUNDS * (5 + 2));
	event_check(measured_row(search, "fill=50-79"), "allocs=%d", ROUNDS * 3);
	event_check(measured_row(search, "fill=80-89"), "allocs=%d", ROUNDS);
	event_check(measured_row(search, "fill=90-94"), "allocs=%d", ROUNDS);
	event_check(measured_row(search, "fill=99-100"), "allocs=%d fails=%d", ROUNDS * PORTS,
		    ROUNDS * 2);
}

static void a_recording_says_what_was_said_live(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), other = tcp_listen(NET_V4, OTHER);
	struct tracer *recorder, *tracers[FIGURES];
	json_t *live[FIGURES], *past;

	recording_remove(DIR);
	/* as many, and two that are reserved */
	net_range(PORT, PORT + PORTS + 1);
	net_sysctl("ipv4/ip_local_reserved_ports", "%d-%d", PORT + 4, PORT + 5);
	recorder = recording_begin(DIR);
	for (size_t i = 0; i < FIGURES; i++)
		tracers[i] =
			measured_begin(figures[i].command, scene->netns, "--by", figures[i].by);
	work();
	for (size_t i = 0; i < FIGURES; i++)
		live[i] = measured_end(tracers[i]);
	recording_end(recorder);
	for (size_t i = 0; i < FIGURES; i++) {
		past = measured_past(figures[i].command, DIR, scene->netns, "--by", figures[i].by);
		check_same(&figures[i], "", live[i], past);
		json_decref(past);
	}
	check_reuse(live[0]);
	check_search(live[1]);
	check_fill(live[1]);
	check_search(live[2]);
	for (size_t i = 0; i < FIGURES; i++)
		json_decref(live[i]);
	recording_remove(DIR);
	net_close(listener);
	net_close(other);
}

/* ---- marks (--watch) --------------------------------------------------------------- */

static char *put_until(char *out, const char *from, const char *end)
{
	memcpy(out, from, (size_t)(end - from));
	return out + (end - from);
}

/*
 * Lines of --watch about ports: without the time, and without rates, which depend on when
 * they are looked at; and without the namespace, which is not everyone's own.
 */
static char *marks_of(const char *text)
{
	char *marks = calloc(1, strlen(text) + 1), *out = marks;

	for (const char *line = text; *line; line = strchrnul(line, '\n'), line += *line != 0) {
		const char *end = strchrnul(line, '\n'), *use = strstr(line, " ports used");
		const char *who = strchr(line, ' '), *netns = strstr(line, " (netns ");
		const char *rates = strchr(line, ';'), *holders = strstr(line, "; held by ");

		if (!use || use > end)
			continue;
		must_be(who && rates && holders && holders < end);
		if (netns && netns < use) {
			out = put_until(out, who, netns);
			who = strchr(netns, ')') + 1;
		}
		out = put_until(out, who, rates);
		out = put_until(out, holders, end);
		*out++ = '\n';
	}
	return marks;
}

static void check_marks(const char *live, const char *past)
{
	for (int line = 1; *live || *past; line++) {
		int length = (int)strcspn(live, "\n"), other = (int)strcspn(past, "\n");

		if (length != other || memcmp(live, past, (size_t)length))
			live_fail("mark %d, live:%.*s; recorded:%.*s", line, length, live, other,
				  past);
		live += length + (live[length] != 0);
		past += other + (past[other] != 0);
	}
}

static void a_recording_passes_the_same_marks(struct scene *scene)
{
	int listener = tcp_listen(NET_V4, SERVER), other = tcp_listen(NET_V4, OTHER);
	struct tracer *recorder, *tracer;
	char *live, *past;

	(void)scene;
	recording_remove(DIR);
	net_range(PORT, PORT + PORTS + 1);
	net_sysctl("ipv4/ip_local_reserved_ports", "%d-%d", PORT + 4, PORT + 5);
	recorder = recording_begin(DIR);
	tracer = tracer_spawn(&(struct tracer_setup){
		.args = (const char *const[]){ "--watch", "50%", "--json", NULL }, .part = true });
	tracer_ready(tracer);
	/* no more marks than it tells at a time, should it be slow */
	for (int i = 0; i < MARKED_ROUNDS; i++)
		fill_and_empty();
	tracer_sync(tracer);
	assert_int_equal(tracer_stop(tracer), STATUS_DONE);
	live = marks_of(tracer_stderr(tracer));
	recording_end(recorder);
	tracer = tracer_run("-q", "--watch", "50%", "-r", DIR);
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	past = marks_of(tracer_stderr(tracer));
	check_marks(live, past);
	must_be(strstr(live, "5 of 10 ports used") && strstr(live, "exhausted: 10 of 10"));
	assert_true(tracer_lines(live) >= MARKED_ROUNDS * 4);
	free(live);
	free(past);
	recording_remove(DIR);
	net_close(listener);
	net_close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = { SCENE_TEST(a_recording_says_what_was_said_live),
					    SCENE_TEST(a_recording_passes_the_same_marks) };

	return cmocka_run_group_tests(tests, scene_group, scene_group_end);
}
