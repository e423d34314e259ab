// SPDX-License-Identifier: BSD-2-Clause
/* Names found in BTF that is made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <bpf/btf.h>

#include "user/live/kernel_names.h"

static int number;

static int add_function(struct btf *btf, const char *name, unsigned int args)
{
	int proto = btf__add_func_proto(btf, number);

	for (unsigned int i = 0; i < args; i++)
		assert_false(btf__add_func_param(btf, "arg", number));
	return btf__add_func(btf, name, BTF_FUNC_STATIC, proto);
}

static int add_struct(struct btf *btf, const char *name, const char *member)
{
	int id = btf__add_struct(btf, name, 4);

	assert_false(btf__add_field(btf, "first", number, 0, 0));
	if (member)
		assert_false(btf__add_field(btf, member, number, 0, 0));
	return id;
}

static struct btf *a_btf(void)
{
	struct btf *btf = btf__new_empty();

	assert_non_null(btf);
	number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	return btf;
}

static __u32 id_of(struct btf *btf, const char *name, const char *member)
{
	struct kernel_name names[] = { { .name = name, .member = member } };

	assert_int_equal(kernel_names_find(names, 1, btf), 0);
	return names[0].id;
}

static void functions_have_their_arguments(void **state)
{
	struct btf *btf = a_btf();
	struct kernel_name names[] = {
		{ .name = "none" }, { .name = "four" }, { .name = "int" }, { .name = "nothing" }
	};
	int none = add_function(btf, "none", 0), four = add_function(btf, "four", 4);

	(void)state;
	assert_int_equal(kernel_names_find(names, 4, btf), 0);
	assert_int_equal(names[0].id, none);
	assert_int_equal(names[0].args, 0);
	assert_int_equal(names[1].id, four);
	assert_int_equal(names[1].args, 4);
	assert_int_equal(names[2].id, 0);
	assert_int_equal(names[3].id, 0);
	btf__free(btf);
}

static void the_first_of_a_name_counts(void **state)
{
	struct btf *btf = a_btf();
	int first = add_function(btf, "f", 1);
	struct kernel_name name = { .name = "f" };

	(void)state;
	add_function(btf, "f", 2);
	assert_int_equal(kernel_names_find(&name, 1, btf), 0);
	assert_int_equal(name.id, first);
	assert_int_equal(name.args, 1);
	add_struct(btf, "s", NULL);
	add_struct(btf, "s", "later");
	assert_int_equal(id_of(btf, "s", "later"), 0);
	btf__free(btf);
}

static void a_struct_must_have_the_member(void **state)
{
	struct btf *btf = a_btf();
	int with = add_struct(btf, "with", "member");

	(void)state;
	add_struct(btf, "without", NULL);
	assert_int_equal(id_of(btf, "with", "member"), with);
	assert_int_equal(id_of(btf, "with", "memb"), 0);
	assert_int_equal(id_of(btf, "without", "member"), 0);
	assert_int_equal(id_of(btf, "absent", "member"), 0);
	btf__free(btf);
}

static void a_function_is_no_struct(void **state)
{
	struct btf *btf = a_btf();
	int structure = add_struct(btf, "both", "member"), function = add_function(btf, "both", 1);

	(void)state;
	assert_int_equal(id_of(btf, "both", "member"), structure);
	assert_int_equal(id_of(btf, "both", NULL), function);
	btf__free(btf);
}

static void a_tracepoint_is_a_type(void **state)
{
	struct btf *btf = a_btf();
	int function = add_function(btf, "f", 3), point;

	(void)state;
	add_function(btf, "btf_trace_point", 1);
	btf__add_typedef(btf, "f", number);
	point = btf__add_typedef(btf, "btf_trace_point", btf__add_ptr(btf, 0));
	assert_int_equal(id_of(btf, "f", NULL), function);
	assert_int_equal(id_of(btf, "btf_trace_point", NULL), point);
	assert_int_equal(id_of(btf, "point", NULL), 0);
	btf__free(btf);
}

/* Against libbpf's own search, one name among very many. */
static void each_of_many_is_found(void **state)
{
	struct btf *btf = a_btf();
	struct kernel_name names[50] = {};
	static char texts[50][16];
	char text[16];

	(void)state;
	for (unsigned int i = 0; i < 2000; i++) {
		snprintf(text, sizeof(text), "function_%u", i);
		add_function(btf, text, i % 5);
	}
	for (unsigned int i = 0; i < 50; i++) {
		snprintf(texts[i], sizeof(texts[i]), "function_%u", i * 41);
		names[i].name = texts[i];
	}
	assert_int_equal(kernel_names_find(names, 50, btf), 0);
	for (unsigned int i = 0; i < 50; i++) {
		__s32 id = btf__find_by_name_kind(btf, names[i].name, BTF_KIND_FUNC);

		assert_int_equal(names[i].id, id < 0 ? 0 : id);
		assert_int_equal(names[i].args, id < 0 ? 0 : i * 41 % 5);
	}
	btf__free(btf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_have_their_arguments),
		cmocka_unit_test(the_first_of_a_name_counts),
		cmocka_unit_test(a_struct_must_have_the_member),
		cmocka_unit_test(a_function_is_no_struct),
		cmocka_unit_test(a_tracepoint_is_a_type),
		cmocka_unit_test(each_of_many_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
