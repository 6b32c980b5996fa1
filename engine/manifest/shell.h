/*
 * The part of a shell's language that is safe to run without one: words, quotes and backslashes. It
 * is what the agent's patterns, such as Bash(git:*), are held against.
 */
#ifndef TOOLCELL_MANIFEST_SHELL_H
#define TOOLCELL_MANIFEST_SHELL_H

#include <stdbool.h>

#include "manifest/core.h"

#define SHELL_BYTES_MAX 131072U
#define SHELL_WORDS_MAX 4096U

/**
 * shell_split - a command line into words
 * @ret: strings_fini frees
 *
 * Anything that a shell would give a meaning to outside of quotes is refused with its place and a
 * remedy, as are "$" and "`" within double quotes, and a leading NAME=.
 */
MUST_USE int shell_split(const char *command, struct strings *ret, struct err *err);

/**
 * shell_pattern_check - "git:*" (these words, then anything) or "git status" (these words exactly)
 * Return: 0, or -EINVAL with the reason.
 */
MUST_USE int shell_pattern_check(const char *pattern, struct err *err);

/** shell_pattern_matches - a checked pattern against words */
MUST_USE int shell_pattern_matches(const char *pattern, const struct strings *words, bool *ret,
				   struct err *err);

#endif
