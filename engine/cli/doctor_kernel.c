/* Theory of operation: the kernel's age, and the three things that need no namespace to be tried.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/num.h"
#include "cli/doctor.h"
#include "confine/landlock.h"
#include "confine/privilege.h"

/* mount_setattr(2) is the youngest call that a cell cannot be made without. */
#define KERNEL_MAJOR 5
#define KERNEL_MINOR 12

/* "6.1.0-13-amd64" */
static int read_release(const char *release, uint64_t *ret_major, uint64_t *ret_minor)
{
	static const char digits[] = "0123456789";
	size_t first = strspn(release, digits);
	size_t second = release[first] == '.' ? strspn(release + first + 1, digits) : 0;
	char part[2][8] = {"", ""};
	int r;

	if (first >= sizeof(part[0]) || second >= sizeof(part[1]))
		return -EINVAL;
	memcpy(part[0], release, first);
	memcpy(part[1], release + first + 1, second);
	r = num_parse_u64(part[0], UINT32_MAX, ret_major);
	return r < 0 ? r : num_parse_u64(part[1], UINT32_MAX, ret_minor);
}

void doctor_kernel(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	struct utsname name;
	uint64_t major = 0;
	uint64_t minor = 0;

	(void)d;
	(void)row;
	if (uname(&name) < 0 || read_release(name.release, &major, &minor) < 0) {
		doctor_detail(ret, "the kernel's version cannot be told");
		doctor_judge(ret, false, false);
		return;
	}
	doctor_detail(ret, "Linux %s, %s", name.release, name.machine);
	doctor_judge(ret, major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR),
		     true);
	doctor_remedy(ret, "install a kernel of at least %d.%d; 5.19 or newer brings Landlock too",
		      KERNEL_MAJOR, KERNEL_MINOR);
}

static int probe_seccomp(const void *arg, struct probe_answer *ret)
{
	static const struct sock_filter allow[] = {
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	int r = privilege_no_new();

	(void)arg;
	(void)ret;
	return r < 0 ? r : privilege_filter(allow, ARRAY_SIZE(allow));
}

void doctor_seccomp(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	struct probe_answer answer;

	(void)d;
	(void)row;
	probe_run(probe_seccomp, NULL, PROBE_TIMEOUT_MS, &answer);
	doctor_judge(ret, answer.num == 0, true);
	if (answer.num == 0) {
		doctor_detail(ret, "a filter was installed, on all threads at once");
		return;
	}
	doctor_detail(ret, "no filter can be installed: %s", strerrordesc_np(answer.num));
	doctor_remedy(ret, "use a kernel with CONFIG_SECCOMP_FILTER=y");
}

void doctor_landlock(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	uint32_t abi = landlock_abi();
	bool fine = abi >= LANDLOCK_ABI_USEFUL && abi >= d->landlock_abi_min;

	(void)row;
	if (abi == 0)
		doctor_detail(ret, "this kernel has no Landlock, or it is switched off");
	else
		doctor_detail(ret, "ABI %u; the agent's policy needs %u", abi, d->landlock_abi_min);
	doctor_judge(ret, fine, d->landlock_abi_min > 0);
	doctor_remedy(
		ret, "boot Linux 5.19 or newer with \"landlock\" in the kernel parameter lsm= (see "
		     "/sys/kernel/security/lsm)");
}

static int probe_keyring(const void *arg, struct probe_answer *ret)
{
	(void)arg;
	(void)ret;
	return privilege_new_keyring();
}

void doctor_keyring(struct doctor *d, const struct doctor_row *row, struct doctor_check *ret)
{
	struct probe_answer answer;

	(void)d;
	(void)row;
	probe_run(probe_keyring, NULL, PROBE_TIMEOUT_MS, &answer);
	doctor_judge(ret, answer.num == 0, false);
	if (answer.num == 0) {
		doctor_detail(ret, "a session keyring of its own was made");
		return;
	}
	doctor_detail(ret, "no session keyring can be made: %s", strerrordesc_np(answer.num));
	doctor_remedy(ret,
		      "nothing is lost where keys do not exist; in a container, allow keyctl(2)");
}
