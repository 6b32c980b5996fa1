/*
 * Theory of operation: four variables, each from the operator's environment or, when that has none,
 * from the account or from another variable. Values are paths and become mount points, so they are
 * held to the same form as paths of a policy. The driver's environment never gets here.
 */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/data.h"
#include "base/text.h"
#include "policy/plan.h"

#define EXPANDED_BYTES_MAX ((size_t)64 << 10)

static char *home_of_account(void)
{
	struct passwd pw;
	struct passwd *found = NULL;
	char room[4096];

	if (getpwuid_r(getuid(), &pw, room, sizeof(room), &found) != 0 || !found)
		return NULL;
	return strdup(found->pw_dir);
}

static char *below_home(struct policy_inputs *inputs, const char *name)
{
	char *home = NULL;
	char *path = NULL;

	if (policy_expand("${HOME}", inputs, &home, NULL) < 0)
		return NULL;
	if (asprintf(&path, "%s/%s", home, name) < 0)
		path = NULL;
	free(home);
	return path;
}

static char *default_home(struct policy_inputs *inputs)
{
	policy_inputs_file(inputs, "/etc/passwd");
	return home_of_account();
}

static char *default_cargo(struct policy_inputs *inputs)
{
	return below_home(inputs, ".cargo");
}

static char *default_rustup(struct policy_inputs *inputs)
{
	return below_home(inputs, ".rustup");
}

/* "/a/x/../b" to "/a/b", for a path that need not exist yet; made of folders of ours, not of links. */
static void drop_dot_dots(char *path)
{
	char *up;

	while ((up = strstr(path, "/../"))) {
		char *before = up;

		while (before > path && *--before != '/')
			;
		memmove(before, up + 3, strlen(up + 3) + 1);
	}
}

static char *default_tools(struct policy_inputs *inputs)
{
	char *path = NULL;
	char *real;
	struct err err;

	(void)inputs;
	if (data_program("tools", &path, &err) < 0)
		return NULL;
	real = realpath(path, NULL);
	if (!real) {
		drop_dot_dots(path);
		return path;
	}
	free(path);
	return real;
}

static const struct {
	const char *name;
	bool from_environment;
	char *(*otherwise)(struct policy_inputs *inputs);
} variables[] = {
	{"HOME", true, default_home},
	{"CARGO_HOME", true, default_cargo},
	{"RUSTUP_HOME", true, default_rustup},
	{"TOOLCELL_TOOLS", false, default_tools},
};

bool policy_path_is_clean(const char *path)
{
	if (path[0] != '/' || strlen(path) >= PATH_MAX)
		return false;
	while (*path == '/') {
		size_t len = strcspn(++path, "/");

		if (len == 0 || len > NAME_MAX ||
		    (path[0] == '.' && (len == 1 || (len == 2 && path[1] == '.'))))
			return false;
		path += len;
	}
	return true;
}

static void strip_slashes(char *path)
{
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
}

static int unknown_variable(const char *name, struct err *err)
{
	const char *names[ARRAY_SIZE(variables)];
	const char *near;
	char quoted[96];

	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		names[i] = variables[i].name;
	near = text_nearest(name, names, ARRAY_SIZE(names));
	text_quote(quoted, sizeof(quoted), name, strlen(name));
	if (near)
		return err_set(err, EINVAL, "unknown variable \"${%s}\"; did you mean \"${%s}\"?",
			       quoted, near);
	return err_set(err, EINVAL,
		       "unknown variable \"${%s}\"; there are ${HOME}, ${CARGO_HOME}, "
		       "${RUSTUP_HOME} and ${TOOLCELL_TOOLS}",
		       quoted);
}

static int read_variable(const char *name, struct policy_inputs *inputs, char **ret,
			 struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
		const char *value = NULL;
		char quoted[160];

		if (strcmp(variables[i].name, name) != 0)
			continue;
		if (variables[i].from_environment) {
			policy_inputs_env(inputs, name);
			value = getenv(name);
		}
		*ret = value && value[0] ? strdup(value) : variables[i].otherwise(inputs);
		if (!*ret)
			return err_set(err, EINVAL, "${%s} has no value: set it in the environment",
				       name);
		strip_slashes(*ret);
		if (policy_path_is_clean(*ret))
			return 0;
		text_quote(quoted, sizeof(quoted), *ret, strlen(*ret));
		free(*ret);
		*ret = NULL;
		return err_set(err, EINVAL,
			       "${%s} is \"%s\"; it must be an absolute path without \"..\" "
			       "and not \"/\"",
			       name, quoted);
	}
	return unknown_variable(name, err);
}

static int append_variable(const char *begin, size_t len, struct policy_inputs *inputs,
			   struct buf *out, struct err *err)
{
	char name[64];
	char *value = NULL;
	int r;

	if (len == 0 || len >= sizeof(name))
		return err_set(err, EINVAL, "a variable is written ${NAME}");
	memcpy(name, begin, len);
	name[len] = '\0';
	r = read_variable(name, inputs, &value, err);
	if (r < 0 || !value)
		return r;
	r = buf_puts(out, value);
	free(value);
	return r < 0 ? err_set(err, -r, "too long once expanded") : 0;
}

int policy_expand(const char *text, struct policy_inputs *inputs, char **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = {.cap = EXPANDED_BYTES_MAX};
	int r = buf_puts(&out, "");

	while (r == 0 && *text != '\0') {
		size_t plain = strcspn(text, "$");
		const char *end;

		if (strncmp(text, "$${", 3) == 0 || (plain == 0 && text[1] != '{')) {
			plain = text[1] == '$' && text[2] == '{' ? 3 : 1;
			r = buf_append(&out, text + (plain == 3), plain == 3 ? 2 : 1);
		} else if (plain > 0) {
			r = buf_append(&out, text, plain);
		} else {
			end = strchr(text, '}');
			if (!end)
				return err_set(err, EINVAL, "a variable is written ${NAME}");
			r = append_variable(text + 2, (size_t)(end - text) - 2, inputs, &out, err);
			if (r < 0)
				return r;
			plain = (size_t)(end - text) + 1;
		}
		text += plain;
	}
	*ret = r == 0 ? buf_take(&out, NULL) : NULL;
	if (r == 0 && !*ret)
		*ret = strdup("");
	if (!*ret)
		return err_set(err, r < 0 ? -r : ENOMEM, "too long once expanded");
	return 0;
}
