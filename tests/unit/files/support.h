/* A workspace of one test, and verbs run on it as the program would. */
#ifndef TOOLCELL_TEST_FILES_SUPPORT_H
#define TOOLCELL_TEST_FILES_SUPPORT_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/unit/json_at.h"
#include "tools/cell/files/args.h"
#include "tools/cell/files/files.h"
#include "tools/cell/files/path.h"

static char ws[PATH_MAX]; /* the workspace */

static inline void ws_make(void)
{
	char made[] = "/tmp/toolcell-files-XXXXXX";

	(void)umask(022);
	cr_assert_not_null(mkdtemp(made));
	cr_assert_eq(path_workspace(made, ws), 0);
	cr_assert_eq(chdir(ws), 0);
}

static inline int ws_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void ws_remove(void)
{
	(void)nftw(ws, ws_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void put_bytes(const char *name, const void *data, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0, "%s", name);
	cr_assert_eq(fd_write_full(fd, data, len), 0);
	(void)close(fd);
}

static inline void put(const char *name, const char *text)
{
	put_bytes(name, text, strlen(text));
}

static inline void expect_bytes(const char *name, const void *want, size_t want_len)
{
	struct err err = {0};
	char *data = NULL;
	size_t len = 0;

	cr_assert_eq(fd_read_file(AT_FDCWD, name, 64 << 20, &data, &len, &err), 0, "%s", err.text);
	cr_assert_eq(len, want_len, "%s holds %zu bytes: %s", name, len, data);
	cr_assert_eq(memcmp(data, want, len), 0, "%s holds: %s", name, data);
	free(data);
}

static inline void expect_file(const char *name, const char *want)
{
	expect_bytes(name, want, strlen(want));
}

typedef int verb_fn(const struct files_call *call, struct answer *answer);

/* The document that @verb answers @arguments with (stolen); the caller decrefs. */
static inline json_t *run_json(verb_fn *verb, json_t *arguments)
{
	struct files_call call = {.arguments = arguments, .workspace = ws};
	struct answer answer;
	char *text = NULL;
	json_t *document;

	cr_assert_not_null(arguments);
	answer_init(&answer);
	cr_assert_eq(verb(&call, &answer), 0);
	cr_assert_eq(answer_encode(&answer, &text), 0);
	document = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	cr_assert_not_null(document, "no JSON: %s", text);
	free(text);
	answer_fini(&answer);
	json_decref(arguments);
	return document;
}

/* The same; @arguments is JSON with ' for ". */
static inline json_t *run(verb_fn *verb, const char *arguments)
{
	char *text = strdup(arguments);
	json_t *parsed = NULL;
	struct err err = {0};

	for (char *p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	cr_assert_eq(args_parse(text, strlen(text), &parsed, &err), 0, "%s: %s", err.text, text);
	free(text);
	return run_json(verb, parsed);
}

static inline bool is_true_at(json_t *value, const char *path)
{
	const json_t *found = at(value, path);

	return json_is_true(found);
}

static inline bool is_false_at(json_t *value, const char *path)
{
	const json_t *found = at(value, path);

	return json_is_false(found);
}

static inline bool is_null_at(json_t *value, const char *path)
{
	const json_t *found = at(value, path);

	return json_is_null(found);
}

#define EXPECT_TEXT(doc, part)                                                           \
	cr_assert_not_null(strstr(str_at(doc, "text"), part), "no \"%s\" in:\n%s", part, \
			   str_at(doc, "text"))

static inline void expect_ok(json_t *doc)
{
	cr_assert(is_true_at(doc, "success"), "%s", str_at(doc, "text"));
}

/* A refusal: what programs get is what models read. */
static inline void expect_error(json_t *doc, const char *code)
{
	cr_assert(is_false_at(doc, "success"), "%s", str_at(doc, "text"));
	EXPECT_STR(doc, "data.type", "error");
	EXPECT_STR(doc, "data.error", code);
	cr_assert_str_eq(str_at(doc, "data.message"), str_at(doc, "text"));
}

static inline void expect_denials(json_t *doc, size_t n)
{
	cr_assert_eq(json_array_size(at(doc, "denials")), n, "%zu denials: %s",
		     json_array_size(at(doc, "denials")), str_at(doc, "text"));
}

#endif
