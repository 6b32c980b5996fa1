/*
 * Theory of operation: standard error of cargo, where all that has no JSON form ends up: manifests
 * that do not parse, dependencies that cannot be resolved, build scripts that panic, programs that
 * died by a signal. Text is cut into blocks:
 *
 *	"error: ..." or "warning: ..." at the left margin opens a block
 *	a status line ("   Compiling demo ...", verb right-aligned to column 12) ends it, or the
 *	next block
 *
 * From the first "     Running" or "   Doc-tests" on, the programs share the descriptor. Then only
 * blocks that say how a process ended are cargo's; a program can write such a block as well, which
 * adds a finding and nothing else.
 */
#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "digest/parse.h"

#define STATUS_COLUMN 12U
#define BLOCK_BYTES_MAX ((size_t)64 << 10)
#define NAME_BYTES_MAX ((size_t)256)

/* Sums of what has been reported elsewhere. */
static const char *const repeats[] = {
	"error: test failed, to rerun",
	"error: doctest failed, to rerun",
	"error: bench failed, to rerun",
	"error: could not compile",
	"error: could not document",
	"error: aborting due to",
	"warning: build failed, waiting for other jobs",
};

/* The verb of a status line, or NULL. */
static const char *status_verb(const char *line, size_t len, size_t *ret_len)
{
	size_t spaces = 0;
	size_t end;

	while (spaces < len && line[spaces] == ' ')
		spaces++;
	end = spaces;
	while (end < len && ((line[end] >= 'A' && line[end] <= 'Z') ||
			     (line[end] >= 'a' && line[end] <= 'z') || line[end] == '-'))
		end++;
	if (spaces == 0 || end != STATUS_COLUMN || end == len || line[end] != ' ')
		return NULL;
	*ret_len = end - spaces;
	return line + spaces;
}

static bool verb_is(const char *verb, size_t len, const char *want)
{
	return len == strlen(want) && memcmp(verb, want, len) == 0;
}

/* "src/main.rs (2 fixes)" */
static void add_fixed(struct digest *d, const char *text, size_t len)
{
	const char *open = memrchr(text, '(', len);
	char digits[16];
	size_t n = 0;
	uint64_t fixes;

	if (!open || open == text)
		return;
	for (const char *p = open + 1; p < text + len && *p >= '0' && *p <= '9'; p++)
		if (n < sizeof(digits) - 1)
			digits[n++] = *p;
	digits[n] = '\0';
	if (num_parse_u64(digits, UINT32_MAX, &fixes) < 0)
		return;
	d->cargo.fixes += fixes;
	(void)value_keep(d, d->cargo.fixed, DIGEST_ARTIFACTS_MAX,
			 value_text(d, text, (size_t)(open - text) - 1, DIGEST_PATH_BYTES_MAX));
}

static bool take_status(struct digest *d, const char *line, size_t len)
{
	size_t verb_len = 0;
	const char *verb = status_verb(line, len, &verb_len);

	if (!verb)
		return false;
	cargo_stderr_end(d);
	if (verb_is(verb, verb_len, "Running") || verb_is(verb, verb_len, "Doc-tests"))
		d->cargo.running |= cargo_starts_program(d);
	else if (verb_is(verb, verb_len, "Fixed"))
		add_fixed(d, line + STATUS_COLUMN + 1, len - STATUS_COLUMN - 1);
	return true;
}

static bool opens_block(const char *line, size_t len)
{
	return text_starts(line, len, "error: ") || text_starts(line, len, "error[") ||
	       text_starts(line, len, "Error: ") || /* rustfmt */
	       text_starts(line, len, "warning: ") || text_starts(line, len, "warning[");
}

static void block_append(struct digest *d, const char *line, size_t len)
{
	struct buf *block = &d->cargo.block;
	int r;

	if (block->len + len >= BLOCK_BYTES_MAX)
		return;
	r = buf_append(block, line, len);
	if (r == 0)
		r = buf_append(block, "\n", 1);
	if (r < 0)
		d->failed = r;
}

void cargo_stderr_line(struct digest *d, const char *line, size_t len)
{
	if (take_status(d, line, len))
		return;
	if (opens_block(line, len)) {
		cargo_stderr_end(d);
		block_append(d, line, len);
	} else if (d->cargo.block.len > 0) {
		block_append(d, line, len);
	}
	/* Panics of a program that cargo runs, and of tests outside of the harness's capture. */
	if (d->cargo.running)
		excerpt_add(d, &d->cargo.output, line, len);
}

/* @text without the two spaces that cargo puts before each line of a process's output. */
static json_t *unindented(struct digest *d, const char *text, size_t len)
{
	struct buf out = {.cap = BLOCK_BYTES_MAX};
	json_t *value;
	int r = 0;

	while (len > 0 && r == 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) + 1 : len;
		size_t skip = text_starts(text, n, "  ") ? 2 : 0;

		r = buf_append(&out, text + skip, n - skip);
		text += n;
		len -= n;
	}
	while (out.len > 0 && out.data[out.len - 1] == '\n')
		out.len--;
	if (r < 0)
		d->failed = r;
	value = value_text(d, out.len ? out.data : "", out.len, DIGEST_STRING_BYTES_MAX);
	buf_fini(&out);
	return value;
}

/* What stands behind "  --- stdout" or "  --- stderr" up to the other one. */
static json_t *process_output(struct digest *d, const char *title, const char *until)
{
	const char *start = strstr(d->cargo.block.data, title);
	const char *end;

	if (!start)
		return json_string("");
	start += strlen(title);
	end = until ? strstr(start, until) : NULL;
	while (*start == '\n')
		start++;
	if (end && end < start)
		end = start;
	return unindented(d, start, end ? (size_t)(end - start) : strlen(start));
}

/* "thread 'main' panicked at build.rs:4:5:\nmessage\nnote: run with ..." */
static json_t *panic_of(struct digest *d, const char *text)
{
	static const char mark[] = " panicked at ";
	static const char *const ends[] = {"\nstack backtrace:", "\nnote: "};
	const char *at = strstr(text, mark);
	const char *message;
	size_t len;
	json_t *panic;

	if (!at)
		return json_null();
	at += sizeof(mark) - 1;
	len = strcspn(at, "\n");
	message = at[len] ? at + len + 1 : at + len;
	panic = json_object();
	value_put(d, panic, "place",
		  value_text(d, at, len - (len > 0 && at[len - 1] == ':'), 4096));
	len = strlen(message);
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		const char *end = strstr(message, ends[i]);

		if (end && (size_t)(end - message) < len)
			len = (size_t)(end - message);
	}
	value_put(d, panic, "message", value_text(d, message, len, DIGEST_STRING_BYTES_MAX));
	return panic;
}

/* "`demo v0.1.0 (/x/demo)`", the text behind its first backtick */
static json_t *quoted_package(struct digest *d, const char *text)
{
	const char *tick = strchr(text, '`');

	return tick ? value_text(d, tick + 1, strcspn(tick + 1, " `\n"), NAME_BYTES_MAX)
		    : json_null();
}

static void add_build_script(struct digest *d)
{
	const char *text = d->cargo.block.data;
	json_t *script = json_object();
	json_t *err = process_output(d, "\n  --- stderr", NULL);
	json_t *item = diagnostic_add_text(d, "error", "build-script", text, d->cargo.block.len);
	json_t *package = quoted_package(d, text);
	const char *err_text = json_string_value(err);

	if (item)
		value_put(d, item, "package", json_incref(package));
	value_put(d, script, "package", package);
	value_put(d, script, "panic", panic_of(d, err_text ? err_text : ""));
	value_put(d, script, "stdout", process_output(d, "\n  --- stdout", "\n  --- stderr"));
	value_put(d, script, "stderr", err);
	/* The first one; cargo may let other jobs end and report theirs, which are in the list. */
	if (json_is_null(d->cargo.build_script) &&
	    value_charge(d, json_dumpb(script, NULL, 0, JSON_COMPACT))) {
		json_decref(d->cargo.build_script);
		d->cargo.build_script = script;
	} else {
		json_decref(script);
	}
}

/* A line that only repeats is news when it also says how a process died. */
static bool is_repeat(const char *text, size_t len)
{
	if (strstr(text, "(signal: ") || strstr(text, "could not execute process"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(repeats); i++)
		if (text_starts(text, len, repeats[i]))
			return true;
	return strstr(text, " generated ") || strstr(text, " target failed:") ||
	       strstr(text, " targets failed:");
}

/* "warning: demo@0.1.0: text" is a build script's. */
static void put_warning_package(struct digest *d, json_t *item)
{
	const char *message = value_get_string(item, "message");
	size_t at = strcspn(message, "@ :");
	const char *colon = strstr(message, ": ");

	if (message[at] != '@' || !colon || memchr(message, ' ', (size_t)(colon - message)))
		return;
	value_put(d, item, "package", value_text(d, message, at, NAME_BYTES_MAX));
	value_put(d, item, "origin", json_string("build-script"));
}

static bool is_cargos(const struct digest *d, const char *text)
{
	return !d->cargo.running || strstr(text, "process didn't exit successfully: `") ||
	       strstr(text, "could not execute process `");
}

void cargo_stderr_end(struct digest *d)
{
	struct buf *block = &d->cargo.block;
	bool is_error = block->len > 0 && (block->data[0] == 'e' || block->data[0] == 'E');
	json_t *item;

	while (block->len > 0 && block->data[block->len - 1] == '\n')
		block->data[--block->len] = '\0';
	if (block->len == 0)
		return;
	if (is_repeat(block->data, block->len) || !is_cargos(d, block->data)) {
		block->len = 0;
		return;
	}
	d->cargo.broken |= is_error && !d->cargo.running;
	if (text_starts(block->data, block->len, "error: failed to run custom build command")) {
		add_build_script(d);
	} else {
		item = diagnostic_add_text(d, is_error ? "error" : "warning", "cargo", block->data,
					   block->len);
		if (item && !is_error)
			put_warning_package(d, item);
	}
	block->len = 0;
}
