/*
 * Raw output of a tool in, findings out. One struct digest per call; single-threaded, and after
 * digest_new it makes no system call but what malloc does, so that it runs in a process that may
 * only read, write and exit. Everything fed is hostile.
 */
#ifndef TOOLCELL_DIGEST_DIGEST_H
#define TOOLCELL_DIGEST_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define DIGEST_LINE_BYTES_MAX ((size_t)4 << 20) /* longer lines are skipped and counted */
#define DIGEST_JSON_DEPTH_MAX 512U
#define DIGEST_JSON_VALUES_MAX 200000U
#define DIGEST_CALL_BYTES_MAX ((size_t)1 << 20)
#define DIGEST_DIAGNOSTICS_MAX 2000U
#define DIGEST_TESTS_MAX 20000U
#define DIGEST_ARTIFACTS_MAX 1000U
#define DIGEST_CHILDREN_MAX 32U
#define DIGEST_PATH_BYTES_MAX ((size_t)4096)
#define DIGEST_STRING_BYTES_MAX ((size_t)16 << 10)  /* rendered diagnostics, output of one test */
#define DIGEST_FINDINGS_BYTES_MAX ((size_t)7 << 20) /* of the 8 MiB that a reply may have */
#define DIGEST_TEXT_BYTES_MAX ((size_t)8 << 10)
#define DIGEST_DOCUMENT_BYTES_MAX ((size_t)7 << 20) /* answer of a program of ours */
#define DIGEST_DOCUMENT_TEXT_MAX ((size_t)200 << 10)

struct digest;

/**
 * digest_new - a parser by its name
 * @name: a row of the parser table: "cargo", "clippy", "rustc", "rustfmt", "answer"
 * Return: digest_free ends it; NULL for an unknown name or without memory.
 */
struct digest *digest_new(const char *name);
void digest_free(struct digest *d);

/** digest_parser_name - the names there are; NULL beyond the last */
const char *digest_parser_name(size_t index);

/**
 * digest_feed - the next bytes of one stream, cut anywhere
 * @stream: enum digest_stream but DIGEST_END
 * Return: 0; -EPROTO for a stream that is not one, -EINVAL for a call or status that is no JSON
 * object, -ENOMEM.
 */
MUST_USE int digest_feed(struct digest *d, uint32_t stream, const void *data, size_t len);

/**
 * digest_finish - everything was fed
 * @ret: malloc'ed JSON text of the reply (protocol.h), not NUL-terminated; caller frees
 */
MUST_USE int digest_finish(struct digest *d, char **ret, size_t *ret_len);

#endif
