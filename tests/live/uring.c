// SPDX-License-Identifier: BSD-2-Clause
#include "uring.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fail.h"

#define ENTRIES 4

static void *map(const struct uring *ring, size_t size, off_t what)
{
	void *memory =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring->fd, what);

	must_be(memory != MAP_FAILED);
	return memory;
}

static size_t queues_size(const struct uring *ring)
{
	const struct io_uring_params *params = &ring->params;
	size_t sq = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
	size_t cq = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);

	return sq > cq ? sq : cq;
}

int uring_try_open(struct uring *ring, unsigned int flags)
{
	*ring = (struct uring){ .params = { .flags = flags } };
	ring->fd = syscall(SYS_io_uring_setup, ENTRIES, &ring->params);
	if (ring->fd < 0)
		return -errno;
	/* From Linux 5.4: both queues are one mapping. */
	must_be(ring->params.features & IORING_FEAT_SINGLE_MMAP);
	ring->queues = map(ring, queues_size(ring), IORING_OFF_SQ_RING);
	ring->entries =
		map(ring, ring->params.sq_entries * sizeof(*ring->entries), IORING_OFF_SQES);
	return 0;
}

void uring_close(struct uring *ring)
{
	munmap(ring->entries, ring->params.sq_entries * sizeof(*ring->entries));
	munmap(ring->queues, queues_size(ring));
	close(ring->fd);
}

static uint32_t *word(const struct uring *ring, uint32_t offset)
{
	return (uint32_t *)((char *)ring->queues + offset);
}

int uring_do(struct uring *ring, const struct io_uring_sqe *request)
{
	const struct io_uring_params *params = &ring->params;
	uint32_t *tail = word(ring, params->sq_off.tail), *head = word(ring, params->cq_off.head);
	uint32_t place = *tail & (params->sq_entries - 1);
	const struct io_uring_cqe *done;
	int result;

	ring->entries[place] = *request;
	word(ring, params->sq_off.array)[place] = place;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	must(syscall(SYS_io_uring_enter, ring->fd, 1, 1,
		     IORING_ENTER_GETEVENTS | IORING_ENTER_SQ_WAKEUP, NULL, 0));
	must_be(__atomic_load_n(word(ring, params->cq_off.tail), __ATOMIC_ACQUIRE) != *head);
	done = (void *)((char *)ring->queues + params->cq_off.cqes);
	result = done[*head & (params->cq_entries - 1)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return result;
}
