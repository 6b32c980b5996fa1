/* Option parsing: every kind, every way to be wrong, and what is left alone. */
#include "cli/args.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const fruits[] = {"apple", "pear", NULL};

static const struct args_option options[] = {
	{"agent", 'a', .kind = ARGS_TEXT, .value = "AGENT", .offset = offsetof(struct args, agent)},
	{"format", 'f', .kind = ARGS_CHOICE, .value = "F", .choices = fruits,
	 .offset = offsetof(struct args, format)},
	{"timeout", 't', .kind = ARGS_DURATION, .value = "TIME",
	 .offset = offsetof(struct args, timeout_ms)},
	{"uid-range", .kind = ARGS_UID_RANGE, .value = "R", .offset = offsetof(struct args, uids)},
	{"json", 'j', .kind = ARGS_FLAG, .offset = offsetof(struct args, json)},
	{"overwrite", 'o', .kind = ARGS_LIST, .value = "PATH",
	 .offset = offsetof(struct args, overwrite)},
	{"secret-fixtures", .kind = ARGS_FLAG, .hidden = true,
	 .offset = offsetof(struct args, fixtures)},
};
static const struct args_table permuting = {options, ARRAY_SIZE(options), .stop = false};
static const struct args_table stopping = {options, ARRAY_SIZE(options), .stop = true};

#define WORDS_MAX 12

/* @line is cut at single spaces, in place. */
static int parse(const struct args_table *table, char *line, char **words, struct args *ret,
		 struct err *err)
{
	int argc = 0;

	memset(words, 0, WORDS_MAX * sizeof(*words));
	for (char *w = line[0] ? line : NULL; w; argc++) {
		char *space = strchr(w, ' ');

		words[argc] = w;
		if (space)
			*space++ = '\0';
		w = space;
	}
	return args_parse(table, argc, words, ret, err);
}

static const struct {
	const char *line;
	const char *text; /* part of the message */
} wrong[] = {
	{"--agant x", "unknown option --agant; did you mean --agent?"},
	{"--timeot 1s", "did you mean --timeout?"},
	{"--colour never", "did you mean --color?"},
	{"--agen x", "did you mean --agent?"},
	{"--zzzzzzzz", "unknown option --zzzzzzzz"},
	{"--secret-fixturez", "unknown option --secret-fixturez"},
	{"-x", "unknown option -x"},
	{"-ja", "--json takes no value"},
	{"--json=yes", "--json takes no value"},
	{"--agent", "needs a value: --agent AGENT"},
	{"--agent=", "needs a value"},
	{"-a", "needs a value"},
	{"--agent a --agent b", "--agent is given twice"},
	{"-a a --agent b", "--agent is given twice"},
	{"--format plum", "--format \"plum\" is none of apple, pear"},
	{"--timeout 10", "no time above zero with a unit"},
	{"--timeout 0s", "no time above zero"},
	{"--timeout -1s", "no time above zero"},
	{"--timeout 99999999999999999999h", "no time above zero"},
	{"--uid-range 1000:10", "begins below 65536"},
	{"--color sometimes", "none of auto, always, never"},
};

Test(args, refuses_each_mistake_with_words_that_name_it)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		char line[128];
		char *words[WORDS_MAX];
		struct args args = {0};
		struct err err = {0};

		(void)snprintf(line, sizeof(line), "%s", wrong[i].line);
		cr_assert_eq(parse(&permuting, line, words, &args, &err), -EINVAL, "row %zu", i);
		cr_assert_not_null(strstr(err.text, wrong[i].text), "row %zu: %s", i, err.text);
	}
}

Test(args, never_suggests_a_hidden_option)
{
	char line[] = "--secret-fixture";
	char *words[WORDS_MAX];
	struct args args = {0};
	struct err err = {0};

	cr_assert_lt(parse(&permuting, line, words, &args, &err), 0);
	cr_assert_null(strstr(err.text, "mean"), "%s", err.text);
}

Test(args, reads_every_kind_of_value_in_every_form)
{
	char line[] = "-ax --format=pear -t 90s --uid-range 200000:64 -j --color never";
	char *words[WORDS_MAX];
	struct args args = {0};
	struct err err;

	cr_assert_eq(parse(&permuting, line, words, &args, &err), 0);
	cr_assert_str_eq(args.agent, "x");
	cr_assert_str_eq(args.format, "pear");
	cr_assert_eq(args.timeout_ms, 90000);
	cr_assert_eq(args.uids.base, 200000);
	cr_assert_eq(args.uids.count, 64);
	cr_assert(args.json);
	cr_assert_str_eq(args.color, "never");
	cr_assert_not(args.fixtures);
	cr_assert_not(args.help);
	cr_assert_eq(args.n_operands, 0);
}

static const struct {
	const struct args_table *table;
	const char *line;
	const char *operands; /* joined by spaces */
	const char *agent;
} operand_rows[] = {
	{&permuting, "one -a x two --json three", "one two three", "x"},
	{&permuting, "one -- -a two", "one -a two", NULL},
	{&permuting, "- -a x", "-", "x"},
	{&permuting, "", "", NULL},
	{&stopping, "-a x ls -a y --nonsense", "ls -a y --nonsense", "x"},
	{&stopping, "-a x -- ls -- -a", "ls -- -a", "x"},
	{&stopping, "ls --help", "ls --help", NULL},
	{&stopping, "-- --agent", "--agent", NULL},
};

Test(args, keeps_operands_in_order_and_the_tools_options_for_the_tool)
{
	for (size_t i = 0; i < ARRAY_SIZE(operand_rows); i++) {
		char line[128];
		char joined[128] = "";
		char *words[WORDS_MAX];
		struct args args = {0};
		struct err err = {0};

		(void)snprintf(line, sizeof(line), "%s", operand_rows[i].line);
		cr_assert_eq(parse(operand_rows[i].table, line, words, &args, &err), 0,
			     "row %zu: %s", i, err.text);
		for (int n = 0; n < args.n_operands; n++)
			(void)strcat(strcat(joined, n ? " " : ""), args.operands[n]);
		cr_assert_null(args.operands[args.n_operands], "row %zu", i);
		cr_assert_str_eq(joined, operand_rows[i].operands, "row %zu", i);
		cr_assert_eq(args.agent == NULL, operand_rows[i].agent == NULL, "row %zu", i);
		if (args.agent)
			cr_assert_str_eq(args.agent, operand_rows[i].agent, "row %zu", i);
		cr_assert_not(args.help, "row %zu", i);
	}
}

Test(args, quotes_what_a_terminal_would_obey)
{
	char word[] = "--\033[2Jx";
	char *words[] = {word, NULL};
	struct args args = {0};
	struct err err = {0};

	cr_assert_lt(args_parse(&permuting, 1, words, &args, &err), 0);
	cr_assert_null(strchr(err.text, '\033'));
}

static const struct {
	const char *text;
	int status;
	uint32_t base;
	uint32_t count;
} ranges[] = {
	{"65536:1", 0, 65536, 1},	    {"200000:1024", 0, 200000, 1024},
	{"4294967294:1", 0, 4294967294, 1}, {"4294967294:2", -EINVAL, 0, 0},
	{"4294967295:1", -EINVAL, 0, 0},    {"4294967296:1", -EINVAL, 0, 0},
	{"65535:1", -EINVAL, 0, 0},	    {"0:65536", -EINVAL, 0, 0},
	{"200000:0", -EINVAL, 0, 0},	    {"200000:1048576", 0, 200000, 1048576},
	{"200000:1048577", -EINVAL, 0, 0},  {"200000", -EINVAL, 0, 0},
	{"200000:", -EINVAL, 0, 0},	    {":10", -EINVAL, 0, 0},
	{"200000:10:10", -EINVAL, 0, 0},    {"200000:-1", -EINVAL, 0, 0},
	{" 200000:1", -EINVAL, 0, 0},	    {"00000000000000200000:1", -EINVAL, 0, 0},
};

Test(args, reads_uid_ranges_and_leaves_the_output_alone_on_failure)
{
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		struct args_uid_range range = {7, 7};
		struct err err = {0};

		cr_assert_eq(args_parse_uid_range(ranges[i].text, &range, &err), ranges[i].status,
			     "row %zu: %s", i, err.text);
		cr_assert_eq(range.base, ranges[i].status ? 7 : ranges[i].base, "row %zu", i);
		cr_assert_eq(range.count, ranges[i].status ? 7 : ranges[i].count, "row %zu", i);
	}
}

Test(args, a_list_takes_every_value_it_is_given_up_to_its_cap)
{
	char many[ARGS_LIST_MAX + 1][8];
	char *words[ARGS_LIST_MAX + 2] = {NULL};
	char line[] = "--overwrite a word -ob --overwrite=c";
	char *few[WORDS_MAX];
	struct args args = {0};
	struct err err = {0};

	cr_assert_eq(parse(&permuting, line, few, &args, &err), 0, "%s", err.text);
	cr_assert_eq(args.overwrite.n, 3);
	cr_assert_str_eq(args.overwrite.values[0], "a");
	cr_assert_str_eq(args.overwrite.values[1], "b");
	cr_assert_str_eq(args.overwrite.values[2], "c");
	cr_assert_eq(args.n_operands, 1);
	for (int i = 0; i <= ARGS_LIST_MAX; i++) {
		(void)snprintf(many[i], sizeof(many[i]), "-o%d", i);
		words[i] = many[i];
	}
	args = (struct args){0};
	cr_assert_eq(args_parse(&permuting, ARGS_LIST_MAX + 1, words, &args, &err), -EINVAL);
	cr_assert_not_null(strstr(err.text, "more than 64 times"), "%s", err.text);
	cr_assert_eq(args.overwrite.n, ARGS_LIST_MAX);
}
