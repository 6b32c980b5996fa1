/*
 * Theory of operation: each command loads what it needs through compile.c and prints. `image`
 * prints nothing: it answers over a socket, "I" with the sealed image, or "E" and the reason.
 */
#include "policyc/command.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "manifest/manifest.h"
#include "policy/syscalls.h"

#define NAMES_MAX 1024U
#define NAMES_DEPTH_MAX 2U
#define SCHEMA_BYTES_MAX ((size_t)1 << 20)

const char *command_colour(const char *sequence, bool on_stderr)
{
	const char *no = getenv("NO_COLOR");

	if ((no && no[0] != '\0') || !isatty(on_stderr ? STDERR_FILENO : STDOUT_FILENO))
		return "";
	return sequence;
}

int command_fail(const struct err *err)
{
	(void)fprintf(stderr, "%stoolcell:%s %s\n", command_colour("\033[31m", true),
		      command_colour("\033[0m", true), err->text);
	return COMMAND_WRONG;
}

int command_print_json(json_t *json)
{
	int r = json ? json_dumpf(json, stdout, JSON_INDENT(2)) : -1;

	return r == 0 && putchar('\n') != EOF ? COMMAND_FINE : COMMAND_WRONG;
}

static int send_error(int fd, const struct err *err)
{
	char text[1 + ERR_TEXT_MAX];
	size_t len = strnlen(err->text, ERR_TEXT_MAX - 1);

	text[0] = 'E';
	memcpy(text + 1, err->text, len);
	if (fd_send(fd, text, len + 1, NULL, 0) < 0)
		return command_fail(err);
	return COMMAND_WRONG;
}

int command_image(const struct command_line *line)
{
	struct compile_options o = {line->agent, line->policy, line->workspace};
	CLEANUP(fd_closep) int image = -1;
	struct compile *c = malloc(sizeof(*c));
	struct err err = {0};
	uint64_t out = 0;
	int r;

	if (!c)
		return COMMAND_WRONG;
	if (!line->out_fd || num_parse_u64(line->out_fd, 1 << 20, &out) < 0) {
		free(c);
		(void)fprintf(stderr, "toolcell-policyc: image needs --out-fd N\n");
		return COMMAND_USAGE;
	}
	r = compile_init(c, &err);
	if (r == 0)
		r = compile_load(c, &o, &err);
	if (r == 0)
		r = compile_seal(c, &image, &err);
	if (r == 0) {
		r = fd_send((int)out, "I", 1, &image, 1);
		if (r < 0)
			(void)err_set(&err, -r, "cannot send the policy image");
	}
	compile_fini(c);
	free(c);
	return r < 0 ? send_error((int)out, &err) : COMMAND_FINE;
}

static bool has_name(json_t *list, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (strcmp(json_string_value(json_object_get(one, "name")), name) == 0)
			return true;
	return false;
}

static int add_name(json_t *list, const char *dir, const char *prefix, const char *file, size_t cut)
{
	char name[512];
	char path[4096];
	int n = snprintf(name, sizeof(name), "%s%.*s", prefix, (int)(strlen(file) - cut), file);
	int m = snprintf(path, sizeof(path), "%s/%s%s", dir, prefix, file);

	if (n < 0 || (size_t)n >= sizeof(name) || m < 0 || (size_t)m >= sizeof(path) ||
	    !policy_name_is_sane(name) || has_name(list, name) ||
	    json_array_size(list) >= NAMES_MAX)
		return 0;
	return json_array_append_new(list, json_pack("{ss ss}", "name", name, "file", path));
}

/* One folder; those within it while @depth lasts. NOLINTNEXTLINE(misc-no-recursion) */
static int list_dir(json_t *list, const char *dir, const char *prefix, const char *suffix,
		    unsigned int depth)
{
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/%s", dir, prefix);
	DIR *d = n < 0 || (size_t)n >= sizeof(path) ? NULL : opendir(path);
	struct dirent *e;
	int r = 0;

	while (r == 0 && d && (e = readdir(d))) {
		size_t len = strlen(e->d_name);
		size_t cut = strlen(suffix);
		char below[512];

		if (e->d_name[0] == '.')
			continue;
		if (len > cut && strcmp(e->d_name + len - cut, suffix) == 0) {
			if (!strstr(e->d_name, ".schema."))
				r = add_name(list, dir, prefix, e->d_name, cut);
		} else if (depth > 1 && e->d_type == DT_DIR) {
			n = snprintf(below, sizeof(below), "%s%s/", prefix, e->d_name);
			if (n > 0 && (size_t)n < sizeof(below))
				r = list_dir(list, dir, below, suffix, depth - 1);
		}
	}
	if (d)
		(void)closedir(d);
	return r;
}

static int compare_names(const void *a, const void *b)
{
	json_t *const *p = a;
	json_t *const *q = b;

	return strcmp(json_string_value(json_object_get(*p, "name")),
		      json_string_value(json_object_get(*q, "name")));
}

static json_t *sorted(json_t *list)
{
	size_t n = json_array_size(list);
	json_t **items = calloc(n + 1, sizeof(json_t *));
	json_t *out = items ? json_array() : NULL;

	for (size_t i = 0; out && i < n; i++)
		items[i] = json_array_get(list, i);
	if (out)
		qsort(items, n, sizeof(json_t *), compare_names);
	for (size_t i = 0; out && i < n; i++)
		(void)json_array_append(out, items[i]);
	free(items);
	json_decref(list);
	return out;
}

int command_names(const char *const *dirs, const char *suffix, json_t **ret, struct err *err)
{
	json_t *list = json_array();
	unsigned int depth = strcmp(suffix, ".json") == 0 ? NAMES_DEPTH_MAX : 1;
	int r = 0;

	for (size_t i = 0; list && r == 0 && dirs[i]; i++)
		r = list_dir(list, dirs[i], "", suffix, depth);
	if (list)
		list = sorted(list);
	if (!list || r < 0) {
		json_decref(list);
		return err_set(err, ENOMEM, "cannot list %s", dirs[0]);
	}
	*ret = list;
	return 0;
}

int command_policies(const struct command_line *line, json_t **ret, struct err *err)
{
	struct policy_dirs dirs;
	json_t *list = NULL;
	json_t *one;
	size_t i;
	int r = 0;

	*ret = json_array();
	for (i = 0; i < line->n_operands; i++)
		(void)json_array_append_new(*ret, json_string(line->operands[i]));
	if (line->n_operands > 0)
		return 0;
	r = policy_dirs_init(&dirs, "policies", err);
	if (r == 0)
		r = command_names(dirs.at, ".json", &list, err);
	json_array_foreach(list, i, one)
		(void)json_array_append(*ret, json_object_get(one, "name"));
	json_decref(list);
	policy_dirs_fini(&dirs);
	return r;
}

/* A policy alone: inheritance, tools, paths of this host, filter. */
static int check_policy(const char *name, struct err *err)
{
	struct compile *c = malloc(sizeof(*c));
	CLEANUP(fd_closep) int fd = -1;
	struct compile_options o = {.policy = name};
	int r;

	if (!c)
		return err_set(err, ENOMEM, "cannot check %s", name);
	r = compile_init(c, err);
	if (r == 0)
		r = compile_load(c, &o, err);
	if (r == 0)
		r = compile_seal(c, &fd, err);
	compile_fini(c);
	free(c);
	return r;
}

static int check_agent(const char *name, const char *policy, json_t **ret_warnings, struct err *err)
{
	struct compile *c = malloc(sizeof(*c));
	struct compile_options o = {.agent = name, .policy = policy};
	int r;

	if (!c)
		return err_set(err, ENOMEM, "cannot check %s", name);
	r = compile_init(c, err);
	if (r == 0)
		r = compile_load(c, &o, err);
	if (r == 0)
		r = compile_catalog(c, err);
	if (r == 0)
		*ret_warnings = json_incref(json_object_get(c->catalog, "warnings"));
	compile_fini(c);
	free(c);
	return r;
}

/* What a check found out about one name. */
static void report(const struct command_line *line, json_t *results, const char *name,
		   const struct err *err, json_t *warnings)
{
	bool fine = err->num == 0;
	json_t *warning;
	size_t i;

	if (line->json) {
		(void)json_array_append_new(results,
					    json_pack("{ss sb ss? sO?}", "name", name, "ok", fine,
						      "error", fine ? NULL : err->text, "warnings",
						      warnings));
		return;
	}
	(void)printf("%s%s%s %s\n", command_colour(fine ? "\033[32m" : "\033[31m", false),
		     fine ? "ok   " : "wrong", command_colour("\033[0m", false), name);
	if (!fine)
		(void)printf("      %s\n", err->text);
	json_array_foreach(warnings, i, warning)
		(void)printf("      warning: %s\n", json_string_value(warning));
}

static int check_one(const struct command_line *line, bool is_agent, const char *name,
		     json_t *results)
{
	struct err err = {0};
	json_t *warnings = NULL;
	int r = is_agent ? check_agent(name, line->policy, &warnings, &err)
			 : check_policy(name, &err);

	report(line, results, name, &err, warnings);
	json_decref(warnings);
	return r < 0 ? COMMAND_WRONG : COMMAND_FINE;
}

static int check_all(const struct command_line *line, bool is_agent, json_t *results)
{
	struct policy_dirs dirs;
	struct err err = {0};
	json_t *names = NULL;
	json_t *one;
	size_t i;
	int worst = COMMAND_FINE;

	for (i = 0; i < line->n_operands; i++)
		worst = MAX(worst, check_one(line, is_agent, line->operands[i], results));
	if (line->n_operands > 0)
		return worst;
	if (policy_dirs_init(&dirs, is_agent ? "agents" : "policies", &err) < 0 ||
	    command_names(dirs.at, is_agent ? ".md" : ".json", &names, &err) < 0)
		worst = command_fail(&err);
	json_array_foreach(names, i, one)
		worst = MAX(worst,
			    check_one(line, is_agent,
				      json_string_value(json_object_get(one, "name")), results));
	json_decref(names);
	policy_dirs_fini(&dirs);
	return worst;
}

static int check(const struct command_line *line, bool is_agent)
{
	json_t *results = json_array();
	int worst = check_all(line, is_agent, results);

	if (line->json)
		worst = MAX(worst, command_print_json(results));
	json_decref(results);
	return worst;
}

int command_policy_check(const struct command_line *line)
{
	return check(line, false);
}

int command_agent_check(const struct command_line *line)
{
	return check(line, true);
}

static int list(const struct command_line *line, const char *kind, const char *suffix)
{
	struct policy_dirs dirs;
	struct err err = {0};
	json_t *names = NULL;
	json_t *one;
	size_t i;
	int r = policy_dirs_init(&dirs, kind, &err);

	if (r == 0)
		r = command_names(dirs.at, suffix, &names, &err);
	policy_dirs_fini(&dirs);
	if (r < 0)
		return command_fail(&err);
	if (line->json)
		r = command_print_json(names);
	else
		json_array_foreach(names, i, one)
			(void)printf("%-24s %s\n", json_string_value(json_object_get(one, "name")),
				     json_string_value(json_object_get(one, "file")));
	json_decref(names);
	return r;
}

int command_policy_list(const struct command_line *line)
{
	return list(line, "policies", ".json");
}

int command_agent_list(const struct command_line *line)
{
	return list(line, "agents", ".md");
}

int command_policy_schema(const struct command_line *line)
{
	struct policy_dirs dirs;
	struct err err = {0};
	char *path = NULL;
	char *text = NULL;
	size_t len = 0;
	int r = policy_dirs_init(&dirs, "policies", &err);

	(void)line;
	if (r == 0 && asprintf(&path, "%s/policy.schema.json", dirs.shipped) < 0)
		r = err_set(&err, ENOMEM, "cannot read the schema");
	if (r == 0)
		r = fd_read_file(AT_FDCWD, path, SCHEMA_BYTES_MAX, &text, &len, &err);
	policy_dirs_fini(&dirs);
	free(path);
	if (r < 0)
		return command_fail(&err);
	r = fwrite(text, 1, len, stdout) == len ? COMMAND_FINE : COMMAND_WRONG;
	free(text);
	return r;
}

int command_policy_show(const struct command_line *line)
{
	struct compile *c = malloc(sizeof(*c));
	struct err err = {0};
	int status = COMMAND_FINE;
	json_t *json = NULL;
	int r;

	if (!c)
		return COMMAND_WRONG;
	r = compile_init(c, &err);
	if (r == 0)
		r = compile_load_policy(c, line->operands[0], &err);
	if (r == 0 && line->effective)
		r = policy_resolve(&c->policy, NULL, &c->inputs, &c->plan, &err);
	if (r < 0)
		status = command_fail(&err);
	else if (line->json)
		status = command_print_json(
			json = show_policy_json(&c->policy, line->effective ? &c->plan : NULL));
	else
		show_policy(&c->policy, line->effective ? &c->plan : NULL);
	json_decref(json);
	compile_fini(c);
	free(c);
	return status;
}

static void print_agent(json_t *agent, json_t *catalog, const char *policy)
{
	json_t *one;
	size_t i;

	(void)printf("agent   %s (%s)\npolicy  %s\ntools  ",
		     json_string_value(json_object_get(agent, "name")),
		     json_string_value(json_object_get(agent, "file")), policy);
	json_array_foreach(json_object_get(catalog, "tools"), i, one)
		(void)printf(" %s", json_string_value(json_object_get(one, "name")));
	(void)printf("\n");
	json_array_foreach(json_object_get(catalog, "warnings"), i, one)
		(void)printf("warning: %s\n", json_string_value(one));
}

int command_agent_show(const struct command_line *line)
{
	struct compile_options o = {.agent = line->operands[0], .policy = line->policy};
	struct compile *c = malloc(sizeof(*c));
	struct err err = {0};
	int status = COMMAND_FINE;
	int r;

	if (!c)
		return COMMAND_WRONG;
	r = compile_init(c, &err);
	if (r == 0)
		r = compile_load(c, &o, &err);
	if (r == 0)
		r = compile_catalog(c, &err);
	if (r < 0)
		status = command_fail(&err);
	else if (line->json)
		status = command_print_json(c->catalog);
	else
		print_agent(c->agent, c->catalog, c->policy.name);
	compile_fini(c);
	free(c);
	return status;
}
