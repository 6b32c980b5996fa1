/*
 * Theory of operation: the input is a log, and the first byte says how it is looked at: as one file that
 * is verified, as a pattern and a text, or as a text that is masked. A verdict adds up, whatever the file
 * holds; spans stand in order and within the text; what was masked holds no control character.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit/mask.h"
#include "audit/read.h"
#include "base/fd.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(void *ctx, const char *text)
{
	uint64_t *n = ctx;

	if (text[0] == '\0' || strchr(text, '\n'))
		abort();
	(*n)++;
}

static void verify(const char *data, size_t len)
{
	static struct audit_reader reader;
	struct audit_verdict verdict;
	struct err err = {0};
	uint64_t n = 0;
	int fd = memfd_create("audit", MFD_CLOEXEC);

	if (fd < 0 || fd_write_full(fd, data, len) < 0 || lseek(fd, 0, SEEK_SET) != 0)
		abort();
	audit_reader_file(&reader, fd, AUDIT_FILE);
	if (audit_verify(&reader, AUDIT_NO_HASH, count, &n, &verdict, &err) < 0)
		abort();
	if (verdict.problems != n || verdict.unfinished > len || verdict.expected)
		abort();
	audit_reader_close(&reader);
}

static void match(const char *data, size_t len)
{
	struct pattern_span spans[8];
	struct pattern pattern;
	struct err err = {0};
	size_t first = strnlen(data, len);
	char text[PATTERN_TEXT_MAX + 2];
	size_t n;

	if (first > PATTERN_TEXT_MAX || first == len)
		return;
	memcpy(text, data, first + 1);
	if (pattern_parse(text, &pattern, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
		return;
	}
	data += first + 1;
	len -= first + 1;
	n = pattern_find(&pattern, data, len, spans, ARRAY_SIZE(spans));
	for (size_t i = 0; i < n; i++)
		if (spans[i].from >= spans[i].to || spans[i].to > len ||
		    (i > 0 && spans[i].from <= spans[i - 1].to))
			abort();
}

static void hide(const char *data, size_t len)
{
	static struct mask *mask;
	struct buf out = {0};
	json_t *copy = NULL;
	json_t *value;

	if (!mask)
		mask = mask_new();
	if (!mask || mask_text(mask, data, len, &out) < 0)
		abort();
	if (!text_is_utf8(out.data ? out.data : "", out.len) ||
	    memchr(out.data ? out.data : "", 0x1b, out.len))
		abort();
	buf_fini(&out);
	value = json_loadb(data, len, JSON_DECODE_ANY, NULL);
	if (value && mask_json(mask, value, &copy) == 0)
		json_decref(copy);
	json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const ways[])(const char *data, size_t len) = {verify, match, hide};
	char *copy;

	if (size == 0)
		return 0;
	copy = malloc(size);
	if (!copy)
		return 0;
	memcpy(copy, data + 1, size - 1);
	copy[size - 1] = '\0';
	ways[data[0] % ARRAY_SIZE(ways)](copy, size - 1);
	free(copy);
	return 0;
}
