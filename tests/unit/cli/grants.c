/* Denials to grants: what counts, what folds, what is a risk, and the policy that they make together. */
#include "cli/grants.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"

#define HOME "/home/somebody"

static json_t *denial(const char *fragment, const char *relevance, int open)
{
	json_t *parsed = json_loads(fragment, 0, NULL);

	cr_assert_not_null(parsed, "%s", fragment);
	return json_pack("{s:o, s:s, s:b, s:s, s:s}", "fragment", parsed, "relevance", relevance,
			 "open", open, "operation", "open for reading", "object", "x");
}

static bool add(struct grants *g, const char *fragment, const char *relevance, int open)
{
	json_t *one = denial(fragment, relevance, open);
	bool added = false;

	cr_assert_eq(grants_add(g, one, &added), 0);
	json_decref(one);
	return added;
}

static bool add_read(struct grants *g, const char *path)
{
	char fragment[512];

	(void)snprintf(fragment, sizeof(fragment), "{\"filesystem\":{\"read\":[\"%s\"]}}", path);
	return add(g, fragment, "possible", 1);
}

static char *policy_text(const struct grants *g, bool risky, size_t without)
{
	json_t *policy = grants_policy(g, "n", "b", risky, without);
	char *text = json_dumps(policy, JSON_COMPACT);

	json_decref(policy);
	return text;
}

static void expect_policy(const struct grants *g, bool risky, size_t without, const char *wanted)
{
	char *text = policy_text(g, risky, without);

	cr_expect_str_eq(text, wanted);
	free(text);
}

Test(grants, only_what_may_be_why_and_may_be_granted_asks_for_something)
{
	struct grants g;

	cr_assert_eq(grants_init(&g, HOME), 0);
	cr_expect(add(&g, "{\"filesystem\":{\"read\":[\"/opt/a\"]}}", "possible", 1));
	cr_expect_not(add(&g, "{\"filesystem\":{\"read\":[\"/opt/a\"]}}", "cause", 1),
		      "once is enough");
	cr_expect_not(add(&g, "{\"filesystem\":{\"read\":[\"/opt/b\"]}}", "none", 1));
	cr_expect_eq(g.closed, 0);
	cr_expect_not(add(&g, "{\"filesystem\":{\"read\":[\"/opt/c\"]}}", "possible", 0));
	cr_expect_not(add(&g, "[7]", "possible", 1));
	cr_expect_eq(g.closed, 2);
	cr_expect_eq(json_array_size(g.list), 1);
	cr_expect_eq(json_integer_value(json_object_get(json_array_get(g.list, 0), "count")), 2);
	grants_fini(&g);
}

Test(grants, more_than_the_cap_are_left_out_and_said)
{
	struct grants g;
	char path[32];

	cr_assert_eq(grants_init(&g, NULL), 0);
	for (unsigned int i = 0; i < GRANTS_MAX + 3; i++) {
		(void)snprintf(path, sizeof(path), "/opt/%u/x", i);
		cr_expect_eq(add_read(&g, path), i < GRANTS_MAX);
	}
	cr_expect(g.overflowed);
	cr_expect_eq(json_array_size(g.list), GRANTS_MAX);
	grants_fini(&g);
}

Test(grants, evidence_is_kept_up_to_a_cap_and_counted)
{
	struct grants g;
	json_t *grant;

	cr_assert_eq(grants_init(&g, NULL), 0);
	for (unsigned int i = 0; i < GRANTS_EVIDENCE_MAX + 5; i++)
		(void)add_read(&g, "/opt/x");
	grant = json_array_get(g.list, 0);
	cr_expect_eq(json_array_size(json_object_get(grant, "evidence")), GRANTS_EVIDENCE_MAX);
	cr_expect_eq(json_integer_value(json_object_get(grant, "count")), GRANTS_EVIDENCE_MAX + 5);
	grants_fini(&g);
}

Test(grants, files_of_one_folder_fold_upwards_but_not_into_what_holds_too_much)
{
	static const struct {
		const char *pattern; /* with one %u */
		const char *wanted;
	} rows[] = {
		{"/opt/tool/lib/f%u", "{\"name\":\"n\",\"extends\":\"b\",\"filesystem\":{\"read\":["
				      "\"/opt/tool/lib\"]}}"},
		{"/opt/tool/d%u/f", NULL},
		{"/etc/f%u", NULL},
		{"/opt/f%u", NULL}, /* right below the root */
		{HOME "/f%u", NULL},
	};

	for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
		struct grants g;

		cr_assert_eq(grants_init(&g, HOME), 0);
		for (unsigned int i = 0; i < GRANTS_FOLD; i++) {
			char path[128];
			char digit[2] = {(char)('0' + i), '\0'};
			const char *mark = strstr(rows[row].pattern, "%u");

			(void)snprintf(path, sizeof(path), "%.*s%s%s",
				       (int)(mark - rows[row].pattern), rows[row].pattern, digit,
				       mark + 2);
			cr_expect(add_read(&g, path));
		}
		cr_assert_eq(grants_fold(&g), 0);
		cr_expect_eq(json_array_size(g.list), rows[row].wanted ? 1 : GRANTS_FOLD, "row %zu",
			     row);
		if (rows[row].wanted)
			expect_policy(&g, false, SIZE_MAX, rows[row].wanted);
		grants_fini(&g);
	}
}

Test(grants, folders_of_folders_fold_too)
{
	struct grants g;
	char path[64];

	cr_assert_eq(grants_init(&g, NULL), 0);
	for (unsigned int d = 0; d < GRANTS_FOLD; d++)
		for (unsigned int f = 0; f < GRANTS_FOLD; f++) {
			(void)snprintf(path, sizeof(path), "/opt/tool/%u/%u", d, f);
			(void)add_read(&g, path);
		}
	cr_assert_eq(grants_fold(&g), 0);
	expect_policy(
		&g, false, SIZE_MAX,
		"{\"name\":\"n\",\"extends\":\"b\",\"filesystem\":{\"read\":[\"/opt/tool\"]}}");
	grants_fini(&g);
}

Test(grants, places_with_a_risk)
{
	static const struct {
		const char *path;
		bool risk;
	} rows[] = {
		{"/", true},
		{"/etc", true},
		{"/etc/shadow", true},
		{"/etc/shadows", false},
		{"/etc/ssh/ssh_config", true},
		{"/etc/fstab", false},
		{"/run/docker.sock", true},
		{"/opt/x.sock", true},
		{"/opt/x.sockets", false},
		{"/proc/1", true},
		{"/sys", true},
		{"/home", true},
		{HOME, true},
		{HOME "/.ssh", true},
		{HOME "/.ssh/id", true},
		{HOME "/.sshx", false},
		{HOME "/.config/gh", true},
		{HOME "/.cargo/credentials.toml", true},
		{HOME "/.cargo/bin", false},
		{HOME "/project", false},
		{"/home/somebodyelse/x", false},
		{"/opt/tool", false},
		{"/var/lib", true},
		{"/var/lib/tool", false},
	};

	static const char *const homes[] = {HOME, HOME "/", HOME "//"};

	for (size_t i = 0; i < ARRAY_SIZE(rows) * ARRAY_SIZE(homes); i++) {
		const char *path = rows[i / ARRAY_SIZE(homes)].path;
		const char *home = homes[i % ARRAY_SIZE(homes)];
		struct grants g;

		cr_assert_eq(grants_init(&g, home), 0);
		cr_expect_eq(grants_path_risk(&g, path) != NULL, rows[i / ARRAY_SIZE(homes)].risk,
			     "%s, home %s", path, home);
		grants_fini(&g);
	}
}

Test(grants, without_a_home_nobody_can_tell_what_lies_in_it)
{
	static const char *const homes[] = {NULL, "", "/", "//", "somebody"};

	for (size_t i = 0; i < ARRAY_SIZE(homes); i++) {
		struct grants g;

		cr_assert_eq(grants_init(&g, homes[i]), 0);
		cr_expect_null(grants_path_risk(&g, HOME "/.ssh"), "row %zu", i);
		cr_expect_not_null(grants_path_risk(&g, "/etc/shadow"), "row %zu", i);
		grants_fini(&g);
	}
}

/* Init tells real paths, HOME is as somebody wrote it, and tools name files by ways of their own. */
Test(grants, a_home_behind_a_link_is_one_by_either_name)
{
	static const char *const names[] = {"link/.ssh/id", "real/.ssh/id", "other/.ssh/id",
					    "link",	    "real",	    "other",
					    "link/.config", "real/.config"};
	char top[] = "/tmp/toolcell-grants.XXXXXX";
	char home[64];
	char path[96];
	struct grants g;

	cr_assert_not_null(mkdtemp(top));
	cr_assert_eq(chdir(top), 0);
	cr_assert_eq(mkdir("real", 0755) | mkdir("real/.ssh", 0755), 0);
	cr_assert_eq(mkdir("real/.ssh/id", 0755), 0);
	cr_assert_eq(symlink("real", "link") | symlink("link", "other"), 0);
	(void)snprintf(home, sizeof(home), "%s/link/", top);
	cr_assert_eq(grants_init(&g, home), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", top, names[i]);
		cr_expect_not_null(grants_path_risk(&g, path), "%s", names[i]);
	}
	(void)snprintf(path, sizeof(path), "%s/real/project", top);
	cr_expect_null(grants_path_risk(&g, path));
	grants_fini(&g);
	(void)rmdir("real/.ssh/id");
	(void)rmdir("real/.ssh");
	(void)rmdir("real");
	(void)unlink("link");
	(void)unlink("other");
	(void)rmdir(top);
}

Test(grants, fragments_with_a_risk)
{
	static const struct {
		const char *fragment;
		bool risk;
	} rows[] = {
		{"{\"filesystem\":{\"read\":[\"/opt/tool\"]}}", false},
		{"{\"filesystem\":{\"read\":[\"" HOME "/.ssh/\"]}}", true},
		{"{\"filesystem\":{\"read\":[\"${HOME}/.ssh\"]}}", true},
		{"{\"filesystem\":{\"read\":[\"/opt/${HOME}\"]}}", true},
		{"{\"filesystem\":{\"read\":[\"~/.ssh\"]}}", true},
		{"{\"filesystem\":{\"read\":[{\"path\":\"/opt/x\",\"ask\":false}]}}", true},
		{"{\"filesystem\":{\"read\":[{\"path\":\"/opt/x\",\"optional\":true}]}}", false},
		{"{\"filesystem\":{\"write\":[\"/opt/out\"]}}", true},
		{"{\"network\":{\"mode\":\"loopback\"},\"syscalls\":{\"sockets\":[\"inet\"]}}",
		 false},
		{"{\"network\":{\"mode\":\"host\"}}", true},
		{"{\"syscalls\":{\"allow\":[\"mbind\"]}}", false},
		{"{\"limits\":{\"open_files\":512}}", false},
		{"{\"environment\":{\"pass\":[\"CARGO_HOME\"]}}", false},
		/* what the results of a read-only workspace say: a session keeps the writes */
		{"{\"workspace\":{\"mode\":\"overlay\"}}", false},
		{"{\"workspace\":{\"mode\":\"direct\"}}", true},
		{"{\"workspace\":{\"mode\":\"overlay\",\"fallback\":\"direct\"}}", true},
		{"{\"workspace\":{\"protect\":[]}}", true},
		{"{\"workspace\":7}", true},
		{"{\"tools\":{\"Bash\":{\"ask\":false}}}", true},
		{"{\"audit\":{\"path\":\"off\"}}", true},
		{"{\"require\":[]}", true},
	};
	struct grants g;

	cr_assert_eq(grants_init(&g, HOME), 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *fragment = json_loads(rows[i].fragment, 0, NULL);

		cr_assert_not_null(fragment, "row %zu", i);
		cr_expect_eq(grants_risk(&g, fragment) != NULL, rows[i].risk, "%s",
			     rows[i].fragment);
		json_decref(fragment);
	}
	grants_fini(&g);
}

Test(grants, risky_ones_are_left_out_unless_they_are_wanted)
{
	struct grants g;

	cr_assert_eq(grants_init(&g, HOME), 0);
	(void)add_read(&g, "/opt/tool");
	(void)add_read(&g, HOME "/.ssh/id");
	(void)add(&g, "{\"filesystem\":{\"write\":[\"/opt/out\"]}}", "possible", 1);
	expect_policy(
		&g, false, SIZE_MAX,
		"{\"name\":\"n\",\"extends\":\"b\",\"filesystem\":{\"read\":[\"/opt/tool\"]}}");
	expect_policy(&g, true, 0,
		      "{\"name\":\"n\",\"extends\":\"b\",\"filesystem\":{\"read\":[\"" HOME
		      "/.ssh/id\"],\"write\":[\"/opt/out\"]}}");
	grants_fini(&g);
}

Test(grants, one_place_stands_in_a_policy_once)
{
	struct grants g;

	cr_assert_eq(grants_init(&g, NULL), 0);
	(void)add_read(&g, "/opt/a");
	(void)add_read(&g, "/opt/a/b");
	(void)add_read(&g, "/srv/c/d");
	(void)add(&g, "{\"filesystem\":{\"overlay\":[{\"path\":\"/srv/c\",\"size\":\"64MiB\"}]}}",
		  "possible", 1);
	(void)add(&g, "{\"filesystem\":{\"tmpfs\":[{\"path\":\"/x\",\"size\":\"1MiB\"}]}}",
		  "possible", 1);
	(void)add(&g, "{\"filesystem\":{\"tmpfs\":[{\"path\":\"/x\",\"size\":\"2MiB\"}]}}",
		  "possible", 1);
	expect_policy(&g, true, SIZE_MAX,
		      "{\"name\":\"n\",\"extends\":\"b\",\"filesystem\":{\"read\":[\"/opt/a\"],"
		      "\"overlay\":[{\"path\":\"/srv/c\",\"size\":\"64MiB\"}],"
		      "\"tmpfs\":[{\"path\":\"/x\",\"size\":\"2MiB\"}]}}");
	grants_fini(&g);
}

Test(grants, merging_joins_objects_and_lists_and_replaces_values)
{
	json_t *into = json_loads("{\"a\":{\"l\":[1],\"v\":\"old\"},\"k\":1}", 0, NULL);
	json_t *more = json_loads("{\"a\":{\"l\":[1,2],\"v\":\"new\"},\"z\":true}", 0, NULL);
	char *text;

	cr_assert_eq(grants_merge(into, more), 0);
	text = json_dumps(into, JSON_COMPACT | JSON_SORT_KEYS);
	cr_expect_str_eq(text, "{\"a\":{\"l\":[1,2],\"v\":\"new\"},\"k\":1,\"z\":true}");
	free(text);
	json_decref(into);
	json_decref(more);
}
