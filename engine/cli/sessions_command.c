/*
 * `toolcell sessions`: the store for a person.
 *
 * Theory of operation: one row per verb. list, resume and discard need no engine: they look at the store
 * itself, which is the operator's. What changes layers goes through an engine, like the same
 * operations of a driver.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/maintain.h"
#include "cli/ui.h"
#include "workspace/stack.h"

#define SCHEMA "toolcell.sessions/1"
#define TIME_BYTES 32
#define AGE_BYTES 32
#define STATE_BYTES 48
#define QUESTION_BYTES 256

static int list_sessions(const struct args *args);
static int resume_session(const struct args *args);
static int discard_sessions(const struct args *args);
static int change_layers(const struct args *args);

static const struct verb {
	const char *name;
	int (*run)(const struct args *args);
	int least; /* words behind the verb */
	int most;
	const char *wants;
} verbs[] = {
	{"list", list_sessions, 0, 0, "nothing else"},
	{"resume", resume_session, 1, INT32_MAX, "a session: resume ID [-- COMMAND...]"},
	{"discard", discard_sessions, 1, INT32_MAX, "sessions: discard ID..."},
	{"snapshot", change_layers, 1, 1, "a session: snapshot ID"},
	{"rollback", change_layers, 2, 2, "a session and a snapshot: rollback ID N"},
	{"fork", change_layers, 1, 1, "a session: fork ID"},
	{"drop", change_layers, 1, 1, "a branch of a session: drop ID.N"},
};

static int fail(const struct err *err, int code)
{
	ui_error(err);
	return code;
}

/* "5 min ago", "3 days ago" */
static const char *word_age(int64_t seconds, char *dst, size_t cap)
{
	static const struct {
		int64_t from;
		int64_t unit;
		const char *name;
	} units[] = {{172800, 86400, "days"}, {7200, 3600, "h"}, {120, 60, "min"}, {0, 1, "s"}};
	size_t i = 0;

	seconds = MAX(seconds, (int64_t)0);
	while (seconds < units[i].from)
		i++;
	(void)snprintf(dst, cap, "%" PRId64 " %s ago", seconds / units[i].unit, units[i].name);
	return dst;
}

static int count_branches(const struct store_session *s)
{
	struct stack stack;
	int n = 0;

	if (stack_read(s->data, &stack, NULL) < 0)
		return 0;
	for (size_t i = 0; i < STACK_BRANCHES_MAX; i++)
		n += stack.branches[i].used ? 1 : 0;
	return n;
}

/* Foreign bytes as a JSON string. */
static json_t *safe_string(const char *text)
{
	CLEANUP(buf_fini) struct buf safe = {0};

	if (text_append_safe(&safe, text, strlen(text)) < 0)
		return NULL;
	return json_stringn(safe.data ? safe.data : "", safe.len);
}

static json_t *or_null(const char *text)
{
	return text[0] ? safe_string(text) : json_null();
}

static json_t *describe(const struct store *store, const struct store_entry *entry)
{
	char created[TIME_BYTES];
	char used[TIME_BYTES];
	struct store_session s;
	struct err err;
	json_t *object;
	pid_t holder;

	(void)store_time_text(entry->used, used, sizeof(used));
	if (store_find(store, entry->id, &s, &err) < 0)
		return json_pack("{ss ss so}", "id", entry->id, "used", used, "error",
				 safe_string(err.text));
	holder = store_holder(&s);
	(void)store_time_text(s.meta.created, created, sizeof(created));
	object = json_pack("{ss so so so ss ss sb so sb si}", "id", s.id, "workspace",
			   safe_string(s.meta.workspace), "agent", or_null(s.meta.agent), "policy",
			   or_null(s.meta.policy), "created", created, "used", used, "in_use",
			   holder != 0, "process", holder > 0 ? json_integer(holder) : json_null(),
			   "empty", store_is_empty(&s), "branches", count_branches(&s));
	store_session_close(&s);
	return object;
}

static void word_state(json_t *session, char *dst, size_t cap)
{
	json_int_t branches = json_integer_value(json_object_get(session, "branches"));
	json_int_t process = json_integer_value(json_object_get(session, "process"));

	if (json_object_get(session, "error"))
		(void)snprintf(dst, cap, "unreadable");
	else if (process > 0)
		(void)snprintf(dst, cap, "in use by %" JSON_INTEGER_FORMAT, process);
	else if (json_is_true(json_object_get(session, "in_use")))
		(void)snprintf(dst, cap, "in use");
	else if (branches > 1)
		(void)snprintf(dst, cap, "%" JSON_INTEGER_FORMAT " branches", branches);
	else
		(void)snprintf(dst, cap, "%s",
			       json_is_true(json_object_get(session, "empty")) ? "empty"
									       : "changes");
}

static int append_row(struct buf *out, json_t *session, int64_t used, bool color)
{
	const char *error = json_string_value(json_object_get(session, "error"));
	const char *where = json_string_value(json_object_get(session, "workspace"));
	const char *agent = json_string_value(json_object_get(session, "agent"));
	const char *policy = json_string_value(json_object_get(session, "policy"));
	char state[STATE_BYTES];
	char age[AGE_BYTES];
	int r = ui_paint(out, color, UI_STRONG, json_string_value(json_object_get(session, "id")),
			 STORE_ID_LEN + 2);

	word_state(session, state, sizeof(state));
	if (r == 0)
		r = ui_paint(out, color, UI_FAINT,
			     word_age((int64_t)time(NULL) - used, age, sizeof(age)), 13);
	if (r == 0)
		r = ui_paint(out, color, error ? UI_BAD : UI_PLAIN, state, 18);
	if (r < 0)
		return r;
	if (error)
		return buf_printf(out, "%s\n", error);
	return buf_printf(out, "%s  (%s%s%s)\n", where ? where : "?", agent ? agent : "",
			  agent && policy ? ", " : "", policy ? policy : "");
}

static int print_list(const struct args *args, const char *path, json_t *list,
		      const struct store_entry *entries, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = {0};
	json_t *session;
	size_t i;
	int r = 0;

	if (args->json) {
		json_t *all = json_pack("{ss so sO}", "schema", SCHEMA, "store", safe_string(path),
					"sessions", list);
		char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;

		r = text ? buf_printf(&out, "%s\n", text) : -ENOMEM;
		free(text);
		json_decref(all);
	}
	json_array_foreach(list, i, session)
		if (r == 0 && !args->json)
			r = append_row(&out, session, entries ? entries[i].used : 0,
				       ui_color(STDOUT_FILENO));
	if (r == 0)
		r = ui_write(STDOUT_FILENO, &out);
	if (r == 0 && !args->json && json_array_size(list) == 0)
		ui_line(UI_PLAIN, NULL, "there are no sessions in %s", path);
	return r < 0 ? err_set(err, -r, "cannot write the list") : 0;
}

static int list_store(const struct args *args, const struct store *store, struct err *err)
{
	struct store_entry *entries = NULL;
	json_t *list = json_array();
	size_t n = 0;
	int r = store_list(store, &entries, &n, err);

	for (size_t i = 0; i < n && r == 0; i++)
		if (json_array_append_new(list, describe(store, &entries[i])) < 0)
			r = err_set(err, ENOMEM, "no memory for the list");
	if (r == 0)
		r = print_list(args, store->path, list, entries, err);
	json_decref(list);
	free(entries);
	return r;
}

static int list_sessions(const struct args *args)
{
	struct store store;
	struct err err;
	char *place;
	int r = store_open(args->sessions, false, &store, &err);

	if (r == -ENOENT) { /* none was ever made */
		json_t *none = json_array();

		place = malloc(PATH_MAX);
		r = place ? store_place(args->sessions, place, &err) : -ENOMEM;
		if (r == 0)
			r = print_list(args, place, none, NULL, &err);
		free(place);
		json_decref(none);
	} else if (r == 0) {
		r = list_store(args, &store, &err);
	}
	store_close(&store);
	return r < 0 ? fail(&err, CLI_FAILED) : CLI_OK;
}

/* `resume ID` says how, `resume ID -- COMMAND...` does it: the same as exec --session ID. */
static int resume_session(const struct args *args)
{
	struct args exec = *args;
	struct store_session s = STORE_SESSION_NONE;
	struct store store;
	char id[STORE_ID_BYTES];
	uint32_t branch;
	struct err err;
	int r = store_parse_id(args->operands[1], id, &branch, &err);

	if (r < 0)
		return fail(&err, CLI_USAGE);
	exec.session = args->operands[1];
	exec.operands = args->operands + 2;
	exec.n_operands = args->n_operands - 2;
	if (exec.n_operands > 0)
		return command_exec(NULL, &exec, exec.operands);
	r = store_open(args->sessions, false, &store, &err);
	if (r == 0)
		r = store_find(&store, id, &s, &err);
	if (r == 0) {
		CLEANUP(buf_fini) struct buf out = {0};

		r = buf_printf(&out,
			       "toolcell serve --session %s\n"
			       "toolcell exec --session %s -- COMMAND\n"
			       "toolcell changes list --session %s\n",
			       exec.session, exec.session, exec.session);
		if (r == 0)
			r = ui_write(STDOUT_FILENO, &out);
		if (r < 0)
			(void)err_set(&err, -r, "cannot write to standard output");
	}
	store_session_close(&s);
	store_close(&store);
	return r < 0 ? fail(&err, CLI_FAILED) : CLI_OK;
}

static bool may_discard(const struct args *args, const struct store_session *s)
{
	char question[QUESTION_BYTES];
	char workspace[128];
	char date[TIME_BYTES];

	if (args->yes || store_is_empty(s))
		return true;
	(void)snprintf(question, sizeof(question),
		       "throw away session %s with its uncommitted changes to %s, begun %.10s?",
		       s->id,
		       text_quote(workspace, sizeof(workspace), s->meta.workspace,
				  strlen(s->meta.workspace)),
		       store_time_text(s->meta.created, date, sizeof(date)));
	return maintain_can_ask() && maintain_ask(question);
}

static int discard_one(const struct args *args, const struct store *store, const char *word,
		       struct err *err)
{
	struct store_session s = STORE_SESSION_NONE;
	char id[STORE_ID_BYTES];
	uint32_t branch;
	int r = store_parse_id(word, id, &branch, err);

	if (r == 0 && branch != 0)
		r = err_set(err, EINVAL,
			    "%s is a branch; `toolcell sessions drop %s` ends it alone", word,
			    word);
	if (r == 0)
		r = store_find(store, id, &s, err);
	if (r == 0)
		r = store_lock(store, &s, err);
	if (r == 0 && !may_discard(args, &s))
		r = maintain_can_ask()
			    ? err_set(err, ECANCELED, "session %s stays", id)
			    : err_set(err, EINVAL,
				      "session %s holds uncommitted changes; where nobody can be "
				      "asked, discard needs --yes",
				      id);
	if (r == 0)
		r = store_remove(store, &s, err);
	store_session_close(&s);
	return r;
}

static int discard_sessions(const struct args *args)
{
	struct store store;
	struct err err;
	int code = CLI_OK;

	if (store_open(args->sessions, false, &store, &err) < 0)
		return fail(&err, CLI_FAILED);
	for (int i = 1; i < args->n_operands; i++)
		if (discard_one(args, &store, args->operands[i], &err) < 0)
			code = fail(&err, CLI_FAILED);
	store_close(&store);
	return code;
}

/* In the child that speaks with the launcher. */
static int layers_body(const struct broker_config *config, const struct args *args)
{
	CLEANUP(buf_fini) struct buf out = {0};
	struct maintain_result result;
	uint64_t snapshot;
	struct err err;
	int code;
	json_t *arguments = json_pack("{ss ss}", "operation", args->operands[0], "session",
				      args->session);
	int r = arguments ? 0 : err_set(&err, ENOMEM, "no memory for arguments");

	if (r == 0 && args->n_operands > 2 &&
	    (num_parse_u64(args->operands[2], STACK_LAYERS_MAX, &snapshot) < 0 ||
	     json_object_set_new(arguments, "snapshot", json_integer((json_int_t)snapshot)) < 0))
		r = err_set(&err, EINVAL, "\"%s\" is no number of a snapshot", args->operands[2]);
	if (r == 0)
		r = maintain_call(config, "session", arguments, &result, &err);
	json_decref(arguments);
	if (r < 0)
		return fail(&err, CLI_REFUSED);
	code = CLI_OK;
	if (!maintain_ok(&result) && !args->json)
		code = maintain_fail(&result);
	else if ((args->json ? buf_printf(&out, "%s\n", result.json)
			     : text_append_safe(&out, result.text, strlen(result.text))) < 0 ||
		 (out.len > 0 && out.data[out.len - 1] != '\n' && buf_puts(&out, "\n") < 0) ||
		 ui_write(STDOUT_FILENO, &out) < 0 || !maintain_ok(&result))
		code = CLI_FAILED;
	maintain_result_fini(&result);
	return code;
}

static int change_layers(const struct args *args)
{
	struct args job = *args;
	char id[STORE_ID_BYTES];
	uint32_t branch = 0;
	uint64_t snapshot;
	struct err err;

	job.session = args->operands[1];
	if (store_parse_id(job.session, id, &branch, &err) < 0)
		return fail(&err, CLI_USAGE);
	if (strcmp(args->operands[0], "drop") == 0 && branch < 2) {
		(void)err_set(&err, EINVAL,
			      "%s is no branch like %s.2; `toolcell sessions discard %s` ends the "
			      "whole session",
			      job.session, id, id);
		return fail(&err, CLI_USAGE);
	}
	if (args->n_operands > 2 &&
	    num_parse_u64(args->operands[2], STACK_LAYERS_MAX, &snapshot) < 0) {
		(void)err_set(
			&err, EINVAL,
			"a snapshot is a number up to %u, and 0 the workspace without changes",
			STACK_LAYERS_MAX);
		return fail(&err, CLI_USAGE);
	}
	return maintain_run(&job, false, layers_body);
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

int command_sessions(const struct command *self, struct args *args, char **argv)
{
	static char list[] = "list";
	static char *just_list[] = {list, NULL};
	const struct verb *verb;
	struct err err;
	char shown[64];
	int n;

	(void)argv;
	if (args->n_operands == 0) {
		args->operands = just_list;
		args->n_operands = 1;
	}
	verb = find_verb(args->operands[0]);
	n = args->n_operands - 1;
	if (!verb) {
		const char *word = args->operands[0];
		const char *near = text_nearest(word, self->verbs, ARRAY_SIZE(verbs));

		(void)err_set(&err, EINVAL, "`toolcell sessions` does not know \"%s\"%s%s%s",
			      text_quote(shown, sizeof(shown), word, strlen(word)),
			      near ? "; did you mean \"" : "; see --help", near ? near : "",
			      near ? "\"?" : "");
		return fail(&err, CLI_USAGE);
	}
	if (n < verb->least || n > verb->most) {
		(void)err_set(&err, EINVAL, "`toolcell sessions %s` wants %s", verb->name,
			      verb->wants);
		return fail(&err, CLI_USAGE);
	}
	return verb->run(args);
}
