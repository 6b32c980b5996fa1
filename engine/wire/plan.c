/*
 * Theory of operation: a plan is a header and then NUL-terminated strings: arguments, environment,
 * working directory, and nothing behind. Decoding copies the strings once into a block that begins
 * with the two vectors, so that what init later uses cannot change under it, and walks them with
 * one cursor that never leaves the copy.
 */
#include "wire/plan.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fd.h"

static_assert(sizeof(struct plan_header) == 24, "wire format");

static int append_strings(struct buf *out, const char *const *strings, uint32_t max,
			  uint32_t *ret_count)
{
	uint32_t n = 0;

	for (; strings && strings[n]; n++) {
		int r = n < max ? buf_append(out, strings[n], strlen(strings[n]) + 1) : -E2BIG;

		if (r < 0)
			return r;
	}
	*ret_count = n;
	return 0;
}

int plan_seal(const char *const *argv, const char *const *envp, const char *cwd, uint32_t flags,
	      int *ret_fd, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = {.cap = PLAN_BYTES_MAX};
	struct plan_header header = {.magic = PLAN_MAGIC, .flags = flags};
	struct plan check = {0};
	int r = buf_append(&out, &header, sizeof(header));

	if (r == 0)
		r = append_strings(&out, argv, PLAN_ARGS_MAX, &header.args);
	if (r == 0)
		r = append_strings(&out, envp, PLAN_ENV_MAX, &header.env);
	if (r == 0)
		r = buf_append(&out, cwd, strlen(cwd) + 1);
	if (r < 0)
		return err_set(
			err, -r,
			"the arguments and environment of a call may have %u and %u entries and "
			"%zu bytes together",
			PLAN_ARGS_MAX, PLAN_ENV_MAX, PLAN_BYTES_MAX);
	header.bytes = (uint32_t)out.len;
	memcpy(out.data, &header, sizeof(header));
	r = plan_decode(out.data, out.len, &check, err);
	if (r < 0)
		return r;
	plan_fini(&check);
	return fd_memfd_sealed("toolcell-plan", out.data, out.len, ret_fd, err);
}

static int verify_header(const struct plan_header *h, size_t bytes, struct err *err)
{
	if (h->magic != PLAN_MAGIC || h->bytes != bytes)
		return err_set(err, EINVAL, "plan: wrong magic or size");
	if (h->args == 0 || h->args > PLAN_ARGS_MAX)
		return err_set(err, EINVAL, "plan: %u arguments; 1 to %u are accepted", h->args,
			       PLAN_ARGS_MAX);
	if (h->env > PLAN_ENV_MAX)
		return err_set(err, EINVAL, "plan: %u variables; at most %u are accepted", h->env,
			       PLAN_ENV_MAX);
	if ((h->flags & ~(uint32_t)PLAN_FLAGS_ALL) || h->pad != 0)
		return err_set(err, EINVAL, "plan: unknown flags");
	return 0;
}

/* The strings of a plan that are still to be read. */
struct cursor {
	char *at;
	char *end;
};

static char *next_string(struct cursor *c)
{
	char *text = c->at;
	char *nul = text < c->end ? memchr(text, '\0', (size_t)(c->end - text)) : NULL;

	if (!nul)
		return NULL;
	c->at = nul + 1;
	return text;
}

static int take_strings(struct cursor *c, char **vector, uint32_t n, struct err *err)
{
	for (uint32_t i = 0; i < n; i++) {
		vector[i] = next_string(c);
		if (!vector[i])
			return err_set(err, EINVAL, "plan: string %u of %u is missing", i, n);
	}
	vector[n] = NULL;
	return 0;
}

static int verify_strings(const struct plan *plan, const struct cursor *c, struct err *err)
{
	if (c->at != c->end)
		return err_set(err, EINVAL, "plan: %td bytes behind the last string",
			       c->end - c->at);
	if (plan->argv[0][0] == '\0')
		return err_set(err, EINVAL, "plan: the name of the program is empty");
	for (char **e = plan->envp; *e; e++)
		if ((*e)[0] == '=' || !strchr(*e, '='))
			return err_set(err, EINVAL, "plan: variable %td is not NAME=VALUE",
				       e - plan->envp);
	if (plan->cwd[0] != '/' || strlen(plan->cwd) >= PATH_MAX)
		return err_set(err, EINVAL, "plan: the working directory is no absolute path");
	return 0;
}

static int index_strings(const struct plan_header *h, struct cursor *c, struct plan *plan,
			 struct err *err)
{
	int r = take_strings(c, plan->argv, h->args, err);

	if (r == 0)
		r = take_strings(c, plan->envp, h->env, err);
	if (r < 0)
		return r;
	plan->cwd = next_string(c);
	if (!plan->cwd)
		return err_set(err, EINVAL, "plan: the working directory is missing");
	return verify_strings(plan, c, err);
}

int plan_decode(const void *data, size_t bytes, struct plan *ret, struct err *err)
{
	struct plan plan = {0};
	struct plan_header h;
	struct cursor c;
	size_t vectors;
	int r;

	if (bytes < sizeof(h) || bytes > PLAN_BYTES_MAX)
		return err_set(err, EINVAL, "plan: %zu bytes; %zu to %zu are accepted", bytes,
			       sizeof(h), PLAN_BYTES_MAX);
	memcpy(&h, data, sizeof(h));
	r = verify_header(&h, bytes, err);
	if (r < 0)
		return r;
	vectors = ((size_t)h.args + 1 + h.env + 1) * sizeof(char *);
	plan.block = malloc(vectors + bytes - sizeof(h));
	if (!plan.block)
		return err_set(err, ENOMEM, "cannot decode a plan");
	plan.argv = plan.block;
	plan.envp = plan.argv + h.args + 1;
	plan.flags = h.flags;
	c.at = (char *)plan.block + vectors;
	c.end = c.at + bytes - sizeof(h);
	memcpy(c.at, (const char *)data + sizeof(h), bytes - sizeof(h));
	r = index_strings(&h, &c, &plan, err);
	if (r < 0)
		plan_fini(&plan);
	else
		*ret = plan;
	return r;
}

void plan_fini(struct plan *plan)
{
	if (!plan)
		return;
	free(plan->block);
	*plan = (struct plan){0};
}
