// SPDX-License-Identifier: BSD-2-Clause
/*
 * walk --seed N --steps N --counts FILE [--processes P] [--threads T]
 *      [--namespaces M] [--hold]
 *
 * Each process appends what it counted to FILE, a JSON object a line. With
 * --hold all sockets stay open, once "holding" is on stdout, until stdin ends.
 */
#include "tests/soak/walk.h"

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/live/fail.h"
#include "tests/soak/sock.h"

#define PROCESSES_MAX 64
#define THREADS_MAX 16
#define FILES_MAX 4096
#define FAILED_MS 500

struct plan {
	uint64_t seed, steps;
	int processes, threads, namespaces;
	bool hold;
	int counts;
};

/* What the processes share: a number that is written, or an end that is closed. */
struct signals {
	int done[2];  /* a byte from each process that has walked */
	int leave[2]; /* ends when the processes may */
};

/* ---- one worker -------------------------------------------------------------- */

/* splitmix64 */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint32_t worker_random(struct worker *worker, uint32_t limit)
{
	return (uint32_t)(next_random(&worker->random) >> 32) % limit;
}

bool worker_chance(struct worker *worker, uint32_t percent)
{
	return worker_random(worker, 100) < percent;
}

void worker_move(struct worker *worker, int home)
{
	must(setns(worker->world->namespaces[home], CLONE_NEWNET));
	worker->home = home;
	if (worker->diag >= 0)
		close(worker->diag);
	worker->diag = -1;
}

void worker_end(struct worker *worker)
{
	for (int i = 0; i < SLOTS; i++)
		if (worker->slots[i].phase != NONE)
			sock_close(&worker->slots[i]);
	if (worker->diag >= 0)
		close(worker->diag);
}

/* ---- one process ------------------------------------------------------------- */

struct walker {
	struct worker worker;
	pthread_t thread;
	char name[16];
	uint64_t steps;
};

static void *walker_main(void *data)
{
	struct walker *walker = data;

	prctl(PR_SET_NAME, walker->name);
	worker_move(&walker->worker, walker->worker.home);
	while (walker->steps--)
		worker_step(&walker->worker);
	return NULL;
}

static void walker_init(struct walker *walker, const struct world *world, const struct plan *plan,
			int process, int thread)
{
	uint64_t seed = plan->seed ^ (uint64_t)process << 40 ^ (uint64_t)thread << 48;
	uint64_t number = (uint64_t)process * plan->threads + thread;
	uint64_t all = (uint64_t)plan->processes * plan->threads;

	*walker = (struct walker){
		.worker = { .world = world,
			    .random = next_random(&seed),
			    .home = (int)(number % plan->namespaces),
			    .diag = -1 },
		.steps = plan->steps / all + (number < plan->steps % all),
	};
	snprintf(walker->name, sizeof(walker->name), "walk-%02d/%d", process % 100, thread % 100);
	for (int i = 0; i < SLOTS; i++)
		walker->worker.slots[i] = (struct slot){ .fd = -1, .phase = NONE };
}

static void walk(struct walker *walkers, int threads, struct tally *tally)
{
	for (int i = 0; i < threads; i++)
		must_be(!pthread_create(&walkers[i].thread, NULL, walker_main, &walkers[i]));
	for (int i = 0; i < threads; i++) {
		must_be(!pthread_join(walkers[i].thread, NULL));
		tally_add(tally, &walkers[i].worker.tally);
	}
}

/* Ends when all children have: they hold its sockets, too. */
static void await_children(void)
{
	while (wait(NULL) > 0)
		;
}

static noreturn void process_main(const struct world *world, const struct plan *plan, int process,
				  const struct signals *signals)
{
	static struct walker walkers[THREADS_MAX];
	struct tally tally = { 0 };
	char comm[16], byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(comm, sizeof(comm), "walk-%02d", process % 100);
	prctl(PR_SET_NAME, comm);
	signal(SIGCHLD, SIG_IGN);
	close(signals->leave[1]);
	for (int i = 0; i < plan->threads; i++)
		walker_init(&walkers[i], world, plan, process, i);
	walk(walkers, plan->threads, &tally);
	await_children();
	tally_write(plan->counts, comm, getpid(), &tally);
	must(write(signals->done[1], "", 1));
	must_be(read(signals->leave[0], &byte, 1) == 0);
	for (int i = 0; i < plan->threads; i++)
		worker_end(&walkers[i].worker);
	_exit(0);
}

/* ---- all of them ------------------------------------------------------------- */

static uint64_t number_of(const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 10);

	if (*end || !*text || *text == '-')
		live_fail("'%s' is no number", text);
	return number;
}

static int few_of(const char *text, int max)
{
	uint64_t number = number_of(text);

	if (!number || number > (uint64_t)max)
		live_fail("not %s, but 1 to %d", text, max);
	return (int)number;
}

static struct plan parse_plan(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", 1, NULL, 's' },	{ "steps", 1, NULL, 'n' },
		{ "processes", 1, NULL, 'p' },	{ "threads", 1, NULL, 't' },
		{ "namespaces", 1, NULL, 'm' }, { "counts", 1, NULL, 'c' },
		{ "hold", 0, NULL, 'h' },	{ NULL, 0, NULL, 0 },
	};
	struct plan plan = {
		.seed = 1, .steps = 1000, .processes = 4, .threads = 2, .namespaces = 3, .counts = 1
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			plan.seed = number_of(optarg);
			break;
		case 'n':
			plan.steps = number_of(optarg);
			break;
		case 'p':
			plan.processes = few_of(optarg, PROCESSES_MAX);
			break;
		case 't':
			plan.threads = few_of(optarg, THREADS_MAX);
			break;
		case 'm':
			plan.namespaces = few_of(optarg, NAMESPACES_MAX);
			break;
		case 'c':
			plan.counts =
				must(open(optarg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
			break;
		case 'h':
			plan.hold = true;
			break;
		default:
			exit(2);
		}
	}
	return plan;
}

/* Returns whether every process ended well. */
static bool await_processes(const pid_t *pids, int count)
{
	bool well = true;
	int status;

	for (int i = 0; i < count; i++) {
		must(waitpid(pids[i], &status, 0));
		well &= !status;
	}
	return well;
}

/* A process that ends before it may has failed; the others need not be waited for. */
static bool one_failed(void)
{
	siginfo_t info = { 0 };

	must(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT));
	return info.si_pid;
}

static void await_walks(const struct plan *plan, int done)
{
	struct pollfd ready = { .fd = done, .events = POLLIN };
	int walked = 0;
	char byte;

	while (walked < plan->processes) {
		if (must(poll(&ready, 1, FAILED_MS)))
			walked += read(done, &byte, 1) == 1;
		else if (one_failed())
			return;
	}
}

static void hold(const struct plan *plan)
{
	char byte;

	if (!plan->hold)
		return;
	printf("holding\n");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

int main(int argc, char **argv)
{
	struct plan plan = parse_plan(argc, argv);
	struct rlimit files = { FILES_MAX, FILES_MAX };
	pid_t pids[PROCESSES_MAX];
	struct signals signals;
	struct world world;
	bool well;

	setrlimit(RLIMIT_NOFILE, &files);
	world_begin(&world, plan.namespaces, plan.counts, plan.seed);
	must(pipe2(signals.done, O_CLOEXEC));
	must(pipe2(signals.leave, O_CLOEXEC));
	for (int i = 0; i < plan.processes; i++) {
		pids[i] = must(fork());
		if (!pids[i])
			process_main(&world, &plan, i, &signals);
	}
	close(signals.done[1]);
	await_walks(&plan, signals.done[0]);
	hold(&plan);
	close(signals.leave[1]);
	well = await_processes(pids, plan.processes);
	world_end(&world);
	return well ? 0 : 1;
}
