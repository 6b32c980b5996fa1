/*
 * Theory of operation: the half of a result that a model may be shown alone. What the tool said
 * first, as it is what was asked for; then, when it did not end well, one line on how it ended; then
 * each denial on a line with what to do about it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "broker/result.h"
#include "broker/state.h"

#define DENIALS_SHOWN_MAX 20U

static int append_duration(struct buf *out, uint64_t ms)
{
	if (ms % 1000 == 0)
		return buf_printf(out, "%" PRIu64 " s", ms / 1000);
	return buf_printf(out, "%" PRIu64 " ms", ms);
}

static int append_size(struct buf *out, uint64_t bytes)
{
	static const char *const units[] = {"bytes", "KiB", "MiB", "GiB"};
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(units) && bytes >= 1024 && bytes % 1024 == 0) {
		bytes /= 1024;
		i++;
	}
	return buf_printf(out, "%" PRIu64 " %s", bytes, units[i]);
}

static int append_count(struct buf *out, uint64_t n)
{
	return buf_printf(out, "%" PRIu64, n);
}

static const struct stop_row {
	uint32_t cause;
	const char *words;
	size_t limit_at; /* in image_limits */
	int (*append)(struct buf *out, uint64_t value);
} stops[] = {
	{FRAME_CAUSE_WALL_LIMIT, "wall limit", offsetof(struct image_limits, wall_ms),
	 append_duration},
	{FRAME_CAUSE_CPU_LIMIT, "cpu limit", offsetof(struct image_limits, cpu_ms),
	 append_duration},
	{FRAME_CAUSE_MEMORY_LIMIT, "memory limit", offsetof(struct image_limits, memory_bytes),
	 append_size},
	{FRAME_CAUSE_PROCESS_LIMIT, "limit of processes", offsetof(struct image_limits, processes),
	 append_count},
	{FRAME_CAUSE_OUTPUT_LIMIT, "output limit", offsetof(struct image_limits, output_bytes),
	 append_size},
	{FRAME_CAUSE_DISK_LIMIT, "limit of file size", offsetof(struct image_limits, file_bytes),
	 append_size},
};

static int append_stop(struct buf *out, const struct text_parts *p)
{
	const struct frame_ended *ended = p->ended;

	if (p->over_quota && ended->cause == FRAME_CAUSE_DISK_LIMIT)
		return buf_puts(out, "stopped: the session is full\n");
	for (size_t i = 0; i < ARRAY_SIZE(stops); i++) {
		uint64_t value;
		int r;

		if (stops[i].cause != ended->cause)
			continue;
		memcpy(&value, (const char *)&ended->limits + stops[i].limit_at, sizeof(value));
		r = buf_printf(out, "stopped: %s of ", stops[i].words);
		if (r == 0)
			r = stops[i].append(out, value);
		return r == 0 ? buf_puts(out, " reached\n") : r;
	}
	return buf_puts(out, "stopped: cancelled\n");
}

static int append_safe_line(struct buf *out, const char *prefix, const char *text)
{
	json_t *safe = result_safe_string(text && *text ? text : "no reason was given");
	int r = safe ? buf_printf(out, "%s%s\n", prefix, json_string_value(safe)) : -ENOMEM;

	json_decref(safe);
	return r;
}

static int append_status(struct buf *out, const struct text_parts *p)
{
	const struct frame_ended *ended = p->ended;
	char name[32];

	if (strcmp(p->status, "ok") == 0)
		return 0;
	if (strcmp(p->status, "stopped") == 0)
		return append_stop(out, p);
	if (strcmp(p->status, "refused") == 0)
		return append_safe_line(out, "refused: ", p->error);
	if (strcmp(p->status, "error") == 0)
		return append_safe_line(out, "error: ", p->error);
	if (ended->cause == FRAME_CAUSE_SIGNAL)
		return buf_printf(out, "killed by %s\n",
				  result_signal_name(ended->signal, name, sizeof(name)));
	return buf_printf(out, "exit code %d\n", ended->exit_code);
}

static int append_denial(struct buf *out, json_t *denial)
{
	const char *operation = json_string_value(json_object_get(denial, "operation"));
	const char *object = json_string_value(json_object_get(denial, "object"));
	const char *layer = json_string_value(json_object_get(denial, "layer"));
	const char *rule = json_string_value(json_object_get(denial, "rule"));
	const char *remedy = json_string_value(json_object_get(denial, "remedy"));
	json_int_t count = json_integer_value(json_object_get(denial, "count"));
	int r = buf_printf(out, "denied by %s: %s: %s", layer ? layer : "?",
			   operation ? operation : "?", object ? object : "?");

	if (r == 0 && count > 1)
		r = buf_printf(out, ", %lld times", (long long)count);

	if (r == 0 && rule)
		r = buf_printf(out, " (%s)", rule);
	if (r == 0 && remedy)
		r = buf_printf(out, "; to do: %s", remedy);
	return r == 0 ? buf_puts(out, "\n") : r;
}

/*
 * What a tool has coped with is in the object half. A limit that was met and a file that was moved aside
 * are worth a line all the same; what will not be committed has a note of its own (changes.c).
 */
static bool is_worth_a_line(json_t *denial)
{
	const char *relevance = json_string_value(json_object_get(denial, "relevance"));
	const char *layer = json_string_value(json_object_get(denial, "layer"));
	const char *operation = json_string_value(json_object_get(denial, "operation"));

	if (!layer || !operation || strcmp(operation, "commit") == 0)
		return false;
	return (relevance && strcmp(relevance, "none") != 0) || strcmp(layer, "limit") == 0 ||
	       strcmp(layer, "protected") == 0;
}

static int append_denials(struct buf *out, json_t *denials)
{
	json_t *denial;
	size_t n = 0;
	size_t i;
	int r = 0;

	json_array_foreach(denials, i, denial) {
		if (!is_worth_a_line(denial))
			continue;
		if (n++ < DENIALS_SHOWN_MAX && r == 0)
			r = append_denial(out, denial);
	}
	if (r == 0 && n > DENIALS_SHOWN_MAX)
		r = buf_printf(out, "... and %zu more denials\n", n - DENIALS_SHOWN_MAX);
	return r;
}

static int append_body(struct buf *out, const struct text_parts *p)
{
	size_t len = p->body ? strlen(p->body) : 0;
	bool ran = strcmp(p->status, "refused") != 0 && strcmp(p->status, "error") != 0;
	int r;

	if (len == 0)
		return ran ? buf_puts(out, "(no output)\n") : 0;
	r = buf_append(out, p->body, len);
	if (r == 0 && p->body[len - 1] != '\n')
		r = buf_puts(out, "\n");
	return r;
}

/*
 * Where nobody has looked at what was refused (enforced.missing says so) the tool alone has seen it, as
 * an ordinary error. A reader who does not know that tries again, or blames something else; so a failure
 * that nothing else explains says what kind of place this is.
 */
static int append_place(struct buf *out, const struct text_parts *p)
{
	if (!p->policy || strcmp(p->status, "failed") != 0 || p->recorded ||
	    json_array_size(p->denials) > 0)
		return 0;
	return buf_printf(
		out,
		"cell: %s only what policy %s grants is visible: a hidden path looks absent, "
		"a refused system call answers \"Operation not permitted\"; trying again "
		"changes neither\n",
		p->network ? "a network of its own without a way out, and" : "no network;",
		p->policy);
}

char *text_half(const struct text_parts *p)
{
	struct buf out = {0};
	int r = append_body(&out, p);

	if (r == 0)
		r = append_status(&out, p);
	if (r == 0)
		r = append_denials(&out, p->denials);
	if (r == 0 && p->granted)
		r = buf_puts(&out, p->granted);
	if (r == 0)
		r = append_place(&out, p);
	if (r == 0 && p->data_error)
		r = buf_printf(&out, "note: no structured data: %s\n", p->data_error);
	if (r == 0 && p->note)
		r = buf_printf(&out, "note: %s\n", p->note);
	if (r < 0) {
		buf_fini(&out);
		return NULL;
	}
	/* The last newline is ours or the tool's; a reader of one message needs neither. */
	if (out.len > 0 && out.data[out.len - 1] == '\n')
		out.data[--out.len] = '\0';
	return out.data ? buf_take(&out, NULL) : strdup("");
}
