/* What counts as a yes at a terminal; the rest of it is in tests/e2e/ask.py, on real ones. */
#include "cli/person.h"

#include <criterion/criterion.h>

#include "base/macros.h"

Test(person, a_yes_is_y_or_yes)
{
	static const char *const yes[] = {"y", "Y", "yes", "YES", "Yes"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		cr_expect(person_word_is_yes(yes[i]), "row %zu", i);
}

Test(person, all_else_is_a_no)
{
	static const char *const no[] = {"",   "n",   "no",	  "ye",	    "yess", " y",
					 "y ", "y y", "1",	  "ok",	    "true", "session",
					 "j",  "oui", "\xd1\x83", "y\x1b[A"};

	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		cr_expect_not(person_word_is_yes(no[i]), "row %zu", i);
}
