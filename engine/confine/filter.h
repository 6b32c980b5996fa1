/*
 * A small allow-list filter for our own processes (broker, digest), whose few system calls are known
 * when they are compiled. Policies' filters are libseccomp's work, in policyc.
 */
#ifndef TOOLCELL_CONFINE_FILTER_H
#define TOOLCELL_CONFINE_FILTER_H

#include <linux/filter.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

#define FILTER_CALLS_MAX 200U
#define FILTER_INSNS_MAX (2U * FILTER_CALLS_MAX + 16U)

/**
 * filter_install - from here on only @calls, for all threads
 * @calls:    numbers of this architecture, each at most once
 * @otherwise: SECCOMP_RET_ERRNO | EPERM, or SECCOMP_RET_KILL_PROCESS
 *
 * Another architecture's calls (and x32) kill the process. Needs no_new_privs.
 * Return: 0 or -errno.
 */
MUST_USE int filter_install(const int *calls, size_t n, uint32_t otherwise);

#endif
