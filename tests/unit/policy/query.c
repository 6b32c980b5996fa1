/*
 * Theory of operation: a policy of the test's own in a made-up home is asked row by row; each remedy
 * is written into a policy that extends it, which must then allow exactly that.
 */
#include "policy/query.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORKSPACE "/nowhere/project"

static char dir[] = "/tmp/toolcell-ask-XXXXXX";
static struct policy_inputs inputs;
static struct policy policy;
static struct policy_plan plan;
static struct query ask = {.plan = &plan, .workspace = WORKSPACE};

static const char base[] =
	"{\"name\": \"base\","
	" \"workspace\": {\"mode\": \"overlay\", \"protect\": [\"**/.git/hooks\"],"
	"                 \"scratch\": [\"target\"]},"
	" \"filesystem\": {"
	"  \"read\": [\"/usr\", {\"path\": \"${HOME}/data\", \"execute\": false},"
	"             {\"path\": \"/nonexistent/x\", \"optional\": true}],"
	"  \"write\": [\"${HOME}/out\"],"
	"  \"tmpfs\": [{\"path\": \"/mem\", \"size\": \"1MiB\", \"execute\": false}],"
	"  \"overlay\": [{\"path\": \"${HOME}/cache\", \"size\": \"1MiB\"}],"
	"  \"files\": [{\"path\": \"/etc/passwd\", \"content\": \"\"}],"
	"  \"symlinks\": [{\"path\": \"/link\", \"target\": \"usr/bin\"},"
	"                 {\"path\": \"/mem/up\", \"target\": \"../etc/passwd\"},"
	"                 {\"path\": \"/loop\", \"target\": \"loop\"}],"
	"  \"directories\": [\"/empty\", \"/mem/made\"],"
	"  \"devices\": [\"null\"], \"proc\": \"masked\"},"
	" \"syscalls\": {\"groups\": [\"base\", \"files\", \"processes\", \"network-unix\"],"
	"                \"deny\": [\"lseek\"], \"sockets\": [\"unix\"]},"
	" \"tools\": {\"Look\": {\"workspace\": {\"mode\": \"readonly\"}}, \"Gone\": false},"
	" \"final\": [\"/network\"]}";

static void write_policy(const char *name, const char *text)
{
	char path[160];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s.json", dir, name);
	f = fopen(path, "we");
	cr_assert_not_null(f);
	cr_assert_geq(fputs(text, f), 0);
	cr_assert_eq(fclose(f), 0);
}

static void load(const char *name)
{
	const char *const dirs[] = {dir, NULL};
	struct err err = {0};

	policy_plan_fini(&plan);
	policy_fini(&policy);
	cr_assert_eq(policy_load(name, dirs, &inputs, &policy, &err), 0, "%s", err.text);
	cr_assert_eq(policy_resolve(&policy, NULL, &inputs, &plan, &err), 0, "%s", err.text);
}

static void set_up(void)
{
	static const char *const folders[] = {"home", "home/data", "home/out", "home/cache",
					      "home/private"};
	char path[160];

	cr_assert_not_null(mkdtemp(dir));
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, folders[i]);
		cr_assert_eq(mkdir(path, 0755), 0);
	}
	(void)snprintf(path, sizeof(path), "%s/home", dir);
	cr_assert_eq(setenv("HOME", path, 1), 0);
	write_policy("base", base);
	load("base");
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

/* Lives until the next one is asked for. */
static const struct query_place *place_of(const char *text)
{
	static struct query_place place;
	static char path[PATH_MAX];
	struct err err = {0};

	cr_assert_eq(query_clean(&ask, text, path, &err), 0, "%s: %s", text, err.text);
	cr_assert_eq(query_place(&ask, path, &place, &err), 0, "%s: %s", text, err.text);
	return &place;
}

static struct query_answer answer_of(const char *text, enum query_use use)
{
	const struct query_place *place = place_of(text);
	struct query_answer answer;

	query_path(&ask, place, use, &answer);
	return answer;
}

/* read list write create execute: a allow, r refused, h hidden, p protected */
static void check_uses(const char *text, const char *letters)
{
	static const char all[] = "arhp";

	for (uint32_t use = 0; use < QUERY_USE_N; use++) {
		struct query_answer a = answer_of(text, (enum query_use)use);

		cr_expect_eq(all[a.verdict], letters[use], "%s, %s: %c, not %c (%s)", text,
			     query_use_name((enum query_use)use), all[a.verdict], letters[use],
			     a.why);
		cr_expect_neq(a.why[0], '\0');
	}
}

Test(ask, every_kind_of_mount_allows_what_it_can)
{
	static const struct {
		const char *path;
		const char *letters;
	} rows[] = {
		{"/", "rarrr"},
		{"/usr/bin/env", "aarra"},
		{"/link/env", "aarra"},
		{"${HOME}/data/x", "aarrr"},
		{"${HOME}/out/x", "aaaaa"},
		{"${HOME}/cache/x", "aaaaa"},
		{"${HOME}", "rarrr"},
		{"${HOME}/private/x", "hhhhh"},
		{"/mem", "aaaar"},
		{"/mem/x", "hhaar"},
		{"/mem/up", "arrrr"},
		{"/mem/made", "aaaar"},
		{"/etc/passwd", "arrrr"},
		{"/etc", "rarrr"},
		{"/etc/shadow", "hhhhh"},
		{"/empty", "aarrr"},
		{"/empty/x", "aarrr"},
		{"/dev/null", "arar"
			      "r"},
		{"/dev/sda", "hhhhh"},
		{"/nonexistent/x", "hhhhh"},
		{"/proc/self/maps", "aaarr"},
		{"/proc/12/maps", "aaarr"},
		{"/proc/meminfo", "aarrr"},
		{"/proc/kcore", "hhhrr"},
		{"/proc/sys/x", "aarrr"},
		{"/usrx", "hhhhh"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_uses(rows[i].path, rows[i].letters);
}

Test(ask, the_workspace_is_held_against_protect_scratch_and_the_tool)
{
	check_uses("${WORKSPACE}/src/x", "aaaaa");
	check_uses("src/x", "aaaaa");
	check_uses("${WORKSPACE}/.git/hooks/x", "aappa");
	check_uses("${WORKSPACE}/sub/.GIT/HOOKS", "aappa");
	cr_assert_eq(answer_of("src/x", QUERY_WRITE).fate, QUERY_KEPT_SESSION);
	cr_assert_not_null(strstr(answer_of("target/x", QUERY_CREATE).why, "scratch"));
	cr_assert_str_eq(answer_of(".git/hooks/x", QUERY_WRITE).rule.pointer,
			 "/workspace/protect/0");
	ask.tool = policy_find_tool(&policy, "Look");
	check_uses("src/x", "aarra");
	cr_assert_str_eq(answer_of("src/x", QUERY_WRITE).rule.pointer,
			 "/tools/Look/workspace/mode");
	ask.tool = NULL;
}

Test(ask, a_path_is_cleaned_as_text)
{
	static const struct {
		const char *text;
		const char *path;
	} rows[] = {
		{"/usr/../etc//passwd/", "/etc/passwd"},
		{"/../..", "/"},
		{"//", "/"},
		{"/a/./b/../c", "/a/c"},
		{".", WORKSPACE},
		{"..", "/nowhere"},
		{"${WORKSPACE}", WORKSPACE},
		{"x/../y", WORKSPACE "/y"},
	};
	char path[PATH_MAX];
	struct err err = {0};
	struct query no_workspace = {.plan = &plan};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		cr_assert_eq(query_clean(&ask, rows[i].text, path, &err), 0, "%s", err.text);
		cr_assert_str_eq(path, rows[i].path, "row %zu", i);
	}
	cr_assert_eq(query_clean(&no_workspace, "x", path, &err), -EINVAL);
	cr_assert_not_null(strstr(err.text, "--workspace"));
	cr_assert_lt(query_clean(&ask, "${HOM}/x", path, &err), 0);
}

Test(ask, links_in_a_circle_end)
{
	struct query_place place;
	struct err err = {0};

	cr_assert_eq(query_place(&ask, "/loop/x", &place, &err), -ELOOP);
}

Test(ask, calls_have_the_reason_that_decides)
{
	static const struct {
		const char *text;
		enum call_verdict verdict;
		const char *pointer; /* NULL: built in */
		const char *why;
	} rows[] = {
		{"read", CALL_ALLOW, "/syscalls/groups/0", "group \"base\""},
		{"lseek", CALL_EPERM, "/syscalls/deny/0", "deny \"lseek\""},
		{"ptrace", CALL_EPERM, NULL, "no policy can allow it"},
		{"shmget", CALL_EPERM, NULL, "no group of the policy has it"},
		{"clone arg0=CLONE_NEWUSER", CALL_EPERM, NULL,
		 "without flags that make namespaces"},
		{"socket arg0=AF_UNIX", CALL_ALLOW, "/syscalls/groups/3", "group"},
		{"socket arg0=AF_INET arg1=1", CALL_EPERM, "/syscalls/sockets/0", "families"},
		{"ioctl arg1=TIOCSTI", CALL_EPERM, NULL, "TIOCSTI"},
		{"#999", CALL_ENOSYS, NULL, "by its number"},
	};
	struct call_filters filters;
	struct err err = {0};

	cr_assert_eq(call_filters_init(&filters, &policy, 0, &err), 0, "%s", err.text);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum call_verdict verdict = CALL_KILL;
		struct query_answer a;
		struct call call;

		cr_assert_eq(call_parse(rows[i].text, &call, &err), 0, "%s", err.text);
		cr_assert_eq(query_call(&ask, &filters, CALL_X86_64, CALL_X86_64, &call, &verdict,
					&a, &err),
			     1);
		cr_expect_eq(verdict, rows[i].verdict, "%s", rows[i].text);
		cr_expect_not_null(strstr(a.why, rows[i].why), "%s: %s", rows[i].text, a.why);
		cr_expect(rows[i].pointer
				  ? a.rule.pointer && !strcmp(a.rule.pointer, rows[i].pointer)
				  : a.rule.source == POLICY_BUILT_IN,
			  "%s: %s", rows[i].text, a.rule.pointer);
	}
	call_filters_fini(&filters);
}

Test(ask, hosts_follow_from_the_network_and_the_families)
{
	static const char *const bad[] = {"", ":80", "a:b", "a:65536", "[::1]80", "[::1"};
	struct query_answer a;
	struct err err = {0};

	cr_assert_eq(query_host(&ask, "127.0.0.1:80", &a, &err), 0);
	cr_assert_eq(a.verdict, QUERY_REFUSED);
	write_policy("net",
		     "{\"name\": \"net\", \"syscalls\": {\"groups\": [\"base\"], \"sockets\": "
		     "[\"inet\"]}, \"network\": {\"mode\": \"loopback\"}}");
	load("net");
	cr_assert_eq(query_host(&ask, "127.9.0.1", &a, &err), 0);
	cr_assert_eq(a.verdict, QUERY_ALLOW);
	cr_assert_eq(query_host(&ask, "localhost:1", &a, &err), 0);
	cr_assert_eq(a.verdict, QUERY_ALLOW);
	cr_assert_eq(query_host(&ask, "::1", &a, &err), 0);
	cr_assert_eq(a.verdict, QUERY_REFUSED); /* inet6 is not granted */
	cr_assert_eq(query_host(&ask, "192.0.2.1:443", &a, &err), 0);
	cr_assert_eq(a.verdict, QUERY_REFUSED);
	cr_assert_str_eq(a.rule.pointer, "/network/mode");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		cr_assert_eq(query_host(&ask, bad[i], &a, &err), -EINVAL, "%s", bad[i]);
}

Test(ask, tools_are_granted_or_taken_away)
{
	struct query_answer a;

	query_tool(policy_find_tool(&policy, "Look"), &a);
	cr_assert_eq(a.verdict, QUERY_ALLOW);
	query_tool(policy_find_tool(&policy, "Gone"), &a);
	cr_assert_eq(a.verdict, QUERY_REFUSED);
	cr_assert_str_eq(a.rule.pointer, "/tools/Gone");
	query_tool(NULL, &a);
	cr_assert_eq(a.verdict, QUERY_ALLOW);
}

Test(ask, a_final_holds_for_the_key_and_what_lies_below_it)
{
	cr_assert_not_null(query_final(&policy, "/network/mode"));
	cr_assert_not_null(query_final(&policy, "/network"));
	cr_assert_null(query_final(&policy, "/networks"));
	cr_assert_null(query_final(&policy, "/syscalls/allow"));
}

/* The fragment as a policy of its own: afterwards it is allowed, and @other is not. */
static void check_remedy(const char *text, enum query_use use, const char *other)
{
	const struct query_place *place = place_of(text);
	const char *pointer = "";
	json_t *remedy = query_remedy_path(&ask, place, use, &pointer);
	char *dumped;

	cr_assert_neq(answer_of(text, use).verdict, QUERY_ALLOW, "%s", text);
	cr_assert_not_null(remedy, "%s has no remedy", text);
	cr_assert(json_object_set_new(remedy, "name", json_string("more")) == 0);
	dumped = json_dumps(remedy, 0);
	write_policy("more", dumped);
	load("more");
	cr_expect_eq(answer_of(text, use).verdict, QUERY_ALLOW, "%s: %s does not help", text,
		     dumped);
	cr_expect_neq(answer_of(other, use).verdict, QUERY_ALLOW, "%s: %s opens %s", text, dumped,
		      other);
	cr_expect_neq(pointer[0], '\0');
	free(dumped);
	json_decref(remedy);
	load("base");
}

Test(ask, a_remedy_allows_what_was_refused_and_not_its_neighbour)
{
	check_remedy("${HOME}/private", QUERY_READ, "${HOME}/other");
	check_remedy("/etc/hostname", QUERY_READ, "/etc/shadow");
	check_remedy("/etc/hostname", QUERY_WRITE, "/etc/shadow");
	check_remedy("/usr/bin/env", QUERY_WRITE, "/usr/lib/x");
	check_remedy("/usr/bin/new", QUERY_CREATE, "/usr/lib/x");
	check_remedy("/srv/new", QUERY_CREATE, "/opt/new");
	check_remedy("/mem/x", QUERY_EXECUTE, "${HOME}/data/x");
	check_remedy("${HOME}/data/x", QUERY_EXECUTE, "/mem/x");
	check_remedy("/dev/zero", QUERY_READ, "/dev/full");
}

Test(ask, what_no_policy_can_grant_has_no_remedy)
{
	static const struct {
		const char *path;
		enum query_use use;
	} rows[] = {{"/", QUERY_WRITE},		  {"/proc/kcore", QUERY_READ},
		    {"/dev/mem", QUERY_READ},	  {".git/hooks/x", QUERY_WRITE},
		    {"/etc/passwd", QUERY_WRITE}, {"/nonexistent/y", QUERY_READ}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct query_place *place = place_of(rows[i].path);
		const char *pointer = "";

		cr_assert_null(query_remedy_path(&ask, place, rows[i].use, &pointer), "%s",
			       rows[i].path);
	}
}

Test(ask, a_call_has_a_remedy_where_a_policy_decides)
{
	static const struct {
		const char *text;
		const char *pointer; /* NULL: none */
	} rows[] = {
		{"shmget", "/syscalls/allow"},
		{"ptrace", NULL},
		{"lseek", NULL},
		{"clone arg0=CLONE_NEWUSER", NULL},
		{"socket arg0=AF_INET", "/network/mode"},
		{"socket arg0=AF_NETLINK", "/syscalls/sockets"},
		{"socket arg0=AF_PACKET", NULL},
		{"#999", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *pointer = NULL;
		struct call call;
		json_t *remedy;

		cr_assert_eq(call_parse(rows[i].text, &call, NULL), 0);
		remedy = query_remedy_call(&ask, &call, &pointer);
		cr_assert_eq(remedy != NULL, rows[i].pointer != NULL, "%s", rows[i].text);
		if (rows[i].pointer)
			cr_assert_str_eq(pointer, rows[i].pointer, "%s", rows[i].text);
		json_decref(remedy);
	}
}
