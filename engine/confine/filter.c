/*
 * Theory of operation: load the architecture, then the number, compare with one after the other. The
 * kernel turns verdicts that depend on the number alone into a bitmap, so the length costs nothing
 * per call.
 */
#include "confine/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "confine/privilege.h"

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "toolcell knows x86_64 and aarch64"
#endif
#define X32_BIT 0x40000000U

int filter_install(const int *calls, size_t n, uint32_t otherwise)
{
	struct sock_filter insns[FILTER_INSNS_MAX];
	uint32_t i = 0;

	if (n > FILTER_CALLS_MAX)
		return -E2BIG;
	insns[i++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						  offsetof(struct seccomp_data, arch));
	insns[i++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
	insns[i++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	insns[i++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						  offsetof(struct seccomp_data, nr));
	insns[i++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
	insns[i++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	/* Each comparison has its own verdict behind it: jumps of BPF reach 255 instructions only. */
	for (size_t k = 0; k < n; k++) {
		insns[i++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
							  (uint32_t)calls[k], 0, 1);
		insns[i++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	}
	insns[i++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, otherwise);
	return privilege_filter(insns, i);
}
