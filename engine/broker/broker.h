/*
 * The broker: between a driver (rpc) and the launcher (frames). Runs without privilege, in its own
 * process; everything it needs is in its descriptors.
 */
#ifndef TOOLCELL_BROKER_BROKER_H
#define TOOLCELL_BROKER_BROKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "wire/frame.h"
#include "wire/image.h"

/* The audit log of a session. */
struct broker_audit {
	int fd;		    /* audit/wire.h, to the process that writes; -1: there is none */
	const char *why;    /* ... because */
	const char *digest; /* of the policy image, as text */
	bool text;	    /* arguments are kept as text, not as a digest */
	bool stop;	    /* what cannot be recorded does not run */
};

enum broker_person_answer {
	BROKER_PERSON_NO,
	BROKER_PERSON_YES,
	BROKER_PERSON_TIMEOUT,
	BROKER_PERSON_GONE, /* the terminal has ended */
};

/* Somebody at a terminal, for grants that the policy marks with "ask". */
struct broker_person {
	/** ask - show @message (NULL: it stands there already), then put the question @title */
	enum broker_person_answer (*ask)(void *ctx, const char *message, const char *title,
					 int64_t timeout_ms);
	void *ctx;
};

struct broker_config {
	int in_fd;	 /* driver to broker; borrowed */
	int out_fd;	 /* broker to driver; borrowed */
	int launcher_fd; /* SOCK_SEQPACKET; FRAME_READY already read */
	int digest_fd;	 /* SOCK_SEQPACKET or -1 */
	const struct image *image;
	const struct frame_ready *ready;
	const char *workspace;	    /* path inside cells and outside */
	const char *const *environ; /* operator's environment: values for `pass` */
	bool fixtures;		    /* rpc conformance fixtures */
	/* The session whose layers take the writes, as frame_ready.session says. */
	const char *session_id; /* "k3f9abcd"; NULL: none, or one without a name */
	const char
		*session_note; /* for the model: what a resumed one holds; NULL: nothing to say */
	uint32_t branch;       /* of a call that names none; 0 stands for 1 */
	const struct broker_audit *audit;   /* NULL: nothing is recorded */
	const struct broker_person *person; /* broker_run_one: who can be asked; NULL: nobody */
};

/**
 * broker_serve - until end of file on in_fd
 *
 * Then an MCP session's calls are killed and we end within a second; calls of the other dialects,
 * which scripts speak, run on and are answered. A driver that no longer reads ends it at once.
 * Ignores SIGPIPE for the whole process. Needs the system calls listed in session.c; call
 * json_object_seed(0) before the filter is installed, as jansson would open /dev/urandom later.
 *
 * Return: 0 after a clean end, or -errno when the launcher was lost or memory ran out.
 */
MUST_USE int broker_serve(const struct broker_config *config, struct err *err);

/**
 * broker_run_one - one call without a driver: `toolcell run TOOL --json`, `toolcell changes ...`
 *
 * The tools for a session's changes are there whatever workspace.driver says: that binds drivers, and
 * this is a person. What a rollback has left behind is cleared away before we return.
 *
 * @arguments_json: text of the arguments object
 * @ret_result:     malloc'ed JSON text of the result object; caller frees
 * @ret_text:       malloc'ed text half; caller frees
 */
MUST_USE int broker_run_one(const struct broker_config *config, const char *tool,
			    const char *arguments_json, char **ret_result, char **ret_text,
			    struct err *err);

/* What a result says of a call that was refused before it began. */
struct broker_refusal {
	struct frame_ended ended;
	char *denials; /* malloc'ed JSON text, caller frees; NULL: it was not refused */
};

/**
 * broker_exec_consent - `exec`: paths that the command names and a person has to grant
 * @cell:   in: the policy's own; out: the one with what was granted
 * @argv:   the command; NULL-terminated
 * @person: NULL: nobody can be asked
 * @ret:    written when something was not granted
 *
 * Return: 0; -EPERM when something was not granted, @err says what and by which rule.
 */
MUST_USE int broker_exec_consent(const struct image *image, uint32_t *cell, char *const *argv,
				 const char *cwd, const struct broker_person *person,
				 struct broker_refusal *ret, struct err *err);

/* What `exec` has to say of one call, whose stdio was passed through. */
struct broker_exec {
	const struct image *image;
	const struct image_cell *cell;
	uint32_t cell_index;
	const struct frame_ended *ended;
	const struct frame_ready *ready;
	const char *tool;
	const char *denials;   /* of struct broker_refusal; NULL: it was not refused */
	const char *workspace; /* path in the cell */
	const char *session;   /* name of the branch; NULL: none */
	int summary;	       /* memfd that init wrote to; -1: none */
	int record;	       /* likewise, of what was denied */
};

/**
 * broker_result_from_frame - the result object for `exec --result`
 * @ret: malloc'ed JSON text; caller frees
 */
MUST_USE int broker_result_from_frame(const struct broker_exec *exec, char **ret, struct err *err);

/**
 * broker_result_unrecorded - a result object whose record is in no audit log: it says so
 * @json: malloc'ed text; replaced
 * @stop: the policy's word: its status becomes "error"
 */
MUST_USE int broker_result_unrecorded(char **json, bool stop, const char *why, struct err *err);

#endif
