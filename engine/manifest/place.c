/*
 * Theory of operation: the words in which all load-time checks complain: file, "#", JSON pointer,
 * what was expected. One message, the first one; a manifest is short and its author is at hand.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "manifest/check.h"

int place_refuse(const struct place *p, const char *where, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(p->err, EINVAL, "%s#%s: %s", p->file, where, n < 0 ? "wrong" : text);
}

int place_unknown(const struct place *p, const char *where, const char *what, const char *got,
		  const char *const *known, size_t n)
{
	const char *nearest = text_nearest(got, known, n);
	char shown[64];

	(void)text_quote(shown, sizeof(shown), got, strlen(got));
	if (nearest)
		return place_refuse(p, where, "unknown %s \"%s\"; did you mean \"%s\"?", what,
				    shown, nearest);
	return place_refuse(p, where, "unknown %s \"%s\"", what, shown);
}

int place_keys(const struct place *p, const char *where, json_t *object, const char *const *known,
	       size_t n)
{
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach(object, key, value) {
		for (i = 0; i < n && strcmp(known[i], key) != 0; i++)
			;
		if (i == n)
			return place_unknown(p, where, "key", key, known, n);
	}
	return 0;
}

int place_strings(const struct place *p, const char *where, json_t *value, size_t at_least)
{
	json_t *one;
	size_t i;

	if (!json_is_array(value) || json_array_size(value) < at_least)
		return place_refuse(p, where, "expected an array of at least %zu strings, got %s",
				    at_least, json_kind(value));
	json_array_foreach(value, i, one) {
		if (!json_is_string(one))
			return place_refuse(p, where, "element %zu: expected a string, got %s", i,
					    json_kind(one));
		if (strlen(json_string_value(one)) != json_string_length(one))
			return place_refuse(p, where, "element %zu holds a NUL character", i);
	}
	return 0;
}
