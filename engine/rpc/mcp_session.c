/*
 * Theory of operation: what opens and frames a conversation: versions, capabilities, log messages,
 * subscriptions. The tool list never changes while a process lives, so a subscription is
 * acknowledged with an empty filter, stays open, and ends with the process or a cancel.
 */
#include <string.h>

#include "rpc/fixtures.h"
#include "rpc/mcp.h"
#include "rpc/parse.h"

#define CLIENT_WORD_BYTES ((size_t)128)

const struct mcp_version mcp_versions[] = {
	{"2025-11-25", .elicits = true, .modes = true},
	{"2025-06-18", .elicits = true},
	{"2025-03-26", .batches = true},
	{"2024-11-05", .batches = true},
};

const size_t mcp_n_versions = ARRAY_SIZE(mcp_versions);

/* RFC 5424, from the least to the most severe. */
static const char *const log_levels[] = {"debug", "info",     "notice", "warning",
					 "error", "critical", "alert",	"emergency"};

int mcp_log_level(const char *name)
{
	for (size_t i = 0; name && i < ARRAY_SIZE(log_levels); i++)
		if (strcmp(log_levels[i], name) == 0)
			return (int)i;
	return LOG_NONE;
}

static json_t *capabilities(const struct rpc *rpc)
{
	json_t *all = json_pack("{s:{s:b}, s:{}, s:{}}", "tools", "listChanged", 0, "resources",
				"logging");

	if (all && rpc->fixtures && fixtures_capabilities(all) < 0) {
		json_decref(all);
		return NULL;
	}
	return all;
}

/* Words of a driver's about itself, which nobody can check: short ones are kept, for the record. */
static json_t *short_word(json_t *value)
{
	const char *text = parse_string(value);
	size_t len = text ? strnlen(text, CLIENT_WORD_BYTES) : 0;

	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return text ? json_stringn(text, len) : json_null();
}

void mcp_note_client(struct rpc *rpc, json_t *info)
{
	json_t *client;

	if (!json_is_object(info))
		return;
	client = json_pack("{s:o, s:o}", "name", short_word(json_object_get(info, "name")),
			   "version", short_word(json_object_get(info, "version")));
	if (!client)
		return; /* without memory it stays unnamed */
	json_decref(rpc->client);
	rpc->client = client;
}

json_t *rpc_client(const struct rpc *rpc)
{
	return rpc->client;
}

void mcp_initialize(struct mcp_request *req)
{
	const struct rpc_config *config = &req->rpc->config;
	const char *wish = mcp_param(req, "protocolVersion");
	const struct mcp_version *version = &mcp_versions[0];

	if (!wish)
		return;
	if (req->batch) {
		mcp_error(req, MCP_INVALID_REQUEST, NULL, "\"initialize\" cannot be in a batch");
		return;
	}
	for (size_t i = 0; i < mcp_n_versions; i++)
		if (strcmp(mcp_versions[i].name, wish) == 0)
			version = &mcp_versions[i];
	req->rpc->version = version;
	mcp_note_client(req->rpc, json_object_get(req->params, "clientInfo"));
	req->rpc->elicits = version->elicits &&
			    mcp_elicits(json_object_get(req->params, "capabilities"));
	mcp_reply(req,
		  json_pack("{s:s, s:o, s:{s:s, s:s, s:s}, s:s*}", "protocolVersion", version->name,
			    "capabilities", capabilities(req->rpc), "serverInfo", "name",
			    config->server_name, "title", config->server_name, "version",
			    config->version, "instructions", config->instructions));
}

void mcp_discover(struct mcp_request *req)
{
	json_t *versions = json_pack("[s]", MCP_MODERN_VERSION);

	for (size_t i = 0; i < mcp_n_versions; i++) {
		if (json_array_append_new(versions, json_string(mcp_versions[i].name)) < 0) {
			json_decref(versions);
			versions = NULL;
		}
	}
	mcp_reply(req,
		  json_pack("{s:o, s:o, s:s*, s:i, s:s}", "supportedVersions", versions,
			    "capabilities", capabilities(req->rpc), "instructions",
			    req->rpc->config.instructions, "ttlMs", 0, "cacheScope", "private"));
}

void mcp_ping(struct mcp_request *req)
{
	mcp_reply(req, json_object());
}

void mcp_set_level(struct mcp_request *req)
{
	const char *name = mcp_param(req, "level");
	int level = mcp_log_level(name);

	if (!name)
		return;
	if (level == LOG_NONE) {
		mcp_error(req, MCP_INVALID_PARAMS, NULL,
			  "params.level must be a log level, \"debug\" to \"emergency\"");
		return;
	}
	req->rpc->log_level = level;
	mcp_reply(req, json_object());
}

static void send_log(struct rpc *rpc, const char *level, json_t *data)
{
	mcp_notify(rpc, "notifications/message",
		   json_pack("{s:s, s:s, s:O}", "level", level, "logger", rpc->config.server_name,
			     "data", data));
}

static bool level_allows(int wanted, int level)
{
	return wanted != LOG_NONE && level >= wanted;
}

void mcp_log(struct mcp_request *req, const char *level, json_t *data)
{
	int wanted = req->modern ? req->log_level : req->rpc->log_level;

	if (level_allows(wanted, mcp_log_level(level)))
		send_log(req->rpc, level, data);
}

/* To a legacy session, or where a modern request in flight has asked for messages; once. */
void rpc_log(struct rpc *rpc, const char *level, json_t *data)
{
	int number = mcp_log_level(level);
	bool wanted = rpc->version && level_allows(rpc->log_level, number);

	for (const struct rpc_call *call = rpc->calls; call && !wanted; call = call->next)
		wanted = !call->cancelled && level_allows(call->log_level, number);
	if (wanted && number != LOG_NONE)
		send_log(rpc, level, data);
}

void mcp_listen(struct mcp_request *req)
{
	if (!json_is_object(json_object_get(req->params, "notifications"))) {
		mcp_error(req, MCP_INVALID_PARAMS, NULL, "params.notifications must be an object");
		return;
	}
	if (!mcp_open(req, CALL_LISTEN))
		return;
	mcp_notify(req->rpc, "notifications/subscriptions/acknowledged",
		   json_pack("{s:{s:O}, s:{}}", "_meta", MCP_META "subscriptionId", req->id,
			     "notifications"));
}

void mcp_end(struct rpc *rpc)
{
	struct rpc_call *next;

	for (struct rpc_call *call = rpc->calls; call; call = next) {
		next = call->next;
		if (call->kind == CALL_LISTEN)
			(void)rpc_send(rpc, mcp_result_of(call, json_pack("{s:{s:O}}", "_meta",
									  MCP_META "subscriptionId",
									  call->id)));
		if (!call_is_brokers(call))
			call_free(call);
	}
}
