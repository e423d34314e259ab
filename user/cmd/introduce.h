/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said on standard error before the first event. */
#ifndef PORTTRACE_CMD_INTRODUCE_H
#define PORTTRACE_CMD_INTRODUCE_H

#include "user/cmd/options.h"

/* What the snapshot found. */
struct introduction {
	bool surveyed; /* there was one */
	__u64 holds;   /* of what is traced */
};

/*
 * What is traced, in a line that begins with "Tracing"; before it, if that is
 * one port, what this host makes of it.
 */
void introduce(const struct options *options, const struct introduction *what);

#endif /* PORTTRACE_CMD_INTRODUCE_H */
