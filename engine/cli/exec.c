/*
 * Theory of operation: the cold-start path. No broker, no digest, no JSON unless --result: this
 * process is the supervisor and speaks frames itself. It writes the plan, sends one FRAME_CALL with
 * its own stdio, and waits:
 *
 *	FRAME_CALL sent, FRAME_READY received --> running --FRAME_ENDED--> done
 *				|--SIGINT, SIGTERM, SIGHUP, SIGQUIT: FRAME_KILL, still running
 *				`--end of file, FRAME_FATAL: error
 *
 * The cell has a session of its own, so that a terminal's Ctrl-C reaches this process and not the
 * tool; it becomes a cancel of the call, which ends the tool's whole tree.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "cli/audited.h"
#include "cli/changes_view.h"
#include "cli/command.h"
#include "cli/engine.h"
#include "cli/exec_env.h"
#include "cli/person.h"
#include "cli/terminal.h"
#include "cli/ui.h"
#include "cli/verdict.h"
#include "wire/changes.h"
#include "wire/plan.h"
#include "wire/record.h"

#define CALL_ID 1
#define COUNTS_BYTES 200

struct exec {
	struct session session;
	struct frame_ready ready;
	struct frame_ended ended;
	const struct image_cell *cell;
	uint32_t cell_index;
	bool overlay;	/* the cell wants one; the image is gone when that is reported */
	int signals;	/* signalfd */
	int signal;	/* that we were told to end by; 0: none */
	int result;	/* descriptor of --result, or -1 */
	int summary;	/* memfd for what was changed, or -1 */
	int record;	/* memfd for what was denied, or -1 */
	char *denials;	/* of a person's refusal, before anything ran; NULL: none */
	bool tells;	/* a person is told what was changed */
	bool audited;	/* in the audit log, or it has been tried */
	bool unaudited; /* and the policy says that what is not recorded does not count as done */
	struct terminal terminals[TERMINAL_N];
};

/*
 * The file that --result names, opened before anything runs so that a mistake costs no call. The
 * workspace is the agents': a symbolic link in it could lead this process, perhaps root, anywhere.
 */
static int open_result(const char *path, int *ret_fd, struct err *err)
{
	struct open_how how = {
		.flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.mode = 0644,
		.resolve = RESOLVE_NO_SYMLINKS,
	};
	CLEANUP(fd_closep) int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return err_set(err, EINVAL,
			       "--result %s runs through a symbolic link, which could lead "
			       "anywhere; give the real path",
			       path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_set(err, errno, "cannot open --result %s", path);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return err_set(err, EINVAL, "--result %s must be a regular file with one name",
			       path);
	if (ftruncate(fd, 0) < 0)
		return err_set(err, errno, "cannot empty --result %s", path);
	*ret_fd = fd_take(&fd);
	return 0;
}

/* The policy's own cell, without any tool's narrowing: its name is the policy's. */
static int find_cell(struct exec *x, struct err *err)
{
	const struct image *image = &x->session.image;
	const struct image_cell *cell;

	for (uint32_t i = 0; (cell = image_cell(image, i)); i++) {
		const char *name = image_string(image, cell->name);
		const char *policy = image_string(image, cell->policy);

		if (name && policy && strcmp(name, policy) == 0) {
			x->cell = cell;
			x->cell_index = i;
			x->overlay = cell->flags & IMAGE_CELL_OVERLAY;
			return 0;
		}
	}
	return err_set(err, EINVAL, "the policy image has no cell without a tool");
}

/* What the command names and the policy grants only when the person here says so. */
static int ask_person(struct exec *x, const struct args *args, struct err *err)
{
	CLEANUP(fd_closep) int fd = -1;
	struct broker_person person;
	bool there = person_find(&fd, &person);
	struct broker_refusal refusal = {0};
	char *current = getcwd(NULL, 0);
	int r = broker_exec_consent(&x->session.image, &x->cell_index, args->operands,
				    exec_env_cwd(current, x->session.workspace),
				    there ? &person : NULL, &refusal, err);

	free(current);
	x->ended = refusal.ended;
	x->denials = refusal.denials;
	if (r == 0)
		x->cell = image_cell(&x->session.image, x->cell_index);
	return r;
}

static int check_timeout(const struct exec *x, uint64_t timeout_ms, struct err *err)
{
	char wanted[32];
	char most[32];

	if (timeout_ms <= x->cell->limits.wall_ms)
		return 0;
	return err_set(err, EINVAL,
		       "--timeout %s is longer than the policy's limit of %s; a call may "
		       "only lower it",
		       ui_duration(wanted, sizeof(wanted), timeout_ms),
		       ui_duration(most, sizeof(most), x->cell->limits.wall_ms));
}

static int seal_plan(const struct exec *x, const struct args *args, int *ret_fd, struct err *err)
{
	char *current = getcwd(NULL, 0);
	const char *cwd = exec_env_cwd(current, x->session.workspace);
	uint32_t flags = 0;
	char **env = NULL;
	int r;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (isatty(fd) == 1)
			flags |= PLAN_TTY;
	r = exec_env_build(&x->session.image, x->cell, x->session.environ_kept, &env, err);
	if (r == 0)
		r = plan_seal((const char *const *)args->operands, (const char *const *)env, cwd,
			      flags, ret_fd, err);
	exec_env_free(env);
	free(current);
	return r;
}

/* Only who is going to be told is worth a walk over what was changed. */
static int want_summary(struct exec *x, const struct args *args, struct err *err)
{
	bool direct = !x->overlay && x->cell->change_rules != IMAGE_NONE &&
		      !(x->cell->flags & IMAGE_CELL_WORKSPACE_READONLY);
	int r;

	/* What init has moved aside is always told. */
	x->tells = direct || x->result >= 0 || args->verbose || isatty(STDERR_FILENO) == 1;
	if (!direct &&
	    (!x->overlay || x->session.id[0] == '\0' || !(x->tells || audited_is_on(&x->session))))
		return 0;
	r = fd_memfd_room("toolcell-changes", CHANGES_BYTES_MAX, &x->summary);
	return r < 0 ? err_set(err, -r, "cannot make a file for what is changed") : 0;
}

static int want_record(struct exec *x, struct err *err)
{
	int r;

	if (x->cell->observe == IMAGE_OBSERVE_NOTHING)
		return 0;
	r = fd_memfd_room("toolcell-denials", sizeof(struct record), &x->record);
	return r < 0 ? err_set(err, -r, "cannot make a file for what is denied") : 0;
}

static int send_call(const struct exec *x, const struct args *args, struct err *err)
{
	struct frame_call call = {
		.head = {.type = FRAME_CALL, .bytes = sizeof(call), .call = CALL_ID},
		.cell = x->cell_index,
		.branch = x->overlay ? x->session.branch : 0,
		.wall_ms = args->timeout_ms,
	};
	CLEANUP(fd_closep) int plan = -1;
	int fds[FRAME_CALL_FDS_MAX] = {
		[FRAME_FD_STDIN] = STDIN_FILENO,
		[FRAME_FD_STDOUT] = STDOUT_FILENO,
		[FRAME_FD_STDERR] = STDERR_FILENO,
	};
	int r = seal_plan(x, args, &plan, err);

	if (r < 0)
		return r;
	fds[FRAME_FD_PLAN] = plan;
	call.flags = frame_call_flags(x->summary, x->record, fds);
	r = fd_send(x->session.launcher_fd, &call, sizeof(call), fds, frame_call_fds(call.flags));
	if (r == -EPIPE)
		return 0; /* a launcher that failed has left the reason for session_wait_ready */
	return r < 0 ? err_set(err, -r, "cannot send the call to the launcher") : 0;
}

/* From here on the signals that would end this process become frames. */
static int open_signals(int *ret_fd, struct err *err)
{
	static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++) {
		struct sigaction old;

		/* nohup(1) and `&` in a script say by SIG_IGN that the signal is not meant for us.
		 */
		if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			(void)sigaddset(&set, ending[i]);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_set(err, errno, "cannot block signals");
	*ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret_fd < 0 ? err_set(err, errno, "cannot make a signalfd") : 0;
}

static void on_signal(struct exec *x)
{
	struct frame_kill kill_frame = {
		.head = {.type = FRAME_KILL, .bytes = sizeof(kill_frame), .call = CALL_ID},
		.cause = FRAME_CAUSE_CANCELLED,
	};
	struct signalfd_siginfo info;
	ssize_t n = read(x->signals, &info, sizeof(info));

	if (n != (ssize_t)sizeof(info) || x->signal != 0)
		return; /* told once is enough: the launcher is at it */
	x->signal = (int)info.ssi_signo;
	/* When it cannot be sent, the launcher's last frame or its death is there to be read. */
	if (fd_send(x->session.launcher_fd, &kill_frame, sizeof(kill_frame), NULL, 0) < 0)
		return;
}

/* What one datagram is; the length is checked before any field beyond the head is read. */
union exec_frame {
	struct frame_head head;
	struct frame_ended ended;
	struct frame_fatal fatal;
	unsigned char room[FRAME_BYTES_MAX];
};

static int on_fatal(const union exec_frame *frame, struct err *err)
{
	char text[ERR_TEXT_MAX];

	(void)text_quote(text, sizeof(text), frame->fatal.text,
			 strnlen(frame->fatal.text, sizeof(frame->fatal.text)));
	return err_set(err, EPERM, "the launcher gave up: %s", text);
}

/* Return: 1 when the call has ended, 0 to go on, -errno. */
static int on_frame(struct exec *x, struct err *err)
{
	union exec_frame frame = {0};
	int fds[FD_PASS_MAX];
	size_t n_fds = 0;
	ssize_t n = fd_recv(x->session.launcher_fd, &frame, sizeof(frame), fds, &n_fds);

	while (n_fds > 0)
		fd_closep(&fds[--n_fds]);
	if (n <= 0)
		return err_set(err, n < 0 ? (int)-n : EPIPE, "the launcher has died");
	if (n == (ssize_t)sizeof(struct frame_fatal) && frame.head.type == FRAME_FATAL)
		return on_fatal(&frame, err);
	if (n == (ssize_t)sizeof(struct frame_started) && frame.head.type == FRAME_STARTED)
		return 0;
	if (n != (ssize_t)sizeof(struct frame_ended) || frame.head.type != FRAME_ENDED ||
	    frame.head.call != CALL_ID)
		return err_set(err, EPROTO,
			       "the launcher sent frame %u of %zd bytes, which has no place "
			       "here",
			       frame.head.type, n);
	x->ended = frame.ended;
	return 1;
}

static int wait_ended(struct exec *x, struct err *err)
{
	struct pollfd polls[] = {
		{.fd = x->session.launcher_fd, .events = POLLIN},
		{.fd = x->signals, .events = POLLIN},
	};
	int r = 0;

	while (r == 0) {
		if (poll(polls, ARRAY_SIZE(polls), -1) < 0) {
			if (errno == EINTR)
				continue;
			return err_set(err, errno, "cannot wait for the launcher");
		}
		if (polls[1].revents & POLLIN)
			on_signal(x);
		if (polls[0].revents)
			r = on_frame(x, err);
	}
	return r < 0 ? r : 0;
}

/* Into the audit log, and what to do where that fails: the result says so, too. */
static int audit_call(struct exec *x, const struct args *args, char **json, struct err *err)
{
	char *current = getcwd(NULL, 0);
	struct err why = {0};
	int r = audited_exec(&x->session,
			     &(struct audited_exec){.result = *json,
						    .argv = args->operands,
						    .cwd = exec_env_cwd(current,
									x->session.workspace)},
			     &why);

	x->audited = true;
	free(current);
	if (r == 0)
		return 0;
	x->unaudited = audited_stops(&x->session);
	ui_line(x->unaudited ? UI_BAD : UI_WARN, x->unaudited ? "error" : "no audit log",
		"the command %s, and is not recorded: %s", x->denials ? "was refused" : "ran",
		why.text);
	return broker_result_unrecorded(json, x->unaudited, why.text, err);
}

static int write_result(struct exec *x, const struct args *args, struct err *err)
{
	char *json = NULL;
	int r;

	if (x->result < 0 && !audited_is_on(&x->session))
		return 0;
	r = broker_result_from_frame(
		&(struct broker_exec){
			.image = &x->session.image,
			.cell = x->cell,
			.cell_index = x->cell_index,
			.ended = &x->ended,
			.ready = &x->ready,
			.tool = args->operands[0],
			.denials = x->denials,
			.workspace = x->session.workspace,
			.session = x->session.id[0] ? x->session.id : NULL,
			.summary = x->summary,
			.record = x->record,
		},
		&json, err);
	if (r == 0)
		r = audit_call(x, args, &json, err);
	if (r == 0 && x->result >= 0) {
		r = fd_write_full(x->result, json, strlen(json));
		if (r == 0)
			r = fd_write_full(x->result, "\n", 1);
		if (r < 0)
			r = err_set(err, -r, "cannot write the result");
	}
	free(json);
	return r;
}

/* The engine failed under the command: what is known is that it began. */
static void audit_failure(struct exec *x, const struct args *args)
{
	struct err why;

	if (audited_is_on(&x->session) && !x->audited &&
	    audited_exec(&x->session, &(struct audited_exec){.argv = args->operands}, &why) < 0)
		ui_line(UI_WARN, "no audit log", "%s", why.text);
}

/* The refusal itself is told in any case. */
static void write_refusal(struct exec *x, const struct args *args)
{
	struct err why;

	/* What the launcher is able to is a part of every result. */
	if (session_wait_ready(&x->session, &x->ready, &why) < 0 || write_result(x, args, &why) < 0)
		ui_error(&why);
}

static int run_call(struct exec *x, const struct args *args, struct err *err)
{
	int r = find_cell(x, err);

	if (r == 0)
		r = check_timeout(x, args->timeout_ms, err);
	if (r == 0)
		r = ask_person(x, args, err);
	if (x->denials)
		write_refusal(x, args);
	if (r == 0)
		r = want_summary(x, args, err);
	if (r == 0)
		r = want_record(x, err);
	if (r == 0)
		r = open_signals(&x->signals, err);
	/* The call waits in the socket until the launcher is ready: one wake-up less. */
	if (r == 0)
		r = send_call(x, args, err);
	if (r == 0)
		r = session_wait_ready(&x->session, &x->ready, err);
	if (r == 0)
		r = wait_ended(x, err);
	return r < 0 ? r : write_result(x, args, err);
}

/* "2 added, 1 modified, kept in session k3f9abcd: ..." */
static void report_kept(const struct exec *x, const struct changes_header *header)
{
	char counts[COUNTS_BYTES];

	if (changes_view_kinds(header->kinds, counts, sizeof(counts))[0])
		ui_line(UI_PLAIN, NULL,
			"%s, kept in session %s: toolcell changes diff | commit | discard", counts,
			x->session.id);
}

/* Made at protected paths of a workspace that is written to directly. */
static void report_refused(const struct changes_header *header)
{
	struct changes_entry e;
	size_t offset = 0;

	while (changes_next(header, &offset, &e) > 0) {
		bool moved = e.record.flags & CHANGES_QUARANTINED;
		char path[ERR_TEXT_MAX];
		char now[ERR_TEXT_MAX];

		(void)text_quote(path, sizeof(path), e.path, strlen(e.path));
		(void)text_quote(now, sizeof(now), e.from, strlen(e.from));
		if (moved)
			ui_line(UI_WARN, "protected", "%s was made, and moved aside to %s", path,
				now);
		else
			ui_line(UI_BAD, "protected", "%s was made, and could not be moved aside",
				path);
	}
}

static void report_changes(const struct exec *x)
{
	void *data = x->summary < 0
			     ? MAP_FAILED
			     : mmap(NULL, CHANGES_BYTES_MAX, PROT_READ, MAP_PRIVATE, x->summary, 0);
	const struct changes_header *header = NULL;

	if (data == MAP_FAILED)
		return;
	/* Init wrote it, which ran beside the tool: what does not fit is not shown. */
	if (changes_decode(data, CHANGES_BYTES_MAX, &header, NULL) < 0)
		header = NULL;
	if (header && x->ended.workspace == FRAME_WORKSPACE_OVERLAY)
		report_kept(x, header);
	else if (header && x->ended.workspace == FRAME_WORKSPACE_DIRECT)
		report_refused(header);
	(void)munmap(data, CHANGES_BYTES_MAX);
}

/* Where the policy's fallback was taken, changes are not where they are looked for later. */
static void report_fallback(const struct exec *x)
{
	static const char *const words[FRAME_WORKSPACE_N] = {
		[FRAME_WORKSPACE_READONLY] = "the workspace was read-only",
		[FRAME_WORKSPACE_DIRECT] = "tools wrote to the workspace itself",
		[FRAME_WORKSPACE_OVERLAY_MEMORY] = "changes were kept in memory and are gone now",
	};
	uint32_t workspace = x->ended.workspace;
	char why[ERR_TEXT_MAX];

	if (!x->overlay || workspace >= FRAME_WORKSPACE_N || !words[workspace])
		return;
	(void)text_quote(why, sizeof(why), x->ready.session_why,
			 strnlen(x->ready.session_why, sizeof(x->ready.session_why)));
	ui_line(UI_WARN, "no session", "%s, as workspace.fallback says: %s", words[workspace], why);
}

static int report(const struct exec *x, const char *command)
{
	char text[ERR_TEXT_MAX];
	const char *label = NULL;
	const char *line = verdict_line(&x->ended, x->signal, command, text, sizeof(text), &label);

	if (line)
		ui_line(UI_BAD, label, "%s", line);
	if (x->tells)
		report_changes(x);
	report_fallback(x);
	return x->unaudited ? CLI_REFUSED : verdict_exit_code(&x->ended, x->signal);
}

static int fail(const struct err *err, int code)
{
	ui_error(err);
	return code;
}

int command_exec(const struct command *self, struct args *args, char **argv)
{
	struct exec x = {.signals = -1, .result = -1, .summary = -1, .record = -1};
	struct err err;
	int r;

	(void)self;
	(void)argv;
	if (args->n_operands == 0) {
		(void)err_set(&err, EINVAL,
			      "no command is given: toolcell exec -- COMMAND [ARGUMENT...]");
		return fail(&err, CLI_USAGE);
	}
	if (!args->agent && !args->policy && !engine_names_session(args))
		args->policy = "strict";
	if (args->result && open_result(args->result, &x.result, &err) < 0)
		return fail(&err, CLI_REFUSED);
	if (engine_start(args, false, &x.session, &err) < 0)
		return fail(&err, CLI_REFUSED);
	terminal_save(x.terminals);
	r = run_call(&x, args, &err);
	terminal_restore(x.terminals);
	if (r < 0)
		audit_failure(&x, args);
	if (r < 0)
		session_abort(&x.session);
	else
		session_stop(&x.session);
	r = r < 0 ? fail(&err, CLI_REFUSED) : report(&x, args->operands[0]);
	fd_closep(&x.signals);
	fd_closep(&x.result);
	fd_closep(&x.summary);
	fd_closep(&x.record);
	free(x.denials);
	return r;
}
