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
#include "broker/denial.h"

#define SHELL_SIGNAL_BASE 128

static const struct limit_row {
	uint32_t cause;	 /* that says so by itself */
	int signal;	 /* ... or that the tool died of, or its child; 0: none */
	size_t count_at; /* ... or that counts in frame_usage; SIZE_MAX: none */
	size_t value_at; /* in image_limits; SIZE_MAX: none */
	size_t use_at;	 /* in frame_usage; SIZE_MAX: none */
	uint64_t use_divisor;
	const char *operation;
	const char *object;
	const char *errno_name;
	const char *pointer; /* into the policy */
	enum { LIMIT_COUNT, LIMIT_MS, LIMIT_BYTES } unit;
	const char *remedy;
} rows[] = {
	{FRAME_CAUSE_WALL_LIMIT, 0, SIZE_MAX, offsetof(struct image_limits, wall_ms),
	 offsetof(struct frame_usage, wall_us), 1000, "run", "wall time", NULL, "limits/wall",
	 LIMIT_MS, "do less in one call, or raise limits.wall in the policy"},
	{FRAME_CAUSE_CPU_LIMIT, SIGXCPU, SIZE_MAX, offsetof(struct image_limits, cpu_ms), SIZE_MAX,
	 1, "run", "cpu time", NULL, "limits/cpu", LIMIT_MS,
	 "do less in one call, or raise limits.cpu in the policy"},
	{FRAME_CAUSE_MEMORY_LIMIT, 0, offsetof(struct frame_usage, oom_kills),
	 offsetof(struct image_limits, memory_bytes),
	 offsetof(struct frame_usage, memory_peak_bytes), 1, "use memory", "memory", "ENOMEM",
	 "limits/memory", LIMIT_BYTES,
	 "use less memory (fewer parallel jobs), or raise limits.memory in the policy"},
	{FRAME_CAUSE_PROCESS_LIMIT, 0, offsetof(struct frame_usage, processes_refused),
	 offsetof(struct image_limits, processes), offsetof(struct frame_usage, processes_peak), 1,
	 "start a process", "processes", "EAGAIN", "limits/processes", LIMIT_COUNT,
	 "start fewer processes and threads at once, or raise limits.processes in the policy"},
	{FRAME_CAUSE_OUTPUT_LIMIT, 0, SIZE_MAX, offsetof(struct image_limits, output_bytes),
	 SIZE_MAX, 1, "write to stdout or stderr", "output", NULL, "limits/output", LIMIT_BYTES,
	 "print less or write to a file, or raise limits.output in the policy"},
	{FRAME_CAUSE_DISK_LIMIT, SIGXFSZ, SIZE_MAX, offsetof(struct image_limits, file_bytes),
	 SIZE_MAX, 1, "write a file", "file size", "EFBIG", "limits/file_size", LIMIT_BYTES,
	 "write smaller files, or raise limits.file_size in the policy"},
};

static json_t *number(uint64_t value)
{
	return value == DENIAL_UNKNOWN ? json_null()
				       : json_integer((json_int_t)MIN(value, (uint64_t)INT64_MAX));
}

static json_t *process_json(const struct denial *d)
{
	if (!d->process)
		return json_null();
	return json_pack("{s:s, s:o}", "name", d->process, "pid",
			 number(d->pid ? d->pid : DENIAL_UNKNOWN));
}

json_t *denial_make(const struct denial *d)
{
	json_t *first = d->first_us == DENIAL_UNKNOWN ? json_null()
						      : json_real((double)d->first_us / 1000.0);
	json_t *json = json_pack("{s:s, s:s, s:s, s:s?, s:o, s:o, s:o, s:s?, s:s?, s:o, s:b, s:s}",
				 "layer", d->layer, "operation", d->operation, "object", d->object,
				 "errno", d->errno_name, "process", process_json(d), "count",
				 number(d->count ? d->count : 1), "first_ms", first, "rule",
				 d->rule, "remedy", d->remedy, "fragment",
				 d->fragment ? d->fragment : json_null(), "open", (int)d->open,
				 "relevance", "possible");

	if (json && d->limited &&
	    (json_object_set_new(json, "value", number(d->value)) < 0 ||
	     json_object_set_new(json, "use", number(d->use)) < 0)) {
		json_decref(json);
		return NULL;
	}
	return json;
}

json_t *denial_new(const char *layer, const char *operation, const char *object,
		   const char *errno_name, const char *rule, const char *remedy)
{
	return denial_make(&(struct denial){.layer = layer,
					    .operation = operation,
					    .object = object,
					    .errno_name = errno_name,
					    .rule = rule,
					    .remedy = remedy,
					    .first_us = DENIAL_UNKNOWN});
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

/*
 * Of a signal, or with what a shell says of a program of its own that did (POSIX, XCU 2.8.2; bash and dash:
 * 128 and the signal): init sees only the end of the shell.
 */
static bool died_of(const struct frame_ended *ended, int signal)
{
	if (ended->cause == FRAME_CAUSE_EXIT)
		return ended->exit_code == SHELL_SIGNAL_BASE + signal;
	return ended->cause == FRAME_CAUSE_SIGNAL && ended->signal == signal;
}

static uint64_t count_of(const struct limit_row *row, const struct frame_ended *ended)
{
	uint64_t count = row->count_at == SIZE_MAX ? 0 : field(&ended->usage, row->count_at);

	if (count > 0 && count != UINT64_MAX)
		return count;
	if (ended->cause == row->cause)
		return 1;
	return row->signal != 0 && died_of(ended, row->signal);
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

/* {"limits": {"memory": "8388608KiB"}}: twice as much as was too little; nobody knows how much is enough. */
static json_t *raise_fragment(const struct limit_row *row, uint64_t value)
{
	const char *key = strchr(row->pointer, '/') + 1;
	char text[32];

	if (value > (uint64_t)INT64_MAX / 2 - 1024)
		return NULL;
	if (row->unit == LIMIT_COUNT)
		return json_pack("{s:{s:I}}", "limits", key, (json_int_t)value * 2);
	(void)snprintf(text, sizeof(text), "%" PRIu64 "%s",
		       row->unit == LIMIT_MS ? value * 2 : (value * 2 + 1023) / 1024,
		       row->unit == LIMIT_MS ? "ms" : "KiB");
	return json_pack("{s:{s:s}}", "limits", key, text);
}

static json_t *limit_denial(const struct limit_row *row, const struct denial_source *s, bool asked,
			    uint64_t count)
{
	uint64_t value = row->value_at == SIZE_MAX ? DENIAL_UNKNOWN
						   : field(&s->ended->limits, row->value_at);
	char rule[ORIGINS_TEXT_BYTES];
	char pointer[64];

	(void)snprintf(pointer, sizeof(pointer), "/%s", row->pointer);
	return denial_make(&(struct denial){
		.layer = "limit",
		.operation = row->operation,
		.object = row->object,
		.errno_name = row->errno_name,
		.rule = asked ? "the call's own timeout"
			      : origins_at(&s->origins, row->pointer, rule),
		.remedy = asked ? "ask for a longer timeout, or do less in one call" : row->remedy,
		.fragment = asked ? NULL : raise_fragment(row, value),
		.open = !asked && origins_are_open(&s->origins, pointer),
		.count = count,
		.first_us = DENIAL_UNKNOWN,
		.limited = true,
		.value = value,
		.use = use_of(row, s->ended, s->output_bytes),
	});
}

/* Not the size of one file: what the session's layers hold together. */
static int append_quota(json_t *denials, const struct denial_source *s)
{
	char rule[ORIGINS_TEXT_BYTES];

	return json_array_append_new(
		denials,
		denial_make(&(struct denial){
			.layer = "limit",
			.operation = "write a file",
			.object = "the session's layers",
			.errno_name = "EDQUOT",
			.rule = origins_at(&s->origins, "limits/session_size", rule),
			.remedy = "commit or discard changes, or raise limits.session_size "
				  "(limits.session_files) in the policy",
			.open = origins_are_open(&s->origins, "/limits/session_size"),
			.first_us = DENIAL_UNKNOWN,
			.limited = true,
			.value = s->ended->limits.session_bytes,
			.use = DENIAL_UNKNOWN,
		}));
}

/* The filter answers with an error where a tool can cope; a wrong architecture kills. */
static int append_seccomp(json_t *denials, const struct denial_source *s)
{
	char rule[ORIGINS_TEXT_BYTES];

	if (s->ended->cause != FRAME_CAUSE_SIGNAL || s->ended->signal != SIGSYS)
		return 0;
	return json_array_append_new(
		denials,
		denial_new("seccomp", "system call", "a system call of another architecture", NULL,
			   origins_at(&s->origins, "syscalls", rule),
			   "no policy allows 32-bit and x32 programs: build it for this machine's "
			   "own architecture"));
}

/* The launcher refused: something that the policy requires is not there. */
static int append_refusal(json_t *denials, const struct denial_source *s)
{
	const struct frame_ended *ended = s->ended;
	char rule[ORIGINS_TEXT_BYTES];

	if (ended->cause != FRAME_CAUSE_POLICY || json_array_size(denials) > 0)
		return 0;
	return json_array_append_new(
		denials,
		denial_new(
			"policy", "start", s->no_overlay ? "workspace" : "cell",
			ended->error_num > 0 ? strerrorname_np(ended->error_num) : NULL,
			origins_at(&s->origins, s->no_overlay ? "workspace/mode" : "require", rule),
			s->no_overlay
				? "keep sessions where layers can be kept (--sessions DIR; "
				  "\"toolcell doctor\" tries it), or say what stands in for an "
				  "overlay in workspace.fallback"
				: "run \"toolcell doctor\" to see what is missing and how to get "
				  "it"));
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
		if (json_array_append_new(denials, limit_denial(&rows[i], s, asked, count)) < 0)
			return -ENOMEM;
	}
	if ((quota && append_quota(denials, s) < 0) || append_seccomp(denials, s) < 0 ||
	    append_refusal(denials, s) < 0)
		return -ENOMEM;
	return 0;
}

static const char *relevance_of(json_t *denial, const struct frame_ended *ended, const char *status,
				bool explained)
{
	const char *layer = json_string_value(json_object_get(denial, "layer"));

	if (strcmp(status, "refused") == 0)
		return "cause";
	if (strcmp(status, "stopped") == 0 && layer && strcmp(layer, "limit") == 0)
		return ended->cause == FRAME_CAUSE_CANCELLED ? "none" : "cause";
	/* Also a program that could not be started is an error with an exit code. */
	if (strcmp(status, "failed") != 0 && ended->cause != FRAME_CAUSE_EXIT)
		return "none";
	return strcmp(status, "ok") == 0 || explained ? "none" : "possible";
}

int denials_weigh(json_t *denials, const struct frame_ended *ended, const char *status,
		  bool explained)
{
	json_t *denial;
	size_t i;

	json_array_foreach(denials, i, denial)
		if (json_object_set_new(denial, "relevance",
					json_string(relevance_of(denial, ended, status,
								 explained))) < 0)
			return -ENOMEM;
	return 0;
}
