// SPDX-License-Identifier: BSD-2-Clause
#include "tracer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_env.h"
#include "fail.h"
#include "stream.h"

#define NS_PER_MS 1000000ULL
/* Loading takes seconds under emulation, with sanitizers more. */
#define READY_MS 60000
#define EXIT_MS 60000
#define EVENT_MS 10000

#define TRACERS_MAX 32
#define ARGS_MAX 32
#define PATTERN_MAX 512
/* Events of a failed test that go to the log: the last ones. */
#define DUMP_MAX 50
#define SYNC_PORT 9

struct text {
	char *bytes; /* NUL-terminated */
	size_t length;
};

struct tracer {
	pid_t pid;
	int status;   /* -1: it runs */
	int out, err; /* -1: ended */
	bool is_text;
	struct text out_text, err_text;
	size_t line_begin; /* of out_text: before it every line was taken */
	struct stream *stream;
	json_t **events;
	size_t count;
	size_t scope_begin, next;
	ino_t netns;
	char args[PATTERN_MAX];
};

static struct tracer *tracers[TRACERS_MAX];
static size_t tracers_count;

static void text_append(struct text *text, const char *bytes, size_t length)
{
	text->bytes = realloc(text->bytes, text->length + length + 1);
	must_be(text->bytes);
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	text->bytes[text->length] = 0;
}

static const char *program(void)
{
	const char *path = getenv("PORTTRACE");

	if (path)
		return path;
	return access("./porttrace", X_OK) ? "/usr/bin/porttrace" : "./porttrace";
}

static noreturn void exec_tracer(const struct tracer_setup *setup, int out, int err)
{
	const char *argv[ARGS_MAX] = { program() };

	for (int i = 0; setup->args[i] && i + 2 < ARGS_MAX; i++)
		argv[i + 1] = setup->args[i];
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(setup->out ? setup->out : out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	if (setup->uid && (setgid(setup->uid) || setuid(setup->uid)))
		_exit(126);
	execv(argv[0], (char *const *)argv);
	dprintf(STDERR_FILENO, "%s: %m\n", argv[0]);
	_exit(127);
}

static void remember_args(struct tracer *tracer, const char *const *args)
{
	size_t used = 0;

	for (; *args && used < sizeof(tracer->args); args++)
		used += snprintf(tracer->args + used, sizeof(tracer->args) - used, " %s", *args);
}

struct tracer *tracer_spawn(const struct tracer_setup *setup)
{
	struct tracer *tracer = calloc(1, sizeof(*tracer));
	int out[2], err[2];

	must_be(tracer && tracers_count < TRACERS_MAX);
	tracers[tracers_count++] = tracer;
	must(pipe2(out, O_CLOEXEC));
	must(pipe2(err, O_CLOEXEC));
	tracer->status = -1;
	tracer->is_text = setup->text;
	tracer->stream = stream_new(!setup->part);
	remember_args(tracer, setup->args);
	text_append(&tracer->out_text, "", 0);
	text_append(&tracer->err_text, "", 0);
	tracer->pid = must(fork());
	if (!tracer->pid)
		exec_tracer(setup, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	tracer->out = out[0];
	tracer->err = err[0];
	must(fcntl(out[0], F_SETFL, O_NONBLOCK));
	must(fcntl(err[0], F_SETFL, O_NONBLOCK));
	return tracer;
}

static void take_line(struct tracer *tracer, const char *line)
{
	json_t *event = stream_take(tracer->stream, line);

	if (!event)
		return;
	tracer->events = realloc(tracer->events, (tracer->count + 1) * sizeof(*tracer->events));
	must_be(tracer->events);
	tracer->events[tracer->count++] = event;
}

static void take_lines(struct tracer *tracer)
{
	char *line = tracer->out_text.bytes + tracer->line_begin, *end;

	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		take_line(tracer, line);
		*end = '\n';
	}
	tracer->line_begin = line - tracer->out_text.bytes;
}

/* Returns false at the end of the file. */
static bool drain(int fd, struct text *text)
{
	char buffer[65536];
	ssize_t length;

	while ((length = read(fd, buffer, sizeof(buffer))) > 0)
		text_append(text, buffer, length);
	return length && errno == EAGAIN;
}

static void drain_or_close(int *fd, struct text *text)
{
	if (*fd < 0 || drain(*fd, text))
		return;
	close(*fd);
	*fd = -1;
}

/* Waits for output until the deadline; returns false if none can come any more. */
static bool tracer_read(struct tracer *tracer, uint64_t deadline)
{
	struct pollfd ready[] = { { .fd = tracer->out, .events = POLLIN },
				  { .fd = tracer->err, .events = POLLIN } };
	uint64_t now = net_boottime();

	if ((tracer->out < 0 && tracer->err < 0) || now >= deadline)
		return false;
	must(poll(ready, 2, (int)((deadline - now) / NS_PER_MS) + 1));
	drain_or_close(&tracer->out, &tracer->out_text);
	drain_or_close(&tracer->err, &tracer->err_text);
	if (!tracer->is_text)
		take_lines(tracer);
	return true;
}

static uint64_t deadline_in(unsigned int ms)
{
	return net_boottime() + ms * NS_PER_MS;
}

static bool says_tracing(const struct tracer *tracer)
{
	const char *text = tracer->err_text.bytes;

	return !strncmp(text, "Tracing", 7) || strstr(text, "\nTracing");
}

void tracer_ready(struct tracer *tracer)
{
	uint64_t deadline = deadline_in(READY_MS);

	while (!says_tracing(tracer))
		if (!tracer_read(tracer, deadline))
			live_fail("porttrace%s never said 'Tracing', but:\n%s", tracer->args,
				  tracer->err_text.bytes);
}

struct tracer *tracer_begin(bool part, const char *const *args)
{
	struct tracer *tracer = tracer_spawn(&(struct tracer_setup){ .args = args, .part = part });

	tracer_ready(tracer);
	return tracer;
}

struct tracer *tracer_run_args(const char *const *args)
{
	struct tracer *tracer = tracer_spawn(&(struct tracer_setup){ .args = args, .text = true });

	tracer_exit(tracer);
	return tracer;
}

pid_t tracer_pid(const struct tracer *tracer)
{
	return tracer->pid;
}

void tracer_signal(struct tracer *tracer, int signal)
{
	must(kill(tracer->pid, signal));
}

int tracer_exit(struct tracer *tracer)
{
	uint64_t deadline = deadline_in(EXIT_MS);
	int status;

	if (tracer->status >= 0)
		return tracer->status;
	while (tracer_read(tracer, deadline))
		;
	if (tracer->out >= 0 || tracer->err >= 0)
		live_fail("porttrace%s does not end", tracer->args);
	must(waitpid(tracer->pid, &status, 0));
	tracer->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	if (!tracer->is_text && tracer->out_text.bytes[tracer->line_begin])
		live_fail("the last line has no end: %s",
			  tracer->out_text.bytes + tracer->line_begin);
	return tracer->status;
}

int tracer_stop(struct tracer *tracer)
{
	if (tracer->status < 0)
		tracer_signal(tracer, SIGINT);
	if (tracer_exit(tracer) == STATUS_AUDIT)
		live_fail("the ledger is not what the kernel has: %s", tracer_stderr(tracer));
	return tracer->status;
}

static void tracer_destroy(struct tracer *tracer)
{
	if (tracer->status < 0) {
		kill(tracer->pid, SIGKILL);
		waitpid(tracer->pid, NULL, 0);
	}
	if (tracer->out >= 0)
		close(tracer->out);
	if (tracer->err >= 0)
		close(tracer->err);
	for (size_t i = 0; i < tracer->count; i++)
		json_decref(tracer->events[i]);
	free(tracer->events);
	free(tracer->out_text.bytes);
	free(tracer->err_text.bytes);
	stream_free(tracer->stream);
	free(tracer);
}

void tracer_free(struct tracer *tracer)
{
	for (size_t i = 0; i < tracers_count; i++) {
		if (tracers[i] != tracer)
			continue;
		tracers[i] = tracers[--tracers_count];
		tracer_destroy(tracer);
		return;
	}
}

void tracer_free_all(size_t keep)
{
	while (tracers_count > keep)
		tracer_destroy(tracers[--tracers_count]);
}

const char *tracer_stderr(const struct tracer *tracer)
{
	return tracer->err_text.bytes;
}

const char *tracer_stdout(const struct tracer *tracer)
{
	return tracer->out_text.bytes;
}

size_t tracer_lines(const char *text)
{
	size_t lines = 0;

	for (; *text; text++)
		lines += *text == '\n';
	return lines;
}

void tracer_wait_stdout(struct tracer *tracer, const char *what)
{
	uint64_t deadline = deadline_in(EVENT_MS);

	while (!strstr(tracer->out_text.bytes, what))
		if (!tracer_read(tracer, deadline))
			live_fail("stdout never had '%s'", what);
}

void tracer_wait_stderr(struct tracer *tracer, const char *what)
{
	uint64_t deadline = deadline_in(EVENT_MS);

	while (!strstr(tracer->err_text.bytes, what))
		if (!tracer_read(tracer, deadline))
			live_fail("stderr never had '%s', but:\n%s", what, tracer->err_text.bytes);
}

void tracer_scope(struct tracer *tracer, ino_t netns)
{
	tracer->netns = netns;
	tracer->scope_begin = tracer->next = tracer->count;
}

void tracer_scope_all(struct tracer *tracer)
{
	tracer->netns = 0;
	tracer->scope_begin = tracer->next = 0;
}

static bool value_reads(const json_t *value, const char *wanted)
{
	char text[32];

	if (json_is_string(value))
		return !strcmp(json_string_value(value), wanted);
	if (json_is_integer(value))
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
	else
		snprintf(text, sizeof(text), "%s",
			 json_is_null(value)	? "null"
			 : json_is_true(value)	? "true"
			 : json_is_false(value) ? "false"
						: "(none)");
	return !strcmp(text, wanted);
}

/*
 * Returns whether the event fits; if not, copies the "key=value" that does not
 * into miss, which has as many bytes as pattern.
 */
static bool fits(const json_t *event, const char *pattern, char *miss)
{
	char *state, *token, *value;

	strcpy(miss, pattern);
	for (token = strtok_r(miss, " ", &state); token; token = strtok_r(NULL, " ", &state)) {
		value = strchr(token, '=');
		if (!value)
			live_fail("'%s' is no pattern", pattern);
		*value = 0;
		if (!value_reads(json_object_get(event, token), value + 1)) {
			*value = '=';
			memmove(miss, token, strlen(token) + 1);
			return false;
		}
		*value = '=';
	}
	return true;
}

bool event_fits(const json_t *event, const char *pattern)
{
	char miss[PATTERN_MAX];

	must_be(strlen(pattern) < sizeof(miss));
	return fits(event, pattern, miss);
}

static void format_pattern(char pattern[PATTERN_MAX], const char *fmt, va_list args)
{
	must_be(vsnprintf(pattern, PATTERN_MAX, fmt, args) < PATTERN_MAX);
}

static bool in_scope(const struct tracer *tracer, const json_t *event)
{
	json_int_t netns = json_integer_value(json_object_get(event, "netns"));

	return !tracer->netns || (ino_t)netns == tracer->netns;
}

static json_t *find_next(struct tracer *tracer, const char *pattern)
{
	char miss[PATTERN_MAX];

	while (tracer->next < tracer->count) {
		json_t *event = tracer->events[tracer->next++];

		if (in_scope(tracer, event) && fits(event, pattern, miss))
			return event;
	}
	return NULL;
}

static json_t *wait_next(struct tracer *tracer, const char *pattern)
{
	uint64_t deadline = deadline_in(EVENT_MS);
	size_t begin = tracer->next;
	json_t *event;

	while (!(event = find_next(tracer, pattern)))
		if (!tracer_read(tracer, deadline))
			live_fail("no event fits '%s' (after the first %zu)", pattern, begin);
	tracer_check_stream(tracer);
	return event;
}

json_t *tracer_expect(struct tracer *tracer, const char *fmt, ...)
{
	char pattern[PATTERN_MAX];
	va_list args;

	va_start(args, fmt);
	format_pattern(pattern, fmt, args);
	va_end(args);
	return wait_next(tracer, pattern);
}

void tracer_poll(struct tracer *tracer, unsigned int ms)
{
	uint64_t deadline = deadline_in(ms);

	while (tracer_read(tracer, deadline))
		;
}

void tracer_rewind(struct tracer *tracer)
{
	tracer->next = tracer->scope_begin;
}

int tracer_count(struct tracer *tracer, const char *fmt, ...)
{
	char pattern[PATTERN_MAX], miss[PATTERN_MAX];
	int count = 0;
	va_list args;

	va_start(args, fmt);
	format_pattern(pattern, fmt, args);
	va_end(args);
	for (size_t i = tracer->scope_begin; i < tracer->count; i++)
		count += in_scope(tracer, tracer->events[i]) &&
			 fits(tracer->events[i], pattern, miss);
	return count;
}

void tracer_sync(struct tracer *tracer)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);
	size_t next = tracer->next;
	ino_t netns = tracer->netns;
	char pattern[PATTERN_MAX];

	must((errno = -net_try_bind(fd, NET_V4, SYNC_PORT)) ? -1 : 0);
	net_close(fd);
	snprintf(pattern, sizeof(pattern), "event=free proto=udp port=%d netns=%lu", SYNC_PORT,
		 (unsigned long)net_inode());
	tracer->netns = 0;
	tracer->next = tracer->count;
	wait_next(tracer, pattern);
	tracer->netns = netns;
	tracer->next = next;
}

void event_check(json_t *event, const char *fmt, ...)
{
	char pattern[PATTERN_MAX], miss[PATTERN_MAX];
	va_list args;
	char *line;

	va_start(args, fmt);
	format_pattern(pattern, fmt, args);
	va_end(args);
	if (fits(event, pattern, miss))
		return;
	line = json_dumps(event, JSON_COMPACT);
	print_error("%s\n", line);
	free(line);
	live_fail("that event is not %s", miss);
}

long long event_number(json_t *event, const char *field)
{
	json_t *value = json_object_get(event, field);

	if (!json_is_integer(value))
		live_fail("'%s' is no number", field);
	return json_integer_value(value);
}

const char *event_text(json_t *event, const char *field)
{
	json_t *value = json_object_get(event, field);

	if (!json_is_string(value))
		live_fail("'%s' is no text", field);
	return json_string_value(value);
}

void event_check_ns(json_t *event, const char *field, struct span begin, struct span end)
{
	uint64_t ns = event_number(event, field);
	uint64_t least = end.before - begin.after, most = end.after - begin.before;

	if (ns < least || ns > most)
		live_fail("%s is %llu ns; by the test's clock it is between %llu and %llu", field,
			  (unsigned long long)ns, (unsigned long long)least,
			  (unsigned long long)most);
}

void tracer_check_stream(struct tracer *tracer)
{
	const char *complaints = stream_complaints(tracer->stream);

	if (*complaints)
		live_fail("the stream of porttrace%s is wrong:\n%s", tracer->args, complaints);
}

size_t tracer_open(const struct tracer *tracer)
{
	return stream_open(tracer->stream);
}

bool tracer_ended(const struct tracer *tracer)
{
	return stream_ended(tracer->stream);
}

json_t *tracer_last(const struct tracer *tracer)
{
	return tracer->count ? tracer->events[tracer->count - 1] : NULL;
}

static void tracer_dump(const struct tracer *tracer)
{
	size_t begin = tracer->scope_begin;

	print_error("porttrace%s, pid %d, %s; stderr:\n%s\n", tracer->args, tracer->pid,
		    tracer->status < 0 ? "running" : "ended", tracer->err_text.bytes);
	if (tracer->is_text)
		print_error("stdout:\n%s\n", tracer->out_text.bytes);
	if (tracer->count > begin + DUMP_MAX) {
		print_error("... %zu events ...\n", tracer->count - begin - DUMP_MAX);
		begin = tracer->count - DUMP_MAX;
	}
	for (size_t i = begin; i < tracer->count; i++) {
		char *line = json_dumps(tracer->events[i], JSON_COMPACT);

		print_error("%4zu%s %s\n", i + 1, in_scope(tracer, tracer->events[i]) ? "" : "*",
			    line);
		free(line);
	}
}

void tracer_dump_all(void)
{
	for (size_t i = 0; i < tracers_count; i++)
		tracer_dump(tracers[i]);
}
