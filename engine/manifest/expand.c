/*
 * Theory of operation: an argv template is an array whose elements are run in order; each appends
 * strings to the vector. The elements (see toolcell-manifest(5)):
 *
 *	"text {param}"                                a string; left out when a parameter is not
 *given
 *	{"splat": P, "as": "--x={item}", "part": ..}  each element of an array parameter
 *	{"if": COND, "then": [..], "else": [..]}      COND: P, or {"param": P, "has": ["-o", ..]}
 *	{"switch": P, "cases": {..}, "default": [..]} by the text of a string parameter
 *	{"expand": "cargo", ..}                       a built-in, see cargo.c
 *
 * template_check has proved shape and names when the manifest was loaded, so what is still wrong
 * here is an error without finesse. Nothing goes through a shell: an argument stays one argument.
 */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "manifest/core.h"

struct expansion {
	json_t *input;
	json_t *arguments;
	const char *workspace;
	struct strings *argv;
	struct strings *env;
	struct err *err;
};

json_t *template_argument(json_t *input, json_t *arguments, const char *name)
{
	json_t *value = json_object_get(arguments, name);
	json_t *property = json_object_get(json_object_get(input, "properties"), name);

	if (value && !json_is_null(value))
		return value;
	return json_object_get(property, "default");
}

static int append_value(struct buf *out, json_t *value)
{
	if (json_is_string(value))
		return buf_append(out, json_string_value(value), json_string_length(value));
	if (json_is_integer(value))
		return buf_printf(out, "%lld", (long long)json_integer_value(value));
	if (json_is_real(value))
		return buf_printf(out, "%.17g", json_real_value(value));
	return -EINVAL;
}

/*
 * One "{name}" of a string; *ret_given is false when it has no value. @item is what "{item}" stands
 * for within a splat.
 */
static int append_placeholder(struct expansion *e, struct buf *out, const char *name, json_t *item,
			      bool *ret_given)
{
	json_t *value;

	if (item && strcmp(name, "item") == 0)
		return append_value(out, item);
	value = template_argument(e->input, e->arguments, name);
	if (value)
		return append_value(out, value);
	if (strcmp(name, "workspace") == 0)
		return buf_puts(out, e->workspace);
	*ret_given = false;
	return 0;
}

/* @text with its placeholders filled; "{{" and "}}" are braces. */
static int fill(struct expansion *e, const char *text, json_t *item, struct buf *out,
		bool *ret_given)
{
	char name[MANIFEST_PARAM_MAX + 1];
	int r = 0;

	*ret_given = true;
	while (*text && r == 0) {
		if (*text != '{' || text[1] == '{') {
			bool brace = *text == '{' || *text == '}';

			if (brace && text[1] != *text)
				return -EINVAL;
			r = buf_append(out, text, 1);
			text += brace ? 2 : 1;
			continue;
		}
		size_t n = strcspn(++text, "}");

		if (n >= sizeof(name) || text[n] != '}')
			return -EINVAL;
		memcpy(name, text, n);
		name[n] = '\0';
		text += n + 1;
		r = append_placeholder(e, out, name, item, ret_given);
	}
	return r;
}

static int add(struct expansion *e, const char *text, size_t len)
{
	int r;

	if (len > MANIFEST_ARG_BYTES_MAX)
		return err_set(
			e->err, E2BIG,
			"an argument of %zu bytes; the kernel takes at most %u in one argument",
			len, MANIFEST_ARG_BYTES_MAX);
	r = strings_add(e->argv, text, len);
	return r < 0 ? manifest_err_args(r, e->err) : 0;
}

static int add_filled(struct expansion *e, const char *text, json_t *item)
{
	CLEANUP(buf_fini) struct buf out = {.cap = MANIFEST_STRINGS_BYTES_MAX};
	bool given;
	int r = fill(e, text, item, &out, &given);

	if (r < 0)
		return err_set(e->err, -r, "cannot expand the template element \"%s\"", text);
	return given ? add(e, out.data ? out.data : "", out.len) : 0;
}

size_t args_split(json_t *args)
{
	json_t *one;
	size_t i;

	json_array_foreach(args, i, one)
		if (strcmp(json_string_value(one), "--") == 0)
			return i;
	return json_array_size(args);
}

bool option_given(json_t *args, const char *option)
{
	size_t n = args_split(args), len = strlen(option);
	bool brief = len == 2 && option[1] != '-';

	for (size_t i = 0; i < n; i++) {
		const char *one = json_string_value(json_array_get(args, i));

		if (strncmp(one, option, len) == 0 &&
		    (brief || one[len] == '\0' || one[len] == '='))
			return true;
	}
	return false;
}

/* "part": "head" is what stands before the first "--", "tail" what stands after it. */
static int expand_splat(struct expansion *e, json_t *element)
{
	const char *name = json_string_value(json_object_get(element, "splat"));
	const char *as = json_string_value(json_object_get(element, "as"));
	const char *part = json_string_value(json_object_get(element, "part"));
	json_t *list = template_argument(e->input, e->arguments, name);
	size_t n = json_array_size(list), first = 0;
	int r = 0;

	if (part && strcmp(part, "head") == 0)
		n = args_split(list);
	else if (part)
		first = args_split(list) + 1;
	for (size_t i = first; i < n && r == 0; i++) {
		json_t *one = json_array_get(list, i);

		if (as)
			r = add_filled(e, as, one);
		else
			r = add(e, json_string_value(one), json_string_length(one));
	}
	return r;
}

static bool condition_holds(struct expansion *e, json_t *condition)
{
	json_t *has = json_object_get(condition, "has");
	json_t *value, *option;
	size_t i;

	if (json_is_string(condition)) {
		value = template_argument(e->input, e->arguments, json_string_value(condition));
		return value && !json_is_false(value) &&
		       (!json_is_array(value) || json_array_size(value) > 0);
	}
	value = template_argument(e->input, e->arguments,
				  json_string_value(json_object_get(condition, "param")));
	json_array_foreach(has, i, option)
		if (option_given(value, json_string_value(option)))
			return true;
	return false;
}

static int expand_list(struct expansion *e, json_t *list, unsigned depth);

/* Depth is capped. NOLINTNEXTLINE(misc-no-recursion) */
static int expand_switch(struct expansion *e, json_t *element, unsigned depth)
{
	const char *name = json_string_value(json_object_get(element, "switch"));
	json_t *value = template_argument(e->input, e->arguments, name);
	json_t *list = value ? json_object_get(json_object_get(element, "cases"),
					       json_string_value(value))
			     : NULL;

	return expand_list(e, list ? list : json_object_get(element, "default"), depth);
}

/* Depth is capped. NOLINTNEXTLINE(misc-no-recursion) */
static int expand_object(struct expansion *e, json_t *element, unsigned depth)
{
	json_t *condition = json_object_get(element, "if");
	json_t *named = json_object_get(element, "expand");
	const struct builtin *builtin;

	if (condition)
		return expand_list(e,
				   json_object_get(element,
						   condition_holds(e, condition) ? "then" : "else"),
				   depth);
	if (json_object_get(element, "splat"))
		return expand_splat(e, element);
	if (json_object_get(element, "switch"))
		return expand_switch(e, element, depth);
	builtin = named ? builtin_find(json_string_value(named)) : NULL;
	if (!builtin)
		return err_set(e->err, EINVAL, "a template element of no known kind");
	return builtin->expand(element, e->arguments, e->argv, e->env, e->err);
}

/* Capped again: a catalog is only as good as its writer. NOLINTNEXTLINE(misc-no-recursion) */
static int expand_list(struct expansion *e, json_t *list, unsigned depth)
{
	json_t *element;
	size_t i;
	int r = 0;

	if (depth > MANIFEST_TEMPLATE_DEPTH_MAX)
		return err_set(e->err, E2BIG, "a template nested deeper than %u",
			       MANIFEST_TEMPLATE_DEPTH_MAX);
	json_array_foreach(list, i, element) {
		if (json_is_string(element))
			r = add_filled(e, json_string_value(element), NULL);
		else
			r = expand_object(e, element, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

int template_expand(json_t *template, json_t *input, json_t *arguments, const char *workspace,
		    struct strings *argv, struct strings *env, struct err *err)
{
	struct expansion e = {
		.input = input,
		.arguments = arguments,
		.workspace = workspace,
		.argv = argv,
		.env = env,
		.err = err,
	};

	return expand_list(&e, template, 0);
}
