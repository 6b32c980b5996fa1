/*
 * Theory of operation: policies are written into a folder of their own and loaded from there. Rows
 * give the text of a child (and perhaps of its parent) and what the error must say: place, pointer,
 * suggestion.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy/policy.h"
#include "policy/syscalls.h"

#define LEAST "\"syscalls\": {\"groups\": [\"base\"]}"

static char dir[] = "/tmp/toolcell-policy-XXXXXX";
static struct policy_inputs inputs;

static void make_dir(void)
{
	cr_assert_not_null(mkdtemp(dir));
}

static void remove_dir(void)
{
	char command[128];

	policy_inputs_fini(&inputs);
	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(load, .init = make_dir, .fini = remove_dir);

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

static int get(const char *name, struct policy *policy, struct err *err)
{
	const char *const dirs[] = {dir, NULL};

	return policy_load(name, dirs, &inputs, policy, err);
}

static void expect_error(const char *text, const char *says)
{
	struct policy policy;
	struct err err = {0};

	put("p", text);
	cr_assert_eq(get("p", &policy, &err), -EINVAL, "%s", text);
	cr_assert_not_null(strstr(err.text, says), "\"%s\" does not say \"%s\"", err.text, says);
	cr_assert_eq(policy.n_sources, 0);
}

static const struct {
	const char *text;
	const char *says;
} wrong_policies[] = {
	{"{\"limit\": {}}", ":1:2: /limit: unknown key \"limit\"; did you mean \"limits\"?"},
	{"{\n \"limits\": {\n  \"memroy\": \"1GiB\"}}",
	 ".json:3:3: /limits/memroy: unknown key \"memroy\"; did you mean \"memory\"?"},
	{"{\"zzzzzzz\": 1}", "unknown key \"zzzzzzz\""},
	{"{\"limits\": []}", "/limits: must be an object"},
	{"{\"limits\": {\"wall\": 10}}", "/limits/wall: must be a string"},
	{"{\"limits\": {\"wall\": \"10\"}}", "/limits/wall: must be a time with its unit"},
	{"{\"limits\": {\"wall\": \"10 min\"}}", "must be a time with its unit"},
	{"{\"limits\": {\"wall\": \"0s\"}}", "out of range"},
	{"{\"limits\": {\"wall\": \"99999999999999999999h\"}}", "/limits/wall: "},
	{"{\"limits\": {\"memory\": \"10min\"}}", "must be a size with its unit"},
	{"{\"limits\": {\"processes\": 0}}", "whole number above 0"},
	{"{\"limits\": {\"processes\": 1.5}}", "whole number"},
	{"{\"limits\": {\"processes\": 99999999}}", "out of range"},
	{"{\"limits\": {\"cpus\": 0.001}}", "number of processors"},
	{"{\"limits\": {\"cpus\": 1e300}}", "number of processors"},
	{"{\"network\": {\"mode\": \"loopbak\"}}", "did you mean \"loopback\"?"},
	{"{\"network\": {\"mode\": \"allow\"}}", "is not one of \"none\", \"loopback\""},
	{"{\"workspace\": {\"mode\": \"overlaid\"}}", "/workspace/mode: "},
	{"{\"filesystem\": {\"read\": [\"/usr\", \"etc\"]}}",
	 "/filesystem/read/1: \"etc\" is not absolute"},
	{"{\"filesystem\": {\"read\": [{\"optional\": true}]}}", "object with a \"path\""},
	{"{\"filesystem\": {\"read\": [{\"path\": \"/a\", \"optinal\": true}]}}",
	 "/filesystem/read/0/optinal: unknown key \"optinal\"; did you mean \"optional\"?"},
	{"{\"filesystem\": {\"read\": [{\"path\": \"/a\", \"size\": \"1B\"}]}}",
	 "unknown key \"size\""},
	{"{\"filesystem\": {\"read\": [\"/a\", \"/a\"]}}",
	 "/filesystem/read/1: \"/a\" is listed twice"},
	{"{\"filesystem\": {\"tmpfs\": [\"/tmp\"]}}", "must be an object with a \"size\""},
	{"{\"filesystem\": {\"tmpfs\": [{\"path\": \"/t\", \"size\": \"1GiB\", \"mode\": "
	 "\"4755\"}]}}",
	 "octal digits without set-id bits"},
	{"{\"filesystem\": {\"tmpfs\": [{\"path\": \"/t\", \"size\": 5}]}}", "size with its unit"},
	{"{\"filesystem\": {\"symlinks\": [{\"path\": \"/t\"}]}}", "object with a \"target\""},
	{"{\"filesystem\": {\"files\": [{\"path\": \"/t\"}]}}", "object with a \"content\""},
	{"{\"filesystem\": {\"devices\": [\"kvm\"]}}", "is not one of \"null\""},
	{"{\"filesystem\": {\"proc\": \"full\"}}", "/filesystem/proc: "},
	{"{\"syscalls\": {\"groups\": [\"bases\"]}}", "did you mean \"base\"?"},
	{"{\"syscalls\": {\"allow\": [\"opena\"]}}", "did you mean \"open"},
	{"{\"syscalls\": {\"allow\": [\"ptrace\"]}}",
	 "/syscalls/allow/0: \"ptrace\" is never allowed: "},
	{"{\"syscalls\": {\"allow\": [\"clone3\"]}}", "is never allowed"},
	{"{\"syscalls\": {\"deny\": [\"frobnicate\"]}}", "no system call is named"},
	{"{\"syscalls\": {\"sockets\": [\"vsock\"]}}", "/syscalls/sockets/0: "},
	{"{\"environment\": {\"set\": {\"A B\": \"x\"}}}", "no name of a variable"},
	{"{\"environment\": {\"set\": {\"A\": 1}}}", "/environment/set/A: must be a string"},
	{"{\"environment\": {\"pass\": [\"A=B\"]}}", "no name of a variable"},
	{"{\"environment\": {\"set\": {\"A\": \"x\"}, \"pass\": [\"A\"]}}", "both set and passed"},
	{"{\"tools\": {\"Bash\": true}}", "/tools/Bash: must be an object that narrows"},
	{"{\"tools\": {\"Bash\": {\"network\": {\"mode\": \"loopback\"}}}}",
	 "/tools/Bash/network/mode: "},
	{"{\"tools\": {\"Bash\": {\"workspace\": {\"mode\": \"direct\"}}}}",
	 "/tools/Bash/workspace/mode: "},
	{"{\"tools\": {\"Bash\": {\"filesystem\": {}}}}", "unknown key \"filesystem\""},
	{"{\"tools\": {\"a/b\": {}}}", "no name of a tool"},
	{"{\"require\": {\"cgroup\": [\"io\"]}}", "/require/cgroup/0: "},
	{"{\"require\": {\"landlock_abi\": 101}}", "at most 100"},
	{"{\"final\": [\"/limit/wall\"]}", "/final/0: \"/limit/wall\" points at no key"},
	{"{\"final\": [\"limits\"]}", "points at no key"},
	{"{\"name\": \"../x\"}", "/name: must be a name"},
	{"{\"name\": \"other\", " LEAST "}", "/name: must be \"p\""},
	{"{\"extends\": \"nowhere\"}", "p.json:1:2: /extends: there is no policy \"nowhere\""},
	{"{\"extends\": 5}", "/extends: must be the name of a policy"},
	{"{\"extends\": \"../p\"}", "is no name of a policy"},
	{"{}", "\"/syscalls/groups\" is empty"},
};

Test(load, errors_name_place_pointer_and_the_nearest_key)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrong_policies); i++)
		expect_error(wrong_policies[i].text, wrong_policies[i].says);
}

Test(load, units_are_read_and_defaults_are_small)
{
	struct policy p;
	struct err err = {0};

	put("p",
	    "{" LEAST ", \"limits\": {\"wall\": \"10min\", \"cpu\": \"1h\", \"memory\": \"4GiB\","
	    " \"processes\": 7, \"open_files\": 8, \"file_size\": \"2MB\", \"output\": \"64KiB\","
	    " \"cpus\": 1.5, \"io\": \"200MB\"}}");
	put("q", "{" LEAST "}");
	cr_assert_eq(get("p", &p, &err), 0, "%s", err.text);
	cr_assert_eq(p.limits[POLICY_LIMIT_WALL].value, 600000);
	cr_assert_eq(p.limits[POLICY_LIMIT_CPU].value, 3600000);
	cr_assert_eq(p.limits[POLICY_LIMIT_MEMORY].value, 4ULL << 30);
	cr_assert_eq(p.limits[POLICY_LIMIT_FILE_SIZE].value, 2000000);
	cr_assert_eq(p.limits[POLICY_LIMIT_OUTPUT].value, 65536);
	cr_assert_eq(p.limits[POLICY_LIMIT_CPUS].value, 1500);
	cr_assert_eq(policy_effective_limits(&p, NULL).io_bytes_per_s, 200000000);
	cr_assert_str_eq(p.name, "p");
	policy_fini(&p);
	cr_assert_eq(get("q", &p, &err), 0, "%s", err.text);
	cr_assert_eq(p.network.value, IMAGE_NET_NONE);
	cr_assert_eq(p.workspace.value, POLICY_WORKSPACE_READONLY);
	cr_assert_eq(p.proc.value, POLICY_PROC_NONE);
	cr_assert_eq(p.limits[POLICY_LIMIT_WALL].value, 120000);
	cr_assert_not(p.limits[POLICY_LIMIT_WALL].set);
	policy_fini(&p);
}

Test(load, children_merge_replace_and_append)
{
	struct policy p;
	struct err err = {0};
	char where[256];

	put("parent",
	    "{" LEAST ", \"limits\": {\"wall\": \"1min\", \"memory\": \"1GiB\"},"
	    "\"filesystem\": {\"read\": [\"/usr\"], \"tmpfs\": [{\"path\": \"/tmp\", \"size\": "
	    "\"1MiB\"}]},"
	    "\"environment\": {\"set\": {\"A\": \"1\", \"B\": \"2\"}, \"pass\": [\"C\"]}}");
	put("p", "{\"extends\": \"parent\", \"limits\": {\"wall\": \"2min\"},"
		 "\"filesystem\": {\"read\": [\"/usr\", \"/opt\"], \"tmpfs\": [{\"path\": "
		 "\"/tmp\", \"size\": \"2MiB\"}]},"
		 "\"environment\": {\"set\": {\"A\": \"3\", \"C\": \"4\"}, \"pass\": [\"B\"]}}");
	cr_assert_eq(get("p", &p, &err), 0, "%s", err.text);
	cr_assert_eq(p.n_sources, 2);
	cr_assert_eq(p.limits[POLICY_LIMIT_WALL].value, 120000);
	cr_assert_eq(p.limits[POLICY_LIMIT_MEMORY].value, 1ULL << 30);
	cr_assert_eq(p.n_entries, 3);
	cr_assert_str_eq(p.entries[0].path, "/usr");
	cr_assert_eq(p.entries[1].size_bytes, 2ULL << 20);
	cr_assert_str_eq(p.entries[2].path, "/opt");
	cr_assert(strstr(policy_where(&p, p.entries[0].origin, where, sizeof(where)),
			 "parent.json#/filesystem/read/0"));
	cr_assert(strstr(policy_where(&p, p.entries[2].origin, where, sizeof(where)),
			 "p.json#/filesystem/read/1"));
	cr_assert_eq(p.env_set.n, 2, "B is passed now");
	cr_assert_str_eq(p.env_set.at[0].value, "3");
	cr_assert_str_eq(p.env_set.at[1].name, "C");
	cr_assert_eq(p.env_pass.n, 1);
	cr_assert_str_eq(p.env_pass.at[0].name, "B");
	policy_fini(&p);
}

static const struct {
	const char *parent;
	const char *child;
	bool fine;
} final_rows[] = {
	{"\"limits\": {\"wall\": \"1min\"}, \"final\": [\"/limits/wall\"]",
	 "\"limits\": {\"wall\": \"30s\"}", true},
	{"\"limits\": {\"wall\": \"1min\"}, \"final\": [\"/limits/wall\"]",
	 "\"limits\": {\"wall\": \"2min\"}", false},
	{"\"limits\": {\"wall\": \"1min\"}, \"final\": [\"/limits\"]",
	 "\"limits\": {\"wall\": \"2min\"}", false},
	{"\"limits\": {\"wall\": \"1min\"}, \"final\": [\"/limits/memory\"]",
	 "\"limits\": {\"wall\": \"2min\"}", true},
	{"\"final\": [\"/network\"]", "\"network\": {\"mode\": \"loopback\"}", false},
	{"\"final\": [\"/network\"]", "\"network\": {\"mode\": \"none\"}", true},
	{"\"network\": {\"mode\": \"loopback\"}, \"final\": [\"/network\"]",
	 "\"network\": {\"mode\": \"none\"}", true},
	{"\"final\": [\"/workspace\"]", "\"workspace\": {\"mode\": \"direct\"}", false},
	{"\"final\": [\"/filesystem/read\"]", "\"filesystem\": {\"read\": [\"/opt\"]}", false},
	{"\"filesystem\": {\"read\": [\"/opt\"]}, \"final\": [\"/filesystem/read\"]",
	 "\"filesystem\": {\"read\": [\"/opt\"]}", true},
	{"\"filesystem\": {\"read\": [{\"path\": \"/opt\", \"execute\": false}]}, "
	 "\"final\": [\"/filesystem\"]",
	 "\"filesystem\": {\"read\": [\"/opt\"]}", false},
	{"\"final\": [\"/filesystem\"]", "\"filesystem\": {\"pts\": true}", false},
	{"\"final\": [\"/filesystem/proc\"]", "\"filesystem\": {\"proc\": \"pid\"}", false},
	{"\"final\": [\"/syscalls/deny\"]", "\"syscalls\": {\"deny\": [\"kill\"]}", true},
	{"\"final\": [\"/syscalls\"]", "\"syscalls\": {\"groups\": [\"files\"]}", false},
	{"\"final\": [\"/syscalls\"]", "\"syscalls\": {\"allow\": [\"open\"]}", false},
	{"\"final\": [\"/syscalls\"]", "\"syscalls\": {\"sockets\": [\"inet\"]}", false},
	{"\"final\": [\"/environment\"]", "\"environment\": {\"set\": {\"A\": \"x\"}}", false},
	{"\"final\": [\"/environment/set/A\"], \"environment\": {\"set\": {\"A\": \"x\"}}",
	 "\"environment\": {\"set\": {\"A\": \"y\"}}", false},
	{"\"final\": [\"/environment/set/A\"]", "\"environment\": {\"set\": {\"B\": \"y\"}}", true},
	{"\"final\": [\"/environment\"]", "\"environment\": {\"pass\": [\"A\"]}", false},
	{"\"require\": {\"landlock_abi\": 3}, \"final\": [\"/require\"]",
	 "\"require\": {\"landlock_abi\": 2}", false},
	{"\"require\": {\"landlock_abi\": 3}, \"final\": [\"/require\"]",
	 "\"require\": {\"landlock_abi\": 4}", true},
	{"\"require\": {\"private_uid\": true}, \"final\": [\"/require\"]",
	 "\"require\": {\"private_uid\": false}", false},
	{"\"final\": [\"/require\"]", "\"require\": {\"cgroup\": [\"pids\"]}", true},
	{"\"tools\": {\"Bash\": false}, \"final\": [\"/tools\"]", "\"tools\": {\"Bash\": {}}",
	 false},
	{"\"tools\": {\"Bash\": false}, \"final\": [\"/tools\"]", "\"tools\": {\"cargo\": false}",
	 true},
	{"\"tools\": {\"Bash\": {\"limits\": {\"wall\": \"1s\"}}}, \"final\": [\"/tools\"]",
	 "\"tools\": {\"Bash\": {\"limits\": {\"wall\": \"2s\"}}}", false},
};

Test(load, what_a_parent_made_final_can_only_get_stricter)
{
	for (size_t i = 0; i < ARRAY_SIZE(final_rows); i++) {
		struct policy p;
		struct err err = {0};
		char text[512];
		int r;

		(void)snprintf(text, sizeof(text), "{%s%s%s}", final_rows[i].parent, ", ",
			       strstr(final_rows[i].parent, "syscalls\":")
				       ? "\"description\": \"x\""
				       : LEAST);
		put("parent", text);
		(void)snprintf(text, sizeof(text), "{\"extends\": \"parent\", %s}",
			       final_rows[i].child);
		put("p", text);
		r = get("p", &p, &err);
		cr_assert_eq(r, final_rows[i].fine ? 0 : -EINVAL, "row %zu: %s", i, err.text);
		cr_assert(final_rows[i].fine || strstr(err.text, "final"), "row %zu: %s", i,
			  err.text);
		policy_fini(&p);
	}
}

Test(load, a_cycle_is_found_and_named)
{
	struct policy p;
	struct err err = {0};

	put("a", "{\"extends\": \"b\"}");
	put("b", "{\"extends\": \"c\"}");
	put("c", "{\"extends\": \"b\"}");
	cr_assert_eq(get("a", &p, &err), -EINVAL);
	cr_assert_not_null(strstr(err.text, "a cycle: "), "%s", err.text);
	put("a", "{\"extends\": \"a\"}");
	cr_assert_eq(get("a", &p, &err), -EINVAL);
	cr_assert_not_null(strstr(err.text, "a cycle: "), "%s", err.text);
}

Test(load, a_chain_has_a_greatest_length)
{
	struct policy p;
	struct err err = {0};
	char name[16];
	char text[64];

	put("p0", "{" LEAST "}");
	for (int i = 1; i <= 8; i++) {
		(void)snprintf(name, sizeof(name), "p%d", i);
		(void)snprintf(text, sizeof(text), "{\"extends\": \"p%d\"}", i - 1);
		put(name, text);
	}
	cr_assert_eq(get("p7", &p, &err), 0, "%s", err.text);
	cr_assert_eq(p.n_sources, 8);
	policy_fini(&p);
	cr_assert_eq(get("p8", &p, &err), -EINVAL);
	cr_assert_not_null(strstr(err.text, "in a chain"), "%s", err.text);
}

Test(load, tools_narrow_and_never_widen)
{
	struct policy p;
	struct err err = {0};

	put("p", "{" LEAST ", \"limits\": {\"wall\": \"1min\"}, \"tools\": {"
		 "\"rust-fmt\": {\"limits\": {\"wall\": \"30s\", \"cpus\": 1}, \"workspace\": "
		 "{\"mode\": \"readonly\"}},"
		 "\"Bash\": false}}");
	cr_assert_eq(get("p", &p, &err), 0, "%s", err.text);
	cr_assert_not_null(policy_find_tool(&p, "rust_fmt"));
	cr_assert_null(policy_find_tool(&p, "rust"));
	cr_assert_null(policy_find_tool(&p, "rust-fmt2"));
	cr_assert(policy_find_tool(&p, "Bash")->taken_away);
	cr_assert_eq(policy_effective_limits(&p, policy_find_tool(&p, "rust-fmt")).wall_ms, 30000);
	cr_assert_eq(policy_effective_limits(&p, policy_find_tool(&p, "rust-fmt")).cpu_permille,
		     1000);
	cr_assert_eq(policy_effective_limits(&p, NULL).cpu_permille, 0);
	policy_fini(&p);
	expect_error("{" LEAST ", \"limits\": {\"wall\": \"1min\"}, \"tools\": {\"x\": "
		     "{\"limits\": {\"wall\": \"61s\"}}}}",
		     "/tools/x/limits/wall: is more than the policy's own limit");
}

Test(load, a_child_that_lowers_the_limit_lowers_its_parents_tools_too)
{
	struct policy p;
	struct err err = {0};

	put("parent", "{" LEAST ", \"limits\": {\"wall\": \"1min\"}, \"tools\": {\"x\": "
		      "{\"limits\": {\"wall\": \"50s\"}}}}");
	put("p", "{\"extends\": \"parent\", \"limits\": {\"wall\": \"10s\"}}");
	cr_assert_eq(get("p", &p, &err), 0, "%s", err.text);
	cr_assert_eq(policy_effective_limits(&p, policy_find_tool(&p, "x")).wall_ms, 10000);
	policy_fini(&p);
}

Test(load, inet_counts_only_with_a_network)
{
	struct policy p;
	struct err err = {0};

	put("p", "{\"syscalls\": {\"groups\": [\"base\"], \"sockets\": [\"unix\", \"inet\", "
		 "\"netlink-route\"]}}");
	cr_assert_eq(get("p", &p, &err), 0, "%s", err.text);
	cr_assert_eq(policy_sockets(&p, IMAGE_NET_NONE),
		     POLICY_SOCKET_UNIX | POLICY_SOCKET_NETLINK_ROUTE);
	cr_assert_eq(policy_sockets(&p, IMAGE_NET_LOOPBACK),
		     POLICY_SOCKET_UNIX | POLICY_SOCKET_INET | POLICY_SOCKET_NETLINK_ROUTE);
	policy_fini(&p);
}

Test(load, every_file_is_an_input)
{
	struct policy p;
	struct err err = {0};

	put("parent", "{" LEAST "}");
	put("p", "{\"extends\": \"parent\"}");
	cr_assert_eq(get("p", &p, &err), 0, "%s", err.text);
	cr_assert_eq(inputs.n, 2);
	cr_assert_eq(inputs.at[0].type, IMAGE_INPUT_FILE);
	cr_assert_neq(inputs.at[0].record.ino, 0);
	policy_fini(&p);
	cr_assert_eq(get("absent", &p, &err), -EINVAL);
	cr_assert_eq(inputs.n, 3);
	cr_assert_eq(inputs.at[2].type, IMAGE_INPUT_ABSENT);
}

Test(load, errors_stay_on_one_line)
{
	struct policy p;
	struct err err = {0};

	put("p", "{\"a\\n\\u001b[31mb\": 1}");
	cr_assert_eq(get("p", &p, &err), -EINVAL);
	cr_assert_null(strchr(err.text, '\n'));
	cr_assert_null(strchr(err.text, '\033'));
}

Test(load, no_call_is_in_a_group_and_never_at_once)
{
	for (size_t g = 0; g < syscalls_n_groups; g++) {
		char calls[4096];
		char *save = NULL;

		(void)snprintf(calls, sizeof(calls), "%s", syscalls_groups[g].calls);
		for (char *c = strtok_r(calls, " ", &save); c; c = strtok_r(NULL, " ", &save)) {
			cr_assert_null(syscalls_never(c), "%s of %s", c, syscalls_groups[g].name);
			cr_assert(syscalls_is_known(c), "%s of %s", c, syscalls_groups[g].name);
		}
	}
}
