// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/ring.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

struct ring {
	unsigned long *read_to;		 /* the reader's page of the map */
	const unsigned long *written_to; /* the writers' page, before the data */
	const char *data;
	size_t size; /* of the data, a power of two */
	size_t page;
	ring_record record;
	void *record_data;
	int epoll;
};

int ring_watch(struct ring *ring, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(ring->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/* Edge-triggered, or every wait would end as soon as one record is there. */
static int watch_ring(struct ring *ring, int fd)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	return epoll_ctl(ring->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

/*
 * Three parts of the map (kernel/bpf/ringbuf.c): the reader's page, the writers' page, and the
 * data twice, so that a record that goes over the end can be read in one piece. No record is
 * longer than a page: of the second time that much is enough, and the process is not said to
 * have the data's pages twice.
 */
static int map_ring(struct ring *ring, int fd)
{
	struct bpf_map_info info = { 0 };
	__u32 info_size = sizeof(info);
	void *mapped;

	if (bpf_obj_get_info_by_fd(fd, &info, &info_size))
		return -errno;
	ring->size = info.max_entries;
	ring->page = (size_t)sysconf(_SC_PAGESIZE);
	mapped = mmap(NULL, ring->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		return -errno;
	ring->read_to = mapped;
	mapped = mmap(NULL, ring->page + ring->size + ring->page, PROT_READ, MAP_SHARED, fd,
		      (off_t)ring->page);
	if (mapped == MAP_FAILED)
		return -errno;
	ring->written_to = mapped;
	ring->data = (const char *)mapped + ring->page;
	return 0;
}

int ring_new(int fd, ring_record record, void *data, struct ring **out)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	int err;

	if (!ring)
		return -ENOMEM;
	ring->record = record;
	ring->record_data = data;
	ring->epoll = epoll_create1(EPOLL_CLOEXEC);
	err = ring->epoll < 0 ? -errno : watch_ring(ring, fd);
	if (!err)
		err = map_ring(ring, fd);
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
	if (ring->written_to)
		munmap((void *)ring->written_to, ring->page + ring->size + ring->page);
	if (ring->read_to)
		munmap(ring->read_to, ring->page);
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

/* The record at that place: its length, flags and all, once whoever writes it is done. */
static __u32 length_at(const struct ring *ring, unsigned long at)
{
	const __u32 *head = (const __u32 *)(ring->data + (at & (ring->size - 1)));

	return __atomic_load_n(head, __ATOMIC_ACQUIRE);
}

int ring_read(struct ring *ring)
{
	unsigned long at = *ring->read_to, end = at;
	int count = 0;

	while (count < RING_BATCH) {
		__u32 head, length;

		if (at == end)
			end = __atomic_load_n(ring->written_to, __ATOMIC_ACQUIRE);
		if (at == end)
			break;
		head = length_at(ring, at);
		if (head & BPF_RINGBUF_BUSY_BIT)
			break;
		length = head & ~(__u32)BPF_RINGBUF_DISCARD_BIT;
		if (length > ring->page - BPF_RINGBUF_HDR_SZ)
			return -EBADMSG;
		if (!(head & BPF_RINGBUF_DISCARD_BIT)) {
			ring->record(ring->record_data,
				     ring->data + (at & (ring->size - 1)) + BPF_RINGBUF_HDR_SZ,
				     length);
			count++;
		}
		at += BPF_RINGBUF_HDR_SZ + ((length + 7UL) & ~7UL);
		/* the writers may have its room now */
		__atomic_store_n(ring->read_to, at, __ATOMIC_RELEASE);
	}
	return count;
}
