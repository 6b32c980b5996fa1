/* Theory of operation: the same checks as a table for people and as JSON for programs. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/doctor.h"
#include "cli/ui.h"

#define STATUS_COLUMN 9
#define ID_COLUMN 20
#define TEXT_COLUMN (STATUS_COLUMN + ID_COLUMN + 1)
#define LINE_COLUMNS ((size_t)100)

static const struct {
	const char *name;
	enum ui_tone tone;
} statuses[] = {
	[DOCTOR_OK] = {"ok", UI_GOOD},
	[DOCTOR_MISSING] = {"missing", UI_BAD},
	[DOCTOR_WARNING] = {"warning", UI_WARN},
	[DOCTOR_UNUSED] = {"unused", UI_FAINT},
};
static_assert(ARRAY_SIZE(statuses) == DOCTOR_STATUS_N, "every status has a row");

size_t doctor_missing(const struct doctor *doctor)
{
	size_t missing = 0;

	for (size_t i = 0; i < doctor->n; i++)
		missing += doctor->checks[i].status == DOCTOR_MISSING;
	return missing;
}

/* How much of @text goes on a line of @room columns: up to the last space that fits. */
static size_t line_len(const char *text, size_t room)
{
	size_t len = strlen(text);
	size_t cut = room;

	if (len <= room)
		return len;
	while (cut > 0 && text[cut] != ' ')
		cut--;
	return cut > 0 ? cut : strcspn(text, " ");
}

/* @text from TEXT_COLUMN on, its first line behind @mark, the others below it. */
static int wrapped(struct buf *out, const char *mark, const char *text)
{
	size_t room = LINE_COLUMNS - TEXT_COLUMN - strlen(mark);
	int r = buf_puts(out, mark);

	while (r == 0) {
		size_t len = line_len(text, room);

		r = buf_printf(out, "%.*s\n", (int)len, text);
		text += len;
		text += strspn(text, " ");
		if (r < 0 || *text == '\0')
			break;
		r = buf_printf(out, "%*s", TEXT_COLUMN + (int)strlen(mark), "");
	}
	return r;
}

static int text_check(const struct doctor_check *check, bool color, struct buf *out)
{
	int r = ui_paint(out, color, statuses[check->status].tone, statuses[check->status].name,
			 STATUS_COLUMN);

	if (r == 0)
		r = ui_paint(out, color, UI_STRONG, check->id, ID_COLUMN);
	if (r == 0)
		r = buf_puts(out, " ");
	if (r == 0)
		r = wrapped(out, "", check->detail);
	if (r == 0 && check->remedy[0] != '\0' && check->status != DOCTOR_OK) {
		r = buf_printf(out, "%*s", TEXT_COLUMN, "");
		if (r == 0)
			r = wrapped(out, "> ", check->remedy);
	}
	return r;
}

int doctor_text(const struct doctor *doctor, bool color, struct buf *out)
{
	size_t missing = doctor_missing(doctor);
	int r = 0;

	for (size_t i = 0; r == 0 && i < doctor->n; i++)
		r = text_check(&doctor->checks[i], color, out);
	if (r < 0)
		return r;
	if (missing > 0)
		return buf_printf(out,
				  "\nThe agent rust-engineer cannot work here: %zu %s missing.\n",
				  missing, missing == 1 ? "thing is" : "things are");
	return buf_printf(out, "\nThe agent rust-engineer can work here, in %s mode.\n",
			  doctor->root_mode ? "root" : "rootless");
}

/* Paths and error texts may hold any bytes; JSON may not. */
static json_t *json_text(const char *text)
{
	CLEANUP(buf_fini) struct buf safe = {0};

	if (text_append_safe(&safe, text, strlen(text)) < 0)
		return NULL;
	return json_stringn(safe.data ? safe.data : "", safe.len);
}

static json_t *json_check(const struct doctor_check *check)
{
	bool wrong = check->remedy[0] != '\0' && check->status != DOCTOR_OK;

	return json_pack("{s:s, s:s, s:o, s:o}", "id", check->id, "status",
			 statuses[check->status].name, "detail", json_text(check->detail), "remedy",
			 wrong ? json_text(check->remedy) : json_null());
}

int doctor_json(const struct doctor *doctor, struct buf *out)
{
	json_t *checks = json_array();
	json_t *root;
	char *text;
	int r = -ENOMEM;

	for (size_t i = 0; i < doctor->n; i++)
		if (json_array_append_new(checks, json_check(&doctor->checks[i])) < 0) {
			json_decref(checks);
			return -ENOMEM;
		}
	root = json_pack("{s:s, s:s, s:b, s:o}", "schema", "toolcell.doctor/1", "mode",
			 doctor->root_mode ? "root" : "rootless", "enforceable",
			 doctor_missing(doctor) == 0, "checks", checks);
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	if (text)
		r = buf_printf(out, "%s\n", text);
	free(text);
	json_decref(root);
	return r;
}
