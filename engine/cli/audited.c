/*
 * Theory of operation: where the log lies is decided by the command line, else TOOLCELL_AUDIT, else the
 * policy; a policy that makes its path final is not moved. The policy's part of it is the first member of
 * the image's catalog, so that nothing else of that text is parsed here. The engine's start is recorded
 * before anything of a driver's is read: a log that cannot be written to is known by then.
 */
#include "cli/audited.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/record.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "cli/exec_env.h"
#include "cli/folder.h"
#include "cli/ui.h"
#include "config.h"

#define OFF "off"
#define DEFAULT "default"
#define CATALOG_HEAD "{\"audit\":"

static const struct folder_words words = {"audit folder", "--audit", "TOOLCELL_AUDIT", "audit"};

static json_t *read_policy(const struct image *image, struct err *err)
{
	size_t head = strlen(CATALOG_HEAD);
	size_t len = 0;
	const char *text = image_catalog(image, &len);
	json_t *policy = NULL;

	if (text && len > head && memcmp(text, CATALOG_HEAD, head) == 0)
		policy = json_loadb(text + head, len - head,
				    JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, NULL);
	if (policy)
		return policy;
	(void)err_set(err, EINVAL, "the policy image does not say what is recorded");
	return NULL;
}

static const char *word(json_t *policy, const char *key)
{
	const char *text = json_string_value(json_object_get(policy, key));

	return text ? text : "";
}

/* Where the log lies: a path, "default" or "off". */
static int choose(const char *option, json_t *policy, const char **ret, struct err *err)
{
	const char *own = json_is_object(policy) ? word(policy, "path") : OFF;
	const char *given = option ? option : getenv(words.variable);

	if (!given || given[0] == '\0') {
		*ret = own;
		return 0;
	}
	if (json_is_true(json_object_get(policy, "fixed")) && strcmp(given, own) != 0)
		return err_set(err, EPERM,
			       "the audit log is fixed by the policy (%s: \"%s\"), so %s cannot "
			       "move it or switch it off",
			       word(policy, "rule"), own, option ? words.option : words.variable);
	*ret = given;
	return 0;
}

int audited_place(const char *given, char *dst, struct err *err)
{
	const char *from = given ? given : getenv(words.variable);

	if (from && strcmp(from, OFF) == 0)
		return err_set(err, EINVAL, "%s is \"off\": name the folder of the log",
			       words.variable);
	if (from && strcmp(from, DEFAULT) == 0)
		from = NULL;
	return folder_place(&words, from, dst, err);
}

int audited_open_folder(const char *path, bool make, int *ret_fd, char *real, struct err *err)
{
	return folder_open(&words, path, make, ret_fd, real, err);
}

static int check_place(const struct audited *a, const char *workspace, struct err *err)
{
	if (path_is_below(a->path, workspace))
		return err_set(err, EPERM,
			       "audit folder %s lies in the workspace %s, where tools could change "
			       "it; name another with --audit",
			       a->path, workspace);
	if (path_is_below(workspace, a->path))
		return err_set(err, EPERM, "workspace %s lies in the audit folder %s", workspace,
			       a->path);
	return 0;
}

static int open_log(struct audited *a, const char *place, const char *workspace, struct err *err)
{
	const struct audit_log_options options = {
		.rotate_bytes = (uint64_t)json_integer_value(
			json_object_get(a->policy, "rotate_bytes")),
		.keep = (uint32_t)json_integer_value(json_object_get(a->policy, "keep")),
		.sync = json_is_true(json_object_get(a->policy, "sync")),
	};
	CLEANUP(fd_closep) int dir = -1;
	char path[PATH_MAX];
	int r = folder_place(&words, strcmp(place, DEFAULT) == 0 ? NULL : place, path, err);

	if (r == 0)
		r = audited_open_folder(path, true, &dir, a->path, err);
	if (r == 0)
		r = check_place(a, workspace, err);
	return r < 0 ? r : audit_log_open(dir, &options, NULL, &a->log, err);
}

/* The operator's environment as far as tools get it. */
static json_t *environment(const struct session *s, const struct mask *mask, bool text)
{
	const struct image_cell *cell = image_cell(&s->image, 0);
	json_t *set = json_object();
	json_t *shown;
	char **env = NULL;
	struct err err;

	if (!cell || !set || exec_env_build(&s->image, cell, s->environ_kept, &env, &err) < 0) {
		json_decref(set);
		return json_null();
	}
	for (char **e = env; *e; e++) {
		const char *value = strchr(*e, '=');
		struct buf safe = {0};

		/* A value need not be UTF-8; a name is one of the policy's words. */
		if (value && text_append_safe(&safe, value + 1, strlen(value + 1)) == 0)
			(void)json_object_setn_new(set, *e, (size_t)(value - *e),
						   json_stringn(safe.data ? safe.data : "",
								safe.len));
		buf_fini(&safe);
	}
	exec_env_free(env);
	shown = audit_environment(mask, set, text);
	json_decref(set);
	return shown ? shown : json_null();
}

static json_t *safe_or_null(const struct mask *mask, const char *text)
{
	return text ? audit_safe_string(mask, text) : json_null();
}

static json_t *start_record(const struct session_options *o, const struct session *s,
			    const struct mask *mask)
{
	const struct audited *a = s->audit;
	const struct image_cell *cell = image_cell(&s->image, 0);
	const char *policy = cell ? image_string(&s->image, cell->policy) : NULL;
	const char *name = getenv("USER"); /* a word; the uid beside it is what counts */

	return json_pack("{s:s, s:s, s:s, s:i, s:o, s:o, s:{s:o, s:s}, s:o, s:o, s:b, s:o}",
			 "event", "start", "version", TOOLCELL_VERSION, "mode",
			 geteuid() == 0 ? "root" : "rootless", "pid", (int)getpid(), "user",
			 safe_or_null(mask, name), "agent", safe_or_null(mask, o->agent), "policy",
			 "name", safe_or_null(mask, policy), "digest", a->digest, "workspace",
			 safe_or_null(mask, s->workspace), "session",
			 safe_or_null(mask, s->id[0] ? s->id : NULL), "person", o->maintenance,
			 "environment", environment(s, mask, a->text));
}

static struct mask *make_mask(json_t *policy)
{
	struct mask *mask = mask_new();
	struct err err;
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(policy, "names"), i, one)
		if (mask && mask_add_name(mask, json_string_value(one), &err) < 0)
			goto fail;
	json_array_foreach(json_object_get(policy, "patterns"), i, one)
		if (mask && mask_add_pattern(mask, json_string_value(one), &err) < 0)
			goto fail;
	return mask;
fail:
	mask_free(mask);
	return NULL;
}

static int record_start(const struct session_options *o, struct session *s, struct err *err)
{
	struct mask *mask = make_mask(s->audit->policy);
	json_t *record = mask ? start_record(o, s, mask) : NULL;
	char *text = record ? json_dumps(record, JSON_COMPACT) : NULL;
	int r = text ? audit_log_append(&s->audit->log, AUDIT_ENGINE, text, strlen(text), err)
		     : err_set(err, ENOMEM, "no memory for the audit log");

	free(text);
	json_decref(record);
	mask_free(mask);
	return r;
}

static int open_wanted(const struct session_options *o, struct session *s, const char *place,
		       struct err *err)
{
	struct audited *a = s->audit;
	struct err why = {0};
	int r;

	/* A limit on the size of files is an error to be told, not our end. The launcher runs already. */
	(void)signal(SIGXFSZ, SIG_IGN);
	audit_hash_hex(s->image.data, s->image.bytes, a->digest);
	r = open_log(a, place, s->workspace, &why);
	if (r == 0)
		r = record_start(o, s, &why);
	if (r == 0)
		return 0;
	/* A folder that is wrong is the operator's to put right, whatever the policy says of disks. */
	if (a->stop || r == -EPERM || r == -ELOOP) {
		*err = why;
		return err_wrap(err, "the audit log cannot be written to");
	}
	ui_line(UI_WARN, "no audit log", "%s; calls are not recorded, as audit.full says",
		why.text);
	(void)snprintf(a->why, sizeof(a->why), "%.*s", (int)sizeof(a->why) - 1, why.text);
	audit_log_close(&a->log);
	return 0;
}

int audited_open(const struct session_options *options, struct session *session, struct err *err)
{
	json_t *policy = read_policy(&session->image, err);
	const char *place = OFF;
	int r = policy ? choose(options->audit, policy, &place, err) : -EINVAL;

	if (r < 0 || strcmp(place, OFF) == 0 || !json_is_object(policy)) {
		json_decref(policy);
		return r;
	}
	session->audit = calloc(1, sizeof(*session->audit));
	if (!session->audit) {
		json_decref(policy);
		return err_set(err, ENOMEM, "no memory for the audit log");
	}
	*session->audit = (struct audited){
		.log = AUDIT_LOG_NONE,
		.policy = policy,
		.text = json_is_true(json_object_get(policy, "text")),
		.stop = json_is_true(json_object_get(policy, "stop")),
		.sock = -1,
		.pid = -1,
	};
	return open_wanted(options, session, place, err);
}

void audited_let_go(struct session *session)
{
	if (session->audit)
		fd_closep(&session->audit->sock);
}

void audited_close(struct session *session)
{
	struct audited *a = session->audit;

	if (!a)
		return;
	audit_log_close(&a->log);
	fd_closep(&a->sock);
	json_decref(a->policy);
	free(a);
	session->audit = NULL;
}

bool audited_is_on(const struct session *session)
{
	return session->audit != NULL;
}

bool audited_stops(const struct session *session)
{
	return session->audit && session->audit->stop;
}

static json_t *argv_json(char *const *argv)
{
	json_t *list = json_array();

	for (; list && *argv; argv++) {
		struct buf safe = {0};
		int r = text_append_safe(&safe, *argv, strlen(*argv));

		if (r == 0)
			r = json_array_append_new(list, json_stringn(safe.data ? safe.data : "",
								     safe.len));
		buf_fini(&safe);
		if (r < 0) {
			json_decref(list);
			return NULL;
		}
	}
	return json_pack("{s:o}", "argv", list);
}

static char *exec_record(const struct audited *a, const struct mask *mask,
			 const struct audited_exec *exec)
{
	json_t *result = json_loads(exec->result, 0, NULL);
	json_t *argv = argv_json(exec->argv);
	json_t *arguments = argv ? audit_arguments(mask, argv, a->text) : NULL;
	char *text = NULL;

	if (result && arguments)
		text = audit_record_call(&(struct audit_context){.mask = mask,
								 .policy_digest = a->digest},
					 &(struct audit_call){.result = result,
							      .arguments = arguments,
							      .by = "person",
							      .unseen = true,
							      .cwd = exec->cwd});
	json_decref(arguments);
	json_decref(argv);
	json_decref(result);
	return text;
}

int audited_exec(struct session *session, const struct audited_exec *exec, struct err *err)
{
	static const char end[] = "{\"event\":\"end\",\"lost\":0}";
	struct audited *a = session->audit;
	struct mask *mask;
	char *text;
	int r;

	if (!a)
		return 0;
	if (a->why[0])
		return err_set(err, EINVAL, "%s", a->why);
	mask = make_mask(a->policy);
	text = !mask	      ? NULL
	       : exec->result ? exec_record(a, mask, exec)
			      : audit_record_begin("c-1", exec->argv[0], NULL);
	r = text ? audit_log_append(&a->log, exec->result ? AUDIT_CALL : AUDIT_LOST, text,
				    strlen(text), err)
		 : err_set(err, ENOMEM, "no memory for the audit log");
	if (r == 0)
		r = audit_log_append(&a->log, AUDIT_ENGINE, end, strlen(end), err);
	free(text);
	mask_free(mask);
	return r;
}
