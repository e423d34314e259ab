// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/unpacker.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/thread.h"

/* Who takes the rows is slower than three that make them. */
#define THREADS_MAX 3
/* While one is taken and each thread makes one, another waits. */
#define PLACES_MAX (THREADS_MAX + 2)
/* Rows of a block that is mostly wanted: FORMAT_ROWS_MAX of the most usual size. */
#define ROWS_SIZE (FORMAT_ROWS_MAX * sizeof(struct pt_rec_port))

enum place_state { FREE, GIVEN, RUNS, DONE };

struct place {
	enum place_state state; /* under the mutex */
	struct unpacked public;
	const struct port_set *ports;
	void *bytes; /* the block */
	size_t allocated;
	char *rows;
	size_t rows_allocated;
};

/* Places are a ring: first is the one that was given first. */
struct unpacker {
	pthread_mutex_t mutex;
	pthread_cond_t given, done;
	struct place places[PLACES_MAX];
	unsigned int places_count;
	unsigned int first, count; /* on their way */
	pthread_t threads[THREADS_MAX];
	unsigned int threads_count, threads_wanted;
	bool ends;
};

struct unpacker *unpacker_new(void)
{
	struct unpacker *unpacker = calloc(1, sizeof(*unpacker));
	unsigned int cpus = thread_cpus();

	if (!unpacker)
		return NULL;
	unpacker->threads_wanted = cpus > THREADS_MAX ? THREADS_MAX : cpus - 1;
	unpacker->places_count = unpacker->threads_wanted + 2;
	pthread_mutex_init(&unpacker->mutex, NULL);
	pthread_cond_init(&unpacker->given, NULL);
	pthread_cond_init(&unpacker->done, NULL);
	return unpacker;
}

void unpacker_free(struct unpacker *unpacker)
{
	if (!unpacker)
		return;
	pthread_mutex_lock(&unpacker->mutex);
	unpacker->ends = true;
	pthread_cond_broadcast(&unpacker->given);
	pthread_mutex_unlock(&unpacker->mutex);
	for (unsigned int i = 0; i < unpacker->threads_count; i++)
		pthread_join(unpacker->threads[i], NULL);
	for (unsigned int i = 0; i < unpacker->places_count; i++) {
		block_reader_free(unpacker->places[i].public.reader);
		free(unpacker->places[i].bytes);
		free(unpacker->places[i].rows);
	}
	pthread_cond_destroy(&unpacker->done);
	pthread_cond_destroy(&unpacker->given);
	pthread_mutex_destroy(&unpacker->mutex);
	free(unpacker);
}

/* ---- one block ------------------------------------------------------------------ */

/* Room for one more row, however large. */
static union block_row *next_room(struct place *place)
{
	size_t size = place->rows_allocated ?: ROWS_SIZE;
	char *rows;

	if (place->public.size + sizeof(union block_row) > place->rows_allocated) {
		if (place->rows_allocated)
			size *= 2;
		rows = realloc(place->rows, size);
		if (!rows)
			return NULL;
		place->rows = rows;
		place->rows_allocated = size;
	}
	return (union block_row *)(place->rows + place->public.size);
}

static int make_rows(struct place *place)
{
	struct unpacked *public = &place->public;
	union block_row *row;
	int ret;

	do {
		row = next_room(place);
		if (!row)
			return -ENOMEM;
		ret = block_reader_next(public->reader, row);
		if (ret > 0) {
			public->size += row->head.size;
			public->count++;
		}
	} while (ret > 0);
	return ret;
}

static void make(struct place *place)
{
	struct unpacked *public = &place->public;

	public->error =
		block_reader_load(public->reader, place->bytes, public->head.size, place->ports);
	if (!public->error)
	public->error = make_rows(place);
	public->rows = place->rows;
}

/* ---- whose turn it is ----------------------------------------------------------- */

static struct place *place_at(struct unpacker *unpacker, unsigned int number)
{
	return &unpacker->places[(unpacker->first + number) % unpacker->places_count];
}

/* Makes the first one that nobody does yet. Under the mutex, which is let go meanwhile. */
static bool make_one(struct unpacker *unpacker)
{
	struct place *place = NULL;

	for (unsigned int i = 0; i < unpacker->count && !place; i++)
		if (place_at(unpacker, i)->state == GIVEN)
			place = place_at(unpacker, i);
	if (!place)
		return false;
	place->state = RUNS;
	pthread_mutex_unlock(&unpacker->mutex);
	make(place);
	pthread_mutex_lock(&unpacker->mutex);
	place->state = DONE;
	pthread_cond_broadcast(&unpacker->done);
	return true;
}

static void *work(void *data)
{
	struct unpacker *unpacker = data;

	pthread_mutex_lock(&unpacker->mutex);
	while (!unpacker->ends)
		if (!make_one(unpacker))
			pthread_cond_wait(&unpacker->given, &unpacker->mutex);
	pthread_mutex_unlock(&unpacker->mutex);
	return NULL;
}

/* A recording of one block needs none. */
static void start_threads(struct unpacker *unpacker)
{
	while (unpacker->threads_count < unpacker->threads_wanted) {
		if (thread_start(&unpacker->threads[unpacker->threads_count], work, unpacker)) {
			unpacker->threads_wanted = unpacker->threads_count;
			return;
		}
		unpacker->threads_count++;
	}
}

/* ---- the caller's side ---------------------------------------------------------- */

static int reserve(struct place *place, size_t size)
{
	void *bytes;

	if (!place->public.reader)
		place->public.reader = block_reader_new();
	if (!place->public.reader)
		return -ENOMEM;
	if (size <= place->allocated)
		return 0;
	bytes = realloc(place->bytes, size);
	if (!bytes)
		return -ENOMEM;
	place->bytes = bytes;
	place->allocated = size;
	return 0;
}

int unpacker_room(struct unpacker *unpacker, size_t size, void **bytes, struct unpacked **out)
{
	struct place *place = place_at(unpacker, unpacker->count);

	if (unpacker->count == unpacker->places_count)
		return 0;
	if (reserve(place, size))
		return -ENOMEM;
	place->public = (struct unpacked){ .reader = place->public.reader };
	*bytes = place->bytes;
	*out = &place->public;
	return 1;
}

void unpacker_give(struct unpacker *unpacker, const struct port_set *ports)
{
	struct place *place = place_at(unpacker, unpacker->count);

	if (unpacker->count)
		start_threads(unpacker);
	place->ports = ports;
	pthread_mutex_lock(&unpacker->mutex);
	place->state = GIVEN;
	unpacker->count++;
	pthread_cond_signal(&unpacker->given);
	pthread_mutex_unlock(&unpacker->mutex);
}

struct unpacked *unpacker_last(struct unpacker *unpacker)
{
	return unpacker->count ? &place_at(unpacker, unpacker->count - 1)->public : NULL;
}

const struct unpacked *unpacker_take(struct unpacker *unpacker)
{
	struct place *place = place_at(unpacker, 0);

	if (!unpacker->count)
		return NULL;
	pthread_mutex_lock(&unpacker->mutex);
	while (place->state != DONE)
		if (!make_one(unpacker))
			pthread_cond_wait(&unpacker->done, &unpacker->mutex);
	place->state = FREE;
	unpacker->first = (unpacker->first + 1) % unpacker->places_count;
	unpacker->count--;
	pthread_mutex_unlock(&unpacker->mutex);
	return &place->public;
}

void unpacker_drop(struct unpacker *unpacker)
{
	while (unpacker_take(unpacker))
		;
}
