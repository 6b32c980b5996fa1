/*
 * Theory of operation: the folder for sessions is opened as an engine would open it, and an overlay is
 * mounted with upper and work folder in it, over the workspace, in a user namespace, where the launcher
 * makes a session's. The folders of the trial have a dot and a name that the sweep takes up, should the
 * probe be ended halfway.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "cli/doctor.h"
#include "cli/store.h"
#include "cli/ui.h"
#include "confine/mount.h"
#include "workspace/remove.h"

#define TRIAL ".old-doctoraa" /* remains of a session, for store_age.c */
#define FREE_BYTES_LEAST ((uint64_t)1 << 30)

static const struct {
	unsigned int magic;
	const char *name;
} file_systems[] = {
	{0xef53U, "ext4"},	  {0x58465342U, "xfs"},	     {0x9123683eU, "btrfs"},
	{0x01021994U, "tmpfs"},	  {0xf2f52010U, "f2fs"},     {0x2fc12fc1U, "zfs"},
	{0x794c7630U, "overlay"}, {0xca451a4eU, "bcachefs"},
};

static const char *name_file_system(const struct statfs *fs, char *dst, size_t cap)
{
	for (size_t i = 0; i < ARRAY_SIZE(file_systems); i++)
		if ((unsigned int)fs->f_type == file_systems[i].magic)
			return file_systems[i].name;
	(void)snprintf(dst, cap, "file system 0x%x", (unsigned int)fs->f_type);
	return dst;
}

/* How much of the store's path is there: what is made for the look is removed again. */
static size_t existing_length(const char *sessions)
{
	char path[PATH_MAX];
	struct stat st;

	if (store_place(sessions, path, NULL) < 0)
		return SIZE_MAX;
	for (char *slash; lstat(path, &st) < 0 && (slash = strrchr(path, '/'));)
		*slash = '\0';
	return strlen(path);
}

static void close_store(struct store *store, size_t existing)
{
	char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s", store->path);
	while (strlen(path) > existing && rmdir(path) == 0)
		*strrchr(path, '/') = '\0';
	store_close(store);
}

static int check_store(const struct doctor *d, const struct store *store, struct err *err)
{
	char workspace[PATH_MAX];
	int r = 0;

	if (realpath(d->workspace, workspace))
		r = store_check_place(store, workspace, err);
	return r < 0 ? r : store_check_layers(store, err);
}

static void describe(const struct store *store, struct doctor_check *ret)
{
	struct statfs fs = {0};
	char name[48];
	char size[32];
	uint64_t bytes;

	if (fstatfs(store->dir, &fs) < 0 ||
	    __builtin_mul_overflow((uint64_t)fs.f_bavail, (uint64_t)fs.f_bsize, &bytes))
		bytes = UINT64_MAX;
	doctor_detail(ret, "%.160s on %s, %s free; it can hold layers", store->path,
		      name_file_system(&fs, name, sizeof(name)),
		      ui_size(size, sizeof(size), bytes));
	if (bytes >= FREE_BYTES_LEAST)
		return;
	doctor_judge(ret, false, false);
	doctor_remedy(ret, "make room, or name a folder on a larger file system with "
			   "TOOLCELL_SESSIONS");
}

void doctor_store(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	size_t existing = existing_length(d->sessions);
	struct store store;
	struct err err;
	int r = store_open(d->sessions, true, &store, &err);

	(void)row;
	if (r == 0)
		r = check_store(d, &store, &err);
	doctor_judge(ret, r == 0, d->overlay);
	if (r == 0) {
		describe(&store, ret);
	} else {
		doctor_detail(ret, "%.300s", err.text);
		doctor_remedy(ret, "name a private folder on ext4, xfs, btrfs or tmpfs with "
				   "TOOLCELL_SESSIONS; without one, workspace.fallback of the "
				   "policy decides");
	}
	if (store.dir >= 0)
		close_store(&store, existing);
}

struct trial {
	struct store store;
	char workspace[PATH_MAX];
	char upper[PATH_MAX + 32];
	char work[PATH_MAX + 32];
};

static int mount_trial(const void *arg, struct probe_answer *ret)
{
	const struct trial *t = arg;
	const struct mount_option options[] = {
		{"lowerdir", t->workspace},
		{"upperdir", t->upper},
		{"workdir", t->work},
		{"userxattr", NULL},
	};
	CLEANUP(fd_closep) int fd = -1;
	int r = probe_enter_userns();

	(void)ret;
	if (r == 0 && unshare(CLONE_NEWNS) < 0)
		r = -errno;
	return r < 0 ? r : mount_make("overlay", options, ARRAY_SIZE(options), 0, &fd);
}

static int prepare_trial(const struct doctor *d, struct trial *t, struct err *err)
{
	int r = store_open(d->sessions, true, &t->store, err);

	if (r < 0)
		return r;
	if (!realpath(d->workspace, t->workspace))
		return err_set(err, errno, "workspace %s", d->workspace);
	(void)snprintf(t->upper, sizeof(t->upper), "%s/" TRIAL "/u", t->store.path);
	(void)snprintf(t->work, sizeof(t->work), "%s/" TRIAL "/w", t->store.path);
	r = remove_tree(t->store.dir, TRIAL, NULL, err); /* of a probe that was ended halfway */
	if (r < 0)
		return r;
	if (mkdirat(t->store.dir, TRIAL, 0700) < 0 || mkdirat(t->store.dir, TRIAL "/u", 0700) < 0 ||
	    mkdirat(t->store.dir, TRIAL "/w", 0700) < 0)
		return err_set(err, errno, "cannot make a folder in %s", t->store.path);
	return 0;
}

void doctor_store_overlay(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	struct trial *t = calloc(1, sizeof(*t));
	size_t existing = existing_length(d->sessions);
	struct probe_answer answer = {0};
	struct err err;
	struct err ignored;
	int r = t ? prepare_trial(d, t, &err) : err_set(&err, ENOMEM, "no memory for a trial");

	(void)row;
	if (r == 0) {
		probe_run(mount_trial, t, PROBE_TIMEOUT_MS, &answer);
		r = answer.num == 0 ? 0
				    : err_set(&err, answer.num,
					      "no overlay of the workspace can be mounted there");
	}
	doctor_judge(ret, r == 0, d->overlay);
	if (r == 0)
		doctor_detail(ret, "an overlay of the workspace was mounted in a user namespace, "
				   "with its layers there");
	else
		doctor_detail(ret, "%.300s", err.text);
	doctor_remedy(ret, "use Linux 5.11 or newer and a file system that can hold layers; see "
			   "session.store and mount.overlay");
	if (t && t->store.dir >= 0) {
		(void)!remove_tree(t->store.dir, TRIAL, NULL, &ignored);
		close_store(&t->store, existing);
	}
	free(t);
}
