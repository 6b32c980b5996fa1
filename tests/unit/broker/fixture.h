/*
 * A whole session around the broker under test: a driver (the test), the broker in a process of its
 * own, and a launcher made for tests, which starts what a plan says without any sandbox.
 */
#ifndef TESTS_UNIT_BROKER_FIXTURE_H
#define TESTS_UNIT_BROKER_FIXTURE_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

#include "broker/broker.h"

enum digest_mode {
	DIGEST_NONE,
	DIGEST_COUNTS,
	DIGEST_DIES,
	DIGEST_SLEEPS,
	DIGEST_LIES,
	DIGEST_ECHOES, /* what the tool wrote to stdout is the reply */
};

/* Cells of the image, in its order. */
enum { CELL_PLAIN, CELL_OVERLAY, CELL_LOOK, CELL_CHANGES, CELL_EXCLUSIVE, CELL_DIRECT, CELL_N };

struct fixture_options {
	unsigned int calls_max; /* 0: 4 */
	enum digest_mode digest;
	uint64_t output_bytes; /* 0: 1 GiB + 1 */
	bool session;	       /* there is one, "k3f9abcd" */
};

struct fixture {
	int in;	 /* to the broker; -1 when closed */
	int out; /* from the broker */
	pid_t broker;
	pid_t launcher;
	pid_t digest;
	char *pending; /* bytes of a line that has not ended */
	size_t pending_len;
	struct image image;
	struct frame_ready ready;
	int launcher_fd;
	int digest_fd;
	int log_fd; /* what the launcher was told; see fixture_log */
	bool session;
	char log[4096];
};

/** fixture_start - broker_serve in a child */
void fixture_start(struct fixture *f, const struct fixture_options *options);
/** fixture_prepare - launcher and image only: for functions called in this process */
void fixture_prepare(struct fixture *f, const struct fixture_options *options);
struct broker_config fixture_config(const struct fixture *f);
void fixture_stop(struct fixture *f);

void fixture_send(struct fixture *f, const char *line);
/** fixture_call - one line that runs `sh -c COMMAND` by the tool "sh" (or @tool) */
void fixture_call(struct fixture *f, int id, const char *tool, const char *command);
/** fixture_line - the next line from the broker; fails the test after @seconds; NULL at the end */
json_t *fixture_line(struct fixture *f, int seconds);
/** fixture_answer - lines until the one with this id and a result; others are dropped */
json_t *fixture_answer(struct fixture *f, int id);
/** fixture_run - call and answer */
json_t *fixture_run(struct fixture *f, const char *tool, const char *command);
/** fixture_log - a line for each call and each question about the session that the launcher got */
const char *fixture_log(struct fixture *f);
/** fixture_wait - exit status of the broker; fails the test after @seconds */
int fixture_wait(struct fixture *f, int seconds);

/* "a.b.c" within an answer's result; "" and -1 when it is not there */
json_t *result_at(json_t *answer, const char *path);
const char *result_text(json_t *answer, const char *path);
json_int_t result_number(json_t *answer, const char *path);

#endif
