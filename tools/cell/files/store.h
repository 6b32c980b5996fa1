/*
 * Files read whole and replaced whole. A replacement is written beside the old file under a name
 * that tells what it is (".NAME.toolcell-XXXXXXXX"), and takes its place by rename(2): whoever looks
 * sees the old content or the new one. With TOOLCELL_SYNC=1 in the environment both steps are
 * fsync'ed. A file with several names (hard links) loses only this name to the new content.
 */
#ifndef TOOLCELL_CELL_STORE_H
#define TOOLCELL_CELL_STORE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/macros.h"
#include "tools/cell/files/path.h"

#define STORE_BYTES_MAX ((size_t)256 << 20)	/* of a file that is read */
#define STORE_EDIT_BYTES_MAX ((size_t)64 << 20) /* of one that is edited, old and new */
#define STORE_DIGEST_MAX \
	sizeof("sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")

struct store_file {
	char *data; /* malloc'ed, a NUL behind the last byte */
	size_t len;
	struct stat st;
};

void store_file_fini(struct store_file *file);

/**
 * store_load - a regular file into memory; never blocks on anything else
 * @cap: more is refused ("too_large")
 * Return: 0; -EPERM: the answer says no (path_refuse, path_refuse_special); -ENOMEM, -EIO.
 */
MUST_USE int store_load(const struct path *path, size_t cap, struct store_file *ret,
			struct answer *a);

/** store_digest - "sha256:" and 64 hex digits */
void store_digest(const void *data, size_t len, char dst[STORE_DIGEST_MAX]);

/**
 * store_check_digest - the argument expected_digest against what the file holds now
 * @expected: NULL: nothing is expected
 * @file:     NULL: the file does not exist
 * Return: 0; -EPERM: the answer says no ("changed", or "arguments" when it is no digest).
 */
MUST_USE int store_check_digest(const char *expected, const struct path *path,
				const struct store_file *file, struct answer *a);

/* One replacement under way; zeroed (store_init) it holds nothing. */
struct store {
	int dir;
	const char *name;	      /* within the path's real */
	char temporary[NAME_MAX + 1]; /* "": none */
};

void store_init(struct store *s);

/**
 * store_prepare - the new content in a temporary file beside the old one; folders are made
 * @path: must outlive @s
 * @mode: permission bits; 0666 less the umask when @old is NULL and this is 0
 * @old:  the file that is replaced, whose mode is kept; NULL for a new one
 * Return: 0; -EPERM: the answer says no; -ENOMEM.
 */
MUST_USE int store_prepare(struct store *s, const struct path *path, const void *data, size_t len,
			   const struct stat *old, mode_t mode, struct answer *a);

/**
 * store_commit - the new content takes the old one's place
 * @fresh: nothing may be there yet (RENAME_NOREPLACE)
 * Return: 0; -EPERM: the answer says no.
 */
MUST_USE int store_commit(struct store *s, const struct path *path, bool fresh, struct answer *a);

/** store_fini - whatever is left of it is removed; for CLEANUP and for undoing */
void store_fini(struct store *s);

#endif
