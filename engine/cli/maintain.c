/*
 * Theory of operation: which session is meant is looked up here, in the operator's name; the engine
 * then opens it by its id like any other. Who is going to change layers waits first for the calls of
 * another engine to end: the gate (workspace/stack.h) is tried, and given back, since the launcher
 * takes it for the call itself. Should a call have slipped in between, the launcher says so.
 */
#include "cli/maintain.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/ui.h"
#include "cli/verdict.h"
#include "workspace/stack.h"

#define GATE_WAIT_MS 5000
#define GATE_PAUSE_MS 50
#define ANSWER_BYTES 32

struct place {
	char path[PATH_MAX];
	struct stat st;
};

static int find_place(const char *workspace, struct place *ret, struct err *err)
{
	const char *name = workspace ? workspace : ".";

	if (!realpath(name, ret->path) || stat(ret->path, &ret->st) < 0)
		return err_set(err, errno, "workspace %s", name);
	return 0;
}

static bool is_of(const struct store_meta *meta, const struct place *place)
{
	return strcmp(meta->workspace, place->path) == 0 && meta->ino == place->st.st_ino;
}

static int find_newest(const struct store *store, const struct place *place,
		       char ret[MAINTAIN_ID_BYTES], struct err *err)
{
	struct store_entry *list = NULL;
	struct err ignored;
	bool found = false;
	size_t n = 0;
	int r = store_list(store, &list, &n, err);

	for (size_t i = 0; i < n && !found; i++) {
		struct store_session s;

		if (store_find(store, list[i].id, &s, &ignored) < 0)
			continue;
		found = is_of(&s.meta, place);
		if (found)
			(void)snprintf(ret, MAINTAIN_ID_BYTES, "%s", s.id);
		store_session_close(&s);
	}
	free(list);
	if (r < 0 || found)
		return r;
	return store_say(err, ENOENT,
			 "workspace %s has no session in %s: no tool has changed anything there "
			 "that is not committed or discarded",
			 place->path, store->path);
}

int maintain_find(const struct args *args, char ret[MAINTAIN_ID_BYTES], struct err *err)
{
	struct place *place = calloc(1, sizeof(*place));
	struct store store;
	int r;

	if (!place)
		return err_set(err, ENOMEM, "no memory for a path");
	r = find_place(args->workspace, place, err);
	if (r == 0) {
		r = store_open(args->sessions, false, &store, err);
		if (r == -ENOENT)
			r = store_say(err, ENOENT,
				      "workspace %s has no session: no tool has changed anything "
				      "there that is not committed or discarded",
				      place->path);
		if (r == 0)
			r = find_newest(&store, place, ret, err);
		store_close(&store);
	}
	free(place);
	return r;
}

static int say_who_has(const struct store_session *s, struct err *err)
{
	pid_t holder = store_holder(s);

	if (holder > 0)
		return store_say(err, EBUSY,
				 "calls of session %s are running (engine: process %d); try again "
				 "when they have ended",
				 s->id, holder);
	return store_say(err, EBUSY,
			 "calls of session %s are running; try again when they have ended", s->id);
}

static int wait_gate(const struct store_session *s, struct err *err)
{
	const struct timespec pause = {.tv_nsec = GATE_PAUSE_MS * 1000000L};

	for (int ms = 0; ms <= GATE_WAIT_MS; ms += GATE_PAUSE_MS) {
		CLEANUP(fd_closep) int gate = -1;
		int r = stack_gate(s->data, true, &gate, err);

		if (r != -EAGAIN)
			return r;
		(void)nanosleep(&pause, NULL);
	}
	return say_who_has(s, err);
}

/* Nothing else is looked at here: kept_adopt does that for the engine. */
static int wait_for_calls(const struct args *args, struct err *err)
{
	struct store_session s = STORE_SESSION_NONE;
	struct store store;
	char id[STORE_ID_BYTES];
	uint32_t branch;
	int r = store_parse_id(args->session, id, &branch, err);

	if (r < 0)
		return r;
	r = store_open(args->sessions, false, &store, err);
	if (r == 0)
		r = store_find(&store, id, &s, err);
	if (r == 0)
		r = wait_gate(&s, err);
	store_session_close(&s);
	store_close(&store);
	return r;
}

int maintain_run(struct args *args, bool reads_only,
		 int (*body)(const struct broker_config *config, const struct args *args))
{
	struct session session;
	struct err err;
	int r = reads_only ? 0 : wait_for_calls(args, &err);

	if (r < 0) {
		ui_error(&err);
		return CLI_FAILED;
	}
	args->maintenance = true;
	args->beside = reads_only;
	/* With the digest: a cell's output is parsed there and nowhere else. */
	if (engine_start(args, true, &session, &err) < 0) {
		ui_error(&err);
		return CLI_REFUSED;
	}
	return engine_fork_broker(&session, args, body);
}

int maintain_call(const struct broker_config *config, const char *tool, json_t *arguments,
		  struct maintain_result *ret, struct err *err)
{
	char *text = json_dumps(arguments, JSON_COMPACT);
	int r;

	*ret = (struct maintain_result){.json = NULL};
	if (!text)
		return err_set(err, ENOMEM, "no memory for arguments");
	r = broker_run_one(config, tool, text, &ret->json, &ret->text, err);
	free(text);
	if (r < 0)
		return r;
	ret->result = json_loads(ret->json, 0, NULL);
	if (ret->result)
		return 0;
	maintain_result_fini(ret);
	return err_set(err, EPROTO, "the result of %s cannot be read", tool);
}

void maintain_result_fini(struct maintain_result *result)
{
	json_decref(result->result);
	free(result->json);
	free(result->text);
	*result = (struct maintain_result){.json = NULL};
}

static const char *status_of(const struct maintain_result *result)
{
	const char *status = json_string_value(json_object_get(result->result, "status"));

	return status ? status : "error";
}

bool maintain_ok(const struct maintain_result *result)
{
	return strcmp(status_of(result), "ok") == 0;
}

int maintain_fail(const struct maintain_result *result)
{
	CLEANUP(buf_fini) struct buf text = {0};
	const char *words = result->text ? result->text : "";

	if (text_append_safe(&text, words, strlen(words)) < 0 || text.len == 0)
		ui_line(UI_BAD, status_of(result), "no reason was given");
	else
		ui_line(UI_BAD, status_of(result), "%s", text.data);
	return verdict_status(status_of(result));
}

bool maintain_can_ask(void)
{
	return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
}

bool maintain_ask(const char *question)
{
	CLEANUP(buf_fini) struct buf line = {0};
	char answer[ANSWER_BYTES] = "";
	ssize_t n;

	if (buf_printf(&line, "%s [y/N] ", question) < 0 || ui_write(STDERR_FILENO, &line) < 0)
		return false;
	do
		n = read(STDIN_FILENO, answer, sizeof(answer) - 1);
	while (n < 0 && errno == EINTR);
	return n > 0 && (answer[0] == 'y' || answer[0] == 'Y');
}
