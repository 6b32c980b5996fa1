/*
 * Theory of operation: a session without a driver. broker_run_one accepts a single call and steps the
 * same loop until it is answered; the answer lands in struct broker instead of going to rpc.
 * broker_result_from_frame is for `exec`, where the tool had the caller's own stdio and the broker
 * saw nothing of it: an answer made of the launcher's report alone.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/catalog.h"
#include "broker/changes.h"
#include "broker/inner.h"
#include "broker/recorded.h"
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

static const char *agent_of(json_t *catalog)
{
	return json_string_value(json_object_get(json_object_get(catalog, "agent"), "name"));
}

static bool is_overlay(uint32_t workspace)
{
	return workspace == FRAME_WORKSPACE_OVERLAY || workspace == FRAME_WORKSPACE_OVERLAY_MEMORY;
}

static int add_recorded(const struct broker_exec *exec, const struct origins *origins,
			json_t *denials, struct result_source *result)
{
	struct record *record = exec->record >= 0 ? recorded_read(exec->record) : NULL;
	int r;

	if (!record || exec->ended->layers == 0) {
		free(record);
		return 0;
	}
	result->observed = record->observed;
	result->unseen = record->unseen > 0;
	result->dropped = record->dropped > 0;
	r = recorded_append(denials, record,
			    &(struct recorded_source){
				    .image = exec->image,
				    .cell = exec->cell,
				    .workspace = exec->workspace,
				    .limits = &exec->ended->limits,
				    .origins = *origins,
			    });
	free(record);
	return r;
}

/* NULL without memory. */
static json_t *exec_denials(const struct broker_exec *exec, const struct origins *origins,
			    struct result_source *result)
{
	json_t *denials = exec->denials ? json_loads(exec->denials, 0, NULL) : json_array();
	int r = denials ? add_recorded(exec, origins, denials, result) : -ENOMEM;

	if (r == 0)
		r = consent_exec_explain(exec->image, exec->cell_index, denials);
	if (r == 0)
		r = denials_append_limits(
			denials, &(struct denial_source){.ended = exec->ended,
							 .no_overlay = exec->cell->flags &
									       IMAGE_CELL_OVERLAY &&
								       exec->ready->session ==
									       FRAME_WORKSPACE_NONE,
							 .origins = *origins,
							 .output_bytes = UINT64_MAX});
	if (r == 0)
		r = denials_weigh(denials, exec->ended, result->status, false);
	if (r == 0)
		return denials;
	json_decref(denials);
	return NULL;
}

int broker_result_from_frame(const struct broker_exec *exec, char **ret, struct err *err)
{
	const struct frame_ended *ended = exec->ended;
	const char *policy = image_string(exec->image, exec->cell->policy);
	bool overlay = is_overlay(ended->workspace);
	const char *status = result_status(ended, false);
	bool described = strcmp(status, "error") == 0 || strcmp(status, "refused") == 0;
	json_t *catalog = catalog_head(exec->image, NULL);
	struct origins origins = {json_object_get(catalog, "rules"), policy, NULL};
	struct result_source source = {
		.call = "c-1",
		.agent = agent_of(catalog),
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
		.granted = consent_exec_granted(exec->image, exec->cell_index),
	};
	json_t *result;
	char *text;

	source.denials = exec_denials(exec, &origins, &source);
	result = result_new(&source);
	json_decref(catalog);
	text = result ? json_dumps(result, RPC_DUMP_FLAGS) : NULL;
	json_decref(result);
	if (!text)
		return err_set(err, ENOMEM, "no memory for the result");
	*ret = text;
	return 0;
}
