/*
 * Inside of the digest: the state of one call and what all parsers share. Failures to allocate are
 * sticky (digest.failed): a parser goes on, and digest_finish then refuses to answer, because half
 * of the findings would look like all of them.
 */
#ifndef TOOLCELL_DIGEST_PARSE_H
#define TOOLCELL_DIGEST_PARSE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "digest/digest.h"
#include "digest/protocol.h"

/* The head and the tail of a text of any length. */
struct excerpt {
	struct buf head;
	struct buf tail;
	uint64_t omitted; /* bytes between them */
};

struct line_reader {
	struct buf part;
	bool skipping; /* inside of a line that is too long */
};

struct findings {
	json_t *list;
	uint64_t *hashes; /* of what is in the list, to tell repetitions */
	uint64_t errors;
	uint64_t warnings;
	uint64_t duplicates;
	uint64_t truncated;
};

struct libtest {
	json_t *results;
	json_t *pending;     /* started, not ended: name -> true */
	json_t *failed;	     /* of this suite: name -> result */
	json_t *executables; /* path -> "name (kind)" */
	json_t *suite;	     /* string or null */
	struct buf output;   /* of the section "---- NAME stdout ----" */
	char *section;	     /* its NAME */
	char *waiting;	     /* NAME of "test NAME ... " whose outcome is on a later line */
	bool open;	     /* a suite has begun and not ended */
	bool in_failures;
	uint64_t suites;
	uint64_t truncated;
	uint64_t seen[4];   /* this suite: enum libtest_outcome */
	uint64_t totals[4]; /* suites that are over */
	uint64_t filtered;
};

struct cargo {
	json_t *artifacts;
	json_t *build_script;
	json_t *fixed; /* files */
	uint64_t fixes;
	uint64_t artifacts_truncated;
	uint64_t dependencies_built;
	uint64_t dependencies_fresh;
	struct buf block;   /* "error: ..." and what follows it on standard error */
	bool builds;	    /* a build message was seen */
	bool finished;	    /* "build-finished" was seen: later messages are the program's */
	bool build_success; /* what it said */
	bool running;	    /* cargo has started a program */
	bool broken;	    /* cargo itself gave up: an error that is not the compiler's */
	struct excerpt output;
};

struct rustfmt {
	json_t *files;
	json_t *hunk; /* borrowed from files; NULL outside of a hunk that is kept */
	struct buf original;
	struct buf expected;
	uint64_t hunks;
	uint64_t truncated;
	bool in_hunk;
	bool check;
};

/* Standard output of a program of ours, whole. */
struct document {
	struct buf text;
	bool too_long;
};

struct digest {
	const struct digest_parser *parser;
	struct line_reader readers[2]; /* standard output, standard error */
	struct buf call_text;
	struct buf scratch;
	json_t *call;
	json_t *artifacts;     /* rustc */
	const char *workspace; /* borrowed from call; "" when not known */
	const char *cwd;
	char label[64];	     /* "cargo check" */
	char subcommand[32]; /* "check" */
	bool call_done;
	bool exit_known;
	bool exit_success;
	int failed;		/* 0 or -errno, sticky */
	size_t room;		/* bytes that findings may still take */
	uint64_t lines_skipped; /* too long, or claimed to be JSON and were not */
	struct findings findings;
	struct libtest tests;
	struct cargo cargo;
	struct rustfmt fmt;
	struct document document;
};

struct reply {
	json_t *data;	   /* new object; or null */
	struct buf text;   /* empty: null */
	json_t *denials;   /* new array; NULL: the key is left out */
	const char *error; /* why there is no data; NULL: the key is left out */
	bool decides;	   /* `success` below holds as well as the exit status */
	bool success;
};

struct digest_parser {
	const char *name;
	const char *label;
	void (*call)(struct digest *d); /* digest.call is there; may be NULL */
	void (*line)(struct digest *d, enum digest_stream stream, const char *line, size_t len);
	/* Instead of line: output as it comes.  NULL: line. */
	void (*bytes)(struct digest *d, enum digest_stream stream, const char *data, size_t len);
	void (*finish)(struct digest *d, struct reply *reply);
};

/* cargo.c, cargo_stderr.c, cargo_report.c */
void cargo_call(struct digest *d);
void cargo_line(struct digest *d, enum digest_stream stream, const char *line, size_t len);
void cargo_stderr_line(struct digest *d, const char *line, size_t len);
void cargo_stderr_end(struct digest *d);
void cargo_finish(struct digest *d, struct reply *reply);
bool cargo_starts_program(const struct digest *d);

/* rustc.c, rustfmt.c */
void rustc_line(struct digest *d, enum digest_stream stream, const char *line, size_t len);
void rustc_finish(struct digest *d, struct reply *reply);
void rustfmt_call(struct digest *d);
void rustfmt_line(struct digest *d, enum digest_stream stream, const char *line, size_t len);
void rustfmt_finish(struct digest *d, struct reply *reply);

/* answer.c */
void document_bytes(struct digest *d, enum digest_stream stream, const char *data, size_t len);
void document_finish(struct digest *d, struct reply *reply);

/* diagnostic.c */

/**
 * diagnostic_add - a diagnostic in rustc's JSON
 * @message:  {"message","code","level","spans","children","rendered"}
 * @envelope: cargo's message around it, or NULL
 */
void diagnostic_add(struct digest *d, json_t *message, json_t *envelope);

/**
 * diagnostic_add_text - a diagnostic that came as text only
 * @level:  "error" or "warning"
 * @origin: "cargo", "build-script", "rustfmt"
 * @text:   the whole of it; its first line is the message, " --> FILE:LINE:COLUMN" the place
 * Return: the object, borrowed; NULL when it was not kept.
 */
json_t *diagnostic_add_text(struct digest *d, const char *level, const char *origin,
			    const char *text, size_t len);

/** diagnostic_package - the name in a package id of cargo's, "path+file:///x/demo#0.1.0": new */
json_t *diagnostic_package(struct digest *d, json_t *package_id);

/** diagnostic_fill - the counters and the list into a reply's data */
void diagnostic_fill(struct digest *d, json_t *data);

/* libtest.c, libtest_text.c */
enum libtest_outcome { LIBTEST_PASSED, LIBTEST_FAILED, LIBTEST_IGNORED, LIBTEST_UNFINISHED };

struct libtest_result {
	const char *name;
	size_t name_len;
	enum libtest_outcome outcome;
	double seconds; /* < 0: not known */
	const char *output;
	size_t output_len;
};

/** libtest_line - a line of a test program.  Return: whether it was one of a test harness. */
bool libtest_line(struct digest *d, const char *line, size_t len);
bool libtest_text_line(struct digest *d, const char *line, size_t len);
void libtest_suite_start(struct digest *d);
void libtest_suite_end(struct digest *d, const uint64_t counts[3], uint64_t filtered);
void libtest_add(struct digest *d, const struct libtest_result *result);
void libtest_set_output(struct digest *d, const char *name, const char *output, size_t len);
void libtest_section_end(struct digest *d);
/** libtest_summary - totals and results as a new object; null when no test ran */
json_t *libtest_summary(struct digest *d);

/* report.c: the text half */
void report_summary(struct digest *d, struct buf *text, bool success, const char *extra);
void report_diagnostics(struct digest *d, struct buf *text);
void report_tests(struct digest *d, struct buf *text);
void report_excerpt(struct digest *d, struct buf *text, const struct excerpt *excerpt);
void report_puts(struct digest *d, struct buf *text, const char *s);
void excerpt_add(struct digest *d, struct excerpt *excerpt, const char *line, size_t len);

/* value.c */

/** value_parse - one JSON object within the caps; NULL (and counted) when it is none */
json_t *value_parse(struct digest *d, const char *line, size_t len);

/** value_put - @value (stolen; NULL: memory ran out) under @key */
void value_put(struct digest *d, json_t *object, const char *key, json_t *value);
void value_put_count(struct digest *d, json_t *object, const char *key, uint64_t count);
void value_put_bool(struct digest *d, json_t *object, const char *key, bool value);

/** value_text - foreign bytes as a new string that is safe to show, cut at @cap; null for NULL */
json_t *value_text(struct digest *d, const char *text, size_t len, size_t cap);

/** value_get_text - the string below @key of @object the same way; null when there is none */
json_t *value_get_text(struct digest *d, json_t *object, const char *key, size_t cap);

/** value_get_string - "" when there is none; borrowed, may hold NULs */
const char *value_get_string(json_t *object, const char *key);

/** value_charge - false when the findings have no room for @bytes more */
bool value_charge(struct digest *d, size_t bytes);

/**
 * value_keep - append @item (stolen) unless the list or the findings are full
 * Return: whether it was kept.
 */
bool value_keep(struct digest *d, json_t *list, size_t max, json_t *item);

/**
 * value_path - @file seen from the workspace: relative to it when below, absolute when not
 * @base: absolute folder that a relative @file starts at
 */
json_t *value_path(struct digest *d, const char *base, const char *file);

/** text_starts - @line begins with the literal @prefix */
bool text_starts(const char *line, size_t len, const char *prefix);

#endif
