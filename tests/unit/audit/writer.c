/* The process that writes: a broker that is honest, one that is not, and one that dies. */
#include "audit/writer.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/read.h"
#include "audit/wire.h"
#include "base/fd.h"

static char folder[] = "/tmp/audit-writer-XXXXXX";
static int dir;
static int sock;
static pid_t writer;

static void setup(void)
{
	const struct audit_log_options options = {.keep = 8};
	struct audit_log log;
	struct err err;
	int pair[2];

	cr_assert_not_null(mkdtemp(folder));
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(audit_log_open(dir, &options, "k3f7abcd", &log, &err), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	writer = fork();
	if (writer == 0) {
		(void)close(pair[0]);
		audit_writer_run(&log, pair[1]);
		_exit(0);
	}
	audit_log_close(&log);
	(void)close(pair[1]);
	sock = pair[0];
}

static void teardown(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
}

TestSuite(writer, .init = setup, .fini = teardown);

static void ask(uint32_t type, uint32_t kind, uint64_t id, const char *record)
{
	struct audit_ask ask = {type, kind, id};
	char data[512];

	memcpy(data, &ask, sizeof(ask));
	memcpy(data + sizeof(ask), record, strlen(record));
	cr_assert_gt(send(sock, data, sizeof(ask) + strlen(record), 0), 0);
}

static struct audit_reply reply(void)
{
	struct audit_reply reply;

	cr_assert_eq(recv(sock, &reply, sizeof(reply), 0), (ssize_t)sizeof(reply));
	return reply;
}

/* The kinds of all lines, as letters; the broker is gone by then. */
static const char *kinds(void)
{
	static char letters[64];
	struct audit_reader *reader = calloc(1, sizeof(*reader));
	struct audit_item item;
	struct audit_line line;
	const char *why;
	struct err err;
	size_t n = 0;

	fd_closep(&sock);
	cr_assert_eq(waitpid(writer, NULL, 0), writer);
	cr_assert_eq(audit_reader_open(reader, dir, &err), 0);
	while (audit_reader_next(reader, &item, &err) > 0) {
		cr_assert_eq(audit_line_parse(item.text, item.len, &line, &why), 0, "%s", why);
		cr_assert_str_eq(line.engine, "k3f7abcd");
		letters[n++] = audit_kind_name(line.kind)[0];
	}
	letters[n] = '\0';
	audit_reader_close(reader);
	free(reader);
	return letters;
}

Test(writer, writes_and_says_so)
{
	struct audit_reply r;

	ask(AUDIT_ASK_BEGIN, 0, 1, "{\"call\":\"c-1\"}");
	ask(AUDIT_ASK_RECORD, AUDIT_CALL, 1, "{\"call\":\"c-1\"}");
	r = reply();
	cr_assert_eq(r.num, 0);
	cr_assert_eq(r.id, 1);
	ask(AUDIT_ASK_RECORD, AUDIT_DECISION, 0, "{\"decision\":\"x\"}");
	cr_assert_eq(reply().num, 0);
	cr_assert_str_eq(kinds(), "lcde"); /* log, call, decision, engine */
}

Test(writer, says_of_calls_that_never_ended_that_they_began)
{
	ask(AUDIT_ASK_BEGIN, 0, 1, "{\"call\":\"c-1\"}");
	ask(AUDIT_ASK_BEGIN, 0, 2, "{\"call\":\"c-2\"}");
	ask(AUDIT_ASK_RECORD, AUDIT_CALL, 1, "{\"call\":\"c-1\"}");
	cr_assert_eq(reply().num, 0);
	cr_assert_str_eq(kinds(), "lcle"); /* log, call, lost, engine */
}

Test(writer, takes_nothing_else_from_a_broker_that_was_taken_over)
{
	char long_record[300];

	/* Kinds that are the writer's own, a second line, a frame within a frame, what is no question. */
	for (uint32_t kind = 0; kind <= AUDIT_KIND_N; kind++) {
		if (kind == AUDIT_CALL || kind == AUDIT_DECISION)
			continue;
		ask(AUDIT_ASK_RECORD, kind, 9, "{}");
		cr_assert_eq(reply().num, EINVAL);
	}
	ask(AUDIT_ASK_RECORD, AUDIT_CALL, 9, "{}\n{}");
	cr_assert_eq(reply().num, EINVAL);
	ask(AUDIT_ASK_RECORD, AUDIT_CALL, 9, "{},\"hash\":\"x\"}");
	cr_assert_eq(reply().num, EINVAL);
	ask(77, AUDIT_CALL, 9, "{}");
	cr_assert_eq(reply().num, EINVAL);
	cr_assert_eq(send(sock, "x", 1, 0), 1);
	memset(long_record, 'x', sizeof(long_record));
	ask(AUDIT_ASK_BEGIN, 0, 5, "{\"not\":\"closed\"");
	ask(AUDIT_ASK_BEGIN, 0, 0, "{}");
	cr_assert_str_eq(kinds(), "le");
}

Test(writer, has_room_for_so_many_calls_and_no_more)
{
	for (uint64_t id = 1; id <= AUDIT_OPEN_CALLS_MAX + 50; id++)
		ask(AUDIT_ASK_BEGIN, 0, id, "{}");
	for (uint64_t id = 1; id <= AUDIT_OPEN_CALLS_MAX; id++) {
		ask(AUDIT_ASK_RECORD, AUDIT_CALL, id, "{}");
		cr_assert_eq(reply().num, 0);
	}
	fd_closep(&sock);
	cr_assert_eq(waitpid(writer, NULL, 0), writer);
}

Test(writer, a_probe_that_has_nothing_to_say_writes_nothing)
{
	ask(AUDIT_ASK_PROBE, 0, 0, "");
	cr_assert_eq(reply().num, 0);
	cr_assert_str_eq(kinds(), "le");
}
