// SPDX-License-Identifier: BSD-2-Clause
/* The command line: what is wrong, how it ends, where output goes. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actor.h"
#include "net.h"
#include "scene.h"

#define NOBODY 65534

static void bind_and_close(int port)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);

	assert_int_equal(net_try_bind(fd, NET_V4, port), 0);
	net_close(fd);
}

static void assert_contains(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("there is no '%s' in:\n%s", part, text);
}

/* Nothing on stdout, one line on stderr that names who speaks. */
static void check_refusal(struct tracer *tracer, int status)
{
	assert_int_equal(tracer_exit(tracer), status);
	assert_string_equal(tracer_stdout(tracer), "");
	assert_int_equal(strncmp(tracer_stderr(tracer), "porttrace: ", 11), 0);
	assert_int_equal(tracer_lines(tracer_stderr(tracer)), 1);
}

static void wrong_usage(struct scene *scene)
{
	/* What is wrong, and a word that the message must have. */
	static const char *const wrong[][3] = {
		{ "--port", "0", "0" },
		{ "--port", "65536", "65536" },
		{ "--port", "12abc", "12abc" },
		{ "--port", "5-3", "5-3" },
		{ "--port", "-1", "--port" },
		{ "--port", "1,,2", "--port" },
		{ "--port", "", "--port" },
		{ "-P", "99999999999999999999", "--port" },
		{ "--remote-port", "0x50", "0x50" },
		{ "--remote", "1.2.3.4/33", "33" },
		{ "--remote", "localhost", "localhost" },
		{ "--pid", "12abc", "12abc" },
		{ "--pid", "2147483646", "2147483646" },
		{ "--uid", "nosuchuser", "nosuchuser" },
		{ "--netns", "nosuchnetns", "nosuchnetns" },
		{ "--netns", "/proc/self/ns/mnt", "/proc/self/ns/mnt" },
		{ "--cgroup", "/nosuchcgroup", "/nosuchcgroup" },
		{ "--proto", "sctp", "sctp" },
		{ "--event", "allocs", "allocs" },
		{ "--via", "magic", "magic" },
		{ "--count", "0", "--count" },
		{ "--count", "-5", "--count" },
		{ "--duration", "10 parsecs", "parsecs" },
		{ "--duration", "0s", "--duration" },
		{ "--buffer-size", "1", "--buffer-size" },
		{ "--color", "blue", "blue" },
		{ "--port", NULL, "--port" },
		{ "--nonsense", NULL, "--nonsense" },
		{ "-Z", NULL, "-Z" },
		{ "frobnicate", NULL, "frobnicate" },
		{ "trace", "frobnicate", "frobnicate" },
	};

	(void)scene;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct tracer *tracer = tracer_run(wrong[i][0], wrong[i][1]);

		check_refusal(tracer, STATUS_USAGE);
		assert_contains(tracer_stderr(tracer), wrong[i][2]);
		tracer_free(tracer);
	}
}

/* A message must not hand on what a terminal would obey. */
static void a_hostile_argument_is_escaped(struct scene *scene)
{
	struct tracer *tracer = tracer_run("--port", "\x1b[31m\n1");
	const char *c = tracer_stderr(tracer);

	(void)scene;
	check_refusal(tracer, STATUS_USAGE);
	for (; *c != '\n'; c++)
		assert_false(iscntrl((unsigned char)*c));
}

static void help_and_version(struct scene *scene)
{
	static const char *const options[] = { "--port",     "--remote-port", "--remote", "--pid",
					       "--comm",     "--uid",	      "--cgroup", "--netns",
					       "--proto",    "--event",	      "--via",	  "--json",
					       "--duration", "--count",	      "doctor" };
	struct tracer *help = tracer_run("--help"), *version = tracer_run("-V");

	(void)scene;
	assert_int_equal(tracer_exit(help), STATUS_DONE);
	assert_string_equal(tracer_stderr(help), "");
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		assert_contains(tracer_stdout(help), options[i]);
	assert_int_equal(tracer_exit(version), STATUS_DONE);
	assert_int_equal(strncmp(tracer_stdout(version), "porttrace ", 10), 0);
	assert_int_equal(tracer_lines(tracer_stdout(version)), 1);
}

static void without_privileges(struct scene *scene)
{
	struct tracer *tracer = tracer_spawn(&(struct tracer_setup){
		.args = (const char *const[]){ NULL }, .text = true, .uid = NOBODY });

	(void)scene;
	assert_int_equal(tracer_exit(tracer), STATUS_REFUSED);
	assert_string_equal(tracer_stdout(tracer), "");
	assert_contains(tracer_stderr(tracer), "porttrace: ");
	assert_contains(tracer_stderr(tracer), "CAP_BPF");
	assert_contains(tracer_stderr(tracer), "doctor");
	assert_true(tracer_lines(tracer_stderr(tracer)) <= 2);
	assert_null(strstr(tracer_stderr(tracer), "Tracing"));
}

static void a_doctor_for_root(struct scene *scene)
{
	struct tracer *tracer = tracer_run("doctor");

	(void)scene;
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	assert_string_equal(tracer_stderr(tracer), "");
	assert_contains(tracer_stdout(tracer), "kernel");
	assert_contains(tracer_stdout(tracer), "BTF");
	assert_contains(tracer_stdout(tracer), "32768-60999");
	assert_null(strstr(tracer_stdout(tracer), "MISSING"));
}

static void a_doctor_for_others(struct scene *scene)
{
	struct tracer *tracer = tracer_spawn(
		&(struct tracer_setup){ .args = (const char *const[]){ "doctor", "--json", NULL },
					.text = true,
					.uid = NOBODY });
	json_t *report;

	(void)scene;
	assert_int_equal(tracer_exit(tracer), STATUS_REFUSED);
	assert_contains(tracer_stdout(tracer), "CAP_BPF");
	report = json_loads(tracer_stdout(tracer), JSON_REJECT_DUPLICATES, NULL);
	assert_true(json_is_object(report));
	json_decref(report);
}

/*
 * The rest needs a tracer each. Attaching takes longer the more there is to
 * attach, and UDP is enough here.
 */
static struct tracer *text_tracer(const char *const *args)
{
	struct tracer *tracer = tracer_spawn(&(struct tracer_setup){ .args = args, .text = true });

	tracer_ready(tracer);
	return tracer;
}

#define TEXT(...) text_tracer((const char *const[]){ "--proto", "udp", ##__VA_ARGS__, NULL })

static void check_table(const char *table)
{
	static const char *const titles[] = {
		"TIME", "EVENT", "PROTO", "LOCAL", "REMOTE", "PID",
		"COMM", "HOW",	 "OPEN",  "HELD",  "REUSED", "HOLDERS"
	};
	char pid[16];

	snprintf(pid, sizeof(pid), " %d ", getpid());
	assert_int_equal(tracer_lines(table), 5);
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		table = strstr(table, titles[i]);
		assert_non_null(table);
	}
	assert_contains(table, "127.0.0.1:60609");
	assert_contains(table, "udp4");
	assert_contains(table, "fixed");
	assert_contains(table, "live_test");
	assert_contains(table, pid);
	assert_null(strchr(table, '\x1b'));
}

/* Ctrl-C ends it in peace, with totals beside the table. */
static void the_table_and_the_totals(struct scene *scene)
{
	struct tracer *tracer = TEXT("--port", "60609");

	(void)scene;
	bind_and_close(60609);
	bind_and_close(60609);
	tracer_signal(tracer, SIGINT);
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	check_table(tracer_stdout(tracer));
	assert_contains(tracer_stderr(tracer), "Port 60609: ");
	assert_contains(tracer_stderr(tracer), "2 allocations");
	assert_contains(tracer_stderr(tracer), "\n60609 ");
	assert_contains(tracer_stderr(tracer), "live_test");
}

static void a_duration_ends_it_in_colour(struct scene *scene)
{
	struct tracer *tracer = TEXT("--duration", "1s", "--color", "always");

	(void)scene;
	bind_and_close(60609);
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	assert_contains(tracer_stdout(tracer), "\x1b[");
	assert_contains(tracer_stdout(tracer), "127.0.0.1:60609");
	assert_contains(tracer_stderr(tracer), "1 allocation");
}

static int bind_60609(int line, void *arg)
{
	(void)line;
	(void)arg;
	bind_and_close(60609);
	return 0;
}

static void check_harmless(const char *text)
{
	assert_null(strstr(text, "\xc2\x9b"));
	for (; *text; text++)
		assert_false(iscntrl((unsigned char)*text) && *text != '\n');
}

static void hostile_names_in_the_table(struct scene *scene)
{
	static const char *const names[] = { "\x1b[2Jx", "a\nfree\r",
					     "\x9b"
					     "31m",
					     "\xc2\x9b"
					     "31m" };
	struct tracer *tracer = TEXT("--color", "never");
	size_t count = sizeof(names) / sizeof(names[0]);
	struct actor actor;

	(void)scene;
	for (size_t i = 0; i < count; i++) {
		actor_start(&actor, names[i], bind_60609, NULL);
		actor_join(&actor);
	}
	tracer_stop(tracer);
	check_harmless(tracer_stdout(tracer));
	check_harmless(tracer_stderr(tracer));
	assert_int_equal(tracer_lines(tracer_stdout(tracer)), 1 + 2 * count);
	assert_contains(tracer_stdout(tracer), "\\x1b[2Jx");
}

static void a_closed_stdout_ends_it(struct scene *scene)
{
	struct tracer *tracer;
	int out[2];

	(void)scene;
	must(pipe2(out, O_CLOEXEC));
	tracer = tracer_spawn(&(struct tracer_setup){
		.args = (const char *const[]){ "--json", "--proto", "udp", NULL },
		.text = true,
		.out = out[1] });
	close(out[1]);
	tracer_ready(tracer);
	close(out[0]);
	bind_and_close(60609);
	/* `porttrace | head` is no crash, and needs no more than a line. */
	assert_int_equal(tracer_exit(tracer), STATUS_ERROR);
	assert_contains(tracer_stderr(tracer), "porttrace: standard output: ");
}

static char *read_file(const char *path)
{
	size_t size = 1 << 20;
	char *text = calloc(1, size);
	FILE *file = fopen(path, "re");

	must_be(text && file);
	must_be(fread(text, 1, size - 1, file) > 0);
	fclose(file);
	return text;
}

static void output_to_a_file_until_sigterm(struct scene *scene)
{
	static const char path[] = "/tmp/live_out.json";
	struct tracer *tracer = TEXT("--json", "-P", "60609", "-o", path);
	char *text, *line, *state;
	int lines = 0;

	(void)scene;
	bind_and_close(60609);
	tracer_signal(tracer, SIGTERM);
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	assert_string_equal(tracer_stdout(tracer), "");
	text = read_file(path);
	for (line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
		json_t *event = json_loads(line, 0, NULL);

		assert_non_null(event);
		json_decref(event);
		lines++;
	}
	assert_int_equal(lines, 3);
	free(text);
	unlink(path);
}

static void an_output_that_cannot_be_opened(struct scene *scene)
{
	(void)scene;
	check_refusal(tracer_run("-o", "/nonexistent/file"), STATUS_ERROR);
	check_refusal(tracer_run("--json", "-o", "/"), STATUS_ERROR);
}

/* The line that says why it ended early; there is one. */
static void check_disk_full(struct tracer *tracer, const char *path)
{
	const char *text, *why;
	char begin[64];

	assert_int_equal(tracer_exit(tracer), STATUS_ERROR);
	text = tracer_stderr(tracer);
	snprintf(begin, sizeof(begin), "porttrace: %s: ", path);
	why = strstr(text, begin);
	assert_non_null(why);
	assert_contains(why, "No space left on device");
	assert_null(strstr(why + 1, "porttrace: "));
}

static void a_full_device(struct scene *scene)
{
	struct tracer *tracer = TEXT("--json", "-o", "/dev/full");

	(void)scene;
	bind_and_close(60609);
	check_disk_full(tracer, "/dev/full");
}

static void a_full_disk(struct scene *scene)
{
	static const char directory[] = "/tmp/live_small", path[] = "/tmp/live_small/out";
	struct tracer *tracer;
	struct stat status;

	(void)scene;
	mkdir(directory, 0755);
	must(mount("none", directory, "tmpfs", 0, "size=16k"));
	tracer = TEXT("--json", "-o", path);
	for (int i = 0; i < 100; i++)
		bind_and_close(60609);
	check_disk_full(tracer, path);
	must(stat(path, &status));
	assert_int_equal(status.st_size, 16384);
	/* What is there, and that it ends amid a line, is said. */
	assert_contains(tracer_stderr(tracer), "16384");
	must(umount2(directory, MNT_DETACH));
	rmdir(directory);
}

/* Stopped while more comes than its buffer holds. */
static struct tracer *lose_events(void)
{
	struct tracer *tracer = tracer_whole("--proto", "udp", "--buffer-size", "64K", "--strict");

	tracer_signal(tracer, SIGSTOP);
	for (int i = 0; i < 1000; i++)
		bind_and_close(60609);
	tracer_signal(tracer, SIGCONT);
	/* Room comes as it reads; what is lost before goes to the loss. */
	for (int tries = 0; tries < 100 && !tracer_count(tracer, "event=free port=60610");
	     tries++) {
		bind_and_close(60610);
		tracer_poll(tracer, 100);
	}
	return tracer;
}

static void a_loss_is_told(struct scene *scene)
{
	struct tracer *tracer = lose_events();
	int lost, told = 0;

	(void)scene;
	assert_int_equal(tracer_stop(tracer), STATUS_LOST);
	tracer_check_stream(tracer);
	lost = event_number(tracer_last(tracer), "lost");
	/* Without cookies (5.10) the third witness of a release may tell it once more. */
	assert_in_range(lost, 100, 3300);
	assert_int_equal(event_number(tracer_last(tracer), "attempted"),
			 event_number(tracer_last(tracer), "delivered") + lost);
	tracer_rewind(tracer);
	for (int left = tracer_count(tracer, "event=lost"); left; left--)
		told += event_number(tracer_expect(tracer, "event=lost"), "count");
	assert_int_equal(told, lost);
	tracer_rewind(tracer);
	tracer_expect(tracer, "event=lost");
	tracer_expect(tracer, "event=alloc port=60610 reuse=unknown reuse_ns=null holders=null");
	assert_contains(tracer_stderr(tracer), "lost");
}

/* What is in the buffer when the signal comes is shown all the same. */
static void the_buffer_is_read_at_the_end(struct scene *scene)
{
	struct tracer *tracer = tracer_whole("--proto", "udp", "--strict");

	(void)scene;
	tracer_signal(tracer, SIGSTOP);
	for (int i = 0; i < 500; i++)
		bind_and_close(60609);
	tracer_signal(tracer, SIGINT);
	tracer_signal(tracer, SIGCONT);
	assert_int_equal(tracer_exit(tracer), STATUS_DONE);
	tracer_check_stream(tracer);
	assert_int_equal(tracer_count(tracer, "event=alloc port=60609"), 500);
	assert_int_equal(tracer_count(tracer, "event=free port=60609"), 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(wrong_usage),
		SCENE_TEST(a_hostile_argument_is_escaped),
		SCENE_TEST(help_and_version),
		SCENE_TEST(without_privileges),
		SCENE_TEST(a_doctor_for_root),
		SCENE_TEST(a_doctor_for_others),
		SCENE_TEST(an_output_that_cannot_be_opened),
		SCENE_TEST(the_table_and_the_totals),
		SCENE_TEST(a_duration_ends_it_in_colour),
		SCENE_TEST(hostile_names_in_the_table),
		SCENE_TEST(a_closed_stdout_ends_it),
		SCENE_TEST(output_to_a_file_until_sigterm),
		SCENE_TEST(a_full_device),
		SCENE_TEST(a_full_disk),
		SCENE_TEST(a_loss_is_told),
		SCENE_TEST(the_buffer_is_read_at_the_end),
	};

	return cmocka_run_group_tests(tests, scene_group, scene_group_end);
}
