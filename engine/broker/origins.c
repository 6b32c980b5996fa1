/* Theory of operation: look-ups in the catalog, made by policyc from the policy's own files. */
#include "broker/origins.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(json_t *map, const char *key)
{
	return json_string_value(json_object_get(map, key));
}

static json_t *tool_of(const struct origins *origins)
{
	json_t *tools = json_object_get(origins->json, "tools");

	return origins->tool ? json_object_get(tools, origins->tool) : NULL;
}

const char *origins_at(const struct origins *origins, const char *key, char dst[ORIGINS_TEXT_BYTES])
{
	const char *text = text_of(tool_of(origins), key);

	if (!text)
		text = text_of(json_object_get(origins->json, "at"), key);
	if (text)
		(void)snprintf(dst, ORIGINS_TEXT_BYTES, "%.480s", text);
	else
		(void)snprintf(dst, ORIGINS_TEXT_BYTES, "policies/%.192s.json#/%.192s",
			       origins->policy, key);
	return dst;
}

const char *origins_file(const struct origins *origins, char dst[ORIGINS_TEXT_BYTES])
{
	const char *file = text_of(origins->json, "file");

	if (file)
		(void)snprintf(dst, ORIGINS_TEXT_BYTES, "%.480s", file);
	else
		(void)snprintf(dst, ORIGINS_TEXT_BYTES, "policies/%.192s.json", origins->policy);
	return dst;
}

bool origins_are_open(const struct origins *origins, const char *pointer)
{
	json_t *finals = json_object_get(origins->json, "final");
	json_t *final;
	size_t i;

	json_array_foreach(finals, i, final) {
		const char *at = json_string_value(final);
		size_t len = at ? strlen(at) : 0;

		if (strncmp(pointer, at ? at : "", len) == 0 &&
		    (pointer[len] == '\0' || pointer[len] == '/' || len == 0))
			return false;
	}
	return true;
}

/* The @nr-th of words that single blanks separate. */
static const char *word_at(const char *words, uint32_t nr, size_t *ret_len)
{
	while (words && nr-- > 0) {
		words = strchr(words, ' ');
		words = words ? words + 1 : NULL;
	}
	*ret_len = words ? strcspn(words, " ") : 0;
	return words;
}

const char *origins_call_name(const struct origins *origins, uint32_t nr, char *dst, size_t cap)
{
	size_t len;
	const char *word = word_at(text_of(origins->json, "calls"), nr, &len);

	if (!word || len == 0 || strncmp(word, "-", len) == 0)
		(void)snprintf(dst, cap, "system call %u", nr);
	else
		(void)snprintf(dst, cap, "%.*s", (int)len, word);
	return dst;
}

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; at && *at;) {
		size_t n = strcspn(at, " ");

		if (n == len && strncmp(at, word, n) == 0)
			return true;
		at += n + (at[n] == ' ');
	}
	return false;
}

const char *origins_never(const struct origins *origins, const char *name)
{
	json_t *words;
	const char *why;

	json_object_foreach(json_object_get(origins->json, "never"), why, words)
		if (has_word(json_string_value(words), name))
			return why;
	return NULL;
}

const char *origins_deny(const struct origins *origins, const char *name)
{
	return text_of(json_object_get(origins->json, "deny"), name);
}
