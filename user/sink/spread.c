// SPDX-License-Identifier: BSD-2-Clause
#include "user/sink/spread.h"

#include <stdio.h>
#include <string.h>

#include "user/sink/column_put.h"
#include "user/sink/grid.h"
#include "user/sink/prose.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BAR_WIDTH 40

/* From the first power of two that has a value to the last. */
struct powers {
	__u64 counts[HISTOGRAM_POWERS];
	unsigned int first, end; /* end: behind the last */
	__u64 most;
};

static struct powers powers_of(const struct histogram *histogram)
{
	struct powers powers = { .first = 0 };

	histogram_powers(histogram, powers.counts);
	for (unsigned int i = 0; i < HISTOGRAM_POWERS; i++) {
		if (!powers.counts[i])
			continue;
		if (!powers.end)
			powers.first = i;
		powers.end = i + 1;
		if (powers.counts[i] > powers.most)
			powers.most = powers.counts[i];
	}
	return powers;
}

static __u64 power_from(unsigned int power)
{
	return power ? 1ULL << power : 0;
}

static __u64 power_to(unsigned int power)
{
	return (2ULL << power) - 1;
}

/* ---- for people ------------------------------------------------------------------ */

/* A full bar is the most; what there is has a star at least. */
static char *format_bar(char *p, __u64 count, __u64 most)
{
	size_t stars = (size_t)(((histogram_sum)count * BAR_WIDTH + most - 1) / most);

	*p++ = '|';
	memset(p, '*', stars);
	memset(p + stars, ' ', BAR_WIDTH - stars);
	p += BAR_WIDTH;
	*p++ = '|';
	return p;
}

enum { FROM, TO, COUNT, BAR, TEXT_COLUMNS };

static char *format_power_cell(void *data, size_t row, size_t column, char *p)
{
	const struct powers *powers = data;
	unsigned int power = powers->first + (unsigned int)row;

	switch (column) {
	case FROM:
		return format_duration(p, power_from(power));
	case TO:
		return format_duration(p, power_to(power));
	case COUNT:
		return format_u64(p, powers->counts[power]);
	default:
		return format_bar(p, powers->counts[power], powers->most);
	}
}

void spread_write_text(struct out *out, const struct histogram *histogram)
{
	static const struct grid_column columns[TEXT_COLUMNS] = {
		[FROM] = { "FROM", true },
		[TO] = { "TO", true },
		[COUNT] = { "COUNT", true },
		[BAR] = { "DISTRIBUTION", false },
	};
	struct powers powers = powers_of(histogram);
	const struct grid grid = { .columns = columns,
				   .columns_count = TEXT_COLUMNS,
				   .rows_count = powers.end - powers.first,
				   .cell = format_power_cell,
				   .data = &powers };

	grid_write(out, &grid);
}

/* ---- quantiles ------------------------------------------------------------------- */

static const struct {
	const char *key;
	const char *title;
	unsigned int permille;
} quantiles[] = {
	{ "p50", "P50", 500 },
	{ "p90", "P90", 900 },
	{ "p99", "P99", 990 },
	{ "max", "LONGEST", 1000 },
};

enum column_state spread_put_quantile(union column_value *value, const struct histogram *histogram,
				      unsigned int permille)
{
	return histogram->count ? put_u64(value, histogram_quantile(histogram, permille))
				: COLUMN_NONE;
}

void spread_write_quantiles(struct out *out, const struct histogram *histogram)
{
	for (size_t i = 0; i < ARRAY_SIZE(quantiles) && histogram->count; i++) {
		out_format(out, "%s%s ", i ? ", " : "", quantiles[i].title);
		prose_duration(out, histogram_quantile(histogram, quantiles[i].permille));
	}
}

void spread_json_quantiles(struct json_writer *json, const char *prefix,
			   const struct histogram *histogram)
{
	char name[COLUMN_KEY_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(quantiles); i++) {
		snprintf(name, sizeof(name), "%s_%s", prefix, quantiles[i].key);
		/* PT_UNKNOWN of none */
		json_u64(json, name, histogram_quantile(histogram, quantiles[i].permille));
	}
}

void spread_json_buckets(struct json_writer *json, const char *name,
			 const struct histogram *histogram)
{
	struct powers powers = powers_of(histogram);

	out_format(json->out, ",\"%s\":[", name);
	for (unsigned int i = powers.first; i < powers.end; i++)
		out_format(json->out, "%s{\"from_ns\":%llu,\"to_ns\":%llu,\"count\":%llu}",
			   i > powers.first ? "," : "", power_from(i), power_to(i),
			   powers.counts[i]);
	out_char(json->out, ']');
}
