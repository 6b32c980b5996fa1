/*
 * Theory of operation: policies that are written for the test are resolved in a made-up home and
 * compared mount by mount; then the whole way into a sealed image and out of image_map again.
 */
#include "policy/plan.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/audit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "confine/program.h"

#define LEAST "\"syscalls\": {\"groups\": [\"base\"]}"

static char dir[] = "/tmp/toolcell-plan-XXXXXX";
static struct policy_inputs inputs;
static struct policy policy;
static struct policy_plan plan;

static void set_up(void)
{
	char path[128];

	cr_assert_not_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/home", dir);
	cr_assert_eq(mkdir(path, 0755), 0);
	cr_assert_eq(setenv("HOME", path, 1), 0);
	cr_assert_eq(unsetenv("CARGO_HOME"), 0);
	cr_assert_eq(unsetenv("RUSTUP_HOME"), 0);
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

TestSuite(plan, .init = set_up, .fini = tear_down);

static int resolve(const char *text, const char *workspace, struct err *err)
{
	const char *const dirs[] = {dir, NULL};
	char path[128];
	FILE *f;

	policy_plan_fini(&plan);
	policy_fini(&policy);
	(void)snprintf(path, sizeof(path), "%s/p.json", dir);
	f = fopen(path, "we");
	cr_assert_not_null(f);
	cr_assert_geq(fputs(text, f), 0);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(policy_load("p", dirs, &inputs, &policy, err), 0, "%s", err->text);
	return policy_resolve(&policy, workspace, &inputs, &plan, err);
}

static const struct policy_mount *find(const char *target)
{
	for (size_t i = 0; i < plan.n_mounts; i++)
		if (plan.mounts[i].target && strcmp(plan.mounts[i].target, target) == 0)
			return &plan.mounts[i];
	return NULL;
}

static const struct policy_mount *need(const char *target)
{
	static const struct policy_mount none;
	const struct policy_mount *m = find(target);

	cr_assert_not_null(m, "no mount at %s", target);
	return m ? m : &none;
}

Test(plan, variables_are_expanded_and_noted)
{
	static const struct {
		const char *text;
		const char *want; /* NULL: an error */
	} rows[] = {
		{"plain", "plain"},
		{"", ""},
		{"${HOME}/x", "/h/x"},
		{"a${HOME}b${HOME}", "a/hb/h"},
		{"${CARGO_HOME}", "/h/.cargo"},
		{"${RUSTUP_HOME}", "/r"},
		{"$HOME", "$HOME"},
		{"$${HOME}", "${HOME}"},
		{"$", "$"},
		{"$$", "$$"},
		{"${HOM}", NULL},
		{"${", NULL},
		{"${}", NULL},
		{"${HOME", NULL},
		{"${PATH}", NULL},
	};

	cr_assert_eq(setenv("HOME", "/h/", 1), 0);
	cr_assert_eq(setenv("RUSTUP_HOME", "/r", 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *got = NULL;
		struct err err = {0};
		int r = policy_expand(rows[i].text, &inputs, &got, &err);

		cr_assert_eq(r, rows[i].want ? 0 : -EINVAL, "row %zu: %s", i, err.text);
		if (rows[i].want)
			cr_assert_str_eq(got, rows[i].want, "row %zu", i);
		free(got);
	}
	cr_assert_eq(inputs.n, 3);
	cr_assert_eq(inputs.at[0].type, IMAGE_INPUT_ENV);
	cr_assert_str_eq(inputs.at[0].value, "/h/");
}

Test(plan, a_home_that_is_no_place_for_mounts_is_refused)
{
	static const char *const bad[] = {"/", "relative", "/a/../b", "//a", "///"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *got = NULL;
		struct err err = {0};

		cr_assert_eq(setenv("HOME", bad[i], 1), 0);
		cr_assert_eq(policy_expand("${HOME}", &inputs, &got, &err), -EINVAL, "%s", bad[i]);
		cr_assert_null(got);
	}
}

Test(plan, parents_come_before_children)
{
	struct err err = {0};

	cr_assert_eq(resolve("{" LEAST ", \"filesystem\": {"
			     "\"tmpfs\": [{\"path\": \"/b/c\", \"size\": \"1MiB\"}, {\"path\": "
			     "\"/b-x\", \"size\": \"1MiB\"},"
			     "{\"path\": \"/b\", \"size\": \"1MiB\"}],"
			     "\"symlinks\": [{\"path\": \"/b/c/d\", \"target\": \"x\"}]}}",
			     NULL, &err),
		     0, "%s", err.text);
	cr_assert_str_eq(plan.mounts[0].target, "/b");
	cr_assert_str_eq(plan.mounts[1].target, "/b/c");
	cr_assert_str_eq(plan.mounts[2].target, "/b/c/d");
	cr_assert_str_eq(plan.mounts[3].target, "/b-x");
	cr_assert_eq(plan.mounts[4].type, IMAGE_MOUNT_WORKSPACE);
	cr_assert_eq(plan.n_mounts, 5);
	cr_assert_eq(plan.mounts[0].inodes, 1024);
}

Test(plan, conflicts_name_both_places)
{
	static const struct {
		const char *filesystem;
		const char *says;
	} rows[] = {
		{"\"read\": [\"/usr\"], \"tmpfs\": [{\"path\": \"/usr\", \"size\": \"1MiB\"}]}",
		 "/usr is already taken by "},
		{"\"files\": [{\"path\": \"/a\", \"content\": \"\"}, {\"path\": \"/a/b\", "
		 "\"content\": \"\"}]}",
		 "which is no folder"},
		{"\"read\": [\"/usr\"], \"files\": [{\"path\": \"/usr/not-there\", \"content\": "
		 "\"\"}]}",
		 "cannot be made below /usr"},
		{"\"proc\": \"pid\", \"files\": [{\"path\": \"/proc/x\", \"content\": \"\"}]}",
		 "would cover a part of /proc"},
		{"\"read\": [\"/no/such/path\"]}",
		 "does not exist on this host; add \"optional\": true"},
		{"\"read\": [\"/usr/../etc\"]}", "no clean path"},
		{"\"read\": [\"/\"]}", "no clean path"},
		{"\"read\": [\"/proc/self/root\"]}", "the whole host is never granted"},
		{"\"read\": [\"/usr/\"]}", "no clean path"},
		{"\"read\": [{\"path\": \"/usr\", \"target\": \"usr\"}]}", "no clean path"},
		{"\"read\": [\"/dev/null\"]}", "neither a folder nor a regular file"},
		{"\"read\": [\"${CARGO_HOM}\"]}",
		 "/filesystem/read/0: unknown variable \"${CARGO_HOM}\"; did you mean "
		 "\"${CARGO_HOME}\"?"},
		{"\"overlay\": [{\"path\": \"/etc/passwd\", \"size\": \"1MiB\"}]}",
		 "must be a folder"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[512];
		struct err err = {0};

		(void)snprintf(text, sizeof(text), "{" LEAST ", \"filesystem\": {%s}",
			       rows[i].filesystem);
		cr_assert_eq(resolve(text, NULL, &err), -EINVAL, "row %zu", i);
		cr_assert_not_null(strstr(err.text, rows[i].says), "row %zu: %s", i, err.text);
		cr_assert_not_null(strstr(err.text, "p.json:1:"), "row %zu: %s", i, err.text);
		cr_assert_eq(plan.n_mounts, 0);
	}
}

Test(plan, nothing_is_mounted_within_the_workspace)
{
	static const char text[] =
		"{" LEAST
		", \"filesystem\": {\"tmpfs\": [{\"path\": \"/a/b\", \"size\": \"1MiB\"}]}}";
	struct err err = {0};

	cr_assert_eq(resolve(text, "/a/b", &err), -EINVAL);
	cr_assert_eq(resolve(text, "/a", &err), -EINVAL);
	cr_assert_not_null(strstr(err.text, "within the workspace"), "%s", err.text);
	cr_assert_eq(resolve(text, "/a/b/c", &err), 0, "%s", err.text);
	cr_assert_eq(resolve(text, "/a/bc", &err), 0, "%s", err.text);
}

Test(plan, links_are_mirrored_when_their_end_is_granted_and_resolved_otherwise)
{
	char text[1024];
	char path[256];
	struct err err = {0};

	(void)snprintf(path, sizeof(path), "%s/real", dir);
	cr_assert_eq(mkdir(path, 0755), 0);
	(void)snprintf(path, sizeof(path), "%s/link", dir);
	cr_assert_eq(symlink("real", path), 0);
	(void)snprintf(text, sizeof(text),
		       "{" LEAST ", \"filesystem\": {\"read\": [\"%s/real\", \"%s/link\"]}}", dir,
		       dir);
	cr_assert_eq(resolve(text, NULL, &err), 0, "%s", err.text);
	cr_assert_eq(need(path)->type, IMAGE_MOUNT_SYMLINK);
	cr_assert_str_eq(need(path)->source, "real");
	(void)snprintf(text, sizeof(text), "{" LEAST ", \"filesystem\": {\"read\": [\"%s/link\"]}}",
		       dir);
	cr_assert_eq(resolve(text, NULL, &err), 0, "%s", err.text);
	cr_assert_eq(need(path)->type, IMAGE_MOUNT_BIND);
	cr_assert_str_eq(strrchr(need(path)->source, '/'), "/real");
}

Test(plan, optional_sources_that_are_missing_stay_for_the_launcher_to_skip)
{
	struct err err = {0};

	cr_assert_eq(resolve("{" LEAST ", \"filesystem\": {\"read\": [{\"path\": \"/no/such\", "
			     "\"optional\": true}]}}",
			     NULL, &err),
		     0, "%s", err.text);
	cr_assert_eq(plan.mounts[0].flags, IMAGE_MOUNT_READONLY | IMAGE_MOUNT_OPTIONAL);
}

static int seal(struct image *image, struct err *err)
{
	struct image_builder *b = image_builder_new();
	CLEANUP(fd_closep) int fd = -1;
	uint32_t first = 99;
	int r = policy_emit(&plan, b, &first, err);

	cr_assert_eq(first, 0);
	if (r == 0)
		r = policy_emit_inputs(&inputs, b, err);
	if (r == 0)
		r = image_builder_seal(b, &fd, err);
	image_builder_free(b);
	return r == 0 ? image_map(fd, image, err) : r;
}

Test(plan, an_image_comes_out_as_the_policy_says)
{
	struct image image = {0};
	struct err err = {0};
	const struct image_cell *c;
	const struct image_rule *rule;
	bool writable[2] = {false, false};

	cr_assert_eq(
		resolve("{" LEAST ", \"name\": \"p\", \"workspace\": {\"mode\": \"direct\"},"
			"\"network\": {\"mode\": \"loopback\"}, \"require\": {\"cgroup\": "
			"[\"pids\"], \"landlock_abi\": 2},"
			"\"limits\": {\"wall\": \"1min\"}, \"environment\": {\"set\": {\"H\": "
			"\"${HOME}\"}, \"pass\": [\"LANG\"]},"
			"\"filesystem\": {\"read\": [{\"path\": \"/usr\", \"execute\": false}]},"
			"\"tools\": {\"quick\": {\"limits\": {\"wall\": \"1s\"}}, \"gone\": false,"
			"\"look\": {\"workspace\": {\"mode\": \"readonly\"}, \"network\": "
			"{\"mode\": \"none\"}}}}",
			NULL, &err),
		0, "%s", err.text);
	cr_assert_eq(seal(&image, &err), 0, "%s", err.text);
	c = image_cell(&image, 0);
	cr_assert_str_eq(image_string(&image, c->name), "p");
	cr_assert_eq(c->require, IMAGE_REQUIRE_CGROUP_PIDS);
	cr_assert_eq(c->landlock_abi_min, 2);
	cr_assert_eq(c->net, IMAGE_NET_LOOPBACK);
	cr_assert_eq(c->flags, 0);
	cr_assert_str_eq(image_string(&image, c->home), getenv("HOME"));
	cr_assert_eq(image_mount(&image, 0)->flags, IMAGE_MOUNT_READONLY | IMAGE_MOUNT_NOEXEC);
	cr_assert(strstr(image_string(&image, image_mount(&image, 0)->pointer),
			 "p.json#/filesystem/read/0"));
	cr_assert_eq(image_rule(&image, 1)->access, IMAGE_ACCESS_READ);
	cr_assert_str_eq(image_string(&image, image_env(&image, 0)->value), getenv("HOME"));
	cr_assert_eq(image_env(&image, 1)->value, IMAGE_NONE);
	cr_assert_str_eq(image_string(&image, image_cell(&image, 1)->name), "p/quick");
	cr_assert_eq(image_cell(&image, 1)->limits.wall_ms, 1000);
	cr_assert_eq(image_cell(&image, 1)->mounts_first, c->mounts_first,
		     "a limit shares the template");
	cr_assert_eq(image_cell(&image, 1)->insns_first, c->insns_first);
	cr_assert_str_eq(image_string(&image, image_cell(&image, 2)->name), "p/look");
	cr_assert_eq(image_cell(&image, 2)->flags, IMAGE_CELL_WORKSPACE_READONLY);
	cr_assert_eq(image_cell(&image, 2)->net, IMAGE_NET_NONE);
	cr_assert_neq(image_cell(&image, 2)->mounts_first, c->mounts_first);
	cr_assert_neq(image_cell(&image, 2)->insns_first, c->insns_first);
	cr_assert_null(image_cell(&image, 3), "a tool that is taken away has no cell");
	for (uint32_t i = 0; (rule = image_rule(&image, i)); i++) {
		if (rule->path != IMAGE_NONE)
			continue;
		writable[i >= image_cell(&image, 2)->rules_first] = rule->access &
								    IMAGE_ACCESS_WRITE;
	}
	cr_assert(writable[0]);
	cr_assert_not(writable[1]);
	image_unmap(&image);
}

Test(plan, a_denied_call_is_denied_whoever_allows_it)
{
	struct image image = {0};
	struct err err = {0};
	struct seccomp_data data = {.nr = 62 /* kill */, .arch = AUDIT_ARCH_X86_64};
	uint32_t answer = 0;

	cr_assert_eq(resolve("{\"syscalls\": {\"groups\": [\"base\", \"processes\"], \"allow\": "
			     "[\"kill\"], \"deny\": [\"kill\"]}}",
			     NULL, &err),
		     0, "%s", err.text);
	cr_assert_eq(seal(&image, &err), 0, "%s", err.text);
#ifdef __x86_64__
	cr_assert_eq(program_run(image_insns(&image, image_cell(&image, 0)),
				 image_cell(&image, 0)->insns_count, &data, &answer),
		     0);
	cr_assert_eq(answer, SECCOMP_RET_ERRNO | EPERM);
#else
	(void)data;
	(void)answer;
#endif
	image_unmap(&image);
}

Test(plan, the_shipped_policies_resolve_on_this_host)
{
	static const char *const dirs[] = {POLICIES_DIR, NULL};
	static const char *const names[] = {"strict", "base/build", "rust-engineer"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct image image = {0};
		struct err err = {0};

		policy_plan_fini(&plan);
		policy_fini(&policy);
		cr_assert_eq(policy_load(names[i], dirs, &inputs, &policy, &err), 0, "%s",
			     err.text);
		cr_assert_eq(policy_resolve(&policy, "/srv/project", &inputs, &plan, &err), 0, "%s",
			     err.text);
		cr_assert_null(find("/etc"), "never the whole of /etc");
		cr_assert_eq(seal(&image, &err), 0, "%s", err.text);
		image_unmap(&image);
	}
}
