/* A classic BPF interpreter for seccomp programs: what the kernel would answer, without the kernel. */
#ifndef TOOLCELL_TESTS_BPF_H
#define TOOLCELL_TESTS_BPF_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>

/**
 * bpf_run - the program's answer, SECCOMP_RET_*
 * Return: 0 and *ret, or -1 for a program that the kernel would refuse or that runs off its end.
 */
int bpf_run(const struct sock_filter *insns, uint32_t n, const struct seccomp_data *data,
	    uint32_t *ret);

#endif
