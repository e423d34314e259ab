/* SPDX-License-Identifier: BSD-2-Clause */
/* What stats/search_watch.h noticed, in words. */
#ifndef PORTTRACE_SINK_SEARCH_WATCH_H
#define PORTTRACE_SINK_SEARCH_WATCH_H

#include "user/base/out.h"
#include "user/stats/search_watch.h"

/* To the end of a line that begins with its time. */
void search_watch_write_text(struct out *out, const struct search_watch_sign *sign);

#endif /* PORTTRACE_SINK_SEARCH_WATCH_H */
