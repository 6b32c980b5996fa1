/* What one attempt came to: a word and, for some, a number. */
#ifndef TOOLCELL_PROBE_H
#define TOOLCELL_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define PROBE_LINE_MAX 5120U

enum probe_word {
	PROBE_OK,      /* it was done */
	PROBE_ERRNO,   /* number: errno */
	PROBE_SIGNAL,  /* number: what ended the process that tried */
	PROBE_BLOCKED, /* it waited until it was ended */
	PROBE_EMPTY,   /* what was opened holds nothing */
	PROBE_VALUE,   /* number: what was asked for */
	PROBE_MISUSE,  /* the line is wrong, or this machine cannot try it */
	PROBE_WORD_N,
};

struct probe_answer {
	enum probe_word word;
	uint64_t number;
};

/* What is tried: the rest of a line behind its first word; the text may be changed. */
typedef struct probe_answer (*probe_try)(char *text);

struct probe_answer probe_read(char *path);
struct probe_answer probe_list(char *path);
struct probe_answer probe_write(char *path);
struct probe_answer probe_create(char *path);
struct probe_answer probe_execute(char *path);
struct probe_answer probe_call(char *text);
struct probe_answer probe_connect(char *text);
struct probe_answer probe_env(char *name);
struct probe_answer probe_limit(char *name);

/** probe_errno - errno as an answer */
struct probe_answer probe_errno(void);

/**
 * probe_own_streams - standard streams of a child's own
 * A program that is executed reads none of the lines that are meant for us, and a call on descriptor 0
 * meets something that belongs to the caller.
 */
void probe_own_streams(void);

/**
 * probe_apart - run @attempt in a process of its own, with a time limit
 * What the process says itself counts; else how it ended.
 */
struct probe_answer probe_apart(probe_try attempt, char *text);

#endif
