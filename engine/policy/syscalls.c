/*
 * Theory of operation: names only. A group is what a kind of program needs, not what a kernel
 * subsystem offers. Names that an architecture lacks (open on aarch64) or that this libseccomp is
 * too old for are skipped when a filter is made (filter.c). What stands in no group can be allowed
 * one by one in a policy, but for the table of calls that no cell gets.
 */
#include "policy/syscalls.h"

#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define NUMBERS_MAX 1024 /* more than any architecture has */

const struct syscalls_group syscalls_groups[] = {
	{"base", "what libc needs to start and end a program",
	 "arch_prctl brk close close_range dup dup2 dup3 exit exit_group fcntl futex futex_requeue "
	 "futex_wait futex_waitv futex_wake get_robust_list getpid getppid getrandom gettid lseek "
	 "membarrier mmap mprotect munmap prctl pread64 preadv preadv2 pwrite64 pwritev pwritev2 "
	 "read "
	 "readv restart_syscall rseq rt_sigreturn sched_yield set_robust_list set_tid_address "
	 "write "
	 "writev"},
	{"files", "files and folders",
	 "access cachestat chdir chmod chown copy_file_range creat faccessat faccessat2 fadvise64 "
	 "fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fdatasync fgetxattr "
	 "flistxattr "
	 "flock fremovexattr fsetxattr fstat fstatfs fsync ftruncate futimesat getcwd getdents "
	 "getdents64 getxattr getxattrat ioctl lchown lgetxattr link linkat listxattr listxattrat "
	 "llistxattr lremovexattr lsetxattr lstat mkdir mkdirat mknod mknodat newfstatat open "
	 "openat "
	 "pipe pipe2 readahead readlink readlinkat removexattr removexattrat rename renameat "
	 "renameat2 "
	 "rmdir sendfile setxattr setxattrat splice stat statfs statx symlink symlinkat sync "
	 "sync_file_range syncfs tee truncate umask unlink unlinkat utime utimensat utimes "
	 "vmsplice"},
	{"processes", "programs, threads and their groups",
	 "clone execve execveat fork getpgid getpgrp getsid kill pidfd_open pidfd_send_signal "
	 "setpgid "
	 "setsid tgkill tkill vfork wait4 waitid personality"},
	{"signals", "signal handlers",
	 "pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigsuspend "
	 "rt_sigtimedwait rt_tgsigqueueinfo sigaltstack signalfd signalfd4"},
	{"time", "clocks and timers, read and wait",
	 "alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep "
	 "setitimer "
	 "time timer_create timer_delete timer_getoverrun timer_gettime timer_settime "
	 "timerfd_create "
	 "timerfd_gettime timerfd_settime"},
	{"memory", "memory beyond the basics",
	 "madvise map_shadow_stack memfd_create mincore mlock mlock2 mlockall mremap mseal msync "
	 "munlock "
	 "munlockall pkey_alloc pkey_free pkey_mprotect remap_file_pages"},
	{"poll", "waiting for many things",
	 "epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait "
	 "epoll_wait_old eventfd eventfd2 inotify_add_watch inotify_init inotify_init1 "
	 "inotify_rm_watch poll ppoll pselect6 select"},
	{"ids-read", "who am I",
	 "capget getegid geteuid getgid getgroups getresgid getresuid getuid"},
	{"ids-write", "changing ids, as far as the one user of a cell can",
	 "capset setfsgid setfsuid setgid setgroups setregid setresgid setresuid setreuid setuid"},
	{"scheduling", "processors and priorities",
	 "get_mempolicy getcpu getpriority ioprio_get ioprio_set sched_get_priority_max "
	 "sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler "
	 "sched_rr_get_interval sched_setaffinity sched_setattr sched_setparam sched_setscheduler "
	 "setpriority"},
	{"sysinfo", "limits and usage",
	 "getrlimit getrusage prlimit64 setrlimit sysinfo times uname"},
	{"network-unix",
	 "socket pairs and local sockets; the families are those of /syscalls/sockets",
	 "accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg "
	 "recvmsg "
	 "sendmmsg sendmsg sendto setsockopt shutdown socket socketpair"},
	{"network-inet", "the same calls, for policies that name what they mean",
	 "accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg "
	 "recvmsg "
	 "sendmmsg sendmsg sendto setsockopt shutdown socket"},
	{"sandboxing", "programs that narrow themselves further",
	 "landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp"},
	{"sysv-ipc", "System V and POSIX queues, within the cell's own namespace",
	 "mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend mq_unlink msgctl msgget "
	 "msgrcv "
	 "msgsnd semctl semget semop semtimedop shmat shmctl shmdt shmget"},
	{"aio", "the old asynchronous I/O",
	 "io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit"},
	{"numa", "placement of memory", "mbind set_mempolicy set_mempolicy_home_node"},
};
const size_t syscalls_n_groups = ARRAY_SIZE(syscalls_groups);
static_assert(ARRAY_SIZE(syscalls_groups) <= SYSCALLS_GROUPS_MAX, "room for every group");

static const struct {
	const char *why;
	const char *calls;
} never[] = {
	{"it reads or steers other processes", "kcmp pidfd_getfd process_madvise process_mrelease "
					       "process_vm_readv process_vm_writev ptrace"},
	{"it makes or enters namespaces and mounts, which the cell is made of",
	 "chroot fsconfig fsmount fsopen fspick listmount listns mount mount_setattr move_mount "
	 "open_tree "
	 "open_tree_attr pivot_root setns statmount umount umount2 unshare"},
	{"its flags lie in memory, where no filter can read them; programs fall back to the older "
	 "call",
	 "clone3 openat2"},
	{"its operations bypass the filter", "io_uring_enter io_uring_register io_uring_setup"},
	{"it is a large part of the kernel that no build needs",
	 "bpf fanotify_init fanotify_mark lookup_dcookie modify_ldt perf_event_open quotactl "
	 "quotactl_fd "
	 "userfaultfd vhangup"},
	{"keyrings are not namespaced", "add_key keyctl request_key"},
	{"it opens files by handle, past every folder's permission",
	 "name_to_handle_at open_by_handle_at"},
	{"it moves or reads other processes' memory", "migrate_pages move_pages"},
	{"it belongs to whoever runs the machine",
	 "_sysctl acct adjtimex clock_adjtime clock_settime create_module delete_module "
	 "finit_module "
	 "get_kernel_syms init_module ioperm iopl kexec_file_load kexec_load lsm_get_self_attr "
	 "lsm_list_modules lsm_set_self_attr nfsservctl query_module reboot sethostname "
	 "setdomainname "
	 "settimeofday swapoff swapon sysfs syslog uselib ustat"},
};

/* Whether @list, names separated by blanks, holds @name. */
static bool list_has(const char *list, const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || strchr(name, ' '))
		return false;
	for (const char *p = list; *p != '\0'; p += strspn(p, " ")) {
		size_t word = strcspn(p, " ");

		if (word == len && memcmp(p, name, len) == 0)
			return true;
		p += word;
	}
	return false;
}

bool syscalls_group_has(const struct syscalls_group *group, const char *name)
{
	return list_has(group->calls, name);
}

size_t syscalls_group_names(const char **names)
{
	for (size_t i = 0; i < syscalls_n_groups; i++)
		names[i] = syscalls_groups[i].name;
	return syscalls_n_groups;
}

const char *syscalls_never(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		if (list_has(never[i].calls, name))
			return never[i].why;
	return NULL;
}

static bool number_is_real(const char *name, uint32_t arch)
{
	/* Negative numbers are libseccomp's own, for calls that the architecture lacks. */
	return seccomp_syscall_resolve_name_arch(arch, name) >= 0;
}

bool syscalls_is_known(const char *name)
{
	if (number_is_real(name, SCMP_ARCH_X86_64) || number_is_real(name, SCMP_ARCH_AARCH64) ||
	    syscalls_never(name))
		return true;
	for (size_t i = 0; i < syscalls_n_groups; i++)
		if (list_has(syscalls_groups[i].calls, name))
			return true;
	return false;
}

/* One list behind the other, groups first. */
static const char *list_at(size_t i)
{
	if (i < syscalls_n_groups)
		return syscalls_groups[i].calls;
	return i - syscalls_n_groups < ARRAY_SIZE(never) ? never[i - syscalls_n_groups].calls
							 : NULL;
}

/* Whether a list before number @end has the name: the second time it is no news. */
static bool is_repeated(const char *name, size_t end)
{
	for (size_t i = 0; i < end; i++)
		if (list_has(list_at(i), name))
			return true;
	return false;
}

const char *syscalls_name_at(uint32_t wanted)
{
	static char name[64];
	uint32_t seen = 0;

	for (size_t i = 0; list_at(i); i++) {
		const char *p = list_at(i);

		for (; *p != '\0'; p += strspn(p, " ")) {
			size_t len = strcspn(p, " ");

			(void)snprintf(name, sizeof(name), "%.*s", (int)len, p);
			p += len;
			if (!is_repeated(name, i) && seen++ == wanted)
				return name;
		}
	}
	return NULL;
}

const char *syscalls_nearest(const char *name)
{
	static char found[64];
	char *names[NUMBERS_MAX];
	const char *near;
	size_t n = 0;

	for (int nr = 0; nr < NUMBERS_MAX; nr++) {
		char *known = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, nr);

		if (known)
			names[n++] = known;
	}
	near = text_nearest(name, (const char *const *)names, n);
	found[0] = '\0';
	if (near)
		(void)snprintf(found, sizeof(found), "%s", near);
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	return found[0] ? found : NULL;
}
