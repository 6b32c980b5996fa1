/* A seccomp program, run here instead of by the kernel. See bpf(4), seccomp(2). */
#ifndef TOOLCELL_CONFINE_PROGRAM_H
#define TOOLCELL_CONFINE_PROGRAM_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>

#include "base/macros.h"

/**
 * program_run - the verdict of a program on a system call
 * @ret: SECCOMP_RET_* with its data
 *
 * Knows what libseccomp and policy/filter.c generate.  Return: 0; -EINVAL for anything else, or a program
 * that runs off its end; @ret is untouched then.
 */
MUST_USE int program_run(const struct sock_filter *insns, uint32_t n,
			 const struct seccomp_data *data, uint32_t *ret);

#endif
