/*
 * Theory of operation: one object out of a report of the launcher and what the broker saw. Numbers
 * that nobody measured are null and never 0. Text that came from elsewhere is made safe before
 * jansson sees it, as jansson refuses malformed UTF-8 and a result must never fail for that.
 */
#include "broker/result.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

#define NAMESPACE_PREFIX "namespace:"

/* By cause; exit depends on the code. */
static const char *const statuses[] = {
	[FRAME_CAUSE_EXIT] = "ok",
	[FRAME_CAUSE_SIGNAL] = "failed",
	[FRAME_CAUSE_WALL_LIMIT] = "stopped",
	[FRAME_CAUSE_CPU_LIMIT] = "stopped",
	[FRAME_CAUSE_MEMORY_LIMIT] = "stopped",
	[FRAME_CAUSE_PROCESS_LIMIT] = "stopped",
	[FRAME_CAUSE_DISK_LIMIT] = "stopped",
	[FRAME_CAUSE_OUTPUT_LIMIT] = "stopped",
	[FRAME_CAUSE_CANCELLED] = "stopped",
	[FRAME_CAUSE_POLICY] = "refused",
	[FRAME_CAUSE_LAUNCHER_ERROR] = "error",
};
static_assert(ARRAY_SIZE(statuses) == FRAME_CAUSE_N, "every cause has a status");

void result_ended_init(struct frame_ended *ended)
{
	*ended = (struct frame_ended){
		.head = {FRAME_ENDED, sizeof(*ended), 0},
		.exit_code = -1,
		.usage = {.memory_peak_bytes = UINT64_MAX, .processes_peak = UINT64_MAX},
	};
}

bool result_exec_failed(const struct frame_ended *ended)
{
	return ended->cause == FRAME_CAUSE_EXIT && ended->error_num != 0 &&
	       (ended->exit_code == 126 || ended->exit_code == 127);
}

const char *result_status(const struct frame_ended *ended, bool digest_denies)
{
	if (ended->cause >= FRAME_CAUSE_N || result_exec_failed(ended))
		return "error";
	if (ended->cause == FRAME_CAUSE_EXIT && (ended->exit_code != 0 || digest_denies))
		return "failed";
	return statuses[ended->cause];
}

const char *result_signal_name(int number, char *buffer, size_t cap)
{
	const char *name = number > 0 ? sigabbrev_np(number) : NULL;

	if (number <= 0)
		return NULL;
	if (name)
		(void)snprintf(buffer, cap, "SIG%s", name);
	else
		(void)snprintf(buffer, cap, "SIG%d", number);
	return buffer;
}

json_t *result_safe_string(const char *text)
{
	struct buf safe = {0};
	json_t *string = NULL;

	if (text_append_safe(&safe, text, strlen(text)) == 0)
		string = json_stringn(safe.data ? safe.data : "", safe.len);
	buf_fini(&safe);
	return string;
}

static json_t *string_or_null(const char *text)
{
	return text ? result_safe_string(text) : json_null();
}

/* json_int_t is signed: what does not fit is as good as without limit. */
static json_t *count_or_null(uint64_t n, uint64_t unknown)
{
	return n == unknown ? json_null() : json_integer((json_int_t)MIN(n, (uint64_t)INT64_MAX));
}

json_t *result_stream(const char *text, uint64_t bytes, bool truncated, const char *encoding,
		      const char *resource)
{
	return json_pack("{s:o, s:I, s:b, s:s, s:s?}", "text", result_safe_string(text), "bytes",
			 (json_int_t)bytes, "truncated", (int)truncated, "encoding", encoding,
			 "resource", resource);
}

static json_t *ended_json(const struct frame_ended *ended)
{
	char name[32];
	bool exited = ended->cause == FRAME_CAUSE_EXIT;
	const char *cause = frame_cause_name(ended->cause);

	return json_pack("{s:s, s:o, s:s?}", "cause", cause ? cause : "launcher_error", "exit_code",
			 exited ? json_integer(ended->exit_code) : json_null(), "signal",
			 result_signal_name(ended->signal, name, sizeof(name)));
}

static double ms(uint64_t us)
{
	return (double)us / 1000.0;
}

static json_t *usage_json(const struct frame_usage *u)
{
	return json_pack("{s:f, s:f, s:f, s:o, s:o, s:o, s:o}", "wall_ms", ms(u->wall_us),
			 "user_ms", ms(u->user_us), "system_ms", ms(u->system_us),
			 "memory_peak_bytes", count_or_null(u->memory_peak_bytes, UINT64_MAX),
			 "processes_peak", count_or_null(u->processes_peak, UINT64_MAX),
			 "read_bytes", count_or_null(u->read_bytes, UINT64_MAX), "written_bytes",
			 count_or_null(u->written_bytes, UINT64_MAX));
}

static json_t *limits_json(const struct image_limits *l)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "wall_ms",
			 count_or_null(l->wall_ms, 0), "cpu_ms", count_or_null(l->cpu_ms, 0),
			 "memory_bytes", count_or_null(l->memory_bytes, 0), "processes",
			 count_or_null(l->processes, 0), "open_files",
			 count_or_null(l->open_files, 0), "file_bytes",
			 count_or_null(l->file_bytes, 0), "output_bytes",
			 count_or_null(l->output_bytes, 0), "cpu_permille",
			 count_or_null(l->cpu_permille, 0), "io_bytes_per_s",
			 count_or_null(l->io_bytes_per_s, 0), "session_bytes",
			 count_or_null(l->session_bytes, 0), "session_files",
			 count_or_null(l->session_files, 0));
}

/* Names of the bits of @layers; those with @prefix without it, or those without it. */
static json_t *layers_json(uint32_t layers, const char *prefix)
{
	json_t *out = json_array();
	size_t skip = prefix ? strlen(prefix) : 0;

	for (uint32_t bit = 1; out && bit <= FRAME_LAYER_ALL; bit <<= 1) {
		const char *name = layers & bit ? frame_layer_name(bit) : NULL;

		if (!name || (prefix && strncmp(name, prefix, skip) != 0))
			continue;
		if (json_array_append_new(out, json_string(name + skip)) < 0) {
			json_decref(out);
			return NULL;
		}
	}
	return out;
}

static const char *cgroup_name(const struct frame_ready *ready, uint32_t layers)
{
	const uint32_t any = FRAME_LAYER_CGROUP_MEMORY | FRAME_LAYER_CGROUP_PIDS |
			     FRAME_LAYER_CGROUP_CPU | FRAME_LAYER_CGROUP_IO;

	if (!(layers & any))
		return NULL;
	return ready->cgroup_version == 1 ? "v1" : "v2";
}

/* What the tool alone has seen where init looked less closely; "denials": [] says nothing about it. */
static const struct {
	uint32_t below; /* enum image_observe */
	const char *what;
} unrecorded[] = {
	{IMAGE_OBSERVE_REFUSED, "denials:syscalls"},
	{IMAGE_OBSERVE_WRITES, "denials:writes"},
	{IMAGE_OBSERVE_OPENS, "denials:reads"},
	{IMAGE_OBSERVE_LOOKUPS, "denials:lookups"},
};

static json_t *missing_json(const struct result_source *s)
{
	json_t *out = layers_json(s->ended->missing, NULL);
	bool ran = s->ended->layers != 0;
	int r = out ? 0 : -1;

	if (r == 0 && s->changes_missing)
		r = json_array_append_new(out, json_string("changes"));
	for (size_t i = 0; r == 0 && ran && i < ARRAY_SIZE(unrecorded); i++)
		if (s->observed < unrecorded[i].below)
			r = json_array_append_new(out, json_string(unrecorded[i].what));
	if (r == 0 && s->unseen)
		r = json_array_append_new(out, json_string("denials:hidden_processes"));
	if (r == 0 && s->dropped)
		r = json_array_append_new(out, json_string("denials:beyond_64"));
	if (r == 0)
		return out;
	json_decref(out);
	return NULL;
}

static const char *const observe_names[] = {
	[IMAGE_OBSERVE_NOTHING] = "nothing", [IMAGE_OBSERVE_REFUSED] = "refused",
	[IMAGE_OBSERVE_WRITES] = "writes",   [IMAGE_OBSERVE_OPENS] = "opens",
	[IMAGE_OBSERVE_LOOKUPS] = "lookups",
};
static_assert(ARRAY_SIZE(observe_names) == IMAGE_OBSERVE_N, "every level has a name");

static json_t *enforced_json(const struct result_source *s)
{
	const struct frame_ended *ended = s->ended;
	const struct frame_ready *ready = s->ready;
	const char *workspace = frame_workspace_name(ended->workspace);
	uint32_t layers = ended->layers;
	bool landlock = layers & FRAME_LAYER_LANDLOCK;

	return json_pack("{s:s, s:o, s:b, s:i, s:s?, s:b, s:s, s:s?, s:s, s:o}", "mode",
			 ready->root_mode ? "root" : "rootless", "namespaces",
			 layers_json(layers, NAMESPACE_PREFIX), "seccomp",
			 (layers & FRAME_LAYER_SECCOMP) != 0, "landlock_abi",
			 landlock ? (int)ready->landlock_abi : 0, "cgroup",
			 cgroup_name(ready, layers), "private_uid",
			 (layers & FRAME_LAYER_PRIVATE_UID) != 0, "workspace",
			 workspace ? workspace : "none", "session", s->session, "observed",
			 observe_names[s->observed], "missing", missing_json(s));
}

json_t *result_new(const struct result_source *s)
{
	/* A NULL among the "o" values makes json_pack fail and free the others. */
	return json_pack(
		"{s:s, s:o, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o,"
		" s:o, s:o, s:o}",
		"schema", "toolcell.result/1", "call", result_safe_string(s->call), "agent",
		string_or_null(s->agent), "tool", result_safe_string(s->tool), "policy", s->policy,
		"status", s->status, "ended", ended_json(s->ended), "stdout", s->out, "stderr",
		s->err, "data", s->data ? s->data : json_null(), "data_error",
		string_or_null(s->data_error), "error", string_or_null(s->error), "usage",
		usage_json(&s->ended->usage), "limits", limits_json(&s->ended->limits), "denials",
		s->denials, "granted", s->granted ? s->granted : json_array(), "changes",
		s->changes ? s->changes : json_null(), "enforced", enforced_json(s));
}
