/* Theory of operation: in overlay.h. */
#include "workspace/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/fd.h"
#include "confine/mount.h"

int overlay_path(uint32_t branch, char *path, size_t cap)
{
	int n = snprintf(path, cap, OVERLAY_ROOT_MOUNTS "/%u", branch);

	return n > 0 && (size_t)n < cap ? 0 : -ENAMETOOLONG;
}

int overlay_open(struct overlay *o, struct err *err)
{
	o->gate = -1;
	o->data = open(OVERLAY_ROOT_DATA, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (o->data < 0)
		return err_set(err, errno, "cannot open the session's folder");
	return stack_read(o->data, &o->stack, err);
}

uint32_t overlay_branches(const struct overlay *o)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; o->kind != FRAME_WORKSPACE_NONE && i < STACK_BRANCHES_MAX; i++)
		bits |= o->stack.branches[i].used ? 1U << i : 0;
	return bits;
}

static void unmount(struct overlay *o, uint32_t branch)
{
	struct overlay_branch *b = &o->branches[branch - 1];
	char path[32];

	if (b->mounted && overlay_path(branch, path, sizeof(path)) == 0)
		(void)umount2(path, MNT_DETACH);
	b->mounted = false;
}

/* What is mounted belongs to another stack, when this one has been changed since. */
static void drop_stale(struct overlay *o)
{
	for (uint32_t b = 1; b <= STACK_BRANCHES_MAX; b++)
		if (o->branches[b - 1].running == 0)
			unmount(o, b);
}

static int reload(struct overlay *o, struct err *err)
{
	uint64_t generation = o->stack.generation;
	int r = stack_read(o->data, &o->stack, err);

	if (r == 0 && o->stack.generation != generation)
		drop_stale(o);
	return r;
}

static int take_gate(struct overlay *o, bool exclusive, struct err *err)
{
	int r;

	if (o->gate < 0) {
		r = stack_gate(o->data, exclusive, &o->gate, err);
		if (r == -EAGAIN)
			return err_set(err, EBUSY,
				       "the session is being changed by another command, or used "
				       "by another engine; call again");
		if (r == 0)
			r = reload(o, err);
		if (r < 0)
			fd_closep(
				&o->gate); /* a damaged list must not keep others from mending it */
		return r;
	}
	if (exclusive && stack_gate_change(o->gate, true) < 0)
		return err_set(err, EBUSY, "another process uses the session; call again");
	return 0;
}

static bool is_changing(const struct overlay *o)
{
	for (uint32_t i = 0; i < STACK_BRANCHES_MAX; i++)
		if (o->branches[i].changing)
			return true;
	return false;
}

/* It stays exclusive for as long as somebody changes layers, whoever leaves meanwhile. */
static void release_gate(struct overlay *o)
{
	if (o->running == 0)
		fd_closep(&o->gate);
	else if (!is_changing(o))
		(void)!stack_gate_change(o->gate, false);
}

static int mount_branch(struct overlay *o, uint32_t branch, struct err *err)
{
	CLEANUP(fd_closep) int fd = -1;
	char path[32];
	int r;

	if (o->branches[branch - 1].mounted)
		return 0;
	r = overlay_mount(o, &o->stack.branches[branch - 1], &fd, err);
	if (r < 0)
		return r;
	r = overlay_path(branch, path, sizeof(path));
	if (r == 0)
		r = mount_attach(fd, AT_FDCWD, path);
	if (r < 0)
		return err_set(err, -r, "cannot attach the session's overlay");
	o->branches[branch - 1].mounted = true;
	return 0;
}

static int check_branch(const struct overlay *o, uint32_t branch, struct err *err)
{
	if (o->kind == FRAME_WORKSPACE_NONE)
		return err_set(err, ENOENT, "there is no session");
	if (branch == 0 || branch > STACK_BRANCHES_MAX || !o->stack.branches[branch - 1].used)
		return err_set(err, ENOENT, "the session has no branch %u", branch);
	return 0;
}

static int check_busy(const struct overlay *o, uint32_t branch, bool exclusive, struct err *err)
{
	const struct overlay_branch *b = &o->branches[branch - 1];

	if (b->changing)
		return err_set(err, EBUSY, "the changes of this session are being worked on");
	if (exclusive && b->running > 0)
		return err_set(err, EBUSY, "%u calls of this session are running", b->running);
	return 0;
}

int overlay_enter(struct overlay *o, uint32_t branch, bool exclusive, bool mount, struct err *err)
{
	int r = check_branch(o, branch, err);

	if (r == 0)
		r = check_busy(o, branch, exclusive, err);
	if (r == 0 && mount && o->maintenance)
		r = err_set(err, EPERM, "another engine runs the tools of this session");
	if (r == 0)
		r = take_gate(o, exclusive, err);
	if (r < 0)
		return r;
	r = check_branch(o, branch, err); /* again: the stack may be another one now */
	if (r == 0 && exclusive)
		unmount(o, branch);
	if (r == 0 && mount)
		r = mount_branch(o, branch, err);
	if (r < 0) {
		release_gate(o);
		return r;
	}
	o->running++;
	o->branches[branch - 1].running++;
	o->branches[branch - 1].changing = exclusive;
	return 0;
}

void overlay_leave(struct overlay *o, uint32_t branch)
{
	struct overlay_branch *b = &o->branches[branch - 1];

	/* Other engines find out by the generation that layers are not what they were. */
	if (b->changing)
		(void)!stack_touch(o->data, &o->stack, NULL);
	b->changing = false;
	b->running--;
	o->running--;
	release_gate(o);
}

static int operate(struct overlay *o, const struct frame_session *f, struct frame_session_done *ret,
		   struct err *err)
{
	switch ((enum frame_session_op)f->op) {
	case FRAME_SESSION_SNAPSHOT:
		return stack_snapshot(o->data, &o->stack, f->branch, &o->workspace, &ret->snapshot,
				      err);
	case FRAME_SESSION_ROLLBACK:
		return stack_rollback(o->data, &o->stack, f->branch, f->arg, &o->workspace, err);
	case FRAME_SESSION_FORK:
		return stack_fork(o->data, &o->stack, f->branch, &o->workspace, &ret->branch, err);
	case FRAME_SESSION_DROP:
		return stack_drop(o->data, &o->stack, f->branch, err);
	case FRAME_SESSION_STATE:
	case FRAME_SESSION_OP_N:
		break;
	}
	return err_set(err, EINVAL, "no such operation on a session");
}

static int change_stack(struct overlay *o, const struct frame_session *f,
			struct frame_session_done *ret, struct err *err)
{
	int r;

	/* The cell that changes the layers of another branch writes the stack, too, as it found it. */
	if (is_changing(o))
		return err_set(err, EBUSY, "a commit or discard is at work in this session");
	r = overlay_enter(o, f->branch, true, false, err);
	if (r < 0)
		return r;
	r = operate(o, f, ret, err);
	/* The operation itself has raised the generation. */
	o->branches[f->branch - 1].changing = false;
	overlay_leave(o, f->branch);
	return r;
}

static int look(struct overlay *o, const struct frame_session *f, struct err *err)
{
	int r = check_branch(o, f->branch, err);

	if (r == 0)
		r = take_gate(o, false, err);
	if (r < 0)
		return r;
	release_gate(o);
	return check_branch(o, f->branch, err);
}

void overlay_operate(struct overlay *o, const struct frame_session *f,
		     struct frame_session_done *ret)
{
	struct err err = {0};
	int r;

	ret->branch = f->branch;
	r = f->op == FRAME_SESSION_STATE ? look(o, f, &err) : change_stack(o, f, ret, &err);
	ret->num = -r;
	ret->branches = overlay_branches(o);
	if (ret->branch >= 1 && ret->branch <= STACK_BRANCHES_MAX)
		ret->layers = o->stack.branches[ret->branch - 1].n;
	if (r < 0)
		(void)snprintf(ret->error, sizeof(ret->error), "%s", err.text);
}
