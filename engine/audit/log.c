/*
 * Theory of operation: each line is written under an exclusive lock, with one write(2), at the end of
 * the file. Under the lock the end is where we left it, or it is found again (find_end): another engine
 * may have written, or begun a new file.
 *
 *	lock -> look at the end -> [gap, torn, new file] -> line -> [fdatasync] -> unlock
 *
 * When fdatasync(2) fails, all that this lock has seen written is taken back, the gap included. The kernel
 * tells of a failed write once for each descriptor and then takes the pages for clean, so a second
 * fdatasync proves nothing about them: the file is opened anew, and only a line that is written and synced
 * then counts.
 *
 * A write that is cut short (a full disk) is taken back by truncation to where it began, as nobody has
 * been told of it. What a crash has left without a newline stays as evidence: the next line begins behind
 * a newline and is of kind "torn", with the fragment's length and hash. A crash while that is written
 * leaves a second fragment, and so on; the line that gets through tells of them as one:
 *
 *	line NL  fragment NL  fragment NL  torn NL
 *		 `------- bytes, sha256 -'
 *
 * A line that is whole but for its newline gets one, and nothing else.
 *
 * A new file: the full one gets its number by rename, then the new one is made, with a line that carries
 * the chain on, then files that are too old go. Killed between any two of these, find_end sees a file
 * that is missing or empty beside full ones, and goes on from there.
 */
#include "audit/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

#define SMALL_RECORD_BYTES 512U
#define LOCK_TRIES 1000U	 /* about five seconds */
#define TAIL_BYTES ((off_t)4096) /* looked at first */
/* A line, a fragment of one, and fragments of lines that tell of it, which are short. */
#define TAIL_BYTES_MAX ((off_t)(3U * AUDIT_LINE_BYTES_MAX))

static int64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int open_file(int dir, const char *name, int flags, int *ret_fd, struct err *err)
{
	CLEANUP(fd_closep)
	int fd = openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	struct stat st;

	if (fd < 0)
		return err_set(err, errno, "cannot open %s of the audit log", name);
	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "cannot look at %s of the audit log", name);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_uid != geteuid() ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)))
		return err_set(err, EPERM,
			       "%s of the audit log is no file of yours that nobody else can write "
			       "to; move it away",
			       name);
	*ret_fd = fd_take(&fd);
	return 0;
}

static int random_name(char dst[AUDIT_ENGINE_BYTES])
{
	static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char bytes[AUDIT_ENGINE_BYTES - 1];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return -EIO;
	for (size_t i = 0; i < sizeof(bytes); i++)
		dst[i] = digits[bytes[i] % 32];
	dst[sizeof(bytes)] = '\0';
	return 0;
}

static int refuse_end(const char *why, struct err *err)
{
	return err_set(err, EBADMSG,
		       "the audit log's last line cannot be carried on: %s; see `toolcell audit "
		       "verify`, then move the log away",
		       why);
}

static void note_torn(struct audit_end *end, const char *torn, size_t n)
{
	end->torn = n;
	audit_hash_hex(torn, n, end->torn_hash);
}

/* @line ends at @to of the @n bytes at @data. */
static int note_end(struct audit_end *end, const struct audit_line *line, const char *data,
		    size_t to, size_t n, struct err *err)
{
	size_t behind = to < n ? to + 1 : n;

	if (behind < n && data[behind] == '\n')
		return refuse_end("an empty line follows it", err);
	end->seq = line->seq;
	memcpy(end->prev, line->hash, sizeof(end->prev));
	end->unended = to == n;
	note_torn(end, data + behind, n - behind);
	return 0;
}

/*
 * The last @n bytes of a file, from behind: pieces between newlines, of which the last may be anything,
 * those before it what a crash leaves, and then there is a line.
 * Return: 0; 1 when there is none; -EAGAIN when more bytes are needed; -errno.
 */
static int take_tail(struct audit_end *end, const char *data, size_t n, bool whole, struct err *err)
{
	const char *why = NULL;
	size_t to = n;

	for (unsigned int pieces = 0; pieces <= AUDIT_TORN_LINES_MAX; pieces++) {
		const char *newline = memrchr(data, '\n', to);
		size_t from = newline ? (size_t)(newline - data) + 1 : 0;
		struct audit_line line;

		if (!newline && !whole)
			return -EAGAIN;
		if (audit_line_parse(data + from, to - from, &line, &why) == 0)
			return note_end(end, &line, data, to, n, err);
		if (pieces > 0 && !audit_line_is_cut(data + from, to - from))
			return refuse_end(why, err);
		if (!newline) { /* torn at its birth */
			note_torn(end, data, n);
			return 1;
		}
		to = from - 1;
	}
	return refuse_end("too many fragments follow each other", err);
}

/* Return: 0; 1 when there is no whole line; -errno. */
static int read_end(int fd, off_t size, struct audit_end *end, struct err *err)
{
	char *data = NULL;
	int r = -EAGAIN;

	for (off_t n = TAIL_BYTES; r == -EAGAIN; n = MIN(n * 8, TAIL_BYTES_MAX)) {
		off_t take = MIN(n, size);
		char *grown = realloc(data, (size_t)take + 1);
		ssize_t got;

		if (!grown) {
			r = err_set(err, ENOMEM, "no memory for the end of the audit log");
			break;
		}
		data = grown;
		got = fd_pread_full(fd, data, (size_t)take, size - take);
		if (got != (ssize_t)take)
			r = err_set(err, got < 0 ? (int)-got : EIO, "cannot read the audit log");
		else
			r = take_tail(end, data, (size_t)take, take == size, err);
		if (r == -EAGAIN && take == TAIL_BYTES_MAX)
			r = err_set(err, EBADMSG,
				    "the audit log's last line is longer than any that toolcell "
				    "writes; move the log away");
	}
	free(data);
	return r;
}

/* Number of the newest full file, 0 for none; -errno. */
static int newest_full(const struct audit_log *log, uint64_t *ret, struct err *err)
{
	uint64_t *numbers = calloc(AUDIT_FILES_MAX, sizeof(*numbers));
	ssize_t n = numbers ? audit_files(log->dir, numbers) : -ENOMEM;

	*ret = n > 0 ? numbers[n - 1] : 0;
	free(numbers);
	return n < 0 ? err_set(err, (int)-n, "cannot list the audit log") : 0;
}

/* The chain as the newest of the full files leaves it; a new one where there are none. */
static int take_chain(struct audit_log *log, struct err *err)
{
	CLEANUP(fd_closep) int fd = -1;
	char name[AUDIT_NAME_BYTES];
	struct audit_end full = {0}; /* fragments in it are its reader's */
	uint64_t newest = 0;
	struct stat st;
	int r = newest_full(log, &newest, err);

	log->end.seq = 0;
	memcpy(log->end.prev, AUDIT_NO_HASH, sizeof(log->end.prev));
	if (r < 0 || newest == 0)
		return r;
	r = open_file(log->dir, audit_file_name(newest, name), O_RDONLY, &fd, err);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return err_set(err, errno, "cannot look at %s of the audit log", name);
	r = read_end(fd, st.st_size, &full, err);
	if (r == 1)
		return err_set(err, EBADMSG,
			       "%s of the audit log has no whole line; move the log away", name);
	log->end.seq = full.seq;
	memcpy(log->end.prev, full.prev, sizeof(log->end.prev));
	return r;
}

static int note_size(struct audit_log *log, struct err *err)
{
	struct stat st;

	if (fstat(log->file, &st) < 0)
		return err_set(err, errno, "cannot look at the audit log");
	log->dev = st.st_dev;
	log->ino = st.st_ino;
	log->size = st.st_size;
	return 0;
}

static bool end_is_known(const struct audit_log *log)
{
	struct stat st;

	return log->file >= 0 && fstatat(log->dir, AUDIT_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_dev == log->dev && st.st_ino == log->ino && st.st_size == log->size &&
	       S_ISREG(st.st_mode);
}

static int find_end(struct audit_log *log, struct err *err)
{
	int r;

	if (end_is_known(log))
		return 0;
	fd_closep(&log->file);
	log->end = (struct audit_end){0};
	r = open_file(log->dir, AUDIT_FILE, O_RDWR | O_APPEND | O_CREAT, &log->file, err);
	if (r == 0)
		r = note_size(log, err);
	if (r == 0)
		r = log->size > 0 ? read_end(log->file, log->size, &log->end, err) : 1;
	/* No line of its own: the chain comes from the file before. */
	if (r == 1)
		r = take_chain(log, err);
	if (r < 0)
		fd_closep(&log->file);
	return r;
}

/* The whole of @text or nothing of it. */
static int write_whole(struct audit_log *log, const struct buf *text, struct err *err)
{
	size_t done = 0;
	int num;

	/* One that is cut short is tried on, to learn why. */
	while (done < text->len) {
		ssize_t n = write(log->file, text->data + done, text->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done == text->len) {
		log->size += (off_t)done;
		log->unsynced = true;
		return 0;
	}
	num = errno;
	/* Where even that fails, the fragment is found, and said, by whoever writes next. */
	if (done > 0 && ftruncate(log->file, log->size) < 0)
		fd_closep(&log->file);
	return err_set(err, num, "cannot write to the audit log");
}

/* Everything since begin_append: nobody has been told that it is in the log. */
static void take_back(struct audit_log *log)
{
	const struct audit_mark *begin = &log->begin;
	bool same = log->dev == begin->dev && log->ino == begin->ino;

	/* Where even that fails, a line stays that is said to be lost; its chain holds. */
	(void)!ftruncate(log->file, same ? begin->size : 0);
	fd_closep(&log->file);
	log->lost = begin->lost;
	log->unsynced = false;
}

static int sync_log(struct audit_log *log, struct err *err)
{
	int num;

	if (!log->options.sync || !log->unsynced || log->file < 0)
		return 0;
	if (fdatasync(log->file) == 0) {
		log->unsynced = false;
		return 0;
	}
	num = errno;
	take_back(log);
	return err_set(err, num, "cannot make the audit log durable");
}

static int put_line(struct audit_log *log, enum audit_kind kind, const char *record, size_t len,
		    struct err *err)
{
	struct audit_line line = {
		.seq = log->end.seq + 1,
		.uid = log->uid,
		.kind = kind,
		.record = record,
		.record_len = len,
	};
	struct buf text = {0};
	int r = 0;

	audit_time_text(now_us(), line.time);
	memcpy(line.engine, log->engine, sizeof(line.engine));
	memcpy(line.prev, log->end.prev, sizeof(line.prev));
	if (log->end.torn > 0)
		r = buf_puts(&text, "\n");
	if (r == 0)
		r = audit_line_append(&text, &line);
	r = r < 0 ? err_set(err, -r, "cannot make a line for the audit log")
		  : write_whole(log, &text, err);
	buf_fini(&text);
	if (r < 0)
		return r;
	log->end.torn = 0;
	log->end.seq = line.seq;
	memcpy(log->end.prev, line.hash, sizeof(log->end.prev));
	return 0;
}

static int put_small(struct audit_log *log, enum audit_kind kind, const char *record, int len,
		     struct err *err)
{
	return put_line(log, kind, record, (size_t)len, err);
}

/* Of a line that is whole: nobody has seen it without. */
static int put_newline(struct audit_log *log, struct err *err)
{
	char newline[] = "\n";
	int r = write_whole(log, &(struct buf){.data = newline, .len = 1}, err);

	if (r == 0)
		log->end.unended = false;
	return r;
}

static int put_torn(struct audit_log *log, struct err *err)
{
	char record[SMALL_RECORD_BYTES];
	int n = snprintf(record, sizeof(record), "{\"bytes\":%" PRIu64 ",\"sha256\":\"%s\"}",
			 log->end.torn, log->end.torn_hash);

	return put_small(log, AUDIT_TORN, record, n, err);
}

static int put_gap(struct audit_log *log, struct err *err)
{
	char record[SMALL_RECORD_BYTES];
	char since[AUDIT_TIME_BYTES];
	const char *name = strerrorname_np(log->lost_num);
	int n = snprintf(record, sizeof(record),
			 "{\"lost\":%" PRIu64 ",\"since\":\"%s\",\"errno\":\"%s\"}", log->lost,
			 audit_time_text(log->lost_since_us, since), name ? name : "EIO");
	int r = put_small(log, AUDIT_GAP, record, n, err);

	if (r == 0)
		log->lost = 0;
	return r;
}

static void remove_old(struct audit_log *log, const uint64_t *numbers, ssize_t n, uint64_t oldest)
{
	char name[AUDIT_NAME_BYTES];

	for (ssize_t i = 0; i < n && numbers[i] < oldest; i++)
		(void)unlinkat(log->dir, audit_file_name(numbers[i], name), 0);
}

/* The first line of a file. What the log does not keep goes behind it, so that the line can say so. */
static int put_head(struct audit_log *log, struct err *err)
{
	uint64_t *numbers = calloc(AUDIT_FILES_MAX, sizeof(*numbers));
	ssize_t n = numbers ? audit_files(log->dir, numbers) : -ENOMEM;
	uint64_t newest = n > 0 ? numbers[n - 1] : 0;
	uint64_t oldest = newest > log->options.keep ? newest - log->options.keep + 1 : 1;
	char record[SMALL_RECORD_BYTES];
	char name[AUDIT_NAME_BYTES];
	int len;
	int r;

	if (n < 0) {
		free(numbers);
		return err_set(err, (int)-n, "cannot list the audit log");
	}
	len = snprintf(record, sizeof(record), "{\"after\":%s%s%s,\"oldest\":%" PRIu64 "}",
		       newest ? "\"" : "", newest ? audit_file_name(newest, name) : "null",
		       newest ? "\"" : "", newest ? oldest : 0);
	r = put_small(log, AUDIT_LOG, record, len, err);
	if (r == 0)
		remove_old(log, numbers, n, oldest);
	free(numbers);
	return r;
}

static int close_full(struct audit_log *log, struct err *err)
{
	char name[AUDIT_NAME_BYTES];
	uint64_t newest = 0;
	int r = newest_full(log, &newest, err);

	if (r < 0)
		return r;
	if (newest == AUDIT_NUMBER_MAX)
		return err_set(err, EFBIG, "the audit log has no number left for a file");
	r = sync_log(log, err);
	if (r < 0)
		return r;
	if (renameat(log->dir, AUDIT_FILE, log->dir, audit_file_name(newest + 1, name)) < 0)
		return err_set(err, errno, "cannot close a full file of the audit log");
	fd_closep(&log->file);
	return find_end(log, err);
}

/* Everything that has to stand in front of a line of @len bytes. */
static int put_due(struct audit_log *log, size_t len, struct err *err)
{
	uint64_t more = len + 1024;
	int r = log->end.unended ? put_newline(log, err) : 0;

	/* A fragment is said in the file that it stands in. */
	if (r == 0 && log->end.torn > 0)
		r = put_torn(log, err);
	if (r == 0 && log->options.rotate_bytes > 0 && log->size > 0 &&
	    (uint64_t)log->size + more > log->options.rotate_bytes)
		r = close_full(log, err);
	if (r == 0 && log->size == 0)
		r = put_head(log, err);
	if (r == 0 && log->lost > 0)
		r = put_gap(log, err);
	return r;
}

/* Others hold it for the length of a line; one that hangs on its disk is not waited for for ever. */
static int lock_log(const struct audit_log *log, struct err *err)
{
	struct timespec pause = {.tv_nsec = 50L * 1000};
	unsigned int tries = 0;

	while (flock(log->lock, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_set(err, errno, "cannot lock the audit log");
		if (tries++ == LOCK_TRIES)
			return err_set(err, EBUSY, "another process keeps the audit log locked");
		(void)nanosleep(&pause, NULL);
		pause.tv_nsec = MIN(2 * pause.tv_nsec, 5L * 1000 * 1000);
	}
	return 0;
}

static int begin_append(struct audit_log *log, struct err *err)
{
	int r = find_end(log, err);

	log->begin = (struct audit_mark){log->dev, log->ino, log->size, log->lost};
	return r;
}

/* @record: NULL for nothing but what is due */
static int append(struct audit_log *log, enum audit_kind kind, const char *record, size_t len,
		  struct err *err)
{
	int r = lock_log(log, err);
	int synced;

	if (r < 0)
		return r;
	r = begin_append(log, err);
	if (r == 0)
		r = put_due(log, len, err);
	if (r == 0 && record)
		r = put_line(log, kind, record, len, err);
	/* Also of a gap whose line did not fit any more: it has been counted as told. */
	synced = sync_log(log, r < 0 ? NULL : err);
	(void)flock(log->lock, LOCK_UN);
	return r < 0 ? r : synced;
}

void audit_log_lose(struct audit_log *log, int num)
{
	if (log->lost++ == 0)
		log->lost_since_us = now_us();
	log->lost_num = num;
}

int audit_log_append(struct audit_log *log, enum audit_kind kind, const char *record, size_t len,
		     struct err *err)
{
	int r;

	if (!audit_record_is_sane(record, len))
		return err_set(err, EINVAL, "a record for the audit log is malformed");
	r = append(log, kind, record, len, err);
	if (r < 0)
		audit_log_lose(log, -r);
	return r;
}

/* Whether the longest line would fit behind the end: small ones may where the next one does not. */
static int check_room(const struct audit_log *log, struct err *err)
{
	struct rlimit limit;

	if (log->file < 0)
		return 0;
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    limit.rlim_cur < (rlim_t)log->size + AUDIT_LINE_BYTES_MAX)
		return err_set(err, EFBIG, "cannot write to the audit log");
	/* Blocks behind the end are used by the next lines. Not every file system can; it is a help. */
	if (fallocate(log->file, FALLOC_FL_KEEP_SIZE, log->size, (off_t)AUDIT_LINE_BYTES_MAX) < 0 &&
	    (errno == ENOSPC || errno == EDQUOT || errno == EIO || errno == EROFS))
		return err_set(err, errno, "cannot write to the audit log");
	return 0;
}

int audit_log_probe(struct audit_log *log, struct err *err)
{
	int r = log->lost > 0 ? check_room(log, err) : 0;

	return r < 0 ? r : append(log, AUDIT_GAP, NULL, 0, err);
}

int audit_log_open(int dir, const struct audit_log_options *options, const char *engine,
		   struct audit_log *ret, struct err *err)
{
	struct audit_log log = AUDIT_LOG_NONE;
	int r = 0;

	log.options = *options;
	log.uid = getuid();
	if (engine)
		(void)snprintf(log.engine, sizeof(log.engine), "%s", engine);
	else
		r = random_name(log.engine);
	if (r < 0)
		return err_set(err, -r, "no random bytes for the name of an engine");
	log.dir = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (log.dir < 0)
		return err_set(err, errno, "cannot open the audit log's folder");
	r = open_file(log.dir, AUDIT_FILE_LOCK, O_RDWR | O_CREAT, &log.lock, err);
	if (r == 0)
		r = audit_log_probe(&log, err);
	if (r < 0) {
		audit_log_close(&log);
		return r;
	}
	*ret = log;
	return 0;
}

void audit_log_close(struct audit_log *log)
{
	fd_closep(&log->file);
	fd_closep(&log->lock);
	fd_closep(&log->dir);
}
