/* SPDX-License-Identifier: BSD-2-Clause */
/* An inventory that a test fills by itself, empty as each begins; after cmocka.h. */
#ifndef PORTTRACE_TESTS_INVENTORIES_H
#define PORTTRACE_TESTS_INVENTORIES_H

#include "user/live/inventory.h"

static struct inventory inventory;
static struct inventory_options options;

static int begin(void **state)
{
	(void)state;
	options = (struct inventory_options){ 0 };
	inventory = (struct inventory){ .options = &options };
	return 0;
}

static int end(void **state)
{
	(void)state;
	inventory_free(&inventory);
	return 0;
}

#endif /* PORTTRACE_TESTS_INVENTORIES_H */
