/*
 * Theory of operation: a config.json of the OCI runtime specification over an empty root file
 * system, in which the mounts are all there is. Runtimes make no links and hold no text of files;
 * a link of the host's becomes a mount of what it leads to, and what else cannot be said is lost
 * aloud: in annotations and in the list.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "import/export.h"

struct config {
	const struct export_source *source;
	json_t *mounts;
	json_t *lost;
	struct err *err;
};

static json_t *options_of(const struct policy_mount *m, const char *first)
{
	json_t *out = json_pack("[sss]", first, "nosuid", "nodev");

	if (m->flags & IMAGE_MOUNT_NOEXEC)
		(void)json_array_append_new(out, json_string("noexec"));
	if (m->flags & IMAGE_MOUNT_READONLY)
		(void)json_array_append_new(out, json_string("ro"));
	return out;
}

static void add_option(json_t *options, const char *fmt, unsigned long long value)
{
	char text[64];
	int n = strcmp(fmt, "mode") == 0 ? snprintf(text, sizeof(text), "mode=%04llo", value)
					 : snprintf(text, sizeof(text), "%s=%llu", fmt, value);

	if (n > 0)
		(void)json_array_append_new(options, json_string(text));
}

static void add(struct config *c, const char *target, const char *type, const char *source,
		json_t *options)
{
	(void)json_array_append_new(c->mounts,
				    json_pack("{ss ss ss so}", "destination", target, "type", type,
					      "source", source, "options", options));
}

static void write_bind(struct config *c, const struct policy_mount *m)
{
	if ((m->flags & IMAGE_MOUNT_OPTIONAL) && access(m->source, F_OK) < 0)
		return;
	add(c, m->target, "bind", m->source, options_of(m, "rbind"));
}

static void write_overlay(struct config *c, const struct policy_mount *m)
{
	struct policy_mount copy = *m;

	if (access(m->source, F_OK) < 0)
		return;
	copy.flags |= IMAGE_MOUNT_READONLY;
	export_lose(c->lost, "filesystem.overlay %s: read-only instead of writable for the call",
		    m->target);
	write_bind(c, &copy);
}

static void write_tmpfs(struct config *c, const struct policy_mount *m)
{
	json_t *options = options_of(m, "rw");

	add_option(options, "size", m->size_bytes);
	add_option(options, "nr_inodes", m->inodes);
	add_option(options, "mode", m->mode);
	add(c, m->target, "tmpfs", "tmpfs", options);
}

static void write_proc(struct config *c, const struct policy_mount *m)
{
	json_t *options = json_pack("[sss]", "nosuid", "nodev", "noexec");

	if (!(m->flags & IMAGE_MOUNT_PROC_MASKED))
		(void)json_array_append_new(options, json_string("subset=pid"));
	add(c, m->target, "proc", "proc", options);
}

static void write_pts(struct config *c, const struct policy_mount *m)
{
	add(c, m->target, "devpts", "devpts",
	    json_pack("[sssss]", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"));
}

/* Runtimes make those of /dev; of the host's own, what they lead to is mounted. */
static void write_symlink(struct config *c, const struct policy_mount *m)
{
	char text[PATH_MAX];
	ssize_t n = readlink(m->target, text, sizeof(text));
	char *real;

	if (path_is_below(m->target, "/dev"))
		return;
	real = n > 0 && (size_t)n == strlen(m->source) && memcmp(text, m->source, (size_t)n) == 0
		       ? realpath(m->target, NULL)
		       : NULL;
	if (real && !path_is_below(real, "/proc"))
		add(c, m->target, "bind", real,
		    json_pack("[ssss]", "rbind", "nosuid", "nodev", "ro"));
	else
		export_lose(c->lost, "filesystem.symlinks %s: make it in the root file system",
			    m->target);
	free(real);
}

static void write_file(struct config *c, const struct policy_mount *m)
{
	export_lose(c->lost, "filesystem.files %s: make it in the root file system", m->target);
}

static void write_dir(struct config *c, const struct policy_mount *m)
{
	export_lose(c->lost, "filesystem.directories %s: make it in the root file system",
		    m->target);
}

static void write_nothing(struct config *c, const struct policy_mount *m)
{
	(void)c;
	(void)m; /* runtimes make the usual devices themselves; the workspace comes last */
}

static void (*const writers[IMAGE_MOUNT_TYPE_N])(struct config *c, const struct policy_mount *m) = {
	[IMAGE_MOUNT_BIND] = write_bind,       [IMAGE_MOUNT_TMPFS] = write_tmpfs,
	[IMAGE_MOUNT_PROC] = write_proc,       [IMAGE_MOUNT_DEVPTS] = write_pts,
	[IMAGE_MOUNT_DEVICE] = write_nothing,  [IMAGE_MOUNT_SYMLINK] = write_symlink,
	[IMAGE_MOUNT_DIR] = write_dir,	       [IMAGE_MOUNT_FILE] = write_file,
	[IMAGE_MOUNT_OVERLAY] = write_overlay, [IMAGE_MOUNT_WORKSPACE] = write_nothing,
	[IMAGE_MOUNT_DATA] = write_nothing,    [IMAGE_MOUNT_BASE] = write_nothing,
};

static int write_protected(void *ctx, const char *path)
{
	add(ctx, path, "bind", path, json_pack("[ssss]", "rbind", "nosuid", "nodev", "ro"));
	return 0;
}

static int write_mounts(struct config *c)
{
	const struct policy_plan *plan = c->source->plan;
	bool direct = plan->policy->workspace.value == POLICY_WORKSPACE_DIRECT;

	/* Runtimes put the devices there; the rest of the root is read-only. */
	add(c, "/dev", "tmpfs", "tmpfs",
	    json_pack("[ssss]", "nosuid", "strictatime", "mode=0755", "size=65536"));
	for (size_t i = 0; i < plan->n_mounts; i++)
		if (export_has(c->source, &plan->mounts[i], c->lost))
			writers[plan->mounts[i].type](c, &plan->mounts[i]);
	add(c, c->source->workspace, "bind", c->source->workspace,
	    json_pack("[ssss]", "rbind", "nosuid", "nodev", direct ? "rw" : "ro"));
	return direct ? export_protected(c->source, write_protected, c, c->err) : 0;
}

static json_t *process_json(const struct config *c)
{
	const struct policy_plan *plan = c->source->plan;
	struct image_limits limits = policy_effective_limits(plan->policy, NULL);
	static const char *const sets[] = {"bounding", "effective", "permitted", "inheritable",
					   "ambient"};
	const struct {
		const char *type;
		uint64_t value;
	} rows[] = {{"RLIMIT_NOFILE", limits.open_files},
		    {"RLIMIT_FSIZE", limits.file_bytes},
		    {"RLIMIT_CORE", 0}};
	json_t *capabilities = json_object();
	json_t *rlimits = json_array();
	json_t *env = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		(void)json_object_set_new(capabilities, sets[i], json_array());
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		(void)json_array_append_new(rlimits, json_pack("{ss sI sI}", "type", rows[i].type,
							       "hard", (json_int_t)rows[i].value,
							       "soft", (json_int_t)rows[i].value));
	for (size_t i = 0; i < plan->n_env; i++) {
		char *text = NULL;

		if (!plan->env[i].value)
			export_lose(c->lost, "environment.pass %s: set it where it is known",
				    plan->env[i].name);
		else if (asprintf(&text, "%s=%s", plan->env[i].name, plan->env[i].value) >= 0)
			(void)json_array_append_new(env, json_string(text));
		free(text);
	}
	return json_pack("{sb s{si si} s[s] so ss so so sb}", "terminal", 0, "user", "uid", 0,
			 "gid", 0, "args", "/bin/sh", "env", env, "cwd", c->source->workspace,
			 "capabilities", capabilities, "rlimits", rlimits, "noNewPrivileges", 1);
}

static json_t *resources_json(const struct policy *policy)
{
	struct image_limits limits = policy_effective_limits(policy, NULL);
	json_t *out = json_pack("{s{sI sI} s{sI}}", "memory", "limit",
				(json_int_t)limits.memory_bytes, "swap",
				(json_int_t)limits.memory_bytes, "pids", "limit",
				(json_int_t)limits.processes);

	if (limits.cpu_permille)
		(void)json_object_set_new(out, "cpu",
					  json_pack("{sI sI}", "quota",
						    (json_int_t)limits.cpu_permille * 100, "period",
						    (json_int_t)100000));
	return out;
}

static json_t *strings(const char *const *texts, size_t n)
{
	json_t *out = json_array();

	for (size_t i = 0; i < n; i++)
		(void)json_array_append_new(out, json_string(texts[i]));
	return out;
}

static json_t *linux_json(struct config *c)
{
	static const char *const namespaces[] = {"pid",	    "ipc",  "uts",   "mount",
						 "network", "user", "cgroup"};
	static const char *const masked[] = {"/proc/acpi",	    "/proc/asound",
					     "/proc/kcore",	    "/proc/keys",
					     "/proc/latency_stats", "/proc/scsi",
					     "/proc/timer_list",    "/proc/timer_stats",
					     "/proc/sched_debug"};
	static const char *const readonly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					       "/proc/sysrq-trigger"};
	const struct policy *policy = c->source->plan->policy;
	json_t *seccomp = export_seccomp(policy, c->err);
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		(void)json_array_append_new(list, json_pack("{ss}", "type", namespaces[i]));
	if (!seccomp) {
		json_decref(list);
		return NULL;
	}
	return json_pack("{so s[{si sI si}] s[{si sI si}] so so so so}", "namespaces", list,
			 "uidMappings", "containerID", 0, "hostID", (json_int_t)getuid(), "size", 1,
			 "gidMappings", "containerID", 0, "hostID", (json_int_t)getgid(), "size", 1,
			 "resources", resources_json(policy), "seccomp", seccomp, "maskedPaths",
			 strings(masked, ARRAY_SIZE(masked)), "readonlyPaths",
			 strings(readonly, ARRAY_SIZE(readonly)));
}

static json_t *annotations_json(const struct config *c)
{
	json_t *out = json_pack("{ss ss}", "toolcell.policy", c->source->plan->policy->name,
				"toolcell.nearest",
				"as near as this format comes to the policy, not the same");
	json_t *one;
	size_t i;

	json_array_foreach(c->lost, i, one) {
		char key[48];

		(void)snprintf(key, sizeof(key), "toolcell.not-held.%zu", i);
		(void)json_object_set(out, key, one);
	}
	return out;
}

static void lose_own(struct config *c)
{
	export_lose(c->lost,
		    "the uid inside: runtimes need a root of the user namespace, so it is 0, "
		    "which is the caller outside, without capabilities");
	if (c->source->plan->policy->network.value == IMAGE_NET_LOOPBACK)
		export_lose(c->lost, "network.mode \"loopback\": nobody brings it up");
	export_lose(c->lost, "filesystem.devices: a runtime makes its usual devices, whatever the "
			     "policy names");
}

int export_oci(const struct export_source *source, struct buf *out, json_t *lost, struct err *err)
{
	struct config c = {source, json_array(), lost, err};
	json_t *process;
	json_t *box;
	json_t *whole;
	char *text;
	int r;

	export_lose_common(source, lost);
	lose_own(&c);
	r = write_mounts(&c);
	process = process_json(&c);
	box = r == 0 ? linux_json(&c) : NULL;
	if (!box) {
		json_decref(c.mounts);
		json_decref(process);
		return err->num ? -err->num : -ENOMEM;
	}
	whole = json_pack("{ss so s{ss sb} ss so so so}", "ociVersion", "1.0.2", "process", process,
			  "root", "path", "rootfs", "readonly", 1, "hostname", "toolcell", "mounts",
			  c.mounts, "linux", box, "annotations", annotations_json(&c));
	text = whole ? json_dumps(whole, JSON_INDENT(2)) : NULL;
	r = text ? buf_printf(out, "%s\n", text) : -ENOMEM;
	free(text);
	json_decref(whole);
	return r < 0 ? err_set(err, -r, "cannot write the configuration") : 0;
}
