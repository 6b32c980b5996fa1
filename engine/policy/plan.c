/*
 * Theory of operation: each entry of the policy becomes a mount whose target is known; what is
 * implied (proc, pts, the link to ptmx) is added; then all are sorted by target, component by
 * component, so that parents come before children, and neighbours are compared for conflicts.
 * A `read` entry that is a link on this host (/bin on a merged-/usr system) whose destination is
 * granted as well becomes the same link; any other link in a host path is resolved here and noted
 * among the inputs, so that the launcher needs to follow none.
 */
#include "policy/plan.h"
#include "base/path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES_PER_INODE 4096ULL
#define INODES_MIN 1024ULL
#define INODES_MAX (1ULL << 20)

#define READ_EXECUTE (IMAGE_ACCESS_READ | IMAGE_ACCESS_EXECUTE)
#define USE_DEVICE (IMAGE_ACCESS_READ | IMAGE_ACCESS_WRITE | IMAGE_ACCESS_DEVICE)

static const struct {
	enum image_mount_type type;
	uint32_t flags;
	uint32_t access;
} kind_rows[] = {
	[POLICY_READ] = {IMAGE_MOUNT_BIND, IMAGE_MOUNT_READONLY, READ_EXECUTE},
	[POLICY_WRITE] = {IMAGE_MOUNT_BIND, 0, READ_EXECUTE | IMAGE_ACCESS_WRITE},
	[POLICY_TMPFS] = {IMAGE_MOUNT_TMPFS, 0, READ_EXECUTE | IMAGE_ACCESS_WRITE},
	[POLICY_OVERLAY] = {IMAGE_MOUNT_OVERLAY, 0, READ_EXECUTE | IMAGE_ACCESS_WRITE},
	[POLICY_FILE] = {IMAGE_MOUNT_FILE, IMAGE_MOUNT_READONLY, IMAGE_ACCESS_READ},
	[POLICY_SYMLINK] = {IMAGE_MOUNT_SYMLINK, 0, 0},
	[POLICY_DIRECTORY] = {IMAGE_MOUNT_DIR, 0, IMAGE_ACCESS_READ},
	[POLICY_DEVICE] = {IMAGE_MOUNT_DEVICE, IMAGE_MOUNT_OPTIONAL, USE_DEVICE},
};
static_assert(ARRAY_SIZE(kind_rows) == POLICY_KIND_N, "every kind has a row");

struct resolver {
	const struct policy *policy;
	struct policy_inputs *inputs;
	struct policy_plan *plan;
	struct err *err;
};

static int complain(const struct resolver *r, struct policy_origin at, const char *what)
{
	return policy_complain(r->policy, at, r->err, "%s", what);
}

static int expand(const struct resolver *r, struct policy_origin at, const char *text, char **ret)
{
	struct err inner = {0};
	int result = policy_expand(text, r->inputs, ret, &inner);

	return result < 0 ? complain(r, at, inner.text) : 0;
}

static int expand_path(const struct resolver *r, struct policy_origin at, const char *text,
		       char **ret)
{
	char *path = NULL;
	int result = expand(r, at, text, &path);

	if (result < 0)
		return result;
	if (policy_path_is_clean(path)) {
		*ret = path;
		return 0;
	}
	result = policy_complain(
		r->policy, at, r->err,
		"\"%s\" is no clean path: absolute, without \".\", \"..\", \"//\" or a "
		"slash at the end, and not \"/\"",
		path);
	free(path);
	return result;
}

static struct policy_mount *add_mount(struct resolver *r)
{
	struct policy_plan *plan = r->plan;
	struct policy_mount *grown = reallocarray(plan->mounts, plan->n_mounts + 1,
						  sizeof(*plan->mounts));

	if (!grown) {
		(void)err_set(r->err, ENOMEM, "cannot resolve the policy");
		return NULL;
	}
	plan->mounts = grown;
	grown[plan->n_mounts] = (struct policy_mount){0};
	return &grown[plan->n_mounts++];
}

static uint64_t inodes_for(const struct policy_entry *entry)
{
	if (entry->inodes != 0)
		return entry->inodes;
	if (entry->size_bytes / BYTES_PER_INODE < INODES_MIN)
		return INODES_MIN;
	return MIN(entry->size_bytes / BYTES_PER_INODE, INODES_MAX);
}

static int fill_texts(struct resolver *r, const struct policy_entry *e, struct policy_mount *m)
{
	bool link = e->kind == POLICY_SYMLINK;
	char device[64];
	const char *path = e->path;
	int result;

	if (e->kind == POLICY_DEVICE) {
		(void)snprintf(device, sizeof(device), "/dev/%s", e->path);
		path = device;
	}
	result = expand_path(r, e->origin, e->target && !link ? e->target : path, &m->target);
	if (result < 0)
		return result;
	if (link)
		return expand(r, e->origin, e->target, &m->source);
	if (e->kind == POLICY_FILE)
		return expand(r, e->origin, e->content, &m->source);
	if (e->kind == POLICY_TMPFS || e->kind == POLICY_DIRECTORY)
		return 0;
	return expand_path(r, e->origin, path, &m->source);
}

static int resolve_entry(struct resolver *r, const struct policy_entry *e)
{
	struct policy_mount *m = add_mount(r);
	int result;

	if (!m)
		return -ENOMEM;
	m->type = kind_rows[e->kind].type;
	m->flags = kind_rows[e->kind].flags;
	m->access = kind_rows[e->kind].access;
	m->origin = e->origin;
	m->ask = e->ask;
	result = fill_texts(r, e, m);
	if (result < 0)
		return result;
	if (m->type == IMAGE_MOUNT_SYMLINK &&
	    (m->source[0] == '\0' || strlen(m->source) >= PATH_MAX))
		return complain(r, e->origin, "the text of a link must have 1 to 4095 bytes");
	if (e->optional)
		m->flags |= IMAGE_MOUNT_OPTIONAL;
	if (!e->execute) {
		m->flags |= IMAGE_MOUNT_NOEXEC;
		m->access &= ~(uint32_t)IMAGE_ACCESS_EXECUTE;
	}
	if (m->type == IMAGE_MOUNT_TMPFS || m->type == IMAGE_MOUNT_DIR)
		m->mode = (uint32_t)e->mode;
	if (m->type == IMAGE_MOUNT_TMPFS || m->type == IMAGE_MOUNT_OVERLAY) {
		m->size_bytes = e->size_bytes;
		m->inodes = inodes_for(e);
	}
	return 0;
}

static int add_implied(struct resolver *r, enum image_mount_type type, const char *target,
		       const char *source, uint32_t access, struct policy_origin origin)
{
	struct policy_mount *m = add_mount(r);

	if (!m)
		return -ENOMEM;
	m->type = type;
	m->access = access;
	m->origin = origin;
	m->target = strdup(target);
	m->source = source ? strdup(source) : NULL;
	if (!m->target || (source && !m->source))
		return err_set(r->err, ENOMEM, "cannot resolve the policy");
	return 0;
}

static int resolve_implied(struct resolver *r)
{
	const struct policy *p = r->policy;
	int result = 0;

	if (p->proc.value != POLICY_PROC_NONE)
		result = add_implied(r, IMAGE_MOUNT_PROC, "/proc", NULL,
				     IMAGE_ACCESS_READ | IMAGE_ACCESS_WRITE, p->proc.origin);
	if (result == 0 && p->proc.value == POLICY_PROC_MASKED)
		r->plan->mounts[r->plan->n_mounts - 1].flags |= IMAGE_MOUNT_PROC_MASKED;
	if (result == 0 && p->pts.value)
		result = add_implied(r, IMAGE_MOUNT_DEVPTS, "/dev/pts", NULL, USE_DEVICE,
				     p->pts.origin);
	if (result == 0 && p->pts.value)
		result = add_implied(r, IMAGE_MOUNT_SYMLINK, "/dev/ptmx", "pts/ptmx", 0,
				     p->pts.origin);
	return result;
}

static bool is_granted(const struct policy_plan *plan, const char *path)
{
	for (size_t i = 0; i < plan->n_mounts; i++)
		if (plan->mounts[i].type == IMAGE_MOUNT_BIND && !plan->mounts[i].ask &&
		    path_is_below(path, plan->mounts[i].target) &&
		    strcmp(plan->mounts[i].source, plan->mounts[i].target) == 0)
			return true;
	return false;
}

/* Every link on the way to @path, so that a change of one makes the image stale. */
static void note_links(struct policy_inputs *inputs, const char *path)
{
	char prefix[PATH_MAX];
	struct stat st;

	for (size_t i = 1; path[i - 1] != '\0' && i < sizeof(prefix); i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(prefix, path, i);
		prefix[i] = '\0';
		if (lstat(prefix, &st) == 0 && S_ISLNK(st.st_mode))
			policy_inputs_file(inputs, prefix);
	}
}

/* /bin -> usr/bin: the link itself, when what it leads to is granted under its own name. */
static bool mirror_link(struct resolver *r, struct policy_mount *m, const char *real)
{
	char text[PATH_MAX];
	struct stat st;
	ssize_t n;
	char *copy;

	if (m->flags & IMAGE_MOUNT_NOEXEC || strcmp(m->source, m->target) != 0 ||
	    lstat(m->source, &st) < 0 || !S_ISLNK(st.st_mode) || !is_granted(r->plan, real) ||
	    path_is_below(real, m->target))
		return false;
	n = readlink(m->source, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = '\0';
	copy = strdup(text);
	if (!copy)
		return false;
	free(m->source);
	m->source = copy;
	m->type = IMAGE_MOUNT_SYMLINK;
	m->flags = 0;
	m->access = 0;
	return true;
}

static int refuse_missing(const struct resolver *r, const struct policy_mount *m, int num)
{
	if (num == ENOENT || num == ENOTDIR)
		return policy_complain(
			r->policy, m->origin, r->err,
			"%s does not exist on this host; add \"optional\": true if that "
			"may be so",
			m->source);
	return policy_complain(r->policy, m->origin, r->err, "cannot resolve %s: %s", m->source,
			       strerrordesc_np(num));
}

static int check_source(const struct resolver *r, const struct policy_mount *m, const char *real)
{
	struct stat st;

	if (strcmp(real, "/") == 0)
		return complain(r, m->origin, "leads to \"/\": the whole host is never granted");
	if (stat(real, &st) < 0)
		return refuse_missing(r, m, errno);
	if (m->type == IMAGE_MOUNT_OVERLAY && !S_ISDIR(st.st_mode))
		return complain(r, m->origin, "must be a folder to lie below an overlay");
	if (m->type == IMAGE_MOUNT_BIND && !S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return policy_complain(
			r->policy, m->origin, r->err,
			"%s is neither a folder nor a regular file: sockets, pipes and "
			"devices are not bound",
			m->source);
	return 0;
}

/* Host paths end here as paths without links. */
static int resolve_source(struct resolver *r, struct policy_mount *m)
{
	char *real;
	int result;

	if (m->type != IMAGE_MOUNT_BIND && m->type != IMAGE_MOUNT_OVERLAY)
		return 0;
	note_links(r->inputs, m->source);
	real = realpath(m->source, NULL);
	if (!real && (m->flags & IMAGE_MOUNT_OPTIONAL) && (errno == ENOENT || errno == ENOTDIR)) {
		policy_inputs_file(r->inputs, m->source); /* it may come to be, as a link even */
		return 0;				  /* the launcher skips it as well */
	}
	if (!real)
		return refuse_missing(r, m, errno);
	if (mirror_link(r, m, real)) {
		free(real);
		return 0;
	}
	result = check_source(r, m, real);
	if (result < 0) {
		free(real);
		return result;
	}
	free(m->source);
	m->source = real;
	return 0;
}

/* "/" sorts before every other byte, so that all that is below a folder stands behind it. */
static int compare_targets(const void *a, const void *b)
{
	const char *p = ((const struct policy_mount *)a)->target;
	const char *q = ((const struct policy_mount *)b)->target;

	while (*p != '\0' && *p == *q) {
		p++;
		q++;
	}
	if (*p == '\0' || *q == '\0' || *p == *q)
		return (*p != '\0') - (*q != '\0');
	if (*p == '/' || *q == '/')
		return *p == '/' ? -1 : 1;
	return (unsigned char)*p < (unsigned char)*q ? -1 : 1;
}

static bool is_folder_like(const struct policy_mount *m)
{
	return m->type != IMAGE_MOUNT_SYMLINK && m->type != IMAGE_MOUNT_FILE &&
	       m->type != IMAGE_MOUNT_DEVICE;
}

/* A mount point below a bind cannot be made there; it must be on the host already. */
static int check_below_bind(const struct resolver *r, const struct policy_mount *above,
			    const struct policy_mount *m)
{
	char path[PATH_MAX];
	struct stat st;
	int n = snprintf(path, sizeof(path), "%s%s", above->source,
			 m->target + strlen(above->target));

	if (n < 0 || (size_t)n >= sizeof(path))
		return complain(r, m->origin, "the path is too long");
	if (m->flags & IMAGE_MOUNT_OPTIONAL)
		return 0;
	if (m->type != IMAGE_MOUNT_SYMLINK && lstat(path, &st) == 0)
		return 0;
	return policy_complain(
		r->policy, m->origin, r->err,
		"%s cannot be made below %s, which is bound from the host and does not have "
		"it",
		m->target, above->target);
}

static bool replaces(const struct policy_mount *by, const struct policy_mount *m)
{
	return by->ask && !m->ask && by->type == IMAGE_MOUNT_BIND && m->type == IMAGE_MOUNT_BIND &&
	       !(by->flags & IMAGE_MOUNT_READONLY) && (m->flags & IMAGE_MOUNT_READONLY);
}

/* To read always, and to write once a person has said so. */
static bool is_upgrade(const struct policy_mount *a, const struct policy_mount *b)
{
	return replaces(a, b) || replaces(b, a);
}

bool policy_plan_has(const struct policy_plan *plan, const struct policy_mount *mount,
		     uint32_t granted)
{
	if (mount->ask)
		return granted & mount->ask;
	for (size_t i = 0; mount->target && i < plan->n_mounts; i++)
		if ((plan->mounts[i].ask & granted) && replaces(&plan->mounts[i], mount) &&
		    strcmp(plan->mounts[i].target, mount->target) == 0)
			return false;
	return true;
}

static int check_pair(const struct resolver *r, const struct policy_mount *above,
		      const struct policy_mount *m)
{
	char where[256];

	if (strcmp(above->target, m->target) == 0 && is_upgrade(above, m))
		return 0;
	if (strcmp(above->target, m->target) == 0)
		return policy_complain(r->policy, m->origin, r->err, "%s is already taken by %s",
				       m->target,
				       policy_where(r->policy, above->origin, where,
						    sizeof(where)));
	if (!is_folder_like(above))
		return policy_complain(r->policy, m->origin, r->err,
				       "%s lies below %s, which is no folder", m->target,
				       above->target);
	if (above->type == IMAGE_MOUNT_PROC || above->type == IMAGE_MOUNT_DEVPTS)
		return policy_complain(r->policy, m->origin, r->err, "%s would cover a part of %s",
				       m->target, above->target);
	if (above->type == IMAGE_MOUNT_BIND)
		return check_below_bind(r, above, m);
	return 0;
}

static int check_order(const struct resolver *r)
{
	const struct policy_plan *plan = r->plan;

	for (size_t i = 1; i < plan->n_mounts; i++) {
		for (size_t j = i; j > 0; j--) { /* the nearest that lies above */
			int result;

			if (!path_is_below(plan->mounts[i].target, plan->mounts[j - 1].target))
				continue;
			result = check_pair(r, &plan->mounts[j - 1], &plan->mounts[i]);
			if (result < 0)
				return result;
			break;
		}
	}
	return 0;
}

/* A mount within the workspace would need a mount point among the person's own files. */
static int check_workspace(const struct resolver *r, const char *workspace)
{
	for (size_t i = 0; workspace && i < r->plan->n_mounts; i++) {
		const struct policy_mount *m = &r->plan->mounts[i];

		if (!path_is_below(m->target, workspace))
			continue;
		return policy_complain(
			r->policy, m->origin, r->err,
			"%s lies within the workspace %s; choose the project's own folder as "
			"workspace",
			m->target, workspace);
	}
	return 0;
}

static int add_workspace(struct resolver *r)
{
	struct policy_mount *m = add_mount(r);

	if (!m)
		return -ENOMEM;
	m->type = IMAGE_MOUNT_WORKSPACE;
	m->origin = r->policy->workspace.origin;
	m->access = READ_EXECUTE | IMAGE_ACCESS_WRITE;
	return 0;
}

/* In the order of targets, so that the bits of an image are those of its policy, file order aside. */
static int number_asks(struct resolver *r)
{
	struct policy_plan *plan = r->plan;

	for (size_t i = 0; i < plan->n_mounts; i++) {
		if (!plan->mounts[i].ask)
			continue;
		if (plan->n_asks >= POLICY_ASKS_MAX)
			return policy_complain(
				r->policy, plan->mounts[i].origin, r->err,
				"more than %u entries with \"ask\": each doubles the "
				"cells of the policy; ask about a folder above them",
				POLICY_ASKS_MAX);
		plan->mounts[i].ask = 1U << plan->n_asks++;
	}
	return 0;
}

static int resolve_mounts(struct resolver *r, const char *workspace)
{
	int result = 0;

	for (size_t i = 0; result == 0 && i < r->policy->n_entries; i++)
		result = resolve_entry(r, &r->policy->entries[i]);
	if (result == 0)
		result = resolve_implied(r);
	for (size_t i = 0; result == 0 && i < r->plan->n_mounts; i++)
		result = resolve_source(r, &r->plan->mounts[i]);
	if (result < 0)
		return result;
	if (r->plan->n_mounts > 0)
		qsort(r->plan->mounts, r->plan->n_mounts, sizeof(*r->plan->mounts),
		      compare_targets);
	result = check_order(r);
	if (result == 0)
		result = number_asks(r);
	if (result == 0)
		result = check_workspace(r, workspace);
	return result == 0 ? add_workspace(r) : result;
}

static int resolve_env(struct resolver *r)
{
	const struct policy *p = r->policy;
	struct policy_plan *plan = r->plan;

	plan->env = calloc(p->env_set.n + p->env_pass.n + 1, sizeof(*plan->env));
	if (!plan->env)
		return err_set(r->err, ENOMEM, "cannot resolve the policy");
	for (size_t i = 0; i < p->env_set.n; i++) {
		struct policy_env *env = &plan->env[plan->n_env++];
		int result;

		env->name = p->env_set.at[i].name;
		env->origin = p->env_set.at[i].origin;
		result = expand(r, env->origin, p->env_set.at[i].value, &env->value);
		if (result < 0)
			return result;
	}
	for (size_t i = 0; i < p->env_pass.n; i++)
		plan->env[plan->n_env++] = (struct policy_env){.name = p->env_pass.at[i].name,
							       .origin = p->env_pass.at[i].origin};
	return 0;
}

/* What the cells of toolcell-changes need besides the session. */
static int resolve_changes(struct resolver *r)
{
	char *path = NULL;
	int result;

	r->plan->rules = policy_change_rules(r->policy);
	if (!r->plan->rules)
		return err_set(r->err, ENOMEM, "cannot resolve the policy");
	if (r->policy->workspace.value != POLICY_WORKSPACE_OVERLAY)
		return 0;
	result = policy_expand("${TOOLCELL_TOOLS}", r->inputs, &path, r->err);
	if (result < 0)
		return result;
	/* Not installed (a policy is only looked at): the cells are made without, and a call says so. */
	r->plan->tools = realpath(path, NULL);
	if (!r->plan->tools) {
		policy_inputs_file(r->inputs, path);
		r->plan->tools = path;
	} else {
		free(path);
	}
	return 0;
}

int policy_resolve(const struct policy *policy, const char *workspace, struct policy_inputs *inputs,
		   struct policy_plan *ret, struct err *err)
{
	struct policy_plan plan = {.policy = policy};
	struct resolver r = {policy, inputs, &plan, err};
	int result = policy_expand("${HOME}", inputs, &plan.home, err);

	if (result == 0)
		result = resolve_mounts(&r, workspace);
	if (result == 0)
		result = resolve_env(&r);
	if (result == 0)
		result = resolve_changes(&r);
	if (result == 0)
		result = policy_absent(policy, inputs, &plan.absent, err);
	if (result < 0)
		policy_plan_fini(&plan);
	*ret = plan;
	return result;
}

void policy_plan_fini(struct policy_plan *plan)
{
	for (size_t i = 0; i < plan->n_mounts; i++) {
		free(plan->mounts[i].source);
		free(plan->mounts[i].target);
	}
	for (size_t i = 0; i < plan->n_env; i++)
		free(plan->env[i].value);
	free(plan->mounts);
	free(plan->env);
	free(plan->home);
	free(plan->tools);
	free(plan->rules);
	free(plan->absent);
	*plan = (struct policy_plan){0};
}
