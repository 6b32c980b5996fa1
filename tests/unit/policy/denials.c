/*
 * Theory of operation: policies written into a folder, loaded, resolved and emitted; what they say of
 * /denials is looked for in the image.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "policy/plan.h"
#include "policy/syscalls.h"

#define LEAST "\"syscalls\": {\"groups\": [\"base\", \"files\", \"processes\"]}"
#define SENDS "\"syscalls\": {\"groups\": [\"base\"], \"allow\": [\"sendmsg\"]}"

static char dir[] = "/tmp/toolcell-denials-XXXXXX";
static struct policy_inputs inputs;
static struct policy policy;
static struct policy_plan plan;
static struct image image;

static void set_up(void)
{
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(setenv("HOME", "/home/u", 1), 0);
}

static void clear(void)
{
	image_unmap(&image);
	policy_plan_fini(&plan);
	policy_fini(&policy);
	policy_inputs_fini(&inputs);
}

static void tear_down(void)
{
	char command[128];

	clear();
	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(denials, .init = set_up, .fini = tear_down);

static void put(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s.json", dir, name);
	f = fopen(path, "we");
	cr_assert_not_null(f);
	cr_assert_geq(fputs(text, f), 0);
	cr_assert_eq(fclose(f), 0);
}

static int load(const char *text, struct err *err)
{
	const char *const dirs[] = {dir, NULL};

	clear();
	put("p", text);
	return policy_load("p", dirs, &inputs, &policy, err);
}

/* Into a sealed image. */
static int emit(const char *text, struct err *err)
{
	struct image_builder *b;
	uint32_t first = 0;
	int fd = -1;
	int r = load(text, err);

	if (r == 0)
		r = policy_resolve(&policy, "/tmp", &inputs, &plan, err);
	if (r < 0)
		return r;
	b = image_builder_new();
	r = policy_emit(&plan, b, &first, err);
	if (r == 0)
		r = image_builder_seal(b, &fd, err);
	image_builder_free(b);
	if (r == 0)
		r = image_map(fd, &image, err);
	fd_closep(&fd);
	return r;
}

static const struct image_cell *cell_named(const char *name)
{
	static const struct image_cell none;
	const struct image_cell *cell;

	for (uint32_t i = 0; (cell = image_cell(&image, i)); i++)
		if (strcmp(image_string(&image, cell->name), name) == 0)
			return cell;
	cr_assert_fail("no cell %s", name);
	return &none;
}

Test(denials, wrong_values_are_named_with_their_place)
{
	static const struct {
		const char *text;
		const char *says;
	} rows[] = {
		{"{\"observe\": \"everything\"}", "/denials/observe: "},
		{"{\"observe\": \"open\"}", "did you mean \"opens\"?"},
		{"{\"observe\": 1}", "/denials/observe: must be a string"},
		{"{\"absent\": \"/x\"}", "/denials/absent: must be"},
		{"{\"absent\": [\"x\"]}",
		 "/denials/absent/0: \"x\" must begin with \"/\" or a variable"},
		{"{\"absent\": [\"\"]}", "/denials/absent/0: "},
		{"{\"absent\": [\"/a\", \"/a\"]}", "listed twice"},
		{"{\"absent\": [\"/a\\nb\"]}", "control character"},
		{"{\"absent\": [\"/a\\u007f\"]}", "control character"},
		{"{\"absent\": [5]}", "/denials/absent/0"},
		{"{\"observes\": \"opens\"}", "did you mean \"observe\"?"},
		{"[]", "/denials: must be an object"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};
		char text[512];

		(void)snprintf(text, sizeof(text), "{%s, \"denials\": %s}", LEAST, rows[i].text);
		cr_expect_eq(load(text, &err), -EINVAL, "row %zu", i);
		cr_expect(strstr(err.text, rows[i].says), "row %zu: %s", i, err.text);
	}
}

Test(denials, absent_paths_are_expanded_and_clean)
{
	struct err err = {0};
	static const char *const wrong[] = {"/a/../b", "/a//b", "${HOME}/..", "${HOM}/x", "/a/"};

	cr_assert_eq(emit("{" LEAST ", \"denials\": {\"absent\": [\"/etc/x\", \"${HOME}/.config\", "
			  "\"/**/locale\"]}}",
			  &err),
		     0, "%s", err.text);
	cr_expect_str_eq(image_string(&image, cell_named("p")->absent),
			 "/etc/x\n/home/u/.config\n/**/locale\n");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char text[512];

		(void)snprintf(text, sizeof(text), "{%s, \"denials\": {\"absent\": [\"%s\"]}}",
			       LEAST, wrong[i]);
		cr_expect_eq(emit(text, &err), -EINVAL, "row %zu", i);
		cr_expect(strstr(err.text, "/denials/absent/0"), "row %zu: %s", i, err.text);
	}
}

/* A line is a pattern: a variable shall not bring one of its own. */
Test(denials, a_variable_cannot_add_patterns)
{
	struct err err = {0};

	cr_assert_eq(setenv("HOME", "/home/u\n/**", 1), 0);
	cr_expect_eq(emit("{" LEAST ", \"denials\": {\"absent\": [\"${HOME}/x\"]}}", &err),
		     -EINVAL);
	cr_expect(strstr(err.text, "control character"), "%s", err.text);
}

static const struct {
	const char *parent;
	const char *child;
	bool fine;
} finals[] = {
	{"\"denials\": {\"observe\": \"opens\"}, \"final\": [\"/denials\"]",
	 "\"denials\": {\"observe\": \"writes\"}", false},
	{"\"denials\": {\"observe\": \"opens\"}, \"final\": [\"/denials/observe\"]",
	 "\"denials\": {\"observe\": \"nothing\"}", false},
	{"\"denials\": {\"observe\": \"opens\"}, \"final\": [\"/denials\"]",
	 "\"denials\": {\"observe\": \"lookups\"}", true},
	{"\"denials\": {\"observe\": \"opens\"}, \"final\": [\"/denials\"]",
	 "\"denials\": {\"observe\": \"opens\"}", true},
	{"\"denials\": {\"observe\": \"opens\"}", "\"denials\": {\"observe\": \"nothing\"}", true},
	{"\"final\": [\"/denials/absent\"]", "\"denials\": {\"absent\": [\"/x\"]}", false},
	{"\"final\": [\"/denials/observe\"]", "\"denials\": {\"absent\": [\"/x\"]}", true},
	{"\"denials\": {\"absent\": [\"/x\"]}, \"final\": [\"/denials\"]",
	 "\"denials\": {\"absent\": [\"/x\"]}", true},
	/* A tool's section is no way around. */
	{"\"denials\": {\"observe\": \"opens\"}, \"final\": [\"/denials\"]",
	 "\"tools\": {\"Bash\": {\"denials\": {\"observe\": \"nothing\"}}}", false},
	{"\"denials\": {\"observe\": \"opens\"}, \"final\": [\"/denials/observe\"]",
	 "\"tools\": {\"Bash\": {\"denials\": {\"observe\": \"lookups\"}}}", true},
	{"\"denials\": {\"observe\": \"opens\"}, \"tools\": {\"Bash\": {\"denials\": {\"observe\": "
	 "\"refused\"}}}, \"final\": [\"/denials\"]",
	 "\"tools\": {\"Bash\": {\"denials\": {\"observe\": \"refused\"}}}", true},
	{"\"denials\": {\"observe\": \"opens\"}, \"final\": [\"/tools\"]",
	 "\"tools\": {\"Bash\": {\"denials\": {\"observe\": \"opens\"}}}", true},
	{"\"denials\": {\"observe\": \"opens\"}",
	 "\"tools\": {\"Bash\": {\"denials\": {\"observe\": \"nothing\"}}}", true},
};

Test(denials, what_a_parent_made_final_is_not_looked_at_less_closely)
{
	for (size_t i = 0; i < ARRAY_SIZE(finals); i++) {
		struct err err = {0};
		char text[640];
		int r;

		(void)snprintf(text, sizeof(text), "{%s, %s}", LEAST, finals[i].parent);
		put("parent", text);
		(void)snprintf(text, sizeof(text), "{\"extends\": \"parent\", %s}",
			       finals[i].child);
		r = load(text, &err);
		cr_expect_eq(r, finals[i].fine ? 0 : -EINVAL, "row %zu: %s", i, err.text);
		cr_expect(finals[i].fine || strstr(err.text, "final"), "row %zu: %s", i, err.text);
	}
}

Test(denials, a_tools_own_level_is_its_cells)
{
	struct err err = {0};

	cr_assert_eq(emit("{" SENDS ", \"denials\": {\"observe\": \"writes\"}, \"tools\": {"
			  "\"Grep\": {\"denials\": {\"observe\": \"refused\"}},"
			  "\"Read\": {\"denials\": {\"observe\": \"nothing\"}},"
			  "\"Bash\": {\"limits\": {\"wall\": \"1s\"}}}}",
			  &err),
		     0, "%s", err.text);
	if (cell_named("p")->watch_count == 0)
		cr_skip_test("this kernel has no notifications of seccomp");
	cr_expect_eq(cell_named("p")->observe, IMAGE_OBSERVE_WRITES);
	cr_expect_eq(cell_named("p/Grep")->observe, IMAGE_OBSERVE_REFUSED);
	cr_expect_eq(cell_named("p/Bash")->observe, IMAGE_OBSERVE_WRITES);
	cr_expect_eq(cell_named("p/Bash")->watch_first, cell_named("p")->watch_first, "made once");
	cr_expect_eq(cell_named("p/Read")->observe, IMAGE_OBSERVE_NOTHING);
	cr_expect_eq(cell_named("p/Read")->watch_count, 0);
	cr_expect_eq(load("{" SENDS
			  ", \"tools\": {\"Bash\": {\"denials\": {\"absent\": [\"/x\"]}}}}",
			  &err),
		     -EINVAL, "a tool has a level only");
}

Test(denials, without_sendmsg_nothing_can_be_watched)
{
	static const struct {
		const char *syscalls;
		bool watched;
	} rows[] = {
		{SENDS, true},
		{"\"syscalls\": {\"groups\": [\"base\"], \"allow\": [\"sendmsg\"], \"deny\": "
		 "[\"sendmsg\"]}",
		 false},
		{"\"syscalls\": {\"groups\": [\"base\"], \"deny\": [\"sendmsg\"]}", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};
		char text[512];

		(void)snprintf(text, sizeof(text), "{%s}", rows[i].syscalls);
		cr_assert_eq(emit(text, &err), 0, "%s", err.text);
		if (i == 0 && cell_named("p")->watch_count == 0)
			cr_skip_test("this kernel has no notifications of seccomp");
		cr_expect_eq(cell_named("p")->watch_count > 0, rows[i].watched, "row %zu", i);
		cr_expect_eq(cell_named("p")->observe,
			     rows[i].watched ? IMAGE_OBSERVE_OPENS : IMAGE_OBSERVE_NOTHING,
			     "row %zu", i);
	}
}

Test(denials, levels_have_names_in_reverse_order)
{
	static const char *const names[IMAGE_OBSERVE_N] = {
		[IMAGE_OBSERVE_NOTHING] = "nothing", [IMAGE_OBSERVE_REFUSED] = "refused",
		[IMAGE_OBSERVE_WRITES] = "writes",   [IMAGE_OBSERVE_OPENS] = "opens",
		[IMAGE_OBSERVE_LOOKUPS] = "lookups",
	};

	for (int i = 0; i < IMAGE_OBSERVE_N; i++) {
		struct err err = {0};
		char text[256];

		(void)snprintf(text, sizeof(text), "{%s, \"denials\": {\"observe\": \"%s\"}}",
			       LEAST, names[i]);
		cr_assert_eq(load(text, &err), 0, "%s", err.text);
		cr_expect_eq((int)policy_observe(&policy, NULL), i);
	}
}
