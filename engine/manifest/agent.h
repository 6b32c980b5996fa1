/* What the files that read agents share; nobody else includes this. */
#ifndef TOOLCELL_MANIFEST_AGENT_H
#define TOOLCELL_MANIFEST_AGENT_H

#include <jansson.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/macros.h"

#define AGENT_BYTES_MAX ((size_t)1 << 20)
#define AGENT_TOOLS_MAX 256U
#define AGENT_DEPTH_MAX 16U
#define AGENT_EVENTS_MAX 65536U
#define AGENT_SERVER "toolcell" /* mcp__toolcell__cargo is how hosts name our cargo */

/**
 * front_split - cut an agent file into front matter and body
 * @text:     the file; a byte order mark is passed over
 * @ret_yaml: front matter, repaired where hosts accept what YAML refuses; its line 1 is line 2 of
 * the file
 * @ret_body: the prompt, "\n" line ends, without blank lines around
 *
 * Repaired are: CRLF, tabs as indentation, and a plain value that holds ": " or begins like an
 * alias, tag or directive, which is put into quotes.
 */
MUST_USE int front_split(const char *file, const char *text, size_t len, struct buf *ret_yaml,
			 struct buf *ret_body, struct err *err);

/**
 * front_parse - the keys of a front matter
 * @ret: new object: key -> {"line", "text": scalar or null, "items": [{"text" (or null), "line"}]
 * or null}
 *
 * Nested maps are passed over, aliases refused, a key that comes twice is an error.
 */
MUST_USE int front_parse(const char *file, const char *yaml, size_t len, json_t **ret,
			 struct err *err);

/** note_add - append "FILE:LINE: ..." to an array of messages */
MUST_USE int note_add(json_t *notes, const char *file, json_int_t line, const char *fmt, ...)
	PRINTF(4, 5);

/**
 * grants_parse - the value of `tools` or `disallowedTools`
 * @value:  of front_parse
 * @grants: array of {"tool", "pattern" (or null), "line"}, appended to
 */
MUST_USE int grants_parse(const char *file, const char *key, json_t *value, json_t *grants,
			  json_t *warnings, json_t *infos, struct err *err);

/** agent_brief_path - the last two components: alike on every machine; a part of @path */
const char *agent_brief_path(const char *path);

/** agent_parse - a whole agent file in memory; as agent_load, @path is what "file" becomes */
MUST_USE int agent_parse(const char *path, const char *text, size_t len, json_t **ret,
			 struct err *err);

#endif
