/*
 * Theory of operation: the question. Its lines are ours; what the model wrote stands in them as JSON, in
 * quotes and on one line, so that it can neither begin a line of its own nor end its quotes. Letters of
 * every script stay readable; what an eye does not see (controls, marks that turn or hide text, long
 * runs of blanks) is named instead, and so are bytes that are no text. A text that is too long is cut in
 * its middle, and says first thing how much is missing.
 *
 * The form has a field for each thing to be granted. What it holds when nobody has touched it is "no":
 * there are hosts that send a form as they found it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "broker/consent.h"
#include "broker/cut.h"
#include "broker/state.h"

#define SHOWN_HEAD ((size_t)2000)
#define SHOWN_TAIL ((size_t)1000)
#define BLANKS_MAX 8U /* in a row; more are counted */

/*
 * Nothing to be seen where they stand, or not what stands there: controls, what Unicode lets a font
 * ignore (Default_Ignorable_Code_Point), format and bidi controls but for those that have a shape, blanks
 * of every width, fillers without a shape, what is private or no character, planes that nobody uses.
 */
static const struct {
	uint32_t first;
	uint32_t last;
} unseen[] = {
	{0x00, 0x1f},	    {0x7f, 0xa0},	 {0xad, 0xad},	     {0x34f, 0x34f},
	{0x61c, 0x61c},	    {0x115f, 0x1160},	 {0x1680, 0x1680},   {0x17b4, 0x17b5},
	{0x180b, 0x180f},   {0x2000, 0x200f},	 {0x2028, 0x202f},   {0x205f, 0x206f},
	{0x2800, 0x2800},   {0x3000, 0x3000},	 {0x3164, 0x3164},   {0xe000, 0xf8ff},
	{0xfdd0, 0xfdef},   {0xfe00, 0xfe0f},	 {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
	{0xfff0, 0xfffc},   {0xfffe, 0xffff},	 {0x13430, 0x13455}, {0x16fe4, 0x16fe4},
	{0x1bca0, 0x1bca3}, {0x1d159, 0x1d159},	 {0x1d173, 0x1d17a}, {0x1fffe, 0x1ffff},
	{0x2fffe, 0x2ffff}, {0x3fffe, 0x10ffff},
};

static uint32_t code_point(const unsigned char *p, int n)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = p[0] & masks[n];

	for (int i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3fU);
	return c;
}

static bool is_unseen(uint32_t c)
{
	for (size_t i = 0; i < ARRAY_SIZE(unseen); i++)
		if (c >= unseen[i].first && c <= unseen[i].last)
			return true;
	return false;
}

/* Return: bytes of @text that were used up, or -errno. */
static ssize_t append_one(struct buf *out, const char *text, size_t len)
{
	int n = text_utf8_len((const unsigned char *)text, len);
	size_t blanks = MIN(strspn(text, " "), len);
	uint32_t c;
	int r;

	if (blanks > BLANKS_MAX) {
		r = buf_printf(out, "[%zu blanks]", blanks);
		return r < 0 ? r : (ssize_t)blanks;
	}
	if (n <= 0) {
		r = buf_printf(out, "\\x%02x", (unsigned char)text[0]);
		return r < 0 ? r : 1;
	}
	c = code_point((const unsigned char *)text, n);
	r = is_unseen(c) ? buf_printf(out, "\\u{%" PRIx32 "}", c)
			 : buf_append(out, text, (size_t)n);
	return r < 0 ? r : n;
}

int consent_append_shown(struct buf *out, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = append_one(out, text, len);

		if (n < 0)
			return (int)n;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Begin of a character at or behind @at. */
static size_t next_begin(const char *text, size_t len, size_t at)
{
	while (at < len && ((unsigned char)text[at] & 0xc0) == 0x80)
		at++;
	return at;
}

static int append_cut(struct buf *out, const char *label, const struct buf *whole)
{
	size_t head;
	size_t tail;
	int r;

	if (whole->len <= SHOWN_HEAD + SHOWN_TAIL)
		return buf_printf(out, "%s: %s\n", label, whole->data ? whole->data : "");
	head = cut_head(whole->data, whole->len, SHOWN_HEAD);
	tail = next_begin(whole->data, whole->len, whole->len - SHOWN_TAIL);
	r = buf_printf(out,
		       "NOT ALL IS SHOWN: %zu of %zu bytes are left out below.\n%s: ", tail - head,
		       whole->len, label);
	if (r == 0)
		r = buf_append(out, whole->data, head);
	if (r == 0)
		r = buf_printf(out, " [... %zu bytes left out ...] ", tail - head);
	if (r == 0)
		r = buf_append(out, whole->data + tail, whole->len - tail);
	return r == 0 ? buf_puts(out, "\n") : r;
}

/* "label: WHOLE", with nothing hidden. */
static int append_shown(struct buf *out, const char *label, const char *text, size_t len)
{
	CLEANUP(buf_fini) struct buf shown = {0};
	int r = consent_append_shown(&shown, text, len);

	return r == 0 ? append_cut(out, label, &shown) : r;
}

/* "label: JSON" */
static int append_json(struct buf *out, const char *label, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	int r = text ? append_shown(out, label, text, strlen(text)) : -ENOMEM;

	free(text);
	return r;
}

/* Bytes of @text that are whole characters. */
static size_t characters(const char *text, size_t len)
{
	size_t n = 0;
	int one = 1;

	while (n < len && one > 0) {
		one = text_utf8_len((const unsigned char *)text + n, len - n);
		n += one > 0 ? (size_t)one : 0;
	}
	return n;
}

/* What stands between the quotes of a JSON string; whole characters only. */
static int append_escaped(struct buf *out, const char *text, size_t len)
{
	json_t *string = json_stringn(text, len);
	char *quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
	int r = quoted ? buf_append(out, quoted + 1, strlen(quoted) - 2) : -ENOMEM;

	free(quoted);
	json_decref(string);
	return r;
}

/*
 * A JSON string, but for bytes that are no text: they stand in it as they are and become \xHH where it is
 * shown, which no text does, as its own backslashes are doubled.
 */
static int append_quoted(struct buf *out, const char *text, size_t len)
{
	int r = buf_puts(out, "\"");

	while (len > 0 && r == 0) {
		size_t n = characters(text, len);
		size_t odd = n < len;

		r = append_escaped(out, text, n);
		if (r == 0)
			r = buf_append(out, text + n, odd);
		text += n + odd;
		len -= n + odd;
	}
	return r == 0 ? buf_puts(out, "\"") : r;
}

static int append_text(struct buf *out, const char *label, const char *text, size_t len)
{
	CLEANUP(buf_fini) struct buf quoted = {0};
	int r = append_quoted(&quoted, text, len);

	return r == 0 ? append_shown(out, label, quoted.data, quoted.len) : r;
}

static int append_words(struct buf *out, const char *label, char *const *words)
{
	CLEANUP(buf_fini) struct buf list = {0};
	int r = buf_puts(&list, "[");

	for (size_t i = 0; words[i] && r == 0; i++) {
		r = buf_puts(&list, i > 0 ? "," : "");
		if (r == 0)
			r = append_quoted(&list, words[i], strlen(words[i]));
	}
	if (r == 0)
		r = buf_puts(&list, "]");
	return r == 0 ? append_shown(out, label, list.data, list.len) : r;
}

/* What runs: the words that are executed, or what a program of ours is told to do. */
static int append_operation(const struct call *c, json_t *arguments, struct buf *out)
{
	const struct manifest_call *call = &c->expanded;
	int r = 0;

	if (!call->argv || manifest_reads_arguments(c->tool))
		return append_json(out, "arguments", arguments);
	r = append_words(out, "runs", call->argv);
	if (r == 0 && call->env && call->env[0])
		r = append_words(out, "environment", call->env);
	if (r == 0 && call->stdin_len > 0)
		r = append_text(out, "input", call->stdin_text, call->stdin_len);
	return r;
}

static const char *overlay_writes(const struct call *c)
{
	static const char *const words[IMAGE_FALLBACK_N] = {
		[IMAGE_FALLBACK_READONLY] = "nothing in the workspace",
		[IMAGE_FALLBACK_DIRECT] = "in the workspace itself",
	};
	const char *word = c->cell->fallback < IMAGE_FALLBACK_N ? words[c->cell->fallback] : NULL;

	if (c->broker->config->ready->session == FRAME_WORKSPACE_NONE && word)
		return word;
	return "in the session's layers; the workspace itself changes by a commit only";
}

static const char *writes(const struct call *c)
{
	if (!c->cell)
		return "in the session's layers";
	if (c->cell->flags & IMAGE_CELL_EXCLUSIVE)
		return "in the workspace itself, or in the session's layers";
	if (c->cell_index >= c->broker->consents.cells ||
	    (c->cell->flags & IMAGE_CELL_WORKSPACE_READONLY))
		return "nothing in the workspace";
	return c->cell->flags & IMAGE_CELL_OVERLAY ? overlay_writes(c) : "in the workspace itself";
}

static size_t index_of(uint32_t bit)
{
	return (size_t)__builtin_ctz(bit);
}

int consent_title(const struct call *c, uint32_t bit, struct buf *out)
{
	const struct consent_path *path;
	int r;

	if (bit == CONSENT_TOOL)
		return buf_printf(out, "Run this call of %s?", c->tool_name);
	path = &c->broker->consents.paths[index_of(bit)];
	r = buf_puts(out, path->write ? "Let it read and write below " : "Let it read below ");
	if (r == 0)
		r = consent_append_shown(out, path->path, strlen(path->path));
	return r == 0 ? buf_puts(out, "?") : r;
}

static const char *rule_of(const struct call *c, uint32_t bit)
{
	if (bit == CONSENT_TOOL)
		return json_string_value(json_object_get(json_object_get(c->tool, "ask"), "rule"));
	return c->broker->consents.paths[index_of(bit)].rule;
}

static int append_wants(const struct call *c, uint32_t bits, struct buf *out)
{
	int r = 0;

	for (uint32_t bit = 1; bit <= CONSENT_TOOL && r == 0; bit <<= 1) {
		const char *rule = rule_of(c, bit);

		if (!(bits & bit))
			continue;
		r = consent_title(c, bit, out);
		if (r == 0)
			r = buf_printf(out, " (%s)\n", rule ? rule : "");
	}
	return r;
}

static int append_meaning(const struct call *c, uint32_t bits, struct buf *out)
{
	if (!c->broker->consents.session)
		return buf_puts(out, "A yes holds for this call alone.");
	return buf_printf(
		out,
		"\"once\" holds for this call alone; \"session\" until this engine ends, %s%s%s"
		"without asking again.",
		bits & CONSENT_TOOL ? "for every call of this tool, whatever its arguments, " : "",
		(bits & CONSENT_TOOL) && (bits & CONSENT_PATHS) ? "and " : "",
		bits & CONSENT_PATHS ? "for the path in every call, " : "");
}

/* Where: what a driver says beside the arguments decides on it, too. */
static int append_place(const struct call *c, struct buf *out)
{
	const char *session = c->consent.key.session;
	int r = 0;

	if (c->cwd)
		r = append_text(out, "folder", c->cwd, strlen(c->cwd));
	if (r == 0 && session)
		r = append_text(out, "session", session, strlen(session));
	return r == 0 ? buf_printf(out, "writes: %s\n", writes(c)) : r;
}

int consent_message(const struct call *c, json_t *arguments, uint32_t bits, struct buf *out)
{
	const struct broker *b = c->broker;
	int r = buf_printf(out,
			   "toolcell: policy %s wants your consent before this runs.\ntool: %s\n",
			   b->policy, c->tool_name);

	if (r == 0)
		r = append_operation(c, arguments, out);
	if (r == 0)
		r = append_place(c, out);
	if (r == 0)
		r = append_wants(c, bits, out);
	return r == 0 ? append_meaning(c, bits, out) : r;
}

const char *consent_field(uint32_t bit)
{
	static const char *const names[] = {"path1", "path2", "path3", "path4", "call"};

	static_assert(ARRAY_SIZE(names) == CONSENT_PATHS_MAX + 1, "every bit has a field");
	return names[index_of(bit)];
}

static json_t *field_json(const struct call *c, uint32_t bit)
{
	CLEANUP(buf_fini) struct buf title = {0};
	bool session = c->broker->consents.session;

	if (consent_title(c, bit, &title) < 0)
		return NULL;
	return json_pack("{s:s, s:s, s:[s, s, s*], s:s}", "type", "string", "title", title.data,
			 "enum", "decline", "once", session ? "session" : NULL, "default",
			 "decline");
}

json_t *consent_schema(const struct call *c, uint32_t bits)
{
	json_t *properties = json_object();
	json_t *required = json_array();

	/* The call itself first, as it is what the rest is for. */
	for (uint32_t bit = CONSENT_TOOL; bit > 0; bit >>= 1) {
		const char *name = consent_field(bit);

		if (!(bits & bit))
			continue;
		if (json_object_set_new(properties, name, field_json(c, bit)) < 0 ||
		    json_array_append_new(required, json_string(name)) < 0) {
			json_decref(properties);
			json_decref(required);
			return NULL;
		}
	}
	return json_pack("{s:s, s:o, s:o}", "type", "object", "properties", properties, "required",
			 required);
}
