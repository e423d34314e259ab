// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a file: as they are, and with the CRCs of the blocks set right that lie
 * one behind the other. All of it is read into a ledger, also for one port and up to a
 * moment.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/blocks.h"
#include "user/event/decode.h"
#include "user/ledger/ledger.h"
#include "user/recording/reader.h"

static int take_row(void *data, const struct pt_rec_head *row, __u64 realtime_offset)
{
	const struct pt_rec_head *sound;

	if (decode_row(row, row->size, &sound))
		abort();
	ledger_set_clock(data, realtime_offset);
	return ledger_row(data, row);
}

static void take_event(void *data, const struct pt_event *ev)
{
	(void)data;
	if (!pt_event_name(ev->type) || (ev->type != PT_EV_LOST && !pt_proto_name(ev->space.proto)))
		abort();
}

static void take_state(void *data, const struct pt_rec_head *row)
{
	const struct pt_rec_head *sound;

	(void)data;
	if (decode_row(row, row->size, &sound))
		abort();
}

static int take_gap(void *data, __u64 from, __u64 to, __u64 count)
{
	(void)data;
	(void)count;
	if (to < from)
		abort();
	return 0;
}

static void take_problem(void *data, const char *text)
{
	(void)data;
	if (!*text)
		abort();
}

static void read_segments(struct reader *reader)
{
	struct ledger *ledger = ledger_new(take_event, NULL);
	const struct reader_handler handler = { .row = take_row, .gap = take_gap, .data = ledger };
	struct port_set ports = { 0 };

	port_set_add(&ports, 60609);
	for (unsigned int i = 0; i < reader_segments(reader); i++) {
		const struct reader_segment *segment = reader_segment(reader, i);
		const struct reader_query all = { NULL, ~0ULL }, one = { &ports, ~0ULL },
					  some = { NULL, segment->last_wall - 1 };

		reader_rows(reader, i, true, &all, &handler);
		reader_rows(reader, i, false, &one, &handler);
		reader_rows(reader, i, true, &some, &handler);
		reader_find(reader, segment->last_wall);
		if (strlen(segment->about) < 2)
			abort();
	}
	/* what a ledger takes it can tell */
	ledger_keyframe(ledger, take_state, NULL);
	ledger_free(ledger);
}

static void read_all(const void *bytes, size_t size)
{
	struct reader_options options = { .problem = take_problem };
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	struct parse_reason why;
	struct reader *reader;
	char path[40];

	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	options.path = path;
	if (!reader_open(&options, &reader, &why)) {
		read_segments(reader);
		reader_close(reader);
	}
	close(fd);
}

/* Through a copy: blocks in a file are not aligned. */
static void seal(char *bytes, size_t size)
{
	void *block = malloc(size);

	memcpy(block, bytes, size);
	blocks_seal(block, size);
	memcpy(bytes, block, size);
	free(block);
}

static void seal_all(char *bytes, size_t size)
{
	while (size >= sizeof(struct format_block_head)) {
		struct format_block_head head;

		memcpy(&head, bytes, sizeof(head));
		if (head.size < sizeof(head) || head.size > size)
			head.size = (__u32)size;
		seal(bytes, head.size);
		bytes += head.size;
		size -= head.size;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size ?: 1);

	read_all(data, size);
	memcpy(copy, data, size);
	seal_all(copy, size);
	read_all(copy, size);
	free(copy);
	return 0;
}
