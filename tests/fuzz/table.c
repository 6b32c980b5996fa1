/*
 * Theory of operation: any bytes as a verdict table; what parses is held against a policy that grants a
 * little of everything, and every row must come out as passed, failed or skipped. Each line is also
 * taken for what a probe in a cell might have said, and for a system call. Errors are one line.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "policy/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char policy_text[] =
	"{\"name\": \"p\", \"workspace\": {\"mode\": \"overlay\", \"protect\": [\"**/.git\"], "
	"\"scratch\": [\"target\"]}, \"filesystem\": {\"read\": [\"/usr\"], \"tmpfs\": [{\"path\": "
	"\"/tmp\", \"size\": \"1MiB\", \"execute\": false}], \"symlinks\": [{\"path\": \"/a\", "
	"\"target\": \"/tmp/../a/b\"}, {\"path\": \"/c\", \"target\": \"usr\"}], \"proc\": "
	"\"masked\", \"devices\": [\"null\"]}, \"network\": {\"mode\": \"loopback\"}, "
	"\"syscalls\": "
	"{\"groups\": [\"base\", \"files\", \"network-unix\"], \"deny\": [\"lseek\"], \"sockets\": "
	"[\"inet\"]}, \"tools\": {\"Read\": {\"workspace\": {\"mode\": \"readonly\"}}}}";

static struct policy policy;
static struct policy_plan plan;
static struct table_run run = {.plan = &plan, .workspace = "/w/s"};

static void load(void)
{
	static const char *const dirs[] = {NULL};
	static struct policy_inputs inputs;
	int fd = -1;
	char path[64];

	if (policy.n_sources > 0)
		return;
	if (fd_memfd_sealed("policy", policy_text, sizeof(policy_text) - 1, &fd, NULL) < 0)
		abort();
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (policy_load(path, dirs, &inputs, &policy, NULL) < 0 ||
	    policy_resolve(&policy, NULL, &inputs, &plan, NULL) < 0)
		abort();
	policy_inputs_fini(&inputs);
	(void)close(fd);
}

static void need_words(const char *text)
{
	if (text[0] == '\0' || strchr(text, '\n') || strchr(text, '\033'))
		abort();
}

static void check(const struct table *table)
{
	for (size_t i = 0; i < table->n && i < 64; i++) {
		struct table_result result;
		struct err err = {0};

		if (table_check(&run, &table->rows[i], &result, &err) < 0)
			need_words(err.text);
		else if (result.outcome >= TABLE_OUTCOME_N)
			abort();
		else if (result.outcome != TABLE_PASSED)
			need_words(result.text);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct table table;
	struct err err = {0};

	load();
	if (table_parse("t", (const char *)data, size, &table, &err) < 0)
		need_words(err.text);
	else
		check(&table);
	table_fini(&table);
	return 0;
}
