/*
 * Theory of operation: the stack file is replaced as a whole by rename, so a reader sees the old list of
 * layers or the new one. A layer is made before the stack that names it is written, and goes to trash/
 * behind the stack that no longer names it: whatever is interrupted leaves at most a layer that nobody
 * names, whose number the next one passes over.
 */
#include "workspace/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

#define STACK_FILE "stack"
#define STACK_FILE_NEW "stack.new"
#define GATE_FILE "gate"
#define NAME_BYTES 64
#define MAKE_TRIES 1000 /* numbers of layers that an interrupted change may have left */

/* A name below the data folder. */
struct name {
	char text[NAME_BYTES];
};

static struct name layer_name(uint32_t layer, const char *below)
{
	struct name name;

	(void)snprintf(name.text, sizeof(name.text), "layers/%u%s", layer, below);
	return name;
}

static struct name branch_name(uint32_t branch, const char *below)
{
	struct name name;

	(void)snprintf(name.text, sizeof(name.text), "branches/%u%s", branch, below);
	return name;
}

static int make_dir(int data, const char *name, const struct stat *workspace, mode_t mode)
{
	CLEANUP(fd_closep) int fd = -1;

	if (mkdirat(data, name, 0700) < 0)
		return -errno;
	fd = openat(data, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* The mode again: the umask may have taken of it. */
	if (fd < 0 || fchown(fd, workspace->st_uid, workspace->st_gid) < 0 || fchmod(fd, mode) < 0)
		return -errno;
	return 0;
}

static int make_file(int data, const char *name, const struct stat *workspace)
{
	CLEANUP(fd_closep)
	int fd = openat(data, name,
			O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0 || fchown(fd, workspace->st_uid, workspace->st_gid) < 0)
		return -errno;
	return futimens(fd, NULL) < 0 ? -errno : 0;
}

/* @mode: of the workspace's own folder, as calls see it: a layer's topmost folder stands for it. */
static int make_layer(int data, struct stack *stack, const struct stat *workspace, mode_t mode,
		      uint32_t *ret)
{
	for (int i = 0; i < MAKE_TRIES && stack->next_layer <= STACK_LAYER_MAX; i++) {
		uint32_t layer = stack->next_layer++;
		int r = make_dir(data, layer_name(layer, "").text, workspace, 0700);

		if (r == -EEXIST)
			continue;
		if (r == 0)
			r = make_dir(data, layer_name(layer, "/u").text, workspace, mode);
		if (r == 0)
			r = make_dir(data, layer_name(layer, "/w").text, workspace, 0700);
		if (r == 0)
			*ret = layer;
		return r;
	}
	return -ENOSPC;
}

static int make_branch(int data, uint32_t branch, const struct stat *workspace)
{
	int r = make_dir(data, branch_name(branch, "").text, workspace, 0700);

	/* Left by a change that was interrupted; what is in it belongs to no branch. */
	if (r == -EEXIST)
		r = 0;
	return r < 0 ? r : make_file(data, branch_name(branch, "/begin").text, workspace);
}

static int write_stack(int data, struct stack *stack)
{
	CLEANUP(fd_closep) int fd = -1;
	struct stat st;
	int r;

	stack->generation++;
	fd = openat(data, STACK_FILE_NEW,
		    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0 || fstatat(data, "", &st, AT_EMPTY_PATH) < 0)
		return -errno;
	/* Cells that commit run as the owner of the data folder. */
	if (fchown(fd, st.st_uid, st.st_gid) < 0)
		return -errno;
	r = fd_write_full(fd, stack, sizeof(*stack));
	if (r == 0 && renameat(data, STACK_FILE_NEW, data, STACK_FILE) < 0)
		r = -errno;
	return r;
}

static int fail(struct err *err, int r, const char *what)
{
	return err_set(err, -r, "cannot %s of the session", what);
}

int stack_create(int data, const struct stat *workspace, struct err *err)
{
	static const char *const dirs[] = {"layers", "branches", "trash"};
	struct stack stack = {.magic = STACK_MAGIC, .version = STACK_VERSION, .next_layer = 1};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(dirs) && r == 0; i++)
		r = make_dir(data, dirs[i], workspace, 0700);
	if (r == 0)
		r = make_file(data, GATE_FILE, workspace);
	if (r == 0)
		r = make_branch(data, 1, workspace);
	if (r == 0)
		r = make_layer(data, &stack, workspace, workspace->st_mode & 0777,
			       &stack.branches[0].layers[0]);
	stack.branches[0].used = 1;
	stack.branches[0].n = 1;
	if (r == 0)
		r = write_stack(data, &stack);
	return r < 0 ? fail(err, r, "make the folder") : 0;
}

static bool branch_is_sane(const struct stack_branch *b, uint32_t next_layer)
{
	if (b->used > 1 || b->n > STACK_LAYERS_MAX || (b->used == 1) != (b->n > 0))
		return false;
	for (uint32_t i = 0; i < b->n; i++) {
		if (b->layers[i] == 0 || b->layers[i] >= next_layer)
			return false;
		for (uint32_t j = 0; j < i; j++)
			if (b->layers[j] == b->layers[i])
				return false;
	}
	return true;
}

static bool stack_is_sane(const struct stack *s)
{
	if (memcmp(s->magic, STACK_MAGIC, sizeof(s->magic)) != 0 || s->version != STACK_VERSION)
		return false;
	if (s->next_layer == 0 || s->next_layer > STACK_LAYER_MAX + 1 || !s->branches[0].used)
		return false;
	for (size_t i = 0; i < STACK_BRANCHES_MAX; i++)
		if (!branch_is_sane(&s->branches[i], s->next_layer))
			return false;
	return true;
}

int stack_read(int data, struct stack *ret, struct err *err)
{
	CLEANUP(fd_closep)
	int fd = openat(data, STACK_FILE, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stack stack;
	ssize_t n;

	if (fd < 0)
		return err_set(err, errno, "cannot open the list of layers of the session");
	n = fd_read_full(fd, &stack, sizeof(stack));
	if (n < 0)
		return fail(err, (int)n, "read the list of layers");
	if (n != (ssize_t)sizeof(stack) || !stack_is_sane(&stack))
		return err_set(err, EBADMSG,
			       "the list of layers of the session is damaged; what was changed "
			       "lies in its folder, below data/layers");
	*ret = stack;
	return 0;
}

int stack_gate_change(int gate, bool exclusive)
{
	struct flock lock = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};

	if (fcntl(gate, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

int stack_gate(int data, bool exclusive, int *ret_fd, struct err *err)
{
	CLEANUP(fd_closep)
	int fd = openat(data, GATE_FILE, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int r;

	if (fd < 0)
		return err_set(err, errno, "cannot open the gate of the session");
	r = stack_gate_change(fd, exclusive);
	if (r < 0)
		return err_set(err, -r, "the session is in use by %s",
			       exclusive ? "running calls" : "a command that changes its layers");
	*ret_fd = fd_take(&fd);
	return 0;
}

bool stack_is_shared(const struct stack *stack, uint32_t branch, uint32_t layer)
{
	for (uint32_t i = 0; i < STACK_BRANCHES_MAX; i++)
		for (uint32_t j = 0; i + 1 != branch && j < stack->branches[i].n; j++)
			if (stack->branches[i].layers[j] == layer)
				return true;
	return false;
}

static struct stack_branch *branch_of(struct stack *stack, uint32_t branch, struct err *err)
{
	if (branch >= 1 && branch <= STACK_BRANCHES_MAX && stack->branches[branch - 1].used)
		return &stack->branches[branch - 1];
	(void)err_set(err, ENOENT, "the session has no branch %u", branch);
	return NULL;
}

static int check_room(const struct stack_branch *b, struct err *err)
{
	return b->n < STACK_LAYERS_MAX
		       ? 0
		       : err_set(err, ENOSPC,
				 "the session has %u snapshots, as many as fit; commit, roll back "
				 "or discard first",
				 STACK_LAYERS_MAX - 1);
}

/*
 * What a change that failed has made: numbers from @stack's next layer on. A folder that holds something
 * is of an older change that was interrupted, and stays.
 */
static void unmake_layers(int data, const struct stack *stack, const struct stack *next)
{
	for (uint32_t layer = stack->next_layer; layer < next->next_layer; layer++) {
		(void)!unlinkat(data, layer_name(layer, "/u").text, AT_REMOVEDIR);
		(void)!unlinkat(data, layer_name(layer, "/w").text, AT_REMOVEDIR);
		(void)!unlinkat(data, layer_name(layer, "").text, AT_REMOVEDIR);
	}
}

/* On top of @b, an empty layer that is written to. */
static int grow(int data, struct stack *stack, struct stack_branch *b, const struct stat *workspace,
		struct err *err)
{
	mode_t mode = workspace->st_mode & 0777;
	struct stat below;
	int r = check_room(b, err);

	if (r < 0)
		return r;
	if (b->n > 0 && fstatat(data, layer_name(b->layers[b->n - 1], "/u").text, &below,
				AT_SYMLINK_NOFOLLOW) == 0)
		mode = below.st_mode & 0777;
	r = make_layer(data, stack, workspace, mode, &b->layers[b->n]);
	if (r < 0)
		return fail(err, r, "make a layer");
	b->n++;
	return 0;
}

static int keep(int data, struct stack *stack, struct err *err)
{
	int r = write_stack(data, stack);

	return r < 0 ? fail(err, r, "write the list of layers") : 0;
}

int stack_touch(int data, struct stack *stack, struct err *err)
{
	return keep(data, stack, err);
}

int stack_snapshot(int data, struct stack *stack, uint32_t branch, const struct stat *workspace,
		   uint32_t *ret_snapshot, struct err *err)
{
	struct stack next = *stack;
	struct stack_branch *b = branch_of(&next, branch, err);
	int r = b ? grow(data, &next, b, workspace, err) : -ENOENT;

	if (r == 0)
		r = keep(data, &next, err);
	if (r < 0) {
		unmake_layers(data, stack, &next);
		return r;
	}
	*stack = next;
	*ret_snapshot = b->n - 1;
	return 0;
}

/* Behind the new stack: a layer that stays where it is costs room, nothing else. */
static void bury(int data, const struct stack *stack, uint32_t layer)
{
	struct name to;

	if (stack_is_shared(stack, 0, layer))
		return;
	(void)snprintf(to.text, sizeof(to.text), "trash/%u", layer);
	(void)!renameat(data, layer_name(layer, "").text, data, to.text);
}

int stack_rollback(int data, struct stack *stack, uint32_t branch, uint32_t snapshot,
		   const struct stat *workspace, struct err *err)
{
	struct stack next = *stack;
	struct stack_branch *b = branch_of(&next, branch, err);
	struct stack_branch old;
	int r;

	if (!b)
		return -ENOENT;
	old = *b;
	if (snapshot >= old.n)
		return err_set(err, ENOENT, "there is no snapshot %u; the last one is %u", snapshot,
			       old.n - 1);
	memset(b->layers + snapshot, 0, (STACK_LAYERS_MAX - snapshot) * sizeof(b->layers[0]));
	b->n = snapshot;
	r = grow(data, &next, b, workspace, err);
	if (r == 0)
		r = keep(data, &next, err);
	if (r < 0) {
		unmake_layers(data, stack, &next);
		return r;
	}
	*stack = next;
	for (uint32_t i = snapshot; i < old.n; i++)
		bury(data, stack, old.layers[i]);
	return 0;
}

static uint32_t free_branch(const struct stack *stack)
{
	for (uint32_t i = 0; i < STACK_BRANCHES_MAX; i++)
		if (!stack->branches[i].used)
			return i + 1;
	return 0;
}

/* A branch begins when its layers did: what has changed beneath since then is a conflict for both. */
static int copy_begin(int data, uint32_t from, uint32_t to)
{
	struct timespec times[2];
	struct stat st;

	if (fstatat(data, branch_name(from, "/begin").text, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	times[0] = st.st_mtim;
	times[1] = st.st_mtim;
	if (utimensat(data, branch_name(to, "/begin").text, times, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

/* What partial commits of the old branch left in the workspace is no conflict for the new one, either. */
static int copy_baseline(int data, uint32_t from, uint32_t to, const struct stat *workspace)
{
	CLEANUP(fd_closep)
	int in = openat(data, branch_name(from, "/baseline").text,
			O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	CLEANUP(fd_closep) int out = -1;
	char chunk[4096];
	ssize_t n;
	int r = 0;

	if (in < 0)
		return errno == ENOENT ? 0 : -errno;
	out = openat(data, branch_name(to, "/baseline").text,
		     O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (out < 0 || fchown(out, workspace->st_uid, workspace->st_gid) < 0)
		return -errno;
	while (r == 0 && (n = fd_read_full(in, chunk, sizeof(chunk))) != 0)
		r = n < 0 ? (int)n : fd_write_full(out, chunk, (size_t)n);
	return r;
}

static void forget_branch(int data, uint32_t branch)
{
	static const char *const files[] = {"/begin", "/baseline", "/journal"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		(void)!unlinkat(data, branch_name(branch, files[i]).text, 0);
	(void)!unlinkat(data, branch_name(branch, "").text, AT_REMOVEDIR);
}

static int begin_branch(int data, uint32_t from, uint32_t made, const struct stat *workspace,
			struct err *err)
{
	int r;

	forget_branch(data, made); /* of a change that was interrupted */
	r = make_branch(data, made, workspace);
	if (r == 0)
		r = copy_begin(data, from, made);
	if (r == 0)
		r = copy_baseline(data, from, made, workspace);
	return r < 0 ? fail(err, r, "make a branch") : 0;
}

int stack_fork(int data, struct stack *stack, uint32_t branch, const struct stat *workspace,
	       uint32_t *ret_branch, struct err *err)
{
	struct stack next = *stack;
	struct stack_branch *b = branch_of(&next, branch, err);
	uint32_t made = free_branch(&next);
	int r;

	if (!b)
		return -ENOENT;
	if (made == 0)
		return err_set(err, ENOSPC, "the session has %u branches, as many as fit; drop one",
			       STACK_BRANCHES_MAX);
	r = check_room(b, err);
	if (r < 0)
		return r;
	next.branches[made - 1] = *b;
	r = grow(data, &next, b, workspace, err);
	if (r == 0)
		r = grow(data, &next, &next.branches[made - 1], workspace, err);
	if (r == 0)
		r = begin_branch(data, branch, made, workspace, err);
	if (r == 0)
		r = keep(data, &next, err);
	if (r < 0) {
		forget_branch(data, made);
		unmake_layers(data, stack, &next);
		return r;
	}
	*stack = next;
	*ret_branch = made;
	return 0;
}

int stack_drop(int data, struct stack *stack, uint32_t branch, struct err *err)
{
	struct stack next = *stack;
	struct stack_branch *b = branch_of(&next, branch, err);
	struct stack_branch old;
	int r;

	if (!b)
		return -ENOENT;
	if (branch == 1)
		return err_set(err, EPERM,
			       "branch 1 is the session itself; discard its changes instead");
	old = *b;
	*b = (struct stack_branch){0};
	r = keep(data, &next, err);
	if (r < 0)
		return r;
	*stack = next;
	for (uint32_t i = 0; i < old.n; i++)
		bury(data, stack, old.layers[i]);
	forget_branch(data, branch);
	return 0;
}
