/*
 * Theory of operation: an expression is compiled up to twice. Most texts are *plain*, ASCII without
 * carriage returns, and for them code without UTF-8 finds the same lines, faster. All others get code
 * that knows UTF-8 (malformed bytes match nothing, pcre2unicode(3)), Unicode's letters and digits, and
 * "\r\n".
 *
 * A line is a text of its own: that is what the answer means. Calling PCRE2 for each line would cost
 * more than all the rest, so lines that may match are found first:
 *
 *	next_literal	a text that must be there (literal.h): only lines that have it are tried
 *	next_plain	the whole rest at once, where an expression cannot tell a line's ends from the
 *			rest's: no looking around, nothing possessive. A match within one line is one.
 *			A match that crosses a line's end says that this line has to be tried by itself;
 *			when that happens too often, the text is continued by next_line
 *	next_line	each line
 *
 * What a match may cost is limited in steps, depth and memory. The limits count for each start of a
 * match, and not every step: there remain expressions that take a time quadratic in a line's length.
 * The caller's deadline is for them.
 */
#include "tools/cell/files/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cell/files/literal.h"

#define CROSSED_MAX 16U /* matches across lines before a text is taken line by line */
#define STACK_MIN ((size_t)64 << 10)

enum variant { VARIANT_PLAIN = 0, VARIANT_FULL, VARIANT_N };

struct regex {
	struct {
		pcre2_code *code; /* NULL: the full one does */
		bool jit;
	} variants[VARIANT_N];
	struct literal literal;
	bool multiline;
};

struct regex_worker {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack;
};

static bool is_ascii(const char *s, size_t len)
{
	size_t i = 0;

	for (; i + 64 <= len; i += 64) {
		uint64_t words[8], all = 0;

		memcpy(words, s + i, sizeof(words));
		for (size_t j = 0; j < 8; j++)
			all |= words[j];
		if (all & 0x8080808080808080ULL)
			return false;
	}
	for (; i < len; i++)
		if ((unsigned char)s[i] >= 0x80)
			return false;
	return true;
}

/* A line end that is asked for outside of a set, where it could match. */
static bool asks_for_newline(const char *p, size_t len)
{
	bool in_set = false;

	for (size_t i = 0; i < len; i++) {
		if (p[i] == '\n')
			return true;
		if (p[i] == '\\' && i + 1 < len) {
			i++;
			if (p[i] == 'n' && !in_set)
				return true;
		} else if (p[i] == '[') {
			in_set = true;
		} else if (p[i] == ']') {
			in_set = false;
		}
	}
	return false;
}

static uint32_t options_of(enum variant variant, const struct regex_flags *flags)
{
	uint32_t options = PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;

	if (flags->ignore_case)
		options |= PCRE2_CASELESS;
	if (flags->multiline)
		options |= PCRE2_DOTALL;
	/* (*UTF) within an expression must not get code for malformed texts checked by nobody. */
	if (variant == VARIANT_PLAIN)
		return options | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP;
	return options | PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF;
}

static int compile(struct regex *re, enum variant variant, const char *pattern, size_t len,
		   const struct regex_flags *flags, struct regex_error *error)
{
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	int code = 0;
	PCRE2_SIZE offset = 0;

	if (!context)
		return -ENOMEM;
	(void)pcre2_set_newline(context, variant == VARIANT_PLAIN ? PCRE2_NEWLINE_LF
								  : PCRE2_NEWLINE_ANYCRLF);
	re->variants[variant].code = pcre2_compile((PCRE2_SPTR)pattern, len,
						   options_of(variant, flags), &code, &offset,
						   context);
	pcre2_compile_context_free(context);
	if (!re->variants[variant].code) {
		error->offset = offset;
		(void)pcre2_get_error_message(code, (PCRE2_UCHAR *)error->text,
					      sizeof(error->text));
		return -EINVAL;
	}
	/* Refused where memory may not be written and executed: then it is interpreted. A line with
	 * a literal is found without either. */
	if (!flags->slow && (!re->literal.whole || flags->multiline))
		re->variants[variant].jit = pcre2_jit_compile(re->variants[variant].code,
							      PCRE2_JIT_COMPLETE) == 0;
	return 0;
}

int regex_new(const char *pattern, size_t len, const struct regex_flags *flags, struct regex **ret,
	      struct regex_error *error)
{
	struct regex_error ignored;
	struct regex *re;
	int r;

	*error = (struct regex_error){0};
	if (!flags->multiline && asks_for_newline(pattern, len)) {
		error->needs_multiline = true;
		return -EINVAL;
	}
	re = calloc(1, sizeof(*re));
	if (!re)
		return -ENOMEM;
	re->multiline = flags->multiline;
	if (!flags->slow)
		literal_find_out(pattern, len, flags->ignore_case, &re->literal);
	r = compile(re, VARIANT_FULL, pattern, len, flags, error);
	/* An expression with other characters may mean something else without UTF-8; one that only
	 * UTF-8 can compile has no plain code. */
	if (r == 0 && !flags->slow && is_ascii(pattern, len))
		r = compile(re, VARIANT_PLAIN, pattern, len, flags, &ignored) == -ENOMEM ? -ENOMEM
											 : 0;
	if (r < 0) {
		regex_free(re);
		return r;
	}
	*ret = re;
	return 0;
}

void regex_free(struct regex *re)
{
	if (!re)
		return;
	for (size_t i = 0; i < VARIANT_N; i++)
		pcre2_code_free(re->variants[i].code);
	free(re);
}

bool regex_has_jit(const struct regex *re)
{
	return re->variants[VARIANT_FULL].jit;
}

int regex_worker_new(struct regex_worker **ret)
{
	struct regex_worker *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->data = pcre2_match_data_create(1, NULL);
	w->context = pcre2_match_context_create(NULL);
	w->stack = pcre2_jit_stack_create(STACK_MIN, REGEX_STACK_MAX, NULL);
	if (!w->data || !w->context || !w->stack) {
		regex_worker_free(w);
		return -ENOMEM;
	}
	(void)pcre2_set_match_limit(w->context, REGEX_MATCH_LIMIT);
	(void)pcre2_set_depth_limit(w->context, REGEX_DEPTH_LIMIT);
	(void)pcre2_set_heap_limit(w->context, REGEX_HEAP_KIB);
	pcre2_jit_stack_assign(w->context, NULL, w->stack);
	*ret = w;
	return 0;
}

void regex_worker_free(struct regex_worker *w)
{
	if (!w)
		return;
	pcre2_match_data_free(w->data);
	pcre2_match_context_free(w->context);
	pcre2_jit_stack_free(w->stack);
	free(w);
}

static void look(struct regex_text *t)
{
	if (t->looked)
		return;
	t->looked = true;
	t->returns = memchr(t->data, '\r', t->len);
	t->plain = !t->returns && is_ascii(t->data, t->len);
}

static enum variant variant_of(const struct regex *re, struct regex_text *t)
{
	look(t);
	return t->plain && re->variants[VARIANT_PLAIN].code ? VARIANT_PLAIN : VARIANT_FULL;
}

/* One call of PCRE2; offsets are relative to @data. */
static enum regex_result match(const struct regex *re, enum variant v, struct regex_worker *w,
			       const char *data, size_t len, size_t from, size_t *ret_begin,
			       size_t *ret_end)
{
	const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(w->data);
	int r = (re->variants[v].jit ? pcre2_jit_match : pcre2_match)(re->variants[v].code,
								      (PCRE2_SPTR)data, len, from,
								      0, w->data, w->context);

	if (r == PCRE2_ERROR_NOMATCH)
		return REGEX_NONE;
	if (r < 0)
		return REGEX_LIMIT;
	*ret_begin = offsets[0];
	*ret_end = offsets[1] < offsets[0] ? offsets[0] : offsets[1]; /* \K can turn them round */
	return REGEX_MATCH;
}

/* The line that holds @at, which is below t->len. */
static void line_around(const struct regex_text *t, size_t from, size_t at, struct regex_hit *ret)
{
	const char *before = at > from ? memrchr(t->data + from, '\n', at - from) : NULL;
	const char *behind = memchr(t->data + at, '\n', t->len - at);

	ret->line_begin = before ? (size_t)(before - t->data) + 1 : from;
	ret->line_end = behind ? (size_t)(behind - t->data) : t->len;
}

/* The line at ret->line_begin by itself. */
static enum regex_result try_line(const struct regex *re, struct regex_worker *w,
				  struct regex_text *t, struct regex_hit *ret)
{
	size_t begin = ret->line_begin, end = ret->line_end;
	enum regex_result r;

	atomic_store_explicit(&t->at, begin, memory_order_relaxed);
	r = match(re, variant_of(re, t), w, t->data + begin, end - begin, 0, &ret->begin,
		  &ret->end);
	ret->begin = begin + (r == REGEX_MATCH ? ret->begin : 0);
	ret->end = r == REGEX_MATCH ? begin + ret->end : end;
	return r;
}

static enum regex_result next_line(const struct regex *re, struct regex_worker *w,
				   struct regex_text *t, size_t from, struct regex_hit *ret)
{
	for (; from < t->len; from = ret->line_end + 1) {
		enum regex_result r;

		line_around(t, from, from, ret);
		r = try_line(re, w, t, ret);
		if (r != REGEX_NONE)
			return r;
	}
	return REGEX_NONE;
}

static enum regex_result next_literal(const struct regex *re, struct regex_worker *w,
				      struct regex_text *t, size_t from, struct regex_hit *ret)
{
	while (from < t->len) {
		const char *at = literal_search(&re->literal, t->data + from, t->data + t->len);
		enum regex_result r = REGEX_MATCH;

		if (!at)
			break;
		line_around(t, from, (size_t)(at - t->data), ret);
		ret->begin = (size_t)(at - t->data);
		ret->end = ret->begin + re->literal.len;
		if (!re->literal.whole)
			r = try_line(re, w, t, ret);
		if (r != REGEX_NONE)
			return r;
		from = ret->line_end + 1;
	}
	return REGEX_NONE;
}

static enum regex_result next_plain(const struct regex *re, struct regex_worker *w,
				    struct regex_text *t, size_t from, struct regex_hit *ret)
{
	enum variant v = variant_of(re, t);

	while (from < t->len) {
		enum regex_result r;

		atomic_store_explicit(&t->at, from, memory_order_relaxed);
		r = match(re, v, w, t->data, t->len, from, &ret->begin, &ret->end);
		if (r == REGEX_NONE)
			return REGEX_NONE;
		/* Which line was too much is not known: one by one. */
		if (r == REGEX_LIMIT)
			break;
		/* Behind a last line end there is no line. */
		if (ret->begin >= t->len && t->data[t->len - 1] == '\n')
			return REGEX_NONE;
		line_around(t, from, ret->begin < t->len ? ret->begin : t->len - 1, ret);
		/* Between "\r" and "\n" PCRE2 sees a line's begin, which is none: asked again. */
		if (ret->end <= ret->line_end && !t->returns)
			return REGEX_MATCH;
		if (ret->end > ret->line_end && ++t->crossed > CROSSED_MAX) {
			from = ret->line_begin;
			break;
		}
		r = try_line(re, w, t, ret);
		if (r != REGEX_NONE)
			return r;
		from = ret->line_end + 1;
	}
	if (from >= t->len)
		return REGEX_NONE;
	t->line_by_line = true;
	return next_line(re, w, t, from, ret);
}

static enum regex_result next_multiline(const struct regex *re, struct regex_worker *w,
					struct regex_text *t, size_t from, struct regex_hit *ret)
{
	struct regex_hit last;
	enum regex_result r;

	if (from > t->len || t->len == 0)
		return REGEX_NONE;
	if (re->literal.len > 0 && !literal_search(&re->literal, t->data + from, t->data + t->len))
		return REGEX_NONE;
	atomic_store_explicit(&t->at, from, memory_order_relaxed);
	r = match(re, variant_of(re, t), w, t->data, t->len, from, &ret->begin, &ret->end);
	if (r == REGEX_LIMIT)
		ret->begin = ret->end = from;
	if (r == REGEX_NONE ||
	    (r == REGEX_MATCH && ret->begin >= t->len && t->data[t->len - 1] == '\n'))
		return REGEX_NONE;
	line_around(t, 0, ret->begin < t->len ? ret->begin : t->len - 1, ret);
	/* A match that ends with a line end does not touch the line behind it. */
	if (ret->end > ret->begin) {
		line_around(t, 0, ret->end - 1, &last);
		ret->line_end = last.line_end;
	}
	return r;
}

enum regex_result regex_next(const struct regex *re, struct regex_worker *w, struct regex_text *t,
			     size_t from, struct regex_hit *ret)
{
	*ret = (struct regex_hit){0};
	if (re->multiline)
		return next_multiline(re, w, t, from, ret);
	if (re->literal.len > 0)
		return next_literal(re, w, t, from, ret);
	if (!re->literal.plain || t->line_by_line)
		return next_line(re, w, t, from, ret);
	/* Without machine code PCRE2 would look at all of the rest each time whether it is UTF-8. */
	if (!re->variants[variant_of(re, t)].jit && !t->plain)
		return next_line(re, w, t, from, ret);
	return next_plain(re, w, t, from, ret);
}

enum regex_result regex_in_line(const struct regex *re, struct regex_worker *w,
				struct regex_text *t, const struct regex_hit *line, size_t from,
				size_t *ret_begin, size_t *ret_end)
{
	size_t begin = line->line_begin, end = line->line_end;
	enum regex_result r;

	if (from > end)
		return REGEX_NONE;
	r = match(re, variant_of(re, t), w, t->data + begin, end - begin, from - begin, ret_begin,
		  ret_end);
	if (r == REGEX_MATCH) {
		*ret_begin += begin;
		*ret_end += begin;
	}
	return r;
}
