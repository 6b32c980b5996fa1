/*
 * Reading an audit log, which may have been written by anybody: every line has a cap, nothing is trusted
 * that the chain does not bear out.
 */
#ifndef TOOLCELL_AUDIT_READ_H
#define TOOLCELL_AUDIT_READ_H

#include "audit/log.h"

struct audit_item {
	const char *file; /* its name */
	uint64_t number;  /* of the line in it, from 1 */
	const char *text; /* without the newline; valid until the next one is read */
	size_t len;
	bool whole; /* it had a newline */
	bool cut;   /* it is longer than any that toolcell writes; @text is its beginning */
};

struct audit_reader {
	int dir; /* borrowed; -1: a single file */
	int fd;
	int current; /* the file that is written to, until it is read; -1: there is none */
	uint64_t files[AUDIT_FILES_MAX];
	size_t n_files;
	size_t next_file; /* n_files: the one that is written to */
	char name[AUDIT_NAME_BYTES];
	uint64_t line;
	struct buf held;
	size_t used;  /* of held: it has been handed out */
	bool follows; /* the end of the file that is written to is no end */
	bool skips;   /* the rest of a line that was too long */
};

/**
 * audit_reader_open - the files of the log in @dir as they are now, the oldest first
 *
 * A file that is begun later is not read, so the chain has no hole. One that is removed before it is read
 * - the oldest ones go when a new one begins - is -ENOENT of audit_reader_next.
 * Return: 0; -EAGAIN; -errno, with nothing left open.
 */
MUST_USE int audit_reader_open(struct audit_reader *reader, int dir, struct err *err);
/** audit_reader_file - one file, whose descriptor becomes the reader's */
void audit_reader_file(struct audit_reader *reader, int fd, const char *name);
void audit_reader_close(struct audit_reader *reader);

/** audit_reader_next - Return: 1 with an item, 0 at the end, -errno with @err */
MUST_USE int audit_reader_next(struct audit_reader *reader, struct audit_item *ret,
			       struct err *err);

struct audit_verdict {
	uint64_t files;
	uint64_t lines;
	uint64_t first_seq; /* 0: no line */
	uint64_t last_seq;
	char head[AUDIT_HEX_BYTES]; /* hash of the last line */
	uint64_t problems;
	uint64_t torn;	     /* lines that a crash has cut, and that are said to be */
	uint64_t unfinished; /* bytes behind the last newline of all */
	uint64_t lost_calls;
	uint64_t gaps;
	uint64_t lost_records; /* in those gaps */
	bool expected;	       /* the hash that was asked for is there */
};

/**
 * audit_verify - read all of it and follow the chain
 * @expect:  a hash that some line must have; NULL: none
 * @problem: called for each thing that is wrong: "audit.jsonl:7: ..."
 *
 * Return: 0 when it could be read, whatever was found; -errno.
 */
MUST_USE int audit_verify(struct audit_reader *reader, const char *expect,
			  void (*problem)(void *ctx, const char *text), void *ctx,
			  struct audit_verdict *ret, struct err *err);

#endif
