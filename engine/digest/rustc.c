/*
 * Theory of operation: rustc with --error-format=json writes one object per line to standard error,
 * told apart by "$message_type" (absent before 1.77). Lines that are none are rustc's words before
 * the format was in force (a bad option, a file that is not there).
 */
#include <errno.h>
#include <string.h>

#include "digest/parse.h"

static void add_artifact(struct digest *d, json_t *message)
{
	json_t *item = json_object();

	value_put(d, item, "file", value_path(d, d->cwd, value_get_string(message, "artifact")));
	value_put(d, item, "kind", value_get_text(d, message, "emit", 64));
	(void)value_keep(d, d->artifacts, DIGEST_ARTIFACTS_MAX, item);
}

static void add_future(struct digest *d, json_t *message)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(message, "future_incompat_report"), i, item)
		diagnostic_add(d, json_object_get(item, "diagnostic"), NULL);
}

static void add_diagnostic(struct digest *d, json_t *message)
{
	diagnostic_add(d, message, NULL);
}

static const struct {
	const char *type;
	void (*take)(struct digest *d, json_t *message);
} types[] = {
	{"diagnostic", add_diagnostic},
	{"artifact", add_artifact},
	{"future_incompat", add_future},
};

void rustc_line(struct digest *d, enum digest_stream stream, const char *line, size_t len)
{
	json_t *message;
	const char *type;

	if (stream != DIGEST_STDERR)
		return;
	if (text_starts(line, len, "error")) {
		(void)diagnostic_add_text(d, "error", "rustc", line, len);
		return;
	}
	if (!text_starts(line, len, "{"))
		return;
	message = value_parse(d, line, len);
	type = value_get_string(message, "$message_type");
	if (type[0] == '\0')
		type = json_object_get(message, "artifact") ? "artifact" : "diagnostic";
	for (size_t i = 0; i < ARRAY_SIZE(types) && message; i++)
		if (strcmp(types[i].type, type) == 0)
			types[i].take(d, message);
	json_decref(message);
}

void rustc_finish(struct digest *d, struct reply *reply)
{
	value_put(d, reply->data, "success",
		  d->exit_known ? json_boolean(d->exit_success) : json_null());
	diagnostic_fill(d, reply->data);
	value_put(d, reply->data, "artifacts", json_incref(d->artifacts));
	report_summary(d, &reply->text, d->exit_success, NULL);
	report_diagnostics(d, &reply->text);
}
