// SPDX-License-Identifier: BSD-2-Clause
#include "user/live/kernel_names.h"

#include <bpf/btf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "user/base/index.h"

static bool is_named(const void *entries, __u32 entry, const void *key)
{
	const struct kernel_name *names = entries;

	return !strcmp(names[entry].name, key);
}

static bool is_sought(const struct kernel_name *name, const struct btf_type *type)
{
	if (name->member)
		return btf_is_struct(type);
	if (kernel_tracepoint(name->name))
		return btf_is_typedef(type);
	return btf_is_func(type);
}

static void find_ids(struct kernel_name *names, const struct index *index, const struct btf *btf)
{
	__u32 types = btf__type_cnt(btf);

	for (__u32 id = 1; id < types; id++) {
		const struct btf_type *type = btf__type_by_id(btf, id);
		const char *text;
		__u32 found;

		if (!btf_is_func(type) && !btf_is_struct(type) && !btf_is_typedef(type))
			continue;
		text = btf__name_by_offset(btf, type->name_off);
		found = index_find(index, index_hash_text(text), is_named, names, text);
		if (found != INDEX_NONE && !names[found].id && is_sought(&names[found], type))
			names[found].id = id;
	}
}

static bool has_member(const struct btf *btf, const struct btf_type *type, const char *member)
{
	for (__u16 i = 0; i < btf_vlen(type); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_members(type)[i].name_off), member))
			return true;
	return false;
}

static void look_into(struct kernel_name *name, const struct btf *btf)
{
	const struct btf_type *type = btf__type_by_id(btf, name->id);

	if (btf_is_func(type))
		name->args = btf_vlen(btf__type_by_id(btf, type->type));
	else if (name->member && !has_member(btf, type, name->member))
		name->id = 0;
}

int kernel_names_find(struct kernel_name *names, size_t count, const struct btf *btf)
{
	struct index index = {};
	int err = 0;

	for (size_t i = 0; i < count && !err; i++)
		err = index_add(&index, index_hash_text(names[i].name), (__u32)i);
	if (!err)
		find_ids(names, &index, btf);
	index_free(&index);
	for (size_t i = 0; i < count && !err; i++)
		if (names[i].id)
			look_into(&names[i], btf);
	return err;
}

int kernel_names_read(struct kernel_name *names, size_t count)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int err = btf ? kernel_names_find(names, count, btf) : -ENOENT;

	btf__free(btf);
	return err;
}
