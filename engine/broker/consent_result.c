/*
 * Theory of operation: what a person's word comes to in a result. A refusal is a denial like any other,
 * one for each thing that was not granted, with the policy's line that asked. What was granted stands in
 * "granted", also in the results of later calls that lived on an answer for the session.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "broker/consent.h"
#include "broker/state.h"

#define USELESS "asking again in the same words is useless"

static const struct {
	const char *text;
	const char *remedy; /* NULL: what a policy would have to say */
} rows[] = {
	[CONSENT_NOBODY] = {"it needs a person's consent, and nobody can be asked here; " USELESS,
			    NULL},
	[CONSENT_DECLINED] = {"the person has declined; " USELESS,
			      "do without it, or tell the person why it is needed"},
	[CONSENT_DISMISSED] = {"the person has closed the question without an answer; " USELESS,
			       "do without it, or tell the person why it is needed"},
	[CONSENT_TIMEOUT] = {"the person did not answer in time, which counts as no; " USELESS,
			     "go on without it until the person is back"},
	[CONSENT_MALFORMED] = {"the answer to the question could not be read, which counts as no",
			       "tell the person that their program's answer was not understood"},
	[CONSENT_STALE] =
		{"the answer belongs to no open question: it came too late, a second time, or "
		 "for another call",
		 "call again without it; the person is then asked"},
	[CONSENT_FULL] = {"too many calls wait for a person's answer",
			  "wait for the answers of earlier calls, then call again"},
};
static_assert(ARRAY_SIZE(rows) == CONSENT_REFUSAL_N, "every refusal has words");

static const struct consent_path *path_of(const struct call *c, uint32_t bit)
{
	return bit == CONSENT_TOOL ? NULL : &c->broker->consents.paths[__builtin_ctz(bit)];
}

static const char *object_of(const struct call *c, uint32_t bit)
{
	const struct consent_path *path = path_of(c, bit);

	return path ? path->path : c->tool_name;
}

static const char *rule_of(const struct call *c, uint32_t bit)
{
	const struct consent_path *path = path_of(c, bit);

	return path ? path->rule
		    : json_string_value(json_object_get(json_object_get(c->tool, "ask"), "rule"));
}

static int append_remedy(const struct call *c, uint32_t bit, enum consent_refusal why,
			 struct buf *out)
{
	const char *policy = c->broker->policy;
	const struct consent_path *path = path_of(c, bit);

	if (rows[why].remedy)
		return buf_puts(out, rows[why].remedy);
	if (path)
		return buf_printf(
			out,
			"a person can grant it: in a host that asks (MCP elicitation), at a "
			"terminal by `toolcell run`, or in policies/%s.json: %s",
			policy, path->fragment);
	return buf_printf(
		out,
		"a person can grant it: in a host that asks (MCP elicitation), at a "
		"terminal by `toolcell run`, or in policies/%s.json: {\"tools\": {\"%s\": "
		"{\"ask\": false}}}",
		policy, c->tool_name);
}

/* What would have to stand in a policy for nobody to be asked; NULL without memory. */
static json_t *fragment_of(const struct call *c, uint32_t bit)
{
	const struct consent_path *path = path_of(c, bit);

	return path ? json_loads(path->fragment, 0, NULL)
		    : json_pack("{s:{s:{s:b}}}", "tools", c->tool_name, "ask", 0);
}

static bool is_open(const struct call *c, uint32_t bit)
{
	const struct consent_path *path = path_of(c, bit);
	struct origins origins = origins_of(c->broker, c->tool_name);
	char pointer[128];

	(void)snprintf(pointer, sizeof(pointer), path ? "/filesystem/%s" : "/tools/%.64s/ask",
		       !path	     ? c->tool_name
		       : path->write ? "write"
				     : "read");
	return origins_are_open(&origins, pointer);
}

/* The policy's side of a denial. Return: 0 or -ENOMEM. */
static int amend(const struct call *c, json_t *denial, uint32_t bit)
{
	if (json_object_set_new(denial, "rule", json_string(rule_of(c, bit))) < 0 ||
	    json_object_set_new(denial, "fragment", fragment_of(c, bit)) < 0 ||
	    json_object_set_new(denial, "open", json_boolean(is_open(c, bit))) < 0 ||
	    json_object_set_new(denial, "asked", json_true()) < 0)
		return -ENOMEM;
	return 0;
}

static void refuse_one(struct call *c, uint32_t bit, enum consent_refusal why, const char *text)
{
	const struct consent_path *path = path_of(c, bit);
	struct buf remedy = {.cap = (size_t)16 << 10};

	(void)!append_remedy(c, bit, why, &remedy);
	broker_call_refuse(c,
			   !path	 ? "call"
			   : path->write ? "write"
					 : "read",
			   object_of(c, bit), rule_of(c, bit), remedy.data, text);
	(void)!amend(c, json_array_get(c->denials, json_array_size(c->denials) - 1), bit);
	buf_fini(&remedy);
}

void consent_refuse(struct call *c, uint32_t bits, enum consent_refusal why, const char *note)
{
	char text[ERR_TEXT_MAX];

	consent_leave(c);
	(void)snprintf(text, sizeof(text), "%s: %s%s%s", c->tool_name, rows[why].text,
		       note ? ": " : "", note ? note : "");
	for (uint32_t bit = CONSENT_TOOL; bit > 0; bit >>= 1)
		if (bits & bit)
			refuse_one(c, bit, why, text);
}

/* Bits that this call had because a person said so; those of @ret_once for it alone. */
static uint32_t had_bits(const struct call *c, uint32_t *ret_once)
{
	const struct consents *s = &c->broker->consents;
	uint32_t bits = c->consent.had;

	*ret_once = c->consent.once;
	if (c->ended.cause == FRAME_CAUSE_POLICY)
		return 0;
	if ((c->consent.needs & CONSENT_TOOL) &&
	    ((c->consent.once & CONSENT_TOOL) || json_object_get(s->tools, c->tool_name)))
		bits |= CONSENT_TOOL;
	return bits;
}

json_t *consent_granted(const struct call *c)
{
	json_t *granted = json_array();
	uint32_t once;
	uint32_t bits = had_bits(c, &once);

	for (uint32_t bit = CONSENT_TOOL; granted && bit > 0; bit >>= 1) {
		if (!(bits & bit))
			continue;
		if (json_array_append_new(granted,
					  json_pack("{s:s, s:s, s:s?}", "object", object_of(c, bit),
						    "for", once & bit ? "once" : "session", "rule",
						    rule_of(c, bit))) < 0) {
			json_decref(granted);
			return NULL;
		}
	}
	return granted;
}

int consent_append_text(const struct call *c, struct buf *out)
{
	uint32_t once;
	uint32_t bits = had_bits(c, &once) & c->consent.fresh;
	int r = 0;

	for (uint32_t bit = CONSENT_TOOL; bit > 0 && r == 0; bit >>= 1)
		if (bits & bit)
			r = buf_printf(out, "granted by the person, %s: %s\n",
				       once & bit ? "for this call" : "for the session",
				       object_of(c, bit));
	return r;
}

static bool is_of_a_mount(json_t *denial)
{
	const char *layer = json_string_value(json_object_get(denial, "layer"));

	return layer && (strcmp(layer, "mount") == 0 || strcmp(layer, "landlock") == 0);
}

/* What no right to write would change. */
static bool is_about_reading(json_t *denial)
{
	static const char *const words[] = {"read", "list", "stat", "search"};
	const char *operation = json_string_value(json_object_get(denial, "operation"));

	for (size_t i = 0; operation && i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], operation) == 0)
			return true;
	return false;
}

/* The grant that the denied path lies below; 0: none, or it was granted. */
static uint32_t bit_of_denial(const struct call *c, json_t *denial)
{
	const struct consents *s = &c->broker->consents;
	const char *object = json_string_value(json_object_get(denial, "object"));

	for (uint32_t i = 0; object && object[0] == '/' && i < s->n_paths; i++)
		if (!(c->consent.had & 1U << i) && path_is_below(object, s->paths[i].path) &&
		    !(s->paths[i].upgrade && is_about_reading(denial)))
			return 1U << i;
	return 0;
}

static int explain(const struct call *c, json_t *denial, uint32_t bit)
{
	bool asked = c->rpc && rpc_call_ask_how(c->rpc) != RPC_ASK_NOT;
	CLEANUP(buf_fini) struct buf remedy = {0};
	int r = asked ? buf_puts(&remedy, "call again with the same arguments: the person is then "
					  "asked to grant it")
		      : append_remedy(c, bit, CONSENT_NOBODY, &remedy);

	if (r < 0 || amend(c, denial, bit) < 0 ||
	    json_object_set_new(denial, "remedy", json_string(remedy.data)) < 0)
		return -ENOMEM;
	return 0;
}

static int remember(struct call *c, uint32_t bits)
{
	struct consents *s = &c->broker->consents;
	size_t i;

	for (i = 0; i < CONSENT_WANTED_MAX; i++)
		if (consent_key_equal(&s->wanted[i].key, &c->consent.key)) {
			s->wanted[i].bits |= bits;
			return 0;
		}
	i = s->next_wanted++ % CONSENT_WANTED_MAX;
	consent_key_fini(&s->wanted[i].key);
	s->wanted[i].bits = bits;
	return consent_key_set(&s->wanted[i].key, c->consent.key.tool, c->consent.key.arguments,
			       c->consent.key.session);
}

int consent_explain_denials(const struct call *c, json_t *denials, uint32_t *ret_bits)
{
	json_t *denial;
	size_t i;

	*ret_bits = 0;
	json_array_foreach(denials, i, denial) {
		uint32_t bit = is_of_a_mount(denial) ? bit_of_denial(c, denial) : 0;

		if (bit && explain(c, denial, bit) < 0)
			return -ENOMEM;
		*ret_bits |= bit;
	}
	return 0;
}

int consent_note_denials(struct call *c, json_t *denials)
{
	uint32_t bits = 0;

	if (!c->consent.key.tool)
		return 0;
	if (consent_explain_denials(c, denials, &bits) < 0)
		return -ENOMEM;
	return bits && c->bytes <= CONSENT_PENDING_BYTES / CONSENT_WANTED_MAX ? remember(c, bits)
									      : 0;
}
