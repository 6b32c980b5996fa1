/* What the files of manifest_core share; nobody else includes this. */
#ifndef TOOLCELL_MANIFEST_CORE_H
#define TOOLCELL_MANIFEST_CORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/macros.h"

#define MANIFEST_ARRAY_MAX 4096U		     /* elements of one argument */
#define MANIFEST_STRINGS_BYTES_MAX ((size_t)8 << 20) /* all strings of one call */
#define MANIFEST_ARG_BYTES_MAX 131071U		     /* execve(2): MAX_ARG_STRLEN less its NUL */
#define MANIFEST_ARGS_MAX 16384U		     /* strings in one argument vector */
#define MANIFEST_TEMPLATE_DEPTH_MAX 8U		     /* if in switch in if ... */
#define MANIFEST_POINTER_MAX 256U		     /* bytes of a JSON pointer in messages */
#define MANIFEST_NAME_MAX 40U			     /* hosts put a prefix before it */
#define MANIFEST_PARAM_MAX (MANIFEST_NAME_MAX + 1U)  /* of an input: "-A" may have its dash */
#define MANIFEST_STDIN_BYTES_MAX ((size_t)12 << 20)  /* the arguments as JSON */
#define MANIFEST_STDIN_ARGUMENTS "@arguments"	     /* driver.stdin: all of them */

/* Of the tools for a session's changes: where they run, or that the engine itself answers. */
#define MANIFEST_CELL_CHANGES "changes"
#define MANIFEST_CELL_EXCLUSIVE "changes-exclusive"
#define MANIFEST_BUILTIN_SESSION "session"

/* A growing, NULL-terminated vector of owned strings; a zeroed struct is an empty one. */
struct strings {
	char **v;
	size_t n;
	size_t alloc;
};

/** strings_add - append a copy of @len bytes.  Return: 0, -ENOMEM, or -E2BIG at MANIFEST_ARGS_MAX.
 */
MUST_USE int strings_add(struct strings *s, const char *text, size_t len);
void strings_fini(struct strings *s);

/** strings_take - the vector leaves; never NULL unless memory ran out */
char **strings_take(struct strings *s);

/** json_kind - "a string", "an integer", ... for messages */
const char *json_kind(const json_t *value);

/** manifest_err_args - like err_set, for a vector that did not take a string (@r of strings_add) */
MUST_USE int manifest_err_args(int r, struct err *err);

/** manifest_add_env - each member of @set as NAME=VALUE; @set may be NULL.  Return: 0 or -errno. */
MUST_USE int manifest_add_env(json_t *set, struct strings *env, struct err *err);

/**
 * template_expand - run an argv template
 * @template:  array, checked by template_check
 * @input:     inputSchema: defaults of properties
 * @arguments: validated
 * @env:       NAME=VALUE strings that built-in elements add
 */
MUST_USE int template_expand(json_t *template, json_t *input, json_t *arguments,
			     const char *workspace, struct strings *argv, struct strings *env,
			     struct err *err);

/** template_argument - value of a parameter, or its default; NULL when absent or null */
json_t *template_argument(json_t *input, json_t *arguments, const char *name);

/* A row of the table of built-in template elements: {"expand": NAME, ...}. */
struct builtin {
	const char *name;
	/* Properties that the input schema must declare, ending in a NULL name. */
	struct {
		const char *name;
		const char *type;
	} params[4];
	int (*expand)(json_t *element, json_t *arguments, struct strings *argv, struct strings *env,
		      struct err *err);
};

/** builtin_find - by name; NULL for an unknown one */
const struct builtin *builtin_find(const char *name);
/** builtin_names - for suggestions; @ret_n of them */
const char *const *builtin_names(size_t *ret_n);

int cargo_expand(json_t *element, json_t *arguments, struct strings *argv, struct strings *env,
		 struct err *err);

/** option_given - an element of @args before "--" is @option, or "@option=...", or "-oVALUE" */
bool option_given(json_t *args, const char *option);

/** args_split - index of the first "--" in @args, or its length */
size_t args_split(json_t *args);

#endif
