/*
 * Theory of operation: JSON-RPC batches, which MCP had in 2024-11-05 and 2025-03-26 only. The line
 * being handled holds the batch, and so does each call that it started; whoever lets go last sends
 * the array. A batch without answers (notifications, cancelled calls) sends nothing.
 */
#include <errno.h>
#include <stdlib.h>

#include "rpc/mcp.h"

struct mcp_batch {
	struct rpc *rpc;
	json_t *answers;
	size_t holders;
};

struct mcp_batch *mcp_batch_new(struct rpc *rpc)
{
	struct mcp_batch *batch = calloc(1, sizeof(*batch));

	if (!batch)
		return NULL;
	batch->rpc = rpc;
	batch->holders = 1;
	batch->answers = json_array();
	if (!batch->answers) {
		free(batch);
		return NULL;
	}
	return batch;
}

struct mcp_batch *mcp_batch_hold(struct mcp_batch *batch)
{
	if (batch)
		batch->holders++;
	return batch;
}

void mcp_batch_release(struct mcp_batch *batch)
{
	if (!batch || --batch->holders > 0)
		return;
	if (json_array_size(batch->answers) > 0)
		(void)rpc_send(batch->rpc, batch->answers);
	else
		json_decref(batch->answers);
	free(batch);
}

int mcp_batch_add(struct mcp_batch *batch, json_t *answer)
{
	if (json_array_append_new(batch->answers, answer) == 0)
		return 0;
	batch->rpc->out_of_memory = true;
	return -ENOMEM;
}
