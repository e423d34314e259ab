/* SPDX-License-Identifier: BSD-2-Clause */
/* Output handed to the programs that people read it with: jq, sqlite3. */
#ifndef PORTTRACE_TESTS_CONSUMER_H
#define PORTTRACE_TESTS_CONSUMER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What it writes, to be freed; it has to succeed and to have nothing to complain about. */
static inline char *consumer_run(const char *command)
{
	char *all = NULL, *text = NULL;
	size_t size = 0;
	FILE *pipe, *to;
	int c, status;

	if (asprintf(&all, "exec 2>&1; %s", command) < 0)
		fail_msg("out of memory");
	pipe = popen(all, "re");
	to = open_memstream(&text, &size);
	assert_non_null(pipe);
	assert_non_null(to);
	while ((c = getc(pipe)) != EOF)
		putc(c, to);
	fclose(to);
	status = pclose(pipe);
	if (status)
		fail_msg("status %x: %s\n%s\nif it is missing: make deps", status, command, text);
	free(all);
	return text;
}

static inline void consumer_check(const char *command, const char *wanted)
{
	char *text = consumer_run(command);

	assert_string_equal(text, wanted);
	free(text);
}

/* A new directory, to be removed with consumer_clean(). */
static inline void consumer_dir(char dir[32])
{
	strcpy(dir, "/tmp/porttrace-XXXXXX");
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
}

static inline void consumer_clean(const char *dir)
{
	char *command;

	assert_int_equal(chdir("/"), 0);
	if (asprintf(&command, "rm -r %s", dir) < 0)
		fail_msg("out of memory");
	free(consumer_run(command));
	free(command);
}

static inline void consumer_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

#endif /* PORTTRACE_TESTS_CONSUMER_H */
