/*
 * Theory of operation: a first pass counts brackets and commas outside of strings, which bounds the
 * recursion and the memory of the second, jansson's. The first pass may misjudge text that is not
 * JSON; the second refuses that.
 */
#include "rpc/parse.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "rpc/rpc.h"

/* Byte after the string whose opening quote is at @i; @len when it never ends. */
static size_t skip_string(const char *data, size_t len, size_t i)
{
	for (i++; i < len; i++) {
		if (data[i] == '\\')
			i++;
		else if (data[i] == '"')
			return i + 1;
	}
	return len;
}

static int check_bounds(const char *data, size_t len, struct err *err)
{
	size_t depth = 0;
	size_t values = 1;

	for (size_t i = 0; i < len;) {
		char c = data[i];

		if (c == '"') {
			i = skip_string(data, len, i);
			continue;
		}
		i++;
		if (c == '[' || c == '{')
			depth++;
		else if ((c == ']' || c == '}') && depth > 0)
			depth--;
		if (c == '[' || c == '{' || c == ',')
			values++;
		if (depth > RPC_DEPTH_MAX)
			return err_set(err, EINVAL, "JSON nested deeper than %d levels at byte %zu",
				       RPC_DEPTH_MAX, i);
		if (values > PARSE_VALUES_MAX)
			return err_set(err, EINVAL, "JSON of more than %zu values at byte %zu",
				       PARSE_VALUES_MAX, i);
	}
	return 0;
}

json_t *parse_json(const char *data, size_t len, struct err *err)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY;
	char quoted[2 * JSON_ERROR_TEXT_LENGTH];
	json_error_t error;
	json_t *value;

	if (check_bounds(data, len, err) < 0)
		return NULL;
	value = json_loadb(data, len, flags, &error);
	if (value)
		return value;
	/* Most of jansson's failures to allocate leave no words. */
	if (json_error_code(&error) == json_error_out_of_memory || error.text[0] == '\0')
		err_set(err, ENOMEM, "cannot hold a line of %zu bytes", len);
	else
		err_set(err, EINVAL, "not valid JSON at byte %d: %s", error.position,
			text_quote(quoted, sizeof(quoted), error.text, strlen(error.text)));
	return NULL;
}

const char *parse_string(const json_t *value)
{
	const char *text = json_string_value(value);

	if (!text || strlen(text) != json_string_length(value))
		return NULL;
	return text;
}

bool parse_id(const json_t *id)
{
	return json_is_integer(id) ||
	       (json_is_string(id) && json_string_length(id) <= PARSE_ID_BYTES_MAX);
}
