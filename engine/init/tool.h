/* The process that becomes the tool: from init's fork to execve. */
#ifndef TOOLCELL_INIT_TOOL_H
#define TOOLCELL_INIT_TOOL_H

#include <stdbool.h>
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
 * @watch:  install the cell's watched program and send its listener on @report, with a struct tool_failure
 *	    of STEP_NONE; where the kernel has none to give, the strict program and no such message
 * @report: close-on-exec SOCK_SEQPACKET; its end is the news that exec has happened
 */
NORETURN void tool_main(const struct init_config *config, const struct image *image,
			const struct plan *plan, bool watch, int report);

#endif
