/*
 * Theory of operation: which branches there are is told by the launcher, as bits, with FRAME_READY and
 * with every FRAME_SESSION_DONE. A name is the session's, with ".N" behind it for branch N > 1.
 *
 * The gate is worked out anew each time that calls may start, from the list of calls, which stands in
 * the order in which they came:
 *
 *	an ordinary call	waits while one that wants the branch for itself runs, or waits in front
 *	one that wants it	waits until nothing of the branch runs, and nothing of it waits in front
 *
 * So the order is that of the driver, nobody starves, and other branches go on.
 */
#include "broker/branch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "broker/state.h"

bool branch_is_there(const struct broker *b, uint32_t branch)
{
	return branch > 0 && branch < BRANCH_N && (b->branch_bits & 1U << (branch - 1));
}

const char *branch_name(const struct broker *b, uint32_t branch, char name[BRANCH_NAME_BYTES])
{
	const char *id = b->config->session_id;

	if (!id || branch == 0)
		return NULL;
	if (branch == 1)
		(void)snprintf(name, BRANCH_NAME_BYTES, "%.32s", id);
	else
		(void)snprintf(name, BRANCH_NAME_BYTES, "%.32s.%u", id, branch);
	return name;
}

json_t *branch_names(const struct broker *b)
{
	char name[BRANCH_NAME_BYTES];
	json_t *names = json_array();

	for (uint32_t i = 1; names && i < BRANCH_N; i++) {
		if (!branch_is_there(b, i) || !branch_name(b, i, name))
			continue;
		if (json_array_append_new(names, json_string(name)) < 0) {
			json_decref(names);
			return NULL;
		}
	}
	return names;
}

static int refuse_name(const struct broker *b, const char *name, struct err *err)
{
	struct buf list = {.cap = 400};
	char quoted[96];
	char one[BRANCH_NAME_BYTES];
	int r;

	text_quote(quoted, sizeof(quoted), name, strlen(name));
	for (uint32_t i = 1; i < BRANCH_N; i++)
		if (branch_is_there(b, i) && branch_name(b, i, one) &&
		    buf_printf(&list, "%s%s", list.len > 0 ? ", " : "", one) < 0)
			break; /* shown as far as it goes */
	if (list.len > 0)
		r = err_set(err, ENOENT, "no session \"%s\" here; there is %s", quoted, list.data);
	else
		r = err_set(err, ENOENT, "no session \"%s\" here, nor any other", quoted);
	buf_fini(&list);
	return r;
}

int branch_find(const struct broker *b, const char *name, uint32_t *ret, struct err *err)
{
	const char *id = b->config->session_id;
	size_t len = id ? strlen(id) : 0;
	uint64_t branch = 1;

	if (!id || strncmp(name, id, len) != 0)
		return refuse_name(b, name, err);
	if (name[len] != '\0' &&
	    (name[len] != '.' || name[len + 1] == '0' ||
	     num_parse_u64(name + len + 1, BRANCH_N - 1, &branch) < 0 || branch < 2))
		return refuse_name(b, name, err);
	if (!branch_is_there(b, (uint32_t)branch))
		return refuse_name(b, name, err);
	*ret = (uint32_t)branch;
	return 0;
}

void branch_forget(struct broker *b, uint32_t branch)
{
	if (branch >= BRANCH_N)
		return;
	json_decref(b->branches[branch].changes);
	b->branches[branch] = (struct branch){0};
}

void branch_forget_changes(struct broker *b)
{
	for (uint32_t i = 0; i < BRANCH_N; i++) {
		json_decref(b->branches[i].changes);
		b->branches[i].changes = NULL;
	}
}

void branches_fini(struct broker *b)
{
	for (uint32_t i = 0; i < BRANCH_N; i++)
		branch_forget(b, i);
}

bool branch_shows_data(const struct image *image, const struct image_cell *cell)
{
	for (uint32_t i = 0; i < cell->mounts_count; i++) {
		const struct image_mount *mount = image_mount(image, cell->mounts_first + i);

		if (mount && mount->type == IMAGE_MOUNT_DATA)
			return true;
	}
	return false;
}

bool branch_is_used(const struct image *image, const struct image_cell *cell)
{
	return (cell->flags & IMAGE_CELL_OVERLAY) || branch_shows_data(image, cell);
}

void gate_enter(struct gate *gate, const struct call *c)
{
	gate->running[c->branch]++;
	if (c->exclusive)
		gate->closed[c->branch] = true;
}

void gate_init(struct gate *gate, const struct broker *b)
{
	*gate = (struct gate){0};
	for (const struct call *c = b->first; c; c = c->next)
		if (c->state == CALL_RUNNING || c->state == CALL_ASKING)
			gate_enter(gate, c);
}

bool gate_is_open(const struct gate *gate, const struct call *c)
{
	if (c->branch == 0)
		return true;
	if (gate->closed[c->branch])
		return false;
	return !c->exclusive || (gate->running[c->branch] == 0 && !gate->waiting[c->branch]);
}

void gate_wait(struct gate *gate, const struct call *c)
{
	gate->waiting[c->branch] = true;
	if (c->exclusive)
		gate->closed[c->branch] = true;
}
