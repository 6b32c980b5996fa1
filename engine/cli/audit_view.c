/*
 * Theory of operation: a row per kind of record says how it is worded. The record is somebody's JSON: each
 * text in it goes through line_of(), which leaves one safe line of bounded length, and a member that is
 * missing or of another type is "?".
 *
 *	2026-03-01 09:30:00  ok       Bash          3 ms  cargo test --workspace
 *			     denied by limit: use memory: memory (policies/x.json#/limits/memory)
 */
#include "cli/audit_view.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "cli/ui.h"

#define SHOWN_BYTES ((size_t)160)
#define DENIALS_SHOWN_MAX 8U
#define WALL_MS_SHOWN_MAX 1e15
#define INDENT "                     "
#define STATUS_WIDTH 8
#define TOOL_WIDTH 14

static json_t *load(const struct audit_line *line)
{
	return json_loadb(line->record, line->record_len, JSON_REJECT_DUPLICATES, NULL);
}

bool audit_view_wanted(const struct audit_filter *f, const struct audit_line *line)
{
	json_t *record;
	bool wanted = true;

	if (f->since && strncmp(line->time, f->since, strlen(f->since)) < 0)
		return false;
	if (!f->call && !f->denied)
		return true;
	record = load(line);
	if (f->call) {
		const char *call = json_string_value(json_object_get(record, "call"));

		wanted = call && strcmp(call, f->call) == 0;
	}
	if (f->denied) {
		const char *status = json_string_value(json_object_get(record, "status"));

		wanted = wanted && (json_array_size(json_object_get(record, "denials")) > 0 ||
				    (status && strcmp(status, "refused") == 0));
	}
	json_decref(record);
	return wanted;
}

/* One safe line of at most SHOWN_BYTES. */
static int line_of(struct buf *out, const char *text)
{
	struct buf safe = {0};
	size_t len = strlen(text);
	size_t n;
	int r = text_append_safe(&safe, text, MIN(len, 4 * SHOWN_BYTES));

	for (size_t i = 0; i < safe.len; i++)
		if (safe.data[i] == '\n' || safe.data[i] == '\t')
			safe.data[i] = ' ';
	n = MIN(safe.len, SHOWN_BYTES);
	while (n < safe.len && n > 0 && ((unsigned char)safe.data[n] & 0xc0) == 0x80)
		n--;
	if (r == 0 && n > 0)
		r = buf_append(out, safe.data, n);
	if (r == 0 && (n < safe.len || len > 4 * SHOWN_BYTES))
		r = buf_puts(out, "...");
	buf_fini(&safe);
	return r;
}

static int member(struct buf *out, json_t *record, const char *key)
{
	const char *text = json_string_value(json_object_get(record, key));

	return line_of(out, text ? text : "?");
}

static int padded(struct buf *out, json_t *record, const char *key, size_t width)
{
	size_t before = out->len;
	int r = member(out, record, key);

	while (r == 0 && out->len - before < width)
		r = buf_puts(out, " ");
	return r;
}

/* "2026-03-01 09:30:00  " */
static int head(struct buf *out, const struct audit_line *line, bool color)
{
	char text[AUDIT_TIME_BYTES];

	(void)snprintf(text, sizeof(text), "%.10s %.8s", line->time, line->time + 11);
	return ui_paint(out, color, UI_FAINT, text, (int)strlen(INDENT));
}

static enum ui_tone tone_of(const char *status)
{
	static const struct {
		const char *status;
		enum ui_tone tone;
	} tones[] = {{"ok", UI_GOOD}, {"failed", UI_WARN}, {"stopped", UI_WARN}};

	for (size_t i = 0; i < ARRAY_SIZE(tones); i++)
		if (strcmp(tones[i].status, status) == 0)
			return tones[i].tone;
	return UI_BAD;
}

static int status_word(struct buf *out, json_t *record, bool color)
{
	const char *status = json_string_value(json_object_get(record, "status"));
	struct buf safe = {0};
	int r = line_of(&safe, status ? status : "?");

	if (r == 0)
		r = buf_append(&safe, "", 1);
	if (r == 0)
		r = ui_paint(out, color, tone_of(safe.data), safe.data, STATUS_WIDTH + 1);
	buf_fini(&safe);
	return r;
}

/* "cargo test --workspace" */
static int words_of(struct buf *out, json_t *argv)
{
	CLEANUP(buf_fini) struct buf joined = {.cap = 8 * SHOWN_BYTES};
	json_t *one;
	size_t i;

	json_array_foreach(argv, i, one) {
		const char *text = json_string_value(one);

		if (buf_printf(&joined, "%s%s", i > 0 ? " " : "", text ? text : "?") < 0)
			break; /* longer than what is shown of it */
	}
	return line_of(out, joined.data ? joined.data : "");
}

/* What the tool was asked: its command where it has one, its arguments, or their hash. */
static int arguments(struct buf *out, json_t *record)
{
	json_t *kept = json_object_get(record, "arguments");
	json_t *text = json_object_get(kept, "text");
	const char *command = json_string_value(json_object_get(text, "command"));
	const char *hash = json_string_value(json_object_get(kept, "sha256"));
	char *dumped;
	int r;

	if (command)
		return line_of(out, command);
	if (json_is_array(json_object_get(text, "argv")))
		return words_of(out, json_object_get(text, "argv"));
	if (!json_is_object(text)) {
		if (!hash)
			return 0;
		r = buf_puts(out, "arguments ");
		return r < 0 ? r : line_of(out, hash);
	}
	dumped = json_dumps(text, JSON_COMPACT);
	r = dumped ? line_of(out, dumped) : -ENOMEM;
	free(dumped);
	return r;
}

static int duration(struct buf *out, json_t *record)
{
	double ms = json_number_value(json_object_get(json_object_get(record, "usage"), "wall_ms"));
	char text[32] = "";

	if (ms > 0 && ms < WALL_MS_SHOWN_MAX)
		(void)ui_duration(text, sizeof(text), (uint64_t)ms);
	return buf_printf(out, "%9s  ", text);
}

static int denial(struct buf *out, json_t *one, bool color)
{
	int r = buf_puts(out, INDENT);

	if (r == 0)
		r = ui_paint(out, color, UI_BAD, "denied by ", 0);
	if (r == 0)
		r = member(out, one, "layer");
	if (r == 0)
		r = buf_puts(out, ": ");
	if (r == 0)
		r = member(out, one, "operation");
	if (r == 0)
		r = buf_puts(out, ": ");
	if (r == 0)
		r = member(out, one, "object");
	if (r == 0 && json_is_string(json_object_get(one, "rule"))) {
		r = buf_puts(out, " (");
		if (r == 0)
			r = member(out, one, "rule");
		if (r == 0)
			r = buf_puts(out, ")");
	}
	return r == 0 ? buf_puts(out, "\n") : r;
}

static int denials(struct buf *out, json_t *record, bool color)
{
	json_t *list = json_object_get(record, "denials");
	size_t n = json_array_size(list);
	int r = 0;

	for (size_t i = 0; i < MIN(n, (size_t)DENIALS_SHOWN_MAX) && r == 0; i++)
		r = denial(out, json_array_get(list, i), color);
	if (r == 0 && n > DENIALS_SHOWN_MAX)
		r = buf_printf(out, INDENT "... and %zu more denials\n", n - DENIALS_SHOWN_MAX);
	return r;
}

static int word_call(struct buf *out, json_t *record, bool color)
{
	json_t *error = json_object_get(record, "error");
	int r = status_word(out, record, color);

	if (r == 0)
		r = padded(out, record, "tool", TOOL_WIDTH);
	if (r == 0)
		r = duration(out, record);
	if (r == 0)
		r = arguments(out, record);
	if (r == 0)
		r = buf_puts(out, "\n");
	if (r == 0 && json_is_string(error)) {
		r = buf_puts(out, INDENT);
		if (r == 0)
			r = line_of(out, json_string_value(error));
		if (r == 0)
			r = buf_puts(out, "\n");
	}
	return r == 0 ? denials(out, record, color) : r;
}

static int word_decision(struct buf *out, json_t *record, bool color)
{
	int r;

	if (json_is_string(json_object_get(record, "status")))
		return word_call(out, record, color);
	r = ui_paint(out, color, UI_STRONG, "decided", STATUS_WIDTH + 1);
	if (r == 0)
		r = padded(out, record, "tool", TOOL_WIDTH);
	if (r == 0)
		r = buf_printf(out, "%11s", "");
	if (r == 0)
		r = member(out, record, "decision");
	if (r == 0)
		r = buf_puts(out, " by ");
	if (r == 0)
		r = member(out, record, "by");
	return r == 0 ? buf_puts(out, "\n") : r;
}

static int word_engine(struct buf *out, json_t *record, bool color)
{
	json_int_t lost = json_integer_value(json_object_get(record, "lost"));
	int r = ui_paint(out, color, UI_STRONG, "engine", STATUS_WIDTH + 1);

	if (r == 0)
		r = member(out, record, "event");
	if (r == 0 && json_is_object(json_object_get(record, "policy"))) {
		r = buf_puts(out, ": policy ");
		if (r == 0)
			r = member(out, json_object_get(record, "policy"), "name");
		if (r == 0)
			r = buf_puts(out, " on ");
		if (r == 0)
			r = member(out, record, "workspace");
	}
	if (r == 0 && lost > 0)
		r = buf_printf(out, ": %" JSON_INTEGER_FORMAT " records of it are lost", lost);
	return r == 0 ? buf_puts(out, "\n") : r;
}

static int word_lost(struct buf *out, json_t *record, bool color)
{
	int r = ui_paint(out, color, UI_BAD, "unknown", STATUS_WIDTH + 1);

	if (r == 0)
		r = padded(out, record, "tool", TOOL_WIDTH);
	return r == 0 ? buf_puts(out, "it began, and its engine was gone before it had ended\n")
		      : r;
}

static int word_gap(struct buf *out, json_t *record, bool color)
{
	int r = ui_paint(out, color, UI_BAD, "gap", STATUS_WIDTH + 1);

	if (r == 0)
		r = buf_printf(out, "%" JSON_INTEGER_FORMAT " records could not be written since ",
			       json_integer_value(json_object_get(record, "lost")));
	if (r == 0)
		r = member(out, record, "since");
	if (r == 0)
		r = buf_puts(out, ": ");
	if (r == 0)
		r = member(out, record, "errno");
	return r == 0 ? buf_puts(out, "\n") : r;
}

static int word_torn(struct buf *out, json_t *record, bool color)
{
	int r = ui_paint(out, color, UI_WARN, "torn", STATUS_WIDTH + 1);

	return r == 0 ? buf_printf(out, "a line was cut off after %" JSON_INTEGER_FORMAT " bytes\n",
				   json_integer_value(json_object_get(record, "bytes")))
		      : r;
}

static int word_log(struct buf *out, json_t *record, bool color)
{
	int r = ui_paint(out, color, UI_FAINT, "log", STATUS_WIDTH + 1);

	if (r == 0)
		r = buf_puts(out, "a file begins");
	if (r == 0 && json_is_string(json_object_get(record, "after"))) {
		r = buf_puts(out, ", behind ");
		if (r == 0)
			r = member(out, record, "after");
	}
	return r == 0 ? buf_puts(out, "\n") : r;
}

static int (*const rows[])(struct buf *out, json_t *record, bool color) = {
	[AUDIT_LOG] = word_log,		  [AUDIT_ENGINE] = word_engine, [AUDIT_CALL] = word_call,
	[AUDIT_DECISION] = word_decision, [AUDIT_LOST] = word_lost,	[AUDIT_GAP] = word_gap,
	[AUDIT_TORN] = word_torn,
};
static_assert(ARRAY_SIZE(rows) == AUDIT_KIND_N, "every kind is worded");

int audit_view_append(const struct audit_line *line, bool color, struct buf *out)
{
	json_t *record = load(line);
	int r = head(out, line, color);

	if (r == 0)
		r = rows[line->kind](out, record, color);
	json_decref(record);
	return r;
}

int audit_view_since(const char *text, int64_t now_us, char *dst, struct err *err)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.ddddddZ";
	size_t len = strlen(text);
	uint64_t ms;
	char shown[64];

	if (num_parse_ms(text, &ms) == 0 && ms < (uint64_t)now_us / 1000) {
		(void)audit_time_text(now_us - (int64_t)ms * 1000, dst);
		return 0;
	}
	for (size_t i = 0; i < len; i++)
		if (i >= sizeof(form) - 1 ||
		    (form[i] == 'd' ? text[i] < '0' || text[i] > '9'
				    : text[i] != form[i] && !(form[i] == 'T' && text[i] == ' ')))
			len = 0;
	if (len < 4)
		return err_set(
			err, EINVAL,
			"--since \"%s\" is no time: give how long ago (30min, 2h), or a time "
			"in UTC (2026-03-01, 2026-03-01T09:30)",
			text_quote(shown, sizeof(shown), text, strlen(text)));
	(void)snprintf(dst, AUDIT_TIME_BYTES, "%s", text);
	if (len > 10)
		dst[10] = 'T';
	return 0;
}
