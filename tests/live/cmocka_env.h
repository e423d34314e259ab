/* SPDX-License-Identifier: BSD-2-Clause */
/* cmocka.h with the headers that it wants before it. */
#ifndef LIVE_CMOCKA_ENV_H
#define LIVE_CMOCKA_ENV_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif /* LIVE_CMOCKA_ENV_H */
