/* Theory of operation: each function is one promise; callers order them (ARCHITECTURE.md). */
#include "confine/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SECUREBITS_LOCKED                                                                        \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |                         \
	 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE | \
	 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

/* SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV. KERNEL(5.19) */
#define FILTER_FLAG_WAIT_KILLABLE (1U << 5)

static int drop_bounding_set(void)
{
	for (unsigned long cap = 0; cap <= 63; cap++) {
		int have = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (have < 0)
			return 0; /* EINVAL: beyond the kernel's last capability */
		if (have == 1 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

int privilege_drop_bounding(void)
{
	int r = drop_bounding_set();

	if (r < 0)
		return r;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	if (prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) == (int)SECUREBITS_LOCKED)
		return 0;
	return prctl(PR_SET_SECUREBITS, SECUREBITS_LOCKED, 0, 0, 0) < 0 ? -errno : 0;
}

int privilege_drop_capabilities(void)
{
	int r = privilege_drop_bounding();
	cap_t none;

	if (r < 0)
		return r;
	none = cap_init();
	if (!none)
		return -errno;
	r = cap_set_proc(none) < 0 ? -errno : 0;
	(void)cap_free(none);
	return r;
}

int privilege_become(uint32_t id)
{
	int r;

	if (id == 0)
		return 0;
	r = privilege_drop_bounding();
	if (r < 0)
		return r;
	/* With SECBIT_NO_SETUID_FIXUP a change of uid no longer clears the sets by itself. */
	if (setgroups(0, NULL) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
		return -errno;
	return privilege_drop_capabilities();
}

int privilege_no_new(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

int privilege_filter(const struct sock_filter *insns, uint32_t count)
{
	struct sock_fprog prog = {
		.len = (unsigned short)count,
		.filter = (struct sock_filter *)(uintptr_t)insns, /* the kernel only reads it */
	};
	long r;

	if (count == 0 || count > BPF_MAXINSNS)
		return -EINVAL;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog);
	if (r < 0)
		return -errno;
	return r > 0 ? -ESRCH : 0; /* the thread that could not be synchronised */
}

int privilege_filter_listen(const struct sock_filter *insns, uint32_t count, int *ret_listener)
{
	struct sock_fprog prog = {
		.len = (unsigned short)count,
		.filter = (struct sock_filter *)(uintptr_t)insns, /* the kernel only reads it */
	};
	unsigned int flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	long fd;

	if (count == 0 || count > BPF_MAXINSNS)
		return -EINVAL;
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | FILTER_FLAG_WAIT_KILLABLE,
		     &prog);
	if (fd < 0 && errno == EINVAL)
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (fd < 0)
		return -errno;
	*ret_listener = (int)fd;
	return 0;
}

int privilege_new_keyring(void)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0)
		return 0;
	/* A kernel without keyrings has none to leak. */
	return errno == ENOSYS ? 0 : -errno;
}

int privilege_hide(void)
{
	struct rlimit none = {0, 0};

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	return 0;
}
