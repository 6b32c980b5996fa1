/* Theory of operation: rows of arguments against one tool with each type, and the exact words. */
#include "support.h"

#include <errno.h>
#include <stdlib.h>

static const char members[] =
	"{'input':{'type':'object','required':['name'],'properties':{"
	"'name':{'type':'string','description':'d','minLength':1,'maxLength':5},"
	"'level':{'type':'string','description':'d','enum':['low','high']},"
	"'count':{'type':'integer','description':'d','minimum':1,'maximum':600000},"
	"'ratio':{'type':'number','description':'d','minimum':0},"
	"'force':{'type':'boolean','description':'d'},"
	"'paths':{'type':'array','description':'d','items':{'type':'string'},'minItems':1,'"
	"maxItems':3},"
	"'many':{'type':'array','description':'d','items':{'type':'string'}}}},"
	"'rules':[{'exactlyOne':['name','level']}]}";

Test(validate, takes_what_the_schema_says)
{
	static const char *const rows[] = {
		"{'name':'x'}",
		"{'name':'\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4'}", /* five characters, ten bytes
									*/
		"{'name':'x','count':600000,'ratio':0.5,'force':false,'paths':['a','b','c']}",
		"{'name':'x','count':3.0,'ratio':1}",
		"{'name':'x','count':null,'paths':null,'level':null}",
	};
	json_t *tool = tool_from(members);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *arguments = js(rows[i]);
		struct err err = {0};

		cr_expect(manifest_validate(tool, arguments, &err) == 0, "row %zu: %s", i,
			  err.text);
		json_decref(arguments);
	}
	json_decref(tool);
}

Test(validate, refusals_name_the_place_what_was_expected_and_what_came)
{
	static const struct {
		const char *arguments;
		const char *words;
	} rows[] = {
		{"[]", "demo: expected an object of arguments, got an array"},
		{"{}", "demo: /name: required argument is missing"},
		{"{'name':null}", "demo: /name: required argument is missing"},
		{"{'name':7}", "demo: /name: expected a string, got an integer"},
		{"{'name':''}", "demo: /name: expected at least 1 characters, got 0"},
		{"{'name':'abcdef'}", "demo: /name: expected at most 5 characters, got 6"},
		{"{'name':'a\\u0000b'}", "demo: /name: holds a NUL character"},
		{"{'nam':'x'}", "demo: /nam: unknown argument; did you mean \"name\"?"},
		{"{'name':'x','dangerouslyDisableSandbox':true}",
		 "demo: /dangerouslyDisableSandbox: unknown argument; it takes name, level, count, "
		 "ratio, "
		 "force, paths, many"},
		{"{'name':'x','\\u001b[31m':1}", "demo: /\\x1b[31m: unknown argument; it takes "
						 "name, level, count, ratio, force, paths, many"},
		{"{'level':'hig'}",
		 "demo: /level: \"hig\" is none of low, high; did you mean \"high\"?"},
		{"{'level':'no'}", "demo: /level: \"no\" is none of low, high"},
		{"{'name':'x','count':0}", "demo: /count: expected at least 1, got 0"},
		{"{'name':'x','count':600001}",
		 "demo: /count: expected at most 600000, got 600001"},
		{"{'name':'x','count':'5'}", "demo: /count: expected an integer, got a string"},
		{"{'name':'x','count':1.5}", "demo: /count: expected an integer, got a number"},
		{"{'name':'x','count':1e300}", "demo: /count: expected an integer, got a number"},
		{"{'name':'x','ratio':-1}", "demo: /ratio: expected at least 0, got -1"},
		{"{'name':'x','force':'true'}",
		 "demo: /force: expected true or false, got a string"},
		{"{'name':'x','paths':'a'}",
		 "demo: /paths: expected an array of strings, got a string"},
		{"{'name':'x','paths':[]}", "demo: /paths: expected at least 1 elements, got 0"},
		{"{'name':'x','paths':['a','b','c','d']}",
		 "demo: /paths: expected at most 3 elements, got 4"},
		{"{'name':'x','paths':['a',{}]}",
		 "demo: /paths/1: expected a string, got an object"},
		{"{'name':'x','level':'low'}",
		 "demo: expected exactly one of \"name\", \"level\", got more"},
	};
	json_t *tool = tool_from(members);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *arguments = js(rows[i].arguments);
		struct err err = {0};

		cr_expect(manifest_validate(tool, arguments, &err) < 0, "row %zu passes", i);
		cr_expect_str_eq(err.text, rows[i].words, "row %zu: %s", i, err.text);
		json_decref(arguments);
	}
	json_decref(tool);
}

static int validate_array(json_t *tool, size_t n, size_t bytes, struct err *err)
{
	char *text = malloc(bytes + 1);
	json_t *list = json_array(), *arguments;
	int r;

	cr_assert(text && list);
	memset(text, 'a', bytes);
	text[bytes] = '\0';
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_stringn(text, bytes));
	arguments = json_pack("{ss so}", "name", "x", "many", list);
	r = manifest_validate(tool, arguments, err);
	json_decref(arguments);
	free(text);
	return r;
}

Test(validate, sizes_have_a_ceiling_even_where_the_schema_has_none)
{
	json_t *tool = tool_from(members);
	struct err err = {0};

	cr_expect(validate_array(tool, MANIFEST_ARRAY_MAX, 1, &err) == 0, "%s", err.text);
	cr_expect(validate_array(tool, MANIFEST_ARRAY_MAX + 1, 1, &err) == -E2BIG);
	cr_expect(validate_array(tool, 8, ((size_t)1 << 20) - 1, &err) == 0, "%s", err.text);
	cr_expect(validate_array(tool, 8, (size_t)1 << 20, &err) == -E2BIG);
	cr_expect_str_eq(err.text,
			 "demo: /many/7: the strings of one call hold at most 8388608 bytes");
	json_decref(tool);
}

static const char edits[] =
	"{'input':{'type':'object','properties':{"
	"'-A':{'type':'integer','description':'d'},"
	"'edits':{'type':'array','description':'d','minItems':1,'maxItems':2,'items':{'type':'"
	"object',"
	"'properties':{'old':{'type':'string','description':'d','minLength':1},"
	"'all':{'type':'boolean','description':'d'}},'required':['old']}}}},"
	"'argv':['x',{'if':'edits','then':['-e']},'-A={-A}'],'driver':{'stdin':'@arguments'}}";

Test(validate, arrays_of_objects_are_checked_member_by_member)
{
	static const struct {
		const char *arguments;
		const char *words; /* "": fine */
	} rows[] = {
		{"{'edits':[{'old':'a'}]}", ""},
		{"{'edits':[{'old':'a','all':true},{'old':'b','all':null}],'-A':3}", ""},
		{"{'edits':[]}", "demo: /edits: expected at least 1 elements, got 0"},
		{"{'edits':[{'old':'a'},{'old':'a'},{'old':'a'}]}",
		 "demo: /edits: expected at most 2 elements, got 3"},
		{"{'edits':'a'}", "demo: /edits: expected an array of objects, got a string"},
		{"{'edits':['a']}", "demo: /edits/0: expected an object, got a string"},
		{"{'edits':[{'old':'a'},{}]}", "demo: /edits/1/old: required argument is missing"},
		{"{'edits':[{'old':''}]}",
		 "demo: /edits/0/old: expected at least 1 characters, got 0"},
		{"{'edits':[{'old':'a','al':true}]}",
		 "demo: /edits/0/al: unknown argument; did you mean \"all\"?"},
		{"{'edits':[{'old':'a','zzz':true}]}",
		 "demo: /edits/0/zzz: unknown argument; it takes old, all"},
		{"{'edits':[{'old':['a']}]}",
		 "demo: /edits/0/old: expected a string, got an array"},
		{"{'edits':[{'old':'a','all':1}]}",
		 "demo: /edits/0/all: expected true or false, got an integer"},
	};
	json_t *tool = tool_from(edits);

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		json_t *arguments = js(rows[i].arguments);
		struct err err = {0};
		int r = manifest_validate(tool, arguments, &err);

		cr_expect_eq(r == 0, rows[i].words[0] == '\0', "row %zu: %s", i, err.text);
		cr_expect_str_eq(err.text, rows[i].words, "row %zu: %s", i, err.text);
		json_decref(arguments);
	}
	cr_expect(json_is_false(json_object_get(
		json_object_get(json_object_get(json_object_get(json_object_get(tool,
										"inputSchema"),
								"properties"),
						"edits"),
				"items"),
		"additionalProperties")));
	json_decref(tool);
}

Test(validate, program_of_ours_reads_the_arguments_without_nulls)
{
	json_t *tool = tool_from(edits);
	json_t *arguments = js("{'edits':[{'old':'\xc3\xa4\\n','all':null}],'-A':null}");
	struct manifest_call call = {0};
	struct err err = {0};

	cr_assert(manifest_expand(tool, arguments, "/w", &call, &err) == 0, "%s", err.text);
	cr_expect_str_eq(call.stdin_text, "{\"edits\":[{\"old\":\"\xc3\xa4\\n\"}]}");
	cr_expect_eq(call.stdin_len, strlen(call.stdin_text));
	cr_expect_str_eq(joined(call.argv), "x|-e");
	cr_expect(manifest_reads_arguments(tool));
	cr_expect(json_object_get(arguments, "-A"), "the driver's own object stays as it was");
	manifest_call_fini(&call);
	json_decref(arguments);
	json_decref(tool);
}

Test(validate, arguments_that_are_too_long_as_json_are_refused)
{
	size_t n = (size_t)3 << 20;
	char *long_text = malloc(n + 1);
	json_t *tool = tool_from(
		"{'input':{'type':'object','properties':{'t':{'type':'string','description':'d'}}},"
		"'driver':{'stdin':'@arguments'}}");
	struct manifest_call call = {0};
	struct err err = {0};
	json_t *arguments;

	memset(long_text, 1, n); /* six bytes each as JSON */
	long_text[n] = '\0';
	arguments = json_pack("{ss}", "t", long_text);
	cr_assert(manifest_validate(tool, arguments, &err) == 0, "%s", err.text);
	cr_expect(manifest_expand(tool, arguments, "/w", &call, &err) == -E2BIG);
	cr_expect_str_eq(err.text, "the arguments have more than 12582912 bytes as JSON");
	cr_expect(!call.argv);
	json_decref(arguments);
	json_decref(tool);
	free(long_text);
}
