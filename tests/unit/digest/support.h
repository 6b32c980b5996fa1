/* Feeding recordings and made-up output to a parser, and looking at what comes out. */
#ifndef TOOLCELL_TEST_DIGEST_SUPPORT_H
#define TOOLCELL_TEST_DIGEST_SUPPORT_H

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "digest/digest.h"
#include "digest/protocol.h"
#include "tests/unit/json_at.h"

struct call {
	const char *parser;
	const char *call; /* JSON of DIGEST_CALL */
	const char *out;
	size_t out_len; /* 0: strlen */
	const char *err;
	int status;
	size_t piece; /* bytes fed at once; 0: all */
};

static inline void feed(struct digest *d, uint32_t stream, const char *data, size_t len,
			size_t piece)
{
	while (len > 0) {
		size_t n = piece && piece < len ? piece : len;

		cr_assert_eq(digest_feed(d, stream, data, n), 0);
		data += n;
		len -= n;
	}
}

/* The reply, parsed; the caller decrefs. */
static inline json_t *digest_run(const struct call *c)
{
	struct digest *d = digest_new(c->parser);
	char status[64];
	char *text = NULL;
	size_t len = 0;
	json_t *reply;

	cr_assert_not_null(d);
	if (c->call)
		feed(d, DIGEST_CALL, c->call, strlen(c->call), 7);
	if (c->err)
		feed(d, DIGEST_STDERR, c->err, strlen(c->err), c->piece);
	if (c->out)
		feed(d, DIGEST_STDOUT, c->out, c->out_len ? c->out_len : strlen(c->out), c->piece);
	(void)snprintf(status, sizeof(status),
		       "{\"cause\":\"exit\",\"exit_code\":%d,\"signal\":null}", c->status);
	feed(d, DIGEST_STATUS, status, strlen(status), 0);
	cr_assert_eq(digest_finish(d, &text, &len), 0);
	cr_assert_leq(len, DIGEST_REPLY_BYTES_MAX);
	reply = json_loadb(text, len, 0, NULL);
	cr_assert_not_null(reply, "the reply is no JSON");
	free(text);
	digest_free(d);
	return reply;
}

static inline char *golden_read(const char *name, const char *suffix)
{
	char path[1024];
	char *text = calloc(1, 1 << 20);
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s%s", DIGEST_GOLDEN, name, suffix);
	file = fopen(path, "re");
	cr_assert_not_null(file, "no recording %s", path);
	cr_assert_lt(fread(text, 1, 1 << 20, file), 1 << 20);
	(void)fclose(file);
	return text;
}

/* A recording of tests/golden/digest, made below /workspace/@crate with arguments @argv (JSON). */
static inline json_t *golden_run(const char *name, const char *parser, const char *crate,
				 const char *argv, size_t piece)
{
	char *out = golden_read(name, ".stdout");
	char *err = golden_read(name, ".stderr");
	char *status = golden_read(name, ".status");
	char call[1024];
	json_t *reply;

	(void)snprintf(call, sizeof(call),
		       "{\"tool\":\"x\",\"argv\":%s,\"workspace\":\"/workspace/%s\",\"cwd\":\"/"
		       "workspace/%s\"}",
		       argv, crate, crate);
	reply = digest_run(&(struct call){.parser = parser,
					  .call = call,
					  .out = out,
					  .err = err,
					  .status = status[0] == '0' ? 0 : 101,
					  .piece = piece});
	free(out);
	free(err);
	free(status);
	return reply;
}

#define EXPECT_TEXT(reply, part)                                                           \
	cr_assert_not_null(strstr(str_at(reply, "text"), part), "no \"%s\" in:\n%s", part, \
			   str_at(reply, "text"))

#endif
