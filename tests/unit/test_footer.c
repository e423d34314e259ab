// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/recording/footer.h"

static const struct block_head heads[] = {
	{ .type = FORMAT_SEGMENT,
	  .size = 300,
	  .first_ts = 100,
	  .last_ts = 100,
	  .realtime_offset = 5000 },
	{ .type = FORMAT_KEYFRAME, .size = 700, .rows = 9, .first_ts = 1, .last_ts = 99 },
	{ .type = FORMAT_EVENTS,
	  .size = 200,
	  .rows = 4,
	  .first_ts = 110,
	  .last_ts = 190,
	  .realtime_offset = 6000 },
	{ .type = FORMAT_EVENTS,
	  .size = 200,
	  .rows = 2,
	  .first_ts = 170,
	  .last_ts = 180,
	  .realtime_offset = 7000 },
};

#define HEADS (sizeof(heads) / sizeof(*heads))

static struct footer make(unsigned int count)
{
	struct footer footer = { 0 };

	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(footer_add(&footer, &heads[i % HEADS]), 0);
	return footer;
}

static void test_totals_and_back(void **state)
{
	struct footer footer = make(HEADS), copy;
	void *bytes;
	size_t size;

	(void)state;
	assert_int_equal(footer.size, 1400);
	assert_int_equal(footer.rows, 6);
	assert_int_equal(footer.first_ts, 100);
	assert_int_equal(footer.last_ts, 190);
	assert_int_equal(footer.last_wall, 6190);
	assert_int_equal(footer_encode(&footer, &bytes, &size), 0);
	assert_int_equal(footer_decode(bytes, size, &copy), 0);
	assert_int_equal(copy.count, HEADS);
	assert_int_equal(copy.last_wall, 6190);
	assert_int_equal(copy.blocks[3].offset, 1200);
	assert_memory_equal(copy.blocks, footer.blocks, HEADS * sizeof(*copy.blocks));
	footer_free(&copy);
	footer_free(&footer);
	free(bytes);
}

/* Every byte that is kept counts: a footer that does not add up is refused. */
static void test_what_does_not_add_up(void **state)
{
	struct footer footer = make(HEADS), copy;
	char *bytes;
	size_t size;

	(void)state;
	assert_int_equal(footer_encode(&footer, (void **)&bytes, &size), 0);
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(footer_decode(bytes, cut, &copy), -EBADMSG);
	for (size_t at = 0; at < 44; at++) {
		bytes[at] ^= 1;
		assert_int_equal(footer_decode(bytes, size, &copy), -EBADMSG);
		bytes[at] ^= 1;
	}
	/* offset and size of a block */
	for (size_t at = 48 + 48; at < 48 + 48 + 12; at++) {
		bytes[at] ^= 1;
		assert_int_equal(footer_decode(bytes, size, &copy), -EBADMSG);
		bytes[at] ^= 1;
	}
	footer_free(&footer);
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_totals_and_back),
		cmocka_unit_test(test_what_does_not_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
