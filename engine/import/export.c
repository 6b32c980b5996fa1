/*
 * Theory of operation: what both formats have no word for, found by looking at the policy, not by
 * listing it: a policy that does not use a feature loses nothing by it.
 */
#include "import/export.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "workspace/rules.h"

void export_lose(json_t *lost, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	(void)json_array_append_new(lost, json_string(text));
}

bool export_has(const struct export_source *source, const struct policy_mount *m, json_t *lost)
{
	if (policy_plan_has(source->plan, m, 0))
		return true;
	export_lose(lost, "\"ask\" of %s: nobody can be asked, so it is not there", m->target);
	return false;
}

static void lose_workspace(const struct policy *p, json_t *lost)
{
	if (p->workspace.value == POLICY_WORKSPACE_OVERLAY)
		export_lose(lost, "workspace.mode \"overlay\": no session keeps what is written; "
				  "the workspace is read-only instead");
	if (p->workspace.value != POLICY_WORKSPACE_DIRECT)
		return;
	for (size_t i = 0; i < p->protect.n; i++)
		export_lose(lost,
			    "workspace.protect \"%s\": read-only where it exists at the top of the "
			    "workspace now, and nowhere else",
			    p->protect.at[i].name);
}

void export_lose_common(const struct export_source *source, json_t *lost)
{
	const struct policy *p = source->plan->policy;
	struct image_limits limits = policy_effective_limits(p, NULL);

	export_lose(lost, "limits.wall and limits.output: nobody watches time and output");
	if (limits.cpu_ms)
		export_lose(lost, "limits.cpu: of the whole tree of processes");
	if (limits.io_bytes_per_s)
		export_lose(lost, "limits.io");
	export_lose(lost, "Landlock: the second layer below the mounts");
	export_lose(lost, "a host uid of its own for each cell, where toolcell runs as root");
	export_lose(lost, "explanations: a refusal is an errno and nothing more");
	for (size_t i = 0; i < p->n_tools; i++)
		export_lose(lost, "tools.%s: tools are not told apart", p->tools[i].name);
	lose_workspace(p, lost);
}

int export_protected(const struct export_source *source, int (*take)(void *ctx, const char *path),
		     void *ctx, struct err *err)
{
	struct rules *rules = malloc(sizeof(*rules));
	int r;

	if (!rules)
		return err_set(err, ENOMEM, "cannot read the rules");
	r = rules_parse(source->plan->rules, rules, err);
	for (size_t i = 0; r == 0 && i < rules->n; i++) {
		const char *path = NULL;
		size_t len = rule_literal(&rules->rules[i], &path);
		struct stat st;
		char *whole = NULL;

		if (len == 0 || rules->rules[i].type == 'S')
			continue;
		if (asprintf(&whole, "%s/%.*s", source->workspace, (int)len, path) < 0) {
			r = err_set(err, ENOMEM, "cannot read the rules");
			break;
		}
		if (lstat(whole, &st) == 0 && !S_ISLNK(st.st_mode) &&
		    !(rules->rules[i].type == 'F' && S_ISDIR(st.st_mode)))
			r = take(ctx, whole);
		free(whole);
	}
	free(rules);
	return r;
}
