/* Theory of operation: names of the files of a log, and numbers from names: nothing else is looked at. */
#include "audit/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

#define PREFIX "audit."
#define SUFFIX ".jsonl"
#define DIGITS 6U

uint64_t audit_file_number(const char *name)
{
	char digits[DIGITS + 1];
	uint64_t number = 0;

	if (strlen(name) != strlen(PREFIX SUFFIX) + DIGITS ||
	    strncmp(name, PREFIX, strlen(PREFIX)) != 0 ||
	    strcmp(name + strlen(PREFIX) + DIGITS, SUFFIX) != 0)
		return 0;
	memcpy(digits, name + strlen(PREFIX), DIGITS);
	digits[DIGITS] = '\0';
	return num_parse_u64(digits, AUDIT_NUMBER_MAX, &number) < 0 ? 0 : number;
}

const char *audit_file_name(uint64_t number, char dst[AUDIT_NAME_BYTES])
{
	if (number == 0)
		(void)snprintf(dst, AUDIT_NAME_BYTES, AUDIT_FILE);
	else
		(void)snprintf(dst, AUDIT_NAME_BYTES, PREFIX "%06u" SUFFIX,
			       (unsigned int)(number % (AUDIT_NUMBER_MAX + 1)));
	return dst;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

ssize_t audit_files(int dir, uint64_t numbers[AUDIT_FILES_MAX])
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	size_t n = 0;
	int saved;

	if (!list) {
		saved = errno;
		if (fd >= 0)
			(void)close(fd);
		return -saved;
	}
	errno = 0;
	while (n < AUDIT_FILES_MAX && (entry = readdir(list))) {
		uint64_t number = audit_file_number(entry->d_name);

		if (number > 0)
			numbers[n++] = number;
	}
	saved = errno;
	(void)closedir(list);
	if (saved != 0)
		return -saved;
	if (n == AUDIT_FILES_MAX)
		return -E2BIG;
	qsort(numbers, n, sizeof(*numbers), compare);
	return (ssize_t)n;
}
