// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/buckets.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "user/live/dump.h"

struct visit {
	struct headroom *headroom;
	const struct buckets_source *source;
};

static int on_row(const struct sock_row *row, void *data)
{
	const struct visit *visit = data;
	struct headroom_bucket bucket = {
		.key = { .space = row->space, .rport = row->rport },
		.port = row->port,
		.bound = row->bucket & PT_B_BOUND,
		.named = row->bucket & PT_B_NAMED,
		.time_wait = row->has_tw,
	};

	if (!(row->bucket & PT_B_KNOWN) || !row->rport)
		return 0;
	if (visit->source->no_cookies)
		bucket.key.space.netns_cookie = 0;
	memcpy(bucket.key.laddr, row->laddr, sizeof(bucket.key.laddr));
	memcpy(bucket.key.raddr, row->raddr, sizeof(bucket.key.raddr));
	headroom_settle(visit->headroom, &bucket);
	return 0;
}

static int settle(struct visit *visit, const struct loader *loader)
{
	const struct dump_options options = {
		.proto = IPPROTO_TCP,
		.netns = visit->source->netns,
		.loader = loader,
	};
	struct dump_result result;
	int err = dump_all(&options, on_row, visit, &result);

	if (err || !result.incomplete)
		return err;
	return result.incomplete_error ?: -EAGAIN;
}

int buckets_settle(struct headroom *headroom, const struct buckets_source *source)
{
	const struct loader_options options = { .buffer_size = 1 << 16, .only_tcp = true };
	struct visit visit = { headroom, source };
	struct loader *own;
	char reason[256];
	int err;

	if (source->loader)
		return settle(&visit, source->loader);
	err = loader_new(&options, &own, reason, sizeof(reason));
	if (err)
		return err;
	err = settle(&visit, own);
	loader_free(own);
	return err;
}
