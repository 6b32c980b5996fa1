/*
 * Theory of operation: `exec` has no broker and asks about paths alone, as it runs a command and no tool.
 * The words of the command are looked at like those of a tool's command line; the cell that the frame
 * will name is the one with what was granted. An image without such cells costs a look at its cells'
 * names, and no JSON is read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "broker/catalog.h"
#include "broker/consent.h"
#include "broker/result.h"
#include "broker/state.h"

/* A call that has nothing but words, for the question; too large for a stack. */
struct scene {
	struct broker broker;
	struct broker_config config;
	struct frame_ready ready;
	struct call call;
};

static void scene_freep(struct scene **at)
{
	struct scene *s = *at;

	if (!s)
		return;
	consents_fini(&s->broker);
	json_decref(s->broker.catalog);
	json_decref(s->call.denials);
	free(s->call.tool_name);
	free(s->call.cwd);
	free(s);
}

static bool has_asks(const struct image *image, const char *policy)
{
	const struct image_cell *cell;
	size_t len = strlen(policy);

	for (uint32_t i = 0; (cell = image_cell(image, i)); i++) {
		const char *name = image_string(image, cell->name);

		if (name && strncmp(name, policy, len) == 0 && strncmp(name + len, "/ask/", 5) == 0)
			return true;
	}
	return false;
}

static int scene_new(const struct image *image, uint32_t cell, struct scene **ret, struct err *err)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ENOMEM, "no memory for a question");
	*ret = s;
	s->ready.session =
		FRAME_WORKSPACE_OVERLAY; /* as the policy says; a fallback is told later */
	s->config = (struct broker_config){.image = image, .ready = &s->ready};
	s->broker.config = &s->config;
	s->broker.catalog = catalog_head(image, NULL);
	s->broker.policy = json_string_value(json_object_get(s->broker.catalog, "policy"));
	s->call.broker = &s->broker;
	s->call.cell = image_cell(image, cell);
	s->call.cell_index = cell;
	s->call.tool_name = strdup("exec");
	if (!s->broker.policy || !s->call.tool_name)
		return err_set(err, EINVAL, "the policy image's catalog cannot be read");
	consents_init(&s->broker);
	return 0;
}

static uint32_t named_bits(const struct scene *s, char *const *argv)
{
	const struct consents *c = &s->broker.consents;
	const char *home = json_string_value(json_object_get(s->broker.catalog, "home"));
	uint32_t bits = 0;

	for (uint32_t i = 0; i < c->n_paths; i++)
		for (char *const *arg = argv; *arg; arg++)
			if (consent_path_in(*arg, c->paths[i].path, s->call.cwd, home))
				bits |= 1U << i;
	return bits;
}

/* As a call of the broker's is refused, and in words for the person who has typed the command. */
static int refuse(struct scene *s, uint32_t bit, enum broker_person_answer answer,
		  struct broker_refusal *ret, struct err *err)
{
	static const struct {
		enum consent_refusal why;
		const char *words;
	} rows[] = {
		[BROKER_PERSON_NO] = {CONSENT_DECLINED, "you have declined"},
		[BROKER_PERSON_TIMEOUT] = {CONSENT_TIMEOUT, "nobody has answered"},
		[BROKER_PERSON_GONE] = {CONSENT_NOBODY, "there is no terminal to ask at"},
	};
	const struct consent_path *path = &s->broker.consents.paths[__builtin_ctz(bit)];

	result_ended_init(&s->call.ended);
	s->call.ended.limits = s->call.cell->limits;
	consent_refuse(&s->call, bit, rows[answer].why, NULL);
	ret->ended = s->call.ended;
	ret->denials = json_dumps(s->call.denials, JSON_COMPACT);
	if (!ret->denials)
		return err_set(err, ENOMEM, "no memory for a refusal");
	return err_set(err, EPERM,
		       "refused: %s, and %s asks before %s is granted; without asking grants: %s",
		       rows[answer].words, path->rule, path->path, path->fragment);
}

static int ask_all(struct scene *s, const struct broker_person *person, uint32_t bits,
		   struct broker_refusal *ret, struct err *err)
{
	const struct consents *c = &s->broker.consents;
	CLEANUP(buf_fini) struct buf message = {0};
	const char *shown;

	if (consent_message(&s->call, NULL, bits, &message) < 0)
		return err_set(err, ENOMEM, "no memory for a question");
	shown = message.data;
	for (uint32_t i = 0; i < c->n_paths; i++) {
		enum broker_person_answer answer = BROKER_PERSON_GONE;
		CLEANUP(buf_fini) struct buf title = {0};

		if (!(bits & 1U << i))
			continue;
		if (consent_title(&s->call, 1U << i, &title) < 0)
			return err_set(err, ENOMEM, "no memory for a question");
		if (person)
			answer = person->ask(person->ctx, shown, title.data, c->timeout_ms);
		shown = NULL;
		if (answer != BROKER_PERSON_YES)
			return refuse(s, 1U << i, answer, ret, err);
	}
	return 0;
}

int broker_exec_consent(const struct image *image, uint32_t *cell, char *const *argv,
			const char *cwd, const struct broker_person *person,
			struct broker_refusal *ret, struct err *err)
{
	CLEANUP(scene_freep) struct scene *s = NULL;
	const struct image_cell *plain = image_cell(image, *cell);
	const char *policy = plain ? image_string(image, plain->policy) : NULL;
	uint32_t bits;
	int r;

	if (!policy || !has_asks(image, policy))
		return 0;
	r = scene_new(image, *cell, &s, err);
	if (r < 0 || !s)
		return r < 0 ? r : -ENOMEM;
	s->call.cwd = strdup(cwd);
	if (!s->call.cwd)
		return err_set(err, ENOMEM, "no memory for a question");
	bits = named_bits(s, argv);
	if (bits == 0)
		return 0;
	s->call.expanded.argv = (char **)(uintptr_t)argv; /* shown, not changed */
	s->broker.consents.session = false;		  /* it ends with the call */
	r = ask_all(s, person, bits, ret, err);
	s->call.expanded.argv = NULL;
	if (r < 0)
		return r;
	s->call.consent.once = bits;
	if (!consent_choose_cell(&s->call))
		return err_set(err, EINVAL, "the policy image has no cell for what was granted");
	*cell = s->call.cell_index;
	return 0;
}

/* The bits that a cell stands for, by its place. */
static uint32_t bits_of(const struct consents *c, uint32_t cell)
{
	if (c->n_paths == 0 || c->cells == 0 || cell < c->first_cell)
		return 0;
	return ((cell - c->first_cell) / c->cells + 1) & CONSENT_PATHS;
}

/* What was granted to a command, by the cell that it ran in. NULL: nothing is asked about, or -errno. */
static struct scene *scene_of_cell(const struct image *image, uint32_t cell, int *ret)
{
	const struct image_cell *record = image_cell(image, cell);
	const char *policy = record ? image_string(image, record->policy) : NULL;
	struct scene *s = NULL;
	struct err err;

	*ret = policy && has_asks(image, policy) ? scene_new(image, cell, &s, &err) : 0;
	if (*ret < 0) {
		scene_freep(&s);
		return NULL;
	}
	if (s) {
		s->call.consent.had = bits_of(&s->broker.consents, cell);
		s->call.consent.once = s->call.consent.had;
	}
	return s;
}

json_t *consent_exec_granted(const struct image *image, uint32_t cell)
{
	int r;
	CLEANUP(scene_freep) struct scene *s = scene_of_cell(image, cell, &r);

	return s ? consent_granted(&s->call) : json_array();
}

int consent_exec_explain(const struct image *image, uint32_t cell, json_t *denials)
{
	int r;
	CLEANUP(scene_freep) struct scene *s = scene_of_cell(image, cell, &r);
	uint32_t bits;

	return s ? consent_explain_denials(&s->call, denials, &bits) : r;
}
