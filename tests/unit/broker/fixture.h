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

enum digest_mode { DIGEST_NONE, DIGEST_COUNTS, DIGEST_DIES, DIGEST_SLEEPS, DIGEST_LIES };

struct fixture_options {
	unsigned int calls_max; /* 0: 4 */
	enum digest_mode digest;
	uint64_t output_bytes; /* 0: 1 GiB + 1 */
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
/** fixture_wait - exit status of the broker; fails the test after @seconds */
int fixture_wait(struct fixture *f, int seconds);

/* "a.b.c" within an answer's result; "" and -1 when it is not there */
json_t *result_at(json_t *answer, const char *path);
const char *result_text(json_t *answer, const char *path);
json_int_t result_number(json_t *answer, const char *path);

#endif
