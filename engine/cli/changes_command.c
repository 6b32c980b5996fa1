/*
 * `toolcell changes`: what a session holds, for a person.
 *
 * Theory of operation: one row per verb. The child that speaks with the launcher makes the arguments,
 * calls, and prints; what is asked of the person is asked by it too, as it alone knows what the answer
 * is about. Everything in a changeset was made by tools: paths and lines are made safe to look at.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/changes_view.h"
#include "cli/command.h"
#include "cli/diff_colour.h"
#include "cli/maintain.h"
#include "cli/pager.h"
#include "cli/ui.h"

#define QUESTION_BYTES 320
#define COUNTS_BYTES 200

static int run_list(const struct broker_config *config, const struct args *args);
static int run_diff(const struct broker_config *config, const struct args *args);
static int run_commit(const struct broker_config *config, const struct args *args);
static int run_discard(const struct broker_config *config, const struct args *args);

static const struct verb {
	const char *name;
	int (*body)(const struct broker_config *config, const struct args *args);
	bool reads_only;
} verbs[] = {
	{"list", run_list, true},
	{"diff", run_diff, true},
	{"commit", run_commit, false},
	{"discard", run_discard, false},
};

/* The words behind the verb, which may be left out. */
static char **paths_of(const struct args *args)
{
	return args->operands + (args->n_operands > 0 ? 1 : 0);
}

static int add_strings(json_t *object, const char *key, const char *const *words, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, json_string(words[i])) < 0) {
			json_decref(list);
			return -EINVAL;
		}
	return json_object_set_new(object, key, list) < 0 ? -ENOMEM : 0;
}

/* @operation: NULL for a tool that has only one. */
static json_t *make_arguments(const struct args *args, const char *operation, struct err *err)
{
	char **paths = paths_of(args);
	json_t *object = json_pack("{ss}", "session", args->session);
	size_t n = 0;
	int r = object ? 0 : -ENOMEM;

	while (paths[n])
		n++;
	if (r == 0 && operation)
		r = json_object_set_new(object, "operation", json_string(operation));
	if (r == 0 && n > 0)
		r = add_strings(object, "paths", (const char *const *)paths, n);
	if (r == 0)
		return object;
	json_decref(object);
	(void)err_set(err, EINVAL, "paths must be UTF-8 here; name the folder that they are in");
	return NULL;
}

static int print_json(const struct maintain_result *result)
{
	CLEANUP(buf_fini) struct buf out = {0};

	if (buf_printf(&out, "%s\n", result->json) < 0 || ui_write(STDOUT_FILENO, &out) < 0)
		return CLI_FAILED;
	return maintain_ok(result) ? CLI_OK : CLI_FAILED;
}

static int fail(const struct err *err)
{
	ui_error(err);
	return CLI_REFUSED;
}

static json_t *data_of(const struct maintain_result *result)
{
	return json_object_get(result->result, "data");
}

/* Arguments are taken. Return: 0 with *ret, or an exit status that has been explained. */
static int call(const struct broker_config *config, const char *tool, json_t *arguments,
		struct err *err, struct maintain_result *ret)
{
	int r = arguments ? maintain_call(config, tool, arguments, ret, err) : -err->num;

	json_decref(arguments);
	if (r < 0)
		return fail(err);
	/* Never "nothing is changed" because an answer could not be read. */
	if (maintain_ok(ret) && !json_is_object(data_of(ret))) {
		const char *why = json_string_value(json_object_get(ret->result, "data_error"));

		(void)err_set(err, EPROTO, "the answer of %s has no data: %s", tool,
			      why ? why : "no reason was given");
		maintain_result_fini(ret);
		return fail(err);
	}
	return 0;
}

/* Paths that were named and that nothing was changed at. Return: whether there are any. */
static bool show_unmatched(json_t *data)
{
	json_t *names = json_object_get(data, "unmatched");
	char shown[256];
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
		ui_line(UI_WARN, "no change", "%s",
			text_quote(shown, sizeof(shown), json_string_value(name),
				   json_string_length(name)));
	return json_array_size(names) > 0;
}

static int show_list(json_t *changes, const char *session)
{
	CLEANUP(buf_fini) struct buf out = {0};
	char counts[COUNTS_BYTES];

	if (changes_view_list(&out, changes, ui_color(STDOUT_FILENO)) < 0 ||
	    ui_write(STDOUT_FILENO, &out) < 0)
		return CLI_FAILED;
	changes_view_counts(changes, counts, sizeof(counts));
	ui_line(UI_PLAIN, NULL, "%s in session %s", counts[0] ? counts : "nothing is changed",
		session);
	if (json_is_true(json_object_get(changes, "interrupted")))
		ui_line(UI_WARN, "interrupted",
			"a commit was cut off; the next commit or discard finishes it first");
	return show_unmatched(changes) ? CLI_FAILED : CLI_OK;
}

static int run_list(const struct broker_config *config, const struct args *args)
{
	struct maintain_result result;
	struct err err = {0};
	int code = call(config, "changes", make_arguments(args, "list", &err), &err, &result);

	if (code != 0)
		return code;
	if (args->json)
		code = print_json(&result);
	else
		code = maintain_ok(&result) ? show_list(data_of(&result), args->session)
					    : maintain_fail(&result);
	maintain_result_fini(&result);
	return code;
}

/* Each file's piece as the tool made it; its text half has words for a model around them. */
static int append_diff(struct buf *out, json_t *data, bool color)
{
	json_t *file;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(data, "files"), i, file) {
		json_t *diff = json_object_get(file, "diff");

		r = diff_colour(out, json_string_value(diff), json_string_length(diff), color);
		if (r < 0)
			break;
	}
	return r;
}

static int show_diff(const struct maintain_result *result, const struct args *args)
{
	CLEANUP(buf_fini) struct buf out = {0};
	json_t *data = data_of(result);
	json_int_t left_out = json_integer_value(json_object_get(data, "left_out"));
	bool color = ui_color(STDOUT_FILENO);
	int r = args->stat ? changes_view_stat(&out, data, color) : append_diff(&out, data, color);

	if (r == 0)
		r = ui_write(STDOUT_FILENO, &out);
	if (left_out > 0)
		ui_line(UI_WARN, "cut",
			"%" JSON_INTEGER_FORMAT
			" of the changes are not, or not wholly, shown; name "
			"paths to see them",
			left_out);
	show_unmatched(data);
	/* A pager that was left early is no failure. */
	return r == 0 || r == -EPIPE ? CLI_OK : CLI_FAILED;
}

static int run_diff(const struct broker_config *config, const struct args *args)
{
	struct maintain_result result;
	struct err err = {0};
	json_t *arguments = make_arguments(args, "diff", &err);
	int code;

	code = call(config, "changes", arguments, &err, &result);
	if (code != 0)
		return code;
	if (args->json)
		code = print_json(&result);
	else
		code = maintain_ok(&result) ? show_diff(&result, args) : maintain_fail(&result);
	maintain_result_fini(&result);
	return code;
}

/*
 * Show what is meant and ask. Return: 0 to go on, or an exit status; nothing to do is CLI_OK + 1000,
 * which is none.
 */
enum { ASK_GO = 0, ASK_NOTHING = 1000 };

static int ask_first(const struct broker_config *config, const struct args *args, const char *what)
{
	struct maintain_result result;
	char question[QUESTION_BYTES];
	char counts[COUNTS_BYTES];
	struct err err = {0};
	int code;

	if (!args->asks)
		return ASK_GO;
	code = call(config, "changes", make_arguments(args, "list", &err), &err, &result);
	if (code != 0)
		return code;
	if (!maintain_ok(&result)) {
		code = maintain_fail(&result);
	} else if (changes_view_counts(data_of(&result), counts, sizeof(counts))[0] == '\0') {
		ui_line(UI_PLAIN, NULL, "nothing is changed in session %s", args->session);
		code = ASK_NOTHING;
	} else if (show_list(data_of(&result), args->session) != CLI_OK) {
		code = CLI_FAILED;
	} else {
		(void)snprintf(question, sizeof(question), "%s: %s?", what, counts);
		code = maintain_ask(question) ? ASK_GO : CLI_FAILED;
	}
	maintain_result_fini(&result);
	return code;
}

/* Where all of it went there is no list. */
static void show_all_gone(json_t *data)
{
	json_t *discarded = json_object_get(data, "discarded");
	json_int_t n = json_integer_value(json_object_get(data, "count"));

	if (json_is_array(discarded) && json_array_size(discarded) == 0 && n > 0)
		ui_line(UI_PLAIN, NULL, "%lld change%s discarded", (long long)n, n == 1 ? "" : "s");
}

static int show_told(const struct maintain_result *result, const struct args *args)
{
	CLEANUP(buf_fini) struct buf out = {0};
	json_t *data = data_of(result);
	bool unmatched;

	if (changes_view_told(&out, data, ui_color(STDOUT_FILENO)) < 0 ||
	    ui_write(STDOUT_FILENO, &out) < 0)
		return CLI_FAILED;
	show_all_gone(data);
	unmatched = show_unmatched(data);
	if (changes_view_held(data))
		ui_line(UI_WARN, "held", "what is held back stays in session %s", args->session);
	else if (!maintain_ok(result) && !unmatched)
		return maintain_fail(result);
	return maintain_ok(result) && !changes_view_held(data) && !unmatched ? CLI_OK : CLI_FAILED;
}

static int finish_change(const struct maintain_result *result, const struct args *args)
{
	int code;

	if (!args->json)
		return json_is_object(data_of(result)) ? show_told(result, args)
						       : maintain_fail(result);
	code = print_json(result);
	return code == CLI_OK && changes_view_held(data_of(result)) ? CLI_FAILED : code;
}

static int run_commit(const struct broker_config *config, const struct args *args)
{
	struct maintain_result result;
	struct err err = {0};
	json_t *arguments;
	int code = ask_first(config, args, "commit to the workspace");

	if (code != ASK_GO)
		return code == ASK_NOTHING ? CLI_OK : code;
	arguments = make_arguments(args, NULL, &err);
	if (arguments && args->overwrite.n > 0 &&
	    add_strings(arguments, "overwrite", args->overwrite.values, args->overwrite.n) < 0) {
		json_decref(arguments);
		(void)err_set(&err, EINVAL, "--overwrite needs a path in UTF-8");
		return fail(&err);
	}
	code = call(config, "changes_commit", arguments, &err, &result);
	if (code != 0)
		return code;
	code = finish_change(&result, args);
	maintain_result_fini(&result);
	return code;
}

static int run_discard(const struct broker_config *config, const struct args *args)
{
	struct maintain_result result;
	struct err err = {0};
	int code = ask_first(config, args, "throw away");

	if (code != ASK_GO)
		return code == ASK_NOTHING ? CLI_OK : code;
	code = call(config, "changes_discard", make_arguments(args, NULL, &err), &err, &result);
	if (code != 0)
		return code;
	code = finish_change(&result, args);
	maintain_result_fini(&result);
	return code;
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int unknown_verb(const struct command *self, const char *word, struct err *err)
{
	const char *near = text_nearest(word, self->verbs, ARRAY_SIZE(verbs));
	char shown[64];

	(void)text_quote(shown, sizeof(shown), word, strlen(word));
	return err_set(err, EINVAL, "`toolcell %s` does not know \"%s\"%s%s%s", self->name, shown,
		       near ? "; did you mean \"" : "; see --help", near ? near : "",
		       near ? "\"?" : "");
}

static int check_usage(const struct command *self, const struct args *args, const struct verb **ret,
		       struct err *err)
{
	const char *word = args->n_operands > 0 ? args->operands[0] : "list";
	const struct verb *verb = find_verb(word);
	char id[STORE_ID_BYTES];
	uint32_t branch;

	if (!verb)
		return unknown_verb(self, word, err);
	if (args->stat && verb->body != run_diff)
		return err_set(err, EINVAL, "--stat belongs to `toolcell changes diff`");
	if (args->overwrite.n > 0 && verb->body != run_commit)
		return err_set(err, EINVAL, "--overwrite belongs to `toolcell changes commit`");
	/* Throwing everything away is never what a script forgot to say. */
	if (verb->body == run_discard && args->n_operands < 2 && !args->yes &&
	    (args->json || !maintain_can_ask()))
		return err_set(err, EINVAL,
			       "`toolcell changes discard` without paths throws every change away; "
			       "where nobody can be asked it needs --yes");
	*ret = verb;
	return args->session ? store_parse_id(args->session, id, &branch, err) : 0;
}

int command_changes(const struct command *self, struct args *args, char **argv)
{
	static char id[MAINTAIN_ID_BYTES]; /* borrowed by args until the process ends */
	const struct verb *verb = NULL;
	struct err err;
	pid_t pager = -1;
	int code;

	(void)argv;
	if (check_usage(self, args, &verb, &err) < 0 || !verb) {
		ui_error(&err);
		return CLI_USAGE;
	}
	if (!args->session) {
		if (maintain_find(args, id, &err) < 0) {
			ui_error(&err);
			return CLI_FAILED;
		}
		args->session = id;
	}
	args->asks = !verb->reads_only && !args->yes && !args->json && maintain_can_ask();
	if (verb->body == run_diff && !args->json)
		pager = pager_start();
	code = maintain_run(args, verb->reads_only, verb->body);
	pager_end(pager);
	return code;
}
