// SPDX-License-Identifier: BSD-2-Clause
/*
 * A flight recorder: nothing is on the disk until ports run out, or somebody asks; then
 * what was before is there, once, and what follows.
 */
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "net.h"
#include "recording.h"
#include "scene.h"

#define DIR "/tmp/live_flight"
#define SERVER 8080
#define LOW 40000
#define RANGE 100
#define EARLY 60609 /* by UDP, before anything is written */
#define LATE 60610  /* the same after that */
#define LAST 60611

static void bind_and_close(int port)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);

	must_be(net_try_bind(fd, NET_V4, port) == 0);
	net_close(fd);
}

static size_t segments(void)
{
	glob_t found;
	size_t count;

	if (glob(DIR "/*.ptr", 0, NULL, &found))
		return 0;
	count = found.gl_pathc;
	globfree(&found);
	return count;
}

/* Allocated and freed, once. */
static void check_once(json_t *events, int port)
{
	events_one(events, "event=alloc port=%d", port);
	events_one(events, "event=free port=%d", port);
}

/* From its first event to its last nothing is missing. */
static void check_whole(void)
{
	struct tracer *replay = tracer_run("-r", DIR);

	assert_int_equal(tracer_exit(replay), STATUS_DONE);
	assert_null(strstr(tracer_stderr(replay), "nothing is known"));
	assert_null(strstr(tracer_stderr(replay), "missing"));
}

struct full {
	int listener, fds[RANGE];
};

static struct full fill_range(int count)
{
	struct full full = { .listener = tcp_listen(NET_V4, SERVER) };

	net_range(LOW, LOW + RANGE - 1);
	for (int i = 0; i < count; i++)
		full.fds[i] = tcp_connect(NET_V4, SERVER);
	return full;
}

static void empty_range(struct full *full, int count)
{
	for (int i = 0; i < count; i++)
		tcp_reset(full->fds[i]);
	net_close(full->listener);
}

static void refuse_one(void)
{
	int fd = net_socket(NET_V4, SOCK_STREAM);

	assert_int_equal(net_try_connect(fd, NET_V4, SERVER), -EADDRNOTAVAIL);
	net_close(fd);
}

/* What the commands say of it. */
static void check_commands(void)
{
	struct tracer *tracer = tracer_run("history", "60609", "-r", DIR);

	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	assert_non_null(strstr(tracer_stdout(tracer), SCENE_COMM));
	tracer = tracer_run("report", "-r", DIR, "--by", "process");
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	assert_non_null(strstr(tracer_stdout(tracer), SCENE_COMM));
}

static void check_exhaustion(ino_t netns)
{
	json_t *events = recording_events(DIR, netns);

	check_once(events, EARLY);
	check_once(events, LATE);
	check_once(events, LAST);
	assert_int_equal(events_count(events, "event=alloc via=connect"), RANGE);
	assert_int_equal(events_count(events, "event=fail port=0 errno=EADDRNOTAVAIL"), 2);
	for (int port = LOW; port < LOW + RANGE; port++)
		check_once(events, port);
	json_decref(events);
}

static void ports_run_out(struct scene *scene)
{
	struct tracer *recorder;
	struct full full;

	recording_remove(DIR);
	recorder = recording_begin(DIR, "--memory", "4M", "--dump-on", "exhaustion");
	bind_and_close(EARLY);
	full = fill_range(RANGE);
	net_age(1500); /* a recorder that writes has it on the disk by then */
	assert_int_equal(segments(), 0);
	refuse_one();
	tracer_wait_stderr(recorder,
			   "\nporttrace: no port left for tcp 127.0.0.1 to 127.0.0.1:8080: ");
	tracer_wait_stderr(recorder, "written to " DIR ", as is what comes within 60s\n");
	assert_true(segments() > 0);
	/* what follows is there without asking */
	bind_and_close(LATE);
	refuse_one();
	json_decref(recording_wait(DIR, scene->netns, "event=free port=%d", LATE));
	check_commands();
	tracer_signal(recorder, SIGUSR2);
	tracer_wait_stderr(recorder, "SIGUSR2: what comes is written at once now\n");
	empty_range(&full, RANGE);
	bind_and_close(LAST);
	recording_end(recorder);
	check_exhaustion(scene->netns);
	check_whole();
	recording_remove(DIR);
}

static void a_mark_is_passed(struct scene *scene)
{
	struct tracer *recorder;
	struct full full;
	json_t *events;

	recording_remove(DIR);
	net_range(LOW, LOW + RANGE - 1); /* before the snapshot reads it */
	recorder = recording_begin(DIR, "--memory", "4M", "--dump-on", "headroom=50%");
	full = fill_range(RANGE / 2 + 1);
	tracer_wait_stderr(recorder, "\nporttrace: headroom: ");
	tracer_wait_stderr(recorder, "written to " DIR);
	events = recording_wait(DIR, scene->netns, "event=alloc port=%d", net_port(full.fds[0]));
	json_decref(events);
	empty_range(&full, RANGE / 2 + 1);
	recording_end(recorder);
	recording_remove(DIR);
}

/* As often as one likes; each time what is new. */
static void somebody_asks(struct scene *scene)
{
	struct tracer *recorder;
	json_t *events;

	recording_remove(DIR);
	recorder = recording_begin(DIR, "--memory", "4M");
	bind_and_close(EARLY);
	net_age(1500);
	assert_int_equal(segments(), 0);
	tracer_signal(recorder, SIGUSR2);
	tracer_wait_stderr(recorder, "porttrace: SIGUSR2: ");
	tracer_wait_stderr(recorder, "written to " DIR "\n");
	assert_int_equal(segments(), 1);
	bind_and_close(LATE);
	net_age(1500);
	assert_int_equal(segments(), 1);
	events = recording_events(DIR, scene->netns);
	check_once(events, EARLY);
	assert_int_equal(events_count(events, "port=%d", LATE), 0);
	json_decref(events);
	tracer_signal(recorder, SIGUSR2);
	json_decref(recording_wait(DIR, scene->netns, "event=free port=%d", LATE));
	bind_and_close(LAST);
	assert_int_equal(tracer_stop(recorder), STATUS_DONE);
	assert_non_null(strstr(tracer_stderr(recorder), "porttrace: end: "));
	assert_int_equal(segments(), 3);
	events = recording_events(DIR, scene->netns);
	check_once(events, EARLY);
	check_once(events, LATE);
	check_once(events, LAST);
	json_decref(events);
	check_whole();
	recording_remove(DIR);
}

/* Not when it is too late. */
static void it_is_told_at_once(struct scene *scene)
{
	struct tracer *recorder = tracer_run("record", "-w", "/tmp/x.ptr", "--memory", "4M");

	(void)scene;
	assert_int_equal(tracer_exit(recorder), STATUS_USAGE);
	assert_non_null(strstr(tracer_stderr(recorder), "/tmp/x.ptr is a file"));
	recorder = tracer_run("record", "-w", "/proc/flight", "--memory", "4M");
	assert_int_equal(tracer_exit(recorder), STATUS_ERROR);
	assert_non_null(strstr(tracer_stderr(recorder), "/proc/flight"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(ports_run_out),
		SCENE_TEST(a_mark_is_passed),
		SCENE_TEST(somebody_asks),
		SCENE_TEST(it_is_told_at_once),
	};

	return cmocka_run_group_tests(tests, scene_group, scene_group_end);
}
