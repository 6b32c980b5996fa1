/*
 * Theory of operation: the filter decides, in the interpreter; this file finds the words for it. A
 * call is allowed by the first group, or entry of allow, that names it, refused by the table of
 * calls that none gets, by deny, by nothing that names it, or by its arguments alone.
 *
 * An address follows from the network and the families of sockets. When policies come to hold lists of
 * hosts, query_host is where they are looked at.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "policy/query.h"

static const struct policy_origin built_in = {POLICY_BUILT_IN, NULL};

static const struct policy_name *find_name(const struct policy_names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->at[i].name, name) == 0)
			return &names->at[i];
	return NULL;
}

/* The entry of /syscalls/allow or /syscalls/groups that grants a call; NULL: none. */
static const struct policy_name *granted_by(const struct policy *policy, const char *name,
					    const char **ret_list)
{
	const struct policy_name *found = find_name(&policy->allow, name);

	*ret_list = "allow";
	if (found)
		return found;
	*ret_list = "group";
	for (size_t i = 0; i < policy->groups.n; i++)
		for (size_t g = 0; g < syscalls_n_groups; g++)
			if (strcmp(syscalls_groups[g].name, policy->groups.at[i].name) == 0 &&
			    syscalls_group_has(&syscalls_groups[g], name))
				return &policy->groups.at[i];
	return NULL;
}

static void say_granted(const struct query *ask, const struct call *call, enum call_verdict verdict,
			struct query_answer *ret)
{
	const char *list;
	const struct policy_name *by = granted_by(ask->plan->policy, call->name, &list);
	const char *words = syscalls_argument_rule(call->name);
	bool family = strcmp(call->name, "socket") == 0 && verdict != CALL_ALLOW;

	ret->rule = by->origin;
	if (verdict == CALL_ALLOW) {
		(void)snprintf(ret->why, sizeof(ret->why), "%s \"%s\"%s%s", list, by->name,
			       words ? ", " : "", words ? words : "");
		return;
	}
	if (family && ask->plan->policy->sockets.n > 0)
		ret->rule = ask->plan->policy->sockets.at[0].origin;
	else
		ret->rule = built_in;
	(void)snprintf(ret->why, sizeof(ret->why), "%s \"%s\" allows it only %s", list, by->name,
		       words ? words : "on other machines");
}

static void say_call(const struct query *ask, const struct call *call, enum call_verdict verdict,
		     struct query_answer *ret)
{
	const struct policy *policy = ask->plan->policy;
	const char *never = call->number < 0 ? syscalls_never(call->name) : NULL;
	const struct policy_name *denied = find_name(&policy->deny, call->name);
	const char *list;

	ret->rule = built_in;
	if (verdict == CALL_KILL)
		(void)snprintf(ret->why, sizeof(ret->why),
			       "another architecture than the cell's ends the process");
	else if (call->number >= 0)
		(void)snprintf(ret->why, sizeof(ret->why), "by its number");
	else if (never)
		(void)snprintf(ret->why, sizeof(ret->why), "no policy can allow it: %s", never);
	else if (denied && verdict != CALL_ALLOW) {
		ret->rule = denied->origin;
		(void)snprintf(ret->why, sizeof(ret->why), "deny \"%s\"", denied->name);
	} else if (granted_by(policy, call->name, &list))
		say_granted(ask, call, verdict, ret);
	else
		(void)snprintf(ret->why, sizeof(ret->why), "no group of the policy has it");
}

int query_call(const struct query *ask, const struct call_filters *filters, enum call_arch machine,
	       enum call_arch arch, const struct call *call, enum call_verdict *ret_verdict,
	       struct query_answer *ret, struct err *err)
{
	enum call_verdict verdict = CALL_KILL;
	int r = call_answer(filters, machine, arch, call, &verdict, err);

	if (r <= 0)
		return r;
	*ret = (struct query_answer){.verdict = verdict == CALL_ALLOW ? QUERY_ALLOW
								      : QUERY_REFUSED};
	say_call(ask, call, verdict, ret);
	*ret_verdict = verdict;
	return 1;
}

uint32_t query_net(const struct query *ask, struct policy_origin *ret_rule)
{
	if (ask->tool && ask->tool->network.set) {
		*ret_rule = ask->tool->network.origin;
		return IMAGE_NET_NONE;
	}
	*ret_rule = ask->plan->policy->network.origin;
	return (uint32_t)ask->plan->policy->network.value;
}

enum host_kind { HOST_NAME, HOST_V4, HOST_V6 };

struct host {
	char name[256];
	enum host_kind kind;
	bool loopback;
};

/* Splits ":PORT" off; @host->name is without brackets. */
static int split_host(const char *text, struct host *host, struct err *err)
{
	const char *close = text[0] == '[' ? strchr(text, ']') : NULL;
	const char *begin = close ? text + 1 : text;
	const char *colon = close ? close + 1 : strchr(text, ':');
	size_t len = close ? (size_t)(close - begin) : strlen(begin);
	uint64_t port;
	char quoted[160];

	/* More than one colon without brackets: an IPv6 address without a port. */
	if (!close && colon && strchr(colon + 1, ':'))
		colon = NULL;
	if (!close && colon)
		len = (size_t)(colon - begin);
	if (len > 0 && len < sizeof(host->name) && begin[0] != '[' &&
	    (!colon || *colon == '\0' ||
	     (*colon == ':' && num_parse_u64(colon + 1, 65535, &port) == 0))) {
		memcpy(host->name, begin, len);
		host->name[len] = '\0';
		return 0;
	}
	text_quote(quoted, sizeof(quoted), text, strlen(text));
	return err_set(err, EINVAL, "\"%s\" is no host: HOST, HOST:PORT or [ADDRESS]:PORT", quoted);
}

static int parse_host(const char *text, struct host *ret, struct err *err)
{
	struct in_addr v4;
	struct in6_addr v6;
	struct host host = {.kind = HOST_NAME};
	int r = split_host(text, &host, err);

	if (r < 0)
		return r;
	host.loopback = strcmp(host.name, "localhost") == 0;
	if (inet_pton(AF_INET, host.name, &v4) == 1) {
		host.kind = HOST_V4;
		host.loopback = ntohl(v4.s_addr) >> 24 == 127;
	} else if (inet_pton(AF_INET6, host.name, &v6) == 1) {
		host.kind = HOST_V6;
		host.loopback = IN6_IS_ADDR_LOOPBACK(&v6);
	}
	*ret = host;
	return 0;
}

static bool has_family(const struct query *ask, uint32_t net, const struct host *host)
{
	uint32_t want = host->kind == HOST_V6 ? POLICY_SOCKET_INET6 : POLICY_SOCKET_INET;

	return (policy_sockets(ask->plan->policy, net) & want) != 0;
}

int query_host(const struct query *ask, const char *text, struct query_answer *ret, struct err *err)
{
	struct policy_origin rule;
	uint32_t net = query_net(ask, &rule);
	struct host host;
	int r = parse_host(text, &host, err);

	if (r < 0)
		return r;
	*ret = (struct query_answer){.verdict = QUERY_REFUSED, .rule = rule};
	if (net == IMAGE_NET_NONE)
		(void)snprintf(ret->why, sizeof(ret->why), "the cell has no network");
	else if (!host.loopback)
		(void)snprintf(ret->why, sizeof(ret->why),
			       "the cell has its own loopback and nothing beyond it%s",
			       host.kind == HOST_NAME ? ", and no resolver" : "");
	else if (!has_family(ask, net, &host)) {
		ret->rule = built_in;
		(void)snprintf(ret->why, sizeof(ret->why),
			       "syscalls.sockets does not name the family of the address");
	} else {
		ret->verdict = QUERY_ALLOW;
		(void)snprintf(ret->why, sizeof(ret->why),
			       "the cell's own loopback, which nothing outside can reach");
	}
	return 0;
}

void query_tool(const struct policy_tool *tool, struct query_answer *ret)
{
	*ret = (struct query_answer){.verdict = QUERY_ALLOW, .rule = built_in};
	if (tool)
		ret->rule = tool->origin;
	if (tool && tool->taken_away)
		ret->verdict = QUERY_REFUSED;
	(void)snprintf(ret->why, sizeof(ret->why), "%s",
		       !tool		  ? "the policy says nothing about it"
		       : tool->taken_away ? "the policy takes it away"
					  : "the policy narrows it");
}

/* Fragments: a policy that extends this one, with the least that would allow it. */
static json_t *extend(const struct policy *policy, const char *section, json_t *value)
{
	return json_pack("{ss so}", "extends", policy->name, section, value);
}

json_t *query_remedy_call(const struct query *ask, const struct call *call,
			  const char **ret_pointer)
{
	const struct policy *policy = ask->plan->policy;
	struct policy_origin rule;
	const char *list;

	if (call->number >= 0 || syscalls_never(call->name) || find_name(&policy->deny, call->name))
		return NULL;
	if (!granted_by(policy, call->name, &list)) {
		*ret_pointer = "/syscalls/allow";
		return extend(policy, "syscalls", json_pack("{s[s]}", "allow", call->name));
	}
	if (strcmp(call->name, "socket") != 0)
		return NULL; /* arguments are bound whatever the policy says */
	for (size_t i = 0; i < 4; i++) {
		static const struct {
			uint64_t family;
			const char *name;
			bool net;
		} rows[] = {{1, "unix", false},
			    {2, "inet", true},
			    {10, "inet6", true},
			    {16, "netlink-route", false}};

		if ((call->args[0] & UINT32_MAX) != rows[i].family)
			continue;
		if (rows[i].net && query_net(ask, &rule) == IMAGE_NET_NONE) {
			*ret_pointer = "/network/mode";
			return json_pack("{ss s{ss} s{s[s]}}", "extends", policy->name, "network",
					 "mode", "loopback", "syscalls", "sockets", rows[i].name);
		}
		if (find_name(&policy->sockets, rows[i].name))
			return NULL; /* the type or protocol, which no policy chooses */
		*ret_pointer = "/syscalls/sockets";
		return extend(policy, "syscalls", json_pack("{s[s]}", "sockets", rows[i].name));
	}
	return NULL;
}

json_t *query_remedy_host(const struct query *ask, const char *text, const char **ret_pointer)
{
	struct host host;
	const char *family;

	if (parse_host(text, &host, NULL) < 0 || !host.loopback)
		return NULL;
	family = host.kind == HOST_V6 ? "inet6" : "inet";
	*ret_pointer = "/network/mode";
	if (ask->plan->policy->network.value != IMAGE_NET_NONE)
		*ret_pointer = "/syscalls/sockets";
	return json_pack("{ss s{ss} s{s[s]}}", "extends", ask->plan->policy->name, "network",
			 "mode", "loopback", "syscalls", "sockets", family);
}

const struct policy_name *query_final(const struct policy *policy, const char *pointer)
{
	for (size_t i = 0; i < policy->finals.n; i++) {
		const char *fixed = policy->finals.at[i].name;
		size_t len = strlen(fixed);

		if (strncmp(pointer, fixed, len) == 0 &&
		    (pointer[len] == '\0' || pointer[len] == '/'))
			return &policy->finals.at[i];
	}
	return NULL;
}
