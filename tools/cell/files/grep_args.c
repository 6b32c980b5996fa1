/* Theory of operation: arguments are checked by a table of types, then each for what it means. */
#include <errno.h>
#include <string.h>

#include "tools/cell/files/args.h"
#include "tools/cell/files/grep.h"
#include "tools/cell/files/types.h"

static const struct args_row rows[] = {
	{"pattern", ARGS_STRING, true},
	{"path", ARGS_STRING, false},
	{"glob", ARGS_STRING, false},
	{"type", ARGS_STRING, false},
	{"output_mode", ARGS_STRING, false},
	{"-A", ARGS_COUNT, false},
	{"-B", ARGS_COUNT, false},
	{"-C", ARGS_COUNT, false},
	{"context", ARGS_COUNT, false},
	{"-n", ARGS_BOOL, false},
	{"-i", ARGS_BOOL, false},
	{"-o", ARGS_BOOL, false},
	{"multiline", ARGS_BOOL, false},
	{"head_limit", ARGS_COUNT, false},
	{"offset", ARGS_COUNT, false},
};

static const char *const mode_names[] = {
	[GREP_FILES] = "files_with_matches",
	[GREP_CONTENT] = "content",
	[GREP_COUNT] = "count",
};
static_assert(ARRAY_SIZE(mode_names) == GREP_MODE_N, "every mode has a name");

const char *grep_mode_name(enum grep_mode mode)
{
	return mode_names[mode];
}

static int take_mode(const struct files_call *call, struct grep *g, struct answer *a)
{
	const char *name = args_string(call->arguments, "output_mode", mode_names[GREP_FILES]);
	char shown[ANSWER_SHOWN_MAX];

	for (size_t i = 0; i < GREP_MODE_N; i++) {
		if (strcmp(name, mode_names[i]) == 0) {
			g->mode = (enum grep_mode)i;
			return 0;
		}
	}
	(void)answer_fail(a, "arguments",
			  "output_mode is %s: it must be \"files_with_matches\", \"content\" or "
			  "\"count\".",
			  answer_show(shown, name));
	return -EPERM;
}

static int take_context(const struct files_call *call, struct grep *g, struct answer *a)
{
	size_t around = args_count(call->arguments, "context", 0);

	around = args_count(call->arguments, "-C", around);
	g->before = args_count(call->arguments, "-B", around);
	g->after = args_count(call->arguments, "-A", around);
	if (g->before <= GREP_CONTEXT_MAX && g->after <= GREP_CONTEXT_MAX)
		return 0;
	(void)answer_fail(a, "arguments", "-A, -B and -C may be at most %u lines.",
			  GREP_CONTEXT_MAX);
	return -EPERM;
}

static int take_globs(const struct files_call *call, struct grep *g, struct answer *a)
{
	const char *glob = args_string(call->arguments, "glob", "");
	const char *type = args_string(call->arguments, "type", "");
	CLEANUP(buf_fini) struct buf words = {0};
	char shown[ANSWER_SHOWN_MAX];
	struct err err = {0};
	int r = globs_add_list(&g->globs, glob, args_string_len(call->arguments, "glob"), &err);

	if (r == -EINVAL || r == -E2BIG) {
		(void)answer_fail(a, "arguments", "glob: %s.", err.text);
		return -EPERM;
	}
	globs_ready(&g->globs);
	if (r == 0 && type[0])
		r = types_add(type, &g->types);
	if (r != -ENOENT)
		return r;
	r = types_suggest(type, &words);
	if (r < 0)
		return r;
	(void)answer_fail(a, "arguments", "There is no file type %s.%s", answer_show(shown, type),
			  words.data);
	return -EPERM;
}

/* What a model most often means by an expression that is none. */
static const char *hint(const char *pattern)
{
	if (strpbrk(pattern, "({["))
		return " To look for the text itself, put a backslash before each of "
		       "( ) [ ] { } . * + ? ^ $ | and \\.";
	return "";
}

static int refuse_pattern(const char *pattern, size_t len, const struct regex_error *error,
			  struct answer *a)
{
	char shown[ANSWER_SHOWN_MAX];

	if (error->needs_multiline) {
		(void)answer_fail(a, "pattern",
				  "The pattern has a line end in it, and without multiline each "
				  "line is matched by itself: set multiline to true.");
		return -EPERM;
	}
	(void)answer_fail(a, "pattern",
			  "The pattern %s is no regular expression: %s, at offset %zu of %zu.%s",
			  answer_show(shown, pattern), error->text, error->offset, len,
			  hint(pattern));
	answer_put_count(a, "offset", error->offset);
	return -EPERM;
}

static int take_pattern(const struct files_call *call, struct grep *g, struct answer *a)
{
	const char *pattern = args_string(call->arguments, "pattern", "");
	size_t len = args_string_len(call->arguments, "pattern");
	const struct regex_flags flags = {.ignore_case = g->ignore_case, .multiline = g->multiline};
	struct regex_error error;
	int r;

	if (len == 0) {
		(void)answer_fail(a, "pattern", "The pattern is empty: every line would match it.");
		return -EPERM;
	}
	if (len > REGEX_PATTERN_MAX) {
		(void)answer_fail(a, "pattern",
				  "The pattern is %zu bytes long, at most %u are allowed.", len,
				  REGEX_PATTERN_MAX);
		return -EPERM;
	}
	r = regex_new(pattern, len, &flags, &g->re, &error);
	return r == -EINVAL ? refuse_pattern(pattern, len, &error, a) : r;
}

int grep_take_args(const struct files_call *call, struct grep *ret, struct answer *a)
{
	json_t *args = call->arguments;
	int r;

	*ret = (struct grep){0};
	globs_init(&ret->globs);
	globs_init(&ret->types);
	if (args_check(args, "", rows, ARRAY_SIZE(rows), a) < 0)
		return -EPERM;
	ret->number = args_bool(args, "-n", true);
	ret->only = args_bool(args, "-o", false);
	ret->ignore_case = args_bool(args, "-i", false);
	ret->multiline = args_bool(args, "multiline", false);
	ret->head_limit = args_count(args, "head_limit", GREP_HEAD_LIMIT);
	ret->offset = args_count(args, "offset", 0);
	r = take_mode(call, ret, a);
	if (r == 0)
		r = take_context(call, ret, a);
	if (r == 0)
		r = take_globs(call, ret, a);
	if (r == 0)
		r = take_pattern(call, ret, a);
	return r;
}

void grep_fini(struct grep *g)
{
	regex_free(g->re);
	g->re = NULL;
	globs_fini(&g->globs);
	globs_fini(&g->types);
}
