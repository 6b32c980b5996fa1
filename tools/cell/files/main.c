/*
 * Theory of operation: the verb names a row, the row's function fills an answer, the answer is
 * written in one piece. Standard output gets a whole document or nothing: a failure of our own
 * says so on standard error and by exit status 2, so that half an answer is never taken for one.
 */
#include <stdlib.h>

#include "tools/cell/files/files.h"

int main(int argc, char **argv)
{
	/* Single-threaded, and nothing here changes the environment. */
	const char *workspace = getenv("TOOLCELL_WORKSPACE");

	return files_run(argc == 2 ? argv[1] : "", workspace, 0, 1);
}
