/* Theory of operation: an error is its number and one line; both are checked to the byte. */
#include "base/err.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

Test(err, set_appends_the_system_text)
{
	struct err err = {0};

	cr_assert(err_set(&err, ENOENT, "cannot open %s", "x") == -ENOENT);
	cr_assert(err.num == ENOENT);
	cr_assert_str_eq(err.text, "cannot open x: No such file or directory");
}

Test(err, set_leaves_our_own_refusals_as_they_are)
{
	static const int ours[] = {EINVAL, EPERM, E2BIG, ECANCELED};

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		struct err err = {0};

		cr_expect(err_set(&err, ours[i], "no") == -ours[i], "row %zu", i);
		cr_expect_str_eq(err.text, "no", "row %zu", i);
	}
}

Test(err, set_works_without_a_place_for_words)
{
	cr_assert(err_set(NULL, EACCES, "nobody reads this") == -EACCES);
}

Test(err, set_never_reports_success)
{
	struct err err = {0};

	cr_assert(err_set(&err, 0, "zero") == -EIO);
	cr_assert(err_set(&err, -ENOENT, "negative") == -EIO);
	cr_assert(err.num == EIO);
}

Test(err, set_cuts_at_the_end_of_the_buffer)
{
	struct err err;
	char big[ERR_TEXT_MAX * 2];

	memset(&err, 'z', sizeof(err));
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	cr_assert(err_set(&err, ENOENT, "%s", big) == -ENOENT);
	cr_assert(strlen(err.text) == ERR_TEXT_MAX - 1);
}

Test(err, wrap_puts_context_first)
{
	struct err err = {0};

	(void)err_set(&err, EINVAL, "line 3 is bad");
	cr_assert(err_wrap(&err, "policy %s", "x.json") == -EINVAL);
	cr_assert_str_eq(err.text, "policy x.json: line 3 is bad");
	cr_assert(err.num == EINVAL);
}

Test(err, wrap_of_nothing_is_still_an_error)
{
	struct err unset = {0};

	cr_assert(err_wrap(NULL, "context") == -EIO);
	cr_assert(err_wrap(&unset, "context") == -EIO);
}

Test(err, wrap_cuts_and_terminates)
{
	struct err err = {0};
	char big[ERR_TEXT_MAX];

	memset(big, 'b', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	(void)err_set(&err, EINVAL, "%s", big);
	cr_assert(err_wrap(&err, "%s", big) == -EINVAL);
	cr_assert(strnlen(err.text, sizeof(err.text)) == ERR_TEXT_MAX - 1);
}
