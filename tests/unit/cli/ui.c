/* Colour rules and numbers for people. */
#include "cli/ui.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct {
	const char *color;
	const char *no_color;
	const char *term;
	bool tty;
	bool wanted;
} rows[] = {
	{NULL, NULL, "xterm", true, true},     {NULL, NULL, "xterm", false, false},
	{"auto", NULL, "xterm", true, true},   {NULL, "1", "xterm", true, false},
	{NULL, "", "xterm", true, true},       {NULL, NULL, "dumb", true, false},
	{NULL, NULL, NULL, true, false},       {"always", "1", "dumb", false, true},
	{"never", NULL, "xterm", true, false},
};

Test(ui, colours_a_terminal_unless_told_otherwise)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		cr_assert_eq(ui_wants_color(rows[i].color, rows[i].no_color, rows[i].term,
					    rows[i].tty),
			     rows[i].wanted, "row %zu", i);
}

Test(ui, paints_and_pads_by_visible_width)
{
	CLEANUP(buf_fini) struct buf out = {0};

	cr_assert_eq(ui_paint(&out, false, UI_BAD, "ab", 4), 0);
	cr_assert_eq(ui_paint(&out, true, UI_BAD, "cd", 3), 0);
	cr_assert_eq(ui_paint(&out, false, UI_BAD, "longer", 3), 0);
	cr_assert_str_eq(out.data, "ab  \033[31mcd\033[0m longer");
}

static const struct {
	uint64_t value;
	const char *duration;
	const char *size;
} numbers[] = {
	{0, "0 ms", "0 B"},
	{999, "999 ms", "999 B"},
	{1000, "1 s", "1000 B"},
	{1500, "1.5 s", "1.4 KiB"},
	{90000, "90 s", "87.8 KiB"},
	{600000, "10 min", "585 KiB"},
	{7200000, "2 h", "6.8 MiB"},
	{4294967296, "1193 h", "4 GiB"},
	{UINT64_MAX, NULL, "16777215 TiB"},
};

Test(ui, words_numbers_with_their_units)
{
	char text[48];

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (numbers[i].duration)
			cr_assert_str_eq(ui_duration(text, sizeof(text), numbers[i].value),
					 numbers[i].duration, "row %zu", i);
		cr_assert_str_eq(ui_size(text, sizeof(text), numbers[i].value), numbers[i].size,
				 "row %zu: %s", i, text);
	}
}
