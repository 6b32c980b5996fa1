/* The broker's side of the audit log, against a writer that is honest, that fails, or that is gone. */
#include "broker/auditor.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/wire.h"
#include "base/fd.h"
#include "fixture.h"

enum behaviour { WRITES, FAILS, DIES, LIES };

static struct fixture f;
static pid_t writer;
static int told[2]; /* records that the writer was given, a line each */

static void set_up(void)
{
	fixture_prepare(&f, &(struct fixture_options){0});
	cr_assert_eq(pipe2(told, O_CLOEXEC), 0);
}

static void tear_down(void)
{
	fixture_stop(&f);
}

TestSuite(auditor, .init = set_up, .fini = tear_down, .timeout = 60);

static void note(const struct audit_ask *ask, const char *record, size_t len)
{
	static const char letters[] = "BRP";
	static char line[AUDIT_ASK_BYTES_MAX + 8];
	int n = snprintf(line, sizeof(line), "%c%.*s\n", letters[ask->type % 3], (int)len, record);

	cr_assert_eq(fd_write_full(told[1], line, (size_t)n), 0);
}

static void answer(int sock, const struct audit_ask *ask, enum behaviour how)
{
	struct audit_reply reply = {.type = ask->type, .id = ask->id};

	if (how == FAILS) {
		reply.num = ENOSPC;
		(void)snprintf(reply.error, sizeof(reply.error), "no room");
	}
	if (how == LIES) { /* answers that nobody asked for, and to calls that there are not */
		reply.id = 4711;
		(void)!send(sock, &reply, sizeof(reply), MSG_NOSIGNAL);
		reply.id = ask->id;
		memset(reply.error, 'x', sizeof(reply.error));
	}
	(void)!send(sock, &reply, sizeof(reply), MSG_NOSIGNAL);
}

static void play(int sock, enum behaviour how)
{
	static char data[AUDIT_ASK_BYTES_MAX];
	ssize_t n;

	while ((n = recv(sock, data, sizeof(data), 0)) >= (ssize_t)sizeof(struct audit_ask)) {
		struct audit_ask ask;

		memcpy(&ask, data, sizeof(ask));
		note(&ask, data + sizeof(ask), (size_t)n - sizeof(ask));
		if (how == DIES && ask.type == AUDIT_ASK_RECORD)
			_exit(0);
		if (ask.type != AUDIT_ASK_BEGIN)
			answer(sock, &ask, how);
	}
}

/* One call under such a writer; its result and text. */
static json_t *run(enum behaviour how, bool stop, const char *command, char **ret_text)
{
	struct broker_audit audit = {.why = "", .digest = "d", .stop = stop};
	struct broker_config config = fixture_config(&f);
	char *result = NULL;
	struct err err = {0};
	char *arguments = NULL;
	json_t *loaded;
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	writer = fork();
	if (writer == 0) {
		(void)close(pair[0]);
		play(pair[1], how);
		_exit(0);
	}
	(void)close(pair[1]);
	audit.fd = pair[0];
	config.audit = &audit;
	cr_assert_gt(asprintf(&arguments, "{\"command\":\"%s\"}", command), 0);
	cr_assert_eq(broker_run_one(&config, "sh", arguments, &result, ret_text, &err), 0, "%s",
		     err.text);
	loaded = json_loads(result, 0, NULL);
	cr_assert_not_null(loaded);
	(void)close(pair[0]);
	(void)waitpid(writer, NULL, 0);
	free(arguments);
	free(result);
	return loaded;
}

static const char *text_of(json_t *result, const char *key)
{
	const char *text = json_string_value(json_object_get(result, key));

	return text ? text : "";
}

static bool misses_audit(json_t *result)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(json_object_get(result, "enforced"), "missing"), i, one)
		if (strcmp(json_string_value(one), "audit") == 0)
			return true;
	return false;
}

Test(auditor, a_call_begins_and_ends_in_the_log_and_says_nothing_of_it)
{
	char *text = NULL;
	char lines[8192];
	json_t *result = run(WRITES, true, "echo hi", &text);
	ssize_t n = read(told[0], lines, sizeof(lines) - 1);

	cr_assert_gt(n, 0);
	lines[n] = '\0';
	cr_assert_str_eq(text, "hi");
	cr_assert_str_eq(text_of(result, "status"), "ok");
	cr_assert_not(misses_audit(result));
	cr_assert_eq(strncmp(lines, "B{\"call\":\"c-1\",\"tool\":\"sh\"", 25), 0, "%s", lines);
	cr_assert_not_null(strstr(lines, "\nR{\"call\":\"c-1\""));
	cr_assert_null(strstr(lines, "hi\\n"));
	json_decref(result);
	free(text);
}

Test(auditor, one_that_cannot_be_written_is_an_error_with_all_that_it_printed)
{
	char *text = NULL;
	json_t *result = run(FAILS, true, "echo hi; exit 3", &text);

	cr_assert_str_eq(text_of(result, "status"), "error");
	cr_assert_not_null(strstr(text_of(result, "error"), "no room"));
	cr_assert_not_null(strstr(text, "hi\n"));
	cr_assert_not_null(strstr(text, "error: it ran, and is not in the audit log: no room"));
	cr_assert_eq(json_integer_value(
			     json_object_get(json_object_get(result, "ended"), "exit_code")),
		     3);
	cr_assert_str_eq(text_of(json_object_get(result, "stdout"), "text"), "hi\n");
	cr_assert(misses_audit(result));
	json_decref(result);
	free(text);
}

Test(auditor, or_a_note_where_the_policy_says_continue)
{
	static const enum behaviour hows[] = {FAILS, DIES};

	for (size_t i = 0; i < ARRAY_SIZE(hows); i++) {
		char *text = NULL;
		json_t *result = run(hows[i], false, "echo hi", &text);

		cr_assert_str_eq(text_of(result, "status"), "ok");
		cr_assert(misses_audit(result));
		cr_assert_not_null(strstr(text, "note: this call is not in the audit log"), "%s",
				   text);
		json_decref(result);
		free(text);
		fixture_stop(&f);
		fixture_prepare(&f, &(struct fixture_options){0});
	}
}

Test(auditor, a_writer_that_dies_is_said)
{
	char *text = NULL;
	json_t *result = run(DIES, true, "echo hi", &text);

	cr_assert_str_eq(text_of(result, "status"), "error");
	cr_assert_not_null(strstr(text_of(result, "error"), "is gone"));
	json_decref(result);
	free(text);
}

Test(auditor, answers_to_nobody_do_no_harm)
{
	char *text = NULL;
	json_t *result = run(LIES, true, "echo hi", &text);

	cr_assert_str_eq(text_of(result, "status"), "ok");
	json_decref(result);
	free(text);
}

Test(auditor, a_log_that_was_never_there_is_told_in_each_result)
{
	const struct broker_audit audit = {.fd = -1, .why = "no folder", .digest = "d"};
	struct broker_config config = fixture_config(&f);
	char *json = NULL;
	char *text = NULL;
	struct err err = {0};
	json_t *result;

	config.audit = &audit;
	cr_assert_eq(broker_run_one(&config, "sh", "{\"command\":\"true\"}", &json, &text, &err),
		     0);
	result = json_loads(json, 0, NULL);
	cr_assert(misses_audit(result));
	cr_assert_not_null(strstr(text, "no folder"));
	json_decref(result);
	free(json);
	free(text);
}

Test(auditor, a_result_that_was_made_elsewhere_is_marked_too)
{
	char *json = strdup("{\"status\":\"ok\",\"error\":null,\"enforced\":{\"missing\":[]}}");
	struct err err = {0};

	cr_assert_eq(broker_result_unrecorded(&json, false, "full", &err), 0);
	cr_assert_str_eq(
		json, "{\"status\":\"ok\",\"error\":null,\"enforced\":{\"missing\":[\"audit\"]}}");
	cr_assert_eq(broker_result_unrecorded(&json, true, "full", &err), 0);
	cr_assert_not_null(strstr(json, "\"status\":\"error\""));
	free(json);
	json = strdup("no json");
	cr_assert_eq(broker_result_unrecorded(&json, true, "full", &err), -ENOMEM);
	free(json);
}
