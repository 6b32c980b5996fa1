/*
 * Theory of operation: how many changes a session holds is found by a walk over its layers, which tools
 * wrote; so it is made by a process of the owner's, under a time limit, and all that comes back is one
 * number in a shared page. Whoever asks can do without it.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/store.h"
#include "workspace/changes.h"
#include "workspace/rules.h"
#include "workspace/stack.h"

#define COUNT_SECONDS 2U

struct count {
	int base;
	uint32_t branch;
	const char *rules;
	volatile uint64_t *ret; /* shared with the parent */
};

static int count_one(void *ctx, const struct change *change)
{
	(void)ctx;
	(void)change;
	return 0;
}

static int count_branch(int data, const struct count *c, struct rules *rules)
{
	struct changes_totals totals = {0};
	struct stack stack;
	struct changes_source source = {.base = c->base,
					.data = data,
					.branch = &stack.branches[c->branch - 1],
					.branch_number = c->branch,
					.rules = rules};
	uint64_t n = 0;
	int r = stack_read(data, &stack, NULL);

	if (r == 0 && !source.branch->used)
		r = -ENOENT;
	if (r == 0)
		r = changes_walk(&source, count_one, NULL, &totals, NULL);
	if (r < 0)
		return r;
	for (size_t i = 0; i < CHANGE_KIND_N; i++)
		n += totals.kinds[i];
	*c->ret = n;
	return totals.complete ? 0 : -E2BIG;
}

static int count_as_owner(int data, void *ctx)
{
	const struct count *c = ctx;
	struct rules *rules = calloc(1, sizeof(*rules));
	int r = rules ? rules_parse(c->rules ? c->rules : "", rules, NULL) : -ENOMEM;

	(void)alarm(COUNT_SECONDS);
	if (r == 0)
		r = count_branch(data, c, rules);
	free(rules);
	return r;
}

int store_count(const struct store_session *session, uint32_t branch, int workspace,
		const char *rules, uint64_t *ret, struct err *err)
{
	void *page = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct count count = {.base = workspace, .branch = branch, .rules = rules, .ret = page};
	const int fds[] = {session->data, workspace};
	int r;

	if (branch == 0 || branch > STACK_BRANCHES_MAX || page == MAP_FAILED)
		return err_set(err, EINVAL, "cannot count the changes of session %s", session->id);
	r = store_as_owner(&session->meta, fds, ARRAY_SIZE(fds), count_as_owner, &count, err);
	if (r == 0)
		*ret = *count.ret;
	(void)munmap(page, sizeof(uint64_t));
	return r;
}
