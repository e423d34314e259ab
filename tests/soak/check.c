// SPDX-License-Identifier: BSD-2-Clause
/*
 * check [--hold] [--loss] [--nice] [--buffer-size SIZE] [--keep FILE] -- WALK [OPTIONS]
 *
 * Traces the walk and holds every line that porttrace writes against what must
 * be true of any (stream.c) and against what the walk knows (score.c). Lines
 * are judged as they come: a long walk writes more than a guest has room for.
 *
 * --hold  stops the tracer while all sockets are open
 * --loss  stops it now and then during the walk, so that the buffer overflows;
 *         a second, short walk must then be told without a fault
 * --nice  the walk gives way to the tracer, its threads are preempted all the time
 * --keep  where the last lines go if something is wrong
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/fail.h"
#include "tests/live/net.h"
#include "tests/live/stream.h"
#include "tests/soak/score.h"

#define COUNTS "/tmp/walk.counts"
#define COUNTS_AFTER "/tmp/walk-after.counts"
#define ARGS_MAX 32
#define READ_MAX (1 << 20)
#define KEPT_MAX (96 << 20)
/* Lines that are kept after the one that is wrong. */
#define KEPT_AFTER 50000

#define NS_PER_MS 1000000ULL
#define READY_MS 120000
/* The longest that a port outlives its last socket: a TIME_WAIT. */
#define SETTLE_MS 75000
#define QUIET_MS 500
/* How long the walk may run ahead of its events; how long none comes when all are read. */
#define BURST_MS 1000
#define BURST_SMALL_MS 10
#define LAG_MS 150
/* How often and for how long the tracer is stopped, to lose records. */
#define LOSS_EVERY_MS 3000
#define LOSS_MS 500
/* How long 18 threads keep one of them from going on. */
#define PREEMPTED_NS 1000000000LL
#define PROBE_PORT 9
#define PROBE_MS 250
#define RESYNC_MS 60000

struct check {
	bool hold, loss, nice;
	unsigned int burst_ms;
	const char *buffer_size, *keep;
	char **walk_args;
	pid_t tracer, walk;
	int out, err; /* of the tracer */
	int walk_in, walk_out;
	char *pending; /* a line whose end is yet to come, behind the lines read */
	size_t pending_len;
	char *kept; /* the last lines: a ring */
	uint64_t kept_len;
	int keep_on; /* lines, after a complaint; -1: none yet */
	char errors[65536];
	struct stream *stream;
	struct score *score;
	json_t *summary;
	size_t lines, lost_lines;
	uint64_t last_line; /* when it came, ns */
	bool probed;	    /* an event of the own probe told holders */
	bool wrong;
};

static bool is_over(uint64_t deadline)
{
	return net_boottime() >= deadline;
}

static uint64_t in_ms(uint64_t ms)
{
	return net_boottime() + ms * NS_PER_MS;
}

static void complain(struct check *check, const char *what)
{
	fprintf(stderr, "check: %s\n", what);
	check->wrong = true;
}

/* ---- lines ------------------------------------------------------------------- */

static void keep_line(struct check *check, const char *line, size_t length)
{
	if (!check->keep || !check->keep_on)
		return;
	if (check->keep_on > 0)
		check->keep_on--;
	for (size_t i = 0; i <= length; i++)
		check->kept[check->kept_len++ % KEPT_MAX] = i < length ? line[i] : '\n';
}

static void write_kept(const struct check *check)
{
	FILE *file;
	uint64_t at = check->kept_len > KEPT_MAX ? check->kept_len - KEPT_MAX : 0;

	if (!check->keep)
		return;
	file = fopen(check->keep, "we");
	if (!file)
		live_fail("%s: %m", check->keep);
	for (; at < check->kept_len; at++)
		putc(check->kept[at % KEPT_MAX], file);
	fclose(file);
}

static bool is_probe(const json_t *event)
{
	return json_integer_value(json_object_get(event, "pid")) == getpid() &&
	       json_is_integer(json_object_get(event, "holders"));
}

static void take_line(struct check *check, const char *line, size_t length)
{
	json_t *event = stream_take(check->stream, line);
	const char *complaints = stream_complaints(check->stream), *kind;

	check->lines++;
	check->last_line = net_boottime();
	keep_line(check, line, length);
	if (*complaints) {
		/* one fault may bring many; the first ones tell */
		if (check->keep_on < 0)
			check->keep_on = KEPT_AFTER;
		if (!check->wrong)
			fprintf(stderr, "check: %s%s\n", complaints, line);
		check->wrong = true;
	}
	if (!event)
		return;
	kind = json_string_value(json_object_get(event, "event"));
	check->lost_lines += kind && !strcmp(kind, "lost");
	check->probed |= is_probe(event);
	score_event(check->score, event);
	if (kind && !strcmp(kind, "summary"))
		check->summary = json_incref(event);
	json_decref(event);
}

static void take_lines(struct check *check)
{
	char *line = check->pending, *end, *stop = check->pending + check->pending_len;

	while ((end = memchr(line, '\n', stop - line))) {
		*end = 0;
		take_line(check, line, end - line);
		line = end + 1;
	}
	check->pending_len = stop - line;
	memmove(check->pending, line, check->pending_len);
}

static void read_out(struct check *check)
{
	ssize_t length;

	check->pending = realloc(check->pending, check->pending_len + READ_MAX);
	must_be(check->pending);
	length = must(read(check->out, check->pending + check->pending_len, READ_MAX));
	if (!length) {
		close(check->out);
		check->out = -1;
		return;
	}
	check->pending_len += length;
	take_lines(check);
}

static void read_err(struct check *check)
{
	size_t used = strlen(check->errors);
	ssize_t length =
		must(read(check->err, check->errors + used, sizeof(check->errors) - 1 - used));

	if (length)
		return;
	close(check->err);
	check->err = -1;
}

/* Waits for output of the tracer, at most so long. */
static void read_some(struct check *check, int ms)
{
	struct pollfd ready[] = { { .fd = check->out, .events = POLLIN },
				  { .fd = check->err, .events = POLLIN } };

	must(poll(ready, 2, ms));
	if (ready[1].revents)
		read_err(check);
	if (ready[0].revents)
		read_out(check);
}

static void read_until(struct check *check, uint64_t deadline)
{
	for (uint64_t now = net_boottime(); now < deadline; now = net_boottime())
		read_some(check, (int)((deadline - now) / NS_PER_MS) + 1);
}

static void await_quiet(struct check *check, int ms)
{
	uint64_t since = net_boottime();

	do {
		read_some(check, ms);
		if (check->last_line > since)
			since = check->last_line;
	} while (net_boottime() < since + ms * NS_PER_MS);
}

/* ---- the tracer -------------------------------------------------------------- */

static const char *program(void)
{
	const char *path = getenv("PORTTRACE");

	return path ? path : "/usr/bin/porttrace";
}

static noreturn void exec_tracer(const struct check *check, int out, int err)
{
	const char *args[ARGS_MAX] = { program(), "--json", "--audit", "-v" };
	int count = 4;

	if (check->buffer_size) {
		args[count++] = "--buffer-size";
		args[count++] = check->buffer_size;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execv(args[0], (char *const *)args);
	dprintf(STDERR_FILENO, "%s: %m\n", args[0]);
	_exit(127);
}

static void tracer_begin(struct check *check)
{
	uint64_t deadline = in_ms(READY_MS);
	int out[2], err[2];

	must(pipe2(out, O_CLOEXEC));
	must(pipe2(err, O_CLOEXEC));
	fcntl(out[0], F_SETPIPE_SZ, READ_MAX);
	check->tracer = must(fork());
	if (!check->tracer)
		exec_tracer(check, out[1], err[1]);
	close(out[1]);
	close(err[1]);
	check->out = out[0];
	check->err = err[0];
	while (!strstr(check->errors, "Tracing")) {
		if (is_over(deadline) || check->err < 0)
			live_fail("porttrace does not trace:\n%s", check->errors);
		read_some(check, 1000);
	}
}

static void tracer_end(struct check *check)
{
	int status;

	must(kill(check->tracer, SIGINT));
	while (check->out >= 0 || check->err >= 0)
		read_some(check, -1);
	must(waitpid(check->tracer, &status, 0));
	if (check->pending_len)
		complain(check, "the last line has no end");
	if (!stream_ended(check->stream))
		complain(check, "the last line is not the summary");
	if (!status)
		return;
	fprintf(stderr, "check: porttrace ended with wait status %#x\n%s\n", status, check->errors);
	check->wrong = true;
}

/* ---- the walk ---------------------------------------------------------------- */

/* Such that the smallest buffer holds what it does in one burst, and at its end. */
static const char *const small_walk[] = { "--steps",   "1000", "--processes", "2",
					  "--threads", "1",    NULL };

static noreturn void exec_walk(char *const *args, const char *counts, bool few, bool nice, int in,
			       int out)
{
	const char *all[ARGS_MAX];
	int count = 0;

	while (args[count] && count < ARGS_MAX - 12) {
		all[count] = args[count];
		count++;
	}
	all[count++] = "--counts";
	all[count++] = counts;
	/* getopt_long() takes the last of each */
	for (int i = 0; few && small_walk[i]; i++)
		all[count++] = small_walk[i];
	all[count] = NULL;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* so that all of it can be stopped at once */
	setpgid(0, 0);
	if (nice)
		setpriority(PRIO_PROCESS, 0, 19);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	execvp(all[0], (char *const *)all);
	dprintf(STDERR_FILENO, "%s: %m\n", all[0]);
	_exit(127);
}

static void walk_begin(struct check *check, const char *counts, bool few)
{
	int in[2], out[2];

	unlink(counts);
	must(pipe2(in, O_CLOEXEC));
	must(pipe2(out, O_CLOEXEC | O_NONBLOCK));
	check->walk = must(fork());
	if (!check->walk)
		exec_walk(check->walk_args, counts, few, check->nice, in[0], out[1]);
	setpgid(check->walk, check->walk);
	close(in[0]);
	close(out[1]);
	check->walk_in = in[1];
	check->walk_out = out[0];
}

/* Whether the walk said that it holds its sockets, or has ended. */
static bool walk_is_there(struct check *check)
{
	char byte;

	return read(check->walk_out, &byte, 1) >= 0 || errno != EAGAIN;
}

/* The tracer sleeps while the buffer runs over. */
static void lose_some(struct check *check)
{
	must(kill(check->tracer, SIGSTOP));
	read_until(check, in_ms(LOSS_MS));
	must(kill(check->tracer, SIGCONT));
	read_until(check, in_ms(LOSS_EVERY_MS));
}

/* Whoever stops comes to rest outside of the kernel: no program is left half way. */
static void catch_up(struct check *check)
{
	must(kill(-check->walk, SIGSTOP));
	await_quiet(check, LAG_MS);
	must(kill(-check->walk, SIGCONT));
}

/* It walks no faster than its events are read, or the buffer would overflow. */
static void await_walk(struct check *check, bool lose)
{
	while (!walk_is_there(check)) {
		if (lose)
			lose_some(check);
		else
			read_until(check, in_ms(check->burst_ms));
		if (!lose && !check->nice)
			catch_up(check);
	}
}

static void walk_end(struct check *check)
{
	int status;

	close(check->walk_in);
	while (!must(waitpid(check->walk, &status, WNOHANG)))
		read_some(check, 20);
	close(check->walk_out);
	if (status)
		complain(check, "the walk failed");
}

/* Until every hold has ended, or nothing comes any more. */
static void settle(struct check *check)
{
	uint64_t deadline = in_ms(SETTLE_MS);

	while (stream_open(check->stream) && !is_over(deadline))
		read_some(check, 100);
	await_quiet(check, QUIET_MS);
}

/* ---- after losses ------------------------------------------------------------ */

static void probe(void)
{
	int fd = net_socket(NET_V4, SOCK_DGRAM);

	must((errno = -net_try_bind(fd, NET_V4, PROBE_PORT)) ? -1 : 0);
	net_close(fd);
}

/* porttrace tells holders again once its ledger has been put right. */
static void await_resync(struct check *check)
{
	uint64_t deadline = in_ms(RESYNC_MS);

	await_quiet(check, QUIET_MS);
	check->probed = false;
	while (!check->probed) {
		if (is_over(deadline)) {
			complain(check, "holders stay unknown after the losses");
			return;
		}
		probe();
		read_until(check, in_ms(PROBE_MS));
	}
}

static void walk_after_loss(struct check *check)
{
	size_t lost;

	await_resync(check);
	if (!check->lost_lines)
		complain(check, "nothing was lost");
	score_compare(check->score, COUNTS, NULL, true);
	stream_resume(check->stream);
	score_restart(check->score);
	lost = check->lost_lines;
	/* the small buffer is not to run over this time */
	check->burst_ms = BURST_SMALL_MS;
	walk_begin(check, COUNTS_AFTER, true);
	await_walk(check, false);
	walk_end(check);
	settle(check);
	if (check->lost_lines != lost)
		complain(check, "records were lost after the losses");
}

/* ---- all of it --------------------------------------------------------------- */

static json_int_t summary_number(const struct check *check, const char *field)
{
	return json_integer_value(json_object_get(check->summary, field));
}

static void judge(struct check *check)
{
	json_int_t held = json_integer_value(
		json_object_get(json_object_get(check->summary, "all"), "held_now"));
	const char *counts = check->loss ? COUNTS_AFTER : COUNTS;

	if (summary_number(check, "attempted") !=
	    summary_number(check, "delivered") + summary_number(check, "lost"))
		complain(check, "attempted is not delivered and lost");
	if (!check->loss && (summary_number(check, "lost") || check->lost_lines))
		complain(check, "records were lost");
	/*
	 * What was held when records were lost may be held for ever: before 6.12 a
	 * dump does not see a TCP socket that is bound and no more.
	 */
	if (check->loss)
		printf("check: %lld holds from before the last loss are left\n",
		       (long long)held - (long long)stream_open(check->stream));
	else if (held != (json_int_t)stream_open(check->stream))
		complain(check, "held_now is not what the events leave open");
	if (!check->hold && stream_open(check->stream))
		complain(check, "holds never ended:");
	if (!check->hold)
		stream_print_open(check->stream, stderr);
	if (!score_compare(check->score, counts, check->loss ? NULL : check->summary, false))
		check->wrong = true;
}

static void parse(struct check *check, int argc, char **argv)
{
	static const struct option options[] = {
		{ "hold", 0, NULL, 'h' }, { "loss", 0, NULL, 'l' }, { "buffer-size", 1, NULL, 'b' },
		{ "keep", 1, NULL, 'k' }, { "nice", 0, NULL, 'n' }, { NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			check->hold = true;
			break;
		case 'l':
			check->loss = true;
			break;
		case 'b':
			check->buffer_size = optarg;
			break;
		case 'n':
			check->nice = true;
			break;
		case 'k':
			check->keep = optarg;
			break;
		default:
			exit(2);
		}
	}
	check->walk_args = argv + optind;
	if (!check->walk_args[0])
		live_fail("which walk?");
}

static void run(struct check *check)
{
	tracer_begin(check);
	walk_begin(check, COUNTS, false);
	await_walk(check, check->loss);
	if (check->hold) {
		read_until(check, in_ms(QUIET_MS));
		tracer_end(check);
		return;
	}
	walk_end(check);
	if (check->loss)
		walk_after_loss(check);
	else
		settle(check);
	tracer_end(check);
}

int main(int argc, char **argv)
{
	struct check check = { .out = -1, .err = -1, .keep_on = -1, .burst_ms = BURST_MS };

	parse(&check, argc, argv);
	check.stream = stream_new(true);
	stream_set_slack(check.stream, PREEMPTED_NS);
	check.score = score_new();
	if (check.keep)
		check.kept = malloc(KEPT_MAX);
	run(&check);
	judge(&check);
	printf("check: %zu lines, %zu losses: %s\n", check.lines, check.lost_lines,
	       check.wrong ? "WRONG" : "all well");
	if (check.wrong)
		write_kept(&check);
	if (check.hold)
		close(check.walk_in);
	stream_free(check.stream);
	score_free(check.score);
	json_decref(check.summary);
	free(check.pending);
	free(check.kept);
	return check.wrong;
}
