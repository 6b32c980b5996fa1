/* Theory of operation: templates and arguments in, vectors out; and calls with patterns. */
#include "support.h"

#include <errno.h>
#include <stdlib.h>

#define INPUT                                                                        \
	"'input':{'type':'object','properties':{"                                    \
	"'text':{'type':'string','description':'d'},"                                \
	"'mode':{'type':'string','description':'d','enum':['a','b'],'default':'a'}," \
	"'count':{'type':'integer','description':'d'},"                              \
	"'force':{'type':'boolean','description':'d'},"                              \
	"'args':{'type':'array','description':'d','items':{'type':'string'}}}}"

static void expect_argv(size_t row, const char *argv, const char *arguments, const char *want)
{
	char members[2048];
	struct manifest_call call = {0};
	struct err err = {0};
	json_t *tool, *given;

	(void)snprintf(members, sizeof(members), "{%s,'argv':%s}", INPUT, argv);
	tool = tool_from(members);
	given = js(arguments);
	cr_expect(manifest_expand(tool, given, "/ws", &call, &err) == 0, "row %zu: %s", row,
		  err.text);
	cr_expect_str_eq(joined(call.argv), want, "row %zu: %s", row, joined(call.argv));
	manifest_call_fini(&call);
	json_decref(given);
	json_decref(tool);
}

Test(expand, templates_become_argument_vectors)
{
	static const struct {
		const char *argv, *arguments, *want;
	} rows[] = {
		{"['x','--','{text}']", "{'text':'-rf; $(id)'}", "x|--|-rf; $(id)"},
		{"['x','--','{text}']", "{}", "x|--"},
		{"['x','--t={text}']", "{'text':'a b'}", "x|--t=a b"},
		{"['x','--t={text}','--c={count}']", "{'count':-7}", "x|--c=-7"},
		{"['x','--t={text}:{count}']", "{'text':'a'}", "x"},
		{"['x','--m={mode}']", "{}", "x|--m=a"},
		{"['x','--m={mode}']", "{'mode':null}", "x|--m=a"},
		{"['x','{{}}','{workspace}/y']", "{}", "x|{}|/ws/y"},
		{"['x','--c={count}']", "{'count':3.0}", "x|--c=3"},
		{"['x',{'splat':'args','options':true}]", "{'args':['-a','{text}','']}",
		 "x|-a|{text}|"},
		{"['x',{'splat':'args','as':'--l={item}'}]", "{'args':['p','q']}", "x|--l=p|--l=q"},
		{"['x',{'splat':'args','part':'head','options':true},'--','m',{'splat':'args','"
		 "part':'tail'}]",
		 "{'args':['a','--','b','--','c']}", "x|a|--|m|b|--|c"},
		{"['x',{'splat':'args','part':'head','options':true},'--','m',{'splat':'args','"
		 "part':'tail'}]",
		 "{'args':['a']}", "x|a|--|m"},
		{"['x',{'if':'force','then':['-f'],'else':['-n']}]", "{'force':true}", "x|-f"},
		{"['x',{'if':'force','then':['-f'],'else':['-n']}]", "{'force':false}", "x|-n"},
		{"['x',{'if':'force','then':['-f']}]", "{}", "x"},
		{"['x',{'if':'args','then':['y']}]", "{'args':[]}", "x"},
		{"['x',{'if':{'param':'args','has':['-o','--out']},'then':['y'],'else':['n']}]",
		 "{'args':['-ofile']}", "x|y"},
		{"['x',{'if':{'param':'args','has':['-o','--out']},'then':['y'],'else':['n']}]",
		 "{'args':['--out=z']}", "x|y"},
		{"['x',{'if':{'param':'args','has':['-o','--out']},'then':['y'],'else':['n']}]",
		 "{'args':['--outer','--','--out']}", "x|n"},
		{"['x',{'switch':'mode','cases':{'b':['bee']},'default':['dee']}]", "{'mode':'b'}",
		 "x|bee"},
		{"['x',{'switch':'mode','cases':{'b':['bee']},'default':['dee']}]", "{}", "x|dee"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		expect_argv(i, rows[i].argv, rows[i].arguments, rows[i].want);
}

#define CALL                                                                                       \
	"{'input':{'type':'object','required':['command'],'properties':{"                          \
	"'command':{'type':'string','description':'d'},'cwd':{'type':'string','description':'d'}," \
	"'source':{'type':'string','description':'d'},"                                            \
	"'timeout':{'type':'integer','description':'d'}}},"                                        \
	"'argv':['sh','-c','--','{command}'],'env':{'A':'1','B':'x y'},"                           \
	"'driver':{'timeout':'timeout','cwd':'cwd','stdin':'source'},"                             \
	"'limits':{'wall':'10s','wall_default':'2s'},'pattern':{'argument':'command'}}"

Test(expand, environment_folder_stdin_and_time_come_from_where_the_manifest_says)
{
	json_t *tool = tool_from(CALL);
	json_t *given = js("{'command':'x','cwd':'sub','source':'fn','timeout':500}");
	struct manifest_call call = {0};
	struct err err = {0};

	cr_assert(manifest_expand(tool, given, "/ws", &call, &err) == 0, "%s", err.text);
	cr_expect_str_eq(joined(call.env), "A=1|B=x y");
	cr_expect_str_eq(call.cwd, "sub");
	cr_expect_str_eq(call.stdin_text, "fn");
	cr_expect(call.stdin_len == 2);
	cr_expect(call.wall_ms == 500);
	manifest_call_fini(&call);
	cr_expect(!call.argv && !call.stdin_text, "fini forgets");
	json_decref(given);
	json_decref(tool);
}

Test(expand, a_driver_can_shorten_the_time_but_not_lengthen_it)
{
	static const struct {
		const char *arguments;
		uint64_t wall_ms;
	} rows[] = {
		{"{'command':'x'}", 2000},
		{"{'command':'x','timeout':9999}", 9999},
		{"{'command':'x','timeout':10001}", 10000},
		{"{'command':'x','timeout':0}", 2000},
		{"{'command':'x','timeout':-1}", 2000},
	};
	json_t *tool = tool_from(CALL);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *given = js(rows[i].arguments);
		struct manifest_call call = {0};
		struct err err = {0};

		cr_assert(manifest_expand(tool, given, "/ws", &call, &err) == 0, "%s", err.text);
		cr_expect(call.wall_ms == rows[i].wall_ms, "row %zu: %llu", i,
			  (unsigned long long)call.wall_ms);
		cr_expect(!call.cwd && !call.stdin_text);
		manifest_call_fini(&call);
		json_decref(given);
	}
	json_decref(tool);
}

Test(expand, patterns_run_the_words_themselves_and_nothing_else)
{
	static const struct {
		const char *command;
		const char *argv;
		const char *words;
	} rows[] = {
		{"git log 'a b'", "git|log|a b", NULL},
		{"cargo test", "cargo|test", NULL},
		{"cargo test x", NULL,
		 "demo: the agent allows only git:*, cargo test; \"cargo\" is not among them"},
		{"rm -rf x", NULL,
		 "demo: the agent allows only git:*, cargo test; \"rm\" is not among them"},
		{"git log && rm x", NULL,
		 "demo: the agent allows only git:*, cargo test, run without a shell; refused: "
		 "\"&\" at byte 9 "
		 "has a meaning in a shell; quote it if it is meant literally"},
	};
	json_t *tool = tool_from(CALL), *patterns = js("['git:*','cargo test']");

	json_object_set_new(tool, "patterns", patterns);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *given = json_pack("{ss}", "command", rows[i].command);
		struct manifest_call call = {0};
		struct err err = {0};
		int r = manifest_expand(tool, given, "/ws", &call, &err);

		cr_expect(rows[i].argv ? r == 0 : r == -EPERM, "row %zu: %d", i, r);
		cr_expect_str_eq(rows[i].argv ? joined(call.argv) : err.text,
				 rows[i].argv ? rows[i].argv : rows[i].words, "row %zu: %s", i,
				 err.text);
		cr_expect(rows[i].argv || !call.argv, "row %zu leaves nothing", i);
		manifest_call_fini(&call);
		json_decref(given);
	}
	json_decref(tool);
}

Test(expand, a_string_that_execve_cannot_carry_is_refused_with_its_size)
{
	json_t *tool = tool_from(CALL), *given;
	struct manifest_call call = {0};
	struct err err = {0};
	char *text = malloc(MANIFEST_ARG_BYTES_MAX + 1);

	cr_assert(text);
	memset(text, 'a', MANIFEST_ARG_BYTES_MAX + 1);
	given = json_pack("{ss#}", "command", text, (int)MANIFEST_ARG_BYTES_MAX + 1);
	cr_expect(manifest_expand(tool, given, "/ws", &call, &err) == -E2BIG);
	cr_expect_str_eq(
		err.text,
		"demo: an argument of 131072 bytes; the kernel takes at most 131071 in one "
		"argument");
	json_decref(given);
	given = json_pack("{ss#}", "command", text, (int)MANIFEST_ARG_BYTES_MAX);
	cr_expect(manifest_expand(tool, given, "/ws", &call, &err) == 0);
	manifest_call_fini(&call);
	json_decref(given);
	free(text);
	json_decref(tool);
}
