// SPDX-License-Identifier: BSD-2-Clause
/*
 * Any bytes as a block: as they are, and with CRCs set right, without which next to
 * nothing would get past the head.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/blocks.h"
#include "user/event/decode.h"
#include "user/recording/block.h"

static void ignore(void *data, __u64 id, const char *path)
{
	(void)id;
	*(size_t *)data += strlen(path);
}

static void read_rows(struct block_reader *reader, const void *bytes, size_t size,
		      const struct port_set *ports)
{
	const struct pt_rec_head *sound;
	union block_row row;
	unsigned int count = 0;
	size_t paths = 0;

	if (block_reader_load(reader, bytes, size, ports))
		return;
	while (block_reader_next(reader, &row) > 0)
		if (decode_row(&row, row.head.size, &sound) || ++count > FORMAT_ROWS_MAX)
			abort();
	block_reader_cgroups(reader, ignore, &paths);
}

static void read_all(const void *bytes, size_t size)
{
	static struct block_reader *reader;
	struct port_set ports = { 0 };
	struct block_head head;
	void *section;
	size_t len;

	if (!reader)
		reader = block_reader_new();
	block_parse_head(bytes, size, &head);
	port_set_add(&ports, 60609);
	block_has_port(bytes, size, &ports);
	block_reader_concerns_all(reader, bytes, size);
	read_rows(reader, bytes, size, NULL);
	read_rows(reader, bytes, size, &ports);
	for (__u16 id = 0; id < FORMAT_SECTIONS_OF_ROWS + 3; id++)
		if (!block_section(bytes, size, id, &section, &len))
			free(section);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	void *copy = malloc(size ?: 1);

	read_all(data, size);
	memcpy(copy, data, size);
	blocks_seal(copy, size);
	read_all(copy, size);
	free(copy);
	return 0;
}
