// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>

#include "tests/unit/records.h"
#include "user/event/decode.h"

static int decode(const void *data, size_t size)
{
	const struct pt_rec_head *out = NULL;
	int err = decode_record(data, size, &out);

	/* untouched on failure, the data itself on success */
	assert_ptr_equal(out, err ? NULL : data);
	return err;
}

static void test_every_kind_passes(void **state)
{
	struct pt_rec_port port = rec_port(PT_REC_ALLOC, 1, 1, PT_VIA_CONNECT, 443);
	struct pt_rec_tuple tuple = rec_tw_begin(1, 1, 1, 443);
	struct pt_rec_tw_end end = rec_tw_end(1, 1, 1, 0);
	struct pt_rec_head head = rec_release(1, 1);

	(void)state;
	assert_int_equal(decode(&port, sizeof(port)), 0);
	port.head.kind = PT_REC_FAIL;
	assert_int_equal(decode(&port, sizeof(port)), 0);
	assert_int_equal(decode(&tuple, sizeof(tuple)), 0);
	tuple.head.kind = PT_REC_CONNECT;
	assert_int_equal(decode(&tuple, sizeof(tuple)), 0);
	assert_int_equal(decode(&end, sizeof(end)), 0);
	assert_int_equal(decode(&head, sizeof(head)), 0);
}

static void test_short_data(void **state)
{
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 1, 1, PT_VIA_CONNECT, 443);
	char *copy;

	(void)state;
	/* a copy of just that size, so that the sanitizer sees a read behind it */
	for (size_t size = 0; size < sizeof(rec); size++) {
		copy = malloc(size);
		memcpy(copy, &rec, size);
		assert_int_equal(decode(copy, size), -EBADMSG);
		free(copy);
	}
}

static void test_size_must_be_the_kinds(void **state)
{
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 1, 1, PT_VIA_CONNECT, 443);

	(void)state;
	rec.head.kind = PT_REC_RELEASE;
	assert_int_equal(decode(&rec, sizeof(rec)), -EBADMSG);
	rec.head.size = sizeof(struct pt_rec_head);
	assert_int_equal(decode(&rec, sizeof(rec)), 0);
}

static void test_kinds_nobody_knows(void **state)
{
	struct pt_rec_head head = rec_release(1, 1);

	(void)state;
	for (unsigned int kind = 0; kind < 256; kind++) {
		head.kind = (__u8)kind;
		if (kind == 0 || kind >= PT_REC_KINDS)
			assert_int_equal(decode(&head, sizeof(head)), -EBADMSG);
	}
}

static void test_another_version(void **state)
{
	struct pt_rec_head head = rec_release(1, 1);

	(void)state;
	head.version = PT_ABI_VERSION + 1;
	assert_int_equal(decode(&head, sizeof(head)), -EPROTO);
}

static void test_fields_out_of_range(void **state)
{
	struct pt_rec_port rec = rec_port(PT_REC_ALLOC, 1, 1, PT_VIA_CONNECT, 443);
	struct pt_rec_port bad = rec;

	(void)state;
	bad.head.proto = IPPROTO_SCTP;
	assert_int_equal(decode(&bad, sizeof(bad)), -EBADMSG);
	bad = rec;
	bad.head.family = AF_UNIX;
	assert_int_equal(decode(&bad, sizeof(bad)), -EBADMSG);
	bad = rec;
	bad.via = PT_VIAS;
	assert_int_equal(decode(&bad, sizeof(bad)), -EBADMSG);
	bad = rec;
	bad.error = 1;
	assert_int_equal(decode(&bad, sizeof(bad)), -EBADMSG);
	bad.error = -4096;
	assert_int_equal(decode(&bad, sizeof(bad)), -EBADMSG);
}

static void test_port_0_is_for_refusals(void **state)
{
	struct pt_rec_port rec = rec_port(PT_REC_FAIL, 1, 1, PT_VIA_CONNECT, 443);

	(void)state;
	rec.head.port = 0;
	assert_int_equal(decode(&rec, sizeof(rec)), 0);
	rec.head.kind = PT_REC_ALLOC;
	assert_int_equal(decode(&rec, sizeof(rec)), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_passes),
		cmocka_unit_test(test_short_data),
		cmocka_unit_test(test_size_must_be_the_kinds),
		cmocka_unit_test(test_kinds_nobody_knows),
		cmocka_unit_test(test_another_version),
		cmocka_unit_test(test_fields_out_of_range),
		cmocka_unit_test(test_port_0_is_for_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
