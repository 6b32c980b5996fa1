/*
 * Theory of operation: a pattern is a row of components, and a path is held against it from left to
 * right with a set of places in the pattern at which the match may stand: one bit for each, so that
 * "**" costs no backtracking. Bit n behind the last component means that the pattern is used up: it
 * covers what has been read so far and all that lies below. Within a component '*' backtracks to the
 * latest star only. Both are bounded by pattern times path, whatever they hold.
 *
 * Most paths have nothing to do with most rules, and that is cheap to see: no component of the path
 * begins as the last one of the pattern does.
 */
#include "workspace/rules.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"

static_assert(RULES_DEPTH_MAX == 64, "places but the last are the bits of one word");

struct span {
	const char *at;
	size_t len;
};

struct pattern {
	struct span parts[RULES_DEPTH_MAX];
	size_t n;
	bool fold;
};

static bool span_is(const struct span *s, const char *text)
{
	return s->len == strlen(text) && memcmp(s->at, text, s->len) == 0;
}

static unsigned char folded(char c, bool fold)
{
	return (unsigned char)(fold && c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool in_range(const char *low, const char *high, char c, bool fold)
{
	unsigned char x = folded(c, fold);

	return x >= folded(*low, fold) && x <= folded(*high, fold);
}

/*
 * A set "[a-z]", "[!a]" at @at. Return: its length with @ret_hit; 0 when it has no end and '[' stands
 * for itself. A ']' right behind the beginning is a member.
 */
static size_t match_set(const char *at, size_t len, char c, bool fold, bool *ret_hit)
{
	bool negated = len > 1 && (at[1] == '!' || at[1] == '^');
	size_t first = negated ? 2 : 1;
	bool hit = false;

	for (size_t i = first; i < len; i++) {
		if (at[i] == ']' && i > first) {
			*ret_hit = hit != negated;
			return i + 1;
		}
		if (i + 2 < len && at[i + 1] == '-' && at[i + 2] != ']') {
			hit = hit || in_range(at + i, at + i + 2, c, fold);
			i += 2;
		} else {
			hit = hit || in_range(at + i, at + i, c, fold);
		}
	}
	return 0;
}

/* One byte of a name at one place of the glob. Return: how far the glob moves; 0 for no match. */
static size_t match_byte(const struct span *glob, size_t g, char c, bool fold)
{
	bool hit = false;
	size_t n;

	if (g >= glob->len)
		return 0;
	if (glob->at[g] == '?')
		return 1;
	if (glob->at[g] == '[') {
		n = match_set(glob->at + g, glob->len - g, c, fold, &hit);
		if (n > 0)
			return hit ? n : 0;
	}
	return folded(glob->at[g], fold) == folded(c, fold);
}

static bool match_glob(const struct span *glob, const struct span *name, bool fold)
{
	size_t star = SIZE_MAX, back = 0, g = 0, i = 0;

	while (i < name->len) {
		size_t n;

		if (g < glob->len && glob->at[g] == '*') {
			star = g++;
			back = i;
			continue;
		}
		n = match_byte(glob, g, name->at[i], fold);
		if (n > 0) {
			g += n;
			i++;
		} else if (star != SIZE_MAX) {
			g = star + 1;
			i = ++back;
		} else {
			return false;
		}
	}
	while (g < glob->len && glob->at[g] == '*')
		g++;
	return g == glob->len;
}

/* Components of a path, one after the other. Return: false behind the last. */
static bool next_part(const char **at, const char *end, struct span *ret)
{
	const char *slash;

	if (*at >= end)
		return false;
	slash = memchr(*at, '/', (size_t)(end - *at));
	ret->at = *at;
	ret->len = (size_t)((slash ? slash : end) - *at);
	*at = slash ? slash + 1 : end;
	return true;
}

static bool split(const char *text, size_t len, bool fold, struct pattern *ret)
{
	const char *at = text;
	struct span part;

	ret->n = 0;
	ret->fold = fold;
	while (next_part(&at, text + len, &part)) {
		if (ret->n == RULES_DEPTH_MAX)
			return false;
		ret->parts[ret->n++] = part;
	}
	return ret->n > 0;
}

static bool is_any(const struct pattern *p, size_t i)
{
	return span_is(&p->parts[i], "**");
}

/* "**" may stand for nothing: where the match can stand before one, it can stand behind it. */
static uint64_t skip_any(const struct pattern *p, uint64_t places, bool *ret_end)
{
	for (size_t i = 0; i < p->n; i++) {
		if (!(places >> i & 1) || !is_any(p, i))
			continue;
		if (i + 1 == p->n)
			*ret_end = true;
		else
			places |= (uint64_t)1 << (i + 1);
	}
	return places;
}

/* One component of a path. @ret_end: the pattern is used up. */
static uint64_t step(const struct pattern *p, uint64_t places, const struct span *name,
		     bool *ret_end)
{
	uint64_t next = 0;

	for (uint64_t left = places; left; left &= left - 1) {
		size_t i = (size_t)__builtin_ctzll(left);

		if (is_any(p, i))
			next |= (uint64_t)1 << i;
		else if (!match_glob(&p->parts[i], name, p->fold))
			continue;
		else if (i + 1 == p->n)
			*ret_end = true;
		else
			next |= (uint64_t)1 << (i + 1);
	}
	return next;
}

/* How a path stands to a pattern. */
enum fit {
	FIT_NONE,
	FIT_ABOVE, /* what the pattern means lies below the path */
	FIT_BELOW, /* the path lies below what the pattern means */
	FIT_WHOLE,
};

/* Whether some place is behind a component that is not one of the leading "**". */
static bool is_anchored(const struct pattern *p, uint64_t places)
{
	size_t lead = 0;

	while (lead < p->n && is_any(p, lead))
		lead++;
	return lead + 1 < RULES_DEPTH_MAX && places >> (lead + 1) != 0;
}

static enum fit match(const struct pattern *p, const char *path)
{
	const char *end = path + strlen(path);
	uint64_t places = 1;
	bool used = false;
	bool whole = false;
	struct span name;

	places = skip_any(p, places, &used);
	for (used = false; !used && next_part(&path, end, &name);) {
		places = step(p, places, &name, &used);
		if (places == 0 && !used)
			return FIT_NONE;
		places = skip_any(p, places, &used);
		whole = used && path >= end;
	}
	if (used)
		return whole ? FIT_WHOLE : FIT_BELOW;
	return is_anchored(p, places) ? FIT_ABOVE : FIT_NONE;
}

static uint64_t initial_of(const struct span *name)
{
	return (uint64_t)1 << (folded(name->at[0], true) % 64);
}

/* How the components of a path begin; of them all, since a pattern covers what lies below it. */
static uint64_t initials_of(const char *path)
{
	const char *end = path + strlen(path);
	uint64_t initials = 0;
	struct span name;

	while (next_part(&path, end, &name))
		initials |= name.len > 0 ? initial_of(&name) : 0;
	return initials;
}

static uint64_t initial_of_last(const struct span *pattern)
{
	const char *at = pattern->at;
	struct span last = {0};

	while (next_part(&at, pattern->at + pattern->len, &last))
		continue;
	return last.len == 0 || strchr("*?[", last.at[0]) ? 0 : initial_of(&last);
}

static enum fit fit(const struct rule *rule, const char *path)
{
	struct pattern p;

	if (!split(rule->pattern, rule->pattern_len, rule->type != 'S', &p))
		return FIT_NONE;
	return match(&p, path);
}

bool rules_match(const char *pattern, size_t pattern_len, const char *path)
{
	struct pattern p;

	return split(pattern, pattern_len, false, &p) && match(&p, path) >= FIT_BELOW;
}

static bool is_of_type(const struct rule *rule, char type)
{
	return rule->type == type || (type == 'P' && rule->type == 'F');
}

const struct rule *rules_find(const struct rules *rules, char type, const char *path, bool is_dir)
{
	const uint64_t initials = initials_of(path);

	for (size_t i = 0; i < rules->n; i++) {
		const struct rule *rule = &rules->rules[i];
		enum fit found;

		if (!is_of_type(rule, type) || (rule->initial && !(rule->initial & initials)))
			continue;
		found = fit(rule, path);
		/* What has something below it is a folder, and none of F's business. */
		if (found == FIT_WHOLE && rule->type == 'F' && is_dir)
			continue;
		if (found == FIT_WHOLE || (found == FIT_BELOW && rule->type != 'F'))
			return rule;
	}
	return NULL;
}

const struct rule *rules_find_link(const struct rules *rules, const char *path)
{
	for (size_t i = 0; i < rules->n; i++)
		if (rules->rules[i].type != 'S' && fit(&rules->rules[i], path) == FIT_ABOVE)
			return &rules->rules[i];
	return NULL;
}

size_t rule_literal(const struct rule *rule, const char **ret_path)
{
	const char *at = rule->pattern;
	size_t len = rule->pattern_len;

	while (len > 3 && memcmp(at, "**/", 3) == 0) {
		at += 3;
		len -= 3;
	}
	for (size_t i = 0; i < len; i++)
		if (at[i] == '*' || at[i] == '?' || at[i] == '[')
			return 0;
	*ret_path = at;
	return len;
}

/* A line on its way into a rule. */
struct line {
	struct span fields[3];
	size_t n;
	unsigned number;
};

static int split_line(const char *at, size_t len, struct line *line, struct err *err)
{
	const char *end = at + len;

	for (line->n = 0;; at++) {
		const char *tab = memchr(at, '\t', (size_t)(end - at));

		if (line->n == ARRAY_SIZE(line->fields))
			return err_set(err, EINVAL, "rules, line %u: more than %zu fields",
				       line->number, ARRAY_SIZE(line->fields));
		line->fields[line->n++] = (struct span){at, (size_t)((tab ? tab : end) - at)};
		if (!tab)
			return 0;
		at = tab;
	}
}

static int check_pattern(const struct span *text, unsigned number, struct err *err)
{
	const char *at = text->at;
	const char *end = at + text->len;
	struct span part;
	size_t n = 0;

	if (text->len == 0 || text->len > RULES_PATTERN_MAX || end[-1] == '/')
		return err_set(err, EINVAL, "rules, line %u: no path of 1 to %u bytes", number,
			       RULES_PATTERN_MAX);
	for (; next_part(&at, end, &part); n++)
		if (part.len == 0 || span_is(&part, ".") || span_is(&part, ".."))
			return err_set(err, EINVAL,
				       "rules, line %u: a pattern is relative to the workspace, "
				       "without empty, \".\" and \"..\" components",
				       number);
	if (n > RULES_DEPTH_MAX)
		return err_set(err, EINVAL, "rules, line %u: more than %u components", number,
			       RULES_DEPTH_MAX);
	return 0;
}

static int take_path(struct rules *rules, const struct line *line, struct err *err)
{
	int r;

	if (rules->n == RULES_MAX)
		return err_set(err, EINVAL, "rules, line %u: more than %u rules", line->number,
			       RULES_MAX);
	r = check_pattern(&line->fields[1], line->number, err);
	if (r < 0)
		return r;
	rules->rules[rules->n++] = (struct rule){
		line->fields[0].at[0], line->fields[1].at,  line->fields[1].len,
		line->fields[2].at,    line->fields[2].len, initial_of_last(&line->fields[1]),
	};
	return 0;
}

static int take_links(struct rules *rules, const struct line *line, struct err *err)
{
	if (!span_is(&line->fields[1], "inside"))
		return err_set(err, EINVAL, "rules, line %u: links may be kept \"inside\", no more",
			       line->number);
	if (rules->links_inside)
		return err_set(err, EINVAL, "rules, line %u: a second rule for links",
			       line->number);
	rules->links_inside = true;
	rules->links_pointer = line->fields[2].at;
	rules->links_pointer_len = line->fields[2].len;
	return 0;
}

static int take_sync(struct rules *rules, const struct line *line, struct err *err)
{
	(void)line;
	(void)err;
	rules->sync = true;
	return 0;
}

static const struct {
	char type;
	size_t fields; /* the last is the pointer */
	int (*take)(struct rules *rules, const struct line *line, struct err *err);
} line_types[] = {
	{'P', 3, take_path},  {'F', 3, take_path}, {'S', 3, take_path},
	{'L', 3, take_links}, {'Y', 2, take_sync},
};

static int take_line(struct rules *rules, const struct line *line, struct err *err)
{
	const struct span *type = &line->fields[0];

	for (size_t i = 0; i < ARRAY_SIZE(line_types); i++) {
		if (type->len != 1 || type->at[0] != line_types[i].type)
			continue;
		if (line->n != line_types[i].fields)
			return err_set(err, EINVAL, "rules, line %u: %zu fields instead of %zu",
				       line->number, line->n, line_types[i].fields);
		if (line->fields[line->n - 1].len == 0 ||
		    line->fields[line->n - 1].len > RULES_POINTER_MAX)
			return err_set(err, EINVAL, "rules, line %u: no pointer of 1 to %u bytes",
				       line->number, RULES_POINTER_MAX);
		return line_types[i].take(rules, line, err);
	}
	return err_set(err, EINVAL, "rules, line %u: does not begin with P, F, S, L or Y",
		       line->number);
}

int rules_parse(const char *text, struct rules *ret, struct err *err)
{
	const char *end = text + strnlen(text, RULES_TEXT_MAX + 1);
	struct line line = {.number = 1};

	if ((size_t)(end - text) > RULES_TEXT_MAX)
		return err_set(err, EINVAL, "rules: more than %zu bytes", RULES_TEXT_MAX);
	*ret = (struct rules){0};
	for (; text < end; line.number++) {
		const char *feed = memchr(text, '\n', (size_t)(end - text));
		const char *stop = feed ? feed : end;
		int r = split_line(text, (size_t)(stop - text), &line, err);

		if (r == 0)
			r = take_line(ret, &line, err);
		if (r < 0)
			return r;
		text = feed ? feed + 1 : end;
	}
	return 0;
}
