/*
 * Theory of operation: a row per limit says how to see in a report that it was met, which numbers
 * belong to it, and what to do. A limit may be met without ending the call: a fork that failed in a
 * tool which went on, a child of cargo's that was killed for memory. The driver is told of these too,
 * because what they break looks like a bug of the code otherwise.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "broker/state.h"

static const struct limit_row {
	uint32_t cause;	 /* that says so by itself */
	int signal;	 /* ... or that the tool died of; 0: none */
	size_t count_at; /* ... or that counts in frame_usage; SIZE_MAX: none */
	size_t value_at; /* in image_limits; SIZE_MAX: none */
	size_t use_at;	 /* in frame_usage; SIZE_MAX: none */
	uint64_t use_divisor;
	const char *operation;
	const char *object;
	const char *errno_name;
	const char *pointer; /* into the policy */
	const char *remedy;
} rows[] = {
	{FRAME_CAUSE_WALL_LIMIT, 0, SIZE_MAX, offsetof(struct image_limits, wall_ms),
	 offsetof(struct frame_usage, wall_us), 1000, "run", "wall time", NULL, "limits/wall",
	 "do less in one call, or raise limits.wall in the policy"},
	{FRAME_CAUSE_CPU_LIMIT, SIGXCPU, SIZE_MAX, offsetof(struct image_limits, cpu_ms), SIZE_MAX,
	 1, "run", "cpu time", NULL, "limits/cpu",
	 "do less in one call, or raise limits.cpu in the policy"},
	{FRAME_CAUSE_MEMORY_LIMIT, 0, offsetof(struct frame_usage, oom_kills),
	 offsetof(struct image_limits, memory_bytes),
	 offsetof(struct frame_usage, memory_peak_bytes), 1, "use memory", "memory", "ENOMEM",
	 "limits/memory",
	 "use less memory (fewer parallel jobs), or raise limits.memory in the policy"},
	{FRAME_CAUSE_PROCESS_LIMIT, 0, offsetof(struct frame_usage, processes_refused),
	 offsetof(struct image_limits, processes), offsetof(struct frame_usage, processes_peak), 1,
	 "start a process", "processes", "EAGAIN", "limits/processes",
	 "start fewer processes and threads at once, or raise limits.processes in the policy"},
	{FRAME_CAUSE_OUTPUT_LIMIT, 0, SIZE_MAX, offsetof(struct image_limits, output_bytes),
	 SIZE_MAX, 1, "write to stdout or stderr", "output", NULL, "limits/output",
	 "print less or write to a file, or raise limits.output in the policy"},
	{FRAME_CAUSE_DISK_LIMIT, SIGXFSZ, SIZE_MAX, offsetof(struct image_limits, file_bytes),
	 SIZE_MAX, 1, "write a file", "file size", "EFBIG", "limits/file_size",
	 "write smaller files, or raise limits.file_size in the policy"},
};

json_t *denial_new(const char *layer, const char *operation, const char *object,
		   const char *errno_name, const char *rule, const char *remedy)
{
	return json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s?}", "layer", layer, "operation",
			 operation, "object", object, "errno", errno_name, "rule", rule, "remedy",
			 remedy);
}

int denial_line(struct buf *out, const char *text)
{
	struct buf safe = {.cap = out->cap};
	int r = text_append_safe(&safe, text, strlen(text));

	/* Of the control characters these two are left: a reader shall not take one line for two. */
	for (size_t i = 0; i < safe.len && r == 0; i++) {
		char c = safe.data[i];

		r = c == '\n'	? buf_puts(out, "\\n")
		    : c == '\t' ? buf_puts(out, "\\t")
				: buf_append(out, &c, 1);
	}
	buf_fini(&safe);
	return r;
}

static uint64_t field(const void *record, size_t at)
{
	uint64_t value;

	memcpy(&value, (const char *)record + at, sizeof(value));
	return value;
}

static uint64_t count_of(const struct limit_row *row, const struct frame_ended *ended)
{
	uint64_t count = row->count_at == SIZE_MAX ? 0 : field(&ended->usage, row->count_at);

	if (count > 0 && count != UINT64_MAX)
		return count;
	if (ended->cause == row->cause)
		return 1;
	return row->signal != 0 && ended->cause == FRAME_CAUSE_SIGNAL &&
	       ended->signal == row->signal;
}

static json_t *number(uint64_t value)
{
	return value == UINT64_MAX ? json_null()
				   : json_integer((json_int_t)MIN(value, (uint64_t)INT64_MAX));
}

static uint64_t use_of(const struct limit_row *row, const struct frame_ended *ended,
		       uint64_t output)
{
	if (row->cause == FRAME_CAUSE_OUTPUT_LIMIT)
		return output;
	if (row->cause == FRAME_CAUSE_CPU_LIMIT)
		return (ended->usage.user_us + ended->usage.system_us) / 1000;
	if (row->use_at == SIZE_MAX)
		return UINT64_MAX;
	if (field(&ended->usage, row->use_at) == UINT64_MAX)
		return UINT64_MAX;
	return field(&ended->usage, row->use_at) / row->use_divisor;
}

static json_t *limit_denial(const struct limit_row *row, const struct frame_ended *ended,
			    const char *policy, bool asked, uint64_t output, uint64_t count)
{
	uint64_t value = row->value_at == SIZE_MAX ? UINT64_MAX
						   : field(&ended->limits, row->value_at);
	char rule[256];
	json_t *denial;
	json_t *numbers;

	(void)snprintf(rule, sizeof(rule), "policies/%s.json#/%s", policy, row->pointer);
	denial = denial_new("limit", row->operation, row->object, row->errno_name,
			    asked ? "the call's own timeout" : rule,
			    asked ? "ask for a longer timeout, or do less in one call"
				  : row->remedy);
	numbers = json_pack("{s:o, s:o, s:o}", "count", number(count), "value", number(value),
			    "use", number(use_of(row, ended, output)));
	if (!denial || !numbers || json_object_update(denial, numbers) < 0) {
		json_decref(denial);
		denial = NULL;
	}
	json_decref(numbers);
	return denial;
}

/* Not the size of one file: what the session's layers hold together. */
static int append_quota(json_t *denials, const struct denial_source *s)
{
	char rule[256];
	json_t *denial;
	json_t *numbers;

	(void)snprintf(rule, sizeof(rule), "policies/%s.json#/limits/session_size", s->policy);
	denial = denial_new(
		"limit", "write a file", "the session's layers", "EDQUOT", rule,
		"commit or discard changes, or raise limits.session_size (limits.session_files) "
		"in the policy");
	numbers = json_pack("{s:o}", "value", number(s->ended->limits.session_bytes));
	if (!denial || !numbers || json_object_update(denial, numbers) < 0) {
		json_decref(denial);
		denial = NULL;
	}
	json_decref(numbers);
	return json_array_append_new(denials, denial);
}

/* The filter answers with an error where a tool can cope; a call that no tool needs kills. */
static int append_seccomp(json_t *denials, const struct frame_ended *ended, const char *policy)
{
	char rule[256];

	if (ended->cause != FRAME_CAUSE_SIGNAL || ended->signal != SIGSYS)
		return 0;
	(void)snprintf(rule, sizeof(rule), "policies/%s.json#/syscalls", policy);
	return json_array_append_new(
		denials, denial_new("seccomp", "system call", "a system call outside of the policy",
				    NULL, rule,
				    "find it with strace outside of toolcell; then allow it by "
				    "syscalls.allow in the policy"));
}

/* The launcher refused: something that the policy requires is not there. */
static int append_refusal(json_t *denials, const struct denial_source *s)
{
	const struct frame_ended *ended = s->ended;
	char rule[256];
	json_t *object;
	json_t *denial;

	if (ended->cause != FRAME_CAUSE_POLICY || json_array_size(denials) > 0)
		return 0;
	(void)snprintf(rule, sizeof(rule), "policies/%s.json#/%s", s->policy,
		       s->no_overlay ? "workspace/mode" : "require");
	denial = denial_new(
		"policy", "start", s->no_overlay ? "workspace" : "cell", NULL, rule,
		s->no_overlay
			? "keep sessions where layers can be kept (--sessions DIR; \"toolcell "
			  "doctor\" tries it), or say what stands in for an overlay in "
			  "workspace.fallback"
			: "run \"toolcell doctor\" to see what is missing and how to get it");
	object = json_string(ended->error_num > 0 ? strerrorname_np(ended->error_num) : NULL);
	if (denial && object && json_object_set(denial, "errno", object) < 0) {
		json_decref(denial);
		denial = NULL;
	}
	json_decref(object);
	return json_array_append_new(denials, denial);
}

int denials_append_limits(json_t *denials, const struct denial_source *s)
{
	const struct frame_ended *ended = s->ended;
	bool quota = s->over_quota && ended->cause == FRAME_CAUSE_DISK_LIMIT;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t count = count_of(&rows[i], ended);
		bool asked = s->wall_asked && rows[i].cause == FRAME_CAUSE_WALL_LIMIT;

		if (count == 0 || (quota && rows[i].cause == FRAME_CAUSE_DISK_LIMIT))
			continue;
		if (json_array_append_new(denials, limit_denial(&rows[i], ended, s->policy, asked,
								s->output_bytes, count)) < 0)
			return -ENOMEM;
	}
	if ((quota && append_quota(denials, s) < 0) ||
	    append_seccomp(denials, ended, s->policy) < 0 || append_refusal(denials, s) < 0)
		return -ENOMEM;
	return 0;
}
