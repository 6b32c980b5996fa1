/*
 * Theory of operation: {"expand": "cargo"} appends cargo's arguments. Where the subcommand stands
 * depends on what comes before it (+toolchain, options of cargo itself, some with a value), and
 * whether --message-format=json fits depends on the subcommand; a table says both. The option goes
 * right behind the subcommand, hence before any "--", and only when the caller has chosen no
 *format.
 *
 *	[+toolchain] [options of cargo] SUBCOMMAND [--message-format=json] rest
 *
 * For subcommands that run tests, "test_env" of the element is added to the environment: there the
 * manifest names the runner that makes libtest speak JSON. It must not be set for `cargo run`,
 *whose program would be started by it as well.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "manifest/core.h"

static const struct subcommand {
	const char *name;
	bool json;  /* takes --message-format=json */
	bool tests; /* runs test programs */
} subcommands[] = {
	{"build", true, false}, {"b", true, false},	 {"check", true, false},
	{"c", true, false},	{"clippy", true, false}, {"doc", true, false},
	{"d", true, false},	{"fix", true, false},	 {"run", true, false},
	{"r", true, false},	{"rustc", true, false},	 {"rustdoc", true, false},
	{"test", true, true},	{"t", true, true},	 {"bench", true, false},
};

/* Options of cargo itself that take the next argument as their value. */
static const char *const valued[] = {"--color", "-C", "--config", "-Z", "--explain"};

static const struct builtin builtins[] = {
	{
		.name = "cargo",
		.params = {{"args", "array"}, {"subcommand", "string"}},
		.expand = cargo_expand,
	},
};

const struct builtin *builtin_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
		if (strcmp(builtins[i].name, name) == 0)
			return &builtins[i];
	return NULL;
}

const char *const *builtin_names(size_t *ret_n)
{
	static const char *const names[] = {"cargo"};

	static_assert(ARRAY_SIZE(names) == ARRAY_SIZE(builtins), "every built-in is suggested");
	*ret_n = ARRAY_SIZE(names);
	return names;
}

static const struct subcommand *find_subcommand(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++)
		if (strcmp(subcommands[i].name, name) == 0)
			return &subcommands[i];
	return NULL;
}

static bool takes_value(const char *option)
{
	for (size_t i = 0; i < ARRAY_SIZE(valued); i++)
		if (strcmp(valued[i], option) == 0)
			return true;
	return false;
}

static const char *text_at(json_t *args, size_t i)
{
	return json_string_value(json_array_get(args, i));
}

/* Index of the subcommand in @args; their number when there is none (cargo --version). */
static size_t find_position(json_t *args)
{
	size_t n = json_array_size(args), i = 0;

	if (n > 0 && text_at(args, 0)[0] == '+')
		i++;
	while (i < n && text_at(args, i)[0] == '-')
		i += takes_value(text_at(args, i)) ? 2 : 1;
	return MIN(i, n);
}

static int add_range(struct strings *argv, json_t *args, size_t first, size_t end, struct err *err)
{
	for (size_t i = first; i < end; i++) {
		json_t *one = json_array_get(args, i);
		int r;

		if (json_string_length(one) > MANIFEST_ARG_BYTES_MAX)
			return err_set(err, E2BIG,
				       "/args/%zu: %zu bytes; the kernel takes at most %u", i,
				       json_string_length(one), MANIFEST_ARG_BYTES_MAX);
		r = strings_add(argv, json_string_value(one), json_string_length(one));
		if (r < 0)
			return manifest_err_args(r, err);
	}
	return 0;
}

static int add_text(struct strings *argv, const char *text, struct err *err)
{
	int r = strings_add(argv, text, strlen(text));

	return r < 0 ? manifest_err_args(r, err) : 0;
}

int cargo_expand(json_t *element, json_t *arguments, struct strings *argv, struct strings *env,
		 struct err *err)
{
	json_t *args = json_object_get(arguments, "args");
	const char *given = json_string_value(json_object_get(arguments, "subcommand"));
	size_t n = json_array_size(args);
	size_t at = given ? (size_t)(n > 0 && text_at(args, 0)[0] == '+') : find_position(args);
	const char *name = given ? given : text_at(args, at);
	const struct subcommand *sub = name ? find_subcommand(name) : NULL;
	int r;

	r = add_range(argv, args, 0, at, err);
	if (r == 0 && name)
		r = add_text(argv, name, err);
	if (r == 0 && sub && sub->json && !option_given(args, "--message-format"))
		r = add_text(argv, "--message-format=json", err);
	if (r == 0)
		r = add_range(argv, args, given ? at : at + 1, n, err);
	if (r == 0 && sub && sub->tests)
		r = manifest_add_env(json_object_get(element, "test_env"), env, err);
	return r;
}
