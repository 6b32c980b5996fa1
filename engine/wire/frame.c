/*
 * Theory of operation: frames are plain structs; here are the words for their numbers, and proof at
 * compile time that every frame fits the one receive buffer and has no hidden padding.
 */
#include "wire/frame.h"

static_assert(sizeof(struct frame_head) == 16, "wire format");
static_assert(sizeof(struct frame_call) == 64, "wire format");
static_assert(sizeof(struct frame_kill) == 24, "wire format");
static_assert(sizeof(struct frame_session) == 32, "wire format");
static_assert(sizeof(struct frame_session_done) == 40 + ERR_TEXT_MAX, "wire format");
static_assert(sizeof(struct frame_session_done) <= FRAME_BYTES_MAX, "one frame, one buffer");
static_assert(sizeof(struct frame_ready) == 48 + ERR_TEXT_MAX, "wire format");
static_assert(sizeof(struct frame_ready) <= FRAME_BYTES_MAX, "one frame, one buffer");
static_assert(sizeof(struct frame_started) == 24, "wire format");
static_assert(sizeof(struct frame_ended) <= FRAME_BYTES_MAX, "one frame, one buffer");
static_assert(sizeof(struct frame_ended) == 16 + 24 + 72 + 88 + 8 + ERR_TEXT_MAX, "wire format");
static_assert(sizeof(struct frame_fatal) == 24 + ERR_TEXT_MAX, "wire format");

static const char *const cause_names[] = {
	[FRAME_CAUSE_EXIT] = "exit",
	[FRAME_CAUSE_SIGNAL] = "signal",
	[FRAME_CAUSE_WALL_LIMIT] = "wall_limit",
	[FRAME_CAUSE_CPU_LIMIT] = "cpu_limit",
	[FRAME_CAUSE_MEMORY_LIMIT] = "memory_limit",
	[FRAME_CAUSE_PROCESS_LIMIT] = "process_limit",
	[FRAME_CAUSE_DISK_LIMIT] = "disk_limit",
	[FRAME_CAUSE_OUTPUT_LIMIT] = "output_limit",
	[FRAME_CAUSE_CANCELLED] = "cancelled",
	[FRAME_CAUSE_POLICY] = "policy",
	[FRAME_CAUSE_LAUNCHER_ERROR] = "launcher_error",
};
static_assert(ARRAY_SIZE(cause_names) == FRAME_CAUSE_N, "every cause has a name");

static const char *const workspace_names[] = {
	[FRAME_WORKSPACE_NONE] = "none",
	[FRAME_WORKSPACE_READONLY] = "readonly",
	[FRAME_WORKSPACE_DIRECT] = "direct",
	[FRAME_WORKSPACE_OVERLAY] = "overlay",
	[FRAME_WORKSPACE_OVERLAY_MEMORY] = "overlay in memory",
};
static_assert(ARRAY_SIZE(workspace_names) == FRAME_WORKSPACE_N, "every workspace has a name");

/* By the number of the bit. */
static const char *const layer_names[] = {
	"namespace:user", "namespace:mnt",    "namespace:pid",	"namespace:net", "namespace:ipc",
	"namespace:uts",  "namespace:cgroup", "namespace:time", "seccomp",	 "landlock",
	"cgroup:memory",  "cgroup:pids",      "cgroup:cpu",	"cgroup:io",	 "private_uid",
	"groups",	  "keyring",	      "capabilities",
};
static_assert((1U << ARRAY_SIZE(layer_names)) - 1 == FRAME_LAYER_ALL, "every layer has a name");

const char *frame_cause_name(uint32_t cause)
{
	return cause < ARRAY_SIZE(cause_names) ? cause_names[cause] : NULL;
}

const char *frame_workspace_name(uint32_t workspace)
{
	return workspace < ARRAY_SIZE(workspace_names) ? workspace_names[workspace] : NULL;
}

const char *frame_layer_name(uint32_t bit)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(layer_names); i++)
		if (bit == 1U << i)
			return layer_names[i];
	return NULL;
}
