// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/ls_headroom.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/compare.h"
#include "user/sink/headroom.h"

static struct pt_event event_of(const struct pt_holder *holder)
{
	struct pt_event ev = {
		.type = PT_EV_ALLOC,
		.space = holder->space,
		.family = holder->family,
		.port = holder->port,
		.rport = holder->rport,
		.via = holder->past ? holder->via : PT_VIA_SNAPSHOT,
	};

	memcpy(ev.laddr, holder->laddr, sizeof(ev.laddr));
	memcpy(ev.raddr, holder->raddr, sizeof(ev.raddr));
	if (holder->owner)
		ev.owner = *holder->owner;
	return ev;
}

int ls_headroom_hold(struct headroom *headroom, const struct pt_holder *holder, __u64 number)
{
	struct pt_event ev = event_of(holder);

	if (holder->accepted && !holder->past)
		return 0;
	ev.hold = number;
	return headroom_hold(headroom, &(struct headroom_hold){
					       .ev = &ev,
					       .time_wait = holder->time_wait,
					       .connects = holder->rport,
				       });
}

/* ---- which rows ------------------------------------------------------------------ */

/* All bytes of a key count: they are zero where nothing stands. */
static struct headroom_key key_of(const struct pt_holder *holder)
{
	struct pt_event ev = event_of(holder);
	struct headroom_key found = headroom_key_of(&ev), key;

	memset(&key, 0, sizeof(key));
	key.space.netns_cookie = found.space.netns_cookie;
	key.space.netns = found.space.netns;
	key.space.vrf = found.space.vrf;
	key.space.proto = found.space.proto;
	key.rport = found.rport;
	memcpy(key.laddr, found.laddr, sizeof(key.laddr));
	memcpy(key.raddr, found.raddr, sizeof(key.raddr));
	return key;
}

static int compare_keys(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct headroom_key));
}

/* What is not known comes last. */
static int compare_rows(const void *a, const void *b)
{
	const struct headroom_figures *x = &((const struct headroom_row *)a)->figures;
	const struct headroom_figures *y = &((const struct headroom_row *)b)->figures;

	return compare_u64(y->known, x->known) ?:
	       compare_u64(x->left, y->left) ?:
	       compare_u64(y->used, x->used) ?:
	       compare_u64(!x->key.rport, !y->key.rport) ?:
	       compare_keys(&x->key, &y->key);
}

/* Each destination once, and bind(0) where it concerns somebody. */
static size_t unique(struct headroom_key *keys, size_t count)
{
	size_t kept = 0;

	qsort(keys, count, sizeof(*keys), compare_keys);
	for (size_t i = 0; i < count; i++)
		if (!i || compare_keys(&keys[i], &keys[i - 1]))
			keys[kept++] = keys[i];
	return kept;
}

/*
 * A server's clients are no destinations: their ports are its listener's, and outside the
 * range or closed. Neither is one that holds ports outside the range only.
 */
static bool is_worth_a_row(const struct headroom_figures *figures)
{
	return !figures->known || figures->held;
}

static size_t look(struct headroom *headroom, const struct headroom_key *keys, size_t count,
		   struct headroom_row *rows)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct headroom_row *row = &rows[kept];

		if (!headroom_look(headroom, &keys[i], 0, &row->figures) ||
		    !is_worth_a_row(&row->figures))
			continue;
		kept++;
	}
	if (kept)
		qsort(rows, kept, sizeof(*rows), compare_rows);
	return kept;
}

/* ---- output ---------------------------------------------------------------------- */

static void write_takers(struct out *out, const struct options *options,
			 const struct holders_context *ctx, struct headroom *headroom,
			 const struct headroom_key *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct headroom_taker_row row = { .space = keys[i].space };

		if (row.space.proto != IPPROTO_TCP ||
		    (i && !memcmp(&keys[i - 1].space, &keys[i].space, sizeof(row.space))))
			continue;
		headroom_takers(headroom, &row.space, true, &row.holders);
		if (options->json && row.holders.held)
			headroom_takers_json(out, ctx, &row);
		else if (!options->json)
			headroom_takers_text(out, &row);
	}
}

static void write_rows(struct out *out, const struct options *options,
		       const struct holders_context *ctx, struct headroom *headroom,
		       struct headroom_row *rows, size_t count)
{
	struct headroom_counts counts = headroom_counts(headroom);

	/* holders of what is shown alone: each costs a walk through them */
	for (size_t i = 0; i < count && (!options->top || i < options->top); i++)
		headroom_holders(headroom, &rows[i].figures.key, &rows[i].holders);
	if (options->json) {
		headroom_json(out, ctx, rows, count, options->top);
		return;
	}
	headroom_table(out, ctx, rows, count, options->top);
	if (counts.cut)
		out_format(out, "(%llu destinations with few ports are left out)\n", counts.cut);
	if (!options->quiet)
		headroom_legend(out, rows, count);
}

int ls_headroom_write(struct out *out, const struct options *options,
		      const struct holders_context *ctx, struct headroom *headroom,
		      const struct pt_holder *const *shown, size_t count)
{
	struct headroom_key *keys = calloc(2 * count + 1, sizeof(*keys));
	struct headroom_row *rows;

	if (!keys)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		keys[2 * i] = keys[2 * i + 1] = key_of(shown[i]);
		/* every port that is held is one less for bind(0) */
		keys[2 * i + 1].rport = 0;
		memset(keys[2 * i + 1].laddr, 0, 16);
		memset(keys[2 * i + 1].raddr, 0, 16);
	}
	count = unique(keys, 2 * count);
	rows = calloc(count + 1, sizeof(*rows));
	if (rows) {
		write_rows(out, options, ctx, headroom, rows, look(headroom, keys, count, rows));
		write_takers(out, options, ctx, headroom, keys, count);
	}
	free(rows);
	free(keys);
	return rows ? 0 : -ENOMEM;
}
