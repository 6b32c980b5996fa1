/*
 * Theory of operation: what the least change would be that lets a path be used so. What the host has
 * is granted by its own name and for that use alone; what it lacks becomes a small folder in memory.
 * Some things no policy can grant: "/", sockets and devices of the host, /proc beyond "masked", what
 * a policy protects.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "policy/query.h"

#define SMALL_FOLDER "16MiB"

static json_t *fragment(const struct query *ask, const char *section, const char *list,
			json_t *entry)
{
	return json_pack("{ss s{s[o]}}", "extends", ask->plan->policy->name, section, list, entry);
}

/* Of the workspace, mode and tools' sections are in the way of writes and nothing else is. */
static json_t *remedy_workspace(const struct query *ask, enum query_use use,
				const char **ret_pointer)
{
	if (use != QUERY_WRITE && use != QUERY_CREATE)
		return NULL;
	if (ask->plan->policy->workspace.value != POLICY_WORKSPACE_READONLY)
		return NULL; /* the tool's narrowing, or a protected path: neither can be taken back */
	*ret_pointer = "/workspace/mode";
	return json_pack("{ss s{ss}}", "extends", ask->plan->policy->name, "workspace", "mode",
			 "overlay");
}

static json_t *remedy_proc(const struct query *ask, const struct query_place *place,
			   enum query_use use, const char **ret_pointer)
{
	if ((use != QUERY_READ && use != QUERY_LIST) ||
	    (place->mount && (place->mount->flags & IMAGE_MOUNT_PROC_MASKED)))
		return NULL;
	*ret_pointer = "/filesystem/proc";
	return json_pack("{ss s{ss}}", "extends", ask->plan->policy->name, "filesystem", "proc",
			 place->mount ? "masked" : "pid");
}

static json_t *remedy_device(const struct query *ask, const struct query_place *place,
			     enum query_use use, const char **ret_pointer)
{
	static const char *const names[] = {"null", "zero", "full", "random", "urandom", "tty"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(place->path + strlen("/dev/"), names[i]) != 0 || place->mount ||
		    (use != QUERY_READ && use != QUERY_WRITE))
			continue;
		*ret_pointer = "/filesystem/devices";
		return fragment(ask, "filesystem", "devices", json_string(names[i]));
	}
	return NULL;
}

/* The entry of the policy that a mount was made from; NULL: it is implied. */
static const struct policy_entry *entry_of(const struct policy *policy, struct policy_origin at)
{
	for (size_t i = 0; at.pointer && i < policy->n_entries; i++)
		if (policy->entries[i].origin.source == at.source &&
		    strcmp(policy->entries[i].origin.pointer, at.pointer) == 0)
			return &policy->entries[i];
	return NULL;
}

/* The same entry once more, but that programs may be started: it replaces the parent's. */
static json_t *remedy_execute(const struct query *ask, const struct policy_entry *e,
			      const char **ret_pointer)
{
	static const struct {
		enum policy_kind kind;
		const char *pointer;
	} rows[] = {{POLICY_READ, "/filesystem/read"},
		    {POLICY_WRITE, "/filesystem/write"},
		    {POLICY_TMPFS, "/filesystem/tmpfs"},
		    {POLICY_OVERLAY, "/filesystem/overlay"}};
	json_t *entry = json_pack("{ss sb}", "path", e->path, "execute", 1);
	char text[64];

	if (e->target)
		(void)json_object_set_new(entry, "target", json_string(e->target));

	if (e->size_bytes) {
		policy_limit_text(POLICY_LIMIT_MEMORY, e->size_bytes, text, sizeof(text));
		(void)json_object_set_new(entry, "size", json_string(text));
	}
	if (e->inodes)
		(void)json_object_set_new(entry, "inodes", json_integer((json_int_t)e->inodes));
	if (e->kind == POLICY_TMPFS) {
		(void)snprintf(text, sizeof(text), "%04o", (unsigned int)e->mode);
		(void)json_object_set_new(entry, "mode", json_string(text));
	}
	if (e->optional)
		(void)json_object_set_new(entry, "optional", json_true());
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].kind != e->kind)
			continue;
		*ret_pointer = rows[i].pointer;
		return fragment(ask, "filesystem", policy_kind_name(e->kind), entry);
	}
	json_decref(entry);
	return NULL;
}

static json_t *grant(const struct query *ask, const char *list, const char *path, bool execute,
		     const char *size)
{
	json_t *entry = size ? json_pack("{ss ss}", "path", path, "size", size)
			     : json_pack("{ss sb}", "path", path, "execute", (int)execute);

	return fragment(ask, "filesystem", list, entry);
}

/*
 * Something new in a folder: one in memory, empty where the cell sees nothing of the host's folder
 * now, else with the host's files below it.
 */
static json_t *remedy_folder(const struct query *ask, const struct query_place *place,
			     const char **ret_pointer)
{
	char folder[PATH_MAX];
	struct stat st;
	char *slash;

	(void)snprintf(folder, sizeof(folder), "%s", place->path);
	slash = strrchr(folder, '/');
	if (!(stat(folder, &st) == 0 && S_ISDIR(st.st_mode)) && slash && slash != folder)
		*slash = '\0';
	if (!policy_path_is_clean(folder) ||
	    (place->mount && strcmp(place->mount->target, folder) == 0))
		return NULL;
	/* Below a folder of the host no mount point can be made that the host does not have. */
	if (place->mount && strcmp(place->mount->target, place->path) == 0)
		return NULL; /* the place is taken: by a folder or file of its own */
	if (place->mount && (stat(folder, &st) < 0 || !S_ISDIR(st.st_mode)))
		return NULL;
	*ret_pointer = place->mount ? "/filesystem/overlay" : "/filesystem/tmpfs";
	return grant(ask, place->mount ? "overlay" : "tmpfs", folder, false, SMALL_FOLDER);
}

/* A file or folder that the host has and the cell does not see, by its own name. */
static json_t *remedy_host(const struct query *ask, const struct query_place *place,
			   enum query_use use, const char **ret_pointer)
{
	if (use == QUERY_WRITE) {
		*ret_pointer = "/filesystem/write";
		return grant(ask, "write", place->path, false, NULL);
	}
	*ret_pointer = "/filesystem/read";
	return grant(ask, "read", place->path, use == QUERY_EXECUTE, NULL);
}

static bool can_be_bound(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

json_t *query_remedy_path(const struct query *ask, const struct query_place *place,
			  enum query_use use, const char **ret_pointer)
{
	bool change = use == QUERY_WRITE || use == QUERY_CREATE;
	const struct policy_entry *entry = place->mount ? entry_of(ask->plan->policy,
								   place->mount->origin)
							: NULL;

	if (place->mount && place->mount->type == IMAGE_MOUNT_WORKSPACE)
		return remedy_workspace(ask, use, ret_pointer);
	if (strncmp(place->path, "/proc/", 6) == 0 || strcmp(place->path, "/proc") == 0)
		return remedy_proc(ask, place, use, ret_pointer);
	if (strncmp(place->path, "/dev/", 5) == 0)
		return remedy_device(ask, place, use, ret_pointer);
	if (!policy_path_is_clean(place->path) || place->folder_made)
		return NULL;
	if (use == QUERY_EXECUTE && entry && (place->mount->flags & IMAGE_MOUNT_NOEXEC))
		return remedy_execute(ask, entry, ret_pointer);
	if (place->mount && place->mount->type == IMAGE_MOUNT_TMPFS && !change)
		return can_be_bound(place->path) ? remedy_host(ask, place, use, ret_pointer) : NULL;
	if (place->mount && place->mount->type != IMAGE_MOUNT_BIND)
		return NULL;
	if (place->mount)
		return change ? remedy_folder(ask, place, ret_pointer) : NULL;
	if (can_be_bound(place->path) && use != QUERY_CREATE)
		return remedy_host(ask, place, use, ret_pointer);
	return change ? remedy_folder(ask, place, ret_pointer) : NULL;
}
