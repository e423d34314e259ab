// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "user/base/parse.h"

void problems_tell(const struct problems *problems, const char *file, const char *format, ...)
{
	char text[PARSE_REASON_LEN], quoted[PARSE_QUOTE_LEN];
	va_list args;
	int n;

	if (!problems->tell)
		return;
	n = snprintf(text, sizeof(text), "%s: ", parse_quote(file, strlen(file), quoted));
	va_start(args, format);
	vsnprintf(text + n, sizeof(text) - (size_t)n, format, args);
	va_end(args);
	problems->tell(problems->data, text);
}
