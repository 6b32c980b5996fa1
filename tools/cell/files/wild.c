/*
 * Theory of operation: most patterns are names ("target") or endings ("*.o"), which are compared
 * without looking at each byte of a pattern. The rest is matched with two places to go back to, and no
 * recursion:
 *
 *	"*"	the star's own place; tried with one more byte each time. It cannot cross a slash, and
 *		once the pattern has passed a slash nothing before it can be decided better.
 *	"**"	one more component each time. The last "**" is the only one worth going back to: what an
 *		earlier one could take in addition, this one can take too.
 *
 * A pattern that is not well-formed ("[a", a backslash at the end) matches nothing.
 */
#include "tools/cell/files/wild.h"

#include <ctype.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

static bool has_special(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] != '\0' && strchr("*?[\\", text[i]))
			return true;
	return false;
}

void wild_prepare(const char *text, size_t len, bool anchored, bool utf8, struct wild *ret)
{
	size_t slashes = 0, end = 0;

	/* "**" and a name behind it is that name anywhere. */
	if (len > 3 && memcmp(text, "**/", 3) == 0 && !memchr(text + 3, '/', len - 3)) {
		text += 3;
		len -= 3;
		anchored = false;
	}
	*ret = (struct wild){.text = text, .len = len, .kind = WILD_PATTERN, .utf8 = utf8};
	ret->path = anchored || memchr(text, '/', len);
	for (end = len; end > 0 && text[end - 1] == '\\'; end--)
		slashes++;
	if (len == 0 || slashes % 2 == 1)
		ret->kind = WILD_NEVER;
	else if (!has_special(text, len))
		ret->kind = WILD_LITERAL;
	else if (!ret->path && text[0] == '*' && !has_special(text + 1, len - 1))
		ret->kind = WILD_SUFFIX;
}

static const struct {
	const char *name;
	int (*is)(int c);
} classes[] = {
	{"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
	{"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
	{"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
};

/* [:name:] at @p, which is behind "[:". Return: 1 or 0; -1 for a name that nobody knows. */
static int named_class(const char *p, size_t len, unsigned char c)
{
	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (strlen(classes[i].name) == len && memcmp(classes[i].name, p, len) == 0)
			return c < 0x80 && classes[i].is(c) ? 1 : 0;
	return -1;
}

struct set {
	const char *p;
	const char *end;
	int before; /* what a "-" would begin a range with; -1 for nothing */
	bool matched;
};

/* One member of a set.  Return: 0; -1 when the set is not well-formed. */
static int set_member(struct set *s, unsigned char c)
{
	unsigned char ch = (unsigned char)*s->p;
	const char *close;
	int r;

	if (ch == '-' && s->before >= 0 && s->end - s->p > 1 && s->p[1] != ']') {
		s->p++;
		if (*s->p == '\\' && ++s->p >= s->end)
			return -1;
		s->matched |= c >= s->before && c <= (unsigned char)*s->p;
		s->before = -1;
		s->p++;
		return 0;
	}
	if (ch == '[' && s->end - s->p > 2 && s->p[1] == ':') {
		close = memchr(s->p + 2, ']', (size_t)(s->end - s->p - 2));
		if (!close)
			return -1;
		if (close > s->p + 2 && close[-1] == ':') {
			r = named_class(s->p + 2, (size_t)(close - s->p - 3), c);
			s->matched |= r > 0;
			s->before = -1;
			s->p = close + 1;
			return MIN(r, 0);
		}
	}
	if (ch == '\\') {
		if (++s->p >= s->end)
			return -1;
		ch = (unsigned char)*s->p;
	}
	s->matched |= ch == c;
	s->before = ch;
	s->p++;
	return 0;
}

/* A set at @p, which is a "[".  Return: 1 when @c is in it, 0 when not, -1 when not well-formed. */
static int set_match(const char *p, const char *end, unsigned char c, const char **ret_next)
{
	struct set s = {.p = p + 1, .end = end, .before = -1};
	bool negated = false, first = true;

	if (s.p < end && (*s.p == '!' || *s.p == '^')) {
		negated = true;
		s.p++;
	}
	for (; s.p < end && (first || *s.p != ']'); first = false)
		if (set_member(&s, c) < 0)
			return -1;
	if (s.p >= end)
		return -1;
	*ret_next = s.p + 1;
	return c != '/' && s.matched != negated;
}

struct state {
	const char *p, *p_begin, *p_end;
	const char *t, *t_end;
	const char *star_p, *star_t;	   /* behind a "*", and how far it reaches so far */
	const char *folders_p, *folders_t; /* the same for the last "**" */
};

/* A "**" that is a component of its own, at s->p. */
static bool at_folders(const struct state *s)
{
	return s->p_end - s->p >= 2 && s->p[0] == '*' && s->p[1] == '*' &&
	       (s->p == s->p_begin || s->p[-1] == '/') && (s->p_end - s->p == 2 || s->p[2] == '/');
}

/* One byte or character of the text against the pattern.  Return: 1, 0, or -1 for never. */
static int step(struct state *s, bool utf8)
{
	unsigned char c = (unsigned char)*s->t;
	size_t took = 1;
	const char *next;
	int r;

	if (*s->p == '?') {
		if (c == '/')
			return 0;
		if (utf8 && c >= 0x80) {
			r = text_utf8_len((const unsigned char *)s->t, (size_t)(s->t_end - s->t));
			took = r > 0 ? (size_t)r : 1;
		}
		next = s->p + 1;
	} else if (*s->p == '[') {
		r = set_match(s->p, s->p_end, c, &next);
		if (r <= 0)
			return r;
	} else {
		next = s->p + (*s->p == '\\' ? 1 : 0);
		if ((unsigned char)*next != c)
			return 0;
		next++;
	}
	if (c == '/')
		s->star_p = NULL;
	s->p = next;
	s->t += took;
	return 1;
}

/* Back to the last place where there is a choice.  Return: false when there is none left. */
static bool go_back(struct state *s)
{
	const char *slash;

	if (s->star_p && s->star_t < s->t_end && *s->star_t != '/') {
		s->t = ++s->star_t;
		s->p = s->star_p;
		return true;
	}
	s->star_p = NULL;
	if (!s->folders_p)
		return false;
	slash = memchr(s->folders_t, '/', (size_t)(s->t_end - s->folders_t));
	if (!slash)
		return false;
	s->folders_t = slash + 1;
	s->t = s->folders_t;
	s->p = s->folders_p;
	return true;
}

static bool pattern_match(const struct wild *w, const char *text, size_t len)
{
	struct state s = {.p = w->text,
			  .p_begin = w->text,
			  .p_end = w->text + w->len,
			  .t = text,
			  .t_end = text + len};

	for (;;) {
		int r = 0;

		if (s.p == s.p_end && s.t == s.t_end)
			return true;
		if (s.p < s.p_end && at_folders(&s)) {
			if (s.p_end - s.p == 2)
				return s.t < s.t_end;
			s.p += 3;
			s.folders_p = s.p;
			s.folders_t = s.t;
			s.star_p = NULL;
			continue;
		}
		if (s.p < s.p_end && *s.p == '*') {
			while (s.p < s.p_end && *s.p == '*')
				s.p++;
			s.star_p = s.p;
			s.star_t = s.t;
			continue;
		}
		if (s.p < s.p_end && s.t < s.t_end)
			r = step(&s, w->utf8);
		if (r < 0 || (r == 0 && !go_back(&s)))
			return false;
	}
}

bool wild_match(const struct wild *w, const char *path, size_t len, size_t name_at)
{
	if (!w->path) {
		path += name_at;
		len -= name_at;
	}
	switch ((enum wild_kind)w->kind) {
	case WILD_LITERAL:
		return len == w->len && memcmp(path, w->text, len) == 0;
	case WILD_SUFFIX:
		return len + 1 >= w->len &&
		       memcmp(path + len + 1 - w->len, w->text + 1, w->len - 1) == 0;
	case WILD_PATTERN:
		return pattern_match(w, path, len);
	case WILD_NEVER:
	case WILD_KIND_N:
		break;
	}
	return false;
}
