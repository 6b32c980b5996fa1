/* Words that toolcell-policyc reads: only --help and --color are taken out. */
#include <criterion/criterion.h>
#include <string.h>

#include "cli/command.h"

static const struct {
	const char *words[6];
	const char *left[6];
	bool help;
	const char *color;
} rows[] = {
	{{"check", "x", NULL}, {"check", "x", NULL}, false, NULL},
	{{"list", "--help", NULL}, {"list", NULL}, true, NULL},
	{{"-h", NULL}, {NULL}, true, NULL},
	{{"--color=never", "list", NULL}, {"list", NULL}, false, "never"},
	{{"show", "--color", "always", "x", NULL}, {"show", "x", NULL}, false, "always"},
	{{"show", "--", "--help", NULL}, {"show", "--", "--help", NULL}, false, NULL},
	{{"list", "--jsno", NULL}, {"list", "--jsno", NULL}, false, NULL},
};

Test(delegate, takes_only_what_is_its_own)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *words[6];
		struct args args = {0};
		struct err err = {0};

		memcpy(words, rows[i].words, sizeof(words));
		cr_assert_eq(delegate_take_common(words, &args, &err), 0, "row %zu: %s", i,
			     err.text);
		for (size_t n = 0; rows[i].left[n] || words[n]; n++) {
			cr_assert(rows[i].left[n] && words[n], "row %zu word %zu", i, n);
			cr_assert_str_eq(words[n], rows[i].left[n], "row %zu word %zu", i, n);
		}
		cr_assert_eq(args.help, rows[i].help, "row %zu", i);
		cr_assert_eq(args.color == NULL, rows[i].color == NULL, "row %zu", i);
	}
}

Test(delegate, refuses_a_color_that_is_none)
{
	char word[] = "--color=blue";
	char *words[] = {word, NULL};
	struct args args = {0};
	struct err err = {0};

	cr_assert_lt(delegate_take_common(words, &args, &err), 0);
	cr_assert_not_null(strstr(err.text, "blue"));
}
