/*
 * Theory of operation: names are part of the result object, so they are compared as texts, and
 * every number has to have one.
 */
#include "wire/frame.h"

#include <criterion/criterion.h>
#include <string.h>

Test(frame, every_cause_has_a_name_of_its_own)
{
	for (uint32_t i = 0; i < FRAME_CAUSE_N; i++) {
		cr_assert_not_null(frame_cause_name(i), "cause %u", i);
		for (uint32_t j = 0; j < i; j++)
			cr_assert_str_neq(frame_cause_name(i), frame_cause_name(j), "cause %u", i);
	}
	cr_assert_null(frame_cause_name(FRAME_CAUSE_N));
	cr_assert_null(frame_cause_name(UINT32_MAX));
}

Test(frame, causes_have_the_words_of_the_result_object)
{
	cr_assert_str_eq(frame_cause_name(FRAME_CAUSE_EXIT), "exit");
	cr_assert_str_eq(frame_cause_name(FRAME_CAUSE_WALL_LIMIT), "wall_limit");
	cr_assert_str_eq(frame_cause_name(FRAME_CAUSE_CANCELLED), "cancelled");
	cr_assert_str_eq(frame_cause_name(FRAME_CAUSE_LAUNCHER_ERROR), "launcher_error");
}

Test(frame, every_single_layer_bit_has_a_name_and_nothing_else_has)
{
	for (uint32_t i = 0; i < 32; i++) {
		uint32_t bit = 1U << i;

		if (bit & FRAME_LAYER_ALL)
			cr_assert_not_null(frame_layer_name(bit), "bit %u", i);
		else
			cr_assert_null(frame_layer_name(bit), "bit %u", i);
	}
	cr_assert_null(frame_layer_name(0));
	cr_assert_null(frame_layer_name(FRAME_LAYER_SECCOMP | FRAME_LAYER_LANDLOCK));
	cr_assert_str_eq(frame_layer_name(FRAME_LAYER_NS_USER), "namespace:user");
	cr_assert_str_eq(frame_layer_name(FRAME_LAYER_CGROUP_IO), "cgroup:io");
	cr_assert_str_eq(frame_layer_name(FRAME_LAYER_CAPABILITIES), "capabilities");
}

Test(frame, workspaces_have_the_words_of_the_result_object)
{
	for (uint32_t i = 0; i < FRAME_WORKSPACE_N; i++)
		cr_assert_not_null(frame_workspace_name(i), "workspace %u", i);
	cr_assert_null(frame_workspace_name(FRAME_WORKSPACE_N));
	cr_assert_null(frame_workspace_name(UINT32_MAX));
	cr_assert_str_eq(frame_workspace_name(FRAME_WORKSPACE_NONE), "none");
	cr_assert_str_eq(frame_workspace_name(FRAME_WORKSPACE_OVERLAY), "overlay");
	cr_assert_str_eq(frame_workspace_name(FRAME_WORKSPACE_OVERLAY_MEMORY), "overlay in memory");
}
