/*
 * Theory of operation: each line is held against the one before it.
 *
 *	its bytes		   their hash			edited
 *	its "prev"		   hash of the line before	removed, added, moved
 *	the first line of all	   nothing before it, or files that the newest "log" line says are gone
 *	lines that are none	   allowed only before a "torn" with their length and hash, and at the
 *				   end, where none has been written yet: what a crash leaves (audit/log.c)
 *
 * Behind something that is wrong the chain is taken up anew, so that one edit is one report. What has
 * been cut off behind the last line cannot be seen from inside: for that a hash must be kept elsewhere.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit/read.h"

struct check {
	struct audit_verdict *verdict;
	const char *expect;
	void (*problem)(void *ctx, const char *text);
	void *ctx;
	char prev[AUDIT_HEX_BYTES]; /* of the line before; "": not known */
	uint64_t seq;
	char file[AUDIT_NAME_BYTES]; /* of the line before */
	/* Lines that are none, and may turn out to be torn: as they stand in the file. */
	struct {
		size_t n;
		bool cut; /* all of them are what a crash leaves */
		uint64_t line[AUDIT_TORN_LINES_MAX];
		const char *why[AUDIT_TORN_LINES_MAX];
		struct buf text;
	} pending;
	uint64_t oldest; /* number of the oldest file that the newest one says there is; 0: none */
};

static void PRINTF(4, 5)
	complain(struct check *c, const char *file, uint64_t line, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	char what[ERR_TEXT_MAX - 64];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	(void)snprintf(text, sizeof(text), "%s:%" PRIu64 ": %s", file, line, what);
	c->verdict->problems++;
	c->problem(c->ctx, text);
}

static void forget_pending(struct check *c)
{
	c->pending.n = 0;
	c->pending.text.len = 0;
}

static void drop_pending(struct check *c)
{
	if (c->pending.n > 0)
		c->prev[0] = '\0';
	for (size_t i = 0; i < c->pending.n; i++)
		complain(c, c->file, c->pending.line[i], "%s", c->pending.why[i]);
	forget_pending(c);
}

/* At the end of the log nobody has told of it yet. */
static bool leave_unfinished(struct check *c)
{
	bool cut = c->pending.n > 0 && c->pending.cut && c->pending.text.data[0] != '\n';

	if (cut) {
		c->verdict->unfinished = c->pending.text.len;
		forget_pending(c);
	}
	return cut;
}

static int add_pending(struct check *c, const struct audit_item *item, const char *why)
{
	bool cut = !item->cut && audit_line_is_cut(item->text, item->len);
	size_t n;
	int r;

	/* Behind the first, each stands where a torn line was begun. */
	if (!c->pending.cut || c->pending.n == AUDIT_TORN_LINES_MAX)
		drop_pending(c);
	n = c->pending.n++;
	c->pending.line[n] = item->number;
	c->pending.why[n] = why;
	c->pending.cut = cut;
	r = buf_append(&c->pending.text, item->text, item->len);
	return r == 0 && item->whole ? buf_puts(&c->pending.text, "\n") : r;
}

static json_t *load_record(const struct audit_line *line)
{
	return json_loadb(line->record, line->record_len, JSON_REJECT_DUPLICATES, NULL);
}

/* The newline behind the last of them belongs to the torn line. */
static bool is_about_pending(const struct check *c, json_t *record)
{
	const char *told = json_string_value(json_object_get(record, "sha256"));
	json_int_t bytes = json_integer_value(json_object_get(record, "bytes"));
	char hash[AUDIT_HEX_BYTES];

	if (c->pending.n == 0 || !told || bytes != (json_int_t)c->pending.text.len - 1)
		return false;
	audit_hash_hex(c->pending.text.data, c->pending.text.len - 1, hash);
	return strcmp(told, hash) == 0;
}

static void check_torn(struct check *c, const struct audit_item *item,
		       const struct audit_line *line)
{
	json_t *record = load_record(line);

	if (is_about_pending(c, record)) {
		forget_pending(c);
		c->verdict->torn++;
	} else {
		complain(c, item->file, item->number,
			 "it tells of a torn line that is not what stands before it");
	}
	json_decref(record);
}

static void count_kind(struct check *c, const struct audit_line *line)
{
	json_t *record;

	if (line->kind == AUDIT_LOST)
		c->verdict->lost_calls++;
	if (line->kind != AUDIT_GAP && line->kind != AUDIT_LOG)
		return;
	record = load_record(line);
	if (line->kind == AUDIT_GAP) {
		json_int_t lost = json_integer_value(json_object_get(record, "lost"));

		c->verdict->gaps++;
		c->verdict->lost_records += lost > 0 ? (uint64_t)lost : 0;
	} else {
		json_int_t oldest = json_integer_value(json_object_get(record, "oldest"));

		c->oldest = oldest > 0 ? (uint64_t)oldest : 0;
	}
	json_decref(record);
}

static void check_first(struct check *c, const struct audit_item *item,
			const struct audit_line *line)
{
	c->verdict->first_seq = line->seq;
	if (line->kind != AUDIT_LOG && line->kind != AUDIT_TORN)
		complain(c, item->file, item->number,
			 "the file does not begin as a file does: lines before it are gone");
	if (line->seq == 1 && strcmp(line->prev, AUDIT_NO_HASH) != 0)
		complain(c, item->file, item->number,
			 "it says that it is the first line, and names one before it");
}

static void check_chain(struct check *c, const struct audit_item *item,
			const struct audit_line *line)
{
	if (c->verdict->first_seq == 0)
		check_first(c, item, line);
	else if (c->prev[0] != '\0' && strcmp(c->prev, line->prev) != 0)
		complain(c, item->file, item->number,
			 "the line before it (seq %" PRIu64
			 ") is not the one that it was written behind (seq %" PRIu64
			 "): lines have been removed, added or moved",
			 c->seq, line->seq - 1);
	else if (c->prev[0] != '\0' && line->seq != c->seq + 1)
		complain(c, item->file, item->number, "seq %" PRIu64 " follows seq %" PRIu64,
			 line->seq, c->seq);
}

static void check_line(struct check *c, const struct audit_item *item,
		       const struct audit_line *line)
{
	if (line->kind == AUDIT_TORN)
		check_torn(c, item, line);
	drop_pending(c);
	check_chain(c, item, line);
	count_kind(c, line);
	memcpy(c->prev, line->hash, sizeof(c->prev));
	memcpy(c->verdict->head, line->hash, sizeof(c->prev));
	c->seq = line->seq;
	c->verdict->last_seq = line->seq;
	c->verdict->lines++;
	if (c->expect && strcmp(c->expect, line->hash) == 0)
		c->verdict->expected = true;
}

static void begin_file(struct check *c, const char *file)
{
	drop_pending(c);
	if (c->verdict->unfinished > 0)
		complain(c, c->file, 0, "a file that others follow ends within a line");
	c->verdict->unfinished = 0;
	c->verdict->files++;
	(void)snprintf(c->file, sizeof(c->file), "%s", file);
}

static int check_item(struct check *c, const struct audit_item *item)
{
	struct audit_line line;
	const char *why = "it is longer than any line of a log";

	if (strcmp(c->file, item->file) != 0)
		begin_file(c, item->file);
	if (!item->whole && !item->cut) {
		if (!leave_unfinished(c))
			drop_pending(c);
		c->verdict->unfinished += item->len;
		return 0;
	}
	if (!item->cut && audit_line_parse(item->text, item->len, &line, &why) == 0) {
		check_line(c, item, &line);
		return 0;
	}
	return add_pending(c, item, why);
}

/* Files may go at the old end only, and only those that the newest file knows to be gone. */
static void check_files(struct check *c, const struct audit_reader *reader)
{
	uint64_t first = reader->n_files > 0 ? reader->files[0] : 0;
	char name[AUDIT_NAME_BYTES];

	if (reader->dir < 0)
		return;
	if (c->oldest > 0 && (first == 0 || first > c->oldest))
		complain(c, audit_file_name(c->oldest, name), 0, "the file is gone");
	if (c->oldest == 0 && c->verdict->first_seq > 1)
		complain(c, c->file, 0, "files before this one are gone");
}

int audit_verify(struct audit_reader *reader, const char *expect,
		 void (*problem)(void *ctx, const char *text), void *ctx, struct audit_verdict *ret,
		 struct err *err)
{
	struct check c = {.verdict = ret, .expect = expect, .problem = problem, .ctx = ctx};
	struct audit_item item;
	int r;

	*ret = (struct audit_verdict){.head = AUDIT_NO_HASH};
	while ((r = audit_reader_next(reader, &item, err)) > 0) {
		r = check_item(&c, &item);
		if (r < 0) {
			r = err_set(err, -r, "no memory for the audit log");
			break;
		}
	}
	if (r == 0) {
		if (!leave_unfinished(&c))
			drop_pending(&c);
		check_files(&c, reader);
	}
	buf_fini(&c.pending.text);
	return r;
}
