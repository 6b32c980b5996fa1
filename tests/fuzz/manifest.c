/*
 * Theory of operation: the input is a manifest, a NUL, and arguments. A manifest that passes its
 * checks must expand any arguments that pass theirs, without a crash and without an argument that
 * holds what was not given; the arguments also go through the scanner behind Bash(git:*).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "manifest/check.h"
#include "manifest/manifest.h"
#include "manifest/shell.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void call(json_t *tool, json_t *arguments)
{
	struct manifest_call call = {0};
	struct err err = {0};

	if (manifest_validate(tool, arguments, &err) == 0 &&
	    manifest_expand(tool, arguments, "/w", &call, &err) == 0) {
		if (!call.argv || !call.argv[0] || !call.env)
			abort();
		manifest_call_fini(&call);
	}
}

static void split(const char *text)
{
	struct strings words = {0};
	struct err err = {0};
	bool matches;

	if (shell_split(text, &words, &err) < 0)
		return;
	if (words.n == 0 || shell_pattern_matches("git:*", &words, &matches, &err) < 0 ||
	    matches != (strcmp(words.v[0], "git") == 0))
		abort();
	strings_fini(&words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = memchr(data, '\0', size);
	size_t head = nul ? (size_t)(nul - data) : size;
	json_t *manifest = json_loadb((const char *)data, head, JSON_REJECT_DUPLICATES, NULL);
	json_t *arguments = NULL, *tool = NULL;
	struct err err = {0};
	char *text;

	if (nul)
		arguments = json_loadb((const char *)nul + 1, size - head - 1, JSON_ALLOW_NUL,
				       NULL);
	if (manifest && manifest_check("tools/demo.json", manifest, &tool, &err) == 0 && arguments)
		call(tool, arguments);
	text = strndup((const char *)data, size);
	if (text)
		split(text);
	free(text);
	json_decref(tool);
	json_decref(manifest);
	json_decref(arguments);
	return 0;
}
