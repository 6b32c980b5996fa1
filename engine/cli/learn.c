/*
 * Theory of operation: the command is run as `toolcell exec` would run it, in a session of its own that
 * is thrown away, under the base policy and what has been granted so far; the denials of its result are
 * granted, and it is run again:
 *
 *	run --failed, new grants--> fold, run again
 *	    --failed, nothing new--> give up, with what stands in the way
 *	    --succeeded--> leave out one grant after the other, and keep what was not needed left out
 *
 * Each run starts from the same workspace, so that what one has done does not help the next. A grant with
 * a risk (grants.h) is set apart and, without --risky, never tried: to learn what a command needs must
 * not hand it what it should not have. Of a program that only the operator's PATH finds, the folder becomes
 * part of PATH in the policy.
 */
#include "cli/learn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/scratch.h"
#include "cli/command.h"
#include "cli/learn_spawn.h"
#include "cli/ui.h"

#define SEARCH_BYTES 2048 /* of the base policy's PATH */
#define OWN_BYTES (PATH_MAX + 32)
#define POLICY_FILE "learned.json" /* LEARN_NAME, which is the policy's, as a file */
#define WORDS_MAX 256		   /* of the command, and of our own before it */

/* What lies in our folder; in the heap, as each is as long as a path can be. */
enum own {
	OWN_POLICY,
	OWN_RESULT,
	OWN_BASE,
	OWN_LIST,
	OWN_SESSIONS,
	OWN_SWEPT, /* the stamp in it */
	OWN_COUNT,
};

static const char *const own_names[OWN_COUNT] = {
	[OWN_POLICY] = POLICY_FILE, [OWN_RESULT] = "result.json", [OWN_BASE] = "base.json",
	[OWN_LIST] = "list.json",   [OWN_SESSIONS] = "sessions",  [OWN_SWEPT] = "sessions/.swept",
};

struct learner {
	const struct args *args;
	const char *base;
	struct grants grants;
	char dir[PATH_MAX]; /* private; what is ours lies in it */
	char own[OWN_COUNT][OWN_BYTES];
	struct spawner spawner;
	char program[PATH_MAX];	   /* of the command, when only the operator's PATH finds it */
	char search[SEARCH_BYTES]; /* PATH of the base policy, as it stands there */
	bool overlay; /* the base lets tools write to the workspace: here to a session */
	unsigned int runs;
	unsigned int runs_max;
};

extern char **environ;

static int make_folder(struct learner *l, struct err *err)
{
	if (scratch_make("toolcell-learn", l->dir, err) < 0)
		return -err->num;
	for (size_t i = 0; i < OWN_COUNT; i++) {
		int n = snprintf(l->own[i], OWN_BYTES, "%s/%s", l->dir, own_names[i]);

		if (n < 0 || n >= OWN_BYTES)
			return err_set(err, ENAMETOOLONG, "cannot work in %s", l->dir);
	}
	return 0;
}

static int write_json(const char *path, json_t *json, struct err *err)
{
	return json_dump_file(json, path, JSON_INDENT(2)) == 0
		       ? 0
		       : err_set(err, EIO, "cannot write %s", path);
}

static json_t *read_json(const char *path, struct err *err)
{
	json_error_t where;
	size_t len;
	char *text = NULL;
	json_t *json;

	if (fd_read_file(AT_FDCWD, path, LEARN_FILE_BYTES_MAX, &text, &len, err) < 0)
		return NULL;
	json = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	free(text);
	if (!json)
		(void)err_set(err, EINVAL, "a run left no result: %s", where.text);
	return json;
}

static const char *text_at(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static size_t append_words(const char **words, size_t n, const char *const *more, size_t n_more)
{
	memcpy(words + n, more, n_more * sizeof(*more));
	return n + n_more;
}

/* The command as it shall be run under the policy that lies in our folder. */
static int make_words(const struct learner *l, json_t *policy, const char *words[WORDS_MAX])
{
	const char *mode = text_at(json_object_get(policy, "workspace"), "mode");
	const char *const engine[] = {l->spawner.self,	  "exec",     "--policy",
				      l->own[OWN_POLICY], "--result", l->own[OWN_RESULT]};
	const char *const session[] = {"--sessions", l->own[OWN_SESSIONS], "--session", "new"};
	size_t n = append_words(words, 0, engine, ARRAY_SIZE(engine));

	if (strcmp(mode, "overlay") == 0)
		n = append_words(words, n, session, ARRAY_SIZE(session));
	if (l->args->workspace) {
		words[n++] = "--workspace";
		words[n++] = l->args->workspace;
	}
	words[n++] = "--";
	if (n + (size_t)l->args->n_operands >= WORDS_MAX)
		return -E2BIG;
	for (int i = 0; i < l->args->n_operands; i++)
		words[n++] = l->args->operands[i];
	words[n] = NULL;
	return 0;
}

/* One run under @policy. @ret: its result object. */
static int run_once(struct learner *l, json_t *policy, json_t **ret, struct err *err)
{
	const char *words[WORDS_MAX];
	struct stat st;
	int status = 0;
	int r;

	if (make_words(l, policy, words) < 0)
		return err_set(err, E2BIG, "the command has too many words");
	r = write_json(l->own[OWN_POLICY], policy, err);
	(void)unlink(l->own[OWN_RESULT]);
	l->runs++;
	if (r == 0)
		r = spawn_self(&l->spawner, words, NULL, &status, err);
	if (r < 0)
		return r;
	if (stat(l->own[OWN_RESULT], &st) < 0 || st.st_size == 0)
		return err_set(err, EINVAL, "a run was not begun; --verbose shows why");
	*ret = read_json(l->own[OWN_RESULT], err);
	return *ret ? 0 : -EINVAL;
}

static bool is_ok(json_t *result)
{
	return strcmp(text_at(result, "status"), "ok") == 0;
}

static bool is_not_found(json_t *result)
{
	json_t *ended = json_object_get(result, "ended");

	return strcmp(text_at(result, "status"), "error") == 0 &&
	       json_integer_value(json_object_get(ended, "exit_code")) == 127;
}

static int take_some(struct grants *grants, json_t *result, bool lookups, bool *ret_new)
{
	json_t *denial;
	size_t i;

	json_array_foreach(json_object_get(result, "denials"), i, denial) {
		bool added;

		if ((strcmp(text_at(denial, "operation"), "look up") == 0) != lookups)
			continue;
		if (grants_add(grants, denial, &added) < 0)
			return -ENOMEM;
		*ret_new = *ret_new || added;
	}
	return 0;
}

/* Programs ask for much that they do without: that is tried when nothing else is left to try. */
static int take_denials(struct grants *grants, json_t *result, bool *ret_new)
{
	int r = take_some(grants, result, false, ret_new);

	if (r == 0 && !*ret_new)
		r = take_some(grants, result, true, ret_new);
	return r == 0 ? grants_fold(grants) : r;
}

/* The first program of that name in the operator's PATH. */
static bool find_program(const char *name, char dst[PATH_MAX])
{
	const char *dir = getenv("PATH");

	for (; !strchr(name, '/') && dir && *dir; dir += *dir == ':') {
		size_t len = strcspn(dir, ":");
		int n = snprintf(dst, PATH_MAX, "%.*s/%s", (int)len, dir, name);
		struct stat st;

		dir += len;
		if (len > 0 && n > 0 && n < PATH_MAX && dst[0] == '/' && stat(dst, &st) == 0 &&
		    S_ISREG(st.st_mode) && access(dst, X_OK) == 0)
			return true;
	}
	dst[0] = '\0';
	return false;
}

static int add_fragment(struct grants *grants, json_t *fragment, const char *operation,
			const char *object, bool *ret_new)
{
	json_t *denial = fragment ? json_pack("{s:O, s:b, s:s, s:s, s:s}", "fragment", fragment,
					      "open", 1, "relevance", "possible", "operation",
					      operation, "object", object)
				  : NULL;
	int r = denial ? grants_add(grants, denial, ret_new) : -ENOMEM;

	json_decref(denial);
	json_decref(fragment);
	return r;
}

/* What of the base policy has to be known before anything is run under it. */
static int read_base(struct learner *l, struct err *err)
{
	const char *const words[] = {l->spawner.self, "policy", "show", l->base, "--json", NULL};
	json_t *shown = NULL;
	json_t *variable;
	int status = 0;
	size_t i;
	int r = spawn_self(&l->spawner, words, l->own[OWN_BASE], &status, err);

	if (r == 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		return err_set(err, EINVAL, "policy %s cannot be read: toolcell policy check %s",
			       l->base, l->base);
	shown = r == 0 ? read_json(l->own[OWN_BASE], err) : NULL;
	(void)snprintf(l->search, sizeof(l->search), "/usr/local/bin:/usr/bin:/bin");
	json_array_foreach(json_object_get(shown, "environment.set"), i, variable)
		if (strcmp(text_at(variable, "name"), "PATH") == 0 && *text_at(variable, "value"))
			(void)snprintf(l->search, sizeof(l->search), "%s",
				       text_at(variable, "value"));
	l->overlay = strcmp(text_at(json_object_get(shown, "workspace"), "value"), "readonly") != 0;
	json_decref(shown);
	return shown ? 0 : -EINVAL;
}

/* The policy gets the folder of the program in front of what the base has. */
static int add_search_path(struct learner *l, struct err *err)
{
	char path[PATH_MAX + SEARCH_BYTES];
	bool added = false;
	int r;

	(void)snprintf(path, sizeof(path), "%.*s:%s", (int)(strrchr(l->program, '/') - l->program),
		       l->program, l->search);
	r = add_fragment(&l->grants, json_pack("{s:{s:{s:s}}}", "environment", "set", "PATH", path),
			 "find", l->program, &added);
	return r < 0 ? err_set(err, ENOMEM, "no memory for the policy") : 0;
}

static bool has_read_below(const struct grants *grants, const char *folder)
{
	json_t *grant;
	json_t *entry;
	size_t i;
	size_t k;

	json_array_foreach(grants->list, i, grant) {
		json_t *lists = json_object_get(json_object_get(grant, "fragment"), "filesystem");

		json_array_foreach(json_object_get(lists, "read"), k, entry)
			if (json_is_string(entry) &&
			    path_is_below(json_string_value(entry), folder))
				return true;
	}
	return false;
}

/* CARGO_HOME and the like: a program that needs what lies there needs to know where that is. */
static int add_variables(struct grants *grants, bool *ret_new)
{
	static const char ending[] = "_HOME";
	int r = 0;

	for (char **entry = environ; *entry && r == 0; entry++) {
		size_t len = strcspn(*entry, "=");
		const char *value = *entry + len + ((*entry)[len] == '=');
		char name[GRANTS_NAME_BYTES];

		if (len < sizeof(ending) || len >= sizeof(name) || value[0] != '/' || !value[1] ||
		    strncmp(*entry + len - strlen(ending), ending, strlen(ending)) != 0 ||
		    !has_read_below(grants, value))
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)len, *entry);
		r = add_fragment(grants, json_pack("{s:{s:[s]}}", "environment", "pass", name),
				 "look for", value, ret_new);
	}
	return r;
}

static void say_round(const struct learner *l, json_t *result)
{
	ui_line(UI_PLAIN, "run", "%u: %s, %zu grants so far", l->runs, text_at(result, "status"),
		json_array_size(l->grants.list));
}

/* Return: 1 when the run has brought something new, 0 when not, -errno. */
static int learn_from(struct learner *l, json_t *result, struct err *err)
{
	bool added = false;

	if (is_not_found(result) && !l->program[0] &&
	    find_program(l->args->operands[0], l->program)) {
		int r = add_search_path(l, err);

		return r < 0 ? r : 1;
	}
	l->grants.closed = 0; /* of the last run, which is the one that still fails */
	if (take_denials(&l->grants, result, &added) < 0 || add_variables(&l->grants, &added) < 0)
		return err_set(err, ENOMEM, "no memory for the policy");
	return added;
}

/* Of all grants but one. The workspace itself stays what it is, whatever the base would allow. */
static json_t *policy_of(const struct learner *l, size_t without)
{
	json_t *policy = grants_policy(&l->grants, LEARN_NAME, l->base, l->args->risky, without);
	json_t *workspace = json_pack("{s:{s:s, s:s}}", "workspace", "mode", "overlay", "fallback",
				      "memory");
	int r = policy && workspace ? 0 : -ENOMEM;

	if (r == 0 && l->overlay)
		r = grants_merge(policy, workspace);
	json_decref(workspace);
	if (r == 0)
		return policy;
	json_decref(policy);
	return NULL;
}

/*
 * @ret: the result of a run under the policy as it is now, looked at as closely as can be: what a program
 * asks for and does not find decides over what it opens.
 */
static int run_with(struct learner *l, size_t without, json_t **ret, struct err *err)
{
	json_t *policy = policy_of(l, without);
	json_t *close = json_pack("{s:{s:s}}", "denials", "observe", "lookups");
	int r = policy && close ? grants_merge(policy, close) : -ENOMEM;

	r = r == 0 ? run_once(l, policy, ret, err) : err_set(err, ENOMEM, "no memory for a policy");
	json_decref(close);
	json_decref(policy);
	return r;
}

static int search(struct learner *l, bool *ret_passes, char *why, size_t cap, struct err *err)
{
	int more = 1;

	while (more > 0 && l->runs < l->runs_max) {
		json_t *result = NULL;
		int r = run_with(l, SIZE_MAX, &result, err);

		if (r < 0)
			return r;
		*ret_passes = is_ok(result);
		more = *ret_passes ? 0 : learn_from(l, result, err);
		(void)snprintf(why, cap, "%s", text_at(result, "error"));
		say_round(l, result);
		json_decref(result);
		if (more < 0)
			return more;
	}
	return 0;
}

/* What the command can do without, it shall be without. The last one first: it came of the others. */
static int minimise(struct learner *l, struct err *err)
{
	for (size_t i = json_array_size(l->grants.list); i-- > 0 && l->runs < l->runs_max;) {
		json_t *grant = json_array_get(l->grants.list, i);
		json_t *result = NULL;
		int r;

		if (!l->args->risky && !json_is_null(json_object_get(grant, "risk")))
			continue;
		r = run_with(l, i, &result, err);
		if (r == 0 && is_ok(result))
			(void)json_array_remove(l->grants.list, i);
		json_decref(result);
		if (r < 0)
			return r;
	}
	return 0;
}

static void discard_sessions(const struct learner *l)
{
	const char *sessions = l->own[OWN_SESSIONS];
	const char *const list[] = {l->spawner.self, "sessions", "list", "--json",
				    "--sessions",    sessions,	 NULL};
	json_t *listed = NULL;
	json_t *one;
	int status;
	size_t i;

	if (access(sessions, F_OK) == 0 &&
	    spawn_self(&l->spawner, list, l->own[OWN_LIST], &status, NULL) == 0)
		listed = read_json(l->own[OWN_LIST], NULL);
	json_array_foreach(json_object_get(listed, "sessions"), i, one) {
		const char *const discard[] = {l->spawner.self,	   "sessions",
					       "discard",	   "--yes",
					       "--sessions",	   sessions,
					       text_at(one, "id"), NULL};

		(void)!spawn_self(&l->spawner, discard, "/dev/null", &status, NULL);
	}
	json_decref(listed);
}

/* Sessions are removed as their owner may; then our folder is bare. */
static void clean(const struct learner *l)
{
	if (!l->dir[0])
		return;
	spawn_undisturbed();
	discard_sessions(l);
	for (size_t i = OWN_COUNT; i-- > 0;) /* what lies in a folder before the folder */
		(void)remove(l->own[i]);
	if (rmdir(l->dir) < 0)
		ui_line(UI_WARN, "note", "%s could not be removed", l->dir);
}

static int prepare(struct learner *l, const struct args *args, struct err *err)
{
	int r;

	l->args = args;
	l->base = args->base ? args->base : LEARN_BASE;
	l->runs_max = LEARN_ROUNDS;
	l->spawner.verbose = args->verbose;
	if (grants_init(&l->grants, getenv("HOME")) < 0)
		return err_set(err, ENOMEM, "no memory for the policy");
	l->grants.here = true;
	r = learn_check_output(args, err);
	if (r == 0)
		r = spawn_begin(&l->spawner, err);
	if (r == 0)
		r = make_folder(l, err);
	return r < 0 ? r : read_base(l, err);
}

static int propose(struct learner *l, bool passes, const char *why, struct err *err)
{
	struct proposal p = {
		.grants = &l->grants,
		.policy = policy_of(l, SIZE_MAX),
		.base = l->base,
		.tried = true,
		.passes = passes,
		.runs = l->runs,
		.why = why[0] ? why : NULL,
	};
	int r = p.policy ? learn_print(&p, l->args, err)
			 : err_set(err, ENOMEM, "no memory for the policy");

	json_decref(p.policy);
	return r;
}

int learn_run(const struct args *args)
{
	struct learner *l = calloc(1, sizeof(*l));
	char why[ERR_TEXT_MAX] = "";
	struct err err = {0};
	bool passes = false;
	int r;

	if (!l) {
		(void)err_set(&err, ENOMEM, "no memory for the policy");
		ui_error(&err);
		return CLI_REFUSED;
	}
	r = prepare(l, args, &err);
	if (r == 0)
		r = search(l, &passes, why, sizeof(why), &err);
	if (r == 0 && passes)
		r = minimise(l, &err);
	if (r == 0)
		r = propose(l, passes, why, &err);
	if (r < 0)
		ui_error(&err);
	clean(l);
	spawn_end();
	grants_fini(&l->grants);
	free(l);
	return r < 0 ? CLI_REFUSED : passes ? CLI_OK : CLI_FAILED;
}
