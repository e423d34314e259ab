// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sqlite3.h>

#include "user/sink/schema.h"
#include "user/sink/spans.h"

static sqlite3 *database(void)
{
	char *sql = schema_tables();
	sqlite3 *db;

	assert_non_null(sql);
	assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_free(sql);
	return db;
}

/* It is SQL, and has as many parameters as row says; frees it. */
static void check_insert(sqlite3 *db, char *sql, const struct schema_row *row)
{
	sqlite3_stmt *stmt;

	assert_non_null(sql);
	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL))
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_bind_parameter_count(stmt), row->count);
	sqlite3_finalize(stmt);
	sqlite3_free(sql);
}

static void test_events(void **state)
{
	sqlite3 *db = database();
	struct schema_row row;

	(void)state;
	for (unsigned int type = 0; type < PT_EV_TYPES; type++) {
		check_insert(db, schema_insert_event(type, &row), &row);
		for (unsigned int i = 0; i < row.count; i++)
			assert_true(row.fields[i].column->events >> type & 1);
	}
	sqlite3_close(db);
}

/* Three times, and all else of columns[] as it is there. */
static void test_holds(void **state)
{
	sqlite3 *db = database();
	unsigned int times = 0;
	struct schema_row row;

	(void)state;
	check_insert(db, schema_insert_hold(&row), &row);
	for (unsigned int i = 0; i < row.count; i++) {
		if (row.fields[i].column)
			continue;
		times++;
		assert_true(row.fields[i].time == offsetof(struct span, begin) ||
			    row.fields[i].time == offsetof(struct span, closed) ||
			    row.fields[i].time == offsetof(struct span, end));
	}
	assert_int_equal(times, 3);
	sqlite3_close(db);
}

static void test_indexes(void **state)
{
	sqlite3 *db = database();

	(void)state;
	assert_int_equal(sqlite3_exec(db, schema_indexes, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_holds),
		cmocka_unit_test(test_indexes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
