/*
 * Theory of operation: records by hand over a small image and a catalog's rules, made into denials; a row
 * for each kind says the whole entry. Then what a tool may have chosen: bytes of paths and names.
 */
#include "broker/recorded.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../small_image.h"
#include "base/fd.h"

enum { RO, WS, TMP, COPY, FILE_, DIR_, NOEXEC, FOLDER };

static const struct small_mount mounts[] = {
	[RO] = {IMAGE_MOUNT_BIND, IMAGE_MOUNT_READONLY, "/usr", "/usr", 0, 0, 0},
	[WS] = {IMAGE_MOUNT_WORKSPACE, 0, NULL, NULL, 0, 0, 0},
	[TMP] = {IMAGE_MOUNT_TMPFS, IMAGE_MOUNT_NOEXEC, NULL, "/tmp", 01777, 65536, 100},
	[COPY] = {IMAGE_MOUNT_OVERLAY, 0, "/opt/x", "/opt/y", 0, 65536, 100},
	[FILE_] = {IMAGE_MOUNT_FILE, IMAGE_MOUNT_READONLY, "", "/etc/hosts", 0, 0, 0},
	[DIR_] = {IMAGE_MOUNT_DIR, 0, NULL, "/etc", 0755, 0, 0},
	[NOEXEC] = {IMAGE_MOUNT_BIND, IMAGE_MOUNT_NOEXEC, "/data", "/data", 0, 0, 0},
};

static struct image image;
static struct record *record;
static json_t *rules;
static json_t *denials;
static struct recorded_source source;

/* Every number is named by what it is here; what is not in the list is "-". */
static json_t *rules_new(const char *final)
{
	static const struct {
		unsigned int nr;
		const char *name;
	} calls[] = {
		{SYS_openat, "openat"}, {SYS_mkdirat, "mkdirat"},   {SYS_socket, "socket"},
		{SYS_mbind, "mbind"},	{SYS_ptrace, "ptrace"},	    {SYS_execve, "execve"},
		{SYS_kill, "kill"},	{SYS_connect, "connect"},   {SYS_ioctl, "ioctl"},
		{SYS_linkat, "linkat"}, {SYS_fchmodat, "fchmodat"}, {SYS_mlock, "mlock"},
	};
	char *names = calloc(512, 16);
	json_t *json;

	for (unsigned int nr = 0; nr < 400; nr++) {
		const char *name = "-";

		for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
			if (calls[i].nr == nr)
				name = calls[i].name;
		if (nr)
			strcat(names, " ");
		strcat(names, name);
	}
	json = json_pack(
		"{s:s, s:{s:s, s:s, s:s, s:s}, s:{s:{s:s}}, s:[s*], s:{s:s}, s:{s:s}, s:s}", "file",
		"policies/own.json", "at", "syscalls", "policies/base.json#/syscalls",
		"network/mode", "policies/base.json#/network/mode", "limits/open_files",
		"policies/base.json#/limits/open_files", "workspace/mode",
		"policies/base.json#/workspace/mode", "tools", "Bash", "limits/open_files",
		"policies/own.json#/tools/Bash/limits/open_files", "final", final, "deny", "mlock",
		"policies/own.json#/syscalls/deny/0", "never", "it reads other processes",
		"kcmp ptrace", "calls", names);
	free(names);
	return json;
}

static void set_up(void)
{
	small_image(mounts, ARRAY_SIZE(mounts),
		    &(struct small_cell){
			    .change_rules =
				    "P\t.git/hooks\tpolicies/base.json#/workspace/protect/0\n"},
		    &image);
	record = calloc(1, sizeof(*record));
	record->magic = RECORD_MAGIC;
	rules = rules_new(NULL);
	cr_assert_not_null(rules);
	source = (struct recorded_source){
		.image = &image,
		.cell = image_cell(&image, 0),
		.workspace = "/home/u/work",
		.limits = &image_cell(&image, 0)->limits,
		.origins = {rules, "own", "Bash"},
	};
}

static void tear_down(void)
{
	json_decref(denials);
	json_decref(rules);
	free(record);
	image_unmap(&image);
}

TestSuite(recorded, .init = set_up, .fini = tear_down);

static struct record_entry *add(enum record_what what, uint32_t nr, uint32_t num, uint32_t mount,
				const char *path)
{
	struct record_entry e = {.what = what,
				 .nr = nr,
				 .num = num,
				 .mount = mount,
				 .pid = 7,
				 .first_us = 1500,
				 .name = "sh"};

	e.path_bytes = (uint32_t)strlen(path);
	memcpy(e.path, path, e.path_bytes);
	record_add(record, &e);
	return &record->entries[record->n - 1];
}

/* The denials of what was added, which start anew. */
static json_t *say(void)
{
	json_decref(denials);
	denials = json_array();
	cr_assert_eq(record_check(record, sizeof(*record), NULL), 0);
	cr_assert_eq(recorded_append(denials, record, &source), 0);
	cr_assert_eq(json_array_size(denials), record->n);
	record->n = 0;
	return json_array_get(denials, 0);
}

static bool is_open(json_t *denial)
{
	return json_is_true(json_object_get(denial, "open"));
}

static bool has_fragment(json_t *denial)
{
	return json_is_object(json_object_get(denial, "fragment"));
}

static const char *text(json_t *denial, const char *key)
{
	const char *value = json_string_value(json_object_get(denial, key));

	return value ? value : "(null)";
}

#include "recorded_rows.h"

static void expect_row(size_t i)
{
	json_t *denial = say();
	char *fragment = json_dumps(json_object_get(denial, "fragment"),
				    JSON_COMPACT | JSON_ENCODE_ANY);

	cr_expect_str_eq(text(denial, "layer"), rows[i].layer, "row %zu", i);
	cr_expect_str_eq(text(denial, "operation"), rows[i].operation, "row %zu", i);
	cr_expect_str_eq(text(denial, "object"), rows[i].object, "row %zu", i);
	cr_expect_str_eq(text(denial, "rule"), rows[i].rule, "row %zu", i);
	cr_expect(strstr(text(denial, "remedy"), rows[i].remedy), "row %zu: %s", i,
		  text(denial, "remedy"));
	if (rows[i].fragment)
		cr_expect_str_eq(fragment, rows[i].fragment, "row %zu", i);
	cr_expect_eq(json_is_true(json_object_get(denial, "open")), rows[i].open, "row %zu", i);
	cr_expect_str_eq(text(denial, "errno"), strerrorname_np((int)rows[i].num), "row %zu", i);
	cr_expect_eq(json_integer_value(json_object_get(denial, "count")), 1, "row %zu", i);
	cr_expect_eq(json_real_value(json_object_get(denial, "first_ms")), 1.5, "row %zu", i);
	cr_expect_str_eq(text(json_object_get(denial, "process"), "name"), "sh", "row %zu", i);
	cr_expect_eq(json_integer_value(json_object_get(json_object_get(denial, "process"), "pid")),
		     7);
	cr_expect_eq(json_object_get(denial, "value") != NULL,
		     strcmp(rows[i].layer, "limit") == 0 && rows[i].open, "row %zu", i);
	free(fragment);
}

Test(recorded, each_kind_has_its_whole_denial)
{
	bool seen[RECORD_WHAT_N] = {false};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct record_entry *e = add(rows[i].what, rows[i].nr, rows[i].num, rows[i].mount,
					     rows[i].path);

		memcpy(e->args, rows[i].args, sizeof(e->args));
		expect_row(i);
		seen[rows[i].what] = true;
	}
	for (int i = 0; i < RECORD_WHAT_N; i++)
		cr_expect(seen[i], "kind %d has no row", i);
}

Test(recorded, what_a_parent_made_final_is_not_open)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct record_entry *e = add(rows[i].what, rows[i].nr, rows[i].num, rows[i].mount,
					     rows[i].path);

		memcpy(e->args, rows[i].args, sizeof(e->args));
		json_decref(rules);
		rules = rules_new("");
		source.origins.json = rules;
		cr_expect_not(is_open(say()), "row %zu", i);
	}
	json_decref(rules);
	rules = rules_new("/filesystem/write");
	source.origins.json = rules;
	add(RECORD_READONLY, SYS_openat, EROFS, RO, "/usr/lib/x")->args[2] = 1;
	cr_expect_not(is_open(say()));
	cr_expect(strstr(text(json_array_get(denials, 0), "remedy"), "final"));
	add(RECORD_HIDDEN, SYS_openat, ENOENT, UINT32_MAX, "/x");
	cr_expect(is_open(say()), "read is another list");
}

Test(recorded, without_rules_names_are_made_of_the_policys)
{
	json_t *denial;

	source.origins = (struct origins){NULL, "own", NULL};
	add(RECORD_REFUSED, SYS_mbind, EPERM, UINT32_MAX, "");
	denial = say();
	cr_expect(strncmp(text(denial, "object"), "system call ", 12) == 0);
	cr_expect_str_eq(text(denial, "rule"), "policies/own.json#/syscalls");
	cr_expect(strstr(text(denial, "remedy"), "policies/own.json"));
	add(RECORD_HIDDEN, SYS_openat, ENOENT, UINT32_MAX, "/x");
	denial = say();
	cr_expect(strncmp(text(denial, "operation"), "system call ", 12) == 0);
	cr_expect_str_eq(text(denial, "rule"), "policies/own.json#/filesystem");
}

static void expect_safe(const char *what, const char *s)
{
	for (size_t i = 0; s && s[i]; i++)
		cr_expect((unsigned char)s[i] >= ' ' && s[i] != 0x7f, "%s: byte %#x at %zu", what,
			  (unsigned int)(unsigned char)s[i], i);
}

Test(recorded, bytes_of_a_tools_choice_stay_one_safe_line)
{
	static const char *const bytes[] = {"\x01",	    "\n",   "\r",   "\t",
					    "\x1b[31m",	    "\xff", "\xc3", "\x7f",
					    "\xe2\x80\xae", "\"",   "\\",   "\xf4\x90\x80\x80"};

	for (size_t i = 0; i < ARRAY_SIZE(bytes); i++)
		for (int kind = RECORD_HIDDEN; kind <= RECORD_NOEXEC; kind++) {
			struct record_entry *e = add((enum record_what)kind, SYS_openat, 1, RO,
						     "/");
			json_t *denial;

			while (e->path_bytes + strlen(bytes[i]) <= RECORD_PATH_BYTES) {
				memcpy(e->path + e->path_bytes, bytes[i], strlen(bytes[i]));
				e->path_bytes += (uint32_t)strlen(bytes[i]);
			}
			e->cut = 1;
			memset(e->name, bytes[i][0], RECORD_NAME_BYTES - 1);
			denial = say();
			cr_assert_not_null(denial, "row %zu", i);
			expect_safe("object", text(denial, "object"));
			expect_safe("remedy", text(denial, "remedy"));
			expect_safe("name", text(json_object_get(denial, "process"), "name"));
			cr_expect(strlen(text(denial, "object")) > 3);
			cr_expect_str_eq(text(denial, "object") + strlen(text(denial, "object")) -
						 3,
					 "...");
		}
}

Test(recorded, a_name_of_which_nothing_can_be_shown_is_still_a_denial)
{
	add(RECORD_UNREACHABLE, SYS_connect, ENETUNREACH, UINT32_MAX, "\x1b[");
	cr_expect_str_eq(text(say(), "object"), "?");
}

/* A path that is no text, or was cut, is no path that a policy could name. */
Test(recorded, a_path_that_no_policy_can_name_has_no_fragment)
{
	static const struct {
		enum record_what what;
		uint32_t nr;
		const char *path;
		uint32_t cut;
	} paths[] = {
		{RECORD_HIDDEN, SYS_openat, "/a\xff", 0},
		{RECORD_HIDDEN, SYS_openat, "/etc/half-a-na", 1},
		{RECORD_READONLY, SYS_openat, "/usr/a\xff", 0},
		{RECORD_READONLY, SYS_openat, "/usr/half-a-na", 1},
		{RECORD_READONLY, SYS_mkdirat, "/usr/\xff/b", 0},
		{RECORD_READONLY, SYS_mkdirat, "/usr/a/half-a-na", 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		json_t *denial;

		add(paths[i].what, paths[i].nr, EROFS, RO, paths[i].path)->cut = paths[i].cut;
		denial = say();
		cr_expect_not(has_fragment(denial), "row %zu", i);
		cr_expect_not(is_open(denial), "row %zu", i);
		cr_expect(strstr(text(denial, "remedy"), "no policy can name"), "row %zu: %s", i,
			  text(denial, "remedy"));
	}
}

Test(recorded, numbers_of_a_damaged_kernels_are_survived)
{
	for (int kind = 0; kind < RECORD_WHAT_N; kind++) {
		static const uint32_t wild[] = {0, 1000, 0x80000000U, UINT32_MAX};

		for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
			bool path = kind != RECORD_REFUSED && kind != RECORD_SIGNAL &&
				    kind != RECORD_FILES;
			struct record_entry *e = add((enum record_what)kind, wild[i], wild[i],
						     wild[i], path ? "/x" : "");

			memset(e->args, 0xff, sizeof(e->args));
			e->first_us = UINT64_MAX;
			e->count = UINT32_MAX;
			e->pid = wild[i];
			cr_expect_not_null(say(), "kind %d", kind);
		}
	}
}

Test(recorded, a_record_is_read_whole_and_sound_or_not_at_all)
{
	CLEANUP(fd_closep) int fd = -1;
	CLEANUP(fd_closep) int small = -1;
	struct record *got;

	cr_assert_eq(fd_memfd_room("t", sizeof(struct record), &fd), 0);
	cr_assert_eq(fd_memfd_room("t", sizeof(struct record) - 1, &small), 0);
	cr_expect_null(recorded_read(fd), "init never came to it");
	add(RECORD_HIDDEN, SYS_openat, ENOENT, UINT32_MAX, "/x");
	cr_assert_eq(pwrite(fd, record, sizeof(*record), 0), (ssize_t)sizeof(*record));
	got = recorded_read(fd);
	cr_assert_not_null(got);
	cr_expect_eq(memcmp(got, record, sizeof(*record)), 0);
	free(got);
	record->n = RECORD_ENTRIES_MAX + 1;
	cr_assert_eq(pwrite(fd, record, sizeof(*record), 0), (ssize_t)sizeof(*record));
	cr_expect_null(recorded_read(fd));
	record->n = 1;
	cr_assert_eq(pwrite(small, record, sizeof(*record) - 1, 0), (ssize_t)sizeof(*record) - 1);
	cr_expect_null(recorded_read(small), "one byte short");
	cr_expect_null(recorded_read(-1));
}
