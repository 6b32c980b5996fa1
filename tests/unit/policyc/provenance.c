/* Where rules stand, of policies written into a folder: their own file, a parent's, or none. */
#include "policyc/provenance.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static char dir[] = "/tmp/toolcell-provenance-XXXXXX";
static struct policy_inputs inputs;
static struct policy policy;
static json_t *rules;

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

static void set_up(void)
{
	const char *const dirs[] = {dir, NULL};
	struct err err = {0};

	cr_assert_not_null(mkdtemp(dir));
	put("base", "{\"syscalls\": {\"groups\": [\"base\"], \"sockets\": [\"unix\"], \"deny\": "
		    "[\"mbind\"]},"
		    " \"limits\": {\"wall\": \"1min\", \"memory\": \"1GiB\"}, \"network\": "
		    "{\"mode\": \"none\"},"
		    " \"final\": [\"/network\", \"/limits/memory\"]}");
	put("own",
	    "{\"extends\": \"base\", \"limits\": {\"wall\": \"30s\"}, \"workspace\": {\"mode\": "
	    "\"readonly\"}, \"syscalls\": {\"groups\": [\"files\"], \"deny\": [\"mlock\"]},"
	    " \"tools\": {\"Bash\": {\"limits\": {\"wall\": \"10s\"}, \"workspace\": {\"mode\": "
	    "\"readonly\"}, \"network\": {\"mode\": \"none\"}}, \"Read\": {}},"
	    " \"final\": [\"/workspace\"]}");
	cr_assert_eq(policy_load("own", dirs, &inputs, &policy, &err), 0, "%s", err.text);
	rules = provenance_new(&policy);
	cr_assert_not_null(rules);
}

static void tear_down(void)
{
	char command[128];

	json_decref(rules);
	policy_fini(&policy);
	policy_inputs_fini(&inputs);
	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(provenance, .init = set_up, .fini = tear_down);

static const char *text(json_t *map, const char *key)
{
	const char *value = json_string_value(json_object_get(map, key));

	return value ? value : "(none)";
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s);

	return n >= strlen(end) && strcmp(s + n - strlen(end), end) == 0;
}

Test(provenance, each_rule_names_the_file_that_decided)
{
	static const char *const at[][2] = {
		{"limits/wall", "own.json#/limits/wall"},
		{"limits/memory", "base.json#/limits/memory"},
		{"limits/processes", "built in"},
		{"network/mode", "base.json#/network/mode"},
		{"workspace/mode", "own.json#/workspace/mode"},
		{"workspace/fallback", "built in"},
		{"filesystem/proc", "built in"},
		{"denials/observe", "built in"},
		{"require/cgroup", "built in"},
		{"syscalls", "own.json#/syscalls"}, /* added to last */
		{"syscalls/sockets", "base.json#/syscalls/sockets"},
	};
	json_t *map = json_object_get(rules, "at");

	cr_expect(ends_with(text(rules, "file"), "own.json"), "%s", text(rules, "file"));
	for (size_t i = 0; i < ARRAY_SIZE(at); i++)
		cr_expect(ends_with(text(map, at[i][0]), at[i][1]), "%s: %s", at[i][0],
			  text(map, at[i][0]));
}

Test(provenance, a_tools_section_has_what_it_says_and_no_more)
{
	json_t *tools = json_object_get(rules, "tools");
	json_t *bash = json_object_get(tools, "Bash");

	cr_expect_eq(json_object_size(tools), 2);
	cr_expect_eq(json_object_size(bash), 3);
	cr_expect(ends_with(text(bash, "limits/wall"), "own.json#/tools/Bash/limits/wall"));
	cr_expect(ends_with(text(bash, "workspace/mode"), "own.json#/tools/Bash/workspace/mode"));
	cr_expect(ends_with(text(bash, "network/mode"), "own.json#/tools/Bash/network/mode"));
	cr_expect_eq(json_object_size(json_object_get(tools, "Read")), 0);
}

Test(provenance, only_what_parents_made_final_binds)
{
	json_t *final = json_object_get(rules, "final");

	cr_assert_eq(json_array_size(final), 2, "its own /workspace may still change");
	cr_expect_str_eq(json_string_value(json_array_get(final, 0)), "/network");
	cr_expect_str_eq(json_string_value(json_array_get(final, 1)), "/limits/memory");
}

Test(provenance, denied_calls_name_their_line)
{
	json_t *deny = json_object_get(rules, "deny");

	cr_expect_eq(json_object_size(deny), 2);
	cr_expect(ends_with(text(deny, "mbind"), "base.json#/syscalls/deny/0"), "%s",
		  text(deny, "mbind"));
	cr_expect(ends_with(text(deny, "mlock"), "own.json#/syscalls/deny/0"), "%s",
		  text(deny, "mlock"));
}

static const char *word_at(const char *words, long nr, size_t *ret_len)
{
	while (nr-- > 0)
		words = strchr(words, ' ') + 1;
	*ret_len = strcspn(words, " ");
	return words;
}

Test(provenance, calls_stand_at_their_numbers)
{
	static const struct {
		const char *name;
		long nr;
	} rows[] = {{"read", SYS_read},	    {"openat", SYS_openat}, {"ptrace", SYS_ptrace},
		    {"execve", SYS_execve}, {"mount", SYS_mount},   {"socket", SYS_socket},
		    {"statx", SYS_statx}};
	const char *calls = text(rules, "calls");
	json_t *never = json_object_get(rules, "never");
	bool found = false;
	json_t *words;
	const char *why;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t len;
		const char *word = word_at(calls, rows[i].nr, &len);

		cr_expect(len == strlen(rows[i].name) && strncmp(word, rows[i].name, len) == 0,
			  "%s: %.*s", rows[i].name, (int)len, word);
	}
	json_object_foreach(never, why, words) {
		cr_expect_neq(why[0], '\0');
		found = found || strstr(json_string_value(words), "ptrace");
	}
	cr_expect(found);
}
