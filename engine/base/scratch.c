/* Theory of operation: mkdtemp(3) makes it ours alone; realpath(3) takes links out of the way that the operator gave. */
#include "base/scratch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int refuse(struct err *err, int num, const char *parent)
{
	return err_set(err, num,
		       "cannot make a temporary folder (TMPDIR names another place) in %s", parent);
}

int scratch_make(const char *name, char *dst, struct err *err)
{
	const char *given = getenv("TMPDIR");
	const char *parent = given && given[0] ? given : "/tmp";
	char made[PATH_MAX];
	int n = snprintf(made, sizeof(made), "%s/%s-XXXXXX", parent, name);
	int num;

	dst[0] = '\0';
	if (parent[0] != '/')
		return refuse(err, EINVAL, parent);
	if (n < 0 || (size_t)n >= sizeof(made))
		return refuse(err, ENAMETOOLONG, parent);
	if (!mkdtemp(made))
		return refuse(err, errno, parent);
	if (realpath(made, dst))
		return 0;
	num = errno;
	dst[0] = '\0';
	(void)rmdir(made);
	return refuse(err, num, parent);
}
