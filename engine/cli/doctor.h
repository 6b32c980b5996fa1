/*
 * `toolcell doctor`: each row of a table tries one thing for real, in a forked child with a time
 * limit, with the functions that cells are made with (confine/), and says how to get what is
 * missing.
 */
#ifndef TOOLCELL_CLI_DOCTOR_H
#define TOOLCELL_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define DOCTOR_CHECKS_MAX 64
#define DOCTOR_TEXT_MAX 320
#define DOCTOR_UID_PROBED 1879113728U /* as session.c has it when no --uid-range is given */

enum doctor_status {
	DOCTOR_OK,
	DOCTOR_MISSING, /* rust-engineer needs it */
	DOCTOR_WARNING, /* good to have; calls work without it and say so */
	DOCTOR_UNUSED,	/* not there, and not used in this mode */
	DOCTOR_STATUS_N,
};

struct doctor_check {
	const char *id;
	enum doctor_status status;
	char detail[DOCTOR_TEXT_MAX];
	char remedy[DOCTOR_TEXT_MAX]; /* "" when there is nothing to do */
};

/* What a probe found, passed through a pipe. */
struct probe_answer {
	int num; /* 0: it works; else a positive errno */
	uint32_t values[4];
	char text[DOCTOR_TEXT_MAX];
};

struct doctor {
	bool root_mode;
	const char *workspace;
	const char *sessions;	   /* --sessions, or NULL */
	uint32_t uid;		   /* first of the range that cells run under */
	uint32_t require;	   /* IMAGE_REQUIRE_* of the agent's cells */
	uint32_t landlock_abi_min; /* of the agent's cells */
	uint32_t n_tools;	   /* that the agent is left with */
	bool compiled;		   /* the agent's policy: n_tools and overlay mean something */
	bool overlay;		   /* the agent's tools work on an overlay */
	bool cgroup_probed;
	struct probe_answer cgroup;
	struct doctor_check checks[DOCTOR_CHECKS_MAX];
	size_t n;
};

struct doctor_row {
	const char *id;
	void (*run)(struct doctor *doctor, const struct doctor_row *row, struct doctor_check *ret);
	uint64_t flag;	  /* the row's own: a namespace, a controller, an index */
	const void *data; /* the row's own */
};

/**
 * probe_run - run @fn in a child
 * @fn:	 returns 0 or -errno; may fill values and text; whatever it changes dies with it
 * @ret: num is ETIMEDOUT behind the time limit, ECHILD when the child died without an answer
 */
void probe_run(int (*fn)(const void *arg, struct probe_answer *ret), const void *arg,
	       uint32_t timeout_ms, struct probe_answer *ret);

#define PROBE_TIMEOUT_MS 3000U
#define PROBE_PROGRAM_TIMEOUT_MS 15000U

/** probe_enter_userns - in a probe: a user namespace with the own ids mapped.  Return: 0 or -errno.
 */
MUST_USE int probe_enter_userns(void);

/** probe_exec - in a probe: become @argv[0], which dies with the probe's parent; see execve(2) */
MUST_USE int probe_exec(const char *const *argv, const char *const *envp);

void doctor_detail(struct doctor_check *check, const char *fmt, ...) PRINTF(2, 3);
void doctor_remedy(struct doctor_check *check, const char *fmt, ...) PRINTF(2, 3);

/** doctor_judge - @fine: ok; else missing when @needed, warning when not */
void doctor_judge(struct doctor_check *check, bool fine, bool needed);

/* Rows, in the order in which they run and are shown. */
void doctor_programs(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_policy(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_agent_tools(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_store(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_store_overlay(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_kernel(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_seccomp(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_landlock(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_keyring(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_namespace(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_userns(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_uids(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_mount_api(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_proc(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_overlay(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_idmap(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_cgroup(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);
void doctor_toolchain(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret);

/** doctor_can_enter - whether this process may make mounts outside of a user namespace */
bool doctor_can_enter(void);

/** doctor_missing - how many checks have the status missing */
size_t doctor_missing(const struct doctor *doctor);

/** doctor_text - the table for people */
MUST_USE int doctor_text(const struct doctor *doctor, bool color, struct buf *out);

/** doctor_json - one line of JSON, schema toolcell.doctor/1 */
MUST_USE int doctor_json(const struct doctor *doctor, struct buf *out);

#endif
