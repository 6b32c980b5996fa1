/*
 * Theory of operation: a text is made safe to look at first, so that no escape sequence splits what a
 * reader would see as one. Then it gets a map, one byte for each of its own, in which everything that is
 * to be hidden is marked: by shape (pattern.c), and by a name in front of a value:
 *
 *	NAME=VALUE  --NAME VALUE  NAME: VALUE to the end of the line  "NAME": "VALUE"
 *
 * A value ends at a quote, a blank or the like that is not escaped: text within text - a command line in JSON,
 * JSON in a command line - is escaped anew at each depth, so what counts are the backslashes in front of
 * its opening quote.
 *
 * Each pass goes over the text once; runs of marked bytes are replaced, widened to whole characters. A name is cut into words at "_",
 * "-", "." and where a capital begins one, so that "max_tokens" and "tokenizer" stay what they are while
 * "authToken" does not.
 *
 * JSON is walked with a stack of our own: depth, values and bytes are capped.
 */
#include "audit/mask.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define SPANS_MAX 64U
#define WORD_BYTES 40U
#define WORDS_MAX 8U
#define NAME_BYTES_MAX 128U /* of a longer name the end counts */

static const char *const shapes[] = {
	"A[KS]IA[A-Z0-9]{16}",				  /* AWS access keys */
	"gh[pousr]_[A-Za-z0-9]{20,}",			  /* GitHub */
	"github_pat_\\w{20,}",				  /* ... fine-grained */
	"gl[a-z]{2,6}-[A-Za-z0-9_-]{20,}",		  /* GitLab: glpat-, gldt-, ... */
	"xox[abeprs]-[A-Za-z0-9-]{10,}",		  /* Slack */
	"xapp-\\d-[A-Za-z0-9-]{10,}",			  /* ... apps */
	"hooks\\.slack\\.com/services/[A-Za-z0-9/]{20,}", /* ... web hooks */
	"sk-[A-Za-z0-9_-]{20,}",			  /* OpenAI, Anthropic and others */
	"[sr]k_live_[A-Za-z0-9]{16,}",			  /* Stripe */
	"[sr]k_test_[A-Za-z0-9]{16,}",
	"npm_[A-Za-z0-9]{20,}",
	"pypi-[A-Za-z0-9_-]{20,}",
	"AIza[A-Za-z0-9_-]{30,}",				      /* Google API keys */
	"ya29\\.[A-Za-z0-9_-]{20,}",				      /* Google OAuth */
	"hf_[A-Za-z0-9]{20,}",					      /* Hugging Face */
	"eyJ[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{8,}\\.?[A-Za-z0-9_-]*", /* JWT */
	"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY-----[A-Za-z0-9+/= \\n\\t\\\\:,-]*",
	"[Bb]earer [ ]*[A-Za-z0-9._~+/=-]{8,}",	    /* RFC 6750 */
	"[Bb]asic [ ]*[A-Za-z0-9+/]{8,}=?=?",	    /* RFC 7617 */
	"://[^/@: \\t\\n\"'`]*:[^/@ \\t\\n\"'`]+@", /* a password in a URL */
};

/* Words of names, in small letters. */
static const struct {
	const char *word;
	bool as_end;	/* also at the end of a longer word: "pgpassword" */
	bool not_alone; /* PWD is a folder */
} words[] = {
	{"password", true, false},    {"passwd", true, false},	      {"passphrase", true, false},
	{"pwd", false, true},	      {"secret", true, false},	      {"secrets", false, false},
	{"token", true, false},	      {"apikey", true, false},	      {"accesskey", true, false},
	{"privatekey", true, false},  {"secretkey", true, false},     {"credential", true, false},
	{"credentials", true, false}, {"authorization", true, false}, {"cookie", true, false},
	{"auth", false, false},	      {"bearer", false, false},
};
/* ... and what makes a secret of the word "key" behind it. */
static const char *const key_words[] = {"api",	   "access", "private",	   "secret",
					"signing", "master", "encryption", "account",
					"deploy",  "ssh",    "service"};

struct mask {
	struct pattern *patterns;
	size_t n_patterns;
	char **names; /* in small letters, without "-" and "_" */
	size_t n_names;
};

static int add_pattern(struct mask *mask, const char *text, struct err *err)
{
	struct pattern *grown = reallocarray(mask->patterns, mask->n_patterns + 1, sizeof(*grown));
	int r;

	if (!grown)
		return err_set(err, ENOMEM, "no memory for a pattern");
	mask->patterns = grown;
	r = pattern_parse(text, &grown[mask->n_patterns], err);
	if (r == 0)
		mask->n_patterns++;
	return r;
}

struct mask *mask_new(void)
{
	struct mask *mask = calloc(1, sizeof(*mask));
	struct err err;

	for (size_t i = 0; mask && i < ARRAY_SIZE(shapes); i++) {
		if (add_pattern(mask, shapes[i], &err) < 0) {
			mask_free(mask);
			return NULL;
		}
	}
	return mask;
}

void mask_free(struct mask *mask)
{
	if (!mask)
		return;
	for (size_t i = 0; i < mask->n_names; i++)
		free(mask->names[i]);
	free(mask->names);
	free(mask->patterns);
	free(mask);
}

int mask_add_pattern(struct mask *mask, const char *pattern, struct err *err)
{
	if (mask->n_patterns >= ARRAY_SIZE(shapes) + MASK_PATTERNS_MAX)
		return err_set(err, E2BIG, "more than %u patterns", MASK_PATTERNS_MAX);
	return add_pattern(mask, pattern, err);
}

/* "Api-Key" to "apikey". */
static void squash(const char *name, size_t len, char dst[NAME_BYTES_MAX + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < NAME_BYTES_MAX; i++)
		if (name[i] != '-' && name[i] != '_')
			dst[n++] = (char)tolower((unsigned char)name[i]);
	dst[n] = '\0';
}

int mask_add_name(struct mask *mask, const char *name, struct err *err)
{
	char squashed[NAME_BYTES_MAX + 1];
	char **grown;

	squash(name, strlen(name), squashed);
	if (squashed[0] == '\0' || strlen(name) > NAME_BYTES_MAX)
		return err_set(err, EINVAL, "a name has 1 to %u bytes", NAME_BYTES_MAX);
	if (mask->n_names >= MASK_NAMES_MAX)
		return err_set(err, E2BIG, "more than %u names", MASK_NAMES_MAX);
	grown = reallocarray(mask->names, mask->n_names + 1, sizeof(*grown));
	if (!grown)
		return err_set(err, ENOMEM, "no memory for a name");
	mask->names = grown;
	grown[mask->n_names] = strdup(squashed);
	if (!grown[mask->n_names])
		return err_set(err, ENOMEM, "no memory for a name");
	mask->n_names++;
	return 0;
}

struct name_words {
	char at[WORDS_MAX][WORD_BYTES];
	size_t n;
};

/* The last WORDS_MAX words: those in front rarely say what a thing is. */
static void split(const char *name, size_t len, struct name_words *ret)
{
	size_t used = 0;

	ret->n = 0;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];
		bool joins = c == '_' || c == '-' || c == '.';
		bool begins = isupper(c) && i > 0 && islower((unsigned char)name[i - 1]);

		if (joins || begins)
			used = 0;
		if (joins)
			continue;
		if (used == 0) {
			if (ret->n == WORDS_MAX) {
				memmove(ret->at[0], ret->at[1],
					sizeof(ret->at[0]) * (WORDS_MAX - 1));
				ret->n--;
			}
			ret->n++;
		}
		if (used + 1 < WORD_BYTES)
			ret->at[ret->n - 1][used++] = (char)tolower(c);
		ret->at[ret->n - 1][used] = '\0';
	}
}

static bool word_is_secret(const char *word, bool alone)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i].word);

		if (len < n || (words[i].not_alone && alone))
			continue;
		if (strcmp(word + len - n, words[i].word) == 0 && (len == n || words[i].as_end))
			return true;
	}
	return false;
}

static bool makes_key_secret(const char *word)
{
	for (size_t i = 0; i < ARRAY_SIZE(key_words); i++)
		if (strcmp(word, key_words[i]) == 0)
			return true;
	return false;
}

bool mask_is_secret_name(const struct mask *mask, const char *name, size_t len)
{
	char squashed[NAME_BYTES_MAX + 1];
	struct name_words all;

	if (len > NAME_BYTES_MAX) {
		name += len - NAME_BYTES_MAX;
		len = NAME_BYTES_MAX;
	}
	squash(name, len, squashed);
	for (size_t i = 0; i < mask->n_names; i++)
		if (strcmp(mask->names[i], squashed) == 0)
			return true;
	split(name, len, &all);
	for (size_t i = 0; i < all.n; i++) {
		if (word_is_secret(all.at[i], all.n == 1))
			return true;
		if (i > 0 && strncmp(all.at[i], "key", 3) == 0 && strlen(all.at[i]) <= 4 &&
		    makes_key_secret(all.at[i - 1]))
			return true;
	}
	return false;
}

static bool is_name_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

static size_t skip(const char *text, size_t len, size_t at, const char *set)
{
	while (at < len && text[at] != '\0' && strchr(set, text[at]))
		at++;
	return at;
}

static size_t backslashes_before(const char *text, size_t at)
{
	size_t n = 0;

	while (n < at && text[at - 1 - n] == '\\')
		n++;
	return n;
}

/*
 * The first byte of @set from @at that is not escaped, in text whose quotes have @depth backslashes in
 * front. Each depth of quoting doubles them and adds one: with 1, \" closes and \\\" is a quote within;
 * what is escaped less belongs to a text further out, and ends this one, too.
 */
static size_t until(const char *text, size_t len, size_t at, const char *set, size_t depth)
{
	size_t period = 2 * (depth + 1);
	size_t run = 0;

	for (; at < len; at++) {
		if (text[at] == '\\') {
			run++;
			continue;
		}
		if (strchr(set, text[at]) && run % period != period - 1)
			return at;
		run = 0;
	}
	return len;
}

static bool is_quote(char c)
{
	return c == '"' || c == '\'';
}

/* The backslashes of the quote that the value at @from, or else the name at @name, begins behind. */
static size_t depth_of(const char *text, size_t name, size_t from)
{
	if (from > 0 && is_quote(text[from - 1]))
		return backslashes_before(text, from - 1);
	if (name > 0 && is_quote(text[name - 1]))
		return backslashes_before(text, name - 1);
	return 0;
}

/* The value of the name from @name to @at. Return: whether there is one. */
static bool find_value(const char *text, size_t len, size_t name, size_t at, bool option,
		       struct pattern_span *ret)
{
	size_t from = skip(text, len, at, "\\\"'");
	const char *ends = " \t\n\"';&|)<>";

	from = skip(text, len, from, " \t");
	if (from < len && (text[from] == '=' || text[from] == ':')) {
		if (text[from] == ':')
			ends = "\"'\n";
		from = skip(text, len, from, "=:");
		from = skip(text, len, from, " \t\\");
	} else if (option && from > at && (from == len || text[from] != '-')) {
		from = skip(text, len, from, "\\");
	} else {
		return false;
	}
	if (from < len && is_quote(text[from]))
		ends = text[from++] == '"' ? "\"\n" : "'\n";
	ret->from = from;
	ret->to = until(text, len, from, ends, depth_of(text, name, from));
	return ret->to > ret->from;
}

static void mark_names(const struct mask *mask, const char *text, size_t len, char *marks)
{
	size_t at = 0;

	while (at < len) {
		size_t begin = at;
		size_t dashes;
		struct pattern_span value;

		while (at < len && is_name_byte(text[at]))
			at++;
		if (at == begin) {
			at++;
			continue;
		}
		dashes = strspn(text + begin, "-");
		if (begin + dashes >= at ||
		    !mask_is_secret_name(mask, text + begin + dashes, at - begin - dashes) ||
		    !find_value(text, len, begin, at, dashes > 0, &value))
			continue;
		memset(marks + value.from, 1, value.to - value.from);
		at = value.to;
	}
}

static void mark_shapes(const struct mask *mask, const char *text, size_t len, char *marks)
{
	struct pattern_span spans[SPANS_MAX];

	for (size_t i = 0; i < mask->n_patterns; i++) {
		size_t n = pattern_find(&mask->patterns[i], text, len, spans, SPANS_MAX);

		for (size_t k = 0; k < n; k++)
			memset(marks + spans[k].from, 1, spans[k].to - spans[k].from);
	}
}

static bool is_in_character(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* A pattern is of bytes: what it takes of a character takes all of it. */
static void mark_characters(const char *text, size_t len, char *marks)
{
	size_t begin = 0;

	for (size_t at = 0; at < len; at++) {
		if (!is_in_character(text[at]))
			begin = at;
		else if (marks[at] && !marks[at - 1])
			memset(marks + begin, 1, at - begin);
		else if (marks[at - 1])
			marks[at] = 1;
	}
}

static int append_marked(struct buf *out, const char *text, size_t len, const char *marks,
			 size_t whole)
{
	size_t at = 0;
	int r = 0;

	while (at < len && at < MASK_SHOWN_BYTES && r == 0) {
		size_t end = at;

		while (end < len && marks[end] == marks[at] &&
		       (marks[at] || end < MASK_SHOWN_BYTES))
			end++;
		/* Not in the middle of a character. */
		while (!marks[at] && end < len && end > at && is_in_character(text[end]))
			end--;
		if (end == at)
			break;
		if (marks[at])
			r = buf_printf(out, "[masked: %zu bytes]", end - at);
		else
			r = buf_append(out, text + at, end - at);
		at = end;
	}
	if (r == 0 && at < whole)
		r = buf_printf(out, "[cut: %zu more bytes]", whole - at);
	return r;
}

int mask_text(const struct mask *mask, const char *text, size_t len, struct buf *out)
{
	size_t looked = MIN(len, MASK_STRING_BYTES_MAX);
	struct buf safe = {0};
	char *marks = NULL;
	int r = text_append_safe(&safe, text, looked);

	if (r == 0)
		r = buf_append(&safe, "", 1);
	if (r == 0) {
		marks = calloc(1, safe.len);
		r = marks ? 0 : -ENOMEM;
	}
	if (r == 0) {
		mark_names(mask, safe.data, safe.len - 1, marks);
		mark_shapes(mask, safe.data, safe.len - 1, marks);
		mark_characters(safe.data, safe.len - 1, marks);
		r = append_marked(out, safe.data, safe.len - 1, marks,
				  safe.len - 1 + (len - looked));
	}
	free(marks);
	buf_fini(&safe);
	return r;
}

/* A container that is being copied. */
struct level {
	json_t *from;
	json_t *to; /* borrowed: it hangs in the one above */
	void *iter;
	size_t index;
	bool hidden; /* all of it has a secret name */
	bool next;   /* in a list: the element before was an option with a secret name */
};

struct walk {
	const struct mask *mask;
	struct level levels[MASK_DEPTH_MAX];
	size_t depth;
	size_t values;
};

static json_t *masked_string(const struct mask *mask, const char *text, size_t len)
{
	struct buf out = {0};
	json_t *string = NULL;

	if (mask_text(mask, text, len, &out) == 0)
		string = json_stringn(out.data ? out.data : "", out.len);
	buf_fini(&out);
	return string;
}

static json_t *hidden_value(json_t *value)
{
	size_t len = json_is_string(value) ? json_string_length(value) : 0;

	if (json_is_null(value) || json_is_boolean(value))
		return json_incref(value);
	return len > 0 || json_is_string(value) ? json_sprintf("[masked: %zu bytes]", len)
						: json_string("[masked: a number]");
}

/* Return: the copy of @value, which is empty yet when it is a container; NULL without memory. */
static json_t *copy_one(const struct mask *mask, json_t *value, bool hidden)
{
	if (json_is_object(value))
		return json_object();
	if (json_is_array(value))
		return json_array();
	if (hidden)
		return hidden_value(value);
	if (json_is_string(value))
		return masked_string(mask, json_string_value(value), json_string_length(value));
	return json_incref(value);
}

static int push_level(struct walk *w, json_t *from, json_t *to, bool hidden)
{
	if (!json_is_object(from) && !json_is_array(from))
		return 0;
	if (w->depth == MASK_DEPTH_MAX)
		return -E2BIG;
	w->levels[w->depth++] = (struct level){
		.from = from,
		.to = to,
		.iter = json_is_object(from) ? json_object_iter(from) : NULL,
		.hidden = hidden,
	};
	return 0;
}

static int step_object(struct walk *w, struct level *level)
{
	const char *key = json_object_iter_key(level->iter);
	json_t *value = json_object_iter_value(level->iter);
	bool hidden = level->hidden || mask_is_secret_name(w->mask, key, strlen(key));
	json_t *copy = copy_one(w->mask, value, hidden);
	struct buf name = {0};
	int r = copy ? mask_text(w->mask, key, strlen(key), &name) : -ENOMEM;

	if (r == 0)
		r = json_object_set(level->to, name.data ? name.data : "", copy) < 0 ? -ENOMEM : 0;
	buf_fini(&name);
	json_decref(copy);
	level->iter = json_object_iter_next(level->from, level->iter);
	return r == 0 ? push_level(w, value, copy, hidden) : r;
}

/* "--password", "-p" is too short to mean anything. */
static bool is_secret_option(const struct mask *mask, json_t *value)
{
	const char *text = json_string_value(value);
	size_t dashes = text ? strspn(text, "-") : 0;

	return dashes > 0 && !strpbrk(text, "= \n") &&
	       mask_is_secret_name(mask, text + dashes, strlen(text + dashes));
}

static int step_array(struct walk *w, struct level *level)
{
	json_t *value = json_array_get(level->from, level->index++);
	bool hidden = level->hidden || level->next;
	json_t *copy = copy_one(w->mask, value, hidden);
	int r = copy ? 0 : -ENOMEM;

	if (r == 0)
		r = json_array_append(level->to, copy) < 0 ? -ENOMEM : 0;
	level->next = is_secret_option(w->mask, value);
	json_decref(copy);
	return r == 0 ? push_level(w, value, copy, hidden) : r;
}

static int step(struct walk *w)
{
	struct level *level = &w->levels[w->depth - 1];
	bool object = json_is_object(level->from);

	if (object ? !level->iter : level->index >= json_array_size(level->from)) {
		w->depth--;
		return 0;
	}
	if (++w->values > MASK_VALUES_MAX)
		return -E2BIG;
	return object ? step_object(w, level) : step_array(w, level);
}

int mask_json(const struct mask *mask, json_t *value, json_t **ret)
{
	struct walk w = {.mask = mask};
	json_t *copy = copy_one(mask, value, false);
	int r = copy ? push_level(&w, value, copy, false) : -ENOMEM;

	while (r == 0 && w.depth > 0)
		r = step(&w);
	if (r < 0) {
		json_decref(copy);
		return r;
	}
	*ret = copy;
	return 0;
}
