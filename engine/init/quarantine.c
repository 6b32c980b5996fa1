/*
 * Theory of operation: before the tool runs, each protected pattern that names one path is looked for
 * below the workspace, and what is there is noted: by its inode, whose number is given away again when a
 * tool removes what no mount holds (a link), and so by its type and its time of birth, which nobody can
 * set, or its ctime where a file system knows none. When the tool and all that it started
 * are dead, what has come to be at such a path is renamed within its folder, never over
 * anything. A link that the tool put in the place of one of the path's folders is what has come, too:
 * the path would lead through it. No link is followed; the workspace was opened before the tool ran.
 *
 * What was there at the begin may be what another call had just put there, which that one's init then
 * moves aside, and which this call's tool could move back: the same inode. So where another call was
 * at work, what was there must not have been touched since; a rename moves the ctime.
 */
#include "init/quarantine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "workspace/changes.h"

#define DIR_OPEN (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK)
#define NAMES_MAX 100U /* that are tried for one */

/* Where the walk along a path came to an end. */
struct found {
	bool exists;  /* what the path names, or a link in its way */
	bool unknown; /* a folder in its way cannot be looked into */
	struct stat st;
	int dir;	 /* the folder it is in; owned */
	size_t path_len; /* of the path up to it */
	char name[NAME_MAX + 1];
};

static void found_fini(struct found *f)
{
	fd_closep(&f->dir);
}

static bool take_name(const char *path, size_t len, struct found *f)
{
	const char *slash = memrchr(path, '/', len);
	size_t at = slash ? (size_t)(slash - path) + 1 : 0;

	if (len - at > NAME_MAX)
		return false;
	memcpy(f->name, path + at, len - at);
	f->name[len - at] = '\0';
	f->path_len = len;
	return true;
}

/* @path: clean, as rules_parse had it */
static void find(int workspace, const char *path, size_t len, struct found *f)
{
	size_t end = 0;

	*f = (struct found){.dir = openat(workspace, ".", DIR_OPEN | O_CLOEXEC)};
	while (f->dir >= 0) {
		const char *slash = memchr(path + end, '/', len - end);
		int below;

		end = slash ? (size_t)(slash - path) : len;
		if (!take_name(path, end, f))
			return;
		if (fstatat(f->dir, f->name, &f->st, AT_SYMLINK_NOFOLLOW) < 0) {
			f->unknown = errno != ENOENT && errno != ENOTDIR;
			return;
		}
		if (!slash || S_ISLNK(f->st.st_mode)) {
			f->exists = true;
			return;
		}
		below = openat(f->dir, f->name, DIR_OPEN | O_CLOEXEC);
		f->unknown = below < 0 && errno != ENOENT && errno != ENOTDIR;
		if (below < 0)
			return;
		fd_closep(&f->dir);
		f->dir = below;
		end++;
	}
	f->unknown = true;
}

static struct quarantine_path what_is(const struct found *f)
{
	struct quarantine_path is = {.watched = !f->unknown,
				     .existed = f->exists,
				     .dev = f->st.st_dev,
				     .ino = f->st.st_ino,
				     .type = f->st.st_mode & S_IFMT,
				     .changed = f->st.st_ctim};
	struct statx x;

	if (f->exists &&
	    statx(f->dir, f->name, AT_SYMLINK_NOFOLLOW, STATX_BTIME | STATX_INO, &x) == 0 &&
	    x.stx_ino == is.ino && (x.stx_mask & STATX_BTIME)) {
		is.has_born = true;
		is.born = (struct timespec){x.stx_btime.tv_sec, x.stx_btime.tv_nsec};
	}
	return is;
}

int quarantine_begin(struct quarantine *q, const struct rules *rules, const char *workspace,
		     bool beside)
{
	*q = (struct quarantine){.workspace = open(workspace, DIR_OPEN | O_CLOEXEC),
				 .beside = beside};
	if (q->workspace < 0)
		return -errno;
	for (size_t i = 0; i < rules->n; i++) {
		CLEANUP(found_fini) struct found f = {.dir = -1};
		const char *path = NULL;
		size_t len = 0;

		if (rules->rules[i].type != 'S')
			len = rule_literal(&rules->rules[i], &path);
		if (len == 0)
			continue;
		find(q->workspace, path, len, &f);
		q->paths[i] = what_is(&f);
	}
	return 0;
}

/* @ret: where it lies now. A name too long for the suffix is not kept. */
static int move_aside(const struct found *f, const char *path, char ret[static PATH_MAX])
{
	int dir_len = (int)(f->path_len - strlen(f->name));

	for (unsigned i = 0; i < NAMES_MAX; i++) {
		char number[16] = "";
		char name[NAME_MAX + 1];
		int n;

		if (i > 0)
			(void)snprintf(number, sizeof(number), ".%u", i);
		n = snprintf(name, sizeof(name), "%s%s%s", f->name, QUARANTINE_SUFFIX, number);
		if (n >= (int)sizeof(name))
			(void)snprintf(name, sizeof(name), "%s%s", &QUARANTINE_SUFFIX[1], number);
		if (renameat2(f->dir, f->name, f->dir, name, RENAME_NOREPLACE) == 0) {
			n = snprintf(ret, PATH_MAX, "%.*s%s", dir_len, path, name);
			return n < PATH_MAX ? 0 : -ENAMETOOLONG;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

/* The tool may have taken the right to write from a folder that it owns; so do we own it. */
static int force_aside(const struct found *f, const char *path, char ret[static PATH_MAX])
{
	struct stat st;
	int r = move_aside(f, path, ret);

	if ((r != -EACCES && r != -EPERM) || fstat(f->dir, &st) < 0 ||
	    fchmod(f->dir, (st.st_mode & 07777) | 0700) < 0)
		return r;
	r = move_aside(f, path, ret);
	(void)fchmod(f->dir, st.st_mode & 07777);
	return r;
}

static void report(struct changes_writer *writer, const struct rule *rule, const struct found *f,
		   const char *path, const char *now)
{
	struct changes_entry entry = {
		.record = {.kind = CHANGE_ADDED,
			   .verdict = CHANGE_PROTECTED,
			   .flags = CHANGES_BY_CALL},
		.from = now,
	};
	char text[PATH_MAX];
	char pointer[RULES_POINTER_MAX + 1];

	if (*now)
		entry.record.flags |= CHANGES_QUARANTINED;
	if (f->exists) {
		entry.record.flags |= CHANGES_HAS_NEW;
		entry.record.new_mode = f->st.st_mode;
		entry.record.new_size = (uint64_t)f->st.st_size;
	}
	(void)snprintf(text, sizeof(text), "%.*s", (int)f->path_len, path);
	(void)snprintf(pointer, sizeof(pointer), "%.*s", (int)rule->pointer_len, rule->pointer);
	entry.path = text;
	entry.pointer = pointer;
	changes_header_of(writer)->kinds[CHANGE_ADDED]++;
	changes_header_of(writer)->held++;
	(void)changes_add(writer, &entry);
}

static bool is_same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

/* What was there before the tool ran. */
static bool is_the_same(const struct quarantine *q, const struct quarantine_path *before,
			const struct found *f)
{
	struct quarantine_path now = what_is(f);

	if (!before->existed || !now.existed || now.dev != before->dev || now.ino != before->ino ||
	    now.type != before->type)
		return false;
	if (q->beside || !before->has_born || !now.has_born)
		return is_same_time(now.changed, before->changed);
	return is_same_time(now.born, before->born);
}

static void handle_rule(const struct quarantine *q, const struct quarantine_path *before,
			const struct rule *rule, bool last, struct changes_writer *writer)
{
	CLEANUP(found_fini) struct found f = {.dir = -1};
	char now[PATH_MAX] = "";
	const char *path = NULL;
	size_t len = rule_literal(rule, &path);

	find(q->workspace, path, len, &f);
	if (!f.exists && !f.unknown)
		return;
	if (is_the_same(q, before, &f))
		return;
	if (rule->type == 'F' && f.exists && f.path_len == len && S_ISDIR(f.st.st_mode))
		return;
	if (f.exists && force_aside(&f, path, now) < 0)
		now[0] = '\0';
	if (!now[0] && !last)
		return;
	report(writer, rule, &f, path, now);
}

void quarantine_look(const struct quarantine *q, const struct rules *rules, bool last,
		     struct changes_writer *writer)
{
	for (size_t i = 0; i < rules->n; i++)
		if (q->paths[i].watched)
			handle_rule(q, &q->paths[i], &rules->rules[i], last, writer);
}
