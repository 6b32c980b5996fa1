/* Which mount a path lies on, by words; nothing of it need be there. */
#include "init/places.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../small_image.h"

#define WORKSPACE 5U

static const struct small_mount mounts[] = {
	{IMAGE_MOUNT_BIND, IMAGE_MOUNT_READONLY, "/usr", "/usr", 0, 0, 0},
	{IMAGE_MOUNT_BIND, 0, "/opt/share", "/usr/share", 0, 0, 0},
	{IMAGE_MOUNT_TMPFS, 0, NULL, "/tmp", 01777, 4096, 10},
	{IMAGE_MOUNT_TMPFS, 0, NULL, "/home/u", 0755, 4096, 10},
	{IMAGE_MOUNT_DIR, 0, NULL, "/etc", 0755, 0, 0},
	{IMAGE_MOUNT_WORKSPACE, 0, NULL, NULL, 0, 0, 0},
	{IMAGE_MOUNT_FILE, IMAGE_MOUNT_READONLY, "", "/etc/hosts", 0, 0, 0},
	{IMAGE_MOUNT_SYMLINK, 0, "usr/bin", "/bin", 0, 0, 0},
	{IMAGE_MOUNT_PROC, 0, NULL, "/proc", 0, 0, 0},
	{IMAGE_MOUNT_OVERLAY, 0, "/opt/x", "/opt/x", 0, 4096, 10},
	{IMAGE_MOUNT_DEVPTS, 0, NULL, "/dev/pts", 0, 0, 0},
	{IMAGE_MOUNT_DEVICE, 0, "/dev/null", "/dev/null", 0, 0, 0},
};

static struct image image;
static struct places places;

static void set_up_with(const char *absent)
{
	small_image(mounts, ARRAY_SIZE(mounts), &(struct small_cell){.absent = absent}, &image);
	places = (struct places){&image, image_cell(&image, 0), "/home/u/work"};
}

static void set_up(void)
{
	set_up_with(NULL);
}

static void tear_down(void)
{
	image_unmap(&image);
}

TestSuite(places, .init = set_up, .fini = tear_down);

Test(places, the_longest_target_that_is_a_whole_prefix_wins)
{
	static const struct {
		const char *path;
		uint32_t mount;
	} rows[] = {
		{"/usr", 0},
		{"/usr/lib/x", 0},
		{"/usr/share", 1},
		{"/usr/share/doc", 1},
		{"/usr/shared", 0},
		{"/usrx", PLACE_NONE},
		{"/us", PLACE_NONE},
		{"/", PLACE_NONE},
		{"/tmp", 2},
		{"/home/u", 3},
		{"/home/u/work", WORKSPACE},
		{"/home/u/work/src/a.c", WORKSPACE},
		{"/home/u/worker", 3},
		{"/home", PLACE_NONE},
		{"/etc/passwd", 4},
		{"/etc/hosts", 6},
		{"/etc/hosts/x", 6},
		{"/bin/sh", 7},
		{"/proc/self/fd/1", 8},
		{"/dev/null", 11},
		{"/dev", PLACE_NONE},
		{"/srv/x", PLACE_NONE},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_eq(places_find(&places, rows[i].path), rows[i].mount, "row %zu: %s", i,
			     rows[i].path);
}

Test(places, what_is_missing_is_hidden_only_where_nothing_of_the_host_is_shown)
{
	static const bool hides[ARRAY_SIZE(mounts)] = {
		[3] = true, /* a fresh folder in the place of the host's */
		[4] = true, /* a folder that holds only what leads to mounts */
	};

	cr_expect(places_hides(&places, PLACE_NONE));
	cr_expect(places_hides(&places, ARRAY_SIZE(mounts)), "beyond the table");
	for (uint32_t i = 0; i < ARRAY_SIZE(mounts); i++)
		cr_expect_eq(places_hides(&places, i), hides[i], "row %u", i);
}

Test(places, absent_patterns_cover_what_they_name_and_all_below)
{
	static const struct {
		const char *path;
		bool absent;
	} rows[] = {
		{"/etc/ld.so.preload", true},
		{"/etc/ld.so.preloads", false},
		{"/etc", false},
		{"/home/u/.config", true},
		{"/home/u/.config/git/config", true},
		{"/home/u/.configs", false},
		{"/a/b/c/locale", true},
		{"/locale", true},
		{"/locales", false},
		{"/x/libfoo.so", true},
		{"/x/y/libfoo.so", false},
		{"/", false},
	};

	tear_down();
	set_up_with("/etc/ld.so.preload\n/home/u/.config\n/**/locale\n/x/*.so\n");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_expect_eq(places_is_absent(&places, rows[i].path), rows[i].absent, "row %zu: %s",
			     i, rows[i].path);
}

Test(places, no_patterns_cover_nothing)
{
	static const char *const none[] = {NULL, "", "\n", "/", "/\n"};

	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		tear_down();
		set_up_with(none[i]);
		cr_expect_not(places_is_absent(&places, "/etc/x"), "row %zu", i);
		cr_expect_not(places_is_absent(&places, "/"), "row %zu", i);
	}
}

Test(places, clean_takes_out_dots_and_double_slashes)
{
	static const char *const rows[][2] = {
		{"/", "/"},
		{"//", "/"},
		{"/a", "/a"},
		{"/a/", "/a"},
		{"//a///b//", "/a/b"},
		{"/./a/./b/.", "/a/b"},
		{"/a/../b", "/b"},
		{"/a/b/../../c", "/c"},
		{"/..", "/"},
		{"/../../../a", "/a"},
		{"/a/..", "/"},
		{"/a/...", "/a/..."},
		{"/a/..b/c..", "/a/..b/c.."},
		{"/.a", "/.a"},
		{"/a/.//../b", "/b"},
		{"", "/"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char got[PATH_MAX];

		cr_expect_eq(places_clean(rows[i][0], got), 0, "row %zu", i);
		cr_expect_str_eq(got, rows[i][1], "row %zu: %s", i, rows[i][0]);
	}
}

/* One byte at a time around the end of the buffer, which stands at the end of its allocation. */
Test(places, clean_refuses_what_does_not_fit_and_writes_no_byte_behind)
{
	for (size_t len = PATH_MAX - 4; len < PATH_MAX + 8; len++) {
		char *path = malloc(len + 1);
		char *dst = malloc(PATH_MAX);
		int r;

		memset(path, 'x', len);
		path[0] = '/';
		path[len] = '\0';
		r = places_clean(path, dst);
		cr_expect_eq(r, len < PATH_MAX ? 0 : -ENAMETOOLONG, "%zu", len);
		if (r == 0)
			cr_expect_str_eq(dst, path);
		memset(path, '/', len);
		cr_expect_eq(places_clean(path, dst), 0);
		cr_expect_str_eq(dst, "/");
		free(path);
		free(dst);
	}
}
