/*
 * Theory of operation: one question at a time, one line each. Calls that have begun are kept in a small
 * table; when the broker is gone - killed, most likely - what is left in it becomes lines of kind "lost".
 * The broker may be taken over: it can add lines that lie about its own calls, and nothing else.
 */
#include "audit/writer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "audit/wire.h"
#include "base/fd.h"

struct begun {
	uint64_t id; /* 0: free */
	char *record;
	size_t len;
};

struct writer {
	struct audit_log *log;
	int sock;
	uint64_t lost; /* all that this engine has lost */
	struct begun begun[AUDIT_OPEN_CALLS_MAX];
};

static struct begun *find(struct writer *w, uint64_t id)
{
	for (size_t i = 0; i < AUDIT_OPEN_CALLS_MAX; i++)
		if (w->begun[i].id == id)
			return &w->begun[i];
	return NULL;
}

static void forget(struct begun *begun)
{
	free(begun->record);
	*begun = (struct begun){0};
}

static void begin(struct writer *w, const struct audit_ask *ask, const char *record, size_t len)
{
	struct begun *place = find(w, 0);

	if (ask->id == 0 || !place || find(w, ask->id) || !audit_record_is_sane(record, len))
		return;
	place->record = malloc(len);
	if (!place->record)
		return;
	memcpy(place->record, record, len);
	place->len = len;
	place->id = ask->id;
}

static int record(struct writer *w, const struct audit_ask *ask, const char *text, size_t len,
		  struct err *err)
{
	struct begun *begun = ask->id ? find(w, ask->id) : NULL;
	int r;

	if (ask->kind != AUDIT_CALL && ask->kind != AUDIT_DECISION)
		return err_set(err, EINVAL, "a record is of no kind that a broker writes");
	r = audit_log_append(w->log, (enum audit_kind)ask->kind, text, len, err);
	if (r < 0)
		w->lost++;
	if (begun)
		forget(begun);
	return r;
}

static void reply(struct writer *w, const struct audit_ask *ask, int r, const struct err *err)
{
	struct audit_reply reply = {
		.type = ask->type,
		.num = -r,
		.id = ask->id,
		.lost = w->lost,
	};

	if (r < 0)
		(void)snprintf(reply.error, sizeof(reply.error), "%.*s",
			       (int)sizeof(reply.error) - 1, err->text);
	/* A broker that does not read is not waited for. */
	(void)!send(w->sock, &reply, sizeof(reply), MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void answer(struct writer *w, const char *data, size_t len)
{
	struct audit_ask ask;
	struct err err = {0};
	int r = -EINVAL;

	if (len < sizeof(ask))
		return;
	memcpy(&ask, data, sizeof(ask));
	data += sizeof(ask);
	len -= sizeof(ask);
	if (ask.type == AUDIT_ASK_BEGIN) {
		begin(w, &ask, data, len);
		return;
	}
	if (ask.type == AUDIT_ASK_RECORD)
		r = record(w, &ask, data, len, &err);
	else if (ask.type == AUDIT_ASK_PROBE)
		r = audit_log_probe(w->log, &err);
	reply(w, &ask, r, &err);
}

static void end(struct writer *w)
{
	char text[128];
	struct err err;
	int n;

	for (size_t i = 0; i < AUDIT_OPEN_CALLS_MAX; i++) {
		if (w->begun[i].id == 0)
			continue;
		if (audit_log_append(w->log, AUDIT_LOST, w->begun[i].record, w->begun[i].len,
				     &err) < 0)
			w->lost++;
		forget(&w->begun[i]);
	}
	n = snprintf(text, sizeof(text), "{\"event\":\"end\",\"lost\":%" PRIu64 "}", w->lost);
	(void)!audit_log_append(w->log, AUDIT_ENGINE, text, (size_t)n, &err);
}

void audit_writer_run(struct audit_log *log, int sock)
{
	struct writer *w = calloc(1, sizeof(*w));
	char *data = malloc(AUDIT_ASK_BYTES_MAX);

	while (w && data) {
		ssize_t n;

		w->log = log;
		w->sock = sock;
		n = recv(sock, data, AUDIT_ASK_BYTES_MAX, MSG_TRUNC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if ((size_t)n <= AUDIT_ASK_BYTES_MAX)
			answer(w, data, (size_t)n);
	}
	if (w && data)
		end(w);
	free(data);
	free(w);
}
