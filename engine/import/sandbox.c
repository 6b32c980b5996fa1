/*
 * Theory of operation: sandbox-runtime's two objects, which Claude Code has in its "sandbox" section
 * too. Reading is allowed but for denyRead, and allowRead wins unless a refusal is more specific;
 * writing is refused but for allowWrite, and denyWrite wins always. A cell has no way out to any
 * network, so domains that are refused are refused already; a list of domains that must be reachable
 * is something that no policy can hold.
 */
#include <stdio.h>

#include "import/context.h"

static int take_domain(struct import *im, const char *text, const char *pointer)
{
	return import_row(im, pointer, text, IMPORT_INEXPRESSIBLE,
			  "a cell has no way out to a network, so no domain can be reached");
}

static int take_no_domain(struct import *im, const char *text, const char *pointer)
{
	return import_row(im, pointer, text, IMPORT_REFUSED, "a cell has no way out to a network");
}

static int take_socket(struct import *im, const char *text, const char *pointer)
{
	return import_row(im, pointer, text, IMPORT_NARROWED,
			  "sockets of the host are not shown in a cell: not granted");
}

static int domains(struct import *im, json_t *value, const char *pointer)
{
	return import_strings(im, value, pointer, take_domain);
}

static int no_domains(struct import *im, json_t *value, const char *pointer)
{
	return import_strings(im, value, pointer, take_no_domain);
}

static int sockets(struct import *im, json_t *value, const char *pointer)
{
	return import_strings(im, value, pointer, take_socket);
}

static int take_family(struct import *im, const char *pointer, const char *rule)
{
	int r = narrow_socket(im, "unix");

	return r < 0 ? r
		     : import_row(im, pointer, rule, r > 0 ? IMPORT_TAKEN : IMPORT_REFUSED,
				  "socket(2) knows no family \"unix\"; pairs of sockets stay");
}

static int all_sockets(struct import *im, json_t *value, const char *pointer)
{
	if (json_is_true(value))
		return import_row(im, pointer, "true", IMPORT_NARROWED,
				  "those within the cell, as far as the base has them");
	return take_family(im, pointer, "false");
}

static int take_binding(struct import *im, const char *pointer, const char *rule)
{
	int r = narrow_no_network(im);

	return r < 0 ? r
		     : import_row(im, pointer, rule, r > 0 ? IMPORT_TAKEN : IMPORT_REFUSED,
				  "network.mode is \"none\"");
}

static int local_binding(struct import *im, json_t *value, const char *pointer)
{
	if (json_is_true(value))
		return import_row(im, pointer, "true", IMPORT_NARROWED,
				  "the cell's own loopback at most, as the base has it");
	return take_binding(im, pointer, "false");
}

static int proxy(struct import *im, json_t *value, const char *pointer)
{
	(void)value;
	return import_row(im, pointer, "a proxy", IMPORT_NARROWED,
			  "a cell has no way out to a network: not granted");
}

static const struct import_key network_keys[] = {
	{"allowedDomains", JSON_ARRAY, domains, NULL},
	{"deniedDomains", JSON_ARRAY, no_domains, NULL},
	{"strictAllowlist", JSON_TRUE, NULL, "no domain is reachable in any case"},
	{"allowManagedDomainsOnly", JSON_TRUE, NULL, "no domain is reachable in any case"},
	{"allowUnixSockets", JSON_ARRAY, sockets, NULL},
	{"allowAllUnixSockets", JSON_TRUE, all_sockets, NULL},
	{"allowLocalBinding", JSON_TRUE, local_binding, NULL},
	{"httpProxyPort", JSON_INTEGER, proxy, NULL},
	{"socksProxyPort", JSON_INTEGER, proxy, NULL},
	{"mitmProxy", JSON_OBJECT, proxy, NULL},
	{"parentProxy", JSON_OBJECT, proxy, NULL},
};

int sandbox_network(struct import *im, json_t *value, const char *pointer)
{
	return import_keys(im, value, pointer, network_keys, ARRAY_SIZE(network_keys));
}

static int deny_read(struct import *im, const char *text, const char *pointer)
{
	return paths_add(im, &im->read, text, false, false, pointer);
}

static int allow_read(struct import *im, const char *text, const char *pointer)
{
	return paths_add(im, &im->read, text, true, false, pointer);
}

static int deny_write(struct import *im, const char *text, const char *pointer)
{
	return paths_add(im, &im->write, text, false, true, pointer);
}

static int allow_write(struct import *im, const char *text, const char *pointer)
{
	return paths_add(im, &im->write, text, true, false, pointer);
}

#define PATHS(name)                                                                   \
	static int name##_list(struct import *im, json_t *value, const char *pointer) \
	{                                                                             \
		return import_strings(im, value, pointer, name);                      \
	}
PATHS(deny_read)
PATHS(allow_read)
PATHS(deny_write)
PATHS(allow_write)

static int git_config(struct import *im, json_t *value, const char *pointer)
{
	int r = narrow_mode(im) == POLICY_WORKSPACE_READONLY ? 0
							     : narrow_protect(im, "**/.git/config");

	return r < 0 ? r
		     : import_switch(im, value, pointer, IMPORT_NARROWED,
				     r > 0 ? IMPORT_TAKEN : IMPORT_REFUSED,
				     "git's configuration is protected in any case");
}

static const struct import_key filesystem_keys[] = {
	{"denyRead", JSON_ARRAY, deny_read_list, NULL},
	{"allowRead", JSON_ARRAY, allow_read_list, NULL},
	{"denyWrite", JSON_ARRAY, deny_write_list, NULL},
	{"allowWrite", JSON_ARRAY, allow_write_list, NULL},
	{"allowGitConfig", JSON_TRUE, git_config, NULL},
	{"allowManagedReadPathsOnly", JSON_TRUE, NULL,
	 "says which settings count, not what they say"},
};

int sandbox_filesystem(struct import *im, json_t *value, const char *pointer)
{
	return import_keys(im, value, pointer, filesystem_keys, ARRAY_SIZE(filesystem_keys));
}

/* What that sandbox never lets be written, as paths from the top of the workspace. */
static const char *const never_written[] = {
	".bashrc",	    ".bash_profile", ".gitconfig", ".gitmodules", ".mcp.json",
	".profile",	    ".ripgreprc",    ".zprofile",  ".zshrc",	  ".claude/agents",
	".claude/commands", ".git/config",   ".git/hooks", ".idea",	  ".vscode",
};

static int protect_names(struct import *im, const char *pointer)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(never_written); i++) {
		char pattern[64];
		int r;

		(void)snprintf(pattern, sizeof(pattern), "**/%s", never_written[i]);
		r = narrow_protect(im, pattern);
		if (r < 0)
			return r;
		n += (size_t)r;
	}
	return import_row(im, pointer, "built in: files that steer shells, git and editors",
			  n > 0 ? IMPORT_TAKEN : IMPORT_REFUSED,
			  "protected: %zu of %zu patterns added to workspace.protect", n,
			  ARRAY_SIZE(never_written));
}

/* How deep below the workspace they are looked for: 1 is its top, and without the key it is 3. */
static int protect_deeper(struct import *im, json_t *depth, const char *pointer)
{
	bool deeper = !depth || json_integer_value(depth) > 1;
	char key[POLICY_POINTER_MAX];
	int r = import_below(im, key, pointer, "mandatoryDenySearchDepth");

	if (r < 0)
		return r;
	if (deeper && narrow_is_direct(im))
		return import_row(
			im, key, "built in: the same files below the top", IMPORT_INEXPRESSIBLE,
			"where tools write to the workspace itself, they are protected at "
			"its top only; give a --base whose workspace.mode is \"overlay\" "
			"or \"readonly\"");
	return depth ? import_row(im, key, "mandatoryDenySearchDepth", IMPORT_REFUSED,
				  "protected as deep, or deeper")
		     : 0;
}

int sandbox_built_in(struct import *im, json_t *settings, const char *pointer)
{
	json_t *network = json_object_get(settings, "network");
	json_t *depth = json_object_get(settings, "mandatoryDenySearchDepth");
	int r = 0;

	if (!json_object_get(network, "allowAllUnixSockets"))
		r = take_family(im, pointer, "built in: no local sockets");
	if (r == 0 && !json_object_get(network, "allowLocalBinding"))
		r = take_binding(im, pointer, "built in: no local binding");
	if (r == 0 && narrow_mode(im) != POLICY_WORKSPACE_READONLY)
		r = protect_names(im, pointer);
	return r == 0 ? protect_deeper(im, depth, pointer) : r;
}
