// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/ring.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct ring {
	struct ring_buffer *buffer;
	ring_record record;
	void *data;
	int epoll;
	int batch;
};

/* A negative answer ends ring_buffer__consume() after this record. */
static int on_sample(void *data, void *sample, size_t size)
{
	struct ring *ring = data;

	ring->record(ring->data, sample, size);
	return ++ring->batch == RING_BATCH ? -EAGAIN : 0;
}

int ring_watch(struct ring *ring, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(ring->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/*
 * Edge-triggered: libbpf's own descriptor is level-triggered and would end
 * every wait as soon as one record is there.
 */
static int watch_ring(struct ring *ring, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	return epoll_ctl(ring->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int ring_new(int fd, ring_record record, void *data, struct ring **out)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	int err;

	if (!ring)
		return -ENOMEM;
	ring->record = record;
	ring->data = data;
	ring->epoll = epoll_create1(EPOLL_CLOEXEC);
	err = ring->epoll < 0 ? -errno : watch_ring(ring, fd);
	if (!err) {
		ring->buffer = ring_buffer__new(fd, on_sample, ring, NULL);
		err = ring->buffer ? 0 : -errno;
	}
	if (err)
		ring_free(ring);
	else
		*out = ring;
	return err;
}

void ring_free(struct ring *ring)
{
	if (!ring)
		return;
	ring_buffer__free(ring->buffer);
	if (ring->epoll >= 0)
		close(ring->epoll);
	free(ring);
}

int ring_wait(struct ring *ring)
{
	struct epoll_event event;

	if (epoll_wait(ring->epoll, &event, 1, RING_WAIT_MS) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

int ring_read(struct ring *ring)
{
	int err;

	ring->batch = 0;
	err = ring_buffer__consume(ring->buffer);
	return err < 0 && err != -EAGAIN ? err : ring->batch;
}
