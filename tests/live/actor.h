/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes and threads with names of the test's choice, led step by step: the
 * test and its actor say numbers to each other over a socket.
 */
#ifndef LIVE_ACTOR_H
#define LIVE_ACTOR_H

#include <pthread.h>
#include <sys/types.h>

struct actor {
	pid_t pid;
	int line; /* to the child */
};

/*
 * Forks a child that is called comm and runs play(line, arg), where line leads
 * to the test. The child ends with what play returns.
 */
void actor_start(struct actor *actor, const char *comm, int (*play)(int line, void *arg),
		 void *arg);
/* Waits for the child's end, which must be status 0. */
void actor_join(struct actor *actor);
/* Ends all children that were not joined: after a failed test. */
void actor_end_all(void);

/* One number over a line; hearing waits, at most ten seconds. */
void line_say(int line, int value);
int line_hear(int line);
/* A descriptor over a line. */
void line_pass(int line, int fd);
int line_take(int line);

/*
 * Runs play(arg) in a thread that is called name and waits for its end.
 * Returns the thread's tid.
 */
pid_t thread_run(const char *name, void (*play)(void *arg), void *arg);

#endif /* LIVE_ACTOR_H */
