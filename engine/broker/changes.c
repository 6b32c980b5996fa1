/*
 * Theory of operation: the summary is read once, into memory of our own, when FRAME_ENDED is here and
 * nobody of the cell lives; so it cannot change while it is looked at. Init wrote it, beside a tool that
 * had the same kernel for itself: it is verified as a whole and every string is foreign.
 *
 *	the workspace was	the summary becomes
 *	an overlay		`changes`, and what is known of the branch from now on
 *	the folder itself	denials, for what was made at protected places and moved aside
 *	read-only		nothing; what is known of the branch is shown
 */
#include "broker/changes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "broker/result.h"
#include "broker/state.h"
#include "wire/changes.h"
#include "workspace/changes.h"

#define HELD_SHOWN 2U
#define PATH_SHOWN 160U /* bytes of a path within a line of the text */
#define DENIAL_BYTES_MAX ((size_t)3 * CHANGES_PATH_MAX) /* a path of replaced bytes */

static_assert(CHANGES_KINDS == CHANGE_KIND_N, "the kinds of the summary");

bool changes_are_wanted(const struct call *c)
{
	const struct broker_config *config = c->broker->config;
	uint32_t flags = c->cell ? c->cell->flags : IMAGE_CELL_WORKSPACE_READONLY;

	if (flags & (IMAGE_CELL_WORKSPACE_READONLY | IMAGE_CELL_EXCLUSIVE))
		return false;
	if (branch_shows_data(config->image, c->cell))
		return false;
	return (flags & IMAGE_CELL_OVERLAY) || c->cell->change_rules != IMAGE_NONE;
}

int changes_open(struct call *c)
{
	return c->summary_fd >= 0
		       ? 0
		       : fd_memfd_room("toolcell-changes", CHANGES_BYTES_MAX, &c->summary_fd);
}

static json_t *size_or_null(bool known, uint64_t size)
{
	return known ? json_integer((json_int_t)MIN(size, (uint64_t)INT64_MAX)) : json_null();
}

static json_t *count(uint64_t n)
{
	return size_or_null(true, n);
}

static json_t *safe_or_nothing(const char *text)
{
	return text[0] ? result_safe_string(text) : NULL;
}

static json_t *file_json(const struct changes_entry *e, bool marks)
{
	uint32_t flags = e->record.flags;
	json_t *file = json_pack("{s:o, s:s, s:o, s:o, s:b, s:s, s:o*, s:o*}", "path",
				 result_safe_string(e->path), "kind",
				 change_kind_name(e->record.kind), "old_size",
				 size_or_null(flags & CHANGES_HAS_OLD, e->record.old_size),
				 "new_size",
				 size_or_null(flags & CHANGES_HAS_NEW, e->record.new_size),
				 "binary", (flags & CHANGES_BINARY) != 0, "verdict",
				 change_verdict_name(e->record.verdict), "rule",
				 safe_or_nothing(e->pointer), "from", safe_or_nothing(e->from));

	if (file && marks &&
	    json_object_set_new(file, "by_call", json_boolean(flags & CHANGES_BY_CALL)) < 0) {
		json_decref(file);
		return NULL;
	}
	return file;
}

static json_t *files_json(const struct changes_header *header, bool marks)
{
	json_t *files = json_array();
	struct changes_entry entry;
	size_t offset = 0;

	while (files && changes_next(header, &offset, &entry) > 0)
		if (json_array_append_new(files, file_json(&entry, marks)) < 0) {
			json_decref(files);
			return NULL;
		}
	return files;
}

/* @marks: say which of the files this very call has changed */
static json_t *summary_json(const char *session, const struct changes_header *header, bool marks)
{
	char uri[BRANCH_NAME_BYTES + sizeof(BROKER_URI_CHANGES)];
	json_t *all = json_pack("{s:s?}", "session", session);
	json_t *rest;

	for (uint32_t kind = 0; all && kind < CHANGES_KINDS; kind++)
		if (json_object_set_new(all, change_kind_name(kind), count(header->kinds[kind])) <
		    0) {
			json_decref(all);
			return NULL;
		}
	(void)snprintf(uri, sizeof(uri), BROKER_URI_CHANGES "%s", session ? session : "");
	rest = json_pack("{s:o, s:o, s:o, s:o, s:b, s:b, s:s?}", "scratch", count(header->scratch),
			 "held", count(header->held), "bytes", count(header->layer_bytes), "files",
			 files_json(header, marks), "truncated",
			 (header->flags & CHANGES_LIST_CUT) != 0, "complete",
			 (header->flags & CHANGES_COMPLETE) != 0, "resource", session ? uri : NULL);
	if (!all || !rest || json_object_update(all, rest) < 0) {
		json_decref(all);
		all = NULL;
	}
	json_decref(rest);
	return all;
}

/* "; .git/hooks/pre-commit (policies/base/build.json#/workspace/protect/0)", the first few. */
static int list_held(const struct changes_header *header, struct buf *out, bool *ret_by_call)
{
	struct changes_entry e;
	size_t offset = 0;
	unsigned int n = 0;
	int r = 0;

	while (r == 0 && changes_next(header, &offset, &e) > 0) {
		char path[PATH_SHOWN];
		char rule[PATH_SHOWN];
		const char *why = e.pointer[0] ? e.pointer : change_verdict_name(e.record.verdict);

		if (e.record.verdict == CHANGE_FREE)
			continue;
		*ret_by_call = *ret_by_call || (e.record.flags & CHANGES_BY_CALL);
		if (n++ >= HELD_SHOWN)
			continue;
		r = buf_printf(out, "%s%s (%s)", n > 1 ? ", " : ": ",
			       text_quote(path, sizeof(path), e.path, strlen(e.path)),
			       text_quote(rule, sizeof(rule), why, strlen(why)));
	}
	return r;
}

/* One line for the model, when the number has changed or this call has added to it. */
static void note_held(struct call *c, const struct changes_header *header)
{
	struct branch *branch = &c->broker->branches[c->branch];
	struct buf line = {.cap = 2048};
	bool by_call = false;
	int r;

	if (header->held == 0) {
		branch->held = 0;
		return;
	}
	r = buf_printf(&line, "%" PRIu64 " %s will not be committed", header->held,
		       header->held == 1 ? "change" : "changes");
	if (r == 0)
		r = list_held(header, &line, &by_call);
	if (r == 0 && (by_call || branch->held != header->held)) {
		free(c->note);
		c->note = buf_take(&line, NULL);
	}
	buf_fini(&line);
	branch->held = header->held;
}

static void deny_protected(struct call *c, const struct changes_entry *e, const char *operation,
			   const char *remedy)
{
	struct buf object = {.cap = DENIAL_BYTES_MAX};
	struct buf rule = {.cap = DENIAL_BYTES_MAX};
	int r = denial_line(&object, e->path);

	if (r == 0)
		r = denial_line(&rule, e->pointer[0] ? e->pointer : "workspace/protect");
	if (!c->denials)
		c->denials = json_array();
	if (r < 0 ||
	    json_array_append_new(c->denials, denial_new("protected", operation, object.data, NULL,
							 rule.data, remedy)) < 0)
		c->changes_missing = true;
	buf_fini(&object);
	buf_fini(&rule);
}

/* What this call has written where the policy protects: it stays in the session. */
static void deny_held(struct call *c, const struct changes_header *header)
{
	struct changes_entry e;
	size_t offset = 0;

	while (changes_next(header, &offset, &e) > 0)
		if (e.record.verdict == CHANGE_PROTECTED && (e.record.flags & CHANGES_BY_CALL))
			deny_protected(c, &e, "commit",
				       "it stays in the session and is never committed; the person "
				       "makes such a change outside of a cell");
}

static void take_overlay(struct call *c, const struct changes_header *header)
{
	struct branch *branch = &c->broker->branches[c->branch];
	char name[BRANCH_NAME_BYTES];
	const char *session = branch_name(c->broker, c->branch, name);

	note_held(c, header);
	deny_held(c, header);
	json_decref(branch->changes);
	branch->changes = summary_json(session, header, false);
	branch->measured = true;
	branch->bytes = header->layer_bytes;
	branch->files = header->layer_files;
	c->over_quota = header->flags & CHANGES_OVER_QUOTA;
	c->changes = summary_json(session, header, true);
	c->changes_missing = !c->changes;
}

/* Made in the workspace itself, where the policy protects it: init has moved it aside. */
static void take_direct(struct call *c, const struct changes_header *header)
{
	struct changes_entry e;
	size_t offset = 0;

	while (changes_next(header, &offset, &e) > 0)
		if (e.record.flags & CHANGES_QUARANTINED)
			deny_protected(c, &e, "create",
				       "it was moved aside; a person can look at it and put it "
				       "back, or the policy can take it out of "
				       "workspace.protect");
}

static bool is_overlay(uint32_t workspace)
{
	return workspace == FRAME_WORKSPACE_OVERLAY || workspace == FRAME_WORKSPACE_OVERLAY_MEMORY;
}

json_t *changes_of_summary(int fd, const char *session)
{
	const struct changes_header *header = NULL;
	void *data = malloc(CHANGES_BYTES_MAX);
	ssize_t n = data ? pread(fd, data, CHANGES_BYTES_MAX, 0) : -1;
	json_t *changes = NULL;

	if (n == (ssize_t)CHANGES_BYTES_MAX &&
	    changes_decode(data, CHANGES_BYTES_MAX, &header, NULL) == 0)
		changes = summary_json(session, header, true);
	free(data);
	return changes;
}

static void take_summary(struct call *c)
{
	const struct changes_header *header = NULL;
	struct err err = {0};
	void *data = malloc(CHANGES_BYTES_MAX);
	ssize_t n = data ? pread(c->summary_fd, data, CHANGES_BYTES_MAX, 0) : -1;

	if (n != (ssize_t)CHANGES_BYTES_MAX ||
	    changes_decode(data, CHANGES_BYTES_MAX, &header, &err) < 0)
		c->changes_missing = true;
	else if (is_overlay(c->ended.workspace))
		take_overlay(c, header);
	else
		take_direct(c, header);
	free(data);
}

static void show_known(struct call *c)
{
	c->changes = json_incref(c->broker->branches[c->branch].changes);
}

void changes_take(struct call *c)
{
	bool told = (c->branch != 0 && is_overlay(c->ended.workspace)) ||
		    c->ended.workspace == FRAME_WORKSPACE_DIRECT;

	if (c->purge) /* only layers that nobody sees are gone */
		return;
	if (c->branch != 0 && c->exclusive) {
		branch_forget(c->broker, c->branch);
		branch_forget_changes(c->broker);
	} else if (c->summary_fd >= 0 && c->frame_started) {
		if (told)
			take_summary(c);
		/* Of a branch that was written to without a word nothing is known. */
		if (c->changes_missing && c->branch != 0) {
			json_decref(c->broker->branches[c->branch].changes);
			c->broker->branches[c->branch].changes = NULL;
		}
	} else if (c->branch != 0) {
		show_known(c);
	}
	fd_closep(&c->summary_fd);
}

static int append_amount(struct buf *out, uint64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
	double amount = (double)bytes;
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(units) && amount >= 1024.0) {
		amount /= 1024.0;
		i++;
	}
	return buf_printf(out, "%.4g %s", amount, units[i]);
}

bool changes_refuse_over_quota(struct call *c)
{
	const struct branch *branch = &c->broker->branches[c->branch];
	const struct image_limits *limits = &c->cell->limits;
	bool bytes = branch->bytes > limits->session_bytes;
	struct buf text = {.cap = 256};
	char rule[256];
	int r;

	if (c->branch == 0 || !changes_are_wanted(c) || !branch->measured ||
	    (!bytes && branch->files <= limits->session_files))
		return false;
	r = buf_puts(&text, "the session holds ");
	if (r == 0 && bytes)
		r = append_amount(&text, branch->bytes);
	if (r == 0 && bytes)
		r = buf_puts(&text, " of ");
	if (r == 0 && bytes)
		r = append_amount(&text, limits->session_bytes);
	if (r == 0 && !bytes)
		r = buf_printf(&text, "%" PRIu64 " of %" PRIu64 " files", branch->files,
			       limits->session_files);
	if (r == 0)
		r = buf_puts(&text, ": commit or discard");
	(void)snprintf(rule, sizeof(rule), "policies/%.128s.json#/limits/%s", c->broker->policy,
		       bytes ? "session_size" : "session_files");
	broker_call_refuse(
		c, "write", "the session's layers", rule,
		"commit or discard changes (changes_commit, changes_discard, or toolcell "
		"changes on the command line), or raise that limit in the policy",
		r == 0 ? text.data : "the session is full: commit or discard");
	buf_fini(&text);
	return true;
}
