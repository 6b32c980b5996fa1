/*
 * How the broker has raw tool output parsed. toolcell-digest is a zygote on fd 3 (SOCK_SEQPACKET):
 * each request starts one worker, which may only read, write and exit (seccomp), has no files but
 * the two pipes, and dies when done. The broker streams chunks into the input pipe while the tool
 * runs, ends with DIGEST_END, and reads one JSON object until end of file:
 *
 *	{"data": {...} | null, "text": "what a model should read first" | null,
 *	 "success": true | false | null,
 *	 "denials": [{"operation", "object", "errno"}],	parsers of answers of our own programs only
 *	 "error": "why there is no data"}			the same, when there is none
 *
 * Anything else (worker died, too long, not JSON) means: no data; the call's result says so.
 */
#ifndef TOOLCELL_DIGEST_PROTOCOL_H
#define TOOLCELL_DIGEST_PROTOCOL_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_SOCKET_FD 3
#define DIGEST_NAME_MAX 32
#define DIGEST_CHUNK_MAX 65536U
#define DIGEST_REPLY_BYTES_MAX ((size_t)8 << 20)
#define DIGEST_WORKERS_MAX 64U

/* With two descriptors: the input pipe and the output pipe. */
struct digest_request {
	char name[DIGEST_NAME_MAX]; /* row of the parser table, NUL-padded */
};

enum digest_stream {
	DIGEST_END = 0, /* no payload */
	DIGEST_STDOUT = 1,
	DIGEST_STDERR = 2,
	/*
	 * First. Several chunks make one text of at most 1 MiB, ended by any other chunk:
	 * {"tool", "argv": [...], "arguments": {...}, "workspace": "/path", "cwd": "/path"}
	 */
	DIGEST_CALL = 3,
	/* Once, before END: {"cause": "exit", "exit_code": 101, "signal": null} */
	DIGEST_STATUS = 4,
};

struct digest_chunk {
	uint32_t stream; /* enum digest_stream */
	uint32_t bytes;	 /* payload that follows; <= DIGEST_CHUNK_MAX */
};

#endif
