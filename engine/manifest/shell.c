/*
 * Theory of operation: a scanner with three states (plain, single quotes, double quotes) that
 *builds one word at a time. It knows no operators, so it cannot misread one: every byte that a
 *shell might give a meaning to is refused unless it is quoted. The words are executed directly,
 *never handed to a shell again, so that quoting them a second time is nobody's job.
 *
 *	plain --'--> single --'--> plain	plain --"--> double --"--> plain
 *	plain, double --\--> the next byte is taken as it is
 */
#include "manifest/shell.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/buf.h"

struct scan {
	const char *at;
	const char *start;
	struct buf word;
	bool in_word;
	bool quoted; /* some byte of the word was */
	struct strings *words;
	struct err *err;
};

static int refuse(const struct scan *s, const char *why)
{
	return err_set(s->err, EPERM, "%s at byte %zu", why, (size_t)(s->at - s->start) + 1);
}

static int refuse_char(const struct scan *s)
{
	unsigned char c = (unsigned char)*s->at;

	if (c == '\n')
		return refuse(s, "a line break outside of quotes");
	if (c < 0x20 || c == 0x7f)
		return refuse(s, "a control character outside of quotes");
	return err_set(
		s->err, EPERM,
		"\"%c\" at byte %zu has a meaning in a shell; quote it if it is meant literally", c,
		(size_t)(s->at - s->start) + 1);
}

static bool is_assignment(const char *word)
{
	size_t n = 0;

	if (!isalpha((unsigned char)word[0]) && word[0] != '_')
		return false;
	while (isalnum((unsigned char)word[n]) || word[n] == '_')
		n++;
	return word[n] == '=' || (word[n] == '+' && word[n + 1] == '=');
}

static int end_word(struct scan *s)
{
	const char *text = s->word.data ? s->word.data : "";
	int r;

	if (!s->in_word)
		return 0;
	if (s->words->n == 0 && s->word.len == 0)
		return refuse(s, "an empty command name");
	if (s->words->n == 0 && is_assignment(text))
		return refuse(s, "a variable assignment before the command");
	if (s->words->n >= SHELL_WORDS_MAX)
		return err_set(s->err, E2BIG, "more than %u words", SHELL_WORDS_MAX);
	r = strings_add(s->words, text, s->word.len);
	if (r < 0)
		return manifest_err_args(r, s->err);
	buf_drop(&s->word, s->word.len);
	s->in_word = false;
	return 0;
}

static int take(struct scan *s)
{
	int r = buf_append(&s->word, s->at, 1);

	s->in_word = true;
	return r < 0 ? err_set(s->err, -r, "cannot hold a word") : 0;
}

static int scan_single(struct scan *s)
{
	int r = 0;

	s->in_word = true;
	for (s->at++; *s->at != '\'' && r == 0; s->at++) {
		if (*s->at == '\0')
			return refuse(s, "a single quote is not closed");
		r = take(s);
	}
	return r;
}

static int scan_double(struct scan *s)
{
	int r = 0;

	s->in_word = true;
	for (s->at++; *s->at != '"' && r == 0; s->at++) {
		if (*s->at == '\0')
			return refuse(s, "a double quote is not closed");
		if (*s->at == '$' || *s->at == '`')
			return refuse(s, "\"$\" or \"`\", which expands within double quotes (use "
					 "single quotes),");
		if (*s->at == '\\' && s->at[1] != '\0' && strchr("\"\\$`", s->at[1]))
			s->at++;
		else if (*s->at == '\\' && s->at[1] == '\n')
			return refuse(s, "a line continuation");
		r = take(s);
	}
	return r;
}

static int scan_plain(struct scan *s)
{
	if (*s->at == ' ' || *s->at == '\t')
		return end_word(s);
	if (*s->at == '\'')
		return scan_single(s);
	if (*s->at == '"')
		return scan_double(s);
	if (*s->at == '\\') {
		s->at++;
		if (*s->at == '\0' || *s->at == '\n')
			return refuse(s, "a backslash with nothing to quote");
		return take(s);
	}
	if (strchr(";&|<>$`(){}*?[]~#!", *s->at) || (unsigned char)*s->at < 0x20 || *s->at == 0x7f)
		return refuse_char(s);
	return take(s);
}

int shell_split(const char *command, struct strings *ret, struct err *err)
{
	struct scan s = {
		.at = command,
		.start = command,
		.word = {.cap = SHELL_BYTES_MAX},
		.words = ret,
		.err = err,
	};
	int r = 0;

	if (strlen(command) >= SHELL_BYTES_MAX)
		return err_set(err, E2BIG, "a command of more than %u bytes", SHELL_BYTES_MAX - 1);
	while (r == 0 && *s.at != '\0') {
		r = scan_plain(&s);
		if (r == 0)
			s.at++;
	}
	if (r == 0)
		r = end_word(&s);
	buf_fini(&s.word);
	if (r == 0 && ret->n == 0)
		r = err_set(err, EPERM, "an empty command");
	if (r < 0)
		strings_fini(ret);
	return r;
}

/* The words of a pattern, and whether more may follow. */
static int split_pattern(const char *pattern, struct strings *ret, bool *ret_prefix,
			 struct err *err)
{
	size_t len = strlen(pattern);
	char text[512];

	if (len >= sizeof(text))
		return err_set(err, EINVAL, "a pattern of more than %zu bytes", sizeof(text) - 1);
	memcpy(text, pattern, len + 1);
	*ret_prefix = len >= 2 &&
		      (strcmp(text + len - 2, ":*") == 0 || strcmp(text + len - 2, " *") == 0);
	if (*ret_prefix)
		text[len - 2] = '\0';
	return shell_split(text, ret, err);
}

int shell_pattern_check(const char *pattern, struct err *err)
{
	CLEANUP(strings_fini) struct strings words = {0};
	bool prefix;
	int r = split_pattern(pattern, &words, &prefix, err);

	if (r < 0 && err)
		err->num = EINVAL;
	return r < 0 ? -EINVAL : 0;
}

int shell_pattern_matches(const char *pattern, const struct strings *words, bool *ret,
			  struct err *err)
{
	CLEANUP(strings_fini) struct strings want = {0};
	bool prefix = false;
	int r = split_pattern(pattern, &want, &prefix, err);

	if (r < 0)
		return r;
	*ret = prefix ? words->n >= want.n : words->n == want.n;
	for (size_t i = 0; *ret && i < want.n; i++)
		*ret = strcmp(want.v[i], words->v[i]) == 0;
	return 0;
}
