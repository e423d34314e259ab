/* SPDX-License-Identifier: BSD-2-Clause */
/* What is wrong with a recording, to be told to its reader. */
#ifndef PORTTRACE_RECORDING_PROBLEMS_H
#define PORTTRACE_RECORDING_PROBLEMS_H

#include <linux/types.h>

struct problems {
	void (*tell)(void *data, const char *text); /* NULL: nobody wants to know */
	void *data;
};

/* printf-like, behind the file's name, escaped. */
void problems_tell(const struct problems *problems, const char *file, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* PORTTRACE_RECORDING_PROBLEMS_H */
