// SPDX-License-Identifier: BSD-2-Clause
/*
 * What a block costs: bytes a row, rows a second in and out, on one core, with the
 * records of tests/support/synthetic.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/synthetic.h"
#include "user/recording/block.h"

#define BLOCKS 8
#define WARM_UP                                                                                    \
	1000000 /* records before the first that counts: TIME_WAITs are as many as later           \
		 */

struct bench {
	unsigned int rounds;
	union block_row *rows; /* of BLOCKS blocks */
	void *blocks[BLOCKS];
	size_t sizes[BLOCKS];
	struct block_writer *writer;
	struct block_reader *reader;
};

static void fail(const char *what)
{
	fprintf(stderr, "codec: %s\n", what);
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void generate(struct bench *bench)
{
	struct synthetic *load = synthetic_new(1);

	bench->rows = calloc(BLOCKS * FORMAT_ROWS_MAX, sizeof(*bench->rows));
	if (!load || !bench->rows)
		fail("no memory");
	for (int i = 0; i < WARM_UP; i++)
		synthetic_next(load, bench->rows);
	for (int i = 0; i < BLOCKS * FORMAT_ROWS_MAX; i++)
		synthetic_next(load, &bench->rows[i]);
	synthetic_free(load);
}

static void write_block(struct bench *bench, int number, const void **bytes, size_t *size)
{
	const struct block_info info = { .type = FORMAT_EVENTS };
	const union block_row *rows = &bench->rows[number * FORMAT_ROWS_MAX];

	for (int i = 0; i < FORMAT_ROWS_MAX; i++)
		if (block_writer_add(bench->writer, &rows[i].head))
			fail("add");
	if (block_writer_finish(bench->writer, &info, bytes, size))
		fail("finish");
}

static void bench_write(struct bench *bench)
{
	const double rows = (double)bench->rounds * BLOCKS * FORMAT_ROWS_MAX;
	size_t sum = 0;
	double begun;

	for (int i = 0; i < BLOCKS; i++) {
		const void *bytes;

		write_block(bench, i, &bytes, &bench->sizes[i]);
		bench->blocks[i] = malloc(bench->sizes[i]);
		if (!bench->blocks[i])
			fail("no memory");
		memcpy(bench->blocks[i], bytes, bench->sizes[i]);
		sum += bench->sizes[i];
	}
	begun = now();
	for (unsigned int round = 0; round < bench->rounds; round++) {
		for (int i = 0; i < BLOCKS; i++) {
			const void *bytes;
			size_t size;

			write_block(bench, i, &bytes, &size);
		}
	}
	printf("bytes a row          %.2f\n", (double)sum / (BLOCKS * FORMAT_ROWS_MAX));
	printf("written, M rows/s    %.1f\n", rows / (now() - begun) / 1e6);
}

static unsigned int read_block(struct bench *bench, int number, const struct port_set *ports)
{
	union block_row row;
	unsigned int rows = 0;
	int got;

	if (block_reader_load(bench->reader, bench->blocks[number], bench->sizes[number], ports))
		fail("load");
	while ((got = block_reader_next(bench->reader, &row)) > 0)
		rows++;
	if (got < 0)
		fail("next");
	return rows;
}

static void bench_read(struct bench *bench, const struct port_set *ports, const char *label)
{
	const double rows = (double)bench->rounds * BLOCKS * FORMAT_ROWS_MAX;
	double begun = now();

	for (unsigned int round = 0; round < bench->rounds; round++)
		for (int i = 0; i < BLOCKS; i++)
			if (!ports && read_block(bench, i, ports) != FORMAT_ROWS_MAX)
				fail("rows are missing");
			else if (ports)
				read_block(bench, i, ports);
	printf("%s, M rows/s %.1f\n", label, rows / (now() - begun) / 1e6);
}

static void bench_search(struct bench *bench, const struct port_set *ports)
{
	const unsigned int times = 100;
	unsigned int found = 0;
	double begun = now();

	for (unsigned int round = 0; round < bench->rounds * times; round++)
		for (int i = 0; i < BLOCKS; i++)
			found += block_has_port(bench->blocks[i], bench->sizes[i], ports) > 0;
	printf("searched, k blocks/s %.0f\n",
	       bench->rounds * times * BLOCKS / (now() - begun) / 1e3);
}

int main(int argc, char **argv)
{
	struct bench bench = { .rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 50,
			       .writer = block_writer_new(12345),
			       .reader = block_reader_new() };
	struct port_set one = { 0 };

	if (!bench.writer || !bench.reader)
		fail("no memory");
	port_set_add(&one, 40000);
	generate(&bench);
	bench_write(&bench);
	bench_read(&bench, NULL, "read        ");
	bench_read(&bench, &one, "of one port ");
	bench_search(&bench, &one);
	for (int i = 0; i < BLOCKS; i++)
		free(bench.blocks[i]);
	free(bench.rows);
	block_writer_free(bench.writer);
	block_reader_free(bench.reader);
	return 0;
}
