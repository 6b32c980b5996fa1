/*
 * Theory of operation: the rows run in order; the policy comes early because it says what the
 * agent's cells require, by which the later rows are judged.
 */
#include "cli/doctor.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/ui.h"
#include "confine/cgroup.h"
#include "confine/landlock.h"
#include "wire/image.h"

static const struct doctor_row rows[] = {
	{"kernel", doctor_kernel},
	{"programs", doctor_programs},
	{"policy", doctor_policy},
	{"agent.tools", doctor_agent_tools},
	{"namespace.user", doctor_namespace, CLONE_NEWUSER},
	{"namespace.mnt", doctor_namespace, CLONE_NEWNS},
	{"namespace.pid", doctor_namespace, CLONE_NEWPID},
	{"namespace.net", doctor_namespace, CLONE_NEWNET},
	{"namespace.ipc", doctor_namespace, CLONE_NEWIPC},
	{"namespace.uts", doctor_namespace, CLONE_NEWUTS},
	{"namespace.cgroup", doctor_namespace, CLONE_NEWCGROUP},
	{"namespace.time", doctor_namespace, CLONE_NEWTIME},
	{"userns.unprivileged", doctor_userns},
	{"mount.api", doctor_mount_api},
	{"mount.proc", doctor_proc},
	{"mount.overlay", doctor_overlay},
	{"mount.idmap", doctor_idmap},
	{"session.store", doctor_store},
	{"session.overlay", doctor_store_overlay},
	{"uid.range", doctor_uids},
	{"seccomp", doctor_seccomp},
	{"landlock", doctor_landlock},
	{"keyring", doctor_keyring},
	{"cgroup.memory", doctor_cgroup, CGROUP_MEMORY},
	{"cgroup.pids", doctor_cgroup, CGROUP_PIDS},
	{"cgroup.cpu", doctor_cgroup, CGROUP_CPU},
	{"cgroup.io", doctor_cgroup, CGROUP_IO},
	{"tool.cargo", doctor_toolchain, 0},
	{"tool.rustc", doctor_toolchain, 1},
	{"tool.clippy", doctor_toolchain, 2},
	{"tool.rustfmt", doctor_toolchain, 3},
};
static_assert(ARRAY_SIZE(rows) <= DOCTOR_CHECKS_MAX, "every row has room for its check");

static void run_rows(struct doctor *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct doctor_check *check = &d->checks[d->n++];

		check->id = rows[i].id;
		rows[i].run(d, &rows[i], check);
	}
}

static int print(const struct doctor *d, const struct args *args, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = {0};
	int r = args->json ? doctor_json(d, &out) : doctor_text(d, ui_color(STDOUT_FILENO), &out);

	if (r == 0)
		r = ui_write(STDOUT_FILENO, &out);
	return r < 0 ? err_set(err, -r, "cannot write the report") : 0;
}

static int check_usage(const struct args *args, struct err *err)
{
	struct stat st;

	if (args->n_operands > 0)
		return err_set(err, EINVAL, "`toolcell doctor` takes no operands");
	if (!args->workspace)
		return 0;
	if (stat(args->workspace, &st) < 0)
		return err_set(err, errno, "workspace %s", args->workspace);
	return S_ISDIR(st.st_mode) ? 0 : err_set(err, ENOTDIR, "workspace %s", args->workspace);
}

static int examine(struct args *args, struct err *err)
{
	struct doctor *d = calloc(1, sizeof(*d));
	int code;

	if (!d) {
		(void)err_set(err, ENOMEM, "no memory for the report");
		ui_error(err);
		return CLI_FAILED;
	}
	d->workspace = args->workspace ? args->workspace : ".";
	d->sessions = args->sessions;
	d->uid = args->uids.base ? args->uids.base : DOCTOR_UID_PROBED;
	/* What a policy requires at the least, should the agent's own not compile. */
	d->require = IMAGE_REQUIRE_CGROUP_MEMORY | IMAGE_REQUIRE_CGROUP_PIDS;
	d->landlock_abi_min = LANDLOCK_ABI_USEFUL;
	d->root_mode = geteuid() == 0 && doctor_can_enter();
	run_rows(d);
	code = doctor_missing(d) == 0 ? CLI_OK : CLI_FAILED;
	if (print(d, args, err) < 0) {
		ui_error(err);
		code = CLI_FAILED;
	}
	free(d);
	return code;
}

int command_doctor(const struct command *self, struct args *args, char **argv)
{
	struct err err;

	(void)self;
	(void)argv;
	if (check_usage(args, &err) < 0) {
		ui_error(&err);
		return CLI_USAGE;
	}
	return examine(args, &err);
}
