/* Words of $PAGER, and when there is none. */
#include "cli/pager.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Test(pager, is_words_and_no_shell)
{
	char command[] = "less  -R\t;rm -rf";
	char *words[8];

	cr_assert_eq(pager_words(command, words, 8), 4);
	cr_assert_str_eq(words[0], "less");
	cr_assert_str_eq(words[2], ";rm");
	cr_assert_null(words[4]);
}

Test(pager, has_at_most_as_many_words_as_there_is_room)
{
	char command[] = "a b c d";
	char *words[3];

	cr_assert_eq(pager_words(command, words, 3), 2);
	cr_assert_null(words[2]);
	command[0] = '\0';
	cr_assert_eq(pager_words(command, words, 3), 0);
}

Test(pager, is_not_started_without_a_terminal)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	cr_assert_geq(dup2(null, STDOUT_FILENO), 0);
	cr_assert_eq(pager_start(), -1);
	pager_end(-1);
}
