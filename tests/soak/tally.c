// SPDX-License-Identifier: BSD-2-Clause
#include "tests/soak/tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/live/fail.h"

const char *const tally_protos[TALLY_PROTOS] = { "tcp", "udp" };
const char *const tally_vias[TALLY_VIAS] = { "connect",	 "bind",  "listen",
					     "autobind", "fixed", "null" };

static void add_table(uint64_t to[TALLY_PROTOS][TALLY_VIAS],
		      const uint64_t table[TALLY_PROTOS][TALLY_VIAS])
{
	for (int i = 0; i < TALLY_PROTOS; i++)
		for (int j = 0; j < TALLY_VIAS; j++)
			to[i][j] += table[i][j];
}

void tally_add(struct tally *to, const struct tally *tally)
{
	to->steps += tally->steps;
	to->unclear += tally->unclear;
	add_table(to->allocs, tally->allocs);
	add_table(to->fails, tally->fails);
}

/* {"tcp":{"connect":12,...},"udp":{...}} */
static json_t *table_pack(const uint64_t table[TALLY_PROTOS][TALLY_VIAS])
{
	json_t *all = json_object();

	for (int i = 0; i < TALLY_PROTOS; i++) {
		json_t *row = json_object();

		for (int j = 0; j < TALLY_UNTOLD; j++)
			json_object_set_new(row, tally_vias[j], json_integer(table[i][j]));
		json_object_set_new(all, tally_protos[i], row);
	}
	return all;
}

static void table_unpack(uint64_t table[TALLY_PROTOS][TALLY_VIAS], const json_t *all)
{
	for (int i = 0; i < TALLY_PROTOS; i++) {
		const json_t *row = json_object_get(all, tally_protos[i]);

		for (int j = 0; j < TALLY_UNTOLD; j++)
			table[i][j] = json_integer_value(json_object_get(row, tally_vias[j]));
	}
}

void tally_write(int file, const char *comm, pid_t pid, const struct tally *tally)
{
	json_t *object =
		json_pack("{s:s, s:i, s:I, s:I, s:o, s:o}", "comm", comm, "pid", (int)pid, "steps",
			  (json_int_t)tally->steps, "unclear", (json_int_t)tally->unclear, "allocs",
			  table_pack(tally->allocs), "fails", table_pack(tally->fails));
	char *line = json_dumps(object, JSON_COMPACT);

	must_be(line);
	/* in one piece: processes write to the same file */
	must(dprintf(file, "%s\n", line));
	free(line);
	json_decref(object);
}

void tally_read(struct tally *tally, const json_t *object)
{
	memset(tally, 0, sizeof(*tally));
	tally->steps = json_integer_value(json_object_get(object, "steps"));
	tally->unclear = json_integer_value(json_object_get(object, "unclear"));
	table_unpack(tally->allocs, json_object_get(object, "allocs"));
	table_unpack(tally->fails, json_object_get(object, "fails"));
}
