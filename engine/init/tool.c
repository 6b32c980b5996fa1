/*
 * Theory of operation: a table of steps, in an order that matters:
 *
 *	session    before anything else, so that no signal to our group reaches the tool's, or back
 *	cwd	   while paths still resolve without Landlock, so that its errors are about the path
 *	limits	   before the filter, which need not allow setrlimit
 *	landlock   needs no_new_privs (init has it) and open(2) of its paths
 *	close	   everything but 0, 1, 2 becomes close-on-exec; the report pipe lives until exec
 *	seccomp	   last: policies need not allow what the steps above call. The watched program needs
 *		   sendmsg(2), to hand its listener to init; policyc makes none for a policy without
 *	exec
 */
#include "init/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "confine/landlock.h"
#include "confine/privilege.h"

#define MEMLOCK_BYTES (8U << 20)
#define CPU_GRACE_S 2

struct tool {
	const struct init_config *config;
	const struct image *image;
	const struct image_cell *cell;
	const struct plan *plan;
	bool watch;
	int report;
};

static int do_session(const struct tool *t, uint32_t *arg)
{
	sigset_t none;

	(void)t;
	(void)arg;
	(void)sigemptyset(&none);
	for (int s = 1; s < NSIG; s++)
		(void)signal(s, SIG_DFL);
	if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || setsid() < 0)
		return -errno;
	(void)umask(022);
	return 0;
}

static int do_cwd(const struct tool *t, uint32_t *arg)
{
	char path[PATH_MAX];

	(void)arg;
	/* A path that begins elsewhere ("(unreachable)") would lead outside of the cell. */
	if (chdir(t->plan->cwd) < 0)
		return -errno;
	return getcwd(path, sizeof(path)) && path[0] == '/' ? 0 : -EXDEV;
}

static int do_limits(const struct tool *t, uint32_t *arg)
{
	const struct image_limits *l = &t->config->limits;
	uint64_t cpu_s = l->cpu_ms ? (l->cpu_ms + 999) / 1000 : RLIM_INFINITY;
	const struct {
		__rlimit_resource_t resource;
		uint64_t value;
		uint64_t hard;
	} rows[] = {
		{RLIMIT_CORE, 0, 0},
		/* SIGXCPU at the limit, which names it; SIGKILL for who does not heed that. */
		{RLIMIT_CPU, cpu_s, l->cpu_ms ? cpu_s + CPU_GRACE_S : cpu_s},
		{RLIMIT_FSIZE, l->file_bytes, l->file_bytes},
		{RLIMIT_MEMLOCK, MEMLOCK_BYTES, MEMLOCK_BYTES},
		{RLIMIT_NOFILE, l->open_files, l->open_files},
		{RLIMIT_NPROC, t->config->rlimit_nproc, t->config->rlimit_nproc},
		{RLIMIT_MSGQUEUE, 0, 0},
		{RLIMIT_NICE, 0, 0},
		{RLIMIT_RTPRIO, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rlimit have;
		struct rlimit want;

		*arg = (uint32_t)rows[i].resource;
		if (getrlimit(rows[i].resource, &have) < 0)
			return -errno;
		want.rlim_max = MIN(rows[i].hard, have.rlim_max);
		want.rlim_cur = MIN(rows[i].value, want.rlim_max);
		if (setrlimit(rows[i].resource, &want) < 0)
			return -errno;
	}
	return 0;
}

static int do_landlock(const struct tool *t, uint32_t *arg)
{
	struct landlock_domain domain;
	int r;

	if (t->config->landlock_abi == 0)
		return 0;
	r = landlock_begin(&domain, t->config->landlock_abi, t->cell->net == IMAGE_NET_NONE);
	for (uint32_t i = 0; i < t->cell->rules_count && r == 0; i++) {
		const struct image_rule *rule = image_rule(t->image, t->cell->rules_first + i);
		const char *path = image_string(t->image, rule->path);
		struct landlock_rule allow = {path, rule->access};

		*arg = t->cell->rules_first + i;
		if (!path) {
			allow.path = t->config->workspace;
			if (t->config->readonly)
				allow.access &= ~(uint32_t)IMAGE_ACCESS_WRITE;
		}
		r = landlock_allow(&domain, &allow);
	}
	return r == 0 ? landlock_enter(&domain) : r;
}

static int do_close(const struct tool *t, uint32_t *arg)
{
	(void)t;
	(void)arg;
	return syscall(SYS_close_range, 3U, UINT_MAX, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;
}

static int do_seccomp(const struct tool *t, uint32_t *arg)
{
	const struct tool_failure none = {.step = STEP_NONE};
	int listener = -1;
	int r = -EOPNOTSUPP;

	(void)arg;
	/* Init reads the path of the program that is to be started out of this copy of itself. */
	if (t->watch)
		(void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	if (t->watch)
		r = privilege_filter_listen(image_watch(t->image, t->cell), t->cell->watch_count,
					    &listener);
	if (r == 0)
		return fd_send(t->report, &none, sizeof(none), &listener, 1);
	return privilege_filter(image_insns(t->image, t->cell), t->cell->insns_count);
}

static const char *path_variable(char *const *envp)
{
	for (; *envp; envp++)
		if (strncmp(*envp, "PATH=", 5) == 0)
			return *envp + 5;
	return "";
}

/* As execvpe(3), less its fall-back to a shell and its default path. */
static int exec_search(const struct plan *plan)
{
	const char *name = plan->argv[0];
	int result = -ENOENT;

	if (strchr(name, '/')) {
		(void)execve(name, plan->argv, plan->envp);
		return -errno;
	}
	for (const char *dir = path_variable(plan->envp); *dir;) {
		size_t len = strcspn(dir, ":");
		char path[PATH_MAX];
		int n = snprintf(path, sizeof(path), "%.*s/%s", (int)len, dir, name);

		if (len > 0 && n > 0 && (size_t)n < sizeof(path)) {
			(void)execve(path, plan->argv, plan->envp);
			if (errno != ENOENT && errno != ENOTDIR)
				result = -errno;
			if (result != -ENOENT && result != -EACCES)
				return result;
		}
		dir += len + (dir[len] == ':');
	}
	return result;
}

static int do_exec(const struct tool *t, uint32_t *arg)
{
	(void)arg;
	return exec_search(t->plan);
}

static const struct {
	enum report_step step;
	int (*run)(const struct tool *t, uint32_t *arg); /* 0 or -errno */
} steps[] = {
	{STEP_SESSION, do_session},   {STEP_CWD, do_cwd},     {STEP_LIMITS, do_limits},
	{STEP_LANDLOCK, do_landlock}, {STEP_CLOSE, do_close}, {STEP_SECCOMP, do_seccomp},
	{STEP_EXEC, do_exec},
};

void tool_main(const struct init_config *config, const struct image *image, const struct plan *plan,
	       bool watch, int report)
{
	const struct tool t = {config, image, image_cell(image, config->cell), plan, watch, report};
	struct tool_failure failure = {0};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		int r = steps[i].run(&t, &failure.arg);

		if (r < 0) {
			failure.step = steps[i].step;
			failure.num = -r;
			break;
		}
		failure.arg = 0;
	}
	if (fd_write_full(report, &failure, sizeof(failure)) < 0)
		_exit(126);
	_exit(127);
}
