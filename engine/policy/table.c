/*
 * Theory of operation: a table is cut into lines in place; each kind of row is found by its first
 * word, and whatever is left is a system call. `read` and `write` are both: with a path behind them
 * they are uses of it. "policy", "digest", "network MODE" and "as TOOL" are about the rows that
 * follow.
 */
#include "policy/table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define DIGEST_WORD "sha256:"

static const char *const set_words[] = {"set", "passed", "absent", NULL};
static const char *const tool_words[] = {"granted", "taken", NULL};
static const char *const net_words[] = {"allow", "refused", NULL};
static const char *const path_words[] = {"allow", "refused", "hidden", "protected", NULL};
static const char *const call_words[] = {"allow", "EPERM", "ENOSYS", "kill", NULL};

static const struct {
	const char *word;	    /* NULL: by other means */
	const char *const *answers; /* NULL: any text */
} kinds[] = {
	[TABLE_CALL] = {NULL, call_words},   [TABLE_PATH] = {NULL, path_words},
	[TABLE_TOOL] = {"tool", tool_words}, [TABLE_LIMIT] = {"limit", NULL},
	[TABLE_ENV] = {"env", set_words},    [TABLE_NETWORK] = {"network", net_words},
};
static_assert(ARRAY_SIZE(kinds) == TABLE_KIND_N, "every kind has a row");

struct parser {
	struct table *table;
	unsigned int line;
	const char *tool;
	uint32_t net;
	struct err *err;
};

static int refuse(const struct parser *p, const char *what, const char *word)
{
	char quoted[160];

	text_quote(quoted, sizeof(quoted), word, strlen(word));
	return err_set(p->err, EINVAL, "%s:%u: %s \"%s\"", p->table->label, p->line, what, quoted);
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	len = strlen(text);
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		text[--len] = '\0';
	return text;
}

/* Behind "WORD ", or NULL when the line begins otherwise. */
static char *behind(char *line, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(line, word, len) != 0 || (line[len] != ' ' && line[len] != '\t'))
		return NULL;
	return trim(line + len);
}

static int set_digest(struct parser *p, const char *text)
{
	size_t len = strlen(DIGEST_WORD);

	if (strncmp(text, DIGEST_WORD, len) != 0 ||
	    strspn(text + len, "0123456789abcdef") != POLICY_DIGEST_TEXT - 1 ||
	    text[len + POLICY_DIGEST_TEXT - 1] != '\0')
		return refuse(p, "a digest is sha256: and 64 hexadecimal digits, not", text);
	p->table->digest = text + len;
	return 0;
}

static int set_network(struct parser *p, const char *text)
{
	static const char *const modes[IMAGE_NET_N] =
		{[IMAGE_NET_NONE] = "none", [IMAGE_NET_LOOPBACK] = "loopback"};

	for (uint32_t i = 0; i < IMAGE_NET_N; i++)
		if (strcmp(modes[i], text) == 0) {
			p->net = i;
			return 0;
		}
	return refuse(p, "the network is none or loopback, not", text);
}

/* Lines without a verdict: about what follows. */
static int apply_directive(struct parser *p, char *line)
{
	char *text = behind(line, "policy");

	if (text) {
		p->table->policy = text;
		return policy_name_is_sane(text) ? 0 : refuse(p, "no name of a policy:", text);
	}
	text = behind(line, "digest");
	if (text)
		return set_digest(p, text);
	text = behind(line, "network");
	if (text)
		return set_network(p, text);
	text = behind(line, "as");
	if (text) {
		p->tool = strcmp(text, "-") == 0 ? NULL : text;
		return 0;
	}
	return refuse(p, "no \"-> VERDICT\" in", line);
}

static int check_answer(const struct parser *p, const struct table_row *row)
{
	const char *const *answers = kinds[row->kind].answers;

	for (size_t i = 0; answers && answers[i]; i++)
		if (strcmp(answers[i], row->want) == 0)
			return 0;
	if (answers || row->want[0] == '\0')
		return refuse(p, "this kind of line has no verdict", row->want);
	return 0;
}

static bool find_path(char *line, struct table_row *row)
{
	size_t len = strcspn(line, " \t");
	char *object = trim(line + len);

	if ((object[0] != '/' && strncmp(object, "${", 2) != 0) ||
	    !query_use_find(line, len, &row->use))
		return false;
	row->kind = TABLE_PATH;
	row->subject = object;
	return true;
}

static bool find_kind(char *line, struct table_row *row)
{
	for (size_t i = 0; i < TABLE_KIND_N; i++) {
		char *text = kinds[i].word ? behind(line, kinds[i].word) : NULL;

		if (!text)
			continue;
		row->kind = (enum table_kind)i;
		row->subject = text;
		return true;
	}
	return false;
}

static int parse_call(const struct parser *p, char *line, struct table_row *row)
{
	struct err inner = {0};

	row->kind = TABLE_CALL;
	row->subject = line;
	row->call = calloc(1, sizeof(*row->call));
	if (!row->call)
		return err_set(p->err, ENOMEM, "cannot read %s", p->table->label);
	if (call_parse(line, row->call, &inner) == 0)
		return 0;
	return err_set(p->err, EINVAL, "%s:%u: %s", p->table->label, p->line, inner.text);
}

static int parse_row(struct parser *p, char *line, char *arrow)
{
	struct table *t = p->table;
	struct table_row *grown;
	struct table_row *row;
	int r = 0;

	if (t->n >= TABLE_ROWS_MAX)
		return err_set(p->err, E2BIG, "%s: more than %u rows", t->label, TABLE_ROWS_MAX);
	grown = reallocarray(t->rows, t->n + 1, sizeof(*t->rows));
	if (!grown)
		return err_set(p->err, ENOMEM, "cannot read %s", t->label);
	t->rows = grown;
	row = &grown[t->n++];
	*arrow = '\0';
	line = trim(line);
	*row = (struct table_row){.line = p->line,
				  .want = trim(arrow + strlen("->")),
				  .tool = p->tool,
				  .net = p->net};
	if (!find_path(line, row) && !find_kind(line, row))
		r = parse_call(p, line, row);
	return r < 0 ? r : check_answer(p, row);
}

static int parse_line(struct parser *p, char *line)
{
	char *arrow;

	if (strlen(line) > TABLE_LINE_MAX)
		return err_set(p->err, E2BIG, "%s:%u: longer than %u bytes", p->table->label,
			       p->line, TABLE_LINE_MAX);
	line = trim(line);
	if (line[0] == '\0' || strncmp(line, "//", 2) == 0)
		return 0;
	arrow = strstr(line, "->");
	return arrow ? parse_row(p, line, arrow) : apply_directive(p, line);
}

static int parse(struct parser *p, size_t len)
{
	char *next = p->table->text;

	if (memchr(next, '\0', len))
		return err_set(p->err, EINVAL, "%s: holds a NUL", p->table->label);
	while (next) {
		char *line = next;
		int r;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		p->line++;
		r = parse_line(p, line);
		if (r < 0)
			return r;
	}
	if (!p->table->policy)
		return err_set(p->err, EINVAL, "%s: no \"policy NAME\"", p->table->label);
	return 0;
}

int table_parse(const char *label, const char *text, size_t len, struct table *ret, struct err *err)
{
	struct table table = {0};
	struct parser p = {.table = &table, .net = IMAGE_NET_N, .err = err};
	int r = -ENOMEM;

	*ret = table;
	if (len > TABLE_BYTES_MAX)
		return err_set(err, E2BIG, "%s: larger than %zu bytes", label, TABLE_BYTES_MAX);
	table.label = strdup(label);
	table.text = malloc(len + 1);
	if (table.label && table.text) {
		memcpy(table.text, text, len);
		table.text[len] = '\0';
		r = parse(&p, len);
	} else {
		(void)err_set(err, ENOMEM, "cannot read %s", label);
	}
	if (r < 0)
		table_fini(&table);
	else
		*ret = table;
	return r;
}

void table_fini(struct table *table)
{
	for (size_t i = 0; i < table->n; i++)
		free(table->rows[i].call);
	free(table->rows);
	free(table->label);
	free(table->text);
	*table = (struct table){0};
}
