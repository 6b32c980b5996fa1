/*
 * What a policy says of changes: which paths are protected, which are scratch, where links may lead.
 * policyc writes the text into the image (image_cell.rules); init and toolcell-changes read it there.
 * One rule a line, fields divided by tabs, nothing escaped (policyc refuses names that would need it):
 *
 *	P <pattern> <pointer>	a protected path: shown, never committed
 *	F <pattern> <pointer>	the same, unless it is a folder (a .git that is a file leads git elsewhere)
 *	S <pattern> <pointer>	scratch: build output; counted, and committed only when named
 *	L inside <pointer>	symbolic links that lead out of the workspace are refused at commit
 *	Y <pointer>		fsync(2) what is committed
 *
 * <pointer> is where the rule stands, "policies/base/build.json#/workspace/protect/0". A pattern is a
 * path relative to the workspace; a component of "**" stands for any number of components, also
 * none; '*', '?' and '[' match within one component, a leading dot included. A match covers all
 * that lies below.
 *
 * Protected patterns match without regard to the case of ASCII letters: on a file system without case
 * (a workspace shared with macOS or Windows) ".Git/hooks" is ".git/hooks". Scratch is exact.
 */
#ifndef TOOLCELL_WORKSPACE_RULES_H
#define TOOLCELL_WORKSPACE_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define RULES_MAX 512U
#define RULES_DEPTH_MAX 64U /* components of a pattern */
#define RULES_TEXT_MAX ((size_t)1 << 20)
#define RULES_POINTER_MAX 1024U
#define RULES_PATTERN_MAX 4095U

struct rule {
	char type; /* 'P', 'F', 'S' */
	const char *pattern;
	size_t pattern_len;
	const char *pointer;
	size_t pointer_len;
	uint64_t initial; /* how the last component begins, as one bit; 0: in any way */
};

struct rules {
	struct rule rules[RULES_MAX]; /* into the text */
	size_t n;
	bool links_inside;
	const char *links_pointer; /* of the L rule; with its length */
	size_t links_pointer_len;
	bool sync;
};

/** rules_parse - @text stays borrowed; -EINVAL names the line */
MUST_USE int rules_parse(const char *text, struct rules *ret, struct err *err);

/**
 * rules_find - the first rule of @type ('P' also finds 'F') that covers @path
 * @path: relative to the workspace, no empty, "." or ".." components
 * @is_dir: whether @path is a folder
 * Return: NULL for none.
 */
const struct rule *rules_find(const struct rules *rules, char type, const char *path, bool is_dir);

/**
 * rules_find_link - the first protected rule that a symbolic link at @path would lead around
 *
 * With "**" + "/.cargo/config.toml" protected, a link ".cargo -> x" makes x/config.toml what
 * .cargo/config.toml says, and no rule covers x. So a link where a folder of a protected pattern is to
 * be is protected itself. What a leading "**" alone stands for is none of these: whatever such a link
 * leads to is covered where it lies.
 */
const struct rule *rules_find_link(const struct rules *rules, const char *path);

/** rules_match - one pattern; for tests and rules_find.  Bounded: no pattern is slow. */
bool rules_match(const char *pattern, size_t pattern_len, const char *path);

/**
 * rule_literal - a protected pattern as one path, for a look at a known place
 * Leading "**" components, which may stand for nothing, are left out.
 * Return: the path's length, with @ret_path into the pattern; 0 when wildcards are left.
 */
size_t rule_literal(const struct rule *rule, const char **ret_path);

#endif
