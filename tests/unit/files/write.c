/* Write: created or replaced whole, never through a link that leads out, never half. */
#include "support.h"

#include <dirent.h>
#include <sched.h>
#include <sys/mount.h>

TestSuite(write, .init = ws_make, .fini = ws_remove);

static json_t *write_file(const char *path, const char *content)
{
	return run_json(files_write,
			json_pack("{s:s, s:s}", "file_path", path, "content", content));
}

Test(write, a_new_file_is_created_with_its_folders)
{
	json_t *doc = write_file("a/b/c.txt", "one\ntwo");
	struct stat st;

	expect_ok(doc);
	expect_file("a/b/c.txt", "one\ntwo");
	EXPECT_STR(doc, "data.type", "create");
	EXPECT_STR(doc, "text", "Created a/b/c.txt: 7 bytes, 2 lines.\n");
	EXPECT_NUM(doc, "data.structured_patch.0.oldStart", 0);
	EXPECT_NUM(doc, "data.structured_patch.0.newLines", 2);
	EXPECT_STR(doc, "data.structured_patch.0.lines.0", "+one");
	EXPECT_STR(doc, "data.structured_patch.0.lines.2", "\\ No newline at end of file");
	cr_assert(strncmp(str_at(doc, "data.diff"), "--- /dev/null\n+++ b/a/b/c.txt\n", 30) == 0);
	cr_assert_eq(stat("a/b/c.txt", &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0644);
	json_decref(doc);
}

Test(write, an_old_file_is_updated_and_keeps_its_mode)
{
	struct stat st;
	json_t *doc;

	put("f", "one\n");
	cr_assert_eq(chmod("f", 0750), 0);
	doc = write_file("f", "two\n");
	expect_ok(doc);
	EXPECT_STR(doc, "data.type", "update");
	EXPECT_STR(doc, "data.structured_patch.0.lines.0", "-one");
	EXPECT_STR(doc, "data.structured_patch.0.lines.1", "+two");
	EXPECT_NUM(doc, "data.added", 1);
	EXPECT_NUM(doc, "data.removed", 1);
	cr_assert_eq(stat("f", &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0750);
	json_decref(doc);
}

Test(write, content_is_taken_byte_by_byte)
{
	json_t *doc = run_json(files_write, json_pack("{s:s, s:s#}", "file_path", "f", "content",
						      "a\0\r\n\xc3\xa9", 6));

	expect_ok(doc);
	expect_bytes("f", "a\0\r\n\xc3\xa9", 6);
	cr_assert(is_true_at(doc, "data.binary"));
	json_decref(doc);
	doc = write_file("f", "");
	expect_ok(doc);
	expect_file("f", "");
	json_decref(doc);
}

Test(write, hard_links_lose_one_name_only)
{
	json_t *doc;

	put("f", "old");
	cr_assert_eq(link("f", "g"), 0);
	doc = write_file("f", "new");
	EXPECT_NUM(doc, "data.nlink", 2);
	EXPECT_TEXT(doc, "the others still have the old content");
	expect_file("f", "new");
	expect_file("g", "old");
	json_decref(doc);
}

Test(write, a_link_within_the_workspace_is_written_through)
{
	struct stat st;
	json_t *doc;

	put("target", "old\n");
	cr_assert_eq(symlink("target", "link"), 0);
	cr_assert_eq(symlink("missing/new", "ahead"), 0);
	doc = write_file("link", "new\n");
	expect_ok(doc);
	expect_file("target", "new\n");
	cr_assert(lstat("link", &st) == 0 && S_ISLNK(st.st_mode));
	json_decref(doc);
	doc = write_file("ahead", "x");
	expect_ok(doc);
	expect_file("missing/new", "x");
	json_decref(doc);
}

Test(write, a_link_that_leads_out_is_a_denial)
{
	static const char *const names[] = {"file", "dir/file", "dir/new/file", "ahead", "up"};
	char outside[] = "/tmp/toolcell-outside-XXXXXX";
	char target[PATH_MAX];

	cr_assert_not_null(mkdtemp(outside));
	(void)snprintf(target, sizeof(target), "%s/file", outside);
	put(target, "kept");
	cr_assert_eq(symlink(target, "file"), 0);
	cr_assert_eq(symlink(outside, "dir"), 0);
	cr_assert_eq(symlink("/nonexistent/x", "ahead"), 0);
	cr_assert_eq(symlink("../up", "up"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		json_t *doc = write_file(names[i], "bad");

		expect_error(doc, "denied");
		expect_denials(doc, 1);
		EXPECT_STR(doc, "denials.0.operation", "write");
		EXPECT_STR(doc, "denials.0.errno", "EPERM");
		EXPECT_TEXT(doc, "a symbolic link leads out of the workspace");
		json_decref(doc);
	}
	expect_file(target, "kept");
	(void)unlink(target);
	cr_assert_eq(rmdir(outside), 0, "something was made outside");
}

Test(write, what_is_no_file_stays)
{
	static const struct {
		const char *name, *code;
	} rows[] = {{"dir", "is_directory"},
		    {"fifo", "special"},
		    {"/dev/null", "special"},
		    {".", "is_directory"},
		    {"f/x", "not_found"}};

	cr_assert_eq(mkdir("dir", 0755), 0);
	cr_assert_eq(mkfifo("fifo", 0644), 0);
	put("f", "x");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *doc = write_file(rows[i].name, "bad");

		expect_error(doc, rows[i].code);
		json_decref(doc);
	}
}

Test(write, expected_digest_refuses_a_file_that_changed)
{
	static const char abc[] =
		"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	json_t *doc;

	put("f", "abc");
	doc = run_json(files_write, json_pack("{s:s, s:s, s:s}", "file_path", "f", "content", "new",
					      "expected_digest", abc));
	expect_ok(doc);
	json_decref(doc);
	doc = run_json(files_write, json_pack("{s:s, s:s, s:s}", "file_path", "f", "content",
					      "newer", "expected_digest", abc));
	expect_error(doc, "changed");
	expect_file("f", "new");
	json_decref(doc);
	doc = run_json(files_write, json_pack("{s:s, s:s, s:s}", "file_path", "g", "content", "x",
					      "expected_digest", abc));
	expect_error(doc, "changed");
	json_decref(doc);
	doc = run_json(files_write, json_pack("{s:s, s:s, s:s}", "file_path", "f", "content", "x",
					      "expected_digest", "sha256:BA78"));
	expect_error(doc, "arguments");
	json_decref(doc);
}

Test(write, no_leftovers_in_the_folder)
{
	const struct dirent *entry;
	DIR *dir;
	size_t n = 0;

	for (int i = 0; i < 5; i++)
		json_decref(write_file("f", i % 2 ? "a" : "b"));
	dir = opendir(".");
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.' || strstr(entry->d_name, "toolcell");
	(void)closedir(dir);
	cr_assert_eq(n, 1);
}

Test(write, a_file_that_may_not_be_written_is_a_denial)
{
	json_t *doc;

	put("f", "kept");
	cr_assert_eq(mkdir("dir", 0755), 0);
	cr_assert_eq(chmod("f", 0444), 0);
	cr_assert_eq(chmod("dir", 0555), 0);
	if (geteuid() == 0)
		cr_assert(chown(ws, 65534, 65534) == 0 && chown("f", 65534, 65534) == 0 &&
			  chown("dir", 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
	doc = write_file("f", "bad");
	expect_error(doc, "denied");
	EXPECT_STR(doc, "denials.0.errno", "EACCES");
	json_decref(doc);
	doc = write_file("dir/new", "bad");
	expect_error(doc, "denied");
	EXPECT_STR(doc, "denials.0.errno", "EACCES");
	json_decref(doc);
	expect_file("f", "kept");
}

Test(write, a_read_only_mount_is_a_denial)
{
	json_t *doc;

	put("f", "kept");
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount(ws, ws, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, ws, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) < 0)
		cr_skip_test("mounts need root");
	cr_assert_eq(chdir(ws), 0);
	doc = write_file("f", "bad");
	expect_error(doc, "denied");
	EXPECT_STR(doc, "denials.0.errno", "EROFS");
	EXPECT_TEXT(doc, "f may not be written: it is on a read-only file system.");
	json_decref(doc);
	doc = write_file("new/g", "bad");
	EXPECT_STR(doc, "denials.0.errno", "EROFS");
	json_decref(doc);
	cr_assert_eq(chdir("/"), 0);
	(void)umount2(ws, MNT_DETACH);
}

Test(write, outside_of_the_workspace_what_is_refused_is_a_denial)
{
	json_t *doc;

	if (geteuid() == 0)
		cr_assert_eq(setresuid(65534, 65534, 65534), 0);
	doc = write_file("/etc/toolcell-not-there", "bad");
	expect_error(doc, "denied");
	EXPECT_STR(doc, "denials.0.object", "/etc/toolcell-not-there");
	EXPECT_STR(doc, "denials.0.errno", "EACCES");
	json_decref(doc);
}
