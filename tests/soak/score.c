// SPDX-License-Identifier: BSD-2-Clause
#include "tests/soak/score.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "tests/live/fail.h"
#include "tests/soak/tally.h"

#define PROCESSES_MAX 256
#define COMM_LEN 16

struct process {
	pid_t pid;
	char comm[COMM_LEN];
	struct tally told;
	bool known; /* by the walk */
};

struct score {
	struct process processes[PROCESSES_MAX];
	size_t count;
	uint64_t allocs, fails, frees; /* of everyone */
	uint64_t ownerless;
	bool wrong;
};

static void __attribute__((format(printf, 2, 3)))
complain(struct score *score, const char *fmt, ...)
{
	va_list args;

	score->wrong = true;
	va_start(args, fmt);
	fprintf(stderr, "check: ");
	vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
}

struct score *score_new(void)
{
	struct score *score = calloc(1, sizeof(*score));

	must_be(score);
	return score;
}

void score_free(struct score *score)
{
	free(score);
}

static const char *text(const json_t *event, const char *field)
{
	const char *value = json_string_value(json_object_get(event, field));

	return value ? value : "";
}

static struct process *find(struct score *score, pid_t pid, const char *comm)
{
	for (size_t i = 0; i < score->count; i++)
		if (score->processes[i].pid == pid && !strcmp(score->processes[i].comm, comm))
			return &score->processes[i];
	return NULL;
}

static struct process *find_or_add(struct score *score, pid_t pid, const char *comm)
{
	struct process *process = find(score, pid, comm);

	if (process)
		return process;
	must_be(score->count < PROCESSES_MAX);
	process = &score->processes[score->count++];
	*process = (struct process){ .pid = pid };
	snprintf(process->comm, sizeof(process->comm), "%s", comm);
	return process;
}

static int index_of(const char *name, const char *const *names, int count)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return i;
	return count;
}

void score_event(struct score *score, const json_t *event)
{
	const char *kind = text(event, "event"), *via = text(event, "via");
	bool alloc = !strcmp(kind, "alloc");
	const json_t *pid = json_object_get(event, "pid");
	struct process *process;
	int proto, way;

	score->frees += !strcmp(kind, "free");
	if (!alloc && strcmp(kind, "fail"))
		return;
	/* found, not obtained */
	if (!strcmp(via, "accept") || !strcmp(via, "snapshot"))
		return;
	*(alloc ? &score->allocs : &score->fails) += 1;
	if (!json_is_integer(pid)) {
		score->ownerless++;
		return;
	}
	process = find_or_add(score, (pid_t)json_integer_value(pid), text(event, "comm"));
	proto = index_of(text(event, "proto"), tally_protos, TALLY_PROTOS);
	way = *via ? index_of(via, tally_vias, TALLY_UNTOLD) : TALLY_UNTOLD;
	must_be(proto < TALLY_PROTOS);
	if (alloc)
		process->told.allocs[proto][way]++;
	else
		process->told.fails[proto][way]++;
}

void score_restart(struct score *score)
{
	for (size_t i = 0; i < score->count; i++)
		memset(&score->processes[i].told, 0, sizeof(score->processes[i].told));
	score->allocs = score->fails = score->frees = 0;
}

/* ---- comparing --------------------------------------------------------------- */

/* How much less was told than is known, 0 if more; *more is how much too much, by way. */
struct difference {
	uint64_t known, told, more;
};

static struct difference compare_ways(const uint64_t known[TALLY_VIAS],
				      const uint64_t told[TALLY_VIAS])
{
	struct difference difference = { .told = told[TALLY_UNTOLD] };

	for (int i = 0; i < TALLY_UNTOLD; i++) {
		difference.known += known[i];
		difference.told += told[i];
		difference.more += told[i] > known[i] ? told[i] - known[i] : 0;
	}
	if (difference.told > difference.known)
		difference.more += difference.told - difference.known;
	return difference;
}

static void print_ways(const char *who, const uint64_t ways[TALLY_VIAS])
{
	fprintf(stderr, "check:   %-6s", who);
	for (int i = 0; i < TALLY_VIAS; i++)
		fprintf(stderr, " %s=%" PRIu64, tally_vias[i], ways[i]);
	fputc('\n', stderr);
}

struct comparison {
	struct score *score;
	bool losses;
	uint64_t steps, known, untold, missing; /* of all processes */
	uint64_t ownerless; /* told when the socket let go, so not of whom: left to be matched */
};

static void compare_one(struct comparison *all, const struct process *process, const char *what,
			const uint64_t known[TALLY_VIAS], const uint64_t told[TALLY_VIAS],
			bool may_miss)
{
	struct difference difference = compare_ways(known, told);

	all->known += difference.known;
	all->untold += told[TALLY_UNTOLD];
	if (!may_miss && difference.known > difference.told) {
		uint64_t late = difference.known - difference.told;

		late = late < all->ownerless ? late : all->ownerless;
		difference.told += late;
		all->ownerless -= late;
		all->untold += late;
	}
	if (difference.known > difference.told)
		all->missing += difference.known - difference.told;
	if (!difference.more && (difference.told == difference.known || may_miss || all->losses))
		return;
	complain(all->score, "%s (pid %d): %s: %" PRIu64 " known, %" PRIu64 " told", process->comm,
		 process->pid, what, difference.known, difference.told);
	print_ways("known", known);
	print_ways("told", told);
}

static void compare_process(struct comparison *all, const json_t *object)
{
	const char *comm = text(object, "comm");
	pid_t pid = (pid_t)json_integer_value(json_object_get(object, "pid"));
	struct process *process = find_or_add(all->score, pid, comm);
	struct tally known;

	tally_read(&known, object);
	process->known = true;
	all->steps += known.steps;
	if (known.unclear)
		complain(all->score, "%s: %" PRIu64 " answers that the walk does not understand",
			 comm, known.unclear);
	for (int i = 0; i < TALLY_PROTOS; i++) {
		char what[32];

		snprintf(what, sizeof(what), "%s allocs", tally_protos[i]);
		compare_one(all, process, what, known.allocs[i], process->told.allocs[i], false);
		snprintf(what, sizeof(what), "%s fails", tally_protos[i]);
		/* a refusal has two witnesses, too, but one of them without all of it */
		compare_one(all, process, what, known.fails[i], process->told.fails[i], true);
	}
}

static void compare_file(struct comparison *all, const char *counts)
{
	FILE *file = fopen(counts, "re");
	json_t *object;
	json_error_t error;

	if (!file)
		live_fail("%s: %m", counts);
	while ((object = json_loadf(file, JSON_DISABLE_EOF_CHECK, &error))) {
		compare_process(all, object);
		json_decref(object);
	}
	fclose(file);
}

static uint64_t count_misses(const json_t *summary)
{
	json_t *misses = json_object_get(summary, "recursion_misses"), *value;
	uint64_t total = 0;
	const char *program;

	json_object_foreach(misses, program, value) total += (uint64_t)json_integer_value(value);
	return total;
}

/* Processes of the walk that it knows nothing of; sockets without an owner. */
static void compare_strangers(struct score *score)
{
	for (size_t i = 0; i < score->count; i++) {
		const struct process *process = &score->processes[i];

		if (!process->known && !strncmp(process->comm, "walk", 4))
			complain(score, "%s (pid %d): told, but no process of the walk",
				 process->comm, process->pid);
	}
}

static void compare_total(struct score *score, const json_t *summary, const char *field,
			  uint64_t count)
{
	json_int_t value =
		json_integer_value(json_object_get(json_object_get(summary, "all"), field));

	if (value != (json_int_t)count)
		complain(score, "the summary says %lld %s, its events are %" PRIu64,
			 (long long)value, field, count);
}

static void compare_audit(struct score *score, const json_t *summary)
{
	json_t *value;
	const char *name;

	if (!json_is_object(json_object_get(summary, "audit")))
		complain(score, "there was no audit");
	json_object_foreach(json_object_get(summary, "audit"), name, value)
	{
		if (json_is_integer(value) && json_integer_value(value) &&
		    (!strncmp(name, "only_", 5) || !strncmp(name, "wrong_", 6) ||
		     !strncmp(name, "not_", 4)))
			complain(score, "audit: %s is %lld", name,
				 (long long)json_integer_value(value));
	}
}

/* Debian's kernels preempt from 6.16 on; then a walk without a skipped program shows nothing. */
static bool must_miss(uint64_t steps)
{
	struct utsname names;
	unsigned int major, minor;

	return steps >= 100000 && !uname(&names) &&
	       sscanf(names.release, "%u.%u", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 16));
}

bool score_compare(struct score *score, const char *counts, const json_t *summary, bool losses)
{
	struct comparison all = { .score = score, .losses = losses, .ownerless = score->ownerless };
	uint64_t misses = count_misses(summary);

	score->wrong = false;
	compare_file(&all, counts);
	compare_strangers(score);
	if (all.ownerless && !losses)
		complain(score, "%" PRIu64 " events have no owner", all.ownerless);
	if (summary && !losses && !misses && must_miss(all.steps))
		complain(score, "no program was skipped, so nothing is shown");
	if (summary) {
		compare_audit(score, summary);
		/* a skipped program may cost a refusal, and what only it tells */
		if (!losses && all.missing + all.untold > misses)
			complain(score,
				 "%" PRIu64 " refusals are missing and %" PRIu64
				 " ways are null, but only %" PRIu64 " programs were skipped",
				 all.missing, all.untold, misses);
	}
	if (summary && !losses) {
		compare_total(score, summary, "allocs", score->allocs);
		compare_total(score, summary, "fails", score->fails);
		compare_total(score, summary, "frees", score->frees);
	}
	printf("check: %" PRIu64 " steps; %" PRIu64 " allocations and refusals known, %" PRIu64
	       " not told, %" PRIu64 " without their way; %" PRIu64 " programs skipped\n",
	       all.steps, all.known, all.missing, all.untold, misses);
	return !score->wrong;
}
