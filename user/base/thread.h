/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef PORTTRACE_BASE_THREAD_H
#define PORTTRACE_BASE_THREAD_H

#include <pthread.h>

/*
 * A thread that gets no signals: they are the main thread's. The caller joins it.
 * Returns 0 or a negative errno.
 */
int thread_start(pthread_t *thread, void *(*fn)(void *data), void *data);

/* How many CPUs this process may run on, at least 1. */
unsigned int thread_cpus(void);

#endif /* PORTTRACE_BASE_THREAD_H */
