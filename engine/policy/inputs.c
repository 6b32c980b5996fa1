/*
 * Theory of operation: a plain list, in the order of consultation. Files are identified by lstat(2)
 * when they are looked at, which is before they are read: a file that changes in between makes the
 * image stale rather than wrong.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/data.h"
#include "policy/policy.h"

#define OPERATOR_DIR "/etc/toolcell/"

static struct policy_input *add(struct policy_inputs *inputs, const char *name)
{
	struct policy_input *in;

	for (size_t i = 0; i < inputs->n; i++)
		if (strcmp(inputs->at[i].name, name) == 0)
			return NULL;
	if (inputs->n >= POLICY_INPUTS_MAX) {
		inputs->overflowed = true;
		return NULL;
	}
	in = &inputs->at[inputs->n];
	*in = (struct policy_input){.name = strdup(name)};
	if (!in->name) {
		inputs->overflowed = true;
		return NULL;
	}
	inputs->n++;
	return in;
}

static int64_t to_ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void record(struct policy_input *in, const struct stat *st)
{
	in->type = IMAGE_INPUT_FILE;
	in->record.dev = st->st_dev;
	in->record.ino = st->st_ino;
	in->record.size = (uint64_t)st->st_size;
	in->record.mtime_ns = to_ns(st->st_mtim);
	in->record.ctime_ns = to_ns(st->st_ctim);
}

void policy_inputs_file(struct policy_inputs *inputs, const char *path)
{
	struct stat st;
	struct policy_input *in;
	char *real;

	if (lstat(path, &st) < 0) {
		in = add(inputs, path);
		if (in)
			in->type = IMAGE_INPUT_ABSENT;
		return;
	}
	in = add(inputs, path);
	if (in)
		record(in, &st);
	if (!S_ISLNK(st.st_mode))
		return;
	/* The link and what it leads to: either may change. */
	real = realpath(path, NULL);
	in = real && lstat(real, &st) == 0 ? add(inputs, real) : NULL;
	if (in)
		record(in, &st);
	free(real);
}

void policy_inputs_env(struct policy_inputs *inputs, const char *name)
{
	const char *value = getenv(name);
	struct policy_input *in = add(inputs, name);

	if (!in)
		return;
	in->type = IMAGE_INPUT_ENV;
	in->value = value ? strdup(value) : NULL;
	in->record.size = value ? strlen(value) : 0;
	if (value && !in->value)
		inputs->overflowed = true;
}

void policy_inputs_fini(struct policy_inputs *inputs)
{
	for (size_t i = 0; i < inputs->n; i++) {
		free(inputs->at[i].name);
		free(inputs->at[i].value);
	}
	inputs->n = 0;
}

static const char *operator_dir(const char *kind)
{
	static const char *const dirs[] = {OPERATOR_DIR "policies", OPERATOR_DIR "agents",
					   OPERATOR_DIR "tools"};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (strcmp(dirs[i] + strlen(OPERATOR_DIR), kind) == 0)
			return dirs[i];
	return NULL;
}

int policy_dirs_init(struct policy_dirs *dirs, const char *kind, struct err *err)
{
	const char *operators = operator_dir(kind);
	size_t n = 0;
	int r;

	*dirs = (struct policy_dirs){0};
	r = data_path(kind, &dirs->shipped, err);
	if (r < 0)
		return r;
	if (operators)
		dirs->at[n++] = operators;
	dirs->at[n] = dirs->shipped;
	return 0;
}

void policy_dirs_fini(struct policy_dirs *dirs)
{
	free(dirs->shipped);
	*dirs = (struct policy_dirs){0};
}
