/*
 * Theory of operation: a protected path that exists gets a read-only copy of its own mount on top, so that
 * nothing below it can be written and it cannot be removed or renamed (EBUSY). One that does not exist
 * cannot be held that way; init looks for those when the call is over (init/summary.h). No link is
 * followed on the way: a link in the place of a protected path is not that path.
 */
#include "cell/protect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "confine/mount.h"
#include "workspace/rules.h"

#define SAFE_ATTRS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

static int open_beneath(int dir, const char *path)
{
	struct open_how how = {.flags = O_PATH | O_CLOEXEC | O_NOFOLLOW,
			       .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
					  RESOLVE_NO_MAGICLINKS};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static int protect_one(int workspace, const char *path, bool folders)
{
	CLEANUP(fd_closep) int target = open_beneath(workspace, path);
	CLEANUP(fd_closep) int copy = -1;
	struct stat st;
	int r;

	if (target < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -errno;
	if (fstat(target, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode) || (S_ISDIR(st.st_mode) && !folders))
		return 0;
	r = mount_clone(target, "", true, &copy);
	if (r == 0)
		r = mount_dress(copy, true, SAFE_ATTRS | MOUNT_ATTR_RDONLY, -1);
	return r == 0 ? mount_attach(copy, target, "") : r;
}

int protect_paths(int root, const char *workspace, const char *text)
{
	static struct rules rules; /* too large for the stack of a process that has one thread */
	CLEANUP(fd_closep) int dir = -1;
	char path[PATH_MAX];
	int r = rules_parse(text, &rules, NULL);

	if (r == 0)
		r = mount_open_target(root, workspace, &dir);
	for (size_t i = 0; i < rules.n && r == 0; i++) {
		const struct rule *rule = &rules.rules[i];
		const char *literal = NULL;
		size_t len = rule->type == 'S' ? 0 : rule_literal(rule, &literal);

		if (len == 0 || len >= sizeof(path))
			continue;
		memcpy(path, literal, len);
		path[len] = '\0';
		r = protect_one(dir, path, rule->type == 'P');
	}
	return r;
}
