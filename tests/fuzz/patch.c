/*
 * Theory of operation: any bytes as a patch, and what follows the first NUL as the file that it is for. What
 * parses must lie within the text and its own counts; each of its files is then applied, and what comes
 * out must have as many lines as the patch says. Every error has one line of words.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tools/cell/files/patch_apply.h"
#include "tools/cell/files/patch_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool holds)
{
	if (!holds)
		abort();
}

static void check_hunk(const struct patch *patch, const struct patch_hunk *hunk, const char *text,
		       size_t len)
{
	size_t old_lines = 0;
	size_t new_lines = 0;

	need(hunk->first + hunk->count <= patch->n_lines);
	need(hunk->first_anchor + hunk->n_anchors <= patch->n_anchors);
	for (size_t i = hunk->first; i < hunk->first + hunk->count; i++) {
		const struct patch_line *line = &patch->lines[i];

		need(line->text >= text && line->text + line->len <= text + len);
		need(!memchr(line->text, '\n', line->len));
		old_lines += line->mark != '+' ? 1 : 0;
		new_lines += line->mark != '-' ? 1 : 0;
	}
	need(old_lines == hunk->old_lines && new_lines == hunk->new_lines);
}

static size_t count_lines(const char *text, size_t len)
{
	struct patch_text lines;
	size_t n;

	if (patch_text_split(text, len, false, &lines) < 0)
		abort();
	n = lines.n;
	patch_text_fini(&lines);
	return n;
}

static void apply(const struct patch *patch, const struct patch_file *file, const char *text,
		  size_t len)
{
	struct patch_rejects rejects = {0};
	struct patch_applied applied;
	struct patch_text lines;
	uint64_t cost = PATCH_COST_MAX -
			PATCH_COST_MAX / 100; /* hostile costs are for unit tests */

	if (patch_text_split(text, len, (len & 1) != 0, &lines) < 0)
		return;
	if (patch_apply(patch, file, &lines, "file", &cost, &applied, &rejects) == 0) {
		if (rejects.n == 0)
			need(count_lines(applied.out.data ? applied.out.data : "",
					 applied.out.len) ==
			     lines.n + applied.added - applied.removed);
		else
			need(rejects.text.len > 0 && json_array_size(rejects.list) > 0);
	}
	patch_applied_fini(&applied);
	patch_rejects_fini(&rejects);
	patch_text_fini(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct patch patch;
	struct err err = {0};
	size_t len;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	len = strlen(text);
	if (patch_parse(text, len, &patch, &err) < 0) {
		need(err.text[0] != '\0' && !strchr(err.text, '\n') && !strchr(err.text, '\033'));
	} else {
		need(patch.n_files > 0);
		for (size_t i = 0; i < patch.n_files; i++) {
			const struct patch_file *file = &patch.files[i];

			need(file->path && file->path[0] != '\0');
			need(file->first + file->n_hunks <= patch.n_hunks);
			for (size_t k = file->first; k < file->first + file->n_hunks; k++)
				check_hunk(&patch, &patch.hunks[k], text, len);
			apply(&patch, file, text + MIN(len + 1, size), size - MIN(len + 1, size));
		}
	}
	patch_fini(&patch);
	free(text);
	return 0;
}
