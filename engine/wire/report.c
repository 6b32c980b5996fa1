/* Theory of operation: the words for the numbers of report.h, one row for each step. */
#include "wire/report.h"

static const char *const names[STEP_N] = {
	[STEP_NONE] = "begin",
	[STEP_ISOLATE] = "let go of the launcher's descriptors",
	[STEP_CGROUP_JOIN] = "join the cgroup",
	[STEP_CGROUP_NS] = "make the cgroup namespace",
	[STEP_KEYRING] = "make a session keyring",
	[STEP_HOSTNAME] = "set the host name",
	[STEP_NET_NS] = "make the network namespace",
	[STEP_LOOPBACK] = "bring up the loopback interface",
	[STEP_MAPS] = "write its own id maps",
	[STEP_GO] = "receive mounts from the launcher",
	[STEP_IDENTITY] = "take the cell's user and group id",
	[STEP_ROOT] = "attach the root file system",
	[STEP_MOUNT] = "mount",
	[STEP_SUMMARY] = "prepare its look at changes",
	[STEP_PIVOT] = "leave the old root file system",
	[STEP_DESCRIPTORS] = "arrange file descriptors",
	[STEP_INIT_EXEC] = "start the cell's init",
	[STEP_CONFIG] = "read the configuration",
	[STEP_IMAGE] = "read the policy image",
	[STEP_PLAN] = "read the call plan",
	[STEP_CAPABILITIES] = "drop capabilities",
	[STEP_NO_NEW_PRIVS] = "set no_new_privs",
	[STEP_FORK] = "start a process",
	[STEP_SESSION] = "make a session",
	[STEP_CWD] = "enter the working directory",
	[STEP_LIMITS] = "set resource limits",
	[STEP_LANDLOCK] = "enter the Landlock domain",
	[STEP_CLOSE] = "close file descriptors",
	[STEP_SECCOMP] = "install the system call filter",
	[STEP_EXEC] = "execute the command",
};

const char *report_step_name(uint32_t step)
{
	return step < STEP_N ? names[step] : NULL;
}
