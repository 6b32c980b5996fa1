/* Theory of operation: what splits into which words, and that every way to a second command is
 * shut. */
#include "manifest/shell.h"

#include "support.h"

#include <errno.h>

Test(shell, words_quotes_and_backslashes_are_understood)
{
	static const struct {
		const char *command;
		const char *words;
	} rows[] = {
		{"git status", "git|status"},
		{"  git\t log  ", "git|log"},
		{"git commit -m 'a; b && c'", "git|commit|-m|a; b && c"},
		{"git commit -m \"it's $\"", NULL},
		{"git commit -m \"it's \\$5 \\\"now\\\" \\n\"",
		 "git|commit|-m|it's $5 \"now\" \\n"},
		{"echo a\\ b \\;", "echo|a b|;"},
		{"echo ''", "echo|"},
		{"echo a''b\"c\"'d'", "echo|abcd"},
		{"echo 'line\nbreak'", "echo|line\nbreak"},
		{"env A=b", "env|A=b"},
		{"git log --format=%H", "git|log|--format=%H"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct strings words = {0};
		struct err err = {0};
		int r = shell_split(rows[i].command, &words, &err);

		cr_expect(rows[i].words ? r == 0 : r == -EPERM, "row %zu: %d %s", i, r, err.text);
		if (r == 0)
			cr_expect_str_eq(joined(words.v), rows[i].words, "row %zu: %s", i,
					 joined(words.v));
		strings_fini(&words);
	}
}

Test(shell, every_character_with_a_meaning_is_refused_outside_of_quotes)
{
	static const char meant[] = ";&|<>$`(){}*?[]~#!\n\r\v\f\x01\x7f";

	for (const char *c = meant; *c; c++) {
		char forms[4][16];

		(void)snprintf(forms[0], sizeof(forms[0]), "git a%cb", *c);
		(void)snprintf(forms[1], sizeof(forms[1]), "git %c", *c);
		(void)snprintf(forms[2], sizeof(forms[2]), "%cgit", *c);
		(void)snprintf(forms[3], sizeof(forms[3]), "git a%c", *c);
		for (size_t f = 0; f < ARRAY_SIZE(forms); f++) {
			struct strings words = {0};
			struct err err = {0};

			cr_expect(shell_split(forms[f], &words, &err) == -EPERM, "%s", forms[f]);
			cr_expect(words.n == 0 && !words.v);
		}
	}
}

Test(shell, refusals_say_where_and_what_to_do)
{
	static const struct {
		const char *command;
		const char *words;
	} rows[] = {
		{"git status; rm x",
		 "\";\" at byte 11 has a meaning in a shell; quote it if it is meant literally"},
		{"git status\nrm x", "a line break outside of quotes at byte 11"},
		{"git \"$(id)\"", "\"$\" or \"`\", which expands within double quotes (use single "
				  "quotes), at byte 6"},
		{"git 'open", "a single quote is not closed at byte 10"},
		{"git \"open", "a double quote is not closed at byte 10"},
		{"git \"open\\", "a double quote is not closed at byte 11"},
		{"git \\", "a backslash with nothing to quote at byte 6"},
		{"GIT_SSH=x git fetch", "a variable assignment before the command at byte 10"},
		{"A+=x git", "a variable assignment before the command at byte 5"},
		{"'' git", "an empty command name at byte 3"},
		{"   ", "an empty command"},
		{"", "an empty command"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct strings words = {0};
		struct err err = {0};

		cr_expect(shell_split(rows[i].command, &words, &err) == -EPERM, "row %zu", i);
		cr_expect_str_eq(err.text, rows[i].words, "row %zu: %s", i, err.text);
		strings_fini(&words);
	}
}

Test(shell, patterns_match_whole_words)
{
	static const struct {
		const char *pattern;
		const char *command;
		bool matches;
	} rows[] = {
		{"git:*", "git", true},
		{"git:*", "git status -s", true},
		{"git *", "git status", true},
		{"git:*", "gitk", false},
		{"git:*", "./git status", false},
		{"git:*", "/usr/bin/git status", false},
		{"git:*", "'git' status", true},
		{"git status", "git status", true},
		{"git status", "git status -s", false},
		{"git status", "git", false},
		{"npm run test:*", "npm run test -- x", true},
		{"npm run test:*", "npm run test:unit", false},
		{"npm run test:*", "npm run build", false},
		{"npm run test:*", "npm run", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct strings words = {0};
		struct err err = {0};
		bool matches = !rows[i].matches;

		cr_assert(shell_split(rows[i].command, &words, &err) == 0, "row %zu: %s", i,
			  err.text);
		cr_assert(shell_pattern_matches(rows[i].pattern, &words, &matches, &err) == 0);
		cr_expect(matches == rows[i].matches, "row %zu", i);
		strings_fini(&words);
	}
}

Test(shell, patterns_that_would_mean_everything_are_refused)
{
	static const char *const rows[] = {"*",	      ":*", " *",  "git*", "git*:*",
					   "git:* x", "",   "a;b", "(",	   "~/x:*"};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err err = {0};

		cr_expect(shell_pattern_check(rows[i], &err) == -EINVAL, "row %zu", i);
		cr_expect(err.text[0] != '\0', "row %zu", i);
	}
}
