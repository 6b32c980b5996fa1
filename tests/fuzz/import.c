/*
 * Theory of operation: the bytes become a file, are imported over base/build, and whatever comes out
 * must load as a policy and be no wider than the base. Every error is one line, every row has words.
 */
#include "import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "import/import.h"

static const char *const dirs[] = {POLICIES_DIR, NULL};

static void need_words(const struct err *err)
{
	if (err->text[0] == '\0' || strchr(err->text, '\n') || strchr(err->text, '\033')) {
		(void)fprintf(stderr, "error: %s\n", err->text);
		abort();
	}
}

static const struct policy *base_policy(void)
{
	static struct policy_inputs inputs;
	static struct policy base;
	static bool loaded;
	struct err err = {0};

	if (!loaded && policy_load("base/build", dirs, &inputs, &base, &err) < 0)
		abort();
	loaded = true;
	return &base;
}

static void check_result(const struct policy *base, json_t *json)
{
	static struct policy_inputs inputs;
	char *text = json_dumps(json, JSON_INDENT(1));
	CLEANUP(fd_closep) int fd = -1;
	struct policy policy;
	struct err err = {0};
	char path[64];

	if (!text || fd_memfd_sealed("result", text, strlen(text), &fd, &err) < 0)
		abort();
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (policy_load(path, dirs, &inputs, &policy, &err) < 0 ||
	    import_check_narrower(base, &policy, &inputs, &err) < 0) {
		(void)fprintf(stderr, "%s\n%s\n", err.text, text);
		abort();
	}
	free(text);
	policy_fini(&policy);
	policy_inputs_fini(&inputs);
}

static void check_rows(json_t *rows)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (!json_string_value(json_object_get(row, "note"))[0] ||
		    json_integer_value(json_object_get(row, "line")) < 1)
			abort();
}

/* A folder of our own with the file in it: the suffix tells TOML. */
static const char *write_input(const char *suffix, const uint8_t *data, size_t size)
{
	static char path[128];
	FILE *file;

	(void)snprintf(path, sizeof(path), "/tmp/toolcell-fuzz-%d%s", (int)getpid(), suffix);
	file = fopen(path, "we");
	if (!file || (size > 0 && fwrite(data, 1, size, file) != size) || fclose(file) != 0)
		abort();
	return path;
}

void fuzz_import(const char *format, const char *suffix, const uint8_t *data, size_t size)
{
	static const char *const accept[] = {""};
	static struct policy_inputs inputs;
	const struct policy *base = base_policy();
	const char *file = write_input(suffix, data, size);
	json_t *tools = json_pack("{sn sn sn sn sn}", "Bash", "Read", "Edit", "Write", "cargo");

	for (size_t n = 0; n < 2; n++) { /* all that is inexpressible is an error, then accepted */
		struct import_options options = {
			.format = format,
			.files = &file,
			.n_files = 1,
			.workspace = "/tmp/workspace",
			.accept = accept,
			.n_accept = n,
			.tools = tools,
		};
		struct import_result result;
		struct err err = {0};

		if (import_policies(base, &options, &inputs, &result, &err) < 0)
			need_words(&err);
		check_rows(result.rows);
		if (result.policy)
			check_result(base, result.policy);
		import_result_fini(&result);
	}
	json_decref(tools);
	policy_inputs_fini(&inputs);
	(void)unlink(file);
}
