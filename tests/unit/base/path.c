/* Theory of operation: a table of pairs. */
#include "base/path.h"

#include <criterion/criterion.h>

#include "base/macros.h"

Test(path, below_means_the_folder_or_what_lies_in_it)
{
	static const struct {
		const char *path;
		const char *dir;
		bool below;
	} rows[] = {
		{"/a", "/a", true},    {"/a/b", "/a", true},  {"/a", "/", true},
		{"/", "/", true},      {"/ab", "/a", false},  {"/", "/a", false},
		{"/a", "/a/b", false}, {"/b/a", "/a", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_eq(path_is_below(rows[i].path, rows[i].dir), rows[i].below, "row %zu", i);
}
