/*
 * Theory of operation: what a policy takes from the host are its binds and overlays, by paths without
 * links. Each is held against tables of places: a grant that is such a place, lies within it or
 * contains it is a finding. A place without a slash at its begin lies below the home folder. What is
 * writable and stays on the host is held against further ones.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/data.h"
#include "base/path.h"
#include "policyc/lint.h"

/* Read or write. */
static const struct place {
	enum lint_id id;
	const char *path;
	const char *what;
} places[] = {
	{LINT_ENGINE_SOCKET, "/run/docker.sock", "Docker's socket"},
	{LINT_ENGINE_SOCKET, "/run/podman", "Podman's socket"},
	{LINT_ENGINE_SOCKET, "/run/containerd", "containerd's socket"},
	{LINT_ENGINE_SOCKET, "/run/crio", "CRI-O's socket"},
	{LINT_ENGINE_SOCKET, "/var/run/docker.sock", "Docker's socket"},
	{LINT_ENGINE_SOCKET, "/var/lib/docker", "Docker's files"},
	{LINT_ENGINE_SOCKET, "/var/lib/containerd", "containerd's files"},
	{LINT_ENGINE_SOCKET, "/var/lib/containers", "Podman's files"},
	{LINT_ENGINE_SOCKET, ".docker/run", "Docker Desktop's socket"},
	{LINT_ENGINE_SOCKET, ".local/share/containers", "Podman's files"},
	{LINT_SECRETS, ".ssh", "keys of SSH"},
	{LINT_SECRETS, ".aws", "credentials of AWS"},
	{LINT_SECRETS, ".azure", "credentials of Azure"},
	{LINT_SECRETS, ".config/gcloud", "credentials of Google Cloud"},
	{LINT_SECRETS, ".kube", "credentials of Kubernetes"},
	{LINT_SECRETS, ".gnupg", "keys of GnuPG"},
	{LINT_SECRETS, ".config/gh", "the token of gh"},
	{LINT_SECRETS, ".docker/config.json", "credentials of registries"},
	{LINT_SECRETS, ".netrc", "passwords"},
	{LINT_SECRETS, ".git-credentials", "passwords of git"},
	{LINT_SECRETS, ".config/git/credentials", "passwords of git"},
	{LINT_SECRETS, ".cargo/credentials.toml", "the token of a registry"},
	{LINT_SECRETS, ".cargo/credentials", "the token of a registry"},
	{LINT_SECRETS, ".npmrc", "the token of a registry"},
	{LINT_SECRETS, ".pypirc", "the password of a registry"},
	{LINT_SECRETS, ".password-store", "passwords"},
	{LINT_SECRETS, ".local/share/keyrings", "keyrings"},
	{LINT_SECRETS, ".mozilla", "a browser's profile"},
	{LINT_SECRETS, ".config/google-chrome", "a browser's profile"},
	{LINT_SECRETS, ".config/chromium", "a browser's profile"},
	{LINT_SECRETS, ".claude", "an agent's settings and tokens"},
	{LINT_SECRETS, ".codex", "an agent's settings and tokens"},
	{LINT_SECRETS, ".bash_history", "what was typed"},
	{LINT_SECRETS, "/etc/shadow", "the passwords of accounts"},
	{LINT_SECRETS, "/etc/gshadow", "the passwords of groups"},
	{LINT_SECRETS, "/etc/ssh", "the host's keys"},
	{LINT_SECRETS, "/etc/ssl/private", "the host's keys"},
	{LINT_SYSTEM_TREE, "/proc", "every process of the host"},
	{LINT_SYSTEM_TREE, "/sys", "the kernel's settings"},
	{LINT_SYSTEM_TREE, "/dev", "devices of the host"},
	{LINT_SYSTEM_TREE, "/run", "sockets of the host's services"},
	{LINT_SYSTEM_TREE, "/boot", "kernels"},
};

/* Only where a tool's writes stay. */
static const struct place startup[] = {
	{LINT_WRITABLE_STARTUP, ".bashrc", "a shell's start-up file"},
	{LINT_WRITABLE_STARTUP, ".bash_profile", "a shell's start-up file"},
	{LINT_WRITABLE_STARTUP, ".bash_login", "a shell's start-up file"},
	{LINT_WRITABLE_STARTUP, ".profile", "a shell's start-up file"},
	{LINT_WRITABLE_STARTUP, ".zshrc", "a shell's start-up file"},
	{LINT_WRITABLE_STARTUP, ".zshenv", "a shell's start-up file"},
	{LINT_WRITABLE_STARTUP, ".zprofile", "a shell's start-up file"},
	{LINT_WRITABLE_STARTUP, ".config/fish", "a shell's start-up files"},
	{LINT_WRITABLE_STARTUP, ".config/autostart", "programs that start with the session"},
	{LINT_WRITABLE_STARTUP, ".config/systemd", "units that start with the session"},
	{LINT_WRITABLE_STARTUP, ".config/git", "git's settings, which name programs"},
	{LINT_WRITABLE_STARTUP, ".gitconfig", "git's settings, which name programs"},
	{LINT_WRITABLE_STARTUP, ".cargo/config.toml", "cargo's settings, which name programs"},
	{LINT_WRITABLE_STARTUP, ".ssh/config", "ssh's settings, which name programs"},
	{LINT_WRITABLE_STARTUP, "/etc/profile.d", "shells' start-up files"},
	{LINT_WRITABLE_STARTUP, "/etc/cron.d", "timed programs"},
	{LINT_WRITABLE_STARTUP, "/etc/systemd", "units of the system"},
	{LINT_WRITABLE_STARTUP, "/var/spool/cron", "timed programs"},
	{LINT_WRITABLE_TOOLCELL, "/etc/toolcell", "toolcell's own settings"},
};

struct grant {
	struct lint *lint;
	const struct policy_mount *mount;
	char *home;
};

static bool touches(const char *grant, const char *place)
{
	return path_is_below(grant, place) || path_is_below(place, grant);
}

static void hold_against(const struct grant *g, enum lint_id id, const char *path, const char *what)
{
	const char *source = g->mount->source;

	if (touches(source, path))
		lint_add(g->lint, id, g->mount->origin, "grants %s, %s %s%s%s", source,
			 strcmp(source, path) == 0     ? "which is"
			 : path_is_below(source, path) ? "which belongs to"
						       : "which holds",
			 what, strcmp(source, path) == 0 ? "" : ", ",
			 strcmp(source, path) == 0 ? "" : path);
}

static void hold_against_table(const struct grant *g, const struct place *table, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char path[PATH_MAX + 64];

		if (table[i].path[0] == '/')
			(void)snprintf(path, sizeof(path), "%s", table[i].path);
		else
			(void)snprintf(path, sizeof(path), "%s/%s", g->home, table[i].path);
		hold_against(g, table[i].id, path, table[i].what);
	}
}

/* A folder of a PATH that the grant holds; a grant below such a folder adds no program to it. */
static void check_path_variable(const struct grant *g, const char *value, const char *whose)
{
	char *copy = value ? strdup(value) : NULL;
	char *save = NULL;

	for (char *dir = copy ? strtok_r(copy, ":", &save) : NULL; dir;
	     dir = strtok_r(NULL, ":", &save)) {
		char *real = dir[0] == '/' ? realpath(dir, NULL) : NULL;
		bool within = (real && path_is_below(real, g->mount->source)) ||
			      path_is_below(dir, g->mount->source);

		free(real);
		if (within) {
			lint_add(g->lint, LINT_WRITABLE_PATH, g->mount->origin,
				 "%s is writable and holds %s, which is on the PATH of %s",
				 g->mount->source, dir, whose);
			break;
		}
	}
	free(copy);
}

static const char *path_of_cell(const struct lint *lint)
{
	const struct policy_plan *plan = &lint->c->plan;

	for (size_t i = 0; i < plan->n_env; i++)
		if (strcmp(plan->env[i].name, "PATH") == 0)
			return plan->env[i].value;
	return NULL;
}

static void check_own_files(const struct grant *g)
{
	const char *const dirs[] = {g->lint->c->policy_dirs.shipped, g->lint->c->agent_dirs.shipped,
				    g->lint->c->tool_dirs.shipped};
	char *program = NULL;
	char *real;

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		real = realpath(dirs[i], NULL);
		if (real)
			hold_against(g, LINT_WRITABLE_TOOLCELL, real, "toolcell's own files");
		free(real);
	}
	real = data_program("toolcell-init", &program, NULL) == 0 ? realpath(program, NULL) : NULL;
	if (real)
		hold_against(g, LINT_WRITABLE_TOOLCELL, real, "toolcell's own programs");
	free(real);
	free(program);
}

/* A repository's hooks are run by whoever uses git there. */
static void check_hooks(const struct grant *g)
{
	static const char *const below[] = {".git/hooks", "hooks"};
	const char *source = g->mount->source;

	for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
		char path[PATH_MAX + 32];
		struct stat st;

		(void)snprintf(path, sizeof(path), "%s/%s", source, below[i]);
		if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) ||
		    (i == 1 && !strstr(source, ".git")))
			continue;
		lint_add(g->lint, LINT_WRITABLE_STARTUP, g->mount->origin,
			 "%s is writable and holds git hooks, %s", source, path);
		return;
	}
}

static void check_home(const struct grant *g)
{
	const char *source = g->mount->source;

	if (path_is_below(g->home, source))
		lint_add(g->lint, LINT_HOME, g->mount->origin, "grants %s, %s the home folder%s%s",
			 source, strcmp(source, g->home) == 0 ? "which is" : "which holds",
			 strcmp(source, g->home) == 0 ? "" : " ",
			 strcmp(source, g->home) == 0 ? "" : g->home);
}

static void check_grant(struct grant *g)
{
	bool kept = g->mount->type == IMAGE_MOUNT_BIND && !(g->mount->flags & IMAGE_MOUNT_READONLY);

	check_home(g);
	hold_against_table(g, places, ARRAY_SIZE(places));
	if (!kept)
		return;
	hold_against_table(g, startup, ARRAY_SIZE(startup));
	check_path_variable(g, path_of_cell(g->lint), "the cell");
	check_path_variable(g, getenv("PATH"), "the operator");
	check_own_files(g);
	check_hooks(g);
}

/* An entry within another one of the same kind that shows the same. */
static void check_shadowed(struct lint *lint, size_t i)
{
	const struct policy_plan *plan = &lint->c->plan;
	const struct policy_mount *m = &plan->mounts[i];

	for (size_t j = 0; j < i; j++) {
		const struct policy_mount *above = &plan->mounts[j];
		size_t len = strlen(above->target);
		const uint32_t flags = IMAGE_MOUNT_READONLY | IMAGE_MOUNT_NOEXEC;
		char where[256];

		if (above->type != IMAGE_MOUNT_BIND || !path_is_below(m->target, above->target) ||
		    (above->flags & flags) != (m->flags & flags) || m->access != above->access ||
		    !path_is_below(m->source, above->source) ||
		    strcmp(m->source + strlen(above->source), m->target + len) != 0)
			continue;
		lint_add(lint, LINT_SHADOWED, m->origin, "%s is shown so already, by %s", m->target,
			 policy_where(&lint->c->policy, above->origin, where, sizeof(where)));
		return;
	}
}

void lint_grants(struct lint *lint)
{
	const struct policy_plan *plan = &lint->c->plan;
	struct grant g = {.lint = lint};

	if (!plan->home)
		return; /* the policy could not be resolved */
	g.home = realpath(plan->home, NULL);
	if (!g.home)
		g.home = strdup(plan->home);
	if (!g.home)
		return;
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct policy_mount *m = &plan->mounts[i];

		if (m->type != IMAGE_MOUNT_BIND && m->type != IMAGE_MOUNT_OVERLAY)
			continue;
		g.mount = m;
		check_grant(&g);
		if (m->type == IMAGE_MOUNT_BIND)
			check_shadowed(lint, i);
	}
	free(g.home);
}
