/*
 * Theory of operation: getopt_long knows neither suggestions nor "given twice", accepts
 * abbreviations that a later option can make ambiguous, and permutes by environment variable; so
 * the words are read here, against a table. Each option has one row, one kind, and one place in
 * struct args.
 */
#include "cli/args.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/text.h"

#define SHOWN_MAX 80   /* bytes of a foreign word in a message */
#define OPTIONS_MAX 64 /* rows of one level, own and common */

static const char *const color_choices[] = {"auto", "always", "never", NULL};

const struct args_option args_common[] = {
	{"help", 'h', .kind = ARGS_FLAG, .help = "show this text and exit",
	 .offset = offsetof(struct args, help)},
	{"color", .kind = ARGS_CHOICE, .value = "WHEN", .choices = color_choices,
	 .help = "auto, always or never; auto: on a terminal, unless NO_COLOR is set",
	 .offset = offsetof(struct args, color)},
};
const size_t args_common_n = ARRAY_SIZE(args_common);

/* One level being read. */
struct reader {
	const struct args_table *table;
	struct args *args;
	struct err *err;
	uint64_t seen; /* bit per row: own first, then common */
	int argc;
	int at;
	char **argv;
};

static const struct args_option *row(const struct args_table *table, size_t i)
{
	if (i < table->n)
		return &table->own[i];
	i -= table->n;
	return i < args_common_n ? &args_common[i] : NULL;
}

int args_parse_uid_range(const char *text, struct args_uid_range *ret, struct err *err)
{
	const char *colon = strchr(text, ':');
	char base_text[16] = "";
	char shown[SHOWN_MAX];
	uint64_t base;
	uint64_t count;

	(void)text_quote(shown, sizeof(shown), text, strlen(text));
	if (colon && (size_t)(colon - text) < sizeof(base_text))
		memcpy(base_text, text, (size_t)(colon - text));
	if (!colon || num_parse_u64(base_text, UINT32_MAX, &base) < 0 ||
	    num_parse_u64(colon + 1, UINT32_MAX, &count) < 0)
		return err_set(err, EINVAL, "uid range \"%s\" is not BASE:COUNT, like 200000:1024",
			       shown);
	if (base < ARGS_UID_MIN)
		return err_set(err, EINVAL, "uid range \"%s\" begins below %u, where accounts are",
			       shown, ARGS_UID_MIN);
	if (count == 0 || count > ARGS_UID_COUNT_MAX)
		return err_set(err, EINVAL, "uid range \"%s\" must hold 1 to %u uids", shown,
			       ARGS_UID_COUNT_MAX);
	if (base + count >
	    UINT32_MAX) /* the last one, (uid_t)-1, means "unchanged" to the kernel */
		return err_set(err, EINVAL, "uid range \"%s\" ends beyond the last uid", shown);
	ret->base = (uint32_t)base;
	ret->count = (uint32_t)count;
	return 0;
}

static int store_choice(const struct args_option *o, const char *value, const char **ret,
			struct err *err)
{
	char shown[SHOWN_MAX];
	char list[160] = "";
	size_t used = 0;

	for (const char *const *c = o->choices; *c; c++) {
		if (strcmp(*c, value) == 0) {
			*ret = *c;
			return 0;
		}
		if (used + strlen(*c) + 3 < sizeof(list)) {
			char *end = list + used;

			end = stpcpy(end, used ? ", " : "");
			used = (size_t)(stpcpy(end, *c) - list);
		}
	}
	return err_set(err, EINVAL, "--%s \"%s\" is none of %s", o->name,
		       text_quote(shown, sizeof(shown), value, strlen(value)), list);
}

static int store_duration(const struct args_option *o, const char *value, uint64_t *ret,
			  struct err *err)
{
	char shown[SHOWN_MAX];
	uint64_t ms;

	if (num_parse_ms(value, &ms) < 0 || ms == 0)
		return err_set(err, EINVAL,
			       "--%s \"%s\" is no time above zero with a unit, like "
			       "500ms, 90s, 10min or 1h",
			       o->name, text_quote(shown, sizeof(shown), value, strlen(value)));
	*ret = ms;
	return 0;
}

static int store_item(const struct args_option *o, const char *value, struct args_list *ret,
		      struct err *err)
{
	if (ret->n >= ARGS_LIST_MAX)
		return err_set(err, EINVAL, "--%s is given more than %d times", o->name,
			       ARGS_LIST_MAX);
	ret->values[ret->n++] = value;
	return 0;
}

static int store(struct reader *r, const struct args_option *o, const char *value)
{
	void *place = (char *)r->args + o->offset;

	switch (o->kind) {
	case ARGS_FLAG:
		*(bool *)place = true;
		return 0;
	case ARGS_TEXT:
		*(const char **)place = value;
		return 0;
	case ARGS_LIST:
		return store_item(o, value, place, r->err);
	case ARGS_CHOICE:
		return store_choice(o, value, place, r->err);
	case ARGS_DURATION:
		return store_duration(o, value, place, r->err);
	case ARGS_UID_RANGE:
		return args_parse_uid_range(value, place, r->err);
	case ARGS_PASSED:
		return 0;
	}
	return err_set(r->err, EIO, "option --%s has no kind", o->name);
}

static bool wants_value(const struct args_option *o)
{
	return o->kind == ARGS_PASSED ? o->takes_value : o->kind != ARGS_FLAG;
}

/* Row @i was met; @value is what stood behind "=" or the letter, or NULL. */
static int take(struct reader *r, size_t i, const char *value)
{
	const struct args_option *o = row(r->table, i);

	if ((r->seen & (1ULL << i)) && o->kind != ARGS_LIST)
		return err_set(r->err, EINVAL, "option --%s is given twice", o->name);
	r->seen |= 1ULL << i;
	if (!wants_value(o))
		return value ? err_set(r->err, EINVAL, "option --%s takes no value", o->name)
			     : store(r, o, NULL);
	if (!value && r->at < r->argc)
		value = r->argv[r->at++];
	if (!value || value[0] == '\0')
		return err_set(r->err, EINVAL, "option --%s needs a value: --%s %s", o->name,
			       o->name, o->value);
	return store(r, o, value);
}

static int unknown_long(struct reader *r, const char *name, size_t len)
{
	const char *names[OPTIONS_MAX];
	char word[SHOWN_MAX];
	char shown[SHOWN_MAX];
	const struct args_option *o;
	const char *near;
	size_t n = 0;

	for (size_t i = 0; n < ARRAY_SIZE(names) && (o = row(r->table, i)); i++)
		if (!o->hidden)
			names[n++] = o->name;
	len = MIN(len, sizeof(word) - 1);
	memcpy(word, name, len);
	word[len] = '\0';
	near = text_nearest(word, names, n);
	(void)text_quote(shown, sizeof(shown), word, len);
	if (near)
		return err_set(r->err, EINVAL, "unknown option --%s; did you mean --%s?", shown,
			       near);
	return err_set(r->err, EINVAL, "unknown option --%s", shown);
}

static int parse_long(struct reader *r, const char *word)
{
	size_t len = strcspn(word, "=");
	const struct args_option *o;

	for (size_t i = 0; (o = row(r->table, i)); i++)
		if (strlen(o->name) == len && strncmp(o->name, word, len) == 0)
			return take(r, i, word[len] == '=' ? word + len + 1 : NULL);
	return unknown_long(r, word, len);
}

/* One letter, its value in the same word or the next; letters are not grouped. */
static int parse_letter(struct reader *r, const char *word)
{
	const struct args_option *o;
	char shown[SHOWN_MAX];

	for (size_t i = 0; (o = row(r->table, i)); i++)
		if (o->letter != '\0' && o->letter == word[0])
			return take(r, i, word[1] != '\0' ? word + 1 : NULL);
	return err_set(r->err, EINVAL, "unknown option -%s",
		       text_quote(shown, sizeof(shown), word, strlen(word)));
}

static void finish(struct reader *r, int kept)
{
	while (r->at < r->argc)
		r->argv[kept++] = r->argv[r->at++];
	r->argv[kept] = NULL;
	r->args->operands = r->argv;
	r->args->n_operands = kept;
}

int args_parse(const struct args_table *table, int argc, char **argv, struct args *ret,
	       struct err *err)
{
	struct reader r = {.table = table, .args = ret, .err = err, .argc = argc, .argv = argv};
	int kept = 0;

	if (table->n + args_common_n > OPTIONS_MAX)
		return err_set(err, EIO, "a table of options has more than %d rows", OPTIONS_MAX);
	while (r.at < argc) {
		const char *word = argv[r.at];
		int status;

		if (word[0] != '-' || word[1] == '\0') {
			if (table->stop)
				break;
			argv[kept++] = argv[r.at++];
			continue;
		}
		r.at++;
		if (strcmp(word, "--") == 0)
			break;
		status = word[1] == '-' ? parse_long(&r, word + 2) : parse_letter(&r, word + 1);
		if (status < 0)
			return status;
	}
	finish(&r, kept);
	return 0;
}
