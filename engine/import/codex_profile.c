/*
 * Theory of operation: a permission profile lists places and what may be done there; of the places
 * that cover a path the most specific one counts, and what none covers can be neither read nor
 * written. It comes as a table of a config.toml (":root" = "read") or as the JSON of a call's
 * sandbox state ({"path": {"type": "special", ...}, "access": "read"}); both end in access().
 */
#include "import/codex.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_URL "file://"

/* The system's own folders, which Codex' ":minimal" stands for. */
static const char *const minimal[] = {"/usr",	"/bin",	   "/sbin", "/lib", "/lib32",
				      "/lib64", "/libx32", "/etc",  "/dev", "/proc"};
static const char *const whole[] = {"/"};
static const char *const here[] = {"."};

/* Names of config.toml and kinds of the sandbox state. */
static const struct {
	const char *name;
	const char *kind;
	const char *const *paths;
	size_t n;
} specials[] = {
	{":root", "root", whole, ARRAY_SIZE(whole)},
	{":minimal", "minimal", minimal, ARRAY_SIZE(minimal)},
	{":workspace_roots", "project_roots", here, ARRAY_SIZE(here)},
	{":project_roots", "current_working_directory", here, ARRAY_SIZE(here)},
	{":cwd", "workspace_roots", here, ARRAY_SIZE(here)},
	{":tmpdir", "tmpdir", NULL, 0},
	{":slash_tmp", "slash_tmp", NULL, 0},
};

/* A pattern has one row: that of what it refuses, or that it allows nothing more. */
static int access_pattern(struct import *im, const char *path, bool read, bool write,
			  const char *pointer)
{
	return read ? paths_add(im, &im->write, path, write, false, pointer)
		    : paths_add(im, &im->read, path, false, false, pointer);
}

/* One place with one access: both what may be read there and what may be written. */
static int access_path(struct import *im, const char *path, const char *access, const char *pointer,
		       bool system)
{
	bool write = strcmp(access, "write") == 0;
	bool read = write || strcmp(access, "read") == 0;
	bool known = read || strcmp(access, "none") == 0 || strcmp(access, "deny") == 0;
	char *real = NULL;
	int r;

	if (!known)
		return import_row(im, pointer, access, IMPORT_INEXPRESSIBLE, "an unknown access");
	r = paths_resolve(im, path, &real);
	if (r == 0 && !real)
		return access_pattern(im, path, read, write, pointer);
	free(real);
	if (r == 0)
		r = paths_add(im, &im->read, path, read, false, pointer);
	return r == 0 ? paths_add(im, &im->write, path, write, false,
				  system && !write ? NULL : pointer)
		      : r;
}

static int access_special(struct import *im, size_t s, const char *below, const char *access,
			  const char *pointer)
{
	int r = 0;

	if (specials[s].n == 0)
		return import_row(im, pointer, specials[s].name, IMPORT_REFUSED,
				  "the host's folder is not shown; a cell has one of its own for "
				  "each call");
	for (size_t i = 0; r == 0 && i < specials[s].n; i++) {
		char *path = NULL;

		if (asprintf(&path, "%s%s%s", specials[s].paths[i], below ? "/" : "",
			     below ? below : "") < 0)
			return err_set(im->err, ENOMEM, "cannot read a profile");
		r = access_path(im, path, access, pointer, specials[s].paths == minimal);
		free(path);
	}
	return r;
}

/* A place of config.toml; @below: of a nested table. */
static int access_named(struct import *im, const char *place, const char *below, const char *access,
			const char *pointer)
{
	char *path = NULL;
	int r;

	for (size_t s = 0; s < ARRAY_SIZE(specials); s++)
		if (strcmp(specials[s].name, place) == 0)
			return access_special(im, s,
					      below && strcmp(below, ".") != 0 ? below : NULL,
					      access, pointer);
	if (place[0] == ':')
		return import_row(im, pointer, place, IMPORT_INEXPRESSIBLE, "an unknown place");
	if (asprintf(&path, "%s%s%s", place, below ? "/" : "", below ? below : "") < 0)
		return err_set(im->err, ENOMEM, "cannot read a profile");
	r = access_path(im, path, access, pointer, false);
	free(path);
	return r;
}

static int take_place(struct import *im, const char *place, json_t *value, const char *pointer)
{
	const char *below;
	json_t *access;

	if (json_is_string(value))
		return access_named(im, place, NULL, json_string_value(value), pointer);
	if (!json_is_object(value))
		return import_shape(im, pointer, "must be an access or a table of them");
	json_object_foreach(value, below, access) {
		char inner[POLICY_POINTER_MAX];
		int r = import_below(im, inner, pointer, below);

		if (r == 0 && !json_is_string(access))
			r = import_shape(im, inner, "must be an access");
		if (r == 0)
			r = access_named(im, place, below, json_string_value(access), inner);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_filesystem(struct import *im, json_t *value, const char *pointer)
{
	const char *place;
	json_t *one;

	json_object_foreach(value, place, one) {
		char inner[POLICY_POINTER_MAX];
		int r = import_below(im, inner, pointer, place);

		if (r == 0 && strcmp(place, "glob_scan_max_depth") == 0)
			r = import_row(im, inner, place, IMPORT_IGNORED,
				       "how patterns are searched");
		else if (r == 0)
			r = take_place(im, place, one, inner);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_enabled(struct import *im, json_t *value, const char *pointer)
{
	return codex_network(im, json_is_true(value), pointer);
}

static int take_domains(struct import *im, json_t *value, const char *pointer)
{
	if (json_object_size(value) == 0)
		return 0;
	return import_row(im, pointer, "domains", IMPORT_INEXPRESSIBLE,
			  "a cell has no way out to a network, so no domain can be reached");
}

static const struct import_key network_keys[] = {
	{"enabled", JSON_TRUE, take_enabled, NULL},
	{"domains", JSON_OBJECT, take_domains, NULL},
	{"mode", JSON_STRING, NULL, "no domain is reachable in any case"},
};

static int take_network(struct import *im, json_t *value, const char *pointer)
{
	return import_keys(im, value, pointer, network_keys, ARRAY_SIZE(network_keys));
}

static const struct import_key profile_keys[] = {
	{"filesystem", JSON_OBJECT, take_filesystem, NULL},
	{"network", JSON_OBJECT, take_network, NULL},
	{"description", JSON_STRING, NULL, "for people"},
};

static int built_in_profile(struct import *im, const char *name, const char *pointer)
{
	int r;

	if (strcmp(name, ":danger-no-sandbox") == 0 || strcmp(name, ":danger-full-access") == 0)
		return import_row(im, pointer, name, IMPORT_NARROWED, "the base stays in force");
	if (strcmp(name, ":read-only") != 0 && strcmp(name, ":workspace") != 0)
		return import_row(im, pointer, name, IMPORT_INEXPRESSIBLE, "an unknown profile");
	paths_refuse_rest(&im->write, pointer);
	r = strcmp(name, ":workspace") == 0
		    ? paths_add(im, &im->write, ".", true, false, pointer)
		    : import_row(im, pointer, name, IMPORT_TAKEN, "the workspace is read-only");
	if (r == 0)
		r = codex_network(im, false, pointer);
	return r == 0 && im->write.n > 0 ? codex_protect(im, pointer) : r;
}

int codex_named_profile(struct import *im, json_t *name, const char *pointer)
{
	const char *text = json_string_value(name);
	json_t *profile = text ? json_object_get(json_object_get(im->doc->json, "permissions"),
						 text)
			       : NULL;
	char below[POLICY_POINTER_MAX];
	int r;

	if (!text)
		return import_shape(im, pointer, "must be a string");
	if (text[0] == ':')
		return built_in_profile(im, text, pointer);
	if (!json_is_object(profile))
		return import_shape(im, pointer, "there is no table of that name in [permissions]");
	r = import_below(im, below, "/permissions", text);
	if (r < 0)
		return r;
	paths_refuse_rest(&im->read, below);
	paths_refuse_rest(&im->write, below);
	r = import_keys(im, profile, below, profile_keys, ARRAY_SIZE(profile_keys));
	if (r == 0 && !json_object_get(profile, "network"))
		r = codex_network(im, false, below);
	return r == 0 ? codex_protect(im, below) : r;
}

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

/* {"type": "path"|"special"|"glob_pattern", ...} */
static int take_entry(struct import *im, json_t *entry, const char *pointer)
{
	json_t *path = json_object_get(entry, "path");
	const char *type = json_string_value(json_object_get(path, "type"));
	const char *access = json_string_value(json_object_get(entry, "access"));
	const char *text = json_string_value(json_object_get(path, "path"));
	const char *pattern = json_string_value(json_object_get(path, "pattern"));
	json_t *value = json_object_get(path, "value");
	const char *kind = json_string_value(json_object_get(value, "kind"));
	const char *below = json_string_value(json_object_get(value, "subpath"));

	if (!type || !access)
		return import_shape(im, pointer,
				    "must have a \"path\" with a \"type\", and \"access\"");
	if (strcmp(type, "path") == 0 && text)
		return access_path(im, text, access, pointer, false);
	if (strcmp(type, "glob_pattern") == 0 && pattern)
		return access_path(im, pattern, access, pointer, false);
	for (size_t s = 0; strcmp(type, "special") == 0 && kind && s < ARRAY_SIZE(specials); s++)
		if (strcmp(specials[s].kind, kind) == 0)
			return access_special(im, s, below, access, pointer);
	return import_row(im, pointer, kind ? kind : type, IMPORT_INEXPRESSIBLE,
			  "an unknown kind of place");
}

static int take_type(struct import *im, json_t *value, const char *pointer)
{
	const char *text = json_string_value(value);

	if (strcmp(text, "managed") == 0)
		return import_row(im, pointer, text, IMPORT_IGNORED, "says who made the profile");
	if (strcmp(text, "disabled") == 0 || strcmp(text, "external") == 0)
		return import_row(im, pointer, text, IMPORT_NARROWED, "the base stays in force");
	return import_row(im, pointer, text, IMPORT_INEXPRESSIBLE, "an unknown type");
}

static int take_entries(struct import *im, json_t *value, const char *pointer)
{
	json_t *entry;
	size_t i;

	json_array_foreach(value, i, entry) {
		char item[POLICY_POINTER_MAX];
		int r = import_item(im, item, pointer, i);

		if (r == 0)
			r = take_entry(im, entry, item);
		if (r < 0)
			return r;
	}
	return 0;
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
	return import_keys(im, value, pointer, state_fs_keys, ARRAY_SIZE(state_fs_keys));
}

static int take_state_network(struct import *im, json_t *value, const char *pointer)
{
	const char *text = json_string_value(value);

	if (strcmp(text, "restricted") != 0 && strcmp(text, "enabled") != 0)
		return import_row(im, pointer, text, IMPORT_INEXPRESSIBLE, "an unknown network");
	return codex_network(im, strcmp(text, "enabled") == 0, pointer);
}

static const struct import_key state_profile_keys[] = {
	{"type", JSON_STRING, take_type, NULL},
	{"file_system", JSON_OBJECT, take_state_fs, NULL},
	{"network", JSON_STRING, take_state_network, NULL},
};

static int take_state_profile(struct import *im, json_t *value, const char *pointer)
{
	return import_keys(im, value, pointer, state_profile_keys, ARRAY_SIZE(state_profile_keys));
}

/* Its folder must be the workspace: what is relative in it is relative to that. */
static int take_cwd(struct import *im, json_t *value, const char *pointer)
{
	char path[POLICY_POINTER_MAX * 4];
	char *real = NULL;
	int r;

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
	{"sandboxCwd", JSON_STRING, take_cwd, NULL},
	{"codexLinuxSandboxExe", JSON_NULL, NULL, "Codex' own program"},
	{"useLegacyLandlock", JSON_NULL, NULL, "how Codex does it, not what"},
};

int codex_state(struct import *im)
{
	static const char *const wraps[] = {"codex/sandbox-state", "codex/sandbox-state-meta"};
	json_t *state = im->doc->json;
	char pointer[POLICY_POINTER_MAX] = "";
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(wraps); i++) {
		json_t *inner = json_object_get(im->doc->json, wraps[i]);

		if (!json_is_object(inner))
			continue;
		state = inner;
		r = import_below(im, pointer, "", wraps[i]);
	}
	if (r == 0 && !json_object_get(state, "permissionProfile"))
		r = import_shape(im, pointer, "a sandbox state needs a \"permissionProfile\"");
	if (r == 0)
		r = import_keys(im, state, pointer, state_keys, ARRAY_SIZE(state_keys));
	return r == 0 ? paths_apply(im) : r;
}
