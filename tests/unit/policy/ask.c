/* "ask": its keys, what a parent may make final of them, and the cells that answers become. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "policy/plan.h"

#define LEAST "\"syscalls\": {\"groups\": [\"base\"]}"
#define TOOL(text) "\"tools\": {\"Bash\": " text "}"
#define ASK(text) TOOL("{\"ask\": " text "}")
#define WRITE(text) "\"filesystem\": {\"write\": [" text "]}"

static char dir[] = "/tmp/toolcell-ask-XXXXXX";
static struct policy_inputs inputs;
static struct policy policy;
static struct policy_plan plan;

static void set_up(void)
{
	char path[64];

	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(setenv("HOME", dir, 1), 0);
	for (char c = 'a'; c <= 'e'; c++) {
		(void)snprintf(path, sizeof(path), "%s/%c", dir, c);
		cr_assert_eq(mkdir(path, 0755), 0);
	}
}

static void tear_down(void)
{
	char command[128];

	policy_plan_fini(&plan);
	policy_fini(&policy);
	policy_inputs_fini(&inputs);
	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(ask, .init = set_up, .fini = tear_down);

static int load(const char *name, const char *text, struct err *err)
{
	const char *const dirs[] = {dir, NULL};
	char path[128];
	FILE *f;

	policy_fini(&policy);
	(void)snprintf(path, sizeof(path), "%s/%s.json", dir, name);
	f = fopen(path, "we");
	cr_assert_not_null(f);
	cr_assert_geq(fprintf(f, "{\"name\": \"%s\", " LEAST ", %s}", name, text), 0);
	cr_assert_eq(fclose(f), 0);
	return policy_load(name, dirs, &inputs, &policy, err);
}

static void need_load(const char *name, const char *text)
{
	struct err err = {0};

	cr_assert_eq(load(name, text, &err), 0, "%s: %s", text, err.text);
}

static void resolve(const char *text)
{
	struct err err = {0};

	need_load("p", text);
	cr_assert_eq(policy_resolve(&policy, NULL, &inputs, &plan, &err), 0, "%s", err.text);
}

Test(ask, is_off_and_has_limits_when_nobody_says_so)
{
	need_load("p", TOOL("{}"));
	cr_assert_eq(policy.tools[0].ask.value, 0);
	cr_assert_eq(policy.ask_timeout.value, 5 * 60 * 1000);
	cr_assert_eq(policy.ask_session.value, 1);
}

Test(ask, keys_are_read)
{
	need_load("p", "\"ask\": {\"timeout\": \"30s\", \"session\": false}, " ASK(
			       "{\"patterns\": [\"git:*\", \"ls\"]}"));
	cr_assert_eq(policy.ask_timeout.value, 30000);
	cr_assert_eq(policy.ask_session.value, 0);
	cr_assert_eq(policy.tools[0].ask.value, 1);
	cr_assert_eq(policy.tools[0].ask_patterns.n, 2);
	cr_assert_str_eq(policy.tools[0].ask.origin.pointer, "/tools/Bash/ask");
	cr_assert_str_eq(policy.tools[0].ask_patterns.at[1].origin.pointer,
			 "/tools/Bash/ask/patterns/1");
}

Test(ask, wrong_keys_are_refused)
{
	static const struct {
		const char *text;
		const char *words;
	} rows[] = {
		{ASK("1"), "/tools/Bash/ask: must be true, false or an object"},
		{ASK("\"yes\""), "/tools/Bash/ask: must be"},
		{ASK("[]"), "/tools/Bash/ask: must be"},
		{ASK("{}"), "with \"patterns\""},
		{ASK("{\"patterns\": []}"), "with \"patterns\""},
		{ASK("{\"patterns\": {}}"), "with \"patterns\""},
		{ASK("{\"patterns\": [1]}"), "/tools/Bash/ask/patterns/0: must be a string"},
		{ASK("{\"patterns\": [\"\"]}"), "must not be empty"},
		{ASK("{\"patterns\": [\"a\", \"a\"]}"), "listed twice"},
		{ASK("{\"pattern\": [\"a\"]}"), "unknown key \"pattern\""},
		{"\"ask\": true", "/ask: must be an object"},
		{"\"ask\": {\"timeout\": 5}", "/ask/timeout: must be a string"},
		{"\"ask\": {\"timeout\": \"5\"}", "a time with its unit"},
		{"\"ask\": {\"timeout\": \"1ms\"}", "out of range"},
		{"\"ask\": {\"timeout\": \"25h\"}", "out of range"},
		{"\"ask\": {\"time\": \"25h\"}", "unknown key \"time\""},
		{WRITE("{\"path\": \"/a\", \"ask\": 1}"), "must be true or false"},
		{"\"filesystem\": {\"tmpfs\": [{\"path\": \"/a\", \"size\": \"1MiB\", \"ask\": "
		 "true}]}",
		 "unknown key \"ask\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};

		cr_assert_eq(load("p", rows[i].text, &err), -EINVAL, "row %zu", i);
		cr_expect_not_null(strstr(err.text, rows[i].words), "row %zu: %s", i, err.text);
	}
}

static void expect_child(const char *parent, const char *child, const char *words)
{
	struct err err = {0};
	char text[512];

	need_load("parent", parent);
	(void)snprintf(text, sizeof(text), "\"extends\": \"parent\", %s", child);
	if (!words) {
		need_load("child", text);
		return;
	}
	cr_assert_eq(load("child", text, &err), -EINVAL, "%s", child);
	cr_expect_not_null(strstr(err.text, words), "%s: %s", child, err.text);
}

Test(ask, a_child_may_take_it_away_unless_it_is_final)
{
	expect_child(ASK("true"), ASK("false"), NULL);
	cr_assert_eq(policy.tools[0].ask.value, 0);
	expect_child(ASK("true") ", \"final\": [\"/tools/Bash/ask\"]", ASK("false"),
		     "is looser than");
	expect_child(ASK("true") ", \"final\": [\"/tools\"]", ASK("false"), "is looser than");
	expect_child(ASK("true") ", \"final\": [\"/tools/Bash/ask\"]",
		     ASK("{\"patterns\": [\"ls\"]}"), "cannot be added");
	expect_child(ASK("true") ", \"final\": [\"/tools/Bash/ask\"]", TOOL("false"), NULL);
}

Test(ask, a_child_may_ask_more_though_it_is_final)
{
	static const char parent[] = ASK(
		"{\"patterns\": [\"ls\", \"git:*\"]}") ", \"final\": [\"/tools\"]";

	expect_child(parent, ASK("true"), NULL);
	cr_assert_eq(policy.tools[0].ask_patterns.n, 0);
	expect_child(parent, ASK("{\"patterns\": [\"ls\"]}"), NULL);
	cr_assert_eq(policy.tools[0].ask_patterns.n, 1);
	expect_child(parent, ASK("{\"patterns\": [\"ls\", \"rm:*\"]}"), "cannot be added");
	expect_child(TOOL("{}") ", \"final\": [\"/tools\"]", ASK("{\"patterns\": [\"ls\"]}"), NULL);
	cr_assert_eq(policy.tools[0].ask.value, 1);
}

Test(ask, how_questions_stand_can_be_final)
{
	static const char parent[] = "\"ask\": {\"timeout\": \"1min\", \"session\": false}, "
				     "\"final\": [\"/ask\"]";

	expect_child(parent, "\"ask\": {\"timeout\": \"30s\"}", NULL);
	expect_child(parent, "\"ask\": {\"timeout\": \"2min\"}", "is looser than");
	expect_child(parent, "\"ask\": {\"session\": true}", "is looser than");
}

Test(ask, an_entry_of_a_final_list_can_be_asked_about_but_not_freed)
{
	static const char plain[] = WRITE("\"/a\"") ", \"final\": [\"/filesystem/write\"]";
	static const char asked[] = WRITE(
		"{\"path\": \"/a\", \"ask\": true}") ", \"final\": [\"/filesystem/write\"]";

	expect_child(plain, WRITE("{\"path\": \"/a\", \"ask\": true}"), NULL);
	cr_assert(policy.entries[0].ask);
	cr_assert_eq(policy.n_entries, 1);
	expect_child(asked, WRITE("\"/a\""), "a parent made this list final");
	expect_child(asked, WRITE("{\"path\": \"/a\", \"ask\": true}"), NULL);
	expect_child(plain, WRITE("{\"path\": \"/a\", \"ask\": true, \"optional\": true}"),
		     "a parent made this list final");
	expect_child(plain, WRITE("{\"path\": \"/b\", \"ask\": true}"),
		     "a parent made this list final");
}

static const struct policy_mount *mount_at(const char *target, bool asks)
{
	for (size_t i = 0; i < plan.n_mounts; i++)
		if (plan.mounts[i].target && strstr(plan.mounts[i].target, target) &&
		    (plan.mounts[i].ask != 0) == asks)
			return &plan.mounts[i];
	cr_assert_fail("no mount at %s", target);
	return NULL;
}

Test(ask, entries_are_numbered_by_their_place)
{
	resolve(WRITE("{\"path\": \"${HOME}/c\", \"ask\": true}, \"${HOME}/b\", "
		      "{\"path\": \"${HOME}/a\", \"ask\": true}"));
	cr_assert_eq(plan.n_asks, 2);
	cr_assert_eq(mount_at("/a", true)->ask, 1);
	cr_assert_eq(mount_at("/c", true)->ask, 2);
	cr_assert(policy_plan_has(&plan, mount_at("/b", false), 0));
	cr_assert_not(policy_plan_has(&plan, mount_at("/a", true), 2));
	cr_assert(policy_plan_has(&plan, mount_at("/a", true), 3));
}

Test(ask, more_than_four_are_refused)
{
	struct err err = {0};

	need_load("p",
		  WRITE("{\"path\": \"${HOME}/a\", \"ask\": true}, {\"path\": \"${HOME}/b\", "
			"\"ask\": true}, {\"path\": \"${HOME}/c\", \"ask\": true}, {\"path\": "
			"\"${HOME}/d\", \"ask\": true}, {\"path\": \"${HOME}/e\", \"ask\": true}"));
	cr_assert_eq(policy_resolve(&policy, NULL, &inputs, &plan, &err), -EINVAL);
	cr_assert_not_null(strstr(err.text, "/filesystem/write/4: more than 4 entries"), "%s",
			   err.text);
	cr_assert_eq(plan.n_mounts, 0);
}

Test(ask, writing_may_be_asked_where_reading_is_granted)
{
	struct err err = {0};

	resolve("\"filesystem\": {\"read\": [\"${HOME}/a\"], "
		"\"write\": [{\"path\": \"${HOME}/a\", \"ask\": true}]}");
	cr_assert(policy_plan_has(&plan, mount_at("/a", false), 0));
	cr_assert_not(policy_plan_has(&plan, mount_at("/a", false), 1));
	cr_assert(policy_plan_has(&plan, mount_at("/a", true), 1));
	policy_plan_fini(&plan);
	need_load("p", "\"filesystem\": {\"write\": [\"${HOME}/a\"], "
		       "\"read\": [{\"path\": \"${HOME}/a\", \"ask\": true}]}");
	cr_assert_eq(policy_resolve(&policy, NULL, &inputs, &plan, &err), -EINVAL);
	cr_assert_not_null(strstr(err.text, "is already taken"), "%s", err.text);
}

static struct image seal(uint32_t *ret_first)
{
	struct image_builder *b = image_builder_new();
	struct image image;
	struct err err = {0};
	int fd = -1;

	cr_assert_not_null(b);
	cr_assert_eq(policy_emit(&plan, b, ret_first, &err), 0, "%s", err.text);
	image_builder_catalog(b, "{}", 2);
	cr_assert_eq(image_builder_seal(b, &fd, &err), 0, "%s", err.text);
	cr_assert_eq(image_map(fd, &image, &err), 0, "%s", err.text);
	close(fd);
	image_builder_free(b);
	return image;
}

/* Whether the cell has a mount, and a rule of Landlock, for a path that ends so. */
static bool cell_has(const struct image *image, const struct image_cell *cell, const char *end)
{
	bool mounted = false;
	bool ruled = false;

	for (uint32_t i = 0; i < cell->mounts_count; i++) {
		const char *target =
			image_string(image, image_mount(image, cell->mounts_first + i)->target);

		mounted = mounted || (target && strcmp(target + strlen(dir), end) == 0 &&
				      strncmp(target, dir, strlen(dir)) == 0);
	}
	for (uint32_t i = 0; i < cell->rules_count; i++) {
		const char *path = image_string(image,
						image_rule(image, cell->rules_first + i)->path);

		ruled = ruled || (path && strncmp(path, dir, strlen(dir)) == 0 &&
				  strcmp(path + strlen(dir), end) == 0);
	}
	cr_assert_eq(mounted, ruled, "%s", end);
	return mounted;
}

Test(ask, every_set_of_answers_has_its_cells)
{
	uint32_t first = UINT32_MAX;
	struct image image;
	uint32_t behind;

	resolve(WRITE("{\"path\": \"${HOME}/a\", \"ask\": true}, {\"path\": \"${HOME}/b\", "
		      "\"ask\": true}, \"${HOME}/c\"") ", " TOOL("{\"ask\": true}") ", "
										    "\"workspace\":"
										    " {\"mode\": "
										    "\"overlay\"}");
	cr_assert_eq(policy_n_cells(&policy), 2);
	image = seal(&first);
	cr_assert_eq(first, 0);
	cr_assert_eq(image.header->cells.count, 2 * 4 + POLICY_CHANGES_CELLS);
	behind = 2 + POLICY_CHANGES_CELLS;
	for (uint32_t set = 0; set < 4; set++)
		for (uint32_t tool = 0; tool < 2; tool++) {
			uint32_t index = set == 0 ? tool : behind + (set - 1) * 2 + tool;
			const struct image_cell *cell = image_cell(&image, index);
			const char *name = image_string(&image, cell->name);
			char want[32];

			(void)snprintf(want, sizeof(want), "p%s", tool ? "/Bash" : "");
			if (set > 0)
				(void)snprintf(want + strlen(want), sizeof(want) - strlen(want),
					       "/ask/%u", set);
			cr_expect_str_eq(name, want);
			cr_expect_eq(cell_has(&image, cell, "/a"), (set & 1) != 0, "%s", name);
			cr_expect_eq(cell_has(&image, cell, "/b"), (set & 2) != 0, "%s", name);
			cr_expect(cell_has(&image, cell, "/c"), "%s", name);
		}
	image_unmap(&image);
}

Test(ask, too_many_cells_are_refused_by_name)
{
	struct image_builder *b = image_builder_new();
	char text[4096] = WRITE(
		"{\"path\": \"${HOME}/a\", \"ask\": true}, {\"path\": \"${HOME}/b\", "
		"\"ask\": true}, {\"path\": \"${HOME}/c\", \"ask\": true}, {\"path\": "
		"\"${HOME}/d\", \"ask\": true}") ", \"tools\": {\"t0\": {}";
	struct err err = {0};
	uint32_t first;

	for (int i = 1; i < 16; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), ", \"t%d\": {}",
			       i);
	(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "}");
	resolve(text);
	cr_assert_eq(policy_emit(&plan, b, &first, &err), -EINVAL);
	cr_assert_not_null(strstr(err.text,
				  "/filesystem/write/0: 17 cells for tools times 16 sets"),
			   "%s", err.text);
	image_builder_free(b);
}
