/* Theory of operation: control files take one value per write(2) and are read from the start. */
#include "confine/cgroup_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"

int cgroup_write(int dir, const char *file, const char *value)
{
	CLEANUP(fd_closep) int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

int cgroup_write_u64(int dir, const char *file, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return cgroup_write(dir, file, text);
}

int cgroup_read(int dir, const char *file, char *text, size_t cap)
{
	CLEANUP(fd_closep) int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = fd_read_full(fd, text, cap - 1);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	return 0;
}

uint64_t cgroup_read_u64(int dir, const char *file)
{
	char text[64];
	uint64_t value;

	if (cgroup_read(dir, file, text, sizeof(text)) < 0)
		return UINT64_MAX;
	text[strcspn(text, "\n")] = '\0';
	return num_parse_u64(text, UINT64_MAX, &value) < 0 ? UINT64_MAX : value;
}

uint64_t cgroup_read_key(int dir, const char *file, const char *key)
{
	char text[4096] = "";
	size_t len = strlen(key);

	if (cgroup_read(dir, file, text, sizeof(text)) < 0)
		return UINT64_MAX;
	for (char *line = text; *line;) {
		size_t n = strcspn(line, "\n");
		bool last = line[n] == '\0';
		uint64_t value;

		line[n] = '\0';
		if (strncmp(line, key, len) == 0 && line[len] == ' ' &&
		    num_parse_u64(line + len + 1, UINT64_MAX, &value) == 0)
			return value;
		if (last)
			break;
		line += n + 1;
	}
	return UINT64_MAX;
}

static DIR *open_list(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		fd_closep(&fd);
	return d;
}

void cgroup_remove_tree(int dir, const char *name)
{
	CLEANUP(fd_closep) int sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = sub < 0 ? NULL : open_list(sub);
	const struct dirent *e;

	while (d && (e = readdir(d)) != NULL)
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			(void)unlinkat(sub, e->d_name, AT_REMOVEDIR);
	if (d)
		(void)closedir(d);
	(void)unlinkat(dir, name, AT_REMOVEDIR);
}

static void kill_members(int group)
{
	CLEANUP(fd_closep) int fd = openat(group, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t n;

	if (cgroup_write(group, "cgroup.kill", "1") == 0 || fd < 0)
		return;
	n = fd_read_full(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return;
	text[n] = '\0';
	for (char *line = text; *line;) {
		char *end = strchr(line, '\n');
		uint64_t pid;

		if (!end)
			return;
		*end = '\0';
		if (num_parse_u64(line, INT32_MAX, &pid) == 0 && pid > 1)
			(void)kill((pid_t)pid, SIGKILL);
		line = end + 1;
	}
}

static void kill_tree(int dir, const char *name)
{
	CLEANUP(fd_closep) int group = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = group < 0 ? NULL : open_list(group);
	const struct dirent *e;

	if (!d)
		return;
	kill_members(group);
	while ((e = readdir(d)) != NULL) {
		CLEANUP(fd_closep) int sub = -1;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		sub = openat(group, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (sub >= 0)
			kill_members(sub);
	}
	(void)closedir(d);
}

bool cgroup_sweep_once(int dir, const char *prefix)
{
	size_t len = strlen(prefix);
	DIR *d = open_list(dir);
	const struct dirent *e;
	bool left = false;

	while (d && (e = readdir(d)) != NULL) {
		if (strncmp(e->d_name, prefix, len) != 0 ||
		    (e->d_name[len] != '\0' && e->d_name[len] != '-'))
			continue;
		kill_tree(dir, e->d_name);
		cgroup_remove_tree(dir, e->d_name);
		left |= faccessat(dir, e->d_name, F_OK, 0) == 0;
	}
	if (d)
		(void)closedir(d);
	return left;
}
