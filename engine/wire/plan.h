/*
 * The call plan: argument vector, environment and working directory of one call, written by the
 * broker (or the command line) into a sealed memfd. The launcher checks size and seals and hands it
 * on unread; init, inside the cell and without privilege, verifies and uses it.
 */
#ifndef TOOLCELL_WIRE_PLAN_H
#define TOOLCELL_WIRE_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PLAN_MAGIC 0x4e4c5054U /* "TPLN" */
#define PLAN_BYTES_MAX ((size_t)12 << 20)
#define PLAN_ARGS_MAX 65536U
#define PLAN_ENV_MAX 4096U

struct plan_header {
	uint32_t magic;
	uint32_t bytes;
	uint32_t args;	/* strings that follow, each with its NUL; > 0 */
	uint32_t env;	/* then these, each NAME=VALUE */
	uint32_t flags; /* PLAN_* */
	uint32_t pad;
	/* then the working directory (absolute path inside the cell), with its NUL */
};

enum {
	PLAN_TTY =
		1U
		<< 0, /* keep the controlling terminal's descriptors as they are: `exec` on a tty */
	PLAN_FLAGS_ALL = (1U << 1) - 1,
};

/* NULL-terminated vectors into one heap block. */
struct plan {
	char **argv;
	char **envp;
	char *cwd;
	uint32_t flags;
	void *block;
};

/**
 * plan_seal - encode
 * @argv:   at least one string, NULL-terminated
 * @envp:   NAME=VALUE strings, NULL-terminated; NULL for none
 * @cwd:    absolute
 * @ret_fd: sealed memfd; caller owns
 */
MUST_USE int plan_seal(const char *const *argv, const char *const *envp, const char *cwd,
		       uint32_t flags, int *ret_fd, struct err *err);

/**
 * plan_decode - verify and index
 * @data: the bytes of the memfd; copied
 * @ret:  plan_fini frees
 */
MUST_USE int plan_decode(const void *data, size_t bytes, struct plan *ret, struct err *err);
void plan_fini(struct plan *plan);

#endif
