/* Theory of operation: rows of input and verdict; a refused row must leave its output alone. */
#include "base/num.h"

#include <criterion/criterion.h>
#include <errno.h>

#define UNTOUCHED 0xdeadbeefULL

struct row {
	const char *text;
	int verdict;
	uint64_t value;
};

static void check_rows(const struct row *rows, size_t n, int (*parse)(const char *, uint64_t *))
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = UNTOUCHED;
		int r = parse(rows[i].text, &value);

		cr_expect(r == rows[i].verdict, "row %zu \"%s\": %d, not %d", i, rows[i].text, r,
			  rows[i].verdict);
		cr_expect(value == (r == 0 ? rows[i].value : UNTOUCHED),
			  "row %zu \"%s\": value %ju", i, rows[i].text, (uintmax_t)value);
	}
}

static int parse_any_u64(const char *text, uint64_t *ret)
{
	return num_parse_u64(text, UINT64_MAX, ret);
}

static int parse_small(const char *text, uint64_t *ret)
{
	return num_parse_u64(text, 255, ret);
}

Test(num, u64_takes_digits_and_nothing_else)
{
	static const struct row rows[] = {
		{"0", 0, 0},
		{"007", 0, 7},
		{"18446744073709551615", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"99999999999999999999999", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 ", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
		{"1e3", -EINVAL, 0},
		{"1.5", -EINVAL, 0},
	};

	check_rows(rows, ARRAY_SIZE(rows), parse_any_u64);
}

Test(num, c_takes_the_three_bases_of_c_and_nothing_else)
{
	static const struct row rows[] = {
		{"0", 0, 0},
		{"10", 0, 10},
		{"0x1f", 0, 31},
		{"0XfF", 0, 255},
		{"0755", 0, 0755},
		{"0xffffffffffffffff", 0, UINT64_MAX},
		{"0x1ffffffffffffffff", -ERANGE, 0},
		{"18446744073709551616", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"0x", -EINVAL, 0},
		{"08", -EINVAL, 0},
		{"1f", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1u", -EINVAL, 0},
	};

	check_rows(rows, ARRAY_SIZE(rows), num_parse_c);
}

Test(num, u64_refuses_what_is_beyond_its_ceiling)
{
	static const struct row rows[] = {{"255", 0, 255}, {"256", -ERANGE, 0}};

	check_rows(rows, ARRAY_SIZE(rows), parse_small);
}

Test(num, size_needs_a_known_unit)
{
	static const struct row rows[] = {
		{"4GiB", 0, 4ULL << 30},
		{"512MiB", 0, 512ULL << 20},
		{"64KiB", 0, 64ULL << 10},
		{"1TiB", 0, 1ULL << 40},
		{"100B", 0, 100},
		{"2GB", 0, 2000000000ULL},
		{"1MB", 0, 1000000},
		{"5kB", 0, 5000},
		{"0B", 0, 0},
		{"4", -EINVAL, 0},
		{"4G", -EINVAL, 0},
		{"4gib", -EINVAL, 0},
		{"4 GiB", -EINVAL, 0},
		{"GiB", -EINVAL, 0},
		{"-4GiB", -EINVAL, 0},
		{"1.5GiB", -EINVAL, 0},
		{"4GiBx", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"16777215TiB", 0, 16777215ULL << 40},
		{"16777216TiB", -ERANGE, 0},
		{"18446744073709551616B", -ERANGE, 0},
	};

	check_rows(rows, ARRAY_SIZE(rows), num_parse_size);
}

Test(num, time_needs_a_known_unit)
{
	static const struct row rows[] = {
		{"250ms", 0, 250},
		{"90s", 0, 90000},
		{"10min", 0, 600000},
		{"1h", 0, 3600000},
		{"10", -EINVAL, 0},
		{"10m", -EINVAL, 0},
		{"1d", -EINVAL, 0},
		{"1hour", -EINVAL, 0},
		{"1.5s", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"5124095576031h", -ERANGE, 0},
		{"18446744073709551615ms", 0, UINT64_MAX},
	};

	check_rows(rows, ARRAY_SIZE(rows), num_parse_ms);
}

Test(num, mul_capped_refuses_wrap_and_cap)
{
	static const struct {
		size_t n;
		size_t each;
		size_t cap;
		bool fits;
	} rows[] = {
		{0, 100, 0, true},
		{3, 4, 12, true},
		{3, 4, 11, false},
		{SIZE_MAX, 2, SIZE_MAX, false},
		{SIZE_MAX, 1, SIZE_MAX, true},
		{SIZE_MAX / 2 + 1, 2, SIZE_MAX, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t bytes = UNTOUCHED;
		bool fits = size_mul_capped(rows[i].n, rows[i].each, rows[i].cap, &bytes);

		cr_expect(fits == rows[i].fits, "row %zu", i);
		cr_expect(bytes == (fits ? rows[i].n * rows[i].each : UNTOUCHED), "row %zu", i);
	}
}
