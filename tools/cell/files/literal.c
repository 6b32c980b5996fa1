/*
 * Theory of operation: one pass over the expression's top level. Runs of literal characters grow; a
 * quantifier takes the last character out of its run, everything else ends the run; the longest run
 * wins. Groups are skipped with all that they hold. An alternative at the top level, an option within
 * the expression or anything rare means that no literal is known.
 *
 * Searching looks for the byte of the literal that is least likely in source text (memchr is as fast as
 * memory) and compares the rest there. A text that holds that byte everywhere is given to memmem.
 */
#include "tools/cell/files/literal.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#define MISSES_MAX 64U /* memchr hits in a row that were none, before memmem takes over */

/* Escapes that stand for kinds of characters, or for the edges of words, and for nothing else. */
static const char plain_escapes[] = "wWdDsSbBntrfeahHpP";

struct scan {
	const char *p, *end;
	char run[LITERAL_MAX];
	size_t run_len;
	size_t last; /* bytes of the last character of run */
	bool only;   /* nothing but literal characters so far */
	bool give_up;
	bool plain;
	struct literal *ret;
};

static bool is_one_of(const char *set, char c)
{
	return c != '\0' && strchr(set, c);
}

static void end_run(struct scan *s)
{
	if (s->run_len > s->ret->len) {
		memcpy(s->ret->text, s->run, s->run_len);
		s->ret->len = s->run_len;
	}
	s->run_len = 0;
	s->last = 0;
}

static void add_char(struct scan *s, const char *c, size_t n)
{
	if (s->run_len + n > sizeof(s->run)) {
		s->only = false;
		end_run(s);
	}
	memcpy(s->run + s->run_len, c, n);
	s->run_len += n;
	s->last = n;
}

/* A set from its "[" on; s->p comes to stand behind its "]". */
static void skip_set(struct scan *s)
{
	s->p++;
	if (s->p < s->end && *s->p == '^')
		s->p++;
	if (s->p < s->end && *s->p == ']')
		s->p++;
	while (s->p < s->end && *s->p != ']') {
		if (*s->p == '\\') {
			/* \Q within a set would hide its end. */
			if (s->end - s->p > 1 && (s->p[1] == 'Q' || s->p[1] == 'E'))
				s->give_up = true;
			s->p++;
		} else if (*s->p == '[' && s->end - s->p > 1 && is_one_of(":.=", s->p[1])) {
			/* "[:alpha:]" within a set; what only looks like one may end elsewhere. */
			s->p += 2;
			while (s->p < s->end && (isalpha((unsigned char)*s->p) || *s->p == '^'))
				s->p++;
			s->give_up |= s->end - s->p < 2 || s->p[0] != ':' || s->p[1] != ']';
			s->p++;
		}
		s->p += s->p < s->end;
	}
	s->p += s->p < s->end;
}

/* What may follow "(?" without changing how the rest is read. */
static void look_at_group(struct scan *s)
{
	const char *q = s->p + 1;
	size_t left = (size_t)(s->end - q);

	if (left > 0 && *q == '*') {
		s->give_up = true;
	} else if (left > 1 && *q == '?') {
		if (q[1] == ':')
			return;
		s->plain = false;
		/* Looking around, atomic, named: they match as a group does. The rest sets options,
		 * recurses, comments, decides. */
		if (!is_one_of("=!<>P'", q[1]) || (q[1] == 'P' && !(left > 2 && q[2] == '<')))
			s->give_up = true;
	}
}

/* "{2}", "{2,}", "{2,3}": anything else is text.  Return: its length or 0. */
static size_t counted_len(const char *p, const char *end)
{
	const char *q = p + 1;

	if (p >= end || *p != '{')
		return 0;
	while (q < end && (isdigit((unsigned char)*q) || *q == ',' || *q == ' '))
		q++;
	return q < end && *q == '}' && q > p + 1 ? (size_t)(q - p) + 1 : 0;
}

/* A quantifier behind something.  Return: whether there was one. */
static bool take_quantifier(struct scan *s)
{
	size_t n = s->p < s->end && is_one_of("*+?", *s->p) ? 1 : counted_len(s->p, s->end);

	if (n == 0)
		return false;
	s->only = false;
	s->run_len -= s->last;
	end_run(s);
	s->p += n;
	if (s->p < s->end && *s->p == '+')
		s->plain = false; /* takes what it can, and gives nothing back */
	if (s->p < s->end && is_one_of("+?", *s->p))
		s->p++;
	return true;
}

static void skip_group(struct scan *s)
{
	size_t depth = 0;

	do {
		char c = *s->p;

		if (c == '[') {
			skip_set(s);
			continue;
		}
		if (c == '(') {
			look_at_group(s);
			depth++;
		} else if (c == ')') {
			depth--;
		} else if (c == '\\') {
			if (s->end - s->p > 1 &&
			    !is_one_of("wWdDsSbBntrf.*+?()[]{}|^$\\/-:;,\"'<>=!@#%&~`", s->p[1])) {
				s->plain = false;
				s->give_up |= s->p[1] == 'Q' || s->p[1] == 'E' || s->p[1] == 'c';
			}
			s->p++;
		} else if (c == '+' && s->p[-1] != '\\' && is_one_of("*+?}", s->p[-1])) {
			s->plain = false;
		}
		s->p += s->p < s->end;
	} while (depth > 0 && s->p < s->end && !s->give_up);
}

static void take_escape(struct scan *s)
{
	const char *close;
	char c = '\0';

	s->p++;
	if (s->p < s->end)
		c = *s->p;
	if (c != '\0' && (unsigned char)c < 0x80 && !isalnum((unsigned char)c)) {
		add_char(s, &c, 1);
	} else if (c != '\0' && strchr(plain_escapes, c)) {
		s->only = false;
		end_run(s);
		if (c == 'p' || c == 'P') {
			s->p++;
			close = s->p < s->end && *s->p == '{'
					? memchr(s->p, '}', (size_t)(s->end - s->p))
					: s->p;
			s->p = close && close < s->end ? close : s->end;
		}
	} else {
		s->give_up = true;
	}
	s->p += s->p < s->end;
}

static void take_one(struct scan *s)
{
	unsigned char c = (unsigned char)*s->p;
	size_t n = 1;

	switch (c) {
	case '|':
		s->give_up = true;
		return;
	case '(':
		s->only = false;
		end_run(s);
		skip_group(s);
		break;
	case '[':
		s->only = false;
		end_run(s);
		skip_set(s);
		break;
	case '.':
	case '^':
	case '$':
	case ')':
		s->only = false;
		end_run(s);
		s->p++;
		break;
	case '\\':
		take_escape(s);
		break;
	default:
		while (c >= 0xc0 && s->p + n < s->end && ((unsigned char)s->p[n] & 0xc0) == 0x80)
			n++;
		add_char(s, s->p, n);
		s->p += n;
	}
	while (!s->give_up && take_quantifier(s))
		;
}

/* How often a byte stands in source text, roughly: the less the better to look for. */
static unsigned commonness(unsigned char c)
{
	static const char common[] =
		" etaoinsrlcdupmfhg_.(),;bv-y=w*/\"xk>:'ETSARIO0C1N{}LDPMU[]<2F&";
	const char *at = c ? strchr(common, c) : NULL;

	return at ? (unsigned)(sizeof(common) - (size_t)(at - common)) : 0;
}

static bool looks_around(const char *pattern, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if (pattern[i] != '\\')
			continue;
		/* Ends of the text, the last match, back references, recursion: not a line's. */
		if (is_one_of("AzZGKRXCgk0123456789", pattern[i + 1]))
			return true;
		i++;
	}
	return false;
}

void literal_find_out(const char *pattern, size_t len, bool ignore_case, struct literal *ret)
{
	struct scan s = {.p = pattern, .end = pattern + len, .only = true, .plain = true};

	*ret = (struct literal){0};
	s.ret = ret;
	while (s.p < s.end && !s.give_up && *s.p != '|')
		take_one(&s);
	/* Alternatives may be plain all the same: look at the others, too. */
	if (!s.give_up && s.p < s.end) {
		while (s.p < s.end && !s.give_up) {
			s.p += *s.p == '|';
			if (s.p < s.end && *s.p != '|')
				take_one(&s);
		}
		ret->len = 0;
		s.run_len = 0;
		s.only = false;
	}
	end_run(&s);
	ret->plain = s.plain && !s.give_up && !looks_around(pattern, len);
	if (s.give_up || ignore_case)
		ret->len = 0;
	ret->whole = ret->len > 0 && s.only;
	for (size_t i = 1; i < ret->len; i++)
		if (commonness((unsigned char)ret->text[i]) <
		    commonness((unsigned char)ret->text[ret->rare]))
			ret->rare = i;
}

const char *literal_search(const struct literal *l, const char *from, const char *end)
{
	const char *p;
	unsigned misses = 0;

	if ((size_t)(end - from) < l->len)
		return NULL;
	p = from + l->rare;
	end -= l->len - 1 - l->rare;
	while ((p = memchr(p, l->text[l->rare], (size_t)(end - p)))) {
		if (memcmp(p - l->rare, l->text, l->len) == 0)
			return p - l->rare;
		p++;
		if (++misses == MISSES_MAX)
			return memmem(p - l->rare,
				      (size_t)(end - p) + l->rare + l->len - 1 - l->rare, l->text,
				      l->len);
		if (p >= end)
			return NULL;
	}
	return NULL;
}
