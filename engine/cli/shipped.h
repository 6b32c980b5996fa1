/* Names of what this installation ships, for messages. */
#ifndef TOOLCELL_CLI_SHIPPED_H
#define TOOLCELL_CLI_SHIPPED_H

#include <stddef.h>

/**
 * shipped_list - "rust-engineer, tester": files of one kind, sorted
 * @folder: "agents" or "policies"
 * @suffix: ".md" or ".json"; cut off
 *
 * Allocates nothing, never fails: "none" when the folder is empty or cannot be read.  Return: @dst.
 */
const char *shipped_list(const char *folder, const char *suffix, char *dst, size_t cap);

#endif
