/* Sessions on disk: what is made, what is believed, what is refused, what is swept away. */
#include "cli/store.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "workspace/stack.h"

#define DAY_S 86400

static char top[64];
static char place[96];
static struct store store;

static const struct store_meta meta_of_test = {
	.workspace = "/srv/crate\nwith a line feed and 100%",
	.dev = 66306,
	.ino = UINT64_MAX,
	.agent = "rust-engineer",
	.created = 1795401600,
};

static void setup(void)
{
	(void)snprintf(top, sizeof(top), "/tmp/store-test-XXXXXX");
	cr_assert_not_null(mkdtemp(top));
	(void)snprintf(place, sizeof(place), "%s/a/sessions", top);
}

static void teardown(void)
{
	char command[128];
	pid_t pid = fork();

	store_close(&store);
	(void)snprintf(command, sizeof(command), "%s", top);
	if (pid == 0) {
		(void)execlp("rm", "rm", "-rf", "--", command, (char *)NULL);
		_exit(127);
	}
	(void)waitpid(pid, NULL, 0);
}

static void open_store(void)
{
	struct err err = {0};

	cr_assert_eq(store_open(place, true, &store, &err), 0, "%s", err.text);
}

static struct store_session make_session(void)
{
	static struct store_meta meta;

	static struct store_session s;
	struct err err = {0};

	meta = meta_of_test;
	meta.uid = geteuid();
	meta.gid = getegid();
	cr_assert_eq(store_create(&store, &meta, 0755, &s, &err), 0, "%s", err.text);
	return s;
}

/* A file in the writable layer of a session. */
static void change(const struct store_session *s)
{
	int fd = openat(s->data, "layers/1/u/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	(void)close(fd);
}

static bool is_there(const char *name)
{
	struct stat st;

	return fstatat(store.dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void write_text(int dir, const char *name, const char *text, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(fd_write_full(fd, text, len), 0);
	(void)close(fd);
}

TestSuite(store, .init = setup, .fini = teardown);

Test(store, is_made_private_with_the_folders_above_it)
{
	struct stat st;

	open_store();
	cr_assert_str_eq(store.path, place);
	cr_assert_eq(fstat(store.dir, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
}

Test(store, that_is_not_there_is_not_made_by_a_question)
{
	struct err err = {0};

	cr_assert_eq(store_open(place, false, &store, &err), -ENOENT);
	cr_assert_neq(access(place, F_OK), 0);
}

Test(store, behind_a_symbolic_link_is_refused)
{
	char link[96];
	struct err err = {0};

	open_store();
	store_close(&store);
	(void)snprintf(link, sizeof(link), "%s/link", top);
	cr_assert_eq(symlink(place, link), 0);
	cr_assert_eq(store_open(link, true, &store, &err), -ELOOP);
	(void)snprintf(link, sizeof(link), "%s/up", top);
	cr_assert_eq(symlink("a", link), 0);
	(void)strncat(link, "/sessions", sizeof(link) - strlen(link) - 1);
	cr_assert_eq(store_open(link, true, &store, &err), -ELOOP);
	cr_assert_not_null(strstr(err.text, "symbolic link"), "%s", err.text);
	cr_assert_lt(store.dir, 0);
}

Test(store, that_others_may_write_to_is_refused)
{
	struct err err = {0};

	open_store();
	store_close(&store);
	cr_assert_eq(chmod(place, 0770), 0);
	cr_assert_eq(store_open(place, true, &store, &err), -EPERM);
	cr_assert_not_null(strstr(err.text, "written to by others"), "%s", err.text);
}

Test(store, of_somebody_else_is_refused)
{
	struct err err = {0};

	if (geteuid() != 0)
		cr_skip("only root can make a folder of somebody else's\n");
	open_store();
	store_close(&store);
	cr_assert_eq(chown(place, 12345, 12345), 0);
	cr_assert_eq(store_open(place, true, &store, &err), -EPERM);
	cr_assert_not_null(strstr(err.text, "belongs to uid 12345"), "%s", err.text);
}

Test(store, that_is_a_file_is_refused)
{
	struct err err = {0};

	(void)snprintf(place, sizeof(place), "%s/file", top);
	write_text(AT_FDCWD, place, "x", 1);
	cr_assert_eq(store_open(place, true, &store, &err), -ENOTDIR);
}

Test(store, and_workspace_must_not_lie_in_each_other)
{
	char inside[160];
	struct err err = {0};

	open_store();
	(void)snprintf(inside, sizeof(inside), "%s/x", place);
	cr_assert_eq(store_check_place(&store, top, &err), -EPERM);
	cr_assert_eq(store_check_place(&store, place, &err), -EPERM);
	cr_assert_eq(store_check_place(&store, inside, &err), -EPERM);
	(void)snprintf(inside, sizeof(inside), "%s-beside", place);
	cr_assert_eq(store_check_place(&store, inside, &err), 0);
}

Test(store, place_comes_from_option_then_environment_then_account)
{
	char path[PATH_MAX];
	struct err err = {0};

	cr_assert_eq(setenv("TOOLCELL_SESSIONS", "/var/tmp/env", 1), 0);
	cr_assert_eq(store_place("/var/tmp/option", path, &err), 0);
	cr_assert_str_eq(path, "/var/tmp/option");
	cr_assert_eq(store_place(NULL, path, &err), 0);
	cr_assert_str_eq(path, "/var/tmp/env");
	cr_assert_eq(unsetenv("TOOLCELL_SESSIONS"), 0);
	cr_assert_eq(setenv("XDG_STATE_HOME", "/nowhere/state", 1), 0);
	cr_assert_eq(store_place(NULL, path, &err), 0);
	cr_assert_str_eq(path, geteuid() == 0 ? "/var/lib/toolcell/sessions"
					      : "/nowhere/state/toolcell/sessions");
	if (geteuid() == 0)
		return;
	cr_assert_eq(setenv("XDG_STATE_HOME", "relative", 1), 0);
	cr_assert_eq(setenv("HOME", "/nowhere/home", 1), 0);
	cr_assert_eq(store_place(NULL, path, &err), 0);
	cr_assert_str_eq(path, "/nowhere/home/.local/state/toolcell/sessions");
	cr_assert_eq(unsetenv("HOME"), 0);
	cr_assert_eq(store_place(NULL, path, &err), -EINVAL);
}

Test(store, path_that_is_too_long_is_an_error)
{
	char longest[PATH_MAX + 8];
	char path[PATH_MAX];
	struct err err = {0};

	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	cr_assert_eq(store_place(longest, path, &err), -ENAMETOOLONG);
}

static const struct {
	const char *text;
	int r;
	uint32_t branch;
} ids[] = {
	{"k3f9abcd", -EINVAL, 0}, /* 9 is none of the letters */
	{"k3f7abcd", 0, 0},	     {"k3f7abcd.2", 0, 2},	 {"k3f7abcd.16", 0, 16},
	{"k3f7abcd.17", -EINVAL, 0}, {"k3f7abcd.0", -EINVAL, 0}, {"k3f7abcd.", -EINVAL, 0},
	{"k3f7abcd.2x", -EINVAL, 0}, {"3kf7abcd", -EINVAL, 0},	 {"k3f7abc", -EINVAL, 0},
	{"k3f7abcde", -EINVAL, 0},   {"", -EINVAL, 0},		 {"../../xy", -EINVAL, 0},
	{"K3F7ABCD", -EINVAL, 0},    {"new", -EINVAL, 0},
};

Test(store, ids_are_eight_letters_and_digits)
{
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		char id[STORE_ID_BYTES] = "untouch";
		uint32_t branch = 99;
		struct err err = {0};

		cr_assert_eq(store_parse_id(ids[i].text, id, &branch, &err), ids[i].r, "row %zu",
			     i);
		cr_assert_eq(branch, ids[i].r == 0 ? ids[i].branch : 99, "row %zu", i);
		cr_assert_str_eq(id, ids[i].r == 0 ? "k3f7abcd" : "untouch", "row %zu", i);
	}
}

Test(store, sessions_are_made_whole_locked_and_found_again)
{
	static struct store_session s;
	static struct store_session again;
	struct stack stack;
	struct stat st;
	struct err err = {0};

	open_store();
	s = make_session();
	cr_assert(store_is_id(s.id, strlen(s.id)));
	cr_assert(s.locked);
	cr_assert_eq(fstat(s.data, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0700);
	cr_assert_eq(stack_read(s.data, &stack, &err), 0, "%s", err.text);
	cr_assert_eq(store_find(&store, s.id, &again, &err), 0, "%s", err.text);
	cr_assert_str_eq(again.meta.workspace, meta_of_test.workspace);
	cr_assert_eq(again.meta.dev, meta_of_test.dev);
	cr_assert_eq(again.meta.ino, meta_of_test.ino);
	cr_assert_eq(again.meta.uid, geteuid());
	cr_assert_str_eq(again.meta.agent, "rust-engineer");
	cr_assert_str_eq(again.meta.policy, "");
	cr_assert_eq(again.meta.created, meta_of_test.created);
	store_session_close(&again);
	store_session_close(&s);
}

Test(store, data_belongs_to_the_workspaces_owner)
{
	static struct store_meta meta;

	static struct store_session s;
	struct stat st;
	struct err err = {0};

	if (geteuid() != 0)
		cr_skip("only root can give a folder away\n");
	open_store();
	meta = meta_of_test;
	meta.uid = 23456;
	meta.gid = 23457;
	cr_assert_eq(store_create(&store, &meta, 0755, &s, &err), 0, "%s", err.text);
	cr_assert_eq(fstatat(s.data, "layers/1/u", &st, 0), 0);
	cr_assert_eq(st.st_uid, 23456);
	cr_assert_eq(st.st_gid, 23457);
	cr_assert_eq(fstat(s.dir, &st), 0);
	cr_assert_eq(st.st_uid, 0);
	change(&s);
	/* By a process that is the owner's, though the file is root's: its folder is the owner's. */
	cr_assert_eq(store_remove(&store, &s, &err), 0, "%s", err.text);
	cr_assert(!is_there(s.id));
	store_session_close(&s);
}

Test(store, a_session_is_had_by_one_at_a_time)
{
	static struct store_session s;
	static struct store_session other;
	struct err err = {0};
	char pid[32];

	open_store();
	s = make_session();
	cr_assert_eq(store_find(&store, s.id, &other, &err), 0, "%s", err.text);
	cr_assert_eq(store_holder(&other), getpid());
	cr_assert_eq(store_lock(&store, &other, &err), -EBUSY);
	(void)snprintf(pid, sizeof(pid), "process %d", getpid());
	cr_assert_not_null(strstr(err.text, pid), "%s", err.text);
	cr_assert_eq(store_remove(&store, &other, &err), -EBUSY);
	store_session_close(&s);
	cr_assert_eq(store_holder(&other), 0);
	cr_assert_eq(store_lock(&store, &other, &err), 0, "%s", err.text);
	store_session_close(&other);
}

Test(store, a_session_that_was_removed_meanwhile_cannot_be_locked)
{
	static struct store_session s;
	static struct store_session late;
	struct err err = {0};

	open_store();
	s = make_session();
	cr_assert_eq(store_find(&store, s.id, &late, &err), 0, "%s", err.text);
	cr_assert_eq(store_remove(&store, &s, &err), 0, "%s", err.text);
	store_session_close(&s);
	cr_assert_eq(store_lock(&store, &late, &err), -ENOENT, "%s", err.text);
	store_session_close(&late);
	cr_assert_eq(store_find(&store, s.id, &late, &err), -ENOENT);
	cr_assert_not_null(strstr(err.text, s.id), "%s", err.text);
}

Test(store, lists_the_last_used_first)
{
	static struct store_session a;
	static struct store_session b;
	struct store_entry *list = NULL;
	const struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	struct err err = {0};
	size_t n = 0;

	open_store();
	a = make_session();
	b = make_session();
	cr_assert_eq(futimens(a.lock, old), 0);
	cr_assert_eq(mkdirat(store.dir, "no-session", 0700), 0);
	cr_assert_eq(store_list(&store, &list, &n, &err), 0, "%s", err.text);
	cr_assert_eq(n, 2);
	cr_assert_str_eq(list[0].id, b.id);
	cr_assert_str_eq(list[1].id, a.id);
	cr_assert_eq(list[1].used, 1000);
	free(list);
	store_session_close(&a);
	store_session_close(&b);
}

Test(store, a_session_of_wrong_modes_or_types_is_not_opened)
{
	static struct store_session s;
	static struct store_session found;
	struct err err = {0};

	open_store();
	s = make_session();
	cr_assert_eq(fchmod(s.data, 0755), 0);
	cr_assert_eq(store_find(&store, s.id, &found, &err), -EPERM, "%s", err.text);
	cr_assert_eq(fchmod(s.data, 0700), 0);
	cr_assert_eq(fchmod(s.dir, 0770), 0);
	cr_assert_eq(store_find(&store, s.id, &found, &err), -EPERM, "%s", err.text);
	cr_assert_eq(fchmod(s.dir, 0700), 0);
	cr_assert_eq(renameat(s.dir, "data", s.dir, "moved"), 0);
	cr_assert_eq(symlinkat("moved", s.dir, "data"), 0);
	cr_assert_lt(store_find(&store, s.id, &found, &err), 0);
	cr_assert_lt(found.dir, 0);
	cr_assert_eq(unlinkat(s.dir, "lock", 0), 0);
	cr_assert_eq(mkfifoat(s.dir, "lock", 0600), 0);
	cr_assert_lt(store_find(&store, s.id, &found, &err), 0);
	cr_assert_eq(symlinkat(s.id, store.dir, "linkedaa"), 0);
	cr_assert_lt(store_find(&store, "linkedaa", &found, &err), 0);
	store_session_close(&s);
}

static const char good_meta[] = "version=1\nworkspace=/srv/a%0Ab\ndev=1\nino=2\nuid=3\ngid=4\n"
				"agent=\npolicy=x\ncreated=2026-11-23T02:30:00Z\n";

/* What replaces a part of good_meta, and the word that the message must have. */
static const struct {
	const char *part;
	const char *by;
	const char *word;
} hostile[] = {
	{"version=1", "version=2", "version"},
	{"version=1\n", "", "version is missing"},
	{"workspace=/srv", "workspace=srv", "workspace"},
	{"%0Ab", "%00b", "workspace"},
	{"%0Ab", "%0", "workspace"},
	{"%0Ab", "%", "workspace"},
	{"%0Ab", "%0ab", "workspace"},
	{"uid=3", "uid=-1", "uid"},
	{"uid=3", "uid=4294967295", "ids"},
	{"uid=3", "uid=4294967296", "uid"},
	{"uid=3", "uid=3\nuid=4", "twice"},
	{"ino=2", "ino=18446744073709551616", "ino"},
	{"ino=2", "ino=", "ino"},
	{"ino=2", "ino", "unknown key"},
	{"policy=x", "policy=x\n\033[2J=1", "unknown key \"\\x1b[2J\""},
	{"created=2026-11-23T02:30:00Z", "created=2026-02-30T02:30:00Z", "created"},
	{"created=2026-11-23T02:30:00Z", "created=2026-11-23 02:30:00Z", "created"},
	{"created=2026-11-23T02:30:00Z", "created=now", "created"},
};

Test(store, meta_is_believed_only_when_every_line_fits)
{
	struct store_meta meta = {.dev = 77};
	struct err err = {0};
	int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	write_text(dir, "meta", good_meta, strlen(good_meta));
	cr_assert_eq(store_meta_read(dir, &meta, &err), 0, "%s", err.text);
	cr_assert_str_eq(meta.workspace, "/srv/a\nb");
	cr_assert_eq(meta.uid, 3);
	meta.dev = 77;
	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		const char *at = strstr(good_meta, hostile[i].part);
		char text[512];
		int n = snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good_meta), good_meta,
				 hostile[i].by, at + strlen(hostile[i].part));

		write_text(dir, "meta", text, (size_t)n);
		cr_assert_eq(store_meta_read(dir, &meta, &err), -EINVAL, "row %zu", i);
		cr_assert_not_null(strstr(err.text, hostile[i].word), "row %zu: %s", i, err.text);
		cr_assert_null(strchr(err.text, '\033'));
	}
	cr_assert_eq(meta.dev, 77, "an output is untouched on failure");
	(void)close(dir);
}

Test(store, meta_that_is_too_long_or_has_a_nul_is_refused)
{
	int dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	static char text[STORE_META_BYTES_MAX + 1];
	struct store_meta meta;
	struct err err = {0};

	memset(text, 'x', sizeof(text));
	write_text(dir, "meta", text, sizeof(text));
	cr_assert_lt(store_meta_read(dir, &meta, &err), 0);
	write_text(dir, "meta", good_meta, sizeof(good_meta));
	cr_assert_eq(store_meta_read(dir, &meta, &err), -EINVAL);
	memcpy(text, "agent=", 6);
	text[2000] = '\n';
	write_text(dir, "meta", text, 2001);
	cr_assert_eq(store_meta_read(dir, &meta, &err), -EINVAL);
	cr_assert_eq(unlinkat(dir, "meta", 0), 0);
	cr_assert_eq(store_meta_read(dir, &meta, &err), -ENOENT);
	(void)close(dir);
}

Test(store, a_session_is_empty_until_something_is_in_a_layer)
{
	static struct store_session s;
	struct stack stack;
	struct stat st;
	struct err err = {0};
	uint32_t branch;

	open_store();
	s = make_session();
	cr_assert(store_is_empty(&s));
	cr_assert_eq(stack_read(s.data, &stack, &err), 0);
	cr_assert_eq(fstat(s.data, &st), 0);
	cr_assert_eq(stack_fork(s.data, &stack, 1, &st, &branch, &err), 0, "%s", err.text);
	cr_assert(!store_is_empty(&s), "a second branch is something, too");
	cr_assert_eq(stack_drop(s.data, &stack, branch, &err), 0, "%s", err.text);
	cr_assert(store_is_empty(&s));
	change(&s);
	cr_assert(!store_is_empty(&s));
	cr_assert_eq(unlinkat(s.data, "stack", 0), 0);
	cr_assert(!store_is_empty(&s), "what cannot be read is not empty");
	store_session_close(&s);
}

Test(store, trash_is_emptied_and_nothing_else)
{
	static struct store_session s;
	struct stat st;
	struct err err = {0};

	open_store();
	s = make_session();
	change(&s);
	cr_assert_eq(store_empty_trash(&s, &err), 0, "%s", err.text);
	cr_assert_eq(mkdirat(s.data, "trash/7", 0700), 0);
	write_text(s.data, "trash/7/file", "x", 1);
	cr_assert_eq(symlinkat("../layers", s.data, "trash/link"), 0);
	cr_assert_eq(store_empty_trash(&s, &err), 0, "%s", err.text);
	cr_assert_lt(fstatat(s.data, "trash/7", &st, 0), 0);
	cr_assert_lt(fstatat(s.data, "trash/link", &st, AT_SYMLINK_NOFOLLOW), 0);
	cr_assert_eq(fstatat(s.data, "layers/1/u/file", &st, 0), 0);
	store_session_close(&s);
}

Test(store, sweeping_takes_the_empty_and_the_old_but_not_the_held)
{
	static struct store_session held;
	static struct store_session empty;
	static struct store_session old;
	static struct store_session young;
	const int64_t now = time(NULL);
	const struct timespec long_ago[2] = {{.tv_sec = now - 31 * DAY_S},
					     {.tv_sec = now - 31 * DAY_S}};
	struct err err = {0};

	open_store();
	held = make_session();
	empty = make_session();
	old = make_session();
	young = make_session();
	change(&old);
	change(&young);
	cr_assert_eq(futimens(old.lock, long_ago), 0);
	cr_assert_eq(futimens(held.lock, long_ago), 0);
	store_session_close(&empty);
	store_session_close(&old);
	store_session_close(&young);
	cr_assert_eq(store_sweep(&store, 0, now, &err), 0, "%s", err.text);
	cr_assert(is_there(held.id) && !is_there(empty.id) && is_there(old.id) &&
		  is_there(young.id));
	cr_assert_eq(store_sweep(&store, 30, now, &err), 0, "%s", err.text);
	cr_assert(is_there(held.id) && !is_there(old.id) && is_there(young.id));
	store_session_close(&held);
}

Test(store, sweeping_removes_remains_but_not_what_is_being_made)
{
	struct err err = {0};
	int dir;

	open_store();
	cr_assert_eq(mkdirat(store.dir, ".old-aaaaaaaa", 0700), 0);
	cr_assert_eq(mkdirat(store.dir, ".old-aaaaaaaa/data", 0700), 0);
	cr_assert_eq(mkdirat(store.dir, ".old-aaaaaaaa/data/x", 0), 0);
	cr_assert_eq(mkdirat(store.dir, ".unknown", 0700), 0);
	cr_assert_eq(mkdirat(store.dir, ".new-bbbbbbbb", 0700), 0);
	dir = openat(store.dir, ".new-bbbbbbbb", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_text(dir, "lock", "1\n", 2);
	(void)close(dir);
	cr_assert_eq(store_sweep(&store, 30, time(NULL), &err), 0, "%s", err.text);
	cr_assert(is_there(".old-aaaaaaaa"), "not before a minute has passed");
	cr_assert_eq(store_sweep(&store, 30, time(NULL) + 120, &err), 0, "%s", err.text);
	cr_assert(!is_there(".old-aaaaaaaa") && !is_there(".new-bbbbbbbb") && is_there(".unknown"));
}

Test(store, sweeping_leaves_what_it_does_not_understand)
{
	static struct store_session s;
	struct err err = {0};

	open_store();
	s = make_session();
	write_text(s.dir, "meta", "version=2\n", 10);
	store_session_close(&s);
	cr_assert_eq(store_sweep(&store, 30, time(NULL), &err), 0);
	cr_assert(is_there(s.id));
}

Test(store, a_pass_is_started_once_an_hour)
{
	static struct store_session s;
	int status;

	open_store();
	s = make_session();
	store_session_close(&s);
	store_sweep_start(&store);
	cr_assert_gt(waitpid(-1, &status, 0), 0);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	cr_assert(!is_there(s.id));
	s = make_session();
	store_session_close(&s);
	store_sweep_start(&store);
	cr_assert_lt(waitpid(-1, &status, 0), 0, "no child: the last pass was just now");
	cr_assert(is_there(s.id));
}

Test(store, days_to_keep_are_a_number)
{
	uint32_t days = 77;
	struct err err = {0};

	cr_assert_eq(unsetenv("TOOLCELL_SESSIONS_KEEP"), 0);
	cr_assert_eq(store_keep_days(&days, &err), 0);
	cr_assert_eq(days, STORE_KEEP_DAYS_DEFAULT);
	cr_assert_eq(setenv("TOOLCELL_SESSIONS_KEEP", "0", 1), 0);
	cr_assert_eq(store_keep_days(&days, &err), 0);
	cr_assert_eq(days, 0);
	cr_assert_eq(setenv("TOOLCELL_SESSIONS_KEEP", "a week", 1), 0);
	cr_assert_eq(store_keep_days(&days, &err), -EINVAL);
	cr_assert_eq(days, 0);
}

static int try_to_be_root(int data, void *ctx)
{
	(void)data;
	(void)ctx;
	if (setuid(0) == 0 && geteuid() == 0)
		return -EIO;
	return fcntl(store.dir, F_GETFD) < 0 ? 0 : -EBADF;
}

Test(store, what_runs_as_the_owner_has_nothing_else)
{
	static struct store_session s;
	struct err err = {0};

	if (geteuid() != 0)
		cr_skip("only root can become somebody else\n");
	open_store();
	s = make_session();
	s.meta.uid = 23456;
	s.meta.gid = 23456;
	cr_assert_eq(store_as_owner(&s.meta, &s.data, 1, try_to_be_root, NULL, &err), 0, "%s",
		     err.text);
	store_session_close(&s);
}

Test(store, counts_the_changes_of_a_branch)
{
	static struct store_session s;
	int workspace = open(top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint64_t n = 77;
	struct err err = {0};

	open_store();
	s = make_session();
	cr_assert_eq(store_count(&s, 1, workspace, NULL, &n, &err), 0, "%s", err.text);
	cr_assert_eq(n, 0);
	change(&s);
	cr_assert_eq(mkdirat(s.data, "layers/1/u/target", 0700), 0);
	write_text(s.data, "layers/1/u/target/out", "x", 1);
	cr_assert_eq(store_count(&s, 1, workspace, "S\ttarget\tp#/x\n", &n, &err), 0, "%s",
		     err.text);
	cr_assert_eq(n, 1);
	cr_assert_lt(store_count(&s, 2, workspace, NULL, &n, &err), 0);
	cr_assert_lt(store_count(&s, 0, workspace, NULL, &n, &err), 0);
	cr_assert_eq(n, 1);
	store_session_close(&s);
	(void)close(workspace);
}
