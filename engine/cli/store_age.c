/*
 * Theory of operation: a pass over the store looks at each session that nobody has locked: an empty one
 * is removed, one that was not used for long enough too. A pass runs beside the engine that starts it,
 * at most once an hour, one at a time (lock and time of STORE/.swept); a pass that is cut off has
 * removed whole sessions or left remains with a dot, which the next one takes up.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "base/text.h"
#include "cli/store.h"

#define SWEPT ".swept"
#define DAY_S 86400
#define REMAINS_AGE_S 60 /* between mkdir(2) and the lock of a session that is being made */

int store_keep_days(uint32_t *ret, struct err *err)
{
	const char *text = getenv("TOOLCELL_SESSIONS_KEEP");
	uint64_t days = STORE_KEEP_DAYS_DEFAULT;
	char shown[64];

	if (text && num_parse_u64(text, STORE_KEEP_DAYS_MAX, &days) < 0)
		return err_set(err, EINVAL,
			       "TOOLCELL_SESSIONS_KEEP \"%s\" is no number of days up to %d "
			       "(0: for ever)",
			       text_quote(shown, sizeof(shown), text, strlen(text)),
			       STORE_KEEP_DAYS_MAX);
	*ret = (uint32_t)days;
	return 0;
}

static bool is_unwanted(const struct store_session *s, uint32_t days, int64_t now)
{
	return store_is_empty(s) || (days != 0 && now - s->used > (int64_t)days * DAY_S);
}

/* Return: 0 also when the session stays. */
static int sweep_session(const struct store *store, const struct store_entry *entry, uint32_t days,
			 int64_t now, struct err *err)
{
	struct store_session *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s)
		return err_set(err, ENOMEM, "no memory for a session");
	/* What is not understood is not touched: it may be of a newer version. */
	if (store_find(store, entry->id, s, err) == 0) {
		int64_t used = s->used;

		if (is_unwanted(s, days, now) && store_lock(store, s, err) == 0) {
			s->used = used;
			/* Again, now that nobody can begin to use it. */
			if (is_unwanted(s, days, now))
				r = store_remove(store, s, err);
		}
		store_session_close(s);
	}
	free(s);
	return r;
}

static bool is_remains(const struct store *store, const char *name, int64_t now)
{
	struct stat st;

	return (strncmp(name, ".new-", 5) == 0 || strncmp(name, ".old-", 5) == 0) &&
	       store_is_id(name + 5, strlen(name + 5)) &&
	       fstatat(store->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       now - st.st_ctim.tv_sec > REMAINS_AGE_S;
}

static int sweep_remains(const struct store *store, int64_t now, struct err *err)
{
	int copy = openat(store->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *entry;
	int r = 0;

	if (!dir) {
		fd_closep(&copy);
		return err_set(err, errno, "cannot list %s", store->path);
	}
	while ((entry = readdir(dir)))
		if (is_remains(store, entry->d_name, now) &&
		    store_remove_remains(store, entry->d_name, err) < 0)
			r = -err->num;
	(void)closedir(dir);
	return r;
}

int store_sweep(const struct store *store, uint32_t days, int64_t now, struct err *err)
{
	struct store_entry *list = NULL;
	size_t n = 0;
	int worst = store_list(store, &list, &n, err);
	int r;

	for (size_t i = 0; i < n; i++) {
		r = sweep_session(store, &list[i], days, now, err);
		if (r < 0)
			worst = r;
	}
	free(list);
	r = sweep_remains(store, now, err);
	return worst < 0 ? worst : r;
}

/* In the child, which holds the lock of .swept. */
static void NORETURN sweep_child(const struct store *store, int swept, pid_t parent)
{
	const int keep[] = {store->dir, swept};
	uint32_t days = 0;
	struct err err;

	if (fd_close_others(keep, ARRAY_SIZE(keep)) < 0 || setpgid(0, 0) < 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(EXIT_FAILURE);
	if (store_keep_days(&days, &err) < 0 || store_sweep(store, days, time(NULL), &err) < 0)
		_exit(EXIT_FAILURE);
	(void)futimens(swept, NULL);
	_exit(EXIT_SUCCESS);
}

void store_sweep_start(const struct store *store)
{
	CLEANUP(fd_closep)
	int swept = openat(store->dir, SWEPT,
			   O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	pid_t parent = getpid();
	struct stat st;

	if (swept < 0 || fstat(swept, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	/* A file that was just made has never seen a pass: it is dated back to say so. */
	if (st.st_size == 0) {
		const struct timespec never[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

		if (fd_write_full(swept, "1\n", 2) < 0 || futimens(swept, never) < 0 ||
		    fstat(swept, &st) < 0)
			return;
	}
	if (time(NULL) - st.st_mtim.tv_sec < STORE_SWEEP_PERIOD_S ||
	    flock(swept, LOCK_EX | LOCK_NB) < 0)
		return;
	if (fork() == 0)
		sweep_child(store, swept, parent);
}
