/* Theory of operation: one level of one folder of our own; names that look odd are left out. */
#include "cli/shipped.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/data.h"
#include "base/macros.h"

#define NAMES_MAX 64
#define NAME_BYTES 64

struct names {
	char name[NAMES_MAX][NAME_BYTES];
	size_t n;
};

/* A file with the suffix whose name has only letters that a name may have. */
static bool fits(const char *file, const char *suffix, size_t *ret_len)
{
	static const char good[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	size_t len = strlen(file);
	size_t tail = strlen(suffix);

	if (len <= tail || len - tail >= NAME_BYTES || strcmp(file + len - tail, suffix) != 0)
		return false;
	*ret_len = len - tail;
	return strspn(file, good) == len - tail;
}

static void read_names(const char *folder, const char *suffix, struct names *ret)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	size_t len;

	if (!dir)
		return;
	while (ret->n < NAMES_MAX && (entry = readdir(dir))) { /* NOLINT(concurrency-mt-unsafe) */
		if (!fits(entry->d_name, suffix, &len))
			continue;
		memcpy(ret->name[ret->n], entry->d_name, len);
		ret->name[ret->n++][len] = '\0';
	}
	(void)closedir(dir);
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

const char *shipped_list(const char *folder, const char *suffix, char *dst, size_t cap)
{
	struct names names = {0};
	char *path = NULL;
	size_t used = 0;

	if (data_path(folder, &path, NULL) == 0)
		read_names(path, suffix, &names);
	free(path);
	qsort(names.name, names.n, NAME_BYTES, compare);
	(void)snprintf(dst, cap, "none");
	for (size_t i = 0; i < names.n; i++) {
		int n = snprintf(dst + used, cap - used, "%s%s", used ? ", " : "", names.name[i]);

		if (n < 0 || (size_t)n >= cap - used) {
			dst[used] = '\0';
			break;
		}
		used += (size_t)n;
	}
	return dst;
}
