/* Profiles for seccomp: which entries count in a cell, and on which machines. */
#include "support.h"

#if defined(__x86_64__)
#define HERE "SCMP_ARCH_X86_64"
#define THERE "SCMP_ARCH_AARCH64"
#else
#define HERE "SCMP_ARCH_AARCH64"
#define THERE "SCMP_ARCH_X86_64"
#endif

#define PROFILE(members) "{'defaultAction': 'SCMP_ACT_ALLOW', " members "}"
#define ENTRY(members) \
	PROFILE("'syscalls': [{'names': ['mkdir'], 'action': 'SCMP_ACT_ERRNO', " members "}]")

static const struct {
	const char *text;
	const char *pointer;
	const char *verdict; /* NULL: an error about the pointer */
} rows[] = {
	{ENTRY("'comment': ''"), "/syscalls/0", "taken"},
	{ENTRY("'includes': {'minKernel': '4.8'}"), "/syscalls/0", "taken"},
	{ENTRY("'excludes': {'minKernel': '4.8'}"), "/syscalls/0", "no bearing"},
	{ENTRY("'includes': {'arches': ['s390x']}"), "/syscalls/0", "no bearing"},
	{ENTRY("'excludes': {'arches': ['amd64', 'arm64']}"), "/syscalls/0", "no bearing"},
	{ENTRY("'includes': {'caps': ['CAP_SYS_ADMIN']}"), "/syscalls/0", "no bearing"},
	{ENTRY("'excludes': {'caps': ['CAP_SYS_ADMIN']}"), "/syscalls/0", "taken"},
	{ENTRY("'includes': {'arches': [3]}"), "/syscalls/0", NULL},
	{ENTRY("'excludes': {'arches': [3]}"), "/syscalls/0", NULL},
	{PROFILE("'architectures': ['" HERE "', '" THERE "']"), "/architectures", "taken"},
	{PROFILE("'architectures': []"), "/architectures", "taken"},
	{PROFILE("'architectures': ['" HERE "']"), "/architectures", "no bearing"},
	{PROFILE("'architectures': ['" THERE "']"), "/architectures", "not expressible"},
	{PROFILE("'archMap': [{'architecture': '" THERE "'}]"), "/archMap", "not expressible"},
	{PROFILE("'architectures': ['" HERE "', 3]"), "/architectures", NULL},
	{PROFILE("'archMap': [3]"), "/archMap", NULL},
	{PROFILE("'architectures': ['" HERE "'], 'archMap': [{'architecture': '" HERE "'}]"),
	 "/archMap", NULL},
};

Test(seccomp, each_entry_says_whether_it_counts_in_a_cell)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct source source = {.format = "seccomp", .text = rows[i].text};
		struct import_result result;
		struct err err = {0};
		int r = import_source(&source, &result, &err);

		cr_assert_eq(r < 0, rows[i].verdict == NULL, "row %zu: %s", i, err.text);
		if (r < 0)
			cr_assert_not_null(strstr(err.text, rows[i].pointer), "row %zu: %s", i,
					   err.text);
		else
			cr_assert_str_eq(verdict(&result, rows[i].pointer), rows[i].verdict,
					 "row %zu", i);
		import_result_fini(&result);
	}
}

/* Allowed by an entry that no kernel of ours heeds is not allowed. */
Test(seccomp, an_entry_for_older_kernels_allows_nothing)
{
	const struct source source =
		{.format = "seccomp",
		 .text = "{'defaultAction': 'SCMP_ACT_ERRNO', 'syscalls': [{'names': ['read', "
			 "'mkdirat'], 'action': 'SCMP_ACT_ALLOW', 'excludes': {'minKernel': "
			 "'4.8'}}]}"};
	struct import_result result;
	struct err err = {0};
	bool found = false;
	json_t *one;
	size_t i;

	cr_assert_eq(import_source(&source, &result, &err), 0, "%s", err.text);
	cr_assert_not_null(result.policy);
	json_array_foreach(json_object_get(json_object_get(result.policy, "syscalls"), "deny"), i,
			   one)
		found = found || strcmp(json_string_value(one), "mkdirat") == 0;
	cr_assert(found);
	import_result_fini(&result);
}
