/*
 * Theory of operation: paths of another tool's lists are made absolute (by the workspace and the
 * home of whoever imports), cleaned, and followed through links as far as they exist, since a base
 * is mounted by real paths as well. What lies in the workspace is not a mount of the policy's own:
 * it is always shown, so refusing to read a part of it cannot be said; refusing to write a part of
 * it is a protected path.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "import/context.h"
#include "policy/plan.h"

/* What some tool reads as a pattern; a real name that has one is not told from it. */
#define WILDCARDS "*?[{\\"

void paths_fini(struct path_rules *rules)
{
	for (size_t i = 0; i < rules->n; i++) {
		free(rules->at[i].path);
		free(rules->at[i].pointer);
		free(rules->at[i].text);
	}
	rules->n = 0;
}

/* Lexically: "//", "/.", final slashes go. false: a ".." or a path that is too long. */
static bool clean(char *path)
{
	char *to = path;
	const char *from = path;

	if (strlen(path) >= PATH_MAX)
		return false;
	while (*from != '\0') {
		size_t len = strcspn(++from, "/");

		if (len == 2 && from[0] == '.' && from[1] == '.')
			return false;
		if (len > NAME_MAX)
			return false;
		if (len > 0 && !(len == 1 && from[0] == '.')) {
			*to++ = '/';
			memmove(to, from, len);
			to += len;
		}
		from += len;
	}
	if (to == path)
		*to++ = '/';
	*to = '\0';
	return true;
}

/* Links followed as far as the path exists; what is missing stays as it is written. */
static char *follow(char *path)
{
	size_t cut = strlen(path);
	char *out = NULL;

	while (cut > 0) {
		char saved = path[cut];
		char *real;

		path[cut] = '\0';
		real = realpath(path, NULL);
		path[cut] = saved;
		if (real) {
			const char *rest = path + cut;

			if (asprintf(&out, "%s%s", strcmp(real, "/") == 0 && *rest ? "" : real,
				     rest) < 0)
				out = NULL;
			free(real);
			return out;
		}
		while (cut > 0 && path[--cut] != '/')
			;
	}
	return strdup(path);
}

/* "x/ **" without its end; false when other wildcards are left. */
static bool strip_wildcards(char *text)
{
	size_t len = strlen(text);

	while (len > 3 && strcmp(text + len - 3, "/**") == 0)
		text[len -= 3] = '\0';
	return !strpbrk(text, WILDCARDS);
}

static int make_absolute(const struct import *im, const char *text, char **ret)
{
	const char *base = im->options->workspace;
	char *home = NULL;
	int n;

	if (text[0] == '~' && (text[1] == '/' || text[1] == '\0')) {
		int r = policy_expand("${HOME}", im->inputs, &home, im->err);

		if (r < 0)
			return r;
		base = home;
		text++;
	}
	if (text[0] == '/' && !home)
		n = asprintf(ret, "%s", text);
	else
		n = asprintf(ret, "%s/%s", base ? base : "", text);
	free(home);
	if (n < 0) {
		*ret = NULL;
		return err_set(im->err, ENOMEM, "cannot resolve a path");
	}
	return 0;
}

int paths_resolve(const struct import *im, const char *text, char **ret)
{
	char *path = NULL;
	int r = make_absolute(im, text, &path);

	*ret = NULL;
	if (r < 0 || !path)
		return r;
	if (strip_wildcards(path) && clean(path)) {
		*ret = follow(path);
		if (!*ret)
			r = err_set(im->err, ENOMEM, "cannot resolve a path");
	}
	free(path);
	return r;
}

static int append(struct import *im, struct path_rules *rules, char *path, const char *text,
		  bool allow, bool hard, const char *pointer)
{
	struct path_rule *rule;

	if (rules->n >= PATH_RULES_MAX) {
		free(path);
		return err_set(im->err, E2BIG, "%s: more than %u paths", im->doc->label,
			       PATH_RULES_MAX);
	}
	rule = &rules->at[rules->n++];
	*rule = (struct path_rule){.path = path, .allow = allow, .hard = hard};
	rule->text = strdup(text);
	rule->pointer = pointer ? strdup(pointer) : NULL;
	return rule->text && (rule->pointer || !pointer)
		       ? 0
		       : err_set(im->err, ENOMEM, "cannot resolve a path");
}

/* The folder that a pattern with wildcards cannot leave. */
static int literal_prefix(struct import *im, const char *text, char **ret)
{
	char *copy = strndup(text, strcspn(text, WILDCARDS));
	char *slash = copy ? strrchr(copy, '/') : NULL;
	int r;

	*ret = NULL;
	if (!copy)
		return err_set(im->err, ENOMEM, "cannot resolve a path");
	if (slash)
		slash[slash == copy] = '\0';
	r = paths_resolve(im, slash ? copy : ".", ret);
	free(copy);
	return r;
}

/* Whether something at, above or below @path is in the workspace. */
static bool meets_workspace(const struct import *im, const char *path)
{
	return path_is_below(im->options->workspace, path) ||
	       path_is_below(path, im->options->workspace);
}

static int refuse_pattern(struct import *im, const char *text, bool allow, const char *pointer)
{
	char *folder = NULL;
	int r;

	if (allow)
		return import_row(
			im, pointer, text, IMPORT_NARROWED,
			"a pattern or \"..\": what it allows beyond the base is not granted");
	r = literal_prefix(im, text, &folder);
	if (r < 0)
		return r;
	if (folder && !paths_shown(im, folder) && !meets_workspace(im, folder))
		r = import_row(im, pointer, text, IMPORT_REFUSED,
			       "the base shows nothing of %.128s", folder);
	else
		r = import_row(im, pointer, text, IMPORT_INEXPRESSIBLE,
			       "a pattern inside of what the base shows: a policy names paths, not "
			       "patterns, outside of workspace.protect");
	free(folder);
	return r;
}

static bool in_workspace(const struct import *im, const char *path)
{
	return path_is_below(path, im->options->workspace) &&
	       strcmp(path, im->options->workspace) != 0;
}

int paths_add(struct import *im, struct path_rules *rules, const char *text, bool allow, bool hard,
	      const char *pointer)
{
	char *path = NULL;
	char *link = NULL;
	struct stat st;
	int r = paths_resolve(im, text, &path);

	if (r < 0)
		return r;
	if (!path)
		return refuse_pattern(im, text, allow, pointer);
	r = append(im, rules, path, text, allow, hard, pointer);
	if (r < 0 || allow)
		return r;
	path = rules->at[rules->n - 1].path;
	/*
	 * A link that is refused: its own name too, not only what it leads to. In the workspace tools
	 * may put something else in a link's place, so there the name counts before it is there.
	 */
	r = make_absolute(im, text, &link);
	if (r == 0 && link && strip_wildcards(link) && clean(link) && strcmp(link, path) != 0 &&
	    (in_workspace(im, link) || lstat(link, &st) == 0)) {
		r = append(im, rules, link, text, allow, hard, pointer);
		rules->at[rules->n - 1].link = r == 0;
		return r;
	}
	free(link);
	return r;
}

void paths_refuse_rest(struct path_rules *rules, const char *pointer)
{
	rules->otherwise = false;
	(void)snprintf(rules->rest, sizeof(rules->rest), "%s", pointer);
}

static const char *const shown_lists[] = {"read", "write", "overlay"};

bool paths_shown(const struct import *im, const char *path)
{
	json_t *fs = json_object_get(im->policy, "filesystem");

	for (size_t l = 0; l < ARRAY_SIZE(shown_lists); l++) {
		json_t *entry;
		size_t i;

		json_array_foreach(json_object_get(fs, shown_lists[l]), i, entry) {
			char *source = entry_source(im, entry);
			bool met = source &&
				   (path_is_below(source, path) || path_is_below(path, source));

			free(source);
			if (met)
				return true;
		}
	}
	return false;
}

static bool is_own_of_cell(const char *path)
{
	static const char *const own[] = {"/proc", "/dev"};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		if (path_is_below(path, own[i]))
			return true;
	return false;
}

/* Reading: the workspace is shown whole. */
static int read_row(struct import *im, const struct path_rule *rule)
{
	const char *workspace = im->options->workspace;
	bool covers = path_is_below(workspace, rule->path);

	if (rule->allow && (covers || in_workspace(im, rule->path)))
		return import_row(im, rule->pointer, rule->text, IMPORT_TAKEN,
				  "the workspace is shown");
	if (rule->allow)
		return import_row(im, rule->pointer, rule->text,
				  rule->met ? IMPORT_TAKEN : IMPORT_NARROWED, "%s",
				  rule->met ? "as far as the base grants it"
					    : "the base does not show it: not granted");
	if (in_workspace(im, rule->path))
		return import_row(im, rule->pointer, rule->text, IMPORT_INEXPRESSIBLE,
				  "reading a part of the workspace cannot be refused: every tool "
				  "sees all of it");
	if (covers && !rules_allow(&im->read, workspace))
		return import_row(im, rule->pointer, rule->text, IMPORT_INEXPRESSIBLE,
				  "it covers the workspace, which every tool sees");
	return import_row(im, rule->pointer, rule->text, rule->met ? IMPORT_TAKEN : IMPORT_REFUSED,
			  "%s",
			  rule->met ? "what lies there is not shown"
			  : is_own_of_cell(rule->path)
				  ? "the host's is not shown: a cell has one of its own"
				  : "the base does not show it to a workspace elsewhere");
}

/* The path of a link's end is not what the file says, so it was not looked at before. */
static bool is_plain(const char *path)
{
	return !strpbrk(path, WILDCARDS "}") && path[0] != '!';
}

static int protect_row(struct import *im, const struct path_rule *rule)
{
	const char *pattern = rule->path + strlen(im->options->workspace) + 1;
	int r;

	if (narrow_mode(im) == POLICY_WORKSPACE_READONLY)
		return rule->link ? 0
				  : import_row(im, rule->pointer, rule->text, IMPORT_REFUSED,
					       "the workspace is read-only");
	if (!is_plain(pattern))
		return import_row(im, rule->pointer, rule->text, IMPORT_INEXPRESSIBLE,
				  "workspace.protect would take its real name for a pattern");
	r = narrow_protect(im, pattern);
	return r < 0 || rule->link
		       ? MIN(r, 0)
		       : import_row(im, rule->pointer, rule->text,
				    r > 0 ? IMPORT_TAKEN : IMPORT_REFUSED,
				    "protected: workspace.protect has \"%.128s\"", pattern);
}

/* A protected path is protected with all that lies below it, whatever is allowed there. */
static bool is_protected(const struct import *im, const char *path)
{
	for (size_t i = 0; i < im->write.n; i++) {
		const struct path_rule *rule = &im->write.at[i];

		if (!rule->allow && in_workspace(im, rule->path) && path_is_below(path, rule->path))
			return true;
	}
	return false;
}

static int allow_inside(struct import *im, const struct path_rule *rule)
{
	if (!rules_allow(&im->write, im->options->workspace))
		return import_row(im, rule->pointer, rule->text, IMPORT_NARROWED,
				  "a part of the workspace cannot be writable alone: it stays "
				  "read-only");
	if (is_protected(im, rule->path))
		return import_row(im, rule->pointer, rule->text, IMPORT_NARROWED,
				  "it lies in what is protected as a whole");
	return import_row(im, rule->pointer, rule->text, IMPORT_TAKEN,
			  "as far as the base grants it");
}

static int write_row(struct import *im, const struct path_rule *rule)
{
	const char *workspace = im->options->workspace;

	if (!rule->allow && in_workspace(im, rule->path))
		return protect_row(im, rule);
	if (!rule->allow)
		return import_row(im, rule->pointer, rule->text,
				  rule->met || path_is_below(workspace, rule->path)
					  ? IMPORT_TAKEN
					  : IMPORT_REFUSED,
				  "nothing that is written there reaches the host");
	if (path_is_below(workspace, rule->path))
		return import_row(im, rule->pointer, rule->text,
				  narrow_mode(im) == POLICY_WORKSPACE_READONLY ? IMPORT_NARROWED
									       : IMPORT_TAKEN,
				  "the workspace, as far as the base lets it be written");
	if (in_workspace(im, rule->path))
		return allow_inside(im, rule);
	return import_row(im, rule->pointer, rule->text, rule->met ? IMPORT_TAKEN : IMPORT_NARROWED,
			  "%s",
			  rule->met
				  ? "as far as the base grants it"
				  : "the base does not let it be written on the host: not granted");
}

/* The other name of a link in the workspace is protected, too: it could be put elsewhere. */
static int other_name(struct import *im, const struct path_rules *rules,
		      const struct path_rule *rule)
{
	return rules == &im->write && !rule->allow && in_workspace(im, rule->path)
		       ? protect_row(im, rule)
		       : 0;
}

static int rows(struct import *im, const struct path_rules *rules,
		int (*row)(struct import *im, const struct path_rule *rule))
{
	for (size_t i = 0; i < rules->n; i++) {
		const struct path_rule *rule = &rules->at[i];
		int r = !rule->pointer ? 0
			: rule->link   ? other_name(im, rules, rule)
				       : row(im, rule);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether the workspace is refused by no rule, but with all that no rule covers. */
static bool falls_to_rest(const struct import *im, const struct path_rules *rules)
{
	for (size_t i = 0; i < rules->n; i++)
		if (path_is_below(im->options->workspace, rules->at[i].path))
			return false;
	return !rules->otherwise;
}

static int apply_rest(struct import *im)
{
	int r = 0;

	if (falls_to_rest(im, &im->read))
		r = import_row(im, im->read.rest, "all that is not named", IMPORT_INEXPRESSIBLE,
			       "it covers the workspace, which every tool sees");
	if (r < 0 || rules_allow(&im->write, im->options->workspace))
		return r;
	r = narrow_readonly(im);
	return r > 0 && falls_to_rest(im, &im->write)
		       ? import_row(im, im->write.rest, "all that is not named", IMPORT_TAKEN,
				    "the workspace is read-only")
		       : MIN(r, 0);
}

int paths_apply(struct import *im)
{
	int r = carve_reads(im);

	if (r == 0)
		r = carve_writes(im);
	if (r == 0)
		r = apply_rest(im);
	if (r == 0)
		r = rows(im, &im->read, read_row);
	return r == 0 ? rows(im, &im->write, write_row) : r;
}
