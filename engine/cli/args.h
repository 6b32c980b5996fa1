/*
 * Options of the command line: one table per command, read by the parser, by --help and by the
 * tests that hold the man page and the completions against it.
 */
#ifndef TOOLCELL_CLI_ARGS_H
#define TOOLCELL_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define ARGS_UID_MIN 65536U /* below are accounts of people and services */
#define ARGS_UID_COUNT_MAX (1U << 20)

struct args_uid_range {
	uint32_t base; /* 0: not given */
	uint32_t count;
};

#define ARGS_LIST_MAX 64

struct args_list {
	const char *values[ARGS_LIST_MAX];
	size_t n;
};

/* What the options of all commands come to. Strings are borrowed from argv. */
struct args {
	bool help;
	bool version;
	bool json; /* doctor, sessions, changes */
	bool fixtures;
	bool yes;
	bool stat;
	bool verbose;
	const char *color;
	const char *agent;
	const char *policy;
	const char *workspace;
	const char *result;
	const char *arguments; /* run --json */
	const char *format;
	const char *session;
	const char *sessions;
	const char *base;   /* learn, suggest: the policy to build on */
	const char *output; /* ... and where the new one goes; NULL: standard output */
	bool force;
	bool risky;
	const char *audit;
	const char *last; /* audit */
	const char *call;
	const char *since;
	const char *expect;
	bool denied;
	struct args_list overwrite;
	uint64_t timeout_ms; /* 0: not given */
	struct args_uid_range uids;
	bool maintenance; /* set by `changes` and `sessions`: see struct session_options */
	bool beside;
	bool announce;	 /* set by `serve` */
	bool asks;	 /* set by `changes`: there is a person to ask; the broker cannot look */
	char **operands; /* NULL-terminated; the front of argv, compacted */
	int n_operands;
};

enum args_kind {
	ARGS_FLAG,	/* bool */
	ARGS_TEXT,	/* const char *, not empty */
	ARGS_LIST,	/* struct args_list: may be given several times */
	ARGS_CHOICE,	/* const char *, one of choices */
	ARGS_DURATION,	/* uint64_t, milliseconds, > 0 */
	ARGS_UID_RANGE, /* struct args_uid_range */
	ARGS_PASSED,	/* not parsed here: toolcell-policyc reads it */
};

struct args_option {
	const char *name; /* without the dashes */
	char letter;	  /* '\0': none */
	bool hidden;	  /* in no help, man page or completion */
	bool takes_value; /* ARGS_PASSED only: the other kinds know */
	enum args_kind kind;
	const char *value; /* what --help calls the value; NULL for flags */
	const char *help;
	size_t offset;		    /* into struct args */
	const char *const *choices; /* ARGS_CHOICE; NULL-terminated */
};

struct args_table {
	const struct args_option *own; /* besides args_common */
	size_t n;
	bool stop; /* the first operand ends the options: exec, and the top level */
};

/* Taken by every command. */
extern const struct args_option args_common[];
extern const size_t args_common_n;

/**
 * args_parse - read the words behind a command
 * @argv: @argc words and a NULL; operands are moved to its front
 * @ret:  zeroed by the caller or filled by an outer level; written as far as the parser came
 *
 * An unknown option is an error with the nearest name that exists, an option given twice at the
 * same level is an error, "--" ends the options.  Return: 0, or -EINVAL with @err.
 */
MUST_USE int args_parse(const struct args_table *table, int argc, char **argv, struct args *ret,
			struct err *err);

/** args_parse_uid_range - "BASE:COUNT".  Return: 0, or -errno with @err; @ret untouched then. */
MUST_USE int args_parse_uid_range(const char *text, struct args_uid_range *ret, struct err *err);

#endif
