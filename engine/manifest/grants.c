/*
 * Theory of operation: a list of tools comes as one string (commas, or blanks where no comma is) or
 * as a YAML list; parentheses keep commas and blanks together, also across the items that YAML cut
 * at a comma. Each item is NAME or NAME(PATTERN). What would grant more than it names ("*", "true",
 * mcp__*) grants nothing and says so: an agent file is read leniently, but authority is only what
 * it spells out.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "manifest/agent.h"

#define ITEM_BYTES_MAX 1024U
#define SHOWN_MAX 80U

struct sink {
	const char *file;
	const char *key;
	json_t *grants;
	json_t *warnings;
	json_t *infos;
	struct err *err;
};

int note_add(json_t *notes, const char *file, json_int_t line, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX], all[ERR_TEXT_MAX + 512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || snprintf(all, sizeof(all), "%s:%lld: %s", file, (long long)line, text) < 0)
		return -EINVAL;
	return json_array_append_new(notes, json_string(all)) < 0 ? -ENOMEM : 0;
}

static int no_memory(const struct sink *s)
{
	return err_set(s->err, ENOMEM, "%s: cannot hold the list of tools", s->file);
}

static int warn(const struct sink *s, json_int_t line, const char *item, const char *why)
{
	char shown[SHOWN_MAX];

	(void)text_quote(shown, sizeof(shown), item, strlen(item));
	return note_add(s->warnings, s->file, line, "%s: \"%s\" %s; nothing is granted for it",
			s->key, shown, why) < 0
		       ? no_memory(s)
		       : 0;
}

static int add_grant(const struct sink *s, const char *tool, const char *pattern, json_int_t line)
{
	if (json_array_size(s->grants) >= AGENT_TOOLS_MAX)
		return err_set(s->err, E2BIG, "%s:%lld: more than %u tools", s->file,
			       (long long)line, AGENT_TOOLS_MAX);
	return json_array_append_new(s->grants, json_pack("{ss ss? sI}", "tool", tool, "pattern",
							  pattern, "line", line)) < 0
		       ? no_memory(s)
		       : 0;
}

/* mcp__SERVER__TOOL: ours when the server is called toolcell; else something of the host's. */
static int take_mcp(const struct sink *s, char *name, const char *pattern, json_int_t line)
{
	static const char own[] = "mcp__" AGENT_SERVER "__";
	const char *tool = name + sizeof(own) - 1;
	bool ours = strncmp(name, own, sizeof(own) - 1) == 0;
	char shown[SHOWN_MAX];

	if (ours && *tool && !strchr(tool, '*'))
		return add_grant(s, tool, pattern, line);
	if (ours || strncmp("mcp__*", name, 6) == 0 || strcmp(name, "mcp__" AGENT_SERVER) == 0)
		return warn(s, line, name, "would grant every tool at once; name them one by one");
	(void)text_quote(shown, sizeof(shown), name, strlen(name));
	return note_add(s->infos, s->file, line,
			"%s: \"%s\" is a tool of another server; left to the host", s->key,
			shown) < 0
		       ? no_memory(s)
		       : 0;
}

/* @item is NUL-terminated, without blanks around; cut up here. */
static int take_item(const struct sink *s, char *item, json_int_t line)
{
	char *open = strchr(item, '('), *pattern = NULL;
	size_t len = strlen(item);

	if (strcmp(item, "*") == 0)
		return warn(s, line, item, "would grant every tool at once; name them one by one");
	if ((open && item[len - 1] != ')') || (!open && strchr(item, ')')) || open == item)
		return warn(s, line, item, "has a parenthesis that does not fit");
	if (open) {
		item[len - 1] = '\0';
		*open = '\0';
		pattern = open + 1;
		while (open > item && isspace((unsigned char)open[-1]))
			*--open = '\0';
	}
	if (pattern && *pattern == '\0')
		return warn(s, line, item, "has an empty pattern");
	if (strncmp(item, "mcp__", 5) == 0)
		return take_mcp(s, item, pattern, line);
	return add_grant(s, item, pattern, line);
}

static int take_span(const struct sink *s, const char *at, size_t len, json_int_t line)
{
	char item[ITEM_BYTES_MAX];

	while (len > 0 && isspace((unsigned char)*at)) {
		at++;
		len--;
	}
	while (len > 0 && isspace((unsigned char)at[len - 1]))
		len--;
	if (len == 0)
		return 0;
	if (len >= sizeof(item))
		return err_set(s->err, E2BIG, "%s:%lld: %s: an item of more than %u bytes", s->file,
			       (long long)line, s->key, ITEM_BYTES_MAX - 1);
	memcpy(item, at, len);
	item[len] = '\0';
	return take_item(s, item, line);
}

static int depth_after(int depth, char c)
{
	if (c == '(')
		return depth + 1;
	return c == ')' && depth > 0 ? depth - 1 : depth;
}

static bool has_comma(const char *text)
{
	int depth = 0;

	for (; *text; text++) {
		depth = depth_after(depth, *text);
		if (*text == ',' && depth == 0)
			return true;
	}
	return false;
}

static int take_string(const struct sink *s, const char *text, json_int_t line)
{
	bool commas = has_comma(text);
	const char *start = text;
	int depth = 0, r = 0;

	for (; *text && r == 0; text++) {
		bool cut = commas ? *text == ',' : isspace((unsigned char)*text) != 0;

		depth = depth_after(depth, *text);
		if (!cut || depth > 0)
			continue;
		r = take_span(s, start, (size_t)(text - start), line);
		start = text + 1;
	}
	return r < 0 ? r : take_span(s, start, strlen(start), line);
}

static int count_open(const char *text)
{
	int depth = 0;

	for (; *text; text++)
		depth = depth_after(depth, *text);
	return depth;
}

/* YAML cuts [Task(A, B)] at the comma: items are joined again until their parentheses close. */
static int take_items(const struct sink *s, json_t *items)
{
	CLEANUP(buf_fini) struct buf joined = {.cap = ITEM_BYTES_MAX};
	json_int_t line = 0;
	json_t *item;
	size_t i;
	int r = 0;

	json_array_foreach(items, i, item) {
		const char *text = json_string_value(json_object_get(item, "text"));

		if (joined.len == 0)
			line = json_integer_value(json_object_get(item, "line"));
		if (!text)
			return warn(s, line, "{...}", "is no name of a tool");
		r = buf_printf(&joined, "%s%s", joined.len ? ", " : "", text);
		if (r < 0)
			return err_set(s->err, E2BIG,
				       "%s:%lld: %s: an item too long, or an open parenthesis",
				       s->file, (long long)line, s->key);
		if (joined.len == 0 || count_open(joined.data) > 0)
			continue;
		/* One item of a YAML list may itself be "Read, Write", as hosts take it. */
		r = take_string(s, joined.data, line);
		if (r < 0)
			return r;
		buf_drop(&joined, joined.len);
	}
	return joined.len > 0 ? warn(s, line, joined.data, "has a parenthesis that does not fit")
			      : 0;
}

static bool is_word(const char *text)
{
	static const char *const words[] = {"true", "false", "null", "~", "yes", "no", "all"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcasecmp(text, words[i]) == 0)
			return true;
	return false;
}

int grants_parse(const char *file, const char *key, json_t *value, json_t *grants, json_t *warnings,
		 json_t *infos, struct err *err)
{
	struct sink s = {file, key, grants, warnings, infos, err};
	const char *text = json_string_value(json_object_get(value, "text"));
	json_t *items = json_object_get(value, "items");
	json_int_t line = json_integer_value(json_object_get(value, "line"));

	if (text && is_word(text))
		return warn(&s, line, text, "is no list of tools");
	if (json_is_array(items) && json_array_size(items) > 0)
		return take_items(&s, items);
	if (text && text[strspn(text, " \t\n")] != '\0')
		return take_string(&s, text, line);
	if (text || json_is_array(items))
		return note_add(warnings, file, line, "%s: is empty; nothing is granted", key) < 0
			       ? no_memory(&s)
			       : 0;
	return note_add(warnings, file, line, "%s: is neither text nor a list; nothing is granted",
			key) < 0
		       ? no_memory(&s)
		       : 0;
}
