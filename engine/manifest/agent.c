/*
 * Theory of operation: find the file (operator's directories before the shipped one; never the
 * workspace), split it, parse its front matter, keep what concerns us: name, description, tools,
 * disallowedTools, policy. Other keys belong to hosts and are noted as ignored. A file without a
 * usable list of tools still loads, with a warning and no grants: the broker then has nothing to
 * run.
 */
#include "manifest/agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "manifest/manifest.h"

#define AGENT_PATH_MAX 4096U
#define AGENT_NAMES_MAX 256

static const char *const own_keys[] = {"name", "description", "tools", "disallowedTools", "policy"};

/* Keys that hosts know; an engine has no use for them. */
static const char *const host_keys[] = {
	"model",	"permissionMode",    "maxTurns",  "skills", "mcpServers",    "hooks",
	"memory",	"background",	     "isolation", "effort", "initialPrompt", "color",
	"omitClaudeMd", "autoCompactWindow", "observer",  "kind",   "temperature",   "max_turns",
	"timeout_mins",
};

static void freep(char **p)
{
	free(*p);
}

static void decrefp(json_t **value)
{
	json_decref(*value);
}

static bool is_one_of(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* "agents/rust-engineer.md" of a longer path: enough to find it, and alike on every machine. */
const char *agent_brief_path(const char *path)
{
	const char *at = path + strlen(path);

	for (unsigned slashes = 0; at > path; at--)
		if (at[-1] == '/' && ++slashes == 2)
			return at;
	return path;
}

static int note_keys(const char *file, json_t *front, json_t *warnings, json_t *infos)
{
	const char *key, *nearest;
	char shown[64];
	json_t *entry;
	int r = 0;

	json_object_foreach(front, key, entry) {
		json_int_t line = json_integer_value(json_object_get(entry, "line"));

		if (r < 0 || is_one_of(own_keys, ARRAY_SIZE(own_keys), key))
			continue;
		(void)text_quote(shown, sizeof(shown), key, strlen(key));
		nearest = text_nearest(key, own_keys, ARRAY_SIZE(own_keys));
		if (is_one_of(host_keys, ARRAY_SIZE(host_keys), key))
			r = note_add(infos, file, line, "\"%s\" is for hosts; ignored", shown);
		else if (nearest)
			r = note_add(warnings, file, line,
				     "unknown key \"%s\" is ignored; did you mean \"%s\"?", shown,
				     nearest);
		else
			r = note_add(infos, file, line, "unknown key \"%s\" is ignored", shown);
	}
	return r;
}

/* Text of a required key, one line without control characters when @plain. */
static int required_text(const char *file, json_t *front, const char *key, bool plain, json_t **ret,
			 struct err *err)
{
	json_t *entry = json_object_get(front, key);
	json_t *text = json_object_get(entry, "text");
	const char *s = json_string_value(text);

	if (!s || s[strspn(s, " \t\n")] == '\0')
		return err_set(err, EINVAL, "%s:%lld: the front matter needs \"%s\"", file,
			       (long long)json_integer_value(json_object_get(entry, "line")) +
				       !entry,
			       key);
	for (; plain && *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			return err_set(err, EINVAL, "%s:%lld: \"%s\" holds control characters",
				       file,
				       (long long)json_integer_value(
					       json_object_get(entry, "line")),
				       key);
	if (json_string_length(text) > (plain ? 128U : 65536U))
		return err_set(err, E2BIG, "%s: \"%s\" is too long", file, key);
	*ret = text;
	return 0;
}

static bool is_policy_name(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/";

	return *name && *name != '/' && *name != '.' && strlen(name) <= 128 &&
	       !strstr(name, "..") && name[strspn(name, letters)] == '\0';
}

static int read_policy(const char *file, json_t *front, json_t **ret, struct err *err)
{
	json_t *entry = json_object_get(front, "policy");
	json_t *text = json_object_get(entry, "text");

	*ret = text;
	if (!entry || (json_is_string(text) && is_policy_name(json_string_value(text))))
		return 0;
	return err_set(err, EINVAL,
		       "%s:%lld: \"policy\": expected the name of a policy, not a path", file,
		       (long long)json_integer_value(json_object_get(entry, "line")));
}

static int read_tools(const char *file, json_t *front, json_t *agent, struct err *err)
{
	json_t *warnings = json_object_get(agent, "warnings"),
	       *infos = json_object_get(agent, "infos");
	json_t *tools = json_object_get(front, "tools");
	json_t *denied = json_object_get(front, "disallowedTools");
	int r;

	if (tools)
		r = grants_parse(file, "tools", tools, json_object_get(agent, "grants"), warnings,
				 infos, err);
	else if (note_add(warnings, file, 1, "\"tools\" is missing; nothing is granted") < 0)
		r = err_set(err, ENOMEM, "%s: cannot hold a warning", file);
	else
		r = 0;
	if (r == 0 && denied)
		r = grants_parse(file, "disallowedTools", denied, json_object_get(agent, "denied"),
				 warnings, infos, err);
	return r;
}

static int build(const char *path, json_t *front, const struct buf *body, json_t **ret,
		 struct err *err)
{
	CLEANUP(decrefp) json_t *agent = NULL;
	const char *file = agent_brief_path(path);
	json_t *name = NULL, *description = NULL, *policy = NULL;
	int r;

	r = required_text(file, front, "name", true, &name, err);
	if (r == 0)
		r = required_text(file, front, "description", false, &description, err);
	if (r == 0)
		r = read_policy(file, front, &policy, err);
	if (r < 0)
		return r;
	agent = json_pack("{sO sO ss sO? ss s[] s[] s[] s[]}", "name", name, "description",
			  description, "prompt", body->data ? body->data : "", "policy", policy,
			  "file", path, "grants", "denied", "warnings", "infos");
	if (!agent)
		return err_set(err, ENOMEM, "%s: cannot hold the agent", file);
	if (note_keys(file, front, json_object_get(agent, "warnings"),
		      json_object_get(agent, "infos")) < 0)
		return err_set(err, ENOMEM, "%s: cannot hold a warning", file);
	r = read_tools(file, front, agent, err);
	if (r == 0)
		*ret = json_incref(agent);
	return r;
}

int agent_parse(const char *path, const char *text, size_t len, json_t **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf yaml = {.cap = AGENT_BYTES_MAX * 4};
	CLEANUP(buf_fini) struct buf body = {.cap = AGENT_BYTES_MAX + 1};
	CLEANUP(decrefp) json_t *front = NULL;
	const char *file = agent_brief_path(path);
	int r;

	r = front_split(file, text, len, &yaml, &body, err);
	if (r == 0)
		r = front_parse(file, yaml.data ? yaml.data : "", yaml.len, &front, err);
	return r < 0 ? r : build(path, front, &body, ret, err);
}

static bool is_file_argument(const char *name)
{
	size_t len = strlen(name);

	return strchr(name, '/') || (len > 3 && strcmp(name + len - 3, ".md") == 0);
}

static bool is_agent_name(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

	return *name && *name != '.' && strlen(name) <= 128 && name[strspn(name, letters)] == '\0';
}

/* The shipped or configured agent that @name most likely means, into @ret. */
static void suggest(const char *name, const char *const *dirs, char *ret, size_t cap)
{
	char *names[AGENT_NAMES_MAX];
	const char *nearest;
	size_t n = 0;

	for (; *dirs; dirs++) {
		DIR *dir = opendir(*dirs);
		const struct dirent *entry;

		/* The stream is ours alone. NOLINTNEXTLINE(concurrency-mt-unsafe) */
		while (dir && n < ARRAY_SIZE(names) && (entry = readdir(dir))) {
			const char *dot = strrchr(entry->d_name, '.');

			if (!dot || strcmp(dot, ".md") != 0)
				continue;
			names[n] = strndup(entry->d_name, (size_t)(dot - entry->d_name));
			n += names[n] != NULL;
		}
		if (dir)
			(void)closedir(dir);
	}
	nearest = text_nearest(name, (const char *const *)names, n);
	ret[0] = '\0';
	if (nearest)
		(void)snprintf(ret, cap, "; did you mean \"%.128s\"?", nearest);
	for (size_t i = 0; i < n; i++)
		free(names[i]);
}

/* Path of agent @name: the first of @dirs that has it. */
static int find_agent(const char *name, const char *const *dirs,
		      const struct manifest_observer *observer, char *ret, size_t cap,
		      struct err *err)
{
	char hint[160];

	if (!is_agent_name(name))
		return err_set(
			err, EINVAL,
			"\"%s\" is no name of an agent; a file is named with a \"/\" or \".md\"",
			text_quote(hint, sizeof(hint), name, strlen(name)));
	for (size_t i = 0; dirs[i]; i++) {
		int n = snprintf(ret, cap, "%s/%s.md", dirs[i], name);

		if (n < 0 || (size_t)n >= cap)
			return err_set(err, ENAMETOOLONG, "path of agent \"%s\"", name);
		if (access(ret, F_OK) == 0)
			return 0;
		if (errno != ENOENT && errno != ENOTDIR)
			return err_set(err, errno, "cannot look for %s", ret);
		if (observer && observer->file_absent)
			observer->file_absent(observer->ctx, ret);
	}
	suggest(name, dirs, hint, sizeof(hint));
	return err_set(err, EINVAL, "there is no agent \"%s\"%s", name, hint);
}

int agent_load(const char *name_or_file, const char *const *dirs,
	       const struct manifest_observer *observer, json_t **ret, struct err *err)
{
	CLEANUP(freep) char *text = NULL;
	char path[AGENT_PATH_MAX] = "";
	int n, r = 0;
	size_t len = 0;

	if (is_file_argument(name_or_file)) {
		n = snprintf(path, sizeof(path), "%s", name_or_file);
		if (n < 0 || (size_t)n >= sizeof(path))
			return err_set(err, ENAMETOOLONG, "path of an agent");
	} else {
		r = find_agent(name_or_file, dirs, observer, path, sizeof(path), err);
	}
	if (r == 0)
		r = fd_read_file(AT_FDCWD, path, AGENT_BYTES_MAX, &text, &len, err);
	if (r < 0)
		return r;
	if (observer && observer->file_read)
		observer->file_read(observer->ctx, path);
	return agent_parse(path, text, len, ret, err);
}
