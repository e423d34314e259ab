// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/memo.h"

#include <string.h>

/* A few thousand holds take as much. */
_Static_assert(sizeof(struct memo) < 400 << 10, "a bound of memory");

void memo_keep(struct memo *memo, const struct column_key *key, const char *text, size_t len,
	       __u16 note)
{
	struct memo_set *set = memo_set_of(memo, key);
	struct memo_text *kept = &set->texts[set->newest];

	if (len > MEMO_TEXT_MAX)
		return;
	kept->key = *key;
	kept->note = note;
	kept->len = (__u16)len;
	memcpy(kept->bytes, text, len);
}

void memo_clear(struct memo *memo)
{
	/* What was never written is not written now, so that it takes no memory. */
	for (unsigned int i = 0; i < 2U << MEMO_BITS; i++) {
		struct memo_text *text = &memo->sets[i / 2].texts[i % 2];

		if (text->key.columns)
			text->key.columns = 0;
	}
}
