/* Theory of operation: one thing wrong per row, and the exact words that its author gets. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_with(const char *members, struct err *err)
{
	json_t *base = js(
		"{'name':'demo','title':'Demo','description':'For tests.',"
		"'annotations':{'readOnlyHint':true,'destructiveHint':false,'idempotentHint':true,"
		"'openWorldHint':false},'input':{'type':'object','properties':{"
		"'text':{'type':'string','description':'d'},'on':{'type':'boolean','description':'"
		"d'},"
		"'list':{'type':'array','description':'d','items':{'type':'string'}}}},'argv':['"
		"demo']}");
	json_t *more = js(members), *tool = NULL;
	int r;

	json_object_update(base, more);
	r = manifest_check("tools/demo.json", base, &tool, err);
	cr_expect(r == 0 || !tool, "untouched on failure");
	json_decref(tool);
	json_decref(more);
	json_decref(base);
	return r;
}

static const struct {
	const char *members, *words;
} wrong_manifests[] = {
	{"{'argvv':[]}", "#: unknown key \"argvv\"; did you mean \"argv\"?"},
	{"{'name':'other'}", "#/name: the file of a tool \"other\" is called \"other.json\""},
	{"{'name':'de-mo'}",
	 "#/name: expected a name of letters, digits and \"_\", at most 40 long"},
	{"{'name':7}", "#/name: expected a name, got an integer"},
	{"{'title':''}", "#/title: expected text, got a string"},
	{"{'aliases':['ok','../x']}",
	 "#/aliases/1: expected a name of letters, digits and \"_\", at most 40 long"},
	{"{'annotations':{'readOnlyHint':true}}",
	 "#/annotations: \"destructiveHint\": expected true or false, got nothing"},
	{"{'annotations':{'readonlyHint':true}}",
	 "#/annotations: unknown key \"readonlyHint\"; did you mean \"readOnlyHint\"?"},
	{"{'argv':[]}", "#/argv: expected an array that begins with a program"},
	{"{'argv':['x',{'splat':'edits'}],'input':{'type':'object','properties':{'edits':{'type':"
	 "'array','description':'d','items':{'type':'object','properties':{'a':{'type':'string',"
	 "'description':'d'}}}}}}}",
	 "#/argv/1: parameter \"edits\" is of type objects; here it must be array"},
	{"{'input':{'type':'object','properties':{'edits':{'type':'array','description':'d','items'"
	 ":"
	 "{'type':'object','properties':{'a':{'type':'array','description':'d'}}}}}}}",
	 "#/input/properties/edits/items/properties/a: type: expected string, integer, number or "
	 "boolean"},
	{"{'input':{'type':'object','properties':{'edits':{'type':'array','description':'d','items'"
	 ":"
	 "{'type':'object','properties':{'a':{'type':'string','description':'d'}},'required':['b']}"
	 "}}}}",
	 "#/input/properties/edits/items/required: \"b\" is no property"},
	{"{'input':{'type':'object','properties':{'edits':{'type':'array','description':'d','items'"
	 ":"
	 "{'type':'object'}}}}}",
	 "#/input/properties/edits: items: expected \"properties\": {...}"},
	{"{'input':{'type':'object','properties':{'--A':{'type':'string','description':'d'}}}}",
	 "#/input/properties/--A: expected a name of letters, digits and \"_\", at most 40 long"},
	{"{'driver':{'stdin':'@argument'}}",
	 "#/driver: \"stdin\": expected the name of an input of type string"},
	{"{'driver':{'cwd':'@arguments'}}",
	 "#/driver: \"cwd\": expected the name of an input of type string"},
	{"{'output':{'consumed':true}}",
	 "#/output: consumed: there is no \"digest\" to consume it"},
	{"{'output':{'consumed':'yes'}}", "#/output: consumed: expected true or false"},
	{"{'builtin':'session'}",
	 "#/builtin: the engine itself is this tool: \"argv\" has no place beside it"},
	{"{'builtin':'sessions'}",
	 "#/builtin: unknown value \"sessions\"; did you mean \"session\"?"},
	{"{'cell':'changes'}",
	 "#/name: the changes of a session are for the engine's own tools only"},
	{"{'cell':'change'}", "#/cell: unknown value \"change\"; did you mean \"changes\"?"},
	{"{'argv':['x','{tezt}']}", "#/argv/1: unknown parameter \"tezt\"; did you mean \"text\"?"},
	{"{'argv':['x','{text}']}", "#/argv/1: \"{text}\" could become an option; put "
				    "\"--\" before it, or write \"--name={text}\""},
	{"{'argv':['x',{'if':'on','then':['--']},'{text}']}",
	 "#/argv/2: \"{text}\" could become an option; put \"--\" before it, or write "
	 "\"--name={text}\""},
	{"{'argv':['x','a{text']}", "#/argv/1: expected {parameter}; write {{ or }} for a brace"},
	{"{'argv':['x','a}']}", "#/argv/1: expected {parameter}; write {{ or }} for a brace"},
	{"{'argv':['x','--a={on}']}", "#/argv/1: parameter \"on\" is of type boolean; use \"if\""},
	{"{'argv':['x','--a={list}']}",
	 "#/argv/1: parameter \"list\" is of type array; use \"splat\""},
	{"{'argv':['x',{'splat':'text'}]}",
	 "#/argv/1: parameter \"text\" is of type string; here it must be array"},
	{"{'argv':['x',{'splat':'list'}]}", "#/argv/1: elements could become options; put "
					    "\"--\" before, or say \"options\": true"},
	{"{'argv':['x',{'splat':'list','as':'{item}'}]}",
	 "#/argv/1: \"{item}\" must not come first before a \"--\""},
	{"{'argv':['x',{'splat':'list','opts':true}]}", "#/argv/1: unknown key \"opts\""},
	{"{'argv':['x',{'if':'zz','then':[]}]}", "#/argv/1: unknown parameter \"zz\""},
	{"{'argv':['x',{'if':'on','then':['{y}']}]}", "#/argv/1/then/0: unknown parameter \"y\""},
	{"{'argv':['x',{'expand':'carg'}]}",
	 "#/argv/1: unknown built-in \"carg\"; did you mean \"cargo\"?"},
	{"{'argv':['x',{'expand':'cargo'}]}",
	 "#/argv/1: built-in \"cargo\" needs the parameter \"args\" of type array"},
	{"{'argv':['x',7]}", "#/argv/1: expected a string or an object with splat, if, "
			     "switch or expand, got an integer"},
	{"{'env':{'A=B':'x'}}", "#/env: a variable's name has letters, digits and \"_\" only"},
	{"{'env':{'A':1}}", "#/env: \"A\": expected a string without NUL"},
	{"{'driver':{'cwd':'on'}}",
	 "#/driver: \"cwd\": expected the name of an input of type string"},
	{"{'limits':{'wall':'10'}}",
	 "#/limits: \"wall\": expected a time such as \"90s\" or \"10min\""},
	{"{'limits':{'wall':'1s','wall_default':'2s'}}",
	 "#/limits: \"wall_default\" is longer than \"wall\""},
	{"{'pattern':{'argument':'text'}}", "#/pattern: the input \"text\" must be required"},
	{"{'rules':[{'exactlyOne':['text','b']}]}", "#/rules/0: \"b\" is no input"},
	{"{'output':{'data':{'type':'object'}}}",
	 "#/output/data: no type here: data is null when a call did not run to its end"},
	{"{'output':{'data':{'oneOf':[]}}}", "#/output/data: unknown key \"oneOf\""},
	{"{'output':{'data':{'properties':{'a':{'type':['string','null']}}}}}",
	 "#/output/data/properties/a: type: expected one word of JSON schema; leave it out "
	 "for what "
	 "may be null"},
	{"{'input':{'type':'object','properties':{'A.b':{'type':'string','description':'d'}}}"
	 "}",
	 "#/input/properties/A.b: expected a name of letters, digits and \"_\", at most 40 long"},
	{"{'input':{'type':'object','properties':{'a':{'type':'object','description':'d'}}}"
	 "}",
	 "#/input/properties/a: type: expected string, integer, number, boolean or array"},
	{"{'input':{'type':'object','properties':{'a':{'type':'string'}}}}",
	 "#/input/properties/a: expected a description for the model"},
	{"{'input':{'type':'object','properties':{'a':{'type':'string','description':'d','"
	 "pattern':'x'}}}}",
	 "#/input/properties/a: unknown key \"pattern\""},
	{"{'input':{'type':'object','properties':{},'required':['a']}}",
	 "#/input/required: \"a\" is no property"},
};

Test(check, a_wrong_manifest_is_refused_with_file_pointer_and_reason)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrong_manifests); i++) {
		struct err err = {0};
		size_t file = strlen("tools/demo.json");

		cr_expect(check_with(wrong_manifests[i].members, &err) == -EINVAL, "row %zu passes",
			  i);
		cr_expect(strncmp(err.text, "tools/demo.json", file) == 0, "row %zu: %s", i,
			  err.text);
		cr_expect_str_eq(err.text + file, wrong_manifests[i].words, "row %zu: %s", i,
				 err.text);
	}
}

Test(check, the_depth_of_templates_and_schemas_is_bounded)
{
	CLEANUP(buf_fini) struct buf argv = {0};
	CLEANUP(buf_fini) struct buf data = {0};
	struct err err = {0};

	cr_assert(buf_puts(&argv, "{'argv':['x'") == 0 &&
		  buf_puts(&data, "{'output':{'data':") == 0);
	for (int i = 0; i < 20; i++)
		cr_assert(buf_puts(&argv, ",{'if':'on','then':['x'") == 0 &&
			  buf_puts(&data, "{'items':") == 0);
	cr_assert(buf_puts(&data, "{}") == 0);
	for (int i = 0; i < 20; i++)
		cr_assert(buf_puts(&argv, "]}") == 0 && buf_puts(&data, "}") == 0);
	cr_assert(buf_puts(&argv, "]}") == 0 && buf_puts(&data, "}}") == 0);
	cr_expect(check_with(argv.data, &err) == -EINVAL);
	cr_expect(strstr(err.text, "nested deeper than 8"), "%s", err.text);
	cr_expect(check_with(data.data, &err) == -EINVAL);
	cr_expect(strstr(err.text, "nested deeper than 8"), "%s", err.text);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	cr_assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void remove_dir(const char *dir, const char *const *files, size_t n)
{
	char path[256];

	for (size_t i = 0; i < n; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(dir);
}

#define DEMO(title)                                                                         \
	"{\"name\":\"demo\",\"title\":\"" title "\",\"description\":\"d\",\"annotations\":" \
	"{\"readOnlyHint\":true,\"destructiveHint\":false,\"idempotentHint\":true,"         \
	"\"openWorldHint\":"                                                                \
	"false},\"input\":{\"type\":\"object\",\"properties\":{}},\"argv\":[\"demo\"]}"

Test(check, the_first_directory_wins_and_a_bad_file_fails_the_load_with_its_line)
{
	static const char *const files[] = {"demo.json", "x.schema.json", "notes.txt", "bad.json"};
	char one[] = "/tmp/manifest-test-XXXXXX", two[] = "/tmp/manifest-test-XXXXXX";
	json_t *all = NULL, *before;
	struct err err = {0};

	cr_assert(mkdtemp(one) && mkdtemp(two));
	const char *dirs[] = {"/nonexistent/tools", one, two, NULL};

	write_file(one, "demo.json", DEMO("operator's"));
	write_file(two, "demo.json", "not even JSON");
	write_file(two, "x.schema.json", "{");
	write_file(two, "notes.txt", "{");
	cr_expect(manifest_load_all(dirs, NULL, &all, &err) == 0, "%s", err.text);
	cr_expect(json_object_size(all) == 1);
	cr_expect_str_eq(json_string_value(json_object_get(json_object_get(all, "demo"), "title")),
			 "operator's");
	before = all;
	write_file(two, "bad.json", "{\n  \"name\": \"bad\",\n  \"name\": \"bad\"\n}");
	cr_expect(manifest_load_all(dirs, NULL, &all, &err) == -EINVAL);
	cr_expect(strstr(err.text, "bad.json:3:"), "%s", err.text);
	cr_expect(all == before, "untouched on failure");
	json_decref(all);
	remove_dir(one, files, ARRAY_SIZE(files));
	remove_dir(two, files, ARRAY_SIZE(files));
}
