/* Theory of operation: digits are read by hand with overflow builtins; units come from a table. */
#include "base/num.h"

#include <errno.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Digits up to the first other character, which *end names. */
static int parse_digits(const char *text, const char **end, uint64_t *ret)
{
	uint64_t value = 0;
	const char *p = text;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	if (p == text)
		return -EINVAL;
	*end = p;
	*ret = value;
	return 0;
}

int num_parse_u64(const char *text, uint64_t max, uint64_t *ret)
{
	const char *end;
	uint64_t value;
	int r = parse_digits(text, &end, &value);

	if (r < 0)
		return r;
	if (*end != '\0')
		return -EINVAL;
	if (value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int num_parse_c(const char *text, uint64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	uint64_t base = hex ? 16 : text[0] == '0' && text[1] != '\0' ? 8 : 10;
	uint64_t value = 0;

	text += hex ? 2 : 0;
	if (*text == '\0')
		return -EINVAL;
	for (; *text != '\0'; text++) {
		const char *at = strchr(digits, *text >= 'A' && *text <= 'F' ? *text + 32 : *text);

		if (!at || (uint64_t)(at - digits) >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(at - digits), &value))
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

static int parse_unit(const char *text, const struct unit *units, size_t n, uint64_t *ret)
{
	const char *end;
	uint64_t value;
	int r = parse_digits(text, &end, &value);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].factor, &value))
			return -ERANGE;
		*ret = value;
		return 0;
	}
	return -EINVAL;
}

int num_parse_size(const char *text, uint64_t *ret)
{
	static const struct unit units[] = {
		{"B", 1},
		{"kB", 1000},
		{"MB", 1000ULL * 1000},
		{"GB", 1000ULL * 1000 * 1000},
		{"KiB", 1ULL << 10},
		{"MiB", 1ULL << 20},
		{"GiB", 1ULL << 30},
		{"TiB", 1ULL << 40},
	};

	return parse_unit(text, units, ARRAY_SIZE(units), ret);
}

int num_parse_ms(const char *text, uint64_t *ret)
{
	static const struct unit units[] = {{"ms", 1},
					    {"s", 1000},
					    {"min", 60ULL * 1000},
					    {"h", 3600ULL * 1000}};

	return parse_unit(text, units, ARRAY_SIZE(units), ret);
}
