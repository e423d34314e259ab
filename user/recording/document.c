// SPDX-License-Identifier: BSD-2-Clause
#include "user/recording/document.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/escape.h"
#include "user/base/format.h"
#include "user/base/parse.h"
#include "user/recording/format.h"

#define DUMP_FLAGS (JSON_COMPACT | JSON_ENSURE_ASCII)

/* ---- writing ------------------------------------------------------------------ */

/* u64 do not fit a double, which is what most readers of JSON make of a number. */
static json_t *digits(__u64 value)
{
	char text[FORMAT_U64_MAX];

	return json_stringn(text, (size_t)(format_u64(text, value) - text));
}

/* A host may be named by any bytes; JSON wants UTF-8. */
static json_t *words(const char *text)
{
	size_t len = strlen(text);
	char *safe = malloc(len * ESCAPE_EXPAND + 1);
	json_t *value;

	if (!safe)
		return NULL;
	value = json_stringn(safe, escape_terminal(safe, text, len));
	free(safe);
	return value;
}

static json_t *moment(__u64 wall)
{
	struct format_time cache = { 0 };
	char text[FORMAT_RFC3339_MAX];

	return json_stringn(text, (size_t)(format_rfc3339(&cache, text, wall) - text));
}

static int set_members(json_t *to, const struct document *document)
{
	int bad = json_object_set_new(to, "format", json_integer(FORMAT_VERSION));

	bad |= json_object_set_new(to, "version", words(document->version));
	bad |= json_object_set_new(to, "run", json_string(document->run));
	bad |= json_object_set_new(to, "index", digits(document->index));
	bad |= json_object_set_new(to, "continues", json_boolean(document->continues));
	bad |= json_object_set_new(to, "dropped", digits(document->dropped));
	if (document->dropped) {
		bad |= json_object_set_new(to, "dropped_from", digits(document->dropped_from));
		bad |= json_object_set_new(to, "dropped_to", digits(document->dropped_to));
	}
	bad |= json_object_set_new(to, "begin", moment(document->begin_wall));
	bad |= json_object_set_new(to, "begin_wall", digits(document->begin_wall));
	bad |= json_object_set_new(to, "begin_boot", digits(document->begin_boot));
	bad |= json_object_set_new(to, "pid", json_integer((json_int_t)document->pid));
	bad |= json_object_set_new(to, "boot", words(document->boot));
	bad |= json_object_set_new(to, "host", words(document->host));
	bad |= json_object_set_new(to, "kernel", words(document->kernel));
	return bad ? -ENOMEM : 0;
}

static int add_more(json_t *to, const char *more)
{
	char *text;
	json_t *object;
	int bad;

	if (!more)
		return 0;
	if (asprintf(&text, "{%s}", more) < 0)
		return -ENOMEM;
	object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	if (!object)
		return -EINVAL;
	bad = json_object_update_missing(to, object);
	json_decref(object);
	return bad ? -ENOMEM : 0;
}

int document_make(const struct document *document, const char *more, char **out, size_t *size)
{
	json_t *object = json_object();
	char *text;
	int err;

	if (!object)
		return -ENOMEM;
	err = set_members(object, document);
	if (!err)
		err = add_more(object, more);
	text = err ? NULL : json_dumps(object, DUMP_FLAGS);
	json_decref(object);
	if (err)
		return err;
	if (!text)
		return -ENOMEM;
	*size = strlen(text);
	if (*size > DOCUMENT_MAX) {
		free(text);
		return -E2BIG;
	}
	*out = text;
	return 0;
}

/* ---- reading ------------------------------------------------------------------ */

static bool get_digits(const json_t *from, const char *name, __u64 *out)
{
	const char *text = json_string_value(json_object_get(from, name));
	struct parse_reason why;

	return text && !parse_u64(text, 0, UINT64_MAX, out, &why);
}

static bool get_run(const json_t *from, char out[DOCUMENT_RUN_LEN])
{
	const char *run = json_string_value(json_object_get(from, "run"));

	if (!run || strlen(run) != DOCUMENT_RUN_LEN - 1 ||
	    strspn(run, "0123456789abcdef") != DOCUMENT_RUN_LEN - 1)
		return false;
	memcpy(out, run, DOCUMENT_RUN_LEN);
	return true;
}

/* Puts what was escaped behind *end, which is moved. */
static const char *get_words(const json_t *from, const char *name, char **end)
{
	const json_t *value = json_object_get(from, name);
	char *text = *end;

	/* made by words(): what it escaped is not escaped once more, unless it was not */
	if (json_is_string(value)) {
		const char *bytes = json_string_value(value);
		size_t len = json_string_length(value);
		size_t n = escape_terminal(text, bytes, len);
		bool safe = true;

		for (size_t i = 0; i < len && safe; i++)
			safe = bytes[i] >= ' ' && bytes[i] <= '~';
		if (safe)
			memcpy(text, bytes, n = len);
		*end += n;
	}
	*(*end)++ = '\0';
	return text;
}

static size_t words_room(const json_t *from, const char *name)
{
	return json_string_length(json_object_get(from, name)) * ESCAPE_EXPAND + 1;
}

static int get_texts(const json_t *from, struct document *document)
{
	char *about = json_dumps(from, DUMP_FLAGS), *end;
	size_t room;

	if (!about)
		return -ENOMEM;
	room = strlen(about) + 1;
	end = malloc(room + words_room(from, "boot") + words_room(from, "host") +
		     words_room(from, "kernel") + words_room(from, "version"));
	document->text = end;
	if (end) {
		memcpy(end, about, room);
		document->about = end;
		end += room;
		document->boot = get_words(from, "boot", &end);
		document->host = get_words(from, "host", &end);
		document->kernel = get_words(from, "kernel", &end);
		document->version = get_words(from, "version", &end);
	}
	free(about);
	return document->text ? 0 : -ENOMEM;
}

static int read_members(const json_t *from, struct document *document)
{
	if (!json_is_object(from) || !get_run(from, document->run) ||
	    !get_digits(from, "index", &document->index) ||
	    !get_digits(from, "dropped", &document->dropped))
		return -EBADMSG;
	get_digits(from, "dropped_from", &document->dropped_from);
	get_digits(from, "dropped_to", &document->dropped_to);
	get_digits(from, "begin_boot", &document->begin_boot);
	get_digits(from, "begin_wall", &document->begin_wall);
	document->continues = json_is_true(json_object_get(from, "continues"));
	document->pid = (__u64)json_integer_value(json_object_get(from, "pid"));
	return get_texts(from, document);
}

int document_read(const void *bytes, size_t size, struct document *out)
{
	struct document document = { 0 };
	json_t *object;
	int err;

	if (size > DOCUMENT_MAX)
		return -EBADMSG;
	object = json_loadb(bytes, size, 0, NULL);
	if (!object)
		return -EBADMSG;
	err = read_members(object, &document);
	json_decref(object);
	if (!err)
		*out = document;
	return err;
}

void document_free(struct document *document)
{
	free(document->text);
	*document = (struct document){ 0 };
}
