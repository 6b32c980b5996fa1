/*
 * Theory of operation: libyaml's events, pulled one by one; no document tree, so nothing grows with
 * aliases (which are refused) and nothing recurses: a value that is not wanted is passed over with
 * a counter of open collections. States: before the map, at a key, at its value, after the map.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <yaml.h>

#include "base/text.h"
#include "manifest/agent.h"

struct reader {
	const char *file;
	yaml_parser_t parser;
	yaml_event_t event; /* the current one; deleted before the next is pulled */
	bool has_event;
	size_t events;
	struct err *err;
};

static json_int_t line_of(const struct reader *y)
{
	return (json_int_t)y->event.start_mark.line + 2;
}

static int refuse(const struct reader *y, const char *what)
{
	return err_set(y->err, EINVAL, "%s:%lld: %s", y->file, (long long)line_of(y), what);
}

static int pull(struct reader *y)
{
	if (y->has_event)
		yaml_event_delete(&y->event);
	y->has_event = false;
	if (y->events++ > AGENT_EVENTS_MAX)
		return err_set(y->err, E2BIG, "%s: too much YAML in the front matter", y->file);
	if (!yaml_parser_parse(&y->parser, &y->event))
		return err_set(y->err, EINVAL, "%s:%zu: %s", y->file,
			       y->parser.problem_mark.line + 2,
			       y->parser.problem ? y->parser.problem : "not YAML");
	y->has_event = true;
	if (y->event.type == YAML_ALIAS_EVENT)
		return refuse(
			y, "an alias (\"*name\") is not accepted here; put the value into quotes");
	return 0;
}

static bool opens(const struct reader *y)
{
	return y->event.type == YAML_SEQUENCE_START_EVENT ||
	       y->event.type == YAML_MAPPING_START_EVENT;
}

static bool closes(const struct reader *y)
{
	return y->event.type == YAML_SEQUENCE_END_EVENT || y->event.type == YAML_MAPPING_END_EVENT;
}

/* The current event opens a collection: go to the one that closes it. */
static int pass_over(struct reader *y)
{
	unsigned depth = 1;
	int r = 0;

	while (depth > 0 && r == 0) {
		r = pull(y);
		if (r == 0 && opens(y) && ++depth > AGENT_DEPTH_MAX)
			return refuse(y, "the front matter is nested too deeply");
		if (r == 0 && closes(y))
			depth--;
	}
	return r;
}

static json_t *scalar(const struct reader *y)
{
	return json_stringn((const char *)y->event.data.scalar.value, y->event.data.scalar.length);
}

/* Items of a list; what is no scalar becomes null. */
static int read_items(struct reader *y, json_t *items)
{
	int r;

	for (r = pull(y); r == 0 && y->event.type != YAML_SEQUENCE_END_EVENT; r = pull(y)) {
		bool plain = y->event.type == YAML_SCALAR_EVENT;
		json_int_t line = line_of(y);
		json_t *text = plain ? scalar(y) : json_null();

		if (!text || json_array_append_new(items, json_pack("{so sI}", "text", text, "line",
								    line)) < 0)
			return err_set(y->err, ENOMEM, "%s: cannot hold a list", y->file);
		if (json_array_size(items) > (size_t)AGENT_TOOLS_MAX * 4)
			return refuse(y, "a list of too many items");
		if (!plain)
			r = pass_over(y);
		if (r < 0)
			break;
	}
	return r;
}

static int read_value(struct reader *y, json_t *entry)
{
	json_t *items;
	int r = pull(y);

	if (r < 0)
		return r;
	if (y->event.type == YAML_SCALAR_EVENT)
		return json_object_set_new(entry, "text", scalar(y)) < 0 ? refuse(y, "not text")
									 : 0;
	if (y->event.type != YAML_SEQUENCE_START_EVENT)
		return pass_over(y);
	items = json_array();
	if (json_object_set_new(entry, "items", items) < 0)
		return err_set(y->err, ENOMEM, "%s: cannot hold a list", y->file);
	return read_items(y, items);
}

static int read_entry(struct reader *y, json_t *all)
{
	char key[64], shown[64];
	json_t *entry, *before;

	if (y->event.type != YAML_SCALAR_EVENT)
		return refuse(y, "expected a key");
	if (y->event.data.scalar.length >= sizeof(key))
		return refuse(y, "a key of more than 63 bytes");
	memcpy(key, y->event.data.scalar.value, y->event.data.scalar.length);
	key[y->event.data.scalar.length] = '\0';
	before = json_object_get(all, key);
	if (before)
		return err_set(y->err, EINVAL, "%s:%lld: \"%s\" stands in line %lld already",
			       y->file, (long long)line_of(y),
			       text_quote(shown, sizeof(shown), key, strlen(key)),
			       (long long)json_integer_value(json_object_get(before, "line")));
	entry = json_pack("{sI sn sn}", "line", line_of(y), "text", "items");
	if (json_object_set_new(all, key, entry) < 0)
		return refuse(y, "a key that is no text");
	return read_value(y, entry);
}

/* Stream and document start, then a map or, when there is nothing at all, their ends. */
static int read_all(struct reader *y, json_t *all)
{
	int r = pull(y);

	while (r == 0 && (y->event.type == YAML_STREAM_START_EVENT ||
			  y->event.type == YAML_DOCUMENT_START_EVENT))
		r = pull(y);
	if (r < 0 || y->event.type == YAML_STREAM_END_EVENT)
		return r;
	if (y->event.type != YAML_MAPPING_START_EVENT)
		return refuse(y, "expected \"key: value\" lines");
	for (r = pull(y); r == 0 && y->event.type != YAML_MAPPING_END_EVENT; r = pull(y)) {
		r = read_entry(y, all);
		if (r < 0)
			break;
	}
	return r;
}

int front_parse(const char *file, const char *yaml, size_t len, json_t **ret, struct err *err)
{
	struct reader y = {.file = file, .err = err};
	json_t *all = json_object();
	int r;

	if (!all || !yaml_parser_initialize(&y.parser)) {
		json_decref(all);
		return err_set(err, ENOMEM, "%s: cannot read YAML", file);
	}
	yaml_parser_set_encoding(&y.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&y.parser, (const unsigned char *)yaml, len);
	r = read_all(&y, all);
	if (y.has_event)
		yaml_event_delete(&y.event);
	yaml_parser_delete(&y.parser);
	if (r < 0) {
		json_decref(all);
		return r;
	}
	*ret = all;
	return 0;
}
