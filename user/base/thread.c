// SPDX-License-Identifier: BSD-2-Clause
#include "user/base/thread.h"

#include <sched.h>
#include <signal.h>

int thread_start(pthread_t *thread, void *(*fn)(void *data), void *data)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(thread, NULL, fn, data);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

unsigned int thread_cpus(void)
{
	cpu_set_t cpus;

	/* fails where there are more than fit: then there are enough */
	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		return CPU_SETSIZE;
	return (unsigned int)CPU_COUNT(&cpus);
}
