/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a live test stands on: a tracer and a network namespace of its own.
 *
 * A program of scene tests starts one tracer that hides nothing and shares it
 * between its tests, since loading takes longer than most tests. It ends with
 * scene_test_end, which stops that tracer and checks its stream as a whole.
 * When a test fails, what the tracer said during it goes to the log.
 */
#ifndef LIVE_SCENE_H
#define LIVE_SCENE_H

#include <stdbool.h>

#include "cmocka_env.h"
#include "fail.h"
#include "tracer.h"

/* What every test program calls itself. */
#define SCENE_COMM "live_test"

struct scene {
	struct tracer *tracer; /* the shared one, its scope is this test; NULL without one */
	ino_t netns;	       /* of this test, with lo up */
};

typedef void (*scene_body)(struct scene *scene);

/* The body runs in a new namespace, beside the shared tracer. */
#define SCENE_TEST(body)                                                                           \
	{                                                                                          \
#body, scene_run, scene_setup, scene_teardown, (void *)(body)                      \
	}

int scene_setup(void **state);
void scene_run(void **state);
int scene_teardown(void **state);

/* For cmocka_run_group_tests(): with the shared tracer, or without. */
int scene_group_traced(void **state);
int scene_group(void **state);
int scene_group_end(void **state);

/* The last test of a group with the shared tracer. */
void scene_test_end(struct scene *scene);

/* Skips the test; the reason is printed: which probe found what. */
void scene_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Skips the test if the kernel has no tcp_diag (its modules are missing). */
void scene_needs_sock_diag(void);

/* Skips the test unless waiting costs nothing (LIVE_ICOUNT=1). */
void scene_needs_icount(void);

#endif /* LIVE_SCENE_H */
