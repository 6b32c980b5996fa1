/* Theory of operation: the fuzz target over its committed corpus, as an ordinary test. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/fd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

Test(corpus, runs_through)
{
	DIR *dir = opendir(TEST_CORPUS);
	const struct dirent *entry;
	size_t n = 0;

	cr_assert_not_null(dir, "%s", TEST_CORPUS);
	while ((entry = readdir(dir))) {
		struct err err = {0};
		char *data = NULL;
		size_t len = 0;

		if (entry->d_name[0] == '.')
			continue;
		cr_assert_eq(fd_read_file(dirfd(dir), entry->d_name, 1 << 20, &data, &len, &err), 0,
			     "%s: %s", entry->d_name, err.text);
		cr_assert_eq(LLVMFuzzerTestOneInput((const uint8_t *)data, len), 0);
		free(data);
		n++;
	}
	(void)closedir(dir);
	cr_assert_geq(n, 8);
}
