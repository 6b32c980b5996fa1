/*
 * Verdict tables: what a policy must allow and refuse, beside it as NAME.verdicts. One promise a line,
 *
 *	OPERATION OBJECT -> VERDICT
 *
 * toolcell-policy(5) has the forms. The same rows are held against the plan and the filter here, and
 * against a cell by `toolcell policy test --live`.
 */
#ifndef TOOLCELL_POLICY_TABLE_H
#define TOOLCELL_POLICY_TABLE_H

#include "policy/query.h"

#define TABLE_BYTES_MAX ((size_t)1 << 20)
#define TABLE_ROWS_MAX 4096U
#define TABLE_LINE_MAX 1024U

enum table_kind {
	TABLE_CALL,    /* clone arg0=SIGCHLD -> allow */
	TABLE_PATH,    /* read /etc/shadow -> hidden */
	TABLE_TOOL,    /* tool Bash -> granted */
	TABLE_LIMIT,   /* limit memory -> 4GiB */
	TABLE_ENV,     /* env HOME -> set */
	TABLE_NETWORK, /* network 127.0.0.1:80 -> refused */
	TABLE_KIND_N,
};

struct table_row {
	unsigned int line;
	enum table_kind kind;
	const char *subject; /* the object, as written */
	const char *want;
	const char *tool;   /* of the "as" line above; NULL: the policy itself */
	uint32_t net;	    /* of the "network" line above; IMAGE_NET_N: the policy's own */
	enum query_use use; /* TABLE_PATH */
	struct call *call;  /* TABLE_CALL */
};

struct table {
	char *label;
	char *text;
	const char *policy; /* of the "policy" line */
	const char *digest; /* of the "digest" line, without "sha256:"; NULL: there is none */
	struct table_row *rows;
	size_t n;
};

enum table_outcome { TABLE_PASSED, TABLE_FAILED, TABLE_SKIPPED, TABLE_OUTCOME_N };

struct table_result {
	enum table_outcome outcome;
	char text[QUERY_WHY_MAX]; /* why, unless it passed */
};

/* A policy that tables are held against. */
struct table_run {
	const struct policy_plan *plan;
	const char *workspace;
	struct call_filters filters[IMAGE_NET_N];
	bool made[IMAGE_NET_N];
};

/**
 * table_parse - check the form of every line
 * @label: names the table in errors, "LABEL:LINE: ..."
 * @ret:   table_fini frees; zeroed on failure
 */
MUST_USE int table_parse(const char *label, const char *text, size_t len, struct table *ret,
			 struct err *err);
void table_fini(struct table *table);

/** table_check - one row against plan and filter.  Return: 0, or -errno when that breaks down. */
MUST_USE int table_check(struct table_run *run, const struct table_row *row,
			 struct table_result *ret, struct err *err);
void table_run_fini(struct table_run *run);

#define POLICY_DIGEST_TEXT 65U

/** policy_digest - SHA-256 of the files of a policy's chain, the root first, in hexadecimal */
void policy_digest(const struct policy *policy, char *ret);

#endif
