/* Flattening loses nothing; the check after the fact finds what is wider. */
#include <errno.h>

#include "support.h"

static const char *const shipped[] = {"base/build", "rust-engineer", "strict"};

Test(import, a_flat_policy_is_its_chain_again)
{
	for (size_t i = 0; i < ARRAY_SIZE(shipped); i++) {
		struct policy chain;
		struct policy flat;
		struct err err = {0};
		json_t *json;
		json_t *again;

		load(shipped[i], &chain);
		json = import_flatten(&chain);
		load_json(json, &flat);
		again = import_flatten(&flat);
		cr_assert(json_equal(json, again), "%s", shipped[i]);
		cr_assert_eq(import_check_narrower(&chain, &flat, inputs_of_tests(), &err), 0,
			     "%s: %s", shipped[i], err.text);
		cr_assert_eq(import_check_narrower(&flat, &chain, inputs_of_tests(), &err), 0,
			     "%s: %s", shipped[i], err.text);
		json_decref(json);
		json_decref(again);
		policy_fini(&chain);
		policy_fini(&flat);
	}
}

/* JSON that is merged into the flat base, key by key; each makes it wider. */
static const char *const wider[] = {
	"{\"filesystem\": {\"read\": [\"/usr\", \"/var/lib\"]}}",
	"{\"filesystem\": {\"read\": [{\"path\": \"/etc\", \"target\": \"/usr\"}]}}",
	"{\"filesystem\": {\"write\": [\"/usr/lib\"]}}",
	"{\"filesystem\": {\"overlay\": [{\"path\": \"/usr/lib\", \"size\": \"1MiB\"}]}}",
	"{\"filesystem\": {\"tmpfs\": [{\"path\": \"/tmp\", \"size\": \"4GiB\"}]}}",
	"{\"filesystem\": {\"tmpfs\": [{\"path\": \"/elsewhere\", \"size\": \"4KiB\"}]}}",
	"{\"network\": {\"mode\": \"loopback\"}}",
	"{\"syscalls\": {\"groups\": [\"base\", \"files\", \"processes\", \"aio\"]}}",
	"{\"syscalls\": {\"allow\": [\"io_setup\"]}}",
	"{\"syscalls\": {\"sockets\": [\"unix\", \"netlink-route\"]}}",
	"{\"limits\": {\"memory\": \"5GiB\"}}",
	"{\"environment\": {\"set\": {\"PATH\": \"/tmp\"}}}",
	"{\"environment\": {\"pass\": [\"SECRET\"]}}",
	"{\"workspace\": {\"mode\": \"direct\", \"protect\": []}}",
	"{\"tools\": {}}",
};

Test(import, a_wider_policy_is_found_out)
{
	struct policy base;

	load("base/build", &base);
	for (size_t i = 0; i < ARRAY_SIZE(wider); i++) {
		json_t *json = import_flatten(&base);
		json_t *patch = json_loads(wider[i], 0, NULL);
		struct policy policy;
		struct err err = {0};
		const char *section;
		const char *key;
		json_t *values;
		json_t *value;

		json_object_foreach(patch, section, values) {
			if (json_object_size(values) == 0)
				(void)json_object_set(json, section, values);
			json_object_foreach(values, key, value)
				(void)json_object_set(json_object_get(json, section), key, value);
		}
		load_json(json, &policy);
		cr_assert_eq(import_check_narrower(&base, &policy, inputs_of_tests(), &err),
			     -EINVAL, "row %zu", i);
		cr_assert_not_null(strstr(err.text, "wider"), "row %zu: %s", i, err.text);
		policy_fini(&policy);
		json_decref(json);
		json_decref(patch);
	}
	policy_fini(&base);
}

static int import_text(const char *format, const char *text, const char *const *accept,
		       size_t n_accept, struct import_result *ret, struct err *err)
{
	const struct source source = {.format = format,
				      .text = text,
				      .accept = accept,
				      .n_accept = n_accept};

	return import_source(&source, ret, err);
}

Test(import, tools_that_claude_code_refuses_are_taken_away)
{
	struct import_result result;
	struct err err = {0};
	json_t *tools;

	cr_assert_eq(
		import_text("claude",
			    "{\"permissions\": {\"deny\": [\"Bash\", \"mcp__toolcell__Write\", "
			    "\"mcp__other__x\"], \"allow\": [\"Bash\"]}}",
			    NULL, 0, &result, &err),
		0, "%s", err.text);
	tools = json_object_get(result.policy, "tools");
	cr_assert(json_is_false(json_object_get(tools, "Bash")));
	cr_assert(json_is_false(json_object_get(tools, "cargo")));
	cr_assert(json_is_false(json_object_get(tools, "Write")));
	cr_assert_null(json_object_get(tools, "Edit"));
	cr_assert_null(json_object_get(tools, "changes"));
	cr_assert_str_eq(verdict(&result, "/permissions/deny/0"), "taken");
	cr_assert_str_eq(verdict(&result, "/permissions/allow/0"), "narrowed by base");
	import_result_fini(&result);
}

Test(import, what_cannot_be_said_needs_to_be_accepted_by_name)
{
	static const char text[] = "{\"permissions\": {\"deny\": [\"Read(./.env)\"]}}";
	static const char *const right[] = {"/permissions/deny/0"};
	static const char *const above[] = {"/permissions"};
	static const char *const wrong[] = {"/permissions/deny/0", "/permissions/den"};
	struct import_result result;
	struct err err = {0};

	cr_assert_eq(import_text("claude", text, NULL, 0, &result, &err), 0);
	cr_assert_null(result.policy);
	cr_assert_eq(result.n_inexpressible, 1);
	import_result_fini(&result);
	cr_assert_eq(import_text("claude", text, right, 1, &result, &err), 0);
	cr_assert_not_null(result.policy);
	cr_assert_str_eq(verdict(&result, "/permissions/deny/0"), "accepted");
	cr_assert_not_null(strstr(json_string_value(json_object_get(result.policy, "description")),
				  "/permissions/deny/0"));
	import_result_fini(&result);
	cr_assert_eq(import_text("claude", text, above, 1, &result, &err), 0);
	cr_assert_not_null(result.policy);
	import_result_fini(&result);
	cr_assert_eq(import_text("claude", text, wrong, 2, &result, &err), -EINVAL);
	cr_assert_not_null(strstr(err.text, "/permissions/den\" names nothing"), "%s", err.text);
	cr_assert_null(result.rows);
}

Test(import, a_part_of_a_folder_is_left_out_by_naming_the_rest)
{
	struct import_result result;
	struct err err = {0};
	json_t *entry;
	bool bin = false;
	size_t i;

	cr_assert_eq(import_text("srt",
				 "{\"network\": {}, \"mandatoryDenySearchDepth\": 1, "
				 "\"filesystem\": {\"denyRead\": [\"/usr/local\"], "
				 "\"allowWrite\": [\".\"]}}",
				 NULL, 0, &result, &err),
		     0, "%s", err.text);
	json_array_foreach(json_object_get(json_object_get(result.policy, "filesystem"), "read"), i,
			   entry) {
		const char *path = json_string_value(
			json_is_object(entry) ? json_object_get(entry, "path") : entry);

		cr_assert_str_neq(path, "/usr");
		cr_assert_neq(strncmp(path, "/usr/local", 10), 0, "%s", path);
		bin = bin || strcmp(path, "/usr/bin") == 0;
	}
	cr_assert(bin);
	import_result_fini(&result);
}

Test(import, a_refusal_above_everything_leaves_what_is_allowed_again)
{
	struct import_result result;
	struct err err = {0};
	json_t *entry;
	size_t i;

	cr_assert_eq(import_text("srt",
				 "{\"network\": {}, \"mandatoryDenySearchDepth\": 1, "
				 "\"filesystem\": {\"denyRead\": [\"/\"], "
				 "\"allowRead\": [\"/usr/bin\", \".\"], \"allowWrite\": [\".\"]}}",
				 NULL, 0, &result, &err),
		     0, "%s", err.text);
	cr_assert_not_null(result.policy);
	json_array_foreach(json_object_get(json_object_get(result.policy, "filesystem"), "read"), i,
			   entry) {
		const char *path = json_string_value(
			json_is_object(entry) ? json_object_get(entry, "path") : entry);

		cr_assert(strcmp(path, "/usr/bin") == 0 || strcmp(path, "/bin") == 0 ||
				  strcmp(path, "${TOOLCELL_TOOLS}") == 0,
			  "%s", path);
	}
	import_result_fini(&result);
}

static const struct {
	const char *format;
	const char *text;
	const char *error;
} broken[] = {
	{"srt", "{\"network\": {}}", "need both \"network\" and \"filesystem\""},
	{"claude", "{\"permissions\": {\"deny\": \"Bash\"}}",
	 ":1:18: /permissions/deny: must be a list"},
	{"claude", "{\"permissions\": {\"deny\": [1]}}", "/permissions/deny/0: must be a string"},
	{"claude", "{\"permissions\": {}, \"permissions\": {}}", "duplicate"},
	{"claude", "[]", "must be a JSON object"},
	{"claude", "{\"a\": \"\\u0000\"}", "not valid JSON"},
	{"claude", "{\"a\": \"\xff\"}", "not valid JSON"},
	{"codex", "{}", "needs a \"permissionProfile\""},
	{"codex", "{\"permissionProfile\": {}, \"sandboxCwd\": \"file:///other\"}",
	 "is not the workspace"},
	{"codex", "{\"permissionProfile\": {}, \"sandboxCwd\": \"file:///a%0\"}",
	 "must be a file URL"},
	{"seccomp", "{\"defaultAction\": \"SCMP_ACT_MAYBE\"}", "must be an action"},
	{"seccomp", "{\"linux\": {}}", "has neither"},
	{"seccomp",
	 "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"architectures\": [\"SCMP_ARCH_MIPS\"]}",
	 "names neither"},
	{"seccomp",
	 "{\"defaultAction\": \"SCMP_ACT_ERRNO\", \"syscalls\": [{\"names\": [\"read\"], "
	 "\"action\": \"SCMP_ACT_ALLOW\", \"args\": [{\"index\": 9, \"value\": 0, \"op\": "
	 "\"SCMP_CMP_EQ\"}]}]}",
	 "\"index\" (0 to 5)"},
	{NULL, "{}", "is of no format that its keys tell"},
	{NULL, "{\"permissions\": {}, \"filesystem\": {}}", "name the format"},
};

Test(import, files_of_the_wrong_shape_are_errors_with_a_place)
{
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct import_result result;
		struct err err = {0};

		cr_assert_lt(import_text(broken[i].format, broken[i].text, NULL, 0, &result, &err),
			     0, "row %zu", i);
		cr_assert_not_null(strstr(err.text, broken[i].error), "row %zu: %s", i, err.text);
		cr_assert_null(result.rows, "row %zu", i);
	}
}

/* A base in which a person is asked, and what would no longer ask. */
static const char asking[] =
	"{\"name\": \"asking\", \"extends\": \"base/build\", \"filesystem\": {\"read\": "
	"[{\"path\": \"/var/lib\", \"ask\": true}], \"write\": [{\"path\": \"/var/tmp/x\", "
	"\"optional\": true}]}, \"tools\": {\"Bash\": {\"ask\": {\"patterns\": [\"git:*\"]}}, "
	"\"Write\": {\"ask\": true}}, \"ask\": {\"session\": false}, \"audit\": {\"path\": "
	"\"default\", \"sync\": \"call\", \"mask\": {\"names\": [\"acme\"]}}}";

static const char *const unasked[] = {
	"{\"filesystem\": {\"read\": [\"/var/lib\"], \"tmpfs\": []}}",
	"{\"filesystem\": {\"read\": [{\"path\": \"/var/lib/dpkg\", \"optional\": true}]}}",
	"{\"tools\": {\"Bash\": {}}}",
	"{\"tools\": {\"Bash\": {\"ask\": {\"patterns\": [\"git:*\", \"rm:*\"]}}}}",
	"{\"tools\": {\"Write\": {\"ask\": {\"patterns\": [\"x\"]}}}}",
	"{\"ask\": {\"session\": true}}",
	"{\"audit\": {\"path\": \"off\"}}",
	"{\"audit\": {\"sync\": \"none\"}}",
	"{\"audit\": {\"mask\": {}}}",
};

Test(import, what_a_person_is_asked_about_stays_so)
{
	json_t *source = json_loads(asking, 0, NULL);
	struct policy base;
	struct policy flat;
	struct err err = {0};
	json_t *json;

	load_json(source, &base);
	json = import_flatten(&base);
	load_json(json, &flat);
	cr_assert_eq(import_check_narrower(&base, &flat, inputs_of_tests(), &err), 0, "%s",
		     err.text);
	policy_fini(&flat);
	for (size_t i = 0; i < ARRAY_SIZE(unasked); i++) {
		json_t *changed = json_deep_copy(json);
		json_t *patch = json_loads(unasked[i], 0, NULL);
		const char *section;
		const char *key;
		json_t *values;
		json_t *value;

		json_object_foreach(patch, section, values)
			json_object_foreach(values, key, value)
				(void)json_object_set(json_object_get(changed, section), key,
						      value);
		load_json(changed, &flat);
		cr_assert_eq(import_check_narrower(&base, &flat, inputs_of_tests(), &err), -EINVAL,
			     "row %zu", i);
		policy_fini(&flat);
		json_decref(changed);
		json_decref(patch);
	}
	policy_fini(&base);
	json_decref(json);
	json_decref(source);
}

Test(import, what_claude_code_asks_about_is_asked_about)
{
	struct import_result result;
	struct err err = {0};
	json_t *tools;

	cr_assert_eq(import_text("claude",
				 "{\"permissions\": {\"ask\": [\"Bash(git push:*)\", \"Write\"]}}",
				 NULL, 0, &result, &err),
		     0, "%s", err.text);
	tools = json_object_get(result.policy, "tools");
	cr_assert(json_is_true(json_object_get(json_object_get(tools, "Bash"), "ask")));
	cr_assert(json_is_true(json_object_get(json_object_get(tools, "cargo"), "ask")));
	cr_assert(json_is_true(json_object_get(json_object_get(tools, "Write"), "ask")));
	cr_assert_null(json_object_get(json_object_get(tools, "Edit"), "ask"));
	import_result_fini(&result);
}
