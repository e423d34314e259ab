// SPDX-License-Identifier: BSD-2-Clause
#include "user/cmd/ls_rows.h"

#include "user/cmd/by.h"
#include "user/sink/groups.h"

static int write_groups(struct out *out, const struct options *options,
			const struct holders_context *ctx, const struct pt_holder *const *rows,
			size_t count)
{
	const struct groups_options with = {
		.by = by_of(options->by),
		.cgroup_path = ctx->cgroup_path,
		.cgroup_data = ctx->cgroup_data,
	};
	struct groups groups;
	int err = groups_take(&groups, &with, rows, count);

	if (err)
		return err;
	if (options->json)
		groups_json(out, ctx, &groups, options->top);
	else
		groups_table(out, ctx, &groups, options->top);
	if (!options->json && !options->quiet)
		groups_legend(out, &groups);
	groups_free(&groups);
	return 0;
}

int ls_rows(struct out *out, const struct options *options, const struct holders_context *ctx,
	    const struct pt_holder *const *rows, size_t count)
{
	if (options->by != BY_NONE)
		return write_groups(out, options, ctx, rows, count);
	if (options->json)
		holders_json(out, ctx, rows, count);
	else
		holders_table(out, ctx, rows, count);
	return 0;
}
