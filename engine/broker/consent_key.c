/*
 * Theory of operation: a question of the modern era outlives its call. It is kept with the call that it
 * was about, under a state of 128 random bits; the next call with that state has to be the same call,
 * word for word, or it gets nothing. A state is good once. Of too many questions the oldest goes, as a
 * driver may forget one and never say so: what comes of it is a question asked again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "broker/consent.h"
#include "broker/state.h"

int consent_key_set(struct consent_key *key, const char *tool, json_t *arguments,
		    const char *session)
{
	*key = (struct consent_key){
		.tool = strdup(tool),
		.arguments = json_incref(arguments),
		.session = session ? strdup(session) : NULL,
	};
	if (key->tool && (key->session || !session))
		return 0;
	consent_key_fini(key);
	return -ENOMEM;
}

void consent_key_fini(struct consent_key *key)
{
	free(key->tool);
	free(key->session);
	json_decref(key->arguments);
	*key = (struct consent_key){0};
}

static bool texts_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool consent_key_equal(const struct consent_key *a, const struct consent_key *b)
{
	return a->tool && texts_equal(a->tool, b->tool) && texts_equal(a->session, b->session) &&
	       json_equal(a->arguments, b->arguments);
}

void consent_pending_free(struct consent_pending *pending)
{
	consent_key_fini(&pending->key);
	*pending = (struct consent_pending){0};
}

static void expire(struct consents *s, int64_t now_ms)
{
	for (size_t i = 0; i < CONSENT_PENDING_MAX; i++)
		if (s->pending[i].state[0] && s->pending[i].deadline_ms <= now_ms)
			consent_pending_free(&s->pending[i]);
}

static struct consent_pending *oldest(struct consents *s)
{
	struct consent_pending *found = NULL;

	for (size_t i = 0; i < CONSENT_PENDING_MAX; i++) {
		struct consent_pending *p = &s->pending[i];

		if (p->state[0] && (!found || p->deadline_ms < found->deadline_ms))
			found = p;
	}
	return found;
}

static size_t bytes_of(const struct consents *s)
{
	size_t n = 0;

	for (size_t i = 0; i < CONSENT_PENDING_MAX; i++)
		n += s->pending[i].bytes;
	return n;
}

/* A free place, and room for @bytes beside the others; at most CONSENT_PENDING_BYTES. */
static struct consent_pending *make_room(struct consents *s, size_t bytes)
{
	struct consent_pending *room;

	while (bytes_of(s) + bytes > CONSENT_PENDING_BYTES)
		consent_pending_free(oldest(s));
	for (size_t i = 0; i < CONSENT_PENDING_MAX; i++)
		if (!s->pending[i].state[0])
			return &s->pending[i];
	room = oldest(s);
	consent_pending_free(room);
	return room;
}

int consent_pending_add(struct call *c, uint32_t bits, const char **ret)
{
	struct consents *s = &c->broker->consents;
	int64_t now = loop_now_ms();
	struct consent_pending *p;
	uint64_t random[2];

	*ret = "";
	if (c->bytes > CONSENT_PENDING_BYTES)
		return 0;
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -ENOMEM;
	expire(s, now);
	p = make_room(s, c->bytes);
	if (consent_key_set(&p->key, c->consent.key.tool, c->consent.key.arguments,
			    c->consent.key.session) < 0)
		return -ENOMEM;
	(void)snprintf(p->state, sizeof(p->state), "%016" PRIx64 "%016" PRIx64, random[0],
		       random[1]);
	p->bits = bits;
	p->bytes = c->bytes;
	p->deadline_ms = now + s->timeout_ms;
	*ret = p->state;
	return 0;
}

uint32_t consent_pending_take(struct call *c, const char *state)
{
	struct consents *s = &c->broker->consents;
	uint32_t bits = 0;

	expire(s, loop_now_ms());
	for (size_t i = 0; i < CONSENT_PENDING_MAX && state[0]; i++) {
		struct consent_pending *p = &s->pending[i];

		if (strcmp(p->state, state) != 0)
			continue;
		if (consent_key_equal(&p->key, &c->consent.key))
			bits = p->bits;
		consent_pending_free(p);
	}
	return bits;
}

bool consent_pending_asks(const struct call *c, uint32_t bits, int64_t now_ms)
{
	const struct consents *s = &c->broker->consents;

	for (size_t i = 0; i < CONSENT_PENDING_MAX; i++) {
		const struct consent_pending *p = &s->pending[i];

		if (!p->state[0] || p->deadline_ms <= now_ms)
			continue;
		if ((p->bits & bits & CONSENT_PATHS) ||
		    ((p->bits & bits & CONSENT_TOOL) && strcmp(p->key.tool, c->tool_name) == 0))
			return true;
	}
	return false;
}
