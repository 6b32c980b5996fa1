/*
 * Theory of operation: a rule is a tool's name, alone or with something in parentheses. Our tools
 * are more than Claude Code's: whoever refuses Bash there refuses every tool here that runs
 * programs, whoever refuses Edit every one that writes files. A tool of the operator's own that no
 * table knows counts among those that run programs. A name may hold "*", and then means every tool
 * whose whole name fits: Claude Code's own names and ours behind "mcp__toolcell__" alike.
 *
 * Refused paths become paths of the mounts (Read) or protected paths (Edit). Patterns of commands
 * can be said by an agent's file, never by a policy. What is to be asked about is asked about by every
 * call of the tool: a policy's patterns say what is not asked, never what is.
 */
#include "import/claude.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"

#define RULE_BYTES_MAX 1024U
#define MCP "mcp__"
#define OWN_SERVER MCP "toolcell"

enum class { CLASS_OTHER, CLASS_RUN, CLASS_READ, CLASS_EDIT, CLASS_CHANGES };

/* Our tools; one that is not here runs programs. */
static const struct {
	const char *name;
	enum class class;
} own[] = {
	{"Read", CLASS_READ},
	{"Glob", CLASS_READ},
	{"Grep", CLASS_READ},
	{"Edit", CLASS_EDIT},
	{"MultiEdit", CLASS_EDIT},
	{"Write", CLASS_EDIT},
	{"apply_patch", CLASS_EDIT},
	{"changes", CLASS_CHANGES},
	{"changes_commit", CLASS_CHANGES},
	{"changes_discard", CLASS_CHANGES},
	{"session", CLASS_CHANGES},
};

/* Names in rules; the ones without a class mean the tool of that name alone. */
static const struct {
	const char *name;
	enum class class; /* all tools of it */
	enum class paths; /* what a path in parentheses is about */
} foreign[] = {
	{"Bash", CLASS_RUN, CLASS_RUN},
	{"BashOutput", CLASS_OTHER, CLASS_OTHER},
	{"Read", CLASS_READ, CLASS_READ},
	{"LS", CLASS_READ, CLASS_READ},
	{"Glob", CLASS_OTHER, CLASS_READ},
	{"Grep", CLASS_OTHER, CLASS_READ},
	{"Edit", CLASS_EDIT, CLASS_EDIT},
	{"Write", CLASS_OTHER, CLASS_EDIT},
	{"MultiEdit", CLASS_OTHER, CLASS_EDIT},
	{"NotebookEdit", CLASS_OTHER, CLASS_EDIT},
	{"NotebookRead", CLASS_OTHER, CLASS_READ},
};

struct rule {
	const char *text;
	const char *pointer;
	char name[RULE_BYTES_MAX];
	char *what;  /* in the parentheses; NULL: the tool as a whole */
	bool scoped; /* there are parentheses, be it "(*)" */
};

static enum class class_of(const char *tool) {
	for (size_t i = 0; i < ARRAY_SIZE(own);
	     i++) if (policy_tool_names_equal(own[i].name, tool)) return own[i]
		.class;
	return CLASS_RUN;
}

static size_t find_foreign(const char *name)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(foreign) && strcmp(foreign[i].name, name) != 0)
		i++;
	return i;
}

/* "*" is the only wildcard of a name: what looks like another, or like a mistake, may mean anything. */
static bool is_name(const char *name)
{
	return name[0] != '\0' && !strpbrk(name, "?[]{}!\\ \t\r\n");
}

/* false: not the form of a rule. "Bash(*)" and "Bash(:*)" are Bash. */
static bool split(const char *text, struct rule *rule)
{
	size_t len = strlen(text);
	char *open;

	if (len >= sizeof(rule->name))
		return false;
	memcpy(rule->name, text, len + 1);
	rule->what = NULL;
	open = strchr(rule->name, '(');
	rule->scoped = open != NULL;
	if (!open)
		return is_name(text) && !strchr(text, ')');
	if (rule->name[len - 1] != ')')
		return false;
	rule->name[len - 1] = '\0';
	*open = '\0';
	rule->what = open + 1;
	if (rule->what[0] == '\0' || strcmp(rule->what, "*") == 0 || strcmp(rule->what, ":*") == 0)
		rule->what = NULL;
	return is_name(rule->name);
}

/* As policy_tool_names_equal has it, "-" and "_" are alike. */
static void spell(char *dst, size_t cap, const char *server, const char *name)
{
	(void)snprintf(dst, cap, "%s%s", server, name);
	for (char *p = dst; *p != '\0'; p++)
		if (*p == '-')
			*p = '_';
}

static bool fits(const char *pattern, const char *server, const char *name)
{
	char want[RULE_BYTES_MAX];
	char have[RULE_BYTES_MAX];

	spell(want, sizeof(want), "", pattern);
	spell(have, sizeof(have), server, name);
	return fnmatch(want, have, FNM_NOESCAPE) == 0;
}

/* Whether a rule for @name is one for @tool of ours: by either of its names, by its class, by server. */
static bool means(const char *name, const char *tool)
{
	enum class class = class_of(tool);

	if (fits(name, "", OWN_SERVER) || fits(name, OWN_SERVER "__", tool) || fits(name, "", tool))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		if (foreign[i].class == class && fits(name, "", foreign[i].name))
			return true;
	return false;
}

static int each_tool(struct import *im, const char *name,
		     int (*narrow)(struct import *im, const char *tool))
{
	const char *tool;
	json_t *value;
	int n = 0;

	json_object_foreach(im->options->tools, tool, value) {
		int r = means(name, tool) ? narrow(im, tool) : 0;

		if (r < 0)
			return r;
		n += r;
	}
	return n;
}

int claude_take_away(struct import *im, const char *name)
{
	return each_tool(im, name, narrow_tool);
}

/* Whether any tool that Claude Code would call @name is left. */
static bool has_any(const struct import *im, const char *name)
{
	const char *tool;
	json_t *value;

	json_object_foreach(im->options->tools, tool, value)
		if (narrow_has_tool(im, tool) && means(name, tool))
			return true;
	return false;
}

/* Whether the base granted any of them. */
static bool had_any(const struct import *im, const char *name)
{
	const char *tool;
	json_t *value;

	json_object_foreach(im->options->tools, tool, value) {
		const struct policy_tool *known = policy_find_tool(im->base, tool);

		if (means(name, tool) && !(known && known->taken_away))
			return true;
	}
	return false;
}

/* Claude Code passes over a pattern that is not behind "mcp__SERVER__", and "mcp__...(...)". */
static bool allows_anything(const struct rule *rule)
{
	bool mcp = strncmp(rule->name, MCP, strlen(MCP)) == 0;
	const char *server_end = mcp ? strstr(rule->name + strlen(MCP), "__") : NULL;
	const char *star = strchr(rule->name, '*');

	if (mcp && rule->scoped)
		return false;
	return !star || (server_end && star > server_end);
}

static bool is_allowed(json_t *list, const char *tool)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		struct rule rule;

		if (json_is_string(one) && split(json_string_value(one), &rule) &&
		    allows_anything(&rule) && means(rule.name, tool))
			return true;
	}
	return false;
}

int claude_keep_allowed(struct import *im, json_t *list)
{
	const char *tool;
	json_t *value;

	json_object_foreach(im->options->tools, tool, value) {
		bool stays = class_of(tool) == CLASS_READ || is_allowed(list, tool);
		int r = stays ? 0 : narrow_tool(im, tool);

		if (r < 0)
			return r;
	}
	return 0;
}

int claude_whole_tools(struct import *im, json_t *list)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		struct rule rule;
		int r;

		if (!json_is_string(one) || !split(json_string_value(one), &rule) || rule.what)
			continue;
		r = claude_take_away(im, rule.name);
		if (r < 0)
			return r;
	}
	return 0;
}

/* "//abs" is absolute, "/x" below the project, "~/x" below home, the rest below the folder. */
static const char *absolute_part(const char *what)
{
	if (what[0] == '/' && what[1] == '/')
		return what + 1;
	return what[0] == '~' && (what[1] == '/' || what[1] == '\0') ? what : NULL;
}

/* A path below the workspace as a pattern of workspace.protect; false: cannot be one. */
static bool make_pattern(const char *what, char *dst, size_t cap)
{
	bool anchored = what[0] == '/' || strncmp(what, "./", 2) == 0;
	const char *path = what[0] == '/' ? what + 1 : anchored ? what + 2 : what;
	size_t len = strlen(path);
	int n;

	while (len > 3 && strncmp(path + len - 3, "/**", 3) == 0)
		len -= 3;
	while (len > 1 && path[len - 1] == '/')
		len--;
	/* As in gitignore(5): a name without a slash is meant at any depth. */
	n = snprintf(dst, cap, "%s%.*s", !anchored && !memchr(path, '/', len) ? "**/" : "",
		     (int)len, path);
	if (n <= 0 || (size_t)n >= cap || strpbrk(dst, "\\{}") || dst[0] == '!')
		return false;
	for (const char *at = dst;; at++) {
		size_t part = strcspn(at, "/");

		if (part == 0 || (at[0] == '.' && (part == 1 || (part == 2 && at[1] == '.'))))
			return false;
		at += part;
		if (*at == '\0')
			return strcmp(dst, "**") != 0 && strcmp(dst, "**/*") != 0;
	}
}

static int deny_edit_inside(struct import *im, const struct rule *rule)
{
	char pattern[RULE_BYTES_MAX];
	const char *literal;
	int r;

	if (narrow_mode(im) == POLICY_WORKSPACE_READONLY)
		return import_row(im, rule->pointer, rule->text, IMPORT_REFUSED,
				  "the workspace is read-only");
	if (!make_pattern(rule->what, pattern, sizeof(pattern)))
		return import_row(im, rule->pointer, rule->text, IMPORT_INEXPRESSIBLE,
				  "no pattern that workspace.protect can hold");
	literal = strncmp(pattern, "**/", 3) == 0 ? NULL : strpbrk(pattern, "*?[");
	if (narrow_is_direct(im) && (literal || strncmp(pattern, "**/", 3) == 0))
		return import_row(
			im, rule->pointer, rule->text, IMPORT_INEXPRESSIBLE,
			"where tools write to the workspace itself, patterns are not held; "
			"give a --base whose workspace.mode is \"overlay\" or \"readonly\"");
	r = narrow_protect(im, pattern);
	return r < 0 ? r
		     : import_row(im, rule->pointer, rule->text,
				  r > 0 ? IMPORT_TAKEN : IMPORT_REFUSED,
				  "protected: workspace.protect has \"%.200s\"", pattern);
}

/* Whether blanks around a path are a part of it is not known. */
static bool has_blanks_around(const char *what)
{
	return strchr(" \t", what[0]) || strchr(" \t", what[strlen(what) - 1]);
}

static int deny_path(struct import *im, const struct rule *rule, enum class class)
{
	const char *absolute = absolute_part(rule->what);

	if (has_blanks_around(rule->what))
		return import_row(im, rule->pointer, rule->text, IMPORT_INEXPRESSIBLE,
				  "begins or ends with a blank: which path it means is not known");
	if (class == CLASS_READ)
		return absolute ? paths_add(im, &im->read, absolute, false, true, rule->pointer)
				: import_row(im, rule->pointer, rule->text, IMPORT_INEXPRESSIBLE,
					     "reading a part of the workspace cannot be refused: "
					     "every tool sees all of it");
	return absolute ? paths_add(im, &im->write, absolute, false, true, rule->pointer)
			: deny_edit_inside(im, rule);
}

/* claude_whole_tools has been here. */
static int deny_whole(struct import *im, const struct rule *rule)
{
	enum import_verdict verdict = has_any(im, rule->name)	? IMPORT_INEXPRESSIBLE
				      : had_any(im, rule->name) ? IMPORT_TAKEN
								: IMPORT_REFUSED;

	return import_row(im, rule->pointer, rule->text, verdict, "no such tool is granted");
}

static int deny(struct import *im, const struct rule *rule)
{
	size_t f = find_foreign(rule->name);

	if (!rule->what)
		return deny_whole(im, rule);
	/* Whatever became of Read and Edit, tools that run programs would reach the path. */
	if (f < ARRAY_SIZE(foreign) && foreign[f].paths != CLASS_RUN &&
	    foreign[f].paths != CLASS_OTHER)
		return deny_path(im, rule, foreign[f].paths);
	if (!has_any(im, rule->name))
		return import_row(im, rule->pointer, rule->text, IMPORT_REFUSED,
				  "no such tool is granted");
	return import_row(
		im, rule->pointer, rule->text, IMPORT_INEXPRESSIBLE,
		"a policy cannot refuse a tool by its arguments; an agent's file can grant "
		"it by patterns");
}

/* To ask about some calls is said by asking about all: stricter, and nothing is missed. */
static int ask(struct import *im, const struct rule *rule)
{
	int r;

	if (!has_any(im, rule->name))
		return import_row(im, rule->pointer, rule->text, IMPORT_REFUSED,
				  "no such tool is granted");
	r = each_tool(im, rule->name, narrow_ask);
	return r < 0 ? r
		     : import_row(im, rule->pointer, rule->text,
				  r > 0 ? IMPORT_TAKEN : IMPORT_REFUSED,
				  "a person confirms each call%s",
				  rule->what ? ", whatever its arguments" : "");
}

static int allow(struct import *im, const struct rule *rule, bool only)
{
	if (!allows_anything(rule))
		return import_row(im, rule->pointer, rule->text, IMPORT_IGNORED,
				  "allows nothing there: in this list a pattern stands behind "
				  "mcp__SERVER__, and such a rule has no parentheses");
	if (!has_any(im, rule->name))
		return import_row(im, rule->pointer, rule->text, IMPORT_NARROWED,
				  "no such tool is granted");
	if (only && rule->what)
		return import_row(im, rule->pointer, rule->text, IMPORT_INEXPRESSIBLE,
				  "everything else of this tool is refused there, and a policy "
				  "cannot refuse a tool by its arguments");
	return import_row(im, rule->pointer, rule->text, IMPORT_IGNORED,
			  "spares a question; what the tool may reach is the base's to say");
}

int claude_rules(struct import *im, json_t *list, enum claude_list which, bool only,
		 const char *pointer)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one) {
		char item[POLICY_POINTER_MAX];
		struct rule rule = {.text = json_string_value(one), .pointer = item};
		int r = import_item(im, item, pointer, i);

		if (r == 0 && !rule.text)
			r = import_shape(im, item, "must be a string");
		else if (r == 0 && !split(rule.text, &rule))
			r = import_row(
				im, item, rule.text, IMPORT_INEXPRESSIBLE,
				"is no rule: \"Tool\" or \"Tool(what)\", and \"*\" is a name's "
				"only wildcard");
		else if (r == 0 && which == CLAUDE_ALLOW)
			r = allow(im, &rule, only);
		else if (r == 0 && which == CLAUDE_ASK)
			r = ask(im, &rule);
		else if (r == 0)
			r = deny(im, &rule);
		if (r < 0)
			return r;
	}
	return 0;
}
