/*
 * Theory of operation:
 *
 *	--session ID	kept_adopt: found before anything else, as it may say workspace and policy
 *	--session new	kept_choose: made
 *	nothing		kept_choose: the one used last of the same workspace, agent and policy that
 *			nobody has, else made
 *
 * A session that is not asked for by name is a service, not a condition: when the store is not to be
 * had, the launcher is told why, and the policy's `workspace.fallback` decides what follows.
 */
#include "cli/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "workspace/stack.h"

#define SESSION_NEW "new"
#define DATE_LEN 10

static_assert(sizeof(((struct frame_image *)NULL)->data) >= PATH_MAX, "a path fits the frame");

static bool is_named(const struct session_options *o)
{
	return o->session && strcmp(o->session, SESSION_NEW) != 0;
}

static struct kept *kept_new(void)
{
	struct kept *k = calloc(1, sizeof(*k));

	if (k) {
		k->store.dir = -1;
		k->session = STORE_SESSION_NONE;
	}
	return k;
}

int kept_canonical(const char *name, char dst[STORE_NAME_BYTES], struct err *err)
{
	char *real = NULL;
	int n;

	if (name && strpbrk(name, "/."))
		real = realpath(name,
				NULL); /* a file that is not there is policyc's to complain of */
	n = snprintf(dst, STORE_NAME_BYTES, "%s", real ? real : (name ? name : ""));
	free(real);
	return n < STORE_NAME_BYTES
		       ? 0
		       : err_set(err, ENAMETOOLONG,
				 "the path of an agent or policy is too long for a session: more "
				 "than %d bytes",
				 STORE_NAME_BYTES - 1);
}

static int check_branch(const struct kept *k, uint32_t branch, struct err *err)
{
	struct stack stack;
	int r = stack_read(k->session.data, &stack, err);

	if (r < 0)
		return err_wrap(err, "session %s", k->session.id);
	if (branch <= STACK_BRANCHES_MAX && stack.branches[branch - 1].used)
		return 0;
	return store_say(err, ENOENT, "session %s has no branch %u", k->session.id, branch);
}

static int find_named(const struct session_options *o, struct kept *k, uint32_t *ret_branch,
		      struct err *err)
{
	char id[STORE_ID_BYTES];
	uint32_t branch = 0;
	int r = store_parse_id(o->session, id, &branch, err);

	if (r == 0)
		r = store_open(o->sessions, false, &k->store, err);
	if (r == 0)
		r = store_find(&k->store, id, &k->session, err);
	if (r < 0)
		return r;
	k->maintenance = o->beside;
	*ret_branch = branch ? branch : 1;
	return check_branch(k, *ret_branch, err);
}

/* @given must be what the session remembers; NULL takes it over. */
static int adopt_name(const char *what, const char **given, const char *is, const char *id,
		      struct err *err)
{
	char name[STORE_NAME_BYTES];
	int r = *given ? kept_canonical(*given, name, err) : 0;

	if (r < 0)
		return r;
	if (*given && strcmp(name, is) != 0)
		return err_set(err, EINVAL,
			       "session %s was made with %s %s; it can be used with no other", id,
			       what, is[0] ? is : "none");
	*given = is[0] ? is : NULL;
	return 0;
}

int kept_adopt(struct session_options *options, struct session *session, struct err *err)
{
	const struct store_meta *meta;
	struct kept *k;
	int r;

	if (!is_named(options))
		return 0;
	k = kept_new();
	if (!k)
		return err_set(err, ENOMEM, "no memory for a session");
	session->kept = k;
	r = find_named(options, k, &session->branch, err);
	if (r < 0)
		return r;
	meta = &k->session.meta;
	/* Neither is given: both are the session's. One is given: the other must fit, too. */
	if (options->agent || options->policy) {
		if (!options->agent && meta->agent[0])
			return err_set(err, EINVAL,
				       "session %s was made with agent %s; give it, too",
				       k->session.id, meta->agent);
		if (!options->policy && meta->policy[0])
			return err_set(err, EINVAL,
				       "session %s was made with policy %s; give it, too",
				       k->session.id, meta->policy);
	}
	r = adopt_name("agent", &options->agent, meta->agent, k->session.id, err);
	if (r == 0)
		r = adopt_name("policy", &options->policy, meta->policy, k->session.id, err);
	if (r == 0 && !options->workspace)
		options->workspace = meta->workspace;
	return r;
}

/* Whether any tool of this image works on an overlay. */
static bool has_overlay(const struct image *image)
{
	const struct image_cell *cell;

	for (uint32_t i = 0; (cell = image_cell(image, i)); i++)
		if (cell->flags & IMAGE_CELL_OVERLAY)
			return true;
	return false;
}

/* What decides over a cell, and what a session holds, must be out of every cell's reach. */
static int check_reach(const struct store *store, const struct session *s, struct err *err)
{
	const struct image_mount *m;
	int r = store_check_place(store, s->workspace, err);

	for (uint32_t i = 0; r == 0 && (m = image_mount(&s->image, i)); i++) {
		const char *source = m->type == IMAGE_MOUNT_BIND
					     ? image_string(&s->image, m->source)
					     : NULL;

		if (source && !(m->flags & IMAGE_MOUNT_READONLY) &&
		    (path_is_below(store->path, source) || path_is_below(source, store->path)))
			r = err_set(
				err, EPERM,
				"sessions folder %s can be reached through %s, which the policy "
				"lets tools write; name another with --sessions",
				store->path, source);
	}
	return r;
}

static int describe(const struct session_options *o, const struct session *s,
		    struct store_meta *ret, mode_t *ret_mode, struct err *err)
{
	struct stat st;
	int r = kept_canonical(o->agent, ret->agent, err);

	if (r == 0)
		r = kept_canonical(o->policy, ret->policy, err);
	if (r < 0)
		return r;
	if (fstat(s->workspace_fd, &st) < 0)
		return err_set(err, errno, "workspace %s", s->workspace);
	(void)snprintf(ret->workspace, sizeof(ret->workspace), "%s", s->workspace);
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	/* An ordinary account can give files to nobody; its cells run as itself. */
	ret->uid = geteuid() == 0 ? st.st_uid : geteuid();
	ret->gid = geteuid() == 0 ? st.st_gid : getegid();
	ret->created = time(NULL);
	*ret_mode = st.st_mode;
	return 0;
}

static bool is_same_work(const struct store_meta *a, const struct store_meta *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->uid == b->uid && a->gid == b->gid &&
	       strcmp(a->workspace, b->workspace) == 0 && strcmp(a->agent, b->agent) == 0 &&
	       strcmp(a->policy, b->policy) == 0;
}

/* Return: whether @k now has a session that others worked in before. */
static bool resume(struct kept *k, const struct store_meta *meta)
{
	struct store_entry *list = NULL;
	struct err ignored;
	bool found = false;
	size_t n = 0;

	if (store_list(&k->store, &list, &n, &ignored) < 0)
		return false;
	for (size_t i = 0; i < n && !found; i++) {
		/* One that cannot be read is none of ours; `toolcell sessions` shows it. */
		if (store_find(&k->store, list[i].id, &k->session, &ignored) < 0)
			continue;
		found = is_same_work(&k->session.meta, meta) &&
			store_lock(&k->store, &k->session, &ignored) == 0;
		if (!found)
			store_session_close(&k->session);
	}
	free(list);
	return found;
}

/* The rules of the first cell that works on the overlay: they are the policy's, and all the same. */
static const char *rules_of(const struct image *image)
{
	const struct image_cell *cell;

	for (uint32_t i = 0; (cell = image_cell(image, i)); i++)
		if (cell->flags & IMAGE_CELL_OVERLAY)
			return image_string(image, cell->change_rules);
	return NULL;
}

/* "3 uncommitted changes": what a walk finds in good time, else that there are some. */
static void word_held(const struct session *s, char *dst, size_t cap)
{
	struct err ignored;
	uint64_t n;

	if (store_count(&s->kept->session, s->branch, s->workspace_fd, rules_of(&s->image), &n,
			&ignored) < 0)
		(void)snprintf(dst, cap, "uncommitted changes");
	else
		(void)snprintf(dst, cap, "%" PRIu64 " uncommitted change%s", n, n == 1 ? "" : "s");
}

static void note_resumed(const struct session_options *o, struct session *s)
{
	const struct kept *k = s->kept;
	char date[32];
	char held[64];

	if (!o->announce || store_is_empty(&k->session))
		return;
	(void)store_time_text(k->session.meta.created, date, sizeof(date));
	date[MIN(strlen(date), (size_t)DATE_LEN)] = '\0';
	word_held(s, held, sizeof(held));
	(void)snprintf(s->note, sizeof(s->note), "session %s of %s is continued; it holds %s",
		       k->session.id, date, held);
}

/* A session that nobody named: any failure is a reason, not an error. */
static void serve_unnamed(const struct session_options *o, struct session *s)
{
	struct store_meta *meta = calloc(1, sizeof(*meta));
	struct kept *k = s->kept;
	mode_t mode = 0700;
	struct err why;
	int r;

	if (!meta) {
		(void)snprintf(k->why, sizeof(k->why), "no memory for a session");
		return;
	}
	r = store_open(o->sessions, true, &k->store, &why);
	if (r == 0)
		r = check_reach(&k->store, s, &why);
	if (r == 0)
		r = describe(o, s, meta, &mode, &why);
	if (r == 0)
		store_sweep_start(&k->store);
	if (r == 0 && !o->session && resume(k, meta)) {
		note_resumed(o, s);
	} else if (r == 0) {
		r = store_check_layers(&k->store, &why);
		if (r == 0)
			r = store_create(&k->store, meta, mode, &k->session, &why);
	}
	if (r < 0)
		(void)snprintf(k->why, sizeof(k->why), "%s", why.text);
	free(meta);
}

/* The session is the workspace's whose name and inode it remembers; a device number may change. */
static int check_workspace(const struct session *s, const struct store_session *session,
			   struct err *err)
{
	struct stat st;

	if (fstat(s->workspace_fd, &st) == 0 && st.st_ino == session->meta.ino &&
	    strcmp(s->workspace, session->meta.workspace) == 0)
		return 0;
	return err_set(err, EINVAL,
		       "session %s belongs to workspace %s and to the folder that was there; %s is "
		       "another",
		       session->id, session->meta.workspace, s->workspace);
}

static int serve_named(const struct session_options *o, struct session *s, struct err *err)
{
	struct kept *k = s->kept;
	int r = check_workspace(s, &k->session, err);

	if (r == 0)
		r = check_reach(&k->store, s, err);
	if (r < 0 || k->maintenance)
		return r;
	r = store_lock(&k->store, &k->session, err);
	if (r == -EBUSY && o->maintenance) {
		k->maintenance = true;
		k->busy = true;
		return 0;
	}
	if (r == -EBUSY)
		return store_say(
			err, EBUSY,
			"%.300s; `toolcell changes --session %s` looks at it, --session new "
			"begins another",
			err->text, k->session.id);
	if (r == 0)
		note_resumed(o, s);
	return r;
}

int kept_choose(const struct session_options *options, struct session *session, struct err *err)
{
	int r = 0;

	if (session->branch == 0)
		session->branch = 1;
	if (!has_overlay(&session->image)) {
		if (!options->session)
			return 0;
		return err_set(err, EINVAL,
			       "there is no session to use here: under this policy tools work on "
			       "the workspace itself (workspace.mode is not \"overlay\")");
	}
	if (session->kept) {
		r = serve_named(options, session, err);
	} else {
		session->kept = kept_new();
		if (!session->kept)
			return err_set(err, ENOMEM, "no memory for a session");
		serve_unnamed(options, session);
	}
	if (r == 0 && session->kept->session.dir >= 0)
		(void)snprintf(session->id, sizeof(session->id), "%s", session->kept->session.id);
	return r;
}

int kept_send_image(const struct session *session, struct err *err)
{
	struct frame_image *frame = calloc(1, sizeof(*frame));
	const struct kept *k = session->kept;
	CLEANUP(fd_closep) int data = -1;
	int fds[2] = {session->image_fd, -1};
	int r;

	if (!frame)
		return err_set(err, ENOMEM, "no memory for a frame");
	frame->head = (struct frame_head){FRAME_IMAGE, sizeof(*frame), 0};
	if (k && k->session.dir >= 0) {
		int n = snprintf(frame->data, sizeof(frame->data), "%s/%s/data", k->store.path,
				 k->session.id);

		/* The launcher is given no more than it needs: what the folder is, not its content. */
		data = openat(k->session.data, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (data < 0 || n < 0 || (size_t)n >= sizeof(frame->data)) {
			free(frame);
			return err_set(err, data < 0 ? errno : ENAMETOOLONG,
				       "cannot name session %s to the launcher", k->session.id);
		}
		fds[1] = data;
		frame->maintenance = k->maintenance;
	} else if (k) {
		(void)snprintf(frame->why, sizeof(frame->why), "%s", k->why);
	}
	r = fd_send(session->launcher_fd, frame, sizeof(*frame), fds, data >= 0 ? 2 : 1);
	free(frame);
	/* A launcher that has failed has said why: session_wait_ready reads it. */
	return r < 0 && r != -EPIPE ? err_set(err, -r, "cannot send the image to the launcher") : 0;
}

void kept_close(struct session *session)
{
	if (!session->kept)
		return;
	store_session_close(&session->kept->session);
	store_close(&session->kept->store);
}

void kept_end(struct session *session)
{
	struct kept *k = session->kept;
	struct err ignored;

	if (!k)
		return;
	/* What fails here is left to the next pass over the store (store_age.c). */
	if (k->session.dir >= 0 && k->session.locked) {
		store_used(&k->session);
		if (store_is_empty(&k->session))
			(void)!store_remove(&k->store, &k->session, &ignored);
		else
			(void)!store_empty_trash(&k->session, &ignored);
	}
	kept_close(session);
	free(k);
	session->kept = NULL;
}
