/*
 * Theory of operation: a group is made and given limits by the functions that make a call's, then
 * removed. One probe answers all rows: values are the version and the controllers whose limits were
 * really set.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "confine/cgroup.h"
#include "wire/image.h"

#define PROBE_MEMORY_BYTES (64U << 20)
#define PROBE_PROCESSES 64U
#define PROBE_CPU_PERMILLE 1000U
#define PROBE_IO_BYTES_PER_S (64U << 20)

enum { VALUE_VERSION, VALUE_ENFORCED };

static const struct {
	const char *name;
	uint32_t require; /* IMAGE_REQUIRE_*, 0: never required */
} controllers[] = {
	[CGROUP_MEMORY] = {"memory", IMAGE_REQUIRE_CGROUP_MEMORY},
	[CGROUP_PIDS] = {"processes", IMAGE_REQUIRE_CGROUP_PIDS},
	[CGROUP_CPU] = {"cpu", IMAGE_REQUIRE_CGROUP_CPU},
	[CGROUP_CPUACCT] = {"cpu time", 0},
	[CGROUP_IO] = {"input and output", 0},
};
static_assert(ARRAY_SIZE(controllers) == CGROUP_N, "every controller has a row");

/* The most that can be set: limits one after the other, so that one that fails hides none. */
static uint32_t try_limits(const struct cgroup_root *root, const struct stat *st, struct err *err)
{
	const struct cgroup_limits tries[] = {
		{.memory_bytes = PROBE_MEMORY_BYTES},
		{.processes = PROBE_PROCESSES},
		{.cpu_permille = PROBE_CPU_PERMILLE},
		{.io_bytes_per_s = PROBE_IO_BYTES_PER_S,
		 .io_major = major(st->st_dev),
		 .io_minor = minor(st->st_dev)},
	};
	uint32_t enforced = 0;

	for (uint32_t i = 0; i < ARRAY_SIZE(tries); i++) {
		struct cgroup_leaf leaf;

		if (cgroup_leaf_make(root, i, &tries[i], &leaf, err) < 0)
			continue;
		enforced |= leaf.enforced;
		if (cgroup_leaf_remove(&leaf) < 0)
			(void)err_set(err, EBUSY, "a group cannot be removed again");
	}
	return enforced;
}

static int probe_cgroup(const void *arg, struct probe_answer *ret)
{
	const struct doctor *d = arg;
	struct cgroup_root root = {0};
	struct err err = {0};
	struct stat st = {0};

	if (stat(d->workspace, &st) < 0)
		st.st_dev = 0; /* io is then reported as not limited */
	cgroup_root_open(&root, getpid(), &err);
	ret->values[VALUE_VERSION] = (uint32_t)root.version;
	if (root.version != 0)
		ret->values[VALUE_ENFORCED] = try_limits(&root, &st, &err);
	cgroup_root_close(&root);
	(void)snprintf(ret->text, sizeof(ret->text), "%.*s", DOCTOR_TEXT_MAX - 70, err.text);
	return 0;
}

static void cgroup_remedy(const struct doctor *d, struct doctor_check *ret)
{
	if (d->root_mode)
		doctor_remedy(ret,
			      "in a container, mount cgroups writable (docker run "
			      "--cgroupns=private and a "
			      "writable /sys/fs/cgroup); else boot with cgroup_enable=memory, or "
			      "systemd.unified_cgroup_hierarchy=1");
	else
		doctor_remedy(
			ret,
			"run below a delegated group: systemd-run --user --scope -p Delegate=yes "
			"toolcell ...; or run toolcell as root");
}

void doctor_cgroup(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	const struct probe_answer *answer = &d->cgroup;
	const char *name = controllers[row->flag].name;

	if (!d->cgroup_probed) {
		probe_run(probe_cgroup, d, PROBE_TIMEOUT_MS, &d->cgroup);
		d->cgroup_probed = true;
	}
	if (answer->num == 0 && answer->values[VALUE_ENFORCED] & (1U << row->flag)) {
		doctor_judge(ret, true, true);
		doctor_detail(ret, "a limit on %s was set, cgroup v%u", name,
			      answer->values[VALUE_VERSION]);
		return;
	}
	doctor_judge(ret, false, d->require & controllers[row->flag].require);
	if (answer->num != 0)
		doctor_detail(ret, "no limit on %s: the probe failed: %s", name,
			      strerrordesc_np(answer->num));
	else
		doctor_detail(ret, "no limit on %s can be set%s%s", name,
			      answer->text[0] ? ": " : "", answer->text);
	cgroup_remedy(d, ret);
}
