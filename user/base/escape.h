/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes that a program chose (its name, a path) made safe to show. What comes
 * out is valid UTF-8 and holds no control character, no line or paragraph
 * separator and nothing that reorders text.
 */
#ifndef PORTTRACE_BASE_ESCAPE_H
#define PORTTRACE_BASE_ESCAPE_H

#include <stddef.h>

/* No byte of input becomes more than this many bytes of output. */
#define ESCAPE_EXPAND 6

/*
 * For a terminal: \\ for a backslash, \xNN for a control byte or a byte that is
 * not UTF-8, \uNNNN for other characters that must not be shown.
 *
 * Writes up to ESCAPE_EXPAND * len bytes to dst, without a NUL; returns how many.
 */
size_t escape_terminal(char *dst, const char *text, size_t len);

/*
 * For the inside of a JSON string (the quotes are the caller's). A byte that is
 * not UTF-8 becomes the text \xNN, as on a terminal. Otherwise like
 * escape_terminal().
 */
size_t escape_json(char *dst, const char *text, size_t len);

/* The number of characters in text that one of these wrote. */
size_t escape_width(const char *text, size_t len);

#endif /* PORTTRACE_BASE_ESCAPE_H */
