/* The sandbox of sandbox-runtime and Claude Code, and paths: what is said to hold holds. */
#include "support.h"

#define SRT(filesystem) "{'network': {}, 'filesystem': {" filesystem "}}"
#define DEEPER "/mandatoryDenySearchDepth"

static const char overlay[] =
	"{'name': 'x', 'extends': 'base/build', 'workspace': {'mode': 'overlay'}}";
static const char falls_back[] = "{'name': 'x', 'extends': 'base/build', 'workspace': {'mode': "
				 "'overlay', 'fallback': 'direct'}}";

/* Where tools write to the workspace itself, names are held at its top only. */
static const struct {
	const char *format;
	const char *text;
	const char *base;
	const char *pointer;
	const char *verdict;
} depths[] = {
	{"srt", SRT("'allowWrite': ['.']"), NULL, DEEPER, "not expressible"},
	{"srt", SRT("'allowWrite': ['.']"), falls_back, DEEPER, "not expressible"},
	{"srt", SRT("'allowWrite': ['.']"), overlay, DEEPER, "no row"},
	{"srt", SRT("'allowWrite': []"), NULL, DEEPER, "no row"},
	{"srt",
	 "{'network': {}, 'filesystem': {'allowWrite': ['.']}, 'mandatoryDenySearchDepth': 5}",
	 NULL, DEEPER, "not expressible"},
	{"srt",
	 "{'network': {}, 'filesystem': {'allowWrite': ['.']}, 'mandatoryDenySearchDepth': 1}",
	 NULL, DEEPER, "already refused"},
	{"srt",
	 "{'network': {}, 'filesystem': {'allowWrite': ['.']}, 'mandatoryDenySearchDepth': 5}",
	 overlay, DEEPER, "already refused"},
	{"claude", "{'sandbox': {'enabled': true}}", NULL, "/sandbox" DEEPER, "not expressible"},
	{"claude", "{'sandbox': {'enabled': true}}", overlay, "/sandbox" DEEPER, "no row"},
	{"claude", "{'sandbox': {}}", NULL, "/sandbox" DEEPER, "no row"},
};

Test(sandbox, names_that_are_held_at_the_top_only_are_said_to_be)
{
	for (size_t i = 0; i < ARRAY_SIZE(depths); i++) {
		const struct source source = {.format = depths[i].format,
					      .text = depths[i].text,
					      .base = depths[i].base};
		struct import_result result;
		struct err err = {0};

		cr_assert_eq(import_source(&source, &result, &err), 0, "row %zu: %s", i, err.text);
		cr_assert_str_eq(verdict(&result, depths[i].pointer), depths[i].verdict, "row %zu",
				 i);
		import_result_fini(&result);
	}
}

/* Refusals of paths, and what becomes of them. */
static const struct {
	const char *text;
	const char *pointer;
	const char *verdict;
} paths[] = {
	/* a pattern that begins below the workspace is as much in it as one at its top */
	{SRT("'denyRead': ['*.key']"), "/filesystem/denyRead/0", "not expressible"},
	{SRT("'denyRead': ['src/*.key']"), "/filesystem/denyRead/0", "not expressible"},
	{SRT("'denyRead': ['" WORKSPACE "/a/b/**/*.key']"), "/filesystem/denyRead/0",
	 "not expressible"},
	{SRT("'allowWrite': ['.'], 'denyWrite': ['src/*.key']"), "/filesystem/denyWrite/0",
	 "not expressible"},
	{SRT("'denyRead': ['/etc/{ssl,alternatives}']"), "/filesystem/denyRead/0",
	 "not expressible"},
	{SRT("'denyRead': ['/etc/ss\\\\\\\\l']"), "/filesystem/denyRead/0", "not expressible"},
	{SRT("'denyRead': ['/nonexistent/{a,b}']"), "/filesystem/denyRead/0", "already refused"},
	{SRT("'denyRead': ['/proc']"), "/filesystem/denyRead/0", "already refused"},
	{SRT("'allowWrite': ['.', 'a/b'], 'denyWrite': ['a']"), "/filesystem/allowWrite/1",
	 "narrowed by base"},
	{SRT("'allowWrite': ['.', 'a/b']"), "/filesystem/allowWrite/1", "taken"},
	{SRT("'allowWrite': []"), "/filesystem", "taken"},
};

Test(sandbox, a_path_that_is_refused_is_not_called_refused_already)
{
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		const struct source source = {.format = "srt", .text = paths[i].text};
		struct import_result result;
		struct err err = {0};

		cr_assert_eq(import_source(&source, &result, &err), 0, "row %zu: %s", i, err.text);
		cr_assert(has_row(&result, paths[i].pointer, paths[i].verdict), "row %zu: %s", i,
			  json_dumps(result.rows, JSON_INDENT(1)));
		import_result_fini(&result);
	}
}

/* Switches that are off when nobody says so. */
static const struct {
	const char *format;
	const char *text;
	const char *pointer;
	const char *mode;
	bool unix_sockets;
} defaults[] = {
	{"srt", SRT("'allowWrite': []"), "", "none", false},
	{"srt", "{'network': {'allowLocalBinding': true}, 'filesystem': {}}",
	 "/network/allowLocalBinding", "loopback", false},
	{"srt", "{'network': {'allowAllUnixSockets': true}, 'filesystem': {}}",
	 "/network/allowAllUnixSockets", "none", true},
	{"claude", "{'sandbox': {'enabled': true}}", "/sandbox", "none", false},
	{"claude", "{'sandbox': {'enabled': false}}", "/sandbox/enabled", "loopback", true},
	{"claude", "{'sandbox': {'network': {'allowAllUnixSockets': false}}}",
	 "/sandbox/network/allowAllUnixSockets", "loopback", false},
};

Test(sandbox, what_is_off_by_default_is_off_without_its_key)
{
	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		const struct source source = {
			.format = defaults[i].format,
			.text = defaults[i].text,
			.base = "{'name': 'x', 'extends': 'base/build', 'network': {'mode': "
				"'loopback'}, 'workspace': {'mode': 'readonly'}}",
		};
		struct import_result result;
		struct err err = {0};
		bool found = false;
		json_t *one;
		json_t *list;
		size_t k;

		cr_assert_eq(import_source(&source, &result, &err), 0, "row %zu: %s", i, err.text);
		cr_assert_not_null(result.policy, "row %zu", i);
		cr_assert_not_null(find_row(result.rows, defaults[i].pointer, false), "row %zu", i);
		cr_assert_str_eq(json_string_value(
					 json_object_get(json_object_get(result.policy, "network"),
							 "mode")),
				 defaults[i].mode, "row %zu", i);
		list = json_object_get(json_object_get(result.policy, "syscalls"), "sockets");
		json_array_foreach(list, k, one)
			found = found || strcmp(json_string_value(one), "unix") == 0;
		cr_assert_eq(found, defaults[i].unix_sockets, "row %zu", i);
		import_result_fini(&result);
	}
}

static bool protects(const struct import_result *result, const char *pattern)
{
	json_t *list = json_object_get(json_object_get(result->policy, "workspace"), "protect");
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (json_is_string(one) && strcmp(json_string_value(one), pattern) == 0)
			return true;
	return false;
}

/* A workspace with links in it. */
struct place {
	char path[64];
	char link[96];
	char target[96];
};

static void make_place(struct place *p, const char *target)
{
	(void)snprintf(p->path, sizeof(p->path), "/var/tmp/toolcell-links-XXXXXX");
	cr_assert_not_null(mkdtemp(p->path));
	(void)snprintf(p->link, sizeof(p->link), "%s/link", p->path);
	(void)snprintf(p->target, sizeof(p->target), "%s/%s", p->path, target);
	cr_assert_eq(mkdir(p->target, 0700), 0);
	cr_assert_eq(symlink(target, p->link), 0);
}

static void remove_place(const struct place *p)
{
	(void)unlink(p->link);
	(void)rmdir(p->target);
	(void)rmdir(p->path);
}

Test(sandbox, a_link_that_must_not_be_written_is_protected_by_both_names)
{
	struct place place;
	struct import_result result;
	struct err err = {0};
	struct source source = {.format = "srt",
				.text = SRT("'allowWrite': ['.'], 'denyWrite': ['link', "
					    "'link/new']"),
				.base = overlay,
				.workspace = place.path};

	make_place(&place, "real");
	cr_assert_eq(import_source(&source, &result, &err), 0, "%s", err.text);
	cr_assert(protects(&result, "real"));
	cr_assert(protects(&result, "link"));
	cr_assert(protects(&result, "real/new"));
	cr_assert(protects(&result, "link/new"));
	import_result_fini(&result);
	remove_place(&place);
}

/* A real name that would be read as a pattern protects something else. */
Test(sandbox, a_real_name_with_wildcards_is_no_pattern)
{
	static const char *const names[] = {"a[1]", "a*", "a?"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct place place;
		struct import_result result;
		struct err err = {0};
		struct source source = {.format = "srt",
					.text = SRT("'allowWrite': ['.'], 'denyWrite': ['link']"),
					.base = overlay,
					.workspace = place.path};

		make_place(&place, names[i]);
		cr_assert_eq(import_source(&source, &result, &err), 0, "%s", err.text);
		cr_assert_str_eq(verdict(&result, "/filesystem/denyWrite/0"), "not expressible",
				 "row %zu", i);
		import_result_fini(&result);
		remove_place(&place);
	}
}
