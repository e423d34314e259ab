// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/survey.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "user/live/sockets.h"

/* Rows between two looks at the ring. */
#define ROWS_A_LOOK 1024

struct survey {
	struct snapshot *snapshot;
	const struct survey_source *source;
	const struct dump_options *options;
	struct sockets *sockets; /* NULL during the first dump */
	unsigned int rows;
};

static __u64 tw_until(const struct sock_row *row)
{
	struct timespec now;

	/* when an orphan's FIN_WAIT2 ends is not when its TIME_WAIT will */
	if (!row->has_tw || row->state != TCP_TIME_WAIT || !row->tw_left_ms)
		return 0;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (__u64)now.tv_sec * 1000000000ULL + (__u64)now.tv_nsec +
	       row->tw_left_ms * 1000000ULL;
}

static struct ledger_unit unit_of(const struct sock_row *row, const struct sockets_entry *entry)
{
	struct ledger_unit unit = {
		.space = row->space,
		.family = row->family,
		.port = row->port,
		.tuple = { .rport = row->rport, .ifindex = row->ifindex },
		.sock = row->cookie,
		.tw = row->tw,
		.listening = row->space.proto == IPPROTO_TCP && row->state == TCP_LISTEN,
		.time_wait = row->has_tw,
		.fin_wait2 = row->has_tw && row->state == TCP_FIN_WAIT2,
		.tw_until = tw_until(row),
	};

	if (entry) {
		unit.owner = entry->owner;
		unit.space.vrf = entry->row.space.vrf; /* of its bucket: sock_diag has it not */
	}
	memcpy(unit.tuple.laddr, row->laddr, sizeof(unit.tuple.laddr));
	memcpy(unit.tuple.raddr, row->raddr, sizeof(unit.tuple.raddr));
	return unit;
}

static int on_row(const struct sock_row *row, void *data)
{
	struct survey *survey = data;
	const struct sockets_entry *entry =
		survey->sockets && !row->has_tw ? sockets_find(survey->sockets, row->cookie) : NULL;
	struct ledger_unit unit = unit_of(row, entry);
	int count;

	if (++survey->rows % ROWS_A_LOOK == 0) {
		count = ring_read(survey->source->ring);
		if (count < 0)
			return count;
	}
	return snapshot_add_row(survey->snapshot, &unit,
				survey->sockets ? SNAPSHOT_SECOND : SNAPSHOT_FIRST);
}

static int on_netns(const struct dump_netns *netns, void *data)
{
	struct survey *survey = data;

	if (!survey->sockets)
		return 0;
	if (survey->source->netns)
		survey->source->netns(survey->source->netns_data, netns);
	return snapshot_add_netns(survey->snapshot, netns->inode,
				  netns->whole ? NETNS_SEEN : NETNS_UNSEEN);
}

/* ---- what only the processes' files tell -------------------------------------- */

static bool is_wanted(const struct dump_options *options, const struct sock_row *row)
{
	return (!options->proto || options->proto == row->space.proto) &&
	       (!options->netns || options->netns == row->space.netns) &&
	       (!options->ports || port_set_has(options->ports, row->port));
}

/*
 * Sockets that are only bound, on kernels whose dump leaves them out; and those
 * of a namespace that no process is in.
 */
static int add_others(struct survey *survey, bool idle_unseen)
{
	const struct sockets_entry *entry;
	__u32 position = 0;
	int err = 0;

	while (!err && (entry = sockets_next(survey->sockets, &position))) {
		const struct sock_row *row = &entry->row;
		bool is_idle = row->space.proto == IPPROTO_TCP && row->state == TCP_CLOSE;
		enum snapshot_netns seen = snapshot_netns(survey->snapshot, row->space.netns);
		struct ledger_unit unit = unit_of(row, entry);

		if (!is_wanted(survey->options, row) ||
		    (seen == NETNS_SEEN && !(is_idle && idle_unseen)))
			continue;
		err = snapshot_add_row(survey->snapshot, &unit, SNAPSHOT_SECOND);
		if (!err && seen == NETNS_VANISHED)
			err = snapshot_add_netns(survey->snapshot, row->space.netns, NETNS_UNSEEN);
	}
	return err;
}

static int read_files(struct survey *survey)
{
	int fd = loader_iterate(survey->source->loader, LOADER_SOCK_FILES);
	int err;

	if (fd < 0)
		return fd;
	err = sockets_new(fd, &survey->sockets);
	close(fd);
	return err;
}

static int take(struct survey *survey, struct dump_options *options, struct dump_result *result)
{
	int err = dump_all(options, on_row, survey, result);
	bool idle_unseen;
	int count;

	/* no tcp_diag or udp_diag: the iterators do without */
	if (!err && result->missing && !options->loader) {
		options->loader = survey->source->loader;
		err = dump_all(options, on_row, survey, result);
	}
	if (!err)
		err = read_files(survey);
	if (!err)
		err = dump_all(options, on_row, survey, result);
	idle_unseen = result->bound_idle_unseen || options->loader;
	if (!err)
		err = add_others(survey, idle_unseen);
	if (err)
		return err;
	if (idle_unseen)
		snapshot_set_idle_by_files(survey->snapshot);
	do {
		count = ring_read(survey->source->ring);
	} while (count == RING_BATCH);
	return count < 0 ? count : 0;
}

int survey_take(struct snapshot *snapshot, const struct survey_source *source,
		const struct dump_options *options, struct dump_result *result)
{
	struct dump_options with = *options;
	struct survey survey = { .snapshot = snapshot, .source = source, .options = options };
	int err;

	with.netns_done = on_netns;
	with.loader = loader_has_cookies(source->loader) ? NULL : source->loader;
	err = take(&survey, &with, result);
	sockets_free(survey.sockets);
	return err;
}
