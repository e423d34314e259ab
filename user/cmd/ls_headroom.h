/* SPDX-License-Identifier: BSD-2-Clause */
/* `porttrace ls --headroom`, of now and of a past moment: what is left for each destination. */
#ifndef PORTTRACE_CMD_LS_HEADROOM_H
#define PORTTRACE_CMD_LS_HEADROOM_H

#include "user/cmd/options.h"
#include "user/sink/holders.h"
#include "user/stats/headroom.h"

/*
 * holder takes a port; number is its own among all that are told. What shares a listener's
 * port takes none. Returns 0 or -ENOMEM.
 */
int ls_headroom_hold(struct headroom *headroom, const struct pt_holder *holder, __u64 number);

/*
 * Those destinations that the holders shown go to, as options wish: least left first.
 * Returns 0, or -ENOMEM if it wrote nothing.
 */
int ls_headroom_write(struct out *out, const struct options *options,
		      const struct holders_context *ctx, struct headroom *headroom,
		      const struct pt_holder *const *shown, size_t count);

#endif /* PORTTRACE_CMD_LS_HEADROOM_H */
