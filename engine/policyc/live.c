/*
 * Theory of operation:
 *
 *	rows -> lines for the probe -> memfd -> toolcell exec: a cell -> pipe -> answers -> judged
 *
 * The cell is made by the ordinary engine under the very policy, so what is tried is what tools meet.
 * Files that rows of the workspace need are made beforehand. What the probe says was written inside a
 * cell: it is read with a cap, line by line, and what is no answer is no pass.
 */
#include "policyc/live.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/data.h"
#include "base/fd.h"
#include "base/scratch.h"
#include "base/text.h"
#include "policyc/command.h"

#define PROBE "/toolcell/bin/toolcell-probe"
#define ANSWERS_BYTES_MAX ((size_t)1 << 20)
#define PROGRAM_BYTES_MAX ((size_t)64 << 20)

struct live {
	const struct policy_plan *plan;
	const struct table *table;
	struct table_result *results;
	char dir[PATH_MAX];
	char workspace[PATH_MAX];
	struct buf lines;
	struct err *err;
};

static void skip(struct live *l, size_t row, const char *why)
{
	l->results[row].outcome = TABLE_SKIPPED;
	(void)snprintf(l->results[row].text, sizeof(l->results[row].text), "%s", why);
}

static int compose_call(struct live *l, size_t i)
{
	const struct table_row *row = &l->table->rows[i];
	enum call_arch arch = row->call->arch == CALL_ARCH_N ? call_native() : row->call->arch;
	struct seccomp_data data;
	const uint64_t *a = row->call->args;
	bool runs = arch == call_native() || (call_native() == CALL_X86_64 && arch != CALL_AARCH64);

	if (!runs || !call_data(row->call, arch, &data)) {
		skip(l, i, "not a call of this machine");
		return 0;
	}
	return buf_printf(&l->lines, "%zu call %s %u %llu %llu %llu %llu %llu %llu\n", i,
			  call_arch_name(arch), (unsigned int)data.nr, (unsigned long long)a[0],
			  (unsigned long long)a[1], (unsigned long long)a[2],
			  (unsigned long long)a[3], (unsigned long long)a[4],
			  (unsigned long long)a[5]);
}

/* The folders above @path, below the workspace, which has none of its own. */
static int make_parents(const struct live *l, const char *path)
{
	char part[PATH_MAX];

	for (size_t n = strlen(l->workspace) + 1; path[n] != '\0'; n++) {
		if (path[n] != '/')
			continue;
		memcpy(part, path, n);
		part[n] = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

static int make_file(const char *path, const char *data, size_t len)
{
	CLEANUP(fd_closep)
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0755);

	if (fd < 0)
		return errno == EEXIST ? 0 : -errno;
	return fd_write_full(fd, data, len);
}

/* A program to execute, a file to read and write, the folder of what is created. */
static int prepare(struct live *l, const struct table_row *row, const char *path)
{
	char *program = NULL;
	char *data = NULL;
	size_t len = 0;
	int r = 0;

	if (strncmp(row->subject, "${WORKSPACE}/", strlen("${WORKSPACE}/")) != 0)
		return 0;
	r = make_parents(l, path);
	if (r == 0 && row->use == QUERY_LIST)
		r = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
	else if (r == 0 && row->use != QUERY_CREATE) {
		r = data_program("tools/toolcell-probe", &program, l->err);
		if (r == 0)
			r = fd_read_file(AT_FDCWD, program, PROGRAM_BYTES_MAX, &data, &len, l->err);
		if (r == 0)
			r = make_file(path, data, len);
	}
	free(program);
	free(data);
	return r;
}

static int compose_path(struct live *l, size_t i)
{
	const struct table_row *row = &l->table->rows[i];
	const struct query ask = {.plan = l->plan, .workspace = l->workspace};
	char path[PATH_MAX];
	int r = query_clean(&ask, row->subject, path, l->err);

	if (strcmp(row->want, "protected") == 0 &&
	    l->plan->policy->workspace.value != POLICY_WORKSPACE_DIRECT) {
		skip(l, i, "the rule holds at a commit");
		return r;
	}
	if (strchr(path, '\n')) {
		skip(l, i, "the path does not fit on a line");
		return r;
	}
	if (r == 0)
		r = prepare(l, row, path);
	return r < 0 ? r : buf_printf(&l->lines, "%zu %s %s\n", i, query_use_name(row->use), path);
}

static int compose_env(struct live *l, size_t i)
{
	return buf_printf(&l->lines, "%zu env %s\n", i, l->table->rows[i].subject);
}

/* "ADDRESS:PORT" and "[ADDRESS]:PORT"; names have no resolver in a cell. */
static int compose_network(struct live *l, size_t i)
{
	const char *text = l->table->rows[i].subject;
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;

	if (len > 1 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	} else if (len == 0 || strspn(text, "0123456789.") != len) {
		skip(l, i, "only an address with a port can be tried");
		return 0;
	}
	return buf_printf(&l->lines, "%zu connect %.*s %s\n", i, (int)len, text, colon + 1);
}

static int compose_limit(struct live *l, size_t i)
{
	const char *name = l->table->rows[i].subject;

	if (strcmp(name, "open_files") != 0 && strcmp(name, "file_size") != 0) {
		skip(l, i, "a process cannot ask for this limit");
		return 0;
	}
	return buf_printf(&l->lines, "%zu limit %s\n", i, name);
}

static int compose_nothing(struct live *l, size_t i)
{
	skip(l, i, "tools are granted by the engine, not in a cell");
	return 0;
}

static int (*const composers[])(struct live *l, size_t i) = {
	[TABLE_CALL] = compose_call,	[TABLE_PATH] = compose_path,
	[TABLE_TOOL] = compose_nothing, [TABLE_LIMIT] = compose_limit,
	[TABLE_ENV] = compose_env,	[TABLE_NETWORK] = compose_network,
};
static_assert(ARRAY_SIZE(composers) == TABLE_KIND_N, "every kind is composed");

static int compose(struct live *l)
{
	for (size_t i = 0; i < l->table->n; i++) {
		const struct table_row *row = &l->table->rows[i];
		int r;

		l->results[i] =
			(struct table_result){.outcome = TABLE_FAILED,
					      .text = "in a cell: the probe did not answer"};
		if (row->tool ||
		    (row->net < IMAGE_NET_N && row->net != l->plan->policy->network.value)) {
			skip(l, i,
			     row->tool ? "a tool's cell cannot be entered by hand"
				       : "not the policy's own network");
			continue;
		}
		r = composers[row->kind](l, i);
		if (r < 0)
			return l->err->num ? r
					   : err_set(l->err, -r, "cannot prepare %s:%u",
						     l->table->label, row->line);
	}
	return 0;
}

static int make_dirs(struct live *l)
{
	char sessions[PATH_MAX + 16];

	if (scratch_make("toolcell-test", l->dir, l->err) < 0)
		return -l->err->num;
	if ((size_t)snprintf(l->workspace, sizeof(l->workspace), "%s/ws", l->dir) >=
	    sizeof(l->workspace))
		return err_set(l->err, ENAMETOOLONG, "cannot make a workspace for the test");
	(void)snprintf(sessions, sizeof(sessions), "%s/sessions", l->dir);
	if (mkdir(l->workspace, 0755) < 0 || mkdir(sessions, 0700) < 0)
		return err_set(l->err, errno, "cannot make a workspace for the test");
	return 0;
}

/* Overlayfs leaves a closed folder, which an ordinary account must open before it can remove it. */
static void remove_dirs(const struct live *l)
{
	char dir[PATH_MAX];
	char *paths[] = {dir, NULL};
	FTS *fts;
	FTSENT *e;

	if (l->dir[0] == '\0')
		return;
	(void)snprintf(dir, sizeof(dir), "%s", l->dir);
	fts = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
	while (fts && (e = fts_read(fts))) {
		if (e->fts_info == FTS_D)
			(void)chmod(e->fts_accpath, 0700);
		else if (e->fts_info == FTS_DNR && e->fts_number++ == 0 &&
			 chmod(e->fts_accpath, 0700) == 0)
			(void)fts_set(fts, e, FTS_AGAIN);
		else if (e->fts_info == FTS_DP || e->fts_info == FTS_DNR)
			(void)rmdir(e->fts_accpath);
		else
			(void)unlink(e->fts_accpath);
	}
	if (fts)
		(void)fts_close(fts);
}

static _Noreturn void become_engine(const char *program, const char *policy, const struct live *l,
				    int in, int out)
{
	char sessions[PATH_MAX + 16];
	const char *argv[] = {program,	     "exec",	   "--policy",	 policy,
			      "--workspace", l->workspace, "--sessions", sessions,
			      "--",	     PROBE,	   NULL};

	(void)snprintf(sessions, sizeof(sessions), "%s/sessions", l->dir);
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
	    chdir(l->workspace) == 0)
		(void)execv(program, (char **)(uintptr_t)argv);
	_exit(125);
}

static int read_answers(struct live *l, int fd, struct buf *out)
{
	ssize_t n;

	out->cap = ANSWERS_BYTES_MAX;
	do {
		int r = buf_reserve(out, 4096);

		if (r < 0)
			return err_set(l->err, -r, "the probe answers too much");
		n = fd_read_full(fd, out->data + out->len, 4096);
		if (n < 0)
			return err_set(l->err, (int)-n, "cannot read what the probe answers");
		out->len += (size_t)n;
	} while (n > 0);
	return buf_append(out, "", 1);
}

static int run_engine(struct live *l, const char *policy, struct buf *answers)
{
	CLEANUP(fd_closep) int in = -1;
	char *program = NULL;
	int ends[2] = {-1, -1};
	int status = 0;
	pid_t pid;
	int r = fd_memfd_sealed("toolcell-probe", l->lines.data, l->lines.len, &in, l->err);

	if (r == 0)
		r = data_program("toolcell", &program, l->err);
	if (r == 0 && pipe2(ends, O_CLOEXEC) < 0)
		r = err_set(l->err, errno, "cannot make a pipe");
	if (r < 0 || !program) {
		free(program);
		return r < 0 ? r : -ENOENT;
	}
	(void)lseek(in, 0, SEEK_SET);
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		become_engine(program, policy, l, in, ends[1]);
	free(program);
	(void)close(ends[1]);
	if (pid > 0)
		r = read_answers(l, ends[0], answers);
	(void)close(ends[0]);
	if (pid < 0)
		return err_set(l->err, errno, "cannot start the engine");
	(void)waitpid(pid, &status, 0);
	if (r < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return r;
	return err_set(l->err, EIO,
		       "the cell of %s ended with status %d; what it said stands above", policy,
		       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void judge_lines(struct live *l, char *text)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct live_answer answer = {LIVE_MISUSE, 0};
		uint32_t row = 0;

		if (live_parse(line, &row, &answer) && row < l->table->n)
			live_judge(&l->table->rows[row], answer, &l->results[row]);
	}
}

/* Whether cells of the policy see the probe at all. */
static bool shows_probe(const struct live *l)
{
	const struct query ask = {.plan = l->plan, .workspace = l->workspace};
	struct query_answer answer;
	struct query_place place;

	if (query_place(&ask, PROBE, &place, NULL) < 0)
		return false;
	query_path(&ask, &place, QUERY_EXECUTE, &answer);
	return answer.verdict == QUERY_ALLOW;
}

/* All of it, in folders that are there. */
static int try_all(struct live *l, const char *name_or_file)
{
	CLEANUP(buf_fini) struct buf answers = {0};
	int r;

	if (!shows_probe(l)) {
		for (size_t i = 0; i < l->table->n; i++)
			skip(l, i, "the policy does not show " PROBE);
		return 0;
	}
	r = compose(l);
	if (r == 0 && l->lines.len > 0)
		r = run_engine(l, name_or_file, &answers);
	if (r == 0 && answers.data)
		judge_lines(l, answers.data);
	return r;
}

int live_try(const char *name_or_file, const struct policy_plan *plan, const struct table *table,
	     struct table_result *results, struct err *err)
{
	struct live *l = calloc(1, sizeof(*l));
	char *real = NULL;
	int r;

	*err = (struct err){0};
	if (!l)
		return err_set(err, ENOMEM, "cannot test %s", name_or_file);
	*l = (struct live){.plan = plan, .table = table, .results = results, .err = err};
	/* The engine is started from the test's own folder: a FILE must be found from there. */
	if (!policy_name_is_sane(name_or_file) || strstr(name_or_file, ".json"))
		real = realpath(name_or_file, NULL);
	r = make_dirs(l);
	if (r == 0)
		r = try_all(l, real ? real : name_or_file);
	buf_fini(&l->lines);
	remove_dirs(l);
	free(real);
	free(l);
	return r;
}
