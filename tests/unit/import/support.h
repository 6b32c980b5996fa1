/* Helpers of the import tests: policies by name or as JSON, files of other tools as text. */
#ifndef TOOLCELL_TESTS_IMPORT_SUPPORT_H
#define TOOLCELL_TESTS_IMPORT_SUPPORT_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "import/import.h"

#define WORKSPACE "/tmp/workspace"

static inline struct policy_inputs *inputs_of_tests(void)
{
	static struct policy_inputs inputs;

	return &inputs;
}

static inline void load(const char *name, struct policy *ret)
{
	static const char *const dirs[] = {POLICIES_DIR, NULL};
	struct err err = {0};

	cr_assert_eq(policy_load(name, dirs, inputs_of_tests(), ret, &err), 0, "%s: %s", name,
		     err.text);
}

/* A policy that is made of JSON, as a file would be. */
static inline void load_json(json_t *json, struct policy *ret)
{
	char *text = json_dumps(json, 0);
	struct err err = {0};
	char path[64];
	int fd = -1;

	cr_assert_eq(fd_memfd_sealed("policy", text, strlen(text), &fd, &err), 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	load(path, ret);
	fd_closep(&fd);
	free(text);
}

/* What is imported, and over what. */
struct source {
	const char *format;
	const char *suffix;    /* NULL: ".json" */
	const char *text;      /* JSON in which ' stands for ", or TOML */
	const char *base;      /* NULL: "base/build"; "{...}": a policy as JSON */
	const char *workspace; /* NULL: WORKSPACE */
	const char *const *accept;
	size_t n_accept;
};

/* JSON in which ' stands for ". */
static inline char *double_quotes(const char *text)
{
	char *copy = strdup(text);

	cr_assert_not_null(copy);
	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

static inline json_t *quoted_json(const char *text)
{
	char *copy = double_quotes(text);
	json_t *json = json_loads(copy, 0, NULL);

	cr_assert_not_null(json, "%s", text);
	free(copy);
	return json;
}

static inline void load_base(const char *base, struct policy *ret)
{
	json_t *json = base && base[0] == '{' ? quoted_json(base) : NULL;

	if (json)
		load_json(json, ret);
	else
		load(base ? base : "base/build", ret);
	json_decref(json);
}

/* A result is held against its base, as policyc does. */
static inline void hold(const struct policy *base, json_t *result)
{
	struct policy narrow;
	struct err err = {0};

	load_json(result, &narrow);
	cr_assert_eq(import_check_narrower(base, &narrow, inputs_of_tests(), &err), 0, "%s",
		     err.text);
	policy_fini(&narrow);
}

static inline void write_source(int fd, const char *text, bool json)
{
	char *copy = json ? double_quotes(text) : strdup(text);

	cr_assert_eq(fd_write_full(fd, copy, strlen(copy)), 0);
	free(copy);
}

static inline int import_source(const struct source *source, struct import_result *ret,
				struct err *err)
{
	const char *suffix = source->suffix ? source->suffix : ".json";
	json_t *tools = json_pack("{sn sn sn sn sn sn sn}", "Bash", "Read", "Edit", "Write",
				  "cargo", "changes", "apply_patch");
	char path[64];
	const char *file = path;
	struct import_options options = {
		.format = source->format,
		.files = &file,
		.n_files = 1,
		.workspace = source->workspace ? source->workspace : WORKSPACE,
		.accept = source->accept,
		.n_accept = source->n_accept,
		.tools = tools,
	};
	struct policy base;
	int fd;
	int r;

	(void)snprintf(path, sizeof(path), "/tmp/toolcell-import-XXXXXX%s", suffix);
	fd = mkostemps(path, (int)strlen(suffix), O_CLOEXEC);
	cr_assert_geq(fd, 0);
	write_source(fd, source->text, strcmp(suffix, ".json") == 0);
	fd_closep(&fd);
	load_base(source->base, &base);
	r = import_policies(&base, &options, inputs_of_tests(), ret, err);
	if (r == 0 && ret->policy)
		hold(&base, ret->policy);
	policy_fini(&base);
	json_decref(tools);
	(void)unlink(path);
	return r;
}

/* The first row of a pointer; @below: or of what lies below it.  NULL: none. */
static inline json_t *find_row(json_t *rows, const char *pointer, bool below)
{
	size_t len = strlen(pointer);
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *at = json_string_value(json_object_get(row, "pointer"));

		if (strcmp(at, pointer) == 0 ||
		    (below && strncmp(at, pointer, len) == 0 && at[len] == '/'))
			return row;
	}
	return NULL;
}

static inline const char *verdict(const struct import_result *result, const char *pointer)
{
	json_t *row = find_row(result->rows, pointer, false);

	return row ? json_string_value(json_object_get(row, "verdict")) : "no row";
}

/* One rule may have several rows. */
static inline bool has_row(const struct import_result *result, const char *pointer,
			   const char *wanted)
{
	json_t *row;
	size_t i;

	json_array_foreach(result->rows, i, row)
		if (strcmp(json_string_value(json_object_get(row, "pointer")), pointer) == 0 &&
		    strcmp(json_string_value(json_object_get(row, "verdict")), wanted) == 0)
			return true;
	return false;
}

#endif
