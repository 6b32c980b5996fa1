/* Looking at JSON that a test was given, by paths such as "data.tests.results.0.name". */
#ifndef TOOLCELL_TEST_JSON_AT_H
#define TOOLCELL_TEST_JSON_AT_H

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NULL when a step is not there. */
static inline json_t *at(json_t *value, const char *path)
{
	char step[64];

	while (value && *path) {
		size_t n = strcspn(path, ".");

		(void)snprintf(step, sizeof(step), "%.*s", (int)n, path);
		value = json_is_array(value) ? json_array_get(value, (size_t)atoi(step))
					     : json_object_get(value, step);
		path += n + (path[n] == '.');
	}
	return value;
}

static inline const char *str_at(json_t *value, const char *path)
{
	const char *s = json_string_value(at(value, path));

	return s ? s : "(none)";
}

static inline long num_at(json_t *value, const char *path)
{
	json_t *n = at(value, path);

	return json_is_integer(n) ? (long)json_integer_value(n) : -1;
}

#define EXPECT_STR(value, path, want) \
	cr_assert_str_eq(str_at(value, path), want, "%s is \"%s\"", path, str_at(value, path))
#define EXPECT_NUM(value, path, want) \
	cr_assert_eq(num_at(value, path), (long)(want), "%s is %ld", path, num_at(value, path))

#endif
