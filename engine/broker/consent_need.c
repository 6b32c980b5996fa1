/*
 * Theory of operation: what of a call's own words a person would have to grant. Words are compared as
 * text and nothing is opened; a path that is missed here is simply not granted, and the tool finds it
 * as absent as before. So this may guess, but not the other way: what counts as granted is what the
 * person was shown.
 *
 * Of a command line each word is looked at, roughly as a shell would cut it; of other arguments the
 * whole string is a path or is none. A call that has met a path which was not granted needs it when it
 * comes again (consent_note_denials).
 */
#include <string.h>

#include "base/path.h"
#include "broker/consent.h"
#include "broker/state.h"
#include "manifest/shell.h"

#define CUTS " \t\r\n\"'`;|&<>(){}[]=,:$\\!*?#@"

static bool is_session_granted(const struct call *c, uint32_t bit)
{
	const struct consents *s = &c->broker->consents;

	if (bit == CONSENT_TOOL)
		return json_object_get(s->tools, c->tool_name);
	return s->granted & bit;
}

uint32_t consent_missing(const struct call *c)
{
	uint32_t missing = c->consent.needs & ~c->consent.once;

	for (uint32_t bit = 1; bit <= CONSENT_TOOL; bit <<= 1)
		if ((missing & bit) && is_session_granted(c, bit))
			missing &= ~bit;
	return missing;
}

/* One word as a path of its own: absolute, below HOME, or below the working directory. */
static bool word_is_below(const char *word, size_t len, const char *path, const char *cwd,
			  const char *home)
{
	CLEANUP(buf_fini) struct buf whole = {.cap = PLACE_PATH_MAX};
	CLEANUP(buf_fini) struct buf clean = {.cap = PLACE_PATH_MAX};
	bool tilde = len >= 2 && word[0] == '~' && word[1] == '/';
	int r = 0;

	if (len == 0 || len > PLACE_PATH_MAX)
		return false;
	if (tilde && home)
		r = buf_puts(&whole, home);
	else if (word[0] != '/')
		r = buf_puts(&whole, cwd ? cwd : "");
	if (r == 0 && word[0] != '/')
		r = buf_puts(&whole, "/");
	if (r == 0)
		r = buf_append(&whole, tilde ? word + 2 : word, tilde ? len - 2 : len);
	if (r == 0)
		r = place_join(&clean, whole.data);
	return r == 0 && clean.data && path_is_below(clean.data, path);
}

static bool goes_on(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.';
}

/* The path as it stands, for one that words are cut at. */
static bool is_quoted_in(const char *text, const char *path)
{
	size_t len = strlen(path);

	if (!path[strcspn(path, CUTS)])
		return false;
	for (const char *at = strstr(text, path); at; at = strstr(at + 1, path))
		if (!goes_on(at[len]) && (at == text || (!goes_on(at[-1]) && at[-1] != '/')))
			return true;
	return false;
}

bool consent_path_in(const char *text, const char *path, const char *cwd, const char *home)
{
	const char *at = text;

	if (is_quoted_in(text, path))
		return true;
	while (*at) {
		size_t len = strcspn(at, CUTS);

		if (word_is_below(at, len, path, cwd, home))
			return true;
		at += len;
		at += strspn(at, CUTS);
	}
	return false;
}

struct search {
	const struct call *call;
	const char *command; /* key of the argument that is a command line; NULL: none */
	const char *home;
	const char *path;
};

static bool string_names(const struct search *s, const json_t *value)
{
	return json_is_string(value) &&
	       word_is_below(json_string_value(value), json_string_length(value), s->path,
			     s->call->cwd, s->home);
}

/* Elements, and the strings of elements that are objects: manifests know nothing deeper. */
static bool array_names(const struct search *s, json_t *array)
{
	json_t *one;
	json_t *member;
	const char *key;
	size_t i;

	json_array_foreach(array, i, one) {
		if (string_names(s, one))
			return true;
		json_object_foreach(one, key, member)
			if (string_names(s, member))
				return true;
	}
	return false;
}

static bool arguments_name(const struct search *s, json_t *arguments)
{
	const char *key;
	json_t *value;

	json_object_foreach(arguments, key, value) {
		bool command = s->command && strcmp(key, s->command) == 0 && json_is_string(value);

		if (command &&
		    consent_path_in(json_string_value(value), s->path, s->call->cwd, s->home))
			return true;
		if (!command && (string_names(s, value) || array_names(s, value)))
			return true;
	}
	return false;
}

static const char *command_key(const struct call *c)
{
	return json_string_value(json_object_get(json_object_get(c->tool, "pattern"), "argument"));
}

/* What this tool does not do to files: it can read a path that is granted for reading anyway. */
static bool only_reads(const struct call *c)
{
	return json_is_true(
		json_object_get(json_object_get(c->tool, "annotations"), "readOnlyHint"));
}

static uint32_t path_bits(const struct call *c, json_t *arguments)
{
	const struct consents *s = &c->broker->consents;
	struct search search = {
		.call = c,
		.command = command_key(c),
		.home = json_string_value(json_object_get(c->broker->catalog, "home")),
	};
	uint32_t bits = 0;

	if (!c->cell || c->cell_index >= s->cells)
		return 0;
	for (uint32_t i = 0; i < s->n_paths; i++) {
		search.path = s->paths[i].path;
		if (!(s->paths[i].upgrade && only_reads(c)) && arguments_name(&search, arguments))
			bits |= 1U << i;
	}
	for (size_t i = 0; i < CONSENT_WANTED_MAX; i++)
		if (consent_key_equal(&s->wanted[i].key, &c->consent.key))
			bits |= s->wanted[i].bits;
	return bits;
}

/* Whether the command is one that the policy lets run without a question. */
static bool pattern_allows(const struct call *c, json_t *arguments)
{
	json_t *patterns = json_object_get(json_object_get(c->tool, "ask"), "patterns");
	const char *key = command_key(c);
	const char *command = key ? json_string_value(json_object_get(arguments, key)) : NULL;
	CLEANUP(strings_fini) struct strings words = {0};
	struct err err = {0};
	bool matches = false;
	json_t *one;
	size_t i;

	if (json_array_size(patterns) == 0 || !command || shell_split(command, &words, &err) < 0)
		return false;
	json_array_foreach(patterns, i, one)
		if (json_is_string(one) &&
		    shell_pattern_matches(json_string_value(one), &words, &matches, &err) == 0 &&
		    matches)
			return true;
	return false;
}

uint32_t consent_needs(const struct call *c, json_t *arguments)
{
	uint32_t bits = path_bits(c, arguments);

	if (json_object_get(c->tool, "ask") && !pattern_allows(c, arguments))
		bits |= CONSENT_TOOL;
	return bits;
}
