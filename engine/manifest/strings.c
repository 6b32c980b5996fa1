/*
 * Theory of operation: a vector of owned strings that always ends in NULL once it holds anything,
 * so that it can become an argv without another copy. It refuses to grow beyond MANIFEST_ARGS_MAX.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "manifest/core.h"

static int grow(struct strings *s)
{
	size_t alloc = s->alloc ? s->alloc * 2 : 16;
	char **v;

	if (s->n + 1 < s->alloc)
		return 0;
	v = reallocarray(s->v, alloc, sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->v = v;
	s->alloc = alloc;
	return 0;
}

int strings_add(struct strings *s, const char *text, size_t len)
{
	char *copy;

	if (s->n >= MANIFEST_ARGS_MAX)
		return -E2BIG;
	if (grow(s) < 0)
		return -ENOMEM;
	copy = malloc(len + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, text, len);
	copy[len] = '\0';
	s->v[s->n++] = copy;
	s->v[s->n] = NULL;
	return 0;
}

void strings_fini(struct strings *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	*s = (struct strings){0};
}

char **strings_take(struct strings *s)
{
	char **v = s->v ? s->v : calloc(1, sizeof(*v));

	*s = (struct strings){0};
	return v;
}

int manifest_err_args(int r, struct err *err)
{
	if (r == -E2BIG)
		return err_set(err, E2BIG, "more than %u arguments for one program",
			       MANIFEST_ARGS_MAX);
	return err_set(err, -r, "cannot hold the arguments");
}
