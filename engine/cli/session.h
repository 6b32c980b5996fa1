/*
 * Starting an engine: policy image, launcher, digest zygote, and the roles that the processes then
 * take. P0 is the process that the driver started; it stays as the supervisor, which holds nothing
 * but the cleaning up: when a child dies it ends the others and removes cgroups that are left.
 *
 *	P0 supervisor --+-- toolcell-launcher (privileged)
 *			+-- toolcell-digest   (no privilege)
 *			`-- broker	      (no privilege; forked, not exec'd)
 */
#ifndef TOOLCELL_CLI_SESSION_H
#define TOOLCELL_CLI_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "wire/frame.h"
#include "wire/image.h"

struct session_options {
	const char *agent;     /* name or file; NULL: none */
	const char *policy;    /* name or file; NULL: the agent's */
	const char *workspace; /* NULL: the current directory */
	uint32_t uid_base;     /* root mode: first host uid of the range; 0: the default */
	uint32_t uid_count;
	bool digest;	      /* start the digest zygote */
	bool announce;	      /* a driver is to be told what a session that goes on holds */
	const char *session;  /* ID or ID.BRANCH; "new"; NULL: the last one that fits, else new */
	const char *sessions; /* where they are kept; NULL: see cli/store.h */
	const char
		*audit;	  /* folder of the audit log, "default" or "off"; NULL: see cli/audited.c */
	bool maintenance; /* a person's command on changes: a session in use is no obstacle */
	bool beside;	  /* ... and is not taken even when nobody has it */
};

struct audited;
struct kept;

struct session {
	struct image image; /* mapped for the life of the process */
	int image_fd;
	int launcher_fd;  /* SOCK_SEQPACKET, frames of wire/frame.h; FRAME_READY not yet read */
	int digest_fd;	  /* SOCK_SEQPACKET, digest/protocol.h; -1 without */
	int workspace_fd; /* O_PATH | O_DIRECTORY */
	int alive_fd;	  /* write end; its closing tells the launcher to end */
	int person_fd;	  /* cli/person.h, to the process that asks at the terminal; -1 without */
	char *workspace;  /* absolute host path, which is also the path inside */
	char **environ_kept; /* operator's environment, for passing by name; NULL-terminated */
	pid_t launcher_pid;
	pid_t digest_pid;
	uint32_t broker_uid; /* root mode: what the broker becomes; 0: stay as is */
	struct kept *kept; /* the session on disk (cli/kept.h); NULL: no tool works on an overlay */
	struct audited *audit; /* cli/audited.h; NULL: nothing is recorded */
	char id[16];	       /* of that session, "k3f9abcd"; "" when nothing is kept on disk */
	uint32_t branch;       /* of it, or of the one in memory, from 1 */
	char note[160];	       /* what a driver should know of it at the start; "" for nothing */
};

/**
 * session_start - everything up to and without FRAME_READY
 * @ret: session_stop ends it
 *
 * Refuses a workspace that is missing, no directory, "/" or a system folder. Errors are ready to be
 * shown to the operator.
 */
MUST_USE int session_start(const struct session_options *options, struct session *ret,
			   struct err *err);

/** session_wait_ready - read FRAME_READY (or FRAME_FATAL, which becomes @err) */
MUST_USE int session_wait_ready(struct session *session, struct frame_ready *ret, struct err *err);

/** session_die_with - this process is killed when @supervisor, its parent, dies or has died */
MUST_USE int session_die_with(pid_t supervisor, struct err *err);

/**
 * session_become_broker - in the child that will speak with the driver: give up every privilege
 * New uid in root mode, no capabilities, no_new_privs, Landlock without any path, seccomp. It still dies
 * with @supervisor.
 */
MUST_USE int session_become_broker(struct session *session, pid_t supervisor, struct err *err);

/**
 * session_supervise - P0's rest of life: wait for @broker, end the others, leave nothing behind
 * Return: exit status for the process.
 */
int session_supervise(struct session *session, pid_t broker);

void session_stop(struct session *session);

/**
 * session_abort - session_stop after something went wrong: waits for the children and removes what a
 * launcher that was killed has left
 */
void session_abort(struct session *session);

#endif
