/*
 * Theory of operation: everything is looked up once, in the operator's name - workspace, policy image
 * (compiled by toolcell-policyc, which exits before anything serves) - and handed to the children as
 * descriptors at agreed numbers. The children get an empty environment, /dev/null for stdio and a
 * process group of their own, so that a Ctrl-C at the terminal reaches this process alone, which then
 * ends them in order.
 */
#include "cli/session.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/data.h"
#include "base/fd.h"
#include "base/path.h"
#include "cli/audited.h"
#include "cli/cache.h"
#include "cli/kept.h"
#include "digest/protocol.h"
#include "launch/launch.h"

#define UID_BASE_DEFAULT 1879113728U /* 0x70010000: above what distributions and systemd hand out */
#define UID_COUNT_DEFAULT 4096U
#define FD_HIGH 64 /* descriptors wait here before they are put at their numbers */
#define CHILD_FDS_MAX 8
#define POLICYC_FD 3
#define POLICYC_REPLY_MAX 4096

extern char **environ;

/* Folders that are never a workspace, and whether what lies below them is none either. */
static const struct {
	const char *path;
	bool below;
} system_folders[] = {
	{"/", false},	  {"/bin", true},    {"/boot", true},	  {"/dev", true},
	{"/etc", true},	  {"/home", false},  {"/lib", true},	  {"/lib32", true},
	{"/lib64", true}, {"/libx32", true}, {"/media", false},	  {"/mnt", false},
	{"/opt", false},  {"/proc", true},   {"/root", false},	  {"/run", true},
	{"/sbin", true},  {"/srv", false},   {"/sys", true},	  {"/tmp", false},
	{"/usr", true},	  {"/var", false},   {"/var/tmp", false},
};

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* By name for what lies below, and by identity for the folder itself, whatever it is called here. */
static bool is_folder(const char *path, const struct stat *st, const char *folder, bool below)
{
	struct stat other;

	return strcmp(path, folder) == 0 || (below && path_is_below(path, folder)) ||
	       (stat(folder, &other) == 0 && is_same_file(st, &other));
}

static int check_workspace(const char *path, const struct stat *st, struct err *err)
{
	const char *home = getenv("HOME");

	if (home && home[0] == '/' && is_folder(path, st, home, false))
		return err_set(err, EPERM,
			       "workspace %s is your home folder, with everything private in it; "
			       "choose the "
			       "folder of a project",
			       path);
	for (size_t i = 0; i < ARRAY_SIZE(system_folders); i++)
		if (is_folder(path, st, system_folders[i].path, system_folders[i].below))
			return err_set(
				err, EPERM,
				"workspace %s is a system folder; choose the folder of a project",
				path);
	return 0;
}

/*
 * The workspace may lie in a folder that another agent works in, who could turn any component of the
 * path into a symbolic link between two looks at it. So there is one look: a descriptor, opened
 * without following a link, and everything else is asked of it.
 */
static int open_without_links(const char *name, int *ret_fd, struct err *err)
{
	struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
			       .resolve = RESOLVE_NO_SYMLINKS};
	char *real;

	*ret_fd = (int)syscall(SYS_openat2, AT_FDCWD, name, &how, sizeof(how));
	if (*ret_fd >= 0)
		return 0;
	if (errno != ELOOP)
		return err_set(err, errno, "cannot open workspace %s", name);
	real = realpath(name, NULL);
	(void)err_set(
		err, EINVAL,
		"workspace %s runs through a symbolic link, which could be made to lead elsewhere; "
		"give the real path%s%s",
		name, real ? ": " : "", real ? real : "");
	free(real);
	return -EINVAL;
}

static int open_workspace(const char *name, struct session *s, struct err *err)
{
	char link[64];
	char path[PATH_MAX];
	struct stat st;
	ssize_t n;
	int r = open_without_links(name ? name : ".", &s->workspace_fd, err);

	if (r < 0)
		return r;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", s->workspace_fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0 || path[0] != '/' || fstat(s->workspace_fd, &st) < 0)
		return err_set(err, EINVAL, "workspace %s has no path that begins with /",
			       name ? name : ".");
	path[n] = '\0';
	if (st.st_nlink == 0)
		return err_set(err, ENOENT, "workspace %s has been deleted", path);
	r = check_workspace(path, &st, err);
	if (r < 0)
		return r;
	s->workspace = strdup(path);
	return s->workspace ? 0 : err_set(err, ENOMEM, "no memory for a path");
}

/* What a child is given: descriptor fds[i] of ours becomes first + i of its own. */
struct spawn {
	const char *program;
	char **argv;
	char **envp;
	int first;
	int fds[CHILD_FDS_MAX];
	int n_fds;
	bool keep_stderr;
};

static int add_actions(posix_spawn_file_actions_t *actions, const struct spawn *spawn,
		       const int *high)
{
	int r = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDWR, 0);

	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, 0, 1);
	if (r == 0 && !spawn->keep_stderr)
		r = posix_spawn_file_actions_adddup2(actions, 0, 2);
	for (int i = 0; i < spawn->n_fds && r == 0; i++)
		r = posix_spawn_file_actions_adddup2(actions, high[i], spawn->first + i);
	return r;
}

static int spawn_with(const struct spawn *spawn, const int *high, pid_t *ret_pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int r = posix_spawn_file_actions_init(&actions);

	if (r != 0)
		return r;
	r = posix_spawnattr_init(&attr);
	if (r != 0) {
		(void)posix_spawn_file_actions_destroy(&actions);
		return r;
	}
	(void)sigemptyset(&none);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)sigaddset(&none, SIGPIPE); /* what a caller ignored would stay ignored */
	(void)sigaddset(&none, SIGCHLD);
	(void)posix_spawnattr_setsigdefault(&attr, &none);
	(void)posix_spawnattr_setpgroup(&attr, 0);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
						      POSIX_SPAWN_SETSIGDEF);
	r = add_actions(&actions, spawn, high);
	if (r == 0)
		r = posix_spawn(ret_pid, spawn->program, &actions, &attr, spawn->argv, spawn->envp);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attr);
	return r;
}

static int spawn_child(const struct spawn *spawn, pid_t *ret_pid, struct err *err)
{
	int high[CHILD_FDS_MAX];
	int r = 0;

	for (int i = 0; i < spawn->n_fds; i++)
		high[i] = fcntl(spawn->fds[i], F_DUPFD_CLOEXEC, FD_HIGH);
	for (int i = 0; i < spawn->n_fds; i++)
		if (high[i] < 0)
			r = EMFILE;
	if (r == 0)
		r = spawn_with(spawn, high, ret_pid);
	for (int i = 0; i < spawn->n_fds; i++)
		fd_closep(&high[i]);
	return r != 0 ? err_set(err, r, "cannot start %s", spawn->program) : 0;
}

/* policyc answers with the sealed image, or with words. */
static int read_image(int sock, struct session *s, struct err *err)
{
	char reply[POLICYC_REPLY_MAX + 1];
	int fds[FD_PASS_MAX];
	size_t n_fds;
	ssize_t n = fd_recv(sock, reply, POLICYC_REPLY_MAX, fds, &n_fds);

	if (n > 0 && reply[0] == 'I' && n_fds == 1) {
		s->image_fd = fds[0];
		return image_map(s->image_fd, &s->image, err);
	}
	while (n_fds > 0)
		fd_closep(&fds[--n_fds]);
	if (n > 1 && reply[0] == 'E') {
		reply[n] = '\0';
		return err_set(err, EINVAL, "%s", reply + 1);
	}
	return err_set(err, EPROTO, "toolcell-policyc ended without an answer");
}

static int run_policyc(const struct session_options *o, char *program, struct session *s,
		       struct err *err)
{
	static char words[][16] = {"image", "--out-fd", "3", "--agent", "--policy"};
	char *argv[9] = {program, words[0], words[1], words[2]};
	struct spawn spawn = {.program = program,
			      .argv = argv,
			      .envp = environ,
			      .first = POLICYC_FD,
			      .n_fds = 1,
			      .keep_stderr = true};
	int pair[2];
	int n = 4;
	int r;
	pid_t pid = -1;

	if (o->agent) {
		argv[n++] = words[3];
		argv[n++] = (char *)(uintptr_t)o->agent;
	}
	if (o->policy) {
		argv[n++] = words[4];
		argv[n++] = (char *)(uintptr_t)o->policy;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(err, errno, "cannot make a socket");
	spawn.fds[0] = pair[1];
	r = spawn_child(&spawn, &pid, err);
	(void)close(pair[1]);
	if (r == 0) {
		r = read_image(pair[0], s, err);
		(void)waitpid(pid, NULL, 0);
	}
	(void)close(pair[0]);
	return r;
}

static int get_image(const struct session_options *o, struct session *s, struct err *err)
{
	char *program = NULL;
	int r = data_program("toolcell-policyc", &program, err);

	if (r < 0)
		return r;
	if (cache_load(o, program, s->workspace, &s->image_fd) == 0) {
		r = image_map(s->image_fd, &s->image, err);
	} else {
		r = run_policyc(o, program, s, err);
		if (r == 0)
			cache_store(o, program, s->workspace, &s->image);
	}
	free(program);
	return r;
}

/* Whether any tool of this image may change the workspace. */
static bool workspace_is_writable(const struct image *image)
{
	const struct image_cell *cell;

	for (uint32_t i = 0; (cell = image_cell(image, i)); i++)
		if (!(cell->flags & IMAGE_CELL_WORKSPACE_READONLY))
			return true;
	return false;
}

/*
 * What decides over the cells must not lie where they can change it: policies, agents and manifests
 * that were read, and the programs of toolcell themselves.
 */
static int check_inputs(const struct session *s, struct err *err)
{
	const struct image_input *in;
	char program[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

	if (!workspace_is_writable(&s->image))
		return 0;
	for (uint32_t i = 0; (in = image_input(&s->image, i)); i++) {
		const char *name = image_string(&s->image, in->name);

		if (in->type == IMAGE_INPUT_ENV || !path_is_below(name, s->workspace))
			continue;
		return err_set(err, EPERM,
			       "%s decides what the agent may do and lies in its workspace, where "
			       "its tools "
			       "could change it; keep it elsewhere",
			       name);
	}
	program[n > 0 ? n : 0] = '\0';
	if (path_is_below(program, s->workspace))
		return err_set(err, EPERM,
			       "toolcell's own programs lie in the workspace %s, where its tools "
			       "could change "
			       "them; install toolcell elsewhere (./dev install)",
			       s->workspace);
	return 0;
}

static int start_launcher(const struct session_options *o, struct session *s, struct err *err)
{
	char pid[16];
	char base[16];
	char count[16];
	char *launcher = NULL;
	char *init = NULL;
	char *empty[] = {NULL};
	int pair[2] = {-1, -1};
	int alive[2] = {-1, -1};
	int r = data_program("toolcell-launcher", &launcher, err);

	if (r == 0)
		r = data_program("toolcell-init", &init, err);
	if (r == 0 && (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
		       pipe2(alive, O_CLOEXEC) < 0))
		r = err_set(err, errno, "cannot make a socket");
	if (r == 0) {
		char *argv[] = {launcher, pid, s->workspace, init, base, count, NULL};
		struct spawn spawn = {.program = launcher,
				      .argv = argv,
				      .envp = empty,
				      .first = LAUNCH_FD_BROKER,
				      .fds = {pair[1], s->workspace_fd, alive[0]},
				      .n_fds = 3};

		(void)snprintf(pid, sizeof(pid), "%d", getpid());
		(void)snprintf(base, sizeof(base), "%u",
			       o->uid_base ? o->uid_base : UID_BASE_DEFAULT);
		(void)snprintf(count, sizeof(count), "%u",
			       o->uid_count ? o->uid_count : UID_COUNT_DEFAULT);
		r = spawn_child(&spawn, &s->launcher_pid, err);
	}
	fd_closep(&pair[1]);
	fd_closep(&alive[0]);
	s->launcher_fd = fd_take(&pair[0]);
	s->alive_fd = fd_take(&alive[1]);
	free(launcher);
	free(init);
	return r;
}

static int start_digest(const struct session_options *o, struct session *s, struct err *err)
{
	char uid[16];
	char *program = NULL;
	char *empty[] = {NULL};
	int pair[2] = {-1, -1};
	int r = o->digest ? data_program("toolcell-digest", &program, err) : 0;

	if (!o->digest || r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		r = err_set(err, errno, "cannot make a socket");
	} else {
		char *argv[] = {program, uid, NULL};
		struct spawn spawn = {.program = program,
				      .argv = argv,
				      .envp = empty,
				      .first = DIGEST_SOCKET_FD,
				      .fds = {pair[1]},
				      .n_fds = 1};

		/* Root mode: the uid to become; "0" stays what it is. */
		(void)snprintf(uid, sizeof(uid), "%u",
			       s->broker_uid ? s->broker_uid - UID_BROKER + UID_DIGEST : 0);
		r = spawn_child(&spawn, &s->digest_pid, err);
	}
	fd_closep(&pair[1]);
	s->digest_fd = fd_take(&pair[0]);
	free(program);
	return r;
}

int session_start(const struct session_options *options, struct session *ret, struct err *err)
{
	struct session_options o = *options;
	uint32_t base = o.uid_base ? o.uid_base : UID_BASE_DEFAULT;
	int r;

	*ret = (struct session){.image_fd = -1,
				.launcher_fd = -1,
				.digest_fd = -1,
				.workspace_fd = -1,
				.alive_fd = -1,
				.person_fd = -1,
				.environ_kept = environ,
				.broker_uid = geteuid() == 0 ? base + UID_BROKER : 0};
	r = kept_adopt(&o, ret, err);
	if (r == 0)
		r = open_workspace(o.workspace, ret, err);
	if (r == 0)
		r = start_launcher(&o, ret, err);
	if (r == 0) /* the launcher looks at the kernel meanwhile */
		r = get_image(&o, ret, err);
	if (r == 0)
		r = check_inputs(ret, err);
	if (r == 0)
		r = kept_choose(&o, ret, err);
	if (r == 0)
		r = kept_send_image(ret, err);
	if (r == 0) /* the launcher makes the mounts meanwhile */
		r = audited_open(&o, ret, err);
	if (r == 0)
		r = start_digest(&o, ret, err);
	if (r < 0)
		session_stop(ret);
	return r;
}

int session_wait_ready(struct session *session, struct frame_ready *ret, struct err *err)
{
	union {
		struct frame_head head;
		struct frame_ready ready;
		struct frame_fatal fatal;
	} frame = {0};
	int fds[FD_PASS_MAX];
	size_t n_fds;
	ssize_t n = fd_recv(session->launcher_fd, &frame, sizeof(frame), fds, &n_fds);

	while (n_fds > 0)
		fd_closep(&fds[--n_fds]);
	if (n == (ssize_t)sizeof(frame.ready) && frame.head.type == FRAME_READY) {
		*ret = frame.ready;
		return 0;
	}
	if (n == (ssize_t)sizeof(frame.fatal) && frame.head.type == FRAME_FATAL) {
		frame.fatal.text[sizeof(frame.fatal.text) - 1] = '\0';
		return err_set(err, frame.fatal.num == EPERM ? EPERM : EINVAL, "%s",
			       frame.fatal.text);
	}
	return err_set(err, EPROTO, "the launcher ended before it was ready");
}

void session_stop(struct session *session)
{
	/* The launcher takes the end of its pipe for the end of the session and cleans up. */
	fd_closep(&session->alive_fd);
	fd_closep(&session->launcher_fd);
	fd_closep(&session->digest_fd);
	fd_closep(&session->person_fd);
	fd_closep(&session->workspace_fd);
	image_unmap(&session->image);
	fd_closep(&session->image_fd);
	kept_end(session);
	audited_close(session);
	free(session->workspace);
	session->workspace = NULL;
}
