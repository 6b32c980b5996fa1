/* What comes into being at a protected path is moved aside, whatever the tool has done to prevent it. */
#include "init/quarantine.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "workspace/changes.h"

static char top[64];
static struct rules rules;
static struct quarantine quarantine;
static struct changes_writer writer;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void setup(void)
{
	char *data = aligned_alloc(8, CHANGES_BYTES_MAX);

	(void)snprintf(top, sizeof(top), "/var/tmp/toolcell-quarantine.XXXXXX");
	cr_assert_not_null(mkdtemp(top));
	cr_assert_eq(chdir(top), 0);
	changes_begin(&writer, data);
}

static void teardown(void)
{
	(void)chmod("d", 0700);
	(void)nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(writer.data);
}

/* A case that is skipped does not come to its end. */
static void skip(const char *why)
{
	teardown();
	cr_skip_test("%s", why);
}

TestSuite(quarantine, .init = setup, .fini = teardown);

static void begin_as(const char *text, bool beside)
{
	struct err err = {0};

	cr_assert_eq(rules_parse(text, &rules, &err), 0, "%s", err.text);
	cr_assert_eq(quarantine_begin(&quarantine, &rules, top, beside), 0);
}

static void begin(const char *text)
{
	begin_as(text, false);
}

static void put(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	cr_assert_geq(fd, 0, "%s: %m", path);
	(void)close(fd);
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* "PATH > NOW;" for each record. */
static const char *end(void)
{
	static char text[1024];
	const struct changes_header *h = NULL;
	struct changes_entry entry;
	struct err err = {0};
	size_t offset = 0, len = 0;

	quarantine_look(&quarantine, &rules, true, &writer);
	cr_assert_eq(changes_decode(writer.data, writer.used, &h, &err), 0, "%s", err.text);
	text[0] = '\0';
	while (changes_next(h, &offset, &entry) > 0) {
		cr_expect_eq(entry.record.verdict, CHANGE_PROTECTED);
		cr_expect_eq(!!(entry.record.flags & CHANGES_QUARANTINED), entry.from[0] != '\0');
		cr_expect_neq(entry.pointer[0], '\0');
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s > %s;", entry.path,
					entry.from);
	}
	cr_expect_eq(h->held, h->n);
	return text;
}

Test(quarantine, what_was_there_and_what_did_not_come_stays)
{
	put(".vscode");
	begin("P\t.vscode\tp\nP\t.mcp.json\tp\nS\ttarget\tp\nP\t*.sh\tp\n");
	put("target");
	put("a.sh");
	cr_expect_str_eq(end(), "");
	cr_expect(exists(".vscode") && exists("target") && exists("a.sh"));
}

Test(quarantine, what_came_is_moved_and_told)
{
	begin("P\t.mcp.json\tp#/0\nP\t**/.git/hooks\tp#/1\n");
	put(".mcp.json");
	put(".mcp.json.refused-by-toolcell");
	cr_assert_eq(mkdir(".git", 0755), 0);
	cr_assert_eq(mkdir(".git/hooks", 0755), 0);
	cr_expect_str_eq(end(), ".mcp.json > .mcp.json.refused-by-toolcell.1;"
				".git/hooks > .git/hooks.refused-by-toolcell;");
	cr_expect(!exists(".mcp.json") && !exists(".git/hooks"));
	cr_expect(exists(".git/hooks.refused-by-toolcell"));
}

Test(quarantine, what_another_call_put_there_is_not_taken_for_the_owners)
{
	put(".mcp.json");
	put(".envrc");
	begin_as("P\t.mcp.json\tp\nP\t.envrc\tp\n", true);
	/* The other call's end moves it aside; this one's tool moves it back. */
	cr_assert_eq(rename(".mcp.json", "aside"), 0);
	cr_assert_eq(usleep(20000), 0);
	cr_assert_eq(rename("aside", ".mcp.json"), 0);
	cr_expect_str_eq(end(), ".mcp.json > .mcp.json.refused-by-toolcell;");
	cr_expect(exists(".envrc") && !exists(".mcp.json"));
}

Test(quarantine, a_look_before_the_end_moves_and_is_told_of_once)
{
	begin("P\t.mcp.json\tp\n");
	put(".mcp.json");
	quarantine_look(&quarantine, &rules, false, &writer);
	cr_expect(!exists(".mcp.json"));
	cr_expect_str_eq(end(), ".mcp.json > .mcp.json.refused-by-toolcell;");
}

Test(quarantine, a_link_in_the_way_is_moved_and_never_followed)
{
	begin("P\t.cargo/config.toml\tp\n");
	cr_assert_eq(mkdir("x", 0755), 0);
	put("x/config.toml");
	cr_assert_eq(symlink("x", ".cargo"), 0);
	cr_expect_str_eq(end(), ".cargo > .cargo.refused-by-toolcell;");
	cr_expect(exists("x/config.toml") && !exists(".cargo"));
}

Test(quarantine, a_link_that_was_in_the_way_before_is_the_owners)
{
	cr_assert_eq(mkdir("x", 0755), 0);
	cr_assert_eq(symlink("x", ".cargo"), 0);
	begin("P\t.cargo/config.toml\tp\n");
	put("x/config.toml");
	cr_expect_str_eq(end(), "");
}

Test(quarantine, a_dangling_link_counts)
{
	begin("P\t.mcp.json\tp\n");
	cr_assert_eq(symlink("/nowhere", ".mcp.json"), 0);
	cr_expect_str_eq(end(), ".mcp.json > .mcp.json.refused-by-toolcell;");
}

Test(quarantine, folders_are_free_where_only_files_are_protected)
{
	begin("F\t.git\tp\n");
	cr_assert_eq(mkdir(".git", 0755), 0);
	cr_expect_str_eq(end(), "");
	cr_assert_eq(rmdir(".git"), 0);
	put(".git");
	cr_expect_str_eq(end(), ".git > .git.refused-by-toolcell;");
}

Test(quarantine, a_folder_made_unwritable_is_no_obstacle)
{
	struct stat st;

	if (geteuid() == 0)
		skip("root writes everywhere");
	begin("P\td/protected\tp\n");
	cr_assert_eq(mkdir("d", 0755), 0);
	put("d/protected");
	cr_assert_eq(chmod("d", 0555), 0);
	cr_expect_str_eq(end(), "d/protected > d/protected.refused-by-toolcell;");
	cr_assert_eq(stat("d", &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0555);
}

Test(quarantine, a_folder_made_unreadable_is_told)
{
	if (geteuid() == 0)
		skip("root reads everywhere");
	begin("P\td/protected\tp\n");
	cr_assert_eq(mkdir("d", 0755), 0);
	put("d/protected");
	cr_assert_eq(chmod("d", 0), 0);
	cr_expect_str_eq(end(), "d > ;");
}

/* A number that has become free is given away again; ext4 gives the same file system's lowest. */
static void reuse_number(const char *path)
{
	struct stat st;

	cr_assert_eq(lstat(path, &st), 0);
	quarantine.paths[0].ino = st.st_ino;
}

Test(quarantine, a_number_that_is_used_again_is_not_the_same)
{
	cr_assert_eq(symlink("elsewhere", ".envrc"), 0);
	begin("P\t.envrc\tp\n");
	cr_assert_eq(unlink(".envrc"), 0);
	put(".envrc");
	reuse_number(".envrc");
	cr_expect_str_eq(end(), ".envrc > .envrc.refused-by-toolcell;");
}

Test(quarantine, nor_is_another_link_with_that_number)
{
	const struct timespec pause = {.tv_nsec = 20L * 1000 *
						  1000}; /* beyond a tick of the file system */

	cr_assert_eq(symlink("elsewhere", ".envrc"), 0);
	begin("P\t.envrc\tp\n");
	cr_assert_eq(unlink(".envrc"), 0);
	(void)nanosleep(&pause, NULL);
	cr_assert_eq(symlink("to-the-tools-own", ".envrc"), 0);
	reuse_number(".envrc");
	cr_expect_str_eq(end(), ".envrc > .envrc.refused-by-toolcell;");
}

Test(quarantine, what_its_owner_touches_meanwhile_is_the_same)
{
	put(".envrc");
	begin("P\t.envrc\tp\n");
	cr_assert_eq(chmod(".envrc", 0600), 0);
	cr_assert_eq(utimensat(AT_FDCWD, ".envrc", NULL, 0), 0);
	if (!quarantine.paths[0].has_born)
		skip("this file system does not say when a file was made");
	cr_expect_str_eq(end(), "");
}
