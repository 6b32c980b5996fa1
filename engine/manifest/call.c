/*
 * Theory of operation: what a catalog tool and validated arguments come to: argument vector,
 * environment, working directory, stdin, time limit. Where the agent holds a tool by patterns
 * (Bash(git:*)), the command is split into words by our own scanner and those words are executed
 * themselves: what was compared is what runs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "manifest/core.h"
#include "manifest/manifest.h"
#include "manifest/shell.h"

#define SHOWN_MAX 64U

static int list_patterns(json_t *patterns, struct buf *out)
{
	json_t *one;
	size_t i;
	int r = 0;

	json_array_foreach(patterns, i, one)
		if (r == 0)
			r = buf_printf(out, "%s%s", i ? ", " : "", json_string_value(one));
	return r;
}

/* Whether one of the patterns takes the words. */
static int match_any(json_t *patterns, const struct strings *words, bool *ret, struct err *err)
{
	json_t *one;
	size_t i;
	int r;

	*ret = false;
	json_array_foreach(patterns, i, one) {
		if (!json_is_string(one))
			return err_set(err, EINVAL, "a pattern in the catalog is no string");
		r = shell_pattern_matches(json_string_value(one), words, ret, err);
		if (r < 0 || *ret)
			return r;
	}
	return 0;
}

static int expand_patterns(json_t *tool, json_t *arguments, struct strings *argv, struct err *err)
{
	json_t *patterns = json_object_get(tool, "patterns");
	const char *key = json_string_value(
		json_object_get(json_object_get(tool, "pattern"), "argument"));
	const char *command = key ? json_string_value(json_object_get(arguments, key)) : NULL;
	const char *name = json_string_value(json_object_get(tool, "name"));
	CLEANUP(buf_fini) struct buf list = {.cap = 200};
	char shown[SHOWN_MAX];
	bool matched;
	int r;

	if (!command)
		return err_set(err, EPERM, "%s: the agent holds it by patterns, and it takes none",
			       name);
	if (list_patterns(patterns, &list) < 0 && !list.data)
		return err_set(err, ENOMEM, "%s: cannot list the patterns", name);
	r = shell_split(command, argv, err);
	if (r < 0)
		return err_wrap(err, "%s: the agent allows only %s, run without a shell; refused",
				name, list.data);
	r = match_any(patterns, argv, &matched, err);
	if (r < 0 || matched)
		return r;
	return err_set(err, EPERM, "%s: the agent allows only %s; \"%s\" is not among them", name,
		       list.data, text_quote(shown, sizeof(shown), argv->v[0], strlen(argv->v[0])));
}

int manifest_add_env(json_t *set, struct strings *env, struct err *err)
{
	const char *name;
	json_t *value;

	json_object_foreach(set, name, value) {
		CLEANUP(buf_fini) struct buf line = {0};
		int r = buf_printf(&line, "%s=%s", name, json_string_value(value));

		if (r == 0)
			r = strings_add(env, line.data, line.len);
		if (r < 0)
			return manifest_err_args(r, err);
	}
	return 0;
}

/* The argument that @role ("cwd", "stdin", "timeout") is bound to, or its default; NULL without. */
static json_t *driver_value(json_t *tool, json_t *arguments, const char *role)
{
	const char *key = json_string_value(json_object_get(json_object_get(tool, "driver"), role));

	return key ? template_argument(json_object_get(tool, "inputSchema"), arguments, key) : NULL;
}

static uint64_t limit_of(json_t *tool, const char *key)
{
	json_t *ms = json_object_get(json_object_get(tool, "limits"), key);

	return json_is_integer(ms) && json_integer_value(ms) > 0 ? (uint64_t)json_integer_value(ms)
								 : 0;
}

static uint64_t choose_wall(json_t *tool, json_t *arguments)
{
	json_t *asked = driver_value(tool, arguments, "timeout");
	uint64_t most = limit_of(tool, "wall_ms");
	uint64_t wanted = limit_of(tool, "wall_default_ms");

	if (asked && json_number_value(asked) >= 1)
		wanted = (uint64_t)json_number_value(asked);
	if (wanted == 0 || (most > 0 && wanted > most))
		return most;
	return wanted;
}

struct dump {
	struct buf buf;
	int error;
};

static int dump_append(const char *data, size_t len, void *ctx)
{
	struct dump *dump = ctx;

	dump->error = buf_append(&dump->buf, data, len);
	return dump->error < 0 ? -1 : 0;
}

/* A copy of @object without members that are null; what they hold is shared. */
static json_t *without_nulls(json_t *object)
{
	json_t *copy = json_copy(object), *value;
	const char *key;
	void *next;

	json_object_foreach_safe(copy, next, key, value)
		if (json_is_null(value))
			json_object_del(copy, key);
	return copy;
}

/* The same for the objects of an array; NULL without memory. */
static json_t *elements_without_nulls(json_t *array)
{
	json_t *copy = json_array(), *one;
	size_t i;

	json_array_foreach(array, i, one)
		if (json_array_append_new(copy, json_is_object(one) ? without_nulls(one)
								    : json_incref(one)) < 0) {
			json_decref(copy);
			return NULL;
		}
	return copy;
}

/* A null is "not given" (manifest_validate), so the tool's program never sees one. */
static json_t *given_arguments(json_t *arguments)
{
	json_t *given = without_nulls(arguments), *value;
	const char *key;
	void *next;

	json_object_foreach_safe(given, next, key, value)
		if (json_is_array(value) &&
		    json_object_set_new(given, key, elements_without_nulls(value)) < 0) {
			json_decref(given);
			return NULL;
		}
	return given;
}

/* The arguments as the tool's own program reads them. */
static int copy_arguments(json_t *arguments, struct manifest_call *call, struct err *err)
{
	struct dump dump = {.buf = {.cap = MANIFEST_STDIN_BYTES_MAX}};
	json_t *given = given_arguments(arguments);
	int r = given ? json_dump_callback(given, dump_append, &dump, JSON_COMPACT) : -1;

	json_decref(given);
	if (r == 0) {
		call->stdin_text = buf_take(&dump.buf, &call->stdin_len);
		return 0;
	}
	buf_fini(&dump.buf);
	if (dump.error == -E2BIG)
		return err_set(err, E2BIG, "the arguments have more than %zu bytes as JSON",
			       MANIFEST_STDIN_BYTES_MAX);
	return err_set(err, ENOMEM, "cannot hold what the tool reads");
}

bool manifest_reads_arguments(json_t *tool)
{
	const char *role = json_string_value(
		json_object_get(json_object_get(tool, "driver"), "stdin"));

	return role && strcmp(role, MANIFEST_STDIN_ARGUMENTS) == 0;
}

static int copy_driver(json_t *tool, json_t *arguments, struct manifest_call *call, struct err *err)
{
	json_t *cwd = driver_value(tool, arguments, "cwd");
	bool all = manifest_reads_arguments(tool);
	json_t *text = all ? NULL : driver_value(tool, arguments, "stdin");

	call->wall_ms = choose_wall(tool, arguments);
	if (json_string_length(cwd) > 0) {
		call->cwd = strdup(json_string_value(cwd));
		if (!call->cwd)
			return err_set(err, ENOMEM, "cannot hold the working directory");
	}
	if (json_is_string(text)) {
		call->stdin_len = json_string_length(text);
		call->stdin_text = strndup(json_string_value(text), call->stdin_len);
		if (!call->stdin_text)
			return err_set(err, ENOMEM, "cannot hold what the tool reads");
	}
	return all ? copy_arguments(arguments, call, err) : 0;
}

static int expand_argv(json_t *tool, json_t *arguments, const char *workspace, struct strings *argv,
		       struct strings *env, struct err *err)
{
	int r;

	if (json_array_size(json_object_get(tool, "patterns")) > 0)
		return expand_patterns(tool, arguments, argv, err);
	r = template_expand(json_object_get(tool, "argv"), json_object_get(tool, "inputSchema"),
			    arguments, workspace, argv, env, err);
	if (r < 0)
		return err_wrap(err, "%s", json_string_value(json_object_get(tool, "name")));
	return argv->n > 0 ? 0 : err_set(err, EINVAL, "the tool's template gave no program");
}

int manifest_expand(json_t *tool, json_t *arguments, const char *workspace,
		    struct manifest_call *ret, struct err *err)
{
	CLEANUP(strings_fini) struct strings argv = {0};
	CLEANUP(strings_fini) struct strings env = {0};
	struct manifest_call call = {0};
	int r;

	r = manifest_add_env(json_object_get(tool, "env"), &env, err);
	if (r == 0)
		r = expand_argv(tool, arguments, workspace, &argv, &env, err);
	if (r == 0)
		r = copy_driver(tool, arguments, &call, err);
	if (r < 0)
		goto undo;
	call.argv = strings_take(&argv);
	call.env = strings_take(&env);
	if (!call.argv || !call.env) {
		r = err_set(err, ENOMEM, "cannot hold the arguments");
		goto undo;
	}
	*ret = call;
	return 0;
undo:
	manifest_call_fini(&call);
	return r;
}

void manifest_call_fini(struct manifest_call *call)
{
	for (char **s = call->argv; s && *s; s++)
		free(*s);
	for (char **s = call->env; s && *s; s++)
		free(*s);
	free(call->argv);
	free(call->env);
	free(call->cwd);
	free(call->stdin_text);
	*call = (struct manifest_call){0};
}
