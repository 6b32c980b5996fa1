/*
 * Theory of operation: a leaf is made, limited and opened in the parent before the child exists, so
 * that the request path in the child is a write of one byte (v1) or nothing (v2, clone3). Limits are
 * a table: which file of which controller takes which value in which version.
 */
#include "confine/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "confine/cgroup_file.h"

#define PERIOD_US 100000ULL
#define INIT_PROCESSES 1 /* PID 1 of the cell is ours, not the tool's */

static int leaf_dir(const struct cgroup_leaf *leaf, enum cgroup_controller c)
{
	return leaf->dir[leaf->root->version == 2 ? 0 : c];
}

static bool leaf_has(const struct cgroup_leaf *leaf, enum cgroup_controller c)
{
	return (leaf->root->available & 1U << c) && leaf_dir(leaf, c) >= 0;
}

/* Swap files are absent in a kernel without swap accounting; then there is nothing to forbid. */
static int unless_absent(int r)
{
	return r == -ENOENT ? 0 : r;
}

static int set_memory(const struct cgroup_leaf *leaf, const struct cgroup_limits *l)
{
	int dir = leaf_dir(leaf, CGROUP_MEMORY);
	int r;

	if (leaf->root->version == 2) {
		r = cgroup_write_u64(dir, "memory.max", l->memory_bytes);
		if (r == 0)
			r = cgroup_write(dir, "memory.oom.group", "1");
		return r == 0 ? unless_absent(cgroup_write(dir, "memory.swap.max", "0")) : r;
	}
	r = cgroup_write_u64(dir, "memory.limit_in_bytes", l->memory_bytes);
	if (r < 0)
		return r;
	return unless_absent(cgroup_write_u64(dir, "memory.memsw.limit_in_bytes", l->memory_bytes));
}

static int set_pids(const struct cgroup_leaf *leaf, const struct cgroup_limits *l)
{
	return cgroup_write_u64(leaf_dir(leaf, CGROUP_PIDS), "pids.max",
				l->processes + INIT_PROCESSES);
}

static int set_cpu(const struct cgroup_leaf *leaf, const struct cgroup_limits *l)
{
	int dir = leaf_dir(leaf, CGROUP_CPU);
	uint64_t quota = l->cpu_permille * PERIOD_US / 1000;
	char text[64];

	if (leaf->root->version == 1)
		return cgroup_write_u64(dir, "cpu.cfs_quota_us", quota);
	(void)snprintf(text, sizeof(text), "%llu %llu", (unsigned long long)quota, PERIOD_US);
	return cgroup_write(dir, "cpu.max", text);
}

static int set_io(const struct cgroup_leaf *leaf, const struct cgroup_limits *l)
{
	int dir = leaf_dir(leaf, CGROUP_IO);
	char text[128];
	int r;

	if (leaf->root->version == 2) {
		(void)snprintf(text, sizeof(text), "%u:%u rbps=%llu wbps=%llu", l->io_major,
			       l->io_minor, (unsigned long long)l->io_bytes_per_s,
			       (unsigned long long)l->io_bytes_per_s);
		return cgroup_write(dir, "io.max", text);
	}
	(void)snprintf(text, sizeof(text), "%u:%u %llu", l->io_major, l->io_minor,
		       (unsigned long long)l->io_bytes_per_s);
	r = cgroup_write(dir, "blkio.throttle.read_bps_device", text);
	return r < 0 ? r : cgroup_write(dir, "blkio.throttle.write_bps_device", text);
}

static const struct {
	enum cgroup_controller controller;
	size_t value; /* offset of the uint64_t in struct cgroup_limits; 0 there: nothing to set */
	int (*set)(const struct cgroup_leaf *leaf, const struct cgroup_limits *limits);
	const char *name;
} setters[] = {
	{CGROUP_MEMORY, offsetof(struct cgroup_limits, memory_bytes), set_memory, "memory"},
	{CGROUP_PIDS, offsetof(struct cgroup_limits, processes), set_pids, "pids"},
	{CGROUP_CPU, offsetof(struct cgroup_limits, cpu_permille), set_cpu, "cpu"},
	{CGROUP_IO, offsetof(struct cgroup_limits, io_bytes_per_s), set_io, "io"},
};

static int set_limits(struct cgroup_leaf *leaf, const struct cgroup_limits *limits, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(setters); i++) {
		enum cgroup_controller c = setters[i].controller;
		uint64_t value;
		int r;

		memcpy(&value, (const char *)limits + setters[i].value, sizeof(value));
		if (value == 0 || !leaf_has(leaf, c))
			continue;
		r = setters[i].set(leaf, limits);
		if (r < 0 && c == CGROUP_IO)
			continue; /* not every device can be throttled; reported as not enforced */
		if (r < 0)
			return err_set(err, -r, "cannot set the %s limit of cgroup %s",
				       setters[i].name, leaf->name);
		leaf->enforced |= 1U << c;
	}
	return 0;
}

/* v1: a group in every tree costs 100 us to make, fill and remove; only where it does something. */
static bool is_wanted(int i, const struct cgroup_limits *limits)
{
	if (i == CGROUP_CPU)
		return limits->cpu_permille > 0;
	return i == CGROUP_IO ? limits->io_bytes_per_s > 0 : true;
}

/* Controllers that are mounted together (cpu,cpuacct): the group has just been made for another. */
static bool shares_tree(const struct cgroup_leaf *leaf, int i)
{
	struct stat mine;
	struct stat other;

	if (fstat(leaf->root->dir[i], &mine) < 0)
		return false;
	for (int k = 0; k < i; k++)
		if (leaf->dir[k] >= 0 && fstat(leaf->root->dir[k], &other) == 0 &&
		    other.st_dev == mine.st_dev && other.st_ino == mine.st_ino)
			return true;
	return false;
}

static int make_one(struct cgroup_leaf *leaf, int i, const struct cgroup_limits *limits,
		    struct err *err)
{
	int parent = leaf->root->dir[i];

	if (parent < 0 || (leaf->root->version == 1 && !is_wanted(i, limits)))
		return 0;
	if (mkdirat(parent, leaf->name, 0755) < 0 && !(errno == EEXIST && shares_tree(leaf, i)))
		return err_set(err, errno, "cannot make cgroup %s", leaf->name);
	leaf->dir[i] = openat(parent, leaf->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (leaf->dir[i] < 0)
		return err_set(err, errno, "cannot open cgroup %s", leaf->name);
	if (leaf->root->version == 1) {
		leaf->join[i] = openat(leaf->dir[i], "tasks", O_WRONLY | O_CLOEXEC);
		if (leaf->join[i] < 0)
			return err_set(err, errno, "cannot open tasks of cgroup %s", leaf->name);
	}
	return 0;
}

int cgroup_leaf_make(const struct cgroup_root *root, uint32_t n, const struct cgroup_limits *limits,
		     struct cgroup_leaf *ret, struct err *err)
{
	int r = 0;

	*ret = (struct cgroup_leaf){.root = root};
	for (int i = 0; i < CGROUP_N; i++)
		ret->dir[i] = ret->join[i] = -1;
	(void)snprintf(ret->name, sizeof(ret->name), "%s-%u", root->prefix, n);
	for (int i = 0; i < CGROUP_N && r == 0; i++)
		r = make_one(ret, i, limits, err);
	if (r == 0)
		r = set_limits(ret, limits, err);
	if (r < 0)
		ret->root = cgroup_leaf_remove(ret) < 0 ? NULL : ret->root; /* the sweep finds it */
	return r;
}

int cgroup_leaf_fd(const struct cgroup_leaf *leaf)
{
	return leaf->root && leaf->root->version == 2 ? leaf->dir[0] : -1;
}

int cgroup_leaf_join(const struct cgroup_leaf *leaf)
{
	for (int i = 0; i < CGROUP_N; i++)
		if (leaf->join[i] >= 0 && write(leaf->join[i], "0", 1) < 0)
			return -errno;
	return 0;
}

void cgroup_leaf_kill(const struct cgroup_leaf *leaf)
{
	if (cgroup_leaf_fd(leaf) >= 0)
		(void)cgroup_write(leaf->dir[0], "cgroup.kill", "1");
}

static uint64_t known(uint64_t value)
{
	return value == UINT64_MAX ? 0 : value;
}

/* memory.peak came with Linux 5.19, pids.peak with 6.1; before, the peaks are not known. */
static void usage_v2(const struct cgroup_leaf *leaf, struct cgroup_usage *u)
{
	int dir = leaf->dir[0];

	u->memory_peak_bytes = cgroup_read_u64(dir, "memory.peak");
	u->processes_peak = cgroup_read_u64(dir, "pids.peak");
	u->user_us = cgroup_read_key(dir, "cpu.stat", "user_usec");
	u->system_us = cgroup_read_key(dir, "cpu.stat", "system_usec");
	u->oom_kills = known(cgroup_read_key(dir, "memory.events", "oom_kill"));
	u->processes_refused = known(cgroup_read_key(dir, "pids.events", "max"));
}

static uint64_t us_of_ns(uint64_t ns)
{
	return ns == UINT64_MAX ? ns : ns / 1000;
}

static void usage_v1(const struct cgroup_leaf *leaf, struct cgroup_usage *u)
{
	if (leaf_has(leaf, CGROUP_MEMORY)) {
		int dir = leaf->dir[CGROUP_MEMORY];

		u->memory_peak_bytes = cgroup_read_u64(dir, "memory.max_usage_in_bytes");
		u->oom_kills = known(cgroup_read_key(dir, "memory.oom_control", "oom_kill"));
	}
	if (leaf_has(leaf, CGROUP_PIDS)) {
		u->processes_peak = cgroup_read_u64(leaf->dir[CGROUP_PIDS], "pids.peak");
		u->processes_refused = known(
			cgroup_read_key(leaf->dir[CGROUP_PIDS], "pids.events", "max"));
	}
	if (leaf_has(leaf, CGROUP_CPUACCT)) {
		u->user_us = us_of_ns(
			cgroup_read_u64(leaf->dir[CGROUP_CPUACCT], "cpuacct.usage_user"));
		u->system_us = us_of_ns(
			cgroup_read_u64(leaf->dir[CGROUP_CPUACCT], "cpuacct.usage_sys"));
	}
}

void cgroup_leaf_usage(const struct cgroup_leaf *leaf, struct cgroup_usage *ret)
{
	*ret = (struct cgroup_usage){UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0, 0};
	if (leaf->root && leaf->root->version == 2)
		usage_v2(leaf, ret);
	else if (leaf->root && leaf->root->version == 1)
		usage_v1(leaf, ret);
	if (ret->processes_peak != UINT64_MAX && ret->processes_peak > INIT_PROCESSES)
		ret->processes_peak -= INIT_PROCESSES;
}

uint64_t cgroup_leaf_cpu_us(const struct cgroup_leaf *leaf)
{
	if (!leaf->root)
		return UINT64_MAX;
	if (leaf->root->version == 2)
		return cgroup_read_key(leaf->dir[0], "cpu.stat", "usage_usec");
	if (leaf->root->version == 1 && leaf_has(leaf, CGROUP_CPUACCT))
		return us_of_ns(cgroup_read_u64(leaf->dir[CGROUP_CPUACCT], "cpuacct.usage"));
	return UINT64_MAX;
}

int cgroup_leaf_remove(struct cgroup_leaf *leaf)
{
	if (!leaf->root)
		return 0;
	for (int i = 0; i < CGROUP_N; i++) {
		fd_closep(&leaf->join[i]);
		if (leaf->dir[i] < 0)
			continue;
		if (unlinkat(leaf->root->dir[i], leaf->name, AT_REMOVEDIR) < 0 && errno == EBUSY)
			return -EBUSY;
		fd_closep(&leaf->dir[i]);
	}
	leaf->root = NULL;
	return 0;
}
