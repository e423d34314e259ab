/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets that workers pass to each other, with what they know of them. */
#ifndef SOAK_POST_H
#define SOAK_POST_H

#include "tests/soak/walk.h"

/* Returns false if the post is full. The slot stays as it was. */
bool post_send(int post, const struct slot *slot);
/* Into an empty slot; leaves it empty if there is nothing. */
void post_receive(int post, struct slot *slot);

#endif /* SOAK_POST_H */
