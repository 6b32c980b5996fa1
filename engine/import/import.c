/*
 * Theory of operation: the base is flattened once; then each file is parsed, its format told, and
 * its importer narrows the flat policy further, so that of two files the stricter one wins whatever
 * their order. An acceptance that nothing needed is an error: it would be a misspelt one.
 *
 * The result stands alone instead of extending the base, because a policy that extends another can
 * add to its lists but take nothing out of them.
 */
#include "import/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "import/context.h"

const char *const import_formats[] = {"claude", "srt", "codex", "seccomp", NULL};

static int (*const importers[])(struct import *im) = {import_claude, import_srt, import_codex,
						      import_seccomp};
static_assert(ARRAY_SIZE(import_formats) == ARRAY_SIZE(importers) + 1, "an importer for each");

/* Keys that only one format has at the top. */
static const struct {
	const char *format;
	const char *key;
} marks[] = {
	{"claude", "permissions"},
	{"claude", "sandbox"},
	{"srt", "filesystem"},
	{"srt", "network"},
	{"codex", "permissionProfile"},
	{"codex", "sandboxCwd"},
	{"codex", "codex/sandbox-state"},
	{"codex", "codex/sandbox-state-meta"},
	{"seccomp", "defaultAction"},
	{"seccomp", "ociVersion"},
	{"seccomp", "linux"},
};

static int tell_format(const struct document *doc, const char **ret, struct err *err)
{
	const char *found = doc->places ? "codex" : NULL;

	for (size_t i = 0; !doc->places && i < ARRAY_SIZE(marks); i++) {
		if (!json_object_get(doc->json, marks[i].key))
			continue;
		if (found && strcmp(found, marks[i].format) != 0)
			return err_set(err, EINVAL,
				       "%s: could be \"%s\" as well as \"%s\"; name the format",
				       doc->label, found, marks[i].format);
		found = marks[i].format;
	}
	if (!found)
		return err_set(err, EINVAL,
			       "%s: is of no format that its keys tell; name it: claude, srt, "
			       "codex or seccomp",
			       doc->label);
	*ret = found;
	return 0;
}

static int run_importer(struct import *im, const char *format)
{
	const char *told = format;
	int r = format ? 0 : tell_format(im->doc, &told, im->err);

	if (r < 0 || !told)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(importers); i++)
		if (strcmp(import_formats[i], told) == 0)
			return importers[i](im);
	return err_set(im->err, EINVAL, "no format is called \"%s\"", told);
}

static int import_file(struct import *im, const char *file)
{
	struct document doc;
	int r = document_open(file, &doc, im->err);

	if (r < 0)
		return r;
	im->doc = &doc; /* cppcheck-suppress autoVariables; taken back below */
	im->read = (struct path_rules){.otherwise = true};
	im->write = (struct path_rules){.otherwise = true};
	r = run_importer(im, im->options->format);
	paths_fini(&im->read);
	paths_fini(&im->write);
	im->doc = NULL;
	document_fini(&doc);
	return r;
}

static int check_accepted(const struct import *im)
{
	char quoted[160];

	for (size_t i = 0; i < im->options->n_accept; i++) {
		const char *text = im->options->accept[i];

		if (!im->accepted[i])
			return err_set(im->err, EINVAL,
				       "--accept \"%s\" names nothing that needs it",
				       text_quote(quoted, sizeof(quoted), text, strlen(text)));
	}
	return 0;
}

/* "Imported from claude (a.json, b.json) over base/build. Not enforced: a.json#/x." */
static int describe(struct import *im)
{
	const struct import_options *o = im->options;
	CLEANUP(buf_fini) struct buf text = {.cap = 64U << 10};
	json_t *row;
	size_t i;
	int r = buf_printf(&text, "Imported over the policy %s from", im->base->name);

	for (i = 0; r == 0 && i < o->n_files; i++)
		r = buf_printf(&text, "%s %s", i ? "," : "", o->files[i]);
	if (r == 0)
		r = buf_puts(&text,
			     ". Stands alone, since a policy that extends another cannot take "
			     "anything out of its lists; import again when either has changed.");
	json_array_foreach(im->rows, i, row)
		if (r == 0 && strcmp(json_string_value(json_object_get(row, "verdict")),
				     import_verdict_names[IMPORT_ACCEPTED]) == 0)
			r = buf_printf(&text, " Accepted as not enforced: %s#%s.",
				       json_string_value(json_object_get(row, "file")),
				       json_string_value(json_object_get(row, "pointer")));
	if (r == 0)
		r = json_object_set_new(im->policy, "description", json_string(text.data));
	if (r == 0)
		r = json_object_set_new(im->policy, "name",
					json_string(o->name ? o->name : "imported"));
	return r < 0 ? err_set(im->err, EINVAL,
			       "cannot describe the policy: the names of files "
			       "must be UTF-8")
		     : 0;
}

static int import_all(struct import *im)
{
	int r = 0;

	if (im->options->n_files > IMPORT_FILES_MAX || im->options->n_accept > IMPORT_ACCEPT_MAX)
		return err_set(im->err, E2BIG, "at most %u files and %u acceptances",
			       IMPORT_FILES_MAX, IMPORT_ACCEPT_MAX);
	for (size_t i = 0; r == 0 && i < im->options->n_files; i++)
		r = import_file(im, im->options->files[i]);
	if (r == 0)
		r = check_accepted(im);
	return r == 0 ? describe(im) : r;
}

int import_policies(const struct policy *base, const struct import_options *options,
		    struct policy_inputs *inputs, struct import_result *ret, struct err *err)
{
	struct import *im = calloc(1, sizeof(*im));
	int r;

	*ret = (struct import_result){0};
	if (!im)
		return err_set(err, ENOMEM, "cannot import a policy");
	im->base = base;
	im->options = options;
	im->inputs = inputs;
	im->err = err;
	im->policy = import_flatten(base);
	im->rows = json_array();
	r = im->policy && im->rows ? import_all(im)
				   : err_set(err, ENOMEM, "cannot import a policy");
	if (r == 0) {
		ret->rows = json_incref(im->rows);
		ret->n_inexpressible = im->n_inexpressible;
		ret->policy = im->n_inexpressible ? NULL : json_incref(im->policy);
	}
	json_decref(im->policy);
	json_decref(im->rows);
	free(im);
	return r;
}

void import_result_fini(struct import_result *result)
{
	json_decref(result->policy);
	json_decref(result->rows);
	*result = (struct import_result){0};
}
