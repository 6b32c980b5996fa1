/* Replacing a file: whole, by rename, and only when nobody was faster. */
#include "support.h"

#include <dirent.h>

#include "tools/cell/files/store.h"

TestSuite(store, .init = ws_make, .fini = ws_remove);

static struct path path;
static struct answer answer;

static void resolve(const char *name)
{
	struct files_call call = {.workspace = ws};

	answer_init(&answer);
	cr_assert_eq(path_resolve(&call, name, &path, &answer), 0);
}

static size_t count_names(void)
{
	const struct dirent *entry;
	DIR *dir = opendir(".");
	size_t n = 0;

	while ((entry = readdir(dir)))
		n++;
	(void)closedir(dir);
	return n - 2;
}

Test(store, until_the_commit_nothing_is_to_be_seen)
{
	struct store s;

	put("f", "old");
	resolve("f");
	store_init(&s);
	cr_assert_eq(store_prepare(&s, &path, "new", 3, &path.st, 0, &answer), 0);
	expect_file("f", "old");
	cr_assert_eq(count_names(), 2);
	cr_assert_eq(strncmp(s.temporary, ".f.toolcell-", 12), 0);
	cr_assert_eq(store_commit(&s, &path, false, &answer), 0);
	store_fini(&s);
	expect_file("f", "new");
	cr_assert_eq(count_names(), 1);
	answer_fini(&answer);
}

Test(store, what_is_not_committed_goes_away)
{
	struct store s;

	put("f", "old");
	resolve("f");
	store_init(&s);
	cr_assert_eq(store_prepare(&s, &path, "new", 3, &path.st, 0, &answer), 0);
	store_fini(&s);
	store_fini(&s);
	expect_file("f", "old");
	cr_assert_eq(count_names(), 1);
	answer_fini(&answer);
}

Test(store, a_file_that_changed_meanwhile_is_not_replaced)
{
	struct store s;

	put("f", "old");
	resolve("f");
	store_init(&s);
	cr_assert_eq(store_prepare(&s, &path, "new", 3, &path.st, 0, &answer), 0);
	put("f", "faster");
	cr_assert_eq(store_commit(&s, &path, false, &answer), -EPERM);
	store_fini(&s);
	cr_assert(!answer.success);
	expect_file("f", "faster");
	cr_assert_eq(count_names(), 1);
	answer_fini(&answer);
}

Test(store, a_name_that_appeared_meanwhile_is_not_replaced)
{
	struct store s;

	resolve("f");
	store_init(&s);
	cr_assert_eq(store_prepare(&s, &path, "new", 3, NULL, 0, &answer), 0);
	put("f", "faster");
	cr_assert_eq(store_commit(&s, &path, true, &answer), -EPERM);
	store_fini(&s);
	expect_file("f", "faster");
	answer_fini(&answer);
}

Test(store, the_longest_name_has_a_temporary_one)
{
	char name[NAME_MAX + 1];
	struct store s;

	memset(name, 'x', NAME_MAX);
	name[NAME_MAX] = '\0';
	resolve(name);
	store_init(&s);
	cr_assert_eq(store_prepare(&s, &path, "x", 1, NULL, 0, &answer), 0);
	cr_assert_eq(store_commit(&s, &path, true, &answer), 0);
	store_fini(&s);
	expect_file(name, "x");
	answer_fini(&answer);
}

Test(store, a_mode_can_be_asked_for_and_set_user_id_is_dropped)
{
	struct stat st;
	struct store s;

	put("old", "x");
	cr_assert_eq(chmod("old", 04755), 0);
	resolve("old");
	store_init(&s);
	cr_assert_eq(store_prepare(&s, &path, "y", 1, &path.st, 0, &answer), 0);
	cr_assert_eq(store_commit(&s, &path, false, &answer), 0);
	store_fini(&s);
	answer_fini(&answer);
	cr_assert(stat("old", &st) == 0 && (st.st_mode & 07777) == 0755);
	resolve("new");
	store_init(&s);
	cr_assert_eq(store_prepare(&s, &path, "y", 1, NULL, 0755, &answer), 0);
	cr_assert_eq(store_commit(&s, &path, true, &answer), 0);
	store_fini(&s);
	answer_fini(&answer);
	cr_assert(stat("new", &st) == 0 && (st.st_mode & 07777) == 0755);
}

Test(store, synced_stores_work_the_same)
{
	struct store s;

	cr_assert_eq(setenv("TOOLCELL_SYNC", "1", 1), 0);
	resolve("f");
	store_init(&s);
	cr_assert_eq(store_prepare(&s, &path, "x", 1, NULL, 0, &answer), 0);
	cr_assert_eq(store_commit(&s, &path, true, &answer), 0);
	store_fini(&s);
	expect_file("f", "x");
	answer_fini(&answer);
}

Test(store, a_file_above_the_cap_is_refused_before_it_is_read)
{
	struct store_file file = {0};

	put("f", "12345");
	resolve("f");
	cr_assert_eq(store_load(&path, 4, &file, &answer), -EPERM);
	cr_assert_null(file.data);
	cr_assert_not_null(strstr(answer.text.data, "f has 5 bytes; at most 4 are taken."));
	answer_fini(&answer);
	resolve("f");
	cr_assert_eq(store_load(&path, 5, &file, &answer), 0);
	cr_assert_eq(file.len, 5);
	cr_assert_str_eq(file.data, "12345");
	store_file_fini(&file);
	answer_fini(&answer);
}

Test(store, writing_through_to_a_full_device_leaves_nothing)
{
	struct store s;

	if (access("/dev/full", F_OK) < 0)
		cr_skip_test("no /dev/full");
	resolve("/dev/full");
	store_init(&s);
	cr_assert_eq(store_load(&path, 10, &(struct store_file){0}, &answer), -EPERM);
	store_fini(&s);
	answer_fini(&answer);
}
