/* SPDX-License-Identifier: BSD-2-Clause */
/* Arrays that grow. */
#ifndef PORTTRACE_BASE_ARRAY_H
#define PORTTRACE_BASE_ARRAY_H

#include <stddef.h>
#include <stdlib.h>

/* Room for one more entry. Returns the array, or NULL; the old one stays then. */
static inline void *array_make_room(void *array, size_t count, size_t *size, size_t entry_size)
{
	size_t wanted = *size ? 2 * *size : 64;
	void *grown;

	if (count < *size)
		return array;
	grown = reallocarray(array, wanted, entry_size);
	if (grown)
		*size = wanted;
	return grown;
}

#endif /* PORTTRACE_BASE_ARRAY_H */
