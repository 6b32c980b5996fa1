/*
 * All parsers of the digest. The first byte picks the parser, then come pieces: one byte of stream
 * (1 standard output, 2 standard error, 4 status), one of length, that many bytes. Whatever comes,
 * an answer is JSON within its size or an error.
 */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "digest/digest.h"
#include "digest/protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char call[] = "{\"argv\":[\"cargo\",\"test\"],\"workspace\":\"/w\",\"cwd\":\"/w/a\"}";

static void check_reply(struct digest *d)
{
	char *text = NULL;
	size_t len = 0;
	json_t *reply;

	if (digest_finish(d, &text, &len) < 0)
		return;
	reply = len <= DIGEST_REPLY_BYTES_MAX ? json_loadb(text, len, 0, NULL) : NULL;
	/* Only a document that will not do has no data, and then there is a reason. */
	if (!json_is_object(json_object_get(reply, "data")) &&
	    !json_is_null(json_object_get(reply, "data")))
		abort();
	if (json_is_string(json_object_get(reply, "error")) &&
	    !json_is_false(json_object_get(reply, "success")))
		abort();
	json_decref(reply);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *name;
	struct digest *d;
	size_t n = 0;

	if (size == 0)
		return 0;
	while (digest_parser_name(n))
		n++;
	name = digest_parser_name(data[0] % n);
	d = digest_new(name);
	if (!d || digest_feed(d, DIGEST_CALL, call, sizeof(call) - 1) < 0)
		abort();
	data++;
	size--;
	while (size > 2) {
		size_t len = data[1] < size - 2 ? data[1] : size - 2;

		if (digest_feed(d, data[0], data + 2, len) < 0)
			break;
		data += 2 + len;
		size -= 2 + len;
	}
	check_reply(d);
	digest_free(d);
	return 0;
}
