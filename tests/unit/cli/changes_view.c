/* A changeset for people: letters, sizes, reasons; nothing that a name could do to the terminal. */
#include "cli/changes_view.h"

#include <criterion/criterion.h>
#include <string.h>

#include "wire/changes.h"

static char *listed(const char *json, bool color)
{
	json_t *changes = json_loads(json, 0, NULL);
	struct buf out = {0};

	cr_assert_not_null(changes, "%s", json);
	cr_assert_eq(changes_view_list(&out, changes, color), 0);
	json_decref(changes);
	return buf_take(&out, NULL);
}

static const struct {
	const char *file;
	const char *line;
} rows[] = {
	{"{\"path\":\"a\",\"kind\":\"added\",\"old_size\":null,\"new_size\":5,\"verdict\":"
	 "\"free\"}",
	 "A  a  5 B\n"},
	{"{\"path\":\"a\",\"kind\":\"modified\",\"old_size\":1024,\"new_size\":2048}",
	 "M  a  1 KiB -> 2 KiB\n"},
	{"{\"path\":\"b\",\"from\":\"a\",\"kind\":\"renamed\"}", "R  a -> b\n"},
	{"{\"path\":\"a\",\"kind\":\"added\",\"binary\":true}", "A  a  binary\n"},
	{"{\"path\":\".git/hooks/x\",\"kind\":\"added\",\"verdict\":\"protected\","
	 "\"rule\":\"policies/base/build.json#/workspace/protect/0\"}",
	 "A  .git/hooks/x  held: policies/base/build.json#/workspace/protect/0\n"},
	{"{\"path\":\"l\",\"kind\":\"symlink\",\"verdict\":\"link_out\"}",
	 "L  l  held: the link leads out of the workspace\n"},
	{"{\"path\":\"a\\nA  forged\",\"kind\":\"deleted\"}", "D  a\xef\xbf\xbd"
							      "A  forged\n"},
	{"{\"path\":\"\\u001b[2Jx\",\"kind\":\"type\"}", "T  x\n"},
	{"{\"kind\":7,\"path\":[],\"old_size\":-1}", "?  ?\n"},
	{"5", "?  ?\n"},
};

Test(changes_view, has_a_line_for_each_change)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char json[512];
		char *text;

		(void)snprintf(json, sizeof(json), "{\"files\":[%s]}", rows[i].file);
		text = listed(json, false);
		cr_assert_str_eq(text, rows[i].line, "row %zu: %s", i, text);
		free(text);
	}
}

Test(changes_view, says_that_there_is_more)
{
	char *text = listed("{\"files\":[],\"truncated\":true}", false);

	cr_assert_not_null(strstr(text, "and more"));
	free(text);
}

Test(changes_view, explains_a_conflict_with_its_remedy)
{
	cr_assert_not_null(strstr(changes_view_why("conflict"), "--overwrite"));
	cr_assert_null(changes_view_why("free"));
	cr_assert_null(changes_view_why("nonesuch"));
	cr_assert_null(changes_view_why(NULL));
}

Test(changes_view, counts_what_there_is)
{
	const uint64_t kinds[CHANGES_KINDS] = {2, 1, 0, 0, 0, 0, 3};
	json_t *changes = json_pack("{si si si}", "added", 2, "deleted", 0, "mode", -4);
	char text[200];

	cr_assert_str_eq(changes_view_kinds(kinds, text, sizeof(text)),
			 "2 added, 1 modified, 3 other types");
	cr_assert_str_eq(changes_view_counts(changes, text, sizeof(text)), "2 added");
	cr_assert_str_eq(changes_view_counts(NULL, text, sizeof(text)), "");
	cr_assert_str_eq(changes_view_kinds(kinds, text, 12), "2 added");
	json_decref(changes);
}

Test(changes_view, takes_the_tools_own_data_too)
{
	json_t *data = json_loads("{\"changes\":[{\"path\":\"a\",\"kind\":\"added\"}],"
				  "\"counts\":{\"added\":1,\"held\":0}}",
				  0, NULL);
	struct buf out = {0};
	char text[64];

	cr_assert_eq(changes_view_list(&out, data, false), 0);
	cr_assert_str_eq(out.data, "A  a\n");
	cr_assert_str_eq(changes_view_counts(data, text, sizeof(text)), "1 added");
	cr_assert(!changes_view_held(data));
	buf_fini(&out);
	json_decref(data);
}

static const struct {
	const char *json;
	bool held;
} holding[] = {
	{"{}", false},
	{"{\"held\":0}", false},
	{"{\"held\":2}", true},
	{"{\"held\":[]}", false},
	{"{\"held\":[{}]}", true},
	{"{\"held_count\":3}", true},
	{"{\"counts\":{\"held\":1}}", true},
	{"{\"files\":[{\"verdict\":\"free\"}]}", false},
	{"{\"changes\":[{\"verdict\":\"conflict\"}]}", true},
};

Test(changes_view, knows_when_something_is_held)
{
	for (size_t i = 0; i < ARRAY_SIZE(holding); i++) {
		json_t *data = json_loads(holding[i].json, 0, NULL);

		cr_assert_eq(changes_view_held(data), holding[i].held, "row %zu", i);
		json_decref(data);
	}
}

Test(changes_view, tells_what_a_commit_did_and_held_back)
{
	json_t *data = json_loads("{\"committed\":[{\"path\":\"a\",\"kind\":\"added\"}],\"held\":["
				  "{\"path\":\"b\",\"kind\":\"modified\",\"verdict\":\"protected\","
				  "\"rule\":\"p#/0\"},"
				  "{\"path\":\"c\",\"kind\":\"deleted\",\"verdict\":\"free\","
				  "\"reason\":\"the folder\\nis gone\"}]}",
				  0, NULL);
	struct buf out = {0};

	cr_assert_eq(changes_view_told(&out, data, false), 0);
	cr_assert_str_eq(out.data, "committed:\nA  a\nheld:\nM  b  held: p#/0\n"
				   "D  c  the folder\xef\xbf\xbdis gone\n");
	buf_fini(&out);
	json_decref(data);
}

Test(changes_view, counts_lines_of_a_diff)
{
	json_t *data = json_loads("{\"files\":[{\"path\":\"x\",\"added\":3,\"removed\":1},"
				  "{\"path\":\"y\",\"binary\":true}]}",
				  0, NULL);
	struct buf out = {0};

	cr_assert_eq(changes_view_stat(&out, data, false), 0);
	cr_assert_str_eq(out.data, "x                                        +3      -1\n"
				   "y                                        binary\n");
	buf_fini(&out);
	json_decref(data);
}
