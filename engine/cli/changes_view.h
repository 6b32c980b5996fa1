/* A changeset for people. */
#ifndef TOOLCELL_CLI_CHANGES_VIEW_H
#define TOOLCELL_CLI_CHANGES_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

/**
 * changes_view_list - a line for each change: letter, path, sizes, and why it is held
 * @changes: a result's `changes`, which has "files" and counts, or the data of the tool `changes`,
 *	     which has "changes" and "counts"
 */
MUST_USE int changes_view_list(struct buf *out, json_t *changes, bool color);

/**
 * changes_view_told - what a commit or a discard did, and what it held back and why
 * @data: of changes_commit or changes_discard
 */
MUST_USE int changes_view_told(struct buf *out, json_t *data, bool color);

/** changes_view_stat - a line for each file of a diff, "src/lib.rs  +3 -1".  @data: of the diff */
MUST_USE int changes_view_stat(struct buf *out, json_t *data, bool color);

/**
 * changes_view_counts - "2 added, 1 modified"; "" when nothing was changed
 * Return: @dst.
 */
const char *changes_view_counts(json_t *changes, char *dst, size_t cap);

/** changes_view_kinds - the same of the totals of wire/changes.h, CHANGES_KINDS of them */
const char *changes_view_kinds(const uint64_t *totals, char *dst, size_t cap);

/** changes_view_held - whether any of it would stay, or has stayed, behind at a commit */
bool changes_view_held(json_t *changes);

/** changes_view_why - words for a verdict; NULL for one that holds nothing back */
const char *changes_view_why(const char *verdict);

#endif
