/* Theory of operation: the examples of RFC 4648, section 10, and the letters beyond them. */
#include "rpc/base64.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

Test(base64, encodes_the_examples_of_the_rfc)
{
	static const struct {
		const char *data;
		size_t len;
		const char *text;
	} rows[] = {
		{"", 0, ""},
		{"f", 1, "Zg=="},
		{"fo", 2, "Zm8="},
		{"foo", 3, "Zm9v"},
		{"foob", 4, "Zm9vYg=="},
		{"fooba", 5, "Zm9vYmE="},
		{"foobar", 6, "Zm9vYmFy"},
		{"\xff\xfe\xfb\0", 4, "//77AA=="},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text = base64_encode(rows[i].data, rows[i].len);

		cr_expect_str_eq(text, rows[i].text, "row %zu: %s", i, text);
		free(text);
	}
	free(base64_encode(NULL, 0));
}
