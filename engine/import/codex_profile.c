/*
 * Theory of operation: a permission profile lists places and what may be done there; of the places
 * that cover a path the most specific one counts, and what none covers can be neither read nor
 * written. It comes as a table of a config.toml (":root" = "read") or as the JSON of a call's
 * sandbox state (codex_state.c); both end in codex_access_path().
 */
#include "import/codex.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"

/* The system's own folders, which Codex' ":minimal" stands for. */
static const char *const minimal[] = {"/usr",	"/bin",	   "/sbin", "/lib", "/lib32",
				      "/lib64", "/libx32", "/etc",  "/dev", "/proc"};
static const char *const whole[] = {"/"};
static const char *const here[] = {"."};
static const char *const tmp[] = {"/tmp"};

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
	{":slash_tmp", "slash_tmp", tmp, ARRAY_SIZE(tmp)},
};

/* A pattern has one row: that of what it refuses, or that it allows nothing more. */
static int access_pattern(struct import *im, const char *path, bool read, bool write,
			  const char *pointer)
{
	return read ? paths_add(im, &im->write, path, write, false, pointer)
		    : paths_add(im, &im->read, path, false, false, pointer);
}

/* One place with one access: both what may be read there and what may be written. */
int codex_access_path(struct import *im, const char *path, const char *access, const char *pointer,
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
	const char *workspace = im->options->workspace;
	bool write = strcmp(access, "write") == 0;
	int r = 0;

	if (specials[s].n == 0 && !write)
		return import_row(im, pointer, specials[s].name, IMPORT_INEXPRESSIBLE,
				  "which folder it is, is known to the host's environment only");
	if (specials[s].n == 0 || (specials[s].paths == tmp && !paths_shown(im, tmp[0]) &&
				   !path_is_below(workspace, tmp[0])))
		return import_row(im, pointer, specials[s].name,
				  write ? IMPORT_NARROWED : IMPORT_REFUSED,
				  "the host's folder is not shown; a cell has one of its own for "
				  "each call");
	for (size_t i = 0; r == 0 && i < specials[s].n; i++) {
		char *path = NULL;

		if (asprintf(&path, "%s%s%s", specials[s].paths[i], below ? "/" : "",
			     below ? below : "") < 0)
			return err_set(im->err, ENOMEM, "cannot read a profile");
		r = codex_access_path(im, path, access, pointer, specials[s].paths == minimal);
		free(path);
	}
	return r;
}

int codex_access_kind(struct import *im, const char *kind, const char *below, const char *access,
		      const char *pointer)
{
	for (size_t s = 0; s < ARRAY_SIZE(specials); s++)
		if (strcmp(specials[s].kind, kind) == 0)
			return access_special(im, s, below, access, pointer);
	return import_row(im, pointer, kind, IMPORT_INEXPRESSIBLE, "an unknown kind of place");
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
	r = codex_access_path(im, path, access, pointer, false);
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
	if (json_object_size(value) == 0)
		return import_row(im, pointer, place, IMPORT_IGNORED, "names nothing there");
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
		return import_row(im, pointer, "domains", IMPORT_REFUSED, "names none");
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
	int r = import_keys(im, value, pointer, network_keys, ARRAY_SIZE(network_keys));

	return r == 0 && !json_object_get(value, "enabled") ? codex_network(im, false, pointer) : r;
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
	r = import_row(im, pointer, text, IMPORT_IGNORED, "selects a profile");
	if (r < 0)
		return r;
	paths_refuse_rest(&im->read, below);
	paths_refuse_rest(&im->write, below);
	r = import_keys(im, profile, below, profile_keys, ARRAY_SIZE(profile_keys));
	if (r == 0 && !json_object_get(profile, "network"))
		r = codex_network(im, false, below);
	return r == 0 ? codex_protect(im, below) : r;
}
