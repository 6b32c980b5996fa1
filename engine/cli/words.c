/*
 * Theory of operation: the form of the words is checked before an engine is started, without
 * looking at their values; the values are parsed in the confined process, because a script may well
 * have put a model's words there.
 */
#include "cli/words.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/text.h"

#define SHOWN_MAX 80
#define KEY_SHOWN_MAX ((size_t)64)
#define CHUNK_BYTES 8192

struct word {
	const char *key;
	size_t key_len;
	const char *value;
	bool json;
};

static bool split(const char *text, struct word *ret)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	size_t len = strspn(text, letters);

	if (len == 0)
		return false;
	ret->key = text;
	ret->key_len = len;
	ret->json = text[len] == ':' && text[len + 1] == '=';
	if (!ret->json && text[len] != '=')
		return false;
	ret->value = text + len + (ret->json ? 2 : 1);
	return true;
}

static bool same_key(const struct word *a, const struct word *b)
{
	return a->key_len == b->key_len && memcmp(a->key, b->key, a->key_len) == 0;
}

int words_check(char *const *words, struct err *err)
{
	struct word seen[WORDS_MAX];
	char shown[SHOWN_MAX];

	for (size_t n = 0; words[n]; n++) {
		(void)text_quote(shown, sizeof(shown), words[n], strlen(words[n]));
		if (n >= WORDS_MAX)
			return err_set(err, E2BIG, "more than %d arguments; use --json", WORDS_MAX);
		if (!split(words[n], &seen[n]))
			return err_set(err, EINVAL,
				       "argument \"%s\" is neither KEY=VALUE nor KEY:=JSON", shown);
		for (size_t i = 0; i < n; i++)
			if (same_key(&seen[i], &seen[n]))
				return err_set(err, EINVAL,
					       "argument \"%.*s\" is given twice; for a list "
					       "use KEY:='[...]'",
					       (int)MIN(seen[n].key_len, KEY_SHOWN_MAX),
					       seen[n].key);
	}
	return 0;
}

static int word_value(const struct word *word, json_t **ret, struct err *err)
{
	int shown = (int)MIN(word->key_len, KEY_SHOWN_MAX);
	json_error_t why;

	if (word->json) {
		*ret = json_loads(word->value, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
		return *ret ? 0
			    : err_set(err, EINVAL, "argument \"%.*s\" is not JSON: %s (column %d)",
				      shown, word->key, why.text, why.column);
	}
	if (!text_is_utf8(word->value, strlen(word->value)))
		return err_set(err, EINVAL, "argument \"%.*s\" is not UTF-8", shown, word->key);
	*ret = json_string(word->value);
	return *ret ? 0 : err_set(err, ENOMEM, "no memory for arguments");
}

static int add_word(json_t *object, const char *text, struct err *err)
{
	struct word word;
	json_t *value = NULL;
	char *key;
	int r;

	if (!split(text, &word))
		return err_set(err, EINVAL, "an argument is neither KEY=VALUE nor KEY:=JSON");
	r = word_value(&word, &value, err);
	if (r < 0)
		return r;
	key = strndup(word.key, word.key_len);
	r = key && json_object_set(object, key, value) == 0 ? 0 : -ENOMEM;
	free(key);
	json_decref(value);
	return r < 0 ? err_set(err, ENOMEM, "no memory for arguments") : 0;
}

int words_to_json(char *const *words, char **ret, struct err *err)
{
	json_t *object = json_object();
	char *text = NULL;
	int r = object ? 0 : err_set(err, ENOMEM, "no memory for arguments");

	for (size_t i = 0; r == 0 && words[i]; i++)
		r = add_word(object, words[i], err);
	if (r == 0) {
		text = json_dumps(object, JSON_COMPACT);
		r = text ? 0 : err_set(err, ENOMEM, "no memory for arguments");
	}
	json_decref(object);
	if (r == 0)
		*ret = text;
	return r;
}

int words_read_json(int fd, char **ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf in = {.cap = WORDS_JSON_BYTES_MAX};
	char chunk[CHUNK_BYTES];
	ssize_t n;
	int r;

	while ((n = fd_read_full(fd, chunk, sizeof(chunk))) > 0) {
		r = buf_append(&in, chunk, (size_t)n);
		if (r == -E2BIG)
			return err_set(err, E2BIG,
				       "the arguments on standard input have more than %zu "
				       "bytes",
				       WORDS_JSON_BYTES_MAX);
		if (r < 0)
			return err_set(err, -r, "cannot keep the arguments on standard input");
	}
	if (n < 0)
		return err_set(err, (int)-n, "cannot read the arguments on standard input");
	if (in.len == 0 || memchr(in.data, '\0', in.len))
		return err_set(err, EINVAL, "the arguments on standard input are %s",
			       in.len ? "not text: they hold a NUL byte" : "empty");
	*ret = buf_take(&in, NULL);
	return 0;
}
