/*
 * Theory of operation: front matter is what stands between a first line "---" and the next such
 *line. Hosts read it with forgiving parsers, YAML proper does not; so each line is looked at before
 *libyaml is, and repaired without changing the number of lines (messages keep their line numbers).
 *Repairs touch only what YAML would have refused at the top level, or as an item of a list of
 *tools:
 *
 *	description: Use when: it rains		->  description: 'Use when: it rains'
 *	tools: *				->  tools: '*'
 *	<TAB>- Read				->    - Read
 *
 * Text within block scalars ("|", ">") is left alone.
 */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"
#include "manifest/agent.h"

struct line {
	const char *at;
	size_t len; /* without line end */
};

struct repair {
	struct buf *out;
	size_t block_indent; /* of the key whose block scalar we are in */
	bool in_block;
	bool in_tools; /* below `tools:` or `disallowedTools:` */
};

/* The next line of @text; false at the end. */
static bool next_line(const char **text, size_t *left, struct line *ret)
{
	const char *end;

	if (*left == 0)
		return false;
	end = memchr(*text, '\n', *left);
	ret->at = *text;
	ret->len = end ? (size_t)(end - *text) : *left;
	*text += end ? ret->len + 1 : ret->len;
	*left -= end ? ret->len + 1 : ret->len;
	if (ret->len > 0 && ret->at[ret->len - 1] == '\r')
		ret->len--;
	return true;
}

static bool is_fence(const struct line *l)
{
	size_t len = l->len;

	while (len > 0 && (l->at[len - 1] == ' ' || l->at[len - 1] == '\t'))
		len--;
	return len == 3 && memcmp(l->at, "---", 3) == 0;
}

/* Length of "key:" at the start of a line, 0 when there is none. */
static size_t key_len(const char *at, size_t len)
{
	size_t n = 0;

	while (n < len && (isalnum((unsigned char)at[n]) || at[n] == '_' || at[n] == '-'))
		n++;
	if (n == 0 || n >= len || at[n] != ':')
		return 0;
	return n + 1 == len || at[n + 1] == ' ' || at[n + 1] == '\t' ? n + 1 : 0;
}

/* Where a comment begins in a plain value: blank, then "#". */
static size_t value_len(const char *at, size_t len)
{
	size_t n = len;

	for (size_t i = 1; i < len; i++)
		if (at[i] == '#' && (at[i - 1] == ' ' || at[i - 1] == '\t')) {
			n = i;
			break;
		}
	while (n > 0 && (at[n - 1] == ' ' || at[n - 1] == '\t'))
		n--;
	return n;
}

static bool needs_quotes(const char *at, size_t len)
{
	if (len == 0 || strchr("\"'[{|>#", at[0]))
		return false;
	if (strchr("*&!%@`", at[0]) || at[len - 1] == ':')
		return true;
	for (size_t i = 0; i + 1 < len; i++)
		if (at[i] == ':' && (at[i + 1] == ' ' || at[i + 1] == '\t'))
			return true;
	return false;
}

static int append_quoted(struct buf *out, const char *at, size_t len)
{
	int r = buf_append(out, "'", 1);

	for (size_t i = 0; i < len && r == 0; i++) {
		if (at[i] == '\'')
			r = buf_append(out, "'", 1);
		if (r == 0)
			r = buf_append(out, at + i, 1);
	}
	return r < 0 ? r : buf_append(out, "'", 1);
}

/* @head bytes are kept, what follows is the value. */
static int append_value(struct repair *p, const struct line *l, size_t head)
{
	size_t len;
	int r;

	while (head < l->len && (l->at[head] == ' ' || l->at[head] == '\t'))
		head++;
	len = value_len(l->at + head, l->len - head);
	if (!needs_quotes(l->at + head, len))
		return buf_append(p->out, l->at, l->len);
	r = buf_append(p->out, l->at, head);
	return r < 0 ? r : append_quoted(p->out, l->at + head, len);
}

static bool is_tools_key(const char *at, size_t len)
{
	return (len == 6 && memcmp(at, "tools:", 6) == 0) ||
	       (len == 16 && memcmp(at, "disallowedTools:", 16) == 0);
}

static bool opens_block(const struct line *l, size_t head)
{
	while (head < l->len && l->at[head] == ' ')
		head++;
	return head < l->len && (l->at[head] == '|' || l->at[head] == '>');
}

/* Indentation in columns (a tab counts two), which is written as blanks. */
static int append_indent(struct repair *p, struct line *l, size_t *ret_indent)
{
	size_t indent = 0;
	int r = 0;

	for (; l->len > 0 && (*l->at == ' ' || *l->at == '\t') && r == 0; l->at++, l->len--) {
		indent += *l->at == '\t' ? 2 : 1;
		r = buf_puts(p->out, *l->at == '\t' ? "  " : " ");
	}
	*ret_indent = indent;
	return r;
}

static int repair_line(struct repair *p, struct line l)
{
	size_t indent, key;
	int r = append_indent(p, &l, &indent);

	if (r < 0)
		return r;
	if (l.len == 0 || (p->in_block && indent > p->block_indent))
		return buf_append(p->out, l.at, l.len);
	key = key_len(l.at, l.len);
	p->in_block = key > 0 && opens_block(&l, key);
	p->block_indent = indent;
	if (indent == 0 && key > 0) {
		p->in_tools = is_tools_key(l.at, key);
		return append_value(p, &l, key);
	}
	if (p->in_tools && l.len > 1 && l.at[0] == '-' && (l.at[1] == ' ' || l.at[1] == '\t')) {
		r = buf_append(p->out, "- ", 2);
		l.at += 2;
		l.len -= 2;
		return r < 0 ? r : append_value(p, &l, 0);
	}
	return buf_append(p->out, l.at, l.len);
}

static int take_body(const char *text, size_t left, struct buf *out)
{
	struct line l;
	int r = 0;

	while (r == 0 && next_line(&text, &left, &l)) {
		if (out->len == 0 && value_len(l.at, l.len) == 0 && l.len < 256)
			continue;
		r = buf_append(out, l.at, l.len);
		if (r == 0)
			r = buf_append(out, "\n", 1);
	}
	while (out->len > 0 && isspace((unsigned char)out->data[out->len - 1]))
		out->data[--out->len] = '\0';
	return r;
}

static int check_bytes(const char *file, const char *text, size_t len, struct err *err)
{
	if (len > AGENT_BYTES_MAX)
		return err_set(err, E2BIG, "%s: larger than %zu bytes", file, AGENT_BYTES_MAX);
	if (memchr(text, '\0', len))
		return err_set(err, EINVAL, "%s: holds a NUL byte", file);
	if (!text_is_utf8(text, len))
		return err_set(err, EINVAL, "%s: is not UTF-8", file);
	return 0;
}

int front_split(const char *file, const char *text, size_t len, struct buf *ret_yaml,
		struct buf *ret_body, struct err *err)
{
	struct repair p = {.out = ret_yaml};
	struct line l;
	int r = check_bytes(file, text, len, err);

	if (r < 0)
		return r;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	if (!next_line(&text, &len, &l) || !is_fence(&l))
		return err_set(err, EINVAL, "%s:1: expected \"---\", the start of the front matter",
			       file);
	while (next_line(&text, &len, &l)) {
		if (is_fence(&l)) {
			r = take_body(text, len, ret_body);
			return r < 0 ? err_set(err, -r, "%s: cannot hold the prompt", file) : 0;
		}
		r = repair_line(&p, l);
		if (r == 0)
			r = buf_append(ret_yaml, "\n", 1);
		if (r < 0)
			return err_set(err, -r, "%s: cannot hold the front matter", file);
	}
	return err_set(err, EINVAL, "%s: the front matter is not closed by a line \"---\"", file);
}
