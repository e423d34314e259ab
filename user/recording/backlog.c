// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/backlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int backlog_add(struct backlog *backlog, const void *bytes, size_t size, unsigned int rows)
{
	struct backlog_block *block = malloc(sizeof(*block) + size);

	if (!block)
		return -ENOMEM;
	*block = (struct backlog_block){ .size = size, .rows = rows };
	memcpy(block->bytes, bytes, size);
	if (backlog->first)
		*backlog->last = block;
	else
		backlog->first = block;
	backlog->last = &block->next;
	backlog->count++;
	backlog->rows += rows;
	backlog->bytes += sizeof(*block) + size;
	return 0;
}

void backlog_remove(struct backlog *backlog)
{
	struct backlog_block *block = backlog->first;

	backlog->first = block->next;
	backlog->count--;
	backlog->rows -= block->rows;
	backlog->bytes -= sizeof(*block) + block->size;
	free(block);
}

void backlog_free(struct backlog *backlog)
{
	while (backlog->first)
		backlog_remove(backlog);
}
