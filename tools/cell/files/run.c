/*
 * Theory of operation: see main.c; this part is apart from it for tests.
 *
 *	verb --verbs[]--> arguments (args.h) --run--> answer --answer_encode--> standard output
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "tools/cell/files/args.h"
#include "tools/cell/files/files.h"
#include "tools/cell/files/path.h"

enum { EXIT_DONE = 0, EXIT_NO = 1, EXIT_BROKEN = 2 };

static const struct {
	const char *name;
	int (*run)(const struct files_call *call, struct answer *answer);
} verbs[] = {
	{"read", files_read},		{"write", files_write}, {"edit", files_edit},
	{"multiedit", files_multiedit}, {"glob", files_glob},	{"grep", files_grep},
	{"patch", files_patch},
};

static int broken(const char *what, int num)
{
	(void)fprintf(stderr, "toolcell-files: %s: %s\n", what, strerrordesc_np(num));
	return EXIT_BROKEN;
}

static int misuse(void)
{
	(void)fputs(
		"usage: TOOLCELL_WORKSPACE=/path toolcell-files VERB < ARGUMENTS; VERB is one of",
		stderr);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		(void)fprintf(stderr, " %s", verbs[i].name);
	(void)fputs("\n", stderr);
	return EXIT_BROKEN;
}

static void decrefp(json_t **value)
{
	json_decref(*value);
}

static void freep(char **text)
{
	free(*text);
}

static int write_answer(const struct answer *answer, int out)
{
	CLEANUP(freep) char *document = NULL;
	int r = answer_encode(answer, &document);

	if (r == 0)
		r = fd_write_full(out, document, strlen(document));
	if (r < 0)
		return broken("cannot answer", -r);
	return answer->success ? EXIT_DONE : EXIT_NO;
}

int files_run(const char *verb, const char *workspace, int in, int out)
{
	int (*run)(const struct files_call *call, struct answer *answer) = NULL;
	CLEANUP(decrefp) json_t *arguments = NULL;
	CLEANUP(answer_fini) struct answer answer;
	char root[PATH_MAX];
	struct files_call call;
	struct err err = {0};
	int r;

	answer_init(&answer);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verb, verbs[i].name) == 0)
			run = verbs[i].run;
	if (!run || !workspace)
		return misuse();
	if (path_workspace(workspace, root) < 0) {
		(void)fputs("toolcell-files: TOOLCELL_WORKSPACE is no absolute path of a folder\n",
			    stderr);
		return EXIT_BROKEN;
	}
	if (args_read(in, &arguments, &err) < 0) {
		(void)fprintf(stderr, "toolcell-files: %s\n", err.text);
		return EXIT_BROKEN;
	}
	call = (struct files_call){.arguments = arguments, .workspace = root};
	r = run(&call, &answer);
	if (r < 0)
		return broken(verb, -r);
	return write_answer(&answer, out);
}
