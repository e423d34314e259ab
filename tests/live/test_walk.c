// SPDX-License-Identifier: BSD-2-Clause
/*
 * Short random walks (tests/soak) with seeds that are always the same: those
 * that once found something. What happens in them differs from run to run all
 * the same, since the kernel's and the scheduler's choices do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scene.h"

#define SEEDS "/usr/share/walk/seeds"

static void walk(const char *seed, const char *steps)
{
	pid_t pid = must(fork());
	int status;

	if (!pid) {
		execlp("check", "check", "--", "walk", "--seed", seed, "--steps", steps, NULL);
		_exit(127);
	}
	must(waitpid(pid, &status, 0));
	if (status)
		live_fail("the walk with seed %s and %s steps ended with wait status %#x", seed,
			  steps, status);
}

static void every_seed(struct scene *scene)
{
	FILE *file = fopen(SEEDS, "re");
	char line[256], seed[32], steps[32];
	int walks = 0;

	(void)scene;
	if (!file)
		live_fail("%s: %m", SEEDS);
	while (fgets(line, sizeof(line), file)) {
		if (line[0] == '#' || sscanf(line, "%31s %31s", seed, steps) != 2)
			continue;
		walk(seed, steps);
		walks++;
	}
	fclose(file);
	assert_true(walks > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(every_seed),
	};

	return cmocka_run_group_tests(tests, scene_group, scene_group_end);
}
