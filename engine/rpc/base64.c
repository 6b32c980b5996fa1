/* Theory of operation: three bytes to four letters; the last group is filled up with '='. */
#include "rpc/base64.h"

#include <stdint.h>
#include <stdlib.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t len)
{
	const unsigned char *in = data;
	size_t groups = len / 3 + (len % 3 != 0);
	size_t bytes;
	char *text;
	char *out;

	if (__builtin_mul_overflow(groups, (size_t)4, &bytes) || bytes == SIZE_MAX)
		return NULL;
	text = malloc(bytes + 1);
	if (!text)
		return NULL;
	out = text;
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t group = (uint32_t)in[i] << 16;

		group |= left > 1 ? (uint32_t)in[i + 1] << 8 : 0;
		group |= left > 2 ? (uint32_t)in[i + 2] : 0;
		*out++ = letters[group >> 18];
		*out++ = letters[group >> 12 & 63];
		out[0] = '=';
		out[1] = '=';
		if (left > 1)
			out[0] = letters[group >> 6 & 63];
		if (left > 2)
			out[1] = letters[group & 63];
		out += 2;
	}
	*out = '\0';
	return text;
}
