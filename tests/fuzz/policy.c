/*
 * Theory of operation: any bytes as a policy file, through a memfd, as the operator's FILE would be;
 * what loads must also resolve or say why not, and what resolves must compile into a program. Every
 * error is one line.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "policy/plan.h"
#include "policy/syscalls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need_words(const struct err *err)
{
	if (err->text[0] == '\0' || strchr(err->text, '\n') || strchr(err->text, '\033'))
		abort();
}

static void compile(const struct policy *policy)
{
	struct syscalls_filter filter = {.policy = policy, .sockets = policy_sockets(policy, 1)};
	struct sock_filter *insns = NULL;
	struct err err = {0};
	uint32_t n = 0;

	if (syscalls_compile(&filter, &insns, &n, &err) < 0)
		need_words(&err);
	else if (n == 0 || n > IMAGE_CELL_INSNS_MAX)
		abort();
	free(insns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const dirs[] = {NULL};
	static struct policy_inputs inputs;
	CLEANUP(fd_closep) int fd = -1;
	struct policy policy;
	struct policy_plan plan;
	struct err err = {0};
	char path[64];

	if (fd_memfd_sealed("fuzz", data, size, &fd, NULL) < 0)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (policy_load(path, dirs, &inputs, &policy, &err) < 0) {
		need_words(&err);
	} else {
		if (policy_resolve(&policy, "/w", &inputs, &plan, &err) < 0)
			need_words(&err);
		policy_plan_fini(&plan);
		compile(&policy);
	}
	policy_fini(&policy);
	policy_inputs_fini(&inputs);
	return 0;
}
