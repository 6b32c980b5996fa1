/*
 * Theory of operation: a session with a driver.
 *
 *	in_fd --chunk--> rpc_feed --ops--> broker_call_accept ... calls_settle --> rpc_call_finish
 *							   --ops->send--> queue --> out_fd
 *
 * How it ends:
 *	end of file on in_fd, a dialect that waits for answers (JSON lines from a script): calls run on
 *		until they are done, their answers are written, then we end
 *	end of file on in_fd, otherwise (MCP: the host has gone): calls are killed; BROKER_END_MS.
 *		Seen also while we read nothing because too many answers wait
 *	out_fd broken: nobody is there; at once
 *	launcher lost: every call is answered with status "error", BROKER_END_MS to write that
 *
 * The driver's descriptors may be shared with others (a terminal with the shell that started us):
 * O_NONBLOCK is set on pipes and sockets only, and taken back at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/text.h"
#include "broker/inner.h"
#include "broker/state.h"
#include "config.h"

#define INSTRUCTIONS_BYTES_MAX 4000U /* hosts cut at 4,096 */

static void op_call(void *ctx, struct rpc_call *call, const char *tool, json_t *arguments)
{
	struct broker *b = ctx;

	if (broker_call_accept(b, &(struct call_request){.rpc = call,
							 .name = rpc_call_id(call),
							 .tool = tool,
							 .arguments = arguments,
							 .session = rpc_call_session(call),
							 .branch = b->config->branch}) < 0)
		broker_lose(b, ENOMEM, "no memory for another call");
}

static void op_cancel(void *ctx, struct rpc_call *call, const char *reason)
{
	struct call *c = rpc_call_data(call);

	(void)reason;
	if (!c)
		return;
	auditor_decide(ctx, "cancelled", "driver", c);
	broker_call_cancel(c);
}

static void op_answered(void *ctx, struct rpc_call *call, const struct rpc_answer *answer)
{
	struct call *c = rpc_call_data(call);

	(void)ctx;
	if (c)
		consent_answered(c, answer);
}

static json_t *op_tools(void *ctx)
{
	return json_object_get(((struct broker *)ctx)->catalog, "tools");
}

static bool op_tool_known(void *ctx, const char *name)
{
	return manifest_find_tool(((struct broker *)ctx)->catalog, name) != NULL;
}

static json_t *op_resources(void *ctx)
{
	return resources_list(ctx);
}

static int op_resource_read(void *ctx, const char *uri, char **ret, size_t *ret_len,
			    const char **ret_mime, struct err *err)
{
	return resources_read(ctx, uri, ret, ret_len, ret_mime, err);
}

static void op_resource_start(void *ctx, struct rpc_call *call, const char *uri)
{
	inner_diff(ctx, call, uri + strlen(BROKER_URI_CHANGES)); /* resources_read has looked */
}

static json_t *op_status(void *ctx)
{
	const struct broker *b = ctx;

	return json_pack("{s:i, s:i}", "running", (int)b->running, "queued", (int)b->queued);
}

static void op_send(void *ctx, const char *line, size_t len)
{
	struct broker *b = ctx;

	if (queue_push(&b->queue, line, len) < 0)
		broker_lose(b, ENOMEM, "no memory for what the driver has not read");
}

const struct rpc_ops broker_rpc_ops = {
	.call = op_call,
	.cancel = op_cancel,
	.tools = op_tools,
	.tool_known = op_tool_known,
	.resources = op_resources,
	.resource_read = op_resource_read,
	.resource_start = op_resource_start,
	.status = op_status,
	.send = op_send,
	.answered = op_answered,
};

static void input_end(struct broker *b)
{
	loop_remove(&b->loop, &b->in_watch);
	b->input_ended = true;
	if (rpc_end(b->rpc) < 0) {
		broker_lose(b, ENOMEM, "no memory for the driver's last line");
		return;
	}
	if (rpc_wants_results_after_eof(b->rpc)) {
		consent_driver_gone(b);
		return;
	}
	calls_cancel_all(b);
	b->end_deadline_ms = loop_now_ms() + BROKER_END_MS;
}

static void input_ready(void *owner, short revents)
{
	struct broker *b = owner;
	ssize_t n;

	(void)revents;
	if (!(b->in_watch.events & POLLIN)) {
		input_end(b); /* what it wrote before that will not be read */
		return;
	}
	n = read(b->config->in_fd, b->chunk, sizeof(b->chunk));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		input_end(b);
	else if (rpc_feed(b->rpc, b->chunk, (size_t)n) < 0)
		broker_lose(b, ENOMEM, "no memory for the driver's requests");
}

static void output_ready(void *owner, short revents)
{
	struct broker *b = owner;

	if (revents & POLLOUT)
		queue_flush(&b->queue);
	if (revents & (POLLERR | POLLNVAL))
		b->queue.broken = true;
	/* A socket's peer has closed for good: what it has not read it never will. */
	if ((revents & POLLHUP) && !(revents & POLLOUT))
		b->queue.broken = true;
}

/* Return: the flags to restore, or -1 when nothing was changed. */
static int make_nonblock(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_NONBLOCK) || fstat(fd, &st) < 0)
		return -1;
	if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
		return -1;
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -1 : flags;
}

static void restore_flags(int fd, int flags)
{
	if (flags >= 0)
		(void)fcntl(fd, F_SETFL, flags);
}

/* A host that was started anew finds out here that there is something left to commit. */
static int append_session(const struct broker *b, struct buf *out)
{
	char name[BRANCH_NAME_BYTES];
	int r;

	if (b->config->ready->session == FRAME_WORKSPACE_NONE || !branch_name(b, 1, name))
		return 0;
	r = buf_printf(
		out,
		" What tools write goes to the layers of session %s%s: later calls see it, the "
		"workspace itself stays as it is until the changes are committed; each result "
		"lists them (changes).",
		name,
		b->config->ready->session == FRAME_WORKSPACE_OVERLAY_MEMORY
			? ", in memory and lost when this server ends"
			: "");
	if (r == 0 && b->config->session_note)
		r = buf_printf(out, " %s", b->config->session_note);
	return r;
}

static char *instructions(const struct broker *b)
{
	struct buf out = {.cap = INSTRUCTIONS_BYTES_MAX};
	int r = buf_printf(
		&out,
		"Each tool runs in a sandbox of its own, under policy \"%s\"; the working "
		"directory is %s. Every result says how the tool ended (status: ok, failed, "
		"stopped, refused, error), what it printed and, in denials, what the sandbox "
		"refused and how to go on; an empty list of denials means that a failure is "
		"the tool's own. Output that was cut is a resource.",
		b->policy, b->config->workspace);

	if (r == 0)
		r = append_session(b, &out);
	if (r == 0 && text_is_utf8(out.data, out.len))
		return buf_take(&out, NULL);
	buf_fini(&out);
	return NULL;
}

static bool is_done(const struct broker *b)
{
	if (b->queue.broken)
		return true;
	if (b->end_deadline_ms != 0 && loop_now_ms() >= b->end_deadline_ms)
		return true;
	return (b->input_ended || b->failed != 0) && !b->first && !b->queue.first;
}

/* What is waited for next: room at the driver's, or its words. */
static void update_watches(struct broker *b)
{
	b->out_watch.events = b->queue.first ? POLLOUT : 0;
	b->in_watch.events = POLLIN;
	/* A host that neither reads nor writes any more has gone; a script may still come to read. */
	if (queue_is_full(&b->queue))
		b->in_watch.events = rpc_wants_results_after_eof(b->rpc) ? 0 : POLLRDHUP;
	if (b->failed != 0) {
		b->in_watch.events = 0;
		if (b->end_deadline_ms == 0)
			b->end_deadline_ms = loop_now_ms() + BROKER_END_MS;
	}
}

static int run(struct broker *b)
{
	while (!is_done(b)) {
		int r = broker_step(b);

		if (r < 0)
			return r;
		update_watches(b);
	}
	return 0;
}

static int serve(struct broker *b, struct err *err)
{
	const struct broker_config *config = b->config;
	int r = loop_add(&b->loop, &b->in_watch, config->in_fd, POLLIN, input_ready, b);

	if (r == 0)
		r = loop_add(&b->loop, &b->out_watch, config->out_fd, 0, output_ready, b);
	b->out_watch.errors = true;
	if (r == 0)
		r = run(b);
	if (r < 0)
		return err_set(err, -r, "cannot wait for the driver");
	if (b->failed == 0 || b->queue.broken)
		return 0;
	if (err)
		*err = b->failure;
	return b->failed;
}

int broker_serve(const struct broker_config *config, struct err *err)
{
	struct broker *b = calloc(1, sizeof(*b));
	char *words = NULL;
	int in_flags = -1;
	int out_flags = -1;
	int r;

	if (!b)
		return err_set(err, ENOMEM, "cannot start the broker");
	r = broker_init(b, config, err);
	if (r == 0) {
		words = instructions(b);
		b->rpc = rpc_new(&(struct rpc_config){.instructions = words,
						      .server_name = "toolcell",
						      .version = TOOLCELL_VERSION,
						      .fixtures = config->fixtures},
				 &broker_rpc_ops, b);
		if (!b->rpc)
			r = err_set(err, ENOMEM, "cannot start the broker");
	}
	if (r == 0) {
		in_flags = make_nonblock(config->in_fd);
		out_flags = make_nonblock(config->out_fd);
		r = serve(b, err);
		restore_flags(config->out_fd, out_flags);
		restore_flags(config->in_fd, in_flags);
	}
	auditor_flush(b); /* while there still is the driver's name */
	rpc_free(b->rpc);
	b->rpc = NULL;
	broker_fini(b);
	free(words);
	free(b);
	return r;
}
