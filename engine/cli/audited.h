/*
 * The audit log of an engine: found and opened by the supervisor, in the operator's name, then handed to a
 * process of its own that holds nothing else. `exec`, where nobody hostile is spoken with, writes itself.
 *
 *	supervisor --audited_open--> [start of the engine is recorded]
 *		   --audited_start--> writer process; the supervisor lets go of the log
 *		   --fork--> broker, with the socket to the writer
 */
#ifndef TOOLCELL_CLI_AUDITED_H
#define TOOLCELL_CLI_AUDITED_H

#include <jansson.h>
#include <limits.h>
#include <sys/types.h>

#include "audit/log.h"
#include "broker/broker.h"
#include "cli/session.h"

#define AUDITED_WHY_BYTES 256U

struct audited {
	struct audit_log log; /* .file is -1: not open here */
	char path[PATH_MAX];
	char digest[AUDIT_HEX_BYTES]; /* of the policy image */
	char why[AUDITED_WHY_BYTES];  /* it could not be opened; "": it could */
	json_t *policy;		      /* the image's "audit" */
	bool text;
	bool stop;
	int sock; /* the broker's end; -1: none */
	pid_t pid;
	struct broker_audit broker;
};

/**
 * audited_open - open the log that the policy or the command line wants, and record the engine's start
 * @session: workspace, image and id are filled in; .audit is set, and stays NULL where none is wanted
 *
 * A log that cannot be opened is an error where the policy says "stop"; else it is said on standard error
 * and in each result.
 */
MUST_USE int audited_open(const struct session_options *options, struct session *session,
			  struct err *err);

/** audited_start - the writer process; nothing of the log stays in this one */
MUST_USE int audited_start(struct session *session, struct err *err);

/** audited_let_go - in the supervisor, when the broker has its end of the socket */
void audited_let_go(struct session *session);

/** audited_close - whatever is left of it in this process; NULL is fine */
void audited_close(struct session *session);

/** audited_place - the folder that `toolcell audit` looks at: @given, TOOLCELL_AUDIT, the default */
MUST_USE int audited_place(const char *given, char *dst, struct err *err);

/** audited_open_folder - the folder at @path; @make: when it is not there */
MUST_USE int audited_open_folder(const char *path, bool make, int *ret_fd, char *real,
				 struct err *err);

/**
 * audited_confine - of a process that reads a log from here on, and nothing else
 * @folder: that it may open files in; NULL: none
 */
MUST_USE int audited_confine(const char *folder, struct err *err);

/* What `exec` has to say of its one call. */
struct audited_exec {
	const char *result; /* toolcell.result/1, as text; NULL: it began, and there is none */
	char *const *argv;
	const char *cwd;
};

/** audited_is_on - whether @session's calls are recorded */
bool audited_is_on(const struct session *session);

/**
 * audited_exec - record it, and the engine's end
 * Return: 0; -errno: it is in no file, @err says why; what follows is the policy's word (audited_stops).
 */
MUST_USE int audited_exec(struct session *session, const struct audited_exec *exec,
			  struct err *err);
bool audited_stops(const struct session *session);

#endif
