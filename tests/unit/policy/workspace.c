/* The keys of /workspace, what a parent may make final of them, and the cells and rules they become. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "policy/plan.h"
#include "workspace/rules.h"

#define LEAST "\"syscalls\": {\"groups\": [\"base\"]}"

static char dir[] = "/tmp/toolcell-workspace-XXXXXX";
static struct policy_inputs inputs;
static struct policy policy;
static struct policy_plan plan;

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(setenv("HOME", dir, 1), 0);
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

TestSuite(workspace, .init = set_up, .fini = tear_down);

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

static void expect_error(const char *name, const char *text, const char *words)
{
	struct err err = {0};

	cr_assert_eq(load(name, text, &err), -EINVAL, "%s", text);
	cr_assert_not_null(strstr(err.text, words), "%s: %s", text, err.text);
}

Test(workspace, keys_are_read_and_wrong_ones_refused)
{
	struct err err = {0};

	cr_assert_eq(load("p",
			  "\"workspace\": {\"mode\": \"overlay\", \"fallback\": \"memory\", "
			  "\"links\": \"any\", \"sync\": false, \"driver\": [\"list\", \"fork\"], "
			  "\"protect\": [\"a/b\", {\"path\": \"**/.git\", \"only\": \"file\"}], "
			  "\"scratch\": [\"target\"]}, \"limits\": {\"session_size\": \"1GiB\", "
			  "\"session_files\": 7}",
			  &err),
		     0, "%s", err.text);
	cr_assert_eq(policy.workspace.value, POLICY_WORKSPACE_OVERLAY);
	cr_assert_eq(policy.fallback.value, IMAGE_FALLBACK_MEMORY);
	cr_assert_eq(policy.links.value, POLICY_LINKS_ANY);
	cr_assert_eq(policy.sync.value, 0);
	cr_assert_eq(policy.driver.n, 2);
	cr_assert_eq(policy.protect.n, 2);
	cr_assert_str_eq(policy.protect.at[1].value, "file");
	cr_assert_eq(policy_effective_limits(&policy, NULL).session_bytes, 1ULL << 30);
	cr_assert_eq(policy_effective_limits(&policy, NULL).session_files, 7);
	expect_error("p", "\"workspace\": {\"mode\": \"overlays\"}", "overlay");
	expect_error("p", "\"workspace\": {\"fallback\": \"yes\"}", "memory");
	expect_error("p", "\"workspace\": {\"driver\": [\"delete\"]}", "discard");
	expect_error("p", "\"workspace\": {\"protect\": [{\"only\": \"file\"}]}", "path");
	expect_error("p", "\"workspace\": {\"protect\": [{\"path\": \"a\", \"only\": \"x\"}]}",
		     "only");
	expect_error("p", "\"workspace\": {\"protect\": [{\"path\": \"a\", \"y\": 1}]}", "path");
	expect_error("p", "\"workspace\": {\"scratch\": [7]}", "scratch");
}

Test(workspace, patterns_that_are_no_path_below_the_workspace_are_refused)
{
	static const char *const wrong[] = {"/a",   "a/",    "a//b",  "../a", "a/./b",
					    "a/..", "a\\tb", "a\\nb", ""};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char text[128];
		struct err err = {0};

		(void)snprintf(text, sizeof(text), "\"workspace\": {\"protect\": [\"%s\"]}",
			       wrong[i]);
		cr_assert_eq(load("p", text, &err), -EINVAL, "\"%s\"", wrong[i]);
	}
}

Test(workspace, what_a_parent_made_final_only_becomes_stricter)
{
	struct err err = {0};

	cr_assert_eq(load("parent",
			  "\"workspace\": {\"mode\": \"overlay\", \"fallback\": \"readonly\", "
			  "\"links\": \"inside\", \"driver\": [\"list\"], \"protect\": [\".git\"], "
			  "\"scratch\": [\"target\"]}, "
			  "\"final\": [\"/workspace/mode\", \"/workspace/fallback\", "
			  "\"/workspace/links\", "
			  "\"/workspace/driver\", \"/workspace/protect\", \"/workspace/scratch\"]",
			  &err),
		     0, "%s", err.text);
#define CHILD(text) "\"extends\": \"parent\", \"workspace\": {" text "}"
	expect_error("child", CHILD("\"mode\": \"direct\""), "looser");
	expect_error("child", CHILD("\"fallback\": \"direct\""), "looser");
	expect_error("child", CHILD("\"links\": \"any\""), "looser");
	expect_error("child", CHILD("\"driver\": [\"commit\"]"), "final");
	expect_error("child", CHILD("\"scratch\": [\"src\"]"), "final");
	expect_error("child", CHILD("\"protect\": [{\"path\": \".git\", \"only\": \"file\"}]"),
		     "final");
	cr_assert_eq(load("child", CHILD("\"mode\": \"readonly\", \"protect\": [\".vscode\"]"),
			  &err),
		     0, "%s", err.text);
	cr_assert_eq(policy.protect.n, 2);
}

Test(workspace, rules_say_where_each_stands)
{
	static struct rules rules;
	struct err err = {0};
	char *text;

	cr_assert_eq(load("p",
			  "\"workspace\": {\"mode\": \"overlay\", "
			  "\"protect\": [\"a/b\", {\"path\": \"**/.git\", \"only\": \"file\"}], "
			  "\"scratch\": [\"target\"]}",
			  &err),
		     0, "%s", err.text);
	text = policy_change_rules(&policy);
	cr_assert_not_null(text);
	cr_assert_not_null(strstr(text, "P\ta/b\t"), "%s", text);
	cr_assert_not_null(strstr(text, "p.json#/workspace/protect/1\n"), "%s", text);
	cr_assert_eq(rules_parse(text, &rules, &err), 0, "%s", err.text);
	cr_assert_eq(rules.n, 3);
	cr_assert(rules.links_inside);
	cr_assert(rules.sync);
	free(text);
}

Test(workspace, an_overlay_brings_two_cells_that_see_nothing_of_the_system)
{
	struct err err = {0};
	struct image image;
	struct image_builder *b = image_builder_new();
	uint32_t first = 99;
	int fd = -1;

	cr_assert_eq(load("p", "\"workspace\": {\"mode\": \"overlay\"}", &err), 0, "%s", err.text);
	cr_assert_eq(policy_resolve(&policy, NULL, &inputs, &plan, &err), 0, "%s", err.text);
	cr_assert_eq(policy_emit(&plan, b, &first, &err), 0, "%s", err.text);
	image_builder_catalog(b, "{}", 2);
	cr_assert_eq(image_builder_seal(b, &fd, &err), 0, "%s", err.text);
	cr_assert_eq(image_map(fd, &image, &err), 0, "%s", err.text);
	cr_assert_eq(image.header->cells.count, 3);
	cr_assert_eq(image_cell(&image, 0)->flags, IMAGE_CELL_OVERLAY);
	for (uint32_t i = 1; i < 3; i++) {
		const struct image_cell *cell = image_cell(&image, i);

		cr_assert_eq(cell->flags, i == 2 ? IMAGE_CELL_EXCLUSIVE : 0);
		cr_assert_eq(cell->mounts_count, 4);
		cr_assert_eq(cell->net, IMAGE_NET_NONE);
		for (uint32_t m = 0; m < cell->mounts_count; m++) {
			const struct image_mount *mount = image_mount(&image,
								      cell->mounts_first + m);
			bool session = mount->type == IMAGE_MOUNT_DATA ||
				       mount->type == IMAGE_MOUNT_BASE;

			cr_assert_eq((mount->flags & IMAGE_MOUNT_READONLY) != 0,
				     !(session && i == 2));
		}
	}
	image_unmap(&image);
	image_builder_free(b);
	(void)close(fd);
}
