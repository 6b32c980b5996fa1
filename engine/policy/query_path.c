/*
 * Theory of operation: the mount that shows a path is the deepest one whose target lies above it;
 * targets are sorted, so it is the last. Links of the plan are followed as text and the search
 * begins anew. Then two layers are asked, as in a cell: the mount (read-only, no programs, what
 * its type can do at all), and Landlock, whose rules add up from the root down. What lies below
 * the workspace is held against protect and scratch.
 *
 * Links that lie within folders of the host are not followed: what they lead to is decided where it
 * lies.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "policy/query.h"
#include "wire/proc.h"
#include "workspace/rules.h"

static const char *const use_names[] = {
	[QUERY_READ] = "read",	   [QUERY_LIST] = "list",	[QUERY_WRITE] = "write",
	[QUERY_CREATE] = "create", [QUERY_EXECUTE] = "execute",
};
static_assert(ARRAY_SIZE(use_names) == QUERY_USE_N, "every use has a name");

static const char *const verdict_names[] = {
	[QUERY_ALLOW] = "allow",
	[QUERY_REFUSED] = "refused",
	[QUERY_HIDDEN] = "hidden",
	[QUERY_PROTECTED] = "protected",
};
static_assert(ARRAY_SIZE(verdict_names) == QUERY_VERDICT_N, "every verdict has a name");

static const char *const fate_words[] = {
	[QUERY_KEPT_NOWHERE] = "",
	[QUERY_KEPT_HOST] = "stays on the host",
	[QUERY_KEPT_CALL] = "is gone after the call",
	[QUERY_KEPT_SESSION] = "is kept in the session until it is committed",
};
static_assert(ARRAY_SIZE(fate_words) == QUERY_FATE_N, "every fate has words");

const char *query_use_name(enum query_use use)
{
	return use_names[use];
}

bool query_use_find(const char *name, size_t len, enum query_use *ret)
{
	for (size_t i = 0; i < QUERY_USE_N; i++) {
		if (strlen(use_names[i]) != len || memcmp(use_names[i], name, len) != 0)
			continue;
		*ret = (enum query_use)i;
		return true;
	}
	return false;
}

const char *query_verdict_name(enum query_verdict verdict)
{
	return verdict_names[verdict];
}

bool query_verdict_find(const char *name, enum query_verdict *ret)
{
	for (size_t i = 0; i < QUERY_VERDICT_N; i++) {
		if (strcmp(verdict_names[i], name) != 0)
			continue;
		*ret = (enum query_verdict)i;
		return true;
	}
	return false;
}

const char *query_fate_words(enum query_fate fate)
{
	return fate_words[fate];
}

#define CAN(use) (1U << (use))
#define LOOK (CAN(QUERY_READ) | CAN(QUERY_LIST))
#define CHANGE (CAN(QUERY_WRITE) | CAN(QUERY_CREATE))

/* What a type of mount can do at all, before its flags take something away. */
static const struct {
	uint32_t uses;
	enum query_fate fate;
	const char *what;
} type_rows[] = {
	[IMAGE_MOUNT_BIND] = {LOOK | CHANGE | CAN(QUERY_EXECUTE), QUERY_KEPT_HOST,
			      "files of the host"},
	[IMAGE_MOUNT_TMPFS] = {LOOK | CHANGE | CAN(QUERY_EXECUTE), QUERY_KEPT_CALL,
			       "an empty folder in memory"},
	[IMAGE_MOUNT_PROC] = {LOOK | CAN(QUERY_WRITE), QUERY_KEPT_CALL, "the cell's /proc"},
	[IMAGE_MOUNT_DEVPTS] = {LOOK | CAN(QUERY_WRITE), QUERY_KEPT_CALL, "the cell's terminals"},
	[IMAGE_MOUNT_DEVICE] = {CAN(QUERY_READ) | CAN(QUERY_WRITE), QUERY_KEPT_NOWHERE, "a device"},
	[IMAGE_MOUNT_SYMLINK] = {0, QUERY_KEPT_NOWHERE, "a link"},
	[IMAGE_MOUNT_DIR] = {LOOK, QUERY_KEPT_NOWHERE, "an empty folder"},
	[IMAGE_MOUNT_FILE] = {CAN(QUERY_READ), QUERY_KEPT_NOWHERE, "a small file of the policy"},
	[IMAGE_MOUNT_OVERLAY] = {LOOK | CHANGE | CAN(QUERY_EXECUTE), QUERY_KEPT_CALL,
				 "files of the host, changed in memory"},
	[IMAGE_MOUNT_WORKSPACE] = {LOOK | CHANGE | CAN(QUERY_EXECUTE), QUERY_KEPT_HOST,
				   "the workspace"},
	[IMAGE_MOUNT_DATA] = {0, QUERY_KEPT_NOWHERE, "a session's data"},
	[IMAGE_MOUNT_BASE] = {0, QUERY_KEPT_NOWHERE, "a session's workspace"},
};
static_assert(ARRAY_SIZE(type_rows) == IMAGE_MOUNT_TYPE_N, "every type has a row");

/* Landlock's class for each use; what makes a name writes. */
static const uint32_t access_of[] = {
	[QUERY_READ] = IMAGE_ACCESS_READ,
	[QUERY_LIST] = IMAGE_ACCESS_READ | IMAGE_ACCESS_LIST,
	[QUERY_WRITE] = IMAGE_ACCESS_WRITE,
	[QUERY_CREATE] = IMAGE_ACCESS_WRITE,
	[QUERY_EXECUTE] = IMAGE_ACCESS_EXECUTE,
};
static_assert(ARRAY_SIZE(access_of) == QUERY_USE_N, "every use has a class");

/* Appends "/NAME" for each name of @text; ".." takes the last one away again. */
static int append_clean(char *dst, const char *text)
{
	size_t used = strlen(dst);

	for (size_t len; *text != '\0'; text += len) {
		text += strspn(text, "/");
		len = strcspn(text, "/");
		if (len == 0 || (len == 1 && text[0] == '.'))
			continue;
		if (len == 2 && text[0] == '.' && text[1] == '.') {
			while (used > 0 && dst[--used] != '/')
				;
			dst[used] = '\0';
			continue;
		}
		if (used + len + 1 >= PATH_MAX)
			return -ENAMETOOLONG;
		dst[used++] = '/';
		memcpy(dst + used, text, len);
		used += len;
		dst[used] = '\0';
	}
	return 0;
}

static int refuse_long(struct err *err)
{
	return err_set(err, ENAMETOOLONG, "cannot look up the path");
}

int query_clean(const struct query *ask, const char *text, char *ret, struct err *err)
{
	static const char variable[] = "${WORKSPACE}";
	struct policy_inputs *inputs;
	char *expanded = NULL;
	bool inside = strncmp(text, variable, strlen(variable)) == 0;
	int r;

	ret[0] = '\0';
	text += inside ? strlen(variable) : 0;
	inside = inside || (text[0] != '/' && strncmp(text, "${", 2) != 0);
	if (inside && !ask->workspace)
		return err_set(err, EINVAL,
			       "the path lies in the workspace, which is not known: name it with "
			       "--workspace");
	inputs = calloc(1, sizeof(*inputs));
	if (!inputs)
		return err_set(err, ENOMEM, "cannot look up the path");
	r = policy_expand(text, inputs, &expanded, err);
	policy_inputs_fini(inputs);
	free(inputs);
	if (r < 0)
		return r;
	if (inside)
		r = append_clean(ret, ask->workspace);
	if (r == 0)
		r = append_clean(ret, expanded);
	free(expanded);
	if (r == 0 && ret[0] == '\0')
		(void)snprintf(ret, PATH_MAX, "/");
	return r < 0 ? refuse_long(err) : 0;
}

/* An optional entry whose source the host lacks is not mounted. */
static bool is_there(const struct policy_mount *m)
{
	return !(m->flags & IMAGE_MOUNT_OPTIONAL) || !m->source || m->type == IMAGE_MOUNT_FILE ||
	       m->type == IMAGE_MOUNT_SYMLINK || access(m->source, F_OK) == 0;
}

static const char *target_of(const struct query *ask, const struct policy_mount *m)
{
	return m->type == IMAGE_MOUNT_WORKSPACE ? ask->workspace : m->target;
}

static bool writes_workspace(const struct query *ask)
{
	return ask->plan->policy->workspace.value != POLICY_WORKSPACE_READONLY &&
	       !(ask->tool && ask->tool->workspace.set);
}

/* One look at the plan, links not followed. */
static void look_up(const struct query *ask, const char *path, struct query_place *ret)
{
	static const struct policy_mount *none;

	ret->mount = none;
	ret->way = strcmp(path, "/") == 0;
	ret->folder_made = false;
	ret->access = IMAGE_ACCESS_LIST; /* the rule for "/" */
	for (size_t i = 0; i < ask->plan->n_mounts; i++) {
		const struct policy_mount *m = &ask->plan->mounts[i];
		const char *target = target_of(ask, m);

		if (!target || !is_there(m))
			continue;
		if (path_is_below(path, target)) {
			bool made = m->type == IMAGE_MOUNT_DIR && ret->mount;

			ret->access |= m->access;
			if (m->type == IMAGE_MOUNT_WORKSPACE && !writes_workspace(ask))
				ret->access &= ~(uint32_t)IMAGE_ACCESS_WRITE;
			/* A folder that is made within a mount is of that mount. */
			if (!made)
				ret->mount = m;
			ret->folder_made = made;
		} else if (path_is_below(target, path)) {
			ret->way = true;
		}
	}
}

/* @place->path leads through the link: its text instead, and what stood behind it. */
static int follow(struct query_place *place)
{
	const struct policy_mount *link = place->mount;
	char rest[PATH_MAX];
	char *slash;
	int r = 0;

	(void)snprintf(rest, sizeof(rest), "%s", place->path + strlen(link->target));
	(void)snprintf(place->path, sizeof(place->path), "%s", link->target);
	slash = strrchr(place->path, '/');
	if (link->source[0] == '/' || !slash)
		place->path[0] = '\0';
	else
		*slash = '\0';
	r = append_clean(place->path, link->source);
	if (r == 0)
		r = append_clean(place->path, rest);
	if (r == 0 && place->path[0] == '\0')
		(void)snprintf(place->path, sizeof(place->path), "/");
	place->followed = true;
	return r;
}

int query_place(const struct query *ask, const char *path, struct query_place *ret, struct err *err)
{
	*ret = (struct query_place){0};
	if ((size_t)snprintf(ret->path, sizeof(ret->path), "%s", path) >= sizeof(ret->path))
		return refuse_long(err);
	for (unsigned int links = 0; links <= QUERY_LINKS_MAX; links++) {
		look_up(ask, ret->path, ret);
		if (!ret->mount || ret->mount->type != IMAGE_MOUNT_SYMLINK)
			return 0;
		if (follow(ret) < 0)
			return refuse_long(err);
	}
	return err_set(err, ELOOP, "cannot look up %s", path);
}

static void answer(struct query_answer *ret, enum query_verdict verdict, struct policy_origin rule,
		   const char *why)
{
	ret->verdict = verdict;
	ret->rule = rule;
	(void)snprintf(ret->why, sizeof(ret->why), "%s", why);
}

static const struct policy_origin built_in = {POLICY_BUILT_IN, NULL};

/* Below /proc: processes of the cell's own; the rest hidden, or there but for what is covered. */
static void answer_proc(const struct query_place *place, enum query_use use,
			struct query_answer *ret)
{
	const struct policy_mount *m = place->mount;
	const char *name = place->path + strlen(m->target);
	size_t len;

	name += *name == '/';
	len = strcspn(name, "/");
	if ((name[0] >= '0' && name[0] <= '9') || (len == 4 && memcmp(name, "self", len) == 0) ||
	    (len == 11 && memcmp(name, "thread-self", len) == 0)) {
		answer(ret, QUERY_ALLOW, m->origin, "a process of the cell");
		return;
	}
	if (len == 0) {
		answer(ret, use == QUERY_WRITE ? QUERY_REFUSED : QUERY_ALLOW, m->origin,
		       use == QUERY_WRITE ? "the folder of the cell's processes"
					  : type_rows[m->type].what);
		return;
	}
	if (!(m->flags & IMAGE_MOUNT_PROC_MASKED)) {
		answer(ret, QUERY_HIDDEN, m->origin,
		       "/proc has the cell's processes and nothing else");
		return;
	}
	for (size_t i = 0; i < proc_n_covers; i++)
		if (strlen(proc_covers[i].name) == len &&
		    memcmp(proc_covers[i].name, name, len) == 0 &&
		    proc_covers[i].how != PROC_COVER_READONLY) {
			answer(ret, QUERY_HIDDEN, m->origin,
			       "/proc is masked: something empty stands there");
			return;
		}
	answer(ret, use == QUERY_WRITE ? QUERY_REFUSED : QUERY_ALLOW, m->origin,
	       use == QUERY_WRITE ? "files of the machine in /proc cannot be written"
				  : type_rows[m->type].what);
}

static const struct policy_name *name_at(const struct policy_names *names, const char *pattern,
					 size_t len)
{
	for (size_t i = 0; i < names->n; i++)
		if (strlen(names->at[i].name) == len &&
		    memcmp(names->at[i].name, pattern, len) == 0)
			return &names->at[i];
	return NULL;
}

/* The rule of @type that covers a path of the workspace, as an entry of the policy. */
static const struct policy_name *find_rule(const struct query *ask, const char *path, char type)
{
	const struct policy *policy = ask->plan->policy;
	const char *below = path + strlen(ask->workspace);
	struct rules *rules = malloc(sizeof(*rules));
	const struct policy_name *found = NULL;
	const struct rule *rule = NULL;
	struct stat st;
	bool is_dir = lstat(path, &st) == 0 && S_ISDIR(st.st_mode);

	below += *below == '/';
	if (rules && *below != '\0' && rules_parse(ask->plan->rules, rules, NULL) == 0)
		rule = rules_find(rules, type, below, is_dir);
	if (rule)
		found = name_at(type == 'S' ? &policy->scratch : &policy->protect, rule->pattern,
				rule->pattern_len);
	free(rules);
	return found;
}

static void answer_protected(const struct query *ask, const struct policy_name *rule,
			     struct query_answer *ret)
{
	bool direct = ask->plan->policy->workspace.value == POLICY_WORKSPACE_DIRECT;

	ret->verdict = QUERY_PROTECTED;
	ret->rule = rule->origin;
	(void)snprintf(ret->why, sizeof(ret->why), "protected by \"%s\": %s", rule->name,
		       direct ? "read-only where it is one path at the top of the workspace, and "
				"moved aside after the call"
			      : "shown among the changes and never committed");
}

static void answer_workspace(const struct query *ask, const struct query_place *place,
			     enum query_use use, struct query_answer *ret)
{
	const struct policy *policy = ask->plan->policy;
	const struct policy_name *rule;

	if (!(CAN(use) & CHANGE)) {
		answer(ret, QUERY_ALLOW, policy->workspace.origin, "the workspace");
		return;
	}
	if (!writes_workspace(ask)) {
		answer(ret, QUERY_REFUSED,
		       ask->tool && ask->tool->workspace.set ? ask->tool->workspace.origin
							     : policy->workspace.origin,
		       "the workspace is read-only");
		return;
	}
	rule = find_rule(ask, place->path, 'P');
	if (rule) {
		answer_protected(ask, rule, ret);
		return;
	}
	answer(ret, QUERY_ALLOW, policy->workspace.origin, "the workspace");
	ret->fate = policy->workspace.value == POLICY_WORKSPACE_OVERLAY ? QUERY_KEPT_SESSION
									: QUERY_KEPT_HOST;
	rule = find_rule(ask, place->path, 'S');
	if (rule && ret->fate == QUERY_KEPT_SESSION)
		(void)snprintf(ret->why, sizeof(ret->why),
			       "the workspace; scratch by \"%s\": committed only when it is named",
			       rule->name);
}

static void answer_mount(const struct query_place *place, enum query_use use,
			 struct query_answer *ret)
{
	const struct policy_mount *m = place->mount;
	const char *what = place->folder_made ? "an empty folder of the policy"
					      : type_rows[m->type].what;

	if ((m->flags & IMAGE_MOUNT_READONLY) && (CAN(use) & CHANGE))
		(void)snprintf(ret->why, sizeof(ret->why), "%s at %s, read-only", what, m->target);
	else if ((m->flags & IMAGE_MOUNT_NOEXEC) && use == QUERY_EXECUTE)
		(void)snprintf(ret->why, sizeof(ret->why),
			       "%s at %s, which no program may be started from", what, m->target);
	else if (!(type_rows[m->type].uses & CAN(use)))
		(void)snprintf(ret->why, sizeof(ret->why), "%s at %s, which cannot be used so",
			       what, m->target);
	else if (!(place->access & access_of[use]))
		(void)snprintf(ret->why, sizeof(ret->why),
			       "%s at %s, for which no Landlock rule has that right", what,
			       m->target);
	else
		ret->verdict = QUERY_ALLOW;
	ret->rule = m->origin;
	if (ret->verdict != QUERY_ALLOW)
		return;
	(void)snprintf(ret->why, sizeof(ret->why), "%s at %s", what, m->target);
	if (CAN(use) & CHANGE)
		ret->fate = type_rows[m->type].fate;
}

/* Below a fresh folder in memory: whatever the host has there, the cell begins without it. */
static bool is_covered(const struct query_place *place, enum query_use use)
{
	return place->mount && place->mount->type == IMAGE_MOUNT_TMPFS && !place->folder_made &&
	       (CAN(use) & LOOK) && strcmp(place->path, place->mount->target) != 0;
}

void query_path(const struct query *ask, const struct query_place *place, enum query_use use,
		struct query_answer *ret)
{
	*ret = (struct query_answer){.verdict = QUERY_REFUSED, .rule = built_in};
	if (!place->mount && place->way)
		answer(ret, use == QUERY_LIST ? QUERY_ALLOW : QUERY_REFUSED, built_in,
		       "a folder on the way to what is granted: it has that and nothing else");
	else if (!place->mount)
		answer(ret, QUERY_HIDDEN, built_in, "no entry of filesystem shows it");
	else if (is_covered(place, use))
		answer(ret, QUERY_HIDDEN, place->mount->origin,
		       "a folder in memory stands there, with what the call itself makes");
	else if (place->mount->type == IMAGE_MOUNT_WORKSPACE)
		answer_workspace(ask, place, use, ret);
	else if (place->mount->type == IMAGE_MOUNT_PROC &&
		 (type_rows[IMAGE_MOUNT_PROC].uses & CAN(use)))
		answer_proc(place, use, ret);
	else
		answer_mount(place, use, ret);
}
