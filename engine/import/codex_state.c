/*
 * Theory of operation: the sandbox state that Codex sends with each call, as JSON: its folder, and a
 * permission profile whose entries are places (codex_profile.c). A part that is missing would leave
 * the base as it is, so all of them are needed, as Codex needs them. A call may carry two states: each
 * is applied on its own, so that the stricter one wins.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "import/codex.h"

#define FILE_URL "file://"

/* "file:///a%20b" to "/a b"; a bare path stays. */
static bool decode_url(const char *url, char *dst, size_t cap)
{
	const char *from = strncmp(url, FILE_URL, strlen(FILE_URL)) == 0 ? url + strlen(FILE_URL)
									 : url;
	size_t n = 0;

	for (; *from != '\0'; from++) {
		static const char digits[] = "0123456789abcdef";
		const char *high = NULL;
		const char *low = NULL;

		if (from[0] == '%' && from[1] != '\0' && from[2] != '\0') {
			high = strchr(digits, tolower((unsigned char)from[1]));
			low = strchr(digits, tolower((unsigned char)from[2]));
		}
		if (n + 1 >= cap || (*from == '%' && (!high || !low)))
			return false;
		dst[n] = *from;
		if (high && low) {
			dst[n] = (char)((high - digits) * 16 + (low - digits));
			from += 2;
		}
		if (dst[n++] == '\0')
			return false;
	}
	dst[n] = '\0';
	return n > 0 && dst[0] == '/';
}

/* Without it, or without a part of it, Codex reads no state at all. */
static int need(struct import *im, json_t *object, const char *pointer, const char *key)
{
	return json_object_get(object, key) ? 0 : import_shape(im, pointer, "needs \"%s\"", key);
}

static const struct import_key entry_keys[] = {
	{"path", JSON_OBJECT, import_elsewhere, NULL},
	{"access", JSON_STRING, import_elsewhere, NULL},
};

static const struct import_key path_keys[] = {
	{"type", JSON_STRING, import_elsewhere, NULL},
	{"path", JSON_STRING, import_elsewhere, NULL},
};

static const struct import_key pattern_keys[] = {
	{"type", JSON_STRING, import_elsewhere, NULL},
	{"pattern", JSON_STRING, import_elsewhere, NULL},
};

static const struct import_key special_keys[] = {
	{"type", JSON_STRING, import_elsewhere, NULL},
	{"value", JSON_OBJECT, import_elsewhere, NULL},
};

static const struct import_key value_keys[] = {
	{"kind", JSON_STRING, import_elsewhere, NULL},
	{"subpath", JSON_STRING, import_elsewhere, NULL},
};

/* An entry of a state: its place, where that stands, and where the entry does. */
struct entry {
	json_t *place;
	const char *access;
	char below[POLICY_POINTER_MAX];
	const char *pointer;
};

static int take_path(struct import *im, const struct entry *e)
{
	return codex_access_path(im, json_string_value(json_object_get(e->place, "path")),
				 e->access, e->pointer, false);
}

static int take_pattern(struct import *im, const struct entry *e)
{
	return codex_access_path(im, json_string_value(json_object_get(e->place, "pattern")),
				 e->access, e->pointer, false);
}

static int take_special(struct import *im, const struct entry *e)
{
	json_t *value = json_object_get(e->place, "value");
	const char *kind = json_string_value(json_object_get(value, "kind"));
	char below[POLICY_POINTER_MAX];
	int r = import_below(im, below, e->below, "value");

	if (r == 0)
		r = need(im, value, below, "kind");
	if (r == 0)
		r = import_keys(im, value, below, value_keys, ARRAY_SIZE(value_keys));
	return r == 0 ? codex_access_kind(im, kind,
					  json_string_value(json_object_get(value, "subpath")),
					  e->access, e->pointer)
		      : r;
}

static const struct {
	const char *type;
	const char *member;
	const struct import_key *keys;
	size_t n_keys;
	int (*take)(struct import *im, const struct entry *e);
} places[] = {
	{"path", "path", path_keys, ARRAY_SIZE(path_keys), take_path},
	{"glob_pattern", "pattern", pattern_keys, ARRAY_SIZE(pattern_keys), take_pattern},
	{"special", "value", special_keys, ARRAY_SIZE(special_keys), take_special},
};

static int take_typed(struct import *im, const struct entry *e, const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int r;

		if (strcmp(places[i].type, type) != 0)
			continue;
		r = need(im, e->place, e->below, places[i].member);
		if (r == 0)
			r = import_keys(im, e->place, e->below, places[i].keys, places[i].n_keys);
		return r == 0 ? places[i].take(im, e) : r;
	}
	return import_row(im, e->pointer, type, IMPORT_INEXPRESSIBLE, "an unknown kind of place");
}

static int take_entry(struct import *im, json_t *object, const char *pointer)
{
	struct entry e = {
		.place = json_object_get(object, "path"),
		.access = json_string_value(json_object_get(object, "access")),
		.pointer = pointer,
	};
	const char *type = json_string_value(json_object_get(e.place, "type"));
	int r = import_below(im, e.below, pointer, "path");

	if (r < 0)
		return r;
	if (!type || !e.access)
		return import_shape(im, pointer,
				    "must have a \"path\" with a \"type\", and \"access\"");
	r = import_keys(im, object, pointer, entry_keys, ARRAY_SIZE(entry_keys));
	return r == 0 ? take_typed(im, &e, type) : r;
}

static int take_entries(struct import *im, json_t *value, const char *pointer)
{
	return import_each(im, value, pointer, take_entry);
}

static int take_fs_type(struct import *im, json_t *value, const char *pointer)
{
	const char *text = json_string_value(value);

	if (strcmp(text, "restricted") == 0) {
		paths_refuse_rest(&im->read, pointer);
		paths_refuse_rest(&im->write, pointer);
		return import_row(im, pointer, text, IMPORT_TAKEN, "only what is listed");
	}
	if (strcmp(text, "unrestricted") == 0)
		return import_row(im, pointer, text, IMPORT_NARROWED, "the base stays in force");
	return import_row(im, pointer, text, IMPORT_INEXPRESSIBLE, "an unknown type");
}

static const struct import_key state_fs_keys[] = {
	{"type", JSON_STRING, take_fs_type, NULL},
	{"entries", JSON_ARRAY, take_entries, NULL},
	{"glob_scan_max_depth", JSON_NULL, NULL, "how patterns are searched"},
};

static int take_state_fs(struct import *im, json_t *value, const char *pointer)
{
	int r = import_keys(im, value, pointer, state_fs_keys, ARRAY_SIZE(state_fs_keys));

	if (r == 0)
		r = need(im, value, pointer, "type");
	return r == 0 && !im->read.otherwise ? need(im, value, pointer, "entries") : r;
}

static int take_state_network(struct import *im, json_t *value, const char *pointer)
{
	const char *text = json_string_value(value);

	if (strcmp(text, "restricted") != 0 && strcmp(text, "enabled") != 0)
		return import_row(im, pointer, text, IMPORT_INEXPRESSIBLE, "an unknown network");
	return codex_network(im, strcmp(text, "enabled") == 0, pointer);
}

static const struct {
	const char *name;
	enum import_verdict verdict;
	const char *note;
	const char *needs[2];
} types[] = {
	{"managed", IMPORT_IGNORED, "says who made the profile", {"network", "file_system"}},
	{"external", IMPORT_NARROWED, "the base stays in force", {"network", NULL}},
	{"disabled", IMPORT_NARROWED, "the base stays in force", {NULL, NULL}},
};

static int take_type(struct import *im, const char *text, json_t *profile, const char *pointer)
{
	char below[POLICY_POINTER_MAX];
	int r = import_below(im, below, pointer, "type");

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(types); i++) {
		if (strcmp(types[i].name, text) != 0)
			continue;
		for (size_t k = 0; r == 0 && k < ARRAY_SIZE(types[i].needs); k++)
			if (types[i].needs[k])
				r = need(im, profile, pointer, types[i].needs[k]);
		return r == 0 ? import_row(im, below, text, types[i].verdict, "%s", types[i].note)
			      : r;
	}
	return r == 0 ? import_row(im, below, text, IMPORT_INEXPRESSIBLE, "an unknown type") : r;
}

static const struct import_key state_profile_keys[] = {
	{"type", JSON_STRING, import_elsewhere, NULL},
	{"file_system", JSON_OBJECT, take_state_fs, NULL},
	{"network", JSON_STRING, take_state_network, NULL},
};

static int take_state_profile(struct import *im, json_t *value, const char *pointer)
{
	int r = need(im, value, pointer, "type");

	if (r == 0)
		r = import_keys(im, value, pointer, state_profile_keys,
				ARRAY_SIZE(state_profile_keys));
	return r == 0 ? take_type(im, json_string_value(json_object_get(value, "type")), value,
				  pointer)
		      : r;
}

/* Its folder must be the workspace: what is relative in it is relative to that. */
static int take_cwd(struct import *im, json_t *value, const char *pointer)
{
	char path[POLICY_POINTER_MAX * 4];
	char *real = NULL;
	int r;

	if (!value)
		return import_row(im, pointer, "no sandboxCwd", IMPORT_INEXPRESSIBLE,
				  "whether its folder is the workspace %.160s is not known",
				  im->options->workspace);
	if (!json_is_string(value))
		return import_shape(im, pointer, "must be a string");
	if (!decode_url(json_string_value(value), path, sizeof(path)))
		return import_shape(im, pointer, "must be a file URL");
	r = paths_resolve(im, path, &real);
	if (r == 0 && (!real || strcmp(real, im->options->workspace) != 0))
		r = import_shape(im, pointer,
				 "is not the workspace %.160s: give it with --workspace",
				 im->options->workspace);
	else if (r == 0)
		r = import_row(im, pointer, path, IMPORT_IGNORED, "the workspace");
	free(real);
	return r;
}

static const struct import_key state_keys[] = {
	{"permissionProfile", JSON_OBJECT, take_state_profile, NULL},
	{"sandboxCwd", JSON_STRING, import_elsewhere, NULL},
	{"codexLinuxSandboxExe", JSON_NULL, NULL, "Codex' own program"},
	{"useLegacyLandlock", JSON_NULL, NULL, "how Codex does it, not what"},
};

static void forget(struct path_rules *rules)
{
	paths_fini(rules);
	rules->otherwise = true;
}

static int take_state(struct import *im, json_t *state, const char *pointer)
{
	char cwd[POLICY_POINTER_MAX];
	int r = import_below(im, cwd, pointer, "sandboxCwd");

	if (r == 0 && !json_object_get(state, "permissionProfile"))
		r = import_shape(im, pointer, "a sandbox state needs a \"permissionProfile\"");
	if (r == 0)
		r = take_cwd(im, json_object_get(state, "sandboxCwd"), cwd);
	if (r == 0)
		r = import_keys(im, state, pointer, state_keys, ARRAY_SIZE(state_keys));
	if (r == 0)
		r = paths_apply(im);
	forget(&im->read);
	forget(&im->write);
	return r;
}

/* What a call carries: of two states each narrows. */
static const struct import_key call_keys[] = {
	{"codex/sandbox-state", JSON_OBJECT, take_state, NULL},
	{"codex/sandbox-state-meta", JSON_OBJECT, take_state, NULL},
	{"progressToken", JSON_NULL, NULL, "the call's, not its sandbox's"},
};

int codex_state(struct import *im)
{
	json_t *root = im->doc->json;

	for (size_t i = 0; i < ARRAY_SIZE(call_keys); i++)
		if (call_keys[i].take && json_object_get(root, call_keys[i].name))
			return import_keys(im, root, "", call_keys, ARRAY_SIZE(call_keys));
	return take_state(im, root, "");
}
