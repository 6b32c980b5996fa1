/* KEY=VALUE and KEY:=JSON into an arguments object. */
#include "cli/words.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

static const struct {
	const char *words[4];
	const char *json;
} good[] = {
	{{NULL}, "{}"},
	{{"command=ls -l", NULL}, "{\"command\":\"ls -l\"}"},
	{{"a=1", "b:=1", NULL}, "{\"a\":\"1\",\"b\":1}"},
	{{"args:=[\"--workspace\"]", NULL}, "{\"args\":[\"--workspace\"]}"},
	{{"ok:=true", "none:=null", NULL}, "{\"ok\":true,\"none\":null}"},
	{{"eq=a=b:=c", NULL}, "{\"eq\":\"a=b:=c\"}"},
	{{"empty=", NULL}, "{\"empty\":\"\"}"},
	{{"quote=\"\n", NULL}, "{\"quote\":\"\\\"\\n\"}"},
};

Test(words, become_one_object)
{
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		char *const *words = (char *const *)(uintptr_t)good[i].words;
		struct err err = {0};
		char *json = NULL;

		cr_assert_eq(words_check(words, &err), 0, "row %zu: %s", i, err.text);
		cr_assert_eq(words_to_json(words, &json, &err), 0, "row %zu: %s", i, err.text);
		cr_assert_str_eq(json, good[i].json, "row %zu", i);
		free(json);
	}
}

static const struct {
	const char *words[4];
	const char *text;
	bool late; /* only its value is wrong */
} bad[] = {
	{{"command", NULL}, "neither KEY=VALUE nor KEY:=JSON", false},
	{{"=x", NULL}, "neither", false},
	{{"a b=x", NULL}, "neither", false},
	{{"a:x", NULL}, "neither", false},
	{{"\033[2J=x", NULL}, "neither", false},
	{{"a=1", "b=2", "a:=3", NULL}, "\"a\" is given twice", false},
	{{"a:=", NULL}, "\"a\" is not JSON", true},
	{{"a:={", NULL}, "\"a\" is not JSON", true},
	{{"a:=1 2", NULL}, "\"a\" is not JSON", true},
	{{"a:={\"k\":1,\"k\":2}", NULL}, "\"a\" is not JSON", true},
	{{"a=\xff", NULL}, "\"a\" is not UTF-8", true},
};

Test(words, that_are_wrong_are_named)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *const *words = (char *const *)(uintptr_t)bad[i].words;
		struct err err = {0};
		char *json = NULL;

		cr_assert_eq(words_check(words, &err), bad[i].late ? 0 : -EINVAL, "row %zu", i);
		if (bad[i].late)
			cr_assert_eq(words_to_json(words, &json, &err), -EINVAL, "row %zu", i);
		cr_assert_not_null(strstr(err.text, bad[i].text), "row %zu: %s", i, err.text);
		cr_assert_null(strchr(err.text, '\033'), "row %zu", i);
		cr_assert_null(json, "row %zu", i);
	}
}

Test(words, have_a_ceiling)
{
	static char text[WORDS_MAX + 1][16];
	char *words[WORDS_MAX + 2] = {NULL};
	struct err err = {0};

	for (int i = 0; i <= WORDS_MAX; i++) {
		(void)snprintf(text[i], sizeof(text[i]), "k%d=v", i);
		words[i] = text[i];
	}
	cr_assert_eq(words_check(words, &err), -E2BIG);
	words[WORDS_MAX] = NULL;
	cr_assert_eq(words_check(words, &err), 0);
}

static int read_bytes(const char *data, size_t len, size_t sparse, char **ret, struct err *err)
{
	CLEANUP(fd_closep) int fd = memfd_create("words", MFD_CLOEXEC);

	cr_assert_eq(fd_write_full(fd, data, len), 0);
	if (sparse)
		cr_assert_eq(ftruncate(fd, (off_t)sparse), 0);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	return words_read_json(fd, ret, err);
}

Test(words, from_a_descriptor_are_bounded_text)
{
	struct err err = {0};
	char *json = NULL;

	cr_assert_eq(read_bytes("", 0, 0, &json, &err), -EINVAL);
	cr_assert_eq(read_bytes("a\0b", 3, 0, &json, &err), -EINVAL);
	cr_assert_eq(read_bytes("{", 1, WORDS_JSON_BYTES_MAX + 1, &json, &err), -E2BIG);
	cr_assert_null(json);
	cr_assert_eq(read_bytes("{\"a\":1}", 7, 0, &json, &err), 0);
	cr_assert_str_eq(json, "{\"a\":1}");
	free(json);
}
