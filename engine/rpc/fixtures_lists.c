/*
 * Theory of operation: prompts and resources of the conformance suite, and the methods that only
 * fixtures have. A prompt is a row with its arguments; its messages are put together by the row's
 * function.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "rpc/fixtures.h"

#define TEMPLATE_HEAD "test://template/"
#define TEMPLATE_TAIL "/data"

static const struct resource {
	const char *uri;
	const char *name;
	const char *description;
	const char *mime;
	const char *text; /* or */
	const char *blob;
} resources[] = {
	{"test://static-text", "static-text", "A text", "text/plain",
	 "This is the content of the static text resource.", NULL},
	{"test://static-binary", "static-binary", "An image", "image/png", NULL, FIXTURE_PNG},
	{"test://watched-resource", "watched-resource", "A resource to subscribe to", "text/plain",
	 "Watched resource content", NULL},
};

static json_t *text_message(const char *text)
{
	return json_pack("{s:s, s:{s:s, s:o}}", "role", "user", "content", "type", "text", "text",
			 answer_text(text));
}

static json_t *prompt_simple(const char *const *arguments)
{
	(void)arguments;
	return json_pack("[o]", text_message("This is a simple prompt for testing."));
}

static json_t *prompt_arguments(const char *const *arguments)
{
	char *text = NULL;
	json_t *messages;

	if (asprintf(&text, "Prompt with arguments: arg1='%s', arg2='%s'", arguments[0],
		     arguments[1]) < 0)
		return NULL;
	messages = json_pack("[o]", text_message(text));
	free(text);
	return messages;
}

static json_t *prompt_resource(const char *const *arguments)
{
	return json_pack("[{s:s, s:{s:s, s:{s:s, s:s, s:s}}}, o]", "role", "user", "content",
			 "type", "resource", "resource", "uri", arguments[0], "mimeType",
			 "text/plain", "text", "Embedded resource content for testing.",
			 text_message("Please process the embedded resource above."));
}

static json_t *prompt_image(const char *const *arguments)
{
	(void)arguments;
	return json_pack("[{s:s, s:{s:s, s:s, s:s}}, o]", "role", "user", "content", "type",
			 "image", "data", FIXTURE_PNG, "mimeType", "image/png",
			 text_message("Please analyze the image above."));
}

#define PROMPT_ARGUMENTS 2

static const struct prompt {
	const char *name;
	const char *description;
	const char *arguments[PROMPT_ARGUMENTS];
	json_t *(*messages)(const char *const *arguments);
} prompts[] = {
	{"test_simple_prompt", "A prompt without arguments", {NULL}, prompt_simple},
	{"test_prompt_with_arguments",
	 "A prompt with arguments",
	 {"arg1", "arg2"},
	 prompt_arguments},
	{"test_prompt_with_embedded_resource",
	 "A prompt with a resource",
	 {"resourceUri"},
	 prompt_resource},
	{"test_prompt_with_image", "A prompt with an image", {NULL}, prompt_image},
};

static json_t *prompt_item(const struct prompt *row)
{
	json_t *arguments = json_array();

	for (size_t i = 0; i < PROMPT_ARGUMENTS && row->arguments[i]; i++) {
		if (json_array_append_new(arguments, json_pack("{s:s, s:s, s:b}", "name",
							       row->arguments[i], "description",
							       "A test argument", "required", 1)) <
		    0) {
			json_decref(arguments);
			return NULL;
		}
	}
	return json_pack("{s:s, s:s, s:o}", "name", row->name, "description", row->description,
			 "arguments", arguments);
}

void fixtures_prompts_list(struct mcp_request *req)
{
	json_t *list = json_array();
	const char *name;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(prompts); i++)
		r |= json_array_append_new(list, prompt_item(&prompts[i]));
	for (size_t i = 0; (name = fixtures_mrtr_name(i, true)); i++)
		r |= json_array_append_new(list,
					   json_pack("{s:s, s:s}", "name", name, "description",
						     "Takes more than one round trip"));
	if (r < 0) {
		json_decref(list);
		list = NULL;
	}
	mcp_page(req, "prompts", list);
}

static void get_prompt(struct mcp_request *req, const struct prompt *row)
{
	json_t *given = json_object_get(req->params, "arguments");
	const char *arguments[PROMPT_ARGUMENTS] = {NULL};

	for (size_t i = 0; i < PROMPT_ARGUMENTS && row->arguments[i]; i++) {
		arguments[i] = parse_string(json_object_get(given, row->arguments[i]));
		if (!arguments[i]) {
			mcp_error(req, MCP_INVALID_PARAMS, NULL, "the prompt needs the argument %s",
				  row->arguments[i]);
			return;
		}
	}
	mcp_reply(req, json_pack("{s:s, s:o}", "description", row->description, "messages",
				 row->messages(arguments)));
}

void fixtures_prompts_get(struct mcp_request *req)
{
	const char *name = mcp_param(req, "name");

	if (!name || fixtures_mrtr(req, name, true))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(prompts); i++) {
		if (strcmp(prompts[i].name, name) == 0) {
			get_prompt(req, &prompts[i]);
			return;
		}
	}
	mcp_error(req, MCP_INVALID_PARAMS, NULL, "Unknown prompt");
}

static void complete(struct mcp_request *req)
{
	mcp_reply(req, json_pack("{s:{s:[], s:i, s:b}}", "completion", "values", "total", 0,
				 "hasMore", 0));
}

static void subscribe(struct mcp_request *req)
{
	if (mcp_param(req, "uri"))
		mcp_reply(req, json_object());
}

const struct mcp_method *fixtures_method(const char *name)
{
	static const struct mcp_method methods[] = {
		{"prompts/list", ERA_BOTH, false, fixtures_prompts_list},
		{"prompts/get", ERA_BOTH, false, fixtures_prompts_get},
		{"completion/complete", ERA_BOTH, false, complete},
		{"resources/subscribe", ERA_LEGACY, false, subscribe},
		{"resources/unsubscribe", ERA_LEGACY, false, subscribe},
	};

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (strcmp(methods[i].name, name) == 0)
			return &methods[i];
	return NULL;
}

int fixtures_capabilities(json_t *all)
{
	return json_object_update_new(all, json_pack("{s:{}, s:{}}", "prompts", "completions"));
}

json_t *fixtures_resources(json_t *list)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(resources); i++) {
		const struct resource *row = &resources[i];

		r |= json_array_append_new(list,
					   json_pack("{s:s, s:s, s:s, s:s}", "uri", row->uri,
						     "name", row->name, "description",
						     row->description, "mimeType", row->mime));
	}
	if (r == 0)
		return list;
	json_decref(list);
	return NULL;
}

json_t *fixtures_templates(void)
{
	return json_pack("[{s:s, s:s, s:s, s:s}]", "uriTemplate",
			 TEMPLATE_HEAD "{id}" TEMPLATE_TAIL, "name", "template", "description",
			 "A resource with a parameter", "mimeType", "application/json");
}

/* The id between head and tail of the template, or false. */
static bool template_id(const char *uri, const char **ret, size_t *ret_len)
{
	const size_t head = sizeof(TEMPLATE_HEAD) - 1;
	const size_t tail = sizeof(TEMPLATE_TAIL) - 1;
	size_t len = strlen(uri);

	if (len <= head + tail || strncmp(uri, TEMPLATE_HEAD, head) != 0 ||
	    strcmp(uri + len - tail, TEMPLATE_TAIL) != 0)
		return false;
	*ret = uri + head;
	*ret_len = len - head - tail;
	return true;
}

static json_t *template_content(const char *uri, const char *id, size_t len)
{
	json_t *data = json_pack("{s:s%, s:b, s:s%}", "id", id, len, "templateTest", 1, "data", id,
				 len);
	char *text = data ? json_dumps(data, JSON_COMPACT) : NULL;
	json_t *content = NULL;

	if (text)
		content = json_pack("{s:s, s:s, s:s}", "uri", uri, "mimeType", "application/json",
				    "text", text);
	free(text);
	json_decref(data);
	return content;
}

int fixtures_read(const char *uri, json_t **ret)
{
	const char *id;
	size_t len;

	for (size_t i = 0; i < ARRAY_SIZE(resources); i++) {
		const struct resource *row = &resources[i];

		if (strcmp(row->uri, uri) != 0)
			continue;
		*ret = json_pack("{s:s, s:s, s:s*, s:s*}", "uri", uri, "mimeType", row->mime,
				 "text", row->text, "blob", row->blob);
		return *ret ? 0 : -ENOMEM;
	}
	if (!template_id(uri, &id, &len))
		return -ENOENT;
	*ret = template_content(uri, id, len);
	return *ret ? 0 : -ENOMEM;
}
