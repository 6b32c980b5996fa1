/*
 * Theory of operation: bubblewrap makes mounts in the order of its arguments, as our plans have
 * them, so the script is the plan line by line. Texts of files and the compiled filter come through
 * descriptors that bash opens on substituted processes, which is why the script is bash's.
 *
 * bwrap has no devpts alone: a policy with one gets bwrap's own /dev, which is a little more than the
 * devices that it may have named, and then leaves out what that brings along.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "import/export.h"
#include "policy/syscalls.h"

#define FD_FILTER 9
#define FD_FIRST 10

struct script {
	const struct export_source *source;
	struct buf *out;
	struct buf fds; /* redirections, behind the command */
	json_t *lost;
	struct err *err;
	unsigned int next_fd;
	bool dev_made;
	unsigned int noexec;
};

static int say(struct script *s, struct buf *to, const char *text)
{
	int r = buf_puts(to, text);

	return r < 0 ? err_set(s->err, -r, "cannot write the script") : 0;
}

/* In single quotes; one within becomes '\''. */
static int quote(struct script *s, struct buf *to, const char *text)
{
	int r = buf_puts(to, "'");

	for (const char *p = text; r == 0 && *p != '\0'; p++)
		r = *p == '\'' ? buf_puts(to, "'\\''") : buf_append(to, p, 1);
	if (r == 0)
		r = buf_puts(to, "'");
	return r < 0 ? err_set(s->err, -r, "cannot write the script") : 0;
}

/* "  --option A B \"; @b may be NULL. */
static int option(struct script *s, const char *name, const char *a, const char *b)
{
	int r = say(s, s->out, "  ");

	if (r == 0)
		r = say(s, s->out, name);
	if (r == 0)
		r = say(s, s->out, " ");
	if (r == 0)
		r = quote(s, s->out, a);
	if (r == 0 && b)
		r = say(s, s->out, " ");
	if (r == 0 && b)
		r = quote(s, s->out, b);
	return r == 0 ? say(s, s->out, " \\\n") : r;
}

static int write_bind(struct script *s, const struct policy_mount *m)
{
	bool try = (m->flags & IMAGE_MOUNT_OPTIONAL) != 0;
	bool ro = (m->flags & IMAGE_MOUNT_READONLY) != 0;

	s->noexec += (m->flags & IMAGE_MOUNT_NOEXEC) != 0;
	return option(s,
		      ro    ? try ? "--ro-bind-try" : "--ro-bind"
		      : try ? "--bind-try"
			    : "--bind",
		      m->source, m->target);
}

static int write_overlay(struct script *s, const struct policy_mount *m)
{
	export_lose(s->lost, "filesystem.overlay %s: read-only instead of writable for the call",
		    m->target);
	s->noexec += (m->flags & IMAGE_MOUNT_NOEXEC) != 0;
	return option(s, m->flags & IMAGE_MOUNT_OPTIONAL ? "--ro-bind-try" : "--ro-bind", m->source,
		      m->target);
}

static int write_tmpfs(struct script *s, const struct policy_mount *m)
{
	char name[96];

	s->noexec += (m->flags & IMAGE_MOUNT_NOEXEC) != 0;
	(void)snprintf(name, sizeof(name), "--perms %04o --size %llu --tmpfs", m->mode,
		       (unsigned long long)m->size_bytes);
	return option(s, name, m->target, NULL);
}

static int write_file(struct script *s, const struct policy_mount *m)
{
	char name[64];
	char open[32];
	int r;

	(void)snprintf(name, sizeof(name), "--perms 0444 --ro-bind-data %u", s->next_fd);
	(void)snprintf(open, sizeof(open), " %u< <(printf %%s ", s->next_fd++);
	r = option(s, name, m->target, NULL);
	if (r == 0)
		r = say(s, &s->fds, open);
	if (r == 0)
		r = quote(s, &s->fds, m->source);
	return r == 0 ? say(s, &s->fds, ")") : r;
}

static int write_dir(struct script *s, const struct policy_mount *m)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "--perms %04o --dir", m->mode);
	return option(s, name, m->target, NULL);
}

static int write_symlink(struct script *s, const struct policy_mount *m)
{
	return option(s, "--symlink", m->source, m->target);
}

static int write_proc(struct script *s, const struct policy_mount *m)
{
	export_lose(s->lost, "filesystem.proc: bwrap shows all of /proc, some of it read-only");
	return option(s, "--proc", m->target, NULL);
}

static int write_device(struct script *s, const struct policy_mount *m)
{
	return option(s, "--dev-bind-try", m->source, m->target);
}

static int write_nothing(struct script *s, const struct policy_mount *m)
{
	(void)s;
	(void)m;
	return 0;
}

static int (*const writers[IMAGE_MOUNT_TYPE_N])(struct script *s, const struct policy_mount *m) = {
	[IMAGE_MOUNT_BIND] = write_bind,       [IMAGE_MOUNT_TMPFS] = write_tmpfs,
	[IMAGE_MOUNT_PROC] = write_proc,       [IMAGE_MOUNT_DEVPTS] = write_nothing,
	[IMAGE_MOUNT_DEVICE] = write_device,   [IMAGE_MOUNT_SYMLINK] = write_symlink,
	[IMAGE_MOUNT_DIR] = write_dir,	       [IMAGE_MOUNT_FILE] = write_file,
	[IMAGE_MOUNT_OVERLAY] = write_overlay, [IMAGE_MOUNT_WORKSPACE] = write_nothing,
	[IMAGE_MOUNT_DATA] = write_nothing,    [IMAGE_MOUNT_BASE] = write_nothing,
};

static bool has_pts(const struct policy_plan *plan)
{
	for (size_t i = 0; i < plan->n_mounts; i++)
		if (plan->mounts[i].type == IMAGE_MOUNT_DEVPTS)
			return true;
	return false;
}

/* What bwrap's own /dev brings along. */
static bool in_dev(const struct policy_mount *m)
{
	return m->target && path_is_below(m->target, "/dev") &&
	       (m->type == IMAGE_MOUNT_DEVICE || m->type == IMAGE_MOUNT_SYMLINK ||
		m->type == IMAGE_MOUNT_DEVPTS);
}

static int write_mounts(struct script *s)
{
	const struct policy_plan *plan = s->source->plan;
	bool own_dev = has_pts(plan);
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->n_mounts; i++) {
		const struct policy_mount *m = &plan->mounts[i];

		if (own_dev && !s->dev_made && m->target && path_is_below(m->target, "/dev")) {
			s->dev_made = true;
			export_lose(s->lost,
				    "filesystem.devices: bwrap's /dev has null, zero, full, "
				    "random, urandom, tty, core, whatever the policy names");
			r = option(s, "--dev", "/dev", NULL);
		}
		if (r == 0 && !(own_dev && in_dev(m)) && export_has(s->source, m, s->lost))
			r = writers[m->type](s, m);
	}
	if (r == 0 && s->dev_made)
		r = option(s, "--remount-ro", "/dev", NULL);
	return r;
}

static int write_protected(void *ctx, const char *path)
{
	return option(ctx, "--ro-bind-try", path, path);
}

static int write_workspace(struct script *s)
{
	bool direct = s->source->plan->policy->workspace.value == POLICY_WORKSPACE_DIRECT;
	const char *path = s->source->workspace;
	int r = option(s, direct ? "--bind" : "--ro-bind", path, path);

	if (r == 0 && direct)
		r = export_protected(s->source, write_protected, s, s->err);
	if (r == 0)
		r = option(s, "--remount-ro", "/", NULL);
	return r == 0 ? option(s, "--chdir", path, NULL) : r;
}

static int write_env(struct script *s)
{
	const struct policy_plan *plan = s->source->plan;
	int r = say(s, s->out, "  --clearenv \\\n");

	for (size_t i = 0; r == 0 && i < plan->n_env; i++) {
		const char *name = plan->env[i].name;

		if (plan->env[i].value)
			r = option(s, "--setenv", name, plan->env[i].value);
		else if (buf_printf(s->out, "  ${%s+--setenv %s \"$%s\"} \\\n", name, name, name) <
			 0)
			r = err_set(s->err, ENOMEM, "cannot write the script");
	}
	return r;
}

static int append_base64(struct buf *out, const unsigned char *data, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	int r = 0;

	for (size_t i = 0; r == 0 && i < len; i += 3) {
		uint32_t v = (uint32_t)data[i] << 16 |
			     (i + 1 < len ? (uint32_t)data[i + 1] << 8 : 0U) |
			     (i + 2 < len ? (uint32_t)data[i + 2] : 0U);
		char four[4] = {digits[v >> 18], digits[v >> 12 & 63], digits[v >> 6 & 63],
				digits[v & 63]};

		if (i + 1 >= len)
			four[2] = '=';
		if (i + 2 >= len)
			four[3] = '=';
		r = buf_append(out, four, sizeof(four));
	}
	return r;
}

static int write_filter(struct script *s)
{
	const struct policy *policy = s->source->plan->policy;
	struct syscalls_filter filter = {
		.policy = policy,
		.sockets = policy_sockets(policy, (uint32_t)policy->network.value),
	};
	struct sock_filter *insns = NULL;
	uint32_t n = 0;
	int r = syscalls_compile(&filter, &insns, &n, s->err);

	if (r == 0 &&
	    (buf_printf(s->out, "  --seccomp %d \\\n", FD_FILTER) < 0 ||
	     buf_printf(&s->fds, " %d< <(base64 -d <<< '", FD_FILTER) < 0 ||
	     append_base64(&s->fds, (const unsigned char *)insns, n * sizeof(*insns)) < 0 ||
	     buf_puts(&s->fds, "')") < 0))
		r = err_set(s->err, ENOMEM, "cannot write the script");
	free(insns);
	return r;
}

static void lose_own(struct script *s)
{
	const struct policy *p = s->source->plan->policy;

	export_lose(s->lost, "limits.memory, limits.processes, limits.cpus: no cgroup");
	export_lose(s->lost, "numbers of inodes in filesystem.tmpfs");
	if (p->network.value == IMAGE_NET_NONE)
		export_lose(s->lost, "network.mode \"none\": bwrap's namespace has 127.0.0.1");
	if (s->noexec)
		export_lose(s->lost, "\"execute\": false of %u mounts", s->noexec);
}

/* Comments first: within the command they would end it. */
static int write_head(struct script *s, struct buf *whole)
{
	const struct policy *p = s->source->plan->policy;
	struct image_limits limits = policy_effective_limits(p, NULL);
	json_t *one;
	size_t i;
	int r = buf_printf(whole,
			   "#!/bin/bash\n"
			   "# The bubblewrap command nearest to the toolcell policy %s; give the "
			   "command as arguments.\n"
			   "# It is not the same. Not held:\n",
			   p->name);

	json_array_foreach(s->lost, i, one)
		if (r == 0)
			r = buf_printf(whole, "#   %s\n", json_string_value(one));
	if (r == 0)
		r = buf_printf(whole, "ulimit -n %llu -f %llu -c 0 || exit 1\n",
			       (unsigned long long)limits.open_files,
			       (unsigned long long)MAX(limits.file_bytes / 1024, 1ULL));
	return r < 0 ? err_set(s->err, ENOMEM, "cannot write the script") : 0;
}

static int write_command(struct script *s)
{
	int r = buf_printf(
		s->out,
		"exec bwrap --unshare-all --unshare-user --uid %u --gid %u \\\n"
		"  --die-with-parent --new-session --cap-drop ALL --hostname toolcell \\\n",
		EXPORT_UID, EXPORT_UID);

	if (r < 0)
		return err_set(s->err, -r, "cannot write the script");
	r = write_mounts(s);
	if (r == 0)
		r = write_workspace(s);
	if (r == 0)
		r = write_env(s);
	return r == 0 ? write_filter(s) : r;
}

int export_bwrap(const struct export_source *source, struct buf *out, json_t *lost, struct err *err)
{
	CLEANUP(buf_fini) struct buf body = {0};
	struct script s = {.source = source,
			   .out = &body,
			   .lost = lost,
			   .err = err,
			   .next_fd = FD_FIRST};
	int r;

	export_lose_common(source, lost);
	r = write_command(&s);
	if (r == 0)
		lose_own(&s);
	if (r == 0)
		r = write_head(&s, out);
	if (r == 0)
		r = say(&s, out, body.data);
	if (r == 0)
		r = say(&s, out, "  -- \"$@\"");
	if (r == 0 && s.fds.data)
		r = say(&s, out, s.fds.data);
	if (r == 0)
		r = say(&s, out, "\n");
	buf_fini(&s.fds);
	return r;
}
