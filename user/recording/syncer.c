// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/syncer.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/thread.h"

#define JOBS 12

struct job {
	int fd;
	bool hand_over;
};

struct syncer {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct job jobs[JOBS]; /* a ring */
	unsigned int first, count;
	bool ending;
	int error;
};

static int sync_one(const struct job *job)
{
	int err = fdatasync(job->fd) ? -errno : 0;

	if (job->hand_over && close(job->fd) && !err && errno != EINTR)
		err = -errno;
	/* a file system that cannot sync at all (a memfd, a pipe's) */
	return err == -EINVAL || err == -EROFS ? 0 : err;
}

static void *work(void *data)
{
	struct syncer *syncer = data;

	pthread_mutex_lock(&syncer->mutex);
	for (;;) {
		struct job job;
		int err;

		while (!syncer->count && !syncer->ending)
			pthread_cond_wait(&syncer->changed, &syncer->mutex);
		if (!syncer->count)
			break;
		job = syncer->jobs[syncer->first];
		/* out of the ring before it is done, so that what is written meanwhile asks anew */
		syncer->first = (syncer->first + 1) % JOBS;
		syncer->count--;
		pthread_mutex_unlock(&syncer->mutex);
		err = sync_one(&job);
		pthread_mutex_lock(&syncer->mutex);
		if (!syncer->error)
			syncer->error = err;
		pthread_cond_broadcast(&syncer->changed);
	}
	pthread_mutex_unlock(&syncer->mutex);
	return NULL;
}

struct syncer *syncer_new(void)
{
	struct syncer *syncer = calloc(1, sizeof(*syncer));

	if (!syncer)
		return NULL;
	pthread_mutex_init(&syncer->mutex, NULL);
	pthread_cond_init(&syncer->changed, NULL);
	if (thread_start(&syncer->thread, work, syncer)) {
		free(syncer);
		return NULL;
	}
	return syncer;
}

/* The last one asked for is the same file: once is enough. */
static bool is_asked_for(const struct syncer *syncer, int fd, bool hand_over)
{
	unsigned int last = (syncer->first + syncer->count + JOBS - 1) % JOBS;

	return syncer->count && !hand_over && syncer->jobs[last].fd == fd &&
	       !syncer->jobs[last].hand_over;
}

void syncer_ask(struct syncer *syncer, int fd, bool hand_over)
{
	pthread_mutex_lock(&syncer->mutex);
	if (!is_asked_for(syncer, fd, hand_over)) {
		while (syncer->count == JOBS)
			pthread_cond_wait(&syncer->changed, &syncer->mutex);
		syncer->jobs[(syncer->first + syncer->count) % JOBS] =
			(struct job){ fd, hand_over };
		syncer->count++;
		pthread_cond_broadcast(&syncer->changed);
	}
	pthread_mutex_unlock(&syncer->mutex);
}

int syncer_error(struct syncer *syncer)
{
	int err;

	pthread_mutex_lock(&syncer->mutex);
	err = syncer->error;
	pthread_mutex_unlock(&syncer->mutex);
	return err;
}

int syncer_close(struct syncer *syncer)
{
	int err;

	pthread_mutex_lock(&syncer->mutex);
	syncer->ending = true;
	pthread_cond_broadcast(&syncer->changed);
	pthread_mutex_unlock(&syncer->mutex);
	pthread_join(syncer->thread, NULL);
	err = syncer->error;
	pthread_cond_destroy(&syncer->changed);
	pthread_mutex_destroy(&syncer->mutex);
	free(syncer);
	return err;
}
