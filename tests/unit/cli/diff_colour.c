/* A diff for a terminal: what colours a line, and what no content can do. */
#include "cli/diff_colour.h"

#include <criterion/criterion.h>
#include <string.h>

static char *colored(const char *text, size_t len, bool color)
{
	struct buf out = {0};

	cr_assert_eq(diff_colour(&out, text, len, color), 0);
	return buf_take(&out, NULL);
}

static const char plain[] = "--- a/x\n"
			    "+++ b/x\n"
			    "@@ -1,2 +1,2 @@\n"
			    " kept\n"
			    "--- gone\n"
			    "+++ come\n"
			    "@@ -5 +5 @@\n"
			    "-a\n"
			    "+b\n"
			    "\\ No newline at end of file\n"
			    "--- a/y\n";

Test(diff_colour, without_colour_is_the_diff_itself)
{
	char *text = colored(plain, strlen(plain), false);

	cr_assert_str_eq(text, plain);
	free(text);
}

Test(diff_colour, goes_by_the_counts_of_the_hunk_and_not_by_what_lines_look_like)
{
	char *text = colored(plain, strlen(plain), true);

	cr_assert_not_null(strstr(text, "\033[1m--- a/x\033[0m\n"));
	cr_assert_not_null(strstr(text, "\033[33m@@ -1,2 +1,2 @@\033[0m\n kept\n"));
	cr_assert_not_null(strstr(text, "\033[31m--- gone\033[0m\n"), "content, and removed");
	cr_assert_not_null(strstr(text, "\033[32m+++ come\033[0m\n"), "content, and added");
	cr_assert_not_null(strstr(text, "\033[31m-a\033[0m\n\033[32m+b\033[0m\n"));
	cr_assert_not_null(strstr(text, "\033[1m--- a/y\033[0m\n"), "a head again");
	free(text);
}

static const struct {
	const char *text;
	size_t len;
	const char *shown;
} hostile[] = {
	{"\033]0;x\007\n", 7, "^[]0;x^G\n"},
	{"a\rb\r\n", 5, "a^Mb^M\n"},
	{"nul\0end", 7, "nul^@end\n"},
	{"\x7f\n", 2, "^?\n"},
	{"\xff\n", 2, "\xef\xbf\xbd\n"},
	{"\xe2\x80\xae"
	 "evil\n",
	 8,
	 "\xef\xbf\xbd"
	 "evil\n"},
	{"\xc2\x9b"
	 "2J\n",
	 5,
	 "\xef\xbf\xbd"
	 "2J\n"},
	{"tab\tstays", 9, "tab\tstays\n"},
	{"\n\n", 2, "\n\n"},
	{"", 0, NULL},
};

Test(diff_colour, shows_what_a_terminal_would_obey)
{
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		char *text = colored(hostile[i].text, hostile[i].len, false);

		if (!hostile[i].shown)
			cr_assert_null(text, "row %zu", i);
		else
			cr_assert_str_eq(text, hostile[i].shown, "row %zu", i);
		free(text);
	}
}

Test(diff_colour, survives_counts_that_are_nonsense)
{
	static const char *const heads[] = {"@@ -1,99999999999 +1 @@\n+x\n", "@@ -\n", "@@ -1,\n",
					    "@@ -1 @@\n", "@@ -1,2"};

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		free(colored(heads[i], strlen(heads[i]), true));
}
