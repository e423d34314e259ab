// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/survey.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "user/live/procs.h"

/* Rows between two looks at the ring. */
#define ROWS_A_LOOK 1024

struct survey {
	struct snapshot *snapshot;
	struct ring *ring;
	struct procs *procs; /* NULL during the first dump */
	unsigned int rows;
};

static struct ledger_found found_of(const struct survey *survey, const struct sock_row *row)
{
	const struct pt_owner *owner =
		survey->procs && row->inode ? procs_owner(survey->procs, row->inode) : NULL;
	struct ledger_found found = {
		.space = row->space,
		.family = row->family,
		.port = row->port,
		.tuple = { .rport = row->rport, .ifindex = row->ifindex },
		.sock = row->cookie,
		.listening = row->space.proto == IPPROTO_TCP && row->state == TCP_LISTEN,
		.time_wait = row->has_tw,
		.fin_wait2 = row->has_tw && row->state == TCP_FIN_WAIT2,
	};

	if (owner)
		found.owner = *owner;
	memcpy(found.tuple.laddr, row->laddr, sizeof(found.tuple.laddr));
	memcpy(found.tuple.raddr, row->raddr, sizeof(found.tuple.raddr));
	return found;
}

static int on_row(const struct sock_row *row, void *data)
{
	struct survey *survey = data;
	struct ledger_found found;
	int count;

	if (++survey->rows % ROWS_A_LOOK == 0) {
		count = ring_read(survey->ring);
		if (count < 0)
			return count;
	}
	found = found_of(survey, row);
	return snapshot_add_row(survey->snapshot, &found,
				survey->procs ? SNAPSHOT_SECOND : SNAPSHOT_FIRST);
}

int survey_take(struct snapshot *snapshot, struct ring *ring, const struct dump_options *options,
		struct dump_result *result)
{
	struct survey survey = { .snapshot = snapshot, .ring = ring };
	int err = dump_all(options, on_row, &survey, result);
	int count;

	if (err)
		return err;
	survey.procs = procs_new();
	if (!survey.procs)
		return -ENOMEM;
	err = dump_all(options, on_row, &survey, result);
	procs_free(survey.procs);
	if (err)
		return err;
	do {
		count = ring_read(ring);
	} while (count == RING_BATCH);
	return count < 0 ? count : 0;
}
