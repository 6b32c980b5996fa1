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
#include "policy/ask.h"
#include "wire/proc.h"
#include "workspace/rules.h"

static const char *const use_names[] = {
	[ASK_READ] = "read",	 [ASK_LIST] = "list",	    [ASK_WRITE] = "write",
	[ASK_CREATE] = "create", [ASK_EXECUTE] = "execute",
};
static_assert(ARRAY_SIZE(use_names) == ASK_USE_N, "every use has a name");

static const char *const verdict_names[] = {
	[ASK_ALLOW] = "allow",
	[ASK_REFUSED] = "refused",
	[ASK_HIDDEN] = "hidden",
	[ASK_PROTECTED] = "protected",
};
static_assert(ARRAY_SIZE(verdict_names) == ASK_VERDICT_N, "every verdict has a name");

static const char *const fate_words[] = {
	[ASK_KEPT_NOWHERE] = "",
	[ASK_KEPT_HOST] = "stays on the host",
	[ASK_KEPT_CALL] = "is gone after the call",
	[ASK_KEPT_SESSION] = "is kept in the session until it is committed",
};
static_assert(ARRAY_SIZE(fate_words) == ASK_FATE_N, "every fate has words");

const char *ask_use_name(enum ask_use use)
{
	return use_names[use];
}

bool ask_use_find(const char *name, size_t len, enum ask_use *ret)
{
	for (size_t i = 0; i < ASK_USE_N; i++) {
		if (strlen(use_names[i]) != len || memcmp(use_names[i], name, len) != 0)
			continue;
		*ret = (enum ask_use)i;
		return true;
	}
	return false;
}

const char *ask_verdict_name(enum ask_verdict verdict)
{
	return verdict_names[verdict];
}

bool ask_verdict_find(const char *name, enum ask_verdict *ret)
{
	for (size_t i = 0; i < ASK_VERDICT_N; i++) {
		if (strcmp(verdict_names[i], name) != 0)
			continue;
		*ret = (enum ask_verdict)i;
		return true;
	}
	return false;
}

const char *ask_fate_words(enum ask_fate fate)
{
	return fate_words[fate];
}

#define CAN(use) (1U << (use))
#define LOOK (CAN(ASK_READ) | CAN(ASK_LIST))
#define CHANGE (CAN(ASK_WRITE) | CAN(ASK_CREATE))

/* What a type of mount can do at all, before its flags take something away. */
static const struct {
	uint32_t uses;
	enum ask_fate fate;
	const char *what;
} type_rows[] = {
	[IMAGE_MOUNT_BIND] = {LOOK | CHANGE | CAN(ASK_EXECUTE), ASK_KEPT_HOST, "files of the host"},
	[IMAGE_MOUNT_TMPFS] = {LOOK | CHANGE | CAN(ASK_EXECUTE), ASK_KEPT_CALL,
			       "an empty folder in memory"},
	[IMAGE_MOUNT_PROC] = {LOOK | CAN(ASK_WRITE), ASK_KEPT_CALL, "the cell's /proc"},
	[IMAGE_MOUNT_DEVPTS] = {LOOK | CAN(ASK_WRITE), ASK_KEPT_CALL, "the cell's terminals"},
	[IMAGE_MOUNT_DEVICE] = {CAN(ASK_READ) | CAN(ASK_WRITE), ASK_KEPT_NOWHERE, "a device"},
	[IMAGE_MOUNT_SYMLINK] = {0, ASK_KEPT_NOWHERE, "a link"},
	[IMAGE_MOUNT_DIR] = {LOOK, ASK_KEPT_NOWHERE, "an empty folder"},
	[IMAGE_MOUNT_FILE] = {CAN(ASK_READ), ASK_KEPT_NOWHERE, "a small file of the policy"},
	[IMAGE_MOUNT_OVERLAY] = {LOOK | CHANGE | CAN(ASK_EXECUTE), ASK_KEPT_CALL,
				 "files of the host, changed in memory"},
	[IMAGE_MOUNT_WORKSPACE] = {LOOK | CHANGE | CAN(ASK_EXECUTE), ASK_KEPT_HOST,
				   "the workspace"},
	[IMAGE_MOUNT_DATA] = {0, ASK_KEPT_NOWHERE, "a session's data"},
	[IMAGE_MOUNT_BASE] = {0, ASK_KEPT_NOWHERE, "a session's workspace"},
};
static_assert(ARRAY_SIZE(type_rows) == IMAGE_MOUNT_TYPE_N, "every type has a row");

/* Landlock's class for each use; what makes a name writes. */
static const uint32_t access_of[] = {
	[ASK_READ] = IMAGE_ACCESS_READ,	      [ASK_LIST] = IMAGE_ACCESS_READ | IMAGE_ACCESS_LIST,
	[ASK_WRITE] = IMAGE_ACCESS_WRITE,     [ASK_CREATE] = IMAGE_ACCESS_WRITE,
	[ASK_EXECUTE] = IMAGE_ACCESS_EXECUTE,
};
static_assert(ARRAY_SIZE(access_of) == ASK_USE_N, "every use has a class");

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

int ask_clean(const struct ask *ask, const char *text, char *ret, struct err *err)
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

static const char *target_of(const struct ask *ask, const struct policy_mount *m)
{
	return m->type == IMAGE_MOUNT_WORKSPACE ? ask->workspace : m->target;
}

static bool writes_workspace(const struct ask *ask)
{
	return ask->plan->policy->workspace.value != POLICY_WORKSPACE_READONLY &&
	       !(ask->tool && ask->tool->workspace.set);
}

/* One look at the plan, links not followed. */
static void look_up(const struct ask *ask, const char *path, struct ask_place *ret)
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
static int follow(struct ask_place *place)
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

int ask_place(const struct ask *ask, const char *path, struct ask_place *ret, struct err *err)
{
	*ret = (struct ask_place){0};
	if ((size_t)snprintf(ret->path, sizeof(ret->path), "%s", path) >= sizeof(ret->path))
		return refuse_long(err);
	for (unsigned int links = 0; links <= ASK_LINKS_MAX; links++) {
		look_up(ask, ret->path, ret);
		if (!ret->mount || ret->mount->type != IMAGE_MOUNT_SYMLINK)
			return 0;
		if (follow(ret) < 0)
			return refuse_long(err);
	}
	return err_set(err, ELOOP, "cannot look up %s", path);
}

static void answer(struct ask_answer *ret, enum ask_verdict verdict, struct policy_origin rule,
		   const char *why)
{
	ret->verdict = verdict;
	ret->rule = rule;
	(void)snprintf(ret->why, sizeof(ret->why), "%s", why);
}

static const struct policy_origin built_in = {POLICY_BUILT_IN, NULL};

/* Below /proc: processes of the cell's own; the rest hidden, or there but for what is covered. */
static void answer_proc(const struct ask_place *place, enum ask_use use, struct ask_answer *ret)
{
	const struct policy_mount *m = place->mount;
	const char *name = place->path + strlen(m->target);
	size_t len;

	name += *name == '/';
	len = strcspn(name, "/");
	if ((name[0] >= '0' && name[0] <= '9') || (len == 4 && memcmp(name, "self", len) == 0) ||
	    (len == 11 && memcmp(name, "thread-self", len) == 0)) {
		answer(ret, ASK_ALLOW, m->origin, "a process of the cell");
		return;
	}
	if (len == 0) {
		answer(ret, use == ASK_WRITE ? ASK_REFUSED : ASK_ALLOW, m->origin,
		       use == ASK_WRITE ? "the folder of the cell's processes"
					: type_rows[m->type].what);
		return;
	}
	if (!(m->flags & IMAGE_MOUNT_PROC_MASKED)) {
		answer(ret, ASK_HIDDEN, m->origin,
		       "/proc has the cell's processes and nothing else");
		return;
	}
	for (size_t i = 0; i < proc_n_covers; i++)
		if (strlen(proc_covers[i].name) == len &&
		    memcmp(proc_covers[i].name, name, len) == 0 &&
		    proc_covers[i].how != PROC_COVER_READONLY) {
			answer(ret, ASK_HIDDEN, m->origin,
			       "/proc is masked: something empty stands there");
			return;
		}
	answer(ret, use == ASK_WRITE ? ASK_REFUSED : ASK_ALLOW, m->origin,
	       use == ASK_WRITE ? "files of the machine in /proc cannot be written"
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
static const struct policy_name *find_rule(const struct ask *ask, const char *path, char type)
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

static void answer_protected(const struct ask *ask, const struct policy_name *rule,
			     struct ask_answer *ret)
{
	bool direct = ask->plan->policy->workspace.value == POLICY_WORKSPACE_DIRECT;

	ret->verdict = ASK_PROTECTED;
	ret->rule = rule->origin;
	(void)snprintf(ret->why, sizeof(ret->why), "protected by \"%s\": %s", rule->name,
		       direct ? "read-only where it is one path at the top of the workspace, and "
				"moved aside after the call"
			      : "shown among the changes and never committed");
}

static void answer_workspace(const struct ask *ask, const struct ask_place *place, enum ask_use use,
			     struct ask_answer *ret)
{
	const struct policy *policy = ask->plan->policy;
	const struct policy_name *rule;

	if (!(CAN(use) & CHANGE)) {
		answer(ret, ASK_ALLOW, policy->workspace.origin, "the workspace");
		return;
	}
	if (!writes_workspace(ask)) {
		answer(ret, ASK_REFUSED,
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
	answer(ret, ASK_ALLOW, policy->workspace.origin, "the workspace");
	ret->fate = policy->workspace.value == POLICY_WORKSPACE_OVERLAY ? ASK_KEPT_SESSION
									: ASK_KEPT_HOST;
	rule = find_rule(ask, place->path, 'S');
	if (rule && ret->fate == ASK_KEPT_SESSION)
		(void)snprintf(ret->why, sizeof(ret->why),
			       "the workspace; scratch by \"%s\": committed only when it is named",
			       rule->name);
}

static void answer_mount(const struct ask_place *place, enum ask_use use, struct ask_answer *ret)
{
	const struct policy_mount *m = place->mount;
	const char *what = place->folder_made ? "an empty folder of the policy"
					      : type_rows[m->type].what;

	if ((m->flags & IMAGE_MOUNT_READONLY) && (CAN(use) & CHANGE))
		(void)snprintf(ret->why, sizeof(ret->why), "%s at %s, read-only", what, m->target);
	else if ((m->flags & IMAGE_MOUNT_NOEXEC) && use == ASK_EXECUTE)
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
		ret->verdict = ASK_ALLOW;
	ret->rule = m->origin;
	if (ret->verdict != ASK_ALLOW)
		return;
	(void)snprintf(ret->why, sizeof(ret->why), "%s at %s", what, m->target);
	if (CAN(use) & CHANGE)
		ret->fate = type_rows[m->type].fate;
}

/* Below a fresh folder in memory: whatever the host has there, the cell begins without it. */
static bool is_covered(const struct ask_place *place, enum ask_use use)
{
	return place->mount && place->mount->type == IMAGE_MOUNT_TMPFS && !place->folder_made &&
	       (CAN(use) & LOOK) && strcmp(place->path, place->mount->target) != 0;
}

void ask_path(const struct ask *ask, const struct ask_place *place, enum ask_use use,
	      struct ask_answer *ret)
{
	*ret = (struct ask_answer){.verdict = ASK_REFUSED, .rule = built_in};
	if (!place->mount && place->way)
		answer(ret, use == ASK_LIST ? ASK_ALLOW : ASK_REFUSED, built_in,
		       "a folder on the way to what is granted: it has that and nothing else");
	else if (!place->mount)
		answer(ret, ASK_HIDDEN, built_in, "no entry of filesystem shows it");
	else if (is_covered(place, use))
		answer(ret, ASK_HIDDEN, place->mount->origin,
		       "a folder in memory stands there, with what the call itself makes");
	else if (place->mount->type == IMAGE_MOUNT_WORKSPACE)
		answer_workspace(ask, place, use, ret);
	else if (place->mount->type == IMAGE_MOUNT_PROC &&
		 (type_rows[IMAGE_MOUNT_PROC].uses & CAN(use)))
		answer_proc(place, use, ret);
	else
		answer_mount(place, use, ret);
}
