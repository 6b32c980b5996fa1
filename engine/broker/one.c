/*
 * Theory of operation: a session without a driver. broker_run_one accepts a single call and steps the
 * same loop until it is answered; the answer lands in struct broker instead of going to rpc.
 * broker_result_from_frame is for `exec`, where the tool had the caller's own stdio and the broker
 * saw nothing of it: an answer made of the launcher's report alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/changes.h"
#include "broker/inner.h"
#include "broker/result.h"
#include "broker/state.h"

static json_t *parse_arguments(const char *text, struct err *err)
{
	json_error_t where;
	json_t *arguments = json_loads(text, JSON_REJECT_DUPLICATES, &where);

	if (!arguments) {
		(void)err_set(err, EINVAL, "arguments: line %d, column %d: %s", where.line,
			      where.column, where.text);
		return NULL;
	}
	if (json_is_object(arguments))
		return arguments;
	json_decref(arguments);
	(void)err_set(err, EINVAL, "arguments: a JSON object is wanted, such as {}");
	return NULL;
}

static int run_call(struct broker *b, const char *tool, json_t *arguments, struct err *err)
{
	int r = broker_call_accept(b, &(struct call_request){.name = "c-1",
							     .tool = tool,
							     .arguments = arguments,
							     .branch = b->config->branch,
							     .person = true});

	if (r < 0)
		return err_set(err, -r, "no memory for the call");
	calls_pump(b);
	/* The last step may begin a purge, which is a call, too. */
	while (b->first && b->failed == 0) {
		r = broker_step(b);
		if (r < 0)
			return err_set(err, -r, "cannot wait for the launcher");
	}
	if (b->failed == 0 || b->one_done)
		return 0;
	if (err)
		*err = b->failure;
	return b->failed;
}

int broker_run_one(const struct broker_config *config, const char *tool, const char *arguments_json,
		   char **ret_result, char **ret_text, struct err *err)
{
	json_t *arguments = parse_arguments(arguments_json, err);
	struct broker *b;
	int r;

	if (!arguments)
		return -EINVAL;
	b = calloc(1, sizeof(*b));
	if (!b) {
		json_decref(arguments);
		return err_set(err, ENOMEM, "cannot start the broker");
	}
	r = broker_init(b, config, err);
	if (r == 0)
		r = run_call(b, tool, arguments, err);
	if (r == 0) {
		*ret_result = b->one_result;
		*ret_text = b->one_text;
		b->one_result = NULL;
		b->one_text = NULL;
	}
	json_decref(arguments);
	broker_fini(b);
	free(b);
	return r;
}

/* The name of the agent, when the image has one. */
static json_t *agent_of(const struct image *image)
{
	size_t len = 0;
	const char *text = image_catalog(image, &len);
	json_t *catalog = text && len > 0 ? json_loadb(text, len, 0, NULL) : NULL;
	json_t *name = json_object_get(json_object_get(catalog, "agent"), "name");

	json_incref(name);
	json_decref(catalog);
	return name;
}

static bool is_overlay(uint32_t workspace)
{
	return workspace == FRAME_WORKSPACE_OVERLAY || workspace == FRAME_WORKSPACE_OVERLAY_MEMORY;
}

int broker_result_from_frame(const struct broker_exec *exec, char **ret, struct err *err)
{
	const struct frame_ended *ended = exec->ended;
	const char *policy = image_string(exec->image, exec->cell->policy);
	bool overlay = is_overlay(ended->workspace);
	const char *status = result_status(ended, false);
	bool described = strcmp(status, "error") == 0 || strcmp(status, "refused") == 0;
	json_t *agent = agent_of(exec->image);
	json_t *denials = json_array();
	json_t *result;
	char *text;

	if (denials &&
	    denials_append_limits(denials,
				  &(struct denial_source){.ended = ended,
							  .no_overlay =
								  exec->cell->flags &
									  IMAGE_CELL_OVERLAY &&
								  exec->ready->session ==
									  FRAME_WORKSPACE_NONE,
							  .policy = policy,
							  .output_bytes = UINT64_MAX}) < 0) {
		json_decref(denials);
		denials = NULL;
	}
	result = result_new(&(struct result_source){
		.call = "c-1",
		.agent = json_string_value(agent),
		.tool = exec->tool,
		.policy = policy,
		.status = status,
		.ended = ended,
		.ready = exec->ready,
		.session = overlay ? exec->session : NULL,
		.changes = overlay && exec->summary >= 0
				   ? changes_of_summary(exec->summary, exec->session)
				   : NULL,
		.error = described ? ended->error : NULL,
		.out = result_stream("", 0, false, "utf-8", NULL),
		.err = result_stream("", 0, false, "utf-8", NULL),
		.denials = denials,
	});
	json_decref(agent);
	text = result ? json_dumps(result, RPC_DUMP_FLAGS) : NULL;
	json_decref(result);
	if (!text)
		return err_set(err, ENOMEM, "no memory for the result");
	*ret = text;
	return 0;
}
