/*
 * Theory of operation: `toolcell audit` opens the folder, or one file, gives up everything else
 * (audited_confine), and only then reads: what a log holds are an agent's words.
 *
 *	verify	the chain, from the first file to the last (audit/verify.c)
 *	show	twice over the log where the last N are wanted: once to count, once to show
 *	follow	the newest, then what comes; a file that has been closed as full is read to its end, and
 *		the next one is the one with the next number, or the one that is written to
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "audit/read.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/text.h"
#include "cli/audit_view.h"
#include "cli/audited.h"
#include "cli/command.h"
#include "cli/pager.h"
#include "cli/ui.h"

#define LAST_MAX 1000000U
#define FOLLOW_LAST 10U
#define FOLLOW_PAUSE_MS 200
#define PROBLEMS_SHOWN_MAX 20U

struct job {
	const struct args *args;
	int dir;  /* -1: a single file */
	int file; /* ... its descriptor */
	char place[PATH_MAX];
	struct audit_filter filter;
	char since[AUDIT_TIME_BYTES];
	uint64_t last; /* UINT64_MAX: all */
	bool raw_tty;  /* --json on a terminal: escapes do not get there */
	bool malformed;
};

static int fail(const struct err *err, int code)
{
	ui_error(err);
	return code;
}

static int open_place(struct job *job, const char *operand, struct err *err)
{
	char path[PATH_MAX];
	struct stat st;
	int r;

	job->dir = -1;
	job->file = -1;
	if (operand && stat(operand, &st) == 0 && S_ISREG(st.st_mode)) {
		(void)snprintf(job->place, sizeof(job->place), "%s", operand);
		job->file = open(operand, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		return job->file < 0 ? err_set(err, errno, "cannot open %s", operand) : 0;
	}
	r = audited_place(operand, path, err);
	if (r == 0)
		r = audited_open_folder(path, false, &job->dir, job->place, err);
	return r;
}

/* Of a file whose descriptor is shared, from its beginning. */
static int open_reader(const struct job *job, struct audit_reader *reader, struct err *err)
{
	int fd;

	if (job->dir >= 0)
		return audit_reader_open(reader, job->dir, err);
	fd = fcntl(job->file, F_DUPFD_CLOEXEC, 3);
	if (fd < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, errno, "cannot read %s", job->place);
	audit_reader_file(reader, fd, job->place);
	return 0;
}

static int write_out(const struct buf *text)
{
	return ui_write(STDOUT_FILENO, text);
}

static int show_raw(const struct job *job, const struct audit_item *item)
{
	CLEANUP(buf_fini) struct buf out = {0};
	int r = job->raw_tty ? text_append_safe(&out, item->text, item->len)
			     : buf_append(&out, item->text, item->len);

	if (r == 0)
		r = buf_puts(&out, "\n");
	return r == 0 ? write_out(&out) : r;
}

static int show_line(const struct job *job, const struct audit_item *item,
		     const struct audit_line *line)
{
	CLEANUP(buf_fini) struct buf out = {0};
	int r;

	if (job->args->json)
		return show_raw(job, item);
	r = audit_view_append(line, ui_color(STDOUT_FILENO), &out);
	return r == 0 ? write_out(&out) : r;
}

/* Return: 1 for a line that is wanted, 0 for another one; what is none is said once. */
static int look(struct job *job, const struct audit_item *item, struct audit_line *line, bool say)
{
	const char *why = "it is longer than any line of a log";

	if (!item->cut && audit_line_parse(item->text, item->len, line, &why) == 0)
		return audit_view_wanted(&job->filter, line);
	/* The last line may be on its way; a torn one is told of by the line behind it. */
	if (say && item->whole) {
		ui_line(UI_WARN, "no record", "%s:%" PRIu64 ": %s", item->file, item->number, why);
		job->malformed = true;
	}
	return 0;
}

/* Lines that are wanted: the first @skip are passed over, the others shown. Counts them. */
static int pass(struct job *job, struct audit_reader *reader, uint64_t skip, uint64_t *ret_n,
		struct err *err)
{
	struct audit_item item;
	struct audit_line line;
	uint64_t n = 0;
	int r;

	while ((r = audit_reader_next(reader, &item, err)) > 0) {
		if (!look(job, &item, &line, skip != UINT64_MAX))
			continue;
		if (n++ < skip)
			continue;
		r = show_line(job, &item, &line);
		if (r < 0)
			return err_set(err, -r, "cannot write to standard output");
	}
	*ret_n = n;
	return r;
}

static int count(struct job *job, uint64_t *ret_n, struct err *err)
{
	struct audit_reader *reader = calloc(1, sizeof(*reader));
	int r = reader ? open_reader(job, reader, err) : err_set(err, ENOMEM, "no memory");

	if (r == 0)
		r = pass(job, reader, UINT64_MAX, ret_n, err);
	if (reader)
		audit_reader_close(reader);
	free(reader);
	/* A file's offset is that of the other reader, too. */
	if (r == 0 && job->file >= 0 && lseek(job->file, 0, SEEK_SET) < 0)
		r = err_set(err, errno, "cannot read %s", job->place);
	return r;
}

static int show(struct job *job, struct audit_reader *reader, struct err *err)
{
	uint64_t n = 0;
	int r = 0;

	if (job->last != UINT64_MAX)
		r = count(job, &n, err);
	if (r == 0)
		r = pass(job, reader, n > job->last ? n - job->last : 0, &n, err);
	return r < 0 ? r : 0;
}

static int run_show(struct job *job, struct audit_reader *reader)
{
	struct err err;

	if (show(job, reader, &err) < 0)
		return fail(&err, CLI_FAILED);
	return job->malformed ? CLI_FAILED : CLI_OK;
}

/* Whether the file that is read is no longer the one that is written to. */
static bool was_closed(const struct audit_reader *reader)
{
	struct stat open_one;
	struct stat named;

	return reader->fd < 0 || fstat(reader->fd, &open_one) < 0 ||
	       fstatat(reader->dir, AUDIT_FILE, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
	       open_one.st_ino != named.st_ino || open_one.st_dev != named.st_dev;
}

/* Go on behind the file that has been read to its end. */
static int read_on(struct job *job, struct audit_reader *reader, struct err *err)
{
	struct stat old = {0};
	char name[AUDIT_NAME_BYTES];
	struct stat st;
	bool known = reader->fd >= 0 && fstat(reader->fd, &old) == 0;
	size_t next = 0;
	int r;

	audit_reader_close(reader);
	r = audit_reader_open(reader, job->dir, err);
	if (r < 0)
		return r;
	reader->follows = true;
	for (size_t i = 0; known && i < reader->n_files; i++)
		if (fstatat(job->dir, audit_file_name(reader->files[i], name), &st,
			    AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_ino == old.st_ino && st.st_dev == old.st_dev)
			next = i + 1;
	reader->next_file = next;
	return 0;
}

static int run_follow(struct job *job, struct audit_reader *reader)
{
	const struct timespec pause = {.tv_nsec = FOLLOW_PAUSE_MS * 1000L * 1000};
	struct err err;
	uint64_t n;

	if (job->dir < 0) {
		(void)err_set(&err, EINVAL, "a log that is followed is a folder, not a file");
		return fail(&err, CLI_USAGE);
	}
	reader->follows = true;
	if (show(job, reader, &err) < 0)
		return fail(&err, CLI_FAILED);
	for (;;) {
		bool closed = was_closed(reader);

		/* Looked at before: what was closed then is read to its end now. */
		if (pass(job, reader, 0, &n, &err) < 0)
			return fail(&err, CLI_FAILED);
		if (closed && read_on(job, reader, &err) < 0)
			return fail(&err, CLI_FAILED);
		(void)nanosleep(&pause, NULL);
	}
}

static void problem(void *ctx, const char *text)
{
	uint64_t *n = ctx;

	if ((*n)++ < PROBLEMS_SHOWN_MAX)
		ui_line(UI_BAD, "changed", "%s", text);
}

static int print_verdict(const struct job *job, const struct audit_verdict *v, bool good)
{
	CLEANUP(buf_fini) struct buf out = {0};
	int r;

	if (job->args->json)
		r = buf_printf(
			&out,
			"{\"schema\":\"toolcell.audit-verdict/1\",\"good\":%s,\"files\":%" PRIu64
			",\"lines\":%" PRIu64 ",\"first\":%" PRIu64 ",\"last\":%" PRIu64
			",\"head\":\"%s\",\"problems\":%" PRIu64 ",\"torn\":%" PRIu64
			",\"unfinished_bytes\":%" PRIu64 ",\"lost_calls\":%" PRIu64
			",\"gaps\":%" PRIu64 ",\"lost_records\":%" PRIu64 "}\n",
			good ? "true" : "false", v->files, v->lines, v->first_seq, v->last_seq,
			v->head, v->problems, v->torn, v->unfinished, v->lost_calls, v->gaps,
			v->lost_records);
	else
		r = buf_printf(&out,
			       "%s: %" PRIu64 " lines in %" PRIu64 " files, %" PRIu64 " to %" PRIu64
			       "\nhead %s\n",
			       good ? "unchanged" : "changed", v->lines, v->files, v->first_seq,
			       v->last_seq, v->head);
	return r == 0 ? write_out(&out) : r;
}

/* What is no fault of the log, and worth knowing. */
static void print_notes(const struct audit_verdict *v)
{
	if (v->torn > 0)
		ui_line(UI_WARN, "note", "%" PRIu64 " lines were cut off by a crash", v->torn);
	if (v->unfinished > 0)
		ui_line(UI_WARN, "note",
			"the last line is cut off after %" PRIu64
			" bytes: a crash, or a line that is being written",
			v->unfinished);
	if (v->lost_calls > 0)
		ui_line(UI_WARN, "note",
			"%" PRIu64 " calls began, and their engine was gone before they ended",
			v->lost_calls);
	if (v->gaps > 0)
		ui_line(UI_WARN, "note",
			"%" PRIu64 " records could not be written, in %" PRIu64 " gaps",
			v->lost_records, v->gaps);
}

static int run_verify(struct job *job, struct audit_reader *reader)
{
	const char *expect = job->args->expect;
	struct audit_verdict v;
	struct err err;
	uint64_t n = 0;
	bool good;

	if (audit_verify(reader, expect, problem, &n, &v, &err) < 0)
		return fail(&err, CLI_FAILED);
	if (n > PROBLEMS_SHOWN_MAX)
		ui_line(UI_BAD, "changed", "... and %" PRIu64 " more", n - PROBLEMS_SHOWN_MAX);
	if (expect && !v.expected)
		ui_line(UI_BAD, "changed",
			"no line has the hash %s: the log has been cut off, or written anew, since",
			expect);
	if (v.lines == 0)
		ui_line(UI_BAD, "empty", "%s has no records", job->place);
	good = v.problems == 0 && v.lines > 0 && (!expect || v.expected);
	print_notes(&v);
	if (print_verdict(job, &v, good) < 0)
		return CLI_FAILED;
	return good ? CLI_OK : CLI_FAILED;
}

static const struct verb {
	const char *name;
	int (*run)(struct job *job, struct audit_reader *reader);
	bool pages;
	uint64_t last; /* without --last */
} verbs[] = {
	{"verify", run_verify, false, UINT64_MAX},
	{"show", run_show, true, UINT64_MAX},
	{"follow", run_follow, false, FOLLOW_LAST},
};

static int refuse_verb(const struct command *self, const char *word, struct err *err)
{
	const char *near = text_nearest(word, self->verbs, ARRAY_SIZE(verbs));
	char shown[64];

	return err_set(err, EINVAL, "`toolcell audit` does not know \"%s\"%s%s%s",
		       text_quote(shown, sizeof(shown), word, strlen(word)),
		       near ? "; did you mean \"" : "; see --help", near ? near : "",
		       near ? "\"?" : "");
}

static int check_hash(const char *hash, struct err *err)
{
	if (!hash || (strlen(hash) == AUDIT_HEX_BYTES - 1 &&
		      strspn(hash, "0123456789abcdef") == AUDIT_HEX_BYTES - 1))
		return 0;
	return err_set(err, EINVAL,
		       "--expect wants a hash as verify prints it: 64 digits, in small letters");
}

static int read_options(struct job *job, const struct verb *verb, struct err *err)
{
	const struct args *args = job->args;
	struct timespec now;
	int r = check_hash(args->expect, err);

	job->last = verb->last;
	job->filter.call = args->call;
	job->filter.denied = args->denied;
	job->raw_tty = args->json && isatty(STDOUT_FILENO) == 1;
	if (r == 0 && args->last && num_parse_u64(args->last, LAST_MAX, &job->last) < 0)
		r = err_set(err, EINVAL, "--last wants a number of records, at most %u", LAST_MAX);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (r == 0 && args->since) {
		r = audit_view_since(args->since, (int64_t)now.tv_sec * 1000000, job->since, err);
		job->filter.since = job->since;
	}
	return r;
}

static int run_confined(struct job *job, const struct verb *verb)
{
	struct audit_reader *reader = calloc(1, sizeof(*reader));
	struct err err;
	int code = CLI_REFUSED;
	int r = reader ? audited_confine(job->dir >= 0 ? job->place : NULL, &err)
		       : err_set(&err, ENOMEM, "no memory for the log");

	if (r == 0)
		r = open_reader(job, reader, &err);
	if (r < 0)
		ui_error(&err);
	else
		code = verb->run(job, reader);
	if (r == 0)
		audit_reader_close(reader);
	free(reader);
	return code;
}

int command_audit(const struct command *self, struct args *args, char **argv)
{
	struct job job = {.args = args};
	const struct verb *verb = NULL;
	struct err err;
	pid_t pager = -1;
	int code;

	(void)argv;
	if (args->n_operands == 0 || args->n_operands > 2) {
		(void)err_set(&err, EINVAL,
			      "`toolcell audit` wants %s, and at most one folder or file",
			      "verify, show or follow");
		return fail(&err, CLI_USAGE);
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, args->operands[0]) == 0)
			verb = &verbs[i];
	if (!verb) {
		(void)refuse_verb(self, args->operands[0], &err);
		return fail(&err, CLI_USAGE);
	}
	if (read_options(&job, verb, &err) < 0)
		return fail(&err, CLI_USAGE);
	if (verb->pages)
		pager = pager_start();
	if (open_place(&job, args->operands[1], &err) < 0)
		code = fail(&err, CLI_FAILED);
	else
		code = run_confined(&job, verb);
	fd_closep(&job.dir);
	fd_closep(&job.file);
	pager_end(pager);
	return code;
}
