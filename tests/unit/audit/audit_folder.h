/* A log in a folder of its own, and a look at what is in it. */
#ifndef TEST_AUDIT_FOLDER_H
#define TEST_AUDIT_FOLDER_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit/log.h"
#include "audit/read.h"
#include "base/fd.h"

#define RECORD "{\"tool\":\"Bash\"}"

static char folder[] = "/tmp/audit-log-XXXXXX";
static int dir;
static const struct audit_log_options plain = {.keep = 8};

static inline void setup(void)
{
	cr_assert_not_null(mkdtemp(folder));
	dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_geq(dir, 0);
}

static inline void teardown(void)
{
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", folder);
	cr_assert_eq(system(command), 0);
	fd_closep(&dir);
}

static inline struct audit_log open_log(const struct audit_log_options *options)
{
	struct audit_log log;
	struct err err = {0};

	cr_assert_eq(audit_log_open(dir, options, NULL, &log, &err), 0, "%s", err.text);
	return log;
}

static inline int put(struct audit_log *log)
{
	struct err err;

	return audit_log_append(log, AUDIT_CALL, RECORD, strlen(RECORD), &err);
}

static inline void print(void *ctx, const char *text)
{
	(void)snprintf(ctx, 512, "%s", text);
}

static inline struct audit_verdict verify(char words[512])
{
	struct audit_reader *reader = calloc(1, sizeof(*reader));
	struct audit_verdict verdict;
	struct err err = {0};

	words[0] = '\0';
	cr_assert_eq(audit_reader_open(reader, dir, &err), 0);
	cr_assert_eq(audit_verify(reader, NULL, print, words, &verdict, &err), 0, "%s", err.text);
	audit_reader_close(reader);
	free(reader);
	return verdict;
}

static inline void expect_whole(uint64_t lines)
{
	char words[512];
	struct audit_verdict v = verify(words);

	cr_assert_eq(v.problems, 0, "%s", words);
	cr_assert_eq(v.lines, lines, "%lu lines", (unsigned long)v.lines);
	cr_assert_eq(v.last_seq - v.first_seq + 1, lines);
	cr_assert_eq(v.unfinished, 0);
}

#endif
