/*
 * Theory of operation: answers in columns, one block for each object; below a refusal stands what
 * would allow it. The summary lists what a policy opens, by what can be done with it, strongest first.
 */
#include "policyc/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policyc/command.h"
#include "policyc/where.h"

#define BOLD "\033[1m"
#define DIM "\033[2m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define OFF "\033[0m"

static const char *colour(const char *sequence)
{
	return command_colour(sequence, false);
}

static void print_text(const char *before, const char *text)
{
	(void)printf("%s%s%s%s\n", colour(DIM), before, text, colour(OFF));
}

/* "FILE:LINE POINTER", and the files on the way from there to the policy. */
static void print_rule(json_t *rule)
{
	json_t *through = json_object_get(rule, "through");
	json_t *label;
	char text[640];
	size_t i;

	(void)printf("%s%s", colour(DIM), where_text(rule, text, sizeof(text)));
	json_array_foreach(through, i, label)
		if (i > 0)
			(void)printf(" -> %s", json_string_value(label));
	(void)printf("%s\n", colour(OFF));
}

static void print_remedy(json_t *answer)
{
	json_t *remedy = json_object_get(answer, "remedy");
	json_t *final = json_object_get(answer, "final");
	char text[640];
	char *dumped;

	if (!remedy)
		return;
	if (json_is_null(remedy)) {
		print_text("             remedy: ",
			   "none: no policy that extends this one can allow it");
		return;
	}
	dumped = where_dump(remedy);
	(void)printf("             remedy: %s\n", dumped ? dumped : "");
	free(dumped);
	if (!json_is_null(final))
		(void)printf(
			"             %sfinal: %s keeps policies that extend this one from it%s\n",
			colour(YELLOW), where_text(final, text, sizeof(text)), colour(OFF));
}

static void print_value(const char *name, json_t *value)
{
	char text[640];

	(void)printf("             %-14s %-12s %s%s%s\n", name,
		     json_string_value(json_object_get(value, "value")), colour(DIM),
		     where_text(json_object_get(value, "rule"), text, sizeof(text)), colour(OFF));
}

static void print_tool(json_t *answer)
{
	json_t *value;
	const char *name;

	if (!json_object_get(answer, "limits"))
		return;
	print_value("workspace", json_object_get(answer, "workspace"));
	print_value("network", json_object_get(answer, "network"));
	json_object_foreach(json_object_get(answer, "limits"), name, value)
		print_value(name, value);
}

static void print_answer(json_t *answer)
{
	bool allowed = json_is_true(json_object_get(answer, "allowed"));
	const char *written = json_string_value(json_object_get(answer, "written"));

	(void)printf("  %-10s %s%-10s%s %s%s%s\n",
		     json_string_value(json_object_get(answer, "operation")),
		     colour(allowed ? GREEN : RED),
		     json_string_value(json_object_get(answer, "verdict")), colour(OFF),
		     json_string_value(json_object_get(answer, "why")),
		     written ? "; what is written " : "", written ? written : "");
	(void)printf("             by ");
	print_rule(json_object_get(answer, "rule"));
	print_remedy(answer);
	print_tool(answer);
}

static void print_answers(json_t *answers)
{
	const char *last = "";
	json_t *answer;
	size_t i;

	json_array_foreach(answers, i, answer) {
		const char *object = json_string_value(json_object_get(answer, "object"));
		const char *leads = json_string_value(json_object_get(answer, "leads_to"));

		if (strcmp(object, last) != 0)
			(void)printf("%s%s %s%s%s%s\n", colour(BOLD),
				     json_string_value(json_object_get(answer, "question")), object,
				     leads ? " -> " : "", leads ? leads : "", colour(OFF));
		last = object;
		print_answer(answer);
	}
}

static void print_summary(json_t *summary)
{
	const char *title;
	json_t *list;
	json_t *one;
	char text[640];
	size_t i;

	json_object_foreach(summary, title, list) {
		(void)printf("%s%s%s\n", colour(BOLD), title, colour(OFF));
		if (json_array_size(list) == 0)
			(void)printf("  nothing\n");
		json_array_foreach(list, i, one)
			(void)printf("  %-40s %-28s %s%s%s\n",
				     json_string_value(json_object_get(one, "what")),
				     json_string_value(json_object_get(one, "value")), colour(DIM),
				     where_text(json_object_get(one, "rule"), text, sizeof(text)),
				     colour(OFF));
	}
}

void explain_print(json_t *out)
{
	json_t *label;
	size_t i;

	(void)printf("%spolicy %s%s\n", colour(BOLD),
		     json_string_value(json_object_get(out, "policy")), colour(OFF));
	json_array_foreach(json_object_get(out, "files"), i, label)
		(void)printf("  %s%s\n", i ? "extends " : "", json_string_value(label));
	print_answers(json_object_get(out, "answers"));
	print_summary(json_object_get(out, "summary"));
}

static void add_line(const struct query *ask, json_t *list, const char *what, const char *value,
		     struct policy_origin rule)
{
	(void)json_array_append_new(list, json_pack("{ss ss so}", "what", what, "value", value,
						    "rule", where_json(ask->plan->policy, rule)));
}

/* Places whose strongest use is the one of the title. */
static json_t *places_json(const struct query *ask, bool written, bool kept)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ask->plan->n_mounts; i++) {
		const struct policy_mount *m = &ask->plan->mounts[i];
		const char *target = m->target ? m->target : ask->workspace;
		struct query_answer change;
		struct query_answer run;
		struct query_place place;

		if (m->type == IMAGE_MOUNT_SYMLINK)
			continue;
		if (!target) { /* the workspace, where it is not known */
			if (written && kept == (ask->plan->policy->workspace.value !=
						POLICY_WORKSPACE_READONLY))
				add_line(ask, list, "the workspace",
					 policy_workspace_names[ask->plan->policy->workspace.value],
					 m->origin);
			continue;
		}
		if (query_place(ask, target, &place, NULL) < 0 || place.mount != m)
			continue;
		query_path(ask, &place, QUERY_WRITE, &change);
		query_path(ask, &place, QUERY_EXECUTE, &run);
		if ((change.verdict == QUERY_ALLOW) != written ||
		    (written &&
		     (change.fate == QUERY_KEPT_CALL || change.fate == QUERY_KEPT_NOWHERE) == kept))
			continue;
		add_line(ask, list, target,
			 run.verdict == QUERY_ALLOW ? "programs can be started" : "", m->origin);
	}
	return list;
}

static json_t *names_list(const struct query *ask, const struct policy_names *names)
{
	json_t *list = json_array();

	for (size_t i = 0; i < names->n; i++)
		add_line(ask, list, names->at[i].name, names->at[i].value ? names->at[i].value : "",
			 names->at[i].origin);
	return list;
}

static json_t *limits_list(const struct query *ask)
{
	const struct policy *p = ask->plan->policy;
	json_t *list = json_array();
	char text[64];

	for (size_t i = 0; i < POLICY_LIMIT_N; i++) {
		policy_limit_text((enum policy_limit)i, p->limits[i].value, text, sizeof(text));
		add_line(ask, list, policy_limit_name((enum policy_limit)i), text,
			 p->limits[i].origin);
	}
	return list;
}

static json_t *network_list(const struct query *ask)
{
	json_t *list = json_array();
	struct policy_origin rule;
	uint32_t net = query_net(ask, &rule);

	add_line(ask, list, net == IMAGE_NET_NONE ? "none" : "loopback",
		 net == IMAGE_NET_NONE ? "" : "the cell's own", rule);
	return list;
}

static json_t *tools_list(const struct query *ask)
{
	const struct policy *p = ask->plan->policy;
	json_t *list = json_array();

	for (size_t i = 0; i < p->n_tools; i++)
		add_line(ask, list, p->tools[i].name,
			 p->tools[i].taken_away ? "taken away" : "narrowed", p->tools[i].origin);
	return list;
}

json_t *explain_summary(const struct query *ask)
{
	const struct policy *p = ask->plan->policy;

	return json_pack("{so so so so so so so so so so}", "written, and it stays",
			 places_json(ask, true, true), "written, and gone after the call",
			 places_json(ask, true, false), "read only", places_json(ask, false, false),
			 "network", network_list(ask), "system calls: groups",
			 names_list(ask, &p->groups), "system calls: single",
			 names_list(ask, &p->allow), "limits", limits_list(ask),
			 "environment from outside", names_list(ask, &p->env_pass),
			 "tools with a section", tools_list(ask), "final",
			 names_list(ask, &p->finals));
}
