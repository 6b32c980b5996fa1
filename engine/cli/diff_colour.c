/*
 * Theory of operation: two states. Outside of a hunk a line is a head or a remark; "@@ -a,b +c,d @@"
 * begins a hunk of b old and d new lines, and while any is left, the first byte alone decides.
 */
#include "cli/diff_colour.h"

#include <stdint.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"
#include "cli/ui.h"

#define COUNT_MAX 1000000000U

struct hunk {
	uint64_t old_left;
	uint64_t new_left;
};

/* What a terminal may see of foreign bytes; see the contract. */
static int append_visible(struct buf *out, const char *line, size_t len)
{
	int r = 0;

	for (size_t i = 0; i < len && r == 0;) {
		unsigned char c = (unsigned char)line[i];
		size_t n = 0;

		if ((c < 0x20 && c != '\t') || c == 0x7f) {
			r = buf_printf(out, "^%c", c ^ 0x40);
			i++;
			continue;
		}
		while (i + n < len && ((unsigned char)line[i + n] >= 0x20 || line[i + n] == '\t') &&
		       line[i + n] != 0x7f)
			n++;
		r = text_append_safe(out, line + i, n);
		i += n;
	}
	return r;
}

/* The number behind @sign, as "5" or "5,7": how many lines; 1 when only the place is given. */
static bool read_count(const char *line, size_t len, char sign, uint64_t *ret)
{
	const char *at = memchr(line, sign, len);
	char digits[16] = "";
	size_t n = 0;

	if (!at)
		return false;
	at++;
	while (at < line + len && *at >= '0' && *at <= '9')
		at++;
	*ret = 1;
	if (at >= line + len || *at != ',')
		return true;
	for (at++; at < line + len && *at >= '0' && *at <= '9' && n + 1 < sizeof(digits); at++)
		digits[n++] = *at;
	return num_parse_u64(digits, COUNT_MAX, ret) == 0;
}

static bool begins(const char *line, size_t len, const char *word)
{
	return len >= strlen(word) && memcmp(line, word, strlen(word)) == 0;
}

/* Whether @line belongs to a hunk's content, which is counted down; the head of one sets the counts. */
static bool is_content(struct hunk *h, const char *line, size_t len)
{
	if (len == 0 || (h->old_left == 0 && h->new_left == 0)) {
		if (begins(line, len, "@@ -") && (!read_count(line, len, '-', &h->old_left) ||
						  !read_count(line, len, '+', &h->new_left)))
			*h = (struct hunk){0};
		return false;
	}
	if (line[0] != '+' && line[0] != '\\' && h->old_left > 0)
		h->old_left--;
	if (line[0] != '-' && line[0] != '\\' && h->new_left > 0)
		h->new_left--;
	return true;
}

static enum ui_tone tone_of(struct hunk *h, const char *line, size_t len)
{
	bool content = is_content(h, line, len);

	if (begins(line, len, "\\"))
		return UI_FAINT;
	if (content)
		return line[0] == '+' ? UI_GOOD : (line[0] == '-' ? UI_BAD : UI_PLAIN);
	return begins(line, len, "@@ -") ? UI_WARN : UI_STRONG;
}

/* The next line of what is left; false behind the last. */
static bool next_line(const char **text, size_t *left, const char **ret, size_t *ret_len)
{
	const char *end = memchr(*text, '\n', *left);

	if (*left == 0)
		return false;
	*ret = *text;
	*ret_len = end ? (size_t)(end - *text) : *left;
	*text += MIN(*left, *ret_len + 1);
	*left -= MIN(*left, *ret_len + 1);
	return true;
}

int diff_colour(struct buf *out, const char *text, size_t len, bool color)
{
	struct hunk hunk = {0};
	const char *line;
	size_t n;
	int r = 0;

	while (r == 0 && next_line(&text, &len, &line, &n)) {
		CLEANUP(buf_fini) struct buf visible = {0};
		enum ui_tone tone = tone_of(&hunk, line, n);

		r = append_visible(&visible, line, n);
		if (r == 0 && visible.len > 0)
			r = ui_paint(out, color, tone, visible.data, 0);
		if (r == 0)
			r = buf_puts(out, "\n");
	}
	return r;
}
