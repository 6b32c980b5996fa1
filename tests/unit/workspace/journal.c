/* Theory of operation: a journal and a baseline written, read back, torn and damaged. */
#include "changes_fixture.h"

#include "base/buf.h"
#include "workspace/baseline.h"
#include "workspace/branch.h"
#include "workspace/journal.h"

static int dir = -1;

static void open_dir(void)
{
	struct err err = {0};

	setup();
	cr_assert_eq(branch_open(source.data, 1, &dir, &err), 0, "%s", err.text);
}

static int write_ops(const char *const *paths, uint32_t n, uint32_t link, struct journal *ret)
{
	struct buf ops = {0};
	struct err err = {0};
	int r;

	for (uint32_t i = 0; i < n; i++) {
		const struct journal_op op = {.kind = JOURNAL_PUT, .link = link};

		cr_assert_eq(journal_add(&ops, &op, paths[i]), 0);
	}
	r = journal_write(dir, "k3f9abcd", 0, &ops, n, ret, &err);
	buf_fini(&ops);
	return r;
}

Test(journal, is_read_back_with_its_marks, .init = open_dir, .fini = teardown)
{
	static const char *const paths[] = {"a", "some/where/else"};
	const struct stat st = {.st_ino = 7};
	struct err err = {0};
	struct journal j;

	cr_assert_eq(write_ops(paths, 2, JOURNAL_NONE, &j), 0);
	cr_assert_eq(journal_mark(&j, 1, JOURNAL_DONE, &st, &err), 0);
	/* A torn one. */
	cr_assert_eq(write(j.fd, "torn", 4), 4);
	journal_fini(&j);
	cr_assert_eq(journal_read(dir, &j, &err), 0, "%s", err.text);
	cr_expect_eq(j.header->n, 2);
	cr_expect_str_eq(journal_path(j.ops[1]), "some/where/else");
	cr_expect_eq(j.marks[0].state, JOURNAL_OPEN);
	cr_expect_eq(j.marks[1].state, JOURNAL_DONE);
	cr_expect_eq(j.marks[1].ino, 7);
	cr_assert_eq(journal_mark(&j, JOURNAL_NONE, JOURNAL_DONE, NULL, &err), 0);
	journal_fini(&j);
	cr_assert_eq(journal_read(dir, &j, &err), 0, "%s", err.text);
	cr_expect(j.clearing);
	journal_fini(&j);
}

Test(journal, refuses_paths_that_lead_elsewhere, .init = open_dir, .fini = teardown)
{
	static const char *const bad[] = {"",	  "/etc/passwd",
					  "../x", "a/../b",
					  "a//b", "a/",
					  "./a",  "a/.toolcell-k3f9abcd-1.new"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct journal j;

		journal_init(&j);
		cr_expect_eq(write_ops(&bad[i], 1, JOURNAL_NONE, &j), -EINVAL, "row %zu", i);
		journal_fini(&j);
	}
}

Test(journal, refuses_links_that_do_not_lead_back, .init = open_dir, .fini = teardown)
{
	static const char *const paths[] = {"a", "b"};
	struct journal j;

	journal_init(&j);
	cr_expect_eq(write_ops(paths, 2, 1, &j), -EINVAL);
	journal_fini(&j);
}

Test(journal, refuses_every_cut, .init = open_dir, .fini = teardown)
{
	static const char *const paths[] = {"a", "b"};
	struct err err = {0};
	struct journal j;
	char *data;
	size_t len;

	cr_assert_eq(write_ops(paths, 2, JOURNAL_NONE, &j), 0);
	journal_fini(&j);
	cr_assert_eq(branch_read(dir, JOURNAL_FILE, 65536, &data, &len, &err), 0);
	for (size_t cut = 0; cut < len; cut++) {
		cr_assert_eq(branch_replace(dir, JOURNAL_FILE, data, cut, &err), 0);
		cr_expect_eq(journal_read(dir, &j, &err), -EINVAL, "%zu bytes", cut);
	}
	free(data);
}

Test(journal, knows_names_of_temporaries)
{
	cr_expect(journal_is_temporary(".toolcell-k3f9abcd-12.tmp"));
	cr_expect(journal_is_temporary("a/.toolcell-k3f9abcd-12.old/b"));
	cr_expect_not(journal_is_temporary(".toolcell-policy.json"));
	cr_expect_not(journal_is_temporary("toolcell-x.tmp"));
}

Test(baseline, keeps_the_newest_entry_of_each_path, .init = open_dir, .fini = teardown)
{
	struct baseline_entry first[] = {{"b", 1, 2, 3, 4}, {"a", 1, 5, 3, 4}};
	struct baseline_entry second[] = {{"c", 0, 0, 0, 0}, {"a", 1, 6, 3, 4}};
	struct stat st = {.st_dev = 1, .st_ino = 5, .st_ctim = {3, 4}};
	struct baseline empty = {0};
	struct baseline b;
	struct err err = {0};

	cr_assert_eq(baseline_write(dir, &empty, first, 2, &err), 0, "%s", err.text);
	cr_assert_eq(baseline_read(source.data, 1, &b, &err), 0, "%s", err.text);
	cr_expect(baseline_has(&b, "a", &st));
	cr_assert_eq(baseline_write(dir, &b, second, 2, &err), 0, "%s", err.text);
	baseline_fini(&b);
	cr_assert_eq(baseline_read(source.data, 1, &b, &err), 0, "%s", err.text);
	cr_expect_eq(b.n, 3);
	cr_expect_not(baseline_has(&b, "a", &st));
	st.st_ino = 6;
	cr_expect(baseline_has(&b, "a", &st));
	cr_expect(baseline_has(&b, "c", NULL));
	cr_expect_not(baseline_has(&b, "a", NULL));
	cr_expect_not(baseline_has(&b, "d", &st));
	baseline_fini(&b);
}

Test(baseline, that_is_damaged_is_refused, .init = open_dir, .fini = teardown)
{
	struct baseline_entry first[] = {{"b", 1, 2, 3, 4}};
	struct baseline b = {0};
	struct err err = {0};
	char *data;
	size_t len;

	cr_assert_eq(baseline_write(dir, &b, first, 1, &err), 0);
	cr_assert_eq(branch_read(dir, BASELINE_FILE, 65536, &data, &len, &err), 0);
	for (size_t cut = 0; cut < len; cut++) {
		cr_assert_eq(branch_replace(dir, BASELINE_FILE, data, cut, &err), 0);
		cr_expect_eq(baseline_read(source.data, 1, &b, &err), -EINVAL, "%zu bytes", cut);
	}
	free(data);
}
