/*
 * Theory of operation: any bytes as a call plan; what decodes is walked to the end of every string.
 */
#include "wire/plan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan plan;
	struct err err = {0};

	if (plan_decode(data, size, &plan, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	if (!plan.argv[0] || plan.cwd[0] != '/')
		abort();
	for (char **p = plan.argv; *p; p++)
		if (strlen(*p) > size)
			abort();
	for (char **p = plan.envp; *p; p++)
		if (!strchr(*p, '='))
			abort();
	plan_fini(&plan);
	return 0;
}
