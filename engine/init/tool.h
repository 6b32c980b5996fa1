/* The process that becomes the tool: from init's fork to execve. */
#ifndef TOOLCELL_INIT_TOOL_H
#define TOOLCELL_INIT_TOOL_H

#include <stdint.h>

#include "base/macros.h"
#include "wire/plan.h"
#include "wire/report.h"

struct tool_failure {
	uint32_t step; /* enum report_step */
	int32_t num;   /* positive errno */
	uint32_t arg;
};

/**
 * tool_main - walk the steps, then execute; on failure one struct tool_failure on @report
 * @report: close-on-exec pipe; its silent end is the news that exec has happened
 */
NORETURN void tool_main(const struct init_config *config, const struct image *image,
			const struct plan *plan, int report);

#endif
