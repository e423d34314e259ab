/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader's side of the ring. Records come without a wakeup each: the reader
 * looks every RING_WAIT_MS, and is woken earlier when the ring is half full.
 */
#ifndef PORTTRACE_LIVE_RING_H
#define PORTTRACE_LIVE_RING_H

#include <stddef.h>

#define RING_WAIT_MS 100
#define RING_BATCH 16384 /* records */

struct ring;

/* One record's bytes; aligned to 8, valid for the call. */
typedef void (*ring_record)(void *data, const void *record, size_t size);

/*
 * fd is the ring map's and stays the caller's.
 * Returns 0 or a negative errno; *out is to be freed with ring_free().
 */
int ring_new(int fd, ring_record record, void *data, struct ring **out);
void ring_free(struct ring *ring);

/*
 * Waits until the ring is half full, RING_WAIT_MS have passed or a watched
 * descriptor is readable. Returns 0 or a negative errno.
 */
int ring_wait(struct ring *ring);

/* Another descriptor that ends a wait. Returns 0 or a negative errno. */
int ring_watch(struct ring *ring, int fd);

/*
 * Reads what is there, but no more than RING_BATCH, so that the caller can look
 * at its signals even while records come faster than they are read.
 * Returns the number of records, or a negative errno. With fewer than RING_BATCH
 * the ring was empty, if only for a moment: under steady load the next read
 * finds some again, so that is when to wait, not when a read finds none.
 */
int ring_read(struct ring *ring);

#endif /* PORTTRACE_LIVE_RING_H */
