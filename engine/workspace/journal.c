/*
 * Theory of operation: the list of operations is written under another name, synced and renamed: it is
 * there whole or not at all. Marks are single short writes at the end; a kill cannot tear one that the
 * kernel has taken, a power failure can, and then the step is done again, which each step allows.
 * Reading trusts nothing: sizes, counts, kinds, paths, links between operations are checked, so that
 * what works on the list need not.
 */
#include "workspace/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/num.h"
#include "workspace/branch.h"
#include "workspace/changes.h"

#define ALIGN 8U
#define SERIAL_BITS 40

static_assert(sizeof(struct journal_op) % ALIGN == 0, "operations are aligned");
static_assert(sizeof(struct journal_header) % ALIGN == 0, "operations are aligned");

void journal_init(struct journal *journal)
{
	*journal = (struct journal){.fd = -1};
}

void journal_fini(struct journal *journal)
{
	fd_closep(&journal->fd);
	free(journal->data);
	free(journal->ops);
	free(journal->marks);
	journal_init(journal);
}

const char *journal_path(const struct journal_op *op)
{
	return (const char *)(op + 1);
}

void journal_id_of(const struct stat *st, struct journal_id *ret)
{
	const uint64_t nlink = st->st_nlink;

	*ret = (struct journal_id){
		.dev = st->st_dev,
		.ino = st->st_ino,
		.size = (uint64_t)st->st_size,
		.mtime_s = st->st_mtim.tv_sec,
		.ctime_s = st->st_ctim.tv_sec,
		.atime_s = st->st_atim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
		.ctime_ns = (uint32_t)st->st_ctim.tv_nsec,
		.atime_ns = (uint32_t)st->st_atim.tv_nsec,
		.mode = st->st_mode,
		.nlink = nlink < UINT32_MAX ? (uint32_t)nlink : UINT32_MAX,
	};
}

bool journal_id_same(const struct journal_id *id, const struct stat *st)
{
	if (id->dev != st->st_dev || id->ino != st->st_ino ||
	    (id->mode & S_IFMT) != (st->st_mode & S_IFMT))
		return false;
	/* A folder's size and time are about names in it: those are looked at one by one. */
	return S_ISDIR(st->st_mode) ||
	       (id->size == (uint64_t)st->st_size && id->mtime_s == st->st_mtim.tv_sec &&
		id->mtime_ns == (uint64_t)st->st_mtim.tv_nsec);
}

bool journal_id_untouched(const struct journal_id *id, const struct stat *st)
{
	return journal_id_same(id, st) && (S_ISDIR(st->st_mode) || id->nlink > 1 ||
					   (id->ctime_s == st->st_ctim.tv_sec &&
					    id->ctime_ns == (uint64_t)st->st_ctim.tv_nsec));
}

void journal_temporary(const struct journal *journal, uint32_t op, const char *suffix,
		       char ret[JOURNAL_TEMPORARY_BYTES])
{
	const uint64_t serial = journal->header->serial + op;

	(void)snprintf(ret, JOURNAL_TEMPORARY_BYTES, JOURNAL_PREFIX "%s-%" PRIu64 ".%s",
		       journal->header->session, serial, suffix);
}

static bool name_is_temporary(const char *name, size_t len)
{
	static const char *const ends[] = {".tmp", ".new", ".old"};

	if (len < strlen(JOURNAL_PREFIX) + 4 ||
	    strncmp(name, JOURNAL_PREFIX, strlen(JOURNAL_PREFIX)) != 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (strncmp(name + len - 4, ends[i], 4) == 0)
			return true;
	return false;
}

bool journal_is_temporary(const char *path)
{
	for (const char *at = path; at; at = strchr(at, '/')) {
		at += *at == '/';
		if (name_is_temporary(at, strcspn(at, "/")))
			return true;
	}
	return false;
}

int journal_add(struct buf *ops, const struct journal_op *op, const char *path)
{
	static const char padding[ALIGN];
	struct journal_op record = *op;
	size_t len = strlen(path) + 1;
	size_t pad = (ALIGN - len % ALIGN) % ALIGN;
	int r;

	record.bytes = (uint32_t)(sizeof(record) + len + pad);
	r = buf_append(ops, &record, sizeof(record));
	if (r == 0)
		r = buf_append(ops, path, len);
	return r < 0 || pad == 0 ? r : buf_append(ops, padding, pad);
}

/* Relative, no empty, "." or ".." component, within the limits of a path. */
static bool path_is_sound(const char *path)
{
	const char *at = path;

	if (strlen(path) >= CHANGES_PATH_MAX)
		return false;
	for (;;) {
		size_t len = strcspn(at, "/");

		if (len == 0 || (len == 1 && at[0] == '.') ||
		    (len == 2 && at[0] == '.' && at[1] == '.'))
			return false;
		if (at[len] == '\0')
			return true;
		at += len + 1;
	}
}

static bool op_is_sound(const struct journal_op *op, size_t left, uint32_t number,
			const struct journal_op *const *before)
{
	const char *path = journal_path(op);

	if (op->bytes <= sizeof(*op) || op->bytes > left || op->bytes % ALIGN != 0 ||
	    op->kind >= JOURNAL_KIND_N || op->flags > JOURNAL_FLAGS_ALL ||
	    op->change >= CHANGE_KIND_N || op->layer > STACK_LAYER_MAX)
		return false;
	if (!memchr(path, '\0', op->bytes - sizeof(*op)) || !path_is_sound(path) ||
	    journal_is_temporary(path))
		return false;
	return op->link == JOURNAL_NONE ||
	       (op->link < number && before[op->link]->kind <= JOURNAL_SYMLINK);
}

static int index_ops(struct journal *j, size_t len)
{
	size_t at = sizeof(*j->header);
	size_t end = (size_t)j->header->bytes;
	uint32_t n = j->header->n;

	if (end > len || end < at || n > JOURNAL_OPS_MAX ||
	    n > (end - at) / sizeof(struct journal_op) ||
	    j->header->flags > JOURNAL_HEADER_FLAGS_ALL ||
	    !memchr(j->header->session, '\0', JOURNAL_SESSION_BYTES) ||
	    strspn(j->header->session, "abcdefghijklmnopqrstuvwxyz0123456789") !=
		    strlen(j->header->session) ||
	    j->header->serial >> SERIAL_BITS)
		return -EINVAL;
	/* Pointers it is. NOLINTNEXTLINE(bugprone-sizeof-expression) */
	j->ops = calloc((size_t)n + 1, sizeof(*j->ops));
	j->marks = calloc((size_t)n + 1, sizeof(*j->marks));
	if (!j->ops || !j->marks)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		const struct journal_op *op = (const void *)(j->data + at);

		if (end - at <= sizeof(*op) || !op_is_sound(op, end - at, i, j->ops))
			return -EINVAL;
		j->ops[i] = op;
		at += op->bytes;
	}
	return at == end ? 0 : -EINVAL;
}

/* Return: bytes of whole, sound marks. */
static size_t read_marks(struct journal *j, const char *data, size_t len)
{
	struct journal_mark mark;
	size_t at = 0;

	for (; len - at >= sizeof(mark); at += sizeof(mark)) {
		memcpy(&mark, data + at, sizeof(mark));
		if (mark.check != (mark.op ^ mark.state ^ JOURNAL_MARK_CHECK) ||
		    mark.state >= JOURNAL_STATE_N)
			break;
		if (mark.op == JOURNAL_NONE)
			j->clearing = true;
		else if (mark.op < j->header->n)
			j->marks[mark.op] = mark;
		else
			break;
	}
	return at;
}

static int open_marks(int dir, size_t end, struct journal *j)
{
	/* No O_APPEND: torn bytes at the end are written over. */
	j->fd = openat(dir, JOURNAL_FILE, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (j->fd < 0 || ftruncate(j->fd, (off_t)end) < 0 || lseek(j->fd, (off_t)end, SEEK_SET) < 0)
		return -errno;
	return 0;
}

int journal_read(int dir, struct journal *ret, struct err *err)
{
	struct journal j;
	size_t len = 0;
	int r;

	journal_init(&j);
	r = branch_read(dir, JOURNAL_FILE, JOURNAL_BYTES_MAX, &j.data, &len, err);
	if (r < 0)
		return r;
	r = -EINVAL;
	if (len >= sizeof(*j.header) &&
	    memcmp(j.data, JOURNAL_MAGIC, sizeof(j.header->magic)) == 0) {
		j.header = (const void *)j.data;
		r = index_ops(&j, len);
	}
	if (r == 0) {
		size_t end = (size_t)j.header->bytes;

		end += read_marks(&j, j.data + end, len - end);
		r = open_marks(dir, end, &j);
	}
	if (r < 0) {
		journal_fini(&j);
		return err_set(err, -r, "cannot use the journal of an unfinished commit%s",
			       r == -EINVAL ? ": it is damaged" : "");
	}
	*ret = j;
	return 0;
}

int journal_is_there(int dir)
{
	struct stat st;

	if (fstatat(dir, JOURNAL_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

int journal_write(int dir, const char *session, uint32_t flags, const struct buf *ops, uint32_t n,
		  struct journal *ret, struct err *err)
{
	CLEANUP(buf_fini) struct buf out = {.cap = JOURNAL_BYTES_MAX};
	struct journal_header header = {.magic = JOURNAL_MAGIC, .n = n, .flags = flags};
	int r;

	if (n > JOURNAL_OPS_MAX)
		return err_set(err, E2BIG,
			       "%u changes at once, at most %u: commit folder by folder", n,
			       JOURNAL_OPS_MAX);
	if (strlen(session) >= sizeof(header.session))
		return err_set(err, EINVAL, "the session's name is too long");
	memcpy(header.session, session, strlen(session) + 1);
	/* So that what another commit has left is never taken for ours. */
	if (getrandom(&header.serial, sizeof(header.serial), 0) != (ssize_t)sizeof(header.serial))
		return err_set(err, errno, "no random numbers");
	header.serial >>= 64 - SERIAL_BITS;
	header.bytes = sizeof(header) + ops->len;
	r = buf_append(&out, &header, sizeof(header));
	if (r == 0 && ops->len > 0)
		r = buf_append(&out, ops->data, ops->len);
	if (r < 0)
		return err_set(err, -r, "cannot write the journal of %u changes", n);
	r = branch_replace(dir, JOURNAL_FILE, out.data, out.len, err);
	if (r < 0)
		return r;
	buf_fini(&out);
	return journal_read(dir, ret, err);
}

int journal_mark(struct journal *journal, uint32_t op, enum journal_state state,
		 const struct stat *st, struct err *err)
{
	struct journal_mark mark = {.op = op, .state = state};
	int r;

	if (st) {
		mark.dev = st->st_dev;
		mark.ino = st->st_ino;
		mark.ctime_s = st->st_ctim.tv_sec;
		mark.ctime_ns = (uint32_t)st->st_ctim.tv_nsec;
	}
	mark.check = op ^ (uint32_t)state ^ JOURNAL_MARK_CHECK;
	r = fd_write_full(journal->fd, &mark, sizeof(mark));
	if (r < 0)
		return err_set(err, -r, "cannot write the journal of the commit");
	if (op == JOURNAL_NONE) {
		journal->clearing = true;
		return fsync(journal->fd) < 0 ? err_set(err, errno, "cannot sync the journal") : 0;
	}
	journal->marks[op] = mark;
	return 0;
}
